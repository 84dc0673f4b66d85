package oblivious

// Transpose64 transposes a matrix of 64 × 64 bits in place: bit j of word i
// goes to bit i of word j.
func Transpose64(m *[64]uint64) {
	// Swap the off-diagonal quarters of ever smaller squares.
	for i := range 32 {
		t := (m[i]>>32 ^ m[i+32]) & 0x00000000ffffffff
		m[i] ^= t << 32
		m[i+32] ^= t
	}
	for i := 0; i < 64; i += 32 {
		for k := i; k < i+16; k++ {
			t := (m[k&63]>>16 ^ m[(k+16)&63]) & 0x0000ffff0000ffff
			m[k&63] ^= t << 16
			m[(k+16)&63] ^= t
		}
	}
	for i := 0; i < 64; i += 16 {
		for k := i; k < i+8; k++ {
			t := (m[k&63]>>8 ^ m[(k+8)&63]) & 0x00ff00ff00ff00ff
			m[k&63] ^= t << 8
			m[(k+8)&63] ^= t
		}
	}
	for i := 0; i < 64; i += 8 {
		for k := i; k < i+4; k++ {
			t := (m[k&63]>>4 ^ m[(k+4)&63]) & 0x0f0f0f0f0f0f0f0f
			m[k&63] ^= t << 4
			m[(k+4)&63] ^= t
		}
	}
	for i := 0; i < 64; i += 4 {
		for k := i; k < i+2; k++ {
			t := (m[k&63]>>2 ^ m[(k+2)&63]) & 0x3333333333333333
			m[k&63] ^= t << 2
			m[(k+2)&63] ^= t
		}
	}
	for i := 0; i < 64; i += 2 {
		t := (m[i&63]>>1 ^ m[(i+1)&63]) & 0x5555555555555555
		m[i&63] ^= t << 1
		m[(i+1)&63] ^= t
	}
}

// lines is how many blocks of 64 rows are turned together: one cache line of
// each plane, so that planes whose distance is a power of two do not evict
// each other.
const lines = 8

// PlanesToRows turns w planes of n rows (the layout of Bits.C) to rows: row r
// is the Words(w) words at r*Words(w), bit b at bit b%64 of word b/64.
func PlanesToRows(planes []uint64, n, w int) []uint64 {
	words, stride := Words(n), Words(w)
	rows := make([]uint64, n*stride)
	var block [lines][64]uint64
	for group := range stride {
		bits := min(64, w-64*group)
		block = [lines][64]uint64{}
		for k := 0; k < words; k += lines {
			count := min(lines, words-k)
			for b := range bits {
				line := planes[(64*group+b)*words+k:][:count]
				for q, word := range line {
					block[q][b] = word
				}
			}
			for q := range count {
				turned := block[q]
				Transpose64(&turned)
				first := 64 * (k + q)
				for r := range min(64, n-first) {
					rows[(first+r)*stride+group] = turned[r]
				}
			}
		}
	}
	return rows
}

// RowsToPlanes undoes PlanesToRows. Bits of a row beyond w are ignored.
func RowsToPlanes(rows []uint64, n, w int) []uint64 {
	words, stride := Words(n), Words(w)
	planes := make([]uint64, w*words)
	var block [lines][64]uint64
	for group := range stride {
		bits := min(64, w-64*group)
		for k := 0; k < words; k += lines {
			count := min(lines, words-k)
			for q := range count {
				first := 64 * (k + q)
				have := min(64, n-first)
				for r := range have {
					block[q][r] = rows[(first+r)*stride+group]
				}
				clear(block[q][have:])
				Transpose64(&block[q])
			}
			for b := range bits {
				line := planes[(64*group+b)*words+k:][:count]
				for q := range line {
					line[q] = block[q][b]
				}
			}
		}
	}
	return planes
}

// gatherPlanes is RowsToPlanes of rows[index[0]], rows[index[1]], ….
func gatherPlanes(rows []uint64, index []int32, w int) []uint64 {
	n := len(index)
	words, stride := Words(n), Words(w)
	planes := make([]uint64, w*words)
	var block [lines][64]uint64
	for group := range stride {
		bits := min(64, w-64*group)
		for k := 0; k < words; k += lines {
			count := min(lines, words-k)
			for q := range count {
				first := 64 * (k + q)
				have := index[first:min(first+64, n)]
				for r, from := range have {
					block[q][r&63] = rows[int(from)*stride+group]
				}
				clear(block[q][len(have):])
				Transpose64(&block[q])
			}
			for b := range bits {
				line := planes[(64*group+b)*words+k:][:count]
				for q := range line {
					line[q] = block[q][b]
				}
			}
		}
	}
	return planes
}
