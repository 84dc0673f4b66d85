package node_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"joconde"
	attestall "joconde/attest/all"
	"joconde/attest/sim"
	"joconde/audit"
	"joconde/audit/tlog"
	"joconde/dplane"
	"joconde/dplane/engine"
	engines "joconde/dplane/engine/all"
	"joconde/dplane/engine/rep3"
	"joconde/dplane/node"
	"joconde/dplane/seal"
	"joconde/dplane/session"
	"joconde/internal/cast"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/record"
)

// A program of the cast's two input parties, compiled from this text. The
// compiler takes seconds to start, so it is not used here.
//
//	CREATE SCHEMA at;
//	CREATE SCHEMA ee;
//	CREATE TABLE at.t (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 100));
//	CREATE TABLE ee.t (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 100));
//	CREATE VIEW both_have AS SELECT COUNT(*) AS n FROM at.t AS x INNER JOIN ee.t AS y ON x.id = y.id;
//	GRANT SELECT ON both_have TO eu;
const program = `{"format":1,"nodes":[{"columns":[{"name":"id","type":{"kind":"int"}}],"local":"at","op":"scan","scan":[0],"table":"at.t","unique":[[0]]},{"columns":[{"name":"id","type":{"kind":"int"}}],"local":"ee","op":"scan","scan":[0],"table":"ee.t","unique":[[0]]},{"columns":[{"name":"id","type":{"kind":"int"}},{"name":"id","type":{"kind":"int"}}],"in":[0,1],"join":{"kind":"inner","left":[0],"right":[0]},"op":"join","unique":[[0]]},{"columns":[{"name":"COUNT(*)","type":{"kind":"int"}}],"group":{"aggs":[{"arg":-1,"func":"count_star"}]},"in":[2],"op":"aggregate","unique":[[]]},{"columns":[{"name":"n","type":{"kind":"int"}}],"exprs":[{"op":"col","type":{"kind":"int"}}],"in":[3],"op":"project","unique":[[]]}],"outputs":[{"node":4,"to":["eu"],"view":"both_have"}],"tables":[{"checks":[{"args":[{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"0"},"op":"lit","type":{"kind":"int"}}],"op":"ge","type":{"kind":"bool"}},{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"100"},"op":"lit","type":{"kind":"int"}}],"op":"le","type":{"kind":"bool"}}],"op":"and","type":{"kind":"bool"}}],"columns":[{"hi":"100","lo":"0","name":"id","type":{"kind":"int"}}],"keys":[[0]],"name":"t","owner":"at"},{"checks":[{"args":[{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"0"},"op":"lit","type":{"kind":"int"}}],"op":"ge","type":{"kind":"bool"}},{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"100"},"op":"lit","type":{"kind":"int"}}],"op":"le","type":{"kind":"bool"}}],"op":"and","type":{"kind":"bool"}}],"columns":[{"hi":"100","lo":"0","name":"id","type":{"kind":"int"}}],"keys":[[0]],"name":"t","owner":"ee"}]}`

// tables are what the input parties have: two ids are at both.
var tables = map[joconde.PartyID][]int64{cast.AT: {1, 2, 3}, cast.EE: {2, 3, 4, 5}}

// stage is a task of the cast over a real log, with real nodes. Everybody but
// the nodes is the test.
type stage struct {
	*testing.T
	play   *cast.Play
	log    *tlog.Log
	key    string // of the log
	plan   engine.Plan
	nodes  map[joconde.PartyID]*standing
	device string
	exe    string // that nodes are measured by

	mu      sync.Mutex
	changed *sync.Cond
	logged  []dplane.Logged
	early   [][]byte                    // envelopes that have no place yet
	held    map[joconde.RecordKind]bool // what agents do not post
}

// standing is a node, and what its agent has heard from it.
type standing struct {
	party   joconde.PartyID
	control *dplane.Control
	feeds   chan func() // in order, one at a time
	stdin   io.Closer
	worker  int // process id, if it is one
	refused []*joconde.Problem
	records map[joconde.RecordKind][]any
	sealed  []*dplane.Sealed
	steps   []string
	said    bool // its end
	err     error
}

