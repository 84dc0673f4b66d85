package oblivious

import "context"

// AddBits gives x[i] + y[i] modulo 2^W, all in the same 1 + ⌈log2(W-1)⌉ rounds.
func AddBits(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error) {
	return addOrSub(ctx, a, x, y, false)
}

// SubBits gives x[i] - y[i] modulo 2^W, all in the same 1 + ⌈log2(W-1)⌉ rounds.
func SubBits(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error) {
	return addOrSub(ctx, a, x, y, true)
}

// addOrSub finds all carries, or all borrows, with Sklansky's parallel prefix
// network. A position generates where both bits are 1 (for a borrow: where x
// is 0 and y is 1) and propagates where the bits differ (for a borrow: where
// they are equal). Nobody needs what leaves the last position, so it has no
// gate; and no group that starts at bit 0 needs its propagate.
func addOrSub(ctx context.Context, a Arithmetic, x, y []Bits, sub bool) ([]Bits, error) {
	if len(x) != len(y) {
		return nil, errShape
	}
	sum := make([]Bits, len(x)) // x XOR y, and at the end XOR the carries
	left, right := make([]Bits, len(x)), make([]Bits, len(x))
	propagate := make([][]wire, len(x))
	widest := 0
	for i := range x {
		if x[i].N != y[i].N || x[i].W != y[i].W {
			return nil, errShape
		}
		sum[i] = Xor(x[i], y[i])
		low := max(x[i].W-1, 0)
		widest = max(widest, low)
		left[i], right[i] = x[i].Slice(0, low), y[i].Slice(0, low)
		p := sum[i].Slice(0, low)
		if sub {
			left[i], p = Not(a, left[i]), Not(a, p)
		}
		propagate[i] = wiresOf(p)
	}
	first, err := and(ctx, a, left, right)
	if err != nil {
		return nil, err
	}
	generate := make([][]wire, len(x))
	for i := range first {
		generate[i] = wiresOf(first[i])
	}
	for level := 0; 1<<level < widest; level++ {
		layers := make([]layer, len(x))
		for i := range x {
			g, p := generate[i], propagate[i]
			layers[i] = layer{x[i].N, make([]wire, 0, len(g)), make([]wire, 0, len(g))}
			for hi := range g {
				if hi>>level&1 == 0 {
					continue
				}
				lo := hi>>level<<level - 1
				layers[i].and(p[hi], g[lo])
				if hi>>(level+1) != 0 {
					layers[i].and(p[hi], p[lo])
				}
			}
		}
		products, err := evaluate(ctx, a, layers)
		if err != nil {
			return nil, err
		}
		for i := range x {
			g, p, gate := generate[i], propagate[i], 0
			for hi := range g {
				if hi>>level&1 == 0 {
					continue
				}
				g[hi] = xorWire(wire{&products[i], gate}, g[hi])
				gate++
				if hi>>(level+1) != 0 {
					p[hi] = wire{&products[i], gate}
					gate++
				}
			}
		}
	}
	for i := range x {
		for b, carry := range generate[i] {
			xorWire(wire{&sum[i], b + 1}, carry)
		}
	}
	return sum, nil
}

func wiresOf(x Bits) []wire {
	out := make([]wire, x.W)
	for b := range out {
		out[b] = wire{&x, b}
	}
	return out
}

// xorWire adds x into own, a plane that belongs to the caller, and gives own.
func xorWire(own, x wire) wire {
	for c := range own.of.C {
		xorInto(own.of.Plane(c, own.plane), x.of.Plane(c, x.plane))
	}
	return own
}
