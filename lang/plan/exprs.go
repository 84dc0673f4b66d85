package plan

import (
	"slices"
	"strconv"
	"strings"

	"joconde/lang/ir"
)

// computeEarly moves work to owners. In every Project and Filter that is
// computed on shares it looks for the largest expressions all of whose columns
// come, through joins and filters, from one node that its owner computes in
// the clear. They are computed there, and the result travels up as a column.
// The right side of a Left join is never entered: a row without a partner has
// NULLs there, which the owner cannot see. The right side of a Mark join gives
// no columns.
func computeEarly(g *graph) {
	w := &early{
		asked: map[*node][]request{}, through: map[*node][]request{}, extended: map[*node]moved{},
		at: map[place]int{}, shift: map[*node]int{},
	}
	list := g.order()
	for _, n := range list {
		if n.local == "" && (n.Op == ir.Project || n.Op == ir.Filter) {
			for _, e := range n.Exprs {
				w.look(n, e, n.Op == ir.Filter)
			}
		}
	}
	if len(w.asked) == 0 {
		return
	}
	g.rebuild(w.edge, w.visit)
}

// request is an expression over the columns of a node, source, that its owner
// is to compute, and the way by which its value reaches the asking node.
type request struct {
	source *node
	expr   ir.Expr
	text   string // of expr
	path   string // the way down to the source, the number of an input for each step
}

type step struct {
	node *node
	side int
}

// place names the column of a request in a node of the old graph.
type place struct {
	node       *node
	path, text string
}

type early struct {
	asked    map[*node][]request // by source
	through  map[*node][]request // by Project that they pass; path is the way down from that Project
	extended map[*node]moved     // by source: a Project of the source with the requests appended
	at       map[place]int       // where a request's value stands, in what became of sources and Projects
	shift    map[*node]int       // of joins: how many columns their left input has now
}

// look finds the largest expressions that can move. condition says that e is a
// Filter's predicate or a conjunct of it.
func (w *early) look(n *node, e ir.Expr, condition bool) {
	if trivial(e) || condition && fixes(e) {
		return
	}
	if r, steps, ok := trace(n.in[0], e); ok && !(condition && fixesSome(e)) {
		w.ask(r, steps)
		return
	}
	for _, a := range e.Args {
		w.look(n, a, condition && e.Op == "and")
	}
}

func fixesSome(e ir.Expr) bool { return slices.ContainsFunc(conjuncts(e), fixes) }

// trace follows all columns of e down from n to one source by one way.
func trace(n *node, e ir.Expr) (request, []step, bool) {
	cols := columnsOf(e)
	if len(cols) == 0 {
		return request{}, nil, false
	}
	var steps []step
	for n.local == "" {
		next := make([]int, len(cols))
		side := 0
		switch n.Op {
		case ir.Filter:
			copy(next, cols)
		case ir.Project:
			for i, c := range cols {
				if n.Exprs[c].Op != "col" {
					return request{}, nil, false
				}
				next[i] = n.Exprs[c].Col
			}
		case ir.JoinOp:
			left := len(n.in[0].Columns)
			if cols[0] >= left {
				side = 1
			}
			for i, c := range cols {
				if (c >= left) != (side == 1) || side == 1 && n.Join.Kind != ir.Inner {
					return request{}, nil, false
				}
				next[i] = c - side*left
			}
		default:
			return request{}, nil, false
		}
		steps = append(steps, step{n, side})
		e = moveColumns(e, cols, next)
		cols = columnsOf(e)
		n = n.in[side]
	}
	return request{source: n, expr: e, text: mustJSON(e)}, steps, true
}

func moveColumns(e ir.Expr, from, to []int) ir.Expr {
	return substitute(e, func(c ir.Expr) ir.Expr {
		c.Col = to[slices.Index(from, c.Col)]
		return c
	})
}

func (w *early) ask(r request, steps []step) {
	if !slices.ContainsFunc(w.asked[r.source], func(o request) bool { return o.text == r.text }) {
		w.asked[r.source] = append(w.asked[r.source], r)
	}
	// Each Project on the way has to pass the value on.
	way := pathOf(steps)
	for i, s := range steps {
		r.path = way[i:]
		if s.node.Op == ir.Project && !slices.ContainsFunc(w.through[s.node], func(o request) bool { return o.text == r.text && o.path == r.path }) {
			w.through[s.node] = append(w.through[s.node], r)
		}
	}
}

func pathOf(steps []step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString(strconv.Itoa(s.side))
	}
	return b.String()
}

// edge puts the extended source in the place of the source, for those who
// compute on shares; what the owner does further with it stays as it was.
func (w *early) edge(consumer, in *node, m moved) moved {
	requests := w.asked[in]
	if len(requests) == 0 || consumer.local != "" {
		return m
	}
	if made, found := w.extended[in]; found {
		return made
	}
	base := m.node
	made := &node{Node: ir.Node{Op: ir.Project, View: in.View, Pos: in.Pos}, in: []*node{base}, local: base.local}
	for i, c := range base.Columns {
		made.Exprs = append(made.Exprs, ir.NewCol(i, c.Type))
		made.Columns = append(made.Columns, ir.Column{Name: c.Name, Type: c.Type})
	}
	for _, r := range requests {
		w.at[place{in, "", r.text}] = len(made.Exprs)
		made.Exprs = append(made.Exprs, renumber(r.expr, m.cols))
		made.Columns = append(made.Columns, ir.Column{Name: "computed", Type: r.expr.Type})
	}
	w.extended[in] = moved{made, m.cols}
	return w.extended[in]
}

// where gives the column of what became of n that holds a request's value.
func (w *early) where(n *node, path, text string) int {
	if at, found := w.at[place{n, path, text}]; found {
		return at
	}
	side := int(path[0] - '0')
	at := w.where(n.in[side], path[1:], text)
	if side == 1 {
		at += w.shift[n]
	}
	return at
}

// visit passes values on and puts columns in the place of what was moved.
func (w *early) visit(n *node, m moved, in []moved) moved {
	switch n.Op {
	case ir.JoinOp:
		w.shift[n] = len(in[0].node.Columns)
	case ir.Project, ir.Filter:
		if n.local != "" {
			break
		}
		for i, e := range n.Exprs {
			m.node.Exprs[i] = w.replace(n, e, n.Op == ir.Filter, in[0].cols)
		}
		if len(w.through[n]) == 0 {
			break
		}
		m.node.Columns = slices.Clone(m.node.Columns)
		for _, r := range w.through[n] {
			w.at[place{n, r.path, r.text}] = len(m.node.Exprs)
			m.node.Exprs = append(m.node.Exprs, ir.NewCol(w.where(n.in[0], r.path[1:], r.text), r.expr.Type))
			m.node.Columns = append(m.node.Columns, ir.Column{Name: "computed", Type: r.expr.Type})
		}
	}
	return m
}

// replace decides as look does.
func (w *early) replace(n *node, e ir.Expr, condition bool, cols []int) ir.Expr {
	if trivial(e) || condition && fixes(e) {
		return renumber(e, cols)
	}
	if r, steps, ok := trace(n.in[0], e); ok && !(condition && fixesSome(e)) {
		moved := ir.NewCol(w.where(n.in[0], pathOf(steps), r.text), e.Type)
		moved.Pos = e.Pos
		return moved
	}
	args := make([]ir.Expr, len(e.Args))
	for i, a := range e.Args {
		args[i] = w.replace(n, a, condition && e.Op == "and", cols)
	}
	e.Args = args
	return e
}