// newStage plays until every party has given its nonce.
func newStage(t *testing.T, change ...func(*joconde.Task)) *stage {
	t.Helper()
	private, verifier, err := audit.NewLogKey()
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, key: verifier, nodes: map[joconde.PartyID]*standing{}, held: map[joconde.RecordKind]bool{}}
	s.changed = sync.NewCond(&s.mu)
	s.device, s.exe = filepath.Join(t.TempDir(), "device"), filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(s.exe, []byte("a node"), 0o700); err != nil {
		t.Fatal(err)
	}
	if s.log, err = tlog.Open(t.Context(), t.TempDir(), private); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.log.Close() })
	chip, err := sim.Platform{}.Enrol(s.device)
	if err != nil {
		t.Fatal(err)
	}
	measurement, err := sim.Platform{}.Measure(s.exe)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ir.Decode([]byte(program))
	if err != nil {
		t.Fatal(err)
	}
	s.plan = engine.Plan{Program: p, Rows: map[string]int{"at.t": 4, "ee.t": 4}}
	if s.plan.Vector, err = lower.Lower(p, s.plan.Rows); err != nil {
		t.Fatal(err)
	}
	terms := func(task *joconde.Task) {
		task.LogKey, task.Lowering, task.Program = verifier, lower.Version, sha256.Sum256([]byte(program))
		task.Rows = []joconde.Bound{{Table: "at.t", Rows: 4}, {Table: "ee.t", Rows: 4}}
		for i := range task.Computing {
			place := &task.Computing[i]
			place.Chips, place.Measurements = []string{chip}, []string{measurement}
		}
	}
	s.play = cast.NewPlay(append([]func(*joconde.Task){terms}, change...)...)
	s.append(s.play.Envelope)
	return s
}

// agreed plays until nodes can be launched.
func (s *stage) agreed() *stage {
	s.Helper()
	s.step(joconde.KindApproval)
	s.step(joconde.KindAttemptNonce)
	return s
}

// step has every party sign the records of a kind for which it is waited.
func (s *stage) step(kind joconde.RecordKind) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.play.State().Waiting() {
		if w.Kind == kind {
			s.post(s.play.Step(w).Sign())
		}
	}
}

// post adds an envelope, logs it, and tells all nodes. mu is held.
func (s *stage) post(envelope []byte) {
	switch _, err := s.play.Add(envelope); {
	case errors.Is(err, joconde.ErrLate):
		s.early = append(s.early, envelope) // a receipt, before the last transcript
		return
	case err != nil:
		s.Logf("not posted: %v", err)
		return
	}
	s.append(envelope)
	records, checkpoint := s.proven(len(s.logged) - 1)
	for _, n := range s.nodes {
		n.feeds <- func() { _ = n.control.Records(records, checkpoint) } // the node may have ended
	}
	s.changed.Broadcast()
	early := s.early
	s.early = nil
	for _, other := range early {
		s.post(other)
	}
}

func (s *stage) append(envelope []byte) {
	index, err := s.log.Append(context.Background(), envelope)
	if err != nil {
		s.Fatal(err)
	}
	s.logged = append(s.logged, dplane.Logged{Envelope: envelope, Index: index})
}

// proven gives records from some on, with proofs under one checkpoint.
func (s *stage) proven(from int) ([]dplane.Logged, []byte) {
	ctx := context.Background()
	checkpoint, err := s.log.Checkpoint(ctx)
	if err != nil {
		s.Fatal(err)
	}
	c, err := audit.OpenCheckpoint(s.key, checkpoint)
	if err != nil {
		s.Fatal(err)
	}
	logged := s.logged[from:]
	out := make([]dplane.Logged, len(logged))
	for i := range logged {
		path, err := s.log.Inclusion(ctx, logged[i].Index, c.Size)
		if err != nil {
			s.Fatal(err)
		}
		out[i] = dplane.Logged{Envelope: logged[i].Envelope, Index: logged[i].Index, Path: audit.HexPath(path)}
	}
	return out, checkpoint
}

func (s *stage) launch(party joconde.PartyID) dplane.Launch {
	records, checkpoint := s.proven(0)
	return dplane.Launch{Party: party, Attempt: 1, Organisations: cast.Organisations(), Records: records, Checkpoint: checkpoint,
		Program: []byte(program), Refusals: dplane.Refusals{AllowPassive: true}, Platform: "sim", Device: s.device, Listen: "127.0.0.1:0"}
}

// config is that of a node in this process.
func (s *stage) config(start func(string) (node.Worker, error)) node.Config {
	return node.Config{Engine: engines.Named, Platform: attestall.Named, Appraise: attestall.Verify, Executable: s.exe, Start: start}
}

