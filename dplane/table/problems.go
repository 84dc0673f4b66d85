package table

import (
	"cmp"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"joconde"
	"joconde/lang/ir"
)

// rule is what a row or cell breaks. Its number is the problem's: rule 14 is
// JOC-D114. Numbers are never used again for something else.
type rule int

const (
	none           rule = 0
	unreadable     rule = 100 // the file cannot be read to its end
	empty          rule = 101
	notUTF8File    rule = 102 // UTF-16, a workbook
	noHeader       rule = 103
	missingColumn  rule = 104
	doubleColumn   rule = 105
	shortRow       rule = 106
	longRow        rule = 107
	tooLong        rule = 108
	openQuote      rule = 109
	bareQuote      rule = 110
	badUTF8        rule = 111
	nul            rule = 112
	notNull        rule = 113
	notInteger     rule = 114
	notDecimal     rule = 115
	tooPrecise     rule = 116
	thousands      rule = 117
	exponent       rule = 118
	wrongMark      rule = 119
	mixedMarks     rule = 120 // in one column
	differentMarks rule = 121 // between columns
	notDate        rule = 122
	notBool        rule = 123
	notInCodes     rule = 124
	outOfRange     rule = 125
	tooWide        rule = 126
	tooManyBytes   rule = 127
	checkFails     rule = 128
	doubleKey      rule = 129
	tooManyRows    rule = 130
)

// CodeTooManyRows is the problem of a file with more rows than Options.MaxRows.
var CodeTooManyRows = tooManyRows.code()

func (r rule) code() string { return fmt.Sprintf("JOC-D%d", int(r)) }

// sentence says a rule to people. What follows "column x: " or stands alone for
// rows; N is the number of cells or rows.
type sentence struct {
	one, many string // with %s for the number in many
	why       string // with %s for what the declaration says, if anything
	do        string
}

