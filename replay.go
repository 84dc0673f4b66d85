package joconde

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Why a record does not count. All leave the state as it was.
var (
	ErrDuplicate   = errors.New("the same record again")
	ErrLate        = errors.New("not in this phase or attempt")
	ErrUnknown     = errors.New("not of this task")
	ErrContradicts = errors.New("the record contradicts another")
)

// State is where a task stands, for whoever has seen these records. Only
// Apply changes it, by the table Life and the Marks.
type State struct {
	ID          Digest
	Task        *Task // never changed
	Phase       Phase
	Attempt     int  // from 1
	Delivered   bool // of this attempt
	Wiped       bool // of this attempt
	SplitsWiped bool

	life      []Row
	marks     []Mark
	slots     map[slot]Event // of all attempts: one record per slot, for ever
	attempted bool           // some attempt was Established: shares may have left their owner
	stop      Event          // the refusal or abort that stopped the task
}

// slot is the place of one record: a second one for it contradicts.
type slot struct {
	kind    RecordKind
	attempt int
	seat    seat
}

// Wanted is a record that somebody must sign next.
type Wanted struct {
	Kind  RecordKind `json:"kind"`
	Party PartyID    `json:"party"`
	Role  Role       `json:"role,omitempty"`
	Node  bool       `json:"node,omitempty"`
}

// NewState is the state of a task that has just been proposed. It refuses
// malformed terms.
func NewState(id Digest, t *Task) (*State, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	return newState(id, t, Life, Marks), nil
}

func newState(id Digest, t *Task, life []Row, marks []Mark) *State {
	return &State{ID: id, Task: t, Phase: Proposed, Attempt: 1, life: life, marks: marks, slots: map[slot]Event{}}
}

// Replay applies events in order. The errors are those of the events that do
// not count, nil for one that does, each at its event's index.
func Replay(id Digest, t *Task, events []Event) (*State, []error) {
	s, err := NewState(id, t)
	if err != nil {
		return nil, []error{err}
	}
	errs := make([]error, len(events))
	for i := range events {
		errs[i] = s.Apply(events[i])
	}
	return s, errs
}

// Clone is a copy that shares nothing that changes.
func (s *State) Clone() *State {
	c := *s
	c.slots = maps.Clone(s.slots)
	return &c
}

// Apply takes in one verified record. On an error nothing has changed: see
// ErrDuplicate, ErrLate, ErrUnknown, ErrContradicts.
func (s *State) Apply(e Event) error {
	at, err := s.slotOf(e)
	if err != nil {
		return err
	}
	if before, taken := s.slots[at]; taken {
		if before.ID == e.ID {
			return fmt.Errorf("%w: %s of %s", ErrDuplicate, e.Kind, e.Party)
		}
		return fmt.Errorf("%w: a second %s of %s", ErrContradicts, e.Kind, e.Party)
	}
	if e.Attempt != s.attemptOf(e.Kind) || !s.takes(at) {
		return fmt.Errorf("%w: %s of %s for attempt %d, in %s of attempt %d", ErrLate, e.Kind, e.Party, e.Attempt, s.Phase, s.Attempt)
	}
	for _, guard := range guards[e.Kind] {
		if err := guard(s, e); err != nil {
			return err
		}
	}
	s.slots[at] = e
	s.move(e)
	return nil
}

// slotOf finds the slot of an event, if it can be one of this task at all.
func (s *State) slotOf(e Event) (slot, error) {
	for need := range s.needs() {
		if need.Kind != e.Kind {
			continue
		}
		for _, who := range s.seats(need.By, e.Attempt) {
			if who.party != e.Party || need.By == EveryRole && who.role != e.Role {
				continue
			}
			if need.By == AnyPartyOrNode && who.node != e.Node {
				continue
			}
			return slot{e.Kind, e.Attempt, who}, nil
		}
	}
	return slot{}, fmt.Errorf("%w: %s of %s", ErrUnknown, e.Kind, e.Party)
}

// needs are all needs of the table and the marks.
func (s *State) needs() func(yield func(Need) bool) {
	return func(yield func(Need) bool) {
		for i := range s.life {
			for _, n := range s.life[i].Need {
				if !yield(n) {
					return
				}
			}
		}
		for i := range s.marks {
			if !yield(s.marks[i].Need) {
				return
			}
		}
	}
}

// attemptOf is the attempt that a record of this kind must name now: none if
// the kind concerns the whole task, the next one for a retry.
func (s *State) attemptOf(k RecordKind) int {
	switch k {
	case KindApproval, KindRefusal, KindSplitWipe:
		return 0
	case KindRetry:
		return s.Attempt + 1
	}
	return s.Attempt
}

