package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/attest"
	"joconde/attest/sim"
	"joconde/audit"
	"joconde/audit/tlog"
	"joconde/internal/cast"
	"joconde/record"
)

const playedProgram = `CREATE SCHEMA ee;
CREATE SCHEMA at;
CREATE TABLE ee.person (id CHAR(3) NOT NULL PRIMARY KEY, region TEXT NOT NULL CHECK (region IN ('north', 'south')));
CREATE TABLE at.wage (id CHAR(3) NOT NULL PRIMARY KEY, wage INTEGER NOT NULL CHECK (wage BETWEEN 0 AND 9999), note CHAR(8));
CREATE VIEW wages AS
  SELECT p.region, COUNT(*) AS persons, AVG(w.wage) AS wage
  FROM at.wage AS w INNER JOIN ee.person AS p ON w.id = p.id
  GROUP BY p.region
  HAVING COUNT(*) >= 10;
GRANT SELECT ON wages TO eu;
`

// played are the terms of a task of the cast that can be compiled again and
// whose nodes have evidence, and the devices of these nodes.
type played struct {
	device map[joconde.PartyID]attest.Attester
	logKey string
	log    *tlog.Log
}

func newPlayed(t *testing.T) *played {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	private, verifier, err := audit.NewLogKey()
	must(err)
	log, err := tlog.Open(context.Background(), filepath.Join(t.TempDir(), "log"), private)
	must(err)
	t.Cleanup(func() { must(log.Close()) })
	return &played{device: map[joconde.PartyID]attest.Attester{}, logKey: verifier, log: log}
}

// terms fills in what the cast leaves open.
func (p *played) terms(t *testing.T) func(*joconde.Task) {
	return func(terms *joconde.Task) {
		t.Helper()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		terms.Source, terms.LogKey = playedProgram, p.logKey
		c, s, err := recompile(terms)
		must(err)
		terms.Program = c.digest
		terms.Statement, err = statementDigest(s)
		must(err)
		executable := filepath.Join(t.TempDir(), "node")
		must(os.WriteFile(executable, []byte("a program"), 0o700))
		for i := range terms.Computing {
			place := &terms.Computing[i]
			device := filepath.Join(t.TempDir(), "device")
			chip, err := sim.Platform{}.Enrol(device)
			must(err)
			measured, err := sim.Platform{}.Measure(executable)
			must(err)
			p.device[place.Party], err = sim.Platform{}.Open(device, executable)
			must(err)
			place.Chips, place.Measurements = []string{chip}, []string{measured}
		}
	}
}

// play plays a task to its end, and gives its ledger's envelopes.
func (p *played) play(t *testing.T) *cast.Play {
	t.Helper()
	play := cast.NewPlay(p.terms(t))
	for {
		waiting := play.State().Waiting()
		if len(waiting) == 0 {
			return play
		}
		step := play.Step(waiting[0])
		if b, is := step.Body.(*joconde.NodeBundle); is {
			evidence, err := p.device[b.Party].Attest(context.Background(), attest.BundleReportData(b))
			if err != nil {
				t.Fatal(err)
			}
			b.Evidence = evidence
		}
		play.Do(step)
	}
}

// bundle logs envelopes and makes a bundle file of them.
func (p *played) bundle(t *testing.T, envelopes [][]byte) []byte {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var indexes []uint64
	for _, e := range envelopes {
		index, err := p.log.Append(ctx, e)
		must(err)
		indexes = append(indexes, index)
	}
	size, err := p.log.Size(ctx)
	must(err)
	checkpoint, err := p.log.Checkpoint(ctx)
	must(err)
	var proofs []audit.Proof
	for _, index := range indexes {
		path, err := p.log.Inclusion(ctx, index, size)
		must(err)
		proofs = append(proofs, audit.NewProof(index, path))
	}
	b, err := audit.NewBundle(cast.Organisations(), envelopes, proofs, checkpoint)
	must(err)
	text, err := b.Bytes()
	must(err)
	return text
}

// asTool runs a function of the tool and gives what it printed.
func asTool(f func(*tool) error) (out string, err error) {
	var b bytes.Buffer
	t := &tool{out: &b, err: &bytes.Buffer{}, tidy: &tidy{}, texts: map[string]string{}, plain: true}
	err = f(t)
	return b.String(), err
}

func TestAFinishedTaskIsVerifiedFromItsFileAlone(t *testing.T) {
	p := newPlayed(t)
	play := p.play(t)
	file := filepath.Join(t.TempDir(), "task.bundle")
	verify := func(bundle []byte) (string, error) {
		t.Helper()
		if err := os.WriteFile(file, bundle, 0o600); err != nil {
			t.Fatal(err)
		}
		return asTool(func(tool *tool) error { return tool.verify(context.Background(), file) })
	}

	good := p.bundle(t, play.Envelopes())
	text, err := verify(good)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, want := range []string{"State Closed", "FOR DEVELOPMENT", "The file verifies", "ok      task.program", "ok      nodes.evidence", "Not proven by any of this:"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "sha256:") && cells(strings.TrimRight(line, "\n")) > 80 {
			t.Errorf("a line is wider than 80 columns: %s", line)
		}
	}

	// A receipt that is left out makes another state, and no invalid file.
	without := slices.DeleteFunc(play.Envelopes(), func(raw []byte) bool {
		seen, err := record.Peek(raw)
		return err == nil && seen.Kind == joconde.KindWipeReceipt
	})
	text, err = verify(p.bundle(t, without))
	if err != nil || !strings.Contains(text, "State Computed") || !strings.Contains(text, "absent  wipe.receipts") {
		t.Errorf("without receipts: %v\n%s", err, text)
	}

	// One byte of a record that is changed is found, and said.
	changed := bytes.Clone(good)
	at := bytes.Index(changed, []byte(base64.StdEncoding.EncodeToString(play.Envelopes()[5])[40:80]))
	changed[at+7] ^= 1
	text, err = verify(changed)
	if problems := problemsOf(err); err == nil || problems[0].Exit != joconde.ExitUnverified || !strings.Contains(text, "DOES NOT VERIFY") {
		t.Errorf("changed: %v\n%s", err, text)
	}
}

func TestATaskWithAnotherStatementThanItsProgramsDoesNotVerify(t *testing.T) {
	p := newPlayed(t)
	terms := p.terms(t)
	play := cast.NewPlay(func(task *joconde.Task) {
		terms(task)
		task.Statement[0] ^= 1
	})
	report := audit.Verify(p.bundle(t, play.Envelopes()), whatDepends(context.Background()))
	failed, is := report.FirstFailure()
	if report.Valid || !is || failed.ID != audit.TaskStatement {
		t.Fatalf("valid %v, first failure %v", report.Valid, failed)
	}
}
