package audit_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/merkle/testonly"
	"golang.org/x/mod/sumdb/note"

	"joconde"
	"joconde/audit"
	"joconde/internal/cast"
	"joconde/record"
)

var update = flag.Bool("update", false, "write the golden files again")

// The log key of the tests: everybody can sign with it.
const (
	logPrivate = "PRIVATE+KEY+joconde-log-test+41b9f328+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
)

func logVerifier(t testing.TB) string {
	t.Helper()
	verifier, err := audit.VerifierOf(logPrivate)
	must(t, err)
	return verifier
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// willing are Deps that agree with the terms of the cast.
func willing() audit.Deps {
	return audit.Deps{
		Recompile: func(t *joconde.Task) (joconde.Digest, joconde.Digest, error) { return t.Program, t.Statement, nil },
		Appraise: func(_ *joconde.Task, n *joconde.NodeBundle) error {
			if n.Evidence.Raw != "00" {
				return errors.New("the evidence is not of the test")
			}
			return nil
		},
	}
}

func logged(t testing.TB) func(*joconde.Task) {
	return func(terms *joconde.Task) { terms.LogKey = logVerifier(t) }
}

// alone is a task in which one party does everything: the smallest there is.
func alone(terms *joconde.Task) {
	terms.Parties = slices.DeleteFunc(terms.Parties, func(m joconde.Member) bool { return m.Party != cast.EU })
	terms.Parties[0].Roles = []joconde.Role{joconde.ComputingParty, joconde.InputParty, joconde.OutputParty}
	terms.Computing = slices.DeleteFunc(terms.Computing, func(p joconde.Place) bool { return p.Party != cast.EU })
	terms.Source, terms.Purpose, terms.Title = "x\n", "x", "x"
	terms.Rows = terms.Rows[:1]
}

// bundleOf logs envelopes, among records of other tasks, and bundles them. The
// tree is another implementation than that of package tlog.
func bundleOf(t testing.TB, organisations, envelopes [][]byte) *audit.Bundle {
	t.Helper()
	tree := testonly.New(rfc6962.DefaultHasher)
	add := func(leaf []byte) uint64 { tree.AppendData(entry(leaf)); return tree.Size() - 1 }
	var indexes []uint64
	for i, envelope := range envelopes {
		if i%3 == 0 {
			add(fmt.Appendf(nil, "somebody else's record %d", i))
		}
		indexes = append(indexes, add(envelope))
	}
	signer, err := note.NewSigner(logPrivate)
	must(t, err)
	text := log.Checkpoint{Origin: signer.Name(), Size: tree.Size(), Hash: tree.Hash()}.Marshal()
	checkpoint, err := note.Sign(&note.Note{Text: string(text)}, signer)
	must(t, err)
	proofs := make([]audit.Proof, len(indexes))
	for i, index := range indexes {
		path, err := tree.InclusionProof(index, tree.Size())
		must(t, err)
		proofs[i] = audit.NewProof(index, path)
	}
	b, err := audit.NewBundle(organisations, envelopes, proofs, checkpoint)
	must(t, err)
	return b
}

func file(t testing.TB, b *audit.Bundle) []byte {
	t.Helper()
	data, err := b.Bytes()
	must(t, err)
	return data
}

func explain(r *audit.Report) string {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// statuses are the checks that are not passed, in words.
func statuses(r *audit.Report, want audit.Status) []string {
	out := []string{}
	for i := range r.Checks {
		if r.Checks[i].Status == want {
			out = append(out, r.Checks[i].ID)
		}
	}
	return out
}

func TestAFileIsValidAtEveryPointOfATasksLife(t *testing.T) {
	notYet := func(ids ...string) []string { return ids }
	for _, test := range []struct {
		story  string
		play   func(*cast.Play)
		state  string
		absent []string
	}{
		{"proposed", func(*cast.Play) {}, "Proposed", notYet(audit.AgreementAll, audit.NodesEndorsed, audit.NodesEvidence, audit.NodesAccepted,
			audit.InputsCommitted, audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"refused by one", func(p *cast.Play) { p.Do(p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.PT})) }, "Refused",
			notYet(audit.AgreementAll, audit.NodesEndorsed, audit.NodesEvidence, audit.NodesAccepted,
				audit.InputsCommitted, audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"agreed", func(p *cast.Play) { p.Until(joconde.Agreed) }, "Agreed", notYet(audit.NodesEndorsed, audit.NodesEvidence, audit.NodesAccepted,
			audit.InputsCommitted, audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"established", func(p *cast.Play) { p.Until(joconde.Established) }, "Established", notYet(audit.InputsCommitted, audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"loaded", func(p *cast.Play) { p.Until(joconde.Loaded) }, "Loaded", notYet(audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"computed", func(p *cast.Play) { p.Until(joconde.Computed) }, "Computed", notYet(audit.ResultDelivered, audit.WipeReceipts)},
		{"closed", func(p *cast.Play) { p.Out() }, "Closed", notYet()},
		{"aborted before there was a node", func(p *cast.Play) {
			p.Until(joconde.Agreed)
			p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.AT}))
		}, "Aborted", notYet(audit.NodesEndorsed, audit.NodesEvidence, audit.NodesAccepted, audit.InputsCommitted, audit.ResultTranscripts, audit.ResultDelivered)},
		{"aborted by a node, a retry open", func(p *cast.Play) {
			p.Until(joconde.Loaded)
			p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true}))
		}, "Aborted", notYet(audit.ResultTranscripts, audit.ResultDelivered, audit.WipeReceipts)},
		{"closed in the second attempt", func(p *cast.Play) {
			p.Until(joconde.Loaded)
			p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true}))
			p.Until(joconde.Agreed).Out()
		}, "Closed", notYet()},
		{"ended after the second attempt", func(p *cast.Play) {
			p.Until(joconde.Established)
			p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true}))
			p.Until(joconde.Agreed).Until(joconde.Loaded)
			p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.EU}))
			p.Out()
		}, "Ended", notYet(audit.ResultTranscripts, audit.ResultDelivered)},
	} {
		t.Run(test.story, func(t *testing.T) {
			p := cast.NewPlay(logged(t))
			test.play(p)
			r := audit.Verify(file(t, bundleOf(t, cast.Organisations(), p.Envelopes())), willing())
			_, id := p.Task()
			if !r.Valid || r.State != test.state || r.Task != id.String() {
				t.Errorf("want a valid file of state %s, got %s", test.state, explain(r))
			}
			if absent := statuses(r, audit.Absent); !slices.Equal(absent, test.absent) {
				t.Errorf("absent are %v, want %v", absent, test.absent)
			}
			if sim := len(p.State().Open()) > 0 || r.State == "Closed"; sim && !r.Development {
				t.Error("sim took part and the report does not say so")
			}
		})
	}
}