// takes says whether the table has a place for the slot in this phase.
func (s *State) takes(at slot) bool {
	for i := range s.life {
		row := &s.life[i]
		if !slices.Contains(row.From, s.Phase) {
			continue
		}
		for _, n := range row.Need {
			if n.Kind == at.kind {
				return true
			}
			if !s.met(n) {
				break
			}
		}
	}
	for i := range s.marks {
		if slices.Contains(s.marks[i].In, s.Phase) && s.marks[i].Need.Kind == at.kind {
			return true
		}
	}
	return false
}

// missing lists the seats of a need that have not signed.
func (s *State) missing(n Need) []seat {
	return slices.DeleteFunc(s.seats(n.By, s.Attempt), func(who seat) bool {
		_, has := s.slots[slot{n.Kind, s.attemptOf(n.Kind), who}]
		return has
	})
}

func (s *State) met(n Need) bool {
	if n.By.one() {
		return len(s.missing(n)) < len(s.seats(n.By, s.Attempt))
	}
	return len(s.missing(n)) == 0
}

// move goes where the table leads after e, and sets the marks.
func (s *State) move(e Event) {
	for i := range s.life {
		row := &s.life[i]
		if !slices.Contains(row.From, s.Phase) || slices.ContainsFunc(row.Need, func(n Need) bool { return !s.met(n) }) {
			continue
		}
		switch {
		case row.To == Refused || row.To == Aborted:
			s.stop = e
		case s.Phase == Aborted:
			s.Attempt, s.stop = s.Attempt+1, Event{}
		}
		s.Phase = row.To
		s.attempted = s.attempted || s.Phase == Established
		break
	}
	s.Delivered, s.Wiped, s.SplitsWiped = s.marked(MarkDelivered), s.marked(MarkWiped), s.marked(MarkSplitsWiped)
}

func (s *State) marked(name string) bool {
	for i := range s.marks {
		if m := &s.marks[i]; m.Mark == name && slices.Contains(m.In, s.Phase) {
			return s.met(m.Need)
		}
	}
	return false
}

// guards are what a record must say, beside who signs it and when.
var guards = map[RecordKind][]func(*State, Event) error{
	KindApproval:     {agreesToStatement},
	KindNodeBundle:   {answersNonces},
	KindAcceptance:   {namesBundles},
	KindInputReceipt: {namesBundles, repeatsCommitments},
	KindReady:        {namesInputs},
	KindTranscript:   {namesInputs, agreesOnRecipients},
	KindRetry:        {canSendAgain},
}

func agreesToStatement(s *State, e Event) error {
	return unless(e.Ref == s.Task.Statement, e, "another statement than the task's")
}

func answersNonces(s *State, e Event) error {
	d, _ := s.Nonces()
	return unless(e.Same == d, e, "other nonces than the attempt's")
}

func namesBundles(s *State, e Event) error {
	d, _ := s.Bundles()
	return unless(e.Ref == d, e, "another bundle set than the attempt's")
}

func namesInputs(s *State, e Event) error {
	d, _ := s.Inputs()
	return unless(e.Ref == d, e, "another input set than the attempt's")
}

// repeatsCommitments: what a party sent in any earlier attempt it sends again.
func repeatsCommitments(s *State, e Event) error {
	for n := 1; n < s.Attempt; n++ {
		if before, sent := s.slots[slot{e.Kind, n, seat{party: e.Party}}]; sent {
			return unless(e.Same == before.Same, e, "other commitments than in an earlier attempt")
		}
	}
	return nil
}

func agreesOnRecipients(s *State, e Event) error {
	for _, other := range s.of(KindTranscript) {
		if err := unless(e.Same == other.Same, e, "other views or recipients than another node"); err != nil {
			return err
		}
	}
	return nil
}

func canSendAgain(s *State, _ Event) error {
	if !s.againPossible() {
		return fmt.Errorf("%w: no attempt is left, or splits are wiped", ErrLate)
	}
	return nil
}

func (s *State) againPossible() bool {
	return s.Attempt < s.Task.Attempts && len(s.of(KindSplitWipe)) == 0
}

func unless(holds bool, e Event, what string) error {
	if holds {
		return nil
	}
	return fmt.Errorf("%w: %s of %s names %s", ErrContradicts, e.Kind, e.Party, what)
}

// of lists the records of a kind in this attempt, by the order of the terms.
func (s *State) of(k RecordKind) []Event {
	var out []Event
	for need := range s.needs() {
		if need.Kind != k {
			continue
		}
		for _, who := range s.seats(need.By, s.Attempt) {
			if e, has := s.slots[slot{k, s.attemptOf(k), who}]; has {
				out = append(out, e)
			}
		}
		break
	}
	return out
}

