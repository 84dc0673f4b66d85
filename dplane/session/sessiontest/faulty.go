package sessiontest

import (
	"context"
	"errors"
	"slices"

	"joconde/dplane/session"
)

// Kind is a way in which a party misbehaves.
type Kind int

// What a party can do to a message of its own, or instead of sending it. Of
// these a session notices all but Flip, Swap, Replay and FailedButSent, which
// are about content or about the party itself: those are the engine's matter.
const (
	Stall         Kind = iota + 1 // never does anything again, until ctx ends or Close
	Drop                          // the message is not sent, the party goes on
	Flip                          // the lowest bit of the middle byte is another
	Truncate                      // the last byte is missing
	Extend                        // there is one byte too many
	Duplicate                     // the message is sent twice, in one
	Swap                          // the message for the next peer is sent instead
	Replay                        // the last message of that length to the same peer is sent again
	Close                         // the party leaves in good order
	Failed                        // the session fails at this party, nothing is sent
	FailedButSent                 // the session fails at this party, yet everything was sent
)

// Kinds are all kinds, for tests that range over them.
var Kinds = []Kind{Stall, Drop, Flip, Truncate, Extend, Duplicate, Swap, Replay, Close, Failed, FailedButSent}

func (k Kind) String() string {
	if k < 1 || int(k) > len(kindWords) {
		return "no fault"
	}
	return kindWords[k-1]
}

var kindWords = []string{
	"stalls", "drops a message", "flips a bit", "truncates a message", "extends a message", "duplicates a message",
	"swaps two messages", "replays a message", "leaves", "fails", "fails after sending",
}

// ErrInjected is the error of Close, Failed and FailedButSent at the party
// that they are done to.
var ErrInjected = errors.New("injected fault")

// FaultySession is a Session whose party misbehaves once.
type FaultySession struct {
	session.Session
	kind   Kind
	at     int
	count  int
	sent   [][][]byte // to each peer, for Replay
	err    error
	closed chan struct{}
}

// Faulty makes the party of s misbehave at its message number at, counted from
// 1 over all messages that it sends; those of one round in the order of peers.
func Faulty(s session.Session, kind Kind, at int) *FaultySession {
	_, n := s.Parties()
	return &FaultySession{Session: s, kind: kind, at: at, sent: make([][][]byte, n), closed: make(chan struct{})}
}

// Struck says whether the fault has happened.
func (f *FaultySession) Struck() bool { return f.count >= f.at }

// Exchange makes the round, or the fault.
func (f *FaultySession) Exchange(ctx context.Context, out, in [][]byte) error {
	return f.round(ctx, out, func(out [][]byte) error { return f.Session.Exchange(ctx, out, in) })
}

// Open makes the round, or the fault.
func (f *FaultySession) Open(ctx context.Context, opening int, out, in [][]byte) error {
	return f.round(ctx, out, func(out [][]byte) error { return f.Session.Open(ctx, opening, out, in) })
}

// Close closes the session; a party that stalls in Exchange returns.
func (f *FaultySession) Close() error {
	select {
	case <-f.closed:
	default:
		close(f.closed)
	}
	return f.Session.Close()
}

func (f *FaultySession) round(ctx context.Context, out [][]byte, next func(out [][]byte) error) error {
	if f.err != nil {
		return f.err
	}
	me, _ := f.Parties()
	out = slices.Clone(out)
	for p := range out {
		if p == me || len(out[p]) == 0 {
			continue
		}
		original := out[p]
		f.count++
		if f.count == f.at {
			switch f.kind {
			case Stall:
				select {
				case <-ctx.Done():
					f.err = ctx.Err()
				case <-f.closed:
					f.err = ErrInjected
				}
				return f.err
			case Close:
				f.err = ErrInjected
				_ = f.Session.Close()
				return f.err
			case Failed:
				f.err = ErrInjected
				return f.err
			case FailedButSent:
				f.err = ErrInjected
				if err := next(out); err != nil {
					f.err = err
				}
				return f.err
			}
			out[p] = f.alter(out, me, p)
		}
		f.sent[p] = append(f.sent[p], slices.Clone(original))
	}
	return next(out)
}

// alter gives what is sent to p instead of out[p], in a new slice.
func (f *FaultySession) alter(out [][]byte, me, p int) []byte {
	m := slices.Clone(out[p])
	switch f.kind {
	case Drop:
		return nil
	case Flip:
		m[len(m)/2] ^= 1
	case Truncate:
		return m[:len(m)-1]
	case Extend:
		return append(m, 0)
	case Duplicate:
		return append(m, m...)
	case Swap:
		for q := range out {
			if q != p && q != me && len(out[q]) > 0 {
				return slices.Clone(out[q])
			}
		}
	case Replay:
		for _, old := range slices.Backward(f.sent[p]) {
			if len(old) == len(m) {
				return old
			}
		}
	}
	return m
}
