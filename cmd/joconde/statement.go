package main

import (
	"joconde/dplane/engine"
	"joconde/lang/lower"
	"joconde/lang/statement"
)

// statement says who learns what when the engine runs the program. Without a
// plan yet, the row bounds are left open.
func (c *computation) statement() (*statement.Statement, error) {
	plan, info := c.plan, c.engine.Info()
	if plan.Vector == nil {
		// What an engine opens is a matter of the program. The bounds enter
		// the plan only, so any will do that the program allows.
		plan = engine.Plan{Program: c.program, Rows: map[string]int{}}
		for _, t := range c.program.Tables {
			plan.Rows[t.QName()] = 1024
		}
		var err error
		if plan.Vector, err = lower.Lower(c.program, plan.Rows); err != nil {
			return nil, c.notOnShares(err)
		}
	}
	disclosures, err := c.engine.Check(plan)
	if err != nil {
		return nil, c.notByEngine(err)
	}
	e := statement.Engine{Name: info.Name, Adversary: info.Adversary, Development: info.Development,
		BreaksPrivacy: info.BreaksPrivacy, BreaksCorrectness: info.BreaksCorrectness}
	for _, d := range disclosures {
		e.Openings = append(e.Openings, statement.Opening{What: d.What, Why: d.Why, Node: d.Node})
	}
	return statement.New(c.program, c.plan.Rows, e), nil
}
