package node

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"joconde"
	"joconde/attest"
	"joconde/audit"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/record"
)

// agreement is a task that was agreed, as this node has verified it: only
// verify makes one.
type agreement struct {
	launch   *dplane.Launch
	ledger   *record.Ledger
	task     *joconde.Task
	id       joconde.Digest
	party    joconde.PartyID
	me       int // index into task.Computing
	attempt  int
	known    map[joconde.Digest]bool // SHA-256 of the envelopes that were taken in
	last     uint64                  // index in the log of the last record taken in
	size     uint64                  // of the log, by the newest checkpoint seen
	now      time.Time
	engine   engine.Engine
	plan     engine.Plan
	job      dplane.Job
	attester attest.Attester
}

// verify is everything that a node checks before it makes a key: that this is
// the task that every party has signed, that all of it is in the log, that it
// is still time, that this node is one that the task admits, and that its own
// party does not refuse.
func verify(c Config, l *dplane.Launch) (*agreement, error) {
	a := &agreement{launch: l, party: l.Party, attempt: l.Attempt, known: map[joconde.Digest]bool{}}
	for _, check := range []func(Config) error{a.records, a.agreed, a.place, a.compute, a.policy, a.deadlines, a.measure} {
		if err := check(c); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// records verifies the task, its parties and all records with their proofs.
func (a *agreement) records(Config) error {
	l := a.launch
	if l.Format != 1 {
		return notLaunched("JOC-R140", "launch", "the node was not launched as nodes are", fmt.Errorf("format %d is not 1", l.Format))
	}
	if len(l.Records) == 0 {
		return notLaunched("JOC-R141", "records", "the task does not verify", errors.New("there is no record, not even the task"))
	}
	var err error
	if a.ledger, err = record.NewLedger(l.Records[0].Envelope, l.Organisations); err != nil {
		return notLaunched("JOC-R141", "records", "the task does not verify", err)
	}
	a.task, a.id = a.ledger.Task()
	for i := range l.Records {
		r := &l.Records[i]
		if err := a.included(r, l.Checkpoint); err != nil {
			return notLaunched("JOC-R142", fmt.Sprintf("record %d", i), "a record is not proven to be in the task's log", err)
		}
		if i > 0 {
			if r.Index <= a.last {
				return notLaunched("JOC-R142", fmt.Sprintf("record %d", i), "a record is not proven to be in the task's log", errors.New("it stands before the record that comes before it"))
			}
			if _, err := a.ledger.Add(r.Envelope); err != nil {
				return notLaunched("JOC-R143", fmt.Sprintf("record %d", i), "a record does not count", err)
			}
		}
		a.last = r.Index
		a.known[sha256.Sum256(r.Envelope)] = true
	}
	return nil
}

// included says whether a record is in the task's log, which does not shrink.
func (a *agreement) included(r *dplane.Logged, checkpoint []byte) error {
	c, err := audit.OpenCheckpoint(a.task.LogKey, checkpoint)
	if err != nil {
		return err
	}
	if c.Size < a.size {
		return errors.New("the log was longer before")
	}
	a.size = c.Size
	return audit.VerifyInclusion(a.task.LogKey, checkpoint, r.Envelope, audit.Proof{Index: r.Index, Path: r.Path})
}

// agreed wants every approval and every nonce of exactly this attempt.
func (a *agreement) agreed(Config) error {
	s := a.ledger.State()
	_, nonces := s.Nonces()
	var err error
	switch _, taken := s.Has(joconde.KindNodeBundle, a.party); {
	case s.Phase == joconde.Proposed:
		var missing []string
		for _, w := range s.Waiting() {
			missing = append(missing, fmt.Sprintf("%s of %s as %s", w.Kind, w.Party, w.Role))
		}
		err = fmt.Errorf("not every party has signed in every role: %s", strings.Join(missing, ", "))
	case s.Phase != joconde.Agreed:
		err = fmt.Errorf("the task is %s", s.Phase)
	case s.Attempt != a.attempt:
		err = fmt.Errorf("this is attempt %d, and the node is to be of attempt %d", s.Attempt, a.attempt)
	case !nonces:
		err = errors.New("not every party has given its nonce")
	case taken:
		err = errors.New("the party has a node in this attempt already")
	default:
		return nil
	}
	return notLaunched("JOC-R144", "records", "the task is not agreed", err)
}

// place finds the party among the computing parties.
func (a *agreement) place(Config) error {
	a.me = slices.IndexFunc(a.task.Computing, func(p joconde.Place) bool { return p.Party == a.party })
	if a.me < 0 {
		return notLaunched("JOC-R145", "launch", "the party operates no node of this task", errors.New("the terms name its nodes' operators, and it is none"))
	}
	return nil
}

// compute makes the plan from the program that was signed.
func (a *agreement) compute(c Config) error {
	var found bool
	if a.engine, found = c.Engine(a.task.Engine); !found {
		return notLaunched("JOC-R146", "engine", "this node does not have the task's engine", fmt.Errorf("it has no engine %.40q", a.task.Engine))
	}
	if a.task.Lowering != lower.Version {
		return notLaunched("JOC-R147", "lowering", "this node is of another version than the task", fmt.Errorf("it lowers by %s and the terms say %.60q", lower.Version, a.task.Lowering))
	}
	if sha256.Sum256(a.launch.Program) != a.task.Program {
		return notLaunched("JOC-R148", "program", "this is another program than was signed", errors.New("its digest is not the one in the task"))
	}
	program, err := ir.Decode(a.launch.Program)
	if err != nil {
		return notLaunched("JOC-R149", "program", "the program cannot be computed as the terms say", err)
	}
	rows := map[string]int{}
	for i := range a.task.Rows {
		rows[a.task.Rows[i].Table] = a.task.Rows[i].Rows
	}
	a.plan = engine.Plan{Program: program, Rows: rows, Options: engine.Options{Sort: a.task.Sort}}
	if a.plan.Vector, err = lower.Lower(program, rows); err == nil {
		if a.job, err = dplane.NewJob(a.plan, a.task.Engine); err == nil {
			_, err = a.engine.Check(a.plan)
		}
	}
	info := a.engine.Info()
	if n := len(a.task.Computing); err == nil && (n < info.PartiesMin || n > info.PartiesMax) {
		err = fmt.Errorf("the engine does not run at %d nodes", n)
	}
	if err == nil {
		err = a.roles()
	}
	if err != nil {
		return notLaunched("JOC-R149", "program", "the program cannot be computed as the terms say", err)
	}
	return nil
}

// roles wants every owner of an input to be an input party, and every
// recipient an output party.
func (a *agreement) roles() error {
	has := func(p joconde.PartyID, role joconde.Role) bool {
		return slices.ContainsFunc(a.task.Parties, func(m joconde.Member) bool { return m.Party == p && slices.Contains(m.Roles, role) })
	}
	for i := range a.plan.Vector.Inputs {
		if p := a.plan.Vector.Inputs[i].Owner; !has(p, joconde.InputParty) {
			return fmt.Errorf("%s is to provide data and is no input party", p)
		}
	}
	for i := range a.plan.Vector.Outputs {
		for _, p := range a.plan.Vector.Outputs[i].To {
			if !has(p, joconde.OutputParty) {
				return fmt.Errorf("%s is to learn a view and is no output party", p)
			}
		}
	}
	return nil
}

// policy asks what the node's own party refuses.
func (a *agreement) policy(Config) error { return a.launch.Refusals.Refuse(a.task, a.engine.Info()) }

// deadlines wants it to be time still, by what the parties have signed.
func (a *agreement) deadlines(Config) error {
	a.now = forward(time.Time{}, a.signedTimes())
	by, err := joconde.ParseTime(a.task.Deadlines.EstablishBy)
	if err == nil && a.now.After(by) {
		err = fmt.Errorf("by the median of the times that the parties signed it is %s, and nodes were due by %s", joconde.FormatTime(a.now), a.task.Deadlines.EstablishBy)
	}
	if err != nil {
		return notLaunched("JOC-R150", "deadlines", "a signed deadline has passed", err)
	}
	return nil
}

// signedTimes are the latest times that each party's organisation has signed.
// Nodes do not count: they have their time from here.
func (a *agreement) signedTimes() []time.Time {
	latest := map[joconde.PartyID]time.Time{}
	for _, r := range a.ledger.Records()[1:] {
		e, _, err := joconde.EventOf(r.ID, r.Body)
		if err != nil || e.Node {
			continue
		}
		// Every record of a task's life says when it was made.
		at, err := joconde.ParseTime(reflect.ValueOf(r.Body).Elem().FieldByName("At").String())
		if err == nil && at.After(latest[e.Party]) {
			latest[e.Party] = at
		}
	}
	var times []time.Time
	for _, at := range latest {
		times = append(times, at)
	}
	return times
}

// measure wants this very program to be one that the task admits at this
// place, and opens the device that vouches for it.
func (a *agreement) measure(c Config) error {
	name := a.launch.Platform
	platform, found := c.Platform(name)
	if !found || !slices.Contains(a.task.Platforms, name) {
		return notLaunched("JOC-R151", "platform", "the node's platform is not one of the task's", fmt.Errorf("platform %.40q is unknown or not admitted", name))
	}
	measurement, err := platform.Measure(c.Executable)
	if err == nil && !slices.Contains(a.task.Computing[a.me].Measurements, measurement) {
		err = fmt.Errorf("it is %.80q", measurement)
	}
	if err != nil {
		return notLaunched("JOC-R152", "measurement", "this program is none that the task admits as node", err)
	}
	if a.attester, err = platform.Open(a.launch.Device, c.Executable); err != nil {
		return notLaunched("JOC-R153", "device", "the evidence device cannot be used", err)
	}
	return nil
}

// assignment is what the worker needs, once all bundles are accepted.
func (a *agreement) assignment() (dplane.Assignment, error) {
	bundles, _ := a.ledger.State().Bundles()
	out := dplane.Assignment{Bundles: bundles, Me: a.me, Parties: []joconde.PartyID{}, Peers: []dplane.Peer{}, Program: a.launch.Program, Rows: a.plan.Rows,
		Engine: a.task.Engine, Options: a.plan.Options, Lowering: a.task.Lowering, Vector: a.job.Vector, Recipients: []dplane.Recipient{}}
	for i := range a.task.Computing {
		party := a.task.Computing[i].Party
		b, _, found := a.ledger.Bundle(party)
		if !found {
			return out, fmt.Errorf("%s has no node", party)
		}
		pin, err := hex.DecodeString(b.TLSPin)
		if err != nil || len(pin) != len(joconde.Digest{}) {
			return out, fmt.Errorf("the key of %s is malformed", party)
		}
		out.Parties = append(out.Parties, party)
		out.Peers = append(out.Peers, dplane.Peer{Address: b.Address, Pin: joconde.Digest(pin)})
	}
	for i := range a.task.Parties {
		if m := &a.task.Parties[i]; slices.Contains(m.Roles, joconde.OutputParty) {
			out.Recipients = append(out.Recipients, dplane.Recipient{Party: m.Party, ResultKey: a.ledger.Organisation(m.Party).ResultKey})
		}
	}
	return out, nil
}

// receipts are those of this attempt.
func (a *agreement) receipts() dplane.Receipts {
	inputs, _ := a.ledger.State().Inputs()
	out := dplane.Receipts{Inputs: inputs, Receipts: []dplane.Receipt{}}
	for _, r := range a.ledger.Records() {
		if b, ok := r.Body.(*joconde.InputReceipt); ok && b.Attempt == a.attempt {
			out.Receipts = append(out.Receipts, dplane.Receipt{From: b.Party, Inputs: b.Inputs})
		}
	}
	return out
}
