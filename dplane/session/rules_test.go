package session_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"joconde"
	"joconde/dplane/session"
	"joconde/dplane/session/internal/frame"
)

// A line of a transcript: what one party does in a round of two parties.
type line struct {
	opening int // -1 for Exchange
	out, in int
	refused string // words of the error; "" if the round succeeds
}

func TestRoundsThatLeaveThePlan(t *testing.T) {
	const x = -1
	cases := map[string]struct{ a, b []line }{
		"openings come in order, and may repeat": {
			a: []line{{x, 3, 2, ""}, {0, 1, 1, ""}, {0, 1, 1, ""}, {1, 4, 4, ""}},
			b: []line{{x, 2, 3, ""}, {0, 1, 1, ""}, {0, 1, 1, ""}, {1, 4, 4, ""}},
		},
		"an opening is skipped": {
			a: []line{{0, 1, 1, ""}, {2, 1, 1, "opening 2 is not due"}},
			b: []line{{0, 1, 1, ""}, {1, 1, 1, "node-1: it says that it had an error of its own"}},
		},
		"an opening comes back": {
			a: []line{{0, 1, 1, ""}, {1, 1, 1, ""}, {0, 1, 1, "opening 0 is not due"}},
			b: []line{{0, 1, 1, ""}, {1, 1, 1, ""}, {1, 1, 1, "node-1: it says"}},
		},
		"an opening that was not declared": {
			a: []line{{0, 1, 1, ""}, {1, 1, 1, ""}, {2, 1, 1, "not declared"}},
			b: []line{{0, 1, 1, ""}, {1, 1, 1, ""}, {x, 1, 1, "node-1: it says"}},
		},
		"one opens where the other exchanges": {
			a: []line{{0, 1, 1, "node-2: "}},
			b: []line{{x, 1, 1, "node-1: "}},
		},
		"one is at another opening": {
			a: []line{{0, 1, 1, ""}, {0, 1, 1, "node-2: "}},
			b: []line{{0, 1, 1, ""}, {1, 1, 1, "node-1: "}},
		},
		"a message is shorter than expected": {
			a: []line{{x, 7, 0, "node-2: aborted at step 1 because, it says, node-1 sent what the program does not allow"}, {x, 0, 1, "node-2: "}},
			b: []line{{x, 0, 8, "node-1: sent what the program does not allow, at step 1"}},
		},
		"a message is longer than expected": {
			a: []line{{x, 9, 0, "node-2: "}, {x, 0, 1, "node-2: "}},
			b: []line{{x, 0, 8, "node-1: "}},
		},
		"one is a step ahead": {
			a: []line{{x, 0, 0, ""}, {x, 8, 0, "node-2: "}, {x, 0, 1, "node-2: "}},
			b: []line{{x, 0, 8, "node-1: "}},
		},
		"one leaves while the other waits": {
			a: []line{{x, 1, 1, ""}},
			b: []line{{x, 1, 1, ""}, {x, 0, 1, "node-1: left before the end of the program, at step 2"}},
		},
		"one leaves while the other sends": {
			a: []line{{x, 1, 1, ""}},
			b: []line{{x, 1, 1, ""}, {x, 2 << 20, 0, "node-1: left"}},
		},
		"nobody speaks": {
			a: []line{{x, 0, 1, "node-2: made no progress for 20s, at step 1"}},
			b: []line{{x, 0, 1, "node-1: made no progress for 20s, at step 1"}},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sessions := session.Pipe(2, session.WithOpenings(2), session.WithStall(20*time.Second))
				atBoth := func(me int, s session.Session) {
					defer s.Close()
					for i, l := range [][]line{c.a, c.b}[me] {
						out, in := make([][]byte, 2), make([][]byte, 2)
						out[1-me], in[1-me] = make([]byte, l.out), make([]byte, l.in)
						var err error
						if l.opening >= 0 {
							err = s.Open(context.Background(), l.opening, out, in)
						} else {
							err = s.Exchange(context.Background(), out, in)
						}
						// A round that only sends may succeed before the peer
						// has looked at what was sent.
						if err == nil && (l.refused == "" || l.in == 0) {
							continue
						}
						if err == nil || l.refused == "" || !strings.Contains(err.Error(), l.refused) {
							t.Errorf("%s, round %d: %v", session.Name(me), i, err)
						}
						if err != nil {
							if again := s.Exchange(context.Background(), nil, nil); !errors.Is(again, err) {
								t.Errorf("%s: first %v, then %v", session.Name(me), err, again)
							}
							return
						}
					}
				}
				done := make(chan bool)
				go func() { atBoth(0, sessions[0]); done <- true }()
				atBoth(1, sessions[1])
				<-done
			})
		})
	}
}

