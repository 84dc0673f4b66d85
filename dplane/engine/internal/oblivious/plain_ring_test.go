package oblivious

import (
	"context"
	"math/big"
	"slices"
)

// The rest of plain: elements of rings, and permutations.

func (p *plain) joinRing(x Ring) Ring {
	out := NewRing(1, x.N, x.K)
	for c := range x.C {
		if len(x.C[c]) != x.N*limbs(x.K) {
			panic("ring elements have a wrong length")
		}
		if x.K == 32 && slices.Max(append(slices.Clone(x.C[c]), 0)) > 1<<32-1 {
			panic("an element of Z_2^32 has an upper half")
		}
		addInto(out.C[0], x.C[c], x.K)
	}
	return out
}

func (p *plain) dealRing(value Ring) Ring {
	x := NewRing(p.Components(), value.N, value.K)
	last := len(x.C) - 1
	copy(x.C[last], value.C[0])
	for c := range last {
		for i := range x.C[c] {
			x.C[c][i] = uint64(i+7*c+1) * 0x9e3779b97f4a7c15 & low(x.K)
		}
		subInto(x.C[last], x.C[c], x.K)
	}
	return x
}

func (p *plain) elements(k int, numbers []*big.Int) Ring {
	x := NewRing(1, len(numbers), k)
	for i, number := range numbers {
		lo, hi := halvesOf(number)
		x.C[0][i*limbs(k)] = lo & low(k)
		if k == 128 {
			x.C[0][2*i+1] = hi
		}
	}
	return p.dealRing(x)
}

func (p *plain) integers(x Ring) []*big.Int {
	joined := p.joinRing(x)
	out := make([]*big.Int, x.N)
	for i := range out {
		out[i] = new(big.Int).SetUint64(joined.C[0][i*limbs(x.K)])
		if x.K == 128 {
			hi := new(big.Int).SetUint64(joined.C[0][2*i+1])
			out[i].Or(out[i], hi.Lsh(hi, 64))
		}
	}
	return out
}

func (p *plain) Mul(_ context.Context, x, y []Ring) ([]Ring, error) {
	p.rounds++
	out := make([]Ring, len(x))
	for i := range x {
		p.note("mul %dx%d", x[i].N, x[i].K)
		if x[i].N != y[i].N || x[i].K != y[i].K {
			panic("mul of different shapes")
		}
		left, right := p.integers(x[i]), p.integers(y[i])
		for j := range left {
			modulo(left[j].Mul(left[j], right[j]), x[i].K)
		}
		out[i] = p.elements(x[i].K, left)
	}
	return out, nil
}

func (p *plain) OpenRing(_ context.Context, opening int, x []Ring) ([][]uint64, error) {
	p.rounds++
	p.openings = append(p.openings, opening)
	var out [][]uint64
	for i := range x {
		value := p.joinRing(x[i]).C[0]
		p.note("open %d %dx%d ring", opening, x[i].N, x[i].K)
		p.opened = append(p.opened, value)
		out = append(out, slices.Clone(value))
	}
	return out, nil
}

func (p *plain) ToRing(_ context.Context, x []Bits, k []int) ([]Ring, error) {
	out := make([]Ring, len(x))
	for i := range x {
		p.note("toring %dx%d %d", x[i].N, x[i].W, k[i])
		if x[i].W > k[i] {
			panic("a word is wider than its ring")
		}
		out[i] = p.elements(k[i], p.value(x[i]))
	}
	return out, nil
}

func (p *plain) ToBits(_ context.Context, x []Ring, w []int) ([]Bits, error) {
	out := make([]Bits, len(x))
	for i := range x {
		p.note("tobits %dx%d %d", x[i].N, x[i].K, w[i])
		if w[i] > x[i].K {
			panic("a word is wider than its ring")
		}
		out[i] = p.share(w[i], p.integers(x[i]))
	}
	return out, nil
}

func (p *plain) Shuffle(_ context.Context, bits []Bits, rings []Ring) ([]Bits, []Ring, error) {
	n := -1
	same := func(rows int) {
		if n >= 0 && n != rows {
			panic("shuffle of different rows")
		}
		n = rows
	}
	for _, x := range bits {
		p.note("shuffle %dx%d bits", x.N, x.W)
		checkBits(x)
		same(x.N)
	}
	for _, x := range rings {
		p.note("shuffle %dx%d ring", x.N, x.K)
		same(x.N)
	}
	if n < 0 {
		panic("shuffle of nothing")
	}
	out := columns{bits, rings}.gather(p.permutation(n))
	return out.bits, out.rings, nil
}

var _ Arithmetic = (*plain)(nil)
