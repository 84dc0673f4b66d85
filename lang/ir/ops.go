package ir

import (
	"errors"
	"fmt"
	"math/big"
)

// Op is one operation of expressions. The checker reads Type, range inference
// Range, the clear evaluator Mean, and people Sentence; engines must give what
// Mean gives. in holds the types of the arguments and t that of the result.
type Op struct {
	Name     string
	Sentence string
	// Type gives the type of the result, or says why the operation is not for
	// these arguments. For "cast", whose target is the type of its Expr, it
	// always refuses: see CastAllowed and TypeOf.
	Type func(in []Type) (Type, error)
	// Range contains every value that the operation can have where its
	// arguments are within args. Text has no bounds.
	Range func(t Type, in []Type, args []Interval) Interval
	// Mean is what the operation means. It is total: it never panics on
	// arguments of the types in, and what has no value is NULL.
	Mean func(t Type, in []Type, args []Value) Value
}

// Ops are the operations of expressions. "col" and "lit" are built in.
// Conversions are never made inside an operation: the checker inserts "cast".
// Except and, or, isnull, coalesce, nullif and case, NULL in gives NULL out.
var Ops = []Op{
	{"add", "adds two integers, two decimals of one scale, or days to a date",
		addType, addRange, strict(addMean)},
	{"sub", "subtracts integers, decimals of one scale, or days from a date; two dates give the days between them",
		subType, subRange, strict(subMean)},
	{"mul", "multiplies two numbers exactly; the scales of decimals add up",
		mulType, mulRange, strict(mulMean)},
	{"neg", "changes the sign of a number",
		signType, negRange, strict(negMean)},
	{"abs", "drops the sign of a number",
		signType, absRange, strict(absMean)},
	{"div", "divides two numbers to a decimal of scale 6 or the greater of theirs, rounded half away from zero; NULL where the divisor is zero",
		divType, divRange, strict(divMean)},
	{"idiv", "divides two integers, dropping the fraction; NULL where the divisor is zero",
		idivType, idivRange, strict(idivMean)},
	{"cast", "turns a number into another type of number (a smaller scale rounds half away from zero), a truth value into 0 or 1, or text into wider text",
		castType, castRange, strict(castMean)},
	{"eq", "whether two values of one type are equal",
		equalityType, boolRange, strict(compareMean(func(c int) bool { return c == 0 }))},
	{"ne", "whether two values of one type differ",
		equalityType, boolRange, strict(compareMean(func(c int) bool { return c != 0 }))},
	{"lt", "whether the first of two numbers or dates is below the second",
		orderType, boolRange, strict(compareMean(func(c int) bool { return c < 0 }))},
	{"le", "whether the first of two numbers or dates is not above the second",
		orderType, boolRange, strict(compareMean(func(c int) bool { return c <= 0 }))},
	{"gt", "whether the first of two numbers or dates is above the second",
		orderType, boolRange, strict(compareMean(func(c int) bool { return c > 0 }))},
	{"ge", "whether the first of two numbers or dates is not below the second",
		orderType, boolRange, strict(compareMean(func(c int) bool { return c >= 0 }))},
	{"and", "false if any is false, else NULL if any is NULL, else true",
		logicType, boolRange, andMean},
	{"or", "true if any is true, else NULL if any is NULL, else false",
		logicType, boolRange, orMean},
	{"not", "true for false, false for true",
		notType, boolRange, strict(notMean)},
	{"isnull", "whether a value is NULL",
		isnullType, boolRange, isnullMean},
	{"coalesce", "the first of several values of one type that is not NULL",
		coalesceType, hullRange, coalesceMean},
	{"nullif", "the first value, or NULL where it equals the second",
		nullifType, nullifRange, nullifMean},
	{"case", "the value after the first condition that is true, or the last value if none is",
		caseType, caseRange, caseMean},
}

// OpNamed finds an operation of the table.
func OpNamed(name string) (Op, bool) {
	op, found := opByName[name]
	return op, found
}

var opByName = func() map[string]Op {
	m := make(map[string]Op, len(Ops))
	for _, op := range Ops {
		m[op.Name] = op
	}
	return m
}()

// TypeOf gives the type of an operation's result, or says why it is not for
// these arguments. target is the wanted type and matters to "cast" only.
func TypeOf(op string, in []Type, target Type) (Type, error) {
	if op == "cast" {
		if len(in) != 1 {
			return Type{}, errors.New("cast takes one value")
		}
		return target, CastAllowed(in[0], target)
	}
	o, found := OpNamed(op)
	if !found {
		return Type{}, fmt.Errorf("there is no operation %.40q", op)
	}
	return o.Type(in)
}

// Types.

func anyNull(in []Type) bool {
	for _, t := range in {
		if t.Nullable {
			return true
		}
	}
	return false
}

