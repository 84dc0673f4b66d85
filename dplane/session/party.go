package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"joconde"
	"joconde/dplane/session/internal/frame"
)

// Name is the word for the computing party with index p in errors: "node-1" is
// party 0.
func Name(p int) joconde.PartyID { return joconde.PartyID("node-" + strconv.Itoa(p+1)) }

const (
	// defaultStall is how long a peer may be waited for while no byte moves.
	// There are no heartbeats: a party whose engine is stuck must be found as
	// surely as one whose machine is gone, so a local step between two messages
	// must be shorter than this, or the plan's owner must allow more.
	defaultStall = 20 * time.Second
	// grace is how long parties that found a stall listen to one another
	// before they name somebody, see culprit.
	grace = 2 * time.Second
	// linger is how long an aborted session tries to tell its peers.
	linger = 2 * time.Second
	// noticeAfter is how long a round lasts before its party says for whom it
	// waits.
	noticeAfter = time.Second

	unlimited = -1 // openings
	nobody    = -1
)

var errClosed = errors.New("the session is closed")

// party is one party's end of the connections to all its peers, whatever they
// are made of. Each peer has one reader and one writer goroutine; one keeper
// waits for the end and tidies up. Close waits for all of them.
type party struct {
	me, n    int
	stall    atomic.Int64 // a time.Duration
	openings int
	peers    []*peer // nil at me; the others are set by attach, under mu
	epoch    time.Time
	wg       sync.WaitGroup

	// turn is held for the whole of a round; it guards the next fields.
	turn    sync.Mutex
	timer   *time.Timer
	moved   chan *transfer // done or given up; has room for all of a round
	opening int            // the current one; -1 before the first

	failing chan struct{} // closed when the first failure is known
	closing chan struct{} // closed by Close of a session that did not fail
	ended   chan struct{} // closed when err may be read

	mu     sync.Mutex
	step   uint64        // written by the round only
	cause  *cause        // the first failure
	closed bool          // closing is closed
	late   time.Time     // no goroutine waits for a peer after it
	claims map[int]claim // who waits for whom
	err    error         // guarded by ended
}

// newParty starts the session of party me among n. Before its first round
// every peer is attached.
func newParty(me, n int, stall time.Duration, openings int) *party {
	s := &party{
		me: me, n: n, openings: openings,
		peers:   make([]*peer, n),
		epoch:   time.Now(),
		moved:   make(chan *transfer, 2*n),
		opening: -1,
		failing: make(chan struct{}),
		closing: make(chan struct{}),
		ended:   make(chan struct{}),
		claims:  map[int]claim{},
	}
	s.stall.Store(int64(stall))
	s.timer = time.NewTimer(time.Hour)
	s.timer.Stop()
	s.wg.Add(1)
	go s.keep()
	return s
}

// attach gives the session its connection to party index.
func (s *party) attach(index int, conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil || s.closed {
		_ = conn.Close()
		return
	}
	p := newPeer(s, index, conn)
	s.peers[index] = p
	s.wg.Add(2)
	go p.readAll()
	go p.writeAll()
}

func (s *party) Parties() (me, n int) { return s.me, s.n }

func (s *party) Exchange(ctx context.Context, out, in [][]byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.round(ctx, frame.Data, 0, out, in)
}

func (s *party) Open(ctx context.Context, opening int, out, in [][]byte) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	switch {
	case opening < 0 || opening > s.opening+1 || opening < s.opening:
		return s.violation(fmt.Errorf("opening %d is not due: the current one is %d", opening, s.opening))
	case s.openings != unlimited && opening >= s.openings:
		return s.violation(fmt.Errorf("opening %d was not declared: the plan has %d", opening, s.openings))
	}
	s.opening = opening
	return s.round(ctx, frame.Open, uint32(opening), out, in)
}

// transfer is one message of a round on its way out or in. bytes belongs to
// the peer's goroutine from the moment it is queued until it is put to moved.
type transfer struct {
	peer  *peer
	in    bool
	frame frame.Header
	bytes []byte
	done  bool // else it was given up, and the session fails
}

