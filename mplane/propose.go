package mplane

import (
	"context"

	"joconde"
	"joconde/record"
)

// Summary is a task in a list.
type Summary struct {
	ID      joconde.Digest `json:"id"`
	Title   string         `json:"title"`
	Phase   joconde.Phase  `json:"phase"`
	Attempt int            `json:"attempt"`
}

// Coordinator is what this plane needs of the other one: it takes a proposal
// over, and says where tasks stand.
type Coordinator interface {
	// Propose opens a task whose members' entries are organisations. When it
	// returns, the task is in the log. Again is no error.
	Propose(ctx context.Context, task []byte, organisations [][]byte) (joconde.Digest, error)
	// Tasks lists the tasks of a party in the order of proposal; all if party is "".
	Tasks(party joconde.PartyID) []Summary
}

// Proposals are the proposed tasks. It keeps none: a task that was accepted is
// in the log, and there is no second copy.
type Proposals struct {
	Directory   *Directory
	Coordinator Coordinator
	LogKey      string // verifier key of the hub's log, which a task must name
}

// maxEntries is how many bytes of directory entries go with a task: whoever
// reads the task gets them all at once.
const maxEntries = 16 << 20

// Propose looks at a task, and hands it over with the entries of its members.
// A changed task has another id and is another task.
func (p *Proposals) Propose(ctx context.Context, envelope []byte) (joconde.Digest, error) {
	u, err := record.Peek(envelope)
	if err != nil {
		return joconde.Digest{}, notTask(err)
	}
	terms, ok := u.Body.(*joconde.Task)
	if !ok {
		return joconde.Digest{}, notTask(nil)
	}
	if terms.LogKey != p.LogKey {
		return joconde.Digest{}, otherLog()
	}
	var organisations [][]byte
	seen, size := map[joconde.Digest]bool{}, 0
	for i := range terms.Parties {
		m := &terms.Parties[i]
		chain, err := p.Directory.chain(m)
		if err != nil {
			return joconde.Digest{}, err
		}
		if seen[m.Record] {
			continue // terms with a party twice; NewLedger says so
		}
		seen[m.Record] = true
		organisations = append(organisations, chain...)
		for _, e := range chain {
			size += len(e)
		}
		if size > maxEntries {
			return joconde.Digest{}, tooManyEntries()
		}
	}
	if _, err := record.NewLedger(envelope, organisations); err != nil {
		return joconde.Digest{}, notTask(err)
	}
	return p.Coordinator.Propose(ctx, envelope, organisations)
}
