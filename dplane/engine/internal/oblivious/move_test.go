package oblivious

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sorters are both ways to sort.
var sorters = map[string]func(ctx context.Context, a Arithmetic, opening int, key Bits, p columns) (columns, error){
	"quick": sortRows, "radix": radixSort,
}

// wantSorted sorts the numbers, with their row number as payload in bits and
// in a ring, and compares with a stable sort in the clear.
func wantSorted(t fatal, name string, p *plain, w int, keys []*big.Int) {
	rows := make([]*big.Int, len(keys))
	order := make([]int, len(keys))
	for i := range keys {
		rows[i], order[i] = big.NewInt(int64(i)), i
	}
	got, err := sorters[name](context.Background(), p, 0, p.share(w, keys), columns{[]Bits{p.share(70, rows)}, []Ring{p.elements(128, rows), p.elements(32, rows)}})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	slices.SortStableFunc(order, func(i, j int) int { return keys[i].Cmp(keys[j]) })
	key, bits := p.value(got.bits[0]), p.value(got.bits[1])
	wide, narrow := p.integers(got.rings[0]), p.integers(got.rings[1])
	for i, row := range order {
		if key[i].Cmp(keys[row]) != 0 {
			t.Fatalf("%s: place %d has key %v, want %v", name, i, key[i], keys[row])
		}
		for _, payload := range [][]*big.Int{bits, wide, narrow} {
			if payload[i].Cmp(rows[row]) != 0 {
				t.Fatalf("%s: place %d has row %v, want %d: not stable, or the payload came apart", name, i, payload[i], row)
			}
		}
	}
}

type fatal interface{ Fatalf(string, ...any) }

func TestSortIsStableForEveryShape(t *testing.T) {
	for name := range sorters {
		t.Run(name, func(t *testing.T) {
			everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
				p.permute = s.permutation
				wantSorted(t, name, p, w, s.numbers(n, w))
			})
		})
	}
}

func TestSortOfTiesSortedAndReversedRows(t *testing.T) {
	for name := range sorters {
		t.Run(name, rapid.MakeCheck(func(rt *rapid.T) {
			n := rapid.IntRange(0, 200).Draw(rt, "rows")
			distinct := rapid.IntRange(1, 250).Draw(rt, "values")
			form := rapid.SampledFrom([]string{"random", "sorted", "reversed", "equal"}).Draw(rt, "form")
			s := newStream(rapid.Uint64().Draw(rt, "seed"))
			keys := make([]*big.Int, n)
			for i := range keys {
				switch form {
				case "random":
					keys[i] = big.NewInt(int64(s.below(distinct)))
				case "sorted":
					keys[i] = big.NewInt(int64(i * distinct / 250))
				case "reversed":
					keys[i] = big.NewInt(int64((n - i) * distinct / 250))
				case "equal":
					keys[i] = big.NewInt(5)
				}
			}
			p := &plain{permute: s.permutation}
			if s.below(4) == 0 {
				p.permute = nil // the result must not depend on luck
			}
			wantSorted(rt, name, p, 8, keys)
		}))
	}
}

func TestPartitionPutsOnesFirstAndKeepsOrder(t *testing.T) {
	everyShape(t, func(t *testing.T, p *plain, s *stream, n, w int) {
		p.permute = s.permutation
		bits, x := s.numbers(n, 1), s.numbers(n, w)
		var ones, zeros []*big.Int
		for i := range x {
			if bits[i].Sign() > 0 {
				ones = append(ones, x[i])
			} else {
				zeros = append(zeros, x[i])
			}
		}
		want := append(ones, zeros...)
		for _, keep := range []int{n, n / 2, min(1, n)} {
			payload := columns{[]Bits{p.share(w, x)}, []Ring{p.elements(128, x)}}
			got, err := partition(t.Context(), p, 0, p.share(1, bits), payload, keep)
			if err != nil {
				t.Fatal(err)
			}
			wantNumbers(t, "partition", p.value(got.bits[0]), want[:keep])
			short := make([]*big.Int, keep)
			for i := range short {
				short[i] = modulo(new(big.Int).Set(want[i]), 128)
			}
			wantNumbers(t, "partition of elements", p.integers(got.rings[0]), short)
		}
	})
}

