package oblivious

import (
	"context"
	"math/bits"
)

// radixSort sorts rows by key, ascending and stable, with messages that do not
// depend on anything opened: one stable partition for each bit of the key,
// least significant first (Hamada et al. 2014, Asharov et al. 2022). It opens
// uniformly random permutations only. What moves in a partition is the rest of
// the key and the row's number; the columns follow once, at the end.
func radixSort(ctx context.Context, a Arithmetic, opening int, key Bits, p columns) (columns, error) {
	n := key.N
	all := columns{append([]Bits{key}, p.bits...), p.rings}
	if n <= 1 {
		return all.head(n), nil
	}
	w := bits.Len(uint(n - 1))
	row, rest := counterBits(a, n, w), key
	for rest.W > 0 {
		bit := Not(a, rest.Slice(0, 1)) // zeros come first
		moving := columns{bits: []Bits{row}}
		if rest.W > 1 {
			moving.bits = append(moving.bits, rest.Slice(1, rest.W-1))
		}
		moved, err := partition(ctx, a, opening, bit, moving, n)
		if err != nil {
			return columns{}, err
		}
		row, rest = moved.bits[0], Bits{}
		if len(moved.bits) > 1 {
			rest = moved.bits[1]
		}
	}
	// Now place i takes the row whose number stands there. Open the numbers in
	// a random order of places, to put the place beside its row …
	places, err := move(ctx, a, opening, row, columns{bits: []Bits{counterBits(a, n, w)}})
	if err != nil {
		return columns{}, err
	}
	// … and then the places in a random order of rows.
	return move(ctx, a, opening, places.bits[0], all)
}

// move puts row i of p at place[i], a permutation: it shuffles both and opens
// the places, which are then in a uniformly random order.
func move(ctx context.Context, a Arithmetic, opening int, place Bits, p columns) (columns, error) {
	moved, err := shuffle(ctx, a, columns{append([]Bits{place}, p.bits...), p.rings})
	if err != nil {
		return columns{}, err
	}
	opened, err := a.OpenBits(ctx, opening, moved.bits[:1])
	if err != nil {
		return columns{}, err
	}
	if len(opened) != 1 || len(opened[0]) != place.W*Words(place.N) {
		return columns{}, errNotPermutation
	}
	from, err := inverse(PlanesToRows(opened[0], place.N, place.W), place.N)
	if err != nil {
		return columns{}, err
	}
	return columns{moved.bits[1:], moved.rings}.gather(from), nil
}
