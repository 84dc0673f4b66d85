// Package node is the process that stands for a computing party in one attempt
// of one task. It holds the key that signs receipts and the device that gives
// evidence, and it sees no share: its child, the worker (package dplane), does.
// It believes neither its agent nor the hub: it verifies every record, the log
// and the evidence of its peers itself, before it makes a key and before each
// step. At worst it can stall, stop the task, or sign what is not so; what it
// signs is then on record. Start with Run; agreement.go is what it checks
// first, follow.go how it follows the log.
package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"joconde"
	"joconde/attest"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/record"
)

// Config is what a node is given by the program that it is.
type Config struct {
	Engine   func(name string) (engine.Engine, bool)
	Platform func(name string) (attest.Platform, bool)
	// Appraise verifies the evidence of a peer.
	Appraise func(context.Context, joconde.Evidence, [64]byte, attest.Policy) (attest.Claims, error)
	// Executable is where this program can be read, to be measured.
	Executable string
	// Start starts the worker, which listens at a host:port.
	Start func(listen string) (Worker, error)
}

// Worker is a child process that runs dplane.Worker.
type Worker interface {
	Stdin() io.Writer
	Stdout() io.Reader
	// Kill ends it at once, whatever it does. It may have ended.
	Kill()
	// Wait returns when the process is gone and reaped: nil if it ended as one
	// that has done its work.
	Wait() error
}

// Run is the life of a node. The agent talks to it through from and to; what
// they say is dplane.Control. It returns nil when the task was computed and the
// worker wiped; else a Problem, of which the agent was told. Whatever happens,
// the worker is gone when it returns. What reads from ends with from.
func Run(ctx context.Context, c Config, from io.Reader, to io.Writer) error {
	n := &node{Config: c, agent: newOutbox(to)}
	err := n.live(ctx, from)
	if err != nil {
		p := problemOf(err)
		n.agent.tell(dplane.FrameRefused, dplane.Refused{Problem: p, Exit: p.Exit})
		err = &p
	}
	n.agent.flush()
	return err
}

// node is a node. All of it belongs to the goroutine of Run.
type node struct {
	Config
	*agreement
	agent  *outbox
	worker *child
	hello  dplane.Hello
	clock  clock
	key    *record.Key    // signs receipts; nil before the worker is there
	bundle joconde.Digest // the id of our own node bundle

	appraised, assigned, received, ready, started, transcript, failed bool // done once

	startedAt time.Time
	good      joconde.Digest // the input set that the worker found good
	outputs   []joconde.OutputRef
	given     int             // how many of them the agent has got
	figures   *dplane.Figures // once the worker has given all outputs
}

// live is the story of a node.
func (n *node) live(ctx context.Context, from io.Reader) error {
	var launch dplane.Launch
	if err := dplane.ReadMessage(from, dplane.FrameLaunch, &launch); err != nil {
		return notLaunched("JOC-R140", "launch", "the node was not launched as nodes are", err)
	}
	a, err := verify(n.Config, &launch)
	if err != nil {
		return err
	}
	n.agreement, n.clock = a, newClock(a.now)
	n.step(dplane.StepChecked)

	if err := n.startWorker(ctx); err != nil {
		return err
	}
	defer n.worker.end()
	if err := n.attest(ctx); err != nil {
		return err
	}
	n.step(dplane.StepAttested)

	end := n.follow(ctx, from)
	return n.finish(end)
}

