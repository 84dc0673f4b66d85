package plan

import (
	"fmt"
	"strconv"
	"testing"

	"joconde"
	"joconde/lang/ir"
)

// builder makes programs by hand, the way the checker makes them from text.
type builder struct {
	t interface{ Fatalf(string, ...any) }
	p *ir.Program
}

func newBuilder(t *testing.T) *builder {
	return &builder{t, &ir.Program{Format: 1}}
}

// Types of the tests.
var (
	intType  = ir.Type{Kind: ir.Int}
	nullInt  = ir.Type{Kind: ir.Int, Nullable: true}
	boolType = ir.Type{Kind: ir.Bool}
)

func small(name string, t ir.Type) ir.Column {
	return ir.Column{Name: name, Type: t, Lo: "0", Hi: "9"}
}

// table declares a table whose key is the given columns.
func (b *builder) table(owner, name string, key []int, cols ...ir.Column) {
	t := ir.Table{Owner: joconde.PartyID(owner), Name: name, Columns: cols}
	if len(key) > 0 {
		t.Keys = [][]int{key}
	}
	b.p.Tables = append(b.p.Tables, t)
}

func (b *builder) add(n ir.Node) int {
	b.p.Nodes = append(b.p.Nodes, n)
	i := len(b.p.Nodes) - 1
	b.p.Nodes[i].Unique = ir.UniqueOf(b.p, i)
	b.p.Nodes[i].Local = ir.LocalOf(b.p, i)
	return i
}

func (b *builder) scan(name string) int {
	t, found := b.p.Table(name)
	if !found {
		b.t.Fatalf("no table %s", name)
	}
	n := ir.Node{Op: ir.Scan, Table: name}
	for i, c := range t.Columns {
		n.Scan = append(n.Scan, i)
		n.Columns = append(n.Columns, ir.Column{Name: c.Name, Type: c.Type})
	}
	return b.add(n)
}

func (b *builder) filter(in int, predicate ir.Expr) int {
	return b.add(ir.Node{Op: ir.Filter, In: []int{in}, Exprs: []ir.Expr{predicate}, Columns: bare(b.p.Nodes[in].Columns)})
}

func (b *builder) project(in int, names []string, exprs ...ir.Expr) int {
	n := ir.Node{Op: ir.Project, In: []int{in}, Exprs: exprs}
	for i, e := range exprs {
		n.Columns = append(n.Columns, ir.Column{Name: names[i], Type: e.Type})
	}
	return b.add(n)
}

func (b *builder) join(kind ir.JoinKind, left, right int, lk, rk []int) int {
	n := ir.Node{Op: ir.JoinOp, In: []int{left, right}, Join: &ir.Join{Kind: kind, Left: lk, Right: rk}, Columns: bare(b.p.Nodes[left].Columns)}
	if kind == ir.Mark {
		n.Columns = append(n.Columns, ir.Column{Name: "found", Type: boolType})
	} else {
		for _, c := range bare(b.p.Nodes[right].Columns) {
			c.Type.Nullable = c.Type.Nullable || kind == ir.Left
			n.Columns = append(n.Columns, c)
		}
	}
	return b.add(n)
}

func (b *builder) group(in int, keys []int, aggs ...ir.Agg) int {
	cols := b.p.Nodes[in].Columns
	n := ir.Node{Op: ir.Aggregate, In: []int{in}, Group: &ir.Group{Keys: keys, Aggs: aggs}}
	for _, k := range keys {
		n.Columns = append(n.Columns, ir.Column{Name: cols[k].Name, Type: cols[k].Type})
	}
	for i, a := range aggs {
		var arg ir.Type
		if a.Arg >= 0 {
			arg = cols[a.Arg].Type
		}
		f, _ := ir.AggNamed(a.Func)
		t, err := f.Type(arg, len(keys) > 0)
		if err != nil {
			b.t.Fatalf("%v", err)
		}
		n.Columns = append(n.Columns, ir.Column{Name: "agg" + strconv.Itoa(i), Type: t})
	}
	return b.add(n)
}

func (b *builder) grant(view string, node int, to ...joconde.PartyID) {
	b.p.Outputs = append(b.p.Outputs, ir.Output{View: view, To: to, Node: node})
}

// col is a column of a node.
func (b *builder) col(node, i int) ir.Expr { return ir.NewCol(i, b.p.Nodes[node].Columns[i].Type) }

func (b *builder) op(name string, args ...ir.Expr) ir.Expr {
	e, err := ir.NewOp(name, args...)
	if err != nil {
		b.t.Fatalf("%v", err)
	}
	return e
}

func lit(n int64) ir.Expr { return ir.NewLit(intType, ir.NewInt(n)) }

func bare(cols []ir.Column) []ir.Column {
	var list []ir.Column
	for _, c := range cols {
		list = append(list, ir.Column{Name: c.Name, Type: c.Type})
	}
	return list
}

// show writes a program for people: one line for each node.
func show(p *ir.Program) string {
	text := ""
	for i, n := range p.Nodes {
		line := fmt.Sprintf("%d %s%v", i, n.Op, n.In)
		cols := []ir.Column{}
		if len(n.In) > 0 {
			for c := range p.Nodes[n.In[0]].Columns {
				cols = append(cols, ir.Column{Name: "$" + strconv.Itoa(c)})
			}
		}
		switch n.Op {
		case ir.Scan:
			line += fmt.Sprintf(" %s%v", n.Table, n.Scan)
		case ir.Filter, ir.Project:
			for _, e := range n.Exprs {
				line += " {" + e.String(cols) + "}"
			}
		case ir.JoinOp:
			line += fmt.Sprintf(" %s %v=%v", n.Join.Kind, n.Join.Left, n.Join.Right)
		case ir.Aggregate:
			line += fmt.Sprintf(" by %v", n.Group.Keys)
			for _, a := range n.Group.Aggs {
				line += " " + a.String(cols)
			}
		}
		if n.Local != "" {
			line += " at " + string(n.Local)
		}
		text += line + "\n"
	}
	for _, o := range p.Outputs {
		text += fmt.Sprintf("%s: %d %s\n", o.View, o.Node, names(&node{Node: p.Nodes[o.Node]}))
	}
	return text
}