func TestWhatIsWrongFailsTheRightCheck(t *testing.T) {
	closed := cast.NewPlay(logged(t)).Out()
	envelopes := closed.Envelopes()
	good := bundleOf(t, cast.Organisations(), envelopes)
	find := func(kind joconde.RecordKind, party joconde.PartyID) int {
		for i, r := range closed.Records() {
			if e, _, err := joconde.EventOf(r.ID, r.Body); err == nil && r.Kind == kind && e.Party == party {
				return i
			}
		}
		t.Fatalf("there is no %s of %s", kind, party)
		return 0
	}
	without := func(kind joconde.RecordKind, party joconde.PartyID) func(*audit.Bundle) {
		return func(b *audit.Bundle) { i := find(kind, party); b.Records = slices.Delete(b.Records, i, i+1) }
	}
	// relog is what a log does that signs anything: every proof is right.
	relog := func(change func([][]byte) [][]byte) *audit.Bundle {
		return bundleOf(t, cast.Organisations(), change(slices.Clone(envelopes)))
	}
	_, otherVerifier, err := audit.NewLogKey()
	must(t, err)
	otherTask := cast.NewPlay(logged(t), func(terms *joconde.Task) { terms.Title = "Another task" }).Until(joconde.Agreed)
	otherLog := cast.NewPlay(func(terms *joconde.Task) { terms.LogKey = otherVerifier }).Out()
	unsigned := func(i int, key *record.Key) []byte {
		r := closed.Records()[i]
		envelope, err := record.Sign(r.Kind, r.Body, key)
		must(t, err)
		return envelope
	}
	for _, test := range []struct {
		story  string
		bundle *audit.Bundle
		change func(*audit.Bundle)
		deps   func(*audit.Deps)
		first  string
	}{
		{"there is no record", good, func(b *audit.Bundle) { b.Records = []audit.Entry{} }, nil, audit.FileCanonical},
		{"another format", good, func(b *audit.Bundle) { b.Format = 2 }, nil, audit.FileCanonical},
		{"base64 with a line end inside", good, func(b *audit.Bundle) {
			b.Records[0].Envelope = b.Records[0].Envelope[:4] + "\n" + b.Records[0].Envelope[4:]
		}, nil, audit.FileCanonical},
		{"an entry stands twice", good, func(b *audit.Bundle) { b.Organisations = append(b.Organisations, b.Organisations[0]) }, nil, audit.DirectoryOrganisations},
		{"an entry is a task", good, func(b *audit.Bundle) { b.Organisations[0] = b.Records[0].Envelope }, nil, audit.DirectoryOrganisations},
		{"a party's entry is not there", good, func(b *audit.Bundle) { b.Organisations = b.Organisations[1:] }, nil, audit.TaskSignature},
		{"the first record is no task", good, func(b *audit.Bundle) { b.Records = b.Records[1:] }, nil, audit.TaskSignature},
		{"the program is another", good, nil, func(d *audit.Deps) {
			d.Recompile = func(t *joconde.Task) (joconde.Digest, joconde.Digest, error) {
				return joconde.Digest{1}, t.Statement, nil
			}
		}, audit.TaskProgram},
		{"the source does not compile", good, nil, func(d *audit.Deps) {
			d.Recompile = func(*joconde.Task) (joconde.Digest, joconde.Digest, error) {
				return joconde.Digest{}, joconde.Digest{}, errors.New("line 1: not SQL")
			}
		}, audit.TaskProgram},
		{"the statement is another", good, nil, func(d *audit.Deps) {
			d.Recompile = func(t *joconde.Task) (joconde.Digest, joconde.Digest, error) {
				return t.Program, joconde.Digest{1}, nil
			}
		}, audit.TaskStatement},
		{"the checkpoint is of another log", bundleOf(t, cast.Organisations(), otherLog.Envelopes()), nil, nil, audit.LogCheckpoint},
		{"a record has another record's proof", good, func(b *audit.Bundle) { b.Records[3].Proof = b.Records[4].Proof }, nil, audit.LogInclusion},
		{"a record was never logged", good, func(b *audit.Bundle) {
			b.Records = append(b.Records, audit.Entry{Envelope: base64.StdEncoding.EncodeToString(otherTask.Envelopes()[1]), Proof: b.Records[1].Proof})
		}, nil, audit.LogInclusion},
		{"two records stand in another order", good, func(b *audit.Bundle) { b.Records[1], b.Records[2] = b.Records[2], b.Records[1] }, nil, audit.LogOrder},
		{"a record stands twice", good, func(b *audit.Bundle) { b.Records = slices.Insert(b.Records, 1, b.Records[1]) }, nil, audit.LogOrder},
		{"an approval is left out", good, without(joconde.KindApproval, cast.EE), nil, audit.NodesEndorsed},
		{"an approval is of another task", relog(func(e [][]byte) [][]byte { e[1] = otherTask.Envelopes()[1]; return e }), nil, nil, audit.AgreementAll},
		{"an approval is signed by the operations key", relog(func(e [][]byte) [][]byte {
			i := find(joconde.KindApproval, cast.EE)
			e[i] = unsigned(i, cast.Key(cast.EE, cast.Operations))
			return e
		}), nil, nil, audit.AgreementAll},
		{"an operator has not endorsed its node", relog(func(e [][]byte) [][]byte {
			i := find(joconde.KindNodeBundle, cast.PT)
			e[i] = unsigned(i, cast.NodeKey(cast.PT, 1))
			return e
		}), nil, nil, audit.NodesEndorsed},
		{"a nonce is left out", good, without(joconde.KindAttemptNonce, cast.AT), nil, audit.NodesEndorsed},
		{"a node's evidence does not verify", good, nil, func(d *audit.Deps) {
			d.Appraise = func(_ *joconde.Task, n *joconde.NodeBundle) error {
				if n.Party == cast.PT {
					return errors.New("the chip is not on the list")
				}
				return nil
			}
		}, audit.NodesEvidence},
		{"an acceptance is left out", good, without(joconde.KindAcceptance, cast.EE), nil, audit.InputsCommitted},
		{"an input receipt is left out", good, without(joconde.KindInputReceipt, cast.EE), nil, audit.InputsCommitted},
		{"a node's readiness is left out", good, without(joconde.KindReady, cast.PT), nil, audit.ResultTranscripts},
		{"a transcript is left out", good, without(joconde.KindTranscript, cast.PT), nil, audit.ResultDelivered},
		{"a wipe receipt is not countersigned", relog(func(e [][]byte) [][]byte {
			i := find(joconde.KindWipeReceipt, cast.PT)
			e[i] = unsigned(i, cast.NodeKey(cast.PT, 1))
			return e
		}), nil, nil, audit.WipeReceipts},
		{"an abort after the end", relog(func(e [][]byte) [][]byte {
			_, id := closed.Task()
			late := cast.Step{Kind: joconde.KindAbort, Keys: []*record.Key{cast.Key(cast.EE, cast.Operations)},
				Body: &joconde.Abort{Task: id, Attempt: 1, Party: cast.EE, Reason: "person", At: joconde.FormatTime(cast.Start)}}
			return append(e, late.Sign())
		}), nil, nil, audit.LifeState},
	} {
		t.Run(test.story, func(t *testing.T) {
			b, err := audit.OpenBundle(file(t, test.bundle))
			must(t, err)
			if test.change != nil {
				test.change(b)
			}
			deps := willing()
			if test.deps != nil {
				test.deps(&deps)
			}
			r := audit.Verify(file(t, b), deps)
			if first, failed := r.FirstFailure(); r.Valid || !failed || first.ID != test.first {
				t.Errorf("the first failure is %q, want %s: %s", first.ID, test.first, explain(r))
			}
		})
	}
	if r := audit.Verify(file(t, good), willing()); !r.Valid {
		t.Errorf("the bundle that was changed above was not good: %s", explain(r))
	}
}

