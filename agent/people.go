package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/table"
	"joconde/lang/statement"
	"joconde/record"
)

// Enrolment is what an organisation says of itself.
type Enrolment struct {
	LegalName  string
	Contact    string
	ValidFrom  time.Time
	ValidUntil time.Time
}

// Enrol signs the organisation's directory entry and posts it. A later one
// replaces the one before, which it names; the keys stay the same. After a
// crash or a hub that was away, the same call posts the same bytes.
func (h *Home) Enrol(ctx context.Context, d Directory, who Enrolment) (joconde.Digest, error) {
	approval, err := record.LoadKey(h.path("keys", approvalKey))
	if err != nil {
		return joconde.Digest{}, err
	}
	defer approval.Wipe()
	operations, err := h.operations()
	if err != nil {
		return joconde.Digest{}, err
	}
	defer operations.Wipe()
	result, err := h.resultKey()
	if err != nil {
		return joconde.Digest{}, err
	}
	entry := &joconde.Organisation{Party: h.config.Party, LegalName: who.LegalName, Contact: who.Contact,
		ApprovalKey: approval.Public(), OperationsKey: operations.Public(), ResultKey: result.Public(),
		ValidFrom: stamp(who.ValidFrom), ValidUntil: stamp(who.ValidUntil)}
	file := h.path("organisation.dsse")
	before, err := h.disk.read(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return joconde.Digest{}, err
	}
	if before != nil {
		u, err := record.Peek(before)
		if err != nil {
			return joconde.Digest{}, damaged(file, err)
		}
		old, ok := u.Body.(*joconde.Organisation)
		if !ok {
			return joconde.Digest{}, damaged(file, nil)
		}
		entry.Predecessor = old.Predecessor
		if *entry == *old {
			return d.Join(ctx, before)
		}
		entry.Predecessor = &u.ID
	}
	envelope, err := record.Sign(joconde.KindOrganisation, entry, approval)
	if err != nil {
		return joconde.Digest{}, err
	}
	if err := h.disk.write(file, envelope); err != nil {
		return joconde.Digest{}, err
	}
	return d.Join(ctx, envelope)
}

