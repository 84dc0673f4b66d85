package record_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

// FuzzOpen gives any bytes as envelopes. No signature can be found by chance,
// so what is accepted is one of the seeds.
func FuzzOpen(f *testing.F) {
	for _, raw := range vectors() {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := record.Peek(raw)
		if _, opened := record.OpenOrganisation(raw, nil); opened == nil && err != nil {
			t.Fatal("an entry is opened that cannot be read")
		}
		if err != nil {
			if code(err) == err.Error() {
				t.Fatalf("a refusal without a code: %v", err)
			}
			return
		}
		payload, err := record.Canonical(u.Body)
		if err != nil || !bytes.Equal(payload, record.PayloadOf(raw)) {
			t.Fatalf("%s: it is written otherwise than read (%v)", u.Kind, err)
		}
		if u.ID != sha256.Sum256(record.PAE(record.PayloadType(u.Kind), payload)) {
			t.Fatal("the id is not that of the bytes")
		}
	})
}

// FuzzPayload gives any bytes as payloads, rightly signed.
func FuzzPayload(f *testing.F) {
	kinds := slices.Sorted(slices.Values(record.Kinds()))
	for kind, raw := range vectors() {
		f.Add(uint8(slices.Index(kinds, kind)), record.PayloadOf(raw))
	}
	key := cast.Key(cast.EE, cast.Approval)
	f.Fuzz(func(t *testing.T, n uint8, payload []byte) {
		if len(payload) > record.MaxEnvelope/2 {
			return
		}
		kind := kinds[int(n)%len(kinds)]
		u, err := record.Peek(record.SealBytes(record.PayloadType(kind), payload, key))
		if err != nil {
			return
		}
		again, err := record.Sign(kind, u.Body, key)
		if err != nil || !bytes.Equal(record.PayloadOf(again), payload) {
			t.Fatalf("%s: what is read cannot be signed as it was (%v)", kind, err)
		}
	})
}

// deck are all envelopes of a task of two attempts, in order, and some that
// have no place in it.
var deck = sync.OnceValue(func() (d struct {
	task []byte
	all  [][]byte
}) {
	p, _ := story()
	d.task = p.Envelope
	d.all = p.Envelopes()[1:]
	q := cast.NewPlay()
	for _, w := range []joconde.Wanted{{Kind: joconde.KindRefusal, Party: cast.EE}, {Kind: joconde.KindAbort, Party: cast.AT}, {Kind: joconde.KindSplitWipe, Party: cast.AT}} {
		d.all = append(d.all, q.Step(w).Sign())
	}
	twin := cast.NewPlay(func(t *joconde.Task) { t.Title = "Another" })
	d.all = append(d.all, twin.Until(joconde.Agreed).Envelopes()...)
	d.all = append(d.all, cast.Organisation(cast.EE), []byte("{}"))
	return d
})

// FuzzLedger is a coordinator who sends what it has in any order, repeats,
// drops, and flips bits. A step below 200 is the next record in order, or one
// so many before or after; above, a bit of it is flipped.
func FuzzLedger(f *testing.F) {
	f.Add(bytes.Repeat([]byte{100}, 80))
	f.Add([]byte{100, 100, 102, 98, 100, 250, 7, 100, 99, 100, 160})
	f.Fuzz(func(t *testing.T, moves []byte) {
		moves = moves[:min(len(moves), 64)]
		d := deck()
		l, err := record.NewLedger(d.task, cast.Organisations())
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for i, m := range moves {
			at := next
			if m < 200 {
				at = (next + int(m) - 100 + 2*len(d.all)) % len(d.all)
			}
			raw := d.all[at%len(d.all)]
			if m >= 200 {
				raw = bytes.Clone(raw)
				raw[(i*int(m)*31)%len(raw)] ^= 1 << (m % 8)
			}
			before, count := l.State().Clone(), len(l.Records())
			r, err := l.Add(raw)
			switch {
			case err == nil && m >= 200:
				t.Fatal("a flipped bit was accepted")
			case err == nil:
				next = (at + 1) % len(d.all)
				if len(l.Records()) != count+1 || l.Records()[count] != r {
					t.Fatal("what was accepted is not the last record")
				}
			case !reflect.DeepEqual(before, l.State()) || len(l.Records()) != count:
				t.Fatalf("refused, and something has changed: %v", err)
			case (r != nil) != errors.Is(err, joconde.ErrDuplicate):
				t.Fatalf("a record comes with %v", err)
			}
		}
		var events []joconde.Event
		for _, r := range l.Records()[1:] {
			e, _, err := joconde.EventOf(r.ID, r.Body)
			if err != nil {
				t.Fatal(err)
			}
			events = append(events, e)
		}
		terms, id := l.Task()
		again, errs := joconde.Replay(id, terms, events)
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("replay: %v", err)
		}
		if !reflect.DeepEqual(again, l.State()) {
			t.Fatal("the records replayed give another state")
		}
	})
}
