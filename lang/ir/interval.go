package ir

import "math/big"

// Interval bounds the values of a column or an expression where it is not
// NULL, both ends included: scaled integers, days, or 0 and 1. Text has none:
// Lo and Hi are nil. NonZero says that it is never zero, though zero may lie
// between the bounds, as after nullif(x, 0). The big.Ints are never changed.
type Interval struct {
	Lo, Hi  *big.Int
	NonZero bool
}

// never is the interval of an expression that is always NULL: between 0 and 0,
// but not zero. It adds nothing to a hull.
var never = Interval{Lo: zero, Hi: zero, NonZero: true}

// Empty reports whether the expression is always NULL.
func (r Interval) Empty() bool {
	return r.NonZero && r.Lo != nil && r.Lo.Sign() == 0 && r.Hi.Sign() == 0
}

// HasZero reports whether zero is possible.
func (r Interval) HasZero() bool {
	return !r.NonZero && (r.Lo == nil || r.Lo.Sign() <= 0 && r.Hi.Sign() >= 0)
}

// Contains reports whether v can stand where r was inferred.
func (r Interval) Contains(v Value) bool {
	if v.Null || r.Lo == nil {
		return true
	}
	return v.Int != nil && v.Int.Cmp(r.Lo) >= 0 && v.Int.Cmp(r.Hi) <= 0 && !(r.NonZero && v.Int.Sign() == 0)
}

// Fits reports whether every value of type t within r has at most MaxBits
// bits, and a date at most MaxDay days.
func (r Interval) Fits(t Type) bool {
	if r.Lo == nil {
		return true
	}
	lo, hi := minValue, maxValue
	if t.Kind == Date {
		lo, hi = big.NewInt(-MaxDay), big.NewInt(MaxDay)
	}
	return r.Lo.Cmp(lo) >= 0 && r.Hi.Cmp(hi) <= 0
}

// saturation is far beyond MaxBits. Ranges stop there, so that a hostile
// program cannot make us compute with numbers of millions of digits.
var (
	highest = new(big.Int).Lsh(one, 4*MaxBits)
	lowest  = new(big.Int).Neg(highest)
)

func saturate(r Interval) Interval {
	if r.Lo == nil {
		return r
	}
	r.Lo = maxInt(minInt(r.Lo, highest), lowest)
	r.Hi = maxInt(minInt(r.Hi, highest), lowest)
	return r
}

func minInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) <= 0 {
		return a
	}
	return b
}

func maxInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) >= 0 {
		return a
	}
	return b
}

// hull is the least interval around all; those that are always NULL do not count.
func hull(rs ...Interval) Interval {
	all := never
	for _, r := range rs {
		switch {
		case r.Lo == nil:
			return Interval{}
		case r.Empty():
		case all.Empty():
			all = r
		default:
			all = Interval{Lo: minInt(all.Lo, r.Lo), Hi: maxInt(all.Hi, r.Hi), NonZero: !all.HasZero() && !r.HasZero()}
		}
	}
	return all
}

// around is the hull of single numbers.
func around(ns ...*big.Int) Interval {
	r := Interval{Lo: ns[0], Hi: ns[0]}
	for _, n := range ns[1:] {
		r.Lo, r.Hi = minInt(r.Lo, n), maxInt(r.Hi, n)
	}
	return r
}

// corners is the hull of f at the ends of both intervals: the range of a
// function that is monotone in each argument while the other is fixed.
func corners(a, b Interval, f func(x, y *big.Int) *big.Int) Interval {
	return around(f(a.Lo, b.Lo), f(a.Lo, b.Hi), f(a.Hi, b.Lo), f(a.Hi, b.Hi))
}

func anyNever(args []Interval) bool {
	for _, r := range args {
		if r.Empty() {
			return true
		}
	}
	return false
}

func boolRange(Type, []Type, []Interval) Interval { return Interval{Lo: zero, Hi: one} }

