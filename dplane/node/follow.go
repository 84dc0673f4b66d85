package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"joconde"
	"joconde/attest"
	"joconde/dplane"
	"joconde/record"
)

// follow takes what the agent and the worker say, one thing at a time, until
// the attempt is over for this node.
func (n *node) follow(ctx context.Context, from io.Reader) ending {
	over := make(chan struct{})
	defer close(over)
	// If frames of the agent come after the end, nobody waits for them.
	agent, worker := listen(from, over), n.worker.frames
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var end *ending
		select {
		case f, open := <-agent:
			if !open {
				return *stop("operator", "", errors.New("its agent is gone"))
			}
			end = n.fromAgent(f)
		case f, open := <-worker:
			if open {
				end = n.fromWorker(f)
				break
			}
			worker = nil
			<-n.worker.gone // its output is closed: it is ending
			if n.figures == nil || n.worker.err != nil {
				end = stop("fault", "", errors.New("its worker ended without a word"))
			}
		case <-tick.C:
			end = n.deadline()
		case <-ctx.Done():
			return *stop("operator", "", context.Cause(ctx))
		}
		if end == nil {
			end = n.advance()
		}
		if end != nil {
			return *end
		}
	}
}

// stop is an ending by our own abort.
func stop(reason string, blames joconde.PartyID, cause error) *ending {
	exit := joconde.ExitInternal
	switch reason {
	case "peer":
		exit = joconde.ExitUnreachable
	case "operator":
		exit = joconde.ExitInterrupted
	case "evidence", "bundle", "input", "log", "equivocation":
		exit = joconde.ExitUnverified
	}
	return &ending{reason: reason, blames: blames, problem: &joconde.Problem{Code: "JOC-R170", What: "the node stopped the task: " + joconde.Reasons[reason],
		Where: string(blames), Why: cause.Error(), Do: "see who is named, and try again in a new attempt if the terms have one left",
		LeftMachine: "what was sent before, sealed or as shares", Exit: exit, Err: cause}}
}

// stopped is an ending by somebody else's abort. If that is not in the log,
// our own says the same.
func stopped(party joconde.PartyID, reason string, logged bool) *ending {
	own := reason
	if logged {
		own = ""
	}
	return &ending{reason: own, problem: &joconde.Problem{Code: "JOC-R171", What: "the task was stopped: " + joconde.Reasons[reason],
		Where: string(party), Why: "an abort of any one party or node ends the attempt at all nodes", Do: "ask whoever stopped it",
		LeftMachine: "what was sent before, sealed or as shares", Exit: joconde.ExitNotAllowed}}
}

// fromAgent takes one frame of the agent.
func (n *node) fromAgent(f frame) *ending {
	switch f.kind {
	case dplane.FrameRecords:
		var r dplane.Records
		if err := record.Strict(f.payload, &r); err != nil {
			return stop("operator", "", fmt.Errorf("its agent does not speak as agents do: %w", err))
		}
		return n.take(&r)
	case dplane.FrameAbort:
		return n.hearAbort(f.payload)
	case dplane.FrameLaunch:
		p := problemOf(notLaunched("JOC-R154", "launch", "this node has a task", errors.New("a node is for one task, attempt and party, and for no second")))
		n.agent.tell(dplane.FrameRefused, dplane.Refused{Problem: p, Exit: joconde.ExitNotAllowed})
		return nil
	}
	return stop("operator", "", fmt.Errorf("its agent does not speak as agents do: it sent a frame of kind %d", f.kind))
}

// take verifies further records and takes them in.
func (n *node) take(r *dplane.Records) *ending {
	for i := range r.Records {
		logged := &r.Records[i]
		if n.known[sha256.Sum256(logged.Envelope)] {
			continue // agents may tell all again
		}
		if err := n.included(logged, r.Checkpoint); err != nil {
			return stop("log", "", err)
		}
		added, err := n.ledger.Add(logged.Envelope)
		switch {
		case errors.Is(err, joconde.ErrDuplicate):
			continue
		case errors.Is(err, joconde.ErrContradicts):
			return stop("equivocation", "", err)
		case err != nil:
			return stop("log", "", err)
		case logged.Index <= n.last:
			return stop("log", "", errors.New("a record stands before one that was there already"))
		}
		n.last = logged.Index
		n.known[sha256.Sum256(logged.Envelope)] = true
		switch b := added.Body.(type) {
		case *joconde.NodeBundle:
			if b.Party == n.party && added.ID != n.bundle {
				return stop("bundle", "", errors.New("another node stands in the log in its place"))
			}
		case *joconde.Abort:
			return stopped(b.Party, b.Reason, true)
		}
	}
	n.clock.hear(n.signedTimes())
	return nil
}

