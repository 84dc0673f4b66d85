package ir

import (
	"errors"
	"fmt"
	"math/big"
)

// MaxBits is the number of bits, sign included, that every value of a program
// fits: a ring of 128 bits then holds it with a bit to spare.
const MaxBits = 127

var (
	maxValue = new(big.Int).Sub(new(big.Int).Lsh(one, MaxBits-1), one)
	minValue = new(big.Int).Neg(new(big.Int).Lsh(one, MaxBits-1))
)

// RangeError says that an expression of a program can pass what the system can
// compute with: MaxBits, or MaxDay for dates.
type RangeError struct {
	Node   int
	Pos    int    // byte offset in the program text
	Expr   string // the expression, over column names
	Lo, Hi *big.Int
}

func (e *RangeError) Error() string {
	return fmt.Sprintf("node %d: the range of %s is from %s to %s, which is too wide: %d bits are possible, and for dates %d days",
		e.Node, e.Expr, approximate(e.Lo), approximate(e.Hi), MaxBits, MaxDay)
}

// approximate prints long numbers as a power of ten.
func approximate(n *big.Int) string {
	text := n.String()
	if digits := len(text); digits > 24 {
		return fmt.Sprintf("%s…e%d", text[:4], digits-1)
	}
	return text
}

// DivisorError says that a divisor is not proven to be other than zero, by its
// range or by nullif(x, 0).
type DivisorError struct {
	Node int // -1: a check of a table
	Pos  int
	Expr string // the divisor, over column names
}

func (e *DivisorError) Error() string {
	return fmt.Sprintf("node %d: the divisor %s may be zero", e.Node, e.Expr)
}

// ExprRange contains every value that e can have where the columns are within
// cols. The expression is well typed, and its divisors are proven.
func ExprRange(e Expr, cols []Interval) Interval { return visitRanges(e, cols, nil) }

// visitRanges gives the range of e, and calls visit for e and all below it,
// innermost first.
func visitRanges(e Expr, cols []Interval, visit func(e Expr, args []Interval, r Interval)) Interval {
	args := make([]Interval, len(e.Args))
	in := make([]Type, len(e.Args))
	for i, arg := range e.Args {
		args[i] = visitRanges(arg, cols, visit)
		in[i] = arg.Type
	}
	r := rangeOf(e, in, args, cols)
	if visit != nil {
		visit(e, args, r)
	}
	return r
}

func rangeOf(e Expr, in []Type, args, cols []Interval) Interval {
	switch e.Op {
	case "col":
		return cols[e.Col]
	case "lit":
		return litRange(e)
	}
	if e.Type.Kind == Text {
		return Interval{}
	}
	op, _ := OpNamed(e.Op)
	if op.Range == nil {
		return Interval{} // no program that Validate accepts comes here
	}
	return saturate(op.Range(e.Type, in, args))
}

func litRange(e Expr) Interval {
	v, err := e.Value()
	switch {
	case err != nil || e.Type.Kind == Text:
		return Interval{}
	case v.Null:
		return never
	}
	return Interval{Lo: v.Int, Hi: v.Int}
}

// Bounds gives the public row bound of each node, from the row bound of each
// table by its QName.
func (p *Program) Bounds(rows map[string]int) []int {
	exact, _, _ := p.analyse(func(table string) *big.Int { return big.NewInt(int64(max(rows[table], 0))) })
	bounds := make([]int, len(exact))
	for i, b := range exact {
		bounds[i] = int(b.Int64()) // no bound is above that of a table, or 1
	}
	return bounds
}

// Ranges gives the range of each column of each node, from the row bound of
// each table by its QName. An error joins a *RangeError for each innermost
// expression that can pass MaxBits (those that only inherit it are left out),
// and a *DivisorError for each divisor that may be zero.
func (p *Program) Ranges(rows map[string]int) ([][]Interval, error) {
	for _, t := range p.Tables {
		if n, given := rows[t.QName()]; !given || n < 0 {
			return nil, fmt.Errorf("table %s has no row bound", t.QName())
		}
	}
	_, ranges, problems := p.analyse(func(table string) *big.Int { return big.NewInt(int64(rows[table])) })
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return ranges, nil
}

// manyRows stands for any number of rows, in proofs that hold for all.
var manyRows = new(big.Int).Lsh(one, 100)

// ProveDivisors joins a *DivisorError for each divisor that may be zero for
// some number of rows, in nodes and in the checks of tables. It is part of
// Validate.
func (p *Program) ProveDivisors() error {
	var unproven []error
	for _, t := range p.Tables {
		cols := columnRanges(t.Columns)
		for _, check := range t.Checks {
			visitRanges(check, cols, func(e Expr, args []Interval, _ Interval) {
				if err := unprovenDivisor(-1, e, args, t.Columns); err != nil {
					unproven = append(unproven, err)
				}
			})
		}
	}
	_, _, problems := p.analyse(func(string) *big.Int { return manyRows })
	for _, problem := range problems {
		if d, ok := problem.(*DivisorError); ok {
			unproven = append(unproven, d)
		}
	}
	return errors.Join(unproven...)
}

func unprovenDivisor(node int, e Expr, args []Interval, cols []Column) *DivisorError {
	if (e.Op == "div" || e.Op == "idiv") && args[1].HasZero() {
		return &DivisorError{Node: node, Pos: e.Pos, Expr: e.Args[1].String(cols)}
	}
	return nil
}

// analysis goes through the nodes once; bounds and ranges need each other: a
// sum's range its input's row bound, and a grouping's row bound the ranges of
// its keys.
type analysis struct {
	p        *Program
	rows     func(table string) *big.Int
	bounds   []*big.Int
	ranges   [][]Interval
	wide     []bool // the node or one below it has a RangeError: more would be repetition
	problems []error
}

