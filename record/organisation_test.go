package record_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

func TestADirectoryEntryIsSignedByItsOwnKey(t *testing.T) {
	approval, operations := cast.Key(cast.EE, cast.Approval), cast.Key(cast.EE, cast.Operations)
	other := cast.Key(cast.AT, cast.Approval)
	mine := cast.Entry(cast.EE)
	for _, c := range []struct {
		name string
		keys []*record.Key
		want string
	}{
		{"by its approval key", []*record.Key{approval}, ""},
		{"by its operations key", []*record.Key{operations}, "JOC-E146"},
		{"by both", []*record.Key{approval, operations}, "JOC-E146"},
		{"by somebody else", []*record.Key{other}, "JOC-E146"},
		{"by somebody else too", []*record.Key{approval, other}, "JOC-E146"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := record.OpenOrganisation(sign(joconde.KindOrganisation, mine, c.keys...), nil)
			if code(err) != c.want {
				t.Errorf("got %v", err)
			}
			if err == nil && r.Body.(*joconde.Organisation).Party != cast.EE {
				t.Error("it is another's")
			}
		})
	}
	if _, err := record.OpenOrganisation(cast.NewPlay().Envelope, nil); code(err) != "JOC-E140" {
		t.Errorf("a task: %v", err)
	}
	if _, err := record.OpenOrganisation([]byte("{}"), nil); code(err) != "JOC-E121" {
		t.Errorf("not an envelope: %v", err)
	}
}

func sign(kind joconde.RecordKind, body any, keys ...*record.Key) []byte {
	return cast.Step{Kind: kind, Body: body, Keys: keys}.Sign()
}

// successor is an entry of EE that replaces the given one.
func successor(before *record.Record, change func(*joconde.Organisation)) *joconde.Organisation {
	next := cast.Entry(cast.EE)
	next.Contact = "a new address"
	if before != nil {
		next.Predecessor = &before.ID
	}
	change(next)
	return next
}

