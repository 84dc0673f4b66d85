package oblivious

import "context"

// combine is an associative operator on heads and values of rows: it gives the
// value of a row from those of the row and of all before it in its segment.
// Where heads is false the result's heads are not needed.
type combine func(ctx context.Context, a Arithmetic, before, row scanned, heads bool) (scanned, error)

// scanned is the state of a segmented scan: head is 1 where the run of rows
// that the value covers reaches the head of its segment.
type scanned struct{ head, value Bits }

// scanRows gives in each row the combination of all rows from the nearest head
// down to it. Row 0 counts as a head.
func scanRows(ctx context.Context, a Arithmetic, op combine, head, value Bits) (Bits, error) {
	n := head.N
	if n <= 1 {
		return value, nil
	}
	head = cloneBits(head)
	for c := range head.C {
		head.C[c][0] &^= 1
		if c == a.Constant() {
			head.C[c][0] |= 1
		}
	}
	return scan(ctx, a, op, scanned{head, value}, max(1024, n/16))
}

// scan halves the rows, as Brent and Kung do, with n applications of op on the
// way down and n on the way up, two in sequence for each halving. Once there
// are few rows it doubles the distance instead (Kogge and Stone), with one in
// sequence: few rounds, and no more applications than the halving had.
func scan(ctx context.Context, a Arithmetic, op combine, x scanned, few int) (Bits, error) {
	n := x.head.N
	if n <= few {
		for distance := 1; distance < n; distance *= 2 {
			// Rows above the distance combine with zero rows; they are done
			// already, so their heads are 1 and nothing changes.
			var err error
			before := scanned{downBy(x.head, distance), downBy(x.value, distance)}
			if x, err = op(ctx, a, before, x, 2*distance < n); err != nil {
				return Bits{}, err
			}
		}
		return x.value, nil
	}
	evenHead, oddHead := halves(x.head)
	evenValue, oddValue := halves(x.value)
	even := scanned{evenHead, evenValue}
	pairs, err := op(ctx, a, scanned{Head(evenHead, 0, n/2), Head(evenValue, 0, n/2)}, scanned{oddHead, oddValue}, true)
	if err != nil {
		return Bits{}, err
	}
	odd, err := scan(ctx, a, op, pairs, few)
	if err != nil {
		return Bits{}, err
	}
	// Row 2i continues the finished row 2i-1. Row 0 is a head.
	before := moveRows(odd, even.head.N, 1, 0, even.head.N-1)
	done, err := op(ctx, a, scanned{NewBits(len(before.C), before.N, 1), before}, even, false)
	if err != nil {
		return Bits{}, err
	}
	return interleave(done.value, odd), nil
}

// replace gives the row's value where its head is 1, else the one before, and
// the OR of the heads. Its one round serves as the last of every operator:
// keep is 1 where the row's own value stays.
func replace(ctx context.Context, a Arithmetic, keep Bits, before, row scanned, heads bool) (scanned, error) {
	take := Spread(Not(a, keep), row.value.W)
	x, y := []Bits{take}, []Bits{Xor(before.value, row.value)}
	if heads {
		x, y = append(x, before.head), append(y, row.head)
	}
	got, err := and(ctx, a, x, y)
	if err != nil {
		return scanned{}, err
	}
	out := scanned{value: Xor(got[0], row.value)}
	if heads {
		out.head = Xor(Xor(before.head, row.head), got[1])
	}
	return out, nil
}

// CopyDown gives each row the values of the nearest row at or above it whose
// head is 1.
func CopyDown(ctx context.Context, a Arithmetic, head Bits, values []Bits) ([]Bits, error) {
	if len(values) == 0 {
		return nil, nil
	}
	op := func(ctx context.Context, a Arithmetic, before, row scanned, heads bool) (scanned, error) {
		return replace(ctx, a, row.head, before, row, heads)
	}
	got, err := scanRows(ctx, a, op, head, Cat(values...))
	if err != nil {
		return nil, err
	}
	out, at := make([]Bits, len(values)), 0
	for i, x := range values {
		out[i] = got.Slice(at, x.W)
		at += x.W
	}
	return out, nil
}

// ScanMin gives each row the least value from the nearest head down to it.
func ScanMin(ctx context.Context, a Arithmetic, head, value Bits) (Bits, error) {
	return scanRows(ctx, a, func(ctx context.Context, a Arithmetic, before, row scanned, heads bool) (scanned, error) {
		return extreme(ctx, a, before.value, row.value, before, row, heads)
	}, head, value)
}

// ScanMax gives each row the greatest value from the nearest head down to it.
func ScanMax(ctx context.Context, a Arithmetic, head, value Bits) (Bits, error) {
	return scanRows(ctx, a, func(ctx context.Context, a Arithmetic, before, row scanned, heads bool) (scanned, error) {
		return extreme(ctx, a, row.value, before.value, before, row, heads)
	}, head, value)
}

// extreme takes the value before where x is below y and the row is no head.
// The head is the top bit of x, above a zero: so one comparison asks for both.
func extreme(ctx context.Context, a Arithmetic, x, y Bits, before, row scanned, heads bool) (scanned, error) {
	take, err := LessThan(ctx, a, []Bits{Cat(x, row.head)}, []Bits{Widen(y, y.W+1)})
	if err != nil {
		return scanned{}, err
	}
	return replace(ctx, a, Not(a, take[0]), before, row, heads)
}