func TestWhatCannotBeCheckedIsNotValid(t *testing.T) {
	data := file(t, bundleOf(t, cast.Organisations(), cast.NewPlay(logged(t)).Out().Envelopes()))
	for story, test := range map[string]struct {
		deps   audit.Deps
		absent []string
	}{
		"nothing at hand": {audit.Deps{}, []string{audit.TaskProgram, audit.TaskStatement, audit.NodesEvidence}},
		"no compiler":     {audit.Deps{Appraise: willing().Appraise}, []string{audit.TaskProgram, audit.TaskStatement}},
		"no platforms":    {audit.Deps{Recompile: willing().Recompile}, []string{audit.NodesEvidence}},
	} {
		r := audit.Verify(data, test.deps)
		if absent := statuses(r, audit.Absent); r.Valid || !slices.Equal(absent, test.absent) {
			t.Errorf("%s: want %v absent and not valid, got %s", story, test.absent, explain(r))
		}
	}
}

// A receipt that is left out at the end is not seen, and the state says less.
func TestAFileWithoutTheWipeReceiptsIsNotClosed(t *testing.T) {
	p := cast.NewPlay(logged(t)).Out()
	envelopes := slices.DeleteFunc(p.Envelopes(), func(envelope []byte) bool {
		u, err := record.Peek(envelope)
		must(t, err)
		return u.Kind == joconde.KindWipeReceipt
	})
	r := audit.Verify(file(t, bundleOf(t, cast.Organisations(), envelopes)), willing())
	life := r.Checks[len(r.Checks)-1]
	if r.State != "Computed" || !strings.Contains(life.Detail, "WipeUnconfirmed") {
		t.Errorf("want Computed and WipeUnconfirmed, got %s", explain(r))
	}
}

