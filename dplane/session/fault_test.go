package session_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"joconde"
	"joconde/dplane/session"
	"joconde/dplane/session/sessiontest"
)

// The program of these tests has 30 rounds of the shapes that engines use: a
// ring in either direction, everybody to everybody, one to all, openings, one
// message of more than a frame. In the last one everybody hears from everybody,
// so that nobody can end well while a party failed in an earlier one.
const rounds = 30

// length is that of the message in a round from one party to another; 0: none.
func length(round, n, from, to int) int {
	next := (from+1)%n == to
	if round == rounds-1 {
		return 1
	}
	switch round % 5 {
	case 0:
		if next {
			return 100
		}
	case 1:
		return 1 + round
	case 2:
		if from == round%n {
			return 5000
		}
	case 3:
		if (to+1)%n == from {
			return 64
		}
	case 4:
		if next && round == 14 {
			return 1<<20 + 77
		}
		if next {
			return 40_000
		}
	}
	return 0
}

// content is that of a message. Nobody writes to it.
func content(round, from, to, length int) []byte {
	at := 311*round + 17*from + to
	return noise()[at : at+length]
}

var noise = sync.OnceValue(func() []byte {
	b := make([]byte, 2<<20)
	rand.Read(b)
	return b
})

// messages is how many messages the party sends in the whole program.
func messages(n, party int) (count int) {
	for round := range rounds {
		for to := range n {
			if to != party && length(round, n, party, to) > 0 {
				count++
			}
		}
	}
	return count
}

// program is what party me does. compute is called before each round; strike,
// if it is set, instead of sending message number at.
func program(ctx context.Context, s session.Session, compute func(round, me int), at int, strike func() error) error {
	me, n := s.Parties()
	sent := 0
	for round := range rounds {
		compute(round, me)
		out, in := make([][]byte, n), make([][]byte, n)
		for p := range n {
			if p == me {
				continue
			}
			if l := length(round, n, me, p); l > 0 {
				if sent++; strike != nil && sent == at {
					// The messages of the round before this one do leave.
					if err := s.Exchange(ctx, out, nil); err != nil {
						return err
					}
					return strike()
				}
				out[p] = content(round, me, p, l)
			}
			in[p] = make([]byte, length(round, n, p, me))
		}
		var err error
		if round%5 == 3 {
			err = s.Open(ctx, round/5, out, in)
		} else {
			err = s.Exchange(ctx, out, in)
		}
		if err != nil {
			return err
		}
		for p := range n {
			if p != me && !bytes.Equal(in[p], content(round, p, me, len(in[p]))) {
				return fmt.Errorf("wrong content from party %d in round %d", p, round)
			}
		}
	}
	return nil
}

func noComputing(int, int) {}

// skewed makes the parties compute for different times. Those who lag behind by
// a few rounds are still far from the stall limit.
func skewed(round, me int) {
	time.Sleep(time.Duration((round*7+me*5)%13) * time.Second / 3)
}

// transport makes n sessions and gives the raw connections of one party.
type transport struct {
	name string
	make func(t *testing.T, n, party int) ([]session.Session, []net.Conn)
}

var transports = []transport{
	{"Pipe", func(t *testing.T, n, party int) ([]session.Session, []net.Conn) {
		var raw []net.Conn
		sessions := session.Pipe(n, session.WithStall(20*time.Second), session.WithOpenings(6),
			session.WithWire(func(from, _ int, conn net.Conn) net.Conn {
				if from == party {
					raw = append(raw, conn)
				}
				return conn
			}))
		return sessions, raw
	}},
	{"TLS", func(t *testing.T, n, party int) ([]session.Session, []net.Conn) {
		conns := session.MemoryConns(n)
		sessions := overTLS(t, conns)
		var raw []net.Conn
		for _, conn := range conns[party] {
			if conn != nil {
				raw = append(raw, conn)
			}
		}
		return sessions, raw
	}},
}

