package sessiontest_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"joconde"
	"joconde/dplane/session"
	"joconde/dplane/session/sessiontest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ring runs a program of four rounds: each party sends six bytes to each of
// the other two and gives what it got.
func ring(sessions []session.Session) (got [][][]byte, errs []error) {
	got, errs = make([][][]byte, len(sessions)), make([]error, len(sessions))
	var wg sync.WaitGroup
	ctx, release := context.WithTimeout(context.Background(), time.Minute)
	defer release()
	for me, s := range sessions {
		wg.Go(func() {
			defer s.Close()
			for round := range 4 {
				out, in := make([][]byte, 3), make([][]byte, 3)
				for p := range 3 {
					if p != me {
						out[p], in[p] = bytes.Repeat([]byte{byte(100*me + 10*p + round)}, 6), make([]byte, 6)
					}
				}
				if round == 2 {
					errs[me] = s.Open(ctx, 0, out, in)
				} else {
					errs[me] = s.Exchange(ctx, out, in)
				}
				if errs[me] != nil {
					return
				}
				got[me] = append(got[me], in...)
			}
		})
	}
	wg.Wait()
	return got, errs
}

func TestWhatAPartyDoesIsNoticedOrChangesWhatTheOthersGet(t *testing.T) {
	noticed := map[sessiontest.Kind]bool{
		sessiontest.Stall: true, sessiontest.Drop: true, sessiontest.Truncate: true, sessiontest.Extend: true,
		sessiontest.Duplicate: true, sessiontest.Close: true, sessiontest.Failed: true,
	}
	want, errs := ring(session.Pipe(3))
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, kind := range sessiontest.Kinds {
		for at := 1; at <= 8; at++ {
			synctest.Test(t, func(t *testing.T) {
				sessions := session.Pipe(3, session.WithStall(20*time.Second))
				faulty := sessiontest.Faulty(sessions[1], kind, at)
				sessions[1] = faulty
				got, errs := ring(sessions)
				if !faulty.Struck() {
					t.Errorf("a party that %v at message %d did not", kind, at)
				}
				blamed, different := 0, false
				for _, p := range []int{0, 2} {
					var fault *joconde.Fault
					if errors.As(errs[p], &fault) {
						blamed++
						if fault.Party != session.Name(1) {
							t.Errorf("a party that %v at message %d: %v", kind, at, errs[p])
						}
					} else if errs[p] != nil {
						t.Error(errs[p])
					}
					different = different || !slices.EqualFunc(got[p], want[p], bytes.Equal)
				}
				switch {
				case noticed[kind] && blamed == 0:
					t.Errorf("nobody noticed that a party %v at message %d", kind, at)
				case kind == sessiontest.FailedButSent && at <= 6 && blamed != 2:
					t.Errorf("%d noticed that a party %v at message %d", blamed, kind, at)
				case (kind == sessiontest.Flip || kind == sessiontest.Swap) && !different,
					kind == sessiontest.Replay && at > 2 && !different:
					t.Errorf("nothing changed when a party %v at message %d", kind, at)
				}
			})
		}
	}
}

func TestATraceHasTheOrderStepLengthAndOpeningOfEveryMessage(t *testing.T) {
	sessions := session.Pipe(3)
	tracer := sessiontest.Tracing(sessions[2])
	sessions[2] = tracer
	if _, errs := ring(sessions); errors.Join(errs...) != nil {
		t.Fatal(errs)
	}
	var want []sessiontest.Message
	for step := 1; step <= 4; step++ {
		opening := -1
		if step == 3 {
			opening = 0
		}
		for p := range 2 {
			want = append(want, sessiontest.Message{Step: step, Opening: opening, Peer: p, Length: 6},
				sessiontest.Message{Step: step, Opening: opening, Peer: p, In: true, Length: 6})
		}
	}
	if got := tracer.Trace(); !slices.Equal(got, want) {
		t.Errorf("%+v", got)
	}
}
