package dplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"joconde"
	"joconde/dplane/engine"
	"joconde/dplane/seal"
	"joconde/dplane/session"
	"joconde/record"
)

// What a node tells its worker. The node has verified all of it.
type (
	// TaskName is what the worker is for.
	TaskName struct {
		Format  int            `json:"format"` // 1
		Task    joconde.Digest `json:"task"`
		Attempt int            `json:"attempt"`
	}
	// Assignment is what follows from the agreement and from the bundles that
	// every party has accepted.
	Assignment struct {
		Bundles    joconde.Digest    `json:"bundles"`
		Me         int               `json:"me"`      // index into Parties and Peers
		Parties    []joconde.PartyID `json:"parties"` // the computing parties in node order
		Peers      []Peer            `json:"peers"`
		Program    []byte            `json:"program"` // canonical bytes
		Rows       map[string]int    `json:"rows"`
		Engine     string            `json:"engine"`
		Options    engine.Options    `json:"options"`
		Lowering   string            `json:"lowering"`
		Vector     joconde.Digest    `json:"vector"` // what lowering must give
		Recipients []Recipient       `json:"recipients"`
	}
	// Recipient is an output party and the key to which its outputs are sealed.
	Recipient struct {
		Party     joconde.PartyID `json:"party"`
		ResultKey string          `json:"result_key"`
	}
	// Receipts are those of every input party.
	Receipts struct {
		Inputs   joconde.Digest `json:"inputs"` // their input set
		Receipts []Receipt      `json:"receipts"`
	}
	// Receipt is what one input party says that it sent.
	Receipt struct {
		From   joconde.PartyID      `json:"from"`
		Inputs []joconde.InputShare `json:"inputs"`
	}
	// Start says that every node is ready.
	Start struct {
		Inputs joconde.Digest `json:"inputs"`
	}
)

// What a worker answers.
type (
	// Assigned says that inputs may come.
	Assigned struct {
		Inputs int `json:"inputs"` // of the plan
	}
	// Good says that all inputs are there and match their receipts.
	Good struct {
		Inputs joconde.Digest `json:"inputs"`
	}
)

// Worker holds the keys and shares of one attempt at one computing party.
type Worker struct {
	Identity *session.Identity
	Key      *seal.Key    // to which inputs are sealed
	Listener net.Listener // the worker's, which closes it
	Engine   func(name string) (engine.Engine, bool)
	PeakRSS  func() int64 // for the figures

	said    chan message // of the node
	telling sync.Mutex   // of to
	to      io.Writer
}

type message struct {
	kind    FrameKind
	payload []byte
}

// Hello is what the worker says of itself.
func (w *Worker) Hello() Hello {
	return Hello{Format: 1, Address: w.Listener.Addr().String(), Pin: w.Identity.Pin(), HPKEKey: w.Key.Public()}
}

// Stopped is why a worker gave up, with a reason as a record may have it.
type Stopped struct {
	Reason string // a code of joconde.Reasons
	Blames joconde.PartyID
	Err    error
}

func (s *Stopped) Error() string { return s.Err.Error() }
func (s *Stopped) Unwrap() error { return s.Err }

func stopped(reason string, blames joconde.PartyID, doing string, err error) error {
	return &Stopped{reason, blames, fmt.Errorf("%s: %w", doing, err)}
}

// Serve is the life of a worker once its node has told it, in a FrameTask, what
// it is for: inputs come and are checked, the engine runs, outputs are sealed.
// from and to are the worker's standard input and output. It calls gone when
// the input ends, and stops. When it returns, whatever the error, the process
// is to end: that is what wipes.
func (w *Worker) Serve(told []byte, from io.Reader, to io.Writer, gone func()) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.to, w.said = to, make(chan message, 3) // a node says no more than that
	go func() {
		defer gone()
		defer cancel()
		for {
			kind, payload, err := ReadFrame(from)
			if err != nil {
				return
			}
			select {
			case w.said <- message{kind, payload}:
			case <-ctx.Done():
				return
			}
		}
	}()

	var task TaskName
	if err := record.Strict(told, &task); err != nil {
		return stopped("fault", "", "take the task", err)
	}
	if task.Format != 1 || task.Attempt < 1 {
		return stopped("fault", "", "take the task", fmt.Errorf("format %d is not 1, or there is no such attempt", task.Format))
	}
	in := newUploads(task.Task, task.Attempt, w.Identity.ForCallers(UploadProtocol))
	peers := newPeersListener(w.Listener.Addr())
	door := openDoor(w.Listener, map[string]func(net.Conn){
		session.Protocol: peers.pass,
		UploadProtocol:   in.serve,
		AbortProtocol: func(conn net.Conn) {
			hearAbort(conn, w.Identity.ForCallers(AbortProtocol), func(envelope []byte) { _ = w.send(FrameAbort, envelope) })
		},
	})
	defer door.close()
	defer peers.Close()

	r, err := w.assigned(ctx, task)
	if err != nil {
		return err
	}
	in.expect(r.sizes())
	if err := w.tell(FrameAssigned, Assigned{len(r.plan.Vector.Inputs)}); err != nil {
		return err
	}
	parts, err := r.load(ctx, in)
	if err != nil {
		return err
	}
	if err := w.tell(FrameGood, Good{r.inputs}); err != nil {
		return err
	}
	out, figures, err := r.compute(ctx, peers, parts)
	if err != nil {
		return err
	}
	if err := r.deliver(out); err != nil {
		return err
	}
	figures.PeakRSS = w.PeakRSS()
	return w.tell(FrameFigures, figures)
}

