package cplane_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"joconde"
	"joconde/audit"
	"joconde/audit/tlog"
	"joconde/cplane"
	"joconde/internal/cast"
	"joconde/internal/door"
	"joconde/record"
	"joconde/store"
	"joconde/store/mem"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

var limits = cplane.Limits{Tasks: 10, Output: 1000, Mailbox: 1500, Waiting: 2}

// room is a control plane behind its door, over a real log in a folder.
type room struct {
	*cplane.Client
	t           testing.TB
	dir         string
	private     string
	log         *tlog.Log
	faulty      *faulty
	box         store.Store
	coordinator *cplane.Coordinator
	server      *httptest.Server
}

func newRoom(t testing.TB) *room {
	t.Helper()
	private, _, err := audit.NewLogKey()
	if err != nil {
		t.Fatal(err)
	}
	r := &room{t: t, dir: filepath.Join(t.TempDir(), "log"), private: private, box: mem.Open()}
	t.Cleanup(r.close)
	r.open()
	return r
}

func (r *room) open() {
	r.t.Helper()
	var err error
	if r.log, err = tlog.Open(context.Background(), r.dir, r.private); err != nil {
		r.t.Fatal(err)
	}
	r.faulty = &faulty{Log: r.log}
	if r.coordinator, err = cplane.Open(context.Background(), r.faulty, r.box, limits); err != nil {
		r.t.Fatal(err)
	}
	d := door.New(100_000)
	r.coordinator.Serve(d)
	r.server = httptest.NewServer(d)
	r.Client = &cplane.Client{URL: r.server.URL}
}

func (r *room) close() {
	r.coordinator.Close()
	r.server.Close()
	if err := r.log.Close(); err != nil {
		r.t.Error(err)
	}
}

// again is a restart.
func (r *room) again() {
	r.t.Helper()
	r.close()
	r.open()
}

// propose opens a task of the cast.
func (r *room) propose(change ...func(*joconde.Task)) (*cast.Play, joconde.Digest) {
	r.t.Helper()
	p := cast.NewPlay(append(change, func(t *joconde.Task) { t.LogKey = r.log.Verifier() })...)
	id, err := r.coordinator.Propose(context.Background(), p.Envelope, cast.Organisations())
	if err != nil {
		r.t.Fatal(err)
	}
	return p, id
}

// play posts what is waited for, until the task is in a phase or nothing is.
func (r *room) play(p *cast.Play, until joconde.Phase) {
	r.t.Helper()
	_, task := p.Task()
	for len(p.State().Waiting()) > 0 && p.State().Phase != until {
		step := p.Step(p.State().Waiting()[0])
		at, err := r.Submit(context.Background(), task, step.Sign())
		if err != nil || at != len(p.Records()) {
			r.t.Fatalf("%s: position %d, %v", step.Kind, at, err)
		}
		p.Do(step)
	}
}

// look reads and verifies a task, and gives the envelopes and their places in the log.
func (r *room) look(task joconde.Digest) (envelopes []string, indexes []uint64) {
	r.t.Helper()
	var ledger *record.Ledger
	for {
		page, err := r.Records(context.Background(), task, len(envelopes), 0)
		if err != nil {
			r.t.Fatal(err)
		}
		if len(page.Records) == 0 {
			return envelopes, indexes
		}
		for _, e := range page.Records {
			if err := audit.VerifyInclusion(r.log.Verifier(), []byte(page.Checkpoint), e.Envelope, e.Proof); err != nil {
				r.t.Fatal(err)
			}
			if e.Position == 0 {
				ledger, err = record.NewLedger(e.Envelope, page.Organisations)
			} else {
				_, err = ledger.Add(e.Envelope)
			}
			if err != nil || e.Position != len(envelopes) {
				r.t.Fatalf("position %d: %v", e.Position, err)
			}
			envelopes, indexes = append(envelopes, string(e.Envelope)), append(indexes, e.Proof.Index)
		}
	}
}

// faulty is a log that fails when it is told to.
type faulty struct {
	cplane.Log
	mutex  sync.Mutex
	fail   bool
	anyway bool // the leaf is in the log nevertheless
	hold   chan struct{}
}

var errDisk = errors.New("no space left on device")

