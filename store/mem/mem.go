// Package mem is a store in memory, for tests: it forgets everything with its
// process. It is as strict as the durable ones.
package mem

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"joconde/store"
)

// place is where a value stands.
type place struct{ bucket, key string }

type memory struct {
	lock   sync.RWMutex
	values map[place][]byte // replaced as a whole by Update; values are never changed in place
	closed bool
}

// Open returns an empty store.
func Open() store.Store { return &memory{values: map[place][]byte{}} }

func (m *memory) View(ctx context.Context, read func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.lock.RLock()
	defer m.lock.RUnlock()
	if m.closed {
		return store.ErrClosed
	}
	return read(&state{values: m.values})
}

func (m *memory) Update(ctx context.Context, change func(store.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	if m.closed {
		return store.ErrClosed
	}
	next := &state{values: maps.Clone(m.values)}
	if err := change(next); err != nil {
		return err
	}
	m.values = next.values
	return nil
}

func (m *memory) Close() error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.closed, m.values = true, nil
	return nil
}

// state is a Reader, and a Writer where Update made it.
type state struct {
	values map[place][]byte
	budget store.Budget
}

func (s *state) Get(bucket, key string) ([]byte, error) {
	if err := store.CheckName(bucket, key); err != nil {
		return nil, err
	}
	value, found := s.values[place{bucket, key}]
	if !found {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(value), nil
}

func (s *state) ForEach(bucket, prefix string, do func(key string, value []byte) error) error {
	var keys []string
	for p := range s.values {
		if p.bucket == bucket && strings.HasPrefix(p.key, prefix) {
			keys = append(keys, p.key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if err := do(key, bytes.Clone(s.values[place{bucket, key}])); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) Put(bucket, key string, value []byte) error {
	if err := s.budget.Spend(bucket, key, value); err != nil {
		return err
	}
	s.values[place{bucket, key}] = append([]byte{}, value...)
	return nil
}

func (s *state) Delete(bucket, key string) error {
	if err := store.CheckName(bucket, key); err != nil {
		return err
	}
	delete(s.values, place{bucket, key})
	return nil
}
