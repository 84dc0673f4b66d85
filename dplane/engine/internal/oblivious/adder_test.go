package oblivious

import (
	"math/big"
	"math/bits"
	"testing"
)

func TestSumsAndDifferencesWrapAtTheirWidth(t *testing.T) {
	everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
		x, y := s.numbers(n, w), s.numbers(n, w)
		u, v := s.numbers(n+5, 9), s.numbers(n+5, 9)
		sums, err := AddBits(t.Context(), p, []Bits{p.share(w, x), p.share(9, u)}, []Bits{p.share(w, y), p.share(9, v)})
		if err != nil {
			t.Fatal(err)
		}
		if most := 1 + bits.Len(uint(max(w-1, 8)-1)); p.rounds > most {
			t.Errorf("a sum took %d rounds, want at most %d", p.rounds, most)
		}
		differences, err := SubBits(t.Context(), p, []Bits{p.share(w, x), p.share(9, u)}, []Bits{p.share(w, y), p.share(9, v)})
		if err != nil {
			t.Fatal(err)
		}
		for i, words := range [][2][]*big.Int{{x, y}, {u, v}} {
			width := []int{w, 9}[i]
			sum, difference := []*big.Int{}, []*big.Int{}
			for r := range words[0] {
				sum = append(sum, modulo(new(big.Int).Add(words[0][r], words[1][r]), width))
				difference = append(difference, modulo(new(big.Int).Sub(words[0][r], words[1][r]), width))
			}
			wantNumbers(t, "sum", p.value(sums[i]), sum)
			wantNumbers(t, "difference", p.value(differences[i]), difference)
		}
	})
}

func TestComparisonsAgreeWithIntegers(t *testing.T) {
	everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
		x, y := s.numbers(n, w), s.numbers(n, w)
		for r := range x {
			if s.below(3) == 0 {
				y[r] = x[r]
			}
		}
		var less, equal []*big.Int
		for r := range x {
			less = append(less, asBit(x[r].Cmp(y[r]) < 0))
			equal = append(equal, asBit(x[r].Cmp(y[r]) == 0))
		}
		first, second := p.share(w, x), p.share(w, y)
		narrow := s.numbers(7, 3)
		got, err := LessThan(t.Context(), p, []Bits{first, p.share(3, narrow)}, []Bits{second, p.share(3, narrow)})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "less", p.value(got[0]), less)
		wantNumbers(t, "not below itself", p.value(got[1]), p.value(NewBits(1, 7, 1)))
		got, err = Equal(t.Context(), p, []Bits{first, p.share(3, narrow)}, []Bits{second, p.share(3, narrow)})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "equal", p.value(got[0]), equal)
		wantNumbers(t, "equal to itself", p.value(got[1]), p.value(ConstBits(&plain{}, 7, 1, big.NewInt(1))))
		for range 6 {
			k := s.number(w)
			if s.below(2) == 0 && n > 0 {
				k = x[s.below(n)]
			}
			if s.below(3) == 0 {
				k = new(big.Int).Lsh(big.NewInt(1), uint(s.below(w)))
			}
			less, equal = nil, nil
			for r := range x {
				less = append(less, asBit(x[r].Cmp(k) < 0))
				equal = append(equal, asBit(x[r].Cmp(k) == 0))
			}
			one, err := LessThanConst(t.Context(), p, first, k)
			if err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, "below a constant", p.value(one), less)
			if one, err = EqualConst(t.Context(), p, first, k); err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, "equal to a constant", p.value(one), equal)
		}
	})
}

func TestGatesChooseBetweenWords(t *testing.T) {
	everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
		c, x, y := s.numbers(n, 1), s.numbers(n, w), s.numbers(n, w)
		var or, mask, mux []*big.Int
		for r := range x {
			or = append(or, new(big.Int).Or(x[r], y[r]))
			mask = append(mask, new(big.Int).Mul(c[r], x[r]))
			mux = append(mux, []*big.Int{y[r], x[r]}[c[r].Int64()])
		}
		sc, sx, sy := p.share(1, c), p.share(w, x), p.share(w, y)
		got, err := Or(t.Context(), p, sx, sy)
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "or", p.value(got), or)
		if got, err = Mask(t.Context(), p, sc, sx); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "mask", p.value(got), mask)
		if got, err = Mux(t.Context(), p, sc, sx, sy); err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "mux", p.value(got), mux)
	})
}

func TestWordsOfOneRoundThatDoNotFitAreRefused(t *testing.T) {
	p := &plain{}
	x, y := NewBits(1, 3, 4), NewBits(1, 3, 5)
	for name, run := range map[string]func() error{
		"add":   func() error { _, err := AddBits(t.Context(), p, []Bits{x}, []Bits{y}); return err },
		"sub":   func() error { _, err := SubBits(t.Context(), p, []Bits{x}, nil); return err },
		"less":  func() error { _, err := LessThan(t.Context(), p, []Bits{x}, []Bits{y}); return err },
		"equal": func() error { _, err := Equal(t.Context(), p, []Bits{x}, []Bits{y}); return err },
		"mux":   func() error { _, err := Mux(t.Context(), p, NewBits(1, 3, 1), x, y); return err },
	} {
		if run() == nil {
			t.Errorf("%s took words of different width", name)
		}
	}
	if len(p.trace) != 0 {
		t.Errorf("something was sent: %v", p.trace)
	}
}
