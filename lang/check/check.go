// Package check turns the tree of a program text into an ir.Program: it
// resolves names, types every expression, follows NULLs, keys and ranges, and
// builds relational nodes. It reports everything that is wrong in one run. What
// it accepts cannot fail on any data: no overflow, no division by zero, no join
// that multiplies rows. The text may come from anybody. Start with Program.
package check

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// Program checks a script, whose text is src and comes from the file of that
// name, and builds the program. The error is joconde.Problems. A script with
// parts that the parser refused never becomes a program: they are reported
// together with what else is wrong.
func Program(file string, src []byte, s *syntax.Script) (*ir.Program, error) {
	c := &checker{
		Report:  syntax.NewReport(file, src),
		p:       &ir.Program{Format: 1},
		schemas: make(map[string]bool),
		tables:  make(map[string]bool),
		views:   make(map[string]int),
		written: make(map[int]syntax.Expr),
		aggs:    make(map[int][]int),
		grants:  make(map[string][]joconde.PartyID),
		end:     len(bytes.TrimRight(src, " \t\r\n")),
	}
	if s == nil {
		s = new(syntax.Script)
	}
	c.Include(s)
	for _, st := range s.Statements {
		c.statement(st)
	}
	c.proveRanges()
	if !c.granted {
		c.Add(c.end, "JOC-L210", "nothing is granted to anybody", "A program says who learns what; this one opens nothing.",
			"Write GRANT SELECT ON view TO party.")
	}
	if !c.Empty() {
		return nil, c.Err()
	}
	if c.incomplete {
		c.Add(0, "JOC-L211", "the program has parts that were refused", "A program without them would be another one.", "Mend what the parser reported.")
		return nil, c.Err()
	}
	p := c.finish()
	if err := p.Validate(); err != nil {
		c.Add(0, "JOC-L212", fmt.Sprintf("the program is too large or too complicated: %v", err),
			"Programs are bounded, so that everybody can check one that comes from the network.", "Split it into several tasks; if it is small, please report it.")
		return nil, c.Err()
	}
	return p, nil
}

type checker struct {
	*syntax.Report
	p          *ir.Program // its tables stand in order of declaration until finish
	schemas    map[string]bool
	tables     map[string]bool     // by owner.table; false if it was refused
	views      map[string]int      // the view's node; refused if that is negative
	written    map[int]syntax.Expr // expressions by their offset, for messages
	aggs       map[int][]int       // offsets of the aggregates of an aggregate node
	grants     map[string][]joconde.PartyID
	granted    bool   // there is a GRANT, right or wrong
	incomplete bool   // something was refused by the parser
	view       string // being built
	parts      int    // of all expressions so far
	end        int    // of the text, without the space after it
}

// refused marks a view whose query is wrong: what uses it is not reported.
const refused = -1

func (c *checker) statement(st syntax.Statement) {
	switch st := st.(type) {
	case *syntax.CreateSchema:
		c.createSchema(st)
	case *syntax.CreateTable:
		c.createTable(st)
	case *syntax.CreateView:
		c.createView(st)
	case *syntax.Grant:
		c.grant(st)
	}
}

func (c *checker) createSchema(s *syntax.CreateSchema) {
	name := s.Name.Text
	switch {
	case name == "public" || name == "spc":
		c.Add(s.Name.Pos, "JOC-L213", fmt.Sprintf("the schema %s is reserved", name),
			"public is for public tables, and spc for the library of statistical functions; a later version of the language will have both.",
			"Choose the name of the party that provides the tables.")
	case c.schemas[name]:
		c.Add(s.Name.Pos, "JOC-L214", fmt.Sprintf("the schema %s is declared twice", name), "A schema is a party that provides data.", "Remove one of the two.")
	default:
		c.party(s.Name)
	}
	c.schemas[name] = true
}

// party checks the name of a party. Names are typed, compared and read aloud,
// so they are plain.
func (c *checker) party(n syntax.Name) joconde.PartyID {
	plain := n.Text != "" && n.Text[0] >= 'a' && n.Text[0] <= 'z'
	for _, b := range []byte(n.Text) {
		plain = plain && (b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || b == '_' || b == '-')
	}
	if !plain {
		c.Add(n.Pos, "JOC-L215", "the name of a party is not plain", "Names of parties are typed, compared and read aloud.",
			"Use the letters a to z, digits and _, beginning with a letter.")
	}
	return joconde.PartyID(n.Text)
}

