package lower

import (
	"math/big"

	"joconde"
	"joconde/lang/ir"
)

// none stands for a register that does not exist: a column that is never NULL
// has no presence bit.
const none Reg = -1

// emitter appends instructions. Its methods are the vector operations, each
// returning the register of its result; the shapes of results follow from
// those of the sources, so a mistake in lowering is found by Validate.
type emitter struct {
	v       *Vector
	node    int              // the Program node that is being lowered
	refused *joconde.Problem // the first expression that shares cannot express
}

// refuse notes that an expression cannot be lowered. Whoever calls it goes on
// with registers that nobody will use.
func (e *emitter) refuse(code, what, why, do string) {
	if e.refused == nil {
		e.refused = &joconde.Problem{Code: code, What: what, Why: why, Do: do, LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid}
	}
}

func (e *emitter) reg(s Shape) Reg {
	e.v.Regs = append(e.v.Regs, s)
	return Reg(len(e.v.Regs) - 1)
}

func (e *emitter) emit(op Op, dst Shape, src ...Reg) Reg {
	return e.emitInt(op, dst, 0, "", src...)
}

func (e *emitter) emitInt(op Op, dst Shape, n int, constant string, src ...Reg) Reg {
	r := e.reg(dst)
	e.v.Code = append(e.v.Code, Instr{Op: op, Dst: []Reg{r}, Src: src, Int: n, Const: constant, Node: e.node})
	return r
}

// emitMany appends an operation with payload: result i has shape shapes[i].
func (e *emitter) emitMany(op Op, shapes []Shape, src ...Reg) []Reg {
	dst := make([]Reg, len(shapes))
	for i, s := range shapes {
		dst[i] = e.reg(s)
	}
	e.v.Code = append(e.v.Code, Instr{Op: op, Dst: dst, Src: src, Node: e.node})
	return dst
}

func (e *emitter) shape(r Reg) Shape { return e.v.Regs[r] }

// constant gives a register whose rows are all n modulo the carrier.
func (e *emitter) constant(s Shape, n *big.Int) Reg {
	return e.emitInt(OpConst, s, 0, modulo(n, s.Bits+s.Ring).String())
}

// modulo gives the representative of n between 0 and 2^bits-1.
func modulo(n *big.Int, bits int) *big.Int {
	m := new(big.Int).Lsh(big.NewInt(1), uint(bits))
	return m.Mod(n, m)
}

func (e *emitter) bit(rows int, b int64) Reg {
	return e.constant(Shape{Bits: 1, Rows: rows}, big.NewInt(b))
}

func (e *emitter) same(op Op, src ...Reg) Reg { return e.emit(op, e.shape(src[0]), src...) }

func (e *emitter) xor(a, b Reg) Reg { return e.same(OpXor, a, b) }
func (e *emitter) not(a Reg) Reg    { return e.same(OpNot, a) }
func (e *emitter) and(a, b Reg) Reg { return e.same(OpAnd, a, b) }
func (e *emitter) or(a, b Reg) Reg  { return e.same(OpOr, a, b) }

// andPresent treats none as the bit that is always 1.
func (e *emitter) andPresent(a, b Reg) Reg {
	switch {
	case a == none:
		return b
	case b == none || a == b:
		return a
	}
	return e.and(a, b)
}

func (e *emitter) mask(bit, x Reg) Reg { return e.emit(OpMask, e.shape(x), bit, x) }
func (e *emitter) mux(bit, x, y Reg) Reg {
	return e.emit(OpMux, e.shape(x), bit, x, y)
}

func (e *emitter) cat(src ...Reg) Reg {
	if len(src) == 1 {
		return src[0]
	}
	s := e.shape(src[0])
	s.Bits = 0
	for _, r := range src {
		s.Bits += e.shape(r).Bits
	}
	return e.emit(OpCat, s, src...)
}

// slice gives bits lo … lo+width-1 of x.
func (e *emitter) slice(x Reg, lo, width int) Reg {
	s := e.shape(x)
	if lo == 0 && width == s.Bits {
		return x
	}
	return e.emitInt(OpBits, Shape{Bits: width, Rows: s.Rows}, lo, "", x)
}

// resize cuts x to width bits or extends it by zeros.
func (e *emitter) resize(x Reg, width int) Reg {
	s := e.shape(x)
	if width <= s.Bits {
		return e.slice(x, 0, width)
	}
	return e.cat(x, e.constant(Shape{Bits: width - s.Bits, Rows: s.Rows}, new(big.Int)))
}

// shiftLeft multiplies by 2^n, growing the word.
func (e *emitter) shiftLeft(x Reg, n int) Reg {
	if n == 0 {
		return x
	}
	return e.cat(e.constant(Shape{Bits: n, Rows: e.shape(x).Rows}, new(big.Int)), x)
}

func (e *emitter) test(op Op, a, b Reg) Reg {
	return e.emit(op, Shape{Bits: 1, Rows: e.shape(a).Rows}, a, b)
}

func (e *emitter) testConst(op Op, a Reg, c *big.Int) Reg {
	return e.emitInt(op, Shape{Bits: 1, Rows: e.shape(a).Rows}, 0, c.String(), a)
}

