package main

import (
	"bytes"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/rep3"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/record"
)

// A program of two owners, as compiled from this text. The compiler takes
// seconds to start under the instruments of a fuzz run, so it is not used here.
//
//	CREATE SCHEMA a;
//	CREATE SCHEMA b;
//	CREATE TABLE a.t (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 100));
//	CREATE TABLE b.t (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 100));
//	CREATE VIEW both_have AS SELECT COUNT(*) AS n FROM a.t AS x INNER JOIN b.t AS y ON x.id = y.id;
//	GRANT SELECT ON both_have TO hub;
const program = `{"format":1,"nodes":[{"columns":[{"name":"id","type":{"kind":"int"}}],"local":"a","op":"scan","scan":[0],"table":"a.t","unique":[[0]]},{"columns":[{"name":"id","type":{"kind":"int"}}],"local":"b","op":"scan","scan":[0],"table":"b.t","unique":[[0]]},{"columns":[{"name":"id","type":{"kind":"int"}},{"name":"id","type":{"kind":"int"}}],"in":[0,1],"join":{"kind":"inner","left":[0],"right":[0]},"op":"join","unique":[[0]]},{"columns":[{"name":"COUNT(*)","type":{"kind":"int"}}],"group":{"aggs":[{"arg":-1,"func":"count_star"}]},"in":[2],"op":"aggregate","unique":[[]]},{"columns":[{"name":"n","type":{"kind":"int"}}],"exprs":[{"op":"col","type":{"kind":"int"}}],"in":[3],"op":"project","unique":[[]]}],"outputs":[{"node":4,"to":["hub"],"view":"both_have"}],"tables":[{"checks":[{"args":[{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"0"},"op":"lit","type":{"kind":"int"}}],"op":"ge","type":{"kind":"bool"}},{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"100"},"op":"lit","type":{"kind":"int"}}],"op":"le","type":{"kind":"bool"}}],"op":"and","type":{"kind":"bool"}}],"columns":[{"hi":"100","lo":"0","name":"id","type":{"kind":"int"}}],"keys":[[0]],"name":"t","owner":"a"},{"checks":[{"args":[{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"0"},"op":"lit","type":{"kind":"int"}}],"op":"ge","type":{"kind":"bool"}},{"args":[{"op":"col","type":{"kind":"int"}},{"lit":{"value":"100"},"op":"lit","type":{"kind":"int"}}],"op":"le","type":{"kind":"bool"}}],"op":"and","type":{"kind":"bool"}}],"columns":[{"hi":"100","lo":"0","name":"id","type":{"kind":"int"}}],"keys":[[0]],"name":"t","owner":"b"}]}`

