// Package session connects the computing parties of one attempt of one task.
// It carries rounds of messages and nothing else: it knows parties, steps and
// lengths, never what a message means. It may be trusted to deliver a peer's
// bytes in order or to fail with a Fault that names the peer. Start with
// Session; Pipe is the implementation in memory, tls.go the one over TLS 1.3.
//
// Whom a Fault names rests on what the parties say of one another: it is the
// one that failed as long as nobody lies, but a party that lies can have another
// named. It tells an operator where to look; it proves nothing.
package session

import "context"

// Step numbers the rounds of an attempt: 1, 2, 3, … in the order of the plan.
// Both ends count for themselves; a frame that carries another step or another
// length than expected aborts the session.
type Step uint64

// Session is one computing party's end of the channels to all its peers.
// Rounds are made one at a time, by one goroutine. After any error the session
// is aborted: every later call returns the same error, and every peer is told,
// best effort, whom we blame.
type Session interface {
	// Parties gives this party's index and the number of parties.
	Parties() (me, n int)

	// Exchange is one round: it sends out[p] to each peer p and fills in[p]
	// with the message of each peer p, all at once. A nil or empty entry, and
	// entry me, mean no message in that direction. The length of in[p] is the
	// length that is expected; any other is the peer's fault. The caller owns
	// both again when Exchange returns. It returns when all messages of the
	// round are sent and received, or with an error: *joconde.Fault where a
	// peer is to blame (it closed, stalled past the limit, or sent a wrong
	// frame), ctx.Err() where the caller gave up.
	Exchange(ctx context.Context, out, in [][]byte) error

	// Open is Exchange for messages by which values become known to computing
	// parties. It is refused, and the session aborted, unless opening is the
	// next one that the session was told to expect, or the current one again.
	// opening is an index into the plan's list of declared openings.
	Open(ctx context.Context, opening int, out, in [][]byte) error

	// Close ends the session in good order. Peers that still wait for a
	// message of ours learn that we closed. It is safe to call twice.
	Close() error
}