func (f *faulty) set(fail, anyway bool) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.fail, f.anyway = fail, anyway
}

func (f *faulty) Append(ctx context.Context, leaf []byte) (uint64, error) {
	f.mutex.Lock()
	fail, anyway, hold := f.fail, f.anyway, f.hold
	f.mutex.Unlock()
	if hold != nil {
		<-hold
	}
	if !fail {
		return f.Log.Append(ctx, leaf)
	}
	if anyway {
		if _, err := f.Log.Append(ctx, leaf); err != nil {
			return 0, err
		}
	}
	return 0, errDisk
}

func (f *faulty) Size(ctx context.Context) (uint64, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.fail && !f.anyway {
		return 0, errDisk // a disk that fails does not read either
	}
	return f.Log.Size(ctx)
}

func code(err error) string {
	var p *joconde.Problem
	if !errors.As(err, &p) {
		return ""
	}
	return p.Code
}

func texts(envelopes [][]byte) []string {
	var out []string
	for _, e := range envelopes {
		out = append(out, string(e))
	}
	return out
}

func TestATaskWithASecondAttemptThroughRestarts(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	other, _ := r.propose(func(t *joconde.Task) { t.Title = "Another task" })
	r.play(other, joconde.Agreed)
	r.play(p, joconde.Loaded)
	abort := p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true})
	if _, err := r.Submit(t.Context(), task, abort.Sign()); err != nil {
		t.Fatal(err)
	}
	p.Do(abort)
	for len(p.State().Waiting()) > 0 {
		before, places := r.look(task)
		r.again()
		after, same := r.look(task)
		if !reflect.DeepEqual(before, after) || !reflect.DeepEqual(places, same) {
			t.Fatalf("a restart at record %d has changed something", len(before))
		}
		step := p.Step(p.State().Waiting()[0])
		if _, err := r.Submit(t.Context(), task, step.Sign()); err != nil {
			t.Fatal(err)
		}
		p.Do(step)
	}
	if have, _ := r.look(task); !reflect.DeepEqual(have, texts(p.Envelopes())) || !p.State().Closed() {
		t.Errorf("the task is %s after %d records", p.State().Phase, len(have))
	}
	for _, party := range []struct {
		name joconde.PartyID
		want int
	}{{"", 2}, {cast.PT, 2}, {"nobody", 0}} {
		if list := r.coordinator.Tasks(party.name); len(list) != party.want {
			t.Errorf("tasks of %q: %v", party.name, list)
		}
	}
}

func TestALogThatFailsAtEveryRecord(t *testing.T) {
	for _, anyway := range []bool{false, true} {
		t.Run(map[bool]string{false: "and has not written", true: "and has written anyway"}[anyway], func(t *testing.T) {
			r := newRoom(t)
			p := cast.NewPlay(func(t *joconde.Task) { t.LogKey = r.log.Verifier() })
			_, task := p.Task()
			// At each entry and at the task itself: nothing is shown, and again is right.
			for n := 0; ; n++ {
				r.faulty.set(true, anyway)
				id, err := r.coordinator.Propose(t.Context(), p.Envelope, cast.Organisations())
				r.faulty.set(false, false)
				if err == nil && id == task {
					break // all was written before the last failure
				}
				if n > 20 || code(err) != "JOC-H209" {
					t.Fatalf("proposed: %v", err)
				}
				if !anyway {
					if _, err := r.coordinator.Propose(t.Context(), p.Envelope, cast.Organisations()); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
			for len(p.State().Waiting()) > 0 {
				step := p.Step(p.State().Waiting()[0])
				envelope := step.Sign()
				before, _ := r.look(task)
				r.faulty.set(true, anyway)
				if _, err := r.Submit(t.Context(), task, envelope); code(err) != "JOC-H209" {
					t.Fatalf("%s: %v", step.Kind, err)
				}
				if now, _ := r.look(task); !reflect.DeepEqual(before, now) {
					t.Fatalf("%s: it is visible, and not acknowledged", step.Kind)
				}
				r.faulty.set(false, false)
				if at, err := r.Submit(t.Context(), task, envelope); err != nil || at != len(before) {
					t.Fatalf("%s: position %d, %v", step.Kind, at, err)
				}
				p.Do(step)
			}
			before, places := r.look(task)
			r.again()
			after, same := r.look(task)
			if !reflect.DeepEqual(before, after) || !reflect.DeepEqual(places, same) || !reflect.DeepEqual(after, texts(p.Envelopes())) {
				t.Error("the replayed log says something else")
			}
			size, err := r.log.Size(t.Context())
			if want := uint64(len(cast.Parties()) + len(before)); err != nil || size != want {
				t.Errorf("the log has %d entries, not %d: something is there twice", size, want)
			}
		})
	}
}

// A record that was written and not acknowledged comes first when what
// contradicts it comes after: live as after a restart.
func TestWhatWasWrittenAnywayIsNotOvertaken(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	r.faulty.set(true, true)
	refusal := p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.AT})
	if _, err := r.Submit(t.Context(), task, refusal.Sign()); code(err) != "JOC-H209" {
		t.Fatal(err)
	}
	r.faulty.set(false, false)
	approval := p.Step(joconde.Wanted{Kind: joconde.KindApproval, Party: cast.AT, Role: joconde.Approver})
	if _, err := r.Submit(t.Context(), task, approval.Sign()); !errors.Is(err, joconde.ErrLate) {
		t.Errorf("an approval after the refusal: %v", err)
	}
	before, _ := r.look(task)
	r.again()
	if after, _ := r.look(task); !reflect.DeepEqual(before, after) || len(after) != 2 {
		t.Errorf("%d records, and %d after a restart", len(before), len(after))
	}
}

