package oblivious

import (
	"context"
	"fmt"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestProductsWrapAtTheWidthAskedFor(t *testing.T) {
	for _, w := range testWidths {
		for _, n := range []int{0, 1, 65} {
			t.Run(fmt.Sprintf("%d rows of %d bits", n, w), func(t *testing.T) {
				s := newStream(uint64(w*1000 + n))
				p := &plain{components: 1 + w%2}
				for _, v := range []int{1, 7, 64, 90, 200} {
					x, y := s.numbers(n, w), s.numbers(n, v)
					for _, width := range []int{1, w, w + v, 33, 129, 250} {
						want := make([]*big.Int, n)
						for i := range want {
							want[i] = modulo(new(big.Int).Mul(x[i], y[i]), width)
						}
						got, err := MulBits(t.Context(), p, p.share(w, x), p.share(v, y), width)
						if err != nil {
							t.Fatal(err)
						}
						wantNumbers(t, fmt.Sprintf("%d by %d bits to %d", w, v, width), p.value(got), want)
					}
				}
			})
		}
	}
}

// wantQuotients divides, and compares where the divisor is not 0.
func wantQuotients(t fatal, p *plain, w, v int, x, y []*big.Int) {
	got, err := DivBits(context.Background(), p, p.share(w, x), p.share(v, y))
	if err != nil {
		t.Fatalf("divide: %v", err)
	}
	if got.N != len(x) || got.W != w {
		t.Fatalf("quotient of %d rows of %d bits", got.N, got.W)
	}
	for i, q := range p.value(got) {
		if y[i].Sign() > 0 && q.Cmp(new(big.Int).Div(x[i], y[i])) != 0 {
			t.Fatalf("%v / %v is %v", x[i], y[i], q)
		}
	}
}

func TestQuotientsAreExact(t *testing.T) {
	for _, w := range testWidths {
		for _, v := range []int{1, 7, 32, 64, 65, 128} {
			for _, n := range []int{0, 1, 65} {
				t.Run(fmt.Sprintf("%d rows, %d by %d bits", n, w, v), func(t *testing.T) {
					s := newStream(uint64(w*1000 + v*10 + n))
					wantQuotients(t, &plain{components: 1 + n%2}, w, v, s.numbers(n, w), s.numbers(n, v))
				})
			}
		}
	}
	for _, n := range []int{1 << 10, 1<<10 + 1, 1<<15 + 1} { // each digit size
		s := newStream(uint64(n))
		wantQuotients(t, &plain{}, 9, 3, s.numbers(n, 9), s.numbers(n, 3))
	}
}

func TestQuotientsAtTheEdges(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w, v := rapid.IntRange(1, 130).Draw(rt, "dividend"), rapid.IntRange(1, 130).Draw(rt, "divisor")
		s := newStream(rapid.Uint64().Draw(rt, "seed"))
		var x, y []*big.Int
		for range 5 {
			d := s.number(v)
			if d.Sign() == 0 {
				d = big.NewInt(1)
			}
			k := new(big.Int).Mul(d, s.number(w))
			most := new(big.Int).Lsh(big.NewInt(1), uint(w))
			most.Sub(most, big.NewInt(1))
			all := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(v)), big.NewInt(1))
			// By one, by itself, by all ones, and around an exact multiple.
			for _, pair := range [][2]*big.Int{
				{most, big.NewInt(1)}, {modulo(new(big.Int).Set(d), w), d}, {most, all}, {most, d}, {new(big.Int), d},
				{modulo(new(big.Int).Set(k), w), d}, {modulo(new(big.Int).Sub(k, big.NewInt(1)), w), d},
			} {
				x, y = append(x, pair[0]), append(y, pair[1])
			}
		}
		wantQuotients(rt, &plain{}, w, v, x, y)
	})
}
