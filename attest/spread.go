package attest

import (
	"fmt"

	"joconde"
)

// Spread says whether the nodes of a task depend on enough different people:
// at most threshold of them (the parties that may pool what they see and learn
// nothing, engine.Info.PrivacyThreshold) may share a TEE vendor, a hosting
// provider or an operator, since whoever breaks or compels that one has all of
// these nodes at once. claims are those of all nodes, with Operator and
// Hosting filled in; nodes that leave one of them out count as sharing it.
//
// Nodes on development platforms are exempt, as they protect nothing anyway.
// exempt has a sentence for each, to be shown wherever the result is.
func Spread(claims []Claims, threshold int) (exempt []string, err error) {
	if len(claims) == 0 {
		return nil, problem("JOC-E020", "there are no nodes to spread", ErrSpread, joconde.ExitPolicy)
	}
	aspects := []struct {
		what string
		of   func(Claims) string
	}{
		{"TEE vendor", func(c Claims) string { return c.Vendor }},
		{"hosting provider", func(c Claims) string { return c.Hosting }},
		{"operator", func(c Claims) string { return string(c.Operator) }},
	}
	var bound []Claims
	for i, c := range claims {
		if c.Development {
			exempt = append(exempt, fmt.Sprintf("node %d runs on %s, a development platform that protects nothing: the spread rule was not applied to it", i+1, quote(c.Platform)))
		} else {
			bound = append(bound, c)
		}
	}
	for _, aspect := range aspects {
		nodes := map[string]int{}
		for _, c := range bound {
			name := aspect.of(c)
			if nodes[name]++; nodes[name] <= threshold {
				continue
			}
			shown := quote(name)
			if name == "" {
				shown = "that is not named"
			}
			p := problem("JOC-E021", fmt.Sprintf("more than %d of the nodes share the %s %s", threshold, aspect.what, shown), ErrSpread, joconde.ExitPolicy)
			p.Why = "whoever controls that one could learn inputs alone"
			p.Do = "propose the task with other computing parties or places, or an engine with a higher threshold"
			return exempt, p
		}
	}
	return exempt, nil
}
