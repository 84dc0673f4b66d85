package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"joconde"
	"joconde/dplane/session/internal/frame"
)

const (
	// attempt limits one connection's way from the first packet to the echo.
	attempt = 5 * time.Second
	// maxStrangers is how many callers may be on that way at once. One more,
	// and the oldest is dropped: a peer needs milliseconds, who holds the line
	// for longer is none.
	maxStrangers = 32
)

// Dial connects to every peer, the party of lower index calling, and returns
// when every party is connected to every other. Whoever else connects, or
// answers in a peer's place, is dropped and does no harm beyond delay. The
// error is a Fault where a peer did not come in time or disagrees about what
// is to be run, ctx.Err() where the caller gave up.
func Dial(ctx context.Context, c Config) (Session, error) {
	if c.Listener != nil {
		defer c.Listener.Close()
	}
	c, err := c.check()
	if err != nil {
		return nil, err
	}
	if c.Listener == nil && c.Me > 0 {
		return nil, errors.New("a session needs a listener")
	}
	return c.connect(ctx, func(ctx context.Context, wg *sync.WaitGroup, arrive func(arrival)) {
		for p := c.Me + 1; p < len(c.Peers); p++ {
			wg.Go(func() { c.call(ctx, p, arrive) })
		}
		if c.Me > 0 {
			stop := context.AfterFunc(ctx, func() { _ = c.Listener.Close() })
			wg.Go(func() {
				defer stop()
				c.answer(ctx, arrive)
			})
		}
	})
}

// Over is Dial on connections that exist: conns[p] leads to party p. They
// belong to the session from now on, also when Over fails.
func Over(ctx context.Context, c Config, conns []net.Conn) (Session, error) {
	c, err := c.check()
	if err == nil && len(conns) != len(c.Peers) {
		err = fmt.Errorf("a session among %d parties was given %d connections", len(c.Peers), len(conns))
	}
	if err != nil {
		for _, conn := range conns {
			if conn != nil {
				_ = conn.Close()
			}
		}
		return nil, err
	}
	return c.connect(ctx, func(ctx context.Context, wg *sync.WaitGroup, arrive func(arrival)) {
		for p, conn := range conns {
			if p == c.Me {
				continue
			}
			wg.Go(func() {
				if conn == nil {
					arrive(arrival{party: p, last: errors.New("there is no connection")})
					return
				}
				secured, _, err := c.secure(ctx, conn, c.Me < p, []int{p})
				if err != nil {
					arrive(arrival{party: p, err: blamed(p, err)})
					return
				}
				arrive(arrival{party: p, conn: secured})
			})
		}
	})
}

// arrival is news about a peer: a connection that is its own beyond doubt, or
// an error that ends the session, or the last of the errors that may pass.
type arrival struct {
	party int
	conn  net.Conn
	err   error
	last  error
}

// blamed makes err a Fault of party p unless it is one.
func blamed(p int, err error) error {
	if fault := (*joconde.Fault)(nil); errors.As(err, &fault) {
		return err
	}
	return &joconde.Fault{Party: Name(p), Err: err}
}

// connect collects the connections that seek finds, and then lets all parties
// meet. The session runs from the first connection on, so that whoever gives
// up can say so to those that it has reached.
func (c Config) connect(ctx context.Context, seek func(ctx context.Context, wg *sync.WaitGroup, arrive func(arrival))) (Session, error) {
	began := time.Now()
	s := newParty(c.Me, len(c.Peers), c.Handshake, c.Openings)
	seeking, stop := context.WithTimeout(ctx, c.Handshake)
	arrivals := make(chan arrival)
	var wg sync.WaitGroup
	seek(seeking, &wg, func(a arrival) {
		select {
		case arrivals <- a:
		case <-seeking.Done():
			if a.conn != nil {
				_ = a.conn.Close()
			}
		}
	})
	s.collect(ctx, seeking, c.Handshake, arrivals)
	stop()
	wg.Wait()

	err := s.over()
	if err == nil {
		s.stall.Store(int64(max(c.Handshake-time.Since(began), time.Second)))
		err = s.meet(ctx)
	}
	if err != nil {
		_ = s.Close()
		return nil, err
	}
	s.stall.Store(int64(c.Stall))
	return s, nil
}

