// Package statement derives from a Program and an engine's declaration who
// learns what: the page that lawyers read and that a task carries the digest
// of. Nothing in it is written by hand, so it cannot drift from what runs. It
// sees no data. Where it cannot say something short and exact it says less, and
// never claims more protection than it found. Start with New; words.go puts
// expressions into words and rows.go the way of the rows, guards.go looks for
// output rules, prose.go writes the page.
package statement

import (
	"slices"
	"strings"

	"joconde"
	"joconde/lang/ir"
)

// Engine is what the statement needs of an engine's declaration.
type Engine struct {
	Name              string
	BreaksPrivacy     string // who must pool what they see to learn inputs
	BreaksCorrectness string // who must cheat to falsify results
	Adversary         string // passive | active
	Development       bool   // takes no part in a real task
	Openings          []Opening
}

// Opening is a kind of value that the engine makes known to computing parties.
type Opening struct {
	What string // what is opened
	Why  string // why it says nothing about the data
	Node int    // the Program's node that it belongs to; -1 for none
}

// Statement says who learns what. Every entry has a code that stays the same
// as long as it speaks of the same thing, so that two versions can be compared.
type Statement struct {
	Format   int               `json:"format"`  // 1
	Parties  []joconde.PartyID `json:"parties"` // who provides or learns something, in byte order
	Matrix   []Item            `json:"matrix"`
	Views    []View            `json:"views"`
	Public   []Fact            `json:"public"`    // what everybody in the task knows
	AtOwners []Provided        `json:"at_owners"` // what owners compute in the clear and provide
	Kept     []Kept            `json:"kept"`      // columns that never leave their owner
	Secret   []Fact            `json:"secret"`    // what never leaves secret form
	Openings []Opened          `json:"openings"`
	Breaks   Breaks            `json:"breaks"`
	Terms    []Term            `json:"terms"`   // in order of name; in texts their names stand in [ ]
	Trusted  []Fact            `json:"trusted"` // what is believed, and what is only almost certain
}

// Computing stands in a Cell for every computing party.
const Computing = joconde.PartyID("each computing party")

// What a party can know of an item.
const (
	Has    = "has"        // it is the party's own
	Learns = "learns"     // the task tells it
	Part   = "part"       // a view tells it columns of single records
	Follow = "may follow" // no view tells it, but it may follow from one
	Public = "public"     // everybody in the task knows
	Sees   = "sees"       // the engine opens it to the party; an Opened says why that tells nothing
	No     = "no"
)

// Item is a row of the matrix.
type Item struct {
	Code  string `json:"code"`
	What  string `json:"what"`
	Cells []Cell `json:"cells"` // one for each of Parties, then Computing
}

// Cell says what one party knows of an item.
type Cell struct {
	Party joconde.PartyID `json:"party"`
	Knows string          `json:"knows"` // one of the words above
}

// View is one granted view: the only way by which anybody learns anything.
type View struct {
	Code    string            `json:"code"`
	View    string            `json:"view"`
	To      []joconde.PartyID `json:"to"`
	Columns []Column          `json:"columns"`
	Row     string            `json:"row"`     // what one row stands for
	Steps   []string          `json:"steps"`   // how these rows come about, but for minimum counts, which are Guards
	AtMost  int               `json:"at_most"` // rows; 0 where the task's row bounds are not given and nothing else bounds them
	Bound   string            `json:"bound"`   // the bound in words
	Guards  []Guard           `json:"guards"`  // never empty: the code guard/none stands for none
	Notes   []Fact            `json:"notes"`   // what a reviewer should notice
}

// Column is a column of a view and where its values come from.
type Column struct {
	Code  string   `json:"code"`
	Name  string   `json:"name"`
	Type  string   `json:"type"`
	Means string   `json:"means"` // in words
	From  []string `json:"from"`  // the columns of tables that its value is made of
}

// Guard is an output rule that the program applies inside the computation.
type Guard struct {
	Code    string `json:"code"`
	What    string `json:"what"`
	AtLeast int    `json:"at_least,omitempty"` // minimum count
	Of      string `json:"of,omitempty"`       // the value that is counted or that dominates; empty where rows are counted
	Percent string `json:"percent,omitempty"`  // dominance: the greatest share of one row
}

// Fact is a sentence or two, or a part of one.
type Fact struct {
	Code string `json:"code"`
	What string `json:"what"`
}

// Provided is what one owner computes on its own machine in the clear and then
// splits into shares.
type Provided struct {
	Code    string          `json:"code"`
	Owner   joconde.PartyID `json:"owner"`
	Rows    string          `json:"rows"`    // which rows, in words
	Columns []Column        `json:"columns"` // what is split into shares, of each row
	AtMost  int             `json:"at_most"` // rows it is padded to; 0 where the task's bounds are not given
	Bound   string          `json:"bound"`
}

// Kept lists columns of one table that are not provided as they are.
type Kept struct {
	Code   string          `json:"code"`
	Owner  joconde.PartyID `json:"owner"`
	Table  string          `json:"table"`
	Used   []string        `json:"used"`   // the owner computes with them, in the clear
	Unused []string        `json:"unused"` // the program does not use them
}

// Opened is an opening to the computing parties.
type Opened struct {
	Code string `json:"code"`
	What string `json:"what"`
	Why  string `json:"why"`
	Step string `json:"step"` // the step of the program, in words

	Views []string `json:"views"` // those that rest on the step
}

// Breaks says what the engine withstands, in its own words.
type Breaks struct {
	Engine      string `json:"engine"`
	Adversary   string `json:"adversary"`
	Privacy     string `json:"privacy"`
	Correctness string `json:"correctness"`
	Development bool   `json:"development"`
}

// New states who learns what when the engine runs p. rows holds the row bound
// of each table by owner.table; it may be nil, since bounds belong to the task.
// p is one that Validate accepts. The same arguments give the same Statement.
func New(p *ir.Program, rows map[string]int, e Engine) *Statement {
	w := newWriter(p, rows)
	s := &Statement{Format: 1, Parties: w.parties()}
	s.Views = w.views()
	s.Public = w.public()
	s.AtOwners = w.atOwners()
	s.Kept = w.kept()
	s.Secret = w.secret()
	s.Openings = w.openings(e.Openings)
	s.Breaks = Breaks{
		Engine: e.Name, Adversary: e.Adversary, Development: e.Development,
		Privacy: e.BreaksPrivacy, Correctness: e.BreaksCorrectness,
	}
	s.Trusted = w.trusted()
	s.Matrix = w.matrix(s)
	s.Terms = w.terms
	slices.SortFunc(s.Terms, func(a, b Term) int { return strings.Compare(a.Name, b.Name) })
	return s
}
