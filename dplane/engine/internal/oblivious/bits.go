package oblivious

import "math/big"

// This file holds what is local to one party on Bits: every function works on
// each component alone, and public constants enter only the component that
// Arithmetic.Constant names. No function modifies its arguments. All keep the
// rule that bits beyond the last row are zero.

// NewBits gives n rows of w zero bits in the given number of components.
func NewBits(components, n, w int) Bits {
	x := Bits{N: n, W: w, C: make([][]uint64, components)}
	size := w * Words(n)
	all := make([]uint64, components*size)
	for c := range x.C {
		x.C[c] = all[c*size : (c+1)*size : (c+1)*size]
	}
	return x
}

// Plane is bit b of every row in component c. It is not a copy.
func (x Bits) Plane(c, b int) []uint64 {
	words := Words(x.N)
	return x.C[c][b*words : (b+1)*words]
}

// Slice is bits first … first+w-1 of every row. It is not a copy.
func (x Bits) Slice(first, w int) Bits {
	words := Words(x.N)
	out := Bits{N: x.N, W: w, C: make([][]uint64, len(x.C))}
	for c := range x.C {
		out.C[c] = x.C[c][first*words : (first+w)*words : (first+w)*words]
	}
	return out
}

// tail has a one for each row that stands in the last word of n rows.
func tail(n int) uint64 {
	if n%64 == 0 {
		return ^uint64(0)
	}
	return 1<<(n%64) - 1
}

// setPlane makes every row of one plane 1.
func setPlane(plane []uint64, n int) {
	for i := range plane {
		plane[i] = ^uint64(0)
	}
	if len(plane) > 0 {
		plane[len(plane)-1] = tail(n)
	}
}

// flipPlane complements every row of one plane.
func flipPlane(plane []uint64, n int) {
	for i := range plane {
		plane[i] = ^plane[i]
	}
	if len(plane) > 0 {
		plane[len(plane)-1] &= tail(n)
	}
}

func xorInto(dst, x []uint64) {
	x = x[:len(dst)]
	for i := range dst {
		dst[i] ^= x[i]
	}
}

func cloneBits(x Bits) Bits {
	out := NewBits(len(x.C), x.N, x.W)
	for c := range x.C {
		copy(out.C[c], x.C[c])
	}
	return out
}

// ConstBits is a share of the public constant k in each of n rows.
func ConstBits(a Arithmetic, n, w int, k *big.Int) Bits {
	out := NewBits(a.Components(), n, w)
	if c := a.Constant(); c >= 0 {
		for b := range w {
			if k.Bit(b) == 1 {
				setPlane(out.Plane(c, b), n)
			}
		}
	}
	return out
}

// counterBits is a share of the public numbers 0 … n-1, one in each row.
func counterBits(a Arithmetic, n, w int) Bits {
	out := NewBits(a.Components(), n, w)
	if c := a.Constant(); c >= 0 {
		for b := range w {
			plane := out.Plane(c, b)
			for r := range n {
				plane[r/64] |= uint64(r>>b) & 1 << (r % 64)
			}
		}
	}
	return out
}

// Xor is x XOR y, of equal rows and width.
func Xor(x, y Bits) Bits {
	out := cloneBits(x)
	for c := range out.C {
		xorInto(out.C[c], y.C[c])
	}
	return out
}

// Not is the complement of every bit.
func Not(a Arithmetic, x Bits) Bits {
	out := cloneBits(x)
	if c := a.Constant(); c >= 0 {
		for b := range x.W {
			flipPlane(out.Plane(c, b), x.N)
		}
	}
	return out
}

// Cat puts words side by side, the first the least significant. It needs at
// least one.
func Cat(xs ...Bits) Bits {
	w := 0
	for _, x := range xs {
		w += x.W
	}
	out := NewBits(len(xs[0].C), xs[0].N, w)
	for c := range out.C {
		at := 0
		for _, x := range xs {
			at += copy(out.C[c][at:], x.C[c])
		}
	}
	return out
}

// Widen is x with zero bits above it, or its low bits where w is smaller.
func Widen(x Bits, w int) Bits {
	out := NewBits(len(x.C), x.N, w)
	for c := range x.C {
		copy(out.C[c], x.C[c])
	}
	return out
}

// shiftLeft is x times 2^s in w bits.
func shiftLeft(x Bits, s, w int) Bits {
	out := NewBits(len(x.C), x.N, w)
	if s >= w {
		return out
	}
	for c := range x.C {
		copy(out.C[c][s*Words(x.N):], x.C[c])
	}
	return out
}

