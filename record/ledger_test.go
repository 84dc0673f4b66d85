package record_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

// story is a whole task of two attempts, the first stopped by a node, with the
// step that each record was.
func story() (p *cast.Play, steps []cast.Step) {
	p = cast.NewPlay()
	do := func(w joconde.Wanted) {
		s := p.Step(w)
		steps = append(steps, s)
		p.Do(s)
	}
	for p.State().Phase != joconde.Loaded {
		do(p.State().Waiting()[0])
	}
	do(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true})
	for len(p.State().Waiting()) > 0 {
		do(p.State().Waiting()[0])
	}
	return p, steps
}

// replayed plays a task again in another ledger, and stops before each record.
func replayed(t *testing.T, p *cast.Play, before func(n int, l *record.Ledger)) *record.Ledger {
	t.Helper()
	l, err := record.NewLedger(p.Envelope, cast.Organisations())
	if err != nil {
		t.Fatal(err)
	}
	for n, r := range p.Records()[1:] {
		before(n, l)
		if _, err := l.Add(r.Envelope); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// refuses tries an envelope, and sees that nothing has changed.
func refuses(t *testing.T, l *record.Ledger, raw []byte, name string, want ...string) {
	t.Helper()
	before, count := l.State().Clone(), len(l.Records())
	_, checked := l.Check(raw)
	_, added := l.Add(raw)
	if !slices.Contains(want, code(added)) {
		t.Errorf("%s: got %s: %v, want %s", name, code(added), added, want)
	}
	if code(checked) != code(added) {
		t.Errorf("%s: Check says %v and Add %v", name, checked, added)
	}
	if !reflect.DeepEqual(before, l.State()) || count != len(l.Records()) {
		t.Errorf("%s: it was refused and has changed something", name)
	}
}

func TestAllOfATaskFromProposalToDeletion(t *testing.T) {
	p, steps := story()
	if !p.State().Closed() || p.State().Attempt != 2 {
		t.Fatalf("the task is %s in attempt %d", p.State().Phase, p.State().Attempt)
	}
	if len(p.Records()) != len(steps)+1 || p.Records()[0].Kind != joconde.KindTask {
		t.Errorf("%d records for %d steps", len(p.Records()), len(steps))
	}
	terms, id := p.Task()
	if id != p.Records()[0].ID || terms.Title != cast.Terms().Title {
		t.Error("the task is another")
	}
	if o := p.Organisation(cast.EE); o == nil || o.Party != cast.EE || p.Organisation("nobody") != nil {
		t.Error("the organisations are others")
	}
	if b, _, ok := p.Bundle(cast.PT); !ok || b.Attempt != 2 || b.ReceiptKey != cast.NodeKey(cast.PT, 2).Public() {
		t.Error("the bundle is not the attempt's")
	}
	if _, _, ok := p.Bundle(cast.EE); ok {
		t.Error("a party without a node has a bundle")
	}
	l := replayed(t, p, func(int, *record.Ledger) {})
	if !reflect.DeepEqual(l.State(), p.State()) {
		t.Error("the same records in the same order, and another state")
	}
}

// Every record of a task, signed by every key that could be tried for it.
func TestOnlyTheRightKeysSign(t *testing.T) {
	p, steps := story()
	stranger := cast.Key("stranger", cast.Approval)
	var keys []*record.Key
	for _, party := range cast.Parties() {
		keys = append(keys, cast.Key(party, cast.Approval), cast.Key(party, cast.Operations), cast.NodeKey(party, 1), cast.NodeKey(party, 2))
	}
	keys = append(keys, stranger)
	seen := map[joconde.RecordKind]bool{}
	replayed(t, p, func(n int, l *record.Ledger) {
		step := steps[n]
		if seen[step.Kind] {
			return // one of each kind
		}
		seen[step.Kind] = true
		wanted := publics(step.Keys)
		for _, k := range keys {
			one := cast.Step{Kind: step.Kind, Body: step.Body, Keys: []*record.Key{k}}
			if !slices.Equal(publics(one.Keys), wanted) {
				refuses(t, l, one.Sign(), fmt.Sprintf("%s by %v alone", step.Kind, k), "JOC-E163")
			}
			if slices.Contains(wanted, k.Public()) {
				continue
			}
			more := cast.Step{Kind: step.Kind, Body: step.Body, Keys: append(slices.Clone(step.Keys), k)}
			refuses(t, l, more.Sign(), fmt.Sprintf("%s by %v too", step.Kind, k), "JOC-E163")
			for i := range step.Keys {
				other := slices.Clone(step.Keys)
				other[i] = k
				instead := cast.Step{Kind: step.Kind, Body: step.Body, Keys: other}
				refuses(t, l, instead.Sign(), fmt.Sprintf("%s by %v instead", step.Kind, k), "JOC-E163")
			}
		}
	})
	if len(seen) != 12 { // all but organisation, task and refusal
		t.Errorf("only %d kinds were tried", len(seen))
	}
}

func publics(keys []*record.Key) []string {
	var out []string
	for _, k := range keys {
		out = append(out, k.Public())
	}
	slices.Sort(out)
	return out
}

func TestAnOperationsSignatureIsNoPersonsConsent(t *testing.T) {
	p := cast.NewPlay()
	for _, kind := range []joconde.RecordKind{joconde.KindApproval, joconde.KindRefusal} {
		step := p.Step(joconde.Wanted{Kind: kind, Party: cast.EE, Role: joconde.InputParty})
		step.Keys = []*record.Key{cast.Key(cast.EE, cast.Operations)}
		refuses(t, p.Ledger, step.Sign(), string(kind), "JOC-E163")
	}
}

func TestARefusalByOnePartyEndsIt(t *testing.T) {
	p := cast.NewPlay()
	p.Do(p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.PT}))
	if !p.State().Ended() {
		t.Error("it goes on")
	}
}

