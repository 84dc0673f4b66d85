package syntax

// Script is a program text, statement by statement.
type Script struct {
	Statements []Statement
	refused    []finding // what the parser refused: see Report.Include
}

// Statement is one of CreateSchema, CreateTable, CreateView and Grant.
type Statement interface{ statement() }

// Name is an identifier as PostgreSQL reads it: in lower case unless quoted.
type Name struct {
	Text string
	Pos  int // byte offset
}

// CreateSchema declares a party that provides data.
type CreateSchema struct {
	Name Name
}

// CreateTable declares what a party provides. Constraints of columns stand
// with those of the table.
type CreateTable struct {
	Schema, Name Name // Schema.Text is empty where the text names none
	Columns      []ColumnDef
	Keys         []Key
	Checks       []Expr
}

// ColumnDef is one column of a table.
type ColumnDef struct {
	Name    Name
	Type    TypeName // Base is BadType where the type was refused
	NotNull bool
}

// Key is PRIMARY KEY or UNIQUE.
type Key struct {
	Pos     int
	Primary bool
	Columns []Name
}

// Base is a type of SQL without its size.
type Base string

// The types of this version.
const (
	BadType  Base = ""
	SmallInt Base = "SMALLINT"
	Integer  Base = "INTEGER"
	BigInt   Base = "BIGINT"
	Decimal  Base = "DECIMAL"
	Boolean  Base = "BOOLEAN"
	Date     Base = "DATE"
	Char     Base = "CHAR"
	VarChar  Base = "VARCHAR"
	Text     Base = "TEXT"
)

// TypeName is a type as written.
type TypeName struct {
	Pos              int
	Base             Base
	Precision, Scale int // Decimal
	Width            int // Char and VarChar; 0: VARCHAR without a length
}

// CreateView names a query. Nobody learns it without a Grant.
type CreateView struct {
	Name    Name
	Columns []Name  // CREATE VIEW v (a, b) AS
	Query   *Select // nil where the query was refused
}

// Grant opens views to parties.
type Grant struct {
	Pos   int
	Views []Relation
	To    []Name
}

// Relation names a view, or a table by schema.table.
type Relation struct {
	Pos          int
	Schema, Name string
}

// Select is a query.
type Select struct {
	Pos     int
	Items   []Item
	From    From
	Where   Expr // nil if absent
	GroupBy []Expr
	Having  Expr // nil if absent
}

// Item is one item of a select list: an expression, * or t.*.
type Item struct {
	Pos   int
	Star  bool
	Of    []string // t of t.*, or schema and table
	Expr  Expr
	Alias string
}

// From is one of FromTable, FromQuery and FromJoin.
type From interface{ from() }

// FromTable uses a table or a view.
type FromTable struct {
	Relation
	Alias string
}

// FromQuery uses a query in parentheses.
type FromQuery struct {
	Pos   int
	Query *Select
	Alias string
}

// JoinKind is INNER or LEFT.
type JoinKind string

// The kinds of join of this version.
const (
	Inner JoinKind = "INNER"
	Left  JoinKind = "LEFT"
)

// FromJoin joins on a condition or on columns of the same names.
type FromJoin struct {
	Pos         int
	Kind        JoinKind
	Left, Right From
	On          Expr
	Using       []Name
}

// Expr is an expression.
type Expr interface {
	// Offset is where in the text it is to be pointed at.
	Offset() int
}

// At is the position of an expression; all of them embed it.
type At struct{ Pos int }

// Offset is the byte offset in the program text.
func (a At) Offset() int { return a.Pos }

// Bad stands where an expression was refused; a Problem says why.
type Bad struct{ At }

// Column names a column: column, t.column or schema.t.column.
type Column struct {
	At
	Parts []string
}

// LiteralKind says how a literal was written.
type LiteralKind string

// The kinds of literals.
const (
	NullLiteral   LiteralKind = "null"
	BoolLiteral   LiteralKind = "bool"   // Text is "true" or "false"
	NumberLiteral LiteralKind = "number" // Text is digits, perhaps with a sign and a point
	TextLiteral   LiteralKind = "text"
)

// Literal is a constant.
type Literal struct {
	At
	Kind LiteralKind
	Text string
}

// Negative is -X.
type Negative struct {
	At
	X Expr
}

// Binary is L Op R, where Op is one of + - * / = <> < <= > >=.
type Binary struct {
	At
	Op   string
	L, R Expr
}

// Logic is AND or OR of two or more.
type Logic struct {
	At
	Or   bool
	Args []Expr
}

// Not is NOT X.
type Not struct {
	At
	X Expr
}

// IsNull is X IS [NOT] NULL.
type IsNull struct {
	At
	X   Expr
	Not bool
}

// IsTruth is X IS [NOT] TRUE, FALSE or UNKNOWN.
type IsTruth struct {
	At
	X    Expr
	Word string // "TRUE", "FALSE", "UNKNOWN"
	Not  bool
}

// Between is X [NOT] BETWEEN Lo AND Hi.
type Between struct {
	At
	X, Lo, Hi Expr
	Not       bool
}

// InList is X [NOT] IN (list).
type InList struct {
	At
	X    Expr
	List []Expr
	Not  bool
}

// InQuery is X IN (query). NOT IN is a Not around it.
type InQuery struct {
	At
	X     Expr
	Query *Select
}

// Exists is EXISTS (query).
type Exists struct {
	At
	Query *Select
}

// Case is CASE [Operand] WHEN … THEN … [ELSE …] END.
type Case struct {
	At
	Operand Expr // nil if absent
	Whens   []When
	Else    Expr // nil if absent
}

// When is one WHEN … THEN ….
type When struct {
	Cond, Value Expr
}

// Call is one of the functions COALESCE, NULLIF, ABS, COUNT, SUM, AVG, MIN and
// MAX, by its name in lower case.
type Call struct {
	At
	Func string
	Args []Expr
	Star bool // COUNT(*)
}

// Aggregate reports whether the function is an aggregate.
func (c *Call) Aggregate() bool {
	switch c.Func {
	case "count", "sum", "avg", "min", "max":
		return true
	}
	return false
}

// Cast is CAST(X AS Type), X::Type, or DATE 'literal'.
type Cast struct {
	At
	X    Expr
	Type TypeName
}

func (*CreateSchema) statement() {}
func (*CreateTable) statement()  {}
func (*CreateView) statement()   {}
func (*Grant) statement()        {}

func (*FromTable) from() {}
func (*FromQuery) from() {}
func (*FromJoin) from()  {}
