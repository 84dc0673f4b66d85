package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/audit"
	"joconde/cplane"
	"joconde/internal/cast"
	"joconde/mplane"
	"joconde/record"
)

// asHub makes the test program be the hub.
const asHub = "JOCONDE_TEST_AS_HUB"

func TestMain(m *testing.M) {
	if os.Getenv(asHub) != "" {
		main()
	}
	os.Exit(m.Run())
}

// hub is a process of its own, with a folder that outlives it.
type hub struct {
	t       *testing.T
	file    string
	process *exec.Cmd
	log     *os.File
	url     string
	key     string // of its log
}

func newHub(t *testing.T, more string) *hub {
	t.Helper()
	dir := t.TempDir()
	h := &hub{t: t, file: filepath.Join(dir, "hub.yaml")}
	text := "listen: 127.0.0.1:0\ndata: " + filepath.Join(dir, "data") + "\nrequests_per_second: 10000\n" + more
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if h.log, err = os.Create(filepath.Join(dir, "stderr")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.kill()
		_ = h.log.Close()
	})
	h.start()
	return h
}

func (h *hub) start() {
	h.t.Helper()
	h.process = exec.Command(os.Args[0], "-c", h.file)
	h.process.Env = append(os.Environ(), asHub+"=1")
	h.process.Stderr = h.log
	h.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := h.process.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) != 3 || words[0] != "hub" {
		h.kill()
		said, _ := os.ReadFile(h.log.Name())
		h.t.Fatalf("the hub says %q, %v\n%s", line, err, said)
	}
	h.url, h.key = words[1], words[2]
}

// kill is kill -9.
func (h *hub) kill() {
	if h.process == nil {
		return
	}
	_ = h.process.Process.Kill()
	_ = h.process.Wait()
	h.process = nil
}

func (h *hub) again() {
	h.t.Helper()
	h.kill()
	h.start()
}

func (h *hub) mplane() *mplane.Client { return &mplane.Client{URL: h.url} }
func (h *hub) cplane() *cplane.Client { return &cplane.Client{URL: h.url} }

// join lets all of the cast join.
func (h *hub) join() {
	h.t.Helper()
	for _, envelope := range cast.Organisations() {
		if _, err := h.mplane().Join(h.t.Context(), envelope); err != nil {
			h.t.Fatal(err)
		}
	}
}

// play is a task of the cast that names this hub's log.
func (h *hub) play() *cast.Play {
	return cast.NewPlay(func(t *joconde.Task) { t.LogKey = h.key })
}

// seen is what everybody can see of a task.
type seen struct {
	envelopes []string
	indexes   []uint64
	orgs      []string
}

// look reads a task as an agent does, and verifies all of it.
func (h *hub) look(task joconde.Digest) seen {
	h.t.Helper()
	var s seen
	var ledger *record.Ledger
	for {
		page, err := h.cplane().Records(h.t.Context(), task, len(s.envelopes), 0)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(page.Records) == 0 {
			return s
		}
		for _, e := range page.Records {
			if e.Position != len(s.envelopes) {
				h.t.Fatalf("position %d, not %d", e.Position, len(s.envelopes))
			}
			if err := audit.VerifyInclusion(h.key, []byte(page.Checkpoint), e.Envelope, e.Proof); err != nil {
				h.t.Fatal(err)
			}
			if e.Position == 0 {
				ledger, err = record.NewLedger(e.Envelope, page.Organisations)
			} else {
				_, err = ledger.Add(e.Envelope)
			}
			if err != nil {
				h.t.Fatal(err)
			}
			s.envelopes = append(s.envelopes, string(e.Envelope))
			s.indexes = append(s.indexes, e.Proof.Index)
		}
		for _, o := range page.Organisations {
			s.orgs = append(s.orgs, string(o))
		}
	}
}

func TestKilledAtEveryRecordOfAWholeTask(t *testing.T) {
	h := newHub(t, "")
	key := h.key
	for _, envelope := range cast.Organisations() {
		h.shoot(func(ctx context.Context) { _, _ = h.mplane().Join(ctx, envelope) })
		if _, err := h.mplane().Join(t.Context(), envelope); err != nil {
			t.Fatal(err)
		}
		h.again()
	}
	list, err := h.mplane().Organisations(t.Context())
	if err != nil || len(list) != len(cast.Parties()) {
		t.Fatalf("the directory has %d entries, %v", len(list), err)
	}

	p := h.play()
	_, task := p.Task()
	h.shoot(func(ctx context.Context) { _, _ = h.mplane().Propose(ctx, p.Envelope) })
	for range 2 { // again is no error
		if id, err := h.mplane().Propose(t.Context(), p.Envelope); err != nil || id != task {
			t.Fatalf("proposed %s, %v", id, err)
		}
	}
	before := h.look(task)
	for len(p.State().Waiting()) > 0 {
		step := p.Step(p.State().Waiting()[0])
		envelope := step.Sign()
		what := fmt.Sprintf("%s, record %d", step.Kind, len(before.envelopes))

		// Killed while the record is on its way: it is there whole, or not.
		h.shoot(func(ctx context.Context) { _, _ = h.cplane().Submit(ctx, task, envelope) })
		now := h.look(task)
		if n := len(now.envelopes); n == len(before.envelopes)+1 && now.envelopes[n-1] == string(envelope) {
			now = seen{now.envelopes[:n-1], now.indexes[:n-1], now.orgs}
		}
		if !reflect.DeepEqual(before, now) {
			t.Fatalf("%s: killed on the way, and the records have changed", what)
		}
		for range 2 {
			if at, err := h.cplane().Submit(t.Context(), task, envelope); err != nil || at != len(before.envelopes) {
				t.Fatalf("%s: position %d, %v", what, at, err)
			}
		}
		now = h.look(task)
		p.Do(step)

		// Killed after it was acknowledged: nothing has changed.
		h.again()
		if after := h.look(task); !reflect.DeepEqual(now, after) || !reflect.DeepEqual(after.envelopes, texts(p.Envelopes())) {
			t.Fatalf("%s: acknowledged, killed, and the records have changed", what)
		}
		before = now
	}
	if !p.State().Closed() || h.key != key {
		t.Errorf("the task is %s, the log's key %s", p.State().Phase, h.key)
	}
	tasks, err := h.mplane().Tasks(t.Context(), cast.PT)
	if err != nil || len(tasks) != 1 || tasks[0].ID != task || tasks[0].Phase != joconde.Computed {
		t.Errorf("the list of tasks is %v, %v", tasks, err)
	}
}

// shoot kills the hub at some moment while something is asked of it.
func (h *hub) shoot(ask func(context.Context)) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ask(ctx)
	}()
	micros, err := rand.Int(rand.Reader, big.NewInt(12_000))
	if err != nil {
		h.t.Fatal(err)
	}
	time.Sleep(time.Duration(micros.Int64()) * time.Microsecond)
	h.kill()
	<-done
	h.start()
}

func texts(envelopes [][]byte) []string {
	var out []string
	for _, e := range envelopes {
		out = append(out, string(e))
	}
	return out
}
