package lower

import (
	"math/big"

	"joconde/lang/ir"
)

func div(s *scope, x ir.Expr, a []*value) *value {
	return s.divided(x, a[0], a[1], x.Type.Scale-a[0].t.Scale+a[1].t.Scale, true)
}

func idiv(s *scope, x ir.Expr, a []*value) *value {
	return s.divided(x, a[0], a[1], 0, false)
}

// divided gives a·10^shift / b as whole units of x's scale: rounded half away
// from zero (floor of (2|a|·10^shift + |b|) / 2|b|, with the sign), or
// truncated toward zero. The checker has proven that b is not zero where it is
// present; elsewhere the quotient is a bounded word that nobody reads.
func (s *scope) divided(x ir.Expr, a, b *value, shift int, round bool) *value {
	if a.null() || b.null() {
		return s.e.fromNull(x.Type, s.rows)
	}
	lo, hi := s.of(x)
	return s.quotient(x, a, b, shift, round, lo, hi)
}

// quotient is divided for a result between lo and hi.
func (s *scope) quotient(x ir.Expr, a, b *value, shift int, round bool, lo, hi *big.Int) *value {
	factor := power10(shift)
	top := new(big.Int).Mul(largest(a), factor)
	bottom := largest(b)
	if round {
		factor.Lsh(factor, 1)
		top.Lsh(top, 1).Add(top, bottom)
		bottom = new(big.Int).Lsh(bottom, 1)
	}
	present := s.bothPresent(a, b)

	dividend, divisor, sign := s.fraction(a, b, factor, top, bottom, round)
	q := s.e.same(OpDivB, dividend, divisor)
	// |quotient| is at most the greatest of the result's range wherever the
	// value is present.
	limit := new(big.Int).Abs(lo)
	if h := new(big.Int).Abs(hi); h.Cmp(limit) > 0 {
		limit = h
	}
	q = s.e.slice(q, 0, min(bitsFor(limit), s.e.shape(q).Bits))
	if sign == none {
		return s.e.fromBits(x.Type, q, new(big.Int), lo, hi, present)
	}
	k := ringFor(lo, hi)
	r := s.signed(s.e.toRing(q, k), s.e.toRing(sign, k))
	return s.e.fromRing(x.Type, r, lo, hi, present)
}

// fraction gives |a|·factor (plus |b| when rounding) and |b| (twice, when
// rounding) as unsigned words, and the sign of the quotient as a bit.
func (s *scope) fraction(a, b *value, factor, top, bottom *big.Int, round bool) (dividend, divisor, sign Reg) {
	width := bitsFor(top)
	k := 128
	for _, ring := range []int{64, 32} {
		if width <= ring {
			k = ring
		}
	}
	signA, signB := s.negative(a), s.negative(b)
	switch {
	case signA == none:
		sign = signB
	case signB == none:
		sign = signA
	default:
		sign = s.e.xor(signA, signB)
	}
	absB := s.absolute(b, signB)
	if round {
		divisor = s.e.resize(s.e.shiftLeft(absB, 1), bitsFor(bottom))
	} else {
		divisor = s.e.resize(absB, bitsFor(bottom))
	}
	absA := s.absolute(a, signA)
	if !round && factor.IsInt64() && factor.Int64() == 1 {
		return absA, divisor, sign
	}
	if width <= k {
		r := s.e.scale(s.e.toRing(absA, k), factor)
		if round {
			r = s.e.ringOp(OpAdd, r, s.e.toRing(absB, k))
		}
		return s.e.toBits(r, width), divisor, sign
	}
	// Wider than any ring.
	c := s.e.constant(Shape{Bits: bitsFor(factor), Rows: s.rows}, factor)
	dividend = s.e.emit(OpMulB, Shape{Bits: width, Rows: s.rows}, absA, c)
	if round {
		dividend = s.e.addBits(dividend, s.e.resize(absB, width))
	}
	return dividend, divisor, sign
}

// absolute gives |v| as a word; sign is the bit "v < 0".
func (s *scope) absolute(v *value, sign Reg) Reg {
	width := bitsFor(largest(v))
	if sign == none {
		return s.e.word(v, new(big.Int), width)
	}
	// In two's complement on one more bit: -v = not v + 1.
	w := s.e.word(v, new(big.Int), width+1)
	flip := s.e.emit(OpSpread, s.e.shape(w), sign)
	one := s.e.resize(sign, width+1)
	return s.e.slice(s.e.addBits(s.e.xor(w, flip), one), 0, width)
}
