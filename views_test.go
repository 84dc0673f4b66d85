package joconde

import (
	"math/bits"
	"slices"
	"testing"
)

// replica is a view and its owner: a party's agent, or a party's node.
type replica struct {
	party PartyID
	node  bool
}

// model is the search over many views. Views and records are numbered, and
// what a record does to a view is computed once.
type model struct {
	task     *Task
	tab      table
	replicas []replica // agents first; all honest
	evil     []PartyID

	views   []*State
	facts   []facts
	number  map[string]int32
	next    map[[2]int32]int32
	broken  string
	between bool // look only at promises between views

	events   []Event
	eventOf  map[Digest]int
	slotMask map[slot]bitset
	wanted   map[int32][]Wanted
	old      bitset         // what forget drops
	kept     map[int]bool   // what it keeps, for all of
	alike    map[int]bitset // these
}

// facts are what is compared between views.
type facts struct {
	phase           Phase
	attempt         int
	bundles, inputs Digest
}

type bitset [4]uint64

func (b *bitset) set(i int) { b[i/64] |= 1 << (i % 64) }
func (b bitset) first() int {
	for i, word := range b {
		if word != 0 {
			return i*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}
func (b bitset) meets(other bitset) bool {
	return b[0]&other[0]|b[1]&other[1]|b[2]&other[2]|b[3]&other[3] != 0
}

// world is one state of all views together: 0 is no view (a node that is not
// there), and the records that the honest have signed.
type world struct {
	view   [4]int32
	signed bitset
}

func newModel(t *Task, tab table, evil ...PartyID) *model {
	m := &model{task: t, tab: tab, evil: evil, number: map[string]int32{}, next: map[[2]int32]int32{},
		eventOf: map[Digest]int{}, slotMask: map[slot]bitset{}, wanted: map[int32][]Wanted{},
		kept: map[int]bool{}, alike: map[int]bitset{}}
	m.views, m.facts = []*State{nil}, []facts{{}}
	for _, node := range []bool{false, true} {
		for _, p := range t.Parties {
			if !slices.Contains(evil, p.Party) && (!node || slices.Contains(p.Roles, ComputingParty)) {
				m.replicas = append(m.replicas, replica{p.Party, node})
			}
		}
	}
	return m
}

func (m *model) viewOf(s *State) int32 {
	k := key(s)
	if n, known := m.number[k]; known {
		return n
	}
	n := int32(len(m.views))
	m.number[k] = n
	m.views = append(m.views, s)
	m.facts = append(m.facts, facts{s.Phase, s.Attempt, BundleSet(ids(s, KindNodeBundle, true)), InputSet(ids(s, KindInputReceipt, false))})
	m.wanted[n] = s.Waiting()
	if m.broken == "" && !m.between {
		m.broken = promises(s)
	}
	return n
}

func (m *model) eventNumber(e Event) int {
	n, known := m.eventOf[e.ID]
	if !known {
		n = len(m.events)
		m.eventOf[e.ID] = n
		m.events = append(m.events, e)
		at := slot{e.Kind, e.Attempt, seat{e.Party, e.Role, e.Node}}
		mask := m.slotMask[at]
		mask.set(n)
		m.slotMask[at] = mask
		switch {
		case at.attempt != 1 || at.kind == KindWipeReceipt:
		case at.kind == KindInputReceipt: // of several, the first stands for all
			m.kept[mask.first()], m.alike[mask.first()] = true, mask
			if n != mask.first() {
				m.old.set(n)
			}
		default:
			m.old.set(n)
		}
	}
	return n
}

// show gives the view after it was shown an event.
func (m *model) show(view int32, event int) int32 {
	k := [2]int32{view, int32(event)}
	if n, known := m.next[k]; known {
		return n
	}
	to, n := m.views[view].Clone(), view
	err := to.Apply(m.events[event])
	if b := steps(m.views[view], to, m.events[event], err); b != "" && m.broken == "" {
		m.broken = b
	}
	if err == nil {
		n = m.viewOf(to)
	}
	m.next[k] = n
	return n
}

func (m *model) has(w world, k RecordKind, attempt int, p PartyID, role Role, node bool) bool {
	return w.signed.meets(m.slotMask[slot{k, attempt, seat{p, role, node}}])
}

// forget drops signed records that no view will ever take: those of the first
// attempt, when it is over for all. That shares were sent stays.
func (m *model) forget(w world) world {
	for r := range m.replicas {
		if f := &m.facts[w.view[r]]; w.view[r] != 0 && f.attempt == 1 && f.phase != Aborted {
			return w
		}
	}
	for n := range m.kept {
		if w.signed.meets(m.alike[n]) {
			w.signed.set(int(n))
		}
	}
	for i := range m.old {
		w.signed[i] &^= m.old[i]
	}
	return w
}

// settle lets the honest sign at once what is not a person's decision. To
// sign later would be the same as to have the record held back.
func (m *model) settle(w world) world {
	for again := true; again; {
		again = false
		for r, who := range m.replicas {
			v := w.view[r]
			if v == 0 {
				continue
			}
			s := m.views[v]
			for _, want := range m.wanted[v] {
				launch := want.Kind == KindNodeBundle && !who.node
				if want.Party != who.party || want.Node != who.node && !launch ||
					slices.Contains([]RecordKind{KindApproval, KindRetry, KindResultReceipt, KindSplitWipe}, want.Kind) ||
					want.Kind == KindNodeBundle && who.node || m.has(w, want.Kind, s.Attempt, want.Party, want.Role, want.Node) {
					continue
				}
				w.signed.set(m.eventNumber(signed(s, want, s.Attempt, "")))
				if launch { // the node starts from what its operator has, and goes on from there by itself
					w.view[m.replicaOf(who.party, true)] = v
				}
				again = true
			}
			if who.node && s.Phase == Aborted { // wiped, and gone
				if !m.has(w, KindWipeReceipt, s.Attempt, who.party, "", true) && m.has(w, KindNodeBundle, s.Attempt, who.party, "", true) {
					w.signed.set(m.eventNumber(signed(s, Wanted{KindWipeReceipt, who.party, "", true}, s.Attempt, "")))
				}
				w.view[r] = 0
				again = true
			}
		}
	}
	return w
}

func (m *model) replicaOf(p PartyID, node bool) int {
	return slices.Index(m.replicas, replica{p, node})
}

// moves gives all worlds that may come next.
func (m *model) moves(w world, yield func(world)) {
	change := func(r int, v int32, events ...int) {
		next := w
		next.view[r] = v
		for _, e := range events {
			next.signed.set(e)
		}
		if next != w {
			yield(m.forget(m.settle(next)))
		}
	}
	for r, who := range m.replicas {
		v := w.view[r]
		if v == 0 {
			continue
		}
		s := m.views[v]
		m.shown(w, v, func(to int32) { change(r, to) })
		var consent []int // a person agrees, in all its roles at once
		for _, want := range m.wanted[v] {
			attempt := attemptFor(s, want.Kind)
			if (want.Kind == KindApproval || want.Kind == KindRetry) && want.Party == who.party && !who.node && !m.has(w, want.Kind, attempt, want.Party, want.Role, false) {
				consent = append(consent, m.eventNumber(signed(s, want, attempt, "")))
			}
		}
		change(r, v, consent...)
		if rank[s.Phase] >= 0 && s.Phase != Computed { // the owner stops, for any reason
			// A malicious party can stop all views anyway: this record is for its owner alone.
			change(r, m.show(v, m.eventNumber(signed(s, Wanted{stopKind(s), who.party, "", who.node}, attemptFor(s, stopKind(s)), ""))))
		}
	}
}

func stopKind(s *State) RecordKind {
	if s.Phase == Proposed {
		return KindRefusal
	}
	return KindAbort
}

// shown gives the views that the coordinator can make of v with what the
// honest have signed and whatever a malicious party signs, in two versions.
//
// Only bundles and input receipts are shown one by one, as a view remembers
// them after an abort. All else is shown when a whole need is there: nobody
// signs, and nothing is remembered, by half a need.
func (m *model) shown(w world, v int32, yield func(int32)) {
	s := m.views[v]
	for _, p := range m.evil {
		yield(m.show(v, m.eventNumber(signed(s, Wanted{stopKind(s), p, "", false}, attemptFor(s, stopKind(s)), ""))))
	}
	whole := map[RecordKind][]int32{}
	for _, want := range m.wanted[v] {
		if s.Phase == Computed { // what is still owed concerns one view alone
			continue
		}
		single := want.Kind == KindNodeBundle || want.Kind == KindInputReceipt
		before, started := whole[want.Kind]
		if !started || single {
			before = []int32{v}
		}
		var after []int32
		for _, e := range m.candidates(w, s, want) {
			for _, b := range before {
				if to := m.show(b, e); to != b {
					after = append(after, to)
				}
			}
		}
		whole[want.Kind] = after
		if single {
			for _, to := range after {
				yield(to)
			}
			whole[want.Kind] = nil
		}
	}
	for _, ends := range whole {
		for _, to := range ends {
			yield(to)
		}
	}
}

// candidates are the records that can be shown for want.
func (m *model) candidates(w world, s *State, want Wanted) (out []int) {
	attempt := attemptFor(s, want.Kind)
	if slices.Contains(m.evil, want.Party) {
		out = append(out, m.eventNumber(signed(s, want, attempt, "")))
		if slices.Contains([]RecordKind{KindAttemptNonce, KindNodeBundle, KindInputReceipt, KindTranscript}, want.Kind) {
			out = append(out, m.eventNumber(signed(s, want, attempt, "two")))
		}
		return out
	}
	mask := m.slotMask[slot{want.Kind, attempt, seat{want.Party, want.Role, want.Node}}]
	for i, word := range mask {
		for word &= w.signed[i]; word != 0; word &= word - 1 {
			out = append(out, i*64+bits.TrailingZeros64(word))
		}
	}
	return out
}

// across gives the first promise between views and signatures that a world
// breaks.
func (m *model) across(w world) string {
	for r := range m.replicas {
		a := &m.facts[w.view[r]]
		for q := range r {
			b := &m.facts[w.view[q]]
			low := min(rank[a.phase], rank[b.phase])
			switch {
			case w.view[r] == 0 || w.view[q] == 0:
			case a.attempt == b.attempt && low >= rank[Established] && a.bundles != b.bundles:
				return "all who are Established know the same nodes"
			case a.attempt == b.attempt && low >= rank[Loaded] && a.inputs != b.inputs:
				return "all who are Loaded know the same inputs"
			case a.phase == Computed && b.phase == Computed && !m.replicas[r].node && !m.replicas[q].node && a.attempt != b.attempt:
				return "all who are Computed mean the same attempt"
			}
		}
	}
	for _, who := range m.replicas {
		if who.node {
			continue
		}
		sent := m.has(w, KindInputReceipt, 1, who.party, "", false)
		again := m.has(w, KindInputReceipt, 2, who.party, "", false)
		started := m.has(w, KindNodeBundle, 1, who.party, "", true) || m.has(w, KindNodeBundle, 2, who.party, "", true)
		for _, other := range m.replicas {
			if !other.node {
				roles := m.task.Parties[slices.IndexFunc(m.task.Parties, func(p Member) bool { return p.Party == other.party })].Roles
				for _, r := range roles {
					if (sent || again || started) && !m.has(w, KindApproval, 0, other.party, r, false) {
						return "no share leaves and no node starts before all have approved"
					}
				}
				continue
			}
			if sent && again && !m.has(w, KindWipeReceipt, 1, other.party, "", true) {
				return "no share leaves again before the honest nodes have wiped"
			}
		}
	}
	return ""
}

// check visits all worlds. At limit it stops, for tables that break nothing
// between few views.
func (m *model) check(limit int) (worlds, views int, broken string) {
	start := m.viewOf(newState(Digest{1}, m.task, m.tab.life, m.tab.marks))
	var first world
	for r, who := range m.replicas {
		if !who.node {
			first.view[r] = start
		}
	}
	seen, queue := map[world]bool{first: true}, []world{first}
	done, second := false, false
	for len(queue) > 0 && m.broken == "" && len(seen) < limit {
		w := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		m.moves(w, func(next world) {
			if seen[next] || m.broken != "" {
				return
			}
			seen[next] = true
			queue = append(queue, next)
			m.broken = m.across(next)
			f := &m.facts[next.view[0]]
			done = done || f.phase == Computed && m.facts[next.view[1]].phase == Computed
			second = second || f.phase == Computed && f.attempt == 2
		})
	}
	if m.broken == "" && len(seen) < limit && (!done || !second && m.task.Attempts > 1) {
		m.broken = "the honest can finish"
	}
	return len(seen), len(m.views), m.broken
}

func TestNoCoordinatorBreaksAPromiseBetweenViews(t *testing.T) {
	for _, c := range []struct {
		spec     string
		attempts int
	}{
		{"a:computing+input b:computing+output m:approver", 1},
		{"a:computing+input b:computing+output m:approver", 2},
		{"a:computing+input b:output m:computing+input", 1},
		{"a:computing+input b:output m:computing+input", 2},
	} {
		if testing.Short() && c.attempts > 1 {
			continue
		}
		worlds, views, broken := newModel(modelTask(c.attempts, c.spec), theTable, "m").check(1 << 30)
		t.Logf("%s, attempts %d, coordinator and m malicious: %d states of all views together, %d of one", c.spec, c.attempts, worlds, views)
		if broken != "" {
			t.Errorf("%s: %s", c.spec, broken)
		}
	}
}