// Organisation is the home's newest directory entry; nil if it has none.
func (h *Home) Organisation() ([]byte, error) {
	envelope, err := h.disk.read(h.path("organisation.dsse"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return envelope, err
}

// Review is all that a person should see before signing.
type Review struct {
	ID        joconde.Digest
	Task      *joconde.Task
	Compiled  *Compiled
	Statement *statement.Statement
	State     *joconde.State
	Roles     []joconde.Role // of this party
	Approved  []joconde.Role // in which it has signed already, logged or not
	Refusals  error          // what the organisation's policy refuses: joconde.Problems, or nil
	Earlier   []Earlier      // outputs that rest on the same tables of this party
	Changes   []Change       // against the last task of the same proposer and title that this home has seen
}

// Review fetches a task, compiles its source again and compares. An error
// means that it must not be signed.
func (h *Home) Review(ctx context.Context, hub Hub, task joconde.Digest) (*Review, error) {
	f, err := h.current(ctx, hub, task)
	if err != nil {
		return nil, err
	}
	terms, _ := f.ledger.Task()
	c, err := Compile(terms)
	if err != nil {
		return nil, err
	}
	r := &Review{ID: task, Task: terms, Compiled: c, Statement: c.Statement, State: f.ledger.State().Clone(), Roles: h.roles(terms)}
	for _, role := range r.Roles {
		signed, err := h.journal(task).of(slotOf(joconde.KindApproval, 0, role))
		if err != nil {
			return nil, err
		}
		if _, logged := r.State.HasRole(h.config.Party, role); logged || signed != nil {
			r.Approved = append(r.Approved, role)
		}
	}
	refusals, err := h.refusals()
	if err != nil {
		return nil, err
	}
	r.Refusals = refusals.Refuse(terms, c.Engine.Info())
	if r.Earlier, err = h.earlier(task, c.Plan.Program); err != nil {
		return nil, err
	}
	r.Changes, err = h.changes(task, terms)
	return r, err
}

// refusals is the organisation's policy; without a file it is the zero one.
func (h *Home) refusals() (dplane.Refusals, error) {
	data, err := h.disk.read(h.PolicyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return dplane.Refusals{}, nil
	}
	if err != nil {
		return dplane.Refusals{}, err
	}
	return dplane.ParseRefusals(data)
}

// SetRefusals writes the organisation's policy.
func (h *Home) SetRefusals(r dplane.Refusals) error {
	if r.Engines == nil {
		r.Engines = []string{} // there is no null in it
	}
	return h.save(h.PolicyFile(), r)
}

func (h *Home) roles(t *joconde.Task) []joconde.Role {
	for _, m := range t.Parties {
		if m.Party == h.config.Party {
			return m.Roles
		}
	}
	return nil
}

// current opens a task and catches up with the hub.
func (h *Home) current(ctx context.Context, hub Hub, task joconde.Digest) (*follower, error) {
	f, err := h.follow(task)
	if err != nil {
		return nil, err
	}
	if _, err := f.pull(ctx, hub, 0); err != nil {
		return nil, err
	}
	terms, _ := f.ledger.Task()
	if len(h.roles(terms)) == 0 {
		return nil, problem("JOC-G030", "task", string(h.config.Party)+" is no party of the task", "only a party can sign", "check the task's id", joconde.ExitNotAllowed, nil)
	}
	return f, h.isUs(f)
}

// isUs says whether the task knows this organisation by the keys of this home.
func (h *Home) isUs(f *follower) error {
	entry := f.ledger.Organisation(h.config.Party)
	operations, err := h.operations()
	if err != nil {
		return err
	}
	defer operations.Wipe()
	result, err := h.resultKey()
	if err != nil {
		return err
	}
	if entry == nil || entry.OperationsKey != operations.Public() || entry.ResultKey != result.Public() {
		return problem("JOC-G031", "task", "the task knows "+string(h.config.Party)+" by other keys than this home has",
			"a task names the directory entry by which it knows each party", "use the home whose entry it names, or have the task proposed again with the newest entry", joconde.ExitNotAllowed, nil)
	}
	return nil
}

// Approve signs the task with the approval key, once in each of the party's
// roles. It compiles the source again first, and asks the policy.
func (h *Home) Approve(ctx context.Context, hub Hub, task joconde.Digest, now time.Time) error {
	r, err := h.Review(ctx, hub, task)
	if err != nil {
		return err
	}
	if r.Refusals != nil {
		return r.Refusals
	}
	j := h.journal(task)
	refusal, err := j.of(slotOf(joconde.KindRefusal, 0, ""))
	if err != nil {
		return err
	}
	if refusal != nil {
		return notNow("JOC-G032", r.State, "this organisation has refused the task")
	}
	if r.State.Phase != joconde.Proposed {
		if len(r.Approved) == len(r.Roles) {
			return nil
		}
		return notNow("JOC-G033", r.State, "the task cannot be approved any more")
	}
	for _, role := range r.Roles {
		envelope, err := j.approve(slotOf(joconde.KindApproval, 0, role), joconde.KindApproval, func() (any, error) {
			return &joconde.Approval{Task: task, Party: h.config.Party, Role: role, Statement: r.Task.Statement, At: stamp(now)}, nil
		})
		if err != nil {
			return err
		}
		if err := submit(ctx, hub, task, envelope); err != nil {
			return err
		}
	}
	return nil
}

// Refuse ends a proposed task by the approval key. The reason is a code of
// joconde.Reasons; "declined" needs no other.
func (h *Home) Refuse(ctx context.Context, hub Hub, task joconde.Digest, reason string, now time.Time) error {
	if _, known := joconde.Reasons[reason]; !known {
		return notReason()
	}
	f, err := h.current(ctx, hub, task)
	if err != nil {
		return err
	}
	s := f.ledger.State()
	if s.Phase == joconde.Refused {
		return nil
	}
	if s.Phase != joconde.Proposed {
		return notNow("JOC-G034", s, "the task cannot be refused any more; abort it")
	}
	envelope, err := h.journal(task).approve(slotOf(joconde.KindRefusal, 0, ""), joconde.KindRefusal, func() (any, error) {
		return &joconde.Refusal{Task: task, Party: h.config.Party, Reason: reason, At: stamp(now)}, nil
	})
	if err != nil {
		return err
	}
	return submit(ctx, hub, task, envelope)
}

// Retry agrees to one more attempt after an abort, by the approval key.
func (h *Home) Retry(ctx context.Context, hub Hub, task joconde.Digest, now time.Time) error {
	f, err := h.current(ctx, hub, task)
	if err != nil {
		return err
	}
	s := f.ledger.State()
	if !s.RetryOpen() || !s.Wiped {
		return notNow("JOC-G035", s, "the task cannot be tried again, or not yet")
	}
	next := s.Attempt + 1
	envelope, err := h.journal(task).approve(slotOf(joconde.KindRetry, next, ""), joconde.KindRetry, func() (any, error) {
		return &joconde.Retry{Task: task, Attempt: next, Party: h.config.Party, At: stamp(now)}, nil
	})
	if err != nil {
		return err
	}
	return submit(ctx, hub, task, envelope)
}

// Abort stops the attempt by the operations key, for a person. It goes to the
// hub and, past it, to every node of the attempt; one of them is enough.
func (h *Home) Abort(ctx context.Context, hub Hub, workers Workers, task joconde.Digest, now time.Time) error {
	f, err := h.current(ctx, hub, task)
	if err != nil {
		return err
	}
	s := f.ledger.State()
	if s.Phase == joconde.Aborted {
		return nil
	}
	if !abortable(s.Phase) {
		return notNow("JOC-G036", s, "the task cannot be aborted")
	}
	envelope, err := h.journal(task).abort(s, h.config.Party, "person", "", now)
	if err != nil {
		return err
	}
	direct := tellNodes(ctx, workers, bundlesOf(f.ledger), envelope)
	if err := submit(ctx, hub, task, envelope); err != nil && direct == 0 {
		return err
	}
	return nil
}

func abortable(p joconde.Phase) bool {
	return p == joconde.Agreed || p == joconde.Established || p == joconde.Loaded
}

// abort signs the one abort of this organisation in the current attempt.
func (j journal) abort(s *joconde.State, me joconde.PartyID, reason string, blames joconde.PartyID, now time.Time) ([]byte, error) {
	return j.operate(slotOf(joconde.KindAbort, s.Attempt, ""), joconde.KindAbort, func() (any, error) {
		return &joconde.Abort{Task: s.ID, Attempt: s.Attempt, Party: me, Reason: reason, Blames: blames, At: stamp(now)}, nil
	})
}

// bundlesOf are the logged bundles of the current attempt.
func bundlesOf(l *record.Ledger) []*joconde.NodeBundle {
	terms, _ := l.Task()
	var out []*joconde.NodeBundle
	for _, place := range terms.Computing {
		if bundle, _, has := l.Bundle(place.Party); has {
			out = append(out, bundle)
		}
	}
	return out
}

// tellNodes sends an abort to nodes, and says how many have it. That some are
// gone is what one expects.
func tellNodes(ctx context.Context, workers Workers, bundles []*joconde.NodeBundle, envelope []byte) (told int) {
	if workers == nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	answers := make(chan error, len(bundles))
	for _, bundle := range bundles {
		go func() { answers <- workers.Abort(ctx, bundle, envelope) }()
	}
	for range bundles {
		if err := <-answers; err == nil {
			told++
		}
	}
	return told
}

// submit posts a record; that it is there already is no error.
func submit(ctx context.Context, hub Hub, task joconde.Digest, envelope []byte) error {
	_, err := hub.Submit(ctx, task, envelope)
	if errors.Is(err, joconde.ErrDuplicate) {
		return nil
	}
	return err
}

func notNow(code string, s *joconde.State, what string) error {
	return problem(code, "task", what, fmt.Sprintf("it is %s in attempt %d", s.Phase, s.Attempt), "see what it waits for: joconde next", joconde.ExitNotAllowed, nil)
}

func notReason() error {
	return problem("JOC-G037", "reason", "the reason is no code of the list", "nothing else may be said in a record, so that nothing about data can be", "choose one: "+fmt.Sprint(slices.Sorted(maps.Keys(joconde.Reasons))), joconde.ExitUsage, nil)
}

// provided is a table that this organisation provides for a task.
type provided struct {
	Digest joconde.Digest `json:"digest"` // of the file; it leaves the home nowhere
	Path   string         `json:"path"`
	Rows   int            `json:"rows"`
	Table  string         `json:"table"`
}

// Provide says which file is a table of a task, after checking it against the
// declaration in the task's program. The file stays where it is; it is read
// again, and must not have changed, when the inputs are split.
func (h *Home) Provide(ctx context.Context, hub Hub, task joconde.Digest, name, path string) (table.Note, error) {
	f, err := h.current(ctx, hub, task)
	if err != nil {
		return table.Note{}, err
	}
	terms, _ := f.ledger.Task()
	c, err := Compile(terms)
	if err != nil {
		return table.Note{}, err
	}
	at := slices.IndexFunc(c.Plan.Program.Tables, func(t tableOf) bool { return t.QName() == name && t.Owner == h.config.Party })
	if at < 0 {
		return table.Note{}, problem("JOC-G040", name, "this party provides no such table for the task", "an input party provides the tables of its own schema that the program uses", "see the tables: joconde task show", joconde.ExitInvalid, nil)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return table.Note{}, unreadable(name, err)
	}
	_, note, digest, err := readTable(ctx, path, &c.Plan.Program.Tables[at], c.Plan.Rows[name])
	if err != nil {
		return table.Note{}, err
	}
	list, err := h.provided(task)
	if err != nil {
		return table.Note{}, err
	}
	list = slices.DeleteFunc(list, func(p provided) bool { return p.Table == name })
	list = append(list, provided{digest, path, note.Rows, name})
	slices.SortFunc(list, func(a, b provided) int { return compareText(a.Table, b.Table) })
	return note, h.save(filepath.Join(h.folder(task), "provided.json"), list)
}

func (h *Home) provided(task joconde.Digest) ([]provided, error) {
	list := []provided{}
	err := h.load(filepath.Join(h.folder(task), "provided.json"), &list)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return list, err
}

// Missing are the tables of this party that a task needs and that nobody has
// provided yet.
func (h *Home) Missing(c *Compiled, task joconde.Digest) ([]string, error) {
	list, err := h.provided(task)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, t := range c.Plan.Program.Tables {
		if t.Owner == h.config.Party && !slices.ContainsFunc(list, func(p provided) bool { return p.Table == t.QName() }) {
			missing = append(missing, t.QName())
		}
	}
	return missing, nil
}

// readTable reads and checks a file, and gives the digest of the bytes that it
// read.
func readTable(ctx context.Context, path string, t *tableOf, bound int) (rowsOf, table.Note, joconde.Digest, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, table.Note{}, joconde.Digest{}, unreadable(path, err)
	}
	defer file.Close()
	h := sha256.New()
	rows, note, err := table.Read(ctx, io.TeeReader(file, h), path, t, table.Options{MaxRows: bound})
	if err != nil {
		return nil, note, joconde.Digest{}, err
	}
	// What the reader left at the end belongs to the file.
	if _, err := io.Copy(h, file); err != nil {
		return nil, note, joconde.Digest{}, unreadable(path, err)
	}
	return rows, note, joconde.Digest(h.Sum(nil)), nil
}

func unreadable(where string, err error) error {
	return problem("JOC-G041", where, "the file cannot be read", rootOf(err), "check its name and who may read it", joconde.ExitInvalid, err)
}
