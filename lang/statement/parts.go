package statement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"joconde"
	"joconde/lang/ir"
)

// writer holds what the parts of one Statement share.
type writer struct {
	p        *ir.Program
	rows     map[string]int // nil where a table's bound is missing
	bounds   []int          // of nodes, where rows is there
	domains  []int          // of nodes: the bound that the keys' public values alone give; unbounded if none
	uses     []int          // of rowNodes: how many nodes and views take their rows
	phrases  map[phraseKey]phrase
	simples  map[int]string
	sets     map[place]map[string]bool
	terms    []Term
	termOf   map[meaning]string
	rowTerms map[int]string
	named    map[string]int // names of terms; the greatest number that one was given
	cuts     int
}

// unbounded stands for a table of any size; no bound of a key domain reaches it.
const unbounded = 1 << 40

func newWriter(p *ir.Program, rows map[string]int) *writer {
	w := &writer{
		p: p, phrases: map[phraseKey]phrase{}, simples: map[int]string{}, sets: map[place]map[string]bool{},
		termOf: map[meaning]string{}, rowTerms: map[int]string{}, named: map[string]int{}, terms: []Term{},
	}
	w.countUses()
	large := map[string]int{}
	given := map[string]int{}
	for _, t := range p.Tables {
		large[t.QName()] = unbounded
		if n, found := rows[t.QName()]; found {
			given[t.QName()] = n
		}
	}
	w.domains = p.Bounds(large)
	if len(given) == len(p.Tables) {
		w.rows, w.bounds = given, p.Bounds(given)
	}
	return w
}

// bound gives the greatest number of rows of a node, 0 if that is up to the
// task, and in words.
func (w *writer) bound(i int) (int, string) {
	switch {
	case w.bounds != nil && w.bounds[i] < w.domains[i]:
		return w.bounds[i], fmt.Sprintf("at most %s, by the row bound of %s", count(w.bounds[i], "row"), w.boundTable(i))
	case w.domains[i] == 1:
		return 1, "at most 1 row"
	case w.domains[i] < unbounded:
		return w.domains[i], fmt.Sprintf("at most %s, by the public values of the keys", count(w.domains[i], "row"))
	}
	return 0, fmt.Sprintf("at most as many rows as the task allows for %s", w.boundTable(i))
}

// boundTable is the table whose row bound bounds a node: see ir.Bounds.
func (w *writer) boundTable(i int) string {
	for w.p.Nodes[i].Op != ir.Scan {
		i = w.p.Nodes[i].In[0]
	}
	return w.p.Nodes[i].Table
}