// Spread repeats a word of one bit in w bits.
func Spread(x Bits, w int) Bits {
	out := NewBits(len(x.C), x.N, w)
	for c := range x.C {
		for b := range w {
			copy(out.Plane(c, b), x.C[c])
		}
	}
	return out
}

// copyRows copies rows from … from+count-1 of one plane to rows at …, and
// expects zeros there.
func copyRows(dst []uint64, at int, src []uint64, from, count int) {
	for done := 0; done < count; {
		d, s := at+done, from+done
		take := min(count-done, 64-d%64, 64-s%64)
		word := src[s/64] >> (s % 64) & (^uint64(0) >> (64 - take))
		dst[d/64] |= word << (d % 64)
		done += take
	}
}

// moveRows is n rows of zeros, with count rows of x from row from on put at
// row at.
func moveRows(x Bits, n, at, from, count int) Bits {
	out := NewBits(len(x.C), n, x.W)
	for c := range x.C {
		for b := range x.W {
			copyRows(out.Plane(c, b), at, x.Plane(c, b), from, count)
		}
	}
	return out
}

// Head is rows from … from+n-1 of x.
func Head(x Bits, from, n int) Bits { return moveRows(x, n, 0, from, n) }

// Down is row i-1 of x in row i, and zero in row 0. Up is row i+1 of x in row
// i, and zero in the last.
func Down(x Bits) Bits { return downBy(x, 1) }

// Up: see Down.
func Up(x Bits) Bits { return moveRows(x, x.N, 0, min(1, x.N), max(x.N-1, 0)) }

func downBy(x Bits, rows int) Bits {
	rows = min(rows, x.N)
	return moveRows(x, x.N, rows, 0, x.N-rows)
}

// Append is the rows of the first word, then of the next; at least one, all of
// the same width.
func Append(xs ...Bits) Bits {
	n := 0
	for _, x := range xs {
		n += x.N
	}
	out := NewBits(len(xs[0].C), n, xs[0].W)
	for c := range out.C {
		for b := range out.W {
			plane, at := out.Plane(c, b), 0
			for _, x := range xs {
				copyRows(plane, at, x.Plane(c, b), 0, x.N)
				at += x.N
			}
		}
	}
	return out
}

// Fill repeats the one row of x in n rows.
func Fill(x Bits, n int) Bits {
	out := NewBits(len(x.C), n, x.W)
	last := tail(n)
	for c := range x.C {
		for b := range x.W {
			plane := out.Plane(c, b)
			word := -(x.Plane(c, b)[0] & 1) // all ones or zero, without a branch on the share
			for i := range plane {
				plane[i] = word
			}
			if len(plane) > 0 {
				plane[len(plane)-1] &= last
			}
		}
	}
	return out
}

// Gather is row index[i] of x in row i. The index is public.
func Gather(x Bits, index []int32) Bits {
	out := Bits{N: len(index), W: x.W, C: make([][]uint64, len(x.C))}
	for c := range x.C {
		out.C[c] = gatherPlanes(PlanesToRows(x.C[c], x.N, x.W), index, x.W)
	}
	return out
}

// halves splits the rows into those with an even and those with an odd number.
func halves(x Bits) (even, odd Bits) {
	even = NewBits(len(x.C), (x.N+1)/2, x.W)
	odd = NewBits(len(x.C), x.N/2, x.W)
	for c := range x.C {
		for b := range x.W {
			src, e, o := x.Plane(c, b), even.Plane(c, b), odd.Plane(c, b)
			for i, word := range src {
				e[i/2] |= evenBits(word) << (i % 2 * 32)
				if i/2 < len(o) {
					o[i/2] |= evenBits(word>>1) << (i % 2 * 32)
				}
			}
		}
	}
	return even, odd
}

// interleave undoes halves.
func interleave(even, odd Bits) Bits {
	out := NewBits(len(even.C), even.N+odd.N, even.W)
	for c := range out.C {
		for b := range out.W {
			dst, e, o := out.Plane(c, b), even.Plane(c, b), odd.Plane(c, b)
			for i := range dst {
				dst[i] = spreadBits(e[i/2] >> (i % 2 * 32))
				if i/2 < len(o) {
					dst[i] |= spreadBits(o[i/2]>>(i%2*32)) << 1
				}
			}
		}
	}
	return out
}

// evenBits packs bits 0, 2, 4, … of x into the low 32 bits.
func evenBits(x uint64) uint64 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return (x | x>>16) & 0x00000000ffffffff
}

// spreadBits puts the low 32 bits of x at bits 0, 2, 4, ….
func spreadBits(x uint64) uint64 {
	x &= 0x00000000ffffffff
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}