func want(in []Type, n int, what string) error {
	if len(in) == n {
		return nil
	}
	return fmt.Errorf("needs %s, and has %d arguments", what, len(in))
}

func notFor(what string, in []Type) error {
	names := ""
	for i, t := range in {
		if i > 0 {
			names += " and "
		}
		names += SQLName(t)
	}
	return fmt.Errorf("needs %s, not %s", what, names)
}

func addType(in []Type) (Type, error) {
	const what = "two integers, two decimals of the same scale, or a date and an integer"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if in[0].Numeric() && in[0].Same(in[1]) || in[0].Kind == Date && in[1].Kind == Int {
		return in[0].WithNull(anyNull(in)), nil
	}
	return Type{}, notFor(what, in)
}

func subType(in []Type) (Type, error) {
	if len(in) == 2 && in[0].Kind == Date && in[1].Kind == Date {
		return Type{Kind: Int, Nullable: anyNull(in)}, nil
	}
	return addType(in)
}

func mulType(in []Type) (Type, error) {
	const what = "two numbers"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if !in[0].Numeric() || !in[1].Numeric() {
		return Type{}, notFor(what, in)
	}
	if in[0].Kind == Int && in[1].Kind == Int {
		return Type{Kind: Int, Nullable: anyNull(in)}, nil
	}
	scale := in[0].Scale + in[1].Scale
	if scale > MaxScale {
		return Type{}, fmt.Errorf("would give %d digits after the point; at most %d are possible", scale, MaxScale)
	}
	return Type{Kind: Decimal, Scale: scale, Nullable: anyNull(in)}, nil
}

func signType(in []Type) (Type, error) {
	const what = "a number"
	if err := want(in, 1, what); err != nil {
		return Type{}, err
	}
	if !in[0].Numeric() {
		return Type{}, notFor(what, in)
	}
	return in[0], nil
}

func divType(in []Type) (Type, error) {
	const what = "two numbers"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if !in[0].Numeric() || !in[1].Numeric() {
		return Type{}, notFor(what, in)
	}
	return Type{Kind: Decimal, Scale: max(QuotientScale, in[0].Scale, in[1].Scale), Nullable: anyNull(in)}, nil
}

// QuotientScale is the least scale of a quotient or an average.
const QuotientScale = 6

func idivType(in []Type) (Type, error) {
	const what = "two integers"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if in[0].Kind != Int || in[1].Kind != Int {
		return Type{}, notFor(what, in)
	}
	return Type{Kind: Int, Nullable: anyNull(in)}, nil
}

func castType([]Type) (Type, error) {
	return Type{}, errors.New("needs a target type")
}

func equalityType(in []Type) (Type, error) {
	if err := want(in, 2, "two values of the same type"); err != nil {
		return Type{}, err
	}
	if err := Comparable(in[0], in[1]); err != nil {
		return Type{}, err
	}
	return Type{Kind: Bool, Nullable: anyNull(in)}, nil
}

func orderType(in []Type) (Type, error) {
	const what = "two numbers of the same type, or two dates"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if !in[0].Same(in[1]) || in[0].Kind == Text || in[0].Kind == Bool {
		return Type{}, notFor(what, in)
	}
	return Type{Kind: Bool, Nullable: anyNull(in)}, nil
}

func logicType(in []Type) (Type, error) {
	const what = "two or more truth values"
	if len(in) < 2 {
		return Type{}, errors.New("needs " + what)
	}
	for _, t := range in {
		if t.Kind != Bool {
			return Type{}, notFor(what, in)
		}
	}
	return Type{Kind: Bool, Nullable: anyNull(in)}, nil
}

func notType(in []Type) (Type, error) {
	const what = "a truth value"
	if err := want(in, 1, what); err != nil {
		return Type{}, err
	}
	if in[0].Kind != Bool {
		return Type{}, notFor(what, in)
	}
	return in[0], nil
}

func isnullType(in []Type) (Type, error) {
	return Type{Kind: Bool}, want(in, 1, "a value")
}

func coalesceType(in []Type) (Type, error) {
	const what = "two or more values of the same type"
	if len(in) < 2 {
		return Type{}, errors.New("needs " + what)
	}
	nullable := true
	for _, t := range in {
		if !t.Same(in[0]) {
			return Type{}, notFor(what, in)
		}
		nullable = nullable && t.Nullable
	}
	return in[0].WithNull(nullable), nil
}

func nullifType(in []Type) (Type, error) {
	const what = "two values of the same type"
	if err := want(in, 2, what); err != nil {
		return Type{}, err
	}
	if !in[0].Same(in[1]) {
		return Type{}, notFor(what, in)
	}
	return in[0].WithNull(true), nil
}

