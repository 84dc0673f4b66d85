package node_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/attest/sim"
	"joconde/audit"
	"joconde/audit/tlog"
	"joconde/dplane"
	"joconde/dplane/node"
	"joconde/dplane/seal"
	"joconde/internal/cast"
	"joconde/record"
)

func TestATaskIsComputedAndWiped(t *testing.T) {
	t.Parallel()
	s := newStage(t).agreed()
	s.stand(inside)
	s.step(joconde.KindAcceptance)
	s.reaches(joconde.Established)
	s.deliver(s.share(cast.AT, nil))
	s.deliver(s.share(cast.EE, nil))
	s.computes()
	for party, n := range s.nodes {
		var steps []string
		for _, step := range n.steps {
			if step != dplane.StepComputing {
				steps = append(steps, step)
			}
		}
		if !slices.Equal(steps, []string{"checked", "attested", "accepted", "received", "ready", "computed", "wiped"}) || n.err != nil {
			t.Errorf("%s: %v, %v", party, steps, n.err)
		}
	}
}

// processes launches the nodes of all computing parties as processes, and gives
// them with how they end.
func processes(t *testing.T) (s *stage, running map[joconde.PartyID]*exec.Cmd, ends chan error) {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	measurement, err := sim.Platform{}.Measure(binary)
	if err != nil {
		t.Fatal(err)
	}
	s = newStage(t, func(task *joconde.Task) {
		for i := range task.Computing {
			task.Computing[i].Measurements = []string{measurement}
		}
	}).agreed()
	running, ends = map[joconde.PartyID]*exec.Cmd{}, make(chan error, 3)
	for _, party := range []joconde.PartyID{cast.EU, cast.Hub, cast.PT} {
		c := exec.Command(binary)
		var complaint bytes.Buffer
		c.Stderr = &complaint
		stdin, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		outR, outW := io.Pipe()
		c.Stdout = outW
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		running[party] = c
		ended := make(chan error, 1)
		go func() {
			ended <- c.Wait()
			_ = outW.Close()
		}()
		n := &standing{party: party, records: map[joconde.RecordKind][]any{}, control: dplane.NewControl(stdin, outR), stdin: stdin}
		s.adopt(n, func() error {
			err := <-ended
			if complaint.Len() > 0 {
				t.Errorf("%s printed %s", party, &complaint)
			}
			ends <- err
			return err
		})
	}
	s.wait("all nodes have a bundle in the log", func() bool { _, all := s.play.State().Bundles(); return all })
	return s, running, ends
}

func TestATaskIsComputedByProcesses(t *testing.T) {
	t.Parallel()
	s, _, ends := processes(t)
	s.step(joconde.KindAcceptance)
	s.deliver(s.share(cast.AT, nil))
	s.deliver(s.share(cast.EE, nil))
	s.computes()
	for range 3 {
		if err := <-ends; err != nil {
			t.Errorf("a node ended with %v", err)
		}
	}
}

func TestAWorkerDiesWithItsNode(t *testing.T) {
	t.Parallel()
	s, running, _ := processes(t)
	s.mu.Lock()
	address, _ := s.worker(cast.Hub)
	s.mu.Unlock()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("the worker does not listen: %v", err)
	}
	_ = conn.Close()
	if err := running[cast.Hub].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if errors.Is(err, syscall.ECONNREFUSED) {
			break
		}
		if err == nil {
			_ = conn.Close()
		}
		if time.Now().After(end) {
			t.Fatal("the worker still listens")
		}
	}
}

