package oblivious

import (
	"context"
	"errors"
)

// errShape says that operands do not fit each other; a caller's bug.
var errShape = errors.New("operands have different shapes")

// wire is one plane of a word.
type wire struct {
	of    *Bits
	plane int
}

// layer is a set of AND gates on planes of equal rows, all of one round.
type layer struct {
	n    int
	x, y []wire
}

func (l *layer) and(x, y wire) {
	l.x = append(l.x, x)
	l.y = append(l.y, y)
}

// pack copies the planes of wires next to each other.
func pack(components, n int, wires []wire) Bits {
	out := NewBits(components, n, len(wires))
	for c := range out.C {
		for b, from := range wires {
			copy(out.Plane(c, b), from.of.Plane(c, from.plane))
		}
	}
	return out
}

// evaluate computes all layers in one round. Plane i of result k is gate i of
// layer k; the results are the caller's.
func evaluate(ctx context.Context, a Arithmetic, layers []layer) ([]Bits, error) {
	x, y := make([]Bits, len(layers)), make([]Bits, len(layers))
	for k, l := range layers {
		x[k] = pack(a.Components(), l.n, l.x)
		y[k] = pack(a.Components(), l.n, l.y)
	}
	return and(ctx, a, x, y)
}

// and is a.And without the words that have no bits: they cost no message.
func and(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	out := make([]Bits, len(x))
	var left, right []Bits
	for i := range x {
		if x[i].N != y[i].N || x[i].W != y[i].W {
			return nil, errShape
		}
		if x[i].N == 0 || x[i].W == 0 {
			out[i] = NewBits(a.Components(), x[i].N, x[i].W)
			continue
		}
		left, right = append(left, x[i]), append(right, y[i])
	}
	if len(left) == 0 {
		return out, nil
	}
	got, err := a.And(ctx, left, right)
	if err != nil {
		return nil, err
	}
	for i := range x {
		if out[i].C == nil {
			out[i], got = got[0], got[1:]
		}
	}
	return out, nil
}

// and1 is x AND y in one round.
func and1(ctx context.Context, a Arithmetic, x, y Bits) (Bits, error) {
	out, err := and(ctx, a, []Bits{x}, []Bits{y})
	if err != nil {
		return Bits{}, err
	}
	return out[0], nil
}

// Or is x OR y. One round.
func Or(ctx context.Context, a Arithmetic, x, y Bits) (Bits, error) {
	both, err := and1(ctx, a, x, y)
	if err != nil {
		return Bits{}, err
	}
	for c := range both.C {
		xorInto(both.C[c], x.C[c])
		xorInto(both.C[c], y.C[c])
	}
	return both, nil
}

// Mask is x where the one bit of s is 1, and zero elsewhere. One round.
func Mask(ctx context.Context, a Arithmetic, s, x Bits) (Bits, error) {
	return and1(ctx, a, Spread(s, x.W), x)
}

// Mux is x where the one bit of s is 1, and y elsewhere. One round.
func Mux(ctx context.Context, a Arithmetic, s, x, y Bits) (Bits, error) {
	if x.N != y.N || x.W != y.W {
		return Bits{}, errShape
	}
	out, err := Mask(ctx, a, s, Xor(x, y))
	if err != nil {
		return Bits{}, err
	}
	for c := range out.C {
		xorInto(out.C[c], y.C[c])
	}
	return out, nil
}
