package plan

import "joconde/lang/ir"

// prune removes columns and aggregates that nobody uses. Where a node on
// shares uses only some columns of what an owner computes, a Project at the
// owner leaves the others behind, so they are never sent. A Left or Mark join
// of which only the left columns are used keeps every left row exactly once,
// so it disappears too, and with it all that the right side's owner would send.
func prune(g *graph) {
	list := g.order()
	needed := map[*node]columnSet{}
	remote := map[*node]columnSet{} // what nodes on shares need of a local node
	for _, n := range list {
		needed[n] = columnSet{}
	}
	for _, out := range g.outputs {
		for i := range out.node.Columns {
			needed[out.node][i] = true
		}
	}
	need := func(n *node, side, col int) {
		in := n.in[side]
		needed[in][col] = true
		if n.local == "" && in.local != "" {
			if remote[in] == nil {
				remote[in] = columnSet{}
			}
			remote[in][col] = true
		}
	}
	for i := len(list) - 1; i >= 0; i-- {
		n := list[i]
		if n.local == "" {
			for _, in := range n.in {
				if in.local != "" && remote[in] == nil {
					remote[in] = columnSet{}
				}
			}
		}
		switch n.Op {
		case ir.Project:
			for c, e := range n.Exprs {
				if needed[n][c] {
					for _, col := range columnsOf(e) {
						need(n, 0, col)
					}
				}
			}
		case ir.Filter:
			for c := range n.Columns {
				if needed[n][c] {
					need(n, 0, c)
				}
			}
			for _, col := range columnsOf(n.Exprs[0]) {
				need(n, 0, col)
			}
		case ir.Aggregate:
			for _, key := range n.Group.Keys {
				need(n, 0, key)
			}
			for a, agg := range n.Group.Aggs {
				if agg.Arg >= 0 && needed[n][len(n.Group.Keys)+a] {
					need(n, 0, agg.Arg)
				}
			}
		case ir.JoinOp:
			left := len(n.in[0].Columns)
			for c := range n.Columns {
				switch {
				case !needed[n][c]:
				case c < left:
					need(n, 0, c)
				case n.Join.Kind != ir.Mark:
					need(n, 1, c-left)
				}
			}
			if useless(n, needed[n]) {
				break
			}
			for k := range n.Join.Left {
				need(n, 0, n.Join.Left[k])
				need(n, 1, n.Join.Right[k])
			}
		}
	}

	provided := map[*node]moved{}
	g.rebuild(func(consumer, in *node, m moved) moved {
		if consumer.local != "" || in.local == "" {
			return m
		}
		if made, found := provided[in]; found {
			return made
		}
		provided[in] = leaveBehind(in, m, remote[in])
		return provided[in]
	}, func(n *node, m moved, in []moved) moved {
		switch n.Op {
		case ir.Scan:
			return pruneList(n, m, needed[n], 0, func(made *node, c int) { made.Scan = append(made.Scan, n.Scan[c]) })
		case ir.Project:
			exprs := m.node.Exprs
			return pruneList(n, m, needed[n], 0, func(made *node, c int) { made.Exprs = append(made.Exprs, exprs[c]) })
		case ir.Aggregate:
			group := m.node.Group
			m = pruneList(n, m, needed[n], len(group.Keys), func(made *node, c int) {
				if made.Group == nil {
					made.Group = &ir.Group{Keys: group.Keys}
				}
				if c >= len(group.Keys) {
					made.Group.Aggs = append(made.Group.Aggs, group.Aggs[c-len(group.Keys)])
				}
			})
			if m.node.Group == nil {
				m.node.Group = &ir.Group{Keys: group.Keys}
			}
		case ir.JoinOp:
			if useless(n, needed[n]) {
				cols := make([]int, len(n.Columns))
				for c := range cols {
					cols[c] = -1
				}
				copy(cols, in[0].cols)
				return moved{in[0].node, cols}
			}
		}
		return m
	})
}

type columnSet map[int]bool

// useless reports whether a join adds nothing to its left input.
func useless(n *node, needed columnSet) bool {
	if n.Join.Kind == ir.Inner {
		return false
	}
	for c := len(n.in[0].Columns); c < len(n.Columns); c++ {
		if needed[c] {
			return false
		}
	}
	return true
}

// pruneList makes n again with only the needed columns, and the first few in
// any case. add appends what stands behind column c.
func pruneList(n *node, m moved, needed columnSet, always int, add func(made *node, c int)) moved {
	made := &node{Node: m.node.Node, in: m.node.in, local: n.local}
	made.Scan, made.Exprs, made.Group, made.Columns = nil, nil, nil, nil
	cols := make([]int, len(n.Columns))
	for c := range n.Columns {
		cols[c] = -1
		if c < always || needed[c] {
			cols[c] = len(made.Columns)
			made.Columns = append(made.Columns, n.Columns[c])
			add(made, c)
		}
	}
	return moved{made, cols}
}

// leaveBehind gives what an owner provides of a local node: the columns that
// nodes on shares need. m is what became of the node, which may have more,
// because conditions or keys at the owner need them.
func leaveBehind(n *node, m moved, needed columnSet) moved {
	var used []int
	like := &node{Node: ir.Node{View: n.View, Pos: n.Pos}}
	cols := make([]int, len(m.cols))
	for c, at := range m.cols {
		cols[c] = -1
		if at >= 0 && needed[c] {
			cols[c] = len(used)
			used = append(used, at)
			like.Columns = append(like.Columns, n.Columns[c])
		}
	}
	if len(used) == len(m.node.Columns) {
		return m
	}
	return moved{pick(m.node, used, like), cols}
}
