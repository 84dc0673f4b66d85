package session

import (
	"context"
	"slices"
	"sync"

	"joconde/dplane/session/internal/frame"
)

// Counter is a Session that counts what passes through it.
type Counter struct {
	Session

	mu     sync.Mutex
	counts Counts
}

// Counts is what a Counter has seen. Only rounds that succeeded are in it.
type Counts struct {
	Rounds int64     // a round is one wait for a peer: rounds that only send are none
	Opens  int64     // rounds by Open
	Peers  []Traffic // by party; the entry of the party itself is zero
}

// Traffic is the messages between a party and one peer. Bytes are those of the
// messages and of our framing, without what TLS and TCP add.
type Traffic struct {
	MessagesSent, MessagesReceived int64
	BytesSent, BytesReceived       int64
}

// Total adds up the traffic with all peers.
func (c Counts) Total() Traffic {
	var sum Traffic
	for _, t := range c.Peers {
		sum.MessagesSent += t.MessagesSent
		sum.MessagesReceived += t.MessagesReceived
		sum.BytesSent += t.BytesSent
		sum.BytesReceived += t.BytesReceived
	}
	return sum
}

// Counting begins to count what passes through s.
func Counting(s Session) *Counter {
	_, n := s.Parties()
	return &Counter{Session: s, counts: Counts{Peers: make([]Traffic, n)}}
}

// Counts may be called at any time, also while a round is under way.
func (c *Counter) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	counts.Peers = slices.Clone(counts.Peers)
	return counts
}

// Exchange is that of the session, counted.
func (c *Counter) Exchange(ctx context.Context, out, in [][]byte) error {
	err := c.Session.Exchange(ctx, out, in)
	if err == nil {
		c.count(0, out, in)
	}
	return err
}

// Open is that of the session, counted.
func (c *Counter) Open(ctx context.Context, opening int, out, in [][]byte) error {
	err := c.Session.Open(ctx, opening, out, in)
	if err == nil {
		c.count(1, out, in)
	}
	return err
}

func (c *Counter) count(opens int64, out, in [][]byte) {
	me, _ := c.Parties()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts.Opens += opens
	waited := false
	for p := range c.counts.Peers {
		if p == me {
			continue
		}
		t := &c.counts.Peers[p]
		if p < len(out) && len(out[p]) > 0 {
			t.MessagesSent++
			t.BytesSent += frame.Size(len(out[p]))
		}
		if p < len(in) && len(in[p]) > 0 {
			t.MessagesReceived++
			t.BytesReceived += frame.Size(len(in[p]))
			waited = true
		}
	}
	if waited {
		c.counts.Rounds++
	}
}
