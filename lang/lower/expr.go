package lower

import (
	"fmt"
	"math/big"
	"slices"

	"joconde/lang/ir"
)

// scope is what an expression may refer to: the columns of one node.
type scope struct {
	e    *emitter
	cols []*value
	ivs  []ir.Interval
	rows int
}

// operations lowers each operation of ir.Ops. It is written without looking at
// the operations' meaning in the clear, against which it is tested.
var operations map[string]func(s *scope, x ir.Expr, args []*value) *value

func init() {
	operations = map[string]func(s *scope, x ir.Expr, args []*value) *value{
		"add": linear(OpAdd), "sub": linear(OpSub), "mul": linear(OpMul),
		"neg": neg, "abs": abs, "div": div, "idiv": idiv, "cast": cast,
		"eq":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.equal(a[0], a[1]), a...) },
		"ne":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.e.not(s.equal(a[0], a[1])), a...) },
		"lt":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.less(a[0], a[1]), a...) },
		"gt":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.less(a[1], a[0]), a...) },
		"le":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.e.not(s.less(a[1], a[0])), a...) },
		"ge":  func(s *scope, _ ir.Expr, a []*value) *value { return s.compared(s.e.not(s.less(a[0], a[1])), a...) },
		"and": and, "or": or, "not": not, "isnull": isNull,
		"coalesce": coalesce, "nullif": nullIf, "case": caseWhen,
	}
}

// expr lowers x.
func (s *scope) expr(x ir.Expr) *value {
	switch x.Op {
	case "col":
		return s.cols[x.Col]
	case "lit":
		return s.literal(x)
	}
	args := make([]*value, len(x.Args))
	for i, a := range x.Args {
		args[i] = s.expr(a)
	}
	return operations[x.Op](s, x, args)
}

func (s *scope) literal(x ir.Expr) *value {
	if x.Lit.Null {
		return s.e.fromNull(x.Type, s.rows)
	}
	if x.Type.Kind == ir.Text {
		_, hi := interval(x.Type, ir.Interval{})
		n, err := encoding(x.Type, new(big.Int), hi).Encode(ir.Value{Text: x.Lit.Value})
		if err != nil { // cut to the type's width it would stand for another text
			s.e.refuse("JOC-L903", fmt.Sprintf("a text that is written in the program takes more than %d bytes of UTF-8", keyBits(x.Type)/8),
				"keys are packed into as many bytes as their declared length; letters beyond ASCII take two or more",
				"declare the columns that it stands beside wider")
			n = new(big.Int)
		}
		return s.e.fromKnown(x.Type, n, s.rows)
	}
	n, _ := new(big.Int).SetString(x.Lit.Value, 10) // Validate has read it
	return s.e.fromKnown(x.Type, n, s.rows)
}

// of gives the range of x as an integer interval.
func (s *scope) of(x ir.Expr) (lo, hi *big.Int) {
	return interval(x.Type, ir.ExprRange(x, s.ivs))
}

// bothPresent is the presence of an operation that is NULL if an argument is.
func (s *scope) bothPresent(args ...*value) Reg {
	p := none
	for _, a := range args {
		p = s.e.andPresent(p, a.present)
	}
	return p
}

func (s *scope) compared(bit Reg, args ...*value) *value {
	return s.e.fromBool(bit, s.bothPresent(args...))
}

// linear lowers add, sub and mul: in the smallest ring that tells the results
// apart. Operands may wrap in it; the result is right modulo 2^k and so exact.
func linear(op Op) func(*scope, ir.Expr, []*value) *value {
	return func(s *scope, x ir.Expr, a []*value) *value {
		lo, hi := s.of(x)
		k := ringFor(lo, hi)
		present := s.bothPresent(a...)
		var r Reg
		switch {
		case op == OpMul && a[0].known != nil:
			r = s.e.scale(s.e.inRing(a[1], k), a[0].known)
		case op == OpMul && a[1].known != nil:
			r = s.e.scale(s.e.inRing(a[0], k), a[1].known)
		case op == OpAdd && a[1].known != nil:
			r = s.e.offset(s.e.inRing(a[0], k), a[1].known)
		case op == OpSub && a[1].known != nil:
			r = s.e.offset(s.e.inRing(a[0], k), new(big.Int).Neg(a[1].known))
		default:
			r = s.e.ringOp(op, s.e.inRing(a[0], k), s.e.inRing(a[1], k))
		}
		return s.e.fromRing(x.Type, r, lo, hi, present)
	}
}

func neg(s *scope, x ir.Expr, a []*value) *value {
	lo, hi := s.of(x)
	k := ringFor(lo, hi)
	return s.e.fromRing(x.Type, s.e.same(OpNeg, s.e.inRing(a[0], k)), lo, hi, a[0].present)
}

