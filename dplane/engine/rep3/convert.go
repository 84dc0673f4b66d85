package rep3

import (
	"context"

	"joconde/dplane/engine/internal/oblivious"
)

// Conversions follow ABY3 (Mohassel and Rindal, CCS 2018, eprint 2018/403), its
// bit decomposition, bit composition and bit injection. We differ in using one
// logarithmic-depth adder of whole columns instead of full adders, and in the
// injection, which is derived at ToRing.

// deal shares values that party d alone knows. Component d+1 comes from the
// generator of its two holders d and d+1, component d is the value minus that
// one, which party d sends to its other holder d-1, and component d+2 is zero.
// Party d+1 learns nothing because it gets nothing; party d-1 gets the value
// masked by a generator whose key it does not hold.
//
// dealBits and dealRing prepare the round; the function that they return is
// to be called after it and before the next. At party d values holds what is
// dealt.
func (p *party) dealBits(d int, z []Bits, values [][]uint64, path string) (finish func() error) {
	size := 0
	for i := range z {
		size += bitsSize(z[i].N, z[i].W)
	}
	mask := p.stream(d+1, p.advance(), path)
	switch p.me {
	case d:
		out := p.send(p.prev, size)
		for i := range z {
			mask.Fill(z[i].C[1])
			clearStray(z[i].C[1], z[i].N)
			xorWords(z[i].C[0], values[i], z[i].C[1])
			out = putBits(out, z[i].C[0], z[i].N)
		}
	case (d + 1) % 3:
		for i := range z {
			mask.Fill(z[i].C[0])
			clearStray(z[i].C[0], z[i].N)
		}
	default:
		in := p.receive(d, size)
		return func() error {
			for i := range z {
				var ok bool
				if in, ok = getBits(z[i].C[1], in, z[i].N); !ok {
					return blame(d, errStray)
				}
			}
			return nil
		}
	}
	return nothing
}

func (p *party) dealRing(d int, z []Ring, values [][]uint64, path string) (finish func() error) {
	size := 0
	for i := range z {
		size += ringSize(z[i].N, z[i].K)
	}
	mask := p.stream(d+1, p.advance(), path)
	switch p.me {
	case d:
		out := p.send(p.prev, size)
		for i := range z {
			mask.Fill(z[i].C[1])
			reduce(z[i].C[1], z[i].K)
			sub(z[i].C[0], values[i], z[i].C[1], z[i].K)
			out = putRing(out, z[i].C[0], z[i].K)
		}
	case (d + 1) % 3:
		for i := range z {
			mask.Fill(z[i].C[0])
			reduce(z[i].C[0], z[i].K)
		}
	default:
		in := p.receive(d, size)
		return func() error {
			for i := range z {
				in = getRing(z[i].C[1], in, z[i].K)
			}
			return nil
		}
	}
	return nothing
}

// ToBits gives the low w[i] bits of x[i]. Party 0 holds x_0 and x_1 and deals
// the bits of their sum; the bits of x_2 are a sharing as they stand, with x_2
// as component 2 and zero elsewhere. An adder in the shares does the rest: one
// round, and those of the adder.
func (p *party) ToBits(ctx context.Context, x []Ring, w []int) ([]Bits, error) {
	if len(x) != len(w) {
		return nil, errShape
	}
	sums, thirds, values := make([]Bits, len(x)), make([]Bits, len(x)), make([][]uint64, len(x))
	slot := p.slot(2)
	for i := range x {
		if w[i] < 1 || w[i] > x[i].K {
			return nil, errShape
		}
		sums[i], thirds[i] = oblivious.NewBits(2, x[i].N, w[i]), oblivious.NewBits(2, x[i].N, w[i])
		if slot >= 0 {
			copy(thirds[i].C[slot], planesOf(x[i].C[slot], x[i].N, x[i].K, w[i]))
		}
		if p.me == 0 {
			sum := make([]uint64, len(x[i].C[0]))
			add(sum, x[i].C[0], x[i].C[1], x[i].K)
			values[i] = planesOf(sum, x[i].N, x[i].K, w[i])
		}
	}
	finish := p.dealBits(0, sums, values, "to bits")
	if err := p.exchange(ctx); err != nil {
		return nil, err
	}
	if err := finish(); err != nil {
		return nil, err
	}
	return oblivious.AddBits(ctx, p, sums, thirds)
}

// planesOf turns elements of Z_2^k to the planes of their low w bits.
func planesOf(x []uint64, n, k, w int) []uint64 {
	return oblivious.RowsToPlanes(x, n, k)[:w*oblivious.Words(n)]
}

// ToRing gives x[i] as elements of Z_2^k[i]; single bits are injected, wider
// words composed, all in the same rounds where they can be.
func (p *party) ToRing(ctx context.Context, x []Bits, k []int) ([]Ring, error) {
	if len(x) != len(k) {
		return nil, errShape
	}
	var injected, composed []int
	for i := range x {
		switch {
		case x[i].W < 1 || x[i].W > k[i] || k[i] != 32 && k[i] != 64 && k[i] != 128:
			return nil, errShape
		case x[i].W == 1:
			injected = append(injected, i)
		default:
			composed = append(composed, i)
		}
	}
	result := make([]Ring, len(x))
	for i := range x {
		result[i] = newRing(x[i].N, k[i])
	}
	bits, inject := p.beginInjection(pick(x, injected), pick(result, injected))
	words, compose := p.beginComposition(pick(x, composed), pick(result, composed))
	if err := p.exchange(ctx); err != nil {
		return nil, err
	}
	for _, arrived := range []func() error{bits, words} { // before the next round uses their buffers
		if err := arrived(); err != nil {
			return nil, err
		}
	}
	if err := inject(ctx); err != nil {
		return nil, err
	}
	return result, compose(ctx)
}

