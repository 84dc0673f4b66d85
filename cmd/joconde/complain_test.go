package main

import (
	"strconv"
	"strings"
	"testing"
)

// The line of a program that an error shows fits, is in the order in which it
// is written, and has the caret below the column.
func TestPointer(t *testing.T) {
	long := strings.Repeat("a", 300)
	for name, c := range map[string]struct {
		line   string
		column int
		want   string
		caret  int
	}{
		"a short line":         {"SELECT x", 8, "SELECT x", 7},
		"behind the end":       {"SELECT", 7, "SELECT", 6},
		"a tab":                {"\tSELECT x", 2, " SELECT x", 1},
		"marks of direction":   {"x\u202ey\u2066z", 3, "x?y?z", 2},
		"wide characters":      {"'統計' x", 6, "'統計' x", 7},
		"the start of a long":  {"b" + long, 1, "b" + strings.Repeat("a", 96) + "...", 0},
		"the middle of a long": {long + "b" + long, 301, "..." + strings.Repeat("a", 63) + "b" + strings.Repeat("a", 30) + "...", 66},
		"the end of a long":    {long + "b", 301, "..." + strings.Repeat("a", 96) + "b", 99},
	} {
		got := pointer("p.sql:1:"+strconv.Itoa(c.column), map[string]string{"p.sql": c.line})
		want := "         | " + c.want + "\n         | " + strings.Repeat(" ", c.caret) + "^\n"
		if got != want {
			t.Errorf("%s:\n%swanted\n%s", name, got, want)
		}
		for line := range strings.Lines(got) {
			if cells(strings.TrimSuffix(line, "\n")) > excerptWidth+len("         | ") {
				t.Errorf("%s: too wide: %s", name, line)
			}
		}
	}
}
