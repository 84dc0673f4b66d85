package statement

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestShort(t *testing.T) {
	demo := example(t, examples["demo"])
	for _, test := range []struct {
		name string
		s    *Statement
		want []string
	}{
		{"guards, and openings that say nothing", New(demo, nil, shuffling(demo)), []string{
			"hub learns the view pay_gap: at most 16 rows, only for groups with at least 10 rows, 10 with women and 10 with men.",
			"Unless the engine is broken, nobody else learns anything; nodes learn only row bounds and lengths of messages. The engine declares that what it opens to them (2 kinds) says nothing about the data.",
			"Can learn inputs: any 2 of the 3 nodes that pool what they see, each by its operator or by a broken TEE; and 1 that cheats may learn something about inputs. Can falsify results: any 1 of the 3 nodes that cheats.",
		}},
		{"dominance, and no opening", New(payGap(t, true, "hub", "tax"), nil, Engine{Name: "x", BreaksPrivacy: "all"}), []string{
			"hub and tax learn the view gap: at most 8 rows, only for groups with at least 10 rows and no tax.job.earnings above 85 % of the sum.",
			"Unless the engine is broken, nobody else learns anything; nodes learn only row bounds and lengths of messages.",
			"Can learn inputs: all. Can falsify results: the engine does not say.",
		}},
		{"no guard, single records, an engine for development", New(registers(t), nil, Engine{Name: "clear", Development: true, BreaksPrivacy: "the one party that runs it"}), []string{
			"fr and lu learn the view commuters: at most 42 rows; no guard.",
			"estat learns the view everyone: at most as many rows as the task allows for fr.resident; no guard; rows can speak of single records.",
			"The task tells nobody anything else, but the engine is for development: whoever runs it may see everything.",
			"Can learn inputs: the one party that runs it. Can falsify results: the engine does not say.",
		}},
		{"an opening without a reason", New(payGap(t, false, "hub"), nil, Engine{Name: "x", Openings: []Opening{{What: "the count", Node: 4}}}), []string{
			"hub learns the view gap: at most 8 rows; no guard.",
			"The task tells nobody anything else. The engine opens values to the computing parties (1 kind) and does not say of each why it says nothing about the data.",
			"Can learn inputs: the engine does not say. Can falsify results: the engine does not say.",
		}},
		{"no engine", New(payGap(t, false, "hub"), nil, Engine{}), []string{
			"hub learns the view gap: at most 8 rows; no guard.",
			"The task tells nobody anything else. What the computing parties see depends on the engine, and none is chosen yet.",
			"No engine is chosen yet, so nothing is said about what breaks it.",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.s.Short(); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if !strings.HasPrefix(test.s.Prose(), "WHO LEARNS WHAT\n\n"+test.want[0]+"\n") {
				t.Error("the prose does not begin so")
			}
		})
	}
}

// Many parties give several tables below each other, with all columns.
func TestTableOfManyParties(t *testing.T) {
	p := payGap(t, true, "at", "be", "bg", "cy", "cz", "de", "dk", "ee", "el", "es", "fi", "fr", "hr", "hu", "ie", "it", "lt")
	s := New(p, nil, passive)
	b := &page{}
	s.table(b)
	tables := strings.Split(b.String(), "\n\n")
	if len(tables) < 2 {
		t.Fatalf("one table:\n%s", b)
	}
	var heads []string
	for _, table := range tables {
		lines := strings.Split(table, "\n")
		heads = append(heads, strings.Fields(strings.ReplaceAll(lines[0], string(Computing), "computing"))...)
		for _, line := range lines {
			if utf8.RuneCountInString(line) > widestTable {
				t.Errorf("too wide: %s", line)
			}
		}
		if !strings.Contains(table, "\nview gap (at most 8 rows) ") {
			t.Errorf("a table without items:\n%s", table)
		}
	}
	var want []string
	for _, party := range append(slices.Clone(s.Parties), "computing") {
		want = append(want, string(party))
	}
	if !slices.Equal(heads, want) {
		t.Errorf("got %v, want %v", heads, want)
	}
}

// Openings of one kind are one entry, with the number of steps and the views.
func TestOpeningsOfOneKindAreStatedOnce(t *testing.T) {
	p := example(t, examples["4_double_registered"])
	s := New(p, nil, shuffling(p))
	const what = "The places to which rows move"
	if prose := s.Prose(); strings.Count(prose, what) != 1 ||
		strings.Count(prose, "At 4 steps, for the views commuters and double_registered:\n") != 2 {
		t.Errorf("not once in\n%s", prose)
	}
	if len(s.Openings) != 8 || s.Openings[0].Step == s.Openings[2].Step {
		t.Errorf("the openings are %v", s.Openings)
	}
	one := Engine{Name: "x", Openings: []Opening{{What: "a", Why: "b", Node: p.Outputs[0].Node}}}
	if got := New(p, nil, one).Openings[0].Views; !slices.Equal(got, []string{"commuters"}) {
		t.Errorf("the views are %v", got)
	}
}