// hear waits for the next message of the node, which must be of the given kind.
func (w *Worker) hear(ctx context.Context, kind FrameKind, v any) error {
	select {
	case m := <-w.said:
		if m.kind != kind {
			return fmt.Errorf("got a frame of kind %d, not %d", m.kind, kind)
		}
		return record.Strict(m.payload, v)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *Worker) tell(kind FrameKind, v any) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	return WriteMessage(w.to, kind, v)
}

func (w *Worker) send(kind FrameKind, payload []byte) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	return WriteFrame(w.to, kind, payload)
}

// give sends a sealed output behind its name, with nothing in between.
func (w *Worker) give(name SealedOutput, sealed []byte) error {
	w.telling.Lock()
	defer w.telling.Unlock()
	if err := WriteMessage(w.to, FrameSealed, name); err != nil {
		return err
	}
	return WriteFrame(w.to, FrameCiphertext, sealed)
}

// running is a worker with its assignment.
type running struct {
	*Worker
	task   TaskName
	a      Assignment
	job    Job
	plan   engine.Plan
	engine engine.Engine
	keys   map[joconde.PartyID]seal.PublicKey
	inputs joconde.Digest // the input set, once there is one
}

// assigned waits for the assignment and makes the plan.
func (w *Worker) assigned(ctx context.Context, task TaskName) (*running, error) {
	r := &running{Worker: w, task: task, keys: map[joconde.PartyID]seal.PublicKey{}}
	if err := w.hear(ctx, FrameAssignment, &r.a); err != nil {
		return nil, stopped("fault", "", "take the assignment", err)
	}
	a := &r.a
	r.job = Job{Format: 1, Me: a.Me, Peers: a.Peers, Engine: a.Engine, Program: a.Program, Rows: a.Rows, Options: a.Options, Vector: a.Vector}
	var err error
	if r.plan, err = r.job.Plan(); err != nil {
		return nil, stopped("engine", "", "make the plan", err)
	}
	var found bool
	if r.engine, found = w.Engine(a.Engine); !found {
		return nil, stopped("engine", "", "make the plan", fmt.Errorf("there is no engine %.40q", a.Engine))
	}
	if _, err := r.engine.Check(r.plan); err != nil {
		return nil, stopped("engine", "", "check the plan", err)
	}
	if a.Me < 0 || a.Me >= len(a.Peers) || len(a.Parties) != len(a.Peers) {
		return nil, stopped("fault", "", "take the assignment", errors.New("the parties do not fit together"))
	}
	for _, to := range a.Recipients {
		if r.keys[to.Party], err = seal.ParsePublic(to.ResultKey); err != nil {
			return nil, stopped("fault", to.Party, "read the key of a recipient", err)
		}
	}
	return r, nil
}

// InputSize is how long the sealed part of an input for one node is, by the
// plan: the only length that a worker takes.
func InputSize(sharing engine.Sharing, rows int, bits []int) (total int, sealed int64) {
	part, components := sharing.Size(rows, bits)
	if part > seal.MaxTotal {
		return seal.MaxTotal, seal.Size(seal.MaxTotal) // does not fit, and will be refused
	}
	total = seal.InputLength(components, int(part))
	return total, seal.Size(total)
}

// sizes are the lengths of all inputs that may come.
func (r *running) sizes() map[place]int64 {
	sizes := map[place]int64{}
	for i := range r.plan.Vector.Inputs {
		in := &r.plan.Vector.Inputs[i]
		_, sizes[place{in.Owner, i}] = InputSize(r.engine.Sharing(), in.Rows, widths(in.Fields))
	}
	return sizes
}

