package statement

import (
	"slices"

	"joconde/lang/ir"
)

// sources are the columns of tables that a column's value is made of.
func (w *writer) sources(at place) []string {
	set := w.sourceSet(at)
	names := make([]string, 0, len(set))
	for name := range set {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// sourcesOf are the columns of tables that an expression over a node is made of.
func (w *writer) sourcesOf(e ir.Expr, node int) []string {
	var names []string
	for _, c := range columnsOf(e) {
		names = append(names, w.sources(place{node, c})...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (w *writer) sourceSet(at place) map[string]bool {
	if set, found := w.sets[at]; found {
		return set
	}
	n := w.p.Nodes[at.node]
	set := map[string]bool{}
	add := func(from place) {
		for name := range w.sourceSet(from) {
			set[name] = true
		}
	}
	switch n.Op {
	case ir.Scan:
		set[w.scanned(n, at.col)] = true
	case ir.Filter:
		add(place{n.In[0], at.col})
	case ir.Project:
		for _, c := range columnsOf(n.Exprs[at.col]) {
			add(place{n.In[0], c})
		}
	case ir.JoinOp:
		left := len(w.p.Nodes[n.In[0]].Columns)
		switch {
		case at.col < left:
			add(place{n.In[0], at.col})
		case n.Join.Kind == ir.Mark:
			for k := range n.Join.Left {
				add(place{n.In[0], n.Join.Left[k]})
				add(place{n.In[1], n.Join.Right[k]})
			}
		default:
			add(place{n.In[1], at.col - left})
		}
	case ir.Aggregate:
		if at.col < len(n.Group.Keys) {
			add(place{n.In[0], n.Group.Keys[at.col]})
		} else if agg := n.Group.Aggs[at.col-len(n.Group.Keys)]; agg.Arg >= 0 {
			add(place{n.In[0], agg.Arg})
		}
	}
	w.sets[at] = set
	return set
}

// columnsOf lists the columns of an expression in order, each once.
func columnsOf(e ir.Expr) []int {
	var cols []int
	var visit func(e ir.Expr)
	visit = func(e ir.Expr) {
		if e.Op == "col" && !slices.Contains(cols, e.Col) {
			cols = append(cols, e.Col)
		}
		for _, a := range e.Args {
			visit(a)
		}
	}
	visit(e)
	slices.Sort(cols)
	return cols
}

// tablesUnder are the tables that a node rests on, in byte order.
func (w *writer) tablesUnder(i int) []string {
	seen := map[int]bool{}
	var names []string
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		n := w.p.Nodes[i]
		if n.Op == ir.Scan && !slices.Contains(names, n.Table) {
			names = append(names, n.Table)
		}
		for _, in := range n.In {
			visit(in)
		}
	}
	visit(i)
	slices.Sort(names)
	return names
}
