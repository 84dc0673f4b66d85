package dplane

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"joconde"
	"joconde/record"
)

// A node and the agent that launched it talk over the node's standard input
// and output. The agent sends one Launch, then Records as they are logged, and
// an Abort if it hears of one before it is logged. The node sends what it
// signed, the sealed parts of the outputs, how far it is, and at most one
// refusal that ends it. Neither takes the other's word for anything: the node
// verifies every record itself, the agent posts what the node signed, which
// others verify. The end of the node's input means that its agent is gone, and
// ends the attempt.

// Launch is all that a node is told before it makes any key.
type Launch struct {
	Format        int             `json:"format"` // 1
	Party         joconde.PartyID `json:"party"`  // whose node it is
	Attempt       int             `json:"attempt"`
	Organisations [][]byte        `json:"organisations"` // envelopes of the directory, with those that they replace
	Records       []Logged        `json:"records"`       // the task first, then all of its records in the order of the log
	Checkpoint    []byte          `json:"checkpoint"`    // of all their proofs
	Program       []byte          `json:"program"`       // canonical bytes; the task has their digest
	Refusals      Refusals        `json:"refusals"`      // what the party's node takes no part in
	Platform      string          `json:"platform"`      // what vouches for the node
	Device        string          `json:"device"`        // the platform's evidence device: a path
	Listen        string          `json:"listen"`        // host:port where the worker listens; port 0 chooses one
	Address       string          `json:"address"`       // host:port where others reach it; "" where it listens
}

// Logged is a record and the proof that it is in the log.
type Logged struct {
	Envelope []byte   `json:"envelope"`
	Index    uint64   `json:"index"`
	Path     []string `json:"path"` // 64 lower-case hex digits each
}

// Records are further records in the order of the log.
type Records struct {
	Records    []Logged `json:"records"`
	Checkpoint []byte   `json:"checkpoint"` // of all their proofs
}

// Refused is why a node does not do what it was asked, a Problem with its exit
// code.
type Refused struct {
	Problem joconde.Problem `json:"problem"`
	Exit    int             `json:"exit"`
}

// Status is how far a node is.
type Status struct {
	Step   string `json:"step"`
	Done   int    `json:"done"` // instructions, while it computes
	Total  int    `json:"total"`
	Rounds int64  `json:"rounds"`
	Bytes  int64  `json:"bytes"`
}

// The steps of a node, in order. Stopped may follow any.
const (
	StepChecked   = "checked"   // the agreement holds; keys are being made
	StepAttested  = "attested"  // the bundle is signed
	StepAccepted  = "accepted"  // every party accepted; inputs may come
	StepReceived  = "received"  // every input is receipted; they are being checked
	StepReady     = "ready"     // all inputs match their receipts
	StepComputing = "computing" // the engine runs
	StepComputed  = "computed"  // the transcript is signed
	StepWiped     = "wiped"     // the worker is gone, and the receipt signed
	StepStopped   = "stopped"   // the attempt is aborted
)

// SealedOutput names the sealed part of a view for one recipient, which
// follows it in a frame of its own.
type SealedOutput struct {
	View       string          `json:"view"`
	To         joconde.PartyID `json:"to"`
	Ciphertext joconde.Digest  `json:"ciphertext"`
}

// Control is the agent's end of the talk with its node. One goroutine may call
// Next while others call the rest.
type Control struct {
	mu   sync.Mutex // of to
	to   io.Writer
	from io.Reader
}

// NewControl talks to a node through its standard input and output.
func NewControl(to io.Writer, from io.Reader) *Control { return &Control{to: to, from: from} }

// Launch tells the node what it is for. It is the first call, and made once.
func (c *Control) Launch(l Launch) error {
	l.Format = 1
	l.Organisations, l.Records = listed(l.Organisations), withPaths(l.Records)
	l.Refusals.Engines = listed(l.Refusals.Engines)
	l.Checkpoint, l.Program = listed(l.Checkpoint), listed(l.Program)
	return c.tell(FrameLaunch, l)
}

// Records tells the node of further records.
func (c *Control) Records(records []Logged, checkpoint []byte) error {
	return c.tell(FrameRecords, Records{Records: withPaths(records), Checkpoint: listed(checkpoint)})
}

// Abort tells the node of an abort that need not be logged yet.
func (c *Control) Abort(envelope []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return WriteFrame(c.to, FrameAbort, envelope)
}

func (c *Control) tell(kind FrameKind, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return WriteMessage(c.to, kind, v)
}

// Said is one thing that a node says. Exactly one field is set.
type Said struct {
	// Record is an envelope that the node signed. To a node bundle and to a
	// wipe receipt the operator adds its own signature.
	Record  []byte
	Sealed  *Sealed
	Status  *Status
	Refused *joconde.Problem
}

// Sealed is one sealed part of an output, named by its transcript.
type Sealed struct {
	joconde.OutputRef
	Bytes []byte
}

// Next gives what the node says next, and io.EOF at its end.
func (c *Control) Next() (Said, error) {
	kind, payload, err := ReadFrame(c.from)
	if err != nil {
		return Said{}, err
	}
	switch kind {
	case FrameRecord:
		return Said{Record: payload}, nil
	case FrameSealed:
		sealed, err := readSealed(c.from, payload)
		return Said{Sealed: sealed}, err
	case FrameStatus:
		status := new(Status)
		if err := record.Strict(payload, status); err != nil {
			return Said{}, fmt.Errorf("read what the node says: %w", err)
		}
		return Said{Status: status}, nil
	case FrameRefused:
		var r Refused
		if err := record.Strict(payload, &r); err != nil {
			return Said{}, fmt.Errorf("read what the node says: %w", err)
		}
		p := r.Problem
		p.Exit = r.Exit
		return Said{Refused: &p}, nil
	}
	return Said{}, fmt.Errorf("read what the node says: it sent a frame of kind %d", kind)
}

// readSealed reads the ciphertext that follows its name, and holds it against
// the name.
func readSealed(r io.Reader, name []byte) (*Sealed, error) {
	var n SealedOutput
	if err := record.Strict(name, &n); err != nil {
		return nil, fmt.Errorf("read a sealed output: %w", err)
	}
	kind, ciphertext, err := ReadFrame(r)
	if err != nil {
		return nil, fmt.Errorf("read a sealed output: %w", cut(err))
	}
	if kind != FrameCiphertext || sha256.Sum256(ciphertext) != n.Ciphertext {
		return nil, errors.New("read a sealed output: what follows is another")
	}
	return &Sealed{joconde.OutputRef{View: n.View, To: n.To, Ciphertext: n.Ciphertext}, ciphertext}, nil
}

// listed is a list that is written as one, also if it is empty.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func withPaths(records []Logged) []Logged {
	out := make([]Logged, len(records))
	for i := range records {
		out[i] = Logged{listed(records[i].Envelope), records[i].Index, listed(records[i].Path)}
	}
	return out
}
