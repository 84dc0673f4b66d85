package joconde

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The model check plays the life of a small task in all ways there are. It
// knows the promises of the table in its own words (promises, steps, across),
// never by reading the table, so that a changed table is caught.
//
// One view: whoever keeps one copy of the log sees any records of any signers
// in any order, lost, again, late, early, with wrong contents.
//
// Many views: honest parties and nodes sign only what their own view asks of
// them; a malicious coordinator, who signs nothing, shows each of them any of
// the signed records, in any order, or hides them; a malicious party signs
// whatever fits anywhere, in two versions.

// modelTask makes terms from "a:computing+input b:output".
func modelTask(attempts int, spec string) *Task {
	t := &Task{Format: 1, Nonce: strings.Repeat("5a", 32), Platforms: []string{"sim"}, TestData: true, Attempts: attempts,
		Statement: sha256.Sum256([]byte("statement")),
		Deadlines: Deadline{"2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", "2027-01-03T00:00:00Z", 60, "2027-01-04T00:00:00Z"}}
	for _, word := range strings.Fields(spec) {
		name, roles, _ := strings.Cut(word, ":")
		m := Member{Party: PartyID(name), Record: sha256.Sum256([]byte(name))}
		for _, r := range strings.Split(roles, "+") {
			m.Roles = append(m.Roles, Role(r))
			if Role(r) == ComputingParty {
				t.Computing = append(t.Computing, Place{Party: m.Party})
			}
		}
		t.Parties = append(t.Parties, m)
	}
	t.Proposer = t.Parties[0].Party
	return t
}

// signed is the record that a signer makes of what it sees in s. Another
// version is another record that fits as well; "wrong" is one that does not.
func signed(s *State, w Wanted, attempt int, version string) Event {
	e := Event{Kind: w.Kind, Attempt: attempt, Party: w.Party, Role: w.Role, Node: w.Node}
	hash := func(parts ...string) Digest { return sha256.Sum256([]byte(strings.Join(parts, " "))) }
	switch w.Kind {
	case KindApproval:
		e.Ref = s.Task.Statement
	case KindAttemptNonce:
		e.Ref = hash("nonce", string(w.Party), strconv.Itoa(attempt), version)
	case KindNodeBundle:
		e.Same, _ = s.Nonces()
	case KindAcceptance:
		e.Ref, _ = s.Bundles()
	case KindInputReceipt:
		e.Ref, _ = s.Bundles()
		e.Same = hash("commitments", string(w.Party), version)
	case KindReady:
		e.Ref, _ = s.Inputs()
	case KindTranscript:
		e.Ref, _ = s.Inputs()
		e.Same = hash("recipients", version)
	}
	if version == "wrong" {
		e.Ref[0] ^= 1
		e.Same[0] ^= 1
	}
	e.ID = hash(string(e.Kind), strconv.Itoa(attempt), string(e.Party), string(e.Role), strconv.FormatBool(e.Node), string(e.Ref[:]), string(e.Same[:]), version)
	return e
}

func attemptFor(s *State, k RecordKind) int {
	switch k {
	case KindApproval, KindRefusal, KindSplitWipe:
		return 0
	case KindRetry:
		return s.Attempt + 1
	}
	return s.Attempt
}

func record(s *State, k RecordKind, attempt int, p PartyID, role Role, node bool) (Event, bool) {
	e, has := s.slots[slot{k, attempt, seat{p, role, node}}]
	return e, has
}

func allOf(s *State, role Role, holds func(p PartyID) bool) bool {
	return !slices.ContainsFunc(s.Task.Parties, func(m Member) bool {
		return (role == "" || slices.Contains(m.Roles, role)) && !holds(m.Party)
	})
}

// bundled are the nodes with a logged bundle in the current attempt.
func bundled(s *State) (out []PartyID) {
	for _, c := range s.Task.Computing {
		if _, has := record(s, KindNodeBundle, s.Attempt, c.Party, "", true); has {
			out = append(out, c.Party)
		}
	}
	return out
}

