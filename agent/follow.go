package agent

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"joconde"
	"joconde/audit"
	"joconde/dplane"
	"joconde/record"
)

// follower has the records of one task as this organisation has verified them:
// signatures and places by record.Ledger, inclusion by the log key that the
// task names, and that nothing of before is gone or elsewhere. It is kept on
// disk and goes on from there.
type follower struct {
	home          *Home
	id            joconde.Digest
	ledger        *record.Ledger
	organisations [][]byte
	entries       []Entry // proofs under checkpoint
	checkpoint    []byte
	size          uint64
	saved         int  // entries on disk
	proven        bool // the proofs are there: they are not kept on disk
}

// kept is how an entry, or what a task began with, stands on disk.
type kept struct {
	Envelope      string   `json:"envelope"`
	Index         int      `json:"index"`
	Organisations []string `json:"organisations,omitempty"` // with position 0
}

// errLog says that the log contradicts itself or what was signed. It is not
// for retrying: somebody lies.
var errLog = errors.New("the log contradicts itself")

// logFault puts into words how the hub was caught.
func logFault(code, what string, cause error) error {
	why := "every record is verified by its signatures, its place in the life of the task, and a proof under a checkpoint of the log"
	if cause != nil {
		why = cause.Error()
	}
	return problem(code, "hub", what, why,
		"keep this home as it is: the checkpoints in it are evidence; tell the other parties by another way than the hub", joconde.ExitUnverified, errors.Join(errLog, cause))
}

// follow opens what the home has of a task; nothing yet is not an error.
func (h *Home) follow(id joconde.Digest) (*follower, error) {
	f := &follower{home: h, id: id}
	for {
		var k kept
		err := h.load(f.file(len(f.entries)), &k)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		envelope, err := base64.StdEncoding.DecodeString(k.Envelope)
		if err != nil {
			return nil, damaged(f.file(len(f.entries)), err)
		}
		if len(f.entries) == 0 {
			for _, text := range k.Organisations {
				entry, err := base64.StdEncoding.DecodeString(text)
				if err != nil {
					return nil, damaged(f.file(0), err)
				}
				f.organisations = append(f.organisations, entry)
			}
		}
		// The disk is believed no more than the hub.
		if err := f.add(Entry{Position: len(f.entries), Envelope: envelope, Proof: audit.Proof{Index: uint64(k.Index)}}); err != nil {
			return nil, damaged(f.file(len(f.entries)), err)
		}
	}
	f.saved = len(f.entries)
	if f.ledger == nil {
		return f, nil
	}
	checkpoint, err := h.disk.read(f.checkpointFile())
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil // a crash before the first was written: the next page has one
	}
	if err != nil {
		return nil, err
	}
	terms, _ := f.ledger.Task()
	c, err := audit.OpenCheckpoint(terms.LogKey, checkpoint)
	if err != nil {
		return nil, damaged(f.checkpointFile(), err)
	}
	f.checkpoint, f.size = checkpoint, c.Size
	return f, nil
}

func (f *follower) folder() string { return f.home.folder(f.id) }

func (f *follower) file(position int) string {
	return f.folder() + fmt.Sprintf("/records/%06d", position)
}

func (f *follower) checkpointFile() string { return f.folder() + "/checkpoint" }

// pull asks the hub for what is new, waiting for it at most so long, and takes
// it in. It says whether there was anything. An error that is errLog means
// that the hub was caught; what had been verified before stands.
func (f *follower) pull(ctx context.Context, hub Hub, wait time.Duration) (bool, error) {
	page, err := f.fetch(ctx, hub, wait)
	if err != nil || page == nil {
		return false, err
	}
	return f.take(page)
}

// fetch gives a page to take, nil if there is nothing new. It changes nothing.
// The newest is asked for first, and then all from the start, so that what is
// known is proven again under the new checkpoint: nothing of it is gone.
func (f *follower) fetch(ctx context.Context, hub Hub, wait time.Duration) (*Page, error) {
	have, before := len(f.entries), f.checkpoint
	if have > 0 && f.proven {
		news, err := hub.Records(ctx, f.id, have, wait)
		if err != nil {
			return nil, err
		}
		if len(news.Records) == 0 && bytes.Equal(news.Checkpoint, before) {
			return nil, nil
		}
	}
	page, err := hub.Records(ctx, f.id, 0, 0)
	if err != nil {
		return nil, err
	}
	for len(page.Records) < have {
		// The hub gives less at once than we have. What is behind is proven
		// under a checkpoint of its own.
		more, err := hub.Records(ctx, f.id, len(page.Records), 0)
		if err != nil {
			return nil, err
		}
		if len(more.Records) == 0 {
			break
		}
		if !bytes.Equal(more.Checkpoint, page.Checkpoint) {
			return nil, errors.New("the log grew while it was read")
		}
		page.Records = append(page.Records, more.Records...)
	}
	return page, nil
}

