package plan

import (
	"slices"

	"joconde/lang/ir"
)

// filterEarly moves conjuncts of Filters down: below a Project (its expressions
// take the place of its columns), into the side of an Inner join that they
// speak of alone, into the left side of a Left or Mark join, and below an
// Aggregate if they speak of its keys alone and there is a key. A node that
// several others use is not passed: each would need its own copy of it.
func filterEarly(g *graph) {
	f := filters{users: g.users(g.order())}
	done := map[*node]*node{}
	var rewrite func(n *node) *node
	rewrite = func(n *node) *node {
		if made, found := done[n]; found {
			return made
		}
		made := n
		if n.Op == ir.Filter {
			made = f.place(n.in[0], conjuncts(n.Exprs[0]), n)
			made.Columns = renamed(made.Columns, n.Columns)
		}
		done[n] = made
		done[made] = made
		for i, in := range made.in {
			made.in[i] = rewrite(in)
		}
		return made
	}
	for i, out := range g.outputs {
		g.outputs[i].node = rewrite(out.node)
	}
}

type filters struct {
	users map[*node]int // of the graph as it was; nodes made since have one user
}

// alone reports whether n may be changed for the sake of its one user.
func (f filters) alone(n *node) bool { return f.users[n] <= 1 }

// place gives a node with those rows of n for which all conditions are true.
// origin is the Filter they come from.
func (f filters) place(n *node, conditions []ir.Expr, origin *node) *node {
	if len(conditions) == 0 {
		return n
	}
	if !f.alone(n) {
		return filterOf(n, conditions, origin)
	}
	switch n.Op {
	case ir.Filter:
		return f.place(n.in[0], append(conjuncts(n.Exprs[0]), conditions...), origin)
	case ir.Project:
		var below, here []ir.Expr
		for _, c := range conditions {
			if f.passes(n, c) {
				below = append(below, over(c, n.Exprs))
			} else {
				here = append(here, c)
			}
		}
		n.in[0] = f.place(n.in[0], below, origin)
		return keep(n, here, origin)
	case ir.JoinOp:
		var side [2][]ir.Expr
		var here []ir.Expr
		for _, c := range conditions {
			to, moved, ok := sideOf(n, c)
			if !ok {
				here = append(here, c)
				continue
			}
			side[to] = append(side[to], moved)
		}
		for i := range n.in {
			n.in[i] = f.place(n.in[i], side[i], origin)
		}
		return keep(n, here, origin)
	case ir.Aggregate:
		var below, here []ir.Expr
		for _, c := range conditions {
			if moved, ok := keysOnly(n, c); ok {
				below = append(below, moved)
			} else {
				here = append(here, c)
			}
		}
		n.in[0] = f.place(n.in[0], below, origin)
		return keep(n, here, origin)
	}
	return filterOf(n, conditions, origin)
}

// passes reports whether a condition may move below a Project: if that repeats
// no work, or if it can then move on.
func (f filters) passes(n *node, c ir.Expr) bool {
	repeats := false
	for _, col := range columnsOf(c) {
		repeats = repeats || !trivial(n.Exprs[col])
	}
	return !repeats || depth(over(c, n.Exprs)) <= maxDepth && f.sinks(n.in[0], over(c, n.Exprs))
}

// sinks reports whether a condition on n's columns can move below n.
func (f filters) sinks(n *node, c ir.Expr) bool {
	if !f.alone(n) {
		return false
	}
	ok := false
	switch n.Op {
	case ir.Filter:
		ok = f.sinks(n.in[0], c)
	case ir.Project:
		ok = f.passes(n, c)
	case ir.JoinOp:
		_, _, ok = sideOf(n, c)
	case ir.Aggregate:
		_, ok = keysOnly(n, c)
	}
	return ok
}

// sideOf gives the input of a join that a condition may move to, and the
// condition on that input's columns.
func sideOf(n *node, c ir.Expr) (side int, moved ir.Expr, ok bool) {
	left := len(n.in[0].Columns)
	onLeft, onRight := true, true
	for _, col := range columnsOf(c) {
		onLeft = onLeft && col < left
		onRight = onRight && col >= left
	}
	switch {
	case onLeft:
		return 0, c, true
	case onRight && n.Join.Kind == ir.Inner:
		return 1, substitute(c, func(e ir.Expr) ir.Expr {
			e.Col -= left
			return e
		}), true
	}
	// A condition on the right side of a Left join also decides about rows
	// without a partner, and Mark's bool is no column of its right side.
	return 0, ir.Expr{}, false
}

// keysOnly gives a condition on an Aggregate's keys as one on its input. All
// rows of a group agree on its keys, so groups go or stay whole. Without keys
// there is a row even for no input, so nothing may move. A condition that fixes
// a key stays: it makes the other keys unique, which a join may need.
func keysOnly(n *node, c ir.Expr) (moved ir.Expr, ok bool) {
	if len(n.Group.Keys) == 0 || fixes(c) {
		return ir.Expr{}, false
	}
	for _, col := range columnsOf(c) {
		if col >= len(n.Group.Keys) {
			return ir.Expr{}, false
		}
	}
	return renumber(c, n.Group.Keys), true
}

func keep(n *node, here []ir.Expr, origin *node) *node {
	if len(here) == 0 {
		return n
	}
	return filterOf(n, here, origin)
}

func filterOf(n *node, conditions []ir.Expr, origin *node) *node {
	made := &node{Node: ir.Node{Op: ir.Filter, View: origin.View, Pos: origin.Pos}, in: []*node{n}, local: n.local}
	made.Exprs = []ir.Expr{conjunction(conditions)}
	for _, c := range n.Columns {
		made.Columns = append(made.Columns, ir.Column{Name: c.Name, Type: c.Type})
	}
	return made
}

// renamed gives columns the names of others; the lists may belong to a Program.
func renamed(cols, like []ir.Column) []ir.Column {
	made := slices.Clone(cols)
	for i := range made {
		made[i].Name = like[i].Name
	}
	return made
}
