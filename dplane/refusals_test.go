package dplane

import (
	"errors"
	"testing"

	"joconde"
	"joconde/dplane/engine"
	"joconde/record"
)

func TestRefusals(t *testing.T) {
	passive, active := engine.Info{Adversary: "passive"}, engine.Info{Adversary: "active"}
	task := &joconde.Task{Engine: "e", Parties: make([]joconde.Member, 3), Rows: []joconde.Bound{{Table: "a.t", Rows: 10}}, Deadlines: joconde.Deadline{RunSeconds: 60}}
	test := *task
	test.TestData = true
	for _, c := range []struct {
		name  string
		r     Refusals
		task  *joconde.Task
		info  engine.Info
		codes []string
	}{
		{"by default, an engine that one cheating node defeats", Refusals{}, task, passive, []string{"JOC-R131"}},
		{"by default, an engine that does not say what it withstands", Refusals{}, task, engine.Info{}, []string{"JOC-R131"}},
		{"by default, nothing else", Refusals{}, task, active, nil},
		{"not a passive engine that is admitted", Refusals{AllowPassive: true}, task, passive, nil},
		{"an engine by name", Refusals{Engines: []string{"d", "e"}}, task, active, []string{"JOC-R132"}},
		{"real data", Refusals{TestDataOnly: true}, task, active, []string{"JOC-R133"}},
		{"not test data", Refusals{TestDataOnly: true}, &test, active, nil},
		{"too few parties", Refusals{MinimumParties: 4}, task, active, []string{"JOC-R134"}},
		{"too many rows", Refusals{MaximumRows: 9}, task, active, []string{"JOC-R135"}},
		{"too long", Refusals{MaximumSeconds: 59}, task, active, []string{"JOC-R136"}},
		{"nothing at its limits", Refusals{MinimumParties: 3, MaximumRows: 10, MaximumSeconds: 60}, task, active, nil},
		{"all at once", Refusals{MinimumParties: 4, MaximumRows: 9}, task, passive, []string{"JOC-R131", "JOC-R134", "JOC-R135"}},
	} {
		var all joconde.Problems
		err := c.r.Refuse(c.task, c.info)
		if err != nil && !errors.As(err, &all) || len(all) != len(c.codes) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, p := range all {
			if p.Code != c.codes[i] || p.Exit != joconde.ExitPolicy {
				t.Errorf("%s: %+v", c.name, *p)
			}
		}
	}
	whole, err := record.Canonical(Refusals{AllowPassive: true, Engines: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := ParseRefusals(whole); err != nil || !r.AllowPassive {
		t.Errorf("%s: %+v, %v", whole, r, err)
	}
	for _, text := range []string{"", "{}", "null", string(whole) + " ", `{"allow_passive":true,"engines":[],"maximum_rows":-1,"maximum_seconds":0,"minimum_parties":0,"test_data_only":false}`} {
		if _, err := ParseRefusals([]byte(text)); err == nil {
			t.Errorf("accepted %q", text)
		}
	}
}
