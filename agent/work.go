package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"joconde"
	"joconde/record"
)

// work is what an agent does for one task. All fields belong to the goroutine
// of loop; jobs run beside it and hand back what is to be done with their
// outcome.
type work struct {
	*Agent
	*follower
	journal  journal
	me       joconde.PartyID
	compiled *Compiled // once it was needed
	us       bool      // the task knows this organisation by the keys of this home

	group   sync.WaitGroup
	heard   chan heard      // from the own node
	ended   chan func()     // from jobs
	jobs    map[string]*job // by name
	sent    map[string]sent // by slot
	said    map[string]bool // what was already said to people
	attempt int             // that jobs and node are for
	node    *ownNode        // nil: none in this attempt, or not found again yet
	unheard []heard         // what the node said and could not be kept yet
	faulty  int             // the attempt in which the hub was caught; 0: none
	direct  int             // the attempt in which nodes were told of our abort
}

type job struct {
	cancel context.CancelFunc
	tries  int
	again  time.Time // not before
	runs   bool
}

type sent struct {
	at    time.Time
	times int
}

// work follows a task and acts until there is nothing left to do for this
// organisation, or ctx ends. It says whether it should be called again.
func (a *Agent) work(ctx context.Context, id joconde.Digest) (again bool) {
	f, err := a.Home.follow(id)
	if err != nil {
		a.tell(Event{Task: id, Step: StepHome, What: "the records of a task cannot be read", Problem: asProblem(err)})
		return sleep(ctx, a.patience())
	}
	w := &work{Agent: a, follower: f, journal: a.Home.journal(id), me: a.Home.config.Party,
		heard: make(chan heard), ended: make(chan func()), jobs: map[string]*job{}, sent: map[string]sent{}, said: map[string]bool{}}
	var fault faultFile
	if err := a.Home.load(w.faultPath(), &fault); err == nil {
		w.faulty = fault.Attempt
	}
	ctx, cancel := context.WithCancel(ctx)
	defer w.group.Wait()
	defer cancel()
	return w.loop(ctx)
}

// loop waits for whatever comes next, and then does what can be done.
func (w *work) loop(ctx context.Context) (again bool) {
	type pulled struct {
		page *Page
		err  error
	}
	pulls := make(chan pulled, 1)
	pull := func(wait time.Duration) {
		w.group.Go(func() {
			if wait < 0 {
				if !sleep(ctx, -wait) {
					return
				}
				wait = 0
			}
			page, err := w.fetch(ctx, w.Hub, wait)
			pulls <- pulled{page, err}
		})
	}
	pull(0)
	tick := time.NewTicker(w.pause())
	defer tick.Stop()
	if w.ledger != nil {
		w.act(ctx)
	}
	for !w.done() {
		select {
		case <-ctx.Done():
			return false
		case p := <-pulls:
			// No fetch runs now, so the follower may change.
			next := w.wait()
			if p.err == nil && p.page != nil {
				p.err = w.takeIn(p.page)
			}
			if p.err != nil && ctx.Err() == nil {
				w.notFollowed(ctx, p.err)
				next = -w.pause()
			}
			pull(next)
		case h := <-w.heard:
			w.unheard = append(w.unheard, h)
		case finish := <-w.ended:
			finish()
		case <-tick.C:
		}
		if w.ledger != nil && ctx.Err() == nil {
			w.act(ctx)
		}
	}
	w.say(StepDone, "nothing is left to do for this organisation", nil)
	return false
}

// takeIn verifies a page and tells of what is new, people and the own node.
func (w *work) takeIn(page *Page) error {
	before := len(w.entries)
	_, err := w.take(page)
	if w.ledger != nil {
		records := w.ledger.Records()
		for _, r := range records[min(before, len(records)):] {
			w.say(StepRecord, recordWords(r), nil)
		}
	}
	w.tellNode()
	return err
}

func recordWords(r *record.Record) string {
	e, _, err := joconde.EventOf(r.ID, r.Body)
	if err != nil {
		return string(r.Kind)
	}
	words := fmt.Sprintf("%s of %s", e.Kind, e.Party)
	if e.Reason != "" {
		words += ": " + e.Reason
	}
	return words
}