func (p *Program) analyse(rows func(table string) *big.Int) (bounds []*big.Int, ranges [][]Interval, problems []error) {
	a := &analysis{p: p, rows: rows, bounds: make([]*big.Int, len(p.Nodes)), ranges: make([][]Interval, len(p.Nodes)), wide: make([]bool, len(p.Nodes))}
	for i, n := range p.Nodes {
		below := false
		for _, in := range n.In {
			below = below || a.wide[in]
		}
		a.wide[i] = below
		a.node(i, n)
	}
	return a.bounds, a.ranges, a.problems
}

func (a *analysis) node(i int, n Node) {
	switch n.Op {
	case Scan:
		t := a.p.table(n.Table)
		a.bounds[i] = a.rows(n.Table)
		all := columnRanges(t.Columns)
		for _, c := range n.Scan {
			a.ranges[i] = append(a.ranges[i], all[c])
			a.limit(i, n.Pos, t.Columns[c].Type, all[c], func() string { return t.Columns[c].Name })
		}
	case Project:
		a.bounds[i] = a.bounds[n.In[0]]
		for _, e := range n.Exprs {
			a.ranges[i] = append(a.ranges[i], a.expr(i, n, e))
		}
	case Filter:
		a.bounds[i] = a.bounds[n.In[0]]
		a.expr(i, n, n.Exprs[0])
		a.ranges[i] = a.ranges[n.In[0]]
	case JoinOp:
		a.bounds[i] = a.bounds[n.In[0]]
		left, right := a.ranges[n.In[0]], a.ranges[n.In[1]]
		if n.Join.Kind == Mark {
			right = []Interval{{Lo: zero, Hi: one}}
		}
		a.ranges[i] = append(append(a.ranges[i], left...), right...)
	case Aggregate:
		a.group(i, n)
	}
}

func (a *analysis) group(i int, n Node) {
	in := n.In[0]
	cols := a.p.Nodes[in].Columns
	a.bounds[i] = groups(n.Group.Keys, cols, a.ranges[in], a.bounds[in])
	for _, key := range n.Group.Keys {
		a.ranges[i] = append(a.ranges[i], a.ranges[in][key])
	}
	grouped := len(n.Group.Keys) > 0
	for j, agg := range n.Group.Aggs {
		t := n.Columns[len(n.Group.Keys)+j].Type
		var arg Type
		var r Interval
		if agg.Func != CountStar {
			arg, r = cols[agg.Arg].Type, a.ranges[in][agg.Arg]
		}
		if agg.Func == Avg { // the total behind the average must fit too
			a.limit(i, n.Pos, arg, sumRange(arg, arg, r, a.bounds[in], grouped), func() string { return agg.String(cols) })
		}
		f, _ := AggNamed(agg.Func)
		r = f.Range(t, arg, r, a.bounds[in], grouped)
		a.limit(i, n.Pos, t, r, func() string { return agg.String(cols) })
		a.ranges[i] = append(a.ranges[i], r)
	}
}

// expr gives an expression's range and notes what is wrong in it.
func (a *analysis) expr(i int, n Node, e Expr) Interval {
	cols := a.p.Nodes[n.In[0]].Columns
	return visitRanges(e, a.ranges[n.In[0]], func(e Expr, args []Interval, r Interval) {
		if err := unprovenDivisor(i, e, args, cols); err != nil {
			a.problems = append(a.problems, err)
		}
		a.limit(i, e.Pos, e.Type, r, func() string { return e.String(cols) })
	})
}

// limit notes a range that is too wide, unless a node below, or an expression
// of this node before it, already is.
func (a *analysis) limit(i, pos int, t Type, r Interval, name func() string) {
	if a.wide[i] || r.Fits(t) {
		return
	}
	a.wide[i] = true
	a.problems = append(a.problems, &RangeError{Node: i, Pos: pos, Expr: name(), Lo: r.Lo, Hi: r.Hi})
}

// columnRanges gives the ranges that a table's declaration promises.
func columnRanges(cols []Column) []Interval {
	ranges := make([]Interval, len(cols))
	for i, c := range cols {
		switch c.Type.Kind {
		case Bool:
			ranges[i] = Interval{Lo: zero, Hi: one}
		case Int, Decimal, Date:
			lo, errLo := parseDigits(c.Lo)
			hi, errHi := parseDigits(c.Hi)
			if errLo == nil && errHi == nil {
				ranges[i] = Interval{Lo: lo, Hi: hi}
			}
		}
	}
	return ranges
}

// maxGroups is the greatest product of key domains that bounds a grouping.
var maxGroups = big.NewInt(1 << 20)

// groups bounds the number of groups: not more than rows, nor than the keys
// have combinations where these are known and not too many.
func groups(keys []int, cols []Column, ranges []Interval, rows *big.Int) *big.Int {
	combinations := big.NewInt(1)
	for _, key := range keys {
		size := domain(cols[key].Type, ranges[key])
		if size == nil {
			return atLeastOne(rows)
		}
		combinations.Mul(combinations, size)
		if combinations.Cmp(maxGroups) > 0 {
			return atLeastOne(rows)
		}
	}
	if len(keys) == 0 {
		return combinations
	}
	return atLeastOne(minInt(rows, combinations))
}

// domain counts the values that a key can have, NULL included; nil if unknown.
func domain(t Type, r Interval) *big.Int {
	var size *big.Int
	switch {
	case t.Coded():
		size = big.NewInt(int64(len(t.Codes)))
	case r.Lo != nil:
		size = new(big.Int).Sub(r.Hi, r.Lo)
		size.Add(size, one)
	default:
		return nil
	}
	if t.Nullable {
		size.Add(size, one)
	}
	return size
}