// hearAbort looks at an abort that came past the log. One that does not count
// is nobody's, and changes nothing.
func (n *node) hearAbort(envelope []byte) *ending {
	r, err := n.ledger.Check(envelope)
	if err != nil {
		return nil
	}
	b, ok := r.Body.(*joconde.Abort)
	if !ok {
		return nil
	}
	return stopped(b.Party, b.Reason, false)
}

// fromWorker takes one frame of the worker.
func (n *node) fromWorker(f frame) *ending {
	read := func(v any) error { return record.Strict(f.payload, v) }
	var err error
	switch f.kind {
	case dplane.FrameAssigned:
		if err = read(new(dplane.Assigned)); err == nil {
			n.step(dplane.StepAccepted)
		}
	case dplane.FrameGood:
		var good dplane.Good
		if err = read(&good); err == nil {
			n.good = good.Inputs
		}
	case dplane.FrameProgress:
		var p dplane.Progress
		if err = read(&p); err == nil {
			n.agent.tell(dplane.FrameStatus, dplane.Status{Step: dplane.StepComputing, Done: p.Done, Total: p.Total, Rounds: p.Rounds, Bytes: p.Bytes})
		}
	case dplane.FrameSealed:
		var name dplane.SealedOutput
		if err = read(&name); err == nil {
			n.outputs = append(n.outputs, joconde.OutputRef{View: name.View, To: name.To, Ciphertext: name.Ciphertext})
		}
	case dplane.FrameCiphertext:
		// It follows the name of the last output, and only then.
		if len(n.outputs) <= n.given || sha256.Sum256(f.payload) != n.outputs[n.given].Ciphertext {
			err = errors.New("a sealed output is not the one that was named")
			break
		}
		o := n.outputs[n.given]
		n.given++
		n.agent.tell(dplane.FrameSealed, dplane.SealedOutput{View: o.View, To: o.To, Ciphertext: o.Ciphertext})
		n.agent.send(dplane.FrameCiphertext, f.payload)
	case dplane.FrameFigures:
		figures := new(dplane.Figures)
		if err = read(figures); err == nil {
			n.figures = figures
		}
	case dplane.FrameAbort:
		return n.hearAbort(f.payload)
	case dplane.FrameFailure:
		var failure dplane.Failure
		if err = read(&failure); err == nil {
			n.failed = true
			return n.failure(&failure)
		}
	default:
		err = fmt.Errorf("it sent a frame of kind %d", f.kind)
	}
	if err != nil {
		return stop("fault", "", fmt.Errorf("its worker does not speak as workers do: %w", err))
	}
	return nil
}

// failure is the abort for what went wrong at the worker.
func (n *node) failure(f *dplane.Failure) *ending {
	reason, blames := f.Reason, f.Party
	if _, known := joconde.Reasons[reason]; !known {
		reason = "fault"
	}
	if n.ledger.Organisation(blames) == nil {
		blames = ""
	}
	return stop(reason, blames, errors.New(f.What))
}

