package agent

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"joconde"
	"joconde/attest"
	platforms "joconde/attest/all"
	"joconde/dplane"
	"joconde/lang/ir"
	"joconde/record"
)

// ownNode is the node that this organisation operates in the current attempt.
type ownNode struct {
	Node
	attempt int
	orders  chan func(Node) error // to the node, in order
	told    int                   // records
	ended   bool                  // the process has exited, and all that it said was kept
	since   time.Time             // when it should have begun to wipe and end; zero: not yet
}

// heard is one thing that the own node said.
type heard struct {
	attempt int
	said    dplane.Said
	err     error // io.EOF at the end
}

// maxOrders is how far a node may be behind in listening.
const maxOrders = 4096

// tell gives the node something without waiting for it.
func (n *ownNode) tell(order func(Node) error) {
	select {
	case n.orders <- order:
	default: // it does not listen any more
	}
}

func (w *work) nodeFolder(attempt int) string {
	return filepath.Join(w.folder(), "node", strconv.Itoa(attempt))
}

// bundleOfNode launches the own node once all nonces are there, or finds it
// again, and sends the bundle that it gave.
func (w *work) bundleOfNode(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindNodeBundle, s.Attempt, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	if w.node != nil {
		return nil // it is at work on it
	}
	if w.Launcher == nil {
		w.sayOnce(StepNode, "the task waits for this organisation's node, and this agent can launch none")
		return nil
	}
	if !w.proven {
		return nil // proofs come with the next page
	}
	l, err := w.launch(s)
	if err != nil {
		return err
	}
	marker := filepath.Join(w.nodeFolder(s.Attempt), "launched")
	if has(marker) {
		return nil // look finds it again
	}
	// From here on no other node is ever launched for this attempt: two nodes
	// under one identity are what an attacker would make.
	if err := w.Home.disk.write(marker, []byte(stamp(w.now())+"\n")); err != nil {
		return err
	}
	node, err := w.Launcher.Launch(ctx, l)
	if err != nil {
		w.trouble(StepNode, "the node did not start", err)
		return w.abort(ctx, s, "fault", w.me)
	}
	w.say(StepNode, "the node was started", nil)
	w.adopt(ctx, s, node)
	return nil
}

// launch is what the node is told, at its start.
func (w *work) launch(s *joconde.State) (Launch, error) {
	c, err := w.terms()
	if err != nil {
		return Launch{}, err
	}
	program, err := ir.Encode(c.Plan.Program)
	if err != nil {
		return Launch{}, err
	}
	refusals, err := w.Home.refusals()
	if err != nil {
		return Launch{}, err
	}
	return Launch{Task: w.id, Attempt: s.Attempt, Party: w.me, Organisations: w.organisations, Records: w.logged(0),
		Checkpoint: w.checkpoint, Program: program, Refusals: refusals}, nil
}

