package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/session"
	"joconde/record"
)

// party is one computing party: a process of the program node on this
// computer, seen from its parent.
type party struct {
	name    joconde.PartyID
	process *process
	stdin   io.WriteCloser
	stdout  *io.PipeReader
	stderr  *opening
	hello   dplane.Hello

	// The rest is written by the goroutine of hear and read after it.
	at      dplane.Progress
	out     [][]byte
	figures dplane.Figures
	err     error
}

// readyWithin is how long computing parties may take to say where they listen.
const readyWithin = 10 * time.Second

// startParties starts n computing parties and waits until all of them listen;
// it says whom it waits for if that takes long.
func (t *tool) startParties(ctx context.Context, program string, n int, say func(string)) ([]*party, error) {
	parties := make([]*party, n)
	for i := range parties {
		p, err := t.startParty(program, session.Name(i))
		if err != nil {
			return nil, err
		}
		parties[i] = p
	}
	type greeting struct {
		party int
		err   error
	}
	heard := make(chan greeting, n) // room for all: none of them waits for us
	var group sync.WaitGroup
	for i, p := range parties {
		group.Go(func() { heard <- greeting{i, p.receive(dplane.FrameHello, &p.hello)} })
	}
	silent := map[int]bool{}
	for i := range parties {
		silent[i] = true
	}
	give := func(err error) ([]*party, error) {
		for _, p := range parties { // their ends let the goroutines end
			p.process.kill()
		}
		group.Wait()
		return nil, err
	}
	long, tooLong := time.After(2*time.Second), time.After(readyWithin)
	for len(silent) > 0 {
		select {
		case g := <-heard:
			if g.err != nil {
				return give(g.err)
			}
			delete(silent, g.party)
		case <-long:
			say("waiting for " + waitedFor(parties, silent))
		case <-tooLong:
			return give(&joconde.Problem{Code: "JOC-R012", What: waitedFor(parties, silent) + " did not get ready", Where: program, Exit: joconde.ExitUnreachable,
				Why: fmt.Sprintf("within %.0f seconds it did not say where it listens; this node may be of another version, or the computer is very busy", readyWithin.Seconds()),
				Do:  otherVersion + "; or run it again when the computer is less busy"})
		case <-ctx.Done():
			return give(context.Cause(ctx))
		}
	}
	return parties, nil
}

// waitedFor are the names of the parties that have said nothing.
func waitedFor(parties []*party, silent map[int]bool) string {
	var list []joconde.PartyID
	for i, p := range parties {
		if silent[i] {
			list = append(list, p.name)
		}
	}
	return names(list)
}

func (t *tool) startParty(program string, name joconde.PartyID) (*party, error) {
	c := exec.Command(program, "worker")
	c.Dir = "/"
	c.Env = []string{"GOTRACEBACK=none"} // a trace could show words of shares; it needs nothing else
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &party{name: name, stdin: stdin, stderr: &opening{}}
	// An io.Pipe and not StdoutPipe: Wait must not close it under a reader.
	var stdout *io.PipeWriter
	p.stdout, stdout = io.Pipe()
	c.Stdout, c.Stderr = stdout, p.stderr
	if p.process, err = t.start(c, func() { _ = p.stdout.Close() }); err != nil {
		if errors.Is(err, errInterrupted) {
			return nil, err
		}
		return nil, unstartable(name, program, err)
	}
	go func() {
		<-p.process.ended
		_ = stdout.Close() // a PipeWriter's Close gives no error
	}()
	return p, nil
}

// receive reads one message, which must be of the given kind.
func (p *party) receive(kind dplane.FrameKind, v any) error {
	got, payload, err := dplane.ReadFrame(p.stdout)
	if err != nil {
		return p.stopped(err)
	}
	if got == dplane.FrameFailure {
		return p.gaveUp(payload)
	}
	if got != kind {
		return p.garbled(fmt.Errorf("sent a frame of kind %d, not %d", got, kind))
	}
	if err := record.Strict(payload, v); err != nil {
		return p.garbled(err)
	}
	return nil
}

// compute gives every party its job and its parts, and waits for all of their
// results. parts[p] are those of party p. At the first failure all are ended;
// the error is the one closest to the cause.
func compute(ctx context.Context, parties []*party, job dplane.Job, parts [][][]byte, progress func(dplane.Progress)) error {
	for _, p := range parties {
		job.Peers = append(job.Peers, dplane.Peer{Address: p.hello.Address, Pin: p.hello.Pin})
	}
	var group sync.WaitGroup
	defer group.Wait()
	done := make(chan *party, len(parties))
	for i, p := range parties {
		mine := job
		mine.Me = i
		// A failing write needs no report: the party has ended, and hear says how.
		group.Go(func() { _ = p.tell(mine, parts[i]) })
		report := func(dplane.Progress) {}
		if i == 0 {
			report = progress
		}
		group.Go(func() {
			p.err = p.hear(report)
			done <- p
		})
	}
	// Runs before group.Wait: ends what still writes or reads.
	defer func() {
		for _, p := range parties {
			p.process.kill()
			_ = p.stdin.Close() // the process has been killed
		}
	}()
	var failed []*party
	var patience <-chan time.Time // for the others' reports, once one failed
	for left := len(parties); left > 0; left-- {
		select {
		case p := <-done:
			if p.err != nil {
				failed = append(failed, p)
				if patience == nil {
					patience = time.After(3 * time.Second)
				}
			}
		case <-patience:
			return closest(failed)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return closest(failed)
}

// closest chooses among the failures of several parties: a party that ended
// without a word, or that names nobody, knows more than those that only saw a
// peer vanish.
func closest(failed []*party) error {
	var best error
	for _, p := range failed {
		var fault *joconde.Fault
		if !errors.As(p.err, &fault) || fault.Party == p.name {
			return p.err
		}
		if best == nil {
			best = p.err
		}
	}
	return best
}

// tell sends the job and this party's parts of the inputs.
func (p *party) tell(job dplane.Job, parts [][]byte) error {
	if err := dplane.WriteMessage(p.stdin, dplane.FrameJob, job); err != nil {
		return err
	}
	for _, part := range parts {
		if err := dplane.WriteFrame(p.stdin, dplane.FrameInput, part); err != nil {
			return err
		}
	}
	return nil
}

// hear reads what the party says until its figures, the last it says.
func (p *party) hear(progress func(dplane.Progress)) error {
	for {
		kind, payload, err := dplane.ReadFrame(p.stdout)
		if err != nil {
			return p.stopped(err)
		}
		switch kind {
		case dplane.FrameProgress:
			var now dplane.Progress
			if err = record.Strict(payload, &now); err == nil {
				p.at = now
				progress(now)
			}
		case dplane.FrameOutput:
			p.out = append(p.out, payload)
		case dplane.FrameFigures:
			if err = record.Strict(payload, &p.figures); err == nil {
				return nil
			}
		case dplane.FrameFailure:
			return p.gaveUp(payload)
		default:
			err = fmt.Errorf("sent a frame of kind %d in the middle of computing", kind)
		}
		if err != nil {
			return p.garbled(err)
		}
	}
}

// opening keeps the beginning of what a process prints on standard error: the
// runtime's word, if it dies of a bug of ours. Nodes print nothing else there.
type opening struct {
	mu   sync.Mutex
	kept bytes.Buffer
}

func (o *opening) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept.Write(p[:min(len(p), max(0, 4096-o.kept.Len()))])
	return len(p), nil
}

func (o *opening) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return firstLines(o.kept.String(), 3)
}
