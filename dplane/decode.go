package dplane

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"unicode/utf8"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// Decode gives the rows of an opened output that exist. columns are those of
// the output's node; words are as Encode and engine.Sharing.Open give them.
// Anything that the plan does not allow is an error, because a wrong result
// must not be shown as right: another shape, something in a row that does not
// exist or in a cell that is NULL, a code that is not in the list, a text that
// is not UTF-8 or too long. This notices some wrong results, not all.
func Decode(out lower.Output, columns []ir.Column, words [][]uint64) ([][]ir.Value, error) {
	rows, err := decode(out, columns, words)
	if err != nil {
		return nil, &joconde.Problem{
			Code:  "JOC-D150",
			What:  "what was opened is no result of this program",
			Where: "view " + out.View,
			Why:   err.Error(),
			Do:    "do not use the result: a computing party went wrong or cheated; run the task again, and tell the operators if it happens again",
			// The result came in; opening it sends nothing.
			LeftMachine: joconde.NothingLeft,
			Exit:        joconde.ExitUnverified,
			Err:         err,
		}
	}
	return rows, nil
}

func decode(out lower.Output, columns []ir.Column, words [][]uint64) ([][]ir.Value, error) {
	l, err := layOut(out, columns, words)
	if err != nil {
		return nil, err
	}
	rows := make([][]ir.Value, 0, l.count())
	for w, set := range l.valid {
		for ; set != 0; set &= set - 1 {
			row, err := l.row(columns, 64*w+bits.TrailingZeros64(set))
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// layout is an output whose shape is checked.
type layout struct {
	valid   []uint64
	present [][]uint64 // by column; nil: never NULL
	cells   [][]uint64 // by column
	enc     []lower.Encoding
}

func (l *layout) count() int {
	n := 0
	for _, set := range l.valid {
		n += bits.OnesCount64(set)
	}
	return n
}

// layOut finds the planes of each column and checks them but for the values.
func layOut(out lower.Output, columns []ir.Column, words [][]uint64) (*layout, error) {
	if out.Rows < 0 || len(words) != len(out.Fields) {
		return nil, fmt.Errorf("%d fields in place of %d", len(words), len(out.Fields))
	}
	l := &layout{present: make([][]uint64, len(columns)), cells: make([][]uint64, len(columns)), enc: make([]lower.Encoding, len(columns))}
	for f, field := range out.Fields {
		b := field.Enc.Bits
		if b < 1 || b > maxFieldBits || len(words[f]) != b*planeWords(out.Rows) {
			return nil, fmt.Errorf("field %d is not %d rows of %d bits", f, out.Rows, b)
		}
		if field.What != lower.Valid && (field.Column < 0 || field.Column >= len(columns)) {
			return nil, fmt.Errorf("field %d belongs to no column", f)
		}
		if field.What != lower.Cell && b != 1 {
			return nil, fmt.Errorf("field %d is not one bit", f)
		}
		var place *[]uint64
		switch field.What {
		case lower.Valid:
			place = &l.valid
		case lower.Present:
			place = &l.present[field.Column]
		case lower.Cell:
			place = &l.cells[field.Column]
			l.enc[field.Column] = field.Enc
		default:
			return nil, fmt.Errorf("field %d is neither valid, present nor cell", f)
		}
		if *place != nil {
			return nil, fmt.Errorf("field %d is there twice", f)
		}
		*place = words[f]
		if words[f] == nil { // no rows
			*place = []uint64{}
		}
	}
	if l.valid == nil {
		return nil, errors.New("no field says which rows exist")
	}
	if rest := out.Rows % 64; rest != 0 && l.valid[len(l.valid)-1]>>rest != 0 {
		return nil, errors.New("rows beyond the last exist")
	}
	for c, column := range columns {
		if err := l.column(c, column.Type); err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
	}
	return l, nil
}

// column checks what can be said of a column without its values.
func (l *layout) column(c int, t ir.Type) error {
	exists := l.valid
	switch {
	case l.cells[c] == nil:
		return errors.New("it is missing")
	case t.Nullable != (l.present[c] != nil):
		return errors.New("it does not say which values are NULL, or says so in vain")
	case !encodes(l.enc[c], t):
		return errors.New("its encoding is not one of its type")
	case t.Nullable && !within(l.present[c], l.valid):
		return errors.New("a value is in a row that does not exist")
	case t.Nullable:
		exists = l.present[c]
	}
	if !within(l.cells[c], exists) {
		return errors.New("a value is in a row that does not exist, or is NULL and has a value")
	}
	return nil
}

// within reports whether every plane has bits only where mask has.
func within(planes, mask []uint64) bool {
	for i, word := range planes {
		if word&^mask[i%len(mask)] != 0 {
			return false
		}
	}
	return true
}

// encodes reports whether values of type t are decoded from enc.
func encodes(enc lower.Encoding, t ir.Type) bool {
	switch enc.Kind {
	case lower.Offset:
		return t.Kind != ir.Text
	case lower.Code:
		return t.Coded() && slices.Equal(enc.Codes, t.Codes)
	case lower.Packed:
		return t.Kind == ir.Text && !t.Coded()
	}
	return false
}

// row decodes row r, which exists.
func (l *layout) row(columns []ir.Column, r int) ([]ir.Value, error) {
	row := make([]ir.Value, len(columns))
	for c, column := range columns {
		if column.Type.Nullable && l.present[c][r/64]>>(r%64)&1 == 0 {
			row[c] = ir.NewNull()
			continue
		}
		n := getBits(l.cells[c], len(l.valid), r)
		v, err := l.enc[c].Decode(n)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
		if err := l.typed(c, column.Type, v, n); err != nil {
			return nil, fmt.Errorf("column %s: %w", column.Name, err)
		}
		row[c] = v
	}
	return row, nil
}

// typed checks that v is a value of type t and has no other word than n.
func (l *layout) typed(c int, t ir.Type, v ir.Value, n *big.Int) error {
	again, err := encodeCell(l.enc[c], v)
	switch {
	case err != nil || again.Cmp(n) != 0:
		return errors.New("a word is not how its value is encoded")
	case t.Kind == ir.Bool && (v.Int.Sign() < 0 || v.Int.BitLen() > 1):
		return errors.New("a truth value is neither true nor false")
	case t.Kind == ir.Date && (!v.Int.IsInt64() || v.Int.Int64() < -ir.MaxDay || v.Int.Int64() > ir.MaxDay):
		return errors.New("a date is out of range")
	case t.Kind == ir.Text && !t.Coded() && utf8.RuneCountInString(v.Text) > t.Width:
		return errors.New("a text is too long")
	}
	return nil
}

// getBits reads row r of planes of w words.
func getBits(planes []uint64, w, r int) *big.Int {
	at, shift := r/64, r%64
	n := new(big.Int)
	var word uint64
	top := len(planes) / w
	for b := top - 1; b >= 0; b-- {
		word = word<<1 | planes[b*w+at]>>shift&1
		if b%64 == 0 {
			n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(word))
			word = 0
		}
	}
	return n
}
