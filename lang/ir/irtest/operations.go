package irtest

import (
	"fmt"
	"math/big"

	"joconde/lang/ir"
)

// edge are the values at which each type is tried; NULL is added.
var edge = []struct {
	column ir.Column
	values []string
}{
	{ir.Column{Type: ir.Type{Kind: ir.Int}, Lo: "-128", Hi: "127"}, []string{"-128", "-2", "-1", "0", "1", "2", "127"}},
	{ir.Column{Type: ir.Type{Kind: ir.Int}, Lo: "-2147483648", Hi: "2147483647"}, []string{"-2147483648", "-7", "0", "3", "2147483647"}},
	{ir.Column{Type: ir.Type{Kind: ir.Int}, Lo: "-9223372036854775808", Hi: "9223372036854775807"}, []string{"-9223372036854775808", "-1", "0", "5", "9223372036854775807"}},
	{ir.Column{Type: ir.Type{Kind: ir.Int}, Lo: "1", Hi: "9"}, []string{"1", "2", "3", "9"}},
	{ir.Column{Type: ir.Type{Kind: ir.Decimal, Scale: 2}, Lo: "-99999", Hi: "99999"}, []string{"-99999", "-150", "-50", "-49", "0", "1", "50", "99", "99999"}},
	{ir.Column{Type: ir.Type{Kind: ir.Decimal, Scale: 7}, Lo: "-5000000000", Hi: "5000000000"}, []string{"-5000000000", "-1", "0", "4999999", "5000000", "5000000000"}},
	{ir.Column{Type: ir.Type{Kind: ir.Bool}}, []string{"0", "1"}},
	{ir.Column{Type: ir.Type{Kind: ir.Date}, Lo: "-719162", Hi: "2932896"}, []string{"-719162", "-1", "0", "20000", "2932896"}},
	{ir.Column{Type: ir.Type{Kind: ir.Text, Codes: []string{"", "b", "blue", "ß"}}}, []string{"", "b", "blue", "ß"}},
	{ir.Column{Type: ir.Type{Kind: ir.Text, Width: 3}}, []string{"", "a", "abc", "ß"}},
	{ir.Column{Type: ir.Type{Kind: ir.Text, Width: 40}}, []string{"", "a", "a text that is longer than sixteen bytes"}},
}

func parse(t ir.Type, text string) ir.Value {
	if t.Kind == ir.Text {
		return ir.Value{Text: text}
	}
	n, _ := new(big.Int).SetString(text, 10)
	return ir.Value{Int: n}
}

// Operations gives one case for each operation of the table and each choice of
// types that it takes, over all pairs of edge values, NULL among them.
func Operations() []Case {
	var cases []Case
	for i, a := range edge {
		for j, b := range edge {
			for _, nulls := range []bool{false, true} {
				c, ok := operations(i, j, a.column, a.values, b.column, b.values, nulls)
				if ok {
					cases = append(cases, c...)
				}
			}
		}
	}
	return cases
}

// operations joins a table of one owner with a table of another, so that
// neither can compute the operation alone, and applies all that fit to the
// columns x and y of the pairs.
func operations(i, j int, x ir.Column, xs []string, y ir.Column, ys []string, nulls bool) ([]Case, bool) {
	x.Name, y.Name = "x", "y"
	x.Type.Nullable, y.Type.Nullable = nulls, nulls
	key := ir.Column{Name: "k", Type: ir.Type{Kind: ir.Int}, Lo: "0", Hi: "127"}
	left := ir.Table{Owner: "ee", Name: "l", Columns: []ir.Column{key, x}, Keys: [][]int{{0}}}
	right := ir.Table{Owner: "pt", Name: "r", Columns: []ir.Column{key, y}, Keys: [][]int{{0}}}
	var lrows, rrows [][]ir.Value
	add := func(a, b ir.Value) {
		k := ir.Value{Int: big.NewInt(int64(len(lrows)))}
		lrows, rrows = append(lrows, []ir.Value{k, a}), append(rrows, []ir.Value{k, b})
	}
	for _, a := range xs {
		for _, b := range ys {
			add(parse(x.Type, a), parse(y.Type, b))
		}
	}
	if nulls {
		add(ir.Value{Null: true}, ir.Value{Null: true})
		for _, b := range ys {
			add(ir.Value{Null: true}, parse(y.Type, b))
		}
		for _, a := range xs {
			add(parse(x.Type, a), ir.Value{Null: true})
		}
	}
	exprs := applications(x, y)
	if len(exprs) == 0 {
		return nil, false
	}
	var cases []Case
	for _, e := range exprs {
		b := &builder{p: &ir.Program{Tables: []ir.Table{left, right}}}
		joined := b.join(ir.Inner, b.scan(left), b.scan(right), []int{0}, []int{0})
		k := ir.NewCol(0, key.Type)
		out := b.project(joined, k, e)
		if _, err := b.p.Ranges(map[string]int{"ee.l": 1 << 20, "pt.r": 1 << 20}); err != nil {
			continue // may overflow: refused by the checker
		}
		cases = append(cases, Case{
			Name:    fmt.Sprintf("%s/%d/%d/nulls=%v", e.Op, i, j, nulls),
			Program: b.finish(out),
			Tables:  map[string][][]ir.Value{"ee.l": lrows, "pt.r": rrows},
		})
	}
	return cases, true
}

// applications are all operations on x and y, columns 1 and 3 of the join.
func applications(x, y ir.Column) []ir.Expr {
	a, b := ir.NewCol(1, x.Type), ir.NewCol(3, y.Type)
	var list []ir.Expr
	add := func(op string, args ...ir.Expr) {
		if e, err := ir.NewOp(op, args...); err == nil {
			list = append(list, e)
		}
	}
	for _, op := range ir.Ops {
		switch op.Name {
		case "cast":
			for _, to := range []ir.Type{{Kind: ir.Int}, {Kind: ir.Decimal, Scale: 1}, {Kind: ir.Decimal, Scale: 9}, {Kind: ir.Text, Width: 5}, {Kind: ir.Text, Codes: []string{"", "a", "b", "blue", "c", "ß"}}} {
				if x.Type.Same(y.Type) { // once for each type
					if e, err := ir.NewCast(a, to); err == nil && !(e.Type.Kind == ir.Text && e.Type.Width > 16) {
						list = append(list, e)
					}
				}
			}
		case "div", "idiv":
			if y.Type.Numeric() {
				zero := ir.NewLit(y.Type, ir.Value{Int: new(big.Int)})
				guarded, err := ir.NewOp("nullif", b, zero)
				if err == nil {
					add(op.Name, a, guarded)
				}
				if y.Lo == "1" {
					add(op.Name, a, b)
				}
			}
		case "case":
			if smaller, err := ir.NewOp("eq", a, b); err == nil && readable(x.Type) {
				add("case", smaller, a, b)
				add("case", smaller, a, ir.NewLit(x.Type, ir.Value{Null: true}))
			}
		case "coalesce", "nullif":
			if readable(x.Type) {
				add(op.Name, a, b)
			}
		case "and", "or":
			add(op.Name, a, b)
			add(op.Name, a, b, a, b, b)
		default:
			add(op.Name, a, b)
			if x.Type.Same(y.Type) {
				add(op.Name, a)
			}
		}
	}
	return list
}

// readable says that a value of the type can be opened: hashed text cannot.
func readable(t ir.Type) bool { return t.Kind != ir.Text || t.Coded() || t.Width <= 16 }