func minimal(t testing.TB) []byte {
	p := cast.NewPlay(logged(t), alone).Out()
	return file(t, bundleOf(t, [][]byte{cast.Organisation(cast.EU)}, p.Envelopes()))
}

// The file is a vector: whoever writes another verifier can try it on this.
func TestTheMinimalBundleIsAlwaysTheSame(t *testing.T) {
	data := minimal(t)
	path := filepath.Join("testdata", "minimal.bundle.json")
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, data, 0o644))
	}
	golden, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(data, golden) {
		t.Error("the format has changed: if it was meant to, write the file with -update and say why")
	}
	if r := audit.Verify(golden, willing()); !r.Valid || r.State != "Closed" {
		t.Error(explain(r))
	}
}

// region is a part of a bundle file and the checks that a changed byte there
// may fail first. Everywhere a byte may make it no bundle file at all.
type region struct {
	from, to int
	check    string
}

func regions(t *testing.T, data []byte) []region {
	t.Helper()
	b, err := audit.OpenBundle(data)
	must(t, err)
	var out []region
	at := 0
	next := func(text, check string) {
		i := bytes.Index(data[at:], []byte(text))
		if i < 0 {
			t.Fatalf("%.20s… is not in the file", text)
		}
		out = append(out, region{at + i, at + i + len(text), check})
		at += i + len(text)
	}
	next(b.Checkpoint, audit.LogCheckpoint)
	next(`"organisations":[`, audit.FileCanonical)
	for _, o := range b.Organisations {
		next(o, audit.DirectoryOrganisations)
	}
	for i := range b.Records {
		check := audit.LogInclusion
		if i == 0 {
			check = audit.TaskSignature
		}
		next(b.Records[i].Envelope, check)
		next(fmt.Sprintf(`"index":%d`, b.Records[i].Proof.Index), audit.LogInclusion)
		for _, hash := range b.Records[i].Proof.Path {
			next(hash, audit.LogInclusion)
		}
	}
	return out
}