func nothing() error                { return nil }
func noRound(context.Context) error { return nil }

func pick[T any](from []T, which []int) []T {
	picked := make([]T, len(which))
	for i, w := range which {
		picked[i] = from[w]
	}
	return picked
}

// beginInjection turns single bits b = b_0 ⊕ b_1 ⊕ b_2 to ring elements, in two
// rounds. Over the integers u ⊕ v = u + v - 2uv for bits u, v. Take
//
//	u = b_0 ⊕ b_1, which party 0 knows,   v = b_2, which parties 1 and 2 know.
//
// Party 0 deals u (first round). v is a sharing as it stands: component 2 is
// b_2 and the others are zero. Their product is Mul (second round), and
// b = u + v - 2uv is local. Nothing is sent but in deal and in Mul, so the
// injection is as safe as they are.
func (p *party) beginInjection(x []Bits, z []Ring) (arrived func() error, rest func(context.Context) error) {
	if len(x) == 0 {
		return nothing, noRound
	}
	u, v, values := make([]Ring, len(x)), make([]Ring, len(x)), make([][]uint64, len(x))
	slot := p.slot(2)
	for i := range x {
		u[i], v[i] = newRing(z[i].N, z[i].K), newRing(z[i].N, z[i].K)
		if slot >= 0 {
			unpack(v[i].C[slot], x[i].C[slot], z[i].N, z[i].K)
		}
		if p.me == 0 {
			parity := make([]uint64, len(x[i].C[0]))
			xorWords(parity, x[i].C[0], x[i].C[1])
			values[i] = make([]uint64, elements(z[i].N, z[i].K))
			unpack(values[i], parity, z[i].N, z[i].K)
		}
	}
	return p.dealRing(0, u, values, "inject"), func(ctx context.Context) error {
		products, err := p.Mul(ctx, u, v)
		if err != nil {
			return err
		}
		for i := range z {
			for c := range z[i].C {
				b, product, k := z[i].C[c], products[i].C[c], z[i].K
				add(b, u[i].C[c], v[i].C[c], k)
				sub(b, b, product, k)
				sub(b, b, product, k)
			}
		}
		return nil
	}
}

// unpack writes the bits of a plane as elements of Z_2^k.
func unpack(dst, plane []uint64, n, k int) {
	stride := elements(1, k)
	for r := range n {
		dst[stride*r] = plane[r/64] >> (r % 64) & 1
	}
}

// beginComposition turns words of bits to ring elements. Components 1 and 2 of
// the result are drawn from the generators of their holders, so party 1 knows
// both and deals the bits of -(r_1 + r_2). An adder in the shares gives the
// bits of r_0 = x - r_1 - r_2, and parties 0 and 2 send each other the component
// of them that the other lacks. This makes nothing known: each of the two lacks
// one of r_1 and r_2, so r_0 is uniform to it. It is a resharing, not an
// opening. One round, those of the adder, and one more.
func (p *party) beginComposition(x []Bits, z []Ring) (arrived func() error, rest func(context.Context) error) {
	if len(x) == 0 {
		return nothing, noRound
	}
	step := p.advance()
	for _, j := range []int{1, 2} {
		if mask := p.stream(j, step, "compose"); mask != nil {
			for i := range z {
				component := z[i].C[p.slot(j)]
				mask.Fill(component)
				reduce(component, z[i].K)
			}
		}
	}
	wide, shift, values := make([]Bits, len(x)), make([]Bits, len(x)), make([][]uint64, len(x))
	for i := range x {
		n, k := z[i].N, z[i].K
		wide[i], shift[i] = oblivious.Widen(x[i], k), oblivious.NewBits(2, n, k)
		if p.me == 1 {
			negative := make([]uint64, elements(n, k))
			sub(negative, negative, z[i].C[0], k)
			sub(negative, negative, z[i].C[1], k)
			values[i] = planesOf(negative, n, k, k)
		}
	}
	return p.dealBits(1, shift, values, "compose"), func(ctx context.Context) error {
		zeroth, err := oblivious.AddBits(ctx, p, wide, shift)
		if err != nil {
			return err
		}
		return p.revealZeroth(ctx, zeroth, z)
	}
}

// revealZeroth joins the bits at parties 0 and 2 and makes them component 0.
func (p *party) revealZeroth(ctx context.Context, bits []Bits, z []Ring) error {
	size := 0
	for i := range bits {
		size += bitsSize(bits[i].N, bits[i].W)
	}
	var in []byte
	other := 2 - p.me
	if p.me != 1 {
		own := p.slot(1 + p.me/2) // party 0 has component 1, which party 2 lacks, and party 2 has component 2
		out := p.send(other, size)
		for i := range bits {
			out = putBits(out, bits[i].C[own], bits[i].N)
		}
		in = p.receive(other, size)
	}
	if err := p.exchange(ctx); err != nil || p.me == 1 {
		return err
	}
	for i := range bits {
		joined := make([]uint64, len(bits[i].C[0]))
		var ok bool
		if in, ok = getBits(joined, in, bits[i].N); !ok {
			return blame(other, errStray)
		}
		xorWords(joined, joined, bits[i].C[0])
		xorWords(joined, joined, bits[i].C[1])
		copy(z[i].C[p.slot(0)], oblivious.PlanesToRows(joined, bits[i].N, bits[i].W))
	}
	return nil
}