func TestAPartysAbortIsItsAgents(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Established)
	abort := p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT})
	posing := abort
	posing.Keys = []*record.Key{cast.NodeKey(cast.PT, 1)}
	refuses(t, p.Ledger, posing.Sign(), "a node that speaks as its operator", "JOC-E163")
	posing = p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true})
	posing.Keys = abort.Keys
	refuses(t, p.Ledger, posing.Sign(), "an operator who speaks as his node", "JOC-E163")
	nobodys := p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.EE, Node: true})
	refuses(t, p.Ledger, nobodys.Sign(), "the node of a party that has none", "JOC-E165")
	blame := p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT})
	blame.Body.(*joconde.Abort).Blames = "somebody"
	refuses(t, p.Ledger, blame.Sign(), "blame for a stranger", "JOC-E174")
	blame.Body.(*joconde.Abort).Blames = cast.EE
	if _, err := p.Add(blame.Sign()); err != nil {
		t.Error(err)
	}
}

func TestEveryBitOfAnEnvelopeCounts(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Established)
	raw := p.Step(p.State().Waiting()[0]).Sign()
	for i := range raw {
		for bit := range 8 {
			bad := bytes.Clone(raw)
			bad[i] ^= 1 << bit
			if _, err := p.Check(bad); err == nil {
				t.Fatalf("byte %d, bit %d: still accepted", i, bit)
			}
		}
	}
	if _, err := p.Check(raw); err != nil {
		t.Fatal(err)
	}
}

// Every field of every record, changed after signing; no signature holds.
func TestEveryFieldIsSigned(t *testing.T) {
	p, steps := story()
	changed := 0
	replayed(t, p, func(n int, l *record.Ledger) {
		step := steps[n]
		raw := step.Sign()
		payload := record.PayloadOf(raw)
		for _, other := range mutations(t, payload) {
			bad := swap(payloadText(raw), base64Text(other))(string(raw))
			if bad == string(raw) {
				t.Fatal("the test changes nothing")
			}
			if _, err := l.Check([]byte(bad)); code(err) != "JOC-E126" {
				t.Errorf("%s: got %v for %s", step.Kind, err, other)
			}
			changed++
		}
	})
	if changed < 300 {
		t.Errorf("only %d fields were changed", changed)
	}
}