// done says whether nothing is left to do for this organisation.
func (w *work) done() bool {
	if w.ledger == nil || len(w.unheard) > 0 || w.node != nil && !w.node.ended {
		return false
	}
	for _, j := range w.jobs {
		if j.runs {
			return false
		}
	}
	s := w.ledger.State()
	return (s.Closed() || s.Ended()) && !slices.ContainsFunc(s.Waiting(), func(x joconde.Wanted) bool { return x.Party == w.me })
}

// act does everything that can be done now, in the order of a task's life. It
// may be called at any time, any number of times.
func (w *work) act(ctx context.Context) {
	if w.saved < len(w.entries) {
		if err := w.save(); err != nil {
			w.trouble(StepHome, "records cannot be kept", err)
			return
		}
	}
	if !w.us {
		if err := w.Home.isUs(w.follower); err != nil {
			w.trouble(StepHome, "the agent does nothing for this task", err)
			return
		}
		w.us = true
	}
	s := w.ledger.State()
	w.turn(s)
	w.hearNode(ctx)
	stopped, err := w.stop(ctx, s)
	if err != nil {
		w.trouble(StepAbort, "the abort cannot be signed", err)
		return
	}
	for _, x := range s.Waiting() {
		if x.Party == w.me {
			if err := w.sign(ctx, s, x, stopped); err != nil {
				w.trouble(stepOf[x.Kind], fmt.Sprintf("%s is not done yet", x.Kind), err)
			}
		}
	}
	if s.RetryOpen() && slices.Contains(w.Home.roles(s.Task), joconde.InputParty) && w.past(s.Task.Deadlines.DeleteBy) {
		// Nobody tries again in time. Without the splits nobody can.
		if err := w.splitWipe(ctx); err != nil {
			w.trouble(StepWipe, "the splits are not wiped yet", err)
		}
	}
	if !stopped {
		if err := w.uploads(ctx, s); err != nil {
			w.trouble(StepInput, "the inputs are not sent yet", err)
		}
	}
	w.look(ctx, s)
	if s.Phase == joconde.Computed {
		w.after(ctx, s)
	}
}

var stepOf = map[joconde.RecordKind]Step{
	joconde.KindApproval: StepPerson, joconde.KindRetry: StepPerson, joconde.KindAttemptNonce: StepSign, joconde.KindNodeBundle: StepNode,
	joconde.KindAcceptance: StepVerify, joconde.KindInputReceipt: StepInput, joconde.KindReady: StepNode, joconde.KindTranscript: StepNode,
	joconde.KindResultReceipt: StepResult, joconde.KindWipeReceipt: StepWipe, joconde.KindSplitWipe: StepWipe,
}

// turn notices a new attempt and an end: what was under way for the old one is
// called off.
func (w *work) turn(s *joconde.State) {
	if s.Attempt != w.attempt || !abortable(s.Phase) && s.Phase != joconde.Computed {
		for _, j := range w.jobs {
			j.cancel()
		}
	}
	if s.Attempt != w.attempt {
		w.attempt, w.node = s.Attempt, nil
		w.said = map[string]bool{}
		for _, j := range w.jobs {
			j.again, j.tries = time.Time{}, 0
		}
	}
}

// sign does what must be done before this organisation signs a record that is
// waited for, signs and sends it. stopped: it has stopped the attempt, and
// signs nothing more that would bring it forward.
func (w *work) sign(ctx context.Context, s *joconde.State, x joconde.Wanted, stopped bool) error {
	switch x.Kind {
	case joconde.KindApproval:
		return w.person(ctx, slotOf(x.Kind, 0, x.Role), fmt.Sprintf("the task %q waits for your approval as %s", s.Task.Title, x.Role))
	case joconde.KindRetry:
		return w.person(ctx, slotOf(x.Kind, s.Attempt+1, ""), fmt.Sprintf("attempt %d was aborted; another waits for your consent", s.Attempt))
	case joconde.KindWipeReceipt:
		return w.wipeReceipt(ctx, s)
	case joconde.KindSplitWipe:
		return w.splitWipe(ctx)
	case joconde.KindResultReceipt:
		return w.result(ctx, s)
	case joconde.KindTranscript:
		// What has been computed may be said also after we wanted to stop:
		// whether it counts is for the log to settle.
		return w.nodeRecord(ctx, x.Kind)
	}
	if stopped {
		return nil
	}
	switch x.Kind {
	case joconde.KindAttemptNonce:
		return w.nonce(ctx, s)
	case joconde.KindNodeBundle:
		return w.bundleOfNode(ctx, s)
	case joconde.KindAcceptance:
		return w.accept(ctx, s)
	case joconde.KindInputReceipt:
		return w.inputs(ctx, s)
	case joconde.KindReady:
		return w.nodeRecord(ctx, x.Kind)
	}
	return nil
}

