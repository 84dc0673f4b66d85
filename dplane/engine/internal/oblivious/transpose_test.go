package oblivious

import (
	"context"
	"math/big"
	"slices"
	"testing"
)

func TestTransposeMovesEveryBit(t *testing.T) {
	s := newStream(1)
	var m, turned [64]uint64
	for i := range m {
		m[i] = s.word()
	}
	turned = m
	Transpose64(&turned)
	for i := range 64 {
		for j := range 64 {
			if m[i]>>j&1 != turned[j]>>i&1 {
				t.Fatalf("bit %d of word %d is lost", j, i)
			}
		}
	}
	Transpose64(&turned)
	if turned != m {
		t.Error("turned twice, it is not what it was")
	}
}

func TestPlanesAndRowsHoldTheSameBits(t *testing.T) {
	everyShape(t, func(t *testing.T, _ *plain, s *stream, n, w int) {
		p := &plain{}
		for _, rows := range []int{n, n + 511, n + 513} {
			x := p.share(w, s.numbers(rows, w))
			packed := PlanesToRows(x.C[0], rows, w)
			if len(packed) != rows*Words(w) {
				t.Fatalf("%d words for %d rows", len(packed), rows)
			}
			for r := range rows {
				for b := range 64 * Words(w) {
					want := uint64(0)
					if b < w {
						want = x.Plane(0, b)[r/64] >> (r % 64) & 1
					}
					if packed[r*Words(w)+b/64]>>(b%64)&1 != want {
						t.Fatalf("row %d bit %d is not %d", r, b, want)
					}
				}
			}
			if !slices.Equal(RowsToPlanes(packed, rows, w), x.C[0]) {
				t.Fatal("there and back, the planes are not what they were")
			}
			for i := range packed { // bits beyond w do not come through
				if w%64 != 0 && i%Words(w) == Words(w)-1 {
					packed[i] |= ^uint64(0) << (w % 64)
				}
			}
			if !slices.Equal(RowsToPlanes(packed, rows, w), x.C[0]) {
				t.Fatal("bits beyond the width came through")
			}
		}
	})
}

func TestGatherAndHalvesMoveWholeRows(t *testing.T) {
	everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
		x := s.numbers(n, w)
		even, odd := halves(p.share(w, x))
		var evens, odds []*big.Int
		for i := range x {
			if i%2 == 0 {
				evens = append(evens, x[i])
			} else {
				odds = append(odds, x[i])
			}
		}
		wantNumbers(t, "even rows", p.value(even), evens)
		wantNumbers(t, "odd rows", p.value(odd), odds)
		wantNumbers(t, "together", p.value(interleave(even, odd)), x)
		if n == 0 {
			return
		}
		index, want, elements := make([]int32, 77), make([]*big.Int, 77), make([]*big.Int, 77)
		for i := range index {
			index[i] = int32(s.below(n))
			want[i] = x[index[i]]
			elements[i] = modulo(new(big.Int).Set(want[i]), 32)
		}
		wantNumbers(t, "gather", p.value(Gather(p.share(w, x), index)), want)
		wantNumbers(t, "gather of elements", p.integers(GatherRing(p.elements(32, x), index)), elements)
	})
}