// What a record says of its task, attempt, party and what it rests on, changed
// and rightly signed: there is no place for it.
func TestARightlySignedRecordOfSomethingElseIsRefused(t *testing.T) {
	p, steps := story()
	other := joconde.Digest{1}
	replayed(t, p, func(n int, l *record.Ledger) {
		step := steps[n]
		for _, name := range []string{"Task", "Attempt", "Party", "Statement", "Nonces", "Bundles", "Inputs", "Role"} {
			body := reflect.New(reflect.TypeOf(step.Body).Elem())
			body.Elem().Set(reflect.ValueOf(step.Body).Elem())
			field := body.Elem().FieldByName(name)
			switch {
			case !field.IsValid() || step.Kind == joconde.KindInputReceipt && name == "Inputs":
				continue
			case field.Type() == reflect.TypeOf(other):
				field.Set(reflect.ValueOf(other))
			case name == "Attempt":
				field.SetInt(field.Int()%2 + 1) // the other attempt
			case name == "Party":
				field.SetString("stranger")
			case name == "Role":
				field.SetString(string(joconde.OutputParty))
				if step.Body.(*joconde.Approval).Party == cast.EU {
					field.SetString(string(joconde.InputParty))
				}
			}
			wrong := cast.Step{Kind: step.Kind, Body: body.Interface(), Keys: step.Keys}
			refuses(t, l, wrong.Sign(), fmt.Sprintf("%s with another %s", step.Kind, name),
				"JOC-E161", "JOC-E162", "JOC-E163", "JOC-E165", "JOC-E167", "JOC-E168", "JOC-E169")
		}
		for _, party := range cast.Parties() {
			body := reflect.New(reflect.TypeOf(step.Body).Elem())
			body.Elem().Set(reflect.ValueOf(step.Body).Elem())
			if field := body.Elem().FieldByName("Party"); field.String() == string(party) {
				continue
			} else {
				field.SetString(string(party))
			}
			wrong := cast.Step{Kind: step.Kind, Body: body.Interface(), Keys: step.Keys}
			refuses(t, l, wrong.Sign(), fmt.Sprintf("%s in the name of %s", step.Kind, party), "JOC-E163", "JOC-E165")
		}
	})
}

func TestRecordsOfAnotherTaskAreRefused(t *testing.T) {
	p, steps := story()
	twin := cast.NewPlay(func(t *joconde.Task) { t.Nonce = strings.Repeat("ab", 32) })
	replayed(t, p, func(n int, l *record.Ledger) {
		refuses(t, l, twin.Do(twin.Step(wanted(steps[n]))).Envelope, "the twin's "+string(steps[n].Kind), "JOC-E161")
	})
}

// wanted is who was waited for when a step was made.
func wanted(s cast.Step) joconde.Wanted {
	e, _, err := joconde.EventOf(joconde.Digest{}, s.Body)
	if err != nil {
		panic(err)
	}
	return joconde.Wanted{Kind: e.Kind, Party: e.Party, Role: e.Role, Node: e.Node}
}

func TestRecordsOfAnotherAttemptAreRefused(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Loaded)
	late := p.Step(p.State().Waiting()[0]) // a transcript that nobody has seen
	wipes := map[joconde.PartyID]bool{}
	p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.EE}))
	for p.State().Phase == joconde.Aborted {
		step := p.Step(p.State().Waiting()[0])
		if w, ok := step.Body.(*joconde.WipeReceipt); ok {
			wipes[w.Party] = true
		}
		p.Do(step)
	}
	p.Until(joconde.Loaded)
	refuses(t, p.Ledger, late.Sign(), "a transcript of the first attempt", "JOC-E167")
	now := p.Step(p.State().Waiting()[0])
	now.Keys = []*record.Key{cast.NodeKey(late.Body.(*joconde.Transcript).Party, 1)}
	refuses(t, p.Ledger, now.Sign(), "a transcript by the node of the first attempt", "JOC-E163")
	if len(wipes) != 3 {
		t.Errorf("%d nodes have wiped", len(wipes))
	}
}

