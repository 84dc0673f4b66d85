// Package lower turns a Program with public row bounds into a vector program:
// a straight list of operations on columns of shares, with no branch on
// anything. It is deterministic, linked into the node, and shares no code with
// the clear evaluator. Start with Lower; this file is its target language.
package lower

import (
	"joconde"
)

// Vector is a vector program. Registers are assigned once, before use.
type Vector struct {
	Format   int       `json:"format"` // 1
	Regs     []Shape   `json:"regs"`
	Inputs   []Input   `json:"inputs"`
	Code     []Instr   `json:"code"`
	Outputs  []Output  `json:"outputs"`
	Openings []Opening `json:"openings"` // what Code opens to the computing parties, one entry for each opening instruction
}

// Reg is the index of a register in Vector.Regs.
type Reg int

// Shape is a register's carrier and public number of rows. Exactly one of Bits
// and Ring is not zero.
type Shape struct {
	Bits int `json:"bits,omitempty"` // Boolean word of this many bits, XOR-shared, bit 0 least significant
	Ring int `json:"ring,omitempty"` // element of Z_2^Ring, additively shared: 32, 64 or 128
	Rows int `json:"rows"`
}

// Instr is one operation. Payload registers follow the fixed sources, and
// their results follow the fixed results, in the same order.
type Instr struct {
	Op    Op     `json:"op"`
	Dst   []Reg  `json:"dst"`
	Src   []Reg  `json:"src,omitempty"`
	Int   int    `json:"int,omitempty"`
	Const string `json:"const,omitempty"` // a public non-negative integer in decimal, below 2^Bits or 2^Ring
	Node  int    `json:"node"`            // index of the Program's node that this belongs to, for progress and for openings
}

// Op names a vector operation; the constants say what each means. B is a
// register of bits, B1 one of one bit, R one of ring elements, X any. Sources
// have the same rows, and results too, unless said otherwise. All integers are
// unsigned; rings wrap.
type Op string

// Local operations: no message.
const (
	OpConst  Op = "const"  // X: every row is Const
	OpXor    Op = "xor"    // B ← B, B: same width
	OpNot    Op = "not"    // B ← B
	OpCat    Op = "cat"    // B ← B…: the first source is the least significant
	OpBits   Op = "bits"   // B ← B: bits Int … Int+width(dst)-1 of the source
	OpSpread Op = "spread" // B ← B1: each bit of the result is the source
	OpAdd    Op = "add"    // R ← R, R
	OpSub    Op = "sub"    // R ← R, R
	OpNeg    Op = "neg"    // R ← R
	OpScale  Op = "scale"  // R ← R: times Const
	OpOffset Op = "offset" // R ← R: plus Const
	OpPsum   Op = "psum"   // R ← R: row i is the sum of rows 0 … i
	OpDiff   Op = "diff"   // R ← R: row i minus row i-1; row 0 unchanged
	OpTotal  Op = "total"  // R, 1 row ← R: sum of all rows
	OpAppend Op = "append" // X ← X…: the rows of the first source, then of the next; same carrier
	OpHead   Op = "head"   // X ← X: rows Int … Int+rows(dst)-1 of the source
	OpDown   Op = "down"   // X ← X: row i is the source's row i-1; row 0 is zero
	OpUp     Op = "up"     // X ← X: row i is the source's row i+1; the last is zero
	OpFill   Op = "fill"   // X ← X of 1 row: every row is that row
)

