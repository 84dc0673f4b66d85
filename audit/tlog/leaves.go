package tlog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"joconde"
	"joconde/audit"
)

// leafDir holds the leaves, each in a file named for its entry, in 256 folders.
const leafDir = "leaves"

func (l *Log) leafPath(entry joconde.Digest) string {
	name := hex.EncodeToString(entry[:])
	return filepath.Join(l.dir, leafDir, name[:2], name[2:])
}

// keep writes a leaf to disk unless it is there already: under another name
// first, so that a file with a leaf's name is always whole.
func (l *Log) keep(entry joconde.Digest, leaf []byte) (err error) {
	path := l.leafPath(entry)
	if _, err := l.kept(entry); err == nil {
		return nil
	}
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err == nil {
		if err := syncFolder(filepath.Dir(folder)); err != nil {
			return err
		}
	} else if !errors.Is(err, os.ErrExist) {
		return err
	}
	f, err := os.CreateTemp(folder, "new-")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(leaf)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncFolder(folder)
}

// kept reads a leaf and makes sure that it is the one that the tree names.
func (l *Log) kept(entry joconde.Digest) ([]byte, error) {
	leaf, err := os.ReadFile(l.leafPath(entry))
	if err != nil {
		return nil, failed(l.dir, err)
	}
	if audit.LogEntry(leaf) != entry {
		return nil, broken(l.dir, fmt.Errorf("the leaf of entry %s has changed", entry))
	}
	return leaf, nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