var sentences = map[rule]sentence{
	shortRow: {"a row has fewer cells than the header", "%s rows have fewer cells than the header",
		"each row needs one cell for each column of the header, empty where there is no value",
		"look for a missing delimiter, or for a line end inside a cell that is not quoted"},
	longRow: {"a row has more cells than the header", "%s rows have more cells than the header",
		"a delimiter inside a cell, or a decimal comma, makes two cells of one unless the cell is quoted",
		"put such cells in double quotes, or export with another delimiter"},
	tooLong: {"a row is too long", "%s rows are too long",
		"a row may have " + grouped(maxRow) + " bytes; usually a quote is opened and never closed, or the file is not a table",
		"look at the first of these rows"},
	openQuote: {"a quoted cell has no proper end", "%s quoted cells have no proper end",
		"the closing quote is missing, or text follows it before the next delimiter",
		"close the quote; a quote mark inside a quoted cell is written twice"},
	bareQuote: {"a cell that is not quoted holds a quote mark", "%s cells that are not quoted hold a quote mark",
		"programs disagree about what such a cell means",
		"put the cell in double quotes and write the quote mark inside it twice"},
	badUTF8: {"a cell is not UTF-8", "%s cells are not UTF-8",
		"the file is in another encoding, often Windows-1252 or ISO 8859",
		"export or save the file as UTF-8"},
	nul: {"a cell holds a NUL character", "%s cells hold a NUL character",
		"no text has such a character; the file is damaged or in another encoding",
		"export the file again, as UTF-8"},
	notNull: {"a cell is empty", "%s cells are empty",
		"the column is declared NOT NULL",
		"fill in the value or leave the row out, or have the table declared without NOT NULL"},
	notInteger: {"a value is not a whole number", "%s values are not whole numbers",
		"the column holds digits, with - before them where negative; no decimal mark, not even in 2.0",
		"correct the values; a missing value is an empty cell, not NA or NULL"},
	notDecimal: {"a value is not a number", "%s values are not numbers",
		"the column holds digits, with one decimal mark and - before them where negative",
		"correct the values; a missing value is an empty cell, not NA or NULL"},
	tooPrecise: {"a value has too many digits after the decimal mark", "%s values have too many digits after the decimal mark",
		"the column has %s; nothing is rounded here, and a mark that separates thousands looks like this too",
		"round the values, or remove marks that separate thousands"},
	thousands: {"a number separates thousands", "%s numbers separate thousands",
		"spaces, apostrophes or further points and commas in a number mean different things in different countries",
		"write the numbers without separators of thousands"},
	exponent: {"a number is written with an exponent", "%s numbers are written with an exponent",
		"a number such as 1E+05 has often lost digits in a spreadsheet",
		"write all digits of the numbers"},
	wrongMark: {"a value uses the other decimal mark", "%s values use the other decimal mark",
		"the file was read with a decimal %s",
		"write the values with a decimal %s, or have the file read with the other mark: joconde try --csv-decimal , (or .)"},
	mixedMarks: {"a value uses another decimal mark than the rest of the column", "%s values use another decimal mark than the rest of the column",
		"the same column has decimal points and decimal commas; one of them may separate thousands",
		"write all its values with the same decimal mark"},
	differentMarks: {"a value has a decimal point where other columns have a decimal comma", "%s values have a decimal point where other columns have a decimal comma",
		"the point may separate thousands",
		"write all columns with the same decimal mark"},
	notDate: {"a value is not a date", "%s values are not dates",
		"a date is written YYYY-MM-DD, such as 2025-03-31, and must exist",
		"convert the dates to this form"},
	notBool: {"a value is not true or false", "%s values are not true or false",
		"the column holds true or false (t, f, 1 and 0 are understood too)",
		"correct the values"},
	notInCodes: {"a value is not in the code list", "%s values are not in the code list",
		"the declaration allows %s",
		"correct the values; capital and small letters differ"},
	outOfRange: {"a value is out of range", "%s values are out of range",
		"the declaration allows %s",
		"correct the values, or set the rows aside"},
	tooWide: {"a text is too long", "%s texts are too long",
		"the column is declared with at most %s characters",
		"shorten the texts, or have the column declared wider"},
	tooManyBytes: {"a text is too long in bytes", "%s texts are too long in bytes",
		"text declared with up to " + strconv.Itoa(packedBytes) + " characters is compared exactly, packed into as many bytes of UTF-8 as characters are declared; letters with accents take two bytes or more",
		"have the column declared wider, or use identifiers without such letters"},
	checkFails: {"a row breaks a CHECK", "%s rows break a CHECK",
		"the declaration demands %s",
		"correct the rows, or set them aside"},
	tooManyRows: {"a row is beyond the agreed number", "%s rows are beyond the agreed number",
		"the task was agreed with at most %s rows in this table",
		"check that this is the right file, or agree on a task with a greater bound"},
}

// tally counts rows and keeps the first ones.
type tally struct {
	count int
	rows  []int // the first listed of them
}

// listed rows are named one by one; of more than that, only the first few.
const (
	listed   = 10
	firstFew = 3
)

func (t *tally) add(row int) {
	if t.count++; len(t.rows) < listed {
		t.rows = append(t.rows, row)
	}
}

func (t *tally) names() []string {
	names := make([]string, len(t.rows))
	for i, row := range t.rows {
		names[i] = grouped(row)
	}
	return names
}

// rowList names rows, of which there are count: "row 17", "rows 17, 18",
// "rows 17, 18, 19 … (1,190 rows)".
func rowList(names []string, count int) string {
	switch {
	case count == 1:
		return "row " + names[0]
	case count <= listed:
		return "rows " + strings.Join(names, ", ")
	}
	return fmt.Sprintf("rows %s … (%s rows)", strings.Join(names[:firstFew], ", "), grouped(count))
}