// prepare gives the plan of the program, the job for it, and each party's
// parts of the inputs.
func prepare(t testing.TB) (engine.Plan, dplane.Job, [][][]byte) {
	t.Helper()
	p, err := ir.Decode([]byte(program))
	if err != nil {
		t.Fatal(err)
	}
	plan := engine.Plan{Program: p, Rows: map[string]int{"a.t": 4, "b.t": 4}, Label: []byte("test")}
	if plan.Vector, err = lower.Lower(p, plan.Rows); err != nil {
		t.Fatal(err)
	}
	job, err := dplane.NewJob(plan, "rep3")
	if err != nil {
		t.Fatal(err)
	}
	in := [3][][]byte{}
	for p := range in {
		in[p] = make([][]byte, len(plan.Vector.Inputs))
	}
	ids := map[string][]int64{"a.t": {1, 2, 3}, "b.t": {2, 3, 4, 5}}
	for _, owner := range []joconde.PartyID{"a", "b"} {
		owned, err := dplane.Check(owner, p, func(table ir.Table) (rows [][]ir.Value, err error) {
			for _, id := range ids[table.QName()] {
				rows = append(rows, []ir.Value{ir.NewInt(id)})
			}
			return rows, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		inputs, err := owned.Split(plan, rep3.Engine{}.Sharing(), func(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
			given := map[string]eval.Rows{}
			for name, rows := range tables {
				given[name] = rows
			}
			return eval.Node(p, given, node)
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, parts := range inputs {
			for p, part := range parts {
				in[p][i] = part
			}
		}
	}
	return plan, job, in[:]
}

// running is a party whose parent is the test.
type running struct {
	stdin  io.WriteCloser
	stdout io.Reader
	code   chan int
}

// here runs a party in this process; abandoned ends it as a closed input ends
// the process.
func here() *running {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	r := &running{stdin: inW, stdout: outR, code: make(chan int, 1)}
	go func() {
		r.code <- run(inR, outW, "127.0.0.1:0", func() {})
		_ = outW.Close()
	}()
	return r
}

func (r *running) read(t *testing.T, want dplane.FrameKind, v any) []byte {
	t.Helper()
	for {
		kind, payload, err := dplane.ReadFrame(r.stdout)
		if err != nil {
			t.Fatalf("waiting for a frame of kind %d: %v", want, err)
		}
		if kind == dplane.FrameProgress {
			continue
		}
		if kind != want {
			t.Fatalf("got a frame of kind %d, not %d: %.300s", kind, want, payload)
		}
		if v != nil {
			if err := record.Strict(payload, v); err != nil {
				t.Fatal(err)
			}
		}
		return payload
	}
}

func (r *running) tell(t *testing.T, job dplane.Job, parts [][]byte) {
	t.Helper()
	if err := dplane.WriteMessage(r.stdin, dplane.FrameJob, job); err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		if err := dplane.WriteFrame(r.stdin, dplane.FrameInput, part); err != nil {
			t.Fatal(err)
		}
	}
}

func TestThreePartiesComputeWhatTheyAreTold(t *testing.T) {
	plan, job, in := prepare(t)
	parties := make([]*running, 3)
	for i := range parties {
		parties[i] = here()
		var hello dplane.Hello
		parties[i].read(t, dplane.FrameHello, &hello)
		if hello.Format != 1 || !strings.HasPrefix(hello.Address, "127.0.0.1:") {
			t.Fatalf("hello: %+v", hello)
		}
		job.Peers = append(job.Peers, dplane.Peer{Address: hello.Address, Pin: hello.Pin})
	}
	parts := make([][]byte, 3)
	var group sync.WaitGroup
	for i, party := range parties {
		mine := job
		mine.Me = i
		party.tell(t, mine, in[i])
	}
	for i, party := range parties {
		group.Go(func() {
			parts[i] = party.read(t, dplane.FrameOutput, nil)
			var figures dplane.Figures
			party.read(t, dplane.FrameFigures, &figures)
			if figures.Rounds == 0 || figures.Bytes == 0 || figures.PeakRSS < 1<<20 || figures.Run == 0 {
				t.Errorf("figures: %+v", figures)
			}
			if code := <-party.code; code != joconde.ExitDone {
				t.Errorf("exit code %d", code)
			}
		})
	}
	group.Wait()
	rows, err := dplane.Open(plan, rep3.Engine{}.Sharing(), 0, parts)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0][0].Int.Cmp(big.NewInt(2)) != 0 {
		t.Errorf("got %v, want one row with 2", rows)
	}
}

func TestAPartyRefuses(t *testing.T) {
	_, good, in := prepare(t)
	for name, c := range map[string]struct {
		change func(*dplane.Job)
		says   string
	}{
		"a program that is not canonical":          {func(j *dplane.Job) { j.Program = append(j.Program, ' ') }, "decode program"},
		"a vector program that lowering disproves": {func(j *dplane.Job) { j.Vector[0]++ }, "lowering the program gives another"},
		"row bounds other than those agreed":       {func(j *dplane.Job) { j.Rows = map[string]int{"a.t": 8, "b.t": 4} }, "lowering the program gives another"},
		"a job without a row bound":                {func(j *dplane.Job) { j.Rows = map[string]int{"a.t": 8} }, "b.t has no row bound"},
		"an engine that it does not have":          {func(j *dplane.Job) { j.Engine = "clear" }, `no engine "clear"`},
		"a job of another format":                  {func(j *dplane.Job) { j.Format = 2 }, "format 2"},
		"to be a party that there is not":          {func(j *dplane.Job) { j.Me = 3 }, "no party 3"},
		"to be a party with another key":           {func(j *dplane.Job) { j.Me = 1 }, "our key is not the one"},
		"a sort that the engine does not have":     {func(j *dplane.Job) { j.Options.Sort = "bubble" }, `no sort "bubble"`},
	} {
		t.Run(name, func(t *testing.T) {
			party := here()
			var hello dplane.Hello
			party.read(t, dplane.FrameHello, &hello)
			job := good
			job.Program = bytes.Clone(good.Program)
			job.Peers = []dplane.Peer{{Address: hello.Address, Pin: hello.Pin}, {Address: "127.0.0.1:1", Pin: joconde.Digest{1}}, {Address: "127.0.0.1:1", Pin: joconde.Digest{2}}}
			c.change(&job)
			go func() { // the party may stop listening before all is said
				if dplane.WriteMessage(party.stdin, dplane.FrameJob, job) == nil {
					for _, part := range in[0] {
						_ = dplane.WriteFrame(party.stdin, dplane.FrameInput, bytes.Clone(part))
					}
				}
			}()
			var failure dplane.Failure
			party.read(t, dplane.FrameFailure, &failure)
			if !strings.Contains(failure.What, c.says) {
				t.Errorf("says %q, not %q", failure.What, c.says)
			}
			if code := <-party.code; code != joconde.ExitInternal {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestAFailureFitsItsFrame(t *testing.T) {
	for _, what := range []string{"", "plain", strings.Repeat("é", 1<<20), strings.Repeat("x\x00", 1<<20), "\xff"} {
		failure := dplane.Failure{What: brief(errors.New(what))}
		if err := dplane.WriteMessage(io.Discard, dplane.FrameFailure, failure); err != nil {
			t.Errorf("%.20q: %v", what, err)
		}
	}
}

// process starts the real program. kill ends it if it still runs.
func process(t *testing.T) (c *exec.Cmd, r *running, stderr *bytes.Buffer) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "node")
	if output, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	c = exec.Command(binary, "worker")
	stderr = &bytes.Buffer{}
	c.Stderr = stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() })
	return c, &running{stdin: stdin, stdout: stdout}, stderr
}

func TestTheProcessEnds(t *testing.T) {
	_, job, in := prepare(t)
	ends := func(t *testing.T, c *exec.Cmd, stderr *bytes.Buffer) error {
		t.Helper()
		ended := make(chan error, 1)
		go func() { ended <- c.Wait() }()
		select {
		case err := <-ended:
			if stderr.Len() > 0 {
				t.Errorf("it printed on standard error: %s", stderr)
			}
			return err
		case <-time.After(5 * time.Second):
			t.Fatal("it still runs after 5 seconds")
		}
		return nil
	}
	t.Run("when its input ends before it got a job", func(t *testing.T) {
		c, r, stderr := process(t)
		var hello dplane.Hello
		r.read(t, dplane.FrameHello, &hello)
		_ = r.stdin.Close()
		r.read(t, dplane.FrameFailure, nil)
		_ = ends(t, c, stderr)
	})
	t.Run("when its input ends while it waits for its peers, and holds no file", func(t *testing.T) {
		c, r, stderr := process(t)
		var hello dplane.Hello
		r.read(t, dplane.FrameHello, &hello)
		job.Peers = []dplane.Peer{{Address: hello.Address, Pin: hello.Pin}, {Address: "127.0.0.1:1", Pin: joconde.Digest{1}}, {Address: "127.0.0.1:1", Pin: joconde.Digest{2}}}
		r.tell(t, job, in[0])
		time.Sleep(300 * time.Millisecond)
		_ = r.stdin.Close()
		err := ends(t, c, stderr)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != joconde.ExitInterrupted {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Run("when it is told to by a signal", func(t *testing.T) {
		c, r, stderr := process(t)
		r.read(t, dplane.FrameHello, nil)
		limits, err := os.ReadFile("/proc/" + strconv.Itoa(c.Process.Pid) + "/limits")
		if err == nil && !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0 bytes") {
			t.Error("it may leave a core file")
		}
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = ends(t, c, stderr)
	})
}

// Whatever comes on the input, what is accepted is a whole job.
func FuzzJob(f *testing.F) {
	_, job, in := prepare(f)
	job.Peers = []dplane.Peer{{Address: "127.0.0.1:1", Pin: joconde.Digest{1}}}
	var whole bytes.Buffer
	if err := dplane.WriteMessage(&whole, dplane.FrameJob, job); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	for _, part := range in[0] {
		if err := dplane.WriteFrame(&whole, dplane.FrameInput, part); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(whole.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		input := bytes.NewReader(data)
		kind, payload, err := dplane.ReadFrame(input)
		if err != nil || kind != dplane.FrameJob {
			return
		}
		job, plan, in, err := receiveJob(payload, input)
		if err != nil {
			return
		}
		if job.Format != 1 || plan.Program.Validate() != nil || lower.Validate(plan.Vector) != nil || len(in) != len(plan.Vector.Inputs) {
			t.Fatalf("accepted a job of format %d with %d inputs", job.Format, len(in))
		}
	})
}