func abs(s *scope, x ir.Expr, a []*value) *value {
	if a[0].lo.Sign() >= 0 {
		v := *a[0]
		return &v
	}
	// |v| = v - 2·sign·v
	k := ringFor(a[0].lo, largest(a[0]))
	r := s.signed(s.e.inRing(a[0], k), s.e.toRing(s.negative(a[0]), k))
	return s.e.fromRing(x.Type, r, new(big.Int), largest(a[0]), a[0].present)
}

// largest is the greatest absolute value in v's range.
func largest(v *value) *big.Int {
	m := new(big.Int).Abs(v.lo)
	if h := new(big.Int).Abs(v.hi); h.Cmp(m) > 0 {
		return h
	}
	return m
}

// negative gives the bit "v < 0", none if v cannot be negative.
func (s *scope) negative(v *value) Reg {
	if v.lo.Sign() >= 0 {
		return none
	}
	return s.below(v, new(big.Int))
}

// signed gives r, negated where sign is 1: r - 2·sign·r.
func (s *scope) signed(r, sign Reg) Reg {
	if sign == none {
		return r
	}
	return s.e.ringOp(OpSub, r, s.e.scale(s.e.ringOp(OpMul, r, sign), big.NewInt(2)))
}

// below gives the bit "v < c" for a public c.
func (s *scope) below(v *value, c *big.Int) Reg {
	if v.lo.Cmp(c) >= 0 {
		return s.e.bit(s.rows, 0)
	}
	if v.hi.Cmp(c) < 0 {
		return s.e.bit(s.rows, 1)
	}
	w, base := s.e.tight(v)
	return s.e.testConst(OpLtC, w, new(big.Int).Sub(c, base))
}

// less gives the bit "a < b".
func (s *scope) less(a, b *value) Reg {
	if a.null() || b.null() {
		return s.e.bit(s.rows, 0)
	}
	if b.known != nil {
		return s.below(a, b.known)
	}
	if a.known != nil { // a < b is not (b < a+1)
		return s.e.not(s.below(b, new(big.Int).Add(a.known, big.NewInt(1))))
	}
	if a.bits != none && b.bits != none && a.base.Cmp(b.base) == 0 {
		x, y := s.e.level(a.bits, b.bits)
		return s.e.test(OpLt, x, y)
	}
	// Otherwise by the sign of the difference, plus 2^m so that it is unsigned:
	// bit m is 1 exactly where the difference is not negative.
	bit, m := s.difference(a, b)
	return s.e.not(s.e.slice(bit, m, 1))
}

// difference gives a - b + 2^m on m+1 bits, where 2^m exceeds every |a - b|.
func (s *scope) difference(a, b *value) (Reg, int) {
	lo := new(big.Int).Sub(a.lo, b.hi)
	hi := new(big.Int).Sub(a.hi, b.lo)
	m := max(lo.BitLen(), hi.BitLen())
	shift := new(big.Int).Lsh(big.NewInt(1), uint(m))
	for _, k := range []int{32, 64, 128} {
		if m+1 <= k {
			d := s.e.ringOp(OpSub, s.e.inRing(a, k), s.e.inRing(b, k))
			return s.e.toBits(s.e.offset(d, shift), m+1), m
		}
	}
	// Wider than any ring: as words. a - b + 2^m = (a-lo) - (b-lo) + 2^m.
	base := a.lo
	if b.lo.Cmp(base) < 0 {
		base = b.lo
	}
	x := s.e.same(OpSubB, s.e.word(a, base, m+1), s.e.word(b, base, m+1))
	return s.e.addBits(x, s.e.constant(s.e.shape(x), shift)), m
}

// level extends the shorter of two words.
func (e *emitter) level(x, y Reg) (Reg, Reg) {
	w := max(e.shape(x).Bits, e.shape(y).Bits)
	return e.resize(x, w), e.resize(y, w)
}

// equal gives the bit "a = b".
func (s *scope) equal(a, b *value) Reg {
	if a.null() || b.null() {
		return s.e.bit(s.rows, 0)
	}
	if a.known != nil {
		a, b = b, a
	}
	if b.known != nil {
		if b.known.Cmp(a.lo) < 0 || b.known.Cmp(a.hi) > 0 {
			return s.e.bit(s.rows, 0)
		}
		if a.known != nil { // both, and equal
			return s.e.bit(s.rows, 1)
		}
		w, base := s.e.tight(a)
		return s.e.testConst(OpEqC, w, new(big.Int).Sub(b.known, base))
	}
	if a.bits != none && b.bits != none && a.base.Cmp(b.base) == 0 {
		x, y := s.e.level(a.bits, b.bits)
		return s.e.test(OpEq, x, y)
	}
	d, m := s.difference(a, b)
	return s.e.testConst(OpEqC, d, new(big.Int).Lsh(big.NewInt(1), uint(m)))
}

