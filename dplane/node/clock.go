package node

import (
	"slices"
	"time"

	"joconde"
)

// forward is what time it is for whoever does not trust its own clock: the
// median of what others have signed, or of an even number the earlier of the
// two in the middle, and never before now. Fewer than half of the parties can
// not move it past the others.
func forward(now time.Time, signed []time.Time) time.Time {
	if len(signed) == 0 {
		return now
	}
	sorted := slices.SortedFunc(slices.Values(signed), time.Time.Compare)
	if median := sorted[(len(sorted)-1)/2]; median.After(now) {
		return median
	}
	return now
}

// clock runs on from the signed times by this machine's count of seconds,
// which nobody can set.
type clock struct {
	at    time.Time // signed
	since time.Time // of this machine, monotonic
}

func newClock(at time.Time) clock { return clock{at, time.Now()} }

func (c *clock) now() time.Time { return c.at.Add(time.Since(c.since)) }

// hear takes in what was signed meanwhile.
func (c *clock) hear(signed []time.Time) {
	*c = newClock(forward(c.now(), signed))
}

// text is the time as a record has it.
func (c *clock) text() string { return joconde.FormatTime(c.now()) }