// load waits for all inputs, opens them, and holds every component that this
// node got against what its owner committed to.
func (r *running) load(ctx context.Context, in *uploads) (parts [][]byte, err error) {
	var receipts Receipts
	if err := r.hear(ctx, FrameReceipts, &receipts); err != nil {
		return nil, stopped("fault", "", "take the receipts", err)
	}
	shares := map[place]*joconde.InputShare{}
	for i := range receipts.Receipts {
		receipt := &receipts.Receipts[i]
		for k := range receipt.Inputs {
			share := &receipt.Inputs[k]
			if share.Input >= len(r.plan.Vector.Inputs) || r.plan.Vector.Inputs[share.Input].Owner != receipt.From || len(share.Ciphertexts) != len(r.a.Peers) {
				return nil, stopped("input", receipt.From, "read a receipt", errors.New("it names an input that the plan has not got from this party"))
			}
			p := place{receipt.From, share.Input}
			shares[p] = share
			in.want(p, share.Ciphertexts[r.a.Me])
		}
	}
	parts = make([][]byte, len(r.plan.Vector.Inputs))
	for i := range r.plan.Vector.Inputs {
		p := place{r.plan.Vector.Inputs[i].Owner, i}
		share := shares[p]
		if share == nil {
			return nil, stopped("input", p.from, "read a receipt", fmt.Errorf("input %d is not in it", i))
		}
		sealed, err := in.take(ctx, p)
		if err != nil {
			return nil, stopped("fault", "", "wait for inputs", err)
		}
		if parts[i], err = r.open(i, share, sealed); err != nil {
			return nil, stopped("input", p.from, fmt.Sprintf("open input %d of %s", i, p.from), err)
		}
	}
	r.inputs = receipts.Inputs
	return parts, nil
}

// open gives this node's part of an input, if it is what the receipt says.
func (r *running) open(i int, share *joconde.InputShare, sealed []byte) (part []byte, err error) {
	in, sharing := &r.plan.Vector.Inputs[i], r.engine.Sharing()
	total, _ := InputSize(sharing, in.Rows, widths(in.Fields))
	info := seal.InputInfo(r.task.Task, r.task.Attempt, r.a.Bundles, in.Owner, r.a.Parties[r.a.Me], i, r.a.Me)
	plaintext, err := seal.OpenFrom(bytes.NewReader(sealed), r.Key, info, total)
	if err != nil {
		return nil, err
	}
	salts, part, err := seal.UnpackInput(plaintext)
	if err != nil {
		return nil, err
	}
	if err := sharing.Expect(r.a.Me, in.Rows, widths(in.Fields), part); err != nil {
		return nil, err
	}
	components, err := sharing.Components(r.a.Me, part)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, c := range components {
			clear(c)
		}
	}()
	if err := seal.CheckCommitments(share.Commitments, salts, components); err != nil {
		return nil, err
	}
	return part, nil
}

// patience is how long nodes may take to begin: each learns from its own
// agent that all are ready.
const patience = 2 * time.Minute

// compute waits until every node is ready, and runs the engine with its peers.
func (r *running) compute(ctx context.Context, peers net.Listener, parts [][]byte) ([][]byte, Figures, error) {
	var start Start
	if err := r.hear(ctx, FrameStart, &start); err != nil {
		return nil, Figures{}, stopped("fault", "", "wait for the start", err)
	}
	if start.Inputs != r.inputs {
		return nil, Figures{}, stopped("fault", "", "start", errors.New("this is another input set"))
	}
	label := r.label()
	r.job.Label, r.plan.Label = label, label
	node := Node{Identity: r.Identity, Listener: peers, Engine: r.Engine, Patience: patience,
		Progress: func(p Progress) { _ = r.tell(FrameProgress, p) }}
	out, figures, err := node.Compute(ctx, r.job, r.plan, parts)
	if err == nil {
		return out, figures, nil
	}
	reason, blames := "engine", joconde.PartyID("")
	var fault *joconde.Fault
	if errors.As(err, &fault) {
		reason, blames = "input", fault.Party
		for i, p := range r.a.Parties {
			if fault.Party == session.Name(i) {
				reason, blames = "peer", p
			}
		}
	}
	return nil, figures, stopped(reason, blames, "compute", err)
}

// label names the computation: what every channel and all common randomness is
// bound to.
func (r *running) label() []byte {
	program := sha256.Sum256(r.a.Program)
	h := sha256.New()
	for _, field := range [][]byte{[]byte("joconde/computation/v1"), r.task.Task[:], binary.BigEndian.AppendUint64(nil, uint64(r.task.Attempt)),
		r.a.Bundles[:], r.inputs[:], []byte(r.a.Engine), program[:], []byte(r.a.Lowering)} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(field))))
		h.Write(field)
	}
	return h.Sum(nil)
}

// deliver seals this node's part of each output to each of its recipients.
func (r *running) deliver(out [][]byte) error {
	for i, part := range out {
		view := r.plan.Vector.Outputs[i].View
		for _, to := range r.plan.Vector.Outputs[i].To {
			info := seal.OutputInfo(r.task.Task, r.task.Attempt, r.a.Bundles, r.a.Parties[r.a.Me], to, view, r.a.Me)
			sealed, err := seal.Seal(r.keys[to], info, part, len(part))
			if err != nil {
				return stopped("fault", "", "seal an output", err)
			}
			if err := r.give(SealedOutput{view, to, sha256.Sum256(sealed)}, sealed); err != nil {
				return err
			}
		}
		clear(part)
	}
	return nil
}