// person sends again what a person has signed and the log does not have, or
// says that a person is waited for.
func (w *work) person(ctx context.Context, slot, what string) error {
	envelope, err := w.journal.of(slot)
	if err != nil {
		return err
	}
	if envelope == nil {
		w.sayOnce(StepPerson, what)
		return nil
	}
	return w.send(ctx, slot, envelope)
}

func (w *work) nonce(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindAttemptNonce, s.Attempt, "")
	envelope, err := w.journal.operate(slot, joconde.KindAttemptNonce, func() (any, error) {
		return &joconde.AttemptNonce{Task: w.id, Attempt: s.Attempt, Party: w.me, Nonce: randomHex(32), At: stamp(w.now())}, nil
	})
	if err != nil {
		return err
	}
	return w.send(ctx, slot, envelope)
}

// sendSigned sends what stands signed for a slot already, and says whether
// anything does: a slot is signed once, whatever happens after.
func (w *work) sendSigned(ctx context.Context, slot string) (signed bool, err error) {
	envelope, err := w.journal.of(slot)
	if err != nil || envelope == nil {
		return false, err
	}
	return true, w.send(ctx, slot, envelope)
}

// send submits a record that is not in the log yet: again and again, but not
// more often than makes sense.
func (w *work) send(ctx context.Context, slot string, envelope []byte) error {
	before := w.sent[slot]
	wait := w.pause() * time.Duration(min(before.times, 10))
	if time.Since(before.at) < wait {
		return nil
	}
	w.sent[slot] = sent{time.Now(), before.times + 1}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err := submit(ctx, w.Hub, w.id, envelope)
	switch {
	case err != nil:
		return err
	case before.times == 0:
		w.say(StepSign, "signed and sent: "+slot, nil)
	case before.times == 5:
		w.say(StepHub, "the hub takes a record and does not log it", problem("JOC-G112", "hub", "the hub takes the record "+slot+" of this organisation and does not log it",
			"nothing goes on without the record, and nobody but the hub's operator can withhold it", "ask the hub's operator; the agent goes on sending it, and a deadline ends the attempt", joconde.ExitUnreachable, nil))
	}
	return nil
}

// stop looks whether this attempt must not go on: because this organisation
// has said so, because its node has, because the hub was caught, or because a
// signed deadline has passed.
func (w *work) stop(ctx context.Context, s *joconde.State) (stopped bool, err error) {
	if !abortable(s.Phase) {
		return w.faulty == s.Attempt, nil
	}
	slot := slotOf(joconde.KindAbort, s.Attempt, "")
	envelope, err := w.journal.of(slot)
	if err != nil {
		return true, err
	}
	if envelope == nil {
		ofNode := nodeSlot(joconde.KindAbort, s.Attempt)
		said, err := w.journal.of(ofNode)
		if err != nil {
			return true, err
		}
		if said != nil {
			if err := w.send(ctx, ofNode, said); err != nil {
				w.trouble(StepAbort, "the node's abort is not logged yet", err)
			}
			return true, nil
		}
		reason := ""
		switch {
		case w.faulty == s.Attempt:
			reason = "log"
		case w.overdue(s):
			reason = "deadline"
		default:
			return false, nil
		}
		return true, w.abort(ctx, s, reason, "")
	}
	if w.direct != s.Attempt {
		w.direct = s.Attempt
		bundles := bundlesOf(w.ledger)
		w.group.Go(func() { tellNodes(ctx, w.Workers, bundles, envelope) })
		if w.node != nil {
			w.node.tell(func(n Node) error { return n.Abort(envelope) })
		}
	}
	if err := w.send(ctx, slot, envelope); err != nil {
		w.trouble(StepAbort, "the abort is not logged yet; the nodes were told directly", err)
	}
	return true, nil
}

// abort stops the attempt. What was signed is signed: it is sent from stop
// until the task stands still.
func (w *work) abort(ctx context.Context, s *joconde.State, reason string, blames joconde.PartyID) error {
	if !abortable(s.Phase) {
		return nil
	}
	if _, err := w.journal.abort(s, w.me, reason, blames, w.now()); err != nil {
		return err
	}
	w.sayOnce(StepAbort, "this organisation stops the attempt: "+joconde.Reasons[reason])
	_, err := w.stop(ctx, s)
	return err
}

