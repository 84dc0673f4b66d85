package session

import (
	"bytes"
	"context"
	"crypto/rand"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// atEach runs f at every party at once and gives the errors.
func atEach(sessions []Session, f func(me int, s Session) error) []error {
	errs := make([]error, len(sessions))
	var wg sync.WaitGroup
	for p, s := range sessions {
		wg.Go(func() { errs[p] = f(p, s) })
	}
	wg.Wait()
	return errs
}

func TestEverybodyGetsWhatWasSent(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		for _, size := range []int{1, 17, block, 3<<20 + 5} {
			sessions := Pipe(n)
			messages := make([][]byte, n)
			for p := range messages {
				messages[p] = make([]byte, size)
				rand.Read(messages[p])
			}
			for _, err := range atEach(sessions, func(me int, s Session) error {
				out, in := make([][]byte, n), make([][]byte, n)
				for p := range n {
					out[p], in[p] = messages[me], make([]byte, size)
				}
				if err := s.Exchange(context.Background(), out, in); err != nil {
					return err
				}
				for p := range n {
					if p != me && !bytes.Equal(in[p], messages[p]) {
						t.Errorf("%s got something else from %s", Name(me), Name(p))
					}
				}
				return s.Close()
			}) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}
