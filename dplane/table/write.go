package table

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"joconde/lang/eval"
	"joconde/lang/ir"
)

// Write writes rows as CSV with a header, in the one canonical form: commas,
// LF, decimal points, dates as YYYY-MM-DD, true and false; NULL is an empty
// cell and the empty text a quoted empty one. Read gives the same rows back.
func Write(w io.Writer, columns []ir.Column, rows eval.Rows) error {
	b := bufio.NewWriterSize(w, 1<<16)
	for i, c := range columns {
		separate(b, i)
		b.WriteString(quote(c.Name))
	}
	b.WriteByte('\n')
	for r, row := range rows {
		if len(row) != len(columns) {
			return fmt.Errorf("write a table: row %d has %d values for %d columns", r+1, len(row), len(columns))
		}
		for i, v := range row {
			separate(b, i)
			if v.Null {
				continue
			}
			b.WriteString(quote(ir.Format(columns[i].Type, v)))
		}
		b.WriteByte('\n')
	}
	if err := b.Flush(); err != nil { // the first error of all writes
		return fmt.Errorf("write a table: %w", err)
	}
	return nil
}

func separate(b *bufio.Writer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

// quote quotes a cell where it is needed: the empty text would be NULL, and
// spaces at the ends are often lost.
func quote(text string) string {
	if text == "" || strings.ContainsAny(text, "\",;\t\r\n") || strings.HasPrefix(text, bom) || strings.TrimSpace(text) != text {
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return text
}
