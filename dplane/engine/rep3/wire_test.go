package rep3

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"joconde"
	"joconde/dplane/session"
)

func TestMessagesGiveBackWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, w := rapid.IntRange(1, 300).Draw(t, "rows"), rapid.IntRange(1, 140).Draw(t, "bits")
		x := splitBits(edges(n, w), w)[0].C[0]
		b, y := make([]byte, bitsSize(n, w)), make([]uint64, len(x))
		if rest := putBits(b, x, n); len(rest) != 0 {
			t.Fatalf("%d bytes were not written", len(rest))
		}
		if rest, ok := getBits(y, b, n); len(rest) != 0 || !ok || !slices.Equal(x, y) {
			t.Fatal("bits differ")
		}
		if n%8 != 0 { // the last byte of every plane has bits without rows
			b[(n+7)/8-1] |= 0x80
			if _, ok := getBits(y, b, n); ok {
				t.Fatal("a stray bit was accepted")
			}
		}
		k := rapid.SampledFrom(rings).Draw(t, "ring")
		r := splitRing(edges(n, k), k)[0].C[0]
		b, y = make([]byte, ringSize(n, k)), make([]uint64, len(r))
		if rest := putRing(b, r, k); len(rest) != 0 {
			t.Fatalf("%d bytes were not written", len(rest))
		}
		if rest := getRing(y, b, k); len(rest) != 0 || !slices.Equal(r, y) {
			t.Fatal("elements differ")
		}
	})
}

func TestLanesGiveBackWhatWasPutIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, w := rapid.IntRange(1, 100).Draw(t, "rows"), rapid.IntRange(1, 200).Draw(t, "bits")
		l := newLane(n, w, 0, nil, nil)
		x, y := l.y[0], l.y[1]
		for i := range x {
			x[i] = random()
			if (i+1)%l.stride == 0 {
				x[i] &^= stray(w)
			}
		}
		b := make([]byte, n*((w+7)/8))
		if rest := l.put(b, x); len(rest) != 0 {
			t.Fatalf("%d bytes were not written", len(rest))
		}
		if rest, ok := l.get(y, b); len(rest) != 0 || !ok || !slices.Equal(x, y) {
			t.Fatal("rows differ")
		}
		if w%8 != 0 {
			b[len(b)-1] |= 0x80
			if _, ok := l.get(y, b); ok {
				t.Fatal("a stray bit was accepted")
			}
		}
	})
}

// littering sets the last bit of every message that its party sends to peer,
// once it is told to.
type littering struct {
	session.Session
	peer int
	on   bool
}

func (l *littering) litter(out [][]byte) {
	if l.on && len(out[l.peer]) > 0 {
		out[l.peer][len(out[l.peer])-1] |= 0x80
	}
}

func (l *littering) Exchange(ctx context.Context, out, in [][]byte) error {
	l.litter(out)
	return l.Session.Exchange(ctx, out, in)
}

func (l *littering) Open(ctx context.Context, opening int, out, in [][]byte) error {
	l.litter(out)
	return l.Session.Open(ctx, opening, out, in)
}

