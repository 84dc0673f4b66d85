package oblivious

import (
	"context"
	"math/big"
)

// span is what a comparison knows of a run of bit positions: whether x is
// below y there (less), and whether they are equal there (same). Where less
// is publicly zero it has no wire.
type span struct {
	less, same wire
	known      bool // less is publicly zero
}

// LessThan says for each i in which rows x[i] is below y[i], as unsigned
// integers: 3W gates in 1 + ⌈log2 W⌉ rounds.
func LessThan(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	left := make([]Bits, len(x))
	for i := range x {
		if x[i].N != y[i].N || x[i].W != y[i].W {
			return nil, errShape
		}
		left[i] = Not(a, x[i])
	}
	less, err := and(ctx, a, left, y)
	if err != nil {
		return nil, err
	}
	rows, spans := make([]int, len(x)), make([][]span, len(x))
	for i := range x {
		same := Xor(left[i], y[i]) // NOT x XOR y is 1 where the bits are equal
		rows[i], spans[i] = x[i].N, make([]span, x[i].W)
		for b := range spans[i] {
			spans[i][b] = span{less: wire{&less[i], b}, same: wire{&same, b}}
		}
	}
	return join(ctx, a, rows, spans)
}

// LessThanConst says in which rows x is below the public constant k. Its first
// level is local, and positions where k has only zeros cost half.
func LessThanConst(ctx context.Context, a Arithmetic, x Bits, k *big.Int) (Bits, error) {
	if k.Sign() <= 0 {
		return NewBits(a.Components(), x.N, 1), nil
	}
	if k.BitLen() > x.W {
		return ConstBits(a, x.N, 1, big.NewInt(1)), nil
	}
	// Below k is below k/2^z after dropping z bits, where k/2^z is whole.
	low := int(k.TrailingZeroBits())
	not := Not(a, x)
	spans := make([]span, x.W-low)
	for i := range spans {
		b := low + i
		if k.Bit(b) == 1 {
			spans[i] = span{less: wire{&not, b}, same: wire{&x, b}}
		} else {
			spans[i] = span{same: wire{&not, b}, known: true}
		}
	}
	out, err := join(ctx, a, []int{x.N}, [][]span{spans})
	if err != nil {
		return Bits{}, err
	}
	return out[0], nil
}

// join joins neighbouring spans in a tree until one is left for each word. The
// lowest span never needs to know whether its bits are the same.
func join(ctx context.Context, a Arithmetic, rows []int, spans [][]span) ([]Bits, error) {
	for {
		layers, work := make([]layer, len(spans)), false
		for i, s := range spans {
			layers[i] = layer{rows[i], make([]wire, 0, len(s)), make([]wire, 0, len(s))}
			for lo := 0; lo+1 < len(s); lo += 2 {
				if !s[lo].known {
					layers[i].and(s[lo+1].same, s[lo].less)
				}
				if lo > 0 {
					layers[i].and(s[lo+1].same, s[lo].same)
				}
				work = true
			}
		}
		if !work {
			break
		}
		products, err := evaluate(ctx, a, layers)
		if err != nil {
			return nil, err
		}
		for i, s := range spans {
			gate, next := 0, s[:0]
			for lo := 0; lo+1 < len(s); lo += 2 {
				low, joined := s[lo], s[lo+1]
				if !low.known {
					less := wire{&products[i], gate}
					gate++
					if !joined.known {
						less = xorWire(less, joined.less)
					}
					joined.less, joined.known = less, false
				}
				if lo > 0 {
					joined.same = wire{&products[i], gate}
					gate++
				}
				next = append(next, joined)
			}
			if len(s)%2 == 1 {
				next = append(next, s[len(s)-1])
			}
			spans[i] = next
		}
	}
	out := make([]Bits, len(spans))
	for i, s := range spans {
		if len(s) == 0 || s[0].known {
			out[i] = NewBits(a.Components(), rows[i], 1)
			continue
		}
		out[i] = pack(a.Components(), rows[i], []wire{s[0].less})
	}
	return out, nil
}

// Equal says for each i in which rows x[i] and y[i] are equal: W-1 gates in
// ⌈log2 W⌉ rounds.
func Equal(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	same := make([]Bits, len(x))
	for i := range x {
		if x[i].N != y[i].N || x[i].W != y[i].W {
			return nil, errShape
		}
		same[i] = Not(a, Xor(x[i], y[i]))
	}
	return allOnes(ctx, a, same)
}

// EqualConst says in which rows x is the public constant k.
func EqualConst(ctx context.Context, a Arithmetic, x Bits, k *big.Int) (Bits, error) {
	if k.Sign() < 0 || k.BitLen() > x.W {
		return NewBits(a.Components(), x.N, 1), nil
	}
	same := cloneBits(x)
	if c := a.Constant(); c >= 0 {
		for b := range x.W {
			if k.Bit(b) == 0 {
				flipPlane(same.Plane(c, b), x.N)
			}
		}
	}
	out, err := allOnes(ctx, a, []Bits{same})
	if err != nil {
		return Bits{}, err
	}
	return out[0], nil
}

// allOnes is the AND of all bits of each word, by halves.
func allOnes(ctx context.Context, a Arithmetic, x []Bits) ([]Bits, error) {
	x = append([]Bits(nil), x...)
	for {
		low, high := make([]Bits, len(x)), make([]Bits, len(x))
		work := false
		for i := range x {
			half := x[i].W / 2
			low[i], high[i] = x[i].Slice(0, half), x[i].Slice(half, half)
			work = work || half > 0
		}
		if !work {
			break
		}
		products, err := and(ctx, a, low, high)
		if err != nil {
			return nil, err
		}
		for i := range x {
			if x[i].W < 2 {
				continue
			}
			if x[i].W%2 == 1 {
				products[i] = Cat(products[i], x[i].Slice(x[i].W-1, 1))
			}
			x[i] = products[i]
		}
	}
	for i := range x {
		if x[i].W == 0 {
			x[i] = ConstBits(a, x[i].N, 1, big.NewInt(1))
		}
	}
	return x, nil
}
