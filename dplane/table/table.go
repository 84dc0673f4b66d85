// Package table moves columns in and out of files. Read checks an owner's CSV
// file against the declaration of its table and reports everything that is
// wrong with it in one run; Write writes a result. It sees clear data, on its
// owner's machine: no message of it ever holds a value of the file, and it
// sends nothing anywhere. Start with Read; the layers below it are records.go
// (bytes to cells), header.go, cell.go (cells to values) and keys.go.
//
// Rows are numbered as a spreadsheet does: the header is row 1, and a row whose
// quoted cells span several lines is one row.
package table

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"joconde/lang/eval"
	"joconde/lang/ir"
)

// Options say how to read a file. In the zero value everything is found out
// from the file, and what was found is in the Note.
type Options struct {
	Delimiter byte // ';', ',' or tab; 0: from the header
	// Decimal is the decimal mark, '.' or ','; 0: a point where the delimiter
	// is a comma, else whichever the file uses throughout.
	Decimal byte
	MaxRows int // the task's bound on the rows; 0: none
	// Progress, if not nil, is told every few ten thousand rows, from the same
	// goroutine, how many rows and bytes are read.
	Progress func(rows int, bytes int64)
}

// Note says how a file was read and what its owner should know about it. It
// holds names of columns and counts, never a value.
type Note struct {
	Rows      int
	Delimiter byte
	Decimal   byte     // the decimal mark; 0 if it was left open and no number has one
	Ignored   []string // columns of the file that are not in the declaration: not read
	Blank     int      // blank lines, skipped
	Trimmed   []string // columns with spaces removed from the end of texts
	NotNFC    []string // text columns in which letters are written in more than one way (not NFC)
}

// Sentences are the note for people: first how the file was read, then what is
// worth knowing.
func (n Note) Sentences() []string {
	names := map[byte]string{';': `separator ";"`, ',': `separator ","`, '\t': "separator tab"}
	rows := grouped(n.Rows) + " rows"
	if n.Rows == 1 {
		rows = "1 row"
	}
	read := rows + ", " + names[n.Delimiter]
	switch n.Decimal {
	case ',':
		read += ", decimal comma"
	case '.':
		read += ", decimal point"
	}
	lines := []string{read}
	for _, name := range n.Ignored {
		lines = append(lines, fmt.Sprintf("column %s is not in the declaration and was not read", name))
	}
	if n.Blank > 0 {
		lines = append(lines, fmt.Sprintf("blank lines skipped: %s", grouped(n.Blank)))
	}
	if len(n.Trimmed) > 0 {
		lines = append(lines, "spaces at the end of texts removed in "+strings.Join(n.Trimmed, ", "))
	}
	if len(n.NotNFC) > 0 {
		lines = append(lines, fmt.Sprintf("%s: some letters are not in the usual Unicode form (NFC); texts are compared byte for byte, so the other side must write them in the same way",
			strings.Join(n.NotNFC, ", ")))
	}
	return lines
}

// Read reads the rows of table t from r; file is its name in messages. Rows
// keep the order of the file, and each has one value for each declared column.
//
// If anything is wrong, rows are nil and the error is joconde.Problems with
// everything found, grouped by rule and column; of the Note only Rows is set. The file is read to its end for
// that, in bounded memory apart from the rows themselves. An empty cell is
// NULL; in a text column a quoted empty cell is the empty text.
func Read(ctx context.Context, r io.Reader, file string, t *ir.Table, opt Options) (eval.Rows, Note, error) {
	fs := &findings{file: file, t: t, opt: opt, tallies: map[place]*tally{}}
	s := &records{r: r}
	h, err := readHeader(s, fs)
	if err != nil {
		return nil, Note{}, err
	}
	if h == nil {
		return nil, Note{}, fs.problems()
	}
	fs.opt.Delimiter, fs.opt.Decimal = s.delim, h.mark

	rd := &reader{ctx: ctx, records: s, header: h, findings: fs}
	if err := rd.rows(); err != nil {
		return nil, Note{}, err
	}
	decimal := rd.marks()
	for i, key := range t.Keys {
		if rd.keys[i] != nil {
			rd.keys[i].report(fs, key, rd.kept)
		}
	}
	if fs.any() {
		return nil, Note{Rows: rd.seen}, fs.problems()
	}

	note := Note{Rows: len(rd.kept), Delimiter: s.delim, Decimal: decimal, Ignored: h.ignored, Blank: rd.blank}
	for _, k := range h.columns {
		if k.trimmed {
			note.Trimmed = append(note.Trimmed, k.Name)
		}
		if k.notNFC {
			note.NotNFC = append(note.NotNFC, k.Name)
		}
	}
	return rd.kept, note, nil
}

