package check

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"joconde/lang/ir"
)

// manyRows is the row bound of every table for which ranges must hold: more
// than any table of this version has.
const manyRows = 1 << 32

// proveRanges refuses what could overflow or divide by zero on some data. It
// looks at whatever was built, also beside other errors.
func (c *checker) proveRanges() {
	for _, t := range c.p.Tables {
		cols := rangesOf(t.Columns)
		for _, check := range t.Checks {
			c.checkRange(t, check, cols)
		}
	}
	rows := make(map[string]int)
	for _, t := range c.p.Tables {
		rows[t.QName()] = manyRows
	}
	_, err := c.p.Ranges(rows)
	for _, problem := range flattened(errors.Join(err, c.p.ProveDivisors())) {
		var wide *ir.RangeError
		var divisor *ir.DivisorError
		switch {
		case errors.As(problem, &wide):
			c.tooWide(wide)
		case errors.As(problem, &divisor):
			c.mayBeZero(divisor)
		default:
			c.Add(0, "JOC-L310", fmt.Sprintf("ranges cannot be inferred: %v", problem), "Every value must be known to fit.", "Please report the program.")
		}
	}
}

// flattened lists the errors that were joined.
func flattened(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		if err == nil {
			return nil
		}
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flattened(e)...)
	}
	return all
}

func rangesOf(cols []ir.Column) []ir.Interval {
	out := make([]ir.Interval, len(cols))
	for i, col := range cols {
		switch {
		case col.Type.Kind == ir.Bool:
			out[i] = ir.Interval{Lo: new(big.Int), Hi: big.NewInt(1)}
		case col.Lo != "":
			out[i] = ir.Interval{Lo: numberOf(col.Lo), Hi: numberOf(col.Hi)}
		}
	}
	return out
}

// checkRange refuses a CHECK that could overflow, at its innermost part that does.
func (c *checker) checkRange(t ir.Table, x ir.Expr, cols []ir.Interval) bool {
	for _, arg := range x.Args {
		if !c.checkRange(t, arg, cols) {
			return false
		}
	}
	r := ir.ExprRange(x, cols)
	if !r.Fits(x.Type) {
		c.wide(x.Pos, x.String(t.Columns), r.Lo, r.Hi, x.Type, c.inTable(t, x))
		return false
	}
	return true
}

func (c *checker) mayBeZero(e *ir.DivisorError) {
	c.Add(e.Pos, "JOC-L311", fmt.Sprintf("the divisor %s may be zero", e.Expr), "A program that compiles cannot fail on any data.",
		fmt.Sprintf("Write NULLIF(%s, 0), which gives NULL there, or declare a CHECK that excludes zero.", e.Expr))
}

func (c *checker) tooWide(e *ir.RangeError) {
	n := c.p.Nodes[e.Node]
	pos, t := e.Pos, ir.Type{Kind: ir.Int}
	var from []origin
	if n.Op == ir.Aggregate {
		in := c.columns(n.In[0])
		for i, agg := range n.Group.Aggs {
			if agg.String(in) == e.Expr && agg.Arg >= 0 {
				pos, t = c.aggs[e.Node][i], in[agg.Arg].Type
				from = c.origins(n.In[0], agg.Arg)
			}
		}
	} else if n.Op == ir.Scan {
		for i, col := range n.Columns {
			if col.Name == e.Expr {
				t, from = col.Type, c.origins(e.Node, i)
			}
		}
	}
	for _, x := range n.Exprs {
		if part, found := find(x, e.Pos, e.Expr, c.columns(n.In[0])); found {
			t = part.Type
			for _, col := range columnsOf(part) {
				from = append(from, c.origins(n.In[0], col)...)
			}
			break
		}
	}
	text := e.Expr
	if x, known := c.written[pos]; known {
		text = shown(x)
	}
	c.wide(pos, text, e.Lo, e.Hi, t, from)
}

func find(x ir.Expr, pos int, text string, cols []ir.Column) (ir.Expr, bool) {
	if x.Pos == pos && x.String(cols) == text {
		return x, true
	}
	for _, arg := range x.Args {
		if part, found := find(arg, pos, text, cols); found {
			return part, true
		}
	}
	return ir.Expr{}, false
}

