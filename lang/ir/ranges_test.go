package ir

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func between(lo, hi int64) Interval { return Interval{Lo: big.NewInt(lo), Hi: big.NewInt(hi)} }

func show(r Interval) string {
	s := fmt.Sprintf("%v…%v", r.Lo, r.Hi)
	if !r.HasZero() {
		s += " ≠0"
	}
	return s
}

func TestRangesOfExpressions(t *testing.T) {
	x, y := NewCol(0, intType), NewCol(1, intType) // -3…10 and 2…5
	money := NewCol(2, decimalType(2))             // -1.50…1.50
	cols := []Interval{between(-3, 10), between(2, 5), between(-150, 150)}
	lit := func(n int64) Expr { return NewLit(intType, NewInt(n)) }
	null := NewLit(intType, NewNull())
	isPositive := must(NewOp("gt", x, lit(0)))
	guarded := must(NewOp("nullif", x, lit(0)))
	for _, c := range []struct {
		name string
		e    Expr
		want string
	}{
		{"a sum adds ends", must(NewOp("add", x, y)), "-1…15"},
		{"a difference crosses them", must(NewOp("sub", x, y)), "-8…8"},
		{"a product takes corners", must(NewOp("mul", x, y)), "-15…50"},
		{"a sign turns them", must(NewOp("neg", y)), "-5…-2 ≠0"},
		{"sizes start at zero", must(NewOp("abs", x)), "0…10"},
		{"a guard excludes zero", guarded, "-3…10 ≠0"},
		{"also from a size", must(NewOp("abs", guarded)), "0…10 ≠0"},
		{"nothing else than zero excludes it", must(NewOp("nullif", x, lit(1))), "-3…10"},
		{"a quotient by two to five", must(NewOp("div", x, y)), "-1500000…5000000"},
		{"a quotient by what is at least 1 in size", must(NewOp("div", y, guarded)), "-5000000…5000000"},
		{"scales of decimals cancel", must(NewOp("div", money, y)), "-750000…750000"},
		{"a whole quotient", must(NewOp("idiv", x, y)), "-1…5"},
		{"a choice is a hull", must(NewOp("case", isPositive, x, lit(20))), "-3…20"},
		{"NULL adds nothing to it", must(NewOp("case", isPositive, y, null)), "2…5 ≠0"},
		{"NULL replaced by one", must(NewOp("coalesce", guarded, lit(1))), "-3…10 ≠0"},
		{"NULL plus anything is NULL", must(NewOp("add", null, x)), "0…0 ≠0"},
		{"fewer digits round", must(NewCast(money, intType)), "-2…2"},
		{"more digits scale", must(NewCast(x, decimalType(3))), "-3000…10000"},
		{"a truth value is 0 or 1", isPositive, "0…1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := show(ExprRange(c.e, cols)); got != c.want {
				t.Errorf("%s is in %s, want %s", c.e.String([]Column{{Name: "x"}, {Name: "y"}, {Name: "money"}}), got, c.want)
			}
		})
	}
}

