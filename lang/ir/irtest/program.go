// Package irtest makes Programs and tables for tests: random ones of every
// shape that the language has, and one small program for every operation and
// every type it takes. Engines, lowering and planning are held to the same
// ones. Start with Random and Operations.
package irtest

import (
	"fmt"
	"math/big"

	"joconde"
	"joconde/lang/ir"

	"pgregory.net/rapid"
)

// Case is a program with its tables.
type Case struct {
	Name    string
	Program *ir.Program
	Tables  map[string][][]ir.Value // rows by owner.table
}

// Rows gives the row bound of every table: its rows, at least one.
func (c Case) Rows() map[string]int {
	bounds := map[string]int{}
	for _, t := range c.Program.Tables {
		bounds[t.QName()] = max(1, len(c.Tables[t.QName()]))
	}
	return bounds
}

// builder appends nodes and keeps what the checker would have filled in.
type builder struct {
	p *ir.Program
}

func (b *builder) add(n ir.Node, columns ...ir.Column) int {
	n.Columns = columns
	n.View = "v"
	b.p.Nodes = append(b.p.Nodes, n)
	i := len(b.p.Nodes) - 1
	b.p.Nodes[i].Unique = ir.UniqueOf(b.p, i)
	b.p.Nodes[i].Local = ir.LocalOf(b.p, i)
	return i
}

func (b *builder) scan(t ir.Table) int {
	cols := make([]int, len(t.Columns))
	out := make([]ir.Column, len(t.Columns))
	for i, c := range t.Columns {
		cols[i], out[i] = i, ir.Column{Name: c.Name, Type: c.Type}
	}
	return b.add(ir.Node{Op: ir.Scan, Table: t.QName(), Scan: cols}, out...)
}

func (b *builder) project(in int, exprs ...ir.Expr) int {
	cols := make([]ir.Column, len(exprs))
	for i, x := range exprs {
		cols[i] = ir.Column{Name: fmt.Sprintf("c%d", i), Type: x.Type}
	}
	return b.add(ir.Node{Op: ir.Project, In: []int{in}, Exprs: exprs}, cols...)
}

func (b *builder) filter(in int, x ir.Expr) int {
	return b.add(ir.Node{Op: ir.Filter, In: []int{in}, Exprs: []ir.Expr{x}}, b.p.Nodes[in].Columns...)
}

func (b *builder) join(kind ir.JoinKind, left, right int, lk, rk []int) int {
	cols := append([]ir.Column{}, b.p.Nodes[left].Columns...)
	switch kind {
	case ir.Mark:
		cols = append(cols, ir.Column{Name: "mark", Type: ir.Type{Kind: ir.Bool}})
	default:
		for _, c := range b.p.Nodes[right].Columns {
			c.Type.Nullable = c.Type.Nullable || kind == ir.Left
			cols = append(cols, c)
		}
	}
	for i := range cols {
		cols[i].Name = fmt.Sprintf("j%d", i)
	}
	return b.add(ir.Node{Op: ir.JoinOp, In: []int{left, right}, Join: &ir.Join{Kind: kind, Left: lk, Right: rk}}, cols...)
}

func (b *builder) aggregate(in int, g ir.Group) int {
	var cols []ir.Column
	for _, k := range g.Keys {
		cols = append(cols, b.p.Nodes[in].Columns[k])
	}
	for _, a := range g.Aggs {
		rule, _ := ir.AggNamed(a.Func)
		arg := ir.Type{}
		if a.Arg >= 0 {
			arg = b.p.Nodes[in].Columns[a.Arg].Type
		}
		t, err := rule.Type(arg, len(g.Keys) > 0)
		if err != nil {
			panic(err)
		}
		cols = append(cols, ir.Column{Type: t})
	}
	for i := range cols {
		cols[i].Name = fmt.Sprintf("g%d", i)
	}
	return b.add(ir.Node{Op: ir.Aggregate, In: []int{in}, Group: &g}, cols...)
}

