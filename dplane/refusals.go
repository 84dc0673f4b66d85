package dplane

import (
	"fmt"
	"slices"

	"joconde"
	"joconde/dplane/engine"
	"joconde/record"
)

// Refusals are what a party takes no part in, whatever has been agreed. Its
// agent asks before a person signs, its node asks again before it makes a key.
// The zero value refuses every task whose engine withstands only computing
// parties that keep to the protocol, which a party has to admit by name.
type Refusals struct {
	AllowPassive   bool     `json:"allow_passive"`   // admit engines that one cheating node defeats
	Engines        []string `json:"engines"`         // refuse these engines
	TestDataOnly   bool     `json:"test_data_only"`  // refuse tasks over real data
	MinimumParties int      `json:"minimum_parties"` // refuse tasks of fewer parties
	MaximumRows    int      `json:"maximum_rows"`    // refuse tables with a greater row bound; 0 sets no limit
	MaximumSeconds int      `json:"maximum_seconds"` // refuse tasks that may compute for longer; 0 sets no limit
}

// ParseRefusals reads a party's policy: canonical JSON with all fields.
func ParseRefusals(data []byte) (Refusals, error) {
	var r Refusals
	err := record.Strict(data, &r)
	if err == nil && (r.MinimumParties < 0 || r.MaximumRows < 0 || r.MaximumSeconds < 0) {
		err = fmt.Errorf("a limit is negative")
	}
	if err != nil {
		return Refusals{}, &joconde.Problem{Code: "JOC-R130", What: "the policy of what this party refuses cannot be read", Why: err.Error(),
			Do: "write it again with joconde", LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid, Err: err}
	}
	return r, nil
}

// Refuse gives all that is refused in a task, or nil.
func (r Refusals) Refuse(t *joconde.Task, e engine.Info) error {
	var all joconde.Problems
	if e.Adversary != "active" && !r.AllowPassive {
		all = append(all, refusedTerm("JOC-R131", "engine", fmt.Sprintf("engine %s withstands only computing parties that keep to the protocol", t.Engine)))
	}
	if slices.Contains(r.Engines, t.Engine) {
		all = append(all, refusedTerm("JOC-R132", "engine", fmt.Sprintf("engine %s is refused", t.Engine)))
	}
	if r.TestDataOnly && !t.TestData {
		all = append(all, refusedTerm("JOC-R133", "test_data", "the task is over real data"))
	}
	if len(t.Parties) < r.MinimumParties {
		all = append(all, refusedTerm("JOC-R134", "parties", fmt.Sprintf("the task has %d parties and at least %d are wanted", len(t.Parties), r.MinimumParties)))
	}
	for i := range t.Rows {
		if b := &t.Rows[i]; r.MaximumRows > 0 && b.Rows > r.MaximumRows {
			all = append(all, refusedTerm("JOC-R135", "rows, "+b.Table, fmt.Sprintf("the table may have %d rows and at most %d are admitted", b.Rows, r.MaximumRows)))
		}
	}
	if r.MaximumSeconds > 0 && t.Deadlines.RunSeconds > r.MaximumSeconds {
		all = append(all, refusedTerm("JOC-R136", "deadlines, run_seconds", fmt.Sprintf("the computation may take %d seconds and at most %d are admitted", t.Deadlines.RunSeconds, r.MaximumSeconds)))
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

func refusedTerm(code, where, what string) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: "the party's own policy refuses it, whatever was signed",
		Do: "propose other terms, or have the party change its policy", LeftMachine: joconde.NothingLeft, Exit: joconde.ExitPolicy}
}
