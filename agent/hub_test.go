package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"joconde"
	"joconde/audit"
	"joconde/record"
)

// hubDouble is a hub in memory. By itself it is honest.
type hubDouble struct {
	signer   note.Signer
	verifier string

	mu      sync.Mutex
	news    chan struct{} // closed and made anew when there is something new
	leaves  [][]byte
	entries map[joconde.Digest][]byte // the directory
	tasks   map[joconde.Digest]*taskDouble
	outputs map[joconde.Digest][]byte
	drop    func(envelope []byte) bool // says yes to these records and loses them
	posted  map[string][][]byte        // all that was ever submitted, by who signed what
}

type taskDouble struct {
	ledger        *record.Ledger
	organisations [][]byte
	envelopes     [][]byte
	indexes       []uint64
}

func newHub() *hubDouble {
	private, public, err := note.GenerateKey(rand.Reader, "joconde-log-test")
	if err != nil {
		panic(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		panic(err)
	}
	return &hubDouble{signer: signer, verifier: public, news: make(chan struct{}), entries: map[joconde.Digest][]byte{},
		tasks: map[joconde.Digest]*taskDouble{}, outputs: map[joconde.Digest][]byte{}, posted: map[string][][]byte{}}
}

func (h *hubDouble) Join(_ context.Context, envelope []byte) (joconde.Digest, error) {
	u, err := record.Peek(envelope)
	if err != nil {
		return joconde.Digest{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries[u.ID] = envelope
	return u.ID, nil
}

func (h *hubDouble) propose(envelope []byte) (joconde.Digest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u, err := record.Peek(envelope)
	if err != nil {
		return joconde.Digest{}, err
	}
	var organisations [][]byte
	for _, m := range u.Body.(*joconde.Task).Parties {
		organisations = append(organisations, h.entries[m.Record])
	}
	ledger, err := record.NewLedger(envelope, organisations)
	if err != nil {
		return joconde.Digest{}, err
	}
	h.tasks[u.ID] = &taskDouble{ledger, organisations, [][]byte{envelope}, []uint64{uint64(len(h.leaves))}}
	h.leaves = append(h.leaves, envelope)
	return u.ID, nil
}

func (h *hubDouble) Tasks(_ context.Context, party joconde.PartyID) ([]joconde.Digest, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []joconde.Digest
	for id, t := range h.tasks {
		terms, _ := t.ledger.Task()
		if slices.ContainsFunc(terms.Parties, func(m joconde.Member) bool { return m.Party == party }) {
			out = append(out, id)
		}
	}
	return out, nil
}

func (h *hubDouble) Submit(_ context.Context, task joconde.Digest, envelope []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u, err := record.Peek(envelope)
	if err != nil {
		return 0, err
	}
	e, _, err := joconde.EventOf(u.ID, u.Body)
	if err != nil {
		return 0, err
	}
	slot := string(e.Party) + " " + slotOf(e.Kind, e.Attempt, e.Role)
	if e.Node {
		slot += " node"
	}
	if !slices.ContainsFunc(h.posted[slot], func(other []byte) bool { return bytes.Equal(other, envelope) }) {
		h.posted[slot] = append(h.posted[slot], envelope)
	}
	if h.drop != nil && h.drop(envelope) {
		return 0, nil
	}
	t := h.tasks[task]
	if _, err := t.ledger.Add(envelope); err != nil {
		return 0, err
	}
	t.envelopes = append(t.envelopes, envelope)
	t.indexes = append(t.indexes, uint64(len(h.leaves)))
	h.leaves = append(h.leaves, envelope)
	close(h.news)
	h.news = make(chan struct{})
	return len(t.envelopes) - 1, nil
}

func (h *hubDouble) Records(ctx context.Context, task joconde.Digest, from int, wait time.Duration) (*Page, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tasks[task]
	if t == nil || from > len(t.envelopes) {
		return nil, errors.New("the hub does not have that")
	}
	if from == len(t.envelopes) && wait > 0 {
		news := h.news
		h.mu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
		case <-time.After(wait):
		}
		h.mu.Lock()
	}
	return h.page(t, from, len(t.envelopes), h.leaves), ctx.Err()
}

// page is a page of a log of these leaves.
func (h *hubDouble) page(t *taskDouble, from, to int, leaves [][]byte) *Page {
	hashes := hashesOf(leaves)
	p := &Page{Checkpoint: h.checkpoint(hashes)}
	if from == 0 {
		p.Organisations = t.organisations
	}
	for i := from; i < to; i++ {
		path := inclusion(int(t.indexes[i]), hashes)
		p.Records = append(p.Records, Entry{i, t.envelopes[i], audit.NewProof(t.indexes[i], path)})
	}
	return p
}

func (h *hubDouble) PutOutput(_ context.Context, task, hash joconde.Digest, sealed []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sha256.Sum256(sealed) != hash {
		return errors.New("other bytes")
	}
	h.outputs[hash] = sealed
	return nil
}

func (h *hubDouble) Output(_ context.Context, _, hash joconde.Digest) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sealed, found := h.outputs[hash]
	if !found {
		return nil, errors.New("not handed in yet")
	}
	return sealed, nil
}

func (h *hubDouble) state(task joconde.Digest) *joconde.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.tasks[task].ledger.State().Clone()
}