// truth gives the bits "is true" and "is false" of a boolean.
func (s *scope) truth(v *value) (isTrue, isFalse Reg) {
	bit := s.e.word(v, new(big.Int), 1)
	if v.present == none {
		return bit, s.e.not(bit)
	}
	isTrue = s.e.and(bit, v.present)
	return isTrue, s.e.xor(v.present, isTrue)
}

// isTrue gives the bit "v is true", as WHERE, HAVING and CASE take it.
func (s *scope) isTrue(v *value) Reg {
	bit := s.e.word(v, new(big.Int), 1)
	return s.e.andPresent(bit, v.present)
}

// and and or join two truths at a time, halving their number each round.
func and(s *scope, x ir.Expr, a []*value) *value { return s.junction(OpAnd, OpOr, a) }

func or(s *scope, x ir.Expr, a []*value) *value { return s.junction(OpOr, OpAnd, a) }

// junction lowers the connective op; the negations obey its dual. A junction
// is present where it is true or false, which is never both.
func (s *scope) junction(op, dual Op, a []*value) *value {
	nullable := false
	for _, v := range a {
		nullable = nullable || v.present != none
	}
	isTrue, isFalse := make([]Reg, len(a)), make([]Reg, len(a))
	for i, v := range a {
		if nullable {
			isTrue[i], isFalse[i] = s.truth(v)
		} else {
			isTrue[i] = s.e.word(v, new(big.Int), 1)
		}
	}
	t := s.e.tree(op, isTrue)
	if !nullable {
		return s.e.fromBool(t, none)
	}
	return s.e.fromBool(t, s.e.xor(t, s.e.tree(dual, isFalse)))
}

// tree joins registers by op, in log-many rounds.
func (e *emitter) tree(op Op, regs []Reg) Reg {
	for len(regs) > 1 {
		var next []Reg
		for i := 0; i+1 < len(regs); i += 2 {
			next = append(next, e.same(op, regs[i], regs[i+1]))
		}
		if len(regs)%2 == 1 {
			next = append(next, regs[len(regs)-1])
		}
		regs = next
	}
	return regs[0]
}

func not(s *scope, x ir.Expr, a []*value) *value {
	return s.e.fromBool(s.e.not(s.e.word(a[0], new(big.Int), 1)), a[0].present)
}

func isNull(s *scope, x ir.Expr, a []*value) *value {
	return s.e.fromBool(s.e.not(s.e.isPresent(a[0])), none)
}

func nullIf(s *scope, x ir.Expr, a []*value) *value {
	same := s.isTrue(s.compared(s.equal(a[0], a[1]), a...))
	v := *a[0]
	v.t = x.Type
	v.narrow(s.of(x))
	v.present = s.e.andPresent(a[0].present, s.e.not(same))
	return &v
}

func coalesce(s *scope, x ir.Expr, a []*value) *value {
	v := a[len(a)-1]
	for i := len(a) - 2; i >= 0; i-- {
		if a[i].present == none {
			v = a[i]
			continue
		}
		p := a[i].present
		both := none
		if v.present != none {
			both = s.e.or(p, v.present)
		}
		v = s.choose(x.Type, p, a[i], v, both)
	}
	return v
}

func caseWhen(s *scope, x ir.Expr, a []*value) *value {
	v := a[len(a)-1]
	for i := len(a) - 3; i >= 0; i -= 2 {
		cond := s.isTrue(a[i])
		present := none
		if a[i+1].present != none || v.present != none {
			present = s.e.mux(cond, s.e.isPresent(a[i+1]), s.e.isPresent(v))
		}
		v = s.choose(x.Type, cond, a[i+1], v, present)
	}
	return v
}