func ids(s *State, k RecordKind, node bool) (out []Digest) {
	for _, m := range s.Task.Parties {
		if e, has := record(s, k, s.Attempt, m.Party, "", node); has {
			out = append(out, e.ID)
		}
	}
	return out
}

var rank = map[Phase]int{Proposed: 0, Agreed: 1, Established: 2, Loaded: 3, Computed: 4, Refused: -1, Aborted: -1}

// promises gives the first promise that a view breaks, "" if none.
func promises(s *State) string {
	has := func(k RecordKind, n int, node bool) func(PartyID) bool {
		return func(p PartyID) bool { _, has := record(s, k, n, p, "", node); return has }
	}
	refers := func(k RecordKind, node bool, ref Digest) func(PartyID) bool {
		return func(p PartyID) bool { e, has := record(s, k, s.Attempt, p, "", node); return has && e.Ref == ref }
	}
	if s.Phase != Proposed && s.Phase != Refused {
		for _, m := range s.Task.Parties {
			for _, r := range m.Roles {
				if e, has := record(s, KindApproval, 0, m.Party, r, false); !has || e.Ref != s.Task.Statement {
					return "agreement before data"
				}
			}
		}
	}
	for n := 2; n <= s.Attempt; n++ {
		if !allOf(s, "", has(KindRetry, n, false)) {
			return "every party agrees to a retry"
		}
	}
	if s.Attempt > s.Task.Attempts {
		return "no attempt beyond the agreed ones"
	}
	bundles, inputs := BundleSet(ids(s, KindNodeBundle, true)), InputSet(ids(s, KindInputReceipt, false))
	if rank[s.Phase] >= rank[Established] {
		nonces := map[PartyID]string{}
		for _, m := range s.Task.Parties {
			e, _ := record(s, KindAttemptNonce, s.Attempt, m.Party, "", false)
			nonces[m.Party] = fmt.Sprintf("%x", e.Ref[:])
		}
		fresh := func(p PartyID) bool {
			e, has := record(s, KindNodeBundle, s.Attempt, p, "", true)
			return has && e.Same == NoncesDigest(nonces)
		}
		if !allOf(s, "", has(KindAttemptNonce, s.Attempt, false)) || !allOf(s, ComputingParty, fresh) || !allOf(s, "", refers(KindAcceptance, false, bundles)) {
			return "every party accepts the same fresh nodes"
		}
	}
	if rank[s.Phase] >= rank[Loaded] && (!allOf(s, InputParty, refers(KindInputReceipt, false, bundles)) || !allOf(s, ComputingParty, refers(KindReady, true, inputs))) {
		return "every input is committed, every node has them all"
	}
	if s.Phase == Computed {
		first, _ := record(s, KindTranscript, s.Attempt, s.Task.Computing[0].Party, "", true)
		if !allOf(s, ComputingParty, refers(KindTranscript, true, inputs)) || !allOf(s, ComputingParty, func(p PartyID) bool {
			e, _ := record(s, KindTranscript, s.Attempt, p, "", true)
			return e.Same == first.Same
		}) {
			return "every node computed on the same inputs for the same recipients"
		}
	}
	for _, m := range s.Task.Parties {
		first, before := record(s, KindInputReceipt, 1, m.Party, "", false)
		again, after := record(s, KindInputReceipt, 2, m.Party, "", false)
		if before && after && first.Same != again.Same {
			return "a retry sends the same shares"
		}
	}
	if broken := endings(s, has); broken != "" {
		return broken
	}
	return stops(s)
}