// drawExpr draws an expression over two integers, a nullable decimal, a date
// and a bool, of the wanted type.
func drawExpr(t *rapid.T, want Type, depth int) Expr {
	var options []func() Expr
	sub := func(w Type) Expr { return drawExpr(t, w, depth-1) }
	for i, col := range drawn {
		if col.Same(want) {
			options = append(options, func() Expr { return NewCol(i, col) })
		}
	}
	options = append(options, func() Expr {
		if rapid.IntRange(0, 5).Draw(t, "null") == 0 {
			return NewLit(want, NewNull())
		}
		n := rapid.Int64Range(-30, 30).Draw(t, "literal")
		if want.Kind == Bool {
			n &= 1
		}
		return NewLit(want, NewInt(n))
	})
	if depth > 0 {
		options = append(options,
			func() Expr { return must(NewOp("coalesce", sub(want), sub(want))) },
			func() Expr { return must(NewOp("nullif", sub(want), sub(want))) },
			func() Expr { return must(NewOp("case", sub(boolType), sub(want), sub(want))) })
		other := rapid.SampledFrom([]Type{intType, decimalType(2), decimalType(6), {Kind: Date}}).Draw(t, "other")
		switch want.Kind {
		case Bool:
			compare := rapid.SampledFrom([]string{"eq", "ne", "lt", "le", "gt", "ge"}).Draw(t, "compare")
			options = append(options,
				func() Expr { return must(NewOp(compare, sub(other), sub(other))) },
				func() Expr { return must(NewOp("and", sub(boolType), sub(boolType))) },
				func() Expr { return must(NewOp("or", sub(boolType), sub(boolType), sub(boolType))) },
				func() Expr { return must(NewOp("not", sub(boolType))) },
				func() Expr { return must(NewOp("isnull", sub(other))) })
		case Int, Decimal:
			sign := rapid.SampledFrom([]string{"neg", "abs"}).Draw(t, "sign")
			sum := rapid.SampledFrom([]string{"add", "sub"}).Draw(t, "sum")
			options = append(options,
				func() Expr { return must(NewOp(sign, sub(want))) },
				func() Expr { return must(NewOp(sum, sub(want), sub(want))) })
			if other.Numeric() {
				options = append(options, func() Expr { return must(NewCast(sub(other), want)) })
			}
		}
		switch {
		case want.Kind == Int:
			options = append(options,
				func() Expr { return must(NewOp("mul", sub(intType), sub(intType))) },
				func() Expr { return must(NewOp("idiv", sub(intType), notZero(sub(intType)))) },
				func() Expr { return must(NewOp("sub", sub(Type{Kind: Date}), sub(Type{Kind: Date}))) },
				func() Expr { return must(NewCast(sub(boolType), intType)) })
		case want.Kind == Date:
			options = append(options, func() Expr { return must(NewOp("add", sub(want), sub(intType))) })
		case want.Scale == 2:
			options = append(options, func() Expr { return must(NewOp("mul", sub(intType), sub(want))) })
		case want.Scale == 6:
			options = append(options,
				func() Expr { return must(NewOp("div", sub(intType), notZero(sub(decimalType(2))))) },
				func() Expr { return must(NewOp("div", sub(want), notZero(sub(want)))) })
		}
	}
	return options[rapid.IntRange(0, len(options)-1).Draw(t, "option")]()
}

func notZero(e Expr) Expr { return must(NewOp("nullif", e, NewLit(e.Type, NewInt(0)))) }

// drawn are the columns of the expressions that are drawn.
var drawn = []Type{intType, intType, {Kind: Decimal, Scale: 2, Nullable: true}, {Kind: Date}, {Kind: Bool, Nullable: true}, {Kind: Int, Nullable: true}}

// TestRangesContainValues is the soundness of range inference: whatever the
// columns hold within their ranges, the value of every part of an expression
// is within the range of that part.
func TestRangesContainValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SampledFrom([]Type{intType, decimalType(2), decimalType(6), {Kind: Date}, boolType}).Draw(t, "type")
		e := drawExpr(t, want, 4)
		cols := make([]Interval, len(drawn))
		row := make([]Value, len(drawn))
		for i, typ := range drawn {
			lo := rapid.Int64Range(-20, 20).Draw(t, "lo")
			hi := lo + rapid.Int64Range(0, 20).Draw(t, "size")
			if typ.Kind == Bool {
				lo, hi = 0, 1
			}
			cols[i] = between(lo, hi)
			row[i] = NewInt(rapid.Int64Range(lo, hi).Draw(t, "value"))
			if typ.Nullable && rapid.Bool().Draw(t, "is null") {
				row[i] = NewNull()
			}
		}
		checkRange(t, e, row, cols)
	})
}

