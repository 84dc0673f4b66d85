// Package bolt is a store in one file, held by one process at a time. Start
// with Open.
package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"joconde/store"
)

// patience is how long Open waits for another process to let go of the file:
// enough for one that is just being stopped.
const patience = 2 * time.Second

type file struct {
	path string
	db   *bbolt.DB
}

// Open opens the store in the file at path, readable by its owner only, and
// makes it and its folder if they are not there. The file is locked until
// Close or the end of the process; while another process holds it, the error
// is ErrBusy.
func Open(path string) (s store.Store, err error) {
	defer func() {
		// The library reads its free list before it has checked every page; a
		// damaged file must not end the process.
		if r := recover(); r != nil {
			s, err = nil, store.Damaged(path, fmt.Errorf("%v", r))
		}
	}()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, store.Damaged(path, err)
	}
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: patience, FreelistType: bbolt.FreelistMapType})
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, store.Busy(path)
	case err != nil:
		return nil, store.Damaged(path, err)
	}
	return &file{path: path, db: db}, nil
}

func (f *file) View(ctx context.Context, read func(store.Reader) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var refused error // what read said, which is not the file's doing
	err := f.db.View(func(tx *bbolt.Tx) error {
		refused = read(&state{tx: tx})
		return refused
	})
	return f.explain(err, refused)
}

// Update rests on the library's order of writing: first the new pages beside
// the old ones, then sync, then the page that points to them. If the disk is
// full or the process dies before the last step, the old state is the state.
func (f *file) Update(ctx context.Context, change func(store.Writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var refused error
	err := f.db.Update(func(tx *bbolt.Tx) error {
		refused = change(&state{tx: tx})
		return refused
	})
	return f.explain(err, refused)
}

func (f *file) explain(err, refused error) error {
	switch {
	case err == nil:
		return nil
	case refused != nil:
		return refused
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return store.ErrClosed
	}
	return store.Failed(f.path, err)
}

func (f *file) Close() error { return f.db.Close() }

// state is a Reader, and a Writer where Update made it.
type state struct {
	tx     *bbolt.Tx
	budget store.Budget
}

func (s *state) Get(bucket, key string) ([]byte, error) {
	if err := store.CheckName(bucket, key); err != nil {
		return nil, err
	}
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		// The library's bytes end with the transaction, and an empty value is
		// not nil.
		if value := b.Get([]byte(key)); value != nil {
			return append([]byte{}, value...), nil
		}
	}
	return nil, store.ErrNotFound
}

func (s *state) ForEach(bucket, prefix string, do func(key string, value []byte) error) error {
	b := s.tx.Bucket([]byte(bucket))
	if b == nil {
		return nil
	}
	cursor := b.Cursor()
	for key, value := cursor.Seek([]byte(prefix)); key != nil && bytes.HasPrefix(key, []byte(prefix)); key, value = cursor.Next() {
		if err := do(string(key), append([]byte{}, value...)); err != nil {
			return err
		}
	}
	return nil
}

func (s *state) Put(bucket, key string, value []byte) error {
	if err := s.budget.Spend(bucket, key, value); err != nil {
		return err
	}
	b, err := s.tx.CreateBucketIfNotExists([]byte(bucket))
	if err != nil {
		return err
	}
	return b.Put([]byte(key), append([]byte{}, value...))
}

func (s *state) Delete(bucket, key string) error {
	if err := store.CheckName(bucket, key); err != nil {
		return err
	}
	if b := s.tx.Bucket([]byte(bucket)); b != nil {
		return b.Delete([]byte(key))
	}
	return nil
}