// grouped writes a count for people: 1,190.
func grouped(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// place is what problems are grouped by: a rule, and the column or check in
// which it is broken.
type place struct {
	rule rule
	in   int // index of the column, or of the check; wholeRow: neither
}

const wholeRow = -1

// findings collects what is wrong with a file. It holds row numbers and counts,
// never a value, and no more than a few for each rule and column.
type findings struct {
	file    string
	t       *ir.Table
	opt     Options
	tallies map[place]*tally
	ofFile  joconde.Problems
	ofKeys  joconde.Problems
}

func (fs *findings) any() bool { return len(fs.tallies)+len(fs.ofFile)+len(fs.ofKeys) > 0 }

func (fs *findings) add(r rule, in, row int) {
	t := fs.tallies[place{r, in}]
	if t == nil {
		t = &tally{}
		fs.tallies[place{r, in}] = t
	}
	t.add(row)
}

// put records a tally that was kept elsewhere.
func (fs *findings) put(r rule, in int, t tally) { fs.tallies[place{r, in}] = &t }

// whole adds a problem with the file as a whole.
func (fs *findings) whole(r rule, what, why, do string) {
	fs.ofFile = append(fs.ofFile, fs.problem(r, "", what, why, do))
}

// failed adds that reading failed; err is for errors.Is, not for people.
func (fs *findings) failed(err error) {
	p := fs.problem(unreadable, "", "the file cannot be read to its end", "reading it failed; the rows up to there were checked",
		"copy the file to a disk that can be read, and try again")
	p.Err = err
	fs.ofFile = append(fs.ofFile, p)
}

// headerIsRow1 says how rows are counted, wherever rows are named.
const headerIsRow1 = "; row 1 is the header"

func (fs *findings) problem(r rule, rows, what, why, do string) *joconde.Problem {
	where := fmt.Sprintf("%s (%s)", fs.file, fs.t.QName())
	if rows != "" {
		where += ", " + rows + headerIsRow1 // as a spreadsheet counts
	}
	return &joconde.Problem{Code: r.code(), What: what, Where: where, Why: why, Do: do,
		LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid}
}

// problems gives everything found: the file, its rows, its columns in the order
// of the declaration, checks, keys.
func (fs *findings) problems() joconde.Problems {
	places := make([]place, 0, len(fs.tallies))
	for p := range fs.tallies {
		places = append(places, p)
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.rule == checkFails || b.rule == checkFails {
			if a.rule != b.rule {
				return cmp.Compare(a.rule, b.rule) // checks come last
			}
		}
		return cmp.Or(cmp.Compare(a.in, b.in), cmp.Compare(a.rule, b.rule))
	})
	all := slices.Clone(fs.ofFile)
	for _, p := range places {
		t, s, detail := fs.tallies[p], sentences[p.rule], fs.detail(p)
		what := s.one
		if t.count > 1 {
			what = fmt.Sprintf(s.many, grouped(t.count))
		}
		if p.in != wholeRow && p.rule != checkFails {
			what = fmt.Sprintf("column %s: %s", fs.t.Columns[p.in].Name, what)
		}
		all = append(all, fs.problem(p.rule, rowList(t.names(), t.count), what,
			strings.ReplaceAll(s.why, "%s", detail), strings.ReplaceAll(s.do, "%s", detail)))
	}
	return append(all, fs.ofKeys...)
}

// detail is what the declaration, or the way the file is read, says.
func (fs *findings) detail(p place) string {
	switch p.rule {
	case tooManyRows:
		return grouped(fs.opt.MaxRows)
	case checkFails:
		return fs.t.Checks[p.in].String(fs.t.Columns)
	}
	if p.in == wholeRow {
		return ""
	}
	c := fs.t.Columns[p.in]
	switch p.rule {
	case tooPrecise:
		return strconv.Itoa(c.Type.Scale)
	case tooWide:
		return strconv.Itoa(c.Type.Width)
	case notInCodes:
		return codeList(c.Type.Codes)
	case outOfRange:
		return fmt.Sprintf("%s to %s", bound(c, c.Lo), bound(c, c.Hi))
	case wrongMark:
		if fs.opt.Decimal == ',' {
			return "comma"
		}
		return "point"
	}
	return ""
}

// codeList names the codes, which are public, unless they are many.
func codeList(codes []string) string {
	const most = 12
	if len(codes) > most {
		return fmt.Sprintf("%s and %s other codes", strings.Join(codes[:most], ", "), grouped(len(codes)-most))
	}
	return strings.Join(codes, ", ")
}

// bound writes one end of a declared range as the file would.
func bound(c ir.Column, text string) string {
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return "any value"
	}
	return ir.Format(c.Type, ir.NewBig(n))
}
