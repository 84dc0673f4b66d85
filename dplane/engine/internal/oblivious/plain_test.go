package oblivious

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"testing"
)

// plain is an Arithmetic of one party that holds all components; with one, the
// share is the value. It records what an onlooker of the messages would see,
// the kind and sizes of every call in trace, and what is opened in opened. It
// panics at words that break the rules of Bits and Ring.
type plain struct {
	permute    func(n int) []int32 // row permute(n)[i] comes to place i; nil keeps the order
	trace      []string
	openings   []int
	opened     [][]uint64
	sizes      []int // bits opened in each opening of bits
	rounds     int
	components int
}

func (p *plain) Components() int { return max(1, p.components) }
func (p *plain) Constant() int   { return p.Components() - 1 }

func (p *plain) note(format string, args ...any) {
	p.trace = append(p.trace, fmt.Sprintf(format, args...))
}

func checkBits(xs ...Bits) {
	for _, x := range xs {
		for c := range x.C {
			if len(x.C[c]) != x.W*Words(x.N) {
				panic("a word of bits has a wrong length")
			}
			for b := range x.W {
				if plane := x.Plane(c, b); x.N%64 != 0 && plane[len(plane)-1]&^tail(x.N) != 0 {
					panic("bits beyond the last row")
				}
			}
		}
	}
}

// joinBits is the value of a share, and dealBits a share of a value: all
// components but the last are noise that depends on nothing but the position.
func (p *plain) joinBits(x Bits) []uint64 {
	checkBits(x)
	out := make([]uint64, x.W*Words(x.N))
	for c := range x.C {
		xorInto(out, x.C[c])
	}
	return out
}

func (p *plain) dealBits(n, w int, value []uint64) Bits {
	x := NewBits(p.Components(), n, w)
	last := len(x.C) - 1
	copy(x.C[last], value)
	for c := range last {
		for b := range w {
			plane := x.Plane(c, b)
			for i := range plane {
				plane[i] = uint64(i+3*b+5*c+1) * 0x9e3779b97f4a7c15
			}
			if len(plane) > 0 {
				plane[len(plane)-1] &= tail(n)
			}
			xorInto(x.Plane(last, b), plane)
		}
	}
	return x
}

func (p *plain) And(_ context.Context, x, y []Bits) ([]Bits, error) {
	p.rounds++
	out := make([]Bits, len(x))
	for i := range x {
		p.note("and %dx%d", x[i].N, x[i].W)
		if x[i].N != y[i].N || x[i].W != y[i].W {
			panic("and of different shapes")
		}
		left, right := p.joinBits(x[i]), p.joinBits(y[i])
		for j := range left {
			left[j] &= right[j]
		}
		out[i] = p.dealBits(x[i].N, x[i].W, left)
	}
	return out, nil
}

func (p *plain) OpenBits(_ context.Context, opening int, x []Bits) ([][]uint64, error) {
	p.rounds++
	p.openings = append(p.openings, opening)
	var out [][]uint64
	for i := range x {
		value := p.joinBits(x[i])
		p.note("open %d %dx%d", opening, x[i].N, x[i].W)
		p.opened = append(p.opened, value)
		p.sizes = append(p.sizes, x[i].N*x[i].W)
		out = append(out, slices.Clone(value))
	}
	return out, nil
}

func (p *plain) Check(context.Context) error { return nil }

// permutation gives the next permutation of the test's source.
func (p *plain) permutation(n int) []int32 {
	if p.permute != nil {
		return p.permute(n)
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}

// stream is a keyed generator: AES in counter mode.
type stream struct{ block cipher.Stream }

func newStream(seed uint64) *stream {
	var key, iv [16]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err)
	}
	return &stream{cipher.NewCTR(block, iv[:])}
}

func (s *stream) word() uint64 {
	var buf [8]byte
	s.block.XORKeyStream(buf[:], buf[:])
	return binary.LittleEndian.Uint64(buf[:])
}

// below is uniform below n.
func (s *stream) below(n int) int {
	for limit := -uint64(n) % uint64(n); ; {
		if hi, lo := bits.Mul64(s.word(), uint64(n)); lo >= limit {
			return int(hi)
		}
	}
}

func (s *stream) permutation(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		j := s.below(i + 1)
		out[i], out[j] = out[j], int32(i)
	}
	return out
}

// number has w random bits, and often only zeros or only ones.
func (s *stream) number(w int) *big.Int {
	all := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
	switch s.below(8) {
	case 0:
		return new(big.Int)
	case 1:
		return all
	case 2:
		return new(big.Int).And(big.NewInt(int64(s.below(4))), all)
	}
	x := new(big.Int)
	for range (w + 63) / 64 {
		x.Or(x.Lsh(x, 64), new(big.Int).SetUint64(s.word()))
	}
	return x.And(x, all)
}

func (s *stream) numbers(n, w int) []*big.Int {
	out := make([]*big.Int, n)
	for i := range out {
		out[i] = s.number(w)
	}
	return out
}

// share is a share of the numbers; value is what a share stands for.
func (p *plain) share(w int, numbers []*big.Int) Bits {
	n := len(numbers)
	planes := make([]uint64, w*Words(n))
	for r, x := range numbers {
		for i, word := range x.Bits() {
			for b := 64 * i; b < min(w, 64*i+64); b++ {
				planes[b*Words(n)+r/64] |= uint64(word) >> (b % 64) & 1 << (r % 64)
			}
		}
	}
	return p.dealBits(n, w, planes)
}

func (p *plain) value(x Bits) []*big.Int {
	planes := p.joinBits(x)
	out := make([]*big.Int, x.N)
	for r := range out {
		words := make([]big.Word, Words(x.W))
		for b := range x.W {
			words[b/64] |= big.Word(planes[b*Words(x.N)+r/64]>>(r%64)&1) << (b % 64)
		}
		out[r] = new(big.Int).SetBits(words)
	}
	return out
}

func modulo(x *big.Int, w int) *big.Int {
	return x.Mod(x, new(big.Int).Lsh(big.NewInt(1), uint(w)))
}

func asBit(b bool) *big.Int {
	if b {
		return big.NewInt(1)
	}
	return new(big.Int)
}

func wantNumbers(t *testing.T, what string, got, want []*big.Int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for r := range want {
		if got[r].Cmp(want[r]) != 0 {
			t.Fatalf("%s: row %d is %v, want %v", what, r, got[r], want[r])
		}
	}
}

var (
	testWidths = []int{1, 2, 7, 31, 32, 33, 63, 64, 65, 100, 127, 128, 200}
	testRows   = []int{0, 1, 2, 63, 64, 65, 300}
)

// everyShape runs a test for each width and number of rows, and with a share
// of one and of two components.
func everyShape(t *testing.T, run func(t *testing.T, p *plain, s *stream, n, w int)) {
	for _, w := range testWidths {
		for _, n := range testRows {
			t.Run(fmt.Sprintf("%d rows of %d bits", n, w), func(t *testing.T) {
				for components := 1; components <= 2; components++ {
					run(t, &plain{components: components}, newStream(uint64(1000*w+n)), n, w)
				}
			})
		}
	}
}
