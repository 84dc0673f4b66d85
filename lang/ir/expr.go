package ir

import (
	"errors"
	"strconv"
	"unicode/utf8"
)

// NewCol is column i, of type t.
func NewCol(i int, t Type) Expr { return Expr{Op: "col", Col: i, Type: t} }

// NewLit is the literal v of type t. Its type is nullable where v is NULL, and
// only there.
func NewLit(t Type, v Value) Expr {
	t.Nullable = v.Null
	e := Expr{Op: "lit", Type: t, Lit: &Lit{Null: v.Null}}
	switch {
	case v.Null:
	case t.Kind == Text:
		e.Lit.Value = v.Text
	case v.Int != nil:
		e.Lit.Value = v.Int.String()
	}
	return e
}

// NewOp applies an operation of the table other than "cast".
func NewOp(name string, args ...Expr) (Expr, error) {
	in := make([]Type, len(args))
	for i, arg := range args {
		in[i] = arg.Type
	}
	t, err := TypeOf(name, in, Type{})
	if err != nil {
		return Expr{}, err
	}
	return Expr{Op: name, Args: args, Type: t}, nil
}

// NewCast converts e to the type to, but for being nullable, which it stays.
func NewCast(e Expr, to Type) (Expr, error) {
	to.Nullable = e.Type.Nullable
	if err := CastAllowed(e.Type, to); err != nil {
		return Expr{}, err
	}
	return Expr{Op: "cast", Args: []Expr{e}, Type: to}, nil
}

// Value gives the value of a literal, or says why it is none of its type. The
// number of a literal is written as parseDigits reads it, without leading
// zeros, so that one value has one form.
func (e Expr) Value() (Value, error) {
	if e.Op != "lit" || e.Lit == nil {
		return Value{}, errors.New("not a literal")
	}
	if e.Lit.Null {
		if e.Lit.Value != "" || !e.Type.Nullable {
			return Value{}, errors.New("a literal NULL has no value and a nullable type")
		}
		return NewNull(), nil
	}
	if e.Type.Nullable {
		return Value{}, errors.New("a literal other than NULL is not nullable")
	}
	switch e.Type.Kind {
	case Text:
		if !utf8.ValidString(e.Lit.Value) {
			return Value{}, errors.New("a text literal is UTF-8")
		}
		return parseText(e.Type, e.Lit.Value)
	case Int, Decimal, Date, Bool:
		n, err := parseDigits(e.Lit.Value)
		if err != nil || n.String() != e.Lit.Value {
			return Value{}, errors.New("the value of a literal is decimal digits, with - where negative")
		}
		if e.Type.Kind == Bool && (n.Sign() < 0 || n.Cmp(one) > 0) {
			return Value{}, errors.New("a truth value is 0 or 1")
		}
		return NewBig(n), nil
	}
	return Value{}, errors.New("this kind of literal is " + strconv.Quote(string(e.Type.Kind)))
}
