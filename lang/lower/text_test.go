package lower_test

import (
	"errors"
	"fmt"
	"testing"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// onShares is the program that computes x from a text that no owner can
// compute alone: key text of either table, by the number of the row.
func onShares(t *testing.T, text ir.Type, x func(key ir.Expr) (ir.Expr, error)) *ir.Program {
	t.Helper()
	id := ir.Column{Name: "id", Type: ir.Type{Kind: ir.Int}, Lo: "0", Hi: "99"}
	columns := []ir.Column{id, {Name: "k", Type: text.WithNull(true)}}
	p := &ir.Program{Format: 1, Outputs: []ir.Output{{View: "v", To: []joconde.PartyID{"hub"}, Node: 3}}}
	add := func(n ir.Node) {
		p.Nodes = append(p.Nodes, n)
		last := &p.Nodes[len(p.Nodes)-1]
		last.View, last.Unique, last.Local = "v", ir.UniqueOf(p, len(p.Nodes)-1), ir.LocalOf(p, len(p.Nodes)-1)
	}
	scanned := []ir.Column{{Name: "id", Type: id.Type}, {Name: "k", Type: columns[1].Type}}
	for _, owner := range []joconde.PartyID{"ee", "pt"} {
		p.Tables = append(p.Tables, ir.Table{Owner: owner, Name: "t", Columns: columns, Keys: [][]int{{0}}})
		add(ir.Node{Op: ir.Scan, Table: string(owner) + ".t", Scan: []int{0, 1}, Columns: scanned})
	}
	both := append(append([]ir.Column{}, scanned...), scanned...)
	add(ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: &ir.Join{Kind: ir.Inner, Left: []int{0}, Right: []int{0}}, Columns: both})
	key, err := ir.NewOp("coalesce", ir.NewCol(1, columns[1].Type), ir.NewCol(3, columns[1].Type))
	if err != nil {
		t.Fatal(err)
	}
	e, err := x(key)
	if err != nil {
		t.Fatal(err)
	}
	add(ir.Node{Op: ir.Project, In: []int{2}, Exprs: []ir.Expr{e}, Columns: []ir.Column{{Name: "x", Type: e.Type}}})
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

// A text that cannot be what the nodes compare it as is refused; it must not
// become another text, nor silently equal nothing.
func TestTextThatNodesCannotCompareIsRefused(t *testing.T) {
	key := func(width int) ir.Type { return ir.Type{Kind: ir.Text, Width: width} }
	isLong := func(width int) func(ir.Expr) (ir.Expr, error) {
		return func(k ir.Expr) (ir.Expr, error) {
			long, err := ir.NewCast(k, key(width))
			if err != nil {
				return long, err
			}
			return ir.NewOp("eq", long, long)
		}
	}
	or := func(text string) func(ir.Expr) (ir.Expr, error) {
		return func(k ir.Expr) (ir.Expr, error) {
			return ir.NewOp("coalesce", k, ir.NewLit(key(k.Type.Width), ir.NewText(text)))
		}
	}
	is := func(text string) func(ir.Expr) (ir.Expr, error) {
		return func(k ir.Expr) (ir.Expr, error) {
			return ir.NewOp("eq", k, ir.NewLit(key(k.Type.Width), ir.NewText(text)))
		}
	}
	for _, c := range []struct {
		name  string
		width int
		x     func(ir.Expr) (ir.Expr, error)
		code  string
	}{
		{"packed text becomes hashed", 10, isLong(20), "JOC-L904"},
		{"the widest packed text becomes hashed", 16, isLong(17), "JOC-L904"},
		{"packed text becomes wider", 10, isLong(16), ""},
		{"hashed text becomes wider", 17, isLong(200), ""},
		{"a literal of more bytes than letters", 2, or("éé"), "JOC-L903"},
		{"compared with such a literal", 2, is("éé"), "JOC-L903"},
		{"a literal that just fits", 4, or("éé"), ""},
		{"such a literal beside hashed text", 17, is("ééééééééééééééééé"), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := lower.Lower(onShares(t, key(c.width), c.x), map[string]int{"ee.t": 5, "pt.t": 5})
			var problem *joconde.Problem
			switch {
			case c.code == "" && err != nil:
				t.Error(err)
			case c.code != "" && (!errors.As(err, &problem) || problem.Code != c.code || problem.Where != "view v"):
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// A program may come from anybody: code lists of many codes must not make a
// node build more than it would run.
func TestCastsOfLongCodeListsAreBounded(t *testing.T) {
	codes := make([]string, 60_000)
	for i := range codes {
		codes[i] = fmt.Sprintf("%05d", i)
	}
	coded := ir.Type{Kind: ir.Text, Codes: codes, Nullable: true}
	wider := ir.Type{Kind: ir.Text, Codes: append(append([]string{}, codes...), "x"), Nullable: true}
	p := onShares(t, coded, func(k ir.Expr) (ir.Expr, error) { return ir.NewCast(k, wider) })
	project := &p.Nodes[3]
	for i := range 20 {
		project.Exprs = append(project.Exprs, project.Exprs[0])
		project.Columns = append(project.Columns, ir.Column{Name: fmt.Sprint("x", i), Type: wider})
	}
	_, err := lower.Lower(p, map[string]int{"ee.t": 5, "pt.t": 5})
	var problem *joconde.Problem
	if !errors.As(err, &problem) || problem.Code != "JOC-L905" {
		t.Errorf("got %v", err)
	}
}
