// Package tlog keeps a tamper-evident log in a folder: an append-only Merkle
// tree of digests, and beside it the leaves themselves. It is trusted to keep
// what it acknowledged; that it has, everybody checks with package audit. It
// holds the log's private key, which proves inclusion and nothing else.
package tlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"

	"joconde"
	"joconde/audit"
)

// MaxLeaf is the largest leaf that the log takes.
const MaxLeaf = 16 << 20

// What a caller may decide by, with errors.Is.
var (
	ErrBusy   = errors.New("the log is in use by another process")
	ErrClosed = errors.New("the log is closed")
	ErrLeaf   = errors.New("the log does not take this leaf")
	ErrRange  = errors.New("the log is not that long")
	ErrBroken = errors.New("the log contradicts itself")
	ErrFailed = errors.New("the log could not write")
)

const (
	batchAge  = 2 * time.Millisecond // how long an append waits for others to go with it
	batchSize = 256
	publish   = 100 * time.Millisecond // how often tessera writes its own copy of the checkpoint
)

// Log is an open log. It is safe for concurrent use.
type Log struct {
	dir      string
	signer   note.Signer
	verifier string
	appender *tessera.Appender
	shutdown func(context.Context) error
	reader   tessera.LogReader
	stop     context.CancelFunc
	held     *os.File // its lock is ours until Close

	open   sync.RWMutex // appends hold it for reading, Close for writing
	closed bool
	wait   sync.WaitGroup // futures of appends whose caller has left

	signed sync.Mutex // guards the two below
	size   uint64
	newest []byte
}

var quiet sync.Once