func TestNothingIsShownBeforeItIsDurable(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	hold := make(chan struct{})
	r.faulty.mutex.Lock()
	r.faulty.hold = hold
	r.faulty.mutex.Unlock()
	done := make(chan error, 1)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		_, err := r.coordinator.Submit(ctx, task, p.Step(p.State().Waiting()[0]).Sign())
		done <- err
	}()
	page, err := r.Records(t.Context(), task, 1, time.Second)
	if err != nil || len(page.Records) != 0 {
		t.Errorf("shown while it is being written: %v, %v", page, err)
	}
	leave() // and the asker goes: what was begun is ended
	close(hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if have, _ := r.look(task); len(have) != 2 {
		t.Errorf("%d records", len(have))
	}
}

func TestWaitingForNews(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	type answer struct {
		page *cplane.Page
		err  error
	}
	wait := func() chan answer {
		got := make(chan answer, 1)
		go func() {
			page, err := r.Records(context.Background(), task, len(p.Records()), 30*time.Second)
			got <- answer{page, err}
		}()
		return got
	}
	until := func(n int) {
		for r.coordinator.WaitingNow() != n {
			time.Sleep(time.Millisecond)
		}
	}
	one, two := wait(), wait()
	until(2)
	if _, err := r.Records(t.Context(), task, 1, time.Second); code(err) != "JOC-H214" {
		t.Errorf("one too many: %v", err)
	}
	step := p.Step(p.State().Waiting()[0])
	if _, err := r.Submit(t.Context(), task, step.Sign()); err != nil {
		t.Fatal(err)
	}
	for _, waiting := range []chan answer{one, two} {
		if a := <-waiting; a.err != nil || len(a.page.Records) != 1 || a.page.Records[0].Position != 1 || a.page.Organisations != nil {
			t.Errorf("the news are %v, %v", a.page, a.err)
		}
	}
	p.Do(step)
	// A hub that stops lets go of whoever waits.
	last := wait()
	until(1)
	r.coordinator.Close()
	if a := <-last; a.err != nil || len(a.page.Records) != 0 {
		t.Errorf("at the end: %v, %v", a.page, a.err)
	}
}

