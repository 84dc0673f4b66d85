package check

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

const maxGroupKeys = 64

// grouping is a SELECT with groups while its SELECT list and HAVING are typed:
// expressions read the columns of an aggregate node that is yet to be emitted,
// first its keys and then its aggregates.
type grouping struct {
	rows    *env     // what keys and arguments of aggregates read
	names   []string // canonical text of each key
	keys    []ir.Expr
	args    ir.Node  // a projection of keys, and then of arguments
	argText []string // canonical text of each column of args
	aggs    []ir.Agg
	aggPos  []int
	columns []ir.Column // of the aggregate node
}

func hasGroups(q *syntax.Select, items []item) bool {
	return len(q.GroupBy) > 0 || q.Having != nil || slices.ContainsFunc(items, func(it item) bool { return hasAggregate(it.expr) })
}

// hasAggregate reports whether an aggregate stands in an expression.
func hasAggregate(x syntax.Expr) bool {
	switch x := x.(type) {
	case *syntax.Call:
		return x.Aggregate() || slices.ContainsFunc(x.Args, hasAggregate)
	case *syntax.Negative:
		return hasAggregate(x.X)
	case *syntax.Binary:
		return hasAggregate(x.L) || hasAggregate(x.R)
	case *syntax.Logic:
		return slices.ContainsFunc(x.Args, hasAggregate)
	case *syntax.Not:
		return hasAggregate(x.X)
	case *syntax.IsNull:
		return hasAggregate(x.X)
	case *syntax.IsTruth:
		return hasAggregate(x.X)
	case *syntax.Between:
		return hasAggregate(x.X) || hasAggregate(x.Lo) || hasAggregate(x.Hi)
	case *syntax.InList:
		return hasAggregate(x.X) || slices.ContainsFunc(x.List, hasAggregate)
	case *syntax.InQuery:
		return hasAggregate(x.X)
	case *syntax.Case:
		found := x.Operand != nil && hasAggregate(x.Operand) || x.Else != nil && hasAggregate(x.Else)
		for _, w := range x.Whens {
			found = found || hasAggregate(w.Cond) || hasAggregate(w.Value)
		}
		return found
	case *syntax.Cast:
		return hasAggregate(x.X)
	}
	return false
}

// groupedQuery emits the projection of keys and arguments, the aggregate node,
// HAVING, and the projection of the result.
func (c *checker) groupedQuery(q *syntax.Select, rows *env, node int, items []item) (int, bool) {
	g := &grouping{rows: rows, args: ir.Node{Op: ir.Project, In: []int{node}}}
	rows.place = "GROUP BY"
	ok := true
	for _, x := range q.GroupBy {
		ok = c.key(g, x, items) && ok
	}
	if !ok {
		return 0, false
	}
	e := &env{place: "SELECT", scope: rows.scope, cols: nil, group: g}
	// Arguments of aggregates stand where an aggregate may not.
	rows.place = "the argument of an aggregate"
	var having []ir.Expr
	if q.Having != nil {
		e.place = "HAVING"
		cond, good := c.truth(e, q.Having)
		having, ok = append(having, cond), good
	}
	e.place = "SELECT"
	out := ir.Node{Op: ir.Project}
	for _, it := range items {
		x, good := c.root(e, it.expr)
		ok = ok && good
		out.Exprs = append(out.Exprs, x)
		out.Columns = append(out.Columns, ir.Column{Name: it.name, Type: x.Type})
	}
	if !ok {
		return 0, false
	}
	if len(g.args.Exprs) > 0 {
		node = c.emit(q.Pos, g.args)
	}
	group := ir.Node{Op: ir.Aggregate, In: []int{node}, Group: &ir.Group{Aggs: g.aggs}, Columns: g.columns}
	for i := range g.keys {
		group.Group.Keys = append(group.Group.Keys, i)
	}
	node = c.emit(q.Pos, group)
	c.aggs[node] = g.aggPos
	out.In = []int{c.filter(q.Pos, node, having)}
	return c.emit(q.Pos, out), true
}

// key adds one item of GROUP BY: the number or the name of a column of the
// result, or an expression over the rows. A name is that of a column of FROM
// where there is one.
func (c *checker) key(g *grouping, x syntax.Expr, items []item) bool {
	switch lit := x.(type) {
	case *syntax.Literal:
		n, scale, ok := parseNumber(lit.Text)
		if lit.Kind != syntax.NumberLiteral || !ok || scale > 0 || strings.Contains(lit.Text, ".") || n.Sign() <= 0 || n.Cmp(big.NewInt(int64(len(items)))) > 0 {
			c.Add(lit.Pos, "JOC-L300", "GROUP BY has a literal that is not the number of a selected column", "A number there counts the columns of SELECT, from 1.", "Name the column.")
			return false
		}
		x = items[n.Int64()-1].expr
	case *syntax.Column:
		if len(lit.Parts) == 1 && len(g.rows.scope.find(lit.Parts)) == 0 {
			for _, it := range items {
				if it.name == lit.Parts[0] {
					x = it.expr
					break
				}
			}
		}
	}
	text := c.canonical(g.rows, x)
	if slices.Contains(g.names, text) {
		return true
	}
	if len(g.keys) >= maxGroupKeys {
		c.Add(x.Offset(), "JOC-L301", fmt.Sprintf("GROUP BY has more than %d columns", maxGroupKeys), "", "Group by fewer.")
		return false
	}
	out, ok := c.root(g.rows, x)
	if !ok {
		return false
	}
	g.names, g.keys = append(g.names, text), append(g.keys, out)
	i := g.arg(text, label(x, "key", len(g.keys)), out)
	g.columns = append(g.columns, g.args.Columns[i])
	return true
}

