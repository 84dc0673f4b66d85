package statement

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"joconde/lang/ir"
)

var update = flag.Bool("update", false, "write the golden files again")

var passive = Engine{
	Name: "rep3", Adversary: "passive",
	BreaksPrivacy:     "any two computing parties that pool what they see",
	BreaksCorrectness: "any one computing party that does not follow the protocol",
	Openings: []Opening{
		{What: "comparisons of shuffled distinct keys.", Why: "in a random order that nobody knows, distinct keys compare like random ones", Node: 5},
	},
}

func TestGolden(t *testing.T) {
	for _, test := range []struct {
		name string
		p    *ir.Program
		rows map[string]int
		e    Engine
	}{
		{"paygap", payGap(t, true, "hub"), map[string]int{"register.person": 65536, "tax.job": 61395}, passive},
		{"paygap-unguarded-no-bounds", payGap(t, false, "hub", "tax"), nil, Engine{}},
		{"registers", registers(t), map[string]int{"fr.resident": 5500000, "lu.payment": 9000000},
			Engine{Name: "clear", Development: true, BreaksPrivacy: "the one party that runs it"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := New(test.p, test.rows, test.e)
			data, err := json.MarshalIndent(s, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.name+".txt", s.Prose())
			golden(t, test.name+".json", string(data)+"\n")
			again := New(test.p, test.rows, test.e)
			if s.Prose() != again.Prose() || string(data) != marshal(t, again) {
				t.Error("a second statement differs")
			}
			codes(t, s)
		})
	}
}

func marshal(t *testing.T, s *Statement) string {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

// codes checks that no two entries of a list have the same code.
func codes(t *testing.T, s *Statement) {
	t.Helper()
	var all []string
	for _, i := range s.Matrix {
		all = append(all, "matrix "+i.Code)
	}
	for _, v := range s.Views {
		for _, c := range v.Columns {
			all = append(all, c.Code)
		}
	}
	for _, term := range s.Terms {
		all = append(all, term.Code)
	}
	for _, f := range slices.Concat(s.Public, s.Secret, s.Trusted) {
		all = append(all, f.Code)
	}
	for _, p := range s.AtOwners {
		for _, c := range p.Columns {
			all = append(all, c.Code)
		}
	}
	slices.Sort(all)
	for i := range all {
		if i > 0 && all[i] == all[i-1] {
			t.Errorf("code %s is there twice", all[i])
		}
	}
}

func TestWhatChangesTheStatement(t *testing.T) {
	rows := map[string]int{"register.person": 1000, "tax.job": 1000}
	base := New(payGap(t, true, "hub"), rows, passive)
	wider := payGap(t, true, "hub")
	n := &wider.Nodes[wider.Outputs[0].Node]
	n.Exprs = append(n.Exprs, ir.NewCol(5, wider.Nodes[n.In[0]].Columns[5].Type))
	n.Columns = append(n.Columns, ir.Column{Name: "total", Type: wider.Nodes[n.In[0]].Columns[5].Type})
	more := passive
	more.Openings = append(slices.Clone(more.Openings), Opening{What: "one bit", Why: "it is random", Node: 4})
	weaker := passive
	weaker.BreaksPrivacy = "any one computing party"
	for _, test := range []struct {
		name string
		s    *Statement
		says string
	}{
		{"one more grantee", New(payGap(t, true, "hub", "tax"), rows, passive), "hub and tax learn the view gap"},
		{"one more column", New(valid(t, wider), rows, passive), "total = sum of tax.job.earnings"},
		{"one more opening", New(payGap(t, true, "hub"), rows, more), "One bit."},
		{"no HAVING", New(payGap(t, false, "hub"), rows, passive), "Guard: none."},
		{"another engine", New(payGap(t, true, "hub"), rows, weaker), "Can learn inputs: any one computing party."},
		{"another row bound", New(payGap(t, true, "hub"), map[string]int{"register.person": 1001, "tax.job": 1000}, passive), "1,001 rows"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if marshal(t, test.s) == marshal(t, base) {
				t.Error("the statement is the same")
			}
			if strings.Contains(base.Prose(), test.says) || !strings.Contains(test.s.Prose(), test.says) {
				t.Errorf("%q is new, and missing in\n%s", test.says, test.s.Prose())
			}
		})
	}
}

func TestMatrix(t *testing.T) {
	s := New(registers(t), nil, passive)
	for _, test := range []struct{ code, party, knows string }{
		{"rows/fr.resident", "fr", Has},
		{"rows/fr.resident", "lu", No},
		{"rows/fr.resident", "estat", Part}, // the view everyone has a row for each resident
		{"count/fr.resident", "lu", Follow}, // the counts of commuters add up to it
		{"view/commuters", "lu", Learns},
		{"view/commuters", "estat", No},
		{"match/fr.resident/lu.payment", "estat", Learns},
		{"match/fr.resident/lu.payment", "lu", No},
		{"bound/fr.resident", "estat", Public},
		{"opening/1", string(Computing), Sees},
		{"rows/fr.resident", string(Computing), No},
	} {
		at := slices.IndexFunc(s.Matrix, func(i Item) bool { return i.Code == test.code })
		if at < 0 {
			t.Fatalf("no item %s", test.code)
		}
		cells := s.Matrix[at].Cells
		cell := slices.IndexFunc(cells, func(c Cell) bool { return string(c.Party) == test.party })
		if cell < 0 || cells[cell].Knows != test.knows {
			t.Errorf("%s, %s: want %s, and the cells are %v", test.code, test.party, test.knows, cells)
		}
	}
}

