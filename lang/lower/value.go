package lower

import (
	"math/big"

	"joconde/lang/ir"
)

// value is a column, or an expression over columns, as registers. Conversions
// between carriers are made when first asked for and kept.
type value struct {
	t       ir.Type
	lo, hi  *big.Int // range of the values that are present
	rows    int
	present Reg // none: never NULL

	// Where known is set, every present value is that public constant.
	known *big.Int

	// bits, if not none, is the value minus base as an unsigned word.
	bits Reg
	base *big.Int

	// ring holds the value modulo 2^k, by k.
	ring map[int]Reg
}

// null says that the value is the literal NULL.
func (v *value) null() bool { return v.known == nil && v.bits == none && v.ring == nil }

func (e *emitter) fromBits(t ir.Type, bits Reg, base, lo, hi *big.Int, present Reg) *value {
	return &value{t: t, lo: lo, hi: hi, rows: e.shape(bits).Rows, present: present, bits: bits, base: base}
}

func (e *emitter) fromRing(t ir.Type, ring Reg, lo, hi *big.Int, present Reg) *value {
	s := e.shape(ring)
	if bitsFor(new(big.Int).Sub(hi, lo)) > s.Ring {
		panic("lower: a value is wider than its ring") // ours: rings are chosen by range
	}
	return &value{t: t, lo: lo, hi: hi, rows: s.Rows, present: present, bits: none, ring: map[int]Reg{s.Ring: ring}}
}

func (e *emitter) fromBool(bit, present Reg) *value {
	t := ir.Type{Kind: ir.Bool, Nullable: present != none}
	return e.fromBits(t, bit, new(big.Int), new(big.Int), big.NewInt(1), present)
}

func (e *emitter) fromKnown(t ir.Type, n *big.Int, rows int) *value {
	return &value{t: t, lo: n, hi: n, rows: rows, present: none, known: n, bits: none}
}

// knownAs is the known v as another constant of type t, where v is present.
func (e *emitter) knownAs(v *value, t ir.Type, n *big.Int) *value {
	w := e.fromKnown(t, n, v.rows)
	w.present = v.present
	return w
}

func (e *emitter) fromNull(t ir.Type, rows int) *value {
	zero := new(big.Int)
	return &value{t: t, lo: zero, hi: zero, rows: rows, present: e.bit(rows, 0), bits: none}
}

// narrow takes lo … hi for the value's range where it is the tighter one. A
// range is never widened: the value's ring was chosen by it.
func (v *value) narrow(lo, hi *big.Int) {
	if lo.Cmp(v.lo) >= 0 && hi.Cmp(v.hi) <= 0 {
		v.lo, v.hi = lo, hi
	}
}

// easyBits says that the value is or becomes bits without any message.
func (v *value) easyBits() bool { return v.bits != none || v.known != nil || v.null() }

// word gives the value minus base as an unsigned word of width bits. Every
// present value must fit; what stands where the value is NULL is unspecified.
func (e *emitter) word(v *value, base *big.Int, width int) Reg {
	s := Shape{Bits: width, Rows: v.rows}
	switch {
	case v.null():
		return e.constant(s, new(big.Int))
	case v.known != nil:
		return e.constant(s, new(big.Int).Sub(v.known, base))
	case v.bits == none:
		// Bring the value to bits at its own base, once, for all later uses.
		v.bits, v.base = e.ringWord(v, v.lo, bitsFor(new(big.Int).Sub(v.hi, v.lo))), v.lo
	}
	if v.base.Cmp(base) == 0 {
		return e.resize(v.bits, width)
	}
	// The sum is taken modulo 2^width: exact, because every present value fits.
	shift := new(big.Int).Sub(v.base, base)
	return e.addBits(e.resize(v.bits, width), e.constant(s, shift))
}

// ringWord converts a value that exists only in a ring to bits.
func (e *emitter) ringWord(v *value, base *big.Int, width int) Reg {
	for _, k := range []int{32, 64, 128} {
		if r, ok := v.ring[k]; ok && width <= k {
			return e.toBits(e.offset(r, new(big.Int).Neg(base)), width)
		}
	}
	panic("lower: a value is wider than its ring") // ours: rings are chosen by range
}

// tight gives the value minus its least value, on just the bits of its range.
func (e *emitter) tight(v *value) (bits Reg, base *big.Int) {
	base = v.least()
	bits = e.word(v, base, v.width())
	if v.known == nil && !v.null() && bits != v.bits {
		v.bits, v.base = bits, base
	}
	return bits, base
}

// least is the value that tight gives as the word zero.
func (v *value) least() *big.Int {
	if v.t.Kind == ir.Text || v.t.Kind == ir.Bool {
		return new(big.Int)
	}
	return v.lo
}

// width is the number of bits of tight.
func (v *value) width() int {
	if v.t.Kind == ir.Text || v.t.Kind == ir.Bool {
		_, hi := interval(v.t, ir.Interval{})
		return bitsFor(hi)
	}
	return bitsFor(new(big.Int).Sub(v.hi, v.lo))
}

// inRing gives the value modulo 2^k.
func (e *emitter) inRing(v *value, k int) Reg {
	if r, ok := v.ring[k]; ok {
		return r
	}
	var r Reg
	if v.known != nil || v.null() {
		n := v.known
		if n == nil {
			n = new(big.Int)
		}
		r = e.constant(Shape{Ring: k, Rows: v.rows}, n)
	} else {
		bits, base := v.bits, v.base
		if bits == none {
			bits, base = e.tight(v)
		}
		r = e.offset(e.toRing(bits, k), base)
	}
	if v.ring == nil {
		v.ring = map[int]Reg{}
	}
	v.ring[k] = r
	return r
}

// isPresent gives the presence bit as a register, a constant if never NULL.
func (e *emitter) isPresent(v *value) Reg {
	if v.present == none {
		return e.bit(v.rows, 1)
	}
	return v.present
}

// canonical gives the bits of tight with zero wherever the value is NULL. It
// does not rely on owners to have put zeros there: an owner that did not would
// make one group of NULLs many, and push out those of others.
func (e *emitter) canonical(v *value) (bits Reg, base *big.Int) {
	bits, base = e.tight(v)
	if v.present == none || v.null() {
		return bits, base
	}
	return e.mask(v.present, bits), base
}