// keys are made once: they are costly, and nothing hangs on their being fresh.
var keys = sync.OnceValue(func() (ids []*session.Identity) {
	for range 5 {
		id, err := session.NewIdentity()
		if err != nil {
			panic(err)
		}
		ids = append(ids, id)
	}
	return ids
})

func configs(n int) []session.Config {
	peers := make([]session.Peer, n)
	for p := range peers {
		peers[p].Pin = keys()[p].Pin()
	}
	configs := make([]session.Config, n)
	for p := range configs {
		configs[p] = session.Config{Me: p, Peers: peers, Identity: keys()[p], Label: []byte("task 1, attempt 1"), Openings: 6}
	}
	return configs
}

func overTLS(t *testing.T, conns [][]net.Conn) []session.Session {
	t.Helper()
	n := len(conns)
	sessions, errs := make([]session.Session, n), make([]error, n)
	var wg sync.WaitGroup
	for p, c := range configs(n) {
		wg.Go(func() { sessions[p], errs[p] = session.Over(t.Context(), c, conns[p]) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return sessions
}

// outcome is what one run of the program with a fault led to.
type outcome struct {
	errs   []error
	struck time.Time
	ended  []time.Time
}

// runAll runs the program at all parties until all have ended, and closes.
func runAll(sessions []session.Session, compute func(round, me int), party, at int, strike func(ctx context.Context) error) outcome {
	n := len(sessions)
	o := outcome{errs: make([]error, n), ended: make([]time.Time, n)}
	ctx, release := context.WithCancel(context.Background())
	var survivors, all sync.WaitGroup
	for p, s := range sessions {
		at, strikeNow := at, func() error {
			o.struck = time.Now()
			return strike(ctx)
		}
		if p != party || strike == nil {
			at, strikeNow = 0, nil
		}
		run := func() {
			o.errs[p] = program(context.Background(), s, compute, at, strikeNow)
			o.ended[p] = time.Now()
			s.Close()
		}
		all.Go(run2(run, p != party, &survivors))
	}
	survivors.Wait()
	release()
	all.Wait()
	return o
}

// run2 lets run count in survivors as well.
func run2(run func(), counts bool, survivors *sync.WaitGroup) func() {
	if !counts {
		return run
	}
	survivors.Add(1)
	return func() {
		defer survivors.Done()
		run()
	}
}

// demand checks that every survivor ended in time with an error that names
// party. In the last round some may have received all that they waited for.
func (o outcome) demand(t *testing.T, party, at int, within time.Duration) {
	t.Helper()
	last := at > messages(len(o.errs), party)-(len(o.errs)-1)
	for p, err := range o.errs {
		if p == party || last && err == nil {
			continue
		}
		var fault *joconde.Fault
		if !errors.As(err, &fault) || fault.Party != session.Name(party) {
			t.Errorf("%s ended with %v, which does not name %s", session.Name(p), err, session.Name(party))
		}
		if took := o.ended[p].Sub(o.struck); took > within {
			t.Errorf("%s ended after %v", session.Name(p), took)
		}
	}
}

func TestAPartyThatFailsAtAnyMessageIsNamedByAllOthers(t *testing.T) {
	faults := []struct {
		name   string
		strike func(ctx context.Context, s session.Session, raw []net.Conn) error
	}{
		{"dies", func(_ context.Context, _ session.Session, raw []net.Conn) error {
			for _, conn := range raw {
				conn.Close()
			}
			return nil
		}},
		{"stalls", func(ctx context.Context, _ session.Session, _ []net.Conn) error {
			<-ctx.Done()
			return nil
		}},
		{"sends garbage", func(ctx context.Context, _ session.Session, raw []net.Conn) error {
			for _, conn := range raw {
				conn.Write([]byte("GET / HTTP/1.1\r\nHost: www.example.org\r\n\r\n"))
			}
			<-ctx.Done()
			return nil
		}},
		{"leaves", func(_ context.Context, s session.Session, _ []net.Conn) error { return s.Close() }},
		{"is interrupted", func(_ context.Context, s session.Session, _ []net.Conn) error {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := s.Exchange(ctx, nil, nil); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("the interrupted party got %v", err)
			}
			return nil
		}},
		{"leaves the plan", func(_ context.Context, s session.Session, _ []net.Conn) error {
			if err := s.Open(context.Background(), 17, nil, nil); err == nil {
				return errors.New("an opening out of order was accepted")
			}
			return nil
		}},
	}
	for _, tr := range transports {
		for _, fault := range faults {
			t.Run(tr.name+", a party "+fault.name, func(t *testing.T) {
				const n = 3
				for party := range n {
					for at := 1; at <= messages(n, party); at += stride {
						synctest.Test(t, func(t *testing.T) {
							sessions, raw := tr.make(t, n, party)
							o := runAll(sessions, noComputing, party, at, func(ctx context.Context) error {
								return fault.strike(ctx, sessions[party], raw)
							})
							if o.errs[party] != nil {
								t.Error(o.errs[party])
							}
							o.demand(t, party, at, 30*time.Second)
						})
						if t.Failed() {
							t.Fatalf("at message %d of %s", at, session.Name(party))
						}
					}
				}
			})
		}
	}
}

// Parties that compute for different times reach the limit at different times,
// and more parties make longer chains of who waits for whom.
func TestAStallIsTracedToItsOriginThroughThoseWhoWait(t *testing.T) {
	for _, n := range []int{3, 4, 5} {
		for party := range n {
			for at := 1; at <= messages(n, party); at += 2 * stride {
				synctest.Test(t, func(t *testing.T) {
					sessions := session.Pipe(n, session.WithStall(20*time.Second))
					o := runAll(sessions, skewed, party, at, func(ctx context.Context) error {
						<-ctx.Done()
						return nil
					})
					o.demand(t, party, at, 45*time.Second)
				})
				if t.Failed() {
					t.Fatalf("at message %d of %s among %d", at, session.Name(party), n)
				}
			}
		}
	}
}

func TestADisturbedFrameIsNoticedAndTheSenderNamed(t *testing.T) {
	const n = 3
	for _, wire := range sessiontest.Wires {
		t.Run(wire.String(), func(t *testing.T) {
			unnoticed := 0
			for party := range n {
				for at := 1; ; at += stride {
					struck := false
					synctest.Test(t, func(t *testing.T) {
						d := sessiontest.Disturb(party, wire, at)
						sessions := session.Pipe(n, session.WithStall(20*time.Second), session.WithWire(d.Conn))
						o := runAll(sessions, noComputing, party, 0, nil)
						if struck = d.Struck(); !struck || errors.Join(o.errs...) == nil {
							if err := errors.Join(o.errs...); err != nil {
								t.Error(err)
							}
							if struck {
								unnoticed++
							}
							return
						}
						// In the last round some have received all that they wait
						// for, and a frame too many is noticed one round later.
						last := at >= messages(n, party)-(n-1)
						for p, err := range o.errs {
							if p == party || last && err == nil {
								continue
							}
							var fault *joconde.Fault
							if !errors.As(err, &fault) {
								t.Errorf("%s ended with %v", session.Name(p), err)
							} else if fault.Party != session.Name(party) && wire != sessiontest.SentButRefused {
								t.Errorf("%s named %s: %v", session.Name(p), fault.Party, err)
							}
						}
					})
					if t.Failed() {
						t.Fatalf("at frame %d of %s", at, session.Name(party))
					}
					if !struck {
						break
					}
				}
			}
			// Only what comes after the last message that anybody waits for
			// can go unnoticed, and does no harm.
			if unnoticed > 2*n {
				t.Errorf("%d disturbances went unnoticed", unnoticed)
			}
		})
	}
}