// Operations that exchange messages.
const (
	OpAnd  Op = "and"  // B ← B, B: same width
	OpOr   Op = "or"   // B ← B, B: same width
	OpMask Op = "mask" // B ← B1, B: zero where the bit is 0
	OpMux  Op = "mux"  // B ← B1, B, B: the second source where the bit is 1, else the third
	OpEq   Op = "eq"   // B1 ← B, B
	OpLt   Op = "lt"   // B1 ← B, B: first below second
	OpEqC  Op = "eqc"  // B1 ← B: equal to Const
	OpLtC  Op = "ltc"  // B1 ← B: below Const
	OpMul  Op = "mul"  // R ← R, R
	OpToR  Op = "tor"  // R ← B: width(src) ≤ Ring
	OpToB  Op = "tob"  // B ← R: the width(dst) ≤ Ring low bits
	OpAddB Op = "addb" // B ← B, B: sum modulo 2^width, same width
	OpSubB Op = "subb" // B ← B, B: difference modulo 2^width, same width
	OpMulB Op = "mulb" // B ← B, B: product modulo 2^width(dst); any widths
	OpDivB Op = "divb" // B ← B, B: quotient, rounded down; width(dst) = width of the dividend. Divisor 0: unspecified
)

// Operations that move rows. A payload register may be B or R. Their openings
// are of values that are uniformly distributed whatever the data.
const (
	// OpSort: B, X… ← B key, X…: rows in ascending order of key, stable.
	// It opens the comparisons of distinct shuffled keys (or, when the plan
	// asks for the schedule-fixed sort, random permutations only).
	OpSort Op = "sort"
	// OpPartition: X… ← B1, X…: the rows whose bit is 1 and then the others,
	// both in their order; the results keep the first rows(dst) rows.
	// It opens a random permutation.
	OpPartition Op = "partition"
	// OpShuffle: X… ← X…: rows in an order that nobody knows. Opens nothing.
	OpShuffle Op = "shuffle"
	// OpCopyDown: B… ← B1 head, B…: each row takes the payload of the nearest
	// row at or above it whose head is 1; row 0 counts as a head. Opens nothing.
	OpCopyDown Op = "copydown"
	// OpScanMin, OpScanMax: B ← B1 head, B: the least or greatest among the
	// rows from the nearest head at or above down to this one; row 0 counts as
	// a head. Open nothing.
	OpScanMin Op = "scanmin"
	OpScanMax Op = "scanmax"
)

// Input is what one owner provides to the computing parties for one Program
// node that it computed in the clear, padded to Rows. Rows beyond the real
// ones are zero in every field. Row order carries no meaning.
type Input struct {
	Owner  joconde.PartyID `json:"owner"`
	Node   int             `json:"node"`
	Rows   int             `json:"rows"`
	Fields []Field         `json:"fields"`
}

// Output is a view as registers of equal rows; each goes to every party of To.
// Rows whose validity bit is 0 are zero in every other field.
type Output struct {
	View   string            `json:"view"`
	To     []joconde.PartyID `json:"to"`
	Node   int               `json:"node"`
	Rows   int               `json:"rows"`
	Fields []Field           `json:"fields"`
}

// Field is one register of an Input or Output and what stands in it.
type Field struct {
	Reg    Reg      `json:"reg"`
	What   What     `json:"what"`
	Column int      `json:"column"` // of the node; -1 for Valid
	Enc    Encoding `json:"enc"`
}

// What says what a Field holds.
type What string

// Valid: 1 where the row exists. Present: 1 where the column is not NULL, for
// nullable columns only. Cell: the encoded value, zero where NULL or no row.
const (
	Valid   What = "valid"
	Present What = "present"
	Cell    What = "cell"
)

// Encoding maps a value to an unsigned integer of Bits bits.
type Encoding struct {
	Kind  string   `json:"kind"`
	Bits  int      `json:"bits"`
	Lo    string   `json:"lo,omitempty"`    // Offset: value minus Lo
	Codes []string `json:"codes,omitempty"` // Code: position in this list
}

// The kinds of Encoding.
const (
	Offset = "offset" // Int, Decimal, Date, Bool: scaled integer minus Lo
	Code   = "code"   // Text with a code list
	Packed = "packed" // key text of at most Bits/8 bytes of UTF-8, first byte most significant, zero-padded at the end
	Hashed = "hashed" // key text: the first Bits bits of SHA-256 of its UTF-8; cannot be decoded
)

// Opening declares that an instruction opens values to the computing parties.
type Opening struct {
	Instr int    `json:"instr"` // index into Code
	Node  int    `json:"node"`
	Why   string `json:"why"` // the sentence of the Statement
}