func TestARoundOfTheWrongShapeAborts(t *testing.T) {
	sessions := session.Pipe(3)
	defer closeAll(sessions)
	if err := sessions[0].Exchange(context.Background(), make([][]byte, 2), nil); err == nil {
		t.Error("a message list for two of three parties was accepted")
	}
	in := [][]byte{make([]byte, 1), nil, nil}
	if err := sessions[1].Exchange(context.Background(), nil, in); !names(err, 0) {
		t.Error(err)
	}
}

func TestCloseIsSafeAtAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := session.Pipe(2)
		result := make(chan error)
		go func() {
			result <- sessions[0].Exchange(context.Background(), nil, [][]byte{nil, make([]byte, 1)})
		}()
		synctest.Wait()
		for range 2 {
			if err := sessions[0].Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-result; err == nil {
			t.Error("a round succeeded on a closed session")
		}
		if err := sessions[0].Exchange(context.Background(), nil, nil); err == nil {
			t.Error("a closed session made a round")
		}
		sessions[1].Close()
	})
}

func TestAnInterruptedRoundReturnsTheContextsError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := session.Pipe(3)
		defer closeAll(sessions)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		start := time.Now()
		other := make(chan error)
		go func() {
			other <- sessions[2].Exchange(context.Background(), nil, [][]byte{nil, make([]byte, 1), nil})
		}()
		if err := sessions[0].Exchange(ctx, nil, [][]byte{nil, make([]byte, 1), nil}); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if err := <-other; !names(err, 0) || !strings.Contains(err.Error(), "it says that it was interrupted") {
			t.Error(err)
		}
		if time.Since(start) > 4*time.Second {
			t.Error("it took", time.Since(start))
		}
	})
}

// A slow line is no stall, as long as something moves.
func TestASlowPeerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sessions := session.Pipe(2, session.WithStall(20*time.Second), session.WithWire(func(from, _ int, conn net.Conn) net.Conn {
			return slow{conn}
		}))
		start := time.Now()
		done := make(chan error)
		message := bytes.Repeat([]byte("joconde "), 100_000)
		go func() { done <- sessions[0].Exchange(context.Background(), [][]byte{nil, message}, nil) }()
		in := make([]byte, len(message))
		if err := sessions[1].Exchange(context.Background(), nil, [][]byte{in, nil}); err != nil || !bytes.Equal(in, message) {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if time.Since(start) < time.Minute {
			t.Error("the line was not slow")
		}
		closeAll(sessions)
	})
}

// slow passes about 1 kB/s.
type slow struct{ net.Conn }

func (s slow) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Millisecond)
	return s.Conn.Write(b)
}

