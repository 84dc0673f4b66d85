package agent

import (
	"context"
	"errors"
	"io"
	"time"

	"joconde"
	"joconde/audit"
	"joconde/dplane"
)

// Hub is what an agent needs of the shared service. Nothing that it says is
// believed: records are verified by their signatures and proofs, ciphertexts
// by their hashes. An error that is not about a record's place in the life of
// a task (joconde.ErrDuplicate and its like) means: try again later.
type Hub interface {
	// Tasks are the tasks that name a party.
	Tasks(ctx context.Context, party joconde.PartyID) ([]joconde.Digest, error)
	// Records gives a task's records from a position on, as many as go into a
	// page. If there are none yet it waits, at most so long.
	Records(ctx context.Context, task joconde.Digest, from int, wait time.Duration) (*Page, error)
	// Submit sends a record. Sending it again does no harm.
	Submit(ctx context.Context, task joconde.Digest, envelope []byte) (position int, err error)
	// PutOutput leaves a sealed part of a result for its recipient. A logged
	// transcript must name its hash. Again is no error.
	PutOutput(ctx context.Context, task, hash joconde.Digest, sealed []byte) error
	// Output gets one by its hash.
	Output(ctx context.Context, task, hash joconde.Digest) ([]byte, error)
}

// Directory takes entries of organisations.
type Directory interface {
	Join(ctx context.Context, envelope []byte) (joconde.Digest, error)
}

// Page is a run of a task's records, all proven under one checkpoint.
type Page struct {
	Organisations [][]byte // the entries that the task names, with those they replace; from position 0 only
	Records       []Entry
	Checkpoint    []byte
}

// Entry is a record at its place. Position 0 is the task.
type Entry struct {
	Position int
	Envelope []byte
	Proof    audit.Proof
}

// Launcher starts nodes where the organisation operates them.
type Launcher interface {
	// Launch starts the node of one attempt. It is called at most once for
	// each task and attempt, whatever happens. When ctx ends, the node is told
	// to wipe and to end.
	Launch(ctx context.Context, l Launch) (Node, error)
	// Resume finds the node again that was launched before this agent was
	// started, running or not, so that nothing that it said is lost. It
	// returns ErrNoNode if there is nothing to be found.
	Resume(ctx context.Context, l Launch) (Node, error)
}

// ErrNoNode says that a node that was launched, or was about to be, left nothing.
var ErrNoNode = errors.New("nothing is left of the node")

// Launch is what a node is started with. It verifies all of it itself.
type Launch struct {
	Task          joconde.Digest
	Attempt       int
	Party         joconde.PartyID
	Organisations [][]byte
	Records       []dplane.Logged // the task first, then all of its records so far
	Checkpoint    []byte          // of all their proofs
	Program       []byte          // canonical bytes
	Refusals      dplane.Refusals // of the party's policy
}

// Node is a node that this organisation operates. One goroutine may call Next
// while another calls the rest; dplane.Control has all of it but Kill.
type Node interface {
	// Records tells the node of later records. Those that it was told before
	// it ignores.
	Records(records []dplane.Logged, checkpoint []byte) error
	// Abort tells it of an abort that need not be logged yet.
	Abort(envelope []byte) error
	// Next waits for what the node says next, from the first thing on. Sealed
	// parts come before the transcript that names them. It returns io.EOF
	// only when the process, and with it the worker, has exited.
	Next() (dplane.Said, error)
	// Kill ends the process at once. Next then comes to io.EOF.
	Kill()
}

// Workers reaches the workers of nodes directly, by the keys in their logged
// bundles.
type Workers interface {
	// Upload sends one sealed input. It resumes where an earlier Upload of
	// the same bytes stopped, and returns nil when the worker has all of it.
	Upload(ctx context.Context, to *joconde.NodeBundle, u Upload) error
	// Abort tells a node of a signed abort, past the hub.
	Abort(ctx context.Context, to *joconde.NodeBundle, envelope []byte) error
}

// Upload is one input of the plan on its way to one node.
type Upload struct {
	Task    joconde.Digest
	Attempt int
	From    joconde.PartyID
	Input   int            // index into the plan's inputs
	Hash    joconde.Digest // of all that is sealed, as the receipt will have it
	Size    int64
	Sealed  io.ReaderAt
}
