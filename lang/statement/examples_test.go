package statement

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"joconde/lang"
	"joconde/lang/ir"
)

// examples are the programs as their authors wrote them, and the demo's.
var examples = map[string]string{
	"2_students_taxes":    "testdata/programs/examples/2_students_taxes.sql",
	"4_double_registered": "testdata/programs/examples/4_double_registered.sql",
	"5_mno_flows":         "testdata/programs/examples/5_mno_flows.sql",
	"demo":                "cmd/joconde/demo.sql",
}

func example(t *testing.T, path string) *ir.Program {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := lang.Compile(path, src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shuffling declares openings as a real engine does: two at each join and
// grouping on shares, in many words.
func shuffling(p *ir.Program) Engine {
	e := Engine{Name: "rep3", Adversary: "passive",
		BreaksPrivacy:     "any 2 of the 3 nodes that pool what they see, each by its operator or by a broken TEE; and 1 that cheats may learn something about inputs",
		BreaksCorrectness: "any 1 of the 3 nodes that cheats"}
	for i, n := range p.Nodes {
		if n.Local == "" && (n.Op == ir.JoinOp || n.Op == ir.Aggregate) {
			e.Openings = append(e.Openings,
				Opening{Node: i, What: "the order of the rows of a sort, after they were put in a secret random order and every row got a secret number of its own: it is a random order whatever the data",
					Why: "the rows were put in a uniformly random order that no node knows, and no two of them compare as equal"},
				Opening{Node: i, What: "the places to which rows move, after they were put in a secret random order", Why: "what is opened is a uniformly random permutation"})
		}
	}
	return e
}

func TestStatementsOfTheExamples(t *testing.T) {
	for name, path := range examples {
		t.Run(name, func(t *testing.T) {
			p := example(t, path)
			s := New(p, nil, shuffling(p))
			golden(t, "example_"+name+".txt", s.Prose())
			readable(t, s)
			codes(t, s)
		})
	}
}

// A decoded program has no views at its nodes and no places in the text.
func TestTheStatementIsOfWhatIsSigned(t *testing.T) {
	for name, path := range examples {
		p := example(t, path)
		data, err := ir.Encode(p)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := ir.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if marshal(t, New(p, nil, shuffling(p))) != marshal(t, New(decoded, nil, shuffling(p))) {
			t.Errorf("%s: the statement of the decoded program differs", name)
		}
	}
}

// longestSentence is the greatest length of a line that people read at once.
const longestSentence = 200

var reference = regexp.MustCompile(`\[[a-z_][^][\n]*\]`)

// readable checks the form of the prose: short lines, no brackets within
// brackets, and each term defined once and used.
func readable(t *testing.T, s *Statement) {
	t.Helper()
	prose := s.Prose()
	for _, line := range strings.Split(prose, "\n") {
		if n := utf8.RuneCountInString(line); n > longestSentence {
			t.Errorf("a line has %d characters: %s", n, line)
		}
		depth := 0
		for _, r := range line {
			switch r {
			case '(':
				depth++
			case ')':
				depth--
			}
			if depth < 0 || depth > 1 {
				t.Errorf("brackets within brackets: %s", line)
				break
			}
		}
	}
	for _, term := range s.Terms {
		name := "[" + term.Name + "]"
		if strings.Count(prose, "\n"+name+" = ") != 1 || strings.Count(prose, name) < 2 {
			t.Errorf("%s is not defined once and used", name)
		}
	}
	for _, name := range reference.FindAllString(prose, -1) {
		if !strings.Contains(prose, "\n"+name+" = ") {
			t.Errorf("%s is not defined", name)
		}
	}
}