// choose gives a where bit is 1, else b; present is its presence.
func (s *scope) choose(t ir.Type, bit Reg, a, b *value, present Reg) *value {
	// Where one is NULL the other's value does: the presence bit tells.
	if a.null() || b.null() {
		v := *a
		if a.null() {
			v = *b
		}
		v.t, v.present = t, present
		return &v
	}
	lo, hi := a.lo, a.hi
	if b.lo.Cmp(lo) < 0 {
		lo = b.lo
	}
	if b.hi.Cmp(hi) > 0 {
		hi = b.hi
	}
	if t.Kind == ir.Text || t.Kind == ir.Bool || (a.easyBits() && b.easyBits()) {
		width := bitsFor(new(big.Int).Sub(hi, lo))
		if t.Kind == ir.Text || t.Kind == ir.Bool {
			lo, hi = interval(t, ir.Interval{})
			width = bitsFor(hi)
		}
		return s.e.fromBits(t, s.e.mux(bit, s.e.word(a, lo, width), s.e.word(b, lo, width)), lo, lo, hi, present)
	}
	k := ringFor(lo, hi)
	x, y := s.e.inRing(a, k), s.e.inRing(b, k)
	r := s.e.ringOp(OpAdd, y, s.e.ringOp(OpMul, s.e.toRing(bit, k), s.e.ringOp(OpSub, x, y)))
	return s.e.fromRing(t, r, lo, hi, present)
}

func cast(s *scope, x ir.Expr, a []*value) *value {
	from, to, v := a[0].t, x.Type, a[0]
	if from.Kind == ir.Text {
		return s.castText(x, v)
	}
	up := to.Scale - from.Scale // Bool, Int and Date have scale 0
	if v.null() {
		return s.e.fromNull(to, s.rows)
	}
	lo, hi := s.of(x)
	switch {
	case up == 0:
		w := *v
		w.t = to
		return &w
	case v.known != nil && up > 0:
		return s.e.knownAs(v, to, new(big.Int).Mul(v.known, power10(up)))
	case up > 0:
		r := s.e.scale(s.e.inRing(v, ringFor(lo, hi)), power10(up))
		return s.e.fromRing(to, r, lo, hi, v.present)
	}
	ten := s.e.fromKnown(ir.Type{Kind: ir.Int}, power10(-up), s.rows)
	return s.divided(x, v, ten, 0, true)
}

func (s *scope) castText(x ir.Expr, v *value) *value {
	to := x.Type
	_, hi := interval(to, ir.Interval{})
	w := *v
	w.t, w.lo, w.hi = to, new(big.Int), hi
	switch {
	case v.null():
		return s.e.fromNull(to, s.rows)
	case len(to.Codes) > 0 && v.known != nil:
		at := position(to.Codes, v.t.Codes[v.known.Int64()])
		return s.e.knownAs(v, to, big.NewInt(int64(at)))
	case len(to.Codes) > 0 && len(s.e.v.Regs) > maxRegs:
		// A code list costs a comparison a code: no more of them than Validate lets pass.
		s.e.refuse("JOC-L905", "the program comes to more steps than a node takes",
			fmt.Sprintf("more than %d values would be computed", maxRegs), "convert fewer columns to other code lists, or have their owners do it")
		return s.e.fromNull(to, s.rows)
	case len(to.Codes) > 0:
		// Each bit of the new code is the exclusive or of "is old code j" over
		// the j whose new code has it: at most one of them is 1.
		old := s.e.word(v, new(big.Int), v.width())
		width := bitsFor(hi)
		planes := make([]Reg, width)
		for b := range planes {
			planes[b] = none
		}
		for j, code := range v.t.Codes {
			is := s.e.testConst(OpEqC, old, big.NewInt(int64(j)))
			at := big.NewInt(int64(position(to.Codes, code)))
			for b := range planes {
				if at.Bit(b) == 0 {
					continue
				}
				if planes[b] == none {
					planes[b] = is
				} else {
					planes[b] = s.e.xor(planes[b], is)
				}
			}
		}
		for b := range planes {
			if planes[b] == none {
				planes[b] = s.e.bit(s.rows, 0)
			}
		}
		w.bits, w.base, w.known, w.ring = s.e.cat(planes...), new(big.Int), nil, nil
	case v.t.Width <= packedWidth && to.Width > packedWidth:
		s.e.refuse("JOC-L904", fmt.Sprintf("key text of at most %d characters, computed from several parties' tables, becomes text of %d", v.t.Width, to.Width),
			fmt.Sprintf("text declared longer than %d bytes is compared by its hash, which the nodes cannot compute", packedWidth),
			"declare the columns that are compared with the same length")
	case keyBits(v.t) == keyBits(to):
	default: // packed, to a longer one: zero bytes at the end
		zeros := keyBits(to) - keyBits(v.t)
		if v.known != nil {
			w.known = new(big.Int).Lsh(v.known, uint(zeros))
		} else {
			w.bits, w.base = s.e.shiftLeft(v.bits, zeros), new(big.Int)
		}
	}
	return &w
}

func position(codes []string, code string) int {
	if at, found := slices.BinarySearch(codes, code); found { // they stand in byte order
		return at
	}
	panic("lower: a cast to a code list that lacks a code") // Validate refuses it
}

func power10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}
