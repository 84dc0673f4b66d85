package joconde

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The stories in testdata/life are transcripts: "sign" a record that fits, a
// "wrong" one, an "other" one for the same slot, one with other "recipients"
// or of another "attempt", "all" that is waited for to go on; then what "state"
// the task is in and for whom it "waits". After ": " stands why a record does
// not count.
func TestTheStoriesOfATask(t *testing.T) {
	stories, err := filepath.Glob("testdata/life/*.txt")
	if err != nil || len(stories) == 0 {
		t.Fatal("no stories", err)
	}
	for _, file := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			story := &story{t: t}
			lines := bufio.NewScanner(f)
			for n := 1; lines.Scan(); n++ {
				if line := lines.Text(); line != "" && line[0] != '#' {
					story.line(fmt.Sprintf("%s:%d: %s", file, n, line), line)
				}
			}
			again, errs := Replay(story.s.ID, story.s.Task, story.counted)
			if slices.ContainsFunc(errs, func(err error) bool { return err != nil }) || stateLine(again) != stateLine(story.s) {
				t.Errorf("the records that counted, replayed, give %s", stateLine(again))
			}
		})
	}
}

type story struct {
	t       *testing.T
	spec    string
	s       *State
	counted []Event
}

var causes = map[string]error{"duplicate": ErrDuplicate, "late": ErrLate, "unknown": ErrUnknown, "contradicts": ErrContradicts}

func (st *story) line(where, line string) {
	st.t.Helper()
	line, cause, _ := strings.Cut(line, ": ")
	words := strings.Fields(line)
	switch words[0] {
	case "parties":
		st.spec = strings.Join(words[1:], " ")
	case "attempts":
		n, _ := strconv.Atoi(words[1])
		s, err := NewState(Digest{1}, modelTask(n, st.spec))
		if err != nil {
			st.t.Fatalf("%s: %v", where, err)
		}
		st.s = s
	case "state":
		if got := "state " + stateLine(st.s); got != line {
			st.t.Errorf("%s, but it is: %s", where, got)
		}
	case "waits":
		var got []string
		for _, w := range st.s.Waiting() {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %s", w.Kind, w.Party, w.Role))+map[bool]string{true: " node"}[w.Node])
		}
		if g := strings.TrimSpace("waits " + strings.Join(got, ", ")); g != line {
			st.t.Errorf("%s, but it %s", where, g)
		}
	case "all":
		for _, w := range st.s.Waiting() {
			st.apply(where, signed(st.s, w, attemptFor(st.s, w.Kind), ""), "")
		}
	default:
		st.record(where, words, cause)
	}
}

func (st *story) record(where string, words []string, cause string) {
	st.t.Helper()
	attempt, version := -1, words[0]
	switch words[0] {
	case "sign":
		version = ""
	case "attempt":
		attempt, _ = strconv.Atoi(words[1])
		words, version = words[1:], ""
	}
	w := Wanted{Kind: RecordKind(words[1]), Party: PartyID(words[2])}
	for _, word := range words[3:] {
		if word == "node" {
			w.Node = true
		} else {
			w.Role = Role(word)
		}
	}
	if attempt < 0 {
		attempt = attemptFor(st.s, w.Kind)
	}
	before := stateLine(st.s)
	e := signed(st.s, w, attempt, version)
	if first, has := record(st.s, w.Kind, attempt, w.Party, w.Role, w.Node); has && version == "" {
		e = first
	}
	st.apply(where, e, cause)
	if cause != "" && stateLine(st.s) != before {
		st.t.Errorf("%s: refused, and yet it is %s", where, stateLine(st.s))
	}
}

func (st *story) apply(where string, e Event, cause string) {
	st.t.Helper()
	err := st.s.Apply(e)
	if !errors.Is(err, causes[cause]) {
		st.t.Fatalf("%s: %v", where, err)
	}
	if err == nil {
		st.counted = append(st.counted, e)
	}
}

