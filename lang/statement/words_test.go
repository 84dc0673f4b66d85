package statement

import (
	"slices"
	"strings"
	"testing"

	"joconde/lang/ir"
)

// A view over views doubles its description at each step if written out.
func TestTextsStayShort(t *testing.T) {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("a", "one", []int{0}, whole("id", "0", "1"), whole("x", "0", "1"))
	b.table("b", "one", []int{0}, whole("id", "0", "1"), whole("x", "0", "1"))
	n := b.join(ir.Inner, b.scan("a.one", 0, 1), b.scan("b.one", 0, 1), []int{0}, []int{0})
	n = b.project(n, []string{"id", "x"}, b.col(n, 0), b.op("add", b.col(n, 1), b.col(n, 3)))
	for range 60 {
		n = b.join(ir.Inner, n, n, []int{0}, []int{0})
		n = b.project(n, []string{"id", "x"}, b.col(n, 0), b.op("case", b.op("lt", b.col(n, 1), b.col(n, 3)), b.col(n, 1), b.col(n, 3)))
	}
	b.grant("v", n, "x")
	s := New(valid(t, b.p), nil, Engine{})
	readable(t, s)
	if len(s.Terms) > 130 || len(s.Prose()) > 40000 {
		t.Errorf("%d terms and %d bytes for 120 steps", len(s.Terms), len(s.Prose()))
	}
	if got, want := s.Views[0].Columns[1].Means, "[x 59] if [x 59] is below [x 59] of the match, else [x 59] of the match"; got != want {
		t.Errorf("x means %s, not %s", got, want)
	}
}

// What is cut to the list of its columns is not taken for something else that
// is made of the same ones.
func TestCutTextsStayApart(t *testing.T) {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("a", "t", []int{0}, whole("id", "0", "1"), whole("x", "0", "9"), whole("y", "0", "9"))
	n := b.scan("a.t", 0, 1, 2)
	long := func(first int64) ir.Expr {
		var args []ir.Expr
		for i := range int64(30) {
			args = append(args, b.op("eq", b.col(n, 1), lit(i)), lit(first+i))
		}
		return b.op("case", append(args, b.col(n, 2))...)
	}
	p := b.project(n, []string{"up", "down"}, long(100), long(200))
	b.grant("v", b.project(p, []string{"both", "up"}, b.op("sub", b.col(p, 0), b.col(p, 1)), b.col(p, 0)), "x")
	s := New(valid(t, b.p), nil, Engine{})
	readable(t, s)
	for i, want := range []string{"[up] - [down]", "[up]"} {
		if got := s.Views[0].Columns[i].Means; got != want {
			t.Errorf("column %d means %s, not %s", i, got, want)
		}
	}
	for _, term := range s.Terms {
		if term.Means != "computed from a.t.x and a.t.y" {
			t.Errorf("%s means %s", term.Name, term.Means)
		}
	}
}

