package oblivious

import "context"

// ringFor is the smallest ring that holds words of w bits, or 0.
func ringFor(w int) int {
	for _, k := range []int{32, 64, 128} {
		if w <= k {
			return k
		}
	}
	return 0
}

// MulBits gives x · y modulo 2^w; x and y may have any widths. Up to 128 bits
// it is one product in a ring. Wider results are put together from products
// of 64 by 64 bits, which do not wrap in Z_2^128, with carry-save adders.
func MulBits(ctx context.Context, a Arithmetic, x, y Bits, w int) (Bits, error) {
	if x.N != y.N {
		return Bits{}, errShape
	}
	x, y = x.Slice(0, min(x.W, w)), y.Slice(0, min(y.W, w))
	if x.W > y.W {
		x, y = y, x
	}
	if x.N == 0 || x.W == 0 {
		return NewBits(a.Components(), x.N, w), nil
	}
	if x.W == 1 {
		product, err := Mask(ctx, a, x, y)
		if err != nil {
			return Bits{}, err
		}
		return Widen(product, w), nil
	}
	if k := ringFor(min(w, x.W+y.W)); k > 0 {
		parts, err := mulBoth(ctx, a, []Bits{x}, []Bits{y}, k, min(w, x.W+y.W))
		if err != nil {
			return Bits{}, err
		}
		return Widen(parts[0], w), nil
	}
	var left, right []Bits
	var at []int
	for i := 0; i < x.W; i += 64 {
		for j := 0; j < y.W && i+j < w; j += 64 {
			left = append(left, x.Slice(i, min(64, x.W-i)))
			right = append(right, y.Slice(j, min(64, y.W-j)))
			at = append(at, i+j)
		}
	}
	parts, err := mulBoth(ctx, a, left, right, 128, 128)
	if err != nil {
		return Bits{}, err
	}
	for i := range parts {
		parts[i] = shiftLeft(parts[i].Slice(0, min(128, w-at[i])), at[i], w)
	}
	return sumBits(ctx, a, parts)
}

// mulBoth multiplies in the ring Z_2^k and gives the w low bits.
func mulBoth(ctx context.Context, a Arithmetic, x, y []Bits, k, w int) ([]Bits, error) {
	both := append(append([]Bits(nil), x...), y...)
	rings, widths := make([]int, len(both)), make([]int, len(x))
	for i := range both {
		rings[i] = k
	}
	for i := range widths {
		widths[i] = w
	}
	elements, err := a.ToRing(ctx, both, rings)
	if err != nil {
		return nil, err
	}
	products, err := a.Mul(ctx, elements[:len(x)], elements[len(x):])
	if err != nil {
		return nil, err
	}
	return a.ToBits(ctx, products, widths)
}

// sumBits adds words of equal width, modulo 2^W: three words become two, a sum
// without carries and the carries, in one round, until one adder can finish.
func sumBits(ctx context.Context, a Arithmetic, words []Bits) (Bits, error) {
	for len(words) > 2 {
		var left, right, next []Bits
		for i := 0; i+2 < len(words); i += 3 {
			left = append(left, Xor(words[i], words[i+1]))
			right = append(right, Xor(words[i], words[i+2]))
		}
		products, err := and(ctx, a, left, right)
		if err != nil {
			return Bits{}, err
		}
		for i, product := range products {
			// The majority of three bits is (x⊕y)(x⊕z) ⊕ x.
			carry := Xor(product, words[3*i])
			next = append(next, Xor(left[i], words[3*i+2]), shiftLeft(carry.Slice(0, max(carry.W-1, 0)), 1, carry.W))
		}
		words = append(next, words[3*len(left):]...)
	}
	if len(words) == 1 {
		return words[0], nil
	}
	sum, err := AddBits(ctx, a, words[:1], words[1:])
	if err != nil {
		return Bits{}, err
	}
	return sum[0], nil
}