// reader is one run over the rows of a file.
type reader struct {
	ctx      context.Context
	records  *records
	header   *header
	findings *findings

	kept  eval.Rows
	keys  []*keySet // by declared key; nil where a column of it is missing
	seen  int       // rows that are not blank
	blank int
	bad   []bool // by column, for the row at hand: no value to be used
}

// rows reads all rows. Its error ends the run; what is wrong with rows is added
// to the findings.
func (rd *reader) rows() error {
	t := rd.findings.t
	rd.bad = make([]bool, len(t.Columns))
	rd.keys = make([]*keySet, len(t.Keys))
	for i, key := range t.Keys {
		if rd.header.has(key) {
			rd.keys[i] = newKeySet()
		}
	}
	for {
		if rd.records.row%(1<<15) == 0 {
			if err := rd.ctx.Err(); err != nil {
				return err
			}
			if rd.findings.opt.Progress != nil {
				rd.findings.opt.Progress(rd.seen, rd.records.read)
			}
		}
		fields, flaw, err := rd.records.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			rd.findings.failed(err) // the rows so far are checked all the same
			return nil
		}
		rd.line(fields, flaw)
	}
}

// line checks one row and keeps it.
func (rd *reader) line(fields []field, flaw flaw) {
	fs, h, row := rd.findings, rd.header, rd.records.row
	if flaw == sound && len(fields) == 1 && h.width > 1 && len(fields[0].text) == 0 && !fields[0].quoted {
		rd.blank++
		return
	}
	rd.seen++
	switch {
	case flaw == unquote:
		fs.add(openQuote, h.declared(len(fields)), row)
	case flaw == overlong:
		fs.add(tooLong, h.declared(len(fields)), row)
	case len(fields) < h.width:
		fs.add(shortRow, wholeRow, row)
	case len(fields) > h.width:
		fs.add(longRow, wholeRow, row)
	}
	values := h.alloc.row(len(h.columns))
	for i, k := range h.columns {
		rd.bad[i] = k.at < 0 || k.at >= len(fields)
		if rd.bad[i] {
			continue
		}
		v, broken := k.cell(fields[k.at], row)
		if values[i] = v; broken != none {
			fs.add(broken, i, row)
			rd.bad[i] = true
		}
	}
	for i, check := range fs.t.Checks {
		if !rd.uses(check) && isFalse(eval.Scalar(check, values)) {
			fs.add(checkFails, i, row)
		}
	}
	if fs.opt.MaxRows > 0 && rd.seen > fs.opt.MaxRows {
		fs.add(tooManyRows, wholeRow, row)
		return // not kept: the bound bounds memory too
	}
	for i, key := range fs.t.Keys {
		if rd.keys[i] != nil && !rd.anyBad(key) {
			rd.keys[i].add(values, key, len(rd.kept), row)
		}
	}
	rd.kept = append(rd.kept, values)
}

// uses reports whether e needs a cell that has no value to be used.
func (rd *reader) uses(e ir.Expr) bool {
	if e.Op == "col" {
		return rd.bad[e.Col]
	}
	for _, arg := range e.Args {
		if rd.uses(arg) {
			return true
		}
	}
	return false
}

func (rd *reader) anyBad(columns []int) bool {
	for _, c := range columns {
		if rd.bad[c] {
			return true
		}
	}
	return false
}

func isFalse(v ir.Value) bool { return !v.Null && !v.True() }

// marks judges the decimal marks of the whole file, where they were not fixed,
// and gives the one it uses. A column that mixes them, or a point in a file of
// commas, may be a separator of thousands: nothing is guessed.
func (rd *reader) marks() byte {
	fs, h := rd.findings, rd.header
	if h.mark != 0 {
		return h.mark
	}
	anyComma, anyPoint := false, false
	for i, k := range h.columns {
		switch {
		case k.commas.count > 0 && k.points.count > k.commas.count:
			fs.put(mixedMarks, i, k.commas)
		case k.commas.count > 0 && k.points.count > 0:
			fs.put(mixedMarks, i, k.points)
		}
		anyComma = anyComma || k.commas.count > 0
		anyPoint = anyPoint || k.points.count > 0
	}
	for i, k := range h.columns {
		if anyComma && k.commas.count == 0 && k.points.count > 0 {
			fs.put(differentMarks, i, k.points)
		}
	}
	switch {
	case anyComma:
		return ','
	case anyPoint:
		return '.'
	}
	return 0
}
