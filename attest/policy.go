package attest

import (
	"errors"
	"slices"
	"strings"

	"joconde"
)

// Policy says which claims are enough to trust a node of one party. All lists
// are explicit: an empty one admits nothing, and so the zero Policy refuses
// everything.
type Policy struct {
	Platforms    []string
	Measurements []string
	Chips        []string // of this one party
	// AllowDevelopment admits platforms that protect nothing. The only word
	// that does it is TestData, and only a task that says so may give it.
	AllowDevelopment Development
}

// Development is why platforms that protect nothing may take part.
type Development string

// TestData is the only reason: the tables are not real.
const TestData Development = "test data"

// PolicyFor is the policy that a task's signed terms give for the node of one
// party. A party that operates no node, or is named twice, has none.
func PolicyFor(task *joconde.Task, party joconde.PartyID) (Policy, error) {
	var policy Policy
	places := 0
	for i := range task.Computing {
		if place := &task.Computing[i]; place.Party == party {
			places++
			policy = Policy{Platforms: task.Platforms, Measurements: place.Measurements, Chips: place.Chips}
		}
	}
	if places != 1 {
		return Policy{}, problem("JOC-E001", string(party)+" does not operate one node of this task", ErrPolicy, joconde.ExitPolicy)
	}
	if task.TestData {
		policy.AllowDevelopment = TestData
	}
	return policy, nil
}

// Why evidence is refused; the errors of this package wrap one of them.
var (
	ErrPolicy     = errors.New("the policy does not admit it")
	ErrSize       = errors.New("larger than evidence may be")
	ErrEvidence   = errors.New("it is not what the platform would give")
	ErrReportData = errors.New("it vouches for other keys, nonces or another task")
	ErrTime       = errors.New("it could not be verified in time")
	ErrSpread     = errors.New("too many nodes depend on one")
)

// Appraise says whether claims satisfy the policy. Guard asks this after every
// verification; only who has claims from elsewhere needs to ask again.
func (p Policy) Appraise(c Claims) error {
	if err := p.admits(c.Platform); err != nil {
		return err
	}
	switch {
	case c.Development && p.AllowDevelopment != TestData:
		return problem("JOC-E003", "platform "+quote(c.Platform)+" is for development and protects nothing", ErrPolicy, joconde.ExitPolicy)
	case !c.Development && c.Vendor == "":
		return problem("JOC-E004", "nobody vouches for platform "+quote(c.Platform), ErrPolicy, joconde.ExitPolicy)
	case strings.Trim(c.Chip, "0") == "" || !slices.Contains(p.Chips, c.Chip):
		return problem("JOC-E005", "the node runs on chip "+quote(c.Chip)+", which is not on its operator's list", ErrPolicy, joconde.ExitUnverified)
	case strings.Trim(c.Measurement, "0") == "" || !slices.Contains(p.Measurements, c.Measurement):
		return problem("JOC-E006", "the node runs software that nobody approved, measurement "+quote(c.Measurement), ErrPolicy, joconde.ExitUnverified)
	}
	return nil
}

// admits is what can be said before evidence is parsed.
func (p Policy) admits(platform string) error {
	if platform == "" || !slices.Contains(p.Platforms, platform) {
		return problem("JOC-E002", "platform "+quote(platform)+" is not admitted by the task", ErrPolicy, joconde.ExitPolicy)
	}
	return nil
}