// arg adds a column to what is aggregated, once, and gives its place.
func (g *grouping) arg(text, name string, x ir.Expr) int {
	if i := slices.Index(g.argText, text); i >= 0 {
		return i
	}
	g.argText = append(g.argText, text)
	g.args.Exprs = append(g.args.Exprs, x)
	g.args.Columns = append(g.args.Columns, ir.Column{Name: name, Type: x.Type})
	return len(g.argText) - 1
}

// label names a column that nobody selects, so that messages can. It does not
// depend on how the text is laid out.
func label(x syntax.Expr, otherwise string, n int) string {
	text := syntax.Print(x, func(col *syntax.Column) string { return col.Parts[len(col.Parts)-1] })
	if p, ok := x.(*place); ok {
		text = p.field.name
	}
	if len(text) > 60 || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Sprintf("%s %d", otherwise, n)
	}
	return text
}

// canonical is the text by which expressions over the rows are compared.
func (c *checker) canonical(e *env, x syntax.Expr) string {
	if p, ok := x.(*place); ok {
		return fmt.Sprintf("#%d", p.field.id+e.low)
	}
	return e.canonical(x)
}

// grouped types what reads groups: keys and aggregates. done is false for an
// expression over such, whose parts are still to be typed.
func (c *checker) grouped(e *env, x syntax.Expr) (out ir.Expr, ok, done bool) {
	g := e.group
	if i := slices.Index(g.names, c.canonical(g.rows, x)); i >= 0 {
		return c.placed(x, ir.NewCol(i, g.columns[i].Type)), true, true
	}
	switch x := x.(type) {
	case *syntax.Call:
		if x.Aggregate() {
			out, ok = c.aggregate(g, x)
			return out, ok, true
		}
	case *syntax.Column:
		if _, known := c.resolve(g.rows, x); known {
			c.notGrouped(x)
		}
		return out, false, true
	case *place:
		c.notGrouped(x)
		return out, false, true
	}
	return out, false, false
}

func (c *checker) notGrouped(x syntax.Expr) {
	name := label(x, "column", 0)
	c.Add(x.Offset(), "JOC-L302", fmt.Sprintf("the column %s is neither grouped by nor inside an aggregate", name), "A group has many values of it.",
		fmt.Sprintf("Add %s to GROUP BY, or write for example MAX(%[1]s).", name))
}

var functions = map[string]ir.AggFunc{"count": ir.Count, "sum": ir.Sum, "avg": ir.Avg, "min": ir.Min, "max": ir.Max}

// aggregate adds an aggregate to the groups, once, and reads it.
func (c *checker) aggregate(g *grouping, x *syntax.Call) (ir.Expr, bool) {
	agg := ir.Agg{Func: ir.CountStar, Arg: -1}
	var arg ir.Type
	if !x.Star {
		if len(x.Args) != 1 {
			c.Add(x.Pos, "JOC-L303", fmt.Sprintf("%s has %d arguments", shown(x), len(x.Args)), "An aggregate takes one value of each row.", "Write COUNT(*), or one argument.")
			return ir.Expr{}, false
		}
		value, ok := c.root(g.rows, x.Args[0])
		if !ok {
			return ir.Expr{}, false
		}
		agg.Func, arg = functions[x.Func], value.Type
		if agg.Func == ir.Count && value.Op == "lit" && !value.Lit.Null {
			agg.Func = ir.CountStar
		} else {
			text := c.canonical(g.rows, x.Args[0])
			agg.Arg = g.arg(text, label(x.Args[0], "argument", len(g.args.Columns)+1), value)
		}
	}
	f, _ := ir.AggNamed(agg.Func)
	t, err := f.Type(arg, len(g.keys) > 0)
	if err != nil {
		c.Add(x.Pos, "JOC-L304", fmt.Sprintf("%s %v", shown(x), err), "Aggregates are defined for certain types.", "Use COUNT, or CASE to turn values into numbers.")
		return ir.Expr{}, false
	}
	i := slices.Index(g.aggs, agg)
	if i < 0 {
		i = len(g.aggs)
		g.aggs = append(g.aggs, agg)
		g.aggPos = append(g.aggPos, x.Pos)
		g.columns = append(g.columns, ir.Column{Name: label(x, "aggregate", i+1), Type: t})
	}
	return c.placed(x, ir.NewCol(len(g.keys)+i, t)), true
}