func TestCountsAreThoseOfTheFrames(t *testing.T) {
	plain := session.Pipe(2)
	a, b := session.Counting(plain[0]), session.Counting(plain[1])
	done := make(chan error, 1)
	messages := []int{5, 1 << 20, 1<<20 + 1}
	go func() {
		for _, l := range messages {
			if err := a.Exchange(context.Background(), [][]byte{nil, make([]byte, l)}, nil); err != nil {
				done <- err
				return
			}
		}
		done <- a.Open(context.Background(), 0, [][]byte{nil, {1}}, [][]byte{nil, make([]byte, 2)})
	}()
	for _, l := range messages {
		if err := b.Exchange(context.Background(), nil, [][]byte{make([]byte, l), nil}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(b.Open(context.Background(), 0, [][]byte{{1, 2}, nil}, [][]byte{make([]byte, 1), nil}), <-done); err != nil {
		t.Fatal(err)
	}
	bytesAB := int64(5+32) + (1<<20 + 32) + (1<<20 + 1 + 64) + (1 + 32)
	ca, cb := a.Counts(), b.Counts()
	if ca.Rounds != 1 || cb.Rounds != 4 || ca.Opens != 1 || cb.Opens != 1 {
		t.Errorf("%+v %+v", ca, cb)
	}
	if want := (session.Traffic{MessagesSent: 4, MessagesReceived: 1, BytesSent: bytesAB, BytesReceived: 34}); ca.Total() != want || ca.Peers[1] != want {
		t.Errorf("%+v", ca)
	}
	if want := (session.Traffic{MessagesSent: 1, MessagesReceived: 4, BytesSent: 34, BytesReceived: bytesAB}); cb.Total() != want {
		t.Errorf("%+v", cb)
	}
	closeAll([]session.Session{a, b})
}

// FuzzPeer lets a peer say anything, and checks that only the expected message
// is taken for it.
func FuzzPeer(f *testing.F) {
	message := content(1, 0, 1, 40)
	good := append(frame.Header{Kind: frame.Data, Step: 1, Length: 40}.Append(nil), message...)
	wait := frame.Accusation{Reason: frame.Stalled, Blame: 1, By: 1}.Append(frame.Header{Kind: frame.Wait, Length: frame.AccusationSize}.Append(nil))
	abort := frame.Accusation{Reason: frame.Stalled, Blame: 0, By: 1}.Append(frame.Header{Kind: frame.Abort, Length: frame.AccusationSize}.Append(nil))
	bye := frame.Header{Kind: frame.Bye}.Append(nil)
	for _, seed := range [][]byte{good, append(wait, good...), abort, bye, append(bye, good...), append(good, bye...),
		frame.Header{Kind: frame.Data, Step: 1, Length: frame.MaxLength}.Append(nil), []byte("GET / HTTP/1.1\r\n\r\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		conns := session.MemoryConns(2)
		s := session.Alone(0, conns[0])
		conns[1][0].Write(said[:min(len(said), 100_000)])
		conns[1][0].(interface{ CloseWrite() error }).CloseWrite()
		in := make([]byte, 40)
		err := s.Exchange(context.Background(), nil, [][]byte{nil, in})
		var fault *joconde.Fault
		switch {
		case err == nil:
			at := bytes.Index(said, good[:frame.HeaderSize])
			if at < 0 || !bytes.HasPrefix(said[at+frame.HeaderSize:], in) {
				t.Errorf("took %x for the message from %x", in, said)
			}
		case !errors.As(err, &fault) || fault.Party != session.Name(1):
			t.Errorf("%v", err)
		}
		s.Close()
		conns[1][0].Close()
	})
}

func BenchmarkRound(b *testing.B) {
	for _, size := range []int{16, 64 << 10, 16 << 20} {
		for _, tr := range []string{"Pipe", "TLS"} {
			b.Run(tr+"/"+sizeName(size), func(b *testing.B) {
				var sessions []session.Session
				if tr == "Pipe" {
					sessions = session.Pipe(2)
				} else {
					sessions = dialWell(b, listening(b, 2))
				}
				b.SetBytes(2 * int64(size))
				done := make(chan error)
				run := func(me int) error {
					out, in := make([][]byte, 2), make([][]byte, 2)
					out[1-me], in[1-me] = make([]byte, size), make([]byte, size)
					for range b.N {
						if err := sessions[me].Exchange(context.Background(), out, in); err != nil {
							return err
						}
					}
					return nil
				}
				b.ResetTimer()
				go func() { done <- run(1) }()
				if err := errors.Join(run(0), <-done); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				closeAll(sessions)
			})
		}
	}
}

func sizeName(size int) string {
	switch {
	case size >= 1<<20:
		return "16MiB"
	case size >= 1<<10:
		return "64KiB"
	}
	return "16B"
}