func endings(s *State, has func(RecordKind, int, bool) func(PartyID) bool) string {
	stopped := s.Phase == Computed || s.Phase == Aborted
	unconfirmed := slices.DeleteFunc(bundled(s), has(KindWipeReceipt, s.Attempt, true))
	switch {
	case stopped && (s.Wiped != (len(unconfirmed) == 0) || !slices.Equal(s.Open(), unconfirmed)),
		!stopped && (s.Wiped || len(s.Open()) > 0),
		s.Closed() && (s.Phase != Computed || len(unconfirmed) > 0),
		s.Ended() && s.Phase != Refused && (s.Phase != Aborted || len(unconfirmed) > 0):
		return "ends wiped or visibly unconfirmed"
	case s.Delivered != (s.Phase == Computed && allOf(s, OutputParty, has(KindResultReceipt, s.Attempt, false))),
		s.Closed() && !s.Delivered:
		return "delivered is what every output party says"
	case s.SplitsWiped && (rank[s.Phase] >= 0 && s.Phase != Computed || !allOf(s, InputParty, has(KindSplitWipe, 0, false))):
		return "splits are wiped when every input party says so"
	}
	if s.Phase == Aborted {
		given := slices.ContainsFunc(s.Task.Parties, func(m Member) bool { return has(KindSplitWipe, 0, false)(m.Party) })
		open := len(unconfirmed) == 0 && !given && s.Attempt < s.Task.Attempts
		for _, m := range s.Task.Parties {
			if has(KindRetry, s.Attempt+1, false)(m.Party) {
				continue
			}
			err := s.Clone().Apply(signed(s, Wanted{Kind: KindRetry, Party: m.Party}, s.Attempt+1, ""))
			if open != (err == nil) {
				return "a retry is open once wiped, and only then"
			}
		}
	}
	return ""
}

// stops: one party or node is enough to stop, until there is a result.
func stops(s *State) string {
	var who []Wanted
	for _, m := range s.Task.Parties {
		who = append(who, Wanted{Kind: KindRefusal, Party: m.Party}, Wanted{Kind: KindAbort, Party: m.Party})
	}
	for _, p := range bundled(s) {
		who = append(who, Wanted{Kind: KindAbort, Party: p, Node: true})
	}
	for _, w := range who {
		want := s.Phase
		switch {
		case w.Kind == KindRefusal && s.Phase == Proposed:
			want = Refused
		case w.Kind == KindAbort && rank[s.Phase] >= rank[Agreed] && s.Phase != Computed:
			want = Aborted
		}
		after := s.Clone()
		err := after.Apply(signed(s, w, attemptFor(s, w.Kind), ""))
		_, counted := record(after, w.Kind, attemptFor(s, w.Kind), w.Party, "", w.Node)
		if after.Phase != want || want != s.Phase && (err != nil || !counted) || want == s.Phase && err == nil {
			return "one party or node stops it, until there is a result"
		}
	}
	return ""
}

// steps gives the first promise that the step from one view to the next by e
// breaks.
func steps(from, to *State, e Event, err error) string {
	switch {
	case err != nil && (from.Phase != to.Phase || from.Attempt != to.Attempt || len(from.slots) != len(to.slots)):
		return "a refused record changes nothing"
	case err != nil:
		return ""
	case !slices.ContainsFunc(from.Task.Parties, func(m Member) bool { return m.Party == e.Party }):
		return "a stranger counts nowhere"
	case owner(e) != "" && !slices.Contains(from.Task.Parties[slices.IndexFunc(from.Task.Parties, func(m Member) bool { return m.Party == e.Party })].Roles, owner(e)):
		return "nobody signs what is another's to sign"
	case e.Kind == KindWipeReceipt && from.Phase != Computed && from.Phase != Aborted:
		return "a wipe counts after the end"
	case from.Phase == to.Phase && from.Attempt == to.Attempt:
		return ""
	case to.Phase == Refused && e.Kind == KindRefusal && from.Phase == Proposed && from.Attempt == to.Attempt:
		return ""
	case to.Phase == Aborted && e.Kind == KindAbort && rank[from.Phase] > 0 && from.Phase != Computed && from.Attempt == to.Attempt && e.Attempt == to.Attempt:
		return ""
	case from.Phase == Aborted && to.Phase == Agreed && to.Attempt == from.Attempt+1:
		for _, p := range bundled(from) {
			if _, has := record(from, KindWipeReceipt, from.Attempt, p, "", true); !has {
				return "wiped before a retry"
			}
		}
		for at := range to.slots {
			if at.attempt == to.Attempt && at.kind != KindRetry {
				return "no attempt is used twice"
			}
		}
		return ""
	case rank[from.Phase] >= 0 && rank[to.Phase] == rank[from.Phase]+1 && to.Attempt == from.Attempt && (e.Attempt == to.Attempt || e.Kind == KindApproval):
		return ""
	}
	return "states only move forward"
}

