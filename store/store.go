// Package store is the small durable state of a server: values by bucket and
// key, in order, changed all at once or not at all. It is trusted to keep what
// Update acknowledged and to give back nothing else; it understands no value.
// What must be provable is in the log (package audit), never only here.
//
// The implementations are mem, for tests, and bolt, one file. Package
// storetest is the contract as tests.
package store

import (
	"context"
	"errors"
	"fmt"

	"joconde"
)

// Limits of what a store keeps. They hold for every implementation, so that
// what one accepts the next one does too.
const (
	MaxName   = 64       // bytes of a bucket's name, at least 1
	MaxKey    = 1024     // bytes of a key, at least 1
	MaxValue  = 32 << 20 // bytes of a value, which may be empty
	MaxUpdate = 64 << 20 // bytes of all keys and values that one Update puts
)

// What a caller may decide by, with errors.Is.
var (
	ErrNotFound = errors.New("there is no such key")
	ErrClosed   = errors.New("the store is closed")
	ErrBusy     = errors.New("the store is in use by another process")
	ErrLimit    = errors.New("larger than the store's limits")
	ErrFailed   = errors.New("the store could not write")
)

// Store keeps values by bucket and key. It is safe for concurrent use: any
// number of views beside at most one update, and a view sees the state between
// two updates.
//
// An Update that returns nil is durable: it survives kill -9 and, as far as
// the disk keeps its word, a power cut. One that returns an error, because its
// function did, because the disk is full, or because ctx had ended before it
// began, has changed nothing. A View or Update must not be begun from inside another.
type Store interface {
	View(ctx context.Context, read func(Reader) error) error
	Update(ctx context.Context, change func(Writer) error) error
	// Close waits for what is under way. Later calls return ErrClosed, and a
	// second Close returns nil.
	Close() error
}

// Reader is one state of the store. It ends with the function that it was
// given to. Values that it returns belong to the caller.
type Reader interface {
	// Get returns ErrNotFound where there is no such key.
	Get(bucket, key string) ([]byte, error)
	// ForEach calls do for the keys that begin with prefix, in byte order,
	// until do returns an error, which it returns. do must not change the store.
	ForEach(bucket, prefix string, do func(key string, value []byte) error) error
}

// Writer is a Reader that sees its own changes.
type Writer interface {
	Reader
	// Put keeps a copy of value.
	Put(bucket, key string, value []byte) error
	// Delete of a key that is not there is no error.
	Delete(bucket, key string) error
}

// CheckName returns ErrLimit for a bucket or key that no store keeps.
func CheckName(bucket, key string) error {
	switch {
	case len(bucket) == 0 || len(bucket) > MaxName:
		return fmt.Errorf("a bucket's name has 1 to %d bytes: %w", MaxName, ErrLimit)
	case len(key) == 0 || len(key) > MaxKey:
		return fmt.Errorf("a key has 1 to %d bytes: %w", MaxKey, ErrLimit)
	}
	return nil
}

// Budget counts what one Update puts.
type Budget struct{ used int }

// Spend returns ErrLimit for a pair that no store keeps, or that is too much
// for one Update together with what came before.
func (b *Budget) Spend(bucket, key string, value []byte) error {
	if err := CheckName(bucket, key); err != nil {
		return err
	}
	if len(value) > MaxValue {
		return fmt.Errorf("a value has at most %d bytes: %w", MaxValue, ErrLimit)
	}
	if b.used+len(key)+len(value) > MaxUpdate {
		return fmt.Errorf("one update puts at most %d bytes: %w", MaxUpdate, ErrLimit)
	}
	b.used += len(key) + len(value)
	return nil
}

// Busy is the Problem of a store that another process holds.
func Busy(where string) error {
	return &joconde.Problem{
		Code: "JOC-S001", What: "the store is in use by another process", Where: where,
		Why: "only one process may hold it, so that there are never two truths",
		Do:  "stop the other process, or wait until it has ended", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitNotAllowed, Err: ErrBusy,
	}
}

// Failed is the Problem of an update that the disk did not take.
func Failed(where string, cause error) error {
	return &joconde.Problem{
		Code: "JOC-S002", What: "a change could not be written, and nothing of it was kept", Where: where,
		Why: "the disk is full, is read-only or fails",
		Do:  "make room or mend the disk, then try again", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitInternal, Err: fmt.Errorf("%w: %w", ErrFailed, cause),
	}
}

// Damaged is the Problem of a store that cannot be read.
func Damaged(where string, cause error) error {
	return &joconde.Problem{
		Code: "JOC-S003", What: "the store cannot be opened", Where: where,
		Why: "it is missing, not readable, or not a store",
		Do:  "check the path and its permissions; if the file is damaged, bring it back from a copy", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitInternal, Err: cause,
	}
}