func TestARecordTwiceIsHarmless(t *testing.T) {
	p, _ := story()
	count := len(p.Records())
	for _, r := range p.Records() {
		got, err := p.Add(r.Envelope)
		if !errors.Is(err, joconde.ErrDuplicate) || got != r {
			t.Errorf("%s: got %v, %v", r.Kind, got, err)
		}
	}
	if len(p.Records()) != count {
		t.Error("it was taken in twice")
	}
}

func TestASecondRecordForOnePlaceContradicts(t *testing.T) {
	p, steps := story()
	replayed(t, p, func(n int, l *record.Ledger) {
		if n == 0 {
			return
		}
		step := steps[n-1] // which is in
		at := reflect.ValueOf(step.Body).Elem().FieldByName("At")
		before := at.String()
		at.SetString("2026-01-02T11:00:00Z")
		raw := step.Sign()
		at.SetString(before)
		want := []string{"JOC-E168", "JOC-E167"}
		if step.Kind == joconde.KindNodeBundle {
			want = []string{"JOC-E170"}
		}
		refuses(t, l, raw, "a second "+string(step.Kind), want...)
	})
}

// The time of a record, not of whoever reads, decides whether the entry of its
// party is valid: a finished task can be verified for ever.
func TestEntriesAreValidAtTheTimeOfARecord(t *testing.T) {
	if time.Until(cast.Start) > 0 {
		t.Skip("this clock is before the story")
	}
	entry := cast.Entry(cast.EE)
	for _, c := range []struct {
		at   string
		want string
	}{
		{entry.ValidFrom, ""},
		{entry.ValidUntil, ""},
		{"2024-12-31T23:59:59Z", "JOC-E164"},
		{"2027-01-02T09:00:01Z", "JOC-E164"},
		{"9999-12-31T23:59:59Z", "JOC-E164"},
	} {
		p := cast.NewPlay()
		step := p.Step(joconde.Wanted{Kind: joconde.KindApproval, Party: cast.EE, Role: joconde.InputParty})
		step.Body.(*joconde.Approval).At = c.at
		if _, err := p.Add(step.Sign()); code(err) != c.want {
			t.Errorf("%s: got %v, want %s", c.at, err, c.want)
		}
	}
}

func TestABundleMustFitTheTerms(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Agreed)
	for p.State().Waiting()[0].Kind != joconde.KindNodeBundle {
		p.Do(p.Step(p.State().Waiting()[0]))
	}
	first := p.Do(p.Step(p.State().Waiting()[0]))
	step := p.Step(p.State().Waiting()[0])
	operator := step.Keys[1]
	with := func(change func(*joconde.NodeBundle), keys ...*record.Key) []byte {
		b := *step.Body.(*joconde.NodeBundle)
		change(&b)
		return cast.Step{Kind: step.Kind, Body: &b, Keys: keys}.Sign()
	}
	node := func(k *record.Key) []byte {
		keys := []*record.Key{k, operator}
		if k.Public() == operator.Public() {
			keys = keys[:1]
		}
		return with(func(b *joconde.NodeBundle) { b.ReceiptKey = k.Public() }, keys...)
	}
	refuses(t, p.Ledger, node(operator), "the operator's key as the node's", "JOC-E170")
	refuses(t, p.Ledger, node(cast.Key(cast.EE, cast.Approval)), "somebody's approval key as the node's", "JOC-E170")
	refuses(t, p.Ledger, node(cast.NodeKey(first.Body.(*joconde.NodeBundle).Party, 1)), "another node's key", "JOC-E170")
	refuses(t, p.Ledger, with(func(b *joconde.NodeBundle) { b.Evidence.Platform = "tpm" }, step.Keys...), "a platform that is not admitted", "JOC-E171")
	refuses(t, p.Ledger, with(func(b *joconde.NodeBundle) { b.Nonces = joconde.Digest{1} }, step.Keys...), "other nonces", "JOC-E168")
	p.Until(joconde.Loaded)
	p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.EE}))
	for len(p.State().Waiting()) > 0 && p.State().Waiting()[0].Kind != joconde.KindNodeBundle {
		p.Do(p.Step(p.State().Waiting()[0]))
	}
	step = p.Step(p.State().Waiting()[0])
	operator = step.Keys[1]
	refuses(t, p.Ledger, node(cast.NodeKey(step.Body.(*joconde.NodeBundle).Party, 1)), "the key of its first attempt", "JOC-E170")
}