// kinds are the kinds of a task's records, with their signers.
func (h *hubDouble) kinds(task joconde.Digest) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, r := range h.tasks[task].ledger.Records() {
		out = append(out, recordWords(r))
	}
	return out
}

// The tree of RFC 6962, in its own words.

func hashesOf(leaves [][]byte) [][]byte {
	out := make([][]byte, len(leaves))
	for i, leaf := range leaves {
		entry := audit.LogEntry(leaf)
		out[i] = rfc6962.DefaultHasher.HashLeaf(entry[:])
	}
	return out
}

func root(hashes [][]byte) []byte {
	switch len(hashes) {
	case 0:
		return rfc6962.DefaultHasher.EmptyRoot()
	case 1:
		return hashes[0]
	}
	k := half(len(hashes))
	return rfc6962.DefaultHasher.HashChildren(root(hashes[:k]), root(hashes[k:]))
}

func half(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func inclusion(i int, hashes [][]byte) [][]byte {
	if len(hashes) == 1 {
		return nil
	}
	k := half(len(hashes))
	if i < k {
		return append(inclusion(i, hashes[:k]), root(hashes[k:]))
	}
	return append(inclusion(i-k, hashes[k:]), root(hashes[:k]))
}

func (h *hubDouble) checkpoint(hashes [][]byte) []byte {
	c := log.Checkpoint{Origin: h.signer.Name(), Size: uint64(len(hashes)), Hash: root(hashes)}
	signed, err := note.Sign(&note.Note{Text: string(c.Marshal())}, h.signer)
	if err != nil {
		panic(err)
	}
	return signed
}

// view is the hub as one agent sees it.
type view struct {
	*hubDouble
	mu     sync.Mutex
	dead   error                                  // the agent is gone
	tamper func(p *Page, id joconde.Digest) *Page // what a liar shows it
	lose   func(envelope []byte) bool
}

func (v *view) set(change func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	change()
}

func (v *view) alive() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.dead
}

func (v *view) Records(ctx context.Context, task joconde.Digest, from int, wait time.Duration) (*Page, error) {
	if err := v.alive(); err != nil {
		return nil, err
	}
	p, err := v.hubDouble.Records(ctx, task, from, wait)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err == nil && v.tamper != nil {
		// A liar is asked for all each time: that is what agents believe.
		if from > 0 {
			if p, err = v.hubDouble.Records(ctx, task, 0, 0); err != nil {
				return nil, err
			}
		}
		if p = v.tamper(p, task); p == nil {
			return nil, errors.New("no answer")
		}
		if from > 0 {
			p.Records, p.Organisations = p.Records[min(from, len(p.Records)):], nil
		}
	}
	return p, err
}

func (v *view) Submit(ctx context.Context, task joconde.Digest, envelope []byte) (int, error) {
	if err := v.alive(); err != nil {
		return 0, err
	}
	v.mu.Lock()
	lose := v.lose
	v.mu.Unlock()
	if lose != nil && lose(envelope) {
		return 0, nil
	}
	return v.hubDouble.Submit(ctx, task, envelope)
}

func (v *view) PutOutput(ctx context.Context, task, hash joconde.Digest, sealed []byte) error {
	if err := v.alive(); err != nil {
		return err
	}
	return v.hubDouble.PutOutput(ctx, task, hash, sealed)
}

func (v *view) Output(ctx context.Context, task, hash joconde.Digest) ([]byte, error) {
	if err := v.alive(); err != nil {
		return nil, err
	}
	return v.hubDouble.Output(ctx, task, hash)
}

func has1(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}
