package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/attest"
	platforms "joconde/attest/all"
	"joconde/audit"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/seal"
	"joconde/internal/cast"
	"joconde/lang"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/lang/statement"
	"joconde/record"
)

const program = `CREATE SCHEMA ee;
CREATE SCHEMA at;
CREATE TABLE ee.person (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 99), region TEXT NOT NULL CHECK (region IN ('n', 's')));
CREATE TABLE at.wage (id INTEGER NOT NULL PRIMARY KEY CHECK (id BETWEEN 0 AND 99), euros INTEGER NOT NULL CHECK (euros BETWEEN 0 AND 9999));
CREATE VIEW wages AS
  SELECT p.region, COUNT(*) AS persons, SUM(w.euros) AS euros
  FROM at.wage AS w INNER JOIN ee.person AS p ON w.id = p.id
  GROUP BY p.region HAVING COUNT(*) >= 2;
GRANT SELECT ON wages TO eu;
`

const (
	persons = "id,region\n1,n\n2,n\n3,s\n4,s\n5,s\n"
	wages   = "id,euros\n1,100\n2,250\n3,1000\n4,2000\n7,9\n"
	result  = "region,persons,euros\nn,2,350\ns,2,3000\n"
)

// world is a task of the cast with all that is around it, in one process.
type world struct {
	t     *testing.T
	dir   string
	hub   *hubDouble
	fleet *fleet
	task  joconde.Digest
	views map[joconde.PartyID]*view
	homes map[joconde.PartyID]*Home
	run   map[joconde.PartyID]*running

	program string // of real nodes; "": they are doubles

	mu     sync.Mutex
	offset time.Duration
	events map[joconde.PartyID][]string
}

type running struct {
	cancel context.CancelFunc
	done   chan error
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cast.Start.Add(w.offset)
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offset += d
}

func newWorld(t *testing.T, change ...func(*joconde.Task)) *world {
	t.Helper()
	return newWorldOf(t, "", change...)
}

func newWorldOf(t *testing.T, program string, change ...func(*joconde.Task)) *world {
	t.Helper()
	w := &world{t: t, program: program, dir: t.TempDir(), hub: newHub(), views: map[joconde.PartyID]*view{}, homes: map[joconde.PartyID]*Home{},
		run: map[joconde.PartyID]*running{}, events: map[joconde.PartyID][]string{}, offset: time.Minute}
	w.fleet = newFleet(w.now, func(p joconde.PartyID) (string, string) {
		node := program
		if node == "" {
			node = filepath.Join(w.dir, "node")
		}
		return filepath.Join(w.dir, string(p)+".device"), node
	})
	must(t, os.WriteFile(filepath.Join(w.dir, "node"), []byte("the node's program"), 0o700))
	for _, p := range cast.Parties() {
		secret, err := cast.ResultKey(p).Bytes()
		must(t, err)
		result, err := seal.ParseKey(secret)
		must(t, err)
		h, err := newHome(filepath.Join(w.dir, string(p)), config{1, "", w.hub.verifier, p}, cast.Key(p, cast.Approval), cast.Key(p, cast.Operations), result)
		must(t, err)
		must(t, h.SetRefusals(dplane.Refusals{AllowPassive: true}))
		e := cast.Entry(p)
		from, err := joconde.ParseTime(e.ValidFrom)
		must(t, err)
		until, err := joconde.ParseTime(e.ValidUntil)
		must(t, err)
		_, err = h.Enrol(t.Context(), w.hub, Enrolment{LegalName: e.LegalName, ValidFrom: from, ValidUntil: until})
		must(t, err)
		w.homes[p], w.views[p] = h, &view{hubDouble: w.hub}
	}
	w.task = w.propose(append([]func(*joconde.Task){w.terms}, change...)...)
	return w
}