// take verifies a page from the start of the task, and takes in what is new.
func (f *follower) take(page *Page) (news bool, err error) {
	if len(page.Records) < len(f.entries) {
		return false, logFault("JOC-G102", "the hub has fewer records of the task than it had", nil)
	}
	key, err := f.logKey(page)
	if err != nil {
		return false, err
	}
	c, err := audit.OpenCheckpoint(key, page.Checkpoint)
	if err != nil {
		return false, logFault("JOC-G103", "the log's checkpoint does not verify", err)
	}
	switch {
	case c.Size < f.size:
		return false, logFault("JOC-G104", "the log has become shorter", nil)
	case c.Size == f.size && f.size > 0 && !bytes.Equal(page.Checkpoint, f.checkpoint) && !f.sameRoot(key, c):
		return false, logFault("JOC-G105", "the log has two checkpoints of one size: it has forked", nil)
	}
	for i := range page.Records {
		e := &page.Records[i]
		if e.Position != i {
			return false, logFault("JOC-G106", "a record is left out or stands in another place", nil)
		}
		if i > 0 && e.Proof.Index <= page.Records[i-1].Proof.Index {
			return false, logFault("JOC-G107", "the records are not in the order of the log", nil)
		}
		if i < len(f.entries) && (!bytes.Equal(e.Envelope, f.entries[i].Envelope) || e.Proof.Index != f.entries[i].Proof.Index) {
			return false, logFault("JOC-G108", "a record that was logged has changed: the log has forked", nil)
		}
		if err := audit.VerifyInclusion(key, page.Checkpoint, e.Envelope, e.Proof); err != nil {
			return false, logFault("JOC-G109", "a record is not proven to be in the log", err)
		}
	}
	if f.ledger == nil {
		f.organisations = page.Organisations
	}
	for i := range page.Records {
		if i < len(f.entries) {
			f.entries[i].Proof = page.Records[i].Proof
			continue
		}
		if err := f.add(page.Records[i]); err != nil {
			// What came before it in the page is good and stands.
			return news, err
		}
		news = true
	}
	f.checkpoint, f.size, f.proven = page.Checkpoint, c.Size, true
	return news, f.save()
}

func (f *follower) sameRoot(key string, c audit.Checkpoint) bool {
	old, err := audit.OpenCheckpoint(key, f.checkpoint)
	return err == nil && old.Root == c.Root
}

// logKey is the key that the task names, and the home trusts.
func (f *follower) logKey(page *Page) (string, error) {
	var terms *joconde.Task
	if f.ledger != nil {
		terms, _ = f.ledger.Task()
	} else {
		if len(page.Records) == 0 {
			return "", logFault("JOC-G102", "the hub lists the task and has no record of it", nil)
		}
		u, err := record.Peek(page.Records[0].Envelope)
		if err != nil {
			return "", logFault("JOC-G110", "what the hub gives as the task is none", err)
		}
		t, ok := u.Body.(*joconde.Task)
		if !ok || u.ID != f.id {
			return "", logFault("JOC-G110", "what the hub gives as the task is another record", nil)
		}
		terms = t
	}
	if f.home.config.LogKey == "" || terms.LogKey != f.home.config.LogKey {
		return "", problem("JOC-G101", "task, log_key", "the task names another log than this home trusts", "proofs mean something only under a log key that the organisation has chosen to trust",
			"ask the proposer which hub the task is for; pin that hub's log key (joconde party join)", joconde.ExitUnverified, nil)
	}
	return terms.LogKey, nil
}

// add takes one record into the ledger.
func (f *follower) add(e Entry) error {
	if f.ledger == nil {
		ledger, err := record.NewLedger(e.Envelope, f.organisations)
		if err != nil {
			return logFault("JOC-G110", "the task that the hub gives does not hold", err)
		}
		if _, id := ledger.Task(); id != f.id {
			return logFault("JOC-G110", "what the hub gives as the task is another record", nil)
		}
		f.ledger = ledger
	} else if _, err := f.ledger.Add(e.Envelope); err != nil {
		return logFault("JOC-G111", "the log has a record that does not count", err)
	}
	f.entries = append(f.entries, e)
	return nil
}

// save writes what is not on disk yet. After an error it is tried again.
func (f *follower) save() error {
	for f.saved < len(f.entries) {
		e := &f.entries[f.saved]
		k := kept{Envelope: base64.StdEncoding.EncodeToString(e.Envelope), Index: int(e.Proof.Index)}
		if f.saved == 0 {
			for _, entry := range f.organisations {
				k.Organisations = append(k.Organisations, base64.StdEncoding.EncodeToString(entry))
			}
		}
		if err := f.home.save(f.file(f.saved), k); err != nil {
			return err
		}
		f.saved++
	}
	if f.checkpoint == nil {
		return nil
	}
	return f.home.disk.write(f.checkpointFile(), f.checkpoint)
}

// logged are the records from a position on, as nodes are told of them.
func (f *follower) logged(from int) []dplane.Logged {
	out := make([]dplane.Logged, 0, len(f.entries)-from)
	for _, e := range f.entries[from:] {
		out = append(out, dplane.Logged{Envelope: e.Envelope, Index: e.Proof.Index, Path: e.Proof.Path})
	}
	return out
}

// bundle puts the bundle file together by which a stranger verifies the task.
func (f *follower) bundle() ([]byte, error) {
	records, proofs := make([][]byte, len(f.entries)), make([]audit.Proof, len(f.entries))
	for i, e := range f.entries {
		records[i], proofs[i] = e.Envelope, e.Proof
	}
	b, err := audit.NewBundle(f.organisations, records, proofs, f.checkpoint)
	if err != nil {
		return nil, err
	}
	return b.Bytes()
}
