package check

import (
	"fmt"
	"slices"
	"strings"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// from builds what stands in FROM.
func (c *checker) from(f syntax.From) (relation, bool) {
	switch f := f.(type) {
	case *syntax.FromTable:
		return c.fromTable(f)
	case *syntax.FromQuery:
		node, ok := c.query(f.Query, nil)
		if !ok {
			return relation{}, false
		}
		return c.named(node, source{name: f.Alias}), true
	case *syntax.FromJoin:
		left, okLeft := c.from(f.Left)
		right, okRight := c.from(f.Right)
		if !okLeft || !okRight {
			return relation{}, false
		}
		return c.join(f, left, right)
	}
	c.incomplete = true
	return relation{}, false
}

func (c *checker) fromTable(f *syntax.FromTable) (relation, bool) {
	src := source{schema: f.Schema, name: f.Name}
	if f.Alias != "" {
		src = source{name: f.Alias}
	}
	if f.Schema == "" {
		node, known := c.views[f.Name]
		if !known {
			c.noView(f)
		}
		if !known || node == refused {
			return relation{}, false
		}
		return c.named(node, src), true
	}
	qname := f.Schema + "." + f.Name
	ok, known := c.tables[qname]
	if !known {
		do := "Correct the name, or declare it with CREATE TABLE before this line."
		if _, view := c.views[f.Name]; view {
			do = fmt.Sprintf("A view belongs to no schema: write %s.", f.Name)
		}
		c.Add(f.Pos, "JOC-L270", fmt.Sprintf("there is no table %s above", qname), "A program is read from top to bottom.", do)
	}
	if !ok {
		return relation{}, false
	}
	t, _ := c.p.Table(qname)
	scan := ir.Node{Op: ir.Scan, Table: qname}
	for i, col := range t.Columns {
		scan.Scan = append(scan.Scan, i)
		scan.Columns = append(scan.Columns, ir.Column{Name: col.Name, Type: col.Type})
	}
	return c.named(c.emit(f.Pos, scan), src), true
}

func (c *checker) noView(f *syntax.FromTable) {
	do := "Correct the name, or declare it with CREATE VIEW before this line."
	for _, t := range c.p.Tables {
		if t.Name == f.Name {
			do = fmt.Sprintf("Write %s: a table is named with its owner.", t.QName())
			break
		}
	}
	c.Add(f.Pos, "JOC-L271", fmt.Sprintf("there is no view %s above", f.Name), "A program is read from top to bottom.", do)
}

// named is a node whose columns go by their names, and by those of src.
func (c *checker) named(node int, src source) relation {
	for i, col := range c.columns(node) {
		src.cols = append(src.cols, field{col.Name, i, i})
	}
	return relation{node, &scope{sources: []source{src}, star: slices.Clone(src.cols)}}
}

// pair is an equality between the sides of a join.
type pair struct{ left, right ir.Expr }

// condition is what the conjuncts of a join's condition come to.
type condition struct {
	keys        []pair
	left, right []ir.Expr // of one side alone
	both        []ir.Expr
}

// sort puts a conjunct in its place. Columns below n are of the left side.
func (d *condition) sort(x ir.Expr, n int) {
	left, right := reads(x, 0, n), reads(x, n, 1<<30)
	if x.Op == "eq" && left && right {
		a, b := x.Args[0], x.Args[1]
		if reads(a, n, 1<<30) {
			a, b = b, a
		}
		if !reads(a, n, 1<<30) && !reads(b, 0, n) {
			d.keys = append(d.keys, pair{a, moved(b, -n)})
			return
		}
	}
	switch {
	case left && right:
		d.both = append(d.both, x)
	case right:
		d.right = append(d.right, moved(x, -n))
	default:
		d.left = append(d.left, x)
	}
}

// reads reports whether x reads a column from low to below high.
func reads(x ir.Expr, low, high int) bool {
	if x.Op == "col" {
		return x.Col >= low && x.Col < high
	}
	return slices.ContainsFunc(x.Args, func(arg ir.Expr) bool { return reads(arg, low, high) })
}

// moved is x with the columns n places further on.
func moved(x ir.Expr, n int) ir.Expr {
	if x.Op == "col" {
		x.Col += n
		return x
	}
	args := make([]ir.Expr, len(x.Args))
	for i, arg := range x.Args {
		args[i] = moved(arg, n)
	}
	if x.Args != nil {
		x.Args = args
	}
	return x
}

func (c *checker) join(f *syntax.FromJoin, left, right relation) (relation, bool) {
	n := len(c.columns(left.node))
	names := &scope{}
	shifted := right.scope.shifted(n)
	names.sources = append(slices.Clone(left.scope.sources), shifted.sources...)
	names.star = append(slices.Clone(left.scope.star), shifted.star...)
	e := &env{place: "JOIN … ON", scope: names, cols: slices.Concat(c.columns(left.node), c.columns(right.node))}
	if !c.differentNames(f, names) {
		return relation{}, false
	}
	var d condition
	ok := true
	if f.On != nil {
		for _, part := range conjuncts(f.On) {
			x, good := c.truth(e, part)
			if ok = ok && good; good {
				d.sort(x, n)
			}
		}
	} else {
		ok = c.using(f, &d, e, left.scope, names, n)
	}
	if !ok || !c.joinable(f, &d) {
		return relation{}, false
	}
	left.node = c.filter(f.Pos, left.node, d.left)
	right.node = c.filter(f.Pos, right.node, d.right)
	node, swapped, ok := c.joinNodes(f, left.node, right.node, d.keys)
	if !ok {
		return relation{}, false
	}
	if f.Kind == syntax.Inner {
		c.merge(names, d.keys, e.cols, n, swapped)
	}
	return relation{c.filter(f.Pos, node, d.both), names}, true
}

func (c *checker) differentNames(f *syntax.FromJoin, s *scope) bool {
	for i, a := range s.sources {
		for _, b := range s.sources[:i] {
			if a.name == b.name && a.schema == b.schema {
				c.Add(f.Pos, "JOC-L272", fmt.Sprintf("FROM has two relations called %s", a.name), "Names of columns could mean either.", "Give one of them another name: AS name.")
				return false
			}
		}
	}
	return true
}

// using pairs the columns that USING names; * then has them once, first.
func (c *checker) using(f *syntax.FromJoin, d *condition, e *env, left, names *scope, n int) bool {
	right := &scope{star: names.star[len(left.star):]}
	var merged []field
	for _, name := range f.Using {
		l, r := left.find([]string{name.Text}), right.find([]string{name.Text})
		if len(l) != 1 || len(r) != 1 {
			c.Add(name.Pos, "JOC-L273", fmt.Sprintf("USING (%s) needs one column of this name on either side", name.Text), "It stands for left.name = right.name.", "Write ON with the columns that are to be equal.")
			return false
		}
		col := &syntax.Column{At: syntax.At{Pos: name.Pos}, Parts: []string{name.Text}}
		same := &syntax.Binary{At: col.At, Op: "=", L: col, R: col}
		x, ok := c.compare(same, "=", ir.NewCol(l[0].col, e.cols[l[0].col].Type), ir.NewCol(r[0].col, e.cols[r[0].col].Type))
		if !ok {
			return false
		}
		d.sort(x, n)
		merged = append(merged, l[0])
	}
	named := func(f0 field) bool {
		return slices.ContainsFunc(f.Using, func(name syntax.Name) bool { return name.Text == f0.name })
	}
	rest := slices.DeleteFunc(slices.Clone(names.star), named)
	names.star = append(merged, rest...)
	return true
}

func (c *checker) joinable(f *syntax.FromJoin, d *condition) bool {
	switch {
	case len(d.keys) == 0:
		c.Add(f.Pos, "JOC-L274", "the join has no equality between its two sides", "Rows are joined by equal keys.", "Write ON a.key = b.key, with AND between several.")
	case len(d.keys) > maxKeys:
		c.Add(f.Pos, "JOC-L275", fmt.Sprintf("the join has more than %d equalities", maxKeys), "", "Join on fewer columns.")
	case f.Kind == syntax.Left && len(d.left)+len(d.both) > 0:
		c.Add(f.Pos, "JOC-L276", "the condition of a LEFT JOIN has more than equalities and conditions on its right side", "Every left row stays, so a condition on it decides only about its partner.",
			"Put conditions on the left side into WHERE if they are to drop rows, or into CASE in SELECT.")
	default:
		return true
	}
	return false
}

// filter keeps the rows for which all conditions are true.
func (c *checker) filter(pos, node int, conds []ir.Expr) int {
	if len(conds) == 0 {
		return node
	}
	cond := conds[0]
	if len(conds) > 1 {
		all := slices.Clone(conds)
		cond = ir.Expr{Op: "and", Args: all, Type: ir.Type{Kind: ir.Bool}, Pos: all[0].Pos}
		for _, x := range all {
			cond.Type.Nullable = cond.Type.Nullable || x.Type.Nullable
		}
	}
	return c.emit(pos, ir.Node{Op: ir.Filter, In: []int{node}, Exprs: []ir.Expr{cond}, Columns: slices.Clone(c.columns(node))})
}

// keyColumns gives the columns that hold the keys, appending those that are
// computed.
func (c *checker) keyColumns(pos, node int, keys []ir.Expr) (int, []int) {
	at := make([]int, len(keys))
	project := c.passing(node)
	for i, key := range keys {
		at[i] = key.Col
		if key.Op != "col" {
			at[i] = len(project.Exprs)
			project.Exprs = append(project.Exprs, key)
			project.Columns = append(project.Columns, ir.Column{Name: fmt.Sprintf("key %d", i+1), Type: key.Type})
		}
	}
	if len(project.Exprs) == len(c.columns(node)) {
		return node, at
	}
	return c.emit(pos, project), at
}

// passing is a projection of all columns of a node, still to be emitted.
func (c *checker) passing(node int) ir.Node {
	n := ir.Node{Op: ir.Project, In: []int{node}}
	for i, col := range c.columns(node) {
		n.Exprs = append(n.Exprs, ir.NewCol(i, col.Type))
		n.Columns = append(n.Columns, ir.Column{Name: col.Name, Type: col.Type})
	}
	return n
}

// joinNodes emits the join, and after it what puts the columns in their order:
// those of left, then those of right. The side that must be unique stands on
// the right; an inner join is turned round for that.
func (c *checker) joinNodes(f *syntax.FromJoin, left, right int, keys []pair) (node int, swapped, ok bool) {
	var leftKeys, rightKeys []ir.Expr
	for _, k := range keys {
		leftKeys, rightKeys = append(leftKeys, k.left), append(rightKeys, k.right)
	}
	nLeft, nRight := len(c.columns(left)), len(c.columns(right))
	l, atLeft := c.keyColumns(f.Pos, left, leftKeys)
	r, atRight := c.keyColumns(f.Pos, right, rightKeys)
	kind := ir.Inner
	if f.Kind == syntax.Left {
		kind = ir.Left
	}
	if !c.p.IsUnique(r, atRight) {
		swapped = kind == ir.Inner && c.p.IsUnique(l, atLeft)
		if !swapped {
			c.notUnique(f, left, right, leftKeys, rightKeys)
			return 0, false, false
		}
		l, r, atLeft, atRight = r, l, atRight, atLeft
	}
	join := ir.Node{Op: ir.JoinOp, In: []int{l, r}, Join: &ir.Join{Kind: kind, Left: atLeft, Right: atRight}, Columns: slices.Clone(c.columns(l))}
	for _, col := range c.columns(r) {
		col.Type.Nullable = col.Type.Nullable || kind == ir.Left
		join.Columns = append(join.Columns, col)
	}
	width := len(c.columns(l))
	node = c.emit(f.Pos, join)
	if !swapped && len(join.Columns) == nLeft+nRight {
		return node, false, true
	}
	firstLeft, firstRight := 0, width
	if swapped {
		firstLeft, firstRight = width, 0
	}
	project := ir.Node{Op: ir.Project, In: []int{node}}
	for i := range nLeft + nRight {
		from := firstLeft + i
		if i >= nLeft {
			from = firstRight + i - nLeft
		}
		col := join.Columns[from]
		project.Exprs = append(project.Exprs, ir.NewCol(from, col.Type))
		project.Columns = append(project.Columns, col)
	}
	return c.emit(f.Pos, project), swapped, true
}

// notUnique refuses a join that could multiply rows.
func (c *checker) notUnique(f *syntax.FromJoin, left, right int, leftKeys, rightKeys []ir.Expr) {
	onLeft, _ := c.keyText(left, leftKeys)
	onRight, plain := c.keyText(right, rightKeys)
	do := fmt.Sprintf("Declare PRIMARY KEY (%s) or UNIQUE (%[1]s) for the table on the right, or join a view with GROUP BY %[1]s.", onRight)
	if !plain {
		do = "Join on columns as they are declared, of the same type on both sides: one that is computed or converted is not known to be unique."
	}
	if f.Kind == syntax.Left {
		c.Add(f.Pos, "JOC-L277", fmt.Sprintf("the right side of the LEFT JOIN is not known to be unique on (%s)", onRight), "A left row with several partners would come several times.", do)
		return
	}
	c.Add(f.Pos, "JOC-L278", fmt.Sprintf("neither side of the join is known to be unique: (%s) on the left, (%s) on the right", onLeft, onRight),
		"Each row may have at most one partner, or the result could be as large as the product of both.", do)
}

// keyText writes the keys of a side; plain says that they are columns.
func (c *checker) keyText(node int, keys []ir.Expr) (text string, plain bool) {
	names := make([]string, len(keys))
	plain = true
	for i, key := range keys {
		names[i] = key.String(c.columns(node))
		plain = plain && key.Op == "col"
	}
	return strings.Join(names, ", "), plain
}

// merge lets columns that an inner join made equal share the one of the side
// that may come first, so that keys of it are known under both names.
func (c *checker) merge(names *scope, keys []pair, cols []ir.Column, n int, swapped bool) {
	for _, k := range keys {
		if k.left.Op != "col" || k.right.Op != "col" {
			continue
		}
		by, old := k.left.Col, k.right.Col+n
		if swapped {
			by, old = old, by
		}
		if cols[by].Type.Equal(cols[old].Type) {
			names.replace(old, by)
		}
	}
}