// stand launches the nodes of all computing parties.
func (s *stage) stand(how func(*standing, string) (node.Worker, error)) {
	s.Helper()
	for i := range s.play.State().Task.Computing {
		party := s.play.State().Task.Computing[i].Party
		n := &standing{party: party, records: map[joconde.RecordKind][]any{}}
		inR, inW := io.Pipe()
		outR, outW := io.Pipe()
		n.control, n.stdin = dplane.NewControl(inW, outR), inW
		s.adopt(n, func() error {
			err := node.Run(context.Background(), s.config(func(listen string) (node.Worker, error) { return how(n, listen) }), inR, outW)
			_ = outW.Close()
			return err
		})
		s.Cleanup(func() { _ = inW.Close() })
	}
	s.wait("all nodes have a bundle in the log", func() bool { _, all := s.play.State().Bundles(); return all })
}

// adopt is the agent of a node: it posts what the node signs.
func (s *stage) adopt(n *standing, run func() error) {
	ended := make(chan struct{})
	n.feeds = make(chan func(), 1000)
	s.mu.Lock()
	launch := s.launch(n.party)
	n.feeds <- func() {
		if err := n.control.Launch(launch); err != nil {
			s.Error(err)
		}
	}
	s.nodes[n.party] = n
	s.mu.Unlock()
	go func() {
		for {
			select {
			case feed := <-n.feeds:
				feed()
			case <-ended:
				return
			}
		}
	}()
	ran := make(chan error, 1)
	go func() { ran <- run() }()
	go func() {
		defer close(ended)
		for {
			said, err := n.control.Next()
			if err != nil {
				break
			}
			s.hear(n, said)
		}
		err := <-ran
		s.mu.Lock()
		defer s.mu.Unlock()
		n.said, n.err = true, err
		s.changed.Broadcast()
	}()
	s.Cleanup(func() {
		_ = n.stdin.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			s.Errorf("the node of %s does not end", n.party)
		}
	})
}

func (s *stage) hear(n *standing, said dplane.Said) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	switch {
	case said.Refused != nil:
		n.refused = append(n.refused, said.Refused)
	case said.Status != nil:
		n.steps = append(n.steps, said.Status.Step)
	case said.Sealed != nil:
		n.sealed = append(n.sealed, said.Sealed)
	case said.Record != nil:
		u, err := record.Peek(said.Record)
		if err != nil {
			s.Error(err)
			return
		}
		n.records[u.Kind] = append(n.records[u.Kind], u.Body)
		envelope := said.Record
		if u.Kind == joconde.KindNodeBundle || u.Kind == joconde.KindWipeReceipt {
			if envelope, err = record.AddSignature(envelope, cast.Key(n.party, cast.Operations)); err != nil {
				s.Error(err)
				return
			}
		}
		if !s.held[u.Kind] {
			s.post(envelope)
		}
	}
}