func (b *builder) finish(node int) *ir.Program {
	b.p.Format = 1
	b.p.Outputs = []ir.Output{{View: "v", To: []joconde.PartyID{"hub"}, Node: node}}
	used := map[string]bool{}
	for _, n := range b.p.Nodes {
		if n.Op == ir.Scan {
			used[n.Table] = true
		}
	}
	tables := b.p.Tables
	b.p.Tables = nil
	for _, t := range tables {
		if used[t.QName()] {
			b.p.Tables = append(b.p.Tables, t)
		}
	}
	if err := b.p.Validate(); err != nil {
		panic(fmt.Sprintf("irtest made an invalid program: %v", err))
	}
	return b.p
}

// The columns of the tables of random programs. The key is unique; the others
// have every kind, nullable and not.
var (
	colours = []string{"blue", "green", "red"}
	columns = []ir.Column{
		{Name: "k", Type: ir.Type{Kind: ir.Int}, Lo: "-20", Hi: "40"},
		{Name: "n", Type: ir.Type{Kind: ir.Int, Nullable: true}, Lo: "-7", Hi: "9"},
		{Name: "d", Type: ir.Type{Kind: ir.Decimal, Scale: 2}, Lo: "-350", Hi: "12345"},
		{Name: "b", Type: ir.Type{Kind: ir.Bool, Nullable: true}},
		{Name: "t", Type: ir.Type{Kind: ir.Text, Codes: colours, Nullable: true}},
		{Name: "day", Type: ir.Type{Kind: ir.Date}, Lo: "-100", Hi: "20000"},
		{Name: "s", Type: ir.Type{Kind: ir.Text, Width: 5, Nullable: true}},
		{Name: "big", Type: ir.Type{Kind: ir.Int}, Lo: "-4000000000", Hi: "9000000000"},
	}
)

// value draws a value of a column: often one that others have too, and often
// an end of its range.
func value(t *rapid.T, c ir.Column) ir.Value {
	if c.Type.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return ir.Value{Null: true}
	}
	switch {
	case c.Type.Kind == ir.Bool:
		return ir.Value{Int: big.NewInt(rapid.Int64Range(0, 1).Draw(t, "bool"))}
	case c.Type.Kind == ir.Text && len(c.Type.Codes) > 0:
		return ir.Value{Text: rapid.SampledFrom(c.Type.Codes).Draw(t, "code")}
	case c.Type.Kind == ir.Text:
		return ir.Value{Text: rapid.SampledFrom([]string{"", "a", "ab", "b", "żó", "zzzzz"}).Draw(t, "text")}
	}
	lo, _ := new(big.Int).SetString(c.Lo, 10)
	hi, _ := new(big.Int).SetString(c.Hi, 10)
	switch rapid.IntRange(0, 5).Draw(t, "where") {
	case 0:
		return ir.Value{Int: lo}
	case 1:
		return ir.Value{Int: hi}
	}
	return ir.Value{Int: big.NewInt(rapid.Int64Range(lo.Int64(), hi.Int64()).Draw(t, "int"))}
}

// table draws the rows of a table whose first column is its key.
func table(t *rapid.T, tab ir.Table, most int) [][]ir.Value {
	keys := rapid.SliceOfNDistinct(rapid.Int64Range(-20, 40), 0, most, func(k int64) int64 { return k }).Draw(t, "keys")
	rows := make([][]ir.Value, len(keys))
	for i, k := range keys {
		rows[i] = []ir.Value{{Int: big.NewInt(k)}}
		for _, c := range tab.Columns[1:] {
			rows[i] = append(rows[i], value(t, c))
		}
	}
	return rows
}

