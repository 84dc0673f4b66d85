package sessiontest

import (
	"net"
	"sync"

	"joconde/dplane/session/internal/frame"
)

// Wire is a way in which the bytes between two parties are disturbed, below
// the session's frames. Over TLS all but Cut and Freeze need the peer's key.
type Wire int

// What happens to a frame on its way.
const (
	Cut            Wire = iota + 1 // the connection ends before it
	CutInside                      // the connection ends in the middle of it
	Freeze                         // nothing is delivered from here on, nothing ends
	Garbage                        // other bytes stand in its place
	Lost                           // it is missing, what follows is there
	Twice                          // it comes twice
	Again                          // the one before it comes again in its place
	WrongStep                      // its header names another step
	WrongLength                    // its header names another length
	WrongOpening                   // its header names another opening
	WrongKind                      // Exchange becomes Open, or the other way round
	AfterIts                       // it changes places with the next one
	SentButRefused                 // it is delivered, and the sender gets an error
)

// Wires are all, for tests that range over them.
var Wires = []Wire{Cut, CutInside, Freeze, Garbage, Lost, Twice, Again, WrongStep, WrongLength, WrongOpening, WrongKind, AfterIts, SentButRefused}

func (w Wire) String() string {
	if w < 1 || int(w) > len(wireWords) {
		return "no fault"
	}
	return wireWords[w-1]
}

var wireWords = []string{
	"cut before a frame", "cut inside a frame", "frozen", "garbage", "a frame lost", "a frame twice", "an old frame again",
	"wrong step", "wrong length", "wrong opening", "wrong kind", "two frames exchanged", "sent but refused",
}

// Disturbance disturbs all connections of one party alike: the fault strikes
// at its frame number at, counted from 1 over everything that it sends, and
// Cut, CutInside and Freeze strike all of its connections, as when its machine
// fails. Its Conn is made for session.WithWire.
type Disturbance struct {
	party int
	wire  Wire

	mu     sync.Mutex
	at     int
	frozen chan struct{} // closed by Thaw
	conns  []*wireConn
}

// Disturb prepares a fault of party at its frame number at.
func Disturb(party int, wire Wire, at int) *Disturbance {
	return &Disturbance{party: party, wire: wire, at: at, frozen: make(chan struct{})}
}

// Struck says whether the fault has happened.
func (d *Disturbance) Struck() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.at <= 0
}

// Conn wraps an end of a connection of the party; others it leaves alone.
func (d *Disturbance) Conn(from, to int, conn net.Conn) net.Conn {
	if from != d.party {
		return conn
	}
	c := &wireConn{Conn: conn, d: d}
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	return c
}

// wireConn takes what is written apart into frames. A session writes each from
// one goroutine.
type wireConn struct {
	net.Conn
	d       *Disturbance
	pending []byte // the beginning of a frame
	last    []byte // the frame before
	held    []byte // for AfterIts
	frozen  bool   // guarded by d.mu
}

func (c *wireConn) Write(b []byte) (int, error) {
	c.pending = append(c.pending, b...)
	for len(c.pending) >= frame.HeaderSize {
		h, err := frame.Parse((*[frame.HeaderSize]byte)(c.pending))
		if err != nil {
			return c.Conn.Write(b)
		}
		size := frame.HeaderSize + h.Payload()
		if len(c.pending) < size {
			break
		}
		whole := append([]byte(nil), c.pending[:size]...)
		c.pending = c.pending[size:]
		if err := c.frame(h, whole); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// CloseWrite passes on, unless the machine is frozen.
func (c *wireConn) CloseWrite() error {
	if c.isFrozen() {
		return nil
	}
	if inner, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return inner.CloseWrite()
	}
	return nil
}

func (c *wireConn) isFrozen() bool {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	return c.frozen
}

func (c *wireConn) frame(h frame.Header, whole []byte) error {
	strikes := false
	c.d.mu.Lock()
	if h.Kind == frame.Data || h.Kind == frame.Open {
		c.d.at--
		strikes = c.d.at == 0
	}
	frozen := c.frozen
	if strikes && c.d.wire == Freeze {
		frozen = true
		for _, other := range c.d.conns {
			other.frozen = true
		}
	}
	c.d.mu.Unlock()
	if frozen {
		return nil // nothing is delivered, yet the sender does not know
	}
	if h.Kind == frame.Wait {
		return c.deliver(whole) // not a message
	}
	last := c.last
	c.last = whole
	if !strikes {
		if c.held != nil {
			whole, c.held = append(whole, c.held...), nil
		}
		return c.deliver(whole)
	}
	switch c.d.wire {
	case Cut:
		c.cut()
		return net.ErrClosed
	case CutInside:
		_ = c.deliver(whole[:len(whole)-1])
		c.cut()
		return net.ErrClosed
	case Garbage:
		for i := range whole {
			whole[i] = byte(i)*7 + 13
		}
	case Lost:
		return nil
	case Twice:
		whole = append(whole, whole...)
	case Again:
		if last == nil {
			last = append(whole, whole...)
		}
		whole = last
	case AfterIts:
		c.held = whole
		return nil
	case WrongStep, WrongLength, WrongOpening, WrongKind:
		payload := whole[frame.HeaderSize:]
		switch c.d.wire {
		case WrongStep:
			h.Step++
		case WrongLength:
			h.Length++
		case WrongOpening:
			h.Kind, h.Opening = frame.Open, h.Opening+1
		case WrongKind:
			h.Kind, h.Opening = frame.Data+frame.Open-h.Kind, 0
		}
		whole = append(h.Append(nil), payload...)
	case SentButRefused:
		_ = c.deliver(whole)
		return net.ErrClosed
	}
	return c.deliver(whole)
}

func (c *wireConn) deliver(b []byte) error {
	_, err := c.Conn.Write(b)
	return err
}

// cut ends all connections of the party, as the death of its process does.
func (c *wireConn) cut() {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	for _, other := range c.d.conns {
		_ = other.Conn.Close()
	}
}
