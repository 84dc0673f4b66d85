// Package audit proves what happened: that a record is in an append-only log,
// that the log has not forgotten anything, and that a finished task went as
// every party had signed. It believes nobody: it works offline, on bytes that
// it is given, with the keys that the task itself names. Start with Verify;
// what keeps a log is in package tlog.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"joconde"
)

// What a caller may decide by, with errors.Is.
var (
	ErrCheckpoint   = errors.New("the checkpoint does not verify")
	ErrNotIncluded  = errors.New("the record is not proven to be in the log")
	ErrInconsistent = errors.New("the log is not proven to have kept what it had")
)

// Limits on what is looked at before it is believed.
const (
	maxCheckpoint = 16 << 10
	maxPath       = 64 // hashes: a tree of 2^64 leaves
)

// Proof is where a leaf stands in the log, and the hashes from there up to the
// root of one checkpoint.
type Proof struct {
	Index uint64   `json:"index"`
	Path  []string `json:"path"` // 64 lower-case hex digits each
}

// Checkpoint is what a log key has signed: this many entries, with this root.
type Checkpoint struct {
	Size uint64
	Root joconde.Digest
}

// entryLabel keeps the hash of a leaf apart from every other hash.
const entryLabel = "joconde log entry v1\n"

// LogEntry is what the log holds of a leaf: a digest, so that whoever reads
// the log learns nothing but that something was logged.
func LogEntry(leaf []byte) joconde.Digest {
	h := sha256.New()
	h.Write([]byte(entryLabel))
	h.Write(leaf)
	return joconde.Digest(h.Sum(nil))
}

// NewProof is a Proof of the path as package tlog gives it.
func NewProof(index uint64, path [][]byte) Proof {
	return Proof{Index: index, Path: HexPath(path)}
}

// HexPath writes hashes as Proof and VerifyConsistency have them.
func HexPath(path [][]byte) []string {
	out := make([]string, len(path))
	for i, hash := range path {
		out[i] = hex.EncodeToString(hash)
	}
	return out
}

// OpenCheckpoint verifies a signed checkpoint with the log's verifier key. It
// accepts one signature and one spelling only, so that no two byte strings are
// the same checkpoint.
func OpenCheckpoint(verifier string, checkpoint []byte) (Checkpoint, error) {
	c, err := openCheckpoint(verifier, checkpoint)
	if err != nil {
		return Checkpoint{}, &joconde.Problem{
			Code: "JOC-A001", What: "the log's checkpoint does not verify",
			Why: err.Error(), Do: "ask whoever gave you the checkpoint for the right one; if it persists, the log's operator is to blame",
			LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnverified, Err: ErrCheckpoint,
		}
	}
	return c, nil
}

func openCheckpoint(verifier string, signed []byte) (Checkpoint, error) {
	key, err := note.NewVerifier(verifier)
	if err != nil {
		return Checkpoint{}, errors.New("the log's key is not a verifier key of the note format")
	}
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("it is longer than %d bytes", maxCheckpoint)
	}
	opened, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return Checkpoint{}, errors.New("it is not a note signed by the log's key")
	}
	var c log.Checkpoint
	rest, err := c.Unmarshal([]byte(opened.Text))
	switch {
	case err != nil || len(c.Hash) != sha256.Size:
		return Checkpoint{}, errors.New("its text is not that of a checkpoint")
	case c.Origin != key.Name():
		return Checkpoint{}, errors.New("it is of another log")
	case len(rest) > 0 || string(c.Marshal()) != opened.Text:
		return Checkpoint{}, errors.New("its text is not in the one form of a checkpoint")
	}
	signature, err := base64.StdEncoding.DecodeString(opened.Sigs[0].Base64)
	if err != nil {
		return Checkpoint{}, errors.New("its signature is not base64")
	}
	only := opened.Text + "\n— " + key.Name() + " " + base64.StdEncoding.EncodeToString(signature) + "\n"
	if string(signed) != only {
		return Checkpoint{}, errors.New("it has more than the one signature, or another spelling of it")
	}
	return Checkpoint{Size: c.Size, Root: joconde.Digest(c.Hash)}, nil
}

// VerifyInclusion says whether leaf is in the log at the proof's index, under
// the checkpoint that the log's key has signed.
func VerifyInclusion(verifier string, checkpoint, leaf []byte, p Proof) error {
	c, err := OpenCheckpoint(verifier, checkpoint)
	if err != nil {
		return err
	}
	return c.includes(leaf, p)
}

func (c Checkpoint) includes(leaf []byte, p Proof) error {
	path, err := hashes(p.Path)
	if err == nil {
		entry := LogEntry(leaf)
		hash := rfc6962.DefaultHasher.HashLeaf(entry[:])
		if proof.VerifyInclusion(rfc6962.DefaultHasher, p.Index, c.Size, hash, path, c.Root[:]) != nil {
			err = errors.New("the record, its place, its path and the checkpoint do not fit together")
		}
	}
	if err != nil {
		return &joconde.Problem{
			Code: "JOC-A002", What: "a record is not proven to be in the log", Where: fmt.Sprintf("index %d", p.Index),
			Why: err.Error(), Do: "ask for the record and its proof again; if it persists, do not act on the record",
			LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnverified, Err: ErrNotIncluded,
		}
	}
	return nil
}

// VerifyConsistency says whether everything under the older checkpoint is
// still there, in the same order, under the newer one.
func VerifyConsistency(verifier string, older, newer []byte, path []string) error {
	from, err := OpenCheckpoint(verifier, older)
	if err != nil {
		return err
	}
	to, err := OpenCheckpoint(verifier, newer)
	if err != nil {
		return err
	}
	steps, err := hashes(path)
	switch {
	case err != nil:
	case from.Size > to.Size:
		err = errors.New("the newer checkpoint has fewer entries")
	case from.Size == 0:
		// Everything follows from an empty log, and there is nothing to prove.
		if len(steps) != 0 || !bytes.Equal(from.Root[:], rfc6962.DefaultHasher.EmptyRoot()) {
			err = errors.New("the older checkpoint is empty and its root or the proof is not")
		}
	case proof.VerifyConsistency(rfc6962.DefaultHasher, from.Size, to.Size, steps, from.Root[:], to.Root[:]) != nil:
		err = errors.New("the two checkpoints and the proof do not fit together")
	}
	if err != nil {
		return &joconde.Problem{
			Code: "JOC-A003", What: "the log is not proven to have kept what it had", Where: fmt.Sprintf("from %d to %d entries", from.Size, to.Size),
			Why: err.Error(), Do: "keep both checkpoints and show them to the other parties: two that do not fit prove that the log's operator cheats",
			LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnverified, Err: ErrInconsistent,
		}
	}
	return nil
}

// hashes decodes a path and accepts one spelling only.
func hashes(path []string) ([][]byte, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("a path has at most %d hashes", maxPath)
	}
	out := make([][]byte, len(path))
	for i, text := range path {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != sha256.Size || strings.ToLower(text) != text {
			return nil, errors.New("a hash of a path is 64 lower-case hex digits")
		}
		out[i] = hash
	}
	return out, nil
}