func TestScansAgreeWithARunningState(t *testing.T) {
	rows := append([]int{1023, 1024, 1025, 2050, 4097}, testRows...)
	for _, w := range []int{1, 7, 64, 100} {
		for _, n := range rows {
			for _, heads := range []int{1, 2, 50, 1 << 20} {
				t.Run(fmt.Sprintf("%d rows of %d bits, a head in %d", n, w, heads), func(t *testing.T) {
					s := newStream(uint64(n*w + heads))
					p := &plain{components: 1 + n%2}
					head, x, y := make([]*big.Int, n), s.numbers(n, w), s.numbers(n, 9)
					var copies, seconds, least, most []*big.Int
					for i := range x {
						head[i] = asBit(s.below(heads) == 0)
						if i == 0 || head[i].Sign() > 0 {
							copies, seconds = append(copies, x[i]), append(seconds, y[i])
							least, most = append(least, x[i]), append(most, x[i])
							continue
						}
						copies, seconds = append(copies, copies[i-1]), append(seconds, seconds[i-1])
						down, up := least[i-1], most[i-1]
						if x[i].Cmp(down) < 0 {
							down = x[i]
						}
						if x[i].Cmp(up) > 0 {
							up = x[i]
						}
						least, most = append(least, down), append(most, up)
					}
					h, v := p.share(1, head), p.share(w, x)
					both, err := CopyDown(t.Context(), p, h, []Bits{v, p.share(9, y)})
					if err != nil {
						t.Fatal(err)
					}
					wantNumbers(t, "copy down", p.value(both[0]), copies)
					wantNumbers(t, "copy down of a second word", p.value(both[1]), seconds)
					got, err := ScanMin(t.Context(), p, h, v)
					if err != nil {
						t.Fatal(err)
					}
					wantNumbers(t, "minimum", p.value(got), least)
					if got, err = ScanMax(t.Context(), p, h, v); err != nil {
						t.Fatal(err)
					}
					wantNumbers(t, "maximum", p.value(got), most)
				})
			}
		}
	}
}

func TestAScanAppliesItsOperatorAboutTwiceForEachRow(t *testing.T) {
	for _, n := range []int{2000, 20000, 61395} {
		applied, sequence := 0, 0
		count := func(_ context.Context, _ Arithmetic, _, row scanned, _ bool) (scanned, error) {
			applied += row.head.N
			sequence++
			return row, nil
		}
		if _, err := scanRows(t.Context(), &plain{}, count, NewBits(1, n, 1), NewBits(1, n, 1)); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d rows: %d applications, %d in sequence", n, applied, sequence)
		// Within the last 1,024 rows or sixteenth, doubling applies it once for
		// each row and step.
		if applied > 2*n+max(1024, n/16)*12 || sequence > 22 {
			t.Errorf("%d rows: %d applications, %d in sequence", n, applied, sequence)
		}
	}
}

// tampered opens something else than what was computed.
type tampered struct {
	*plain
	change func(values []uint64)
}

func (x tampered) OpenBits(ctx context.Context, opening int, bits []Bits) ([][]uint64, error) {
	out, err := x.plain.OpenBits(ctx, opening, bits)
	x.change(out[0])
	return out, err
}

func (x tampered) OpenRing(ctx context.Context, opening int, rings []Ring) ([][]uint64, error) {
	out, err := x.plain.OpenRing(ctx, opening, rings)
	x.change(out[0])
	return out, err
}

func TestOpenedValuesThatHonestPartiesNeverOpenGiveAnError(t *testing.T) {
	changes := map[string]func(values []uint64){
		"all zero":      func(v []uint64) { clear(v) },
		"out of range":  func(v []uint64) { v[0] = ^uint64(0) },
		"twice a value": func(v []uint64) { v[0] = v[len(v)-1] },
	}
	for name, change := range changes {
		for _, n := range []int{2, 5, 16, 300} {
			a := tampered{&plain{permute: newStream(1).permutation}, change}
			x := columns{bits: []Bits{counterBits(a, n, 9)}}
			if _, err := partition(t.Context(), a, 0, NewBits(1, n, 1), x, n); err == nil && n > 2 {
				t.Errorf("%d rows, %s: partition gave rows", n, name)
			}
			if _, err := radixSort(t.Context(), a, 0, counterBits(a, n, 9), columns{}); err == nil && n > 2 {
				t.Errorf("%d rows, %s: radix sort gave rows", n, name)
			}
		}
	}
	// Quicksort: whatever is opened, it ends, with an order or an error.
	noise := newStream(7)
	contradictions := 0
	for range 200 {
		n := 2 + noise.below(400)
		a := tampered{&plain{permute: noise.permutation}, func(v []uint64) {
			for i := range v {
				v[i] ^= noise.word()
			}
		}}
		got, err := sortRows(t.Context(), a, 0, counterBits(a, n, 9), columns{})
		if err != nil {
			contradictions++
		} else if got.bits[0].N != n {
			t.Fatalf("%d rows became %d", n, got.bits[0].N)
		}
	}
	if contradictions < 150 {
		t.Errorf("only %d of 200 runs with opened noise ended in an error", contradictions)
	}
}

func TestASortTakesFewRounds(t *testing.T) {
	p := &plain{permute: newStream(2).permutation}
	const n = 61395
	if _, err := sortRows(t.Context(), p, 0, noise(n, 100), columns{}); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, size := range p.sizes {
		compared += size
	}
	t.Logf("%d rows: %d rounds, %d comparisons for each row", n, p.rounds, compared/n)
	if p.rounds > 120 || compared > 50*n {
		t.Errorf("%d rows: %d rounds, %d comparisons", n, p.rounds, compared)
	}
}
