package dplane

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// maxFieldBits is the greatest width of a field of inputs and outputs: twice
// that of a number or key.
const maxFieldBits = 256

// Encode writes an owner's rows as the fields of an input, in bit-sliced planes
// as engine.Sharing.Split takes them: words[f][b*W+r/64] with W = ⌈Rows/64⌉
// holds bit b of row r of field f at bit r%64. Rows beyond the real ones are
// zero everywhere, NULL is zero in its cell. A value that its field cannot hold
// is a Problem and never wrapped to another value; all of them are found.
func Encode(in lower.Input, rows [][]ir.Value) (words [][]uint64, err error) {
	if in.Rows < 0 || len(rows) > in.Rows {
		return nil, unfit(in, -1, "JOC-D140", "there are more rows than agreed",
			fmt.Sprintf("there are %d rows and the public bound is %d; the bound is what others learn of their number, so it cannot give way", len(rows), in.Rows),
			"agree on a greater bound, or provide fewer rows")
	}
	var problems joconde.Problems
	words = make([][]uint64, len(in.Fields))
	for f, field := range in.Fields {
		if field.Enc.Bits < 1 || field.Enc.Bits > maxFieldBits {
			return nil, fmt.Errorf("encode: field %d has %d bits", f, field.Enc.Bits)
		}
		words[f] = make([]uint64, field.Enc.Bits*planeWords(in.Rows))
		some, err := encodeField(in, field, rows, words[f])
		if err != nil {
			return nil, fmt.Errorf("encode: field %d: %w", f, err)
		}
		problems = append(problems, some...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return words, nil
}

// planeWords is the number of words of one plane.
func planeWords(rows int) int { return (rows + 63) / 64 }

// encodeField fills one field. Its error is our own bug: an input that does not
// belong to the rows.
func encodeField(in lower.Input, field lower.Field, rows [][]ir.Value, planes []uint64) (joconde.Problems, error) {
	c := field.Column
	if field.What == lower.Valid {
		for r := range rows {
			planes[r/64] |= 1 << (r % 64)
		}
		return nil, nil
	}
	if field.What != lower.Present && field.What != lower.Cell {
		return nil, errors.New("it is neither valid, present nor cell")
	}
	nullable := field.What == lower.Present || hasPresent(in.Fields, c)
	tooLong, outside, nulls := 0, 0, 0
	for r, row := range rows {
		if c < 0 || c >= len(row) {
			return nil, fmt.Errorf("row %d has no column %d", r+1, c)
		}
		v := row[c]
		switch {
		case v.Null && !nullable:
			nulls++
		case v.Null:
		case field.What == lower.Present:
			planes[r/64] |= 1 << (r % 64)
		default:
			n, err := encodeCell(field.Enc, v)
			switch {
			case errors.Is(err, errTextTooLong):
				tooLong++
			case err != nil:
				outside++
			default:
				setBits(planes, planeWords(in.Rows), r, n)
			}
		}
	}
	var problems joconde.Problems
	if nulls > 0 {
		problems = append(problems, unfit(in, c, "JOC-D142", fmt.Sprintf("%d values are NULL where the program has none", nulls),
			"the column is not nullable in the program", "check the file against the declaration of its table"))
	}
	if outside > 0 {
		problems = append(problems, unfit(in, c, "JOC-D141", fmt.Sprintf("%d values are outside what the program declares", outside),
			"the range, code list or kind of the column does not have them", "check the file against the declaration of its table"))
	}
	if tooLong > 0 {
		problems = append(problems, unfit(in, c, "JOC-D143", fmt.Sprintf("%d texts are longer than %d bytes of UTF-8", tooLong, field.Enc.Bits/8),
			"keys are compared exactly, packed into that many bytes; letters beyond ASCII take two or more",
			"use identifiers without such letters, or have the column declared wider"))
	}
	return problems, nil
}

func hasPresent(fields []lower.Field, column int) bool {
	for _, f := range fields {
		if f.What == lower.Present && f.Column == column {
			return true
		}
	}
	return false
}

var (
	errTextTooLong = errors.New("the text is too long for its field")
	errNoFit       = errors.New("the value does not fit its field")
)

// encodeCell is the word of a value that is not NULL. A packed text must come
// back as it is, so it is UTF-8 and has no NUL, which is what it is padded with.
func encodeCell(enc lower.Encoding, v ir.Value) (*big.Int, error) {
	if enc.Kind != lower.Offset {
		switch {
		case v.Int != nil || !utf8.ValidString(v.Text) || strings.ContainsRune(v.Text, 0):
			return nil, errNoFit
		case enc.Kind == lower.Packed && len(v.Text) > enc.Bits/8:
			return nil, errTextTooLong
		}
	}
	n, err := enc.Encode(v)
	if err != nil || n.Sign() < 0 || n.BitLen() > enc.Bits {
		return nil, errNoFit
	}
	return n, nil
}

// setBits writes n as row r of planes of w words.
func setBits(planes []uint64, w, r int, n *big.Int) {
	at, bit := r/64, uint64(1)<<(r%64)
	if n.IsUint64() {
		for b, rest := 0, n.Uint64(); rest != 0; b, rest = b+1, rest>>1 {
			if rest&1 != 0 {
				planes[b*w+at] |= bit
			}
		}
		return
	}
	for b := range n.BitLen() {
		if n.Bit(b) != 0 {
			planes[b*w+at] |= bit
		}
	}
}

func unfit(in lower.Input, column int, code, what, why, do string) *joconde.Problem {
	where := fmt.Sprintf("input of %s, step %d", in.Owner, in.Node)
	if column >= 0 {
		where += fmt.Sprintf(", column %d", column+1)
	}
	return &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do,
		LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid}
}