func TestAnEntryIsReplacedOnlyByWhoeverHadTheKey(t *testing.T) {
	first := open(t, cast.Organisation(cast.EE), nil)
	others := open(t, cast.Organisation(cast.AT), nil)
	old, fresh := cast.Key(cast.EE, cast.Approval), cast.Key(cast.EE, "approval, second")
	same := func(*joconde.Organisation) {}
	newKey := func(o *joconde.Organisation) { o.ApprovalKey = fresh.Public() }
	for _, c := range []struct {
		name   string
		before *record.Record // given to the reader
		names  *record.Record // named by the entry
		change func(*joconde.Organisation)
		keys   []*record.Key
		want   string
	}{
		{"the same key", first, first, same, []*record.Key{old}, ""},
		{"a new key", first, first, newKey, []*record.Key{old, fresh}, ""},
		{"a new key, without the old one", first, first, newKey, []*record.Key{fresh}, "JOC-E146"},
		{"a new key that did not sign", first, first, newKey, []*record.Key{old}, "JOC-E146"},
		{"the entry before is not given", nil, first, same, []*record.Key{old}, "JOC-E142"},
		{"the entry before is not named", first, nil, same, []*record.Key{old}, "JOC-E141"},
		{"another entry is named", first, others, same, []*record.Key{old}, "JOC-E143"},
		{"another party's entry", others, others, newKey, []*record.Key{cast.Key(cast.AT, cast.Approval), fresh}, "JOC-E144"},
		{"no entry at all", cast.NewPlay().Records()[0], cast.NewPlay().Records()[0], same, []*record.Key{old}, "JOC-E143"},
		{"the agent's key becomes the person's", first, first, func(o *joconde.Organisation) {
			o.ApprovalKey, o.OperationsKey = o.OperationsKey, fresh.Public()
		}, []*record.Key{old, cast.Key(cast.EE, cast.Operations)}, "JOC-E145"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := record.OpenOrganisation(sign(joconde.KindOrganisation, successor(c.names, c.change), c.keys...), c.before)
			if code(err) != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func open(t *testing.T, raw []byte, before *record.Record) *record.Record {
	t.Helper()
	r, err := record.OpenOrganisation(raw, before)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAPartyMayHaveAChainOfEntries(t *testing.T) {
	first := open(t, cast.Organisation(cast.EE), nil)
	chain := []*record.Record{first}
	key := cast.Key(cast.EE, cast.Approval)
	for _, name := range []string{"second", "third"} {
		fresh := cast.Key(cast.EE, name)
		next := successor(chain[len(chain)-1], func(o *joconde.Organisation) { o.ApprovalKey = fresh.Public() })
		chain = append(chain, open(t, sign(joconde.KindOrganisation, next, key, fresh), chain[len(chain)-1]))
		key = fresh
	}
	terms := cast.Terms()
	for i := range terms.Parties {
		if terms.Parties[i].Party == cast.EE {
			terms.Parties[i].Record = chain[2].ID
		}
	}
	task := sign(joconde.KindTask, terms, cast.Key(cast.EU, cast.Approval))
	others := slices.DeleteFunc(cast.Organisations(), func(raw []byte) bool { return string(raw) == string(first.Envelope) })
	given := func(r ...*record.Record) [][]byte {
		out := slices.Clone(others)
		for _, r := range r {
			out = append([][]byte{r.Envelope}, out...)
		}
		return out
	}
	for _, c := range []struct {
		name  string
		given [][]byte
		want  string
	}{
		{"in order", given(chain[2], chain[1], first), ""},
		{"the other way round", given(first, chain[1], chain[2]), ""},
		{"without the first", given(chain[2], chain[1]), "JOC-E142"},
		{"without the second", given(chain[2], first), "JOC-E142"},
		{"without the last", given(chain[1], first), "JOC-E153"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := record.NewLedger(task, c.given)
			if code(err) != c.want {
				t.Fatalf("got %v", err)
			}
			if err == nil && l.Organisation(cast.EE).ApprovalKey != key.Public() {
				t.Error("the entry is not the last of the chain")
			}
		})
	}
}

func TestATaskIsTheProposersAndNamesEveryEntry(t *testing.T) {
	eu := cast.Key(cast.EU, cast.Approval)
	terms := func(change func(*joconde.Task)) *joconde.Task {
		t := cast.Terms()
		change(t)
		return t
	}
	id := func(p joconde.PartyID, change func(*joconde.Organisation)) (joconde.Digest, []byte) {
		o := cast.Entry(p)
		change(o)
		raw := sign(joconde.KindOrganisation, o, cast.Key(p, cast.Approval))
		r, err := record.OpenOrganisation(raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r.ID, raw
	}
	same := func(*joconde.Task) {}
	all := cast.Organisations()
	expired, expiredRaw := id(cast.AT, func(o *joconde.Organisation) { o.ValidUntil = "2026-01-02T09:59:59Z" })
	early, earlyRaw := id(cast.AT, func(o *joconde.Organisation) { o.ValidFrom = "2026-01-02T10:00:01Z" })
	thief, thiefRaw := id(cast.AT, func(o *joconde.Organisation) { o.OperationsKey = cast.Key(cast.PT, cast.Operations).Public() })
	both, bothRaw := id(cast.AT, func(o *joconde.Organisation) { o.OperationsKey = cast.Key(cast.PT, cast.Approval).Public() })
	member := func(d joconde.Digest) func(*joconde.Task) { return func(t *joconde.Task) { t.Parties[0].Record = d } }
	stranger := cast.Organisation("stranger")
	for _, c := range []struct {
		name          string
		task          []byte
		organisations [][]byte
		want          string
	}{
		{"a task", sign(joconde.KindTask, terms(same), eu), all, ""},
		{"and a stranger's entry beside", sign(joconde.KindTask, terms(same), eu), append([][]byte{stranger}, all...), ""},
		{"by the proposer's agent", sign(joconde.KindTask, terms(same), cast.Key(cast.EU, cast.Operations)), all, "JOC-E152"},
		{"by another party", sign(joconde.KindTask, terms(same), cast.Key(cast.EE, cast.Approval)), all, "JOC-E152"},
		{"by another party too", sign(joconde.KindTask, terms(same), eu, cast.Key(cast.EE, cast.Approval)), all, "JOC-E152"},
		{"proposed by a stranger", sign(joconde.KindTask, terms(func(t *joconde.Task) { t.Proposer = "stranger" }), cast.Key("stranger", cast.Approval)), all, "JOC-T117"},
		{"without an entry", sign(joconde.KindTask, terms(same), eu), all[1:], "JOC-E153"},
		{"without entries", sign(joconde.KindTask, terms(same), eu), nil, "JOC-E153"},
		{"an entry twice", sign(joconde.KindTask, terms(same), eu), append([][]byte{all[0]}, all...), "JOC-E147"},
		{"an entry that is none", sign(joconde.KindTask, terms(same), eu), append([][]byte{cast.NewPlay().Envelope}, all...), "JOC-E140"},
		{"a broken entry that nobody needs", sign(joconde.KindTask, terms(same), eu), append([][]byte{stranger[1:]}, all...), "JOC-E121"},
		{"another party's entry", sign(joconde.KindTask, terms(func(t *joconde.Task) { t.Parties[0].Record = t.Parties[1].Record }), eu), all, "JOC-E154"},
		{"an entry that has expired when approval ends", sign(joconde.KindTask, terms(member(expired)), eu), append([][]byte{expiredRaw}, all...), "JOC-E155"},
		{"an entry that is not valid yet", sign(joconde.KindTask, terms(member(early)), eu), append([][]byte{earlyRaw}, all...), "JOC-E155"},
		{"two parties with one operations key", sign(joconde.KindTask, terms(member(thief)), eu), append([][]byte{thiefRaw}, all...), "JOC-E156"},
		{"one's operations key is another's approval key", sign(joconde.KindTask, terms(member(both)), eu), append([][]byte{bothRaw}, all...), "JOC-E156"},
		{"an entry instead of a task", all[0], all, "JOC-E150"},
		{"nothing", nil, all, "JOC-E121"},
		{"terms that contradict themselves", sign(joconde.KindTask, terms(func(t *joconde.Task) { t.Parties[0].Roles = []joconde.Role{"output", "input"} }), eu), all, "JOC-T113"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := record.NewLedger(c.task, c.organisations); code(err) != c.want {
				t.Errorf("got %s: %v", code(err), err)
			}
		})
	}
}

func TestFieldsHaveFormsAndLimits(t *testing.T) {
	play, steps := story()
	bodies := map[joconde.RecordKind]any{joconde.KindOrganisation: cast.Entry(cast.EE), joconde.KindTask: cast.Terms(),
		joconde.KindRefusal: play.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.EE}).Body}
	for _, s := range steps {
		bodies[s.Kind] = s.Body
	}
	if len(bodies) != len(record.Kinds()) {
		t.Fatalf("%d of %d kinds", len(bodies), len(record.Kinds()))
	}
	// An X25519 point with which every secret is zero.
	weak := cast.Entry(cast.EE).ResultKey[:2*1184] + strings.Repeat("00", 32)
	unreduced := "ffffff" + cast.Entry(cast.EE).ResultKey[6:]
	for _, c := range []struct {
		name, kind, from, to string
	}{
		{"the agent's key is the person's", "organisation", cast.Entry(cast.EE).OperationsKey, cast.Entry(cast.EE).ApprovalKey},
		{"a result key that gives away every secret", "organisation", cast.Entry(cast.EE).ResultKey, weak},
		{"a result key out of range", "organisation", cast.Entry(cast.EE).ResultKey, unreduced},
		{"a result key that is too short", "organisation", `"result_key":"` + cast.Entry(cast.EE).ResultKey[:2], `"result_key":"`},
		{"no legal name", "organisation", `"Test organisation ee"`, `""`},
		{"a name that is shown the other way round", "organisation", `"Test organisation ee"`, "\"Test \u202eee\""},
		{"a name of two lines", "organisation", `"Test organisation ee"`, `"Test\nee"`},
		{"a name with a control character", "organisation", `"Test organisation ee"`, `"Test\u001bee"`},
		{"a long name", "organisation", `"Test organisation ee"`, `"` + strings.Repeat("x", 201) + `"`},
		{"valid until before it is valid", "organisation", `"valid_until":"2027`, `"valid_until":"2024`},
		{"another format", "task", `"format":1`, `"format":2`},
		{"no title", "task", `"Wages by region"`, `""`},
		{"a source that is shown the other way round", "task", `(id BIGINT`, "(\u2066id BIGINT"},
		{"a role that is not", "task", `["input"]`, `["king"]`},
		{"no attempt", "task", `"attempts":2`, `"attempts":0`},
		{"many attempts", "task", `"attempts":2`, `"attempts":4`},
		{"a measurement twice", "task", `["sim:node"]`, `["sim:node","sim:node"]`},
		{"no measurement", "task", `["sim:node"]`, `[]`},
		{"a short nonce", "task", `"nonce":"` + cast.Terms().Nonce[:2], `"nonce":"`},
		{"a negative bound", "task", `"rows":100`, `"rows":-1`},
		{"a role that is not", "approval", `"role":"computing"`, `"role":"king"`},
		{"a reason in free text", "refusal", `"declined"`, `"Mr Smith has 3 children"`},
		{"a reason in free text", "abort", `"person"`, `"Mr Smith has 3 children"`},
		{"a fourth attempt", "abort", `"attempt":1`, `"attempt":4`},
		{"a long nonce", "attempt-nonce", `"nonce":"`, `"nonce":"00`},
		{"an address without a port", "node-bundle", `"127.0.0.1:4000"`, `"127.0.0.1"`},
		{"port zero", "node-bundle", `"127.0.0.1:4000"`, `"127.0.0.1:0"`},
		{"a port written in two ways", "node-bundle", `"127.0.0.1:4000"`, `"127.0.0.1:04000"`},
		{"a port that is not", "node-bundle", `"127.0.0.1:4000"`, `"127.0.0.1:65536"`},
		{"an address without a host", "node-bundle", `"127.0.0.1:4000"`, `":4000"`},
		{"no evidence", "node-bundle", `"raw":"00"`, `"raw":""`},
		{"evidence that is no hex", "node-bundle", `"raw":"00"`, `"raw":"0"`},
		{"the end in free text", "wipe-receipt", `"exit":"done"`, `"exit":"well"`},
		{"destroyed twice", "wipe-receipt", `["shares","keys"]`, `["keys","keys"]`},
		{"an output for nobody", "transcript", `"to":"eu"`, `"to":""`},
		{"no output", "transcript", payloadPart(bodies["transcript"], "outputs"), `"outputs":[]`},
		{"negative rounds", "transcript", `"rounds":12`, `"rounds":-12`},
		{"no commitment", "input-receipt", payloadPart(bodies["input-receipt"], "commitments"), `"commitments":[]`},
		{"no ciphertext", "input-receipt", payloadPart(bodies["input-receipt"], "ciphertexts"), `"ciphertexts":[]`},
		{"an input twice", "input-receipt", payloadPart(bodies["input-receipt"], "inputs"), twice(payloadPart(bodies["input-receipt"], "inputs"))},
		{"the digest of nothing", "ready", strings.Repeat("x", 0), ""},
	} {
		t.Run(c.kind+", "+c.name, func(t *testing.T) {
			kind := joconde.RecordKind(c.kind)
			good, err := record.Canonical(bodies[kind])
			if err != nil {
				t.Fatal(err)
			}
			bad := strings.Replace(string(good), c.from, c.to, 1)
			if c.from == "" {
				i := strings.Index(bad, `"inputs":"sha256:`) + len(`"inputs":"sha256:`)
				bad = bad[:i] + hex.EncodeToString(make([]byte, 32)) + bad[i+64:]
			}
			if bad == string(good) {
				t.Fatal("the test changes nothing")
			}
			key := cast.Key(cast.EE, cast.Approval)
			if _, err := record.Peek(record.SealBytes(record.PayloadType(kind), good, key)); err != nil {
				t.Fatalf("unchanged: %v", err)
			}
			_, err = record.Peek(record.SealBytes(record.PayloadType(kind), []byte(bad), key))
			if code(err) != "JOC-E128" {
				t.Fatalf("got %s: %v", code(err), err)
			}
			for _, shown := range []string{"Smith", "king", "well"} {
				if strings.Contains(err.Error(), shown) {
					t.Errorf("the error quotes the field: %v", err)
				}
			}
		})
	}
}

// payloadPart is the text of a list in a payload, with its name.
func payloadPart(body any, name string) string {
	raw, err := record.Canonical(body)
	if err != nil {
		panic(err)
	}
	from := strings.Index(string(raw), `"`+name+`":[`)
	depth := 0
	for i := from; ; i++ {
		switch raw[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return string(raw[from : i+1])
			}
		}
	}
}

// twice doubles the only item of a list.
func twice(list string) string {
	from := strings.Index(list, "[") + 1
	item := list[from : len(list)-1]
	return list[:from] + item + "," + item + "]"
}