// Open opens the log in dir, readable by its owner only, and begins one if the
// folder is empty or not there. private is the key that began it: another one
// is refused. Until Close or the end of the process no other process can open
// it. ctx is for opening only.
func Open(ctx context.Context, dir, private string) (*Log, error) {
	// Tessera writes progress to standard error; what matters comes back as errors.
	quiet.Do(func() {
		klog.LogToStderr(false)
		klog.SetOutput(io.Discard)
	})
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, broken(dir, errors.New("the log's private key is not a key of the note format"))
	}
	verifier, err := audit.VerifierOf(private)
	if err != nil {
		return nil, broken(dir, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, leafDir), 0o700); err != nil {
		return nil, failed(dir, err)
	}
	held, err := hold(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{dir: dir, signer: signer, verifier: verifier, held: held}
	if err := l.start(ctx); err != nil {
		if l.stop != nil {
			l.stop()
		}
		_ = held.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) start(ctx context.Context) error {
	published, err := os.ReadFile(filepath.Join(l.dir, "checkpoint"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed(l.dir, err)
	}
	begun := err == nil
	driver, err := posix.New(ctx, posix.Config{Path: l.dir})
	if err != nil {
		return failed(l.dir, err)
	}
	var background context.Context
	background, l.stop = context.WithCancel(context.WithoutCancel(ctx))
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(l.signer).
		WithCheckpointInterval(publish).
		WithBatching(batchSize, batchAge)
	if begun {
		// Before anything is signed: is this the log of this key?
		if _, err := audit.OpenCheckpoint(l.verifier, published); err != nil {
			return broken(l.dir, fmt.Errorf("the folder holds a log of another key: %w", err))
		}
	}
	l.appender, l.shutdown, l.reader, err = tessera.NewAppender(background, driver, options)
	if err != nil {
		return failed(l.dir, err)
	}
	if !begun {
		return nil
	}
	return l.continues(ctx, published)
}

// continues says whether the tree in the folder still has all that its
// published checkpoint, the one before the last crash, stood for.
func (l *Log) continues(ctx context.Context, published []byte) error {
	old, err := audit.OpenCheckpoint(l.verifier, published)
	if err != nil {
		return broken(l.dir, err)
	}
	now, err := l.Checkpoint(ctx)
	if err != nil {
		return err
	}
	size, err := l.reader.IntegratedSize(ctx)
	if err != nil {
		return failed(l.dir, err)
	}
	if size < old.Size {
		return broken(l.dir, fmt.Errorf("it has %d entries and had %d", size, old.Size))
	}
	path, err := l.Consistency(ctx, old.Size, size)
	if err != nil {
		return err
	}
	if err := audit.VerifyConsistency(l.verifier, published, now, audit.HexPath(path)); err != nil {
		return broken(l.dir, err)
	}
	return nil
}

// hold locks the folder for this process, and the kernel lets go when it ends.
func hold(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, failed(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, &joconde.Problem{
			Code: "JOC-A010", What: "the log is in use by another process", Where: dir,
			Why: "two processes that append could sign two histories",
			Do:  "stop the other process, or wait until it has ended", LeftMachine: joconde.NothingLeft,
			Exit: joconde.ExitNotAllowed, Err: ErrBusy,
		}
	}
	return f, nil
}

// Verifier is the verifier key of this log.
func (l *Log) Verifier() string { return l.verifier }

// Append adds a leaf. When it returns an index, the leaf is on disk and in the
// tree, and every later checkpoint includes it. An error means that the leaf
// may or may not be in the log (the disk failed or ctx ended meanwhile):
// appending it again is safe, and at worst it is there twice.
func (l *Log) Append(ctx context.Context, leaf []byte) (uint64, error) {
	if len(leaf) == 0 || len(leaf) > MaxLeaf {
		return 0, fmt.Errorf("a leaf has 1 to %d bytes: %w", MaxLeaf, ErrLeaf)
	}
	l.open.RLock()
	defer l.open.RUnlock()
	if l.closed {
		return 0, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	// The leaf comes first: whatever the tree names is there to be read.
	entry := audit.LogEntry(leaf)
	if err := l.keep(entry, leaf); err != nil {
		return 0, failed(l.dir, err)
	}
	future := l.appender.Add(context.WithoutCancel(ctx), tessera.NewEntry(entry[:]))
	type outcome struct {
		index tessera.Index
		err   error
	}
	done := make(chan outcome, 1)
	l.wait.Go(func() {
		index, err := future()
		done <- outcome{index, err}
	})
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case o := <-done:
		if o.err != nil {
			return 0, failed(l.dir, o.err)
		}
		return o.index.Index, nil
	}
}

// Size is the number of entries.
func (l *Log) Size(ctx context.Context) (uint64, error) {
	if err := l.begin(); err != nil {
		return 0, err
	}
	defer l.open.RUnlock()
	size, err := l.reader.IntegratedSize(ctx)
	if err != nil {
		return 0, failed(l.dir, err)
	}
	return size, nil
}

// Checkpoint signs the log as it stands now, with everything that has been
// acknowledged. There is one checkpoint for each size, always the same bytes:
// the tree's state is on disk before it is signed, and never goes back.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	if err := l.begin(); err != nil {
		return nil, err
	}
	defer l.open.RUnlock()
	l.signed.Lock()
	defer l.signed.Unlock()
	size, err := l.reader.IntegratedSize(ctx)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	if l.newest != nil && size == l.size {
		return append([]byte{}, l.newest...), nil
	}
	root, err := l.root(ctx, size)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	text := log.Checkpoint{Origin: l.signer.Name(), Size: size, Hash: root}.Marshal()
	checkpoint, err := note.Sign(&note.Note{Text: string(text)}, l.signer)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	l.size, l.newest = size, checkpoint
	return append([]byte{}, checkpoint...), nil
}

// root computes the root of the first size entries from their tiles.
func (l *Log) root(ctx context.Context, size uint64) ([]byte, error) {
	if size == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	nodes, err := client.FetchRangeNodes(ctx, size, l.reader.ReadTile)
	if err != nil {
		return nil, err
	}
	factory := compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}
	whole, err := factory.NewRange(0, size, nodes)
	if err != nil {
		return nil, err
	}
	return whole.GetRootHash(nil)
}