// Every byte, flipped in one bit (every bit where the file's structure is):
// never valid, and the check that fails is the one of that place.
func TestAFlippedByteIsNeverValid(t *testing.T) {
	data := minimal(t)
	where := regions(t, data)
	wanted := func(i int) string {
		for _, r := range where {
			if r.from <= i && i < r.to {
				return r.check
			}
		}
		return audit.FileCanonical
	}
	step := 1
	if testing.Short() {
		step = 37
	}
	var wait sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for worker := range workers {
		wait.Go(func() {
			for i := worker * step; i < len(data); i += workers * step {
				want := wanted(i)
				masks := []byte{1 << (i % 8)}
				if want == audit.FileCanonical {
					masks = []byte{1, 2, 4, 8, 16, 32, 64, 128}
				}
				for _, mask := range masks {
					changed := bytes.Clone(data)
					changed[i] ^= mask
					r := audit.Verify(changed, willing())
					first, failed := r.FirstFailure()
					if r.Valid || !failed || first.ID != want && first.ID != audit.FileCanonical {
						t.Errorf("byte %d with %#x: valid %v, first failure %q, want %s", i, mask, r.Valid, first.ID, want)
						return
					}
				}
			}
		})
	}
	wait.Wait()
	t.Logf("%d bytes", len(data))
}

func TestACutOrLongerFileIsNeverValid(t *testing.T) {
	data := minimal(t)
	for _, changed := range [][]byte{nil, {}, data[:len(data)-1], data[:len(data)/2], append(bytes.Clone(data), '\n'), append([]byte(" "), data...),
		append([]byte("\ufeff"), data...), append(bytes.Clone(data), data...), []byte("null"), []byte("{}"), []byte("[]")} {
		r := audit.Verify(changed, willing())
		if first, _ := r.FirstFailure(); r.Valid || first.ID != audit.FileCanonical {
			t.Errorf("%.30q…: %s", changed, explain(r))
		}
	}
}

func TestEveryCheckSaysWhatItProves(t *testing.T) {
	r := audit.Verify(nil, audit.Deps{})
	seen := map[string]bool{}
	for i := range r.Checks {
		c := &r.Checks[i]
		if seen[c.ID] || !strings.HasSuffix(c.Proves, ".") || c.Detail == "" {
			t.Errorf("%+v", c)
		}
		seen[c.ID] = true
	}
	if len(seen) != 17 || len(r.NotProven) == 0 {
		t.Errorf("%d checks", len(seen))
	}
	formats, err := os.ReadFile(filepath.Join("..", "docs", "formats.md"))
	must(t, err)
	for id := range seen {
		if !bytes.Contains(formats, []byte("`"+id+"`")) {
			t.Errorf("docs/formats.md does not have %s", id)
		}
	}
}

func FuzzVerify(f *testing.F) {
	data := minimal(f)
	f.Add(data)
	f.Add([]byte(`{"checkpoint":"","format":1,"organisations":[],"records":[{"envelope":"","proof":{"index":0,"path":[]}}]}`))
	f.Fuzz(func(t *testing.T, changed []byte) {
		r := audit.Verify(changed, willing())
		if r.Valid && !bytes.Equal(changed, data) {
			// Only a prefix of the records, or unused entries, may differ.
			b, err := audit.OpenBundle(changed)
			must(t, err)
			whole, err := audit.OpenBundle(data)
			must(t, err)
			if b.Records[0].Envelope != whole.Records[0].Envelope {
				t.Fatalf("a file that nobody signed is valid: %s", explain(r))
			}
		}
	})
}

func FuzzOpenBundle(f *testing.F) {
	f.Add(minimal(f))
	f.Add([]byte(`{"checkpoint":"","format":1,"organisations":[],"records":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := audit.OpenBundle(data)
		if err != nil {
			return
		}
		if again := file(t, b); !bytes.Equal(again, data) {
			t.Fatalf("one bundle, two files:\n%s\n%s", data, again)
		}
	})
}
