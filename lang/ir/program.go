// Package ir holds the Program: the typed relational program that people sign,
// that the clear evaluator interprets and that lowering turns into a vector
// program for an engine. It is canonical and content-addressed: Digest is the
// same on every machine. Start with Program; the operations of expressions are
// the table in ops.go.
package ir

import "joconde"

// Program is a topologically sorted list of relational nodes over declared
// tables, and the outputs granted from them. It says nothing of engines, row
// bounds or networks.
type Program struct {
	Format  int      `json:"format"`  // 1
	Tables  []Table  `json:"tables"`  // in order of (owner, name); only those that some node scans
	Nodes   []Node   `json:"nodes"`   // a node's inputs come before it
	Outputs []Output `json:"outputs"` // in order of view name; the only way anybody learns anything
}

// Kind is the kind of a value.
type Kind string

// The kinds. A decimal is an integer scaled by ten to the power Scale; a date
// is the number of days since 1970-01-01; a bool is 0 or 1.
const (
	Int     Kind = "int"
	Decimal Kind = "decimal"
	Bool    Kind = "bool"
	Date    Kind = "date"
	Text    Kind = "text"
)

// Type is the type of a column or an expression. Ranges are not part of it:
// they are inferred (ranges.go) from the tables' columns and row bounds.
type Type struct {
	Kind     Kind     `json:"kind"`
	Scale    int      `json:"scale,omitempty"`    // Decimal: digits after the point
	Codes    []string `json:"codes,omitempty"`    // Text: the public code list, in byte order, without repeats; none means key text
	Width    int      `json:"width,omitempty"`    // key text: greatest length in characters
	Nullable bool     `json:"nullable,omitempty"` // may be NULL
}

// Table is what one party provides.
type Table struct {
	Owner   joconde.PartyID `json:"owner"`
	Name    string          `json:"name"`
	Columns []Column        `json:"columns"` // as declared, in the order of the declaration
	Keys    [][]int         `json:"keys,omitempty"`
	Checks  []Expr          `json:"checks,omitempty"` // over Columns; a row is bad if one is false (NULL passes, as in SQL)
}

// QName is owner.table, as in the program text.
func (t Table) QName() string { return string(t.Owner) + "." + t.Name }

// Column is a named, typed column. Lo and Hi, where not empty, are the
// inclusive range that the declaration promises, as scaled integers in decimal
// (Int, Decimal, Date of a Table; empty elsewhere).
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	Lo   string `json:"lo,omitempty"`
	Hi   string `json:"hi,omitempty"`
}

// NodeOp names a relational operator. The list is closed.
type NodeOp string

// The relational operators of this version of the language.
const (
	Scan      NodeOp = "scan"      // the rows of a table
	Project   NodeOp = "project"   // one expression for each column
	Filter    NodeOp = "filter"    // rows for which Exprs[0] is true
	JoinOp    NodeOp = "join"      // see Join
	Aggregate NodeOp = "aggregate" // see Grouping
)

// Node is one relational operator applied to earlier nodes.
type Node struct {
	Op      NodeOp   `json:"op"`
	In      []int    `json:"in,omitempty"`    // indices into Program.Nodes, all smaller than this node's
	Table   string   `json:"table,omitempty"` // Scan: owner.table
	Scan    []int    `json:"scan,omitempty"`  // Scan: which columns of the table, in ascending order
	Exprs   []Expr   `json:"exprs,omitempty"` // Project: one for each column. Filter: one predicate
	Join    *Join    `json:"join,omitempty"`
	Group   *Group   `json:"group,omitempty"`
	Columns []Column `json:"columns"`          // names and types of the result
	Unique  [][]int  `json:"unique,omitempty"` // sets of result columns on which no two rows agree; [[]] means at most one row
	// Local names the one party whose tables alone this node rests on: that
	// party computes it in the clear. Empty: computed on shares.
	Local joconde.PartyID `json:"local,omitempty"`

	View string `json:"-"` // the view that the node comes from, for messages
	Pos  int    `json:"-"` // byte offset in the program text, for messages
}

// JoinKind is the kind of a join.
type JoinKind string

// The kinds of join. Inner and Left give the left columns and then the right
// ones (nullable in Left). Mark keeps every left row once and appends one
// non-null bool column: whether any right row has the same key; it is EXISTS.
const (
	Inner JoinKind = "inner"
	Left  JoinKind = "left"
	Mark  JoinKind = "mark"
)

// Join pairs rows whose key columns are equal; NULL equals nothing. The right
// input is unique on Right in Inner and Left (the compiler swaps an inner
// join's sides where needed), so each left row finds at most one partner.
type Join struct {
	Kind  JoinKind `json:"kind"`
	Left  []int    `json:"left"`  // key columns of In[0]
	Right []int    `json:"right"` // key columns of In[1], same length and comparable types
}

// Group is GROUP BY: result columns are Keys and then Aggs. NULL keys form one
// group. With no Keys there is exactly one result row, also for no input row.
type Group struct {
	Keys []int `json:"keys,omitempty"` // columns of In[0]
	Aggs []Agg `json:"aggs,omitempty"`
}

// Agg is one aggregate function; its result type is that of the node's column.
type Agg struct {
	Func AggFunc `json:"func"`
	Arg  int     `json:"arg"` // a column of In[0]; -1 for CountStar
}

// AggFunc names an aggregate function. Except CountStar they ignore NULLs; of
// no value Sum, Avg, Min and Max are NULL.
type AggFunc string

// The aggregate functions. Avg has scale max(6, scale of its argument) and is
// rounded half away from zero.
const (
	CountStar AggFunc = "count_star"
	Count     AggFunc = "count"
	Sum       AggFunc = "sum"
	Avg       AggFunc = "avg"
	Min       AggFunc = "min"
	Max       AggFunc = "max"
)

// Expr is a scalar expression over the columns of one node. Op is "col", "lit"
// or the name of an operation in the table Ops.
type Expr struct {
	Op   string `json:"op"`
	Col  int    `json:"col,omitempty"` // "col": index of the column
	Lit  *Lit   `json:"lit,omitempty"` // "lit"
	Args []Expr `json:"args,omitempty"`
	Type Type   `json:"type"`

	Pos int `json:"-"` // byte offset in the program text, for messages
}

// Lit is a literal value of its expression's Type: a scaled integer in
// decimal, days since 1970-01-01 in decimal, "0" or "1", or the text itself.
type Lit struct {
	Null  bool   `json:"null,omitempty"`
	Value string `json:"value,omitempty"`
}

// Output is a granted view: To learn the rows of Node and nobody else does.
type Output struct {
	View string            `json:"view"`
	To   []joconde.PartyID `json:"to"` // in byte order, without repeats
	Node int               `json:"node"`
}
