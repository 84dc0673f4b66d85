package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"joconde/dplane"
)

// progress shows how far a computation is, on standard error: on a terminal a
// line that is drawn again, elsewhere a line every few seconds. One goroutine
// uses it.
type progress struct {
	w        io.Writer
	redraw   bool
	indent   string
	started  time.Time
	last     time.Time
	lastWide int
}

func (t *tool) newProgress(indent string) *progress {
	now := time.Now()
	return &progress{w: t.err, redraw: t.onTerminal(t.err), indent: indent, started: now, last: now}
}

func (p *progress) show(now dplane.Progress) {
	every := 3 * time.Second
	if p.redraw {
		every = 100 * time.Millisecond
	}
	if now.Total == 0 || time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	if !p.redraw {
		fmt.Fprintln(p.w, p.line(now, time.Since(p.started), 0))
		return
	}
	// The last column stays free: a full line makes some terminals go on to the next.
	line := p.line(now, time.Since(p.started), terminalWidth(p.w)-1)
	wide := cells(line)
	fmt.Fprint(p.w, "\r"+line+strings.Repeat(" ", max(0, p.lastWide-wide)))
	p.lastWide = wide
}

// line is the progress in at most width cells; 0: without a bar, as wide as it
// is. Where there is little room the bar goes first, and then the end.
func (p *progress) line(now dplane.Progress, elapsed time.Duration, width int) string {
	figures := fmt.Sprintf("%s of %s steps   %s rounds   %s per node   %.1f s", grouped(int64(now.Done)), grouped(int64(now.Total)),
		grouped(now.Rounds), size(now.Bytes), elapsed.Seconds())
	line := p.indent + "Computing   "
	if width == 0 {
		return line + figures
	}
	if room := min(24, width-cells(line)-cells(figures)-2); room >= 5 && now.Total > 0 {
		done := max(0, min(room, room*now.Done/now.Total))
		line += strings.Repeat("█", done) + strings.Repeat("░", room-done) + "  "
	}
	return cut(line+figures, width)
}

// clear removes the redrawn line, so that what comes next starts clean.
func (p *progress) clear() {
	if p.redraw && p.lastWide > 0 {
		fmt.Fprint(p.w, "\r\033[K")
		p.lastWide = 0
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 10_000_000:
		return grouped((n+500_000)/1_000_000) + " MB"
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1000:
		return grouped((n+500)/1000) + " kB"
	}
	return grouped(n) + " B"
}
