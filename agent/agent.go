// Package agent is an organisation's own part of the service: its home (keys,
// tables, splits, results) and the daemon that acts for it. It is trusted by
// its organisation with everything and by nobody else with anything. It
// believes no hub and no node: it acts only on records that it has verified
// and replayed itself, and signs unattended with the operations key only; what
// needs a person (approval, refusal, retry) is in people.go.
//
// Every step may be cut off at any moment and is then done again: what was
// signed is on disk before anybody sees it, and one slot is never signed twice
// with different contents (sign.go).
//
// Start with Agent.Run; work.go is the life of one task, follow.go how records
// are believed, inputs.go and results.go what an input party and a recipient
// do, nodes.go how an own node is looked after.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"joconde"
	"joconde/dplane"
)

// Agent acts for one organisation.
type Agent struct {
	Home     *Home
	Hub      Hub
	Workers  Workers
	Launcher Launcher         // nil where the organisation operates no node
	Notify   func(Event)      // may be nil; called from several goroutines
	Clock    func() time.Time // for signed times and deadlines; nil: time.Now
	Wait     time.Duration    // how long to wait at the hub for news; 0: 25 s
	Pause    time.Duration    // between tries; 0: 1 s
	Patience time.Duration    // how long a node may take to wipe and end; 0: 30 s
}

// Event is one thing that happened, for the screen and the log. It never holds
// a value of data.
type Event struct {
	At      time.Time
	Party   joconde.PartyID
	Task    joconde.Digest
	Attempt int
	Phase   joconde.Phase
	Step    Step
	What    string           // one sentence
	Problem *joconde.Problem // nil if all is well
	Node    *dplane.Status   // how far its node is; nil in all other events
}

// Step is the part of the journey that an event belongs to.
type Step string

// The steps.
const (
	StepRecord  Step = "record"  // a record was verified and taken in
	StepPerson  Step = "person"  // a person of this organisation is waited for
	StepSign    Step = "sign"    // this organisation signed something
	StepNode    Step = "node"    // its node started, said how far it is, ended
	StepVerify  Step = "verify"  // the nodes' evidence
	StepInput   Step = "input"   // its inputs are split and sent
	StepResult  Step = "result"  // its results are opened
	StepDeliver Step = "deliver" // sealed parts go to the mailbox
	StepWipe    Step = "wipe"    // splits, parts, receipts
	StepAbort   Step = "abort"   // it stops the attempt
	StepHub     Step = "hub"     // the hub does not answer, or lies
	StepHome    Step = "home"    // disk and keys
	StepDone    Step = "done"    // nothing is left to do for it
)

// LogValue is the event for slog.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("party", string(e.Party)), slog.String("step", string(e.Step)), slog.String("what", e.What)}
	if e.Task != (joconde.Digest{}) {
		attrs = append(attrs, slog.String("task", e.Task.String()), slog.Int("attempt", e.Attempt), slog.String("phase", string(e.Phase)))
	}
	if e.Problem != nil {
		attrs = append(attrs, slog.String("code", e.Problem.Code), slog.String("why", e.Problem.Why))
	}
	return slog.GroupValue(attrs...)
}

// maxTasks is how many tasks are followed at a time: a hub may list what it
// likes.
const maxTasks = 1000

// Run acts until ctx ends, for every task that names the organisation. It
// returns an error only if it cannot begin.
func (a *Agent) Run(ctx context.Context) error {
	if a.Home.config.LogKey == "" {
		return problem("JOC-G050", "home.json", "the home trusts no log yet", "records are believed only with a proof under a log key that the organisation has chosen", "join a hub first: joconde party join", joconde.ExitUsage, nil)
	}
	held, err := hold(a.Home.path("agent.lock"))
	if err != nil {
		return problem("JOC-G051", a.Home.dir, "another agent runs with this home", "two would start two nodes for one organisation", "stop the other one", joconde.ExitNotAllowed, err)
	}
	defer func() { _ = held.Close() }() // which gives the lock back

	var group sync.WaitGroup
	defer group.Wait()
	var mu sync.Mutex
	followed := map[joconde.Digest]bool{} // true while it is worked on
	quiet := false
	for {
		ids, err := a.Home.Tasks()
		if err != nil {
			a.tell(Event{Step: StepHome, What: "the home cannot be read", Problem: asProblem(err)})
		}
		listed, err := a.Hub.Tasks(ctx, a.Home.config.Party)
		if err != nil && ctx.Err() == nil && !quiet {
			a.tell(Event{Step: StepHub, What: "the hub does not answer; the agent goes on asking", Problem: asProblem(err)})
		}
		quiet = err != nil
		mu.Lock()
		for _, id := range append(ids, listed...) {
			if _, known := followed[id]; known || len(followed) >= maxTasks {
				continue
			}
			followed[id] = true
			group.Go(func() {
				again := a.work(ctx, id)
				mu.Lock()
				defer mu.Unlock()
				if again {
					delete(followed, id)
				} else {
					followed[id] = false
				}
			})
		}
		mu.Unlock()
		if !sleep(ctx, 5*a.pause()) {
			return nil
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *Agent) tell(e Event) {
	if a.Notify == nil {
		return
	}
	e.At, e.Party = a.now(), a.Home.config.Party
	a.Notify(e)
}

func (a *Agent) now() time.Time {
	if a.Clock == nil {
		return time.Now()
	}
	return a.Clock()
}

func (a *Agent) wait() time.Duration {
	if a.Wait == 0 {
		return 25 * time.Second
	}
	return a.Wait
}

func (a *Agent) pause() time.Duration {
	if a.Pause == 0 {
		return time.Second
	}
	return a.Pause
}

func (a *Agent) patience() time.Duration {
	if a.Patience == 0 {
		return 30 * time.Second
	}
	return a.Patience
}

// asProblem is any error as a Problem, for an event.
func asProblem(err error) *joconde.Problem {
	var p *joconde.Problem
	var all joconde.Problems
	switch {
	case errors.As(err, &all) && len(all) > 0:
		return all[0]
	case errors.As(err, &p):
		return p
	}
	return problem("JOC-G000", "", "something went wrong", err.Error(), "the agent tries again; if it persists, look at its log", joconde.ExitInternal, err)
}