func caseType(in []Type) (Type, error) {
	if len(in) < 3 || len(in)%2 == 0 {
		return Type{}, errors.New("needs a condition and a value, once or more, and a last value")
	}
	last := in[len(in)-1]
	nullable := last.Nullable
	for i := 0; i+1 < len(in); i += 2 {
		if in[i].Kind != Bool {
			return Type{}, fmt.Errorf("has a condition of type %s instead of BOOLEAN", SQLName(in[i]))
		}
		if !in[i+1].Same(last) {
			return Type{}, fmt.Errorf("has values of the types %s and %s", SQLName(in[i+1]), SQLName(last))
		}
		nullable = nullable || in[i+1].Nullable
	}
	return last.WithNull(nullable), nil
}

// Meanings.

// strict makes NULL of an operation that has a NULL argument.
func strict(mean func(t Type, in []Type, args []*big.Int, texts []string) Value) func(Type, []Type, []Value) Value {
	return func(t Type, in []Type, args []Value) Value {
		ints, texts := make([]*big.Int, len(args)), make([]string, len(args))
		for i, arg := range args {
			if arg.Null {
				return NewNull()
			}
			ints[i], texts[i] = arg.Int, arg.Text
			if ints[i] == nil {
				ints[i] = zero // a text
			}
		}
		return mean(t, in, ints, texts)
	}
}

func addMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBig(new(big.Int).Add(n[0], n[1]))
}

func subMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBig(new(big.Int).Sub(n[0], n[1]))
}

func mulMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBig(new(big.Int).Mul(n[0], n[1]))
}

func negMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBig(new(big.Int).Neg(n[0]))
}

func absMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBig(new(big.Int).Abs(n[0]))
}

func divMean(t Type, in []Type, n []*big.Int, _ []string) Value {
	if n[1].Sign() == 0 {
		return NewNull()
	}
	return NewBig(quotient(t, in, n[0], n[1]))
}

// quotient divides scaled numbers: a/10^sa ÷ b/10^sb, times 10^t.Scale.
// t.Scale is at least sa.
func quotient(t Type, in []Type, a, b *big.Int) *big.Int {
	return DivRound(new(big.Int).Mul(a, pow10(t.Scale-in[0].Scale+in[1].Scale)), b)
}

func idivMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	if n[1].Sign() == 0 {
		return NewNull()
	}
	return NewBig(new(big.Int).Quo(n[0], n[1]))
}

func castMean(t Type, in []Type, n []*big.Int, texts []string) Value {
	if t.Kind == Text {
		return NewText(texts[0])
	}
	return NewBig(rescale(n[0], in[0].Scale, t.Scale))
}

func rescale(n *big.Int, from, to int) *big.Int {
	if to >= from {
		return new(big.Int).Mul(n, pow10(to-from))
	}
	return DivRound(n, pow10(from-to))
}

// DivRound is n ÷ d rounded half away from zero. d is not zero.
func DivRound(n, d *big.Int) *big.Int {
	twice := new(big.Int).Lsh(new(big.Int).Abs(n), 1)
	width := new(big.Int).Abs(d)
	q := twice.Add(twice, width)
	q.Quo(q, width.Lsh(width, 1))
	if n.Sign()*d.Sign() < 0 {
		q.Neg(q)
	}
	return q
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(n, 0))), nil)
}

func compareMean(holds func(int) bool) func(Type, []Type, []*big.Int, []string) Value {
	return func(_ Type, in []Type, n []*big.Int, texts []string) Value {
		if in[0].Kind == Text {
			return NewBool(holds(Compare(NewText(texts[0]), NewText(texts[1]))))
		}
		return NewBool(holds(n[0].Cmp(n[1])))
	}
}

func andMean(_ Type, _ []Type, args []Value) Value {
	null := false
	for _, arg := range args {
		switch {
		case arg.Null:
			null = true
		case !arg.True():
			return NewBool(false)
		}
	}
	if null {
		return NewNull()
	}
	return NewBool(true)
}

func orMean(_ Type, _ []Type, args []Value) Value {
	null := false
	for _, arg := range args {
		switch {
		case arg.Null:
			null = true
		case arg.True():
			return NewBool(true)
		}
	}
	if null {
		return NewNull()
	}
	return NewBool(false)
}

func notMean(_ Type, _ []Type, n []*big.Int, _ []string) Value {
	return NewBool(n[0].Sign() == 0)
}

func isnullMean(_ Type, _ []Type, args []Value) Value { return NewBool(args[0].Null) }

func coalesceMean(_ Type, _ []Type, args []Value) Value {
	for _, arg := range args {
		if !arg.Null {
			return arg
		}
	}
	return NewNull()
}

func nullifMean(_ Type, _ []Type, args []Value) Value {
	if !args[0].Null && !args[1].Null && args[0].Equal(args[1]) {
		return NewNull()
	}
	return args[0]
}

func caseMean(_ Type, _ []Type, args []Value) Value {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i].True() {
			return args[i+1]
		}
	}
	return args[len(args)-1]
}
