package oblivious

import (
	"context"
	"errors"
	"fmt"
	"math/big"
)

// maxRows is the most rows that can be moved: row numbers are positive int32.
const maxRows = 1<<31 - 1

// errNotPermutation and errContradiction say that opened values are none that
// honest parties open. They name nobody: any party may have caused them.
var (
	errNotPermutation = errors.New("what was opened is not a permutation")
	errContradiction  = errors.New("opened comparisons contradict each other")
)

// columns are what moves with the rows of an operator.
type columns struct {
	bits  []Bits
	rings []Ring
}

func (p columns) gather(index []int32) columns {
	out := columns{make([]Bits, len(p.bits)), make([]Ring, len(p.rings))}
	for i, x := range p.bits {
		out.bits[i] = Gather(x, index)
	}
	for i, x := range p.rings {
		out.rings[i] = GatherRing(x, index)
	}
	return out
}

// shuffle is a.Shuffle, of two rows or more.
func shuffle(ctx context.Context, a Arithmetic, p columns) (columns, error) {
	bits, rings, err := a.Shuffle(ctx, p.bits, p.rings)
	return columns{bits, rings}, err
}

// partition moves the rows whose bit is 1 before the others, keeps both in
// their order, and gives the first keep rows. It opens one permutation, which
// is uniformly random because the rows are shuffled first.
func partition(ctx context.Context, a Arithmetic, opening int, bit Bits, p columns, keep int) (columns, error) {
	n := bit.N
	if n <= 1 {
		return p.head(keep), nil
	}
	ones, err := a.ToRing(ctx, []Bits{bit}, []int{32})
	if err != nil {
		return columns{}, err
	}
	// Row i goes to s-1 if its bit is 1, where s counts the ones up to here,
	// and else to total + i - s; so to the latter plus bit · (2s - 1 - total - i).
	count := Psum(ones[0])
	total := FillRing(HeadRing(count, n-1, 1), n)
	second := Add(Sub(total, count), counterRing(a, n))
	first := Offset(a, count, minusOne32)
	product, err := a.Mul(ctx, ones, []Ring{Sub(first, second)})
	if err != nil {
		return columns{}, err
	}
	place := Add(second, product[0])

	moved, err := shuffle(ctx, a, columns{p.bits, append([]Ring{place}, p.rings...)})
	if err != nil {
		return columns{}, err
	}
	opened, err := a.OpenRing(ctx, opening, moved.rings[:1])
	if err != nil {
		return columns{}, err
	}
	from, err := inverse(opened[0], n)
	if err != nil {
		return columns{}, err
	}
	return columns{moved.bits, moved.rings[1:]}.gather(from[:keep]), nil
}

// head keeps the first rows.
func (p columns) head(n int) columns {
	out := columns{make([]Bits, len(p.bits)), make([]Ring, len(p.rings))}
	for i, x := range p.bits {
		out.bits[i] = Head(x, 0, n)
	}
	for i, x := range p.rings {
		out.rings[i] = HeadRing(x, 0, n)
	}
	return out
}

var minusOne32 = big.NewInt(1<<32 - 1)

// counterRing is a share of the public numbers 0 … n-1 in Z_2^32.
func counterRing(a Arithmetic, n int) Ring {
	out := NewRing(a.Components(), n, 32)
	if c := a.Constant(); c >= 0 {
		for i := range out.C[c] {
			out.C[c][i] = uint64(i)
		}
	}
	return out
}

// inverse gives for each place the row that goes there. Opened values come from
// other parties, so anything but a permutation is an error.
func inverse(place []uint64, n int) ([]int32, error) {
	if len(place) != n {
		return nil, fmt.Errorf("%d places were opened for %d rows", len(place), n)
	}
	from := make([]int32, n)
	for i := range from {
		from[i] = -1
	}
	for row, at := range place {
		if at >= uint64(n) || from[at] >= 0 {
			return nil, errNotPermutation
		}
		from[at] = int32(row)
	}
	return from, nil
}
