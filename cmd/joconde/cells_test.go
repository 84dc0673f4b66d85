package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"joconde/dplane"
)

func TestProgressFitsTheTerminal(t *testing.T) {
	now := dplane.Progress{Done: 123, Total: 1234, Rounds: 1_234_567, Bytes: 123_456_789_012}
	for _, indented := range []string{"", indent} {
		p := &progress{indent: indented}
		for width := 1; width < 200; width++ {
			line := p.line(now, 3*time.Minute, width)
			if cells(line) > width {
				t.Errorf("%d cells do not fit into %d: %s", cells(line), width, line)
			}
			if width >= 100 && !strings.Contains(line, "░") {
				t.Errorf("no bar in a line of %d cells: %s", width, line)
			}
			if width >= 82 && !strings.HasSuffix(line, " s") && indented == "" {
				t.Errorf("the end is missing in %d cells: %s", width, line)
			}
		}
		if line := p.line(now, time.Second, 0); strings.ContainsAny(line, "█░") {
			t.Errorf("a line that is not drawn again has a bar: %s", line)
		}
	}
}

// A line that gets shorter leaves nothing of the one before it.
func TestProgressWipesItsLine(t *testing.T) {
	var screen bytes.Buffer
	p := &progress{w: &screen, redraw: true, started: time.Now()}
	p.show(dplane.Progress{Done: 1, Total: 9, Rounds: 100_000, Bytes: 1})
	wide := p.lastWide
	p.last = time.Time{}
	p.show(dplane.Progress{Done: 9, Total: 9, Rounds: 1, Bytes: 1})
	lines := strings.Split(screen.String(), "\r")
	if got := cells(lines[len(lines)-1]); got < wide || wide > 79 {
		t.Errorf("%d cells written over %d", got, wide)
	}
}

func TestCells(t *testing.T) {
	for text, want := range map[string]int{"": 0, "abc": 3, "été": 3, "e\u0301": 1, "統計": 4, "█░": 2} {
		if got := cells(text); got != want {
			t.Errorf("%q takes %d cells, not %d", text, got, want)
		}
	}
	if got := cut("a統b", 2); got != "a" {
		t.Errorf("half a character: %q", got)
	}
	for text, want := range map[string]string{"a\u202eb": "a?b", "a\u200bb": "a?b", "\x1b[2J": "?[2J", "a\tb\u00a0é": "a\tb\u00a0é", "\n": "?"} {
		if got := printable(text); got != want {
			t.Errorf("%q is printed as %q", text, got)
		}
	}
}