func stateLine(s *State) string {
	words := []string{string(s.Phase), strconv.Itoa(s.Attempt)}
	for _, w := range []struct {
		is   bool
		word string
	}{{s.Delivered, "Delivered"}, {s.Wiped, "Wiped"}, {s.SplitsWiped && !s.Closed(), "SplitsWiped"}, {s.Closed(), "Closed"}, {s.Ended(), "Ended"}} {
		if w.is {
			words = append(words, w.word)
		}
	}
	if open := s.Open(); len(open) > 0 {
		words = append(words, "WipeUnconfirmed("+strings.ReplaceAll(strings.Trim(fmt.Sprint(open), "[]"), " ", ",")+")")
	}
	return strings.Join(words, " ")
}

func TestACopyOfAStateGoesItsOwnWay(t *testing.T) {
	s, err := NewState(Digest{1}, modelTask(1, "a:computing+input b:output"))
	if err != nil {
		t.Fatal(err)
	}
	c := s.Clone()
	if err := c.Apply(signed(c, Wanted{Kind: KindRefusal, Party: "a"}, 0, "")); err != nil {
		t.Fatal(err)
	}
	stop, stopped := c.Stopped()
	if _, has := s.Has(KindRefusal, "a"); has || s.Phase != Proposed || c.Phase != Refused || !stopped || stop.Party != "a" {
		t.Errorf("the first is %s, the copy %s, stopped by %s", stateLine(s), stateLine(c), stop.Party)
	}
}