// advance does what has become due by the records and by what the worker said.
// Each thing is done once, in this order.
func (n *node) advance() *ending {
	s := n.ledger.State()
	bundles, allBundles := s.Bundles()
	inputs, allInputs := s.Inputs()
	if allBundles && !n.appraised {
		if end := n.appraise(); end != nil {
			return end
		}
		n.appraised = true
	}
	if s.Phase != joconde.Agreed && n.appraised && !n.assigned {
		a, err := n.assignment()
		if err != nil {
			return stop("bundle", "", err)
		}
		if a.Bundles != bundles {
			return stop("bundle", "", errors.New("the bundle set has changed"))
		}
		n.assigned = true
		n.worker.tell(dplane.FrameAssignment, a)
	}
	if n.assigned && allInputs && !n.received {
		n.received = true
		n.step(dplane.StepReceived)
		n.worker.tell(dplane.FrameReceipts, n.receipts())
	}
	if n.good != (joconde.Digest{}) && !n.ready {
		if !n.received || n.good != inputs {
			return stop("fault", "", errors.New("its worker found another input set good"))
		}
		n.ready = true
		ready := &joconde.Ready{Task: n.id, Attempt: n.attempt, Party: n.party, Inputs: inputs, At: n.clock.text()}
		if err := n.sign(joconde.KindReady, ready); err != nil {
			return stop("fault", "", err)
		}
		n.step(dplane.StepReady)
	}
	if s.Phase == joconde.Loaded && n.ready && !n.started {
		n.started, n.startedAt = true, time.Now()
		n.worker.tell(dplane.FrameStart, dplane.Start{Inputs: inputs})
	}
	if n.figures != nil && !n.transcript {
		if end := n.signTranscript(inputs); end != nil {
			return end
		}
	}
	if _, logged := s.Has(joconde.KindTranscript, n.party); logged && n.transcript {
		return &ending{done: true}
	}
	return nil
}

// appraise verifies the evidence of every node, and that no more of them
// depend on one vendor or operator than the engine withstands.
func (n *node) appraise() *ending {
	var all []attest.Claims
	for i := range n.task.Computing {
		party := n.task.Computing[i].Party
		b, _, _ := n.ledger.Bundle(party)
		policy, err := attest.PolicyFor(n.task, party)
		if err != nil {
			return stop("evidence", party, err)
		}
		claims, err := n.Appraise(context.Background(), b.Evidence, attest.BundleReportData(b), policy)
		if err != nil {
			return stop("evidence", party, err)
		}
		claims.Operator = party
		all = append(all, claims)
	}
	if _, err := attest.Spread(all, n.engine.Info().PrivacyThreshold); err != nil {
		return stop("evidence", "", err)
	}
	return nil
}

// signTranscript ends the computation, if the outputs are those of the plan.
func (n *node) signTranscript(inputs joconde.Digest) *ending {
	var due []joconde.OutputRef
	for i := range n.plan.Vector.Outputs {
		o := &n.plan.Vector.Outputs[i]
		for _, to := range o.To {
			due = append(due, joconde.OutputRef{View: o.View, To: to})
		}
	}
	same := func(a, b joconde.OutputRef) bool { return a.View == b.View && a.To == b.To }
	if !n.started || n.given != len(n.outputs) || !slices.EqualFunc(due, n.outputs, same) {
		return stop("fault", "", errors.New("its worker gave other outputs than the plan has"))
	}
	n.transcript = true
	transcript := &joconde.Transcript{Task: n.id, Attempt: n.attempt, Party: n.party, Inputs: inputs, Outputs: n.outputs,
		Rounds: int(n.figures.Rounds), Bytes: int(n.figures.Bytes), At: n.clock.text()}
	if err := n.sign(joconde.KindTranscript, transcript); err != nil {
		return stop("fault", "", err)
	}
	n.step(dplane.StepComputed)
	return nil
}

// deadline stops the attempt when a signed time has passed.
func (n *node) deadline() *ending {
	d, now := &n.task.Deadlines, n.clock.text() // times of records sort as text
	var passed string
	switch phase := n.ledger.State().Phase; {
	case now > d.DeleteBy:
		passed = "everything was to be wiped by " + d.DeleteBy
	case phase == joconde.Agreed && now > d.EstablishBy:
		passed = "nodes were to be accepted by " + d.EstablishBy
	case phase == joconde.Established && now > d.InputBy:
		passed = "inputs were to be there by " + d.InputBy
	case n.started && time.Since(n.startedAt) > time.Duration(d.RunSeconds)*time.Second:
		passed = fmt.Sprintf("the computation was to take at most %d seconds", d.RunSeconds)
	default:
		return nil
	}
	return stop("deadline", "", errors.New(passed))
}
