package ir

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"joconde"
	"joconde/record"
)

// Encode gives the canonical bytes of a valid Program. Empty lists and absent
// ones are the same: "in", "scan", "exprs", "args", "keys", "checks", "aggs",
// "codes" and "unique" are left out where empty, "columns", "to", "left",
// "right" and the lists of Program are written as []. Positions and names of
// views, which are for messages, are not part of it.
func Encode(p *Program) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("encode program: %w", err)
	}
	data, err := record.Canonical(normalised(p))
	if err != nil {
		return nil, fmt.Errorf("encode program: %w", err)
	}
	return data, nil
}

// Decode reads what Encode gave and nothing else: Encode of the result is
// data. The bytes may come from anybody.
func Decode(data []byte) (*Program, error) {
	p := new(Program)
	if err := record.Strict(data, p); err != nil {
		return nil, fmt.Errorf("decode program: %w", err)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("decode program: %w", err)
	}
	return p, nil
}

// Digest names a valid Program: the SHA-256 of its canonical bytes.
func Digest(p *Program) (joconde.Digest, error) {
	data, err := Encode(p)
	if err != nil {
		return joconde.Digest{}, err
	}
	return sha256.Sum256(data), nil
}

// normalised is p with empty lists in place of absent ones where they are
// written. p is not changed.
func normalised(p *Program) *Program {
	q := *p
	q.Tables, q.Nodes, q.Outputs = cloneList(p.Tables), cloneList(p.Nodes), cloneList(p.Outputs)
	for i := range q.Tables {
		q.Tables[i].Columns = cloneList(q.Tables[i].Columns)
	}
	for i, n := range q.Nodes {
		n.Columns = cloneList(n.Columns)
		n.Unique = slices.Clone(n.Unique)
		for j, set := range n.Unique {
			n.Unique[j] = cloneList(set)
		}
		q.Nodes[i] = n
	}
	return &q
}

// cloneList copies a list; a nil one becomes an empty one.
func cloneList[T any](list []T) []T { return append(make([]T, 0, len(list)), list...) }
