package session

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// memory is one end of a connection within the process. Unlike net.Pipe it
// holds some bytes, as a socket does: a writer of little need not wait for the
// reader, and what was written before Close can still be read after it.
type memory struct {
	read, write *stream
}

// memoryBuffer is how many bytes a direction holds.
const memoryBuffer = 256 << 10

func memoryPair() (a, b net.Conn) {
	ab, ba := newStream(), newStream()
	return &memory{read: ba, write: ab}, &memory{read: ab, write: ba}
}

func (m *memory) Read(b []byte) (int, error)  { return m.read.take(b) }
func (m *memory) Write(b []byte) (int, error) { return m.write.put(b) }

// CloseWrite ends our direction; the peer reads the rest and then io.EOF.
func (m *memory) CloseWrite() error {
	m.write.endWriting()
	return nil
}

func (m *memory) Close() error {
	m.write.endWriting()
	m.read.endReading()
	return nil
}

func (m *memory) LocalAddr() net.Addr  { return memoryAddr{} }
func (m *memory) RemoteAddr() net.Addr { return memoryAddr{} }

func (m *memory) SetDeadline(t time.Time) error {
	m.read.readBy.set(m.read, t)
	m.write.writeBy.set(m.write, t)
	return nil
}

func (m *memory) SetReadDeadline(t time.Time) error {
	m.read.readBy.set(m.read, t)
	return nil
}

func (m *memory) SetWriteDeadline(t time.Time) error {
	m.write.writeBy.set(m.write, t)
	return nil
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "memory" }
func (memoryAddr) String() string  { return "memory" }

// stream is one direction: a ring of bytes. All fields are guarded by mu;
// changed is told whenever one of them changes.
type stream struct {
	mu              sync.Mutex
	changed         sync.Cond
	ring            []byte // made by the first put
	start, held     int
	written         bool // no more puts
	abandoned       bool // no more takes
	readBy, writeBy deadline
}

type deadline struct {
	at    time.Time
	timer *time.Timer
}

func newStream() *stream {
	s := &stream{}
	s.changed.L = &s.mu
	return s
}

func (d *deadline) set(s *stream, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = t
	if !t.IsZero() && !s.abandoned {
		d.timer = time.AfterFunc(time.Until(t), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changed.Broadcast()
		})
	}
	s.changed.Broadcast()
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (s *stream) put(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.written || s.abandoned:
			return n, io.ErrClosedPipe
		case s.writeBy.passed():
			return n, os.ErrDeadlineExceeded
		case len(b) == 0:
			return n, nil
		case s.held == memoryBuffer:
			s.changed.Wait()
			continue
		}
		if s.ring == nil {
			s.ring = make([]byte, memoryBuffer)
		}
		end := (s.start + s.held) % memoryBuffer
		free := min(memoryBuffer-s.held, memoryBuffer-end)
		moved := copy(s.ring[end:end+free], b)
		b, n, s.held = b[moved:], n+moved, s.held+moved
		s.changed.Broadcast()
	}
}

func (s *stream) take(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		switch {
		case s.abandoned:
			return 0, net.ErrClosed
		case s.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case len(b) == 0:
			return 0, nil
		case s.held > 0:
			n := copy(b, s.ring[s.start:min(s.start+s.held, memoryBuffer)])
			s.start, s.held = (s.start+n)%memoryBuffer, s.held-n
			s.changed.Broadcast()
			return n, nil
		case s.written:
			return 0, io.EOF
		}
		s.changed.Wait()
	}
}

func (s *stream) endWriting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written = true
	s.changed.Broadcast()
}

func (s *stream) endReading() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abandoned = true
	s.ring, s.held = nil, 0
	for _, d := range []*deadline{&s.readBy, &s.writeBy} {
		if d.timer != nil {
			d.timer.Stop()
		}
	}
	s.changed.Broadcast()
}