// adopt listens to a node and tells it what it must know, beside the loop.
func (w *work) adopt(ctx context.Context, s *joconde.State, node Node) {
	n := &ownNode{Node: node, attempt: s.Attempt, orders: make(chan func(Node) error, maxOrders), told: len(w.entries)}
	w.node = n
	over := make(chan struct{})
	w.group.Go(func() {
		for {
			select {
			case order := <-n.orders:
				if order(node) != nil {
					return // it does not listen; that it has ended, Next says
				}
			case <-over:
				return
			}
		}
	})
	w.group.Go(func() {
		defer close(over)
		for {
			said, err := node.Next()
			if err != nil && !errors.Is(err, io.EOF) {
				node.Kill()
			}
			select {
			case w.heard <- heard{n.attempt, said, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
}

// tellNode tells the own node of records that it does not have.
func (w *work) tellNode() {
	n := w.node
	if n == nil || n.told >= len(w.entries) {
		return
	}
	records, checkpoint := w.logged(n.told), w.checkpoint
	n.told = len(w.entries)
	n.tell(func(node Node) error { return node.Records(records, checkpoint) })
}

// look finds the own node again after a restart, and sees to it that it ends.
func (w *work) look(ctx context.Context, s *joconde.State) {
	if w.node == nil {
		if w.proven && w.Launcher != nil && has(filepath.Join(w.nodeFolder(s.Attempt), "launched")) && !w.receipted(s) {
			w.resume(ctx, s)
		}
		return
	}
	n := w.node
	if n.ended {
		if !abortable(s.Phase) || w.spoken(s) {
			return
		}
		if err := w.abort(ctx, s, "fault", w.me); err != nil {
			w.trouble(StepAbort, "the abort cannot be signed", err)
		}
		return
	}
	// An attempt that has stopped, or is done, is one that its node wipes by
	// itself. One that does not is killed: the worker dies with it.
	stopped := s.Phase == joconde.Aborted
	if _, done := s.Has(joconde.KindTranscript, w.me); done || s.Phase == joconde.Computed {
		stopped = true
	}
	switch {
	case !stopped:
		n.since = time.Time{}
	case n.since.IsZero():
		n.since = time.Now()
	case time.Since(n.since) > w.patience():
		w.sayOnce(StepNode, "the node did not wipe and end by itself and is killed")
		go n.Kill() // Next notices
	}
}

// spoken says whether the node has said its last word in this attempt: its
// transcript, or an abort.
func (w *work) spoken(s *joconde.State) bool {
	for _, kind := range []joconde.RecordKind{joconde.KindTranscript, joconde.KindAbort} {
		if envelope, err := w.journal.of(nodeSlot(kind, s.Attempt)); err == nil && envelope != nil {
			return true
		}
	}
	return false
}

// receipted says whether the node's wipe receipt is signed: there is nothing
// more to hear from it.
func (w *work) receipted(s *joconde.State) bool {
	return has(filepath.Join(w.journal.folder, slotOf(joconde.KindWipeReceipt, s.Attempt, "")))
}

func (w *work) resume(ctx context.Context, s *joconde.State) {
	l, err := w.launch(s)
	if err != nil {
		w.trouble(StepNode, "the node cannot be found again yet", err)
		return
	}
	node, err := w.Launcher.Resume(ctx, l)
	switch {
	case errors.Is(err, ErrNoNode):
		w.node = &ownNode{attempt: s.Attempt, ended: true}
		w.say(StepNode, "nothing is left of the node", nil)
	case err != nil:
		w.trouble(StepNode, "the node cannot be found again yet", err)
	default:
		w.say(StepNode, "the node was found again", nil)
		w.adopt(ctx, s, node)
		w.node.told = 0 // it may have missed some while nobody was there
		w.tellNode()
	}
}

// hearNode keeps what the node said, in order. What cannot be kept, because
// the disk is full, is tried again before anything that was said later.
func (w *work) hearNode(ctx context.Context) {
	for len(w.unheard) > 0 {
		h := w.unheard[0]
		if w.node != nil && h.attempt == w.node.attempt && h.attempt == w.attempt {
			if err := w.keep(ctx, h); err != nil {
				w.trouble(StepNode, "what the node said cannot be kept yet", err)
				return
			}
		}
		w.unheard = w.unheard[1:]
	}
}

func (w *work) keep(ctx context.Context, h heard) error {
	s := w.ledger.State()
	switch {
	case h.err != nil:
		w.node.ended = true
		if errors.Is(h.err, io.EOF) {
			w.say(StepNode, "the node has ended", nil)
		} else {
			w.trouble(StepNode, "the node said what no node says, and was ended", h.err)
		}
	case h.said.Record != nil:
		return w.keepRecord(ctx, s, h.said.Record)
	case h.said.Sealed != nil:
		sealed := h.said.Sealed
		if sha256.Sum256(sealed.Bytes) != sealed.Ciphertext {
			return nil // a transcript that names it will not be believed
		}
		return w.Home.disk.write(w.outputFile(s.Attempt, sealed.Ciphertext), sealed.Bytes)
	case h.said.Status != nil:
		st := h.said.Status
		what := "node: " + st.Step
		if st.Total > 0 {
			what += fmt.Sprintf(", %d of %d instructions, %d rounds", st.Done, st.Total, st.Rounds)
		}
		w.event(Event{Step: StepNode, What: what, Node: st})
	case h.said.Refused != nil:
		w.say(StepNode, "the node refuses: "+h.said.Refused.What, h.said.Refused)
		reason := "fault"
		if h.said.Refused.Exit == joconde.ExitPolicy {
			reason = "policy"
		}
		if w.spoken(s) {
			return nil
		}
		return w.abort(ctx, s, reason, "")
	}
	return nil
}

func (w *work) outputFile(attempt int, hash joconde.Digest) string {
	return filepath.Join(w.nodeFolder(attempt), "outputs", hex.EncodeToString(hash[:]))
}

// keepRecord looks at a record that the node signed, and keeps it.
func (w *work) keepRecord(ctx context.Context, s *joconde.State, envelope []byte) error {
	u, err := record.Peek(envelope)
	if err == nil {
		var e joconde.Event
		var task joconde.Digest
		e, task, err = joconde.EventOf(u.ID, u.Body)
		if err == nil && (task != w.id || e.Attempt != s.Attempt || e.Party != w.me || !e.Node) {
			err = errors.New("it is about another task, attempt or party")
		}
	}
	if err == nil {
		switch body := u.Body.(type) {
		case *joconde.NodeBundle:
			return w.endorse(ctx, s, u, body, envelope)
		case *joconde.Ready, *joconde.Abort:
		case *joconde.Transcript:
			for i := range body.Outputs {
				if !has(w.outputFile(s.Attempt, body.Outputs[i].Ciphertext)) {
					err = errors.New("its transcript names a sealed part that it did not give")
				}
			}
		case *joconde.WipeReceipt:
			_, err := w.Home.disk.create(filepath.Join(w.nodeFolder(s.Attempt), "wipe-receipt"), envelope)
			return err
		default:
			err = errors.New("nodes sign no such record")
		}
	}
	if err != nil {
		w.trouble(StepNode, "the node said what no node says, and is ended", problem("JOC-G120", "node", "the node's record is not believed", err.Error(), "have the node's program checked", joconde.ExitUnverified, err))
		w.node.Kill()
		return w.abort(ctx, s, "fault", w.me)
	}
	_, err = w.journal.once(nodeSlot(u.Kind, s.Attempt), func() ([]byte, error) { return envelope, nil })
	return err
}

// endorse adds the operations key's signature to a bundle, after looking that
// it comes from our own node: it came from the process that we launched,
// answers this attempt's nonces, and its evidence is that of our chip.
func (w *work) endorse(ctx context.Context, s *joconde.State, u *record.Unchecked, b *joconde.NodeBundle, envelope []byte) error {
	slot := slotOf(joconde.KindNodeBundle, s.Attempt, "")
	if has(filepath.Join(w.journal.folder, slot)) {
		return nil // found again, the node says it again
	}
	nonces, _ := s.Nonces()
	var err error
	switch {
	case !slices.Equal(u.Signers, []string{b.ReceiptKey}):
		err = errors.New("it is not signed by its own receipt key alone")
	case b.Nonces != nonces:
		err = errors.New("it answers other nonces")
	default:
		_, err = appraise(ctx, s.Task, b)
	}
	if err != nil {
		w.trouble(StepVerify, "the own node is not endorsed", problem("JOC-G121", "node", "the node's bundle is not believed", err.Error(), "look at the node's platform and device, and at what the terms admit for this party", joconde.ExitUnverified, err))
		w.node.Kill()
		return w.abort(ctx, s, "evidence", w.me)
	}
	_, err = w.journal.countersign(slot, envelope)
	return err
}

func appraise(ctx context.Context, t *joconde.Task, b *joconde.NodeBundle) (attest.Claims, error) {
	policy, err := attest.PolicyFor(t, b.Party)
	if err != nil {
		return attest.Claims{}, err
	}
	claims, err := platforms.Verify(ctx, b.Evidence, attest.BundleReportData(b), policy)
	claims.Operator = b.Party
	return claims, err
}

// nodeRecord sends what the node signed, if it has.
func (w *work) nodeRecord(ctx context.Context, kind joconde.RecordKind) error {
	slot := nodeSlot(kind, w.attempt)
	_, err := w.sendSigned(ctx, slot)
	return err
}

// evidenceError names whose node was not believed.
type evidenceError struct {
	party joconde.PartyID
	err   error
}

func (e *evidenceError) Error() string { return fmt.Sprintf("the node of %s: %v", e.party, e.err) }
func (e *evidenceError) Unwrap() error { return e.err }

// accept verifies all nodes of the attempt and signs that it has, or stops the
// attempt. Nobody verifies for this organisation.
func (w *work) accept(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindAcceptance, s.Attempt, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	c, err := w.terms()
	if err != nil {
		return err
	}
	bundles := bundlesOf(w.ledger)
	set, complete := s.Bundles()
	if !complete {
		return nil
	}
	var doubt error
	var exempt []string
	w.start(ctx, StepVerify, "verifying the nodes", func(ctx context.Context) error {
		var claims []attest.Claims
		for _, b := range bundles {
			said, err := appraise(ctx, c.Task, b)
			if ctx.Err() != nil || errors.Is(err, attest.ErrTime) {
				return errors.Join(err, ctx.Err())
			}
			if err != nil {
				doubt = &evidenceError{b.Party, err}
				return nil
			}
			claims = append(claims, said)
		}
		exempt, doubt = attest.Spread(claims, c.Engine.Info().PrivacyThreshold)
		return nil
	}, func() error {
		if doubt != nil {
			w.trouble(StepVerify, "the nodes are not accepted", doubt)
			var named *evidenceError
			blames := joconde.PartyID("")
			if errors.As(doubt, &named) {
				blames = named.party
			}
			return w.abort(ctx, s, "evidence", blames)
		}
		for _, sentence := range exempt {
			w.sayOnce(StepVerify, sentence)
		}
		envelope, err := w.journal.operate(slot, joconde.KindAcceptance, func() (any, error) {
			return &joconde.Acceptance{Task: w.id, Attempt: s.Attempt, Party: w.me, Bundles: set, At: stamp(w.now())}, nil
		})
		if err != nil {
			return err
		}
		return w.send(ctx, slot, envelope)
	})
	return nil
}

// wipeReceipt countersigns what the node said of its wipe, and only after its
// process has exited.
func (w *work) wipeReceipt(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindWipeReceipt, s.Attempt, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	if w.node == nil || !w.node.ended {
		return nil
	}
	said, err := w.Home.disk.read(filepath.Join(w.nodeFolder(s.Attempt), "wipe-receipt"))
	if notThere(err) {
		w.trouble(StepWipe, "the wipe of the own node is unconfirmed", problem("JOC-G122", "node", "the node ended without a wipe receipt",
			"it was killed, or its machine stopped; its memory is gone with it, and nobody can sign that", "tell the other parties; the task stays open and says so", joconde.ExitUnverified, nil))
		return nil
	}
	if err != nil {
		return err
	}
	envelope, err := w.journal.countersign(slot, said)
	if err != nil {
		return err
	}
	return w.send(ctx, slot, envelope)
}

// after is what is owed when a task is computed: the sealed parts go to the
// mailbox and are kept until they were delivered, and the organisation
// remembers what its tables were used for.
func (w *work) after(ctx context.Context, s *joconde.State) {
	if err := w.deliver(ctx, s); err != nil {
		w.trouble(StepDeliver, "sealed parts are not in the mailbox yet", err)
	}
	if slices.Contains(w.Home.roles(s.Task), joconde.InputParty) && !w.said["remembered"] {
		c, err := w.terms()
		if err == nil {
			err = w.Home.remember(w.id, c, stamp(w.now()))
		}
		if err != nil {
			w.trouble(StepHome, "the use of the tables cannot be noted", err)
		} else {
			w.said["remembered"] = true
		}
	}
	if slices.Contains(w.Home.roles(s.Task), joconde.OutputParty) {
		if err := w.certify(s); err != nil {
			w.trouble(StepResult, "the certificate cannot be written", err)
		}
	}
}

// deliver puts the parts that the own transcript names into the mailbox. They
// are removed here when every recipient has signed for its results.
func (w *work) deliver(ctx context.Context, s *joconde.State) error {
	folder := filepath.Join(w.nodeFolder(s.Attempt), "outputs")
	if s.Delivered {
		return errors.Join(os.RemoveAll(folder), os.RemoveAll(spoolOf(w.nodeFolder(s.Attempt))))
	}
	if _, logged := s.Has(joconde.KindTranscript, w.me); !logged || !has(folder) {
		return nil
	}
	var refs []joconde.OutputRef
	for _, r := range w.ledger.Records() {
		if t, ok := r.Body.(*joconde.Transcript); ok && t.Attempt == s.Attempt && t.Party == w.me {
			refs = t.Outputs
		}
	}
	attempt := s.Attempt
	key := fmt.Sprintf("delivered %d", attempt)
	if w.said[key] {
		return nil
	}
	w.start(ctx, StepDeliver, "handing in sealed parts", func(ctx context.Context) error {
		for i := range refs {
			sealed, err := w.Home.disk.read(w.outputFile(attempt, refs[i].Ciphertext))
			if err != nil {
				return err
			}
			if err := w.Hub.PutOutput(ctx, w.id, refs[i].Ciphertext, sealed); err != nil {
				return err
			}
		}
		return nil
	}, func() error {
		w.said[key] = true
		w.say(StepDeliver, fmt.Sprintf("%d sealed parts are in the mailbox", len(refs)), nil)
		return nil
	})
	return nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
