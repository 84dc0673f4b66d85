package plan

import "joconde/lang/ir"

// mergeProjects makes a Project of a Project one Project where that repeats no
// work, takes equal columns of a Project together, and drops a Project that
// gives its input as it is, or from which an Aggregate takes plain columns only.
func mergeProjects(g *graph) {
	list := g.order()
	users := g.users(list)
	for _, n := range list {
		// Inputs come first in the list, so a chain collapses in one pass.
		for n.Op == ir.Project && n.in[0].Op == ir.Project && mergeable(n, users[n.in[0]]) {
			below := n.in[0]
			exprs := make([]ir.Expr, len(n.Exprs))
			for i, e := range n.Exprs {
				exprs[i] = over(e, below.Exprs)
			}
			users[below]--
			users[below.in[0]]++
			n.Exprs, n.in = exprs, []*node{below.in[0]}
		}
	}
	for _, n := range list {
		if n.Op == ir.Aggregate {
			throughProjects(n)
		}
	}
	granted := g.granted()
	g.rebuild(nil, func(n *node, m moved, in []moved) moved {
		if n.Op != ir.Project {
			return m
		}
		if !granted[n] {
			m = withoutRepeats(m)
		}
		if identity(m.node) && (!granted[n] || names(n) == names(in[0].node)) {
			return moved{in[0].node, m.cols}
		}
		return m
	})
}

// throughProjects lets an Aggregate, which picks its columns itself, read past
// Projects that only pick columns for it.
func throughProjects(n *node) {
	for n.in[0].Op == ir.Project {
		below := n.in[0]
		group := &ir.Group{}
		for _, key := range n.Group.Keys {
			if below.Exprs[key].Op != "col" {
				return
			}
			group.Keys = append(group.Keys, below.Exprs[key].Col)
		}
		for _, agg := range n.Group.Aggs {
			if agg.Arg >= 0 {
				if below.Exprs[agg.Arg].Op != "col" {
					return
				}
				agg.Arg = below.Exprs[agg.Arg].Col
			}
			group.Aggs = append(group.Aggs, agg)
		}
		n.Group, n.in = group, []*node{below.in[0]}
	}
}

// mergeable reports whether n and the Project below it, which has so many
// users, can become one: each expression that costs something is then still
// computed once, and none grows without bound.
func mergeable(n *node, users int) bool {
	count := map[int]int{}
	for _, e := range n.Exprs {
		uses(e, count)
		if !trivial(e) && depth(over(e, n.in[0].Exprs)) > maxDepth {
			return false
		}
	}
	for i, e := range n.in[0].Exprs {
		if !trivial(e) && (count[i] > 1 || count[i] == 1 && users > 1) {
			return false
		}
	}
	return true
}

func withoutRepeats(m moved) moved {
	first := map[string]int{}
	n := &node{Node: m.node.Node, in: m.node.in, local: m.node.local}
	n.Exprs, n.Columns = nil, nil
	cols := make([]int, len(m.cols))
	for i, e := range m.node.Exprs {
		text := mustJSON(e)
		at, found := first[text]
		if !found {
			at = len(n.Exprs)
			first[text] = at
			n.Exprs = append(n.Exprs, e)
			n.Columns = append(n.Columns, m.node.Columns[i])
		}
		cols[i] = at
	}
	if len(n.Exprs) == len(m.node.Exprs) {
		return m
	}
	return moved{n, cols}
}

func identity(n *node) bool {
	if len(n.Exprs) != len(n.in[0].Columns) {
		return false
	}
	for i, e := range n.Exprs {
		if e.Op != "col" || e.Col != i {
			return false
		}
	}
	return true
}

// joinInputs lets an owner provide the same rows once. Where several nodes on
// shares use a local node, and Projects of it, they all use one Project that
// has the columns of all of them.
func joinInputs(g *graph) {
	list := g.order()
	granted := g.granted()
	// provided lists, by local node, it and its Projects that are provided as
	// inputs, in canonical order.
	provided := map[*node][]*node{}
	remote := map[*node]bool{}
	for _, n := range list {
		if n.local != "" {
			continue
		}
		for _, in := range n.in {
			if in.local != "" {
				remote[in] = true
			}
		}
	}
	member := map[*node]*node{} // provided node to the local node whose rows it has
	for _, n := range list {
		if !remote[n] || granted[n] {
			continue
		}
		rows := n
		if n.Op == ir.Project {
			rows = n.in[0]
		}
		provided[rows] = append(provided[rows], n)
	}
	for _, n := range list {
		// A Project is provided both as one and, by its own Projects, as rows.
		if n.Op == ir.Project && len(provided[n]) > 0 && remote[n] && !granted[n] {
			provided[n] = append([]*node{n}, provided[n]...)
			provided[n.in[0]] = without(provided[n.in[0]], n)
		}
	}
	work := false
	for _, rows := range list {
		if len(provided[rows]) < 2 {
			continue
		}
		work = true
		for _, n := range provided[rows] {
			member[n] = rows
		}
	}
	if !work {
		return
	}
	type joined struct {
		node *node
		at   map[*node][]int // by member: where its columns stand
	}
	made := map[*node]joined{}
	join := func(rows *node, m map[*node]moved) joined {
		base := m[rows]
		all := &node{Node: ir.Node{Op: ir.Project, View: rows.View, Pos: rows.Pos}, in: []*node{base.node}, local: base.node.local}
		first := map[string]int{}
		j := joined{all, map[*node][]int{}}
		for _, n := range provided[rows] {
			for i, c := range n.Columns {
				e := ir.NewCol(i, c.Type)
				if n != rows {
					e = n.Exprs[i]
				}
				e = renumber(e, base.cols)
				text := mustJSON(e)
				at, found := first[text]
				if !found {
					at = len(all.Exprs)
					first[text] = at
					all.Exprs = append(all.Exprs, e)
					all.Columns = append(all.Columns, c)
				}
				j.at[n] = append(j.at[n], at)
			}
		}
		return j
	}
	became := map[*node]moved{}
	g.rebuild(func(consumer, in *node, m moved) moved {
		rows := member[in]
		if rows == nil || consumer.local != "" {
			return m
		}
		if _, found := made[rows]; !found {
			made[rows] = join(rows, became)
		}
		return moved{made[rows].node, made[rows].at[in]}
	}, func(n *node, m moved, _ []moved) moved {
		became[n] = m
		return m
	})
}

func without(list []*node, n *node) []*node {
	var kept []*node
	for _, o := range list {
		if o != n {
			kept = append(kept, o)
		}
	}
	return kept
}