// owner is the role that it takes to sign e.
func owner(e Event) Role {
	switch e.Kind {
	case KindNodeBundle, KindReady, KindTranscript, KindWipeReceipt:
		return ComputingParty
	case KindInputReceipt, KindSplitWipe:
		return InputParty
	case KindResultReceipt:
		return OutputParty
	}
	return ""
}

// key stands for all views that go on in the same way. Records of earlier
// attempts, and who stopped an attempt, change only how a record is refused.
func key(s *State) string {
	lines := []string{fmt.Sprint(s.Phase, s.Attempt)}
	for at, e := range s.slots {
		id := e.ID[:6]
		switch {
		case at.kind == KindAbort || at.kind == KindRefusal:
			continue
		case at.attempt == 0:
		case at.kind == KindInputReceipt && (at.attempt < s.Attempt || s.Phase == Aborted):
			at.attempt, id = 0, e.Same[:6]
		case at.attempt < s.Attempt && at.kind != KindRetry:
			continue
		case s.Phase == Aborted:
			if at.kind != KindNodeBundle && at.kind != KindWipeReceipt && at.kind != KindRetry {
				continue
			}
			id = nil
		}
		lines = append(lines, fmt.Sprintf("%s %d %s %s %v %x", at.kind, at.attempt, at.seat.party, at.seat.role, at.seat.node, id))
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// table is what the life of a task is checked for.
type table struct {
	life  []Row
	marks []Mark
}

var theTable = table{Life, Marks}

// can are the ends to which a task must be able to come in one view.
var can = []struct {
	name string
	is   func(*State) bool
}{
	{"Closed", func(s *State) bool { return s.Closed() }},
	{"Closed in the last attempt", func(s *State) bool { return s.Closed() && s.Attempt == s.Task.Attempts }},
	{"Ended by a refusal", func(s *State) bool { return s.Phase == Refused && s.Ended() }},
	{"Ended in the last attempt", func(s *State) bool { return s.Phase == Aborted && s.Ended() && s.Attempt == s.Task.Attempts }},
	{"Ended as a split was wiped", func(s *State) bool { return s.Phase == Aborted && s.Ended() && s.Attempt < s.Task.Attempts }},
	{"WipeUnconfirmed after a result", func(s *State) bool { return s.Phase == Computed && len(s.Open()) > 0 }},
	{"WipeUnconfirmed after an abort", func(s *State) bool { return s.Phase == Aborted && len(s.Open()) > 0 }},
	{"splits wiped after a refusal", func(s *State) bool { return s.Phase == Refused && s.SplitsWiped }},
	{"splits wiped after a result", func(s *State) bool { return s.Phase == Computed && s.SplitsWiped }},
	{"splits wiped after an abort", func(s *State) bool { return s.Phase == Aborted && s.SplitsWiped }},
}

// oneView visits all states of one view under all signers.
func oneView(t *Task, tab table) (states, records int, broken string) {
	start := newState(Digest{1}, t, tab.life, tab.marks)
	seen, queue, reached := map[string]bool{key(start): true}, []*State{start}, make([]bool, len(can))
	for len(queue) > 0 {
		s := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if broken = promises(s); broken != "" {
			return len(seen), records, broken
		}
		for i := range can {
			reached[i] = reached[i] || can[i].is(s)
		}
		next := s.Clone()
		for _, e := range offers(s) {
			records++
			err := next.Apply(e)
			if broken = steps(s, next, e, err); broken != "" {
				return len(seen), records, broken
			}
			if err != nil {
				continue
			}
			if k := key(next); !seen[k] {
				seen[k] = true
				queue = append(queue, next)
			}
			next = s.Clone()
		}
		if !maps.Equal(s.slots, next.slots) {
			return len(seen), records, "a refused record changes nothing"
		}
	}
	for i := range can {
		if !reached[i] {
			return len(seen), records, "can come to its ends"
		}
	}
	return len(seen), records, ""
}

var taskKinds = []RecordKind{KindApproval, KindRefusal, KindAttemptNonce, KindNodeBundle, KindAcceptance, KindInputReceipt, KindReady,
	KindTranscript, KindResultReceipt, KindWipeReceipt, KindSplitWipe, KindAbort, KindRetry}

// offers are the records that a view may meet next: right ones, wrong ones,
// second ones, of other attempts and of strangers.
func offers(s *State) (out []Event) {
	for _, k := range taskKinds {
		for _, m := range s.Task.Parties {
			node := k == KindNodeBundle || k == KindReady || k == KindTranscript || k == KindWipeReceipt
			who := []Wanted{{k, m.Party, "", node}}
			if k == KindApproval {
				who = nil
				for _, r := range []Role{Approver, ComputingParty, InputParty, OutputParty, ""} {
					who = append(who, Wanted{k, m.Party, r, false})
				}
			}
			if k == KindAbort {
				who = append(who, Wanted{k, m.Party, "", true})
			}
			for _, w := range who {
				now := attemptFor(s, k)
				out = append(out, signed(s, w, now, ""), signed(s, w, now+1, ""), signed(s, w, now-1, ""))
				if _, taken := record(s, k, now, w.Party, w.Role, w.Node); taken || len(guards[k]) > 0 || slices.Contains(guardedKinds, k) {
					out = append(out, signed(s, w, now, "wrong"))
				}
			}
		}
		out = append(out, signed(s, Wanted{Kind: k, Party: "coordinator", Role: Approver}, attemptFor(s, k), ""))
	}
	return out
}

// guardedKinds say something that can be wrong, whatever guards there are.
var guardedKinds = []RecordKind{KindApproval, KindNodeBundle, KindAcceptance, KindInputReceipt, KindReady, KindTranscript}

func TestNoOrderOfRecordsBreaksAPromiseInOneView(t *testing.T) {
	for _, spec := range []string{
		"a:computing+input b:computing+input+output",
		"a:computing+input b:input c:computing+output",
		"a:approver b:computing c:computing d:input+output",
	} {
		states, records, broken := oneView(modelTask(2, spec), theTable)
		t.Logf("%s: %d states, %d records tried", spec, states, records)
		if broken != "" {
			t.Errorf("%s: %s", spec, broken)
		}
	}
}

// change is one change of the table or of the guards.
type change struct {
	name  string
	table table
	guard RecordKind // its guards are dropped
}

// changes are all ways to drop or swap needs, to ask fewer or other signers, to drop,
// add or turn a row, and to drop a guard.
func changes() (out []change) {
	signer := func(n Need, to Signer) Need { n.By = to; return n }
	with := func(name string, edit func(*table)) {
		tab := table{slices.Clone(Life), slices.Clone(Marks)}
		for i := range tab.life {
			tab.life[i].Need, tab.life[i].From = slices.Clone(tab.life[i].Need), slices.Clone(tab.life[i].From)
		}
		for i := range tab.marks {
			tab.marks[i].In = slices.Clone(tab.marks[i].In)
		}
		edit(&tab)
		out = append(out, change{name: name, table: tab})
	}
	for i, row := range Life {
		name := fmt.Sprintf("%v to %s: ", row.From, row.To)
		with(name+"no such row", func(t *table) { t.life = slices.Delete(t.life, i, i+1) })
		for j, n := range row.Need {
			with(name+"no "+string(n.Kind), func(t *table) { t.life[i].Need = slices.Delete(t.life[i].Need, j, j+1) })
			for _, by := range []Signer{AnyParty, AnyPartyOrNode, EveryRole, EveryParty, EveryInput, EveryOutput, EveryNode, EveryBundled} {
				if by != n.By && !same(n.Kind, by) {
					with(fmt.Sprintf("%s%s by signer %d for %d", name, n.Kind, by, n.By), func(t *table) { t.life[i].Need[j] = signer(n, by) })
				}
			}
		}
		for j := range row.Need[1:] {
			with(fmt.Sprintf("%s%s before %s", name, row.Need[j+1].Kind, row.Need[j].Kind), func(t *table) {
				t.life[i].Need[j], t.life[i].Need[j+1] = t.life[i].Need[j+1], t.life[i].Need[j]
			})
		}
		for j, from := range row.From {
			with(fmt.Sprintf("%snot from %s", name, from), func(t *table) { t.life[i].From = slices.Delete(t.life[i].From, j, j+1) })
		}
		for _, p := range []Phase{Proposed, Refused, Agreed, Established, Loaded, Computed, Aborted} {
			if p != row.To {
				with(fmt.Sprintf("%sto %s instead", name, p), func(t *table) { t.life[i].To = p })
			}
			if !slices.Contains(row.From, p) && (row.To != Computed || p != Computed) { // a complete row leads nowhere else
				with(fmt.Sprintf("%sfrom %s too", name, p), func(t *table) { t.life[i].From = append(t.life[i].From, p) })
			}
		}
	}
	for i, m := range Marks {
		with(m.Mark+": no such mark", func(t *table) { t.marks = slices.Delete(t.marks, i, i+1) })
		for _, by := range []Signer{AnyParty, EveryParty, EveryInput, EveryOutput, EveryNode} {
			if by != m.Need.By {
				with(fmt.Sprintf("%s by signer %d for %d", m.Mark, by, m.Need.By), func(t *table) { t.marks[i].Need.By = by })
			}
		}
		for j, in := range m.In {
			with(fmt.Sprintf("%s: not in %s", m.Mark, in), func(t *table) { t.marks[i].In = slices.Delete(t.marks[i].In, j, j+1) })
		}
	}
	for k := range guards {
		out = append(out, change{name: "no guards of " + string(k), table: theTable, guard: k})
	}
	return out
}

// same are signers that mean the same where they stand: no node has a bundle
// before Agreed, every node has one from Established on.
func same(k RecordKind, by Signer) bool {
	return k == KindRefusal && by == AnyPartyOrNode || (k == KindReady || k == KindTranscript) && by == EveryBundled
}

func TestAChangedTableBreaksAPromise(t *testing.T) {
	if testing.Short() {
		t.Skip("the table itself is checked by the other tests")
	}
	caught := map[string]int{}
	for _, c := range changes() {
		broken := ""
		func() {
			if dropped, has := guards[c.guard]; has {
				delete(guards, c.guard)
				defer func() { guards[c.guard] = dropped }()
			}
			for _, spec := range []string{"a:computing+input b:output", "a:approver b:computing+input c:computing+output"} {
				if broken == "" {
					_, _, broken = oneView(modelTask(2, spec), c.table)
				}
			}
		}()
		caught[broken]++
		if broken == "" {
			t.Errorf("%s: nothing is broken", c.name)
		}
	}
	for promise, n := range caught {
		t.Logf("%3d changes break: %s", n, promise)
	}
}

func TestViewsDriftApartWithoutTheGuards(t *testing.T) {
	for _, c := range []struct {
		kind   RecordKind
		broken string
	}{
		{KindAcceptance, "all who are Established know the same nodes"},
		{KindReady, "all who are Loaded know the same inputs"},
	} {
		dropped := guards[c.kind]
		delete(guards, c.kind)
		m := newModel(modelTask(1, "a:computing+input b:output m:computing+input"), theTable, "m")
		m.between = true
		_, _, broken := m.check(1 << 30)
		guards[c.kind] = dropped
		if broken != c.broken {
			t.Errorf("without the guards of %s: %q", c.kind, broken)
		}
	}
}