func TestNothingChangesItsArguments(t *testing.T) {
	s := newStream(5)
	p := &plain{permute: s.permutation, components: 2}
	x, y, h := p.share(33, s.numbers(70, 33)), p.share(33, s.numbers(70, 33)), p.share(1, s.numbers(70, 1))
	r := p.elements(64, s.numbers(70, 64))
	before := slices.Concat(x.C[0], x.C[1], y.C[0], y.C[1], h.C[0], h.C[1], r.C[0], r.C[1])
	ctx := context.Background()
	steps := map[string]func() error{
		"add":       func() error { _, err := AddBits(ctx, p, []Bits{x}, []Bits{y}); return err },
		"less":      func() error { _, err := LessThan(ctx, p, []Bits{x}, []Bits{y}); return err },
		"equal":     func() error { _, err := Equal(ctx, p, []Bits{x}, []Bits{y}); return err },
		"constant":  func() error { _, err := LessThanConst(ctx, p, x, big.NewInt(77)); return err },
		"multiply":  func() error { _, err := MulBits(ctx, p, x, y, 140); return err },
		"divide":    func() error { _, err := DivBits(ctx, p, x, y); return err },
		"sort":      func() error { _, err := sortRows(ctx, p, 0, x, columns{[]Bits{y}, []Ring{r}}); return err },
		"radix":     func() error { _, err := radixSort(ctx, p, 0, x, columns{[]Bits{y}, []Ring{r}}); return err },
		"partition": func() error { _, err := partition(ctx, p, 0, h, columns{[]Bits{y}, []Ring{r}}, 70); return err },
		"copy down": func() error { _, err := CopyDown(ctx, p, h, []Bits{x, y}); return err },
		"minimum":   func() error { _, err := ScanMin(ctx, p, h, x); return err },
		"ring": func() error {
			Psum(Diff(Scale(Offset(p, Add(Neg(r), Sub(r, r)), big.NewInt(3)), big.NewInt(9))))
			return nil
		},
	}
	for name, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, slices.Concat(x.C[0], x.C[1], y.C[0], y.C[1], h.C[0], h.C[1], r.C[0], r.C[1])) {
			t.Fatalf("%s changed an argument", name)
		}
	}
}

// swift is plain without records and checks, for benchmarks of one component.
type swift struct{ *plain }

func (swift) And(_ context.Context, x, y []Bits) ([]Bits, error) {
	out := make([]Bits, len(x))
	for i := range x {
		out[i] = cloneBits(x[i])
		for j, word := range y[i].C[0] {
			out[i].C[0][j] &= word
		}
	}
	return out, nil
}

func (x swift) OpenBits(_ context.Context, _ int, bits []Bits) ([][]uint64, error) {
	out := make([][]uint64, len(bits))
	for i := range bits {
		out[i] = bits[i].C[0]
	}
	return out, nil
}

func noise(n, w int) Bits {
	s := newStream(uint64(n + w))
	x := NewBits(1, n, w)
	for b := range w {
		plane := x.Plane(0, b)
		for i := range plane {
			plane[i] = s.word()
		}
		plane[len(plane)-1] &= tail(n)
	}
	return x
}

func BenchmarkTranspose64(b *testing.B) {
	var m [64]uint64
	b.SetBytes(512)
	for b.Loop() {
		Transpose64(&m)
	}
}

func BenchmarkPlanesToRows(b *testing.B) {
	x := noise(1<<17, 64)
	b.SetBytes(1 << 20)
	for b.Loop() {
		PlanesToRows(x.C[0], x.N, x.W)
	}
}

func BenchmarkLessThan100k64(b *testing.B) {
	x, y := noise(100_000, 64), noise(100_000, 64)
	for b.Loop() {
		if _, err := LessThan(b.Context(), swift{&plain{}}, []Bits{x}, []Bits{y}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSort(b *testing.B) {
	for _, size := range []struct {
		name string
		n, w int
	}{{"61395 rows of 20 bits", 61395, 20}, {"61395 rows of 100 bits", 61395, 100}, {"100000 rows of 64 bits", 100000, 64}} {
		b.Run(size.name, func(b *testing.B) {
			key, payload := noise(size.n, size.w), noise(size.n, 64)
			for b.Loop() {
				a := swift{&plain{permute: newStream(1).permutation}}
				if _, err := sortRows(b.Context(), a, 0, key, columns{bits: []Bits{payload}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkScanMin61395x64(b *testing.B) {
	head, x := noise(61395, 1), noise(61395, 64)
	for b.Loop() {
		if _, err := ScanMin(b.Context(), swift{&plain{}}, head, x); err != nil {
			b.Fatal(err)
		}
	}
}