// terms makes the cast's terms those of a program that runs.
func (w *world) terms(terms *joconde.Task) {
	p, err := lang.Compile("test", []byte(program))
	must(w.t, err)
	terms.Source, terms.Lowering, terms.LogKey = program, lower.Version, w.hub.verifier
	terms.Rows = []joconde.Bound{{Table: "at.wage", Rows: 8}, {Table: "ee.person", Rows: 8}}
	terms.Program, err = ir.Digest(p)
	must(w.t, err)
	rows := map[string]int{"at.wage": 8, "ee.person": 8}
	vector, err := lower.Lower(p, rows)
	must(w.t, err)
	e, _ := all.Named(terms.Engine)
	opens, err := e.Check(engine.Plan{Program: p, Rows: rows, Vector: vector})
	must(w.t, err)
	text, err := record.Canonical(statement.New(p, rows, declared(e.Info(), opens)))
	must(w.t, err)
	terms.Statement = sha256.Sum256(text)
	platform, _ := platforms.Named("sim")
	for i := range terms.Computing {
		device, node := w.fleet.device(terms.Computing[i].Party)
		chip, err := platform.Enrol(device)
		must(w.t, err)
		measured, err := platform.Measure(node)
		must(w.t, err)
		terms.Computing[i].Chips, terms.Computing[i].Measurements = []string{chip}, []string{measured}
	}
}

func (w *world) propose(change ...func(*joconde.Task)) joconde.Digest {
	w.t.Helper()
	terms := cast.Terms()
	for _, c := range change {
		c(terms)
	}
	envelope, err := record.Sign(joconde.KindTask, terms, cast.Key(terms.Proposer, cast.Approval))
	must(w.t, err)
	id, err := w.hub.propose(envelope)
	must(w.t, err)
	return id
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts a party's agent.
func (w *world) start(parties ...joconde.PartyID) {
	w.t.Helper()
	for _, p := range parties {
		workers, launcher := Workers(w.fleet), Launcher(berth{w.fleet, p})
		if w.program != "" {
			device, node := w.fleet.device(p)
			workers, launcher = Direct{}, &Processes{Home: w.homes[p], Program: node, Platform: "sim", Device: device, Listen: "127.0.0.1:0"}
		}
		a := &Agent{Home: w.homes[p], Hub: w.views[p], Workers: workers, Launcher: launcher, Clock: w.now,
			Wait: 50 * time.Millisecond, Pause: 5 * time.Millisecond, Patience: 20 * time.Second,
			Notify: func(e Event) {
				line := fmt.Sprintf("%s %s: %s", e.Phase, e.Step, e.What)
				if e.Problem != nil {
					line += " [" + e.Problem.Code + " " + e.Problem.What + ": " + e.Problem.Why + "]"
				}
				w.mu.Lock()
				w.events[p] = append(w.events[p], line)
				w.mu.Unlock()
			}}
		ctx, cancel := context.WithCancel(context.Background())
		r := &running{cancel, make(chan error, 1)}
		w.run[p] = r
		go func() { r.done <- a.Run(ctx) }()
		w.t.Cleanup(func() { w.stop(p) })
	}
}

func (w *world) stop(p joconde.PartyID) {
	if r := w.run[p]; r != nil {
		r.cancel()
		select {
		case err := <-r.done:
			if err != nil {
				w.t.Errorf("the agent of %s: %v", p, err)
			}
		case <-time.After(time.Minute):
			w.t.Errorf("the agent of %s does not end", p)
		}
		delete(w.run, p)
	}
}

func (w *world) approve(parties ...joconde.PartyID) {
	w.t.Helper()
	for _, p := range parties {
		if err := w.homes[p].Approve(w.t.Context(), w.views[p], w.task, w.now()); err != nil {
			w.t.Fatalf("%s approves: %v", p, err)
		}
	}
}

func (w *world) provide() {
	w.t.Helper()
	for p, file := range map[joconde.PartyID]struct{ table, text string }{cast.EE: {"ee.person", persons}, cast.AT: {"at.wage", wages}} {
		path := filepath.Join(w.dir, file.table+".csv")
		must(w.t, os.WriteFile(path, []byte(file.text), 0o600))
		if _, err := w.homes[p].Provide(w.t.Context(), w.views[p], w.task, file.table, path); err != nil {
			w.t.Fatal(err)
		}
	}
}

// all is everybody doing what a person must.
func (w *world) all() *world {
	w.t.Helper()
	w.provide()
	w.start(cast.Parties()...)
	w.approve(cast.Parties()...)
	return w
}

func (w *world) until(what string, reached func(*joconde.State) bool) *joconde.State {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if s := w.hub.state(w.task); reached(s) {
			return s
		}
		time.Sleep(3 * time.Millisecond)
	}
	s := w.hub.state(w.task)
	w.t.Fatalf("never %s: %s, attempt %d, waits for %v\nlog: %v\n%s", what, s.Phase, s.Attempt, s.Waiting(), w.hub.kinds(w.task), w.story())
	return nil
}