func TestExpressionsInWords(t *testing.T) {
	b := &builder{t, &ir.Program{Format: 1}}
	col := func(i int) ir.Expr { return ir.NewCol(i, ir.Type{Kind: ir.Int}) }
	x, y, maybe := col(1), col(2), ir.NewCol(3, ir.Type{Kind: ir.Int, Nullable: true})
	for _, test := range []struct {
		name string
		e    ir.Expr
		want string
	}{
		{"brackets where the order of working matters", b.op("sub", x, b.op("sub", x, y)), "a.t.x - (a.t.x - a.t.y)"},
		{"no brackets from left to right", b.op("sub", b.op("sub", x, y), y), "a.t.x - a.t.y - a.t.y"},
		{"products bind closer", b.op("add", x, b.op("mul", y, lit(2))), "a.t.x + a.t.y × 2"},
		{"sums in a product", b.op("mul", b.op("add", x, y), b.op("neg", y)), "(a.t.x + a.t.y) × (-a.t.y)"},
		{"or within and", b.op("and", b.op("lt", x, y), b.op("or", b.op("eq", x, lit(1)), b.op("eq", x, lit(2)))),
			"whether a.t.x is below a.t.y and (a.t.x is 1 or a.t.x is 2)"},
		{"not missing", b.op("not", b.op("isnull", maybe)), "whether a.t.z is not missing"},
		{"not", b.op("not", b.op("eq", x, y)), "whether not (a.t.x is a.t.y)"},
		{"a value for what is missing", b.op("coalesce", b.op("nullif", x, lit(0)), y), "a.t.x, missing if it is 0, or a.t.y if missing"},
		{"the first case that holds", b.op("case", b.op("lt", x, y), lit(1), b.op("lt", y, x), lit(2), lit(3)),
			"1 if a.t.x is below a.t.y, else 2 if a.t.y is below a.t.x, else 3"},
		{"a case within a sum is a term", b.op("add", lit(1), b.op("case", b.op("lt", x, y), lit(1), lit(2))),
			"1 + [value] where [value] = 1 if a.t.x is below a.t.y, else 2"},
		{"brackets within brackets are a term", b.op("mul", x, b.op("add", x, b.op("mul", y, b.op("add", x, y)))),
			"a.t.x × [value] where [value] = a.t.x + a.t.y × (a.t.x + a.t.y)"},
		{"a term as a condition", b.op("case", b.op("coalesce", b.op("lt", maybe, x), b.op("eq", b.op("add", x, y), b.op("add", y, x))), x, y),
			"a.t.x if [condition] holds, else a.t.y where [condition] = whether a.t.z is below a.t.x, or (a.t.x + a.t.y is a.t.y + a.t.x) if missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := &builder{t, &ir.Program{Format: 1}}
			z := whole("z", "0", "9")
			z.Type.Nullable = true
			b.table("a", "t", []int{0}, whole("id", "0", "9"), whole("x", "0", "9"), whole("y", "0", "9"), z)
			b.grant("v", b.project(b.scan("a.t", 0, 1, 2, 3), []string{"e"}, test.e), "x")
			s := New(valid(t, b.p), nil, Engine{})
			readable(t, s)
			got := s.Views[0].Columns[0].Means
			for _, term := range s.Terms {
				if strings.Contains(got, "["+term.Name+"]") {
					got += " where [" + term.Name + "] = " + term.Means
					break
				}
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

// Both sides of a join may be of one table.
func TestColumnsOfTheMatchHaveOtherWords(t *testing.T) {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("a", "t", []int{0}, whole("id", "0", "9"), whole("boss", "0", "9"), whole("pay", "0", "9"))
	n := b.scan("a.t", 0, 1, 2)
	n = b.join(ir.Inner, n, n, []int{1}, []int{0})
	b.grant("v", b.project(n, []string{"less"}, b.op("sub", b.col(n, 5), b.col(n, 2))), "x")
	v := New(valid(t, b.p), nil, Engine{}).Views[0]
	if got, want := v.Columns[0].Means, "a.t.pay of the match - a.t.pay"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := v.Steps[1], "match with a.t by a.t.boss = a.t.id, leaving out rows without a match"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A total over the groups of one view is no total over those of another one.
func TestTotalsOfTwoViewsStayApart(t *testing.T) {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("a", "t", []int{0}, whole("id", "0", "9"), whole("x", "0", "9"), whole("y", "0", "9"))
	for k, view := range []string{"by_x", "by_y"} {
		g := b.group(b.scan("a.t", 0, 1, 2), []int{k + 1}, countStar, ir.Agg{Func: ir.Sum, Arg: 0})
		e := b.op("case", b.op("lt", b.col(g, 1), lit(3)), lit(0), b.op("coalesce", b.col(g, 2), lit(0)))
		b.grant(view, b.project(g, []string{"more"}, b.op("add", lit(1), e)), "x")
	}
	s := New(valid(t, b.p), nil, Engine{})
	readable(t, s)
	if a, b := s.Views[0].Columns[0].Means, s.Views[1].Columns[0].Means; a == b {
		t.Errorf("both mean %s", a)
	}
	for name, view := range map[string]string{"value": "by_x", "value 2": "by_y"} {
		at := slices.IndexFunc(s.Terms, func(term Term) bool { return term.Name == name })
		if at < 0 || !strings.HasSuffix(s.Terms[at].Means, ", for each group of the view "+view) {
			t.Errorf("%s is not of %s in %v", name, view, s.Terms)
		}
	}
}
