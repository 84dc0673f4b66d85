package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"joconde"
)

// disk writes the files of a home: each is there as a whole or not at all, and
// durable when the call returns. Nobody but the owner can read them.
type disk struct {
	// Tests look on, fail and die here; nil elsewhere.
	before, after func(path string) error
}

// write replaces a file.
func (d *disk) write(path string, data []byte) error {
	return d.stream(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// stream replaces a file by what a function writes.
func (d *disk) stream(path string, fill func(io.Writer) error) error {
	return d.put(path, fill, os.Rename)
}

// create writes a file unless there is one of this name, and gives what then
// stands in it. Two that create the same file at once see the same bytes.
func (d *disk) create(path string, data []byte) ([]byte, error) {
	err := d.put(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}, os.Link) // a link fails where a rename would replace
	if err == nil {
		return data, nil
	}
	if errors.Is(err, fs.ErrExist) {
		return d.read(path)
	}
	return nil, err
}

func (d *disk) put(path string, fill func(io.Writer) error, place func(from, to string) error) error {
	err := hook(d.before, path)
	if err == nil {
		err = put(path, fill, place)
	}
	if err == nil {
		err = hook(d.after, path)
	}
	if err != nil {
		return notWritten(path, err)
	}
	return nil
}

func hook(f func(string) error, path string) error {
	if f == nil {
		return nil
	}
	return f(path)
}

func put(path string, fill func(io.Writer) error, place func(from, to string) error) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	draft, err := os.CreateTemp(dir, ".draft-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	buffered := bufio.NewWriterSize(draft, 1<<16)
	err = fill(buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = draft.Sync()
	}
	if err = errors.Join(err, draft.Close()); err != nil {
		// What did not become a file may be half of a secret one.
		_, _ = wipeFile(draft.Name())
		return err
	}
	if err := place(draft.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read gives a file, and fs.ErrNotExist if there is none.
func (d *disk) read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, problem("JOC-G002", path, "a file of the home cannot be read", rootOf(err), "check the disk and who may read the folder", joconde.ExitInternal, err)
	}
	return data, err
}

func has(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// WipeLimits is what wiping files cannot promise, in the words that a person
// is shown.
const WipeLimits = "the files were overwritten and removed; a flash disk, a journal, a snapshot or a backup may still hold what stood in them"

// wipeFile overwrites a file and removes it, and says whether there was one.
func wipeFile(path string) (bool, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = io.CopyN(f, zeros{}, info.Size())
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	if err := os.Remove(path); err != nil {
		return false, err
	}
	return true, syncDir(filepath.Dir(path))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// wipeFolder wipes every file in a folder, drafts that a crash left included,
// and then removes the folder.
func (d *disk) wipeFolder(dir string) error {
	err := hook(d.before, dir)
	if err == nil {
		err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			_, err = wipeFile(path)
			return err
		})
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return problem("JOC-G003", dir, "files with shares could not be wiped", rootOf(err), "make the disk writable; the agent tries again until they are wiped", joconde.ExitInternal, err)
	}
	return nil
}

func notWritten(path string, err error) error {
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	var known *joconde.Problem
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return problem("JOC-G001", path, "the disk is full", "the file was not written, and what stood there before still stands", "free some space; the agent then goes on by itself", joconde.ExitInternal, err)
	}
	return problem("JOC-G004", path, "a file of the home could not be written", rootOf(err), "check the disk, and who may write to the folder; what stood there before still stands", joconde.ExitInternal, err)
}

// rootOf is the innermost cause, without the names that the others add.
func rootOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// problem is an error of this room; its codes are JOC-G….
func problem(code, where, what, why, do string, exit int, cause error) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, LeftMachine: joconde.NothingLeft, Exit: exit, Err: cause}
}

// hold takes the lock of a file until it is closed or the process ends.
func hold(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, notWritten(path, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock: %w", err), f.Close())
	}
	return f, nil
}