func (w *world) story() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var b strings.Builder
	for p, lines := range w.events {
		fmt.Fprintf(&b, "%s:\n  %s\n", p, strings.Join(lines, "\n  "))
	}
	return b.String()
}

func (w *world) saw(p joconde.PartyID, part string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return has1(w.events[p], part)
}

func (w *world) waitSaw(p joconde.PartyID, part string) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !w.saw(p, part) {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s never said %q\n%s", p, part, w.story())
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func closedAndClean(s *joconde.State) bool { return s.Closed() && s.SplitsWiped }

// check holds at the end of every story.
func (w *world) check() {
	w.t.Helper()
	w.hub.mu.Lock()
	for slot, different := range w.hub.posted {
		if len(different) > 1 {
			w.t.Errorf("%s was signed %d times with different contents", slot, len(different))
		}
	}
	w.hub.mu.Unlock()
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	for at, n := range w.fleet.launches {
		if n > 1 {
			w.t.Errorf("the node %s was launched %d times", at, n)
		}
	}
}

// wiped says whether an input party has nothing left of its shares.
func (w *world) wiped(p joconde.PartyID) {
	w.t.Helper()
	for _, folder := range []string{"splits", "sealed"} {
		if has(filepath.Join(w.homes[p].folder(w.task), folder)) {
			w.t.Errorf("%s still has %s", p, folder)
		}
	}
}

func TestATaskFromApprovalToItsEnd(t *testing.T) {
	w := newWorld(t).all()
	w.until("closed", closedAndClean)
	w.waitSaw(cast.EU, "nothing is left to do")
	for _, p := range cast.Parties() {
		w.waitSaw(p, "nothing is left to do")
		w.stop(p)
	}
	folder := w.homes[cast.EU].ResultFolder(w.task)
	text, err := os.ReadFile(filepath.Join(folder, "wages.csv"))
	if err != nil || string(text) != result {
		t.Errorf("the result is %q, %v", text, err)
	}
	var c Certificate
	must(t, w.homes[cast.EU].load(filepath.Join(folder, "certificate.json"), &c))
	if c.State != "Closed" || len(c.Nodes) != 3 || !c.Nodes[0].Receipt || !c.Nodes[2].Receipt || len(c.Parties) != 5 || !c.Development || c.Program == (joconde.Digest{}) {
		t.Errorf("the certificate: %+v", c)
	}
	page, err := os.ReadFile(filepath.Join(folder, "certificate.md"))
	if err != nil || !strings.Contains(string(page), "protected nothing") || !strings.Contains(string(page), record.Fingerprint(w.task)) {
		t.Errorf("the page: %v\n%s", err, page)
	}
	w.wiped(cast.EE)
	w.wiped(cast.AT)
	for _, p := range []joconde.PartyID{cast.EE, cast.PT} {
		if has(w.homes[p].ResultFolder(w.task)) {
			t.Errorf("%s has a result", p)
		}
	}
	w.check()
	// An auditor believes nobody, and needs one file.
	bundle, err := w.homes[cast.AT].Bundle(t.Context(), w.views[cast.AT], w.task)
	must(t, err)
	report := audit.Verify(bundle, audit.Deps{
		Recompile: func(task *joconde.Task) (joconde.Digest, joconde.Digest, error) {
			_, err := Compile(task)
			return task.Program, task.Statement, err
		},
		Appraise: func(task *joconde.Task, b *joconde.NodeBundle) error {
			_, err := appraise(t.Context(), task, b)
			return err
		},
	})
	if !report.Valid {
		t.Errorf("the bundle does not verify: %+v", report.Checks)
	}
	// And the organisation remembers what its table was used for.
	next := w.propose(w.terms, func(terms *joconde.Task) {
		terms.Nonce, terms.Purpose = hex.EncodeToString(make([]byte, 32)), "Another."
	})
	r, err := w.homes[cast.EE].Review(t.Context(), w.views[cast.EE], next)
	must(t, err)
	if len(r.Earlier) != 1 || r.Earlier[0].Task != w.task || r.Earlier[0].Views[0].View != "wages" {
		t.Errorf("earlier outputs: %+v", r.Earlier)
	}
	if len(r.Changes) != 1 || r.Changes[0].Field != "purpose" {
		t.Errorf("changes: %+v", r.Changes)
	}
}

func TestWhatIsNotSigned(t *testing.T) {
	t.Run("a statement that is not what the source comes to", func(t *testing.T) {
		w := newWorld(t, func(terms *joconde.Task) { terms.Statement = sha256.Sum256([]byte("kinder words")) })
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-G025")
	})
	t.Run("a program that is not what the source comes to", func(t *testing.T) {
		w := newWorld(t, func(terms *joconde.Task) { terms.Program = sha256.Sum256([]byte("another")) })
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-G022")
	})
	t.Run("roles that the program does not give", func(t *testing.T) {
		w := newWorld(t, func(terms *joconde.Task) {
			terms.Parties[4].Roles = []joconde.Role{joconde.ComputingParty, joconde.OutputParty}
		})
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-G028")
	})
	t.Run("what the organisation's policy refuses", func(t *testing.T) {
		w := newWorld(t)
		must(t, w.homes[cast.EE].SetRefusals(dplane.Refusals{}))
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-R131")
	})
	t.Run("a task of another log", func(t *testing.T) {
		w := newWorld(t)
		_, other, err := audit.NewLogKey()
		must(t, err)
		w.homes[cast.EE].config.LogKey = other
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-G101")
	})
	t.Run("what has been refused", func(t *testing.T) {
		w := newWorld(t)
		must(t, w.homes[cast.EE].Refuse(t.Context(), w.views[cast.EE], w.task, "declined", w.now()))
		code(t, w.homes[cast.EE].Approve(t.Context(), w.views[cast.EE], w.task, w.now()), "JOC-G032")
		if s := w.hub.state(w.task); s.Phase != joconde.Refused {
			t.Errorf("the task is %s", s.Phase)
		}
	})
	t.Run("a table that is not as declared", func(t *testing.T) {
		w := newWorld(t)
		path := filepath.Join(w.dir, "bad.csv")
		must(t, os.WriteFile(path, []byte("id,region\n1,n\n1,west\n"), 0o600))
		_, err := w.homes[cast.EE].Provide(t.Context(), w.views[cast.EE], w.task, "ee.person", path)
		var problems joconde.Problems
		if !errors.As(err, &problems) || strings.Contains(err.Error(), "west") {
			t.Errorf("provided: %v", err)
		}
		_, err = w.homes[cast.EE].Provide(t.Context(), w.views[cast.EE], w.task, "at.wage", path)
		code(t, err, "JOC-G040")
	})
}

func code(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || asProblem(err).Code != want {
		t.Errorf("the error is %v, not %s", err, want)
	}
}

var every = flag.Bool("every", false, "kill an agent at every write, and not at some only")

// crashes kills the agent of a party at its nth write to disk, before or after
// the write, and says whether there was such a write.
func (w *world) crashes(p joconde.PartyID, n int, after bool) (died chan struct{}) {
	died = make(chan struct{})
	var mu sync.Mutex
	count, dead := 0, false
	gone := errors.New("the process is gone")
	die := func() error {
		dead = true
		w.views[p].set(func() { w.views[p].dead = gone })
		close(died)
		return gone
	}
	h := w.homes[p]
	h.disk.before = func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return gone
		}
		if count++; !after && count == n {
			return die()
		}
		return nil
	}
	h.disk.after = func(string) error {
		mu.Lock()
		defer mu.Unlock()
		if dead {
			return gone
		}
		if after && count == n {
			return die()
		}
		return nil
	}
	return died
}