// overdue says whether a signed deadline has passed without what it is for.
func (w *work) overdue(s *joconde.State) bool {
	d := &s.Task.Deadlines
	switch s.Phase {
	case joconde.Agreed:
		return w.past(d.EstablishBy)
	case joconde.Established:
		return w.past(d.InputBy)
	case joconde.Loaded:
		var started time.Time // when the last node was ready
		for _, r := range w.ledger.Records() {
			if b, ok := r.Body.(*joconde.Ready); ok && b.Attempt == s.Attempt {
				if at, err := joconde.ParseTime(b.At); err == nil && at.After(started) {
					started = at
				}
			}
		}
		return !started.IsZero() && w.now().After(started.Add(time.Duration(d.RunSeconds)*time.Second))
	}
	return false
}

func (w *work) past(deadline string) bool {
	at, err := joconde.ParseTime(deadline)
	return err == nil && w.now().After(at)
}

// faultFile remembers over a restart that the hub was caught.
type faultFile struct {
	Attempt int    `json:"attempt"`
	Code    string `json:"code"`
	What    string `json:"what"`
}

func (w *work) faultPath() string { return filepath.Join(w.folder(), "fault.json") }

// notFollowed is what follows from records that could not be had or believed.
func (w *work) notFollowed(ctx context.Context, err error) {
	if !errors.Is(err, errLog) {
		w.trouble(StepHub, "the task cannot be followed just now; the agent goes on asking", err)
		return
	}
	p := asProblem(err)
	w.trouble(StepHub, "THE HUB'S LOG IS WRONG: "+p.What, err)
	if w.ledger == nil {
		return
	}
	s := w.ledger.State()
	if w.faulty == s.Attempt {
		return
	}
	w.faulty = s.Attempt
	if err := w.Home.save(w.faultPath(), faultFile{s.Attempt, p.Code, p.What}); err != nil {
		w.trouble(StepHome, "what the hub did cannot be noted", err)
	}
	if err := w.abort(ctx, s, "log", ""); err != nil {
		w.trouble(StepAbort, "the abort cannot be signed", err)
	}
}

// start runs a job beside the loop, once at a time, and not too soon after it
// failed. then runs in the loop.
func (w *work) start(ctx context.Context, step Step, name string, do func(context.Context) error, then func() error) {
	j := w.jobs[name]
	if j == nil {
		j = &job{}
		w.jobs[name] = j
	}
	if j.runs || time.Now().Before(j.again) {
		return
	}
	jobCtx, cancel := context.WithCancel(ctx)
	j.cancel, j.runs = cancel, true
	attempt := w.attempt
	w.group.Go(func() {
		err := do(jobCtx)
		finish := func() {
			cancel()
			j.runs = false
			if err == nil && w.attempt == attempt {
				err = then()
			}
			if err != nil {
				j.tries++
				j.again = time.Now().Add(w.pause() * time.Duration(min(j.tries, 30)))
				if jobCtx.Err() == nil || !errors.Is(err, context.Canceled) {
					w.trouble(step, name+" is not done yet; the agent tries again", err)
				}
			}
		}
		select {
		case w.ended <- finish:
		case <-ctx.Done():
			cancel()
		}
	})
}

// terms are the task's, compiled here.
func (w *work) terms() (*Compiled, error) {
	if w.compiled == nil {
		t, _ := w.ledger.Task()
		c, err := Compile(t)
		if err != nil {
			return nil, err
		}
		w.compiled = c
	}
	return w.compiled, nil
}

func (w *work) say(step Step, what string, p *joconde.Problem) {
	w.event(Event{Step: step, What: what, Problem: p})
}

// event tells an event of this task as it stands.
func (w *work) event(e Event) {
	e.Task = w.id
	if w.ledger != nil {
		s := w.ledger.State()
		e.Attempt, e.Phase = s.Attempt, s.Phase
	}
	w.tell(e)
}

func (w *work) sayOnce(step Step, what string) {
	if !w.said[what] {
		w.said[what] = true
		w.say(step, what, nil)
	}
}

// trouble says what went wrong, once for each code and sentence.
func (w *work) trouble(step Step, what string, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	p := asProblem(err)
	if key := string(step) + what + p.Code + p.What; !w.said[key] {
		w.said[key] = true
		w.say(step, what, p)
	}
}

func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
