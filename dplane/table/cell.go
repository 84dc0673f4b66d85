package table

import (
	"bytes"
	"math/big"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"joconde/lang/ir"
)

// packedBytes is the greatest declared width at which key text is compared
// exactly, packed into as many bytes of UTF-8 as characters are declared.
const packedBytes = 16

// maxDigits bounds numbers: more than any range allows, and few enough that
// reading one costs nothing.
const maxDigits = 80

// column reads the cells of one declared column.
type column struct {
	ir.Column
	at      int // which column of the file; -1: none
	lo, hi  *big.Int
	codes   map[string]ir.Value
	dates   map[string]ir.Value // recent dates: few are distinct
	mark    byte                // the decimal mark; 0: to be found out
	points  tally               // rows with a decimal point, while mark is 0
	commas  tally
	notNFC  bool
	trimmed bool
	alloc   *allocator
}

func newColumn(c ir.Column, mark byte, a *allocator) (*column, bool) {
	k := &column{Column: c, at: -1, mark: mark, alloc: a}
	if c.Type.Coded() {
		k.codes = make(map[string]ir.Value, len(c.Type.Codes))
		for _, code := range c.Type.Codes {
			k.codes[code] = ir.NewText(code)
		}
	}
	ok := true
	bound := func(text string) *big.Int {
		if text == "" {
			return nil
		}
		n, isNumber := new(big.Int).SetString(text, 10)
		ok = ok && isNumber
		return n
	}
	k.lo, k.hi = bound(c.Lo), bound(c.Hi)
	return k, ok
}

// cell reads one cell; r is none if it is good.
func (k *column) cell(f field, row int) (v ir.Value, r rule) {
	if k.Type.Kind == ir.Text {
		v, r = k.text(f)
	} else {
		v, r = k.plain(f, row)
	}
	switch {
	case r != none:
		// NUL and bad UTF-8 explain more than what they make of a value.
		if bytes.IndexByte(f.text, 0) >= 0 {
			r = nul
		} else if !utf8.Valid(f.text) {
			r = badUTF8
		} else if f.bare {
			r = bareQuote
		}
		return ir.Value{}, r
	case v.Null && !k.Type.Nullable:
		return v, notNull
	case !v.Null && v.Int != nil && (k.lo != nil && v.Int.Cmp(k.lo) < 0 || k.hi != nil && v.Int.Cmp(k.hi) > 0):
		return ir.Value{}, outOfRange
	}
	return v, none
}

// text reads a text: an empty cell is NULL, unless it is quoted. Trailing
// spaces, which CHAR(n) columns are padded with, are no part of a text.
func (k *column) text(f field) (ir.Value, rule) {
	if len(f.text) == 0 && !f.quoted {
		return ir.NewNull(), none
	}
	if f.bare {
		return ir.Value{}, bareQuote
	}
	if v, found := k.codes[string(f.text)]; found {
		return v, none
	}
	text := bytes.TrimRight(f.text, " ")
	if k.codes != nil {
		if v, found := k.codes[string(text)]; found {
			return v, none
		}
		return ir.Value{}, notInCodes
	}
	switch {
	case bytes.IndexByte(text, 0) >= 0:
		return ir.Value{}, nul
	case !utf8.Valid(text):
		return ir.Value{}, badUTF8
	case utf8.RuneCount(text) > k.Type.Width:
		return ir.Value{}, tooWide
	case k.Type.Width <= packedBytes && len(text) > k.Type.Width:
		return ir.Value{}, tooManyBytes
	}
	k.trimmed = k.trimmed || len(text) < len(f.text)
	k.notNFC = k.notNFC || !norm.NFC.IsNormal(text)
	return ir.NewText(string(text)), none
}

// plain reads a cell of any kind but text; spaces around it mean nothing.
func (k *column) plain(f field, row int) (ir.Value, rule) {
	text := bytes.Trim(f.text, " \t")
	if len(text) == 0 {
		return ir.NewNull(), none
	}
	switch k.Type.Kind {
	case ir.Int:
		return k.number(text, 0, row)
	case ir.Decimal:
		return k.number(text, k.Type.Scale, row)
	case ir.Date:
		return k.date(text)
	}
	return truth(text)
}

func (k *column) date(text []byte) (ir.Value, rule) {
	if v, found := k.dates[string(text)]; found {
		return v, none
	}
	if len(text) != len("2025-12-31") {
		return ir.Value{}, notDate
	}
	v, err := ir.ParseValue(ir.Type{Kind: ir.Date}, string(text))
	if err != nil || bytes.HasPrefix(text, []byte("0000")) || text[0] == '-' {
		return ir.Value{}, notDate
	}
	if k.dates == nil || len(k.dates) > 1<<16 {
		k.dates = map[string]ir.Value{}
	}
	k.dates[string(text)] = v
	return v, none
}