func (e *emitter) toRing(x Reg, k int) Reg {
	s := e.shape(x)
	if s.Bits > k {
		x = e.slice(x, 0, k)
	}
	return e.emit(OpToR, Shape{Ring: k, Rows: s.Rows}, x)
}

func (e *emitter) toBits(x Reg, width int) Reg {
	return e.emit(OpToB, Shape{Bits: width, Rows: e.shape(x).Rows}, x)
}

func (e *emitter) ringOp(op Op, a, b Reg) Reg { return e.same(op, a, b) }

func (e *emitter) scale(x Reg, c *big.Int) Reg {
	if c.IsInt64() && c.Int64() == 1 {
		return x
	}
	s := e.shape(x)
	return e.emitInt(OpScale, s, 0, modulo(c, s.Ring).String(), x)
}

func (e *emitter) offset(x Reg, c *big.Int) Reg {
	if c.Sign() == 0 {
		return x
	}
	s := e.shape(x)
	return e.emitInt(OpOffset, s, 0, modulo(c, s.Ring).String(), x)
}

func (e *emitter) addBits(x, y Reg) Reg { return e.same(OpAddB, x, y) }

func (e *emitter) appendRows(a, b Reg) Reg {
	s := e.shape(a)
	s.Rows += e.shape(b).Rows
	return e.emit(OpAppend, s, a, b)
}

// rows gives rows from … from+n-1 of x.
func (e *emitter) rows(x Reg, from, n int) Reg {
	s := e.shape(x)
	if from == 0 && n == s.Rows {
		return x
	}
	s.Rows = n
	return e.emitInt(OpHead, s, from, "", x)
}

// sort orders rows by key and carries the payload along.
func (e *emitter) sort(key Reg, payload ...Reg) (Reg, []Reg) {
	shapes := make([]Shape, 0, len(payload)+1)
	src := append([]Reg{key}, payload...)
	for _, r := range src {
		shapes = append(shapes, e.shape(r))
	}
	e.open("the order of the rows of a sort, after they were put in a secret random order and every row got a secret number of its own: it is a random order whatever the data")
	dst := e.emitMany(OpSort, shapes, src...)
	return dst[0], dst[1:]
}

// partition keeps the first n rows, those whose bit is 1 first.
func (e *emitter) partition(bit Reg, n int, payload ...Reg) []Reg {
	shapes := make([]Shape, 0, len(payload))
	for _, r := range payload {
		s := e.shape(r)
		s.Rows = n
		shapes = append(shapes, s)
	}
	e.open("the places to which rows move, after they were put in a secret random order: they are a random order whatever the data")
	return e.emitMany(OpPartition, shapes, append([]Reg{bit}, payload...)...)
}

// open declares that the next instruction opens values.
func (e *emitter) open(why string) {
	e.v.Openings = append(e.v.Openings, Opening{Instr: len(e.v.Code), Node: e.node, Why: why})
}

// bitsFor is how many bits hold the integers 0 … span, at least one.
func bitsFor(span *big.Int) int { return max(1, span.BitLen()) }

// ringFor is the smallest ring that tells the integers lo … hi apart, or 0.
func ringFor(lo, hi *big.Int) int {
	n := bitsFor(new(big.Int).Sub(hi, lo))
	for _, k := range []int{32, 64, 128} {
		if n <= k {
			return k
		}
	}
	return 0
}

// interval gives the range of a value of type t as lowering carries it: for a
// code the positions in its list, for a bool 0 and 1.
func interval(t ir.Type, iv ir.Interval) (lo, hi *big.Int) {
	switch {
	case t.Kind == ir.Bool:
		return new(big.Int), big.NewInt(1)
	case t.Kind == ir.Text && len(t.Codes) > 0:
		return new(big.Int), big.NewInt(int64(len(t.Codes) - 1))
	case t.Kind == ir.Text:
		hi := new(big.Int).Lsh(big.NewInt(1), uint(keyBits(t)))
		return new(big.Int), hi.Sub(hi, big.NewInt(1))
	}
	return iv.Lo, iv.Hi
}

// packedWidth is the greatest declared width at which key text is compared
// exactly, in bytes of UTF-8; longer text is compared by hash.
const packedWidth = 16

// hashBits is the width of a hashed key. Among n texts two different ones
// collide with probability at most n²/2^129.
const hashBits = 128

func keyBits(t ir.Type) int {
	if t.Width <= packedWidth {
		return 8 * max(1, t.Width)
	}
	return hashBits
}

// encoding says how the values lo … hi of type t stand in a field.
func encoding(t ir.Type, lo, hi *big.Int) Encoding {
	switch {
	case t.Kind == ir.Text && len(t.Codes) > 0:
		return Encoding{Kind: Code, Bits: bitsFor(hi), Codes: t.Codes}
	case t.Kind == ir.Text && t.Width <= packedWidth:
		return Encoding{Kind: Packed, Bits: keyBits(t)}
	case t.Kind == ir.Text:
		return Encoding{Kind: Hashed, Bits: hashBits}
	}
	return Encoding{Kind: Offset, Bits: bitsFor(new(big.Int).Sub(hi, lo)), Lo: lo.String()}
}
