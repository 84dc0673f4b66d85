package agent

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"joconde"
	"joconde/attest"
	platforms "joconde/attest/all"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/seal"
	"joconde/dplane/session"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/record"
)

// fleet are honest nodes within the process, which really compute. It is the
// way to their workers, too.
type fleet struct {
	now        func() time.Time
	device     func(joconde.PartyID) (device, executable string)
	mu         sync.Mutex
	nodes      map[string]*nodeDouble // by address
	sessions   map[string][]session.Session
	mortal     bool // a node ends when its agent is gone
	launches   map[string]int
	offline    func(to joconde.PartyID) bool
	wrongPlace func(b *joconde.NodeBundle) // changes a bundle before it is signed
}

func newFleet(now func() time.Time, device func(joconde.PartyID) (string, string)) *fleet {
	return &fleet{now: now, device: device, nodes: map[string]*nodeDouble{}, sessions: map[string][]session.Session{}, launches: map[string]int{}}
}

// berth is a party's Launcher.
type berth struct {
	*fleet
	party joconde.PartyID
}

func address(l Launch) string { return fmt.Sprintf("%s-%d:4000", l.Party, l.Attempt) }

func (b berth) Launch(ctx context.Context, l Launch) (Node, error) {
	n := &nodeDouble{fleet: b.fleet, party: b.party, attempt: l.Attempt, inputs: map[int][]byte{}, changed: make(chan struct{})}
	b.mu.Lock()
	b.nodes[address(l)] = n
	b.launches[address(l)]++
	b.mu.Unlock()
	if err := n.begin(l); err != nil {
		return nil, err
	}
	return b.attach(ctx, n), nil
}

func (b berth) Resume(ctx context.Context, l Launch) (Node, error) {
	b.mu.Lock()
	n := b.nodes[address(l)]
	b.mu.Unlock()
	if n == nil {
		return nil, ErrNoNode
	}
	return b.attach(ctx, n), nil
}

func (b berth) attach(ctx context.Context, n *nodeDouble) Node {
	if b.mortal {
		context.AfterFunc(ctx, func() { n.do(func() { n.stop("aborted") }) })
	}
	return &attachedDouble{n, ctx, 0}
}

// attachedDouble is a node as one agent hears it, from the first on.
type attachedDouble struct {
	*nodeDouble
	ctx context.Context
	at  int
}

func (a *attachedDouble) Next() (dplane.Said, error) {
	for {
		a.nodeDouble.mu.Lock()
		if a.at < len(a.said) {
			s := a.said[a.at]
			a.at++
			a.nodeDouble.mu.Unlock()
			return s, nil
		}
		over, changed := a.over, a.changed
		a.nodeDouble.mu.Unlock()
		if over {
			return dplane.Said{}, io.EOF
		}
		select {
		case <-changed:
		case <-a.ctx.Done():
			return dplane.Said{}, a.ctx.Err()
		}
	}
}

// Kill: an agent that is gone kills nobody.
func (a *attachedDouble) Kill() {
	if a.ctx.Err() == nil {
		a.do(func() { a.over = true })
	}
}

type nodeDouble struct {
	*fleet
	party   joconde.PartyID
	attempt int

	mu      sync.Mutex
	changed chan struct{}
	said    []dplane.Said
	over    bool
	ledger  *record.Ledger
	plan    engine.Plan
	engine  engine.Engine
	index   int
	receipt *record.Key
	opener  *seal.Key
	inputs  map[int][]byte // sealed
	parts   [][]byte
	step    int // 1 ready, 2 computing, 3 transcript
}

