package cplane

import (
	"context"
	"time"

	"joconde"
	"joconde/audit"
	"joconde/internal/door"
)

// Limits of one page of records. A page has at least one record if there is one.
const (
	pageRecords = 256
	pageBytes   = 4 << 20
)

// Entry is a record of a task and the proof that it is in the log.
type Entry struct {
	Position int         `json:"position"`
	Envelope []byte      `json:"envelope"`
	Proof    audit.Proof `json:"proof" doc:"inclusion of the envelope under the checkpoint"`
}

// Page is a piece of the records of a task. All its proofs are against its
// checkpoint.
type Page struct {
	Records       []Entry  `json:"records"`
	Checkpoint    string   `json:"checkpoint" doc:"signed note"`
	Organisations [][]byte `json:"organisations,omitempty" doc:"the members' directory entries and what they replace; only with from=0"`
}

// Records gives the records of a task from a position on. If there are none
// yet, it waits for them as long as wait says, and then gives an empty page.
// Only what is in the log is ever given.
func (c *Coordinator) Records(ctx context.Context, id joconde.Digest, from int, wait time.Duration) (*Page, error) {
	page, err := c.records(ctx, id, from, wait)
	return page, c.note(err)
}

func (c *Coordinator) records(ctx context.Context, id joconde.Digest, from int, wait time.Duration) (*Page, error) {
	envelopes, indexes, organisations, news, err := c.since(id, from)
	if err != nil {
		return nil, err
	}
	if len(envelopes) == 0 && wait > 0 {
		select {
		case c.places <- struct{}{}:
		default:
			return nil, door.Busy("JOC-H214", "too many wait for news already")
		}
		timer := time.NewTimer(min(wait, door.MaxWait))
		select {
		case <-news:
		case <-timer.C:
		case <-c.closed:
		case <-ctx.Done():
		}
		timer.Stop()
		<-c.places
		if envelopes, indexes, organisations, _, err = c.since(id, from); err != nil {
			return nil, err
		}
	}
	// The checkpoint comes after the records: it includes them all.
	checkpoint, err := c.log.Checkpoint(ctx)
	if err != nil {
		return nil, notRead(err)
	}
	signed, err := audit.OpenCheckpoint(c.log.Verifier(), checkpoint)
	if err != nil {
		return nil, notRead(err)
	}
	page := &Page{Records: make([]Entry, len(envelopes)), Checkpoint: string(checkpoint), Organisations: organisations}
	for i, envelope := range envelopes {
		path, err := c.log.Inclusion(ctx, indexes[i], signed.Size)
		if err != nil {
			return nil, notRead(err)
		}
		page.Records[i] = Entry{from + i, envelope, audit.NewProof(indexes[i], path)}
	}
	return page, nil
}

// since gives what a page holds, and the channel that is closed when there is more.
func (c *Coordinator) since(id joconde.Digest, from int) (envelopes [][]byte, indexes []uint64, organisations [][]byte, news <-chan struct{}, err error) {
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	t := c.tasks[id]
	switch {
	case t == nil:
		return nil, nil, nil, nil, noTask()
	case from < 0 || from > len(t.indexes):
		return nil, nil, nil, nil, beyond(len(t.indexes))
	}
	size := 0
	for _, r := range t.ledger.Records()[from:] {
		size += len(r.Envelope)
		if len(envelopes) > 0 && (len(envelopes) == pageRecords || size > pageBytes) {
			break
		}
		envelopes = append(envelopes, r.Envelope)
	}
	if from == 0 {
		organisations = t.organisations
	}
	return envelopes, t.indexes[from : from+len(envelopes)], organisations, t.news, nil
}