func truth(text []byte) (ir.Value, rule) {
	switch strings.ToLower(string(text)) {
	case "true", "t", "1":
		return ir.NewBool(true), none
	case "false", "f", "0":
		return ir.NewBool(false), none
	}
	return ir.Value{}, notBool
}

// number reads sign, digits, a decimal mark and at most scale digits; the value
// is scaled. Nothing is rounded and nothing guessed: 1.234 is not 1234.
func (k *column) number(text []byte, scale, row int) (ir.Value, rule) {
	p, negative := 0, false
	if text[0] == '-' || text[0] == '+' {
		p, negative = 1, text[0] == '-'
	}
	from, mark := p, -1
	var n int64 // the first digits, as long as they fit
	digits := 0 // in n, leading zeros left out
	for ; p < len(text); p++ {
		c := text[p]
		if c >= '0' && c <= '9' {
			if digits > 0 || c != '0' {
				digits++
			}
			if digits <= 18 {
				n = 10*n + int64(c-'0')
			}
			continue
		}
		if (c != '.' && c != ',') || mark >= 0 {
			return ir.Value{}, whyNotNumber(text, scale)
		}
		mark = p
	}
	fraction := 0
	if mark >= 0 {
		fraction = len(text) - mark - 1
	}
	if len(text) == from || mark >= 0 && fraction == 0 {
		return ir.Value{}, whyNotNumber(text, scale)
	}
	if mark >= 0 {
		if r := k.marked(text[mark], scale, fraction, row); r != none {
			return ir.Value{}, r
		}
	}
	if digits += scale - fraction; digits <= 18 {
		for range scale - fraction {
			n *= 10
		}
		if negative {
			n = -n
		}
		return ir.Value{Int: k.alloc.int(n)}, none
	}
	if digits > maxDigits {
		return ir.Value{}, outOfRange
	}
	plain := strings.Map(func(c rune) rune {
		if c == '.' || c == ',' || c == '+' {
			return -1
		}
		return c
	}, string(text)) + strings.Repeat("0", scale-fraction)
	long, ok := new(big.Int).SetString(plain, 10)
	if !ok {
		return ir.Value{}, notDecimal
	}
	return ir.Value{Int: long}, none
}

// marked judges the decimal mark of a number.
func (k *column) marked(mark byte, scale, fraction, row int) rule {
	switch {
	case k.Type.Kind == ir.Int:
		return notInteger
	case k.mark != 0 && mark != k.mark:
		return wrongMark
	case fraction > scale:
		return tooPrecise
	case k.mark != 0:
	case mark == ',':
		k.commas.add(row)
	default:
		k.points.add(row)
	}
	return none
}

// whyNotNumber tells the usual mistakes apart.
func whyNotNumber(text []byte, scale int) rule {
	digits, marks, blanks, exponents, others := 0, 0, 0, 0, 0
	for i, c := range string(text) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.' || c == ',':
			marks++
		case (c == '-' || c == '+') && (i == 0 || exponents > 0):
		case (c == 'e' || c == 'E') && digits > 0:
			exponents++
		case c == ' ' || c == '\u00a0' || c == '\u202f' || c == '\u2009' || c == '\'' || c == '’' || c == '_':
			blanks++
		default:
			others++
		}
	}
	switch {
	case digits == 0 || others > 0:
	case exponents == 1 && blanks == 0:
		return exponent
	case exponents == 0 && (blanks > 0 || marks > 1):
		return thousands
	}
	if scale == 0 {
		return notInteger
	}
	return notDecimal
}

// allocator makes big integers by the thousand: one million cells are then few
// objects. Small ones are shared, as values never change.
type allocator struct {
	small [256]*big.Int
	ints  []big.Int
	words []big.Word
	cells []ir.Value
}

func (a *allocator) int(n int64) *big.Int {
	if n >= 0 && n < int64(len(a.small)) {
		if a.small[n] == nil {
			a.small[n] = big.NewInt(n)
		}
		return a.small[n]
	}
	if int64(big.Word(n)) != n { // words of 32 bits
		return big.NewInt(n)
	}
	if len(a.ints) == 0 {
		a.ints, a.words = make([]big.Int, 1024), make([]big.Word, 1024)
	}
	z, w := &a.ints[0], a.words[:1:1]
	a.ints, a.words = a.ints[1:], a.words[1:]
	if w[0] = big.Word(n); n < 0 {
		w[0] = big.Word(-n)
		return z.Neg(z.SetBits(w))
	}
	return z.SetBits(w)
}

// row makes room for n values.
func (a *allocator) row(n int) []ir.Value {
	if len(a.cells) < n {
		a.cells = make([]ir.Value, max(n, 4096))
	}
	row := a.cells[:n:n]
	a.cells = a.cells[n:]
	return row
}