func columnsOf(x ir.Expr) []int {
	if x.Op == "col" {
		return []int{x.Col}
	}
	var cols []int
	for _, arg := range x.Args {
		for _, col := range columnsOf(arg) {
			if !slices.Contains(cols, col) {
				cols = append(cols, col)
			}
		}
	}
	return cols
}

// origin is a column of a table.
type origin struct {
	table  string
	column ir.Column
}

func (c *checker) inTable(t ir.Table, x ir.Expr) []origin {
	var from []origin
	for _, i := range columnsOf(x) {
		from = append(from, origin{t.QName(), t.Columns[i]})
	}
	return from
}

// origins gives the columns of tables that a column of a node is computed from.
func (c *checker) origins(node, col int) []origin {
	type at struct{ node, col int }
	seen := make(map[at]bool)
	var from []origin
	var follow func(node, col int)
	follow = func(node, col int) {
		if seen[at{node, col}] {
			return
		}
		seen[at{node, col}] = true
		n := c.p.Nodes[node]
		switch n.Op {
		case ir.Scan:
			t, _ := c.p.Table(n.Table)
			from = append(from, origin{n.Table, t.Columns[n.Scan[col]]})
		case ir.Project:
			for _, i := range columnsOf(n.Exprs[col]) {
				follow(n.In[0], i)
			}
		case ir.Filter:
			follow(n.In[0], col)
		case ir.JoinOp:
			if width := len(c.columns(n.In[0])); col < width {
				follow(n.In[0], col)
			} else if n.Join.Kind != ir.Mark {
				follow(n.In[1], col-width)
			}
		case ir.Aggregate:
			if col < len(n.Group.Keys) {
				follow(n.In[0], n.Group.Keys[col])
			} else if arg := n.Group.Aggs[col-len(n.Group.Keys)].Arg; arg >= 0 {
				follow(n.In[0], arg)
			}
		}
	}
	follow(node, col)
	return from
}

// wide refuses an expression whose range is too wide, and names the column
// whose CHECK would help most: the one with the widest range.
func (c *checker) wide(pos int, text string, lo, hi *big.Int, t ir.Type, from []origin) {
	do := "Compute with smaller numbers: fewer factors, or fewer digits after the point with CAST(… AS DECIMAL(p, s))."
	widest := new(big.Int)
	for _, o := range from {
		if o.column.Lo == "" {
			continue
		}
		if width := new(big.Int).Sub(numberOf(o.column.Hi), numberOf(o.column.Lo)); width.Cmp(widest) > 0 {
			widest = width
			do = fmt.Sprintf("Declare what is possible in %s: %s … CHECK (%[2]s BETWEEN low AND high). It is now from %s to %s.",
				o.table, o.column.Name, limit(o.column.Type, numberOf(o.column.Lo)), limit(o.column.Type, numberOf(o.column.Hi)))
		}
	}
	c.Add(pos, "JOC-L312", fmt.Sprintf("%s may become too large: its range is from %s to %s", text, limit(t, lo), limit(t, hi)),
		fmt.Sprintf("Arithmetic is exact in %d bits, and no data may pass that, whatever the number of rows up to %d.", ir.MaxBits, manyRows), do)
}

// limit writes an end of a range, long ones as a power of ten.
func limit(t ir.Type, n *big.Int) string {
	if t.Kind == ir.Decimal && t.Scale > 0 {
		n = new(big.Int).Quo(n, pow10(t.Scale))
	}
	digits := len(new(big.Int).Abs(n).String())
	switch {
	case t.Kind == ir.Date:
		if inCalendar(n) {
			return ir.Format(t, ir.NewBig(n))
		}
		return n.String() + " days from 1970"
	case digits > 24 && n.Sign() < 0:
		return fmt.Sprintf("-10^%d", digits)
	case digits > 24:
		return fmt.Sprintf("10^%d", digits)
	}
	return n.String()
}