func TestManyAtOnce(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	var all [][]byte
	for _, w := range p.State().Waiting() {
		step := p.Step(w)
		all = append(all, step.Sign())
		body := *step.Body.(*joconde.Approval)
		body.At = joconde.FormatTime(cast.Start.Add(time.Minute)) // the same party says it otherwise
		step.Body = &body
		all = append(all, step.Sign())
	}
	var wait sync.WaitGroup
	var mutex sync.Mutex
	won := map[int]int{}
	for range 3 {
		for i, envelope := range all {
			wait.Go(func() {
				at, err := r.Submit(context.Background(), task, envelope)
				if err != nil {
					if !errors.Is(err, joconde.ErrContradicts) && !errors.Is(err, joconde.ErrLate) {
						t.Error(err)
					}
					return
				}
				mutex.Lock()
				defer mutex.Unlock()
				if before, twice := won[i]; twice && before != at {
					t.Errorf("one record at positions %d and %d", before, at)
				}
				won[i] = at
			})
		}
	}
	wait.Wait()
	have, _ := r.look(task)
	if len(won) != len(all)/2 || len(have) != 1+len(all)/2 {
		t.Errorf("%d records were taken in, %d are there", len(won), len(have))
	}
	for i, at := range won {
		if have[at] != string(all[i]) {
			t.Errorf("position %d has another record than was acknowledged", at)
		}
	}
}

func TestPages(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	r.play(p, "")
	page, err := r.Records(t.Context(), task, 3, 0)
	if err != nil || len(page.Records) != len(p.Records())-3 || page.Records[0].Position != 3 || page.Organisations != nil {
		t.Errorf("from 3: %d records, %v", len(page.Records), err)
	}
	if page, err := r.Records(t.Context(), task, len(p.Records()), 0); err != nil || len(page.Records) != 0 || page.Checkpoint == "" {
		t.Errorf("from the end: %v, %v", page, err)
	}
	if _, err := r.Records(t.Context(), task, len(p.Records())+1, 0); !errors.Is(err, cplane.ErrShorter) {
		t.Errorf("from beyond the end: %v", err)
	}
	if _, err := r.Records(t.Context(), joconde.Digest{1}, 0, 0); !errors.Is(err, cplane.ErrNoTask) {
		t.Errorf("an unknown task: %v", err)
	}
}

func TestTasksHaveAnEnd(t *testing.T) {
	r := newRoom(t)
	for n := range limits.Tasks {
		r.propose(func(t *joconde.Task) { t.Title = fmt.Sprintf("Task %d", n) })
	}
	p := cast.NewPlay(func(t *joconde.Task) { t.LogKey = r.log.Verifier() })
	if _, err := r.coordinator.Propose(t.Context(), p.Envelope, cast.Organisations()); code(err) != "JOC-H208" {
		t.Errorf("one too many: %v", err)
	}
}

// computed plays until every node's transcript is there, naming these outputs.
func (r *room) computed(p *cast.Play, sealed map[joconde.PartyID][]byte) {
	r.t.Helper()
	r.play(p, joconde.Loaded)
	_, task := p.Task()
	for p.State().Phase == joconde.Loaded {
		w := p.State().Waiting()[0]
		step := p.Step(w)
		step.Body.(*joconde.Transcript).Outputs[0].Ciphertext = sha256.Sum256(sealed[w.Party])
		if _, err := r.Submit(context.Background(), task, step.Sign()); err != nil {
			r.t.Fatal(err)
		}
		p.Do(step)
	}
}

