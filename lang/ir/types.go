package ir

import (
	"fmt"
	"slices"
)

// MaxScale is the greatest number of digits after the point.
const MaxScale = 38

// Same reports whether t and u are the same type but for being nullable.
func (t Type) Same(u Type) bool {
	return t.Kind == u.Kind && t.Scale == u.Scale && t.Width == u.Width && slices.Equal(t.Codes, u.Codes)
}

// Equal reports whether t and u are the same type.
func (t Type) Equal(u Type) bool { return t.Same(u) && t.Nullable == u.Nullable }

// Numeric reports whether t is an integer or a decimal.
func (t Type) Numeric() bool { return t.Kind == Int || t.Kind == Decimal }

// Coded reports whether t is text with a public code list.
func (t Type) Coded() bool { return t.Kind == Text && len(t.Codes) > 0 }

// WithNull is t, nullable or not.
func (t Type) WithNull(nullable bool) Type {
	t.Nullable = nullable
	return t
}

// Comparable says why values of a and b cannot be compared for equality, be it
// by "eq" or as the keys of a join; nil if they can.
func Comparable(a, b Type) error {
	switch {
	case a.Same(b):
		return nil
	case a.Kind == Text && b.Kind == Text && a.Coded() && b.Coded():
		return fmt.Errorf("the two code lists differ")
	case a.Kind == Decimal && b.Kind == Decimal:
		return fmt.Errorf("the scales %d and %d differ", a.Scale, b.Scale)
	}
	return fmt.Errorf("%s and %s cannot be compared", SQLName(a), SQLName(b))
}

// SQLName is the type's name for people, as SQL writes it.
func SQLName(t Type) string {
	switch t.Kind {
	case Int:
		return "BIGINT"
	case Decimal:
		return fmt.Sprintf("DECIMAL(38,%d)", t.Scale)
	case Bool:
		return "BOOLEAN"
	case Date:
		return "DATE"
	case Text:
		if t.Coded() {
			return "TEXT"
		}
		return fmt.Sprintf("VARCHAR(%d)", t.Width)
	}
	return "unknown"
}

// CastAllowed says why "cast" cannot turn from into to; nil if it can. Numbers
// become numbers (a smaller scale rounds half away from zero), a bool becomes
// an integer, key text becomes wider key text, coded text becomes text over a
// code list that contains the old one. A cast keeps NULL.
func CastAllowed(from, to Type) error {
	if from.Nullable != to.Nullable {
		return fmt.Errorf("a cast keeps NULL as it is")
	}
	switch {
	case from.Numeric() && to.Numeric():
		return nil
	case from.Kind == Bool && to.Kind == Int:
		return nil
	case from.Kind == Text && to.Kind == Text:
		return textCast(from, to)
	}
	return fmt.Errorf("%s cannot become %s", SQLName(from), SQLName(to))
}

func textCast(from, to Type) error {
	switch {
	case from.Coded() && to.Coded():
		for _, code := range from.Codes {
			if _, found := slices.BinarySearch(to.Codes, code); !found {
				return fmt.Errorf("the new code list lacks a code of the old one")
			}
		}
		return nil
	case from.Coded() != to.Coded():
		return fmt.Errorf("text with a code list and text without one do not become each other")
	case from.Width > to.Width:
		return fmt.Errorf("text of up to %d characters does not fit %d", from.Width, to.Width)
	}
	return nil
}
