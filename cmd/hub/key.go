package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"joconde"
	"joconde/audit"
)

// logKey reads the private key of the log in a folder, and makes one for a
// folder that has neither key nor log.
func logKey(data string) (string, error) {
	path := filepath.Join(data, "log.key")
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Join(data, "log", "checkpoint")); err == nil {
			return "", badKey("JOC-H311", "the log's private key is not there", path, "there is a log without it", "bring the key back: another one cannot go on with this log", nil)
		}
		return newLogKey(path)
	case err != nil:
		return "", badKey("JOC-H312", "the log's private key cannot be read", path, rootOf(err), "check the path and its permissions", err)
	case info.Mode().Perm()&0o077 != 0:
		return "", badKey("JOC-H313", "others may read the log's private key", path, "whoever has it can sign another history of the log", "chmod 600, and ask who could have read it", nil)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", badKey("JOC-H312", "the log's private key cannot be read", path, rootOf(err), "check the path and its permissions", err)
	}
	private := strings.TrimSuffix(string(text), "\n")
	if _, err := audit.VerifierOf(private); err != nil {
		return "", badKey("JOC-H314", "the log's private key is damaged", path, "it is not a key of the note format", "bring it back from a copy", err)
	}
	return private, nil
}

// newLogKey writes the key whole or not at all, before any log is begun with it.
func newLogKey(path string) (private string, err error) {
	private, _, err = audit.NewLogKey()
	if err != nil {
		return "", err
	}
	fresh := path + ".new"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err == nil {
		_, err = f.WriteString(private + "\n")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return "", badKey("JOC-H315", "the log's private key cannot be written", path, rootOf(err), "make room on the disk, or check the permissions", err)
	}
	return private, nil
}

func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func badKey(code, what, where, why, do string, cause error) error {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInternal, Err: cause}
}