// Random draws a program over two or three tables of two owners, with joins,
// filters, expressions and groups, and its tables; sizes include none.
func Random(t *rapid.T) Case {
	tables := []ir.Table{
		{Owner: "ee", Name: "a", Columns: columns, Keys: [][]int{{0}}},
		{Owner: "ee", Name: "c", Columns: columns[:3], Keys: [][]int{{0}}},
		{Owner: "pt", Name: "b", Columns: columns[:6], Keys: [][]int{{0}}},
	}
	b := &builder{p: &ir.Program{Tables: tables}}
	c := Case{Name: "random", Tables: map[string][][]ir.Value{}}
	for _, tab := range tables {
		c.Tables[tab.QName()] = table(t, tab, 14)
	}
	node := b.scan(tables[0])
	for range rapid.IntRange(1, 2).Draw(t, "joins") {
		kind := rapid.SampledFrom([]ir.JoinKind{ir.Inner, ir.Left, ir.Mark}).Draw(t, "kind")
		other := b.scan(tables[rapid.IntRange(1, 2).Draw(t, "table")])
		left := keyLike(t, b.p.Nodes[node].Columns)
		right := 0
		if kind == ir.Mark {
			right = rapid.SampledFrom([]int{0, 1}).Draw(t, "right")
		}
		if rapid.Bool().Draw(t, "filtered") {
			other = b.filter(other, predicate(t, b.p.Nodes[other].Columns, 1))
		}
		node = b.join(kind, node, other, []int{left}, []int{right})
	}
	if rapid.Bool().Draw(t, "where") {
		node = b.filter(node, predicate(t, b.p.Nodes[node].Columns, 2))
	}
	if rapid.Bool().Draw(t, "compute") {
		node = b.project(node, exprs(t, b.p.Nodes[node].Columns, 3)...)
	}
	if rapid.IntRange(0, 3).Draw(t, "group") > 0 {
		node = b.aggregate(node, grouping(t, b.p.Nodes[node].Columns))
		if rapid.Bool().Draw(t, "having") {
			node = b.filter(node, predicate(t, b.p.Nodes[node].Columns, 1))
		}
		if rapid.Bool().Draw(t, "after") {
			node = b.project(node, exprs(t, b.p.Nodes[node].Columns, 2)...)
		}
	}
	if _, err := b.p.Ranges(hugeRows(tables)); err != nil {
		t.Skip("the program may overflow, and would be refused")
	}
	c.Program = b.finish(node)
	return c
}

func hugeRows(tables []ir.Table) map[string]int {
	rows := map[string]int{}
	for _, t := range tables {
		rows[t.QName()] = 1 << 20
	}
	return rows
}

// keyLike picks an integer column to join on.
func keyLike(t *rapid.T, cols []ir.Column) int {
	var ints []int
	for i, c := range cols {
		if c.Type.Kind == ir.Int {
			ints = append(ints, i)
		}
	}
	return rapid.SampledFrom(ints).Draw(t, "key")
}

func grouping(t *rapid.T, cols []ir.Column) ir.Group {
	var g ir.Group
	for i := range cols {
		if len(g.Keys) < 3 && rapid.IntRange(0, 4).Draw(t, "by") == 0 {
			g.Keys = append(g.Keys, i)
		}
	}
	for range rapid.IntRange(1, 4).Draw(t, "aggs") {
		rule := ir.Aggs[rapid.IntRange(0, len(ir.Aggs)-1).Draw(t, "func")]
		arg := -1
		if rule.Name != ir.CountStar {
			arg = rapid.IntRange(0, len(cols)-1).Draw(t, "arg")
			if _, err := rule.Type(cols[arg].Type, len(g.Keys) > 0); err != nil {
				continue
			}
		}
		g.Aggs = append(g.Aggs, ir.Agg{Func: rule.Name, Arg: arg})
	}
	if len(g.Keys)+len(g.Aggs) == 0 {
		g.Aggs = []ir.Agg{{Func: ir.CountStar, Arg: -1}}
	}
	return g
}

func exprs(t *rapid.T, cols []ir.Column, depth int) []ir.Expr {
	list := make([]ir.Expr, rapid.IntRange(1, 4).Draw(t, "exprs"))
	for i := range list {
		list[i] = expression(t, cols, depth)
	}
	return list
}