func (r *room) kept() int {
	r.t.Helper()
	n := 0
	err := r.box.View(context.Background(), func(v store.Reader) error {
		return v.ForEach("outputs", "", func(string, []byte) error { n++; return nil })
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

func TestSealedOutputsWaitForTheirRecipient(t *testing.T) {
	sealed := map[joconde.PartyID][]byte{cast.EU: []byte("part one"), cast.Hub: []byte(strings.Repeat("x", 1000)), cast.PT: []byte(strings.Repeat("y", 1000))}
	hash := func(p joconde.PartyID) joconde.Digest { return sha256.Sum256(sealed[p]) }
	r := newRoom(t)
	p, task := r.propose()
	ctx := t.Context()
	if err := r.PutOutput(ctx, task, hash(cast.EU), sealed[cast.EU]); code(err) != "JOC-H221" {
		t.Errorf("before any transcript: %v", err)
	}
	r.computed(p, sealed)
	if _, err := r.Output(ctx, task, hash(cast.EU)); !errors.Is(err, cplane.ErrNotYet) {
		t.Errorf("before it is handed in: %v", err)
	}
	for range 2 { // again is no error, and takes no room
		for _, party := range []joconde.PartyID{cast.EU, cast.Hub} {
			if err := r.PutOutput(ctx, task, hash(party), sealed[party]); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name   string
		output joconde.Digest
		sealed []byte
		code   string
	}{
		{"other bytes than the hash", hash(cast.PT), []byte("other"), "JOC-H224"},
		{"no bytes at all", hash(cast.PT), nil, "JOC-H001"},
		{"a hash that no transcript names", sha256.Sum256([]byte("clear rows")), []byte("clear rows"), "JOC-H221"},
		{"too large", hash(cast.PT), make([]byte, limits.Output+1), "JOC-H004"},
		{"more than the mailbox holds", hash(cast.PT), sealed[cast.PT], "JOC-H225"},
	} {
		if err := r.PutOutput(ctx, task, test.output, test.sealed); code(err) != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	r.again()
	for _, party := range []joconde.PartyID{cast.EU, cast.Hub} {
		if got, err := r.Output(ctx, task, hash(party)); err != nil || string(got) != string(sealed[party]) {
			t.Errorf("fetched %q, %v", got, err)
		}
	}
	receipt := p.Step(joconde.Wanted{Kind: joconde.KindResultReceipt, Party: cast.EU})
	if _, err := r.Submit(ctx, task, receipt.Sign()); err != nil {
		t.Fatal(err)
	}
	if n := r.kept(); n != 0 {
		t.Errorf("%d outputs are kept after delivery", n)
	}
	if _, err := r.Output(ctx, task, hash(cast.EU)); !errors.Is(err, cplane.ErrGone) {
		t.Errorf("after delivery: %v", err)
	}
	if err := r.PutOutput(ctx, task, hash(cast.PT), sealed[cast.PT]); !errors.Is(err, cplane.ErrGone) {
		t.Errorf("handed in after delivery: %v", err)
	}
}

func TestSealedOutputsOfATaskThatStopsAreDeleted(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	r.play(p, joconde.Loaded)
	// One node has ended, another one aborts.
	sealed := []byte("part one")
	step := p.Step(p.State().Waiting()[0])
	step.Body.(*joconde.Transcript).Outputs[0].Ciphertext = sha256.Sum256(sealed)
	abort := p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.PT, Node: true})
	if _, err := r.Submit(t.Context(), task, step.Sign()); err != nil {
		t.Fatal(err)
	}
	if err := r.PutOutput(t.Context(), task, sha256.Sum256(sealed), sealed); err != nil || r.kept() != 1 {
		t.Fatalf("%v, %d kept", err, r.kept())
	}
	if _, err := r.Submit(t.Context(), task, abort.Sign()); err != nil || r.kept() != 0 {
		t.Errorf("%v, %d kept", err, r.kept())
	}
	if err := r.PutOutput(t.Context(), task, sha256.Sum256(sealed), sealed); !errors.Is(err, cplane.ErrGone) {
		t.Error(err)
	}
	// What was left behind by a kill is swept at the start.
	err := r.box.Update(t.Context(), func(w store.Writer) error {
		return errors.Join(w.Put("outputs", strings.TrimPrefix(task.String(), "sha256:")+"/"+strings.Repeat("0", 64), sealed), w.Put("outputs", "nonsense", sealed))
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.again(); r.kept() != 0 {
		t.Errorf("%d kept after a restart", r.kept())
	}
}

// full is a store whose disk is full.
type full struct{ store.Store }

func (full) Update(context.Context, func(store.Writer) error) error {
	return store.Failed("store", errDisk)
}

func TestAFullDiskTakesNoOutput(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	sealed := map[joconde.PartyID][]byte{cast.EU: []byte("1"), cast.Hub: []byte("2"), cast.PT: []byte("3")}
	r.computed(p, sealed)
	good := r.box
	r.box = full{good}
	r.again()
	if err := r.PutOutput(t.Context(), task, sha256.Sum256(sealed[cast.PT]), sealed[cast.PT]); code(err) != "JOC-H226" {
		t.Errorf("a full disk: %v", err)
	}
	r.box = good
	if r.again(); r.kept() != 0 {
		t.Error("something was kept")
	}
}