// checkRange gives the value of e, having looked at every part of it.
func checkRange(t *rapid.T, e Expr, row []Value, cols []Interval) Value {
	var v Value
	switch e.Op {
	case "col":
		v = row[e.Col]
	case "lit":
		v, _ = e.Value()
	default:
		op, _ := OpNamed(e.Op)
		in, args := make([]Type, len(e.Args)), make([]Value, len(e.Args))
		for i, arg := range e.Args {
			in[i], args[i] = arg.Type, checkRange(t, arg, row, cols)
		}
		v = op.Mean(e.Type, in, args)
	}
	if v.Null && !e.Type.Nullable {
		t.Fatalf("%s is NULL", e.String(names))
	}
	if r := ExprRange(e, cols); !r.Contains(v) {
		t.Fatalf("%s is %s, outside %s", e.String(names), Format(Type{Kind: Int}, v), show(r))
	}
	return v
}

var names = []Column{{Name: "a"}, {Name: "b"}, {Name: "m"}, {Name: "d"}, {Name: "t"}, {Name: "n"}}

func TestOrderOfArgumentsDoesNotMatterWhereItShouldNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, op := range []string{"add", "mul", "eq", "ne", "and", "or"} {
			typ := intType.WithNull(true)
			if op == "and" || op == "or" {
				typ = boolType.WithNull(true)
			}
			x, y := drawValue(t, typ), drawValue(t, typ)
			o, _ := OpNamed(op)
			result, err := o.Type([]Type{typ, typ})
			if err != nil {
				t.Fatal(err)
			}
			one := o.Mean(result, []Type{typ, typ}, []Value{x, y})
			other := o.Mean(result, []Type{typ, typ}, []Value{y, x})
			if !one.Equal(other) {
				t.Fatalf("%s differs", op)
			}
		}
	})
}

func drawValue(t *rapid.T, typ Type) Value {
	if rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return NewNull()
	}
	n := rapid.Int64().Draw(t, "n")
	if typ.Kind == Bool {
		n &= 1
	}
	return NewInt(n)
}

func TestQuotientsAreTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, d := big.NewInt(rapid.Int64().Draw(t, "n")), big.NewInt(rapid.Int64().Filter(func(d int64) bool { return d != 0 }).Draw(t, "d"))
		q := DivRound(n, d)
		// 2·|n - q·d| ≤ |d|, and where equal q is the one farther from zero.
		rest := new(big.Int).Sub(n, new(big.Int).Mul(q, d))
		twice := new(big.Int).Abs(rest.Lsh(rest, 1))
		switch twice.CmpAbs(d) {
		case 1:
			t.Fatalf("%v / %v is not %v", n, d, q)
		case 0:
			if new(big.Int).Mul(q, d).CmpAbs(n) < 0 {
				t.Fatalf("%v / %v rounds to zero", n, d)
			}
		}
	})
}

