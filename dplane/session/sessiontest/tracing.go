// Package sessiontest watches and disturbs sessions, for the tests of whoever
// uses one. Nothing in production imports it. Start with Faulty, which makes a
// party misbehave, and Tracing, which records what a party does.
package sessiontest

import (
	"context"
	"slices"
	"sync"

	"joconde/dplane/session"
)

// Message is one message as an observer of the network sees it: everything
// but its content.
type Message struct {
	Step    int  // the round, from 1
	Opening int  // -1 if it belongs to Exchange
	Peer    int  // the other party
	In      bool // else out
	Length  int
}

// Tracer is a Session that records the order, step, length and opening of
// every message.
type Tracer struct {
	session.Session

	mu    sync.Mutex
	step  int
	trace []Message
}

// Tracing begins to record what passes through s.
func Tracing(s session.Session) *Tracer { return &Tracer{Session: s} }

// Trace gives what was recorded so far. Within a round, messages stand in the
// order of parties, out before in.
func (t *Tracer) Trace() []Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.trace)
}

// Exchange records the round and makes it.
func (t *Tracer) Exchange(ctx context.Context, out, in [][]byte) error {
	t.record(-1, out, in)
	return t.Session.Exchange(ctx, out, in)
}

// Open records the round and makes it.
func (t *Tracer) Open(ctx context.Context, opening int, out, in [][]byte) error {
	t.record(opening, out, in)
	return t.Session.Open(ctx, opening, out, in)
}

func (t *Tracer) record(opening int, out, in [][]byte) {
	me, n := t.Parties()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.step++
	for p := range n {
		if p == me {
			continue
		}
		if p < len(out) && len(out[p]) > 0 {
			t.trace = append(t.trace, Message{t.step, opening, p, false, len(out[p])})
		}
		if p < len(in) && len(in[p]) > 0 {
			t.trace = append(t.trace, Message{t.step, opening, p, true, len(in[p])})
		}
	}
}
