package oblivious

import (
	"context"
	"fmt"
	"math/bits"
)

// sortRows sorts rows by key, ascending and stable: shuffle, then quicksort
// with opened comparisons. The row number stands below the key, so all keys
// are distinct, and after the shuffle each order of them is equally likely:
// what is opened has a distribution that depends on the number of rows alone.
// Opened bits are the same at all parties; whatever follows from them is plain
// code. The result's first word is the key.
func sortRows(ctx context.Context, a Arithmetic, opening int, key Bits, p columns) (columns, error) {
	n := key.N
	all := columns{append([]Bits{key}, p.bits...), p.rings}
	if n <= 1 {
		return all.head(n), nil
	}
	tie := bits.Len(uint(n - 1))
	all.bits[0] = Cat(counterBits(a, n, tie), key)
	all, err := shuffle(ctx, a, all)
	if err != nil {
		return columns{}, err
	}
	order, err := quicksort(ctx, a, opening, all.bits[0])
	if err != nil {
		return columns{}, err
	}
	all.bits[0] = all.bits[0].Slice(tie, key.W)
	return all.gather(order), nil
}

// allPairs is the size up to which a segment is finished in one round.
const allPairs = 16

// pivots is how many rows of a segment every other is compared with in one
// round, where active rows are not in their place yet. Seven pivots cost twice
// the comparisons of one and need a third of the rounds; many rows afford less.
func pivots(active int) int {
	switch {
	case active <= 1<<17:
		return 7
	case active <= 1<<20:
		return 3
	}
	return 1
}

// segment is a run of places whose rows are known to belong there.
type segment struct{ from, to int }

func (s segment) pivots(active int) int {
	if size := s.to - s.from; size <= allPairs {
		return size
	}
	return pivots(active)
}

// quicksort gives the order of shuffled distinct keys: place i takes row
// order[i]. Each round compares, in all open segments at once, the first rows
// with those after them; positions are random, so these are random pivots.
func quicksort(ctx context.Context, a Arithmetic, opening int, key Bits) ([]int32, error) {
	n := key.N
	rows := make([][]uint64, len(key.C))
	for c := range key.C {
		rows[c] = PlanesToRows(key.C[c], n, key.W)
	}
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	sorter := sorter{order: order, spare: make([]int32, n), rank: make([]int32, n)}
	for open := []segment{{0, n}}; len(open) > 0; {
		active := 0
		for _, s := range open {
			active += s.to - s.from
		}
		left, right := sorter.pairs(open, active)
		x := Bits{N: len(left), W: key.W, C: make([][]uint64, len(rows))}
		y := Bits{N: len(left), W: key.W, C: make([][]uint64, len(rows))}
		for c := range rows {
			x.C[c] = gatherPlanes(rows[c], left, key.W)
			y.C[c] = gatherPlanes(rows[c], right, key.W)
		}
		less, err := LessThan(ctx, a, []Bits{x}, []Bits{y})
		if err != nil {
			return nil, err
		}
		opened, err := a.OpenBits(ctx, opening, less)
		if err != nil {
			return nil, err
		}
		if len(opened) != 1 || len(opened[0]) != Words(len(left)) {
			return nil, fmt.Errorf("opened comparisons have a wrong length")
		}
		if open, err = sorter.place(open, active, opened[0]); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// sorter holds the public state of a quicksort.
type sorter struct {
	order []int32 // row at each place
	spare []int32
	rank  []int32 // of each place: how many pivots of its segment are less
}

// pairs lists the rows to compare: each pivot, in right, with each row that
// stands after it in its segment, in left.
func (s *sorter) pairs(open []segment, active int) (left, right []int32) {
	count := 0
	for _, g := range open {
		size, k := g.to-g.from, g.pivots(active)
		count += k*size - k*(k+1)/2
	}
	left, right = make([]int32, 0, count), make([]int32, 0, count)
	for _, g := range open {
		for j := range g.pivots(active) {
			pivot := s.order[g.from+j]
			for _, row := range s.order[g.from+j+1 : g.to] {
				left, right = append(left, row), append(right, pivot)
			}
		}
	}
	return left, right
}

// place moves the rows of each segment between its pivots, by the opened bits
// of pairs: 1 where the row is less than the pivot. Rows between two pivots
// keep their order, which stays random. It gives the segments still open.
func (s *sorter) place(open []segment, active int, less []uint64) ([]segment, error) {
	var next []segment
	bit := 0
	for _, g := range open {
		k := g.pivots(active)
		rank := s.rank[g.from:g.to]
		clear(rank)
		for j := range k {
			for i := j + 1; i < len(rank); i++ {
				below := int32(less[bit>>6] >> (bit & 63) & 1)
				bit++
				rank[i] += 1 - below
				if i < k {
					rank[j] += below
				}
			}
		}
		// Slot 2r takes what lies below the pivot of rank r, slot 2r+1 that pivot.
		start := make([]int, 2*k+2)
		for i, r := range rank {
			start[slot(i, k, r)+1]++
		}
		for r := range k {
			if start[2*r+2] != 1 {
				return nil, errContradiction
			}
		}
		for i := 1; i < len(start); i++ {
			if size := start[i]; i%2 == 1 && size > 1 {
				next = append(next, segment{g.from + start[i-1], g.from + start[i-1] + size})
			}
			start[i] += start[i-1]
		}
		old, moved := s.order[g.from:g.to], s.spare[g.from:g.to]
		for i, r := range rank {
			at := slot(i, k, r)
			moved[start[at]] = old[i]
			start[at]++
		}
		copy(old, moved)
	}
	return next, nil
}

func slot(i, pivots int, rank int32) int {
	if i < pivots {
		return 2*int(rank) + 1
	}
	return 2 * int(rank)
}
