package session

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"joconde/dplane/session/internal/frame"
)

// block is how much is written at once. It is a record of TLS, and the
// smallest progress that the stall limit sees.
const block = 16 << 10

// peer is what a party keeps for one of its peers. The connection is read by
// readAll and written by writeAll only.
type peer struct {
	s      *party
	index  int
	conn   net.Conn
	send   chan *transfer // at most one, from the current round
	want   chan *transfer // at most one, from the current round
	notice chan []byte    // at most one

	lastIn, lastOut atomic.Int64 // party.clock when a message last moved

	// Guarded by party.mu.
	waiting, sending bool // in the current round, or when it failed
	bye              bool

	unsendable chan struct{} // closed by writeAll when the connection failed
	spoke      chan struct{} // closed by readAll: an accusation came, or the end
	said       bool          // spoke is closed; of readAll only
	read       chan struct{} // closed when readAll has ended
	wrote      chan struct{} // closed when writeAll has ended

	current *transfer // of readAll: begun and not complete
	scratch []byte    // of readAll: what is thrown away
	record  []byte    // of writeAll: a header and what follows it
}

func newPeer(s *party, index int, conn net.Conn) *peer {
	return &peer{
		s: s, index: index, conn: conn,
		send: make(chan *transfer, 1), want: make(chan *transfer, 1), notice: make(chan []byte, 1),
		unsendable: make(chan struct{}), spoke: make(chan struct{}),
		read: make(chan struct{}), wrote: make(chan struct{}),
	}
}

// writeAll sends what the rounds queue, and last an Abort or a Bye.
func (p *peer) writeAll() {
	s := p.s
	defer s.wg.Done()
	defer close(p.wrote)
	p.record = make([]byte, 0, block)
	for {
		select {
		case <-s.failing:
			p.accuse()
			return
		case <-s.closing:
			if p.writeBlock(frame.Header{Kind: frame.Bye}.Append(p.record[:0])) == nil {
				p.closeWrite()
			}
			return
		case t := <-p.send:
			err := p.write(t)
			s.settle(t, err == nil)
			if errors.Is(err, errGivenUp) {
				continue
			}
			if err != nil {
				p.lost()
				return
			}
		case notice := <-p.notice:
			// A peer that has left need not know. Any other failure is found
			// by our reader, or by the next message.
			_ = p.writeBlock(notice)
		}
	}
}

var errGivenUp = errors.New("given up")

// write sends one message, or stops between two pieces if the session fails.
func (p *peer) write(t *transfer) error {
	h := t.frame
	for rest := t.bytes; len(rest) > 0; {
		select {
		case <-p.s.failing:
			return errGivenUp
		default:
		}
		h.Offset = h.Length - uint64(len(rest))
		piece := rest[:h.Payload()]
		rest = rest[len(piece):]
		first := min(len(piece), block-frame.HeaderSize)
		if err := p.writeBlock(append(h.Append(p.record[:0]), piece[:first]...)); err != nil {
			return err
		}
		for piece = piece[first:]; len(piece) > 0; {
			n := min(len(piece), block)
			if err := p.writeBlock(piece[:n]); err != nil {
				return err
			}
			piece = piece[n:]
		}
	}
	return nil
}

func (p *peer) writeBlock(b []byte) error {
	_, err := p.conn.Write(b)
	p.lastOut.Store(p.s.clock())
	return err
}

// lost is called when the connection takes no more bytes. The peer may have
// told us why before: the reader gets a moment to find that.
func (p *peer) lost() {
	close(p.unsendable)
	moment := time.NewTimer(time.Second)
	defer moment.Stop()
	select {
	case <-p.s.failing:
	case <-p.s.closing:
	case <-p.read:
	case <-moment.C:
	}
	p.s.fail(cause{reason: p.endReason(), blame: p.index, by: p.s.me})
}

func (p *peer) endReason() frame.Reason {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.bye {
		return frame.Left
	}
	return frame.Died
}

// accuse tells the peer whom we blame. Best effort: the write deadline is set.
func (p *peer) accuse() {
	h, a := p.s.accusation()
	if p.writeBlock(a.Append(h.Append(p.record[:0]))) == nil {
		p.closeWrite()
	}
}

func (p *peer) closeWrite() {
	if c, ok := p.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
	}
}