// Before it makes any key, a node refuses what does not hold, whoever tells it.
func TestANodeRefusesToBegin(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.step(joconde.KindApproval)
	early := s.launch(cast.Hub)
	s.step(joconde.KindAttemptNonce)
	foreign := newStage(t).agreed()
	private, verifier, err := audit.NewLogKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := tlog.Open(t.Context(), t.TempDir(), private)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for i := range s.logged {
		if _, err := other.Append(t.Context(), s.logged[i].Envelope); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere, err := other.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*joconde.Task)) func(*dplane.Launch) {
		return func(l *dplane.Launch) {
			l2 := newStage(t, change).agreed().launch(cast.Hub)
			l2.Device = l.Device
			*l = l2
		}
	}
	for _, c := range []struct {
		name   string
		change func(*dplane.Launch)
		code   string
	}{
		{"an approval is missing", func(l *dplane.Launch) { l.Records = slices.Delete(l.Records, 2, 3) }, "JOC-R143"},
		{"a nonce is missing", func(l *dplane.Launch) { l.Records = l.Records[:len(l.Records)-1] }, "JOC-R144"},
		{"the hub starts it before any nonce", func(l *dplane.Launch) { *l = early }, "JOC-R144"},
		{"the hub starts it before the last approval", func(l *dplane.Launch) { l.Records = l.Records[:4] }, "JOC-R144"},
		{"a record is swapped for another", func(l *dplane.Launch) { l.Records[2].Envelope = l.Records[3].Envelope }, "JOC-R142"},
		{"a record is swapped, with its proof", func(l *dplane.Launch) { l.Records[2] = l.Records[3] }, "JOC-R142"},
		{"a signature is swapped", func(l *dplane.Launch) {
			l.Records[2].Envelope = bytes.Replace(l.Records[2].Envelope, []byte(`"sig":"`), []byte(`"sig":"A`), 1)
		}, "JOC-R142"},
		{"a proof is wrong", func(l *dplane.Launch) { l.Records[1].Path = l.Records[2].Path }, "JOC-R142"},
		{"a record is replayed", func(l *dplane.Launch) { l.Records = append(l.Records, l.Records[1]) }, "JOC-R142"},
		{"the checkpoint is another log's", func(l *dplane.Launch) { l.Checkpoint = elsewhere }, "JOC-R142"},
		{"the task is another's", func(l *dplane.Launch) { l.Records[0] = foreign.launch(cast.Hub).Records[0] }, "JOC-R142"},
		{"the task names another log", with(func(task *joconde.Task) { task.LogKey = verifier }), "JOC-R142"},
		{"there is no record", func(l *dplane.Launch) { l.Records = nil }, "JOC-R141"},
		{"an organisation is missing", func(l *dplane.Launch) { l.Organisations = l.Organisations[1:] }, "JOC-R141"},
		{"it is to be of attempt 2", func(l *dplane.Launch) { l.Attempt = 2 }, "JOC-R144"},
		{"the party operates no node", func(l *dplane.Launch) { l.Party = cast.AT }, "JOC-R145"},
		{"the engine is unknown", with(func(task *joconde.Task) { task.Engine = "clear" }), "JOC-R146"},
		{"the lowering is of another version", with(func(task *joconde.Task) { task.Lowering = "joconde/lower/v0" }), "JOC-R147"},
		{"the program is another", func(l *dplane.Launch) {
			l.Program = bytes.Replace(l.Program, []byte("both_have"), []byte("each_have"), 1)
		}, "JOC-R148"},
		{"the program that was signed is none", func(l *dplane.Launch) {
			with(func(task *joconde.Task) { task.Program = sha256.Sum256([]byte("{}")) })(l)
			l.Program = []byte("{}")
		}, "JOC-R149"},
		{"a row bound is missing", with(func(task *joconde.Task) { task.Rows = task.Rows[1:] }), "JOC-R149"},
		{"the engine does not know the sort", with(func(task *joconde.Task) { task.Sort = "bubble" }), "JOC-R149"},
		{"its party refuses passive engines, as by default", func(l *dplane.Launch) { l.Refusals = dplane.Refusals{} }, "JOC-R131"},
		{"its party refuses the engine", func(l *dplane.Launch) { l.Refusals.Engines = []string{"rep3"} }, "JOC-R132"},
		{"its party refuses so many rows", func(l *dplane.Launch) { l.Refusals.MaximumRows = 3 }, "JOC-R135"},
		{"a deadline has passed for most parties", with(func(task *joconde.Task) {
			task.Deadlines.ApproveBy, task.Deadlines.EstablishBy = joconde.FormatTime(cast.Start), joconde.FormatTime(cast.Start.Add(time.Second))
		}), "JOC-R150"},
		{"the platform is unknown", func(l *dplane.Launch) { l.Platform = "snp" }, "JOC-R151"},
		{"the platform is not admitted", with(func(task *joconde.Task) { task.Platforms = []string{"snp"} }), "JOC-R151"},
		{"its measurement is another", with(func(task *joconde.Task) { task.Computing[1].Measurements = []string{strings.Repeat("ab", 32)} }), "JOC-R152"},
		{"there is no device", func(l *dplane.Launch) { l.Device += "-not" }, "JOC-R153"},
		{"it is launched by another version", func(l *dplane.Launch) { l.Device, l.Listen = "", "nowhere" }, "JOC-R153"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := s.launch(cast.Hub)
			c.change(&l)
			refused(t, s, l, c.code)
		})
	}
	t.Run("nothing, when all holds", func(t *testing.T) { refused(t, s, s.launch(cast.Hub), "JOC-R160") })
}

