package check

import (
	"fmt"
	"math/big"
	"slices"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// narrow lets one conjunct of a CHECK narrow a column, where it has one of the
// forms column BETWEEN literal AND literal, column = < <= > >= literal, the same
// the other way round, and column IN (literals). Other forms are only checked
// on the data. A CHECK promises nothing for NULL, and so does a range. It
// reports whether the column's type now says all that the conjunct says: that
// of a text is its code list, which would be repeated for each of its codes.
func (c *checker) narrow(t *ir.Table, e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Between:
		if col := c.checkedColumn(t, e.X); col != nil && !e.Not {
			c.narrowBy(e, col, ">=", e.Lo)
			c.narrowBy(e, col, "<=", e.Hi)
		}
	case *syntax.Binary:
		col, op, value := c.checkedColumn(t, e.L), e.Op, e.R
		if col == nil {
			col, op, value = c.checkedColumn(t, e.R), mirrored[e.Op], e.L
		}
		if col != nil && col.Type.Kind == ir.Text && op == "=" {
			return c.narrowToCodes(e, col, []syntax.Expr{value})
		} else if col != nil {
			c.narrowBy(e, col, op, value)
		}
	case *syntax.InList:
		col := c.checkedColumn(t, e.X)
		if col != nil && col.Type.Kind == ir.Text && !e.Not {
			return c.narrowToCodes(e, col, e.List)
		} else if col != nil && !e.Not {
			c.narrowToList(e, col, e.List)
		}
	}
	return false
}

var mirrored = map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

func (c *checker) checkedColumn(t *ir.Table, e syntax.Expr) *ir.Column {
	col, ok := e.(*syntax.Column)
	if !ok || len(col.Parts) == 0 {
		return nil
	}
	switch n := len(col.Parts); {
	case n >= 2 && col.Parts[n-2] != t.Name, n == 3 && col.Parts[0] != string(t.Owner):
		return nil
	}
	if i := column(t.Columns, col.Parts[len(col.Parts)-1]); i >= 0 {
		return &t.Columns[i]
	}
	return nil
}

func (c *checker) narrowBy(at syntax.Expr, col *ir.Column, op string, e syntax.Expr) {
	v := literalValue(col.Type, e)
	if v == nil {
		return
	}
	lo, hi := numberOf(col.Lo), numberOf(col.Hi)
	floor, ceil := floorCeil(v)
	switch op {
	case "<=":
		hi = minOf(hi, floor)
	case "<":
		hi = minOf(hi, new(big.Int).Sub(ceil, big.NewInt(1)))
	case ">=":
		lo = maxOf(lo, ceil)
	case ">":
		lo = maxOf(lo, new(big.Int).Add(floor, big.NewInt(1)))
	case "=":
		lo, hi = maxOf(lo, ceil), minOf(hi, floor)
	default:
		return
	}
	c.setRange(at, col, lo, hi)
}

func (c *checker) setRange(at syntax.Expr, col *ir.Column, lo, hi *big.Int) {
	if lo.Cmp(hi) > 0 {
		c.emptyColumn(at, col)
		return
	}
	col.Lo, col.Hi = lo.String(), hi.String()
}

func (c *checker) emptyColumn(at syntax.Expr, col *ir.Column) {
	c.Add(at.Offset(), "JOC-L230", fmt.Sprintf("no value of the column %s passes its checks", col.Name), "The table could only be empty, or NULL there.", "Correct the CHECK.")
}

func (c *checker) narrowToList(at syntax.Expr, col *ir.Column, list []syntax.Expr) {
	var least, greatest *big.Int
	for _, e := range list {
		v := literalValue(col.Type, e)
		if v == nil {
			return
		}
		floor, ceil := floorCeil(v)
		if floor.Cmp(ceil) != 0 {
			continue // between two values of the column: equal to none
		}
		if least == nil {
			least, greatest = floor, floor
		}
		least, greatest = minOf(least, floor), maxOf(greatest, floor)
	}
	if least == nil {
		c.emptyColumn(at, col)
		return
	}
	c.setRange(at, col, maxOf(numberOf(col.Lo), least), minOf(numberOf(col.Hi), greatest))
}

// narrowToCodes gives a text column a code list, or the part of its list that
// the new one shares; false if the list has anything but text literals.
func (c *checker) narrowToCodes(at syntax.Expr, col *ir.Column, list []syntax.Expr) bool {
	var codes []string
	for _, e := range list {
		lit, ok := e.(*syntax.Literal)
		if !ok || lit.Kind != syntax.TextLiteral {
			return false
		}
		if col.Type.Coded() {
			if _, shared := slices.BinarySearch(col.Type.Codes, lit.Text); !shared {
				continue
			}
		} else if !fitsWidth(lit.Text, col.Type.Width) {
			c.Add(lit.Pos, "JOC-L231", fmt.Sprintf("a code is longer than the column %s", col.Name), "No value of the column could be it.", "Widen the column's type, or correct the code.")
			return true
		}
		codes = append(codes, lit.Text)
	}
	if len(codes) == 0 {
		c.emptyColumn(at, col)
		return true
	}
	slices.Sort(codes)
	col.Type.Codes, col.Type.Width = slices.Compact(codes), 0
	return true
}

// literalValue is a literal as a number on the scale of t, perhaps between two
// of its values; nil if it is not a number or date that t can be compared with.
func literalValue(t ir.Type, e syntax.Expr) *big.Rat {
	if neg, ok := e.(*syntax.Negative); ok {
		v := literalValue(t, neg.X)
		if v == nil || t.Kind == ir.Date {
			return nil
		}
		return v.Neg(v)
	}
	if cast, ok := e.(*syntax.Cast); ok && cast.Type.Base == syntax.Date && t.Kind == ir.Date {
		e = cast.X
	}
	lit, ok := e.(*syntax.Literal)
	switch {
	case !ok:
	case t.Numeric() && lit.Kind == syntax.NumberLiteral:
		n, scale, ok := parseNumber(lit.Text)
		if !ok {
			return nil
		}
		v := new(big.Rat).SetFrac(n, pow10(scale))
		return v.Mul(v, new(big.Rat).SetInt(pow10(t.Scale)))
	case t.Kind == ir.Date && lit.Kind == syntax.TextLiteral:
		if v, err := ir.ParseValue(ir.Type{Kind: ir.Date}, lit.Text); err == nil {
			return new(big.Rat).SetInt(v.Int)
		}
	}
	return nil
}

func floorCeil(v *big.Rat) (floor, ceil *big.Int) {
	floor, rest := new(big.Int), new(big.Int)
	floor.DivMod(v.Num(), v.Denom(), rest) // the denominator is positive: rounds down
	if rest.Sign() == 0 {
		return floor, floor
	}
	return floor, new(big.Int).Add(floor, big.NewInt(1))
}

// numberOf reads an end of a range, which this package wrote; zero for kinds without one.
func numberOf(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return new(big.Int)
	}
	return n
}

func minOf(a, b *big.Int) *big.Int {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

func maxOf(a, b *big.Int) *big.Int {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}
