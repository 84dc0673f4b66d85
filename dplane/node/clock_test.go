package node

import (
	"testing"
	"time"
)

func TestTimeIsTheMedianOfWhatOthersSignedAndOnlyGoesForward(t *testing.T) {
	at := func(hours ...int) (out []time.Time) {
		for _, h := range hours {
			out = append(out, time.Date(2026, 1, 1, h, 0, 0, 0, time.UTC))
		}
		return out
	}
	for _, c := range []struct {
		name   string
		now    int
		signed []int
		want   int
	}{
		{"nobody has signed", 5, nil, 5},
		{"one has signed", 5, []int{7}, 7},
		{"of two the earlier counts", 5, []int{9, 6}, 6},
		{"of three the one in the middle counts", 5, []int{23, 7, 6}, 7},
		{"two of five that are far ahead do not move it past the others", 5, []int{23, 23, 6, 7, 8}, 8},
		{"two of five that are far behind do not hold it", 5, []int{0, 0, 6, 7, 8}, 6},
		{"it does not go back", 12, []int{6, 7, 8}, 12},
	} {
		if got := forward(at(c.now)[0], at(c.signed...)); !got.Equal(at(c.want)[0]) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	c := newClock(at(1)[0])
	c.hear(at(2, 2, 2))
	if now := c.now(); now.Before(at(2)[0]) || now.After(at(2)[0].Add(time.Minute)) {
		t.Errorf("the clock shows %v", now)
	}
}
