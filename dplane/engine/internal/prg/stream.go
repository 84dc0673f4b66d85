package prg

import (
	"crypto/cipher"
	"encoding/binary"
	"math/bits"
)

// block is how many words are drawn at a time: few enough to stay in the
// first-level cache.
const block = 1024

// zeros are encrypted to get the key stream itself.
var zeros [8 * block]byte

// Stream is the key stream of one step. It is used by one goroutine.
type Stream struct {
	source *Source
	ctr    cipher.Stream
	bytes  [8 * block]byte
	at     uint64 // bytes drawn from this stream
	key    [32]byte

	ahead [64]uint64 // drawn, and not yet given by Uint64
	left  int
}

// draw puts the next n bytes into s.bytes[:n].
func (s *Stream) draw(n int) []byte {
	b := s.bytes[:n]
	s.ctr.XORKeyStream(b, zeros[:n])
	if s.source.audit != nil {
		s.source.audit(s.key, s.at, s.at+uint64(n))
	}
	s.at += uint64(n)
	s.source.drawn += uint64(n)
	return b
}

// Fill sets dst to the next words of the stream, little-endian.
func (s *Stream) Fill(dst []uint64) {
	for len(dst) > 0 {
		n := min(len(dst), block)
		b := s.draw(8 * n)
		for i := range dst[:n] {
			dst[i] = binary.LittleEndian.Uint64(b[8*i:])
		}
		dst = dst[n:]
	}
}

// Xor adds the next words of the stream to dst, bit by bit.
func (s *Stream) Xor(dst []uint64) {
	for len(dst) > 0 {
		n := min(len(dst), block)
		b := s.draw(8 * n)
		for i := range dst[:n] {
			dst[i] ^= binary.LittleEndian.Uint64(b[8*i:])
		}
		dst = dst[n:]
	}
}

// Uint64 gives one word. It draws ahead, so that it never costs a partial
// block; what Fill gives after it does not overlap.
func (s *Stream) Uint64() uint64 {
	if s.left == 0 {
		s.Fill(s.ahead[:])
		s.left = len(s.ahead)
	}
	s.left--
	return s.ahead[len(s.ahead)-1-s.left]
}

// Below gives a uniform integer of 0 … n-1, for n ≥ 1. It multiplies and takes
// the high word; the few low words that would make some results likelier are
// rejected (Lemire, "Fast random integer generation in an interval", 2019), so
// there is no bias at all.
func (s *Stream) Below(n uint64) uint64 {
	if n == 0 {
		panic("prg: an integer below 0")
	}
	high, low := bits.Mul64(s.Uint64(), n)
	if low < n {
		for reject := -n % n; low < reject; {
			high, low = bits.Mul64(s.Uint64(), n)
		}
	}
	return high
}

// Permutation gives a uniform permutation of 0 … n-1, by Fisher and Yates's
// shuffle. How many words it takes depends on the stream alone.
func (s *Stream) Permutation(n int) []uint32 {
	p := make([]uint32, n)
	for i := range p {
		p[i] = uint32(i)
	}
	for i := n - 1; i > 0; i-- {
		j := s.Below(uint64(i) + 1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}
