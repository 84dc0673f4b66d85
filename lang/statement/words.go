package statement

import (
	"regexp"
	"slices"
	"strings"

	"joconde/lang/ir"
)

// Longest texts. What would be longer is replaced by the list of what it is
// made of, which is exact and whose length the tables bound.
const (
	longestMeaning = 400
	longestBasis   = 800
)

// place is a column of a node.
type place struct{ node, col int }

// column says in words what a column holds. inner says that the node is not
// the last grouping of a view: then a total needs its rows named too.
func (w *writer) column(at place, inner bool) string {
	key := meaningKey{at, inner}
	if text, found := w.meanings[key]; found {
		return text
	}
	text := w.columnWords(at, inner)
	if len(text) > longestMeaning {
		text = "computed from " + list(w.sources(at))
	}
	w.meanings[key] = text
	return text
}

type meaningKey struct {
	at    place
	inner bool
}

func (w *writer) columnWords(at place, inner bool) string {
	n := w.p.Nodes[at.node]
	switch n.Op {
	case ir.Scan:
		return w.scanned(n, at.col)
	case ir.Filter:
		return w.column(place{n.In[0], at.col}, inner)
	case ir.Project:
		return w.expr(n.Exprs[at.col], n.In[0], inner)
	case ir.JoinOp:
		left := len(w.p.Nodes[n.In[0]].Columns)
		switch {
		case at.col < left:
			return w.column(place{n.In[0], at.col}, true)
		case n.Join.Kind == ir.Mark:
			return "whether there is a match in " + w.basis(n.In[1])
		case n.Join.Kind == ir.Left:
			return wrap(w.column(place{n.In[1], at.col - left}, true)) + " if there is a match"
		}
		return w.column(place{n.In[1], at.col - left}, true)
	case ir.Aggregate:
		if at.col < len(n.Group.Keys) {
			return w.column(place{n.In[0], n.Group.Keys[at.col]}, true)
		}
		return w.aggregate(n, n.Group.Aggs[at.col-len(n.Group.Keys)], inner)
	}
	return n.Columns[at.col].Name
}

func (w *writer) scanned(n ir.Node, col int) string {
	t, _ := w.p.Table(n.Table)
	return n.Table + "." + t.Columns[n.Scan[col]].Name
}

func (w *writer) aggregate(n ir.Node, agg ir.Agg, inner bool) string {
	arg := ""
	if agg.Func != ir.CountStar {
		arg = w.column(place{n.In[0], agg.Arg}, true)
	}
	text := string(agg.Func)
	switch agg.Func {
	case ir.CountStar:
		text = "number of rows"
		if inner {
			text += " of " + w.basis(n.In[0])
		}
	case ir.Count:
		text = "number of rows that have " + wrap(arg)
	case ir.Sum:
		text = "sum of " + wrap(arg)
	case ir.Avg:
		text = "mean of " + wrap(arg)
	case ir.Min:
		text = "smallest " + wrap(arg)
	case ir.Max:
		text = "largest " + wrap(arg)
	}
	if inner && len(n.Group.Keys) > 0 {
		text += " for the same " + list(w.keys(n))
	}
	return text
}

// keys are the group keys of an Aggregate in words.
func (w *writer) keys(n ir.Node) []string {
	var keys []string
	for _, k := range n.Group.Keys {
		keys = append(keys, w.column(place{n.In[0], k}, true))
	}
	return keys
}

// basis says which rows a node has: a noun.
func (w *writer) basis(i int) string {
	if text, found := w.bases[i]; found {
		return text
	}
	n := w.p.Nodes[i]
	text := ""
	switch n.Op {
	case ir.Scan:
		text = n.Table
	case ir.Project:
		text = w.basis(n.In[0])
	case ir.Filter:
		text = noun(w.basis(n.In[0])) + " where " + claim(w.expr(n.Exprs[0], n.In[0], false))
	case ir.Aggregate:
		text = "groups of (" + w.basis(n.In[0]) + ")"
		if len(n.Group.Keys) > 0 {
			text += " by " + list(w.keys(n))
		} else {
			text = "all of (" + w.basis(n.In[0]) + ") together"
		}
	case ir.JoinOp:
		left, right := w.basis(n.In[0]), w.basis(n.In[1])
		var on []string
		for k := range n.Join.Left {
			l, r := w.column(place{n.In[0], n.Join.Left[k]}, true), w.column(place{n.In[1], n.Join.Right[k]}, true)
			on = append(on, wrap(l)+" = "+wrap(r))
		}
		switch n.Join.Kind {
		case ir.Inner:
			text = noun(left) + " that match " + noun(right)
		case ir.Left:
			text = noun(left) + ", matched with " + noun(right) + " where there is a match,"
		case ir.Mark:
			text = noun(left) + ", looked up in " + noun(right)
		}
		text += " by " + list(on)
	}
	if len(text) > longestBasis {
		text = "rows made of " + list(w.tablesUnder(i))
	}
	w.bases[i] = text
	return text
}