// parties are the owners of tables and those to whom something is granted.
func (w *writer) parties() []joconde.PartyID {
	all := []joconde.PartyID{}
	for _, t := range w.p.Tables {
		all = append(all, t.Owner)
	}
	for _, o := range w.p.Outputs {
		all = append(all, o.To...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (w *writer) views() []View {
	views := []View{}
	for _, o := range w.p.Outputs {
		v := View{Code: "view/" + o.View, View: o.View, To: o.To, Notes: []Fact{}}
		v.Steps = w.viewSteps(o)
		v.Columns = w.columns(v.Code, o.Node, o.View)
		v.Guards = w.guards(o.Node)
		v.AtMost, v.Bound = w.bound(o.Node)
		group, _ := w.chain(o.Node)
		switch {
		case group < 0:
			v.Row = "one row for each row that these steps leave"
		case len(w.p.Nodes[group].Group.Keys) == 0:
			v.Row = "one row"
		default:
			v.Row = "one row for each combination of " + list(w.shownKeys(o.Node, group)) + " that occurs"
		}
		if w.singles(o.Node) {
			v.Notes = append(v.Notes, Fact{"note/single-records/" + o.View,
				"A row of this view can speak of a single record. It is not a total over several records."})
		}
		for i := range v.Columns {
			if w.extreme(place{o.Node, i}) {
				v.Notes = append(v.Notes, Fact{"note/single-value/" + o.View + "/" + v.Columns[i].Name,
					"A value of " + v.Columns[i].Name + " is the value of a single record."})
			}
		}
		views = append(views, v)
	}
	return views
}

// shownKeys are the keys of a view's grouping, by the name that the view gives
// them, or in words where it does not show them.
func (w *writer) shownKeys(view, group int) []string {
	keys := w.keys(w.p.Nodes[group])
	for i, c := range slices.Backward(w.p.Nodes[view].Columns) {
		if e := w.down(ir.NewCol(i, c.Type), view); e.Op == "col" && e.Col < len(keys) {
			keys[e.Col] = c.Name
		}
	}
	return keys
}

func (w *writer) columns(code string, node int, view string) []Column {
	cols := []Column{}
	seen := map[string]int{}
	for i, c := range w.p.Nodes[node].Columns {
		at := place{node, i}
		own := code + "/" + c.Name
		if seen[c.Name]++; seen[c.Name] > 1 { // a join has the names of both sides
			own += "/" + strconv.Itoa(seen[c.Name])
		}
		cols = append(cols, Column{
			Code: own, Name: c.Name, Type: ir.SQLName(c.Type),
			Means: w.whole(w.column(at, view)), From: w.sources(at),
		})
	}
	return cols
}

// singles reports whether rows of a node can be single records of a table.
func (w *writer) singles(i int) bool {
	n := w.p.Nodes[i]
	switch {
	case n.Op == ir.Scan:
		return true
	case n.Op == ir.Aggregate:
		// Groups by a key of the input are records again.
		return len(n.Group.Keys) > 0 && w.p.IsUnique(n.In[0], n.Group.Keys) && w.singles(n.In[0])
	case n.Op == ir.JoinOp && n.Join.Kind != ir.Mark:
		return w.singles(n.In[0]) || w.singles(n.In[1])
	}
	return w.singles(n.In[0])
}

// extreme reports whether a column is a smallest or largest value of a group,
// unchanged: some record has it.
func (w *writer) extreme(at place) bool {
	found := false
	w.passes(at, func(at place) bool {
		if n := w.p.Nodes[at.node]; n.Op == ir.Aggregate && at.col >= len(n.Group.Keys) {
			f := n.Group.Aggs[at.col-len(n.Group.Keys)].Func
			found = found || f == ir.Min || f == ir.Max
		}
		return found
	})
	return found
}

// passes follows a column down as long as its values are values of the column
// below, and calls stop for each on the way until it says true.
func (w *writer) passes(at place, stop func(at place) bool) {
	for !stop(at) {
		n := w.p.Nodes[at.node]
		switch n.Op {
		case ir.Filter:
			at = place{n.In[0], at.col}
		case ir.Project:
			e := n.Exprs[at.col]
			for e.Op == "cast" {
				e = e.Args[0]
			}
			if e.Op != "col" {
				return
			}
			at = place{n.In[0], e.Col}
		case ir.JoinOp:
			left := len(w.p.Nodes[n.In[0]].Columns)
			switch {
			case at.col < left:
				at = place{n.In[0], at.col}
			case n.Join.Kind == ir.Mark:
				return
			default:
				at = place{n.In[1], at.col - left}
			}
		case ir.Aggregate:
			col := -1
			if at.col < len(n.Group.Keys) {
				col = n.Group.Keys[at.col]
			} else if agg := n.Group.Aggs[at.col-len(n.Group.Keys)]; agg.Func == ir.Min || agg.Func == ir.Max {
				col = agg.Arg
			}
			if col < 0 {
				return
			}
			at = place{n.In[0], col}
		default:
			return
		}
	}
}

// public lists what everybody in the task knows.
func (w *writer) public() []Fact {
	facts := []Fact{{"public/program", "the program: the names of tables and columns, and all that it computes"}}
	for _, t := range w.p.Tables {
		text := "row bound of " + t.QName() + ", set in the task"
		if w.rows != nil {
			text = fmt.Sprintf("row bound of %s, %s", t.QName(), count(w.rows[t.QName()], "row"))
		}
		facts = append(facts, Fact{"public/bound/" + t.QName(), text})
	}
	for _, t := range w.p.Tables {
		for _, c := range t.Columns {
			name := t.QName() + "." + c.Name
			switch {
			case c.Type.Coded():
				facts = append(facts, Fact{"public/codes/" + name, fmt.Sprintf("code list of %s, %s", name, count(len(c.Type.Codes), "code"))})
			case c.Lo != "" && c.Hi != "":
				facts = append(facts, Fact{"public/range/" + name, fmt.Sprintf("range of %s, %s to %s", name, limit(c.Type, c.Lo), limit(c.Type, c.Hi))})
			}
		}
	}
	return facts
}

// limit writes a bound of a column's range as people write the value.
func limit(t ir.Type, digits string) string {
	v, err := ir.Expr{Op: "lit", Type: t.WithNull(false), Lit: &ir.Lit{Value: digits}}.Value()
	if err != nil {
		return digits
	}
	return ir.Format(t, v)
}

type provided struct {
	code string
	node int
}

// provided lists the inputs in order of owner, numbered for each owner.
func (w *writer) provided() []provided {
	inputs := slices.Clone(w.p.Inputs())
	slices.SortStableFunc(inputs, func(a, b int) int {
		return strings.Compare(string(w.p.Nodes[a].Local), string(w.p.Nodes[b].Local))
	})
	var all []provided
	number := map[joconde.PartyID]int{}
	for _, i := range inputs {
		owner := w.p.Nodes[i].Local
		number[owner]++
		all = append(all, provided{"provides/" + string(owner) + "/" + strconv.Itoa(number[owner]), i})
	}
	return all
}

// atOwners lists what owners compute in the clear and provide.
func (w *writer) atOwners() []Provided {
	all := []Provided{}
	for _, in := range w.provided() {
		p := Provided{Code: in.code, Owner: w.p.Nodes[in.node].Local, Rows: w.rowsOf(in.node), Columns: w.columns(in.code, in.node, "")}
		p.AtMost, _ = w.bound(in.node)
		p.Bound = "padded to the row bound that the task sets for " + w.boundTable(in.node)
		if p.AtMost > 0 {
			p.Bound = "padded to " + count(p.AtMost, "row")
		}
		all = append(all, p)
	}
	return all
}

// kept lists the columns that stay with their owners.
func (w *writer) kept() []Kept {
	sent, used := map[string]bool{}, map[string]bool{}
	for _, i := range w.p.Inputs() {
		for c := range w.p.Nodes[i].Columns {
			w.passes(place{i, c}, func(at place) bool {
				n := w.p.Nodes[at.node]
				if n.Op == ir.Scan {
					sent[w.scanned(n, at.col)] = true
				}
				return n.Op == ir.Scan
			})
		}
	}
	for _, n := range w.p.Nodes {
		if n.Op == ir.Scan {
			for c := range n.Scan {
				used[w.scanned(n, c)] = true
			}
		}
	}
	all := []Kept{}
	for _, t := range w.p.Tables {
		k := Kept{Code: "kept/" + t.QName(), Owner: t.Owner, Table: t.QName(), Used: []string{}, Unused: []string{}}
		for _, c := range t.Columns {
			switch name := t.QName() + "." + c.Name; {
			case sent[name]:
			case used[name]:
				k.Used = append(k.Used, c.Name)
			default:
				k.Unused = append(k.Unused, c.Name)
			}
		}
		if len(k.Used)+len(k.Unused) > 0 {
			all = append(all, k)
		}
	}
	return all
}

// ofSingleRows ends the facts about columns that are secret.
const ofSingleRows = " of any single row"

// secret lists what goes into the computation and that nobody learns directly.
func (w *writer) secret() []Fact {
	shown := map[place]bool{} // columns of inputs that some view shows as they are
	inputs := w.p.Inputs()
	for _, o := range w.p.Outputs {
		for c := range w.p.Nodes[o.Node].Columns {
			w.passes(place{o.Node, c}, func(at place) bool {
				if slices.Contains(inputs, at.node) {
					shown[at] = true
				}
				return false
			})
		}
	}
	facts := []Fact{}
	for _, in := range w.provided() {
		for c, col := range w.columns(in.code, in.node, "") {
			if !shown[place{in.node, c}] {
				facts = append(facts, Fact{"secret/" + col.Code, col.Means + ofSingleRows})
			}
		}
	}
	for _, m := range w.matches() {
		if len(m.learn) == 0 {
			facts = append(facts, Fact{"secret/" + m.code, m.what})
		}
	}
	return facts
}

// match is a join of several owners' rows.
type match struct {
	code, what string
	learn      []joconde.PartyID // who gets a view of single records that rests on it
}

func (w *writer) matches() []match {
	var all []match
	for i, n := range w.p.Nodes {
		if n.Op != ir.JoinOp || n.Local != "" {
			continue
		}
		left, right := w.tablesUnder(n.In[0]), w.tablesUnder(n.In[1])
		m := match{code: "match/" + list(left) + "/" + list(right), what: "which rows of " + list(left) + " belong to rows of " + list(right)}
		if at := slices.IndexFunc(all, func(o match) bool { return o.code == m.code }); at >= 0 {
			m = all[at]
			all = slices.Delete(all, at, at+1)
		}
		for _, o := range w.p.Outputs {
			if w.restsOn(o.Node, i) && w.singles(o.Node) {
				m.learn = append(m.learn, o.To...)
			}
		}
		all = append(all, m)
	}
	return all
}

func (w *writer) restsOn(node, on int) bool {
	seen := make([]bool, len(w.p.Nodes))
	var visit func(i int) bool
	visit = func(i int) bool {
		if i == on {
			return true
		}
		if seen[i] || i < on { // inputs come before a node
			return false
		}
		seen[i] = true
		return slices.ContainsFunc(w.p.Nodes[i].In, visit)
	}
	return visit(node)
}

// openings lists what the engine opens to computing parties, in the order of
// the program's steps.
func (w *writer) openings(declared []Opening) []Opened {
	declared = slices.Clone(declared)
	slices.SortStableFunc(declared, func(a, b Opening) int { return a.Node - b.Node })
	all := []Opened{}
	for i, o := range declared {
		step, views := "the whole computation", []string{}
		if o.Node >= 0 && o.Node < len(w.p.Nodes) {
			switch n := w.p.Nodes[o.Node]; n.Op {
			case ir.JoinOp:
				step = "the matching of " + list(w.tablesUnder(n.In[0])) + " with " + list(w.tablesUnder(n.In[1]))
			case ir.Aggregate:
				step = "the totals over " + list(w.tablesUnder(o.Node))
				if len(n.Group.Keys) > 0 {
					step = "the grouping by " + list(w.keys(n))
				}
			default:
				step = "the work on rows of " + list(w.tablesUnder(o.Node))
			}
			for _, out := range w.p.Outputs {
				if w.restsOn(out.Node, o.Node) {
					views = append(views, out.View)
				}
			}
		}
		all = append(all, Opened{Code: "opening/" + strconv.Itoa(i+1), What: o.What, Why: o.Why, Step: step, Views: views})
	}
	return all
}

// widestExact is the declared width in bytes up to which lowering compares key
// text exactly; wider text is compared by a hash of 128 bits.
const widestExact = 16

// trusted lists what is believed without proof.
func (w *writer) trusted() []Fact {
	// Said under every engine: in this version no engine proves keys, CHECKs or
	// order inside. Under a passive engine nothing could.
	facts := []Fact{}
	for _, t := range w.p.Tables {
		facts = append(facts, Fact{"trusted/owner/" + t.QName(), fmt.Sprintf(
			"That %s obeys its keys, CHECKs and order is the word of the tool of %s. The computing parties do not check it.", t.QName(), t.Owner)})
	}
	var hashed []string
	rows := 0
	for _, i := range w.p.Inputs() {
		counts := false
		for c, col := range w.p.Nodes[i].Columns {
			if col.Type.Kind == ir.Text && !col.Type.Coded() && col.Type.Width > widestExact {
				counts = true
				if name := w.whole(w.column(place{i, c}, "")); !slices.Contains(hashed, name) {
					hashed = append(hashed, name)
				}
			}
		}
		if counts && w.bounds != nil {
			rows += w.bounds[i]
		}
	}
	if len(hashed) > 0 {
		slices.Sort(hashed)
		chance := "at most 2^-40 for up to 2^44 rows"
		if rows > 1<<44 {
			chance = fmt.Sprintf("at most %d × %d ÷ 2^129", rows, rows)
		}
		facts = append(facts, Fact{"trusted/hash", fmt.Sprintf(
			"Compared by the first 128 bits of a SHA-256 hash: %s. The chance that two different values count as equal is %s.", list(hashed), chance)})
	}
	return facts
}

// matrix puts items and parties together.
func (w *writer) matrix(s *Statement) []Item {
	items := []Item{}
	add := func(code, what string, knows func(party joconde.PartyID) string) {
		item := Item{Code: code, What: what}
		for _, party := range append(slices.Clone(s.Parties), Computing) {
			item.Cells = append(item.Cells, Cell{party, knows(party)})
		}
		items = append(items, item)
	}
	// owned is about a table: its owner has it. Who gets a view that rests on
	// the table, of single records or of any kind, knows what the two words say.
	owned := func(t ir.Table, single, total string) func(joconde.PartyID) string {
		return func(party joconde.PartyID) string {
			if party == t.Owner {
				return Has
			}
			knows := No
			for _, o := range w.p.Outputs {
				if slices.Contains(o.To, party) && slices.Contains(w.tablesUnder(o.Node), t.QName()) {
					if w.singles(o.Node) {
						return single
					}
					knows = total
				}
			}
			return knows
		}
	}
	told := func(to []joconde.PartyID) func(joconde.PartyID) string {
		return func(party joconde.PartyID) string {
			if slices.Contains(to, party) {
				return Learns
			}
			return No
		}
	}
	for _, t := range w.p.Tables {
		add("rows/"+t.QName(), "rows of "+t.QName(), owned(t, Part, No))
	}
	for _, t := range w.p.Tables {
		add("count/"+t.QName(), "exact number of rows of "+t.QName(), owned(t, Follow, Follow))
	}
	for _, v := range s.Views {
		what := "view " + v.View
		if v.AtMost > 0 {
			what += " (at most " + count(v.AtMost, "row") + ")"
		}
		add(v.Code, what, told(v.To))
	}
	for _, m := range w.matches() {
		add(m.code, m.what, told(m.learn))
	}
	for _, t := range w.p.Tables {
		what := "row bound of " + t.QName()
		if w.rows != nil {
			what += " (" + count(w.rows[t.QName()], "row") + ")"
		}
		add("bound/"+t.QName(), what, func(joconde.PartyID) string { return Public })
	}
	for _, o := range s.Openings {
		add(o.Code, o.What, func(party joconde.PartyID) string {
			if party == Computing {
				return Sees
			}
			return No
		})
	}
	return items
}