var errNoWorker = errors.New("this test has no worker")

// refused wants a node to end with a refusal and without a key. If all holds it
// starts its worker, and there is none.
func refused(t *testing.T, s *stage, l dplane.Launch, code string) {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	started := false
	ended := make(chan error, 1)
	go func() {
		ended <- node.Run(context.Background(), s.config(func(string) (node.Worker, error) { started = true; return nil, errNoWorker }), inR, outW)
		_ = outW.Close()
	}()
	control := dplane.NewControl(inW, outR)
	go func() { _ = control.Launch(l) }()
	var said []dplane.Said
	for {
		next, err := control.Next()
		if err != nil {
			break
		}
		if next.Status == nil {
			said = append(said, next)
		}
	}
	err := <-ended
	_ = inW.Close()
	if len(said) != 1 || said[0].Refused == nil || said[0].Refused.Code != code || said[0].Refused.Exit == 0 || said[0].Refused.What == "" {
		if len(said) > 0 && said[0].Refused != nil {
			t.Logf("%+v", *said[0].Refused)
		}
		t.Fatalf("it said %d things and ended with %v; wanted %s", len(said), err, code)
	}
	if started != (code == "JOC-R160") {
		t.Errorf("a worker was started: %v", started)
	}
	var p *joconde.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("it ended with %v", err)
	}
}

// stopped waits for the end of all nodes, none of which computed anything, and
// gives the abort that counted.
func (s *stage) stopped(reason string, blames joconde.PartyID, exits ...string) {
	s.Helper()
	s.reaches(joconde.Aborted)
	s.wiped(exits...)
	s.mu.Lock()
	defer s.mu.Unlock()
	by, _ := s.play.State().Stopped()
	if by.Reason != reason || by.Blames != blames {
		s.Errorf("the task was stopped with reason %q, blaming %q; wanted %q, blaming %q", by.Reason, by.Blames, reason, blames)
	}
	for _, n := range s.nodes {
		if len(n.refused) != 1 || n.err == nil || len(n.sealed) > 0 || len(n.records[joconde.KindTranscript]) > 0 {
			s.Errorf("%s ended with %v, %d refusals, %d outputs", n.party, n.err, len(n.refused), len(n.sealed))
		}
	}
}

// neverComputed wants that no engine ran.
func (s *stage) neverComputed() {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.nodes {
		if slices.Contains(n.steps, dplane.StepComputing) {
			s.Errorf("%s computed", n.party)
		}
	}
}

