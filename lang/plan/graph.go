package plan

import (
	"encoding/json"
	"slices"
	"strconv"

	"joconde"
	"joconde/lang/ir"
)

// node is one relational operator while rules work on it. It is an ir.Node
// whose inputs are pointers; Node.In, Unique and Local are not kept up to date
// and are made again when the graph becomes a Program.
type node struct {
	ir.Node
	in    []*node
	local joconde.PartyID // the one party that it rests on; set by measure
}

type output struct {
	view string
	to   []joconde.PartyID
	node *node
}

// graph is a Program that rules may change. It owns its nodes; the Program it
// was made from is never touched. Expressions are treated as values: a rule
// builds new ones and never writes into an old one.
type graph struct {
	tables  []ir.Table
	outputs []output
}

func open(p *ir.Program) *graph {
	nodes := make([]*node, len(p.Nodes))
	for i, n := range p.Nodes {
		made := &node{Node: n}
		for _, in := range n.In {
			made.in = append(made.in, nodes[in])
		}
		nodes[i] = made
	}
	g := &graph{tables: p.Tables}
	for _, out := range p.Outputs {
		g.outputs = append(g.outputs, output{out.View, out.To, nodes[out.Node]})
	}
	slices.SortStableFunc(g.outputs, func(a, b output) int { return compareText(a.view, b.view) })
	return g
}

// order lists every node that an output rests on, inputs first: depth first
// from the outputs in order of view name, left input before right. The order
// depends on nothing else, so it is the canonical one.
func (g *graph) order() []*node {
	var list []*node
	seen := map[*node]bool{}
	var visit func(n *node)
	visit = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, in := range n.in {
			visit(in)
		}
		list = append(list, n)
	}
	for _, out := range g.outputs {
		visit(out.node)
	}
	return list
}

// program numbers the nodes that are used in canonical order, keeps the tables
// that are scanned, and computes Local and Unique again.
func (g *graph) program() *ir.Program {
	p := &ir.Program{Format: 1, Tables: []ir.Table{}, Nodes: []ir.Node{}, Outputs: []ir.Output{}}
	list := g.order()
	g.measure(list)
	number := map[*node]int{}
	scanned := map[string]bool{}
	for i, n := range list {
		number[n] = i
		out := n.Node
		out.In = nil
		for _, in := range n.in {
			out.In = append(out.In, number[in])
		}
		out.Local = n.local
		p.Nodes = append(p.Nodes, out)
		if n.Op == ir.Scan {
			scanned[n.Table] = true
		}
	}
	for _, t := range g.tables {
		if scanned[t.QName()] {
			p.Tables = append(p.Tables, t)
		}
	}
	slices.SortStableFunc(p.Tables, func(a, b ir.Table) int {
		if c := compareText(string(a.Owner), string(b.Owner)); c != 0 {
			return c
		}
		return compareText(a.Name, b.Name)
	})
	for i := range p.Nodes {
		p.Nodes[i].Unique = ir.UniqueOf(p, i)
	}
	for _, out := range g.outputs {
		p.Outputs = append(p.Outputs, ir.Output{View: out.view, To: out.to, Node: number[out.node]})
	}
	return p
}

// measure sets local of every node of list.
func (g *graph) measure(list []*node) {
	owner := map[string]joconde.PartyID{}
	for _, t := range g.tables {
		owner[t.QName()] = t.Owner
	}
	for _, n := range list {
		if n.Op == ir.Scan {
			n.local = owner[n.Table]
			continue
		}
		n.local = n.in[0].local
		for _, in := range n.in[1:] {
			if in.local != n.local {
				n.local = ""
			}
		}
	}
}

// users counts how often each node is used, by nodes and by outputs.
func (g *graph) users(list []*node) map[*node]int {
	count := map[*node]int{}
	for _, n := range list {
		for _, in := range n.in {
			count[in]++
		}
	}
	for _, out := range g.outputs {
		count[out.node]++
	}
	return count
}

// granted is the set of nodes that are outputs. Their columns, names included,
// are what was agreed, so rules keep them.
func (g *graph) granted() map[*node]bool {
	set := map[*node]bool{}
	for _, out := range g.outputs {
		set[out.node] = true
	}
	return set
}

// moved says where the columns of a node of the old graph stand in a node of
// the new one: old column i is column cols[i], or is gone where that is -1.
type moved struct {
	node *node
	cols []int
}

func stays(n *node) moved {
	cols := make([]int, len(n.Columns))
	for i := range cols {
		cols[i] = i
	}
	return moved{n, cols}
}