// round is one step. turn is held.
func (s *party) round(ctx context.Context, kind frame.Kind, opening uint32, out, in [][]byte) error {
	if err := s.over(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return s.giveUp(err)
	}
	if (out != nil && len(out) != s.n) || (in != nil && len(in) != s.n) {
		return s.violation(fmt.Errorf("a round among %d parties was given %d messages to send and %d to receive", s.n, len(out), len(in)))
	}
	for p := range s.n {
		if p != s.me && (out != nil && len(out[p]) > frame.MaxLength || in != nil && len(in[p]) > frame.MaxLength) {
			return s.violation(errors.New("a message is too long"))
		}
	}
	s.mu.Lock()
	s.step++
	header := frame.Header{Kind: kind, Opening: opening, Step: s.step}
	now := s.clock()
	pending := 0
	for _, p := range s.peers {
		if p == nil {
			continue
		}
		if out != nil && len(out[p.index]) > 0 {
			header.Length = uint64(len(out[p.index]))
			p.sending = true
			p.lastOut.Store(now)
			p.send <- &transfer{peer: p, frame: header, bytes: out[p.index]}
			pending++
		}
		if in != nil && len(in[p.index]) > 0 {
			header.Length = uint64(len(in[p.index]))
			p.waiting = true
			p.lastIn.Store(now)
			p.want <- &transfer{peer: p, in: true, frame: header, bytes: in[p.index]}
			pending++
		}
	}
	var left *peer
	for _, p := range s.peers {
		if p != nil && p.bye && p.waiting {
			left = p
		}
	}
	s.mu.Unlock()
	if left != nil {
		s.fail(cause{reason: frame.Left, blame: left.index, by: s.me})
	}
	return s.wait(ctx, pending)
}

// wait returns when all pending transfers are done, or given up because the
// session failed. Either way no goroutine holds a buffer of the caller then.
func (s *party) wait(ctx context.Context, pending int) error {
	noted := nobody // for whom we told the peers that we wait
	s.timer.Reset(min(noticeAfter, s.limit()))
	defer s.timer.Stop()
	for given := false; pending > 0 || given; {
		select {
		case t := <-s.moved:
			pending--
			given = given || !t.done
		case <-s.timer.C:
			p, left := s.slowest()
			if left <= 0 {
				s.fail(cause{reason: frame.Stalled, blame: p, by: s.me})
				continue
			}
			if p != noted && p != nobody {
				noted = p
				s.tell(noted)
			}
			s.timer.Reset(min(noticeAfter, left))
		case <-ctx.Done():
			s.fail(cause{reason: frame.Interrupted, blame: s.me, by: s.me, err: ctx.Err()})
			return s.abandon(pending)
		case <-s.failing:
			return s.abandon(pending)
		case <-s.closing:
			return s.abandon(pending)
		}
	}
	if noted != nobody {
		s.tell(s.me)
	}
	return nil
}

// tell lets every peer know for whom we wait; for ourselves means that we go
// on. It is no message of the plan: it depends on time only, and it is sent
// between messages when there is time.
func (s *party) tell(whom int) {
	h := frame.Header{Kind: frame.Wait, Step: s.step, Length: frame.AccusationSize}
	notice := frame.Accusation{Reason: frame.Stalled, Blame: whom, By: s.me}.Append(h.Append(nil))
	for _, p := range s.peers {
		if p == nil {
			continue
		}
		select {
		case <-p.notice: // the writer had no time for it, and it is old now
		default:
		}
		p.notice <- notice
	}
}

// abandon waits until nobody holds a buffer of the round, and for the verdict.
func (s *party) abandon(pending int) error {
	for pending -= s.withdraw(); pending > 0; pending-- {
		<-s.moved // what was begun ends soon
	}
	<-s.ended
	return s.err
}