func addRange(_ Type, _ []Type, args []Interval) Interval {
	if anyNever(args) {
		return never
	}
	a, b := args[0], args[1]
	return Interval{Lo: new(big.Int).Add(a.Lo, b.Lo), Hi: new(big.Int).Add(a.Hi, b.Hi)}
}

func subRange(_ Type, _ []Type, args []Interval) Interval {
	if anyNever(args) {
		return never
	}
	a, b := args[0], args[1]
	return Interval{Lo: new(big.Int).Sub(a.Lo, b.Hi), Hi: new(big.Int).Sub(a.Hi, b.Lo)}
}

func mulRange(_ Type, _ []Type, args []Interval) Interval {
	if anyNever(args) {
		return never
	}
	r := corners(args[0], args[1], func(x, y *big.Int) *big.Int { return new(big.Int).Mul(x, y) })
	r.NonZero = !args[0].HasZero() && !args[1].HasZero()
	return r
}

func negRange(_ Type, _ []Type, args []Interval) Interval {
	a := args[0]
	return Interval{Lo: new(big.Int).Neg(a.Hi), Hi: new(big.Int).Neg(a.Lo), NonZero: a.NonZero}
}

func absRange(_ Type, _ []Type, args []Interval) Interval {
	a := args[0]
	lo, hi := new(big.Int).Abs(a.Lo), new(big.Int).Abs(a.Hi)
	lo, hi = minInt(lo, hi), maxInt(lo, hi)
	if a.Lo.Sign() <= 0 && a.Hi.Sign() >= 0 {
		lo = zero
	}
	return Interval{Lo: lo, Hi: hi, NonZero: a.NonZero}
}

func divRange(t Type, in []Type, args []Interval) Interval {
	return divisionRange(args, func(x, y *big.Int) *big.Int { return quotient(t, in, x, y) })
}

func idivRange(_ Type, _ []Type, args []Interval) Interval {
	return divisionRange(args, func(x, y *big.Int) *big.Int { return new(big.Int).Quo(x, y) })
}

// divisionRange takes the divisors that are farthest from and nearest to zero
// on either side; between them a quotient is monotone. A divisor is an integer
// other than zero, so its size is at least 1.
func divisionRange(args []Interval, divide func(x, y *big.Int) *big.Int) Interval {
	a, b := args[0], args[1]
	if anyNever(args) {
		return never
	}
	var at []*big.Int
	for _, d := range []*big.Int{b.Lo, b.Hi, big.NewInt(-1), one} {
		if d.Sign() != 0 && d.Cmp(b.Lo) >= 0 && d.Cmp(b.Hi) <= 0 {
			at = append(at, divide(a.Lo, d), divide(a.Hi, d))
		}
	}
	if len(at) == 0 {
		return never // the divisor is always zero
	}
	return around(at...)
}

func castRange(t Type, in []Type, args []Interval) Interval {
	a := args[0]
	if t.Kind == Text || a.Lo == nil || a.Empty() {
		return a
	}
	return Interval{
		Lo:      rescale(a.Lo, in[0].Scale, t.Scale),
		Hi:      rescale(a.Hi, in[0].Scale, t.Scale),
		NonZero: a.NonZero && t.Scale >= in[0].Scale,
	}
}

func hullRange(_ Type, _ []Type, args []Interval) Interval { return hull(args...) }

// nullifRange knows that zero is taken out only where the second value is zero
// always, and not NULL at times: nullif(0, NULL) is 0.
func nullifRange(_ Type, in []Type, args []Interval) Interval {
	r := args[0]
	if b := args[1]; b.Lo != nil && b.Lo.Sign() == 0 && b.Hi.Sign() == 0 && !in[1].Nullable {
		r.NonZero = true
	}
	return r
}

func caseRange(_ Type, _ []Type, args []Interval) Interval {
	var values []Interval
	for i := 1; i < len(args); i += 2 {
		values = append(values, args[i])
	}
	return hull(append(values, args[len(args)-1])...)
}
