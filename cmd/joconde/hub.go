package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"joconde"
	"joconde/agent"
	"joconde/audit"
	"joconde/cplane"
	"joconde/internal/door"
	"joconde/mplane"
	"joconde/record"
)

// hub is the shared service as the people's tool and the agent use it. Nothing
// that it says is believed: see directory and fetch, and package agent.
type hub struct {
	m mplane.Client
	c cplane.Client
}

func hubAt(url string) *hub { return &hub{mplane.Client{URL: url}, cplane.Client{URL: url}} }

// Tasks, Records, Submit, PutOutput and Output are agent.Hub.
func (h *hub) Tasks(ctx context.Context, party joconde.PartyID) ([]joconde.Digest, error) {
	list, err := h.m.Tasks(ctx, party)
	if err != nil {
		return nil, err
	}
	ids := make([]joconde.Digest, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	return ids, nil
}

func (h *hub) Records(ctx context.Context, task joconde.Digest, from int, wait time.Duration) (*agent.Page, error) {
	page, err := h.c.Records(ctx, task, from, wait)
	if err != nil {
		return nil, err
	}
	out := &agent.Page{Organisations: page.Organisations, Checkpoint: []byte(page.Checkpoint)}
	for _, e := range page.Records {
		out.Records = append(out.Records, agent.Entry(e))
	}
	return out, nil
}

func (h *hub) Submit(ctx context.Context, task joconde.Digest, envelope []byte) (int, error) {
	return h.c.Submit(ctx, task, envelope)
}

func (h *hub) PutOutput(ctx context.Context, task, hash joconde.Digest, sealed []byte) error {
	return h.c.PutOutput(ctx, task, hash, sealed)
}

func (h *hub) Output(ctx context.Context, task, hash joconde.Digest) ([]byte, error) {
	return h.c.Output(ctx, task, hash)
}

// Join is agent.Directory.
func (h *hub) Join(ctx context.Context, envelope []byte) (joconde.Digest, error) {
	return h.m.Join(ctx, envelope)
}

// directory gives every party's newest entry, each verified with those that it
// replaces. That nothing is left out people find by comparing fingerprints.
func (h *hub) directory(ctx context.Context) (map[joconde.PartyID]*record.Record, error) {
	list, err := h.m.Organisations(ctx)
	if err != nil {
		return nil, err
	}
	opened := map[joconde.Digest]*record.Record{}
	newest := map[joconde.PartyID]*record.Record{}
	for i := range list {
		seen, err := record.Peek(list[i].Envelope)
		if err != nil {
			return nil, wrongHub("the directory has an entry that does not hold", err)
		}
		var before *record.Record
		if entry, is := seen.Body.(*joconde.Organisation); is && entry.Predecessor != nil {
			before = opened[*entry.Predecessor]
		}
		r, err := record.OpenOrganisation(list[i].Envelope, before)
		if err != nil {
			return nil, wrongHub("the directory has an entry that does not hold", err)
		}
		party := r.Body.(*joconde.Organisation).Party // what OpenOrganisation opens is one
		if was := newest[party]; was != nil && (before == nil || before.ID != was.ID) {
			return nil, wrongHub("the directory has two entries of "+string(party)+" that do not follow from one another", nil)
		}
		opened[r.ID], newest[party] = r, r
	}
	return newest, nil
}

func wrongHub(what string, err error) *joconde.Problem {
	p := &joconde.Problem{Code: "JOC-U040", What: what, Where: "hub", Why: "what the hub gives is believed only as far as it can be verified",
		Do: "tell the hub's operator, and the other parties by another way than the hub", Exit: joconde.ExitUnverified, Err: err}
	if err != nil {
		p.Why = err.Error()
	}
	return p
}

// fetched are all records of a task, verified one by one: signatures and place
// by the ledger, inclusion by the log key that this home trusts.
type fetched struct {
	ledger        *record.Ledger
	organisations [][]byte
	envelopes     [][]byte
	proofs        []audit.Proof
	checkpoint    []byte
}

// fetch reads a task, after waiting until it has more than known records, at
// most so long.
func (h *hub) fetch(ctx context.Context, task joconde.Digest, logKey string, known int, wait time.Duration) (*fetched, error) {
	if known > 0 && wait > 0 {
		if _, err := h.c.Records(ctx, task, known, min(wait, door.MaxWait)); err != nil {
			return nil, err
		}
	}
	for range 10 { // the log grows meanwhile
		page, err := h.c.Records(ctx, task, 0, 0)
		if err != nil {
			return nil, err
		}
		f := &fetched{organisations: page.Organisations, checkpoint: []byte(page.Checkpoint)}
		for steady := true; steady; {
			for _, e := range page.Records {
				f.envelopes, f.proofs = append(f.envelopes, e.Envelope), append(f.proofs, e.Proof)
			}
			if page, err = h.c.Records(ctx, task, len(f.envelopes), 0); err != nil {
				return nil, err
			}
			if len(page.Records) == 0 {
				return f, f.verify(task, logKey)
			}
			steady = page.Checkpoint == string(f.checkpoint)
		}
	}
	return nil, &joconde.Problem{Code: "JOC-U041", What: "the task's records could not be read in one piece", Where: "hub",
		Why: "the log grew each time that they were read", Do: "try again", Exit: joconde.ExitUnreachable}
}

func (f *fetched) verify(task joconde.Digest, logKey string) error {
	if len(f.envelopes) == 0 {
		return wrongHub("the hub has no records of the task", nil)
	}
	ledger, err := record.NewLedger(f.envelopes[0], f.organisations)
	if err != nil {
		return wrongHub("the task that the hub gives does not hold", err)
	}
	terms, id := ledger.Task()
	if id != task {
		return wrongHub("the hub gives another task than was asked for", nil)
	}
	if logKey == "" || terms.LogKey != logKey {
		return wrongHub("the task names another log than this home trusts", nil)
	}
	for i, envelope := range f.envelopes {
		if err := audit.VerifyInclusion(logKey, f.checkpoint, envelope, f.proofs[i]); err != nil {
			return wrongHub("a record is not proven to be in the log", err)
		}
		if i > 0 {
			if _, err := ledger.Add(envelope); err != nil {
				return wrongHub("the log has a record that does not count", err)
			}
		}
	}
	f.ledger = ledger
	return nil
}

// bundle is the file by which anybody verifies the task.
func (f *fetched) bundle() ([]byte, error) {
	b, err := audit.NewBundle(f.organisations, f.envelopes, f.proofs, f.checkpoint)
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}

// find gives the task that a person means by a prefix of its fingerprint.
func (h *hub) find(ctx context.Context, home *agent.Home, typed string) (joconde.Digest, error) {
	var whole joconde.Digest
	if whole.UnmarshalText([]byte(typed)) == nil {
		return whole, nil
	}
	if len(strings.ReplaceAll(typed, "-", "")) < record.MinPrefix {
		return whole, usage("JOC-U042", printable(typed)+" is too short for a task", fmt.Sprintf("a task is named by at least %d characters of its fingerprint", record.MinPrefix), "see: joconde task list")
	}
	known, err := home.Tasks()
	if err != nil {
		return whole, err
	}
	listed, err := h.Tasks(ctx, home.Party())
	if err != nil && len(known) == 0 {
		return whole, err
	}
	var fit []joconde.Digest
	for _, id := range append(known, listed...) {
		if record.Match(typed, id) && !slices.Contains(fit, id) {
			fit = append(fit, id)
		}
	}
	switch len(fit) {
	case 1:
		return fit[0], nil
	case 0:
		if err != nil {
			return whole, err
		}
		return whole, usage("JOC-U043", "no task of "+string(home.Party())+" has a fingerprint that begins with "+printable(typed), "neither the home nor the hub has one", "see: joconde task list")
	}
	return whole, usage("JOC-U044", printable(typed)+" begins the fingerprints of several tasks", "which one is meant cannot be guessed", "type more characters; see: joconde task list")
}