// noun puts longer descriptions in brackets.
func noun(text string) string {
	if strings.Contains(text, " ") {
		return "(" + text + ")"
	}
	return text
}

// wrap puts what has several words in brackets, for use within a longer text.
// A plain total needs none.
func wrap(text string) string {
	if strings.Contains(text, " ") && !plainTotal.MatchString(text) {
		return "(" + text + ")"
	}
	return text
}

var plainTotal = regexp.MustCompile(`^(number of rows|((sum|mean) of|smallest|largest) \S+)$`)

// between stands between the two arguments of comparisons and calculations.
var between = map[string]string{
	"add": " + ", "sub": " - ", "mul": " × ", "div": " ÷ ", "idiv": " ÷ ",
	"eq": " is ", "ne": " is not ", "lt": " is below ", "le": " is at most ",
	"gt": " is above ", "ge": " is at least ", "and": " and ", "or": " or ",
}

// expr puts an expression over the columns of a node into words.
func (w *writer) expr(e ir.Expr, node int, inner bool) string {
	switch e.Op {
	case "col":
		return w.column(place{node, e.Col}, inner)
	case "lit":
		if e.Lit != nil && e.Lit.Null {
			return "nothing"
		}
		return e.String(nil)
	}
	args := make([]string, len(e.Args))
	length := 0
	for i, a := range e.Args {
		args[i] = w.expr(a, node, inner)
		length += len(args[i])
	}
	if length > longestBasis { // the caller replaces it; stop growing
		return strings.Repeat("…", longestBasis)
	}
	for i, a := range e.Args {
		if a.Type.Kind == ir.Bool && e.Op != "eq" && e.Op != "ne" && e.Op != "isnull" {
			args[i] = claim(args[i])
		}
	}
	switch e.Op {
	case "neg":
		return "-" + wrap(args[0])
	case "abs":
		return wrap(args[0]) + " without its sign"
	case "not":
		return "not " + wrap(args[0])
	case "isnull":
		return wrap(args[0]) + " is missing"
	case "cast":
		return castWords(e, args[0])
	case "coalesce":
		text := wrap(args[0])
		for _, a := range args[1:] {
			text += ", or " + wrap(a) + " if missing"
		}
		return text
	case "nullif":
		return wrap(args[0]) + ", but nothing if it is " + wrap(args[1])
	case "case":
		text := ""
		for i := 0; i+1 < len(args); i += 2 {
			text += wrap(args[i+1]) + " if " + wrap(args[i]) + ", "
		}
		return text + "otherwise " + wrap(args[len(args)-1])
	}
	word, known := between[e.Op]
	if !known {
		return e.Op + " of " + list(args)
	}
	for i := range args {
		args[i] = wrap(args[i])
	}
	text := strings.Join(args, word)
	if e.Op == "idiv" {
		text += " without the fraction"
	}
	return text
}

// claim turns "whether it is so" into "it is so", for use as a condition.
func claim(text string) string { return strings.TrimPrefix(text, "whether ") }

func castWords(e ir.Expr, arg string) string {
	from := e.Args[0].Type
	switch {
	case from.Kind == ir.Bool:
		return "1 if " + wrap(arg) + ", otherwise 0"
	case from.Kind == ir.Decimal && e.Type.Scale < from.Scale:
		if e.Type.Scale == 0 {
			return wrap(arg) + " rounded to a whole number"
		}
		return wrap(arg) + " rounded to " + count(e.Type.Scale, "decimal")
	}
	return arg // the same value in a wider type
}

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

// list is "a", "a and b", "a, b and c".
func list[T ~string](items []T) string {
	text := ""
	for i, item := range items {
		switch {
		case i == 0:
		case i == len(items)-1:
			text += " and "
		default:
			text += ", "
		}
		text += string(item)
	}
	return text
}
