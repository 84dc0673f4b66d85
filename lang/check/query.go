package check

import (
	"fmt"
	"slices"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// query builds a SELECT and gives its node. rename, if not empty, are the
// names of its first columns.
func (c *checker) query(q *syntax.Select, rename []syntax.Name) (int, bool) {
	rel, ok := c.from(q.From)
	if !ok {
		return 0, false
	}
	if q.Where != nil {
		if rel.node, ok = c.where(rel, q); !ok {
			return 0, false
		}
	}
	items, ok := c.items(rel.scope, q.Items)
	if !ok {
		return 0, false
	}
	if !c.itemNames(q.Pos, items, rename) {
		return 0, false
	}
	e := &env{place: "SELECT", scope: rel.scope, cols: c.columns(rel.node)}
	if hasGroups(q, items) {
		return c.groupedQuery(q, e, rel.node, items)
	}
	return c.project(q.Pos, e, rel.node, items)
}

// where filters rel, after joining what EXISTS and IN (query) ask for.
func (c *checker) where(rel relation, q *syntax.Select) (int, bool) {
	e := &env{place: "WHERE", scope: rel.scope, cols: slices.Clone(c.columns(rel.node)), rel: &rel, positive: true}
	cond, ok := c.truth(e, q.Where)
	if !ok {
		return 0, false
	}
	return c.filter(q.Where.Offset(), rel.node, []ir.Expr{cond}), true
}

// item is one column of a result.
type item struct {
	pos  int
	name string
	expr syntax.Expr
}

// items gives the columns of a SELECT list, with * written out.
func (c *checker) items(s *scope, list []syntax.Item) ([]item, bool) {
	var items []item
	all := true
	for _, it := range list {
		if !it.Star {
			items = append(items, item{it.Pos, nameOf(it), it.Expr})
			continue
		}
		fields := s.star
		if len(it.Of) > 0 {
			found := s.called(it.Of)
			if len(found) != 1 {
				c.Add(it.Pos, "JOC-L280", fmt.Sprintf("FROM has nothing, or several relations, called %s", it.Of[len(it.Of)-1]), "* stands for all columns of one of them.", "Write its alias where it has one.")
				all = false
				continue
			}
			fields = found[0].cols
		}
		for _, f := range fields {
			items = append(items, item{it.Pos, f.name, &place{syntax.At{Pos: it.Pos}, f}})
		}
	}
	if len(items) > maxColumns {
		c.Add(list[0].Pos, "JOC-L281", fmt.Sprintf("more than %d columns are selected", maxColumns), "", "Select fewer.")
		return nil, false
	}
	return items, all
}

// place is a column that * stands for.
type place struct {
	syntax.At
	field field
}

// nameOf is the name that PostgreSQL gives a column; empty if it gives none.
func nameOf(it syntax.Item) string {
	if it.Alias != "" {
		return it.Alias
	}
	return defaultName(it.Expr)
}

func defaultName(x syntax.Expr) string {
	switch x := x.(type) {
	case *syntax.Column:
		return x.Parts[len(x.Parts)-1]
	case *syntax.Call:
		return x.Func
	case *syntax.Case:
		return "case"
	case *syntax.Cast:
		return defaultName(x.X)
	}
	return ""
}

// itemNames renames the first columns, and sees that all have different names.
func (c *checker) itemNames(pos int, items []item, rename []syntax.Name) bool {
	if len(rename) > len(items) {
		c.Add(rename[0].Pos, "JOC-L282", fmt.Sprintf("the view names %d columns and has %d", len(rename), len(items)), "", "Name as many as it has, or none.")
		return false
	}
	for i, name := range rename {
		items[i].name = name.Text
	}
	ok := true
	seen := make(map[string]bool)
	for _, it := range items {
		switch {
		case it.name == "":
			if _, bad := it.expr.(*syntax.Bad); !bad {
				c.Add(it.pos, "JOC-L283", fmt.Sprintf("%s has no name", shown(it.expr)), "Every column of a result has one.", "Write AS name after it.")
			}
			ok = false
		case seen[it.name]:
			c.Add(it.pos, "JOC-L284", fmt.Sprintf("two columns of the result are called %s", it.name), "Columns are known by their names.", "Write AS another_name after one of them.")
			ok = false
		}
		c.plainColumn(it)
		seen[it.name] = true
	}
	return ok
}

func (c *checker) plainColumn(it item) {
	if it.name != "" {
		c.plainName(syntax.Name{Text: it.name, Pos: it.pos})
	}
}

// project emits a result, one expression for each column.
func (c *checker) project(pos int, e *env, node int, items []item) (int, bool) {
	all := true
	n := ir.Node{Op: ir.Project, In: []int{node}}
	for _, it := range items {
		x, ok := c.root(e, it.expr)
		all = all && ok
		n.Exprs = append(n.Exprs, x)
		n.Columns = append(n.Columns, ir.Column{Name: it.name, Type: x.Type})
	}
	if !all {
		return 0, false
	}
	return c.emit(pos, n), true
}

// exists joins what EXISTS (query) or x IN (query) asks for to the relation
// that WHERE filters, and gives the column that says whether there is a row.
func (c *checker) exists(e *env, at syntax.Expr, q *syntax.Select, x syntax.Expr, positive bool) (ir.Expr, bool) {
	if e.rel == nil {
		c.Add(at.Offset(), "JOC-L285", fmt.Sprintf("a query stands in %s", e.place), "Rows are looked up in WHERE, before anything else is computed.", "Use EXISTS (SELECT …) and IN (SELECT …) in WHERE only; elsewhere, make a view and join it.")
		return ir.Expr{}, false
	}
	left := ir.Expr{}
	ok := true
	if x != nil {
		left, ok = c.root(e, x)
	}
	keys, node, okQuery := c.lookup(e, at, q, left, x != nil, positive)
	if !ok || !okQuery {
		return ir.Expr{}, false
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		c.Add(at.Offset(), "JOC-L286", "EXISTS is not tied to the row outside by an equality", "Rows are looked up by equal keys.",
			fmt.Sprintf("Write WHERE inner.key = outer.key in it, with at most %d equalities.", maxKeys))
		return ir.Expr{}, false
	}
	var leftKeys, rightKeys []ir.Expr
	for _, k := range keys {
		if reads(k.left, 0, e.low) {
			c.Add(at.Offset(), "JOC-L287", "a query refers to a row two queries further out", "Rows are looked up by the keys of the query next to it.", "Join the two outer tables in a view, and write EXISTS on that.")
			return ir.Expr{}, false
		}
		leftKeys, rightKeys = append(leftKeys, moved(k.left, -e.low)), append(rightKeys, k.right)
	}
	before := len(c.columns(e.rel.node))
	l, atLeft := c.keyColumns(at.Offset(), e.rel.node, leftKeys)
	r, atRight := c.keyColumns(at.Offset(), node, rightKeys)
	columns := append(slices.Clone(c.columns(l)), ir.Column{Name: "exists", Type: ir.Type{Kind: ir.Bool}})
	e.rel.node = c.emit(at.Offset(), ir.Node{Op: ir.JoinOp, In: []int{l, r}, Join: &ir.Join{Kind: ir.Mark, Left: atLeft, Right: atRight}, Columns: columns})
	e.cols = append(e.cols, columns[before:]...)
	return ir.NewCol(len(e.cols)-1, ir.Type{Kind: ir.Bool}), true
}

// lookup builds the query of EXISTS or IN: its rows, and the equalities that
// tie them to the row outside.
func (c *checker) lookup(e *env, at syntax.Expr, q *syntax.Select, left ir.Expr, in, positive bool) ([]pair, int, bool) {
	if len(q.GroupBy) > 0 || q.Having != nil || slices.ContainsFunc(q.Items, func(it syntax.Item) bool { return it.Expr != nil && hasAggregate(it.Expr) }) {
		if !in {
			c.Add(at.Offset(), "JOC-L288", "the query of EXISTS has groups", "Whether a group exists is asked of a view.", "Make a view with GROUP BY, and write EXISTS (SELECT 1 FROM view WHERE …).")
			return nil, 0, false
		}
		node, ok := c.query(q, nil)
		if !ok || !c.oneColumn(at, len(c.columns(node))) {
			return nil, 0, false
		}
		key, ok := c.member(e, at, left, ir.NewCol(len(e.cols), c.columns(node)[0].Type), positive)
		return []pair{key}, node, ok
	}
	rel, ok := c.from(q.From)
	if !ok {
		return nil, 0, false
	}
	inner := &env{place: "WHERE", scope: rel.scope, low: len(e.cols), outer: e, cols: slices.Concat(e.cols, c.columns(rel.node)), rel: &rel}
	var keys []pair
	var filters []ir.Expr
	if q.Where != nil {
		for _, part := range conjuncts(q.Where) {
			inner.positive = true
			cond, good := c.truth(inner, part)
			ok = ok && good && c.tie(inner, part, cond, &keys, &filters)
		}
	}
	items, good := c.items(rel.scope, q.Items)
	ok = ok && good
	value := &env{place: "SELECT", scope: rel.scope, low: inner.low, outer: e, cols: inner.cols}
	for _, it := range items {
		x, good := c.expr(value, it.expr)
		if ok = ok && good; ok && in && c.oneColumn(at, len(items)) {
			var key pair
			if key, ok = c.inKey(value, at, left, x, positive); ok {
				keys = append(keys, key)
			}
		} else if in {
			ok = false
		}
	}
	if !ok {
		return nil, 0, false
	}
	return keys, c.filter(at.Offset(), rel.node, filters), true
}

func (c *checker) oneColumn(at syntax.Expr, n int) bool {
	if n != 1 {
		c.Add(at.Offset(), "JOC-L289", fmt.Sprintf("the query of IN has %d columns", n), "One value is looked for.", "Select one column.")
	}
	return n == 1
}

// inKey is the equality that IN adds: of the value outside and that selected.
func (c *checker) inKey(inner *env, at syntax.Expr, left, x ir.Expr, positive bool) (pair, bool) {
	if x.Type.Kind == untyped || reads(x, 0, inner.low) || !reads(x, inner.low, 1<<30) {
		c.Add(at.Offset(), "JOC-L290", "the query of IN selects no column of its own", "A value is looked for among the rows of the query.", "Select one of its columns.")
		return pair{}, false
	}
	return c.member(inner.outer, at, left, x, positive)
}

// member ties the value outside to that inside. NOT IN gives NULL, and so no
// row at all, as soon as there is a NULL inside; that is hardly ever meant.
func (c *checker) member(e *env, at syntax.Expr, left, x ir.Expr, positive bool) (pair, bool) {
	if !positive && (left.Type.Nullable || x.Type.Nullable) {
		c.Add(at.Offset(), "JOC-L291", "NOT IN (SELECT …), or IN inside another expression, over values that may be NULL", "It is neither true nor false where there is a NULL.",
			"Write NOT EXISTS (SELECT 1 FROM … WHERE inner.key = outer.key), or declare both columns NOT NULL.")
		return pair{}, false
	}
	equal, ok := c.compare(at, "=", left, x)
	if !ok {
		return pair{}, false
	}
	return pair{equal.Args[0], moved(equal.Args[1], -len(e.cols))}, true
}

// tie takes one conjunct of the WHERE inside a query of EXISTS or IN.
func (c *checker) tie(inner *env, part syntax.Expr, cond ir.Expr, keys *[]pair, filters *[]ir.Expr) bool {
	if !reads(cond, 0, inner.low) {
		*filters = append(*filters, moved(cond, -inner.low))
		return true
	}
	var d condition
	d.sort(cond, inner.low)
	if len(d.keys) == 0 {
		c.Add(part.Offset(), "JOC-L292", fmt.Sprintf("%s refers to the row outside, and is no equality with a row inside", shown(part)), "Rows are looked up by equal keys.",
			"Write inner.key = outer.key. Conditions on the outer row alone belong outside of the query.")
		return false
	}
	*keys = append(*keys, d.keys...)
	return true
}