func TestRowBoundsAndRangesOfNodes(t *testing.T) {
	p := wageProgram()
	rows := map[string]int{"reg.person": 64, "tax.job": 1000}
	if got, want := p.Bounds(rows), []int{64, 64, 1000, 1000, 3, 3, 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("bounds %v, want %v", got, want)
	}
	ranges, err := p.Ranges(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		node, column int
		want         string
	}{
		{"a declared range", 2, 2, "-100…99999900"},
		{"the right side of a join", 3, 4, "0…120"},
		{"a group that exists has a row", 4, 1, "1…1000 ≠0"},
		{"a mean is among its values", 4, 2, "-1000000…999999000000"},
		{"a mean by a count", 6, 2, "-1000000…999999000000"},
		{"text has none", 4, 0, "<nil>…<nil>"},
	} {
		if got := show(ranges[c.node][c.column]); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	p.Nodes[4].Group.Aggs[1].Func = Sum
	if ranges, err = p.Ranges(rows); err != nil || show(ranges[4][2]) != "-100000…99999900000" {
		t.Errorf("a sum of 1000 rows is in %s (%v)", show(ranges[4][2]), err)
	}
	if _, err := p.Ranges(map[string]int{"reg.person": 64}); err == nil {
		t.Error("a table without a row bound is accepted")
	}
}

func TestBoundsOfGroupings(t *testing.T) {
	p := wageProgram()
	rows := map[string]int{"reg.person": 64, "tax.job": 1000}
	for _, c := range []struct {
		name string
		keys []int
		jobs int
		want int
	}{
		{"all codes", []int{1}, 1000, 3},
		{"no more groups than rows", []int{1}, 2, 2},
		{"codes and ages", []int{1, 4}, 1000, 363},
		{"a wide range", []int{2}, 1000, 1000},
		{"no keys", nil, 1000, 1},
		{"no rows", []int{1}, 0, 1},
	} {
		p.Nodes, p.Nodes[4].Group = p.Nodes[:5], &Group{Keys: c.keys}
		rows["tax.job"] = c.jobs
		if got := p.Bounds(rows)[4]; got != c.want {
			t.Errorf("%s: %d groups, want %d", c.name, got, c.want)
		}
	}
}

func TestNullableKeysHaveOneGroupMore(t *testing.T) {
	if got := domain(region.WithNull(true), Interval{}); got.Int64() != 4 {
		t.Errorf("three codes and NULL are %v", got)
	}
	if got := domain(boolType, between(0, 1)); got.Int64() != 2 {
		t.Errorf("truth values are %v", got)
	}
	if got := domain(keyText, Interval{}); got != nil {
		t.Errorf("key text has %v values", got)
	}
}

func TestRangesThatAreTooWide(t *testing.T) {
	p := wageProgram()
	square := func(e Expr) Expr { return must(NewOp("mul", e, e)) }
	e := NewCol(1, intType) // 1…1000
	for range 4 {
		e = square(e) // 2^4 · 10 bits: too wide
	}
	e = square(square(e))
	for e, i := &e, 0; i < 6; e, i = &e.Args[0], i+1 {
		e.Pos = 100 + i
	}
	p.Nodes[6].Exprs = append(p.Nodes[6].Exprs, e)
	p.Nodes[6].Columns = append(p.Nodes[6].Columns, Column{Name: "power", Type: intType})
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	_, err := p.Ranges(map[string]int{"reg.person": 1000, "tax.job": 1000})
	var wide *RangeError
	if !errors.As(err, &wide) {
		t.Fatalf("got %v", err)
	}
	// (n²)² … 1000^16 is 160 bits, 1000^8 is 80.
	if wide.Node != 6 || wide.Pos != 102 || wide.Hi.Cmp(pow10(48)) != 0 {
		t.Errorf("blames node %d at %d: %v", wide.Node, wide.Pos, err)
	}
	if !strings.Contains(err.Error(), "persons * persons") || !strings.Contains(err.Error(), "1000…e48") {
		t.Errorf("the message is %v", err)
	}
	if n := strings.Count(err.Error(), "node"); n != 1 {
		t.Errorf("the same is said %d times", n)
	}
}

func TestAnExpressionIsShownAsSQL(t *testing.T) {
	x, y := NewCol(0, intType), NewCol(1, intType.WithNull(true))
	e := must(NewOp("mul", must(NewOp("add", x, y)), must(NewOp("neg", x))))
	cond := must(NewOp("and", must(NewOp("isnull", y)), must(NewOp("ne", NewCol(2, region), NewLit(region, NewText("west"))))))
	e = must(NewOp("case", cond, e, must(NewCast(NewLit(decimalType(1), NewInt(-15)), intType))))
	const want = "CASE WHEN y IS NULL AND (r <> 'west') THEN (x + y) * -x ELSE CAST(-1.5 AS BIGINT) END"
	got := e.String([]Column{{Name: "x"}, {Name: "y"}, {Name: "r"}})
	if got != want {
		t.Errorf("got %s", got)
	}
}
