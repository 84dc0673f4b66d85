package main

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// terminalWidth is how many cells a line of the terminal w has, 80 where it
// does not say.
func terminalWidth(w io.Writer) int {
	if file, ok := w.(*os.File); ok {
		if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 1 {
			return columns
		}
	}
	return 80
}

// cells is how many cells of a terminal a printable text takes.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += cellsOf(r)
	}
	return n
}

func cellsOf(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0 // it stands on the one before it
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut is the beginning of a text that fits into that many cells.
func cut(text string, wide int) string {
	n := 0
	for i, r := range text {
		if n += cellsOf(r); n > wide {
			return text[:i]
		}
	}
	return text
}

// printable keeps a text on its line, out of the terminal's controls, and in
// the order in which it is written: marks of direction are shown as "?" too.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, text)
}
