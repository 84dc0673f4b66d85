// Package cplane is ROOM 2, the control plane: the coordinator that takes in
// the records of tasks, puts them into the log, and hands them out.
//
//   - It sees: agreements, evidence, receipts, ciphertexts of results.
//   - It never sees: data, shares, any key that opens anything.
//   - At worst it can: stall a task, or show different parties different
//     prefixes of it. It is in no row of the life of a task and holds no key
//     that counts in any: all that moves a task is signed by others, and
//     everybody replays it alone.
//
// The coordinator's only state is the replayed log. A record is in the log
// before anybody is shown it, and what is replayed at the start is all there
// is: it may be killed at any moment. Start with Coordinator.
package cplane

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"joconde"
	"joconde/record"
	"joconde/store"
)

// Log is where records become durable and provable. It must be the
// coordinator's alone.
type Log interface {
	// Append returns when the leaf is durable. After an error the leaf may be
	// in the log or not, and nothing of it happens any more later.
	Append(ctx context.Context, leaf []byte) (uint64, error)
	Size(ctx context.Context) (uint64, error)
	Leaf(ctx context.Context, index uint64) ([]byte, error)
	// Checkpoint includes everything that was appended before.
	Checkpoint(ctx context.Context) ([]byte, error)
	Inclusion(ctx context.Context, index, size uint64) ([][]byte, error)
	Verifier() string
}

// Limits of a coordinator. Zero takes nothing.
type Limits struct {
	Tasks   int // tasks in all
	Output  int // bytes of one sealed output, at most store.MaxValue
	Mailbox int // bytes of all sealed outputs together
	Waiting int // requests that may wait for news at once
}

// Coordinator is safe for concurrent use.
type Coordinator struct {
	log    Log
	limits Limits

	// writing is held by whoever appends, from looking at a record to having
	// replayed it. It guards the two below.
	writing sync.Mutex
	next    uint64 // leaves of the log that are replayed
	unsure  bool   // an append has failed: the log may hold more than next

	mutex   sync.RWMutex // guards all below; taken after writing
	tasks   map[joconde.Digest]*task
	order   []*task
	entries map[joconde.Digest][]byte // directory entries in the log
	skipped int                       // leaves that count for nothing
	refused map[string]int            // what was refused, by code: all that is kept of it

	mailbox mailbox

	places chan struct{} // of those who wait
	closed chan struct{}
	close  sync.Once
}

// task is one task, as replayed.
type task struct {
	ledger        *record.Ledger
	organisations [][]byte
	indexes       []uint64 // in the log, by position; position 0 is the task
	positions     map[joconde.Digest]int
	outputs       map[joconde.Digest][]joconde.PartyID // named in this attempt's transcripts, and for whom
	news          chan struct{}                        // closed and replaced when a record comes
}

// Summary is a task in a list.
type Summary struct {
	ID      joconde.Digest `json:"id"`
	Title   string         `json:"title"`
	Phase   joconde.Phase  `json:"phase"`
	Attempt int            `json:"attempt"`
}

// Open replays the log, and throws sealed outputs away that nobody waits for
// any more. box holds nothing but sealed outputs. Both must stay open until
// nobody calls the coordinator any more.
func Open(ctx context.Context, log Log, box store.Store, limits Limits) (*Coordinator, error) {
	c := &Coordinator{
		log: log, limits: limits,
		tasks: map[joconde.Digest]*task{}, entries: map[joconde.Digest][]byte{}, refused: map[string]int{},
		mailbox: mailbox{store: box},
		places:  make(chan struct{}, limits.Waiting), closed: make(chan struct{}),
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	c.unsure = true
	if err := c.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("replay the log: %w", err)
	}
	return c, nil
}

// Close ends all waiting. It closes neither the log nor the store.
func (c *Coordinator) Close() { c.close.Do(func() { close(c.closed) }) }

