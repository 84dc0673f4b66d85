package syntax

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// String writes the type as SQL does.
func (t TypeName) String() string {
	switch {
	case t.Base == Decimal:
		return fmt.Sprintf("DECIMAL(%d, %d)", t.Precision, t.Scale)
	case t.Width > 0:
		return fmt.Sprintf("%s(%d)", t.Base, t.Width)
	}
	return string(t.Base)
}

var bases = map[string]Base{
	"int2": SmallInt, "int4": Integer, "int8": BigInt, "numeric": Decimal, "bool": Boolean,
	"date": Date, "bpchar": Char, "varchar": VarChar, "text": Text,
}

// typeName reads a type; its Base is BadType where it is refused.
func (c *converter) typeName(pos int, t *pg.TypeName) TypeName {
	if t.GetLocation() >= 0 {
		pos = c.at(t.GetLocation())
	}
	bad := TypeName{Pos: pos}
	var names []string
	for _, n := range t.GetNames() {
		names = append(names, n.GetString_().GetSval())
	}
	name := strings.TrimPrefix(strings.Join(names, "."), "pg_catalog.")
	base, known := bases[name]
	if !known || t.GetSetof() || t.GetPctType() || len(t.GetArrayBounds()) > 0 {
		c.noType(pos, name)
		return bad
	}
	c.rest(pos, t, "names", "typmods", "typemod", "setof", "pct_type", "array_bounds")
	sizes, ok := sizesOf(t.GetTypmods())
	out := TypeName{Pos: pos, Base: base}
	switch base {
	case Decimal:
		if ok && len(sizes) == 1 {
			sizes = append(sizes, 0)
		}
		if !ok || len(sizes) != 2 || sizes[0] < 1 || sizes[0] > maxDecimal || sizes[1] < 0 || sizes[1] > sizes[0] {
			c.report.Add(pos, "JOC-L200", "DECIMAL has no size, or one that is not possible", "Arithmetic is exact, so the number of digits must be known.",
				fmt.Sprintf("Write DECIMAL(p, s): p digits in all, at most %d, and s of them after the point.", maxDecimal))
			return bad
		}
		out.Precision, out.Scale = sizes[0], sizes[1]
	case Char, VarChar:
		if base == VarChar && ok && len(sizes) == 0 {
			return out
		}
		if !ok || len(sizes) != 1 || sizes[0] < 1 || sizes[0] > maxWidth {
			c.report.Add(pos, "JOC-L201", fmt.Sprintf("%s has no length, or one that is not possible", base), "The length decides how keys are packed.",
				fmt.Sprintf("Write %s(n) with n from 1 to %d.", base, maxWidth))
			return bad
		}
		out.Width = sizes[0]
	default:
		if !ok || len(sizes) > 0 {
			c.refuse(pos, "JOC-L202", fmt.Sprintf("%s has no size", base), "Leave the size out.")
			return bad
		}
	}
	return out
}

func sizesOf(mods []*pg.Node) ([]int, bool) {
	var sizes []int
	for _, m := range mods {
		k := m.GetAConst()
		if k == nil || k.GetIval() == nil {
			return nil, false
		}
		sizes = append(sizes, int(k.GetIval().GetIval()))
	}
	return sizes, true
}

func (c *converter) noType(pos int, name string) {
	do := "Use SMALLINT, INTEGER, BIGINT, DECIMAL(p, s), BOOLEAN, DATE, CHAR(n), VARCHAR(n) or TEXT."
	switch name {
	case "float4", "float8":
		do = "Write DECIMAL(p, s): arithmetic is exact, and the same on every machine."
	case "timestamp", "timestamptz", "time", "timetz", "interval":
		do = "Write DATE: the difference of two dates is a number of days, and a date plus a number is a date."
	}
	c.refuse(pos, "JOC-L203", fmt.Sprintf("the type %s is not part of this version", strings.ToUpper(name)), do)
}

func (c *converter) cast(at At, t *pg.TypeCast) Expr {
	c.rest(at.Pos, t, "arg", "type_name")
	x := c.expr(t.GetArg())
	to := c.typeName(at.Pos, t.GetTypeName())
	if to.Base == BadType {
		return nil
	}
	return &Cast{at, x, to}
}
