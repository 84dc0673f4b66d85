package rep3

import (
	"context"

	"joconde/dplane/engine/internal/oblivious"
)

// And and Mul are the multiplication of Araki, Furukawa, Lindell, Nof and Ohara
// (CCS 2016, eprint 2016/768), section 2. Party i computes its term
//
//	z_i = x_i y_i + x_i y_{i+1} + x_{i+1} y_i + α_i,   α_i = F(k_i) - F(k_{i+1})
//
// where k_j is the key of the two holders of component j and F the generator
// of this step. The nine products x_a y_b occur once each in z_0 + z_1 + z_2,
// and the α sum to zero: that is the paper's correlated randomness. Then party
// i sends z_i to party i-1, who needs it as its second component: one element
// for each product and party.
//
// It is safe: party i-1 sees z_i masked with F(k_{i+1}), whose key it does not
// hold, and it sees no other message of the step.
//
// We differ from the paper in that shares are the components themselves (its
// parties hold x_i and a difference), in Z_2^k and XOR alike, and in that all
// products of a round are one message.

// And is one round.
func (p *party) And(ctx context.Context, x, y []Bits) ([]Bits, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	size := 0
	for i := range x {
		if x[i].N != y[i].N || x[i].W != y[i].W {
			return nil, errShape
		}
		size += bitsSize(x[i].N, x[i].W)
	}
	step := p.advance()
	if size == 0 {
		return p.emptyBits(x), nil
	}
	left, right := p.stream(p.me, step, "and"), p.stream(p.next, step, "and")
	out := p.send(p.prev, size)
	z := make([]Bits, len(x))
	for i := range x {
		z[i] = oblivious.NewBits(2, x[i].N, x[i].W)
		x0, x1, y0, y1 := x[i].C[0], x[i].C[1], y[i].C[0], y[i].C[1]
		product := z[i].C[0]
		for from := 0; from < len(product); from += chunk {
			to := min(from+chunk, len(product))
			m := p.mask[0][:to-from]
			left.Fill(m)
			right.Xor(m)
			andWords(product[from:to], x0[from:to], x1[from:to], y0[from:to], y1[from:to], m)
		}
		clearStray(product, x[i].N)
		out = putBits(out, product, x[i].N)
	}
	return z, p.reshareBits(ctx, z, size)
}

// reshareBits ends a round in which every party sends its first component to
// its predecessor: the second one comes from the successor.
func (p *party) reshareBits(ctx context.Context, z []Bits, size int) error {
	in := p.receive(p.next, size)
	if err := p.exchange(ctx); err != nil {
		return err
	}
	for i := range z {
		var ok bool
		if in, ok = getBits(z[i].C[1], in, z[i].N); !ok {
			return blame(p.next, errStray)
		}
	}
	return nil
}

// Mul is one round.
func (p *party) Mul(ctx context.Context, x, y []Ring) ([]Ring, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	size := 0
	for i := range x {
		if x[i].N != y[i].N || x[i].K != y[i].K {
			return nil, errShape
		}
		size += ringSize(x[i].N, x[i].K)
	}
	step := p.advance()
	z := make([]Ring, len(x))
	for i := range x {
		z[i] = newRing(x[i].N, x[i].K)
	}
	if size == 0 {
		return z, nil
	}
	left, right := p.stream(p.me, step, "mul"), p.stream(p.next, step, "mul")
	out := p.send(p.prev, size)
	for i := range x {
		x0, x1, y0, y1 := x[i].C[0], x[i].C[1], y[i].C[0], y[i].C[1]
		product, kernel := z[i].C[0], kernelOf(x[i].K)
		for from := 0; from < len(product); from += chunk {
			to := min(from+chunk, len(product))
			m, l := p.mask[0][:to-from], p.mask[1][:to-from]
			left.Fill(m)
			right.Fill(l)
			kernel(product[from:to], x0[from:to], x1[from:to], y0[from:to], y1[from:to], m, l)
		}
		out = putRing(out, product, x[i].K)
	}
	in := p.receive(p.next, size)
	if err := p.exchange(ctx); err != nil {
		return nil, err
	}
	for i := range z {
		in = getRing(z[i].C[1], in, z[i].K)
	}
	return z, nil
}

func newRing(n, k int) Ring {
	return Ring{N: n, K: k, C: [][]uint64{make([]uint64, elements(n, k)), make([]uint64, elements(n, k))}}
}

// emptyBits gives shares of the same shapes, none of which has a bit.
func (p *party) emptyBits(x []Bits) []Bits {
	z := make([]Bits, len(x))
	for i := range x {
		z[i] = oblivious.NewBits(2, x[i].N, x[i].W)
	}
	return z
}
