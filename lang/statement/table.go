package statement

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// widestTable is how many characters wide the table of who learns what gets.
// More parties than that give further tables below.
const widestTable = 120

// words of the matrix, as the table writes and explains them.
var cellWords = []struct{ knows, shown, means string }{
	{Has, "has", "it is its own"},
	{Learns, "LEARNS", "the task tells it"},
	{Part, "PART", "a view tells it columns of single records"},
	{Follow, "may follow", "no view tells it, but it may follow from one"},
	{Sees, "sees", "the engine opens it, see below"},
	{Public, "public", "everybody in the task knows"},
}

// table writes the matrix. All openings are one row of it: they are listed
// further down.
func (s *Statement) table(b *page) {
	var rows [][]string // the item, then a word for each party
	head := []string{""}
	for _, party := range s.Parties {
		head = append(head, string(party))
	}
	rows = append(rows, append(head, string(Computing)))
	used := map[string]bool{}
	opened := false
	for _, item := range s.Matrix {
		what := item.What
		if strings.HasPrefix(item.Code, "opening/") {
			if opened {
				continue
			}
			opened, what = true, "what the engine opens"
		}
		row := []string{what}
		for _, c := range item.Cells {
			used[c.Knows] = true
			row = append(row, shown(c))
		}
		rows = append(rows, row)
	}
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, text := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(text))
		}
	}
	for from := 1; from < len(wide); {
		to, across := from+1, wide[0]+2+wide[from]
		for to < len(wide) && across+2+wide[to] <= widestTable {
			across += 2 + wide[to]
			to++
		}
		if from > 1 {
			b.WriteByte('\n')
		}
		for _, row := range rows {
			line := padded(row[0], wide[0])
			for i := from; i < to; i++ {
				line += "  " + padded(row[i], wide[i])
			}
			b.WriteString(strings.TrimRight(line, " ") + "\n")
		}
		from = to
	}
	var legend []string
	for _, word := range cellWords {
		if used[word.knows] {
			legend = append(legend, word.shown+": "+word.means)
		}
	}
	b.series("", append(legend, "no: it is not told"), ".")
}

func shown(c Cell) string {
	if at := slices.IndexFunc(cellWords, func(w struct{ knows, shown, means string }) bool { return w.knows == c.Knows }); at >= 0 {
		return cellWords[at].shown
	}
	return c.Knows
}

func padded(text string, wide int) string {
	return text + strings.Repeat(" ", max(0, wide-utf8.RuneCountInString(text)))
}
