package statement

import (
	"fmt"
	"slices"
	"strings"
)

// Short is the least that a screen must show: a sentence for each view with its
// row bound and guards, then one line on what the computing parties learn and
// one on what breaks it.
func (s *Statement) Short() []string {
	var lines []string
	for _, v := range s.Views {
		lines = append(lines, v.short())
	}
	return append(lines, s.others(), strings.Join(s.Breaks.short(), " "))
}

func (v View) short() string {
	bound := v.Bound
	if v.AtMost > 0 {
		bound = "at most " + count(v.AtMost, "row")
	}
	text := fmt.Sprintf("%s learn%s the view %s: %s", list(v.To), plural(len(v.To), "s", ""), v.View, bound)
	var least, most []string
	for _, g := range v.Guards {
		of := strings.NewReplacer("[", "", "]", "").Replace(g.Of)
		switch {
		case g.Percent != "":
			most = append(most, fmt.Sprintf("no %s above %s %% of the sum", of, g.Percent))
		case g.AtLeast > 0 && of != "":
			least = append(least, fmt.Sprintf("%d with %s", g.AtLeast, of))
		case g.AtLeast > 0:
			least = slices.Insert(least, 0, count(g.AtLeast, "row"))
		}
	}
	switch rules := slices.Concat(least, most); {
	case len(rules) == 0:
		text += "; no guard"
	case len(least) == 0:
		text += ", only for groups with " + list(rules)
	default:
		text += ", only for groups with at least " + list(rules)
	}
	var single []string
	for _, n := range v.Notes {
		switch what := strings.Split(n.Code, "/"); what[1] {
		case "single-records":
			single = append(single, "rows")
		case "single-value":
			single = append(single, what[len(what)-1])
		}
	}
	if len(single) > 0 {
		text += "; " + list(single) + " can speak of single records"
	}
	return text + "."
}

const nothingElse = "Unless the engine is broken, nobody else learns anything; nodes learn only row bounds and lengths of messages."

// others says what everybody else learns. That openings say nothing is the
// engine's word.
func (s *Statement) others() string {
	kinds := s.openingKinds()
	reasons := !slices.ContainsFunc(kinds, func(k openingKind) bool { return trimmed(k.why) == "" })
	switch {
	case s.Breaks.Development:
		return "The task tells nobody anything else, but the engine is for development: whoever runs it may see everything."
	case s.Breaks.Engine == "":
		return "The task tells nobody anything else. What the computing parties see depends on the engine, and none is chosen yet."
	case len(kinds) == 0:
		return nothingElse
	case reasons:
		return fmt.Sprintf("%s The engine declares that what it opens to them (%s) says nothing about the data.", nothingElse, count(len(kinds), "kind"))
	}
	return fmt.Sprintf("The task tells nobody anything else. The engine opens values to the computing parties (%s) and does not say of each why it says nothing about the data.",
		count(len(kinds), "kind"))
}

func (b Breaks) short() []string {
	if b.Engine == "" {
		return []string{"No engine is chosen yet, so nothing is said about what breaks it."}
	}
	return []string{
		fmt.Sprintf("Can learn inputs: %s.", declared(b.Privacy)),
		fmt.Sprintf("Can falsify results: %s.", declared(b.Correctness)),
	}
}

// openingKind is all openings with one description.
type openingKind struct {
	what, why string
	steps     int
	whole     bool // some belong to no step
	views     []string
}

// openingKinds puts openings of one description together, in their order.
func (s *Statement) openingKinds() []openingKind {
	var kinds []openingKind
	for _, o := range s.Openings {
		at := slices.IndexFunc(kinds, func(k openingKind) bool { return k.what == o.What && k.why == o.Why })
		if at < 0 {
			at = len(kinds)
			kinds = append(kinds, openingKind{what: o.What, why: o.Why})
		}
		k := &kinds[at]
		if len(o.Views) == 0 {
			k.whole = true
			continue
		}
		k.steps++
		for _, v := range o.Views {
			if !slices.Contains(k.views, v) {
				k.views = append(k.views, v)
			}
		}
	}
	return kinds
}

// where says at which steps and for which views.
func (k openingKind) where() string {
	var places []string
	if k.steps > 0 {
		places = append(places, fmt.Sprintf("at %s, for the view%s %s", count(k.steps, "step"), plural(len(k.views), "", "s"), list(k.views)))
	}
	if k.whole {
		places = append(places, "during the whole computation")
	}
	return capital(list(places))
}
