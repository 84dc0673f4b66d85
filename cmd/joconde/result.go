package main

import (
	"fmt"
	"slices"
	"strings"

	"joconde"
	"joconde/lang/ir"
)

// result is one granted view as people and scripts see it.
type result struct {
	View    string            `json:"view"`
	To      []joconde.PartyID `json:"to"`
	Columns []resultColumn    `json:"columns"`
	Rows    [][]any           `json:"rows"`

	values  [][]ir.Value // sorted by all columns
	columns []ir.Column
}

type resultColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// resultOf sorts a view's rows by all columns, NULL last, and writes them down.
func resultOf(p *ir.Program, output ir.Output, rows [][]ir.Value) result {
	columns := p.Nodes[output.Node].Columns
	r := result{View: output.View, To: output.To, Columns: []resultColumn{}, Rows: [][]any{}, values: sorted(rows), columns: columns}
	for _, c := range columns {
		r.Columns = append(r.Columns, resultColumn{c.Name, typeName(c.Type)})
	}
	for _, row := range r.values {
		cells := make([]any, len(row))
		for i, v := range row {
			cells[i] = cell(columns[i].Type, v)
		}
		r.Rows = append(r.Rows, cells)
	}
	return r
}

// typeName is a column's type in our JSON.
func typeName(t ir.Type) string {
	if t.Kind == ir.Decimal {
		return fmt.Sprintf("decimal(%d)", t.Scale)
	}
	return string(t.Kind)
}

// cell is a value in our JSON: numbers and dates are strings, so that no
// reader rounds them; booleans and null are themselves.
func cell(t ir.Type, v ir.Value) any {
	switch {
	case v.Null:
		return nil
	case t.Kind == ir.Bool:
		return v.True()
	}
	return ir.Format(t, v)
}

// sorted gives the rows sorted by all columns.
func sorted(rows [][]ir.Value) [][]ir.Value {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b []ir.Value) int { return slices.CompareFunc(a, b, ir.Compare) })
	return rows
}

// equalCells compares the results of two computations of one program cell by
// cell, rows sorted by all columns. Where one has more rows, the cells of its
// last rows count as unequal.
func equalCells(ours, reference []result) (equal, total int) {
	for i := range ours {
		a, b := ours[i].values, reference[i].values
		total += max(len(a), len(b)) * len(ours[i].columns)
		for j := range min(len(a), len(b)) {
			for c := range ours[i].columns {
				if a[j][c].Equal(b[j][c]) {
					equal++
				}
			}
		}
	}
	return equal, total
}

// table draws a result for people: at most limit rows, numbers to the right.
func (r result) table(limit int) string {
	lines := [][]string{{}}
	for _, c := range r.columns {
		lines[0] = append(lines[0], c.Name)
	}
	for _, row := range r.values[:min(limit, len(r.values))] {
		line := make([]string, len(row))
		for i, v := range row {
			line[i] = printable(ir.Format(r.columns[i].Type, v))
			if v.Null {
				line[i] = "NULL"
			}
		}
		lines = append(lines, line)
	}
	width := make([]int, len(r.columns))
	for _, line := range lines {
		for i, text := range line {
			width[i] = max(width[i], cells(text))
		}
	}
	var b strings.Builder
	for n, line := range lines {
		var row strings.Builder
		for i, text := range line {
			gap := strings.Repeat(" ", width[i]-cells(text))
			if r.columns[i].Type.Kind == ir.Text {
				row.WriteString("  " + text + gap)
			} else {
				row.WriteString("  " + gap + text)
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
		if n == 0 {
			for i := range line {
				b.WriteString("  " + strings.Repeat("-", width[i]))
			}
			b.WriteString("\n")
		}
	}
	if more := len(r.values) - limit; more > 0 {
		fmt.Fprintf(&b, "  and %s more\n", count(more, "row"))
	}
	return b.String()
}

// grouped writes a count for people: 61,395.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