// restart is the same home in a new process.
func (w *world) restart(p joconde.PartyID) {
	w.t.Helper()
	w.stop(p)
	h, err := OpenHome(w.homes[p].dir)
	must(w.t, err)
	w.homes[p], w.views[p] = h, &view{hubDouble: w.hub}
	w.start(p)
}

// onceMore waits for the end after the agent of a party was killed. Only if
// that was between the note that a node is launched and the launch may it take
// another attempt: rather that than two nodes.
func (w *world) onceMore(p joconde.PartyID) {
	w.t.Helper()
	s := w.until("closed, or aborted", func(s *joconde.State) bool {
		return closedAndClean(s) || s.Phase == joconde.Aborted && s.Wiped
	})
	if s.Phase == joconde.Computed {
		return
	}
	if stop, _ := s.Stopped(); stop.Party != p || stop.Reason != "fault" || !w.saw(p, "nothing is left of the node") {
		w.t.Errorf("stopped by %s: %s\n%s", stop.Party, stop.Reason, w.story())
	}
	for _, q := range cast.Parties() {
		must(w.t, w.homes[q].Retry(w.t.Context(), w.views[q], w.task, w.now()))
	}
	w.until("closed", closedAndClean)
}

func TestAnAgentIsKilledAtEveryWriteAndGoesOn(t *testing.T) {
	for _, p := range []joconde.PartyID{cast.EE, cast.EU, cast.PT} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, after %v", p, after), func(t *testing.T) {
				t.Parallel()
				first, step := 1, 8
				if after {
					first = 5
				}
				if *every {
					first, step = 1, 1
				}
				tried := 0
				for n := first; ; n += step {
					w := newWorld(t)
					w.provide()
					w.approve(cast.Parties()...)
					died := w.crashes(p, n, after)
					w.start(cast.Parties()...)
					finished := make(chan struct{})
					go func() {
						defer close(finished)
						for !closedAndClean(w.hub.state(w.task)) {
							select {
							case <-died:
								return
							case <-time.After(3 * time.Millisecond):
							}
						}
					}()
					<-finished
					select {
					case <-died:
						tried++
						w.restart(p)
					default:
						// Closed before the nth write: all have been tried.
						for _, q := range cast.Parties() {
							w.stop(q)
						}
						if tried < 2 {
							t.Errorf("only %d writes were tried", tried)
						}
						return
					}
					w.onceMore(p)
					w.check()
					for _, q := range cast.Parties() {
						w.stop(q)
					}
					if p == cast.EE {
						w.wiped(p)
					}
				}
			})
		}
	}
}

