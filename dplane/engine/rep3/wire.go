package rep3

import (
	"encoding/binary"

	"joconde/dplane/engine/internal/oblivious"
)

// How shares stand in messages: little-endian, one after the other, without
// headers, since both ends know the plan. Of a plane only the bytes that hold
// rows are sent; elements of Z_2^32 take 4 bytes. A receiver refuses bits that
// belong to no row: there is one way to send a share.

// stray are the bits of a plane's last word that belong to no row.
func stray(n int) uint64 {
	if n%64 == 0 {
		return 0
	}
	return ^uint64(0) << (n % 64)
}

// clearStray makes the bits beyond row n zero in every plane.
func clearStray(planes []uint64, n int) {
	mask, words := stray(n), oblivious.Words(n)
	if mask == 0 {
		return
	}
	for last := words - 1; last < len(planes); last += words {
		planes[last] &^= mask
	}
}

// bitsSize is the length of a component of w bits by n rows.
func bitsSize(n, w int) int { return w * ((n + 7) / 8) }

// putBits writes a component to the start of b and returns the rest of b.
func putBits(b []byte, planes []uint64, n int) []byte {
	if n%64 == 0 {
		return putWords(b, planes)
	}
	words, size := oblivious.Words(n), (n+7)/8
	for len(planes) > 0 {
		putWords(b, planes[:words-1])
		putTail(b[8*(words-1):size], planes[words-1])
		b, planes = b[size:], planes[words:]
	}
	return b
}

// getBits reads a component from the start of b and returns the rest of b; ok
// is false if it has stray bits.
func getBits(planes []uint64, b []byte, n int) (rest []byte, ok bool) {
	if n%64 == 0 {
		return getWords(planes, b), true
	}
	words, size := oblivious.Words(n), (n+7)/8
	mask, found := stray(n), uint64(0)
	for len(planes) > 0 {
		getWords(planes[:words-1], b)
		tail := getTail(b[8*(words-1) : size])
		planes[words-1] = tail
		found |= tail & mask
		b, planes = b[size:], planes[words:]
	}
	return b, found == 0
}

func putWords(b []byte, words []uint64) []byte {
	for i, word := range words {
		binary.LittleEndian.PutUint64(b[8*i:], word)
	}
	return b[8*len(words):]
}

func getWords(words []uint64, b []byte) []byte {
	b, rest := b[:8*len(words)], b[8*len(words):]
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return rest
}

func putTail(b []byte, word uint64) {
	for i := range b {
		b[i] = byte(word >> (8 * i))
	}
}

func getTail(b []byte) (word uint64) {
	for i, digit := range b {
		word |= uint64(digit) << (8 * i)
	}
	return word
}

// elements is how many words hold n elements of Z_2^k.
func elements(n, k int) int {
	if k == 128 {
		return 2 * n
	}
	return n
}

// ringSize is the length of a component of n elements of Z_2^k.
func ringSize(n, k int) int { return n * k / 8 }

// putRing and getRing are putBits and getBits for elements of Z_2^k.
func putRing(b []byte, x []uint64, k int) []byte {
	if k != 32 {
		return putWords(b, x)
	}
	for i, element := range x {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(element))
	}
	return b[4*len(x):]
}

func getRing(x []uint64, b []byte, k int) []byte {
	if k != 32 {
		return getWords(x, b)
	}
	b, rest := b[:4*len(x)], b[4*len(x):]
	for i := range x {
		x[i] = uint64(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return rest
}

// putLane writes words of which the low w ≤ 64 bits count.
func putLane(b []byte, x []uint64, w int) []byte {
	size := (w + 7) / 8
	switch size {
	case 8:
		return putWords(b, x)
	case 4:
		return putRing(b, x, 32)
	}
	for i, word := range x {
		putTail(b[size*i:][:size], word)
	}
	return b[size*len(x):]
}

// getLane reads such words.
func getLane(x []uint64, b []byte, w int) (rest []byte, ok bool) {
	size := (w + 7) / 8
	switch size {
	case 8:
		rest = getWords(x, b)
	case 4:
		rest = getRing(x, b, 32)
	default:
		for i := range x {
			x[i] = getTail(b[size*i:][:size])
		}
		rest = b[size*len(x):]
	}
	mask, found := stray(w), uint64(0)
	for _, word := range x {
		found |= word & mask
	}
	return rest, found == 0
}
