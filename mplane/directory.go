// Package mplane is ROOM 1, the management plane: the directory of parties and
// the proposals of tasks.
//
//   - It sees: names, terms, programs, signatures.
//   - It never sees: data, shares, anybody's private key.
//   - At worst it can: hide or delay an entry or a proposal, or show different
//     people different ones. What was signed it cannot change: a task names its
//     parties' entries by their digest, and an entry is only replaced under
//     the signature of the one before. Who stands behind a party's first entry
//     people find out by comparing fingerprints, not from here.
//
// Start with Directory.
package mplane

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"joconde"
	"joconde/record"
	"joconde/store"
)

// bucket holds the entries, by their place in the order of arrival.
const bucket = "organisations"

// maxVersions is how often a party may replace its entry: whoever reads a task
// checks every version up to the newest.
const maxVersions = 100

// Directory keeps every version of every party's signed entry. The store is
// its memory; what it holds is verified again when it is opened.
type Directory struct {
	store store.Store
	limit int

	mutex    sync.RWMutex
	entries  []*record.Record // in the order of arrival, which puts predecessors first
	known    map[joconde.Digest]*record.Record
	newest   map[joconde.PartyID]*record.Record
	versions map[joconde.PartyID]int
}

// Listing is one version of a party's entry.
type Listing struct {
	Party    joconde.PartyID `json:"party"`
	ID       joconde.Digest  `json:"id"`
	Envelope []byte          `json:"envelope"`
}

// Open reads the directory that is in the store, for at most limit entries.
func Open(ctx context.Context, s store.Store, limit int) (*Directory, error) {
	d := &Directory{store: s, limit: limit, known: map[joconde.Digest]*record.Record{}, newest: map[joconde.PartyID]*record.Record{}, versions: map[joconde.PartyID]int{}}
	err := s.View(ctx, func(r store.Reader) error {
		return r.ForEach(bucket, "", func(key string, envelope []byte) error {
			entry, err := d.judge(envelope)
			if err != nil {
				return fmt.Errorf("the directory's entry %s: %w", key, err)
			}
			d.keep(entry)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("open the directory: %w", err)
	}
	return d, nil
}

// Join takes in an entry and gives its id. An entry that is there already is
// no error. An error means that nothing was kept.
func (d *Directory) Join(ctx context.Context, envelope []byte) (joconde.Digest, error) {
	// Forms and signatures first, without holding anybody up.
	u, err := record.Peek(envelope)
	if err != nil {
		return joconde.Digest{}, notEntry(err)
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if d.known[u.ID] != nil {
		return u.ID, nil
	}
	entry, err := d.judge(envelope)
	if err != nil {
		return joconde.Digest{}, err
	}
	if len(d.entries) >= d.limit {
		return joconde.Digest{}, full(d.limit)
	}
	party := entry.Body.(*joconde.Organisation).Party
	if d.versions[party] >= maxVersions {
		return joconde.Digest{}, tooManyVersions(party)
	}
	// The key is the place: if the store failed and kept it nevertheless, the
	// next entry that is acknowledged takes that place.
	key := fmt.Sprintf("%012d", len(d.entries))
	if err := d.store.Update(ctx, func(w store.Writer) error { return w.Put(bucket, key, envelope) }); err != nil {
		return joconde.Digest{}, notKept(err)
	}
	d.keep(entry)
	return entry.ID, nil
}

// judge says whether an entry is right and comes after what is there: a
// party's first, or the only successor of its newest. The caller holds the mutex.
func (d *Directory) judge(envelope []byte) (*record.Record, error) {
	u, err := record.Peek(envelope)
	if err != nil {
		return nil, notEntry(err)
	}
	body, ok := u.Body.(*joconde.Organisation)
	if !ok {
		return nil, notEntry(nil)
	}
	newest := d.newest[body.Party]
	var before *record.Record
	switch {
	case body.Predecessor == nil && newest != nil:
		return nil, taken(body.Party)
	case body.Predecessor != nil && (newest == nil || d.known[*body.Predecessor] == nil):
		return nil, noPredecessor(body.Party)
	case body.Predecessor != nil && newest.ID != *body.Predecessor:
		return nil, replaced(body.Party)
	case body.Predecessor != nil:
		before = newest
	}
	entry, err := record.OpenOrganisation(envelope, before)
	if err != nil {
		return nil, notEntry(err)
	}
	return entry, nil
}

func (d *Directory) keep(entry *record.Record) {
	d.entries = append(d.entries, entry)
	d.known[entry.ID] = entry
	party := entry.Body.(*joconde.Organisation).Party
	d.newest[party] = entry
	d.versions[party]++
}

// List gives all versions of all entries, in the order of arrival.
func (d *Directory) List() []Listing {
	d.mutex.RLock()
	defer d.mutex.RUnlock()
	out := make([]Listing, len(d.entries))
	for i, e := range d.entries {
		out[i] = Listing{e.Body.(*joconde.Organisation).Party, e.ID, e.Envelope}
	}
	return out
}

// chain gives the envelopes of the entry that a task names for a party, and of
// all that it replaces. An entry that is not there, or that the party has
// replaced, is refused: the others would approve a key that counts no more.
func (d *Directory) chain(m *joconde.Member) ([][]byte, error) {
	d.mutex.RLock()
	defer d.mutex.RUnlock()
	entry := d.known[m.Record]
	switch {
	case entry == nil || entry.Body.(*joconde.Organisation).Party != m.Party:
		return nil, unknownMember(m.Party)
	case d.newest[m.Party] != entry:
		return nil, outdatedMember(m.Party)
	}
	var out [][]byte
	for entry != nil {
		out = append(out, entry.Envelope)
		before := entry.Body.(*joconde.Organisation).Predecessor
		if before == nil {
			break
		}
		entry = d.known[*before]
	}
	slices.Reverse(out)
	return out, nil
}