// settle ends a transfer: its buffer goes back to the round. What the peer
// still owes us is corrected first, before its next frame is read.
func (s *party) settle(t *transfer, done bool) {
	if t.done = done; done {
		s.mu.Lock()
		if t.in {
			t.peer.waiting = false
		} else {
			t.peer.sending = false
		}
		s.mu.Unlock()
	}
	s.moved <- t
}

// withdraw takes back the transfers that no goroutine has begun.
func (s *party) withdraw() (taken int) {
	for _, p := range s.peers {
		if p == nil {
			continue
		}
		select {
		case <-p.send:
			taken++
		default:
		}
		select {
		case <-p.want:
			taken++
		default:
		}
	}
	return taken
}

// slowest gives the peer whose bytes have not moved for longest among those
// that we wait for, and how long it still has.
func (s *party) slowest() (p int, left time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.slowestLocked()
}

func (s *party) slowestLocked() (p int, left time.Duration) {
	p, oldest := nobody, s.clock()
	for _, q := range s.peers {
		if q == nil {
			continue
		}
		if last := q.lastIn.Load(); q.waiting && last <= oldest {
			p, oldest = q.index, last
		}
	}
	for _, q := range s.peers {
		if q == nil {
			continue
		}
		// A peer that does not read is later to blame than one that does not
		// send: it may itself be waiting for that one.
		if last := q.lastOut.Load(); q.sending && (last < oldest || p == nobody && last <= oldest) {
			p, oldest = q.index, last
		}
	}
	if p == nobody {
		return p, s.limit()
	}
	return p, s.limit() - time.Duration(s.clock()-oldest)
}

// limit is how long a peer may be waited for.
func (s *party) limit() time.Duration { return time.Duration(s.stall.Load()) }

// clock is the time since the session began, in nanoseconds.
func (s *party) clock() int64 { return int64(time.Since(s.epoch)) }

// over gives the error of a session that has failed or was closed.
func (s *party) over() error {
	select {
	case <-s.failing:
	case <-s.closing:
	default:
		return nil
	}
	<-s.ended
	return s.err
}

// violation aborts the session because our own caller left the plan.
func (s *party) violation(err error) error {
	if err := s.over(); err != nil {
		return err
	}
	s.fail(cause{reason: frame.Failed, blame: s.me, by: s.me, err: err})
	<-s.ended
	return s.err
}

// giveUp aborts the session because our caller's context ended.
func (s *party) giveUp(err error) error {
	s.fail(cause{reason: frame.Interrupted, blame: s.me, by: s.me, err: err})
	<-s.ended
	return s.err
}

// Close says goodbye and waits until all goroutines of the session have ended.
// A peer has the stall limit to take what was already sent to it.
func (s *party) Close() error {
	s.mu.Lock()
	if s.cause == nil && !s.closed {
		s.closed = true
		s.late = time.Now().Add(s.limit())
		close(s.closing)
		s.deadlines(s.late)
	}
	s.mu.Unlock()
	s.wg.Wait()
	return nil
}

// deadlines unblocks the readers and gives the writers until late.
func (s *party) deadlines(late time.Time) {
	for _, p := range s.peers {
		if p != nil {
			_ = p.conn.SetWriteDeadline(late)
			_ = p.conn.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

// keep waits for the end of the session, good or bad, and sees to it that
// every goroutine and connection of it ends too.
func (s *party) keep() {
	defer s.wg.Done()
	select {
	case <-s.failing:
		s.decide()
	case <-s.closing:
		s.err = errClosed
	}
	close(s.ended)
	// Each peer in its turn; all have the same deadline.
	for _, p := range s.peers {
		if p == nil {
			continue
		}
		<-p.wrote // bounded by the write deadline
		select {
		case <-s.failing:
			// What we said is lost on some systems if the connection is closed
			// while bytes of the peer are still unread.
			rest := time.NewTimer(time.Until(s.late))
			select {
			case <-p.read:
			case <-rest.C:
			}
			rest.Stop()
		default:
		}
	}
	for _, p := range s.peers {
		if p != nil {
			_ = p.conn.Close()
		}
	}
}