// Only conditions that really are guards may be called so.
func TestGuards(t *testing.T) {
	type build = func(b *builder, count, top, sum ir.Expr) ir.Expr
	for _, test := range []struct {
		name string
		make build
		want []string
	}{
		{"COUNT(*) >= 10", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("ge", n, lit(10)) }, []string{"guard/minimum-count 10 "}},
		{"COUNT(*) > 10", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("gt", n, lit(10)) }, []string{"guard/minimum-count 11 "}},
		{"10 <= COUNT(*)", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("le", lit(10), n) }, []string{"guard/minimum-count 10 "}},
		{"3 * COUNT(*) > 10", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("gt", b.op("mul", lit(3), n), lit(10)) }, []string{"guard/minimum-count 4 "}},
		{"COUNT(*) <= 10", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("le", n, lit(10)) }, []string{"guard/none 0 "}},
		{"COUNT(*) >= 1, which every group has", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("ge", n, lit(1)) }, []string{"guard/none 0 "}},
		{"COUNT(*) >= -5", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("ge", n, lit(-5)) }, []string{"guard/none 0 "}},
		{"-1 * COUNT(*) >= -10", func(b *builder, n, _, _ ir.Expr) ir.Expr {
			return b.op("ge", b.op("mul", lit(-1), n), lit(-10))
		}, []string{"guard/none 0 "}},
		{"a minimum count or something else", func(b *builder, n, s, _ ir.Expr) ir.Expr {
			return b.op("or", b.op("ge", n, lit(10)), b.op("isnull", s))
		}, []string{"guard/none 0 "}},
		{"not below a minimum is not read", func(b *builder, n, _, _ ir.Expr) ir.Expr { return b.op("not", b.op("lt", n, lit(10))) }, []string{"guard/none 0 "}},
		{"count and dominance", func(b *builder, n, top, sum ir.Expr) ir.Expr {
			return b.op("and", b.op("ge", n, lit(3)), b.op("ge", b.op("mul", sum, lit(85)), b.op("mul", lit(100), top)))
		}, []string{"guard/minimum-count 3 ", "guard/dominance 0 85"}},
		{"dominance in thirds", func(b *builder, _, top, sum ir.Expr) ir.Expr {
			return b.op("lt", b.op("mul", lit(3), top), b.op("mul", lit(2), sum))
		}, []string{"guard/dominance 0 66.67"}},
		{"dominance in thirds never promises more", func(b *builder, _, top, sum ir.Expr) ir.Expr {
			return b.op("le", b.op("mul", lit(3), top), sum)
		}, []string{"guard/dominance 0 33.34"}},
		{"MAX(x) <= SUM(x) is always so", func(b *builder, _, top, sum ir.Expr) ir.Expr { return b.op("le", top, sum) }, []string{"guard/none 0 "}},
		{"SUM(x) <= MAX(x) is the wrong way", func(b *builder, _, top, sum ir.Expr) ir.Expr {
			return b.op("le", b.op("mul", lit(85), sum), b.op("mul", lit(100), top))
		}, []string{"guard/none 0 "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &builder{t, &ir.Program{Format: 1}}
			b.table("tax", "job", []int{0}, whole("id", "1", "999"), whole("region", "1", "4"), whole("pay", "0", "99"))
			g := b.group(b.scan("tax.job", 1, 2), []int{0}, countStar, ir.Agg{Func: ir.Max, Arg: 1}, ir.Agg{Func: ir.Sum, Arg: 1})
			p := b.project(g, []string{"s", "n", "t", "r"}, b.col(g, 3), b.col(g, 1), b.col(g, 2), b.col(g, 0))
			b.grant("v", b.filter(p, test.make(b, b.col(p, 1), b.col(p, 2), b.col(p, 0))), "x")
			var got []string
			for _, guard := range New(valid(t, b.p), nil, Engine{}).Views[0].Guards {
				got = append(got, fmt.Sprint(guard.Code, " ", guard.AtLeast, " ", guard.Percent))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAnOpeningOfNoStepIsStatedToo(t *testing.T) {
	for _, node := range []int{-1, 1 << 30} {
		s := New(payGap(t, true, "hub"), nil, Engine{Name: "x", Openings: []Opening{{What: "a bit", Why: "it is random", Node: node}}})
		if want := "During the whole computation:\n  - A bit.\n"; !strings.Contains(s.Prose(), want) {
			t.Errorf("node %d: %q is missing in\n%s", node, want, s.Prose())
		}
	}
}
