package dplane

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"joconde"
	"joconde/dplane/engine"
	"joconde/dplane/session"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/record"
)

// Node is one computing party: a key, made for this one computation, a place
// to listen, and the engines that it has.
type Node struct {
	Identity *session.Identity
	Listener net.Listener
	Engine   func(name string) (engine.Engine, bool)
	Progress func(Progress) // may be nil; called a few times a second, and never after Compute
	Patience time.Duration  // how long peers may take to begin; 0 means what a session grants
}

// NewJob writes down a plan for the computing parties; Me and Peers are left
// for whoever starts them. They lower the Program again and compare.
func NewJob(plan engine.Plan, engineName string) (Job, error) {
	program, err := ir.Encode(plan.Program)
	if err != nil {
		return Job{}, err
	}
	vector, err := vectorDigest(plan.Vector)
	if err != nil {
		return Job{}, err
	}
	return Job{Format: 1, Engine: engineName, Program: program, Rows: plan.Rows, Options: plan.Options, Label: plan.Label, Vector: vector}, nil
}

// Plan is what a computing party makes of its job, from the Program alone: it
// takes nobody's word for what the Program comes to.
func (j Job) Plan() (engine.Plan, error) {
	if j.Format != 1 {
		return engine.Plan{}, fmt.Errorf("the job has format %d, not 1", j.Format)
	}
	program, err := ir.Decode(j.Program)
	if err != nil {
		return engine.Plan{}, err
	}
	vector, err := lower.Lower(program, maps.Clone(j.Rows))
	if err != nil {
		return engine.Plan{}, err
	}
	digest, err := vectorDigest(vector)
	if err != nil {
		return engine.Plan{}, err
	}
	if digest != j.Vector {
		return engine.Plan{}, errors.New("lowering the program gives another vector program than the job says: are the versions the same?")
	}
	return engine.Plan{Program: program, Rows: j.Rows, Vector: vector, Options: j.Options, Label: j.Label}, nil
}

// vectorDigest names a vector program.
func vectorDigest(v *lower.Vector) (joconde.Digest, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return joconde.Digest{}, fmt.Errorf("name the vector program: %w", err)
	}
	return sha256.Sum256(data), nil
}

// Compute is the story of a computing party with its plan, which Job.Plan made,
// and its parts of the inputs: it checks that its engine can run the plan,
// connects to its peers over TLS, computes, and gives its parts of the outputs.
// The parts of the inputs are overwritten when it returns.
func (n *Node) Compute(ctx context.Context, job Job, plan engine.Plan, in [][]byte) (out [][]byte, figures Figures, err error) {
	defer func() {
		for _, part := range in {
			clear(part)
		}
	}()
	e, found := n.Engine(job.Engine)
	if !found {
		return nil, figures, fmt.Errorf("this computing party has no engine %.40q", job.Engine)
	}
	if _, err := e.Check(plan); err != nil {
		return nil, figures, fmt.Errorf("check the plan: %w", err)
	}
	start := time.Now()
	s, err := n.connect(ctx, job, plan)
	if err != nil {
		return nil, figures, fmt.Errorf("connect to the peers: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	figures.Connect = int64(time.Since(start))

	start = time.Now()
	progress, stop := n.tell(s)
	out, err = e.Run(ctx, plan, s, in, progress)
	stop()
	if err != nil {
		return nil, figures, fmt.Errorf("run engine %s: %w", job.Engine, err)
	}
	counts := s.Counts()
	figures.Run, figures.Rounds, figures.Bytes = int64(time.Since(start)), counts.Rounds, counts.Total().BytesSent
	return out, figures, nil
}

// tell reports progress until it is stopped, also while one instruction lasts.
func (n *Node) tell(s *session.Counter) (progress func(done, total int), stop func()) {
	if n.Progress == nil {
		return nil, func() {}
	}
	var done, total atomic.Int64
	over := make(chan struct{})
	var teller sync.WaitGroup
	teller.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case <-tick.C:
				counts := s.Counts()
				n.Progress(Progress{Done: int(done.Load()), Total: int(total.Load()), Rounds: counts.Rounds, Bytes: counts.Total().BytesSent})
			}
		}
	})
	return func(d, t int) { done.Store(int64(d)); total.Store(int64(t)) }, func() { close(over); teller.Wait() }
}

// connect opens the session with the peers, which must have got the same job.
func (n *Node) connect(ctx context.Context, job Job, plan engine.Plan) (*session.Counter, error) {
	common := job
	common.Me = 0
	data, err := record.Canonical(common)
	if err != nil {
		return nil, err
	}
	label := sha256.Sum256(data)
	peers := make([]session.Peer, len(job.Peers))
	for p, peer := range job.Peers {
		peers[p] = session.Peer{Addr: peer.Address, Pin: peer.Pin}
	}
	s, err := session.Dial(ctx, session.Config{Me: job.Me, Listener: n.Listener, Peers: peers, Identity: n.Identity,
		Label: label[:], Openings: len(plan.Vector.Openings), Handshake: n.Patience})
	if err != nil {
		return nil, err
	}
	return session.Counting(s), nil
}
