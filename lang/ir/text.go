package ir

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDay bounds dates in both directions, in days from 1970-01-01 (about
// 270,000 years). Range inference refuses expressions that pass it.
const MaxDay = 100_000_000

// Format writes a value of type t in its one canonical text: integers in
// decimal, decimals with exactly t.Scale digits after the point, dates as
// YYYY-MM-DD, true or false, text as it is. NULL gives "NULL"; who must tell it
// from a text looks at v.Null first.
func Format(t Type, v Value) string {
	if v.Null {
		return "NULL"
	}
	if t.Kind == Text {
		return v.Text
	}
	if v.Int == nil {
		return v.Text // a text where a number is due; our own bug, but nothing to die for
	}
	switch t.Kind {
	case Bool:
		return strconv.FormatBool(v.Int.Sign() != 0)
	case Date:
		return formatDate(v.Int)
	case Decimal:
		return formatDecimal(v.Int, t.Scale)
	}
	return v.Int.String()
}

func formatDecimal(n *big.Int, scale int) string {
	if scale <= 0 {
		return n.String()
	}
	digits := new(big.Int).Abs(n).String()
	if missing := scale + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	sign := ""
	if n.Sign() < 0 {
		sign = "-"
	}
	point := len(digits) - scale
	return sign + digits[:point] + "." + digits[point:]
}

// formatDate gives the proleptic Gregorian date, with at least four digits of
// year. Beyond MaxDay, where no checked program gets, it gives the day number.
func formatDate(n *big.Int) string {
	if !n.IsInt64() || n.Int64() < -MaxDay || n.Int64() > MaxDay {
		return n.String()
	}
	y, m, d := civil(n.Int64())
	if y < 0 {
		return fmt.Sprintf("-%04d-%02d-%02d", -y, m, d)
	}
	return fmt.Sprintf("%04d-%02d-%02d", y, m, d)
}

// ParseValue reads the text that Format writes, and no other, so that one
// value has one text. It never gives NULL. Its errors do not hold the text.
func ParseValue(t Type, text string) (Value, error) {
	switch t.Kind {
	case Int, Decimal:
		return parseNumber(t, text)
	case Date:
		return parseDate(text)
	case Bool:
		switch text {
		case "true":
			return NewBool(true), nil
		case "false":
			return NewBool(false), nil
		}
		return Value{}, errors.New("a truth value is true or false")
	case Text:
		return parseText(t, text)
	}
	return Value{}, errors.New("this type has no values")
}

// maxDigits bounds the texts of numbers: more than any range allows.
const maxDigits = 80

func parseNumber(t Type, text string) (Value, error) {
	problem := errors.New("an integer is digits, without leading zeros, with - where negative")
	scale := 0
	if t.Kind == Decimal {
		scale = t.Scale
		problem = fmt.Errorf("a number of this type is digits, a point, and %d digits", scale)
		if scale == 0 {
			problem = errors.New("a number of this type is digits, without a point")
		}
	}
	digits := text
	if scale > 0 {
		point := len(text) - scale - 1
		if point < 1 || text[point] != '.' {
			return Value{}, problem
		}
		digits = text[:point] + text[point+1:]
	}
	n, err := parseDigits(digits)
	if err != nil || Format(t, Value{Int: n}) != text {
		return Value{}, problem
	}
	return Value{Int: n}, nil
}

// parseDigits reads an optional minus and decimal digits.
func parseDigits(text string) (*big.Int, error) {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || len(digits) > maxDigits {
		return nil, errors.New("not a number of sensible length")
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return nil, errors.New("not a digit")
		}
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return nil, errors.New("not a number")
	}
	return n, nil
}

func parseDate(text string) (Value, error) {
	problem := errors.New("a date is YYYY-MM-DD, and must exist")
	negative := strings.HasPrefix(text, "-")
	parts := strings.Split(strings.TrimPrefix(text, "-"), "-")
	if len(parts) != 3 || len(parts[0]) < 4 || len(parts[0]) > 6 || len(parts[1]) != 2 || len(parts[2]) != 2 {
		return Value{}, problem
	}
	var ymd [3]int64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return Value{}, problem
		}
		ymd[i] = int64(n)
	}
	if negative {
		ymd[0] = -ymd[0]
	}
	if ymd[1] < 1 || ymd[1] > 12 || ymd[2] < 1 || ymd[2] > 31 {
		return Value{}, problem
	}
	// A day that does not exist, such as 30 February, comes back as another.
	v := NewInt(day(ymd[0], ymd[1], ymd[2]))
	if formatDate(v.Int) != text {
		return Value{}, problem
	}
	return v, nil
}

func parseText(t Type, text string) (Value, error) {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return Value{}, errors.New("a text is UTF-8 without NUL")
	}
	if len(t.Codes) > 0 {
		if _, found := slices.BinarySearch(t.Codes, text); !found {
			return Value{}, errors.New("the text is not in the code list")
		}
		return NewText(text), nil
	}
	if utf8.RuneCountInString(text) > t.Width {
		return Value{}, fmt.Errorf("the text is longer than %d characters", t.Width)
	}
	return NewText(text), nil
}

// day counts days from 1970-01-01 in the proleptic Gregorian calendar, and
// civil is its inverse. Years begin in March, so that the leap day comes last;
// eras are the calendar's cycles of 400 years (146,097 days).
func day(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yearOfEra := y - era*400
	dayOfYear := (153*((m+9)%12)+2)/5 + d - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

func civil(days int64) (y, m, d int64) {
	days += 719468
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	d = dayOfYear - (153*shifted+2)/5 + 1
	m = (shifted+2)%12 + 1
	y = yearOfEra + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}
