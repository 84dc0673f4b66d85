package oblivious

import (
	"math/big"
	"math/bits"
)

// This file holds what is local to one party on Ring, by the same rules as
// bits.go. Elements of Z_2^32 keep their upper half zero.

// limbs is how many words one element of Z_2^k takes.
func limbs(k int) int { return (k + 63) / 64 }

// low keeps of a word what belongs to an element of Z_2^k.
func low(k int) uint64 {
	if k < 64 {
		return 1<<k - 1
	}
	return ^uint64(0)
}

// NewRing gives n zero elements of Z_2^k in the given number of components.
func NewRing(components, n, k int) Ring {
	x := Ring{N: n, K: k, C: make([][]uint64, components)}
	size := n * limbs(k)
	all := make([]uint64, components*size)
	for c := range x.C {
		x.C[c] = all[c*size : (c+1)*size : (c+1)*size]
	}
	return x
}

// halvesOf splits a public constant into its two low words.
func halvesOf(k *big.Int) (lo, hi uint64) {
	mask := new(big.Int).SetUint64(^uint64(0))
	lo = new(big.Int).And(k, mask).Uint64()
	hi = new(big.Int).And(new(big.Int).Rsh(k, 64), mask).Uint64()
	return lo, hi
}

// ConstRing is a share of the public constant in each of n rows.
func ConstRing(a Arithmetic, n, k int, constant *big.Int) Ring {
	return Offset(a, NewRing(a.Components(), n, k), constant)
}

// Offset is x plus a public constant.
func Offset(a Arithmetic, x Ring, constant *big.Int) Ring {
	out := cloneRing(x)
	c := a.Constant()
	if c < 0 {
		return out
	}
	lo, hi := halvesOf(constant)
	dst := out.C[c]
	if x.K == 128 {
		var carry uint64
		for i := 0; i+1 < len(dst); i += 2 {
			dst[i], carry = bits.Add64(dst[i], lo, 0)
			dst[i+1] += hi + carry
		}
		return out
	}
	mask := low(x.K)
	for i := range dst {
		dst[i] = (dst[i] + lo) & mask
	}
	return out
}

func cloneRing(x Ring) Ring {
	out := NewRing(len(x.C), x.N, x.K)
	for c := range x.C {
		copy(out.C[c], x.C[c])
	}
	return out
}

// addInto adds x to dst, elements of Z_2^k; subInto subtracts it.
func addInto(dst, x []uint64, k int) {
	x = x[:len(dst)]
	if k == 128 {
		var carry uint64
		for i := 0; i+1 < len(dst); i += 2 {
			dst[i], carry = bits.Add64(dst[i], x[i], 0)
			dst[i+1] += x[i+1] + carry
		}
		return
	}
	mask := low(k)
	for i := range dst {
		dst[i] = (dst[i] + x[i]) & mask
	}
}

func subInto(dst, x []uint64, k int) {
	x = x[:len(dst)]
	if k == 128 {
		var borrow uint64
		for i := 0; i+1 < len(dst); i += 2 {
			dst[i], borrow = bits.Sub64(dst[i], x[i], 0)
			dst[i+1] -= x[i+1] + borrow
		}
		return
	}
	mask := low(k)
	for i := range dst {
		dst[i] = (dst[i] - x[i]) & mask
	}
}

// Add is x + y.
func Add(x, y Ring) Ring {
	out := cloneRing(x)
	for c := range out.C {
		addInto(out.C[c], y.C[c], x.K)
	}
	return out
}

// Sub is x - y.
func Sub(x, y Ring) Ring {
	out := cloneRing(x)
	for c := range out.C {
		subInto(out.C[c], y.C[c], x.K)
	}
	return out
}

// Neg is -x.
func Neg(x Ring) Ring { return Sub(NewRing(len(x.C), x.N, x.K), x) }

// Scale is x times a public constant.
func Scale(x Ring, constant *big.Int) Ring {
	out := NewRing(len(x.C), x.N, x.K)
	lo, hi := halvesOf(constant)
	mask := low(x.K)
	for c := range x.C {
		src, dst := x.C[c], out.C[c]
		if x.K == 128 {
			for i := 0; i+1 < len(dst); i += 2 {
				top, bottom := bits.Mul64(src[i], lo)
				dst[i], dst[i+1] = bottom, top+src[i]*hi+src[i+1]*lo
			}
			continue
		}
		for i := range dst {
			dst[i] = src[i] * lo & mask
		}
	}
	return out
}

// Psum is the sum of rows 0 … i in row i.
func Psum(x Ring) Ring {
	out := cloneRing(x)
	mask := low(x.K)
	for c := range out.C {
		dst := out.C[c]
		if x.K == 128 {
			var carry uint64
			for i := 2; i+1 < len(dst); i += 2 {
				dst[i], carry = bits.Add64(dst[i], dst[i-2], 0)
				dst[i+1] += dst[i-1] + carry
			}
			continue
		}
		sum := uint64(0)
		for i := range dst {
			sum = (sum + dst[i]) & mask
			dst[i] = sum
		}
	}
	return out
}

// Diff is row i minus row i-1 in row i; row 0 stays.
func Diff(x Ring) Ring { return Sub(x, DownRing(x)) }

// Total is one row: the sum of all.
func Total(x Ring) Ring {
	out := NewRing(len(x.C), 1, x.K)
	size := limbs(x.K)
	for c := range x.C {
		for i := 0; i < len(x.C[c]); i += size {
			addInto(out.C[c], x.C[c][i:i+size], x.K)
		}
	}
	return out
}

// HeadRing is rows from … from+n-1 of x.
func HeadRing(x Ring, from, n int) Ring {
	out := NewRing(len(x.C), n, x.K)
	for c := range out.C {
		copy(out.C[c], x.C[c][from*limbs(x.K):])
	}
	return out
}

// DownRing is row i-1 of x in row i, and zero in row 0. UpRing is row i+1 of x
// in row i, and zero in the last.
func DownRing(x Ring) Ring {
	out := NewRing(len(x.C), x.N, x.K)
	for c := range x.C {
		copy(out.C[c][min(limbs(x.K), len(out.C[c])):], x.C[c])
	}
	return out
}

// UpRing: see DownRing.
func UpRing(x Ring) Ring {
	out := NewRing(len(x.C), x.N, x.K)
	for c := range x.C {
		copy(out.C[c], x.C[c][min(limbs(x.K), len(x.C[c])):])
	}
	return out
}

// AppendRing is the rows of the first, then of the next; at least one, all of
// the same ring.
func AppendRing(xs ...Ring) Ring {
	n := 0
	for _, x := range xs {
		n += x.N
	}
	out := NewRing(len(xs[0].C), n, xs[0].K)
	for c := range out.C {
		at := 0
		for _, x := range xs {
			at += copy(out.C[c][at:], x.C[c])
		}
	}
	return out
}

// FillRing repeats the one row of x in n rows.
func FillRing(x Ring, n int) Ring {
	out := NewRing(len(x.C), n, x.K)
	for c := range x.C {
		for at := 0; at < len(out.C[c]); {
			at += copy(out.C[c][at:], x.C[c])
		}
	}
	return out
}

// GatherRing is row index[i] of x in row i. The index is public.
func GatherRing(x Ring, index []int32) Ring {
	out := NewRing(len(x.C), len(index), x.K)
	for c := range x.C {
		src, dst := x.C[c], out.C[c]
		if x.K == 128 {
			for i, from := range index {
				dst[2*i], dst[2*i+1] = src[2*from], src[2*from+1]
			}
			continue
		}
		for i, from := range index {
			dst[i] = src[from]
		}
	}
	return out
}
