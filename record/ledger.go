package record

import (
	"errors"
	"fmt"
	"slices"

	"joconde"
)

// Ledger is a task and the records that count for it. Hub, agent, node and
// auditor all use this one: whoever has the same envelopes in the same order
// has the same state, and takes nobody's word for it. It is not safe for use
// from several goroutines.
type Ledger struct {
	records []*Record // the task first; in the order in which they came
	known   map[joconde.Digest]*Record
	task    *joconde.Task
	members map[joconde.PartyID]*joconde.Organisation
	bundles map[seat]*Record // of all attempts
	keys    map[string]bool  // every key that speaks for somebody: none does so twice
	state   *joconde.State
}

// seat is a node of an attempt.
type seat struct {
	attempt int
	party   joconde.PartyID
}

// NewLedger verifies a task and the directory entries that it names.
// Organisations are the envelopes of those entries and of all that they
// replace, in any order; others are only looked at.
func NewLedger(task []byte, organisations [][]byte) (*Ledger, error) {
	u, err := Peek(task)
	if err != nil {
		return nil, err
	}
	terms, ok := u.Body.(*joconde.Task)
	if !ok {
		return nil, notTask("JOC-E150", "", "the record is no task")
	}
	entries, err := openAll(organisations)
	if err != nil {
		return nil, err
	}
	state, err := joconde.NewState(u.ID, terms)
	if err != nil {
		return nil, err
	}
	first := &Record{u.Kind, u.ID, terms, slices.Clone(task)}
	l := &Ledger{
		records: []*Record{first}, known: map[joconde.Digest]*Record{u.ID: first}, task: terms,
		members: map[joconde.PartyID]*joconde.Organisation{}, bundles: map[seat]*Record{}, keys: map[string]bool{}, state: state,
	}
	for i := range terms.Parties {
		if err := l.join(&terms.Parties[i], entries); err != nil {
			return nil, err
		}
	}
	proposer, ok := l.members[terms.Proposer]
	if !ok {
		return nil, notTask("JOC-E151", terms.Proposer, "the proposer is not a party of the task")
	}
	if !signedByExactly(u.Signers, proposer.ApprovalKey) {
		return nil, notTask("JOC-E152", terms.Proposer, "the task is not signed by the proposer's approval key alone")
	}
	return l, nil
}

// openAll verifies directory entries, each after the one that it replaces.
func openAll(organisations [][]byte) (map[joconde.Digest]*Record, error) {
	type given struct {
		*Unchecked
		raw   []byte
		entry *joconde.Organisation
	}
	all := make(map[joconde.Digest]given, len(organisations))
	var order []joconde.Digest
	for _, raw := range organisations {
		u, err := Peek(raw)
		if err != nil {
			return nil, err
		}
		entry, ok := u.Body.(*joconde.Organisation)
		if !ok {
			return nil, notEntry("JOC-E140", "the record is no directory entry", nil)
		}
		if _, twice := all[u.ID]; twice {
			return nil, notEntry("JOC-E147", "an entry was given twice", entry)
		}
		all[u.ID] = given{u, raw, entry}
		order = append(order, u.ID)
	}
	opened := make(map[joconde.Digest]*Record, len(all))
	for _, id := range order {
		// From the entry down to the first of its chain, and back. A chain has
		// an end, because no hash is made from itself.
		var chain []given
		for at, here := id, true; here; {
			if opened[at] != nil {
				break
			}
			g, ok := all[at]
			if !ok {
				break // openEntry will miss it
			}
			chain = append(chain, g)
			if here = g.entry.Predecessor != nil; here {
				at = *g.entry.Predecessor
			}
		}
		for _, g := range slices.Backward(chain) {
			var before *Record
			if g.entry.Predecessor != nil {
				before = opened[*g.entry.Predecessor]
			}
			r, err := openEntry(g.Unchecked, g.raw, before)
			if err != nil {
				return nil, err
			}
			opened[r.ID] = r
		}
	}
	return opened, nil
}

