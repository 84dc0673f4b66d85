package rep3

import "math/bits"

// The inner loops. They run over whole slices, allocate nothing and have no
// branch or index that depends on a share. All slices of a call have the
// length of the first.

// andWords is party i's term of a product of bits:
// x_i y_i ⊕ x_i y_{i+1} ⊕ x_{i+1} y_i ⊕ m.
func andWords(z, x0, x1, y0, y1, m []uint64) {
	n := len(z)
	x0, x1, y0, y1, m = x0[:n], x1[:n], y0[:n], y1[:n], m[:n]
	for i := range z {
		z[i] = x0[i]&(y0[i]^y1[i]) ^ x1[i]&y0[i] ^ m[i]
	}
}

// mul64 is the same for Z_2^64, with the zero share m - l.
func mul64(z, x0, x1, y0, y1, m, l []uint64) {
	n := len(z)
	x0, x1, y0, y1, m, l = x0[:n], x1[:n], y0[:n], y1[:n], m[:n], l[:n]
	for i := range z {
		z[i] = x0[i]*(y0[i]+y1[i]) + x1[i]*y0[i] + m[i] - l[i]
	}
}

func mul32(z, x0, x1, y0, y1, m, l []uint64) {
	n := len(z)
	x0, x1, y0, y1, m, l = x0[:n], x1[:n], y0[:n], y1[:n], m[:n], l[:n]
	for i := range z {
		z[i] = uint64(uint32(x0[i]*(y0[i]+y1[i]) + x1[i]*y0[i] + m[i] - l[i]))
	}
}

// mul128 takes pairs of words, the low one first; the length is even.
func mul128(z, x0, x1, y0, y1, m, l []uint64) {
	n := len(z) &^ 1
	z, x0, x1, y0, y1, m, l = z[:n], x0[:n], x1[:n], y0[:n], y1[:n], m[:n], l[:n]
	for i := 0; i+1 < n; i += 2 {
		sumLow, carry := bits.Add64(y0[i], y1[i], 0)
		sumHigh, _ := bits.Add64(y0[i+1], y1[i+1], carry)
		high, low := bits.Mul64(x0[i], sumLow)
		high += x0[i]*sumHigh + x0[i+1]*sumLow
		otherHigh, otherLow := bits.Mul64(x1[i], y0[i])
		otherHigh += x1[i]*y0[i+1] + x1[i+1]*y0[i]
		low, carry = bits.Add64(low, otherLow, 0)
		high, _ = bits.Add64(high, otherHigh, carry)
		low, carry = bits.Add64(low, m[i], 0)
		high, _ = bits.Add64(high, m[i+1], carry)
		low, carry = bits.Sub64(low, l[i], 0)
		high, _ = bits.Sub64(high, l[i+1], carry)
		z[i], z[i+1] = low, high
	}
}

// kernelOf gives the product of Z_2^k.
func kernelOf(k int) func(z, x0, x1, y0, y1, m, l []uint64) {
	switch k {
	case 32:
		return mul32
	case 128:
		return mul128
	}
	return mul64
}

// xorWords is dst = x ⊕ y; dst may be one of them.
func xorWords(dst, x, y []uint64) {
	n := len(dst)
	x, y = x[:n], y[:n]
	for i := range dst {
		dst[i] = x[i] ^ y[i]
	}
}

// add is dst = x + y in Z_2^k; dst may be one of them.
func add(dst, x, y []uint64, k int) {
	n := len(dst)
	x, y = x[:n], y[:n]
	switch k {
	case 128:
		for i := 0; i+1 < n; i += 2 {
			low, carry := bits.Add64(x[i], y[i], 0)
			dst[i+1], _ = bits.Add64(x[i+1], y[i+1], carry)
			dst[i] = low
		}
	case 32:
		for i := range dst {
			dst[i] = uint64(uint32(x[i] + y[i]))
		}
	default:
		for i := range dst {
			dst[i] = x[i] + y[i]
		}
	}
}

// sub is dst = x - y in Z_2^k; dst may be one of them.
func sub(dst, x, y []uint64, k int) {
	n := len(dst)
	x, y = x[:n], y[:n]
	switch k {
	case 128:
		for i := 0; i+1 < n; i += 2 {
			low, borrow := bits.Sub64(x[i], y[i], 0)
			dst[i+1], _ = bits.Sub64(x[i+1], y[i+1], borrow)
			dst[i] = low
		}
	case 32:
		for i := range dst {
			dst[i] = uint64(uint32(x[i] - y[i]))
		}
	default:
		for i := range dst {
			dst[i] = x[i] - y[i]
		}
	}
}

// reduce makes words drawn from a generator elements of Z_2^k.
func reduce(x []uint64, k int) {
	if k == 32 {
		for i := range x {
			x[i] = uint64(uint32(x[i]))
		}
	}
}

// gather is dst[r] = src[p[r]], of elements of one word.
func gather(dst, src []uint64, p []uint32) {
	dst = dst[:len(p)]
	for r, from := range p {
		dst[r] = src[from]
	}
}

// gatherPairs is gather for elements of two words.
func gatherPairs(dst, src []uint64, p []uint32) {
	dst = dst[:2*len(p)]
	for r, from := range p {
		pair := src[2*int(from):][:2]
		dst[2*r], dst[2*r+1] = pair[0], pair[1]
	}
}