func TestAnInputThatDoesNotMatchItsReceiptIsCaughtBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	for name, meddle := range map[string]func(node int, salts map[int]seal.Salt, part []byte){
		"an input party gives two holders different components": func(n int, _ map[int]seal.Salt, part []byte) {
			if n == 1 {
				part[len(part)-8] ^= 1
			}
		},
		"an input party gives a wrong salt": func(n int, salts map[int]seal.Salt, _ []byte) {
			if n == 2 {
				salts[0] = seal.NewSalt()
			}
		},
		"an input party swaps the salts of two components": func(n int, salts map[int]seal.Salt, _ []byte) {
			if n == 0 {
				salts[0], salts[1] = salts[1], salts[0]
			}
		},
		"an input party gives a node a part of another node": func(n int, _ map[int]seal.Salt, part []byte) { part[6] = byte((n + 1) % 3) },
		"an input party gives a part of another shape":       func(_ int, _ map[int]seal.Salt, part []byte) { part[8]++ },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t).agreed()
			s.stand(inside)
			s.step(joconde.KindAcceptance)
			s.deliver(s.share(cast.AT, nil))
			s.deliver(s.share(cast.EE, meddle))
			s.stopped("input", cast.EE, "aborted")
			s.neverComputed()
		})
	}
	t.Run("an input party sends a node what its receipt does not name", func(t *testing.T) {
		s := newStage(t).agreed()
		s.stand(inside)
		s.step(joconde.KindAcceptance)
		a, b := s.share(cast.EE, nil), s.share(cast.EE, nil)
		b.receipt = a.receipt
		s.deliver(s.share(cast.AT, nil))
		s.deliver(b)
		s.mu.Lock()
		phase := s.play.State().Phase
		address, pin := s.worker(cast.Hub)
		_, task := s.play.Task()
		s.mu.Unlock()
		if phase != joconde.Established {
			t.Errorf("the task is %s", phase)
		}
		for i, sealed := range b.sealed {
			s.wait("the node knows the receipts", func() bool { return slices.Contains(s.nodes[cast.Hub].steps, dplane.StepReceived) })
			time.Sleep(100 * time.Millisecond)
			err := dplane.Upload(t.Context(), address, pin, dplane.UploadHeader{Task: task, Attempt: 1, From: cast.EE, Input: i}, sealed[1])
			if err == nil || !strings.Contains(err.(*joconde.Problem).Why, "the receipt names another") {
				t.Errorf("got %v", err)
			}
		}
		s.deliverOnly(a)
		s.computes()
	})
}

// deliverOnly uploads without a receipt.
func (s *stage) deliverOnly(what sent) {
	s.Helper()
	s.mu.Lock()
	held := s.play.State().Clone()
	s.mu.Unlock()
	s.deliver(what) // its receipt is there already, and changes nothing
	if s.play.State().Attempt != held.Attempt {
		s.Error("the attempt changed")
	}
}

func TestAnAbortOfAnyOnePartyEndsItAtOnce(t *testing.T) {
	t.Parallel()
	abort := func(s *stage) []byte {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.play.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.AT}).Sign()
	}
	loaded := func(s *stage) {
		s.step(joconde.KindAcceptance)
		s.deliver(s.share(cast.AT, nil))
		s.mu.Lock()
		s.held[joconde.KindReady] = true
		s.mu.Unlock()
		s.deliver(s.share(cast.EE, nil))
		s.wait("nodes are ready", func() bool {
			for _, n := range s.nodes {
				if len(n.records[joconde.KindReady]) == 0 {
					return false
				}
			}
			return true
		})
	}
	for _, c := range []struct {
		name string
		play func(*stage)
	}{
		{"before anybody accepts", func(s *stage) {}},
		{"before inputs", func(s *stage) { s.step(joconde.KindAcceptance) }},
		{"after inputs", loaded},
	} {
		t.Run(c.name+", by the log", func(t *testing.T) {
			s := newStage(t).agreed()
			s.stand(inside)
			c.play(s)
			envelope := abort(s)
			s.mu.Lock()
			s.post(envelope)
			s.mu.Unlock()
			s.stopped("person", "", "aborted")
			s.neverComputed()
		})
		t.Run(c.name+", though the hub hides it from all", func(t *testing.T) {
			s := newStage(t).agreed()
			s.stand(inside)
			c.play(s)
			s.mu.Lock()
			s.held[joconde.KindAbort] = true
			s.mu.Unlock()
			envelope := abort(s)
			for _, party := range []joconde.PartyID{cast.EU, cast.Hub, cast.PT} {
				s.mu.Lock()
				address, pin := s.worker(party)
				s.mu.Unlock()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				if err := dplane.SendAbort(ctx, address, pin, envelope); err != nil {
					t.Error(err)
				}
				cancel()
			}
			s.wait("all nodes have ended, and signed the same", func() bool {
				for _, n := range s.nodes {
					if !n.said || len(n.records[joconde.KindAbort]) != 1 || len(n.records[joconde.KindWipeReceipt]) != 1 {
						return false
					}
				}
				return true
			})
			s.neverComputed()
		})
		t.Run(c.name+", by the agent before it is logged", func(t *testing.T) {
			s := newStage(t).agreed()
			s.stand(inside)
			c.play(s)
			if err := s.nodes[cast.PT].control.Abort(abort(s)); err != nil {
				t.Fatal(err)
			}
			s.stopped("person", "", "aborted")
		})
	}
	t.Run("but nobody else's", func(t *testing.T) {
		s := newStage(t).agreed()
		s.stand(inside)
		s.step(joconde.KindAcceptance)
		s.mu.Lock()
		address, pin := s.worker(cast.Hub)
		_, task := s.play.Task()
		s.mu.Unlock()
		stranger, err := record.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		body := &joconde.Abort{Task: task, Attempt: 1, Party: cast.AT, Reason: "person", At: joconde.FormatTime(cast.Start)}
		forged, err := record.Sign(joconde.KindAbort, body, stranger)
		if err != nil {
			t.Fatal(err)
		}
		for _, junk := range [][]byte{forged, []byte("{}"), s.play.Envelopes()[1]} {
			if err := dplane.SendAbort(t.Context(), address, pin, junk); err != nil {
				t.Error(err)
			}
			if err := s.nodes[cast.Hub].control.Abort(junk); err != nil {
				t.Error(err)
			}
		}
		s.deliver(s.share(cast.AT, nil))
		s.deliver(s.share(cast.EE, nil))
		s.computes()
	})
}

