package dplane

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"
)

// door is a worker's listener: it tells peers, uploads and aborts apart by the
// ALPN name that a caller asks for, before anything else is said to it.
type door struct {
	listener net.Listener
	handlers map[string]func(net.Conn) // by ALPN name; they own the connection

	mu      sync.Mutex
	callers []net.Conn // that have not said what they want; the oldest first
	inside  map[net.Conn]bool
	closed  bool
	wg      sync.WaitGroup
}

const (
	knock      = 5 * time.Second // how long a caller may take to say what it wants
	maxCallers = 32              // of them at once; one more, and the oldest is dropped
	maxInside  = 256             // connections that handlers have at once
)

// openDoor takes calls until it is closed. It owns the listener.
func openDoor(listener net.Listener, handlers map[string]func(net.Conn)) *door {
	d := &door{listener: listener, handlers: handlers, inside: map[net.Conn]bool{}}
	d.wg.Go(d.accept)
	return d
}

// close ends all connections but those of the session, and waits for handlers.
func (d *door) close() {
	d.mu.Lock()
	d.closed = true
	_ = d.listener.Close()
	for _, conn := range d.callers {
		_ = conn.Close()
	}
	for conn := range d.inside {
		_ = conn.Close()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

func (d *door) accept() {
	for {
		conn, err := d.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files: it may pass
			time.Sleep(50 * time.Millisecond)
			continue
		}
		d.mu.Lock()
		if d.closed {
			d.mu.Unlock()
			_ = conn.Close()
			return
		}
		if len(d.callers) == maxCallers {
			_ = d.callers[0].Close()
			d.callers = d.callers[1:]
		}
		d.callers = append(d.callers, conn)
		d.wg.Go(func() { d.answer(conn) })
		d.mu.Unlock()
	}
}

// answer brings one caller to whoever it asks for.
func (d *door) answer(raw net.Conn) {
	conn, wants, err := peek(raw)
	d.mu.Lock()
	if i := slices.Index(d.callers, raw); i >= 0 {
		d.callers = slices.Delete(d.callers, i, i+1)
	}
	var handle func(net.Conn)
	for _, name := range wants {
		if h := d.handlers[name]; h != nil && handle == nil {
			handle = h
		}
	}
	if err != nil || handle == nil || d.closed || len(d.inside) >= maxInside {
		d.mu.Unlock()
		_ = raw.Close()
		return
	}
	d.inside[raw] = true
	d.mu.Unlock()
	handle(conn)
	d.mu.Lock()
	delete(d.inside, raw)
	d.mu.Unlock()
}

// peek reads a caller's ClientHello for the ALPN names in it, and gives a
// connection from which the same bytes are read again.
func peek(raw net.Conn) (net.Conn, []string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), knock)
	defer cancel()
	_ = raw.SetDeadline(time.Now().Add(knock))
	heard := &listening{Conn: raw}
	var wants []string
	seen := errors.New("seen")
	err := tls.Server(heard, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		wants = hello.SupportedProtos
		return nil, seen
	}}).HandshakeContext(ctx)
	if !errors.Is(err, seen) {
		return nil, nil, err
	}
	_ = raw.SetDeadline(time.Time{})
	return &replayed{Conn: raw, first: *bytes.NewReader(heard.bytes.Bytes())}, wants, nil
}

// listening keeps what is read, and says nothing.
type listening struct {
	net.Conn
	bytes bytes.Buffer
}

const maxHello = 64 << 10

func (l *listening) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	l.bytes.Write(b[:n])
	if l.bytes.Len() > maxHello {
		return 0, errors.New("a greeting without end")
	}
	return n, err
}

func (l *listening) Write(b []byte) (int, error) { return len(b), nil } // the alert that would go with the error
func (l *listening) Close() error                { return nil }

// replayed reads what was read before, and then on.
type replayed struct {
	net.Conn
	first bytes.Reader
}

func (r *replayed) Read(b []byte) (int, error) {
	if r.first.Len() > 0 {
		return r.first.Read(b)
	}
	return r.Conn.Read(b)
}

// peersListener is the part of a door that a session takes: the connections of
// peers, which are the session's own from there on.
type peersListener struct {
	address net.Addr
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

func newPeersListener(address net.Addr) *peersListener {
	return &peersListener{address: address, conns: make(chan net.Conn), done: make(chan struct{})}
}

// pass hands a connection over; one for which nobody waits is dropped. The
// peer calls again.
func (l *peersListener) pass(conn net.Conn) {
	timer := time.NewTimer(knock)
	defer timer.Stop()
	select {
	case l.conns <- conn:
	case <-timer.C:
		_ = conn.Close()
	case <-l.done:
		_ = conn.Close()
	}
}

// Accept gives the next peer.
func (l *peersListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept, and leaves the door open.
func (l *peersListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr is the door's.
func (l *peersListener) Addr() net.Addr { return l.address }