// rebuild makes every node again, inputs first. edge, which may be nil, can
// put another node in the place of a consumer's input. visit, which may be
// nil, can replace what becomes of n; it gets the node that would take its
// place, with the columns of n moved. Outputs keep their columns: where a
// granted node's columns have moved, a Project restores them.
func (g *graph) rebuild(edge func(consumer *node, in *node, m moved) moved, visit func(n *node, m moved, in []moved) moved) {
	done := map[*node]moved{}
	for _, n := range g.order() {
		in := make([]moved, len(n.in))
		for i, old := range n.in {
			in[i] = done[old]
			if edge != nil {
				in[i] = edge(n, old, in[i])
			}
		}
		m := remake(n, in)
		if visit != nil {
			m = visit(n, m, in)
		}
		done[n] = m
	}
	for i, out := range g.outputs {
		g.outputs[i].node = restore(out.node, done[out.node])
	}
}

// restore gives a node with exactly the columns of old.
func restore(old *node, m moved) *node {
	exact := len(m.node.Columns) == len(old.Columns)
	for i, at := range m.cols {
		exact = exact && at == i && m.node.Columns[i].Name == old.Columns[i].Name
	}
	if exact {
		return m.node
	}
	return pick(m.node, m.cols, old)
}

// pick is a Project of columns of from, named as the columns of like.
func pick(from *node, cols []int, like *node) *node {
	made := &node{Node: ir.Node{Op: ir.Project, View: like.View, Pos: like.Pos}, in: []*node{from}, local: from.local}
	for i, at := range cols {
		t := from.Columns[at].Type
		made.Exprs = append(made.Exprs, ir.NewCol(at, t))
		made.Columns = append(made.Columns, ir.Column{Name: like.Columns[i].Name, Type: t})
	}
	return made
}

// remake is n over new inputs.
func remake(n *node, in []moved) moved {
	made := &node{Node: n.Node, local: n.local}
	for _, m := range in {
		made.in = append(made.in, m.node)
	}
	m := stays(made)
	switch n.Op {
	case ir.Filter:
		made.Exprs = []ir.Expr{renumber(n.Exprs[0], in[0].cols)}
		made.Columns = follow(n.Columns, in[0], false)
		m.cols = in[0].cols
	case ir.Project:
		made.Exprs = make([]ir.Expr, len(n.Exprs))
		for i, e := range n.Exprs {
			made.Exprs[i] = renumber(e, in[0].cols)
		}
	case ir.Aggregate:
		group := &ir.Group{}
		for _, key := range n.Group.Keys {
			group.Keys = append(group.Keys, in[0].cols[key])
		}
		for _, agg := range n.Group.Aggs {
			if agg.Arg >= 0 {
				agg.Arg = in[0].cols[agg.Arg]
			}
			group.Aggs = append(group.Aggs, agg)
		}
		made.Group = group
	case ir.JoinOp:
		join := &ir.Join{Kind: n.Join.Kind}
		for i := range n.Join.Left {
			join.Left = append(join.Left, in[0].cols[n.Join.Left[i]])
			join.Right = append(join.Right, in[1].cols[n.Join.Right[i]])
		}
		made.Join = join
		left := len(n.in[0].Columns)
		made.Columns = follow(n.Columns[:left], in[0], false)
		m.cols = slices.Clone(in[0].cols)
		if n.Join.Kind == ir.Mark {
			m.cols = append(m.cols, len(made.Columns))
			made.Columns = append(made.Columns, n.Columns[left])
			break
		}
		shift := len(made.Columns)
		made.Columns = append(made.Columns, follow(n.Columns[left:], in[1], n.Join.Kind == ir.Left)...)
		for _, at := range in[1].cols {
			if at >= 0 {
				at += shift
			}
			m.cols = append(m.cols, at)
		}
	}
	return m
}

// follow gives the columns that a node passes through from a moved input: a
// column that was there before keeps its name.
func follow(old []ir.Column, in moved, nullable bool) []ir.Column {
	cols := make([]ir.Column, len(in.node.Columns))
	for i, c := range in.node.Columns {
		cols[i] = ir.Column{Name: c.Name, Type: c.Type}
		if nullable {
			cols[i].Type.Nullable = true
		}
	}
	for i, at := range in.cols {
		if at >= 0 {
			cols[at].Name = old[i].Name
		}
	}
	return cols
}

// key identifies what a node computes from given inputs, without the names of
// its columns. Two nodes of equal keys have equal rows.
func key(n *node, inputs []int) string {
	bare := n.Node
	bare.In, bare.Unique, bare.Local = inputs, nil, ""
	bare.Columns = make([]ir.Column, len(n.Columns))
	for i, c := range n.Columns {
		bare.Columns[i].Type = c.Type
	}
	return mustJSON(bare)
}

// mustJSON writes a value of ir, which JSON can always hold: it has only
// structs, slices, strings, integers and booleans.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("plan: " + err.Error())
	}
	return string(b)
}

// names is the text of the column names, to tell granted nodes apart.
func names(n *node) string {
	text := ""
	for _, c := range n.Columns {
		text += strconv.Quote(c.Name)
	}
	return text
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