// readAll reads frames until the connection ends. Once the session has failed
// it throws messages away but still hears accusations.
func (p *peer) readAll() {
	defer p.s.wg.Done()
	defer close(p.read)
	defer p.speak()
	defer p.release()
	p.scratch = make([]byte, block)
	for {
		var b [frame.HeaderSize]byte
		if p.fill(b[:]) != nil {
			p.gone()
			return
		}
		h, err := frame.Parse(&b)
		if err != nil || !p.take(h) {
			p.garbled()
			return
		}
	}
}

// take reads the rest of one frame. It is false if the frame is not one that
// the peer may send now. A connection that ends is found by the next read.
func (p *peer) take(h frame.Header) bool {
	switch h.Kind {
	case frame.Abort, frame.Wait:
		var b [frame.AccusationSize]byte
		if p.fill(b[:]) != nil {
			return true
		}
		a, err := frame.ParseAccusation(&b, p.s.n)
		if err != nil {
			return false
		}
		if h.Kind == frame.Wait {
			if a.By != p.index || a.Reason != frame.Stalled {
				return false
			}
			p.s.note(p, a.Blame, h.Step)
			return true
		}
		p.s.hear(p, a, h.Step)
		p.speak()
		return true
	case frame.Bye:
		return p.current == nil && p.leave()
	}
	if p.current == nil {
		if p.endReason() == frame.Left {
			return false
		}
		p.current = p.expected()
	}
	if p.current != nil && p.current.frame != h {
		return false
	}
	p.lastIn.Store(p.s.clock()) // only what we wait for counts as progress
	p.payload(h)
	return true
}

// expected waits for the round that wants a message of the peer. It is nil
// when the session is over, or about to be.
func (p *peer) expected() *transfer {
	select {
	case t := <-p.want:
		return t
	case <-p.s.failing:
	case <-p.s.closing:
	case <-p.unsendable:
	}
	return nil
}

// payload reads the payload of h straight to its place in the message, or
// throws it away if there is no message.
func (p *peer) payload(h frame.Header) {
	rest := h.Payload()
	for at := h.Offset; rest > 0; {
		to := p.scratch[:min(rest, len(p.scratch))]
		if !p.s.running() {
			p.release()
		}
		if p.current != nil {
			to = p.current.bytes[at : at+uint64(rest)]
		}
		n, err := p.some(to)
		if err != nil {
			return
		}
		p.lastIn.Store(p.s.clock())
		at, rest = at+uint64(n), rest-n
	}
	if p.current == nil {
		return
	}
	p.current.frame.Offset += uint64(h.Payload())
	if p.current.frame.Offset == p.current.frame.Length {
		p.s.settle(p.current, true)
		p.current = nil
	}
}

// release gives the message's buffer back to its round.
func (p *peer) release() {
	if p.current != nil {
		p.s.settle(p.current, false)
		p.current = nil
	}
}

func (p *peer) fill(b []byte) error {
	for len(b) > 0 {
		n, err := p.some(b)
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// some reads at least one byte, or none if it was only woken up because the
// session failed.
func (p *peer) some(b []byte) (int, error) {
	n, err := p.conn.Read(b)
	if n > 0 {
		return n, nil
	}
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		if late, failed := p.s.failed(); failed && time.Now().Before(late) {
			p.release()
			return 0, p.conn.SetReadDeadline(late)
		}
	}
	return 0, err
}

// leave notes the peer's Bye.
func (p *peer) leave() bool {
	p.s.mu.Lock()
	again, waiting := p.bye, p.waiting
	p.bye = true
	p.s.mu.Unlock()
	if waiting {
		p.s.fail(cause{reason: frame.Left, blame: p.index, by: p.s.me})
	}
	return !again
}

// gone is called when the connection has ended. After a Bye that is in order.
func (p *peer) gone() {
	if p.endReason() == frame.Died {
		p.s.fail(cause{reason: frame.Died, blame: p.index, by: p.s.me})
	}
}

// garbled is called when the peer sent what it may not. The rest of what it
// sends is read and thrown away, so that it can read whom we blame.
func (p *peer) garbled() {
	p.s.fail(cause{reason: frame.Garbled, blame: p.index, by: p.s.me})
	p.release()
	for {
		if _, err := p.some(p.scratch); err != nil {
			return
		}
	}
}

func (p *peer) speak() {
	if !p.said {
		p.said = true
		close(p.spoke)
	}
}
