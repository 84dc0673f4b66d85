package rep3

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"testing"
)

var widths = []int{1, 2, 7, 8, 31, 32, 33, 64, 65, 128, 130}

func TestAndIsTheProductOfBits(t *testing.T) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			var x, y [][]Bits
			var want []column
			for _, w := range widths {
				a, b := edges(n, w), edges(n, w)
				slices.Reverse(b)
				x, y, want = append(x, splitBits(a, w)), append(y, splitBits(b, w)), append(want, zip(a, b, (*big.Int).And))
			}
			got := trios[Bits](len(x))
			together(t, func(ctx context.Context, p *party) error {
				z, err := p.And(ctx, at(x, p.me), at(y, p.me))
				put(got, p.me, z)
				return err
			})
			for i := range got {
				equal(t, fmt.Sprintf("%d bits", widths[i]), joinBits(t, got[i]), want[i])
			}
		})
	}
}

func TestMulIsTheProductInEachRing(t *testing.T) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			var x, y [][]Ring
			var want []column
			for _, k := range rings {
				a, b := edges(n, k), edges(n, k)
				slices.Reverse(b)
				x, y, want = append(x, splitRing(a, k)), append(y, splitRing(b, k)), append(want, zip(a, b, (*big.Int).Mul).mod(k))
				x, y, want = append(x, splitRing(a, k)), append(y, splitRing(a, k)), append(want, zip(a, a, (*big.Int).Mul).mod(k))
			}
			got := trios[Ring](len(x))
			together(t, func(ctx context.Context, p *party) error {
				z, err := p.Mul(ctx, at(x, p.me), at(y, p.me))
				put(got, p.me, z)
				return err
			})
			for i := range got {
				equal(t, fmt.Sprintf("ring %d", got[i][0].K), joinRing(t, got[i]), want[i])
			}
		})
	}
}

func TestOpeningGivesTheValuesToEveryParty(t *testing.T) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			var x [][]Bits
			var y [][]Ring
			var wantBits, wantRing []column
			for _, w := range widths {
				a := edges(n, w)
				x, wantBits = append(x, splitBits(a, w)), append(wantBits, a)
			}
			for _, k := range rings {
				a := edges(n, k)
				y, wantRing = append(y, splitRing(a, k)), append(wantRing, a)
			}
			var bits, elements [3][][]uint64
			together(t, func(ctx context.Context, p *party) (err error) {
				if bits[p.me], err = p.OpenBits(ctx, 0, at(x, p.me)); err != nil {
					return err
				}
				elements[p.me], err = p.OpenRing(ctx, 1, at(y, p.me))
				return err
			})
			for p := range 3 {
				for i, w := range widths {
					equal(t, fmt.Sprintf("%d bits", w), unplanes(bits[p][i], n, w), wantBits[i])
				}
				for i, k := range rings {
					equal(t, fmt.Sprintf("ring %d", k), unringWords(elements[p][i], n, k), wantRing[i])
				}
			}
		})
	}
}

func TestToRingKeepsEveryWord(t *testing.T) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			var x [][]Bits
			var k []int
			var want []column
			for _, ring := range rings {
				for _, w := range widths {
					if w <= ring {
						a := edges(n, w)
						x, k, want = append(x, splitBits(a, w)), append(k, ring), append(want, a)
					}
				}
			}
			got := trios[Ring](len(x))
			together(t, func(ctx context.Context, p *party) error {
				z, err := p.ToRing(ctx, at(x, p.me), k)
				put(got, p.me, z)
				return err
			})
			for i := range got {
				equal(t, fmt.Sprintf("%d bits to ring %d", x[i][0].W, k[i]), joinRing(t, got[i]), want[i])
			}
		})
	}
}

func TestToRingOfBitsAlone(t *testing.T) {
	a := edges(200, 1)
	x, got := splitBits(a, 1), trios[Ring](1)
	together(t, func(ctx context.Context, p *party) error {
		z, err := p.ToRing(ctx, []Bits{x[p.me]}, []int{64})
		put(got, p.me, z)
		return err
	})
	equal(t, "injected bits", joinRing(t, got[0]), a)
}

func TestToBitsKeepsTheLowBits(t *testing.T) {
	for _, n := range sizes {
		t.Run(fmt.Sprintf("%d rows", n), func(t *testing.T) {
			var x [][]Ring
			var w []int
			var want []column
			for _, k := range rings {
				for _, width := range widths {
					if width <= k {
						a := edges(n, k)
						x, w, want = append(x, splitRing(a, k)), append(w, width), append(want, a.mod(width))
					}
				}
			}
			got := trios[Bits](len(x))
			together(t, func(ctx context.Context, p *party) error {
				z, err := p.ToBits(ctx, at(x, p.me), w)
				put(got, p.me, z)
				return err
			})
			for i := range got {
				equal(t, fmt.Sprintf("ring %d to %d bits", x[i][0].K, w[i]), joinBits(t, got[i]), want[i])
			}
		})
	}
}