// catchUp replays what is in the log and not in memory: all at the start, and
// what a failed append may have left behind. Then it sweeps the mailbox. The
// caller holds writing.
func (c *Coordinator) catchUp(ctx context.Context) error {
	if !c.unsure {
		return nil
	}
	size, err := c.log.Size(ctx)
	if err != nil {
		return err
	}
	for c.next < size {
		leaf, err := c.log.Leaf(ctx, c.next)
		if err != nil {
			return err
		}
		c.replay(c.next, leaf)
	}
	if err := c.sweep(ctx, nil); err != nil {
		return err
	}
	c.unsure = false
	return nil
}

// append makes a leaf durable and replays it. The caller holds writing, and
// has seen that the leaf counts.
func (c *Coordinator) append(ctx context.Context, leaf []byte) error {
	index, err := c.log.Append(ctx, leaf)
	if err != nil {
		c.unsure = true
		return notLogged(err)
	}
	c.replay(index, leaf)
	return nil
}

// replay takes the next leaf of the log in: the only way in which anything
// here changes. What does not count is passed over, now as at every start.
func (c *Coordinator) replay(index uint64, leaf []byte) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.next = index + 1
	if !c.take(index, leaf) {
		c.skipped++
	}
}

func (c *Coordinator) take(index uint64, leaf []byte) bool {
	u, err := record.Peek(leaf)
	if err != nil {
		return false
	}
	switch body := u.Body.(type) {
	case *joconde.Organisation:
		c.entries[u.ID] = leaf
		return true
	case *joconde.Task:
		if c.tasks[u.ID] != nil {
			return false
		}
		organisations := c.chains(body)
		ledger, err := record.NewLedger(leaf, organisations)
		if err != nil {
			return false
		}
		t := &task{ledger: ledger, organisations: organisations, positions: map[joconde.Digest]int{}, news: make(chan struct{})}
		t.count(u.ID, index)
		c.tasks[u.ID] = t
		c.order = append(c.order, t)
		return true
	}
	_, id, err := joconde.EventOf(u.ID, u.Body)
	t := c.tasks[id]
	if err != nil || t == nil {
		return false
	}
	if _, err := t.ledger.Add(leaf); err != nil {
		return false
	}
	t.count(u.ID, index)
	close(t.news)
	t.news = make(chan struct{})
	return true
}

// count gives the newest record its position, and looks at what it names.
func (t *task) count(id joconde.Digest, index uint64) {
	t.positions[id] = len(t.indexes)
	t.indexes = append(t.indexes, index)
	t.outputs = map[joconde.Digest][]joconde.PartyID{}
	state := t.ledger.State()
	for _, r := range t.ledger.Records() {
		if transcript, ok := r.Body.(*joconde.Transcript); ok && transcript.Attempt == state.Attempt {
			for _, o := range transcript.Outputs {
				t.outputs[o.Ciphertext] = append(t.outputs[o.Ciphertext], o.To)
			}
		}
	}
}

// chains finds the logged entries of a task's members, and what they replace.
// The caller holds the mutex.
func (c *Coordinator) chains(terms *joconde.Task) [][]byte {
	var out [][]byte
	seen := map[joconde.Digest]bool{}
	for i := range terms.Parties {
		var chain [][]byte
		for at := &terms.Parties[i].Record; at != nil && !seen[*at]; {
			envelope := c.entries[*at]
			if envelope == nil {
				break
			}
			seen[*at] = true
			chain = append(chain, envelope)
			u, err := record.Peek(envelope)
			if err != nil {
				break
			}
			at = u.Body.(*joconde.Organisation).Predecessor
		}
		slices.Reverse(chain)
		out = append(out, chain...)
	}
	return out
}

// Tasks lists the tasks of a party, all if it is "", in the order of proposal.
func (c *Coordinator) Tasks(party joconde.PartyID) []Summary {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	var out []Summary
	for _, t := range c.order {
		terms, id := t.ledger.Task()
		if party != "" && t.ledger.Organisation(party) == nil {
			continue
		}
		state := t.ledger.State()
		out = append(out, Summary{id, terms.Title, state.Phase, state.Attempt})
	}
	return out
}

// Refused says how many requests were refused, by code. Of what was refused
// nothing else is kept.
func (c *Coordinator) Refused() map[string]int {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	out := map[string]int{}
	for code, n := range c.refused {
		out[code] = n
	}
	return out
}