func TestAPartyHasApprovedWhenItHasInAllItsRoles(t *testing.T) {
	s, err := NewState(Digest{1}, modelTask(1, "a:computing+input b:output"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []Role{InputParty, ComputingParty} {
		if _, has := s.Has(KindApproval, "a"); has {
			t.Errorf("before it has as %s", r)
		}
		if err := s.Apply(signed(s, Wanted{Kind: KindApproval, Party: "a", Role: r}, 0, "")); err != nil {
			t.Fatal(err)
		}
	}
	if _, has := s.Has(KindApproval, "a"); !has {
		t.Error("not after it has in both")
	}
}

func TestMalformedTermsAreRefused(t *testing.T) {
	for _, c := range []struct {
		name, code string
		edit       func(*Task)
	}{
		{"another format", "JOC-T101", func(t *Task) { t.Format = 2 }},
		{"no attempt", "JOC-T102", func(t *Task) { t.Attempts = 0 }},
		{"four attempts", "JOC-T102", func(t *Task) { t.Attempts = 4 }},
		{"a short nonce", "JOC-T103", func(t *Task) { t.Nonce = "5a" }},
		{"a nonce in capitals", "JOC-T103", func(t *Task) { t.Nonce = strings.ToUpper(t.Nonce) }},
		{"no platform", "JOC-T104", func(t *Task) { t.Platforms = nil }},
		{"a platform twice", "JOC-T105", func(t *Task) { t.Platforms = []string{"sim", "sim"} }},
		{"simulated nodes for real data", "JOC-T106", func(t *Task) { t.TestData = false }},
		{"nobody", "JOC-T110", func(t *Task) { t.Parties = nil }},
		{"a name that hides another", "JOC-T111", func(t *Task) { t.Parties[0].Party = "a\u202e" }},
		{"a party twice", "JOC-T112", func(t *Task) { t.Parties[1].Party = "a" }},
		{"a role twice", "JOC-T113", func(t *Task) { t.Parties[1].Roles = []Role{OutputParty, OutputParty} }},
		{"no role", "JOC-T113", func(t *Task) { t.Parties[1].Roles = nil }},
		{"a role of the coordinator's", "JOC-T114", func(t *Task) { t.Parties[1].Roles = []Role{"coordinator", OutputParty} }},
		{"a party without a record", "JOC-T115", func(t *Task) { t.Parties[1].Record = Digest{} }},
		{"nobody who learns", "JOC-T116", func(t *Task) { t.Parties[1].Roles = []Role{Approver} }},
		{"a stranger proposes", "JOC-T117", func(t *Task) { t.Proposer = "z" }},
		{"two nodes of one party", "JOC-T120", func(t *Task) { t.Computing = append(t.Computing, Place{Party: "a"}) }},
		{"a node of a party that does not compute", "JOC-T120", func(t *Task) { t.Computing = append(t.Computing, Place{Party: "b"}) }},
		{"no node", "JOC-T120", func(t *Task) { t.Computing = nil }},
		{"a stranger's node", "JOC-T121", func(t *Task) { t.Computing = append(t.Computing, Place{Party: "z"}) }},
		{"fewer than no rows", "JOC-T130", func(t *Task) { t.Rows = []Bound{{"x", -1}} }},
		{"a table twice", "JOC-T131", func(t *Task) { t.Rows = []Bound{{"x", 1}, {"x", 2}} }},
		{"a time with an offset", "JOC-T140", func(t *Task) { t.Deadlines.InputBy = "2027-01-03T00:00:00+00:00" }},
		{"part of a second", "JOC-T140", func(t *Task) { t.Deadlines.InputBy = "2027-01-03T00:00:00.5Z" }},
		{"inputs before nodes", "JOC-T141", func(t *Task) { t.Deadlines.InputBy = "2027-01-01T00:00:00Z" }},
		{"no time to run", "JOC-T142", func(t *Task) { t.Deadlines.RunSeconds = 0 }},
	} {
		task := modelTask(1, "a:computing+input b:output")
		c.edit(task)
		_, err := NewState(Digest{1}, task)
		var problems Problems
		if !errors.As(err, &problems) || !slices.ContainsFunc(problems, func(p *Problem) bool { return p.Code == c.code }) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTheEventOfARecordSaysWhatItRestsOn(t *testing.T) {
	task, id, d := Digest{1}, Digest{2}, Digest{3}
	nonce := strings.Repeat("0b", 32)
	inputs := []InputShare{{Input: 0, Commitments: []Digest{d}, Ciphertexts: []Digest{{4}}}}
	outputs := []OutputRef{{"v", "c", Digest{5}}}
	for _, c := range []struct {
		payload any
		want    Event
	}{
		{&Approval{task, "a", InputParty, d, ""}, Event{Kind: KindApproval, Party: "a", Role: InputParty, Ref: d}},
		{&Refusal{task, "a", "declined", ""}, Event{Kind: KindRefusal, Party: "a", Reason: "declined"}},
		{&AttemptNonce{task, 1, "a", nonce, ""}, Event{Kind: KindAttemptNonce, Attempt: 1, Party: "a", Ref: Digest(slices.Repeat([]byte{11}, 32))}},
		{&NodeBundle{Task: task, Attempt: 1, Party: "b", Nonces: d}, Event{Kind: KindNodeBundle, Attempt: 1, Party: "b", Node: true, Same: d}},
		{&Acceptance{task, 1, "a", d, ""}, Event{Kind: KindAcceptance, Attempt: 1, Party: "a", Ref: d}},
		{&InputReceipt{task, 1, "a", d, inputs, ""}, Event{Kind: KindInputReceipt, Attempt: 1, Party: "a", Ref: d, Same: CommitmentsDigest(inputs)}},
		{&Ready{task, 1, "b", d, ""}, Event{Kind: KindReady, Attempt: 1, Party: "b", Node: true, Ref: d}},
		{&Transcript{task, 1, "b", d, outputs, 1, 1, ""}, Event{Kind: KindTranscript, Attempt: 1, Party: "b", Node: true, Ref: d, Same: RecipientsDigest(outputs)}},
		{&ResultReceipt{task, 1, "c", ""}, Event{Kind: KindResultReceipt, Attempt: 1, Party: "c"}},
		{&WipeReceipt{Task: task, Attempt: 1, Party: "b"}, Event{Kind: KindWipeReceipt, Attempt: 1, Party: "b", Node: true}},
		{&SplitWipe{task, "a", 1, ""}, Event{Kind: KindSplitWipe, Party: "a"}},
		{&Abort{task, 1, "b", true, "peer", "c", ""}, Event{Kind: KindAbort, Attempt: 1, Party: "b", Node: true, Reason: "peer", Blames: "c"}},
		{&Retry{task, 2, "a", ""}, Event{Kind: KindRetry, Attempt: 2, Party: "a"}},
	} {
		c.want.ID = id
		got, of, err := EventOf(id, c.payload)
		if err != nil || of != task || got != c.want {
			t.Errorf("%T: %+v, %v", c.payload, got, err)
		}
	}
	for _, payload := range []any{nil, &Task{}, &Organisation{}, &AttemptNonce{Nonce: "0b"}, &AttemptNonce{Nonce: strings.Repeat("0B", 32)}, &Abort{Reason: "row 17 is empty"}, &Refusal{}} {
		if _, _, err := EventOf(id, payload); err == nil {
			t.Errorf("%T %+v has an event", payload, payload)
		}
	}
}

func TestDigestsOfSetsDependOnMembersAlone(t *testing.T) {
	a, b := Digest{1}, Digest{2}
	fresh := []InputShare{{0, []Digest{a}, []Digest{b}}}
	again := []InputShare{{0, []Digest{a}, []Digest{a}}}
	for _, c := range []struct {
		name string
		x, y Digest
		same bool
	}{
		{"bundles in another order", BundleSet([]Digest{a, b}), BundleSet([]Digest{b, a}), true},
		{"one bundle fewer", BundleSet([]Digest{a, b}), BundleSet([]Digest{a}), false},
		{"bundles for receipts", BundleSet([]Digest{a}), InputSet([]Digest{a}), false},
		{"receipts in another order", InputSet([]Digest{a, b}), InputSet([]Digest{b, a}), true},
		{"a nonce of another party", NoncesDigest(map[PartyID]string{"a": "x"}), NoncesDigest(map[PartyID]string{"b": "x"}), false},
		{"where a name ends and a nonce begins", NoncesDigest(map[PartyID]string{"a": "bx"}), NoncesDigest(map[PartyID]string{"ab": "x"}), false},
		{"the same commitments, sealed afresh", CommitmentsDigest(fresh), CommitmentsDigest(again), true},
		{"other commitments", CommitmentsDigest(fresh), CommitmentsDigest([]InputShare{{0, []Digest{b}, nil}}), false},
		{"the same commitments for another input", CommitmentsDigest(fresh), CommitmentsDigest([]InputShare{{1, []Digest{a}, nil}}), false},
		{"a view for another", RecipientsDigest([]OutputRef{{"v", "a", a}}), RecipientsDigest([]OutputRef{{"v", "b", a}}), false},
		{"the same views in other ciphertexts", RecipientsDigest([]OutputRef{{"v", "a", a}}), RecipientsDigest([]OutputRef{{"v", "a", b}}), true},
	} {
		if (c.x == c.y) != c.same {
			t.Errorf("%s: equal is %v", c.name, c.x == c.y)
		}
	}
}

// FuzzNoEventsBreakAPromise replays any events, well or badly formed.
func FuzzNoEventsBreakAPromise(f *testing.F) {
	f.Add([]byte(`[{"Kind":"approval","Party":"a","Role":"input"},{"Kind":"abort","Party":"a","Attempt":-1},{"Kind":"retry","Attempt":9007199254740991,"Party":"b"}]`), []byte{1, 2, 3, 250})
	f.Fuzz(func(t *testing.T, text []byte, choices []byte) {
		s, err := NewState(Digest{1}, modelTask(2, "a:computing+input b:computing+output"))
		if err != nil {
			t.Fatal(err)
		}
		var events []Event
		if json.Unmarshal(text, &events) != nil {
			events = nil
		}
		for _, c := range choices {
			around := offers(s)
			events = append(events, around[int(c)%len(around)])
			for _, e := range events {
				before := s.Clone()
				if broken := steps(before, s, e, s.Apply(e)); broken != "" {
					t.Fatalf("%+v: %s", e, broken)
				}
			}
			events = nil
			if broken := promises(s); broken != "" {
				t.Fatal(broken)
			}
		}
	})
}