func TestShuffleMovesAllColumnsAlike(t *testing.T) {
	for _, n := range sizes {
		for _, columns := range [][]int{{20}, {1, 7}, {64}, {64, 64}, {20, 64, 3}, {130, 1}} {
			t.Run(fmt.Sprintf("%d rows of %v bits", n, columns), func(t *testing.T) {
				// The first column of each kind tells the rows apart.
				order := make(column, n)
				for r := range order {
					order[r] = big.NewInt(int64(r))
				}
				var x [][]Bits
				var y [][]Ring
				var clearBits, clearRings []column
				for _, w := range columns {
					a := edges(n, w)
					x, clearBits = append(x, splitBits(a, w)), append(clearBits, a)
				}
				for _, k := range rings {
					a := edges(n, k)
					y, clearRings = append(y, splitRing(a, k)), append(clearRings, a)
				}
				y, clearRings = append(y, splitRing(order, 32)), append(clearRings, order)
				gotBits, gotRings := trios[Bits](len(x)), trios[Ring](len(y))
				together(t, func(ctx context.Context, p *party) error {
					bits, elements, err := p.Shuffle(ctx, at(x, p.me), at(y, p.me))
					put(gotBits, p.me, bits)
					put(gotRings, p.me, elements)
					return err
				})
				permutation := joinRing(t, gotRings[len(gotRings)-1])
				seen := make([]bool, n)
				for _, from := range permutation {
					if seen[from.Int64()] {
						t.Fatal("a row came twice")
					}
					seen[from.Int64()] = true
				}
				moved := func(c column) column {
					m := make(column, n)
					for r := range m {
						m[r] = c[permutation[r].Int64()]
					}
					return m
				}
				for i := range gotBits {
					equal(t, "bits", joinBits(t, gotBits[i]), moved(clearBits[i]))
				}
				for i := range gotRings {
					equal(t, "elements", joinRing(t, gotRings[i]), moved(clearRings[i]))
				}
			})
		}
	}
}

func TestShuffleOfBitsOrOfElementsAlone(t *testing.T) {
	x, y := splitBits(edges(65, 3), 3), splitRing(edges(65, 64), 64)
	together(t, func(ctx context.Context, p *party) error {
		if _, _, err := p.Shuffle(ctx, []Bits{x[p.me]}, nil); err != nil {
			return err
		}
		if _, _, err := p.Shuffle(ctx, nil, nil); err != nil {
			return err
		}
		_, _, err := p.Shuffle(ctx, nil, []Ring{y[p.me]})
		return err
	})
}

func TestOperandsOfDifferentShapesAreRefusedBeforeAnythingIsSent(t *testing.T) {
	b8, b9, rows := splitBits(edges(5, 8), 8), splitBits(edges(5, 9), 9), splitBits(edges(6, 8), 8)
	r32, r64, r7 := splitRing(edges(5, 32), 32), splitRing(edges(5, 64), 64), splitRing(edges(7, 64), 64)
	together(t, func(ctx context.Context, p *party) error {
		i := p.me
		_, and := p.And(ctx, []Bits{b8[i]}, []Bits{b9[i]})
		_, uneven := p.And(ctx, []Bits{b8[i]}, nil)
		_, mul := p.Mul(ctx, []Ring{r32[i]}, []Ring{r64[i]})
		_, narrow := p.ToRing(ctx, []Bits{splitBits(edges(5, 33), 33)[i]}, []int{32})
		_, odd := p.ToRing(ctx, []Bits{b8[i]}, []int{48})
		_, wide := p.ToBits(ctx, []Ring{r32[i]}, []int{33})
		_, _, shuffle := p.Shuffle(ctx, []Bits{b8[i], rows[i]}, nil)
		_, _, mixed := p.Shuffle(ctx, []Bits{b8[i]}, []Ring{r7[i]})
		for _, err := range []error{and, uneven, mul, narrow, odd, wide, shuffle, mixed} {
			if err != errShape {
				return fmt.Errorf("got %v, want %v", err, errShape)
			}
		}
		return nil
	})
}

func TestAWipedPartyHoldsNoKeysAndNoMessages(t *testing.T) {
	x, y := splitBits(edges(500, 64), 64), splitRing(edges(500, 64), 64)
	together(t, func(ctx context.Context, p *party) error {
		if err := everyPrimitive(ctx, p, x, x, y, y); err != nil {
			return err
		}
		p.wipe()
		for peer := range p.buffer.out {
			for _, buffer := range [][]byte{p.buffer.out[peer], p.buffer.in[peer]} {
				if len(buffer) != cap(buffer) || slices.ContainsFunc(buffer, func(b byte) bool { return b != 0 }) {
					return fmt.Errorf("a message of party %d is still there", p.me)
				}
			}
		}
		if p.mask != ([2][chunk]uint64{}) {
			return fmt.Errorf("a mask of party %d is still there", p.me)
		}
		defer func() {
			if recover() == nil {
				t.Errorf("a key of party %d is still there", p.me)
			}
		}()
		p.key[0].Tag("test", nil)
		return nil
	})
}

// trios makes room for n shares of three parties.
func trios[T any](n int) [][]T {
	all := make([][]T, n)
	for i := range all {
		all[i] = make([]T, 3)
	}
	return all
}

// at gives party p's shares, and put stores them.
func at[T any](all [][]T, p int) []T {
	own := make([]T, len(all))
	for i := range all {
		own[i] = all[i][p]
	}
	return own
}

func put[T any](all [][]T, p int, own []T) {
	for i := range own {
		all[i][p] = own[i]
	}
}