func TestAWorkerThatIsKilled(t *testing.T) {
	t.Parallel()
	kill := func(s *stage) {
		if err := syscall.Kill(s.nodes[cast.Hub].worker, syscall.SIGKILL); err != nil {
			s.Fatal(err)
		}
	}
	for name, play := range map[string]func(*stage){
		"before inputs": func(s *stage) { s.step(joconde.KindAcceptance) },
		"with inputs":   func(s *stage) { s.step(joconde.KindAcceptance); s.deliver(s.share(cast.AT, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t).agreed()
			s.stand(asProcess)
			play(s)
			kill(s)
			s.stopped("fault", "", "aborted", "killed")
			if exit := s.nodes[cast.Hub].records[joconde.KindWipeReceipt][0].(*joconde.WipeReceipt).Exit; exit != "killed" {
				t.Errorf("the receipt says %q", exit)
			}
		})
	}
}

func TestANodeIsForOneTask(t *testing.T) {
	t.Parallel()
	s := newStage(t).agreed()
	s.stand(inside)
	n := s.nodes[cast.Hub]
	s.mu.Lock()
	again := s.launch(cast.Hub)
	s.mu.Unlock()
	if err := n.control.Launch(again); err != nil {
		t.Fatal(err)
	}
	if err := n.control.Records(again.Records, again.Checkpoint); err != nil { // what it knows it ignores
		t.Fatal(err)
	}
	s.wait("it has refused the second task", func() bool { return len(n.refused) == 1 })
	if n.refused[0].Code != "JOC-R154" {
		t.Errorf("it refused with %+v", n.refused[0])
	}
	s.step(joconde.KindAcceptance)
	s.deliver(s.share(cast.AT, nil))
	s.deliver(s.share(cast.EE, nil))
	s.computes()
}

func TestANodeWhoseAgentIsGoneEnds(t *testing.T) {
	t.Parallel()
	s := newStage(t).agreed()
	s.stand(inside)
	s.step(joconde.KindAcceptance)
	_ = s.nodes[cast.Hub].stdin.Close()
	s.stopped("operator", "", "aborted")
}

func TestAnotherNodeInItsPlace(t *testing.T) {
	t.Parallel()
	s := newStage(t).agreed()
	s.held[joconde.KindNodeBundle] = true
	go s.stand(inside) // waits for all bundles, which the test posts
	s.wait("all nodes have signed a bundle", func() bool {
		for _, p := range []joconde.PartyID{cast.EU, cast.Hub, cast.PT} {
			if n := s.nodes[p]; n == nil || len(n.records[joconde.KindNodeBundle]) == 0 {
				return false
			}
		}
		return true
	})
	s.step(joconde.KindNodeBundle) // the cast's, not the nodes'
	s.wait("every node has ended", func() bool {
		for _, n := range s.nodes {
			if !n.said {
				return false
			}
		}
		return true
	})
	for _, n := range s.nodes {
		if len(n.refused) != 1 || !strings.Contains(n.refused[0].What, "a node's keys are not those that were logged") {
			t.Errorf("%s: %v", n.party, n.refused)
		}
	}
}
