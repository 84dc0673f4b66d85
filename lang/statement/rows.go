package statement

import (
	"slices"
	"strings"
	"unicode/utf8"

	"joconde/lang/ir"
)

// longestRows is the length up to which rows are described in place.
const longestRows = 90

// rowNode is the node whose rows a node has: a Project changes no rows.
func (w *writer) rowNode(i int) int {
	for w.p.Nodes[i].Op == ir.Project {
		i = w.p.Nodes[i].In[0]
	}
	return i
}

// countUses counts for each node the nodes and views that take its rows.
func (w *writer) countUses() {
	w.uses = make([]int, len(w.p.Nodes))
	for _, n := range w.p.Nodes {
		if n.Op != ir.Project {
			for _, in := range n.In {
				w.uses[w.rowNode(in)]++
			}
		}
	}
	for _, o := range w.p.Outputs {
		w.uses[w.rowNode(o.Node)]++
	}
}

// rowsOf says which rows a node has, for use within a longer text.
func (w *writer) rowsOf(i int) string {
	i = w.rowNode(i)
	if text := w.simple(i); text != "" {
		return text
	}
	name, found := w.rowTerms[i]
	if !found {
		what := "rows of "
		if w.p.Nodes[i].Op == ir.Aggregate {
			what = "groups of "
		}
		tables := w.tablesUnder(i)
		if len(tables) > 2 {
			what += count(len(tables), "table")
		} else {
			what += list(tables)
		}
		name = w.define(what, strings.Join(w.steps(i), "; "))
		w.rowTerms[i] = name
	}
	return "[" + name + "]"
}

// simple describes rows of one table, maybe with short conditions; "" if they
// are not that.
func (w *writer) simple(i int) string {
	i = w.rowNode(i)
	if text, found := w.simples[i]; found {
		return text
	}
	w.simples[i] = w.simpleWords(i)
	return w.simples[i]
}

func (w *writer) simpleWords(i int) string {
	text := ""
	switch n := w.p.Nodes[i]; n.Op {
	case ir.Scan:
		return n.Table
	case ir.Filter:
		if text = w.simple(n.In[0]); text == "" {
			return ""
		}
		word := " where "
		if strings.Contains(text, " ") {
			word = " and "
		}
		most := compared
		if n.Exprs[0].Op == "and" {
			most = several
		}
		text += word + w.condition(w.expr(n.Exprs[0], n.In[0], ""), most)
	}
	if utf8.RuneCountInString(text) > longestRows {
		return ""
	}
	return text
}

// steps says how the rows of a node come about.
func (w *writer) steps(i int) []string {
	i = w.rowNode(i)
	if text := w.simple(i); text != "" {
		return []string{"take " + text}
	}
	n := w.p.Nodes[i]
	below := w.rowNode(n.In[0])
	var steps []string
	if w.simple(below) == "" && w.uses[below] > 1 {
		steps = []string{"take " + w.rowsOf(below)} // it is described once
	} else {
		steps = w.steps(below)
	}
	switch n.Op {
	case ir.Filter:
		for _, c := range conjuncts(n.Exprs[0]) {
			steps = append(steps, w.keep(c, n.In[0], ""))
		}
	case ir.JoinOp:
		steps = append(steps, w.match(n))
	case ir.Aggregate:
		step := "put all rows together"
		if len(n.Group.Keys) > 0 {
			step = "group by " + list(w.keys(n))
		}
		steps = append(steps, step)
	}
	return steps
}

func (w *writer) keep(condition ir.Expr, node int, view string) string {
	what := "rows"
	if group, _ := w.chain(node); group >= 0 {
		what = "groups"
	}
	return "keep " + what + " where " + w.condition(w.expr(condition, node, view), several)
}

func (w *writer) match(n ir.Node) string {
	right := place{node: n.In[1]}
	var on []string
	for k := range n.Join.Left {
		right.col = n.Join.Right[k]
		l, r := w.part(w.column(place{n.In[0], n.Join.Left[k]}, ""), sum), w.part(w.column(right, ""), sum)
		on = append(on, l+" = "+r)
	}
	text, after := "match with ", ", leaving out rows without a match"
	switch n.Join.Kind {
	case ir.Left:
		after = ", keeping rows without a match"
	case ir.Mark:
		text, after = "look up in ", ""
	}
	rows, by := w.rowsOf(n.In[1]), " by "
	if strings.Contains(rows, " where ") {
		by = ", by "
	}
	return text + rows + by + list(on) + after
}

// overlap reports whether a join is of two sides that have a table in common:
// then columns of both can have the same name.
func (w *writer) overlap(n ir.Node) bool {
	left := w.tablesUnder(n.In[0])
	return slices.ContainsFunc(w.tablesUnder(n.In[1]), func(t string) bool { return slices.Contains(left, t) })
}

// viewSteps says how the rows of a view come about, without the minimum counts,
// which are its Guards.
func (w *writer) viewSteps(o ir.Output) []string {
	group, conditions := w.chain(o.Node)
	if group < 0 {
		return w.steps(o.Node)
	}
	steps := w.steps(group)
	for _, c := range conditions {
		if _, guards := w.minimumCount(c, group); !guards {
			steps = append(steps, w.keep(c, group, o.View))
		}
	}
	return steps
}