func TestADiskThatIsFullLosesNothing(t *testing.T) {
	for _, p := range []joconde.PartyID{cast.EE, cast.EU, cast.PT} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.provide()
			w.approve(cast.Parties()...)
			var mu sync.Mutex
			failed := map[string]bool{}
			// Every file meets a full disk once.
			w.homes[p].disk.before = func(path string) error {
				mu.Lock()
				defer mu.Unlock()
				if !failed[path] {
					failed[path] = true
					return syscall.ENOSPC
				}
				return nil
			}
			w.start(cast.Parties()...)
			s := w.until("closed", closedAndClean)
			if s.Attempt != 1 {
				t.Errorf("it took attempt %d", s.Attempt)
			}
			if !w.saw(p, "JOC-G001") {
				t.Errorf("nobody was told\n%s", w.story())
			}
			w.check()
		})
	}
}

func TestANodeThatDiesWithItsAgentEndsTheAttemptAndAnotherCloses(t *testing.T) {
	w := newWorld(t)
	w.fleet.mortal = true
	w.provide()
	w.approve(cast.Parties()...)
	w.fleet.offline = func(joconde.PartyID) bool { return true } // inputs cannot come yet
	w.start(cast.Parties()...)
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.restart(cast.PT)
	s := w.until("aborted and wiped", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	if stop, _ := s.Stopped(); stop.Party != cast.PT || stop.Reason != "fault" {
		t.Errorf("stopped by %s: %s", stop.Party, stop.Reason)
	}
	w.fleet.mu.Lock()
	w.fleet.offline = nil
	w.fleet.mu.Unlock()
	for _, p := range cast.Parties() {
		must(t, w.homes[p].Retry(t.Context(), w.views[p], w.task, w.now()))
	}
	s = w.until("closed", closedAndClean)
	if s.Attempt != 2 {
		t.Errorf("closed in attempt %d", s.Attempt)
	}
	w.check()
}

// A retry sends the same shares: other commitments would not be taken.
func TestASecondAttemptSendsTheSameSplits(t *testing.T) {
	w := newWorld(t)
	w.fleet.offline = func(joconde.PartyID) bool { return true } // what was sealed does not arrive
	w.all()
	w.until("receipted", func(s *joconde.State) bool { _, all := s.Inputs(); return all })
	must(t, w.homes[cast.AT].Abort(t.Context(), w.views[cast.AT], w.fleet, w.task, w.now()))
	w.until("aborted and wiped", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	w.fleet.mu.Lock()
	w.fleet.offline = nil
	w.fleet.mu.Unlock()
	for _, p := range cast.Parties() {
		must(t, w.homes[p].Retry(t.Context(), w.views[p], w.task, w.now()))
	}
	if s := w.until("closed", closedAndClean); s.Attempt != 2 {
		t.Errorf("closed in attempt %d", s.Attempt)
	}
	var same []joconde.Digest
	for _, n := range []int{1, 2} {
		for _, envelope := range w.hub.posted[fmt.Sprintf("ee input-receipt-%d", n)] {
			u, err := record.Peek(envelope)
			must(t, err)
			same = append(same, joconde.CommitmentsDigest(u.Body.(*joconde.InputReceipt).Inputs))
		}
	}
	if len(same) != 2 || same[0] != same[1] {
		t.Errorf("commitments: %v", same)
	}
	w.check()
}

func TestOneInputPartyIsAwayUntilTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.provide()
	w.approve(cast.Parties()...)
	w.start(cast.AT, cast.EU, cast.Hub, cast.PT) // ee's person signed; its agent is away
	w.until("waiting for ee alone", func(s *joconde.State) bool { return len(s.Waiting()) == 1 })
	w.later(4 * time.Hour) // past all that has to be done before the computation
	s := w.until("aborted", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	if stop, _ := s.Stopped(); stop.Reason != "deadline" || stop.Party == cast.EE {
		t.Errorf("stopped by %s: %s", stop.Party, stop.Reason)
	}
	w.check()
}

func TestOnePersonStopsIt(t *testing.T) {
	w := newWorld(t)
	w.approve(cast.Parties()...) // no tables: it stands in Established
	w.start(cast.Parties()...)
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	must(t, w.homes[cast.AT].Abort(t.Context(), w.views[cast.AT], w.fleet, w.task, w.now()))
	s := w.until("aborted and wiped", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	if stop, _ := s.Stopped(); stop.Party != cast.AT || stop.Reason != "person" {
		t.Errorf("stopped by %s: %s", stop.Party, stop.Reason)
	}
	// Nobody tries again: when the data must be gone, so is the way to a retry.
	w.later(48 * time.Hour)
	w.until("ended", func(s *joconde.State) bool { return s.Ended() })
	w.check()
}

func TestANodeOnAnotherChipIsNotEndorsed(t *testing.T) {
	w := newWorld(t, func(terms *joconde.Task) {
		terms.Computing[2].Chips = []string{"00ff" + strings.Repeat("00", 30)}
	})
	w.provide()
	w.approve(cast.Parties()...)
	w.start(cast.Parties()...)
	s := w.until("aborted", func(s *joconde.State) bool { return s.Phase == joconde.Aborted })
	if stop, _ := s.Stopped(); stop.Reason != "evidence" {
		t.Errorf("stopped by %s: %s", stop.Party, stop.Reason)
	}
	if !w.saw(cast.PT, "JOC-G121") {
		t.Error("its operator was not told")
	}
}

// Whose operator endorses what it should not is caught by all others.
func TestANodeWithoutEvidenceIsNotAccepted(t *testing.T) {
	w := newWorld(t)
	w.provide()
	w.approve(cast.Parties()...)
	w.start(cast.AT, cast.EE, cast.EU, cast.Hub) // not pt: it cheats, by hand
	w.until("nonces", func(s *joconde.State) bool { return len(s.Waiting()) == 1 })
	submit := func(kind joconde.RecordKind, body any, keys ...*record.Key) {
		t.Helper()
		envelope, err := record.Sign(kind, body, keys...)
		must(t, err)
		_, err = w.hub.Submit(t.Context(), w.task, envelope)
		must(t, err)
	}
	submit(joconde.KindAttemptNonce, &joconde.AttemptNonce{Task: w.task, Attempt: 1, Party: cast.PT, Nonce: randomHex(32), At: stamp(w.now())}, cast.Key(cast.PT, cast.Operations))
	nonces, _ := w.hub.state(w.task).Nonces()
	b := &joconde.NodeBundle{Task: w.task, Attempt: 1, Party: cast.PT, Address: "pt:1", TLSPin: randomHex(32), HPKEKey: hex.EncodeToString(cast.UploadKey(cast.PT, 1).PublicKey().Bytes()),
		ReceiptKey: cast.NodeKey(cast.PT, 1).Public(), Nonces: nonces, At: stamp(w.now())}
	// The evidence is good, but of another node's keys.
	platform, _ := platforms.Named("sim")
	attester, err := platform.Open(w.fleet.device(cast.PT))
	must(t, err)
	other := *b
	other.Address = "pt:2"
	b.Evidence, err = attester.Attest(t.Context(), attest.BundleReportData(&other))
	must(t, err)
	submit(joconde.KindNodeBundle, b, cast.NodeKey(cast.PT, 1), cast.Key(cast.PT, cast.Operations))
	s := w.until("aborted", func(s *joconde.State) bool { return s.Phase == joconde.Aborted })
	if stop, _ := s.Stopped(); stop.Reason != "evidence" || stop.Blames != cast.PT {
		t.Errorf("stopped by %s: %s, blames %s", stop.Party, stop.Reason, stop.Blames)
	}
	if _, accepted := s.Has(joconde.KindAcceptance, cast.EE); accepted {
		t.Error("ee accepted it")
	}
}

func TestAHomeIsForItsOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	h, err := NewHome(dir, "ee", "https://hub.example.eu", "")
	must(t, err)
	_, again := NewHome(dir, "ee", "", "")
	code(t, again, "JOC-G010")
	for _, file := range []string{"", "keys", "keys/approval.key", "keys/operations.key", "keys/result.key", "home.json"} {
		info, err := os.Stat(filepath.Join(dir, file))
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %q: %o", file, info.Mode().Perm())
		}
	}
	_, key, err := audit.NewLogKey()
	must(t, err)
	must(t, h.PinLog(key))
	_, other, err := audit.NewLogKey()
	must(t, err)
	code(t, h.PinLog(other), "JOC-G013")
	if h, err = OpenHome(dir); err != nil || h.LogKey() != key || h.Party() != "ee" || h.HubURL() != "https://hub.example.eu" {
		t.Errorf("%+v, %v", h, err)
	}
	must(t, os.Chmod(filepath.Join(dir, "keys", "result.key"), 0o640))
	_, err = h.resultKey()
	code(t, err, "JOC-G015")
	must(t, os.Chmod(dir, 0o750))
	_, err = OpenHome(dir)
	code(t, err, "JOC-G012")
	must(t, os.Chmod(dir, 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "home.json"), []byte(`{"format":1}`), 0o600))
	_, err = OpenHome(dir)
	code(t, err, "JOC-G005")
}

func TestOnlyOneAgentRunsWithAHome(t *testing.T) {
	w := newWorld(t)
	w.start(cast.EE)
	w.waitSaw(cast.EE, "waits for your approval")
	a := &Agent{Home: w.homes[cast.EE], Hub: w.views[cast.EE]}
	code(t, a.Run(t.Context()), "JOC-G051")
}

func TestAWipedFileIsOverwrittenBeforeItGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "share")
	must(t, os.WriteFile(path, []byte("a share"), 0o600))
	must(t, os.Link(path, path+".seen")) // what is left of the file when its name is gone
	if there, err := wipeFile(path); !there || err != nil {
		t.Fatal(there, err)
	}
	left, err := os.ReadFile(path + ".seen")
	must(t, err)
	if strings.Trim(string(left), "\x00") != "" || len(left) != len("a share") || has(path) {
		t.Errorf("left: %q", left)
	}
	if there, err := wipeFile(path); there || err != nil {
		t.Error("a file that is not there was wiped", err)
	}
}
