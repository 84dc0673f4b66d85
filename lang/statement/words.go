package statement

import (
	"strings"
	"unicode/utf8"

	"joconde/lang/ir"
)

// place is a column of a node.
type place struct{ node, col int }

type phraseKey struct {
	at   place
	view string
}

// column says what a column holds. view is the view of whose last grouping the
// node is, or what is made of it; "" for all that is below it. There a total
// needs its rows named too.
func (w *writer) column(at place, view string) phrase {
	key := phraseKey{at, view}
	p, found := w.phrases[key]
	if !found {
		p = w.columnWords(at, view)
		p.called(w.p.Nodes[at.node].Columns[at.col].Name)
		p = w.shortened(p, func() []string { return w.sources(at) })
		w.phrases[key] = p
	}
	return p
}

// shortened replaces a text that is too long by the list of what it is made of,
// which is exact and whose length the tables bound.
func (w *writer) shortened(p phrase, sources func() []string) phrase {
	if p.cut == 0 && utf8.RuneCountInString(p.text) > longestMeaning {
		w.cuts++
		p.cut, p.level, p.claim, p.deny = w.cuts, clause, false, ""
		p.text = "computed from numbers of rows"
		if columns := sources(); len(columns) > 0 {
			p.text = "computed from " + list(columns)
		}
	}
	return p
}

func (w *writer) columnWords(at place, view string) phrase {
	n := w.p.Nodes[at.node]
	switch n.Op {
	case ir.Scan:
		return phrase{text: w.scanned(n, at.col), claim: n.Columns[at.col].Type.Kind == ir.Bool}
	case ir.Filter:
		return w.column(place{n.In[0], at.col}, view)
	case ir.Project:
		return w.expr(n.Exprs[at.col], n.In[0], view)
	case ir.JoinOp:
		left := len(w.p.Nodes[n.In[0]].Columns)
		switch {
		case at.col < left:
			return w.column(place{n.In[0], at.col}, "")
		case n.Join.Kind == ir.Mark:
			right := w.rowsOf(n.In[1])
			return phrase{text: "there is a match in " + right, deny: "there is no match in " + right, level: compared, claim: true}
		}
		p := w.column(place{n.In[1], at.col - left}, "")
		p.called(n.Columns[at.col].Name)
		if n.Join.Kind == ir.Left || w.overlap(n) {
			p = phrase{text: w.part(p, atom) + " of the match", claim: p.claim}
		}
		return p
	case ir.Aggregate:
		if at.col < len(n.Group.Keys) {
			return w.column(place{n.In[0], n.Group.Keys[at.col]}, "")
		}
		return w.total(n, n.Group.Aggs[at.col-len(n.Group.Keys)], view)
	}
	return phrase{text: n.Columns[at.col].Name}
}

func (w *writer) scanned(n ir.Node, col int) string {
	t, _ := w.p.Table(n.Table)
	return n.Table + "." + t.Columns[n.Scan[col]].Name
}

func (w *writer) total(n ir.Node, agg ir.Agg, view string) phrase {
	text, of := "number of rows", " of "
	if agg.Func != ir.CountStar {
		arg := w.part(w.column(place{n.In[0], agg.Arg}, ""), atom)
		of = " over the rows of "
		switch agg.Func {
		case ir.Count:
			text += " with " + arg
			of = " among those of "
		case ir.Sum:
			text = "sum of " + arg
		case ir.Avg:
			text = "mean of " + arg
		case ir.Min:
			text = "smallest " + arg
		case ir.Max:
			text = "largest " + arg
		}
	}
	if view != "" {
		return phrase{text: text, view: view}
	}
	text += of + w.rowsOf(n.In[0])
	if len(n.Group.Keys) > 0 {
		text += ", for the same " + list(w.keys(n))
	}
	return phrase{text: text, level: modified}
}

// keys are the group keys of an Aggregate.
func (w *writer) keys(n ir.Node) []string {
	var keys []string
	for _, k := range n.Group.Keys {
		keys = append(keys, w.part(w.column(place{n.In[0], k}, ""), atom))
	}
	return keys
}