func predicate(t *rapid.T, cols []ir.Column, depth int) ir.Expr {
	for range 20 {
		if x := expression(t, cols, depth); x.Type.Kind == ir.Bool {
			return x
		}
	}
	x, err := ir.NewOp("isnull", expression(t, cols, 0))
	if err != nil {
		panic(err)
	}
	return x
}

// expression draws operations until one fits its arguments.
func expression(t *rapid.T, cols []ir.Column, depth int) ir.Expr {
	if depth == 0 || rapid.IntRange(0, 5).Draw(t, "leaf") == 0 {
		return leaf(t, cols)
	}
	for range 20 {
		op := ir.Ops[rapid.IntRange(0, len(ir.Ops)-1).Draw(t, "op")].Name
		args := []ir.Expr{expression(t, cols, depth-1)}
		switch op {
		case "neg", "abs", "not", "isnull":
		case "cast":
			if x, err := ir.NewCast(args[0], castTarget(t, args[0].Type)); err == nil {
				return x
			}
			continue
		case "case":
			v := expression(t, cols, depth-1)
			args = []ir.Expr{predicate(t, cols, depth-1), v, alike(t, cols, v.Type, depth-1)}
		case "and", "or", "coalesce":
			for range rapid.IntRange(1, 3).Draw(t, "more") {
				args = append(args, alike(t, cols, args[0].Type, depth-1))
			}
		default:
			args = append(args, alike(t, cols, args[0].Type, depth-1))
		}
		if op == "div" || op == "idiv" { // what the checker demands
			zero := ir.NewLit(args[1].Type, ir.Value{Int: new(big.Int)})
			guarded, err := ir.NewOp("nullif", args[1], zero)
			if err != nil || !args[1].Type.Numeric() {
				continue
			}
			args[1] = guarded
		}
		if x, err := ir.NewOp(op, args...); err == nil {
			return x
		}
	}
	return leaf(t, cols)
}

// alike draws an expression of the type want, but for being nullable, if it
// finds one soon.
func alike(t *rapid.T, cols []ir.Column, want ir.Type, depth int) ir.Expr {
	for range 6 {
		if x := expression(t, cols, depth); x.Type.Same(want) {
			return x
		}
	}
	return literal(t, want)
}

func leaf(t *rapid.T, cols []ir.Column) ir.Expr {
	i := rapid.IntRange(0, len(cols)-1).Draw(t, "col")
	if rapid.IntRange(0, 3).Draw(t, "lit") == 0 {
		return literal(t, cols[i].Type)
	}
	return ir.NewCol(i, cols[i].Type)
}

func literal(t *rapid.T, typ ir.Type) ir.Expr {
	if rapid.IntRange(0, 5).Draw(t, "nil") == 0 {
		return ir.NewLit(typ, ir.Value{Null: true})
	}
	switch {
	case typ.Kind == ir.Bool:
		return ir.NewLit(typ, ir.Value{Int: big.NewInt(rapid.Int64Range(0, 1).Draw(t, "v"))})
	case typ.Kind == ir.Text && len(typ.Codes) > 0:
		return ir.NewLit(typ, ir.Value{Text: rapid.SampledFrom(typ.Codes).Draw(t, "v")})
	case typ.Kind == ir.Text:
		return ir.NewLit(typ, ir.Value{Text: rapid.SampledFrom([]string{"a", "ab", "zzzzz"}).Draw(t, "v")})
	}
	return ir.NewLit(typ, ir.Value{Int: big.NewInt(rapid.Int64Range(-30, 400).Draw(t, "v"))})
}

func castTarget(t *rapid.T, from ir.Type) ir.Type {
	if from.Kind == ir.Text && len(from.Codes) > 0 {
		return ir.Type{Kind: ir.Text, Codes: []string{"black", "blue", "green", "red", "white"}}
	}
	if from.Kind == ir.Text {
		return ir.Type{Kind: ir.Text, Width: 9}
	}
	if rapid.Bool().Draw(t, "int") {
		return ir.Type{Kind: ir.Int}
	}
	return ir.Type{Kind: ir.Decimal, Scale: rapid.IntRange(1, 5).Draw(t, "scale")}
}