// Inclusion gives the path of the entry at index in the tree of size entries.
func (l *Log) Inclusion(ctx context.Context, index, size uint64) ([][]byte, error) {
	return l.prove(ctx, index < size, size, func(b *client.ProofBuilder) ([][]byte, error) {
		return b.InclusionProof(ctx, index)
	})
}

// Consistency gives the proof that the tree of from entries is the beginning
// of the tree of to entries. It is empty where from is 0 or equal to to.
func (l *Log) Consistency(ctx context.Context, from, to uint64) ([][]byte, error) {
	if from == 0 {
		return nil, nil
	}
	return l.prove(ctx, from <= to, to, func(b *client.ProofBuilder) ([][]byte, error) {
		return b.ConsistencyProof(ctx, from, to)
	})
}

func (l *Log) prove(ctx context.Context, inside bool, size uint64, build func(*client.ProofBuilder) ([][]byte, error)) ([][]byte, error) {
	if err := l.begin(); err != nil {
		return nil, err
	}
	defer l.open.RUnlock()
	whole, err := l.reader.IntegratedSize(ctx)
	switch {
	case err != nil:
		return nil, failed(l.dir, err)
	case !inside || size > whole:
		return nil, fmt.Errorf("the log has %d entries: %w", whole, ErrRange)
	}
	builder, err := client.NewProofBuilder(ctx, size, l.reader.ReadTile)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	path, err := build(builder)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	return path, nil
}

// Leaf gives the leaf at index.
func (l *Log) Leaf(ctx context.Context, index uint64) ([]byte, error) {
	if err := l.begin(); err != nil {
		return nil, err
	}
	defer l.open.RUnlock()
	size, err := l.reader.IntegratedSize(ctx)
	switch {
	case err != nil:
		return nil, failed(l.dir, err)
	case index >= size:
		return nil, fmt.Errorf("the log has %d entries: %w", size, ErrRange)
	}
	bundle, err := client.GetEntryBundle(ctx, l.reader.ReadEntryBundle, index/256, size)
	if err != nil {
		return nil, failed(l.dir, err)
	}
	if index%256 >= uint64(len(bundle.Entries)) || len(bundle.Entries[index%256]) != len(joconde.Digest{}) {
		return nil, broken(l.dir, fmt.Errorf("entry %d is not there, or not a digest", index))
	}
	return l.kept(joconde.Digest(bundle.Entries[index%256]))
}

// begin lets Close wait for what reads.
func (l *Log) begin() error {
	l.open.RLock()
	if l.closed {
		l.open.RUnlock()
		return ErrClosed
	}
	return nil
}

// Close waits for what is under way and lets go of the folder. A second Close
// returns nil.
func (l *Log) Close() error {
	l.open.Lock()
	defer l.open.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	l.wait.Wait()
	// All that was acknowledged is on disk already; this lets tessera write its
	// copy of the last checkpoint. If it cannot, the next Open does.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = l.shutdown(ctx)
	l.stop()
	return l.held.Close()
}

func failed(dir string, cause error) error {
	return &joconde.Problem{
		Code: "JOC-A011", What: "the log could not be read or written", Where: dir,
		Why: "the disk is full, is read-only or fails; what was acknowledged before is kept",
		Do:  "make room or mend the disk, then try again", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitInternal, Err: fmt.Errorf("%w: %w", ErrFailed, cause),
	}
}

func broken(dir string, cause error) error {
	return &joconde.Problem{
		Code: "JOC-A012", What: "the log contradicts itself or belongs to another key", Where: dir,
		Why: cause.Error(),
		Do:  "do not append to it; bring back the newest copy of the folder and the key that began it", LeftMachine: joconde.NothingLeft,
		Exit: joconde.ExitInternal, Err: fmt.Errorf("%w: %w", ErrBroken, cause),
	}
}