// all gives the ids of an attempt's records of a kind, and whether n are there.
func (s *State) all(k RecordKind, n int) ([]Digest, bool) {
	var ids []Digest
	for _, e := range s.of(k) {
		ids = append(ids, e.ID)
	}
	return ids, len(ids) == n
}

// Nonces is the digest of this attempt's nonces, and whether all are there.
func (s *State) Nonces() (Digest, bool) {
	nonces := map[PartyID]string{}
	for _, e := range s.of(KindAttemptNonce) {
		nonces[e.Party] = hex.EncodeToString(e.Ref[:])
	}
	return NoncesDigest(nonces), len(nonces) == len(s.Task.Parties)
}

// Bundles is the bundle set of this attempt, and whether all are there.
func (s *State) Bundles() (Digest, bool) {
	ids, complete := s.all(KindNodeBundle, len(s.Task.Computing))
	return BundleSet(ids), complete
}

// Inputs is the input set of this attempt, and whether all are there.
func (s *State) Inputs() (Digest, bool) {
	ids, complete := s.all(KindInputReceipt, len(s.seats(EveryInput, s.Attempt)))
	return InputSet(ids), complete
}

// Has gives a party's record of a kind (of its node, where nodes sign) in the
// current attempt; for an approval, in the first of its roles and only if it
// has signed in all.
func (s *State) Has(kind RecordKind, party PartyID) (Digest, bool) {
	attempt := s.attemptOf(kind)
	if kind == KindRetry && s.Phase != Aborted {
		attempt = s.Attempt
	}
	var first *Event
	for need := range s.needs() {
		if need.Kind != kind {
			continue
		}
		for _, who := range s.seats(need.By, s.Attempt) {
			if who.party != party {
				continue
			}
			e, has := s.slots[slot{kind, attempt, who}]
			if !has && need.By == EveryRole {
				return Digest{}, false
			}
			if has && first == nil {
				first = &e
			}
		}
		break
	}
	if first == nil {
		return Digest{}, false
	}
	return first.ID, true
}

// HasRole gives a party's approval in one role.
func (s *State) HasRole(party PartyID, role Role) (Digest, bool) {
	e, has := s.slots[slot{KindApproval, 0, seat{party: party, role: role}}]
	return e.ID, has
}

// Stopped gives the refusal or abort by which the task stands still, in
// Refused and Aborted.
func (s *State) Stopped() (Event, bool) { return s.stop, s.Phase == Refused || s.Phase == Aborted }

// RetryOpen says that the task may still come to another attempt: attempts
// are left, and no input party has wiped the splits it would have to send.
func (s *State) RetryOpen() bool {
	return s.Phase == Aborted && s.againPossible()
}

// Closed says that the task is done: computed, delivered, wiped.
func (s *State) Closed() bool { return s.Phase == Computed && s.Delivered && s.Wiped }

// Ended says that the task is over without a result.
func (s *State) Ended() bool {
	return s.Phase == Refused || s.Phase == Aborted && s.Wiped && !s.RetryOpen()
}

// Open lists the operators of nodes that should have wiped and whose receipt
// is missing: the task is WipeUnconfirmed until it arrives.
func (s *State) Open() []PartyID {
	var out []PartyID
	for i := range s.marks {
		m := &s.marks[i]
		if m.Mark != MarkWiped || !slices.Contains(m.In, s.Phase) {
			continue
		}
		for _, who := range s.missing(m.Need) {
			out = append(out, who.party)
		}
	}
	return out
}

// Waiting lists who must sign what next for the task to go on, and what is
// still owed when it has stopped. Nobody is waited for to refuse or to abort.
func (s *State) Waiting() []Wanted {
	var out []Wanted
	add := func(n Need) {
		for _, who := range s.missing(n) {
			w := Wanted{n.Kind, who.party, who.role, who.node}
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	for i := range s.life {
		row := &s.life[i]
		if !slices.Contains(row.From, s.Phase) {
			continue
		}
		for _, n := range row.Need {
			if s.met(n) {
				continue
			}
			if !n.By.one() && (n.Kind != KindRetry || s.RetryOpen()) {
				add(n)
			}
			break
		}
	}
	for i := range s.marks {
		m := &s.marks[i]
		if slices.Contains(m.In, s.Phase) && (m.Mark != MarkSplitsWiped || s.attempted && !s.RetryOpen()) {
			add(m.Need)
		}
	}
	return out
}