// wait waits until something is so.
func (s *stage) wait(what string, so func() bool) {
	s.Helper()
	late := time.AfterFunc(30*time.Second, func() { s.changed.Broadcast() })
	defer late.Stop()
	end := time.Now().Add(30 * time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	for !so() {
		if time.Now().After(end) {
			for _, n := range s.nodes {
				s.Logf("%s: steps %v, refused %v, ended %v %v", n.party, n.steps, n.refused, n.said, n.err)
			}
			s.Fatalf("it is not so in time that %s; the task is %s, waiting for %v", what, s.play.State().Phase, s.play.State().Waiting())
		}
		s.changed.Wait()
	}
}

func (s *stage) reaches(phase joconde.Phase) {
	s.Helper()
	s.wait("the task is "+string(phase), func() bool { return s.play.State().Phase == phase })
}

// sent is an input party's work: its receipt, and by input and node what it sends.
type sent struct {
	receipt *joconde.InputReceipt
	sealed  map[int][][]byte
}

// share splits and seals what an input party has. meddle may change the
// plaintext for a node before it is sealed.
func (s *stage) share(owner joconde.PartyID, meddle func(node int, salts map[int]seal.Salt, part []byte)) sent {
	s.Helper()
	owned, err := dplane.Check(owner, s.plan.Program, func(ir.Table) (rows [][]ir.Value, err error) {
		for _, id := range tables[owner] {
			rows = append(rows, []ir.Value{ir.NewInt(id)})
		}
		return rows, nil
	})
	if err != nil {
		s.Fatal(err)
	}
	sharing := rep3.Engine{}.Sharing()
	inputs, err := owned.Split(s.plan, sharing, func(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
		given := map[string]eval.Rows{}
		for name, rows := range tables {
			given[name] = rows
		}
		return eval.Node(p, given, node)
	})
	if err != nil {
		s.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, task := s.play.Task()
	bundles, _ := s.play.State().Bundles()
	out := sent{&joconde.InputReceipt{Task: task, Attempt: 1, Party: owner, Bundles: bundles, At: joconde.FormatTime(cast.Start.Add(time.Minute))}, map[int][][]byte{}}
	for i, parts := range inputs {
		if parts == nil {
			continue
		}
		share := joconde.InputShare{Input: i}
		salts := map[int]seal.Salt{0: seal.NewSalt(), 1: seal.NewSalt(), 2: seal.NewSalt()}
		share.Commitments = make([]joconde.Digest, 3)
		for n, part := range parts {
			held, err := sharing.Components(n, part)
			if err != nil {
				s.Fatal(err)
			}
			mine := map[int]seal.Salt{}
			for number, component := range held {
				share.Commitments[number], mine[number] = seal.Commit(salts[number], component), salts[number]
			}
			if meddle != nil {
				meddle(n, mine, part)
			}
			plaintext, err := seal.PackInput(mine, part)
			if err != nil {
				s.Fatal(err)
			}
			to := s.play.State().Task.Computing[n].Party
			b, _, _ := s.play.Bundle(to)
			pk, err := seal.ParsePublic(b.HPKEKey)
			if err != nil {
				s.Fatal(err)
			}
			sealed, err := seal.Seal(pk, seal.InputInfo(task, 1, bundles, owner, to, i, n), plaintext, seal.InputLength(len(mine), len(part)))
			if err != nil {
				s.Fatal(err)
			}
			share.Ciphertexts = append(share.Ciphertexts, sha256.Sum256(sealed))
			out.sealed[i] = append(out.sealed[i], sealed)
		}
		out.receipt.Inputs = append(out.receipt.Inputs, share)
	}
	return out
}

// deliver uploads what an input party sends, and posts its receipt.
func (s *stage) deliver(what sent) {
	s.Helper()
	var group sync.WaitGroup
	for i, byNode := range what.sealed {
		for n, sealed := range byNode {
			s.mu.Lock()
			address, pin := s.worker(s.play.State().Task.Computing[n].Party)
			_, task := s.play.Task()
			s.mu.Unlock()
			group.Go(func() {
				ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
				defer cancel()
				if err := dplane.Upload(ctx, address, pin, dplane.UploadHeader{Task: task, Attempt: 1, From: what.receipt.Party, Input: i}, sealed); err != nil {
					s.Errorf("upload input %d to node %d: %v: %v", i, n+1, err, errors.Unwrap(err))
				}
			})
		}
	}
	group.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	envelope, err := record.Sign(joconde.KindInputReceipt, what.receipt, cast.Key(what.receipt.Party, cast.Operations))
	if err != nil {
		s.Fatal(err)
	}
	s.post(envelope)
}

// worker gives the address and pin in a party's bundle. mu is held.
func (s *stage) worker(party joconde.PartyID) (string, joconde.Digest) {
	b, _, _ := s.play.Bundle(party)
	pin, err := hex.DecodeString(b.TLSPin)
	if err != nil {
		s.Fatal(err)
	}
	return b.Address, joconde.Digest(pin)
}

// opens joins the parts that the nodes sealed to the output party.
func (s *stage) opens() [][]ir.Value {
	s.Helper()
	secret, err := cast.ResultKey(cast.EU).Bytes()
	if err != nil {
		s.Fatal(err)
	}
	sk, err := seal.ParseKey(secret)
	if err != nil {
		s.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, task := s.play.Task()
	bundles, _ := s.play.State().Bundles()
	parts := make([][]byte, 3)
	for i := range parts {
		party := s.play.State().Task.Computing[i].Party
		n := s.nodes[party]
		if len(n.sealed) != 1 || n.sealed[0].View != "both_have" || n.sealed[0].To != cast.EU {
			s.Fatalf("%s sealed %+v", party, n.sealed)
		}
		if parts[i], err = seal.Open(sk, seal.OutputInfo(task, 1, bundles, party, cast.EU, "both_have", i), n.sealed[0].Bytes); err != nil {
			s.Fatal(err)
		}
	}
	rows, err := dplane.Open(s.plan, rep3.Engine{}.Sharing(), 0, parts)
	if err != nil {
		s.Fatal(err)
	}
	return rows
}

// computes wants the right result from all nodes, and their end.
func (s *stage) computes() {
	s.Helper()
	s.reaches(joconde.Computed)
	s.wiped("done")
	rows := s.opens()
	if len(rows) != 1 || rows[0][0].Int.Cmp(big.NewInt(2)) != 0 {
		s.Errorf("the result is %v, not one row with 2", rows)
	}
}

// wiped waits until every node has ended, with a receipt that is in the log.
func (s *stage) wiped(exits ...string) {
	s.Helper()
	s.wait("every node has ended", func() bool {
		for _, n := range s.nodes {
			if !n.said || len(n.records[joconde.KindWipeReceipt]) == 0 {
				return false
			}
		}
		return true
	})
	s.wait("all receipts are in the log", func() bool { return s.play.State().Wiped })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if len(n.records[joconde.KindWipeReceipt]) != 1 {
			s.Errorf("%s signed %d receipts", n.party, len(n.records[joconde.KindWipeReceipt]))
		}
		exit := n.records[joconde.KindWipeReceipt][0].(*joconde.WipeReceipt).Exit
		if !strings.Contains(strings.Join(exits, " "), exit) {
			s.Errorf("the worker of %s ended %q, not %v", n.party, exit, exits)
		}
	}
}

// inside runs a worker in this process.
func inside(_ *standing, listen string) (node.Worker, error) {
	identity, err := session.NewIdentity()
	if err != nil {
		return nil, err
	}
	key, err := seal.NewKey()
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	w := &dplane.Worker{Identity: identity, Key: key, Listener: listener, Engine: engines.Named, PeakRSS: func() int64 { return 1 }}
	g := &goroutine{ended: make(chan struct{})}
	var inR *io.PipeReader
	var outW *io.PipeWriter
	inR, g.in = io.Pipe()
	g.out, outW = io.Pipe()
	go func() {
		defer close(g.ended)
		defer listener.Close()
		g.err = func() error {
			if err := dplane.WriteMessage(outW, dplane.FrameHello, w.Hello()); err != nil {
				return err
			}
			_, payload, err := dplane.ReadFrame(inR)
			if err != nil {
				return err
			}
			return w.Serve(payload, inR, outW, func() {})
		}()
		var stopped *dplane.Stopped
		if errors.As(g.err, &stopped) {
			_ = dplane.WriteMessage(outW, dplane.FrameFailure, dplane.Failure{What: stopped.Error(), Party: stopped.Blames, Reason: stopped.Reason})
		}
		_ = outW.Close()
	}()
	return g, nil
}

type goroutine struct {
	in    *io.PipeWriter
	out   *io.PipeReader
	ended chan struct{}
	err   error
}

func (g *goroutine) Stdin() io.Writer  { return g.in }
func (g *goroutine) Stdout() io.Reader { return g.out }
func (g *goroutine) Kill()             { _, _ = g.in.Close(), g.out.Close() }
func (g *goroutine) Wait() error       { <-g.ended; return g.err }

var built string // a folder, removed after all tests

var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "joconde-node-test-")
	if err != nil {
		return "", err
	}
	built = dir
	binary := filepath.Join(dir, "node")
	if output, err := exec.Command("go", "build", "-o", binary, "joconde/cmd/node").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, output)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// asProcess runs a worker as a process.
func asProcess(n *standing, listen string) (node.Worker, error) {
	binary, err := build()
	if err != nil {
		return nil, err
	}
	p := &process{Cmd: exec.Command(binary, "worker", listen)}
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.Cmd.Stdin, p.Cmd.Stdout, p.in, p.out = in, out, stdin, stdout
	if err := p.Start(); err != nil {
		return nil, err
	}
	_, _ = in.Close(), out.Close()
	n.worker = p.Process.Pid
	return p, nil
}

type process struct {
	*exec.Cmd
	in, out *os.File
}

func (p *process) Stdin() io.Writer  { return p.in }
func (p *process) Stdout() io.Reader { return p.out }
func (p *process) Kill()             { _ = p.Process.Kill() }
