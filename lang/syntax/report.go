package syntax

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"joconde"
)

// Report collects what is wrong with one program text.
type Report struct {
	file  string
	src   []byte
	found []finding
	lines []int // offset of the start of each line
}

type finding struct {
	pos     int
	problem *joconde.Problem
}

// maxProblems bounds a report: nobody reads further, and a hostile text must
// not make us write more than it holds.
const maxProblems = 100

// NewReport starts a report on the text src of the file of that name.
func NewReport(file string, src []byte) *Report {
	r := &Report{file: file, src: src, lines: []int{0}}
	for i, b := range src {
		if b == '\n' {
			r.lines = append(r.lines, i+1)
		}
	}
	return r
}

// Add notes a problem at a byte offset of the text.
func (r *Report) Add(pos int, code, what, why, do string) {
	r.found = append(r.found, finding{pos, &joconde.Problem{
		Code: code, What: what, Where: r.Where(pos), Why: why, Do: do,
		LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid,
	}})
}

// Include adds what Parse refused in the same text, so that one report has all.
func (r *Report) Include(s *Script) { r.found = append(r.found, s.refused...) }

// Empty reports whether nothing was found.
func (r *Report) Empty() bool { return len(r.found) == 0 }

// Err gives all that was found in the order of the text, each thing once, as
// joconde.Problems; nil if there is nothing.
func (r *Report) Err() error {
	if r.Empty() {
		return nil
	}
	sorted := slices.Clone(r.found)
	slices.SortStableFunc(sorted, func(a, b finding) int { return a.pos - b.pos })
	var all joconde.Problems
	seen := make(map[joconde.Problem]bool)
	for _, f := range sorted {
		if !seen[*f.problem] && len(all) < maxProblems {
			seen[*f.problem] = true
			all = append(all, f.problem)
		}
	}
	return all
}

// Where is file:line:column of a byte offset; lines and columns count from 1,
// and columns are characters.
func (r *Report) Where(pos int) string {
	line, column := r.position(pos)
	return fmt.Sprintf("%s:%d:%d", r.file, line, column)
}

func (r *Report) position(pos int) (line, column int) {
	pos = min(max(pos, 0), len(r.src))
	line, found := slices.BinarySearch(r.lines, pos)
	if found {
		line++
	}
	return line, utf8.RuneCount(r.src[r.lines[line-1]:pos]) + 1
}

// offsetOfRune is the byte offset of the n-th character of a text, from 0.
func offsetOfRune(text []byte, n int) int {
	rest := text
	for ; n > 0 && len(rest) > 0; n-- {
		_, size := utf8.DecodeRune(rest)
		rest = rest[size:]
	}
	return len(text) - len(rest)
}