// plainName checks the name of a table, view or column.
func (c *checker) plainName(n syntax.Name) {
	if n.Text == "" || strings.ContainsFunc(n.Text, unicode.IsControl) || strings.Contains(n.Text, ".") {
		c.Add(n.Pos, "JOC-L216", "a name has a point or a control character in it", "Names appear in messages and documents.", "Use letters, digits and _.")
	}
}

func (c *checker) createView(v *syntax.CreateView) {
	name := v.Name.Text
	c.plainName(v.Name)
	_, twice := c.views[name]
	if twice {
		c.Add(v.Name.Pos, "JOC-L217", fmt.Sprintf("the view %s is declared twice", name), "A view has one meaning throughout the program.", "Choose another name for one of the two.")
	}
	node := refused
	if v.Query == nil {
		c.incomplete = true
	} else {
		c.view = name
		if n, ok := c.query(v.Query, v.Columns); ok {
			node = n
		}
		c.view = ""
	}
	if !twice {
		c.views[name] = node
	}
}

func (c *checker) grant(g *syntax.Grant) {
	c.granted = true
	var to []joconde.PartyID
	for _, name := range g.To {
		to = append(to, c.party(name))
	}
	for _, rel := range g.Views {
		node, isView := c.views[rel.Name]
		_, isTable := c.tables[rel.Schema+"."+rel.Name]
		switch {
		case rel.Schema != "" && isTable:
			c.Add(rel.Pos, "JOC-L218", fmt.Sprintf("the table %s.%s is granted", rel.Schema, rel.Name), "That would open the records themselves.",
				"Make a view of what is to be learnt, and grant that.")
		case rel.Schema != "":
			c.Add(rel.Pos, "JOC-L219", fmt.Sprintf("there is no view %s.%s", rel.Schema, rel.Name), "A view belongs to no schema.", "Write GRANT SELECT ON view TO party.")
		case !isView:
			c.Add(rel.Pos, "JOC-L220", fmt.Sprintf("there is no view %s above", rel.Name), "A program is read from top to bottom.",
				"Declare it with CREATE VIEW before this line, or correct the name.")
		case node != refused:
			c.grants[rel.Name] = append(c.grants[rel.Name], to...)
		}
	}
}

// emit appends a node and gives its index. Its keys and owner follow from its inputs.
func (c *checker) emit(pos int, n ir.Node) int {
	n.Pos, n.View = pos, c.view
	c.p.Nodes = append(c.p.Nodes, n)
	i := len(c.p.Nodes) - 1
	c.p.Nodes[i].Unique = ir.UniqueOf(c.p, i)
	c.p.Nodes[i].Local = ir.LocalOf(c.p, i)
	return i
}

func (c *checker) columns(node int) []ir.Column { return c.p.Nodes[node].Columns }

// finish gives the program of what is granted: its outputs, the nodes that
// they rest on, the tables that these scan, all in their canonical order.
func (c *checker) finish() *ir.Program {
	p := &ir.Program{Format: 1}
	for name, to := range c.grants {
		slices.Sort(to)
		p.Outputs = append(p.Outputs, ir.Output{View: name, To: slices.Compact(to), Node: c.views[name]})
	}
	slices.SortFunc(p.Outputs, func(a, b ir.Output) int { return cmp.Compare(a.View, b.View) })

	used := make([]bool, len(c.p.Nodes))
	for _, o := range p.Outputs {
		used[o.Node] = true
	}
	for i := len(used) - 1; i >= 0; i-- {
		for _, in := range c.p.Nodes[i].In {
			used[in] = used[in] || used[i]
		}
	}
	scanned := make(map[string]bool)
	renumbered := make([]int, len(used))
	for i, n := range c.p.Nodes {
		if !used[i] {
			continue
		}
		in := make([]int, len(n.In))
		for j, from := range n.In {
			in[j] = renumbered[from]
		}
		n.In = in
		scanned[n.Table] = true
		renumbered[i] = len(p.Nodes)
		p.Nodes = append(p.Nodes, n)
	}
	for i := range p.Outputs {
		p.Outputs[i].Node = renumbered[p.Outputs[i].Node]
	}
	for _, t := range c.p.Tables {
		if scanned[t.QName()] {
			p.Tables = append(p.Tables, t)
		}
	}
	slices.SortFunc(p.Tables, func(a, b ir.Table) int {
		return cmp.Or(cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Name, b.Name))
	})
	return p
}