// join takes in a party of the task by the entry that the terms name.
func (l *Ledger) join(m *joconde.Member, entries map[joconde.Digest]*Record) error {
	r := entries[m.Record]
	if r == nil {
		return notTask("JOC-E153", m.Party, "the directory entry that the terms name is not there")
	}
	entry := r.Body.(*joconde.Organisation)
	if entry.Party != m.Party {
		return notTask("JOC-E154", m.Party, "the directory entry that the terms name is another party's")
	}
	if !validAt(entry, l.task.Deadlines.ApproveBy) {
		return notTask("JOC-E155", m.Party, "the party's directory entry is not valid when approval ends")
	}
	for _, k := range []string{entry.ApprovalKey, entry.OperationsKey} {
		if l.keys[k] {
			return notTask("JOC-E156", m.Party, "a key stands in the entries of two parties")
		}
		l.keys[k] = true
	}
	l.members[m.Party] = entry
	return nil
}

// validAt compares times as text: their form sorts by time.
func validAt(entry *joconde.Organisation, at string) bool {
	return entry.ValidFrom <= at && at <= entry.ValidUntil
}

// Add verifies a record and takes it in. On an error nothing has changed. When
// the record was there before, the error is joconde.ErrDuplicate and the record
// of then is returned with it. Other errors by which callers may decide are
// joconde.ErrLate, ErrUnknown and ErrContradicts.
func (l *Ledger) Add(raw []byte) (*Record, error) {
	r, e, err := l.verify(raw, l.state)
	if err != nil {
		return r, err
	}
	l.records = append(l.records, r)
	l.known[r.ID] = r
	if bundle, ok := r.Body.(*joconde.NodeBundle); ok {
		l.bundles[seat{e.Attempt, e.Party}] = r
		l.keys[bundle.ReceiptKey] = true
	}
	return r, nil
}

// Check says what Add would say, and takes nothing in.
func (l *Ledger) Check(raw []byte) (*Record, error) {
	r, _, err := l.verify(raw, l.state.Clone())
	return r, err
}

// verify does all that Add does but remembering the record. state may change
// only if there is no error.
func (l *Ledger) verify(raw []byte, state *joconde.State) (*Record, joconde.Event, error) {
	u, err := Peek(raw)
	if err != nil {
		return nil, joconde.Event{}, err
	}
	e, task, err := joconde.EventOf(u.ID, u.Body)
	if u.ID == l.state.ID {
		return l.records[0], e, notTaken("JOC-E166", e, "the task is there already", joconde.ErrDuplicate)
	}
	if err != nil {
		return nil, e, notTaken("JOC-E160", e, "the record is none of a task's life", err)
	}
	if task != l.state.ID {
		return nil, e, notTaken("JOC-E161", e, "the record belongs to another task", joconde.ErrUnknown)
	}
	entry := l.members[e.Party]
	if entry == nil {
		return nil, e, notTaken("JOC-E162", e, "the record is from somebody who is no party of the task", joconde.ErrUnknown)
	}
	keys, err := l.signers(e, entry, u.Body)
	if err != nil {
		return nil, e, err
	}
	if !signedByExactly(u.Signers, keys...) {
		return nil, e, notTaken("JOC-E163", e, "the record is not signed by the keys that must sign it, and by no others", nil)
	}
	if !validAt(entry, forms[u.Kind].at(u.Body)) {
		return nil, e, notTaken("JOC-E164", e, "the party's directory entry was not valid when the record says that it was made", nil)
	}
	if before := l.known[u.ID]; before != nil {
		return before, e, notTaken("JOC-E166", e, "the record is there already", joconde.ErrDuplicate)
	}
	if err := l.fits(e, u.Body); err != nil {
		return nil, e, err
	}
	if err := state.Apply(e); err != nil {
		return nil, e, l.notApplied(e, err)
	}
	return &Record{u.Kind, u.ID, u.Body, slices.Clone(raw)}, e, nil
}

// signers are the keys that must sign a record, all of them and no others.
func (l *Ledger) signers(e joconde.Event, entry *joconde.Organisation, body any) ([]string, error) {
	switch e.Kind {
	case joconde.KindApproval, joconde.KindRefusal, joconde.KindRetry:
		return []string{entry.ApprovalKey}, nil
	case joconde.KindNodeBundle:
		return []string{body.(*joconde.NodeBundle).ReceiptKey, entry.OperationsKey}, nil
	}
	if !e.Node {
		return []string{entry.OperationsKey}, nil
	}
	bundle := l.bundles[seat{e.Attempt, e.Party}]
	if bundle == nil {
		return nil, notTaken("JOC-E165", e, "the party has no node in this attempt that could sign it", joconde.ErrLate)
	}
	receipt := bundle.Body.(*joconde.NodeBundle).ReceiptKey
	if e.Kind == joconde.KindWipeReceipt {
		return []string{receipt, entry.OperationsKey}, nil
	}
	return []string{receipt}, nil
}