// startWorker starts the worker and hears where it listens and under which keys.
func (n *node) startWorker(ctx context.Context) error {
	worker, err := n.Start(n.launch.Listen)
	if err != nil {
		return notLaunched("JOC-R160", "worker", "the node's worker could not be started", err)
	}
	n.worker = newChild(worker)
	hello := func() error {
		select {
		case f, open := <-n.worker.frames:
			if !open || f.kind != dplane.FrameHello {
				return errors.New("it did not say where it listens")
			}
			return record.Strict(f.payload, &n.hello)
		case <-time.After(30 * time.Second):
			return errors.New("it did not say where it listens within 30 seconds")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := hello(); err != nil {
		n.worker.end()
		return notLaunched("JOC-R160", "worker", "the node's worker could not be started", err)
	}
	n.worker.tell(dplane.FrameTask, dplane.TaskName{Format: 1, Task: n.id, Attempt: n.attempt})
	return nil
}

// attest makes the receipt key, has the platform vouch for all keys, and gives
// the agent the bundle to endorse.
func (n *node) attest(ctx context.Context) error {
	var err error
	if n.key, err = record.NewKey(); err != nil {
		return notLaunched("JOC-R161", "evidence", "the node could not be vouched for", err)
	}
	nonces, _ := n.ledger.State().Nonces()
	b := &joconde.NodeBundle{Task: n.id, Attempt: n.attempt, Party: n.party, Address: n.launch.Address, TLSPin: hex.EncodeToString(n.hello.Pin[:]),
		HPKEKey: n.hello.HPKEKey, ReceiptKey: n.key.Public(), Nonces: nonces, At: n.clock.text()}
	if b.Address == "" {
		b.Address = n.hello.Address
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if b.Evidence, err = n.attester.Attest(ctx, attest.BundleReportData(b)); err != nil {
		return notLaunched("JOC-R161", "evidence", "the node could not be vouched for", err)
	}
	envelope, err := record.Sign(joconde.KindNodeBundle, b, n.key)
	if err != nil {
		return notLaunched("JOC-R161", "evidence", "the node could not be vouched for", err)
	}
	u, err := record.Peek(envelope)
	if err != nil {
		return notLaunched("JOC-R161", "evidence", "the node could not be vouched for", err)
	}
	n.bundle = u.ID
	n.agent.send(dplane.FrameRecord, envelope)
	return nil
}

// sign gives a record of this node to the agent. What would not count is not
// signed: that is a fault of ours.
func (n *node) sign(kind joconde.RecordKind, body any) error {
	envelope, err := record.Sign(kind, body, n.key)
	if err == nil {
		_, err = n.ledger.Check(envelope)
	}
	if err != nil {
		return fmt.Errorf("sign a %s: %w", kind, err)
	}
	n.agent.send(dplane.FrameRecord, envelope)
	return nil
}

// ending is why a node ends.
type ending struct {
	done    bool            // its transcript is logged
	reason  string          // of our own abort; "" where somebody else's stands
	blames  joconde.PartyID // of our own abort
	problem *joconde.Problem
}

// What a receipt lists, and what it cannot prove. Nothing else is ever said in
// one.
var (
	destroyedKeys   = []string{"the worker's TLS key", "the worker's key for inputs"}
	destroyedShares = []string{"shares of inputs", "shares of intermediate values", "shares of outputs", "keys of common randomness"}
	notProven       = []string{
		"That nobody read the worker's memory while it ran.",
		"That the machine kept no copy of that memory, as in swap, a snapshot or a log of its host.",
		"That the memory was overwritten: it went back to the operating system when the worker exited.",
	}
)

// finish kills and reaps the worker, and only then signs that it is gone. The
// receipt key is overwritten after its last signature.
func (n *node) finish(end ending) error {
	left := n.worker.end()
	exit := "aborted"
	switch {
	case n.figures != nil && (left == leftDone || left == leftKilled && end.done):
		exit = "done"
	case left == leftDied && !n.failed:
		exit = "killed"
	}
	defer n.key.Wipe()
	if end.reason != "" {
		abort := &joconde.Abort{Task: n.id, Attempt: n.attempt, Party: n.party, Node: true, Reason: end.reason, Blames: end.blames, At: n.clock.text()}
		if envelope, err := record.Sign(joconde.KindAbort, abort, n.key); err == nil {
			n.agent.send(dplane.FrameRecord, envelope)
		}
	}
	destroyed := destroyedKeys
	if n.received {
		destroyed = append(append([]string{}, destroyedKeys...), destroyedShares...)
	}
	receipt := &joconde.WipeReceipt{Task: n.id, Attempt: n.attempt, Party: n.party, Destroyed: destroyed, NotProven: notProven, Exit: exit, At: n.clock.text()}
	envelope, err := record.Sign(joconde.KindWipeReceipt, receipt, n.key)
	if err != nil {
		return notLaunched("JOC-R162", "receipt", "the wipe receipt could not be signed", err)
	}
	n.agent.send(dplane.FrameRecord, envelope)
	if end.done {
		n.step(dplane.StepWiped)
		return nil
	}
	n.step(dplane.StepStopped)
	return end.problem
}

func (n *node) step(name string) { n.agent.tell(dplane.FrameStatus, dplane.Status{Step: name}) }

// notLaunched is why a node does not do what it was asked. Nothing of data was
// there yet.
func notLaunched(code, where, what string, cause error) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: cause.Error(),
		Do: "compare what the agent knows of the task with the other parties; the node has made no key that anybody has seen", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitUnverified, Err: cause}
}

// problemOf words any error for the agent.
func problemOf(err error) joconde.Problem {
	var several joconde.Problems
	if errors.As(err, &several) && len(several) > 0 {
		p := *several[0]
		p.What = several.Error()
		return p
	}
	var p *joconde.Problem
	if errors.As(err, &p) {
		return *p
	}
	return *notLaunched("JOC-R163", "node", "the node failed", err)
}
