package oblivious

import "context"

// DivBits gives ⌊x / y⌋ as unsigned integers, in the width of x. Where y is 0
// the result is unspecified. It is long division with r quotient bits in a
// step: all multiples of the divisor are subtracted from the remainder at
// once, and the borrows say which to keep. A step costs one subtraction and
// one round, so larger digits save rounds and cost gates; few rows get large
// digits, since there rounds cost more than bytes.
func DivBits(ctx context.Context, a Arithmetic, x, y Bits) (Bits, error) {
	if x.N != y.N {
		return Bits{}, errShape
	}
	if x.N == 0 || x.W == 0 || y.W == 0 {
		return NewBits(a.Components(), x.N, x.W), nil
	}
	digit := digitBits(x.N, x.W)
	// The remainder is below the divisor, so after a digit is brought down it
	// and every multiple fit w-1 bits; bit w-1 of a difference is its borrow.
	w := y.W + digit + 1
	multiples, err := multiplesOf(ctx, a, y, digit, w)
	if err != nil {
		return Bits{}, err
	}
	quotient := make([]Bits, (x.W+digit-1)/digit)
	dividend := Widen(x, len(quotient)*digit)
	remainder := NewBits(a.Components(), x.N, y.W)
	for step := len(quotient) - 1; step >= 0; step-- {
		brought := Widen(Cat(dividend.Slice(step*digit, digit), remainder), w)
		minuend := make([]Bits, len(multiples))
		for j := range minuend {
			minuend[j] = brought
		}
		differences, err := SubBits(ctx, a, minuend, multiples)
		if err != nil {
			return Bits{}, err
		}
		// fits[j] is 1 where the multiple j+1 is at most the remainder. The
		// ones come first, so exactly one choice j, with fits[j-1] = 1 and
		// fits[j] = 0, or none, says which difference remains.
		fits := make([]Bits, len(multiples))
		for j := range fits {
			fits[j] = Not(a, differences[j].Slice(w-1, 1))
		}
		if step > 0 {
			if remainder, err = choose(ctx, a, brought.Slice(0, y.W), fits, differences); err != nil {
				return Bits{}, err
			}
		}
		quotient[step] = countOnes(fits, digit)
	}
	return Widen(Cat(quotient...), x.W), nil
}

// digitBits is how many quotient bits a step finds.
func digitBits(rows, width int) int {
	switch {
	case rows <= 1<<10:
		return min(4, width)
	case rows <= 1<<15:
		return min(2, width)
	}
	return 1
}

// multiplesOf gives y, 2y, … (2^digit - 1)y in w bits; digit is at most 4. Odd
// multiples are sums of shifted smaller ones, in two rounds of adders.
func multiplesOf(ctx context.Context, a Arithmetic, y Bits, digit, w int) ([]Bits, error) {
	count := 1<<digit - 1
	out := make([]Bits, count+1) // out[j] is j times y
	out[1] = Widen(y, w)
	type sum struct{ of, x, shift, y int } // of = x·2^shift + y
	for _, sums := range [][]sum{
		{{3, 1, 1, 1}, {5, 1, 2, 1}, {9, 1, 3, 1}},
		{{7, 1, 2, 3}, {11, 1, 3, 3}, {13, 1, 3, 5}, {15, 3, 2, 3}},
	} {
		var of []int
		var left, right []Bits
		for _, s := range sums {
			if s.of <= count {
				of = append(of, s.of)
				left, right = append(left, shiftLeft(out[s.x].Slice(0, w-s.shift), s.shift, w)), append(right, out[s.y])
			}
		}
		got, err := AddBits(ctx, a, left, right)
		if err != nil {
			return nil, err
		}
		for i, j := range of {
			out[j] = got[i]
		}
	}
	for j := 2; j <= count; j += 2 {
		out[j] = shiftLeft(out[j/2].Slice(0, w-1), 1, w)
	}
	return out[1:], nil
}

// choose keeps, in the width of whole, the difference after the last multiple
// that fits, or whole where none does.
func choose(ctx context.Context, a Arithmetic, whole Bits, fits, differences []Bits) (Bits, error) {
	// With d[0] = whole, the choice is d[0] ⊕ Σ fits[j] · (d[j] ⊕ d[j+1]):
	// for the first fits, which are ones, the sum telescopes.
	previous := whole
	bits, steps := make([]Bits, len(fits)), make([]Bits, len(fits))
	for j := range fits {
		d := differences[j].Slice(0, whole.W)
		bits[j], steps[j] = Spread(fits[j], whole.W), Xor(previous, d)
		previous = d
	}
	products, err := and(ctx, a, bits, steps)
	if err != nil {
		return Bits{}, err
	}
	out := cloneBits(whole)
	for _, product := range products {
		for c := range out.C {
			xorInto(out.C[c], product.C[c])
		}
	}
	return out, nil
}

// countOnes counts bits of which all ones come first. It is local: bit b of
// the count is the XOR of bits 2^b, 2·2^b, 3·2^b, … counted from 1.
func countOnes(ordered []Bits, w int) Bits {
	out := NewBits(len(ordered[0].C), ordered[0].N, w)
	for c := range out.C {
		for b := range w {
			for j := 1 << b; j <= len(ordered); j += 1 << b {
				xorInto(out.Plane(c, b), ordered[j-1].C[c])
			}
		}
	}
	return out
}
