package table

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"joconde/lang/ir"
)

// header says where the declared columns stand in the file.
type header struct {
	columns []*column // as declared
	width   int       // columns of the file
	byPlace []int     // for each column of the file, which declared one it is, or wholeRow
	ignored []string  // names of the others
	mark    byte      // the decimal mark; 0: to be found out
	alloc   *allocator
}

// has reports whether the file has all those declared columns.
func (h *header) has(columns []int) bool {
	for _, c := range columns {
		if h.columns[c].at < 0 {
			return false
		}
	}
	return true
}

// declared is which declared column stands at a place of the file.
func (h *header) declared(at int) int {
	if at >= len(h.byPlace) {
		return wholeRow
	}
	return h.byPlace[at]
}

// bom is a byte order mark in UTF-8: it says nothing and belongs to no name.
const bom = "\ufeff"

// delimiters in the order in which they are preferred when the header leaves it open.
var delimiters = []byte{',', ';', '\t'}

// readHeader reads the first row, chooses the delimiter and finds the declared
// columns. With a nil header the findings say why there is no going on. Names
// that it finds in the file go into no finding: if there is no header, the
// first row is data.
func readHeader(s *records, fs *findings) (*header, error) {
	if err := s.fill(); err != nil {
		fs.failed(err)
		return nil, nil
	}
	switch start := s.buf; {
	case len(start) == 0, string(start) == bom:
		fs.whole(empty, "the file is empty", "it needs a header and, below it, the rows", "check that this is the right file")
		return nil, nil
	case bytes.HasPrefix(start, []byte("\xff\xfe")), bytes.HasPrefix(start, []byte("\xfe\xff")), len(start) > 1 && (start[0] == 0) != (start[1] == 0):
		fs.whole(notUTF8File, "the file is UTF-16", "only UTF-8 is read", "save or export it as UTF-8")
		return nil, nil
	case bytes.HasPrefix(start, []byte("PK\x03\x04")):
		fs.whole(notUTF8File, "the file is a workbook or an archive", "only CSV text is read", "save it as CSV, in UTF-8")
		return nil, nil
	case bytes.HasPrefix(start, []byte(bom)):
		s.pos = len(bom)
	}

	names := fs.chooseDelimiter(s)
	if names == nil {
		return nil, nil
	}
	h := &header{width: len(names), byPlace: make([]int, len(names)), mark: fs.opt.Decimal, alloc: &allocator{}}
	if h.mark == 0 && s.delim == ',' {
		h.mark = '.'
	}
	for _, c := range fs.t.Columns {
		k, ok := newColumn(c, h.mark, h.alloc)
		if !ok {
			return nil, fmt.Errorf("read %s: the range of column %s is not numbers", fs.t.QName(), c.Name)
		}
		h.columns = append(h.columns, k)
	}
	places := make([][]string, len(h.columns))
	for at, name := range names {
		c := find(fs.t.Columns, name)
		h.byPlace[at] = c
		if c == wholeRow {
			h.ignored = append(h.ignored, printable(name, at))
			continue
		}
		places[c] = append(places[c], grouped(at+1))
		h.columns[c].at = at
	}
	for c, k := range h.columns {
		switch {
		case len(places[c]) > 1:
			fs.whole(doubleColumn, fmt.Sprintf("column %s occurs %d times, as columns %s of the file", k.Name, len(places[c]), strings.Join(places[c], " and ")),
				"it is not clear which one is meant; capital and small letters in names do not differ", "remove or rename the others")
			k.at = -1 // its cells are not judged: which are meant is not known
		case len(places[c]) == 0:
			fs.whole(missingColumn, fmt.Sprintf("column %s is missing", k.Name),
				"the declaration has it, and the header of the file does not", "add the column, or correct its name in the header")
		}
	}
	return h, nil
}

// chooseDelimiter passes the header row, read with the delimiter under which
// most declared columns are found, and gives its names; none if no declared
// column is found.
func (fs *findings) chooseDelimiter(s *records) []string {
	candidates := delimiters
	if fs.opt.Delimiter != 0 {
		candidates = []byte{fs.opt.Delimiter}
	}
	var names []string
	best, most, length := byte(0), 0, 0
	for _, s.delim = range candidates {
		n, why, err := s.peek()
		if err != nil {
			fs.failed(err)
			return nil
		}
		if why != sound {
			continue
		}
		found := map[int]bool{}
		list := make([]string, len(s.fields))
		for i, f := range s.fields {
			list[i] = strings.TrimFunc(string(f.text), unicode.IsSpace)
			if c := find(fs.t.Columns, list[i]); c != wholeRow {
				found[c] = true
			}
		}
		if len(found) > most {
			best, most, length, names = s.delim, len(found), n, list
		}
	}
	if names == nil {
		fs.whole(noHeader, "no declared column is in the first row", "the first row must be the header with the names "+columnNames(fs.t)+", separated by commas, semicolons or tabs",
			"add the header, or check that this is the right file")
		return nil
	}
	s.delim = best
	s.pos += length
	s.row++
	return names
}

// find is the declared column of that name: exactly, or else without regard to
// capital and small letters if only one fits.
func find(columns []ir.Column, name string) int {
	exact := func(c ir.Column) bool { return c.Name == name }
	if i := slices.IndexFunc(columns, exact); i >= 0 {
		return i
	}
	folded := func(c ir.Column) bool { return strings.EqualFold(c.Name, name) }
	i := slices.IndexFunc(columns, folded)
	if i < 0 || slices.IndexFunc(columns[i+1:], folded) >= 0 {
		return wholeRow
	}
	return i
}

func columnNames(t *ir.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// printable is a name from the file for a terminal: no control characters, and
// not longer than a line.
func printable(name string, at int) string {
	const longest = 60
	name = strings.Map(func(c rune) rune {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			return '?'
		}
		return c
	}, name)
	if runes := []rune(name); len(runes) > longest {
		name = string(runes[:longest]) + "…"
	}
	if name == "" {
		return fmt.Sprintf("%s (without a name)", grouped(at+1))
	}
	return name
}