func TestShapesThatTheTermsGive(t *testing.T) {
	p, step := receipt()
	body := *step.Body.(*joconde.InputReceipt)
	body.Inputs = slices.Clone(body.Inputs)
	body.Inputs[0].Ciphertexts = body.Inputs[0].Ciphertexts[1:]
	refuses(t, p.Ledger, cast.Step{Kind: step.Kind, Body: &body, Keys: step.Keys}.Sign(), "a node without a ciphertext", "JOC-E172")
	p.Until(joconde.Loaded)
	step = p.Step(p.State().Waiting()[0])
	script := *step.Body.(*joconde.Transcript)
	script.Outputs = slices.Clone(script.Outputs)
	script.Outputs[0].To = cast.EE
	refuses(t, p.Ledger, cast.Step{Kind: step.Kind, Body: &script, Keys: step.Keys}.Sign(), "a result for an input party", "JOC-E173")
}

func TestWhatIsNoRecordOfATaskIsRefused(t *testing.T) {
	p := cast.NewPlay()
	refuses(t, p.Ledger, cast.Organisation(cast.EE), "a directory entry", "JOC-E160")
	twin := cast.NewPlay(func(t *joconde.Task) { t.Title = "Another" })
	refuses(t, p.Ledger, twin.Envelope, "another task", "JOC-E160")
	stranger := p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: "stranger"})
	refuses(t, p.Ledger, stranger.Sign(), "the refusal of a stranger", "JOC-E162")
	for _, w := range []joconde.Wanted{
		{Kind: joconde.KindReady, Party: cast.PT, Node: true}, {Kind: joconde.KindTranscript, Party: cast.PT, Node: true}, {Kind: joconde.KindWipeReceipt, Party: cast.PT, Node: true},
	} {
		refuses(t, p.Ledger, p.Step(w).Sign(), string(w.Kind)+" before there is a node", "JOC-E165")
	}
	for _, w := range []joconde.Wanted{
		{Kind: joconde.KindAttemptNonce, Party: cast.EE}, {Kind: joconde.KindAbort, Party: cast.EE}, {Kind: joconde.KindResultReceipt, Party: cast.EU}, {Kind: joconde.KindRetry, Party: cast.EE},
	} {
		refuses(t, p.Ledger, p.Step(w).Sign(), string(w.Kind)+" before all agreed", "JOC-E167")
	}
	refuses(t, p.Ledger, p.Step(joconde.Wanted{Kind: joconde.KindApproval, Party: cast.EE, Role: joconde.OutputParty}).Sign(), "approval in a role that it has not", "JOC-E169")
}

func base64Text(raw []byte) string { return base64.StdEncoding.EncodeToString(raw) }

// mutations are a payload with one leaf changed each.
func mutations(t *testing.T, payload []byte) [][]byte {
	t.Helper()
	var out [][]byte
	var tree any
	d := json.NewDecoder(bytes.NewReader(payload))
	d.UseNumber()
	if err := d.Decode(&tree); err != nil {
		t.Fatal(err)
	}
	save := func() {
		raw, err := record.Canonical(tree)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(raw, payload) {
			t.Fatal("a mutation changes nothing")
		}
		out = append(out, raw)
	}
	var walk func(node any, set func(any))
	walk = func(node any, set func(any)) {
		switch v := node.(type) {
		case map[string]any:
			for name, item := range v {
				walk(item, func(x any) { v[name] = x })
			}
		case []any:
			for i, item := range v {
				walk(item, func(x any) { v[i] = x })
			}
		case json.Number:
			set(json.Number("1" + string(v)))
			save()
			set(v)
		case bool:
			set(!v)
			save()
			set(v)
		case string:
			set(v + "x")
			save()
			set(v)
		}
	}
	walk(tree, nil)
	return out
}
