package ir

import (
	"fmt"
	"math/big"
)

// Aggregation is one aggregate function. grouped says that there are keys to
// group by, so that every group has a row; without keys the one group may be
// empty.
type Aggregation struct {
	Name     AggFunc
	Sentence string
	// Type gives the type of the result for an argument of type arg, or says
	// why the function is not for it. CountStar takes no argument.
	Type func(arg Type, grouped bool) (Type, error)
	// Range contains every value that the function can have over at most rows
	// rows with values within in.
	Range func(t, arg Type, in Interval, rows *big.Int, grouped bool) Interval
	// Mean is what the function means: values holds the argument of each row
	// of the group, for CountStar anything, once for each row.
	Mean func(t, arg Type, values []Value) Value
}

// Aggs are the aggregate functions. Except count_star they ignore NULLs; of no
// value sum, avg, min and max are NULL.
var Aggs = []Aggregation{
	{CountStar, "the number of rows", countStarType, countStarRange, countStarMean},
	{Count, "the number of values that are not NULL", countType, countRange, countMean},
	{Sum, "the exact sum of numbers", sumType, sumRange, sumMean},
	{Avg, "the mean of numbers, with scale 6 or theirs if greater, rounded half away from zero", avgType, avgRange, avgMean},
	{Min, "the least of numbers or dates", extremeType, extremeRange, extremeMean(-1)},
	{Max, "the greatest of numbers or dates", extremeType, extremeRange, extremeMean(1)},
}

// AggNamed finds an aggregate function of the table.
func AggNamed(name AggFunc) (Aggregation, bool) {
	for _, a := range Aggs {
		if a.Name == name {
			return a, true
		}
	}
	return Aggregation{}, false
}

func countStarType(Type, bool) (Type, error) { return Type{Kind: Int}, nil }

// A group that exists has a row, so it can be a divisor.
func countStarRange(_, _ Type, _ Interval, rows *big.Int, grouped bool) Interval {
	if grouped {
		return Interval{Lo: one, Hi: atLeastOne(rows)}
	}
	return Interval{Lo: zero, Hi: rows}
}

func countStarMean(_, _ Type, values []Value) Value { return NewInt(int64(len(values))) }

func countType(Type, bool) (Type, error) { return Type{Kind: Int}, nil }

func countRange(t, arg Type, in Interval, rows *big.Int, grouped bool) Interval {
	return countStarRange(t, arg, in, rows, grouped && !arg.Nullable)
}

func countMean(_, _ Type, values []Value) Value { return NewInt(int64(len(present(values)))) }

func sumType(arg Type, grouped bool) (Type, error) {
	if !arg.Numeric() {
		return Type{}, fmt.Errorf("needs numbers, not %s", SQLName(arg))
	}
	return arg.WithNull(arg.Nullable || !grouped), nil
}

// A sum that is not NULL has from 1 to rows terms.
func sumRange(_, _ Type, in Interval, rows *big.Int, _ bool) Interval {
	if in.Empty() || in.Lo == nil {
		return in
	}
	n := atLeastOne(rows)
	return saturate(Interval{
		Lo: minInt(in.Lo, new(big.Int).Mul(in.Lo, n)),
		Hi: maxInt(in.Hi, new(big.Int).Mul(in.Hi, n)),
	})
}

func sumMean(_, _ Type, values []Value) Value {
	values = present(values)
	if len(values) == 0 {
		return NewNull()
	}
	return NewBig(total(values))
}

func avgType(arg Type, grouped bool) (Type, error) {
	if !arg.Numeric() {
		return Type{}, fmt.Errorf("needs numbers, not %s", SQLName(arg))
	}
	return Type{Kind: Decimal, Scale: max(QuotientScale, arg.Scale), Nullable: arg.Nullable || !grouped}, nil
}

func avgRange(t, arg Type, in Interval, _ *big.Int, _ bool) Interval {
	if in.Empty() || in.Lo == nil {
		return in
	}
	return saturate(Interval{Lo: rescale(in.Lo, arg.Scale, t.Scale), Hi: rescale(in.Hi, arg.Scale, t.Scale)})
}

func avgMean(t, arg Type, values []Value) Value {
	values = present(values)
	if len(values) == 0 {
		return NewNull()
	}
	return NewBig(DivRound(rescale(total(values), arg.Scale, t.Scale), big.NewInt(int64(len(values)))))
}

func extremeType(arg Type, grouped bool) (Type, error) {
	if !arg.Numeric() && arg.Kind != Date {
		return Type{}, fmt.Errorf("needs numbers or dates, not %s", SQLName(arg))
	}
	return arg.WithNull(arg.Nullable || !grouped), nil
}

func extremeRange(_, _ Type, in Interval, _ *big.Int, _ bool) Interval { return in }

func extremeMean(sign int) func(Type, Type, []Value) Value {
	return func(_, _ Type, values []Value) Value {
		best := NewNull()
		for _, v := range present(values) {
			if best.Null || Compare(v, best) == sign {
				best = v
			}
		}
		return best
	}
}

func present(values []Value) []Value {
	var some []Value
	for _, v := range values {
		if !v.Null {
			some = append(some, v)
		}
	}
	return some
}

func total(values []Value) *big.Int {
	sum := new(big.Int)
	for _, v := range values {
		sum.Add(sum, v.Int)
	}
	return sum
}

func atLeastOne(n *big.Int) *big.Int { return maxInt(n, one) }
