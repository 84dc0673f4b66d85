package ir

import (
	"math/big"
	"strings"
)

// Value is one value in the clear, or NULL. An integer, a decimal (scaled), a
// date (days since 1970-01-01) and a bool (0 or 1) stand in Int, a text in
// Text. Which it is, its Type says. Values are never changed once made, so
// they may share their Int.
type Value struct {
	Null bool
	Int  *big.Int
	Text string
}

// NewNull is NULL, of any type.
func NewNull() Value { return Value{Null: true} }

// NewInt is a number (scaled, for a decimal) or a date.
func NewInt(n int64) Value { return Value{Int: big.NewInt(n)} }

// NewBig is a number or a date. The caller does not change n afterwards.
func NewBig(n *big.Int) Value { return Value{Int: n} }

// NewText is a text.
func NewText(s string) Value { return Value{Text: s} }

// NewBool is a bool.
func NewBool(b bool) Value {
	if b {
		return Value{Int: one}
	}
	return Value{Int: zero}
}

// Shared numbers; nobody changes them.
var (
	zero = big.NewInt(0)
	one  = big.NewInt(1)
)

// True reports whether v is the bool true: neither false nor NULL.
func (v Value) True() bool { return !v.Null && v.Int != nil && v.Int.Sign() != 0 }

// Equal reports whether a and b are the same value of one type. NULL is the
// same as NULL here; SQL's = is the operation "eq".
func (v Value) Equal(w Value) bool { return Compare(v, w) == 0 }

// Compare orders values of one type: numbers and dates by size, false before
// true, text by bytes, NULL last.
func Compare(v, w Value) int {
	switch {
	case v.Null && w.Null:
		return 0
	case v.Null:
		return 1
	case w.Null:
		return -1
	case v.Int != nil && w.Int != nil:
		return v.Int.Cmp(w.Int)
	case v.Int != nil: // values of two types: any fixed order will do
		return -1
	case w.Int != nil:
		return 1
	}
	return strings.Compare(v.Text, w.Text)
}
