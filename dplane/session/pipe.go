package session

import (
	"net"
	"time"
)

// pipe is what the options of Pipe set.
type pipe struct {
	stall    time.Duration
	openings int
	wire     func(from, to int, conn net.Conn) net.Conn
}

// Option changes what Pipe makes.
type Option func(*pipe)

// WithStall sets how long a peer may be waited for while nothing moves. The
// default of Pipe is two minutes: in one process nobody dies unseen, and the
// parties share the processors.
func WithStall(limit time.Duration) Option { return func(p *pipe) { p.stall = limit } }

// WithOpenings says how many openings the plan declares. Without it, any
// number is allowed, in order.
func WithOpenings(n int) Option { return func(p *pipe) { p.openings = n } }

// WithWire puts something between each end and its connection, for tests: it
// is called for the end of party from that leads to party to.
func WithWire(wrap func(from, to int, conn net.Conn) net.Conn) Option {
	return func(p *pipe) { p.wire = wrap }
}

// Pipe makes the sessions of n parties within one process: entry p is for
// party p. Each must be closed. It works inside a testing/synctest bubble.
func Pipe(n int, options ...Option) []Session {
	p := pipe{stall: 2 * time.Minute, openings: unlimited}
	for _, set := range options {
		set(&p)
	}
	conns := make([][]net.Conn, n)
	for i := range conns {
		conns[i] = make([]net.Conn, n)
	}
	for i := range n {
		for j := range i {
			conns[i][j], conns[j][i] = memoryPair()
			if p.wire != nil {
				conns[i][j], conns[j][i] = p.wire(i, j, conns[i][j]), p.wire(j, i, conns[j][i])
			}
		}
	}
	sessions := make([]Session, n)
	for i := range sessions {
		s := newParty(i, n, p.stall, p.openings)
		for j, conn := range conns[i] {
			if j != i {
				s.attach(j, conn)
			}
		}
		sessions[i] = s
	}
	return sessions
}