// compare stands between the two sides of a comparison.
var compare = map[string]string{
	"eq": " is ", "ne": " is not ", "lt": " is below ", "le": " is at most ", "gt": " is above ", "ge": " is at least ",
}

// expr puts an expression over the columns of a node into words.
func (w *writer) expr(e ir.Expr, node int, view string) phrase {
	switch e.Op {
	case "col":
		return w.column(place{node, e.Col}, view)
	case "lit":
		if e.Lit != nil && e.Lit.Null {
			return phrase{text: "missing"}
		}
		text := e.String(nil)
		if e.Type.Kind == ir.Decimal && strings.Contains(text, ".") { // 0.50 is 0.5
			text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
		}
		return phrase{text: text}
	}
	args := make([]phrase, len(e.Args))
	var p phrase
	for i, a := range e.Args {
		args[i] = w.expr(a, node, view)
		if args[i].view != "" {
			p.view = view
		}
	}
	w.say(&p, e, args)
	p.claim = e.Type.Kind == ir.Bool
	return w.shortened(p, func() []string { return w.sourcesOf(e, node) })
}

// say gives p the text and level of an operation.
func (w *writer) say(p *phrase, e ir.Expr, args []phrase) {
	part := func(i int, most level) string { return w.part(args[i], most) }
	switch e.Op {
	case "add":
		p.text, p.level = part(0, sum)+" + "+part(1, product), sum
	case "sub":
		p.text, p.level = part(0, sum)+" - "+part(1, product), sum
	case "mul":
		p.text, p.level = part(0, product)+" × "+part(1, atom), product
	case "idiv":
		p.text, p.level = part(0, product)+" ÷ "+part(1, atom)+", without the fraction", modified
	case "div":
		p.text, p.level = part(0, product)+" ÷ "+part(1, atom), product
	case "neg":
		p.text, p.level = "-"+part(0, atom), product
	case "abs":
		p.text, p.level = "absolute value of "+part(0, atom), product
	case "eq", "ne", "lt", "le", "gt", "ge":
		p.text, p.level = part(0, sum)+compare[e.Op]+part(1, sum), compared
	case "isnull":
		p.text, p.deny, p.level = part(0, atom)+" is missing", part(0, atom)+" is not missing", compared
	case "not":
		if args[0].deny != "" {
			p.text, p.deny, p.level = args[0].deny, args[0].text, compared
			return
		}
		p.text, p.level = "not "+w.condition(args[0], atom), several
	case "and", "or":
		var texts []string
		for i := range e.Args {
			most := compared
			if e.Args[i].Op == e.Op {
				most = several
			}
			texts = append(texts, w.condition(args[i], most))
		}
		p.text, p.level = strings.Join(texts, " "+e.Op+" "), several
	case "cast":
		w.sayCast(p, e, args[0])
	case "coalesce":
		p.text, p.level = part(0, modified), modified
		for i := range args[1:] {
			p.text += ", or " + part(i+1, sum) + " if missing"
		}
	case "nullif":
		p.text, p.level = part(0, modified)+", missing if it is "+part(1, sum), modified
	case "case":
		for i := 0; i+1 < len(args); i += 2 {
			p.text += part(i+1, sum) + " if " + w.condition(args[i], several) + ", else "
		}
		p.text, p.level = p.text+part(len(args)-1, sum), clause
	default:
		var texts []string
		for i := range args {
			texts = append(texts, part(i, sum))
		}
		p.text, p.level = e.Op+" of "+list(texts), clause
	}
}

func (w *writer) sayCast(p *phrase, e ir.Expr, arg phrase) {
	from := e.Args[0].Type
	switch {
	case from.Kind == ir.Bool:
		p.text, p.level = "1 if "+w.condition(arg, several)+", else 0", clause
	case from.Kind == ir.Decimal && e.Type.Scale < from.Scale:
		p.level = modified
		p.text = w.part(arg, modified) + ", rounded to "
		if e.Type.Scale == 0 {
			p.text += "a whole number"
		} else {
			p.text += count(e.Type.Scale, "decimal")
		}
	default: // the same value in a wider type
		*p = arg
	}
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