func TestAPeerThatSendsStrayBitsIsNamed(t *testing.T) {
	c := edges(5, 3)
	x := splitBits(c, 3)
	y := splitRing(c, 32)
	for _, story := range []struct {
		name     string
		from, to int
		run      func(ctx context.Context, p *party) error
	}{
		{"in a product", 1, 0, func(ctx context.Context, p *party) error {
			_, err := p.And(ctx, []Bits{x[p.me]}, []Bits{x[p.me]})
			return err
		}},
		{"in an opening", 1, 2, func(ctx context.Context, p *party) error {
			_, err := p.OpenBits(ctx, 0, []Bits{x[p.me]})
			return err
		}},
		{"in a shuffle", 0, 1, func(ctx context.Context, p *party) error {
			_, _, err := p.Shuffle(ctx, []Bits{x[p.me]}, nil)
			return err
		}},
		{"in dealt bits", 0, 2, func(ctx context.Context, p *party) error {
			_, err := p.ToBits(ctx, []Ring{y[p.me]}, []int{9})
			return err
		}},
		{"in a composition", 2, 0, func(ctx context.Context, p *party) error {
			_, err := p.ToRing(ctx, []Bits{x[p.me]}, []int{32})
			return err
		}},
	} {
		t.Run(story.name, func(t *testing.T) {
			wires := make([]*littering, 3)
			errs := three(t, [3]hooks{}, func(p int, s session.Session) session.Session {
				wires[p] = &littering{Session: s, peer: story.to}
				return wires[p]
			}, func(ctx context.Context, p *party) error {
				wires[p.me].on = p.me == story.from
				return story.run(ctx, p)
			})
			var fault *joconde.Fault
			if !errors.As(errs[story.to], &fault) || fault.Party != session.Name(story.from) || !errors.Is(errs[story.to], errStray) {
				t.Fatalf("node %d says %v, want that %s sent stray bits", story.to+1, errs[story.to], session.Name(story.from))
			}
		})
	}
}

func BenchmarkKernels(b *testing.B) {
	const n = 2048
	x := make([][]uint64, 7)
	for i := range x {
		x[i] = make([]uint64, n)
		for j := range x[i] {
			x[i][j] = random()
		}
	}
	b.Run("and", func(b *testing.B) {
		b.SetBytes(8 * n)
		for b.Loop() {
			andWords(x[0], x[1], x[2], x[3], x[4], x[5])
		}
	})
	for _, k := range rings {
		kernel := kernelOf(k)
		b.Run(fmt.Sprintf("mul %d", k), func(b *testing.B) {
			b.SetBytes(8 * n)
			for b.Loop() {
				kernel(x[0], x[1], x[2], x[3], x[4], x[5], x[6])
			}
		})
	}
}

// The benchmarks of primitives run all three parties in one process, over
// connections in memory.
func benchmark(b *testing.B, story func(ctx context.Context, p *party) error) {
	b.Helper()
	together(b, func(ctx context.Context, p *party) error {
		if p.me != 0 {
			for {
				if err := story(ctx, p); err != nil {
					return nil // party 0 has had enough
				}
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			if err := story(ctx, p); err != nil {
				return err
			}
		}
		return nil
	})
}

const benchmarkRows = 1 << 20

func BenchmarkAnd(b *testing.B) {
	x := make([]Bits, 3)
	for p := range x {
		x[p] = Bits{N: benchmarkRows, W: 64, C: [][]uint64{make([]uint64, benchmarkRows), make([]uint64, benchmarkRows)}}
	}
	benchmark(b, func(ctx context.Context, p *party) error {
		_, err := p.And(ctx, []Bits{x[p.me]}, []Bits{x[p.me]})
		return err
	})
}

func BenchmarkMul(b *testing.B) {
	for _, k := range rings {
		b.Run(fmt.Sprint(k), func(b *testing.B) {
			x := []Ring{newRing(benchmarkRows, k), newRing(benchmarkRows, k), newRing(benchmarkRows, k)}
			benchmark(b, func(ctx context.Context, p *party) error {
				_, err := p.Mul(ctx, []Ring{x[p.me]}, []Ring{x[p.me]})
				return err
			})
		})
	}
}

func BenchmarkShuffle(b *testing.B) {
	b.Run("a column of 64 bits", func(b *testing.B) {
		benchmark(b, func(ctx context.Context, p *party) error {
			_, _, err := p.Shuffle(ctx, []Bits{{N: benchmarkRows, W: 64, C: [][]uint64{make([]uint64, benchmarkRows), make([]uint64, benchmarkRows)}}}, nil)
			return err
		})
	})
	b.Run("a column of the ring 64", func(b *testing.B) {
		x := []Ring{newRing(benchmarkRows, 64), newRing(benchmarkRows, 64), newRing(benchmarkRows, 64)}
		benchmark(b, func(ctx context.Context, p *party) error {
			_, _, err := p.Shuffle(ctx, nil, []Ring{x[p.me]})
			return err
		})
	})
}
