// Package joconde holds the words of the system: the names that every room
// uses for parties, digests, faults and problems. It imports nothing of ours
// and trusts nobody. Start reading here, then ARCHITECTURE.md.
package joconde

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// PartyID names an organisation in a task: an input, computing or output
// party. In a program it is the name of a schema or of a grantee.
type PartyID string

// Digest is a SHA-256 of canonical bytes.
type Digest [32]byte

// String gives "sha256:" and 64 hex digits.
func (d Digest) String() string { return "sha256:" + hex.EncodeToString(d[:]) }

// MarshalText makes a Digest appear in JSON as String gives it.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts exactly the form that MarshalText gives.
func (d *Digest) UnmarshalText(text []byte) error {
	digits, found := strings.CutPrefix(string(text), "sha256:")
	if !found || len(digits) != 64 || strings.ToLower(digits) != digits {
		return errors.New(`a digest is "sha256:" and 64 lower-case hex digits`)
	}
	_, err := hex.Decode(d[:], []byte(digits))
	return err
}

// Fault says that a party is to blame for an error: it died, stalled, or sent
// what the protocol does not allow.
type Fault struct {
	Party PartyID
	Err   error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s: %v", f.Party, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// Exit codes of the commands (interfaces.md).
const (
	ExitDone        = 0
	ExitInternal    = 1
	ExitUsage       = 2
	ExitInvalid     = 3 // your task or data is invalid
	ExitNotAllowed  = 4
	ExitWaiting     = 5 // for somebody else
	ExitPolicy      = 6
	ExitUnverified  = 7 // verification failed or results unequal
	ExitUnreachable = 8 // a peer or node
	ExitInterrupted = 130
)

// NothingLeft is the LeftMachine of a Problem found before anything was sent.
const NothingLeft = "nothing"

// Problem is an error written for the person who can act on it. No field ever
// holds a data value, a share or a key, nor a bare hash of data.
type Problem struct {
	Code        string `json:"code"`         // stable, such as "JOC-L104"; never reused
	What        string `json:"what"`         // what is wrong, in the user's terms
	Where       string `json:"where"`        // file:line:column, table and row, node or step
	Why         string `json:"why"`          // one sentence
	Do          string `json:"do"`           // what fixes it, or who can
	LeftMachine string `json:"left_machine"` // NothingLeft, or what left
	Exit        int    `json:"-"`            // the exit code of a command that ends with it
	Err         error  `json:"-"`            // the cause, for errors.Is
}

func (p *Problem) Error() string {
	if p.Where == "" {
		return p.What
	}
	return p.Where + ": " + p.What
}
func (p *Problem) Unwrap() error { return p.Err }

// Problems are all that is wrong, found in one run.
type Problems []*Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is reach each problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}