// collect attaches peers as they arrive until none is missing. If that cannot
// be, it fails the session.
func (s *party) collect(ctx, seeking context.Context, limit time.Duration, arrivals <-chan arrival) {
	missing := map[int]error{}
	for p := range s.n {
		if p != s.me {
			missing[p] = nil
		}
	}
	for len(missing) > 0 {
		select {
		case a := <-arrivals:
			_, wanted := missing[a.party]
			switch {
			case a.err != nil:
				s.fail(cause{reason: frame.Garbled, blame: a.party, by: s.me, err: a.err})
			case a.conn == nil:
				missing[a.party] = a.last
			case !wanted:
				_ = a.conn.Close() // it is connected already
			default:
				delete(missing, a.party)
				s.attach(a.party, a.conn)
			}
		case <-s.failing:
			return
		case <-seeking.Done():
			if err := ctx.Err(); err != nil {
				s.fail(cause{reason: frame.Interrupted, blame: s.me, by: s.me, err: err})
				return
			}
			parties := slices.Sorted(maps.Keys(missing))
			var faults []error
			for _, p := range parties {
				err := fmt.Errorf("did not connect within %v", limit)
				if missing[p] != nil {
					err = fmt.Errorf("%w: %w", err, missing[p])
				}
				faults = append(faults, &joconde.Fault{Party: Name(p), Err: err})
			}
			s.fail(cause{reason: frame.Died, blame: parties[0], by: s.me, err: errors.Join(faults...)})
			return
		}
	}
}

// meet is round 0. When it ends every party is connected to every other, and
// all may begin the plan at about the same time.
func (s *party) meet(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	s.step = math.MaxUint64 // the round adds one
	s.mu.Unlock()
	out, in := make([][]byte, s.n), make([][]byte, s.n)
	for p := range s.n {
		out[p], in[p] = []byte{1}, make([]byte, 1)
	}
	return s.round(ctx, frame.Data, 0, out, in)
}

// call tries to reach party p until ctx ends.
func (c Config) call(ctx context.Context, p int, arrive func(arrival)) {
	for pause := 20 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, time.Second/2) {
		conn, err := c.callOnce(ctx, p)
		if err == nil {
			arrive(arrival{party: p, conn: conn})
			return
		}
		if fault := (*joconde.Fault)(nil); errors.As(err, &fault) {
			arrive(arrival{party: p, err: err})
			return
		}
		arrive(arrival{party: p, last: err})
		rest := time.NewTimer(pause)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
	}
}

func (c Config) callOnce(ctx context.Context, p int) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", c.Peers[p].Addr)
	if err != nil {
		return nil, err
	}
	secured, _, err := c.secure(ctx, conn, true, []int{p})
	if err != nil {
		return nil, err
	}
	return secured, nil
}

// answer takes calls until the listener is closed. Who is not a peer is
// dropped without a word.
func (c Config) answer(ctx context.Context, arrive func(arrival)) {
	var lower []int
	for p := range c.Me {
		lower = append(lower, p)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	var callers []net.Conn // the oldest first
	for {
		conn, err := c.Listener.Accept()
		if errors.Is(err, net.ErrClosed) || ctx.Err() != nil {
			if conn != nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil { // such as too many open files: it may pass
			time.Sleep(50 * time.Millisecond)
			continue
		}
		mu.Lock()
		if len(callers) == maxStrangers {
			_ = callers[0].Close()
			callers = callers[1:]
		}
		callers = append(callers, conn)
		mu.Unlock()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, attempt)
			defer cancel()
			secured, p, err := c.secure(ctx, conn, false, lower)
			mu.Lock()
			if i := slices.Index(callers, conn); i >= 0 {
				callers = slices.Delete(callers, i, i+1)
			}
			mu.Unlock()
			if fault := (*joconde.Fault)(nil); errors.As(err, &fault) {
				arrive(arrival{party: p, err: err})
			} else if err == nil {
				arrive(arrival{party: p, conn: secured})
			}
		})
	}
}
