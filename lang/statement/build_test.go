package statement

import (
	"testing"

	"joconde"
	"joconde/lang/ir"
)

// builder makes optimised programs by hand.
type builder struct {
	t *testing.T
	p *ir.Program
}

func (b *builder) table(owner, name string, key []int, cols ...ir.Column) {
	b.p.Tables = append(b.p.Tables, ir.Table{Owner: joconde.PartyID(owner), Name: name, Columns: cols, Keys: [][]int{key}})
}

func (b *builder) add(n ir.Node) int {
	b.p.Nodes = append(b.p.Nodes, n)
	i := len(b.p.Nodes) - 1
	b.p.Nodes[i].Unique, b.p.Nodes[i].Local = ir.UniqueOf(b.p, i), ir.LocalOf(b.p, i)
	return i
}

func (b *builder) cols(in int) []ir.Column {
	return append([]ir.Column(nil), b.p.Nodes[in].Columns...)
}

func (b *builder) scan(name string, cols ...int) int {
	t, _ := b.p.Table(name)
	n := ir.Node{Op: ir.Scan, Table: name, Scan: cols}
	for _, c := range cols {
		n.Columns = append(n.Columns, ir.Column{Name: t.Columns[c].Name, Type: t.Columns[c].Type})
	}
	return b.add(n)
}

func (b *builder) filter(in int, predicate ir.Expr) int {
	return b.add(ir.Node{Op: ir.Filter, In: []int{in}, Exprs: []ir.Expr{predicate}, Columns: b.cols(in)})
}

func (b *builder) project(in int, names []string, exprs ...ir.Expr) int {
	n := ir.Node{Op: ir.Project, In: []int{in}, Exprs: exprs}
	for i, e := range exprs {
		n.Columns = append(n.Columns, ir.Column{Name: names[i], Type: e.Type})
	}
	return b.add(n)
}

func (b *builder) join(kind ir.JoinKind, left, right int, lk, rk []int) int {
	n := ir.Node{Op: ir.JoinOp, In: []int{left, right}, Join: &ir.Join{Kind: kind, Left: lk, Right: rk}, Columns: b.cols(left)}
	for _, c := range b.cols(right) {
		c.Type.Nullable = c.Type.Nullable || kind == ir.Left
		n.Columns = append(n.Columns, c)
	}
	if kind == ir.Mark {
		n.Columns = append(n.Columns[:len(b.cols(left))], ir.Column{Name: "found", Type: ir.Type{Kind: ir.Bool}})
	}
	return b.add(n)
}

func (b *builder) group(in int, keys []int, aggs ...ir.Agg) int {
	cols := b.cols(in)
	n := ir.Node{Op: ir.Aggregate, In: []int{in}, Group: &ir.Group{Keys: keys, Aggs: aggs}}
	for _, k := range keys {
		n.Columns = append(n.Columns, cols[k])
	}
	for _, a := range aggs {
		var arg ir.Type
		if a.Arg >= 0 {
			arg = cols[a.Arg].Type
		}
		f, _ := ir.AggNamed(a.Func)
		t, err := f.Type(arg, len(keys) > 0)
		if err != nil {
			b.t.Fatal(err)
		}
		n.Columns = append(n.Columns, ir.Column{Name: string(a.Func), Type: t})
	}
	return b.add(n)
}

func (b *builder) grant(view string, node int, to ...joconde.PartyID) {
	b.p.Outputs = append(b.p.Outputs, ir.Output{View: view, To: to, Node: node})
}

func (b *builder) col(node, i int) ir.Expr { return ir.NewCol(i, b.p.Nodes[node].Columns[i].Type) }

func (b *builder) op(name string, args ...ir.Expr) ir.Expr {
	e, err := ir.NewOp(name, args...)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

func lit(n int64) ir.Expr { return ir.NewLit(ir.Type{Kind: ir.Int}, ir.NewInt(n)) }

var countStar = ir.Agg{Func: ir.CountStar, Arg: -1}

func whole(name, lo, hi string) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: ir.Int}, Lo: lo, Hi: hi}
}

// payGap is the program of the demo: two offices, mean earnings by gender and
// region. having adds the output rules.
func payGap(t *testing.T, having bool, to ...joconde.PartyID) *ir.Program {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("register", "person", []int{0}, whole("person_id", "1", "99999999"),
		ir.Column{Name: "gender", Type: ir.Type{Kind: ir.Text, Codes: []string{"female", "male"}}}, whole("age", "0", "120"))
	b.table("tax", "job", []int{0}, whole("person_id", "1", "99999999"), whole("region", "1", "4"),
		ir.Column{Name: "earnings", Type: ir.Type{Kind: ir.Decimal, Scale: 2}, Lo: "0", Hi: "100000000"})
	job := b.scan("tax.job", 0, 1, 2)
	adult := b.scan("register.person", 0, 1, 2)
	adult = b.filter(adult, b.op("ge", b.col(adult, 2), lit(18)))
	adult = b.project(adult, []string{"person_id", "gender"}, b.col(adult, 0), b.col(adult, 1))
	j := b.join(ir.Inner, job, adult, []int{0}, []int{0})
	g := b.group(j, []int{1, 4}, countStar, ir.Agg{Func: ir.Avg, Arg: 2}, ir.Agg{Func: ir.Max, Arg: 2}, ir.Agg{Func: ir.Sum, Arg: 2})
	if having {
		top, sum := b.op("mul", lit(100), b.col(g, 4)), b.op("mul", lit(85), b.col(g, 5))
		g = b.filter(g, b.op("and", b.op("ge", b.col(g, 2), lit(10)), b.op("le", top, sum)))
	}
	v := b.project(g, []string{"region", "gender", "persons", "avg_pay"}, b.col(g, 0), b.col(g, 1), b.col(g, 2), b.col(g, 3))
	b.grant("gap", v, to...)
	return valid(t, b.p)
}

// registers is about linkage keys that are long text, a lookup, and work at an
// owner that stays there.
func registers(t *testing.T) *ir.Program {
	b := &builder{t, &ir.Program{Format: 1}}
	key := ir.Column{Name: "pkey", Type: ir.Type{Kind: ir.Text, Width: 32}}
	b.table("fr", "resident", []int{0}, key, whole("age5", "0", "20"), whole("nuts2", "1", "27"))
	b.table("lu", "payment", []int{0, 1}, key, whole("month", "1", "12"), whole("income", "0", "1000000"))
	pay := b.scan("lu.payment", 0, 2)
	pay = b.filter(pay, b.op("gt", b.col(pay, 1), lit(0)))
	pay = b.group(pay, []int{0}, countStar)
	fr := b.scan("fr.resident", 0, 1)
	j := b.join(ir.Left, fr, pay, []int{0}, []int{0})
	worked := b.op("case", b.op("ge", b.op("coalesce", b.col(j, 3), lit(0)), lit(6)), lit(1), lit(0))
	p := b.project(j, []string{"age5", "worked"}, b.col(j, 1), worked)
	g := b.group(p, []int{0, 1}, countStar)
	b.grant("commuters", g, "fr", "lu")
	m := b.join(ir.Mark, fr, pay, []int{0}, []int{0})
	b.grant("everyone", b.project(m, []string{"age5", "paid"}, b.col(m, 1), b.col(m, 2)), "estat")
	return valid(t, b.p)
}

func valid(t *testing.T, p *ir.Program) *ir.Program {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}