// fits compares a record with the terms where the life of a task does not.
func (l *Ledger) fits(e joconde.Event, body any) error {
	switch b := body.(type) {
	case *joconde.NodeBundle:
		// A key of before would let one node speak for another, or in a later attempt.
		if l.keys[b.ReceiptKey] {
			return notTaken("JOC-E170", e, "the node's receipt key is not its own, or not new", joconde.ErrContradicts)
		}
		if !slices.Contains(l.task.Platforms, b.Evidence.Platform) {
			return notTaken("JOC-E171", e, "the terms do not admit the node's platform", joconde.ErrContradicts)
		}
	case *joconde.InputReceipt:
		for i := range b.Inputs {
			if len(b.Inputs[i].Ciphertexts) != len(l.task.Computing) {
				return notTaken("JOC-E172", e, "there is not one ciphertext for each node", joconde.ErrContradicts)
			}
		}
	case *joconde.Transcript:
		for i := range b.Outputs {
			if !l.has(b.Outputs[i].To, joconde.OutputParty) {
				return notTaken("JOC-E173", e, "an output goes to somebody who is no output party", joconde.ErrContradicts)
			}
		}
	case *joconde.Abort:
		if b.Blames != "" && l.members[b.Blames] == nil {
			return notTaken("JOC-E174", e, "it blames somebody who is no party of the task", joconde.ErrUnknown)
		}
	}
	return nil
}

func (l *Ledger) has(party joconde.PartyID, role joconde.Role) bool {
	return slices.ContainsFunc(l.task.Parties, func(m joconde.Member) bool {
		return m.Party == party && slices.Contains(m.Roles, role)
	})
}

// notApplied puts into words why the life of the task has no place for e.
func (l *Ledger) notApplied(e joconde.Event, err error) error {
	switch {
	case errors.Is(err, joconde.ErrDuplicate):
		return notTaken("JOC-E166", e, "the record is there already", err)
	case errors.Is(err, joconde.ErrLate):
		return notTaken("JOC-E167", e, fmt.Sprintf("the record has no place now: the task is %s in attempt %d", l.state.Phase, l.state.Attempt), err)
	case errors.Is(err, joconde.ErrContradicts):
		return notTaken("JOC-E168", e, "the record contradicts what was signed before", err)
	}
	return notTaken("JOC-E169", e, "the task has no such signer", err)
}

// State is where the task stands. It is the ledger's own: Clone it before
// changing it or keeping it.
func (l *Ledger) State() *joconde.State { return l.state }

// Records are the task's record and those that were taken in, in order.
func (l *Ledger) Records() []*Record { return slices.Clone(l.records) }

// Task gives the terms, which are not to be changed, and the task's id.
func (l *Ledger) Task() (*joconde.Task, joconde.Digest) { return l.task, l.state.ID }

// Organisation is the directory entry by which the task knows a party; nil if
// it is none of the task's.
func (l *Ledger) Organisation(p joconde.PartyID) *joconde.Organisation { return l.members[p] }

// Bundle gives a party's node bundle of the current attempt and its record id.
func (l *Ledger) Bundle(p joconde.PartyID) (*joconde.NodeBundle, joconde.Digest, bool) {
	r := l.bundles[seat{l.state.Attempt, p}]
	if r == nil {
		return nil, joconde.Digest{}, false
	}
	return r.Body.(*joconde.NodeBundle), r.ID, true
}

func notTask(code string, party joconde.PartyID, what string) *joconde.Problem {
	where := "task"
	if party != "" {
		where += ", " + string(party)
	}
	return refused(code, where, what, whyKeys, "ask the proposer for the task with the entries of all its parties", nil)
}

// notTaken says what is wrong with the record of an event. Its party is named
// only if its form was good.
func notTaken(code string, e joconde.Event, what string, cause error) *joconde.Problem {
	where := string(e.Kind)
	if e.Party != "" {
		where += " of " + string(e.Party)
	}
	p := refused(code, where, what, whyKeys, doSigner, cause)
	if cause != nil {
		p.Why = "all to go on, one to stop, all to wipe: each record has one place in the life of a task"
		p.Do = "look at the task's state (joconde task show); what was sent changed nothing"
		p.Exit = joconde.ExitNotAllowed
	}
	return p
}