func (n *nodeDouble) do(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

func (n *nodeDouble) say(s dplane.Said) { n.said = append(n.said, s) }

func (n *nodeDouble) sign(kind joconde.RecordKind, body any) {
	envelope, err := record.Sign(kind, body, n.receipt)
	if err != nil {
		panic(err)
	}
	n.say(dplane.Said{Record: envelope})
}

func (n *nodeDouble) begin(l Launch) error {
	var err error
	if n.ledger, err = record.NewLedger(l.Records[0].Envelope, l.Organisations); err != nil {
		return err
	}
	for _, r := range l.Records[1:] {
		if _, err := n.ledger.Add(r.Envelope); err != nil {
			return err
		}
	}
	terms, id := n.ledger.Task()
	program, err := ir.Decode(l.Program)
	if err != nil {
		return err
	}
	rows := map[string]int{}
	for _, b := range terms.Rows {
		rows[b.Table] = b.Rows
	}
	vector, err := lower.Lower(program, rows)
	if err != nil {
		return err
	}
	n.plan = engine.Plan{Program: program, Rows: rows, Vector: vector, Label: append(id[:], byte(l.Attempt))}
	n.engine, _ = all.Named(terms.Engine)
	n.index = slices.IndexFunc(terms.Computing, func(p joconde.Place) bool { return p.Party == n.party })
	if n.receipt, err = record.NewKey(); err != nil {
		return err
	}
	if n.opener, err = seal.NewKey(); err != nil {
		return err
	}
	nonces, complete := n.ledger.State().Nonces()
	if !complete {
		return errors.New("the nonces are not all there")
	}
	b := &joconde.NodeBundle{Task: id, Attempt: l.Attempt, Party: n.party, Address: address(l), TLSPin: randomHex(32),
		HPKEKey: n.opener.Public(), ReceiptKey: n.receipt.Public(), Nonces: nonces, At: stamp(n.now())}
	platform, _ := platforms.Named(terms.Platforms[0])
	attester, err := platform.Open(n.device(n.party))
	if err != nil {
		return err
	}
	if b.Evidence, err = attester.Attest(context.Background(), attest.BundleReportData(b)); err != nil {
		return err
	}
	if n.wrongPlace != nil {
		n.wrongPlace(b)
	}
	n.do(func() { n.sign(joconde.KindNodeBundle, b) })
	return nil
}

// Records: what the node was told before it ignores.
func (n *nodeDouble) Records(records []dplane.Logged, _ []byte) error {
	n.do(func() {
		for _, r := range records {
			if _, err := n.ledger.Add(r.Envelope); err != nil && !errors.Is(err, joconde.ErrDuplicate) {
				panic(err)
			}
		}
		n.move()
	})
	return nil
}

func (n *nodeDouble) Abort([]byte) error {
	n.do(func() { n.stop("aborted") })
	return nil
}

// stop wipes and ends; n.mu is held.
func (n *nodeDouble) stop(exit string) {
	if n.over {
		return
	}
	_, id := n.ledger.Task()
	for _, part := range n.parts {
		clear(part)
	}
	n.inputs = map[int][]byte{}
	n.sign(joconde.KindWipeReceipt, &joconde.WipeReceipt{Task: id, Attempt: n.attempt, Party: n.party, Destroyed: []string{"keys", "shares"},
		NotProven: []string{"that the memory was not read before"}, Exit: exit, At: stamp(n.now())})
	n.over = true
}

// move does what the records let it do; n.mu is held.
func (n *nodeDouble) move() {
	s := n.ledger.State()
	_, id := n.ledger.Task()
	if n.over || s.Attempt != n.attempt {
		return
	}
	if s.Phase == joconde.Aborted {
		n.stop("aborted")
		return
	}
	inputs, complete := s.Inputs()
	if n.step == 0 && s.Phase == joconde.Established && complete && n.open() {
		n.step = 1
		n.sign(joconde.KindReady, &joconde.Ready{Task: id, Attempt: n.attempt, Party: n.party, Inputs: inputs, At: stamp(n.now())})
	}
	if n.step == 1 && s.Phase == joconde.Loaded {
		n.step = 2
		go n.compute(inputs)
	}
	if _, logged := s.Has(joconde.KindTranscript, n.party); logged {
		n.stop("done")
	}
}

// open opens and checks all inputs, if they are there.
func (n *nodeDouble) open() bool {
	set, _ := n.ledger.State().Bundles()
	_, id := n.ledger.Task()
	parts := make([][]byte, len(n.plan.Vector.Inputs))
	for _, r := range n.ledger.Records() {
		b, ok := r.Body.(*joconde.InputReceipt)
		if !ok || b.Attempt != n.attempt {
			continue
		}
		for _, in := range b.Inputs {
			sealed, here := n.inputs[in.Input]
			if !here || sha256.Sum256(sealed) != in.Ciphertexts[n.index] {
				return false
			}
			plain, err := seal.Open(n.opener, seal.InputInfo(id, n.attempt, set, b.Party, n.party, in.Input, n.index), sealed)
			if err != nil {
				panic(err)
			}
			salts, part, err := seal.UnpackInput(plain)
			if err != nil {
				panic(err)
			}
			components, err := n.engine.Sharing().Components(n.index, part)
			if err == nil {
				err = seal.CheckCommitments(in.Commitments, salts, components)
			}
			if err != nil {
				panic(err)
			}
			parts[in.Input] = part
		}
	}
	n.parts = parts
	return true
}

func (n *nodeDouble) compute(inputs joconde.Digest) {
	_, id := n.ledger.Task()
	key := fmt.Sprint(id, n.attempt)
	n.fleet.mu.Lock()
	if n.sessions[key] == nil {
		n.sessions[key] = session.Pipe(3, session.WithStall(time.Minute), session.WithOpenings(len(n.plan.Vector.Openings)))
	}
	s := n.sessions[key][n.index]
	n.fleet.mu.Unlock()
	out, err := n.engine.Run(context.Background(), n.plan, s, n.parts, nil)
	_ = s.Close()
	n.do(func() {
		if n.over {
			return
		}
		if err != nil {
			n.sign(joconde.KindAbort, &joconde.Abort{Task: id, Attempt: n.attempt, Party: n.party, Node: true, Reason: "peer", At: stamp(n.now())})
			n.stop("aborted")
			return
		}
		n.transcript(id, inputs, out)
	})
}

func (n *nodeDouble) transcript(id, inputs joconde.Digest, out [][]byte) {
	set, _ := n.ledger.State().Bundles()
	t := &joconde.Transcript{Task: id, Attempt: n.attempt, Party: n.party, Inputs: inputs, Rounds: 1, Bytes: 1, At: stamp(n.now())}
	for i, o := range n.plan.Vector.Outputs {
		for _, to := range o.To {
			key, err := seal.ParsePublic(n.ledger.Organisation(to).ResultKey)
			if err != nil {
				panic(err)
			}
			sealed, err := seal.Seal(key, seal.OutputInfo(id, n.attempt, set, n.party, to, o.View, n.index), out[i], len(out[i]))
			if err != nil {
				panic(err)
			}
			ref := joconde.OutputRef{View: o.View, To: to, Ciphertext: sha256.Sum256(sealed)}
			t.Outputs = append(t.Outputs, ref)
			n.say(dplane.Said{Sealed: &dplane.Sealed{OutputRef: ref, Bytes: sealed}})
		}
	}
	n.step = 3
	n.sign(joconde.KindTranscript, t)
}

func (f *fleet) at(b *joconde.NodeBundle) (*nodeDouble, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.nodes[b.Address]
	if n == nil || f.offline != nil && f.offline(b.Party) {
		return nil, errors.New("nobody listens there")
	}
	return n, nil
}

func (f *fleet) Upload(_ context.Context, to *joconde.NodeBundle, u Upload) error {
	n, err := f.at(to)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(io.NewSectionReader(u.Sealed, 0, u.Size))
	if err != nil {
		return err
	}
	if sha256.Sum256(data) != u.Hash {
		return errors.New("other bytes than the hash says")
	}
	n.do(func() {
		if !n.over {
			n.inputs[u.Input] = bytes.Clone(data)
			n.move()
		}
	})
	return nil
}

func (f *fleet) Abort(_ context.Context, to *joconde.NodeBundle, envelope []byte) error {
	n, err := f.at(to)
	if err != nil {
		return err
	}
	return n.Abort(envelope)
}
