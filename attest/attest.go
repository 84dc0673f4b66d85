// Package attest says what platform a node runs on, and who may believe it
// (the words are those of RFC 9334). An Attester, beside the node, has its
// platform vouch for 64 bytes; a Verifier, at every party for itself, takes
// that Evidence apart into Claims; a Policy says which Claims are enough, and
// its zero value says none are. Nobody verifies for anybody else.
//
// Evidence alone admits nobody: attestation keys have been stolen. A node also
// needs its operator's signature over the same keys (package record) and a chip
// on that party's list. A platform knows bytes to vouch for, and no tasks.
//
// The list of platforms is in all/, the contract they keep in attesttest/.
// Start with Verifier and Guard.
package attest

import (
	"context"

	"joconde"
)

// Attester has the platform that it runs on vouch for reportData. It may be
// used by several goroutines at once.
type Attester interface {
	Platform() string
	Attest(ctx context.Context, reportData [64]byte) (joconde.Evidence, error)
}

// Verifier takes evidence of one platform apart. Evidence comes from strangers:
// an implementation checks every field and leaves none as it finds it. Guard
// stands around every implementation (as the list in all/ has them), so that
// sizes, time, panics and the policy are not left to it.
type Verifier interface {
	// Platform is the name by which tasks and evidence call the platform.
	Platform() string
	// Verify says what the evidence proves: that a node whose Claims satisfy
	// the policy vouches for exactly reportData. An error is a
	// *joconde.Problem and means that nothing is proven.
	Verify(ctx context.Context, e joconde.Evidence, reportData [64]byte, policy Policy) (Claims, error)
}

// Platform is all that a platform offers, one line of the list in all/.
type Platform interface {
	Verifier
	// Enrol makes the device ready, if that is not yet done, and gives the
	// chip id that its operator puts on its list. device is a file or folder
	// of the operator's, whatever the platform needs.
	Enrol(device string) (chip string, err error)
	// Measure gives the measurement that evidence of a node will have.
	Measure(executable string) (measurement string, err error)
	// Open gives the attester of an enrolled device for the running node.
	Open(device, executable string) (Attester, error)
}

// Claims are what evidence proves, and what is said beside it.
type Claims struct {
	Platform    string
	Vendor      string // who made the TEE; empty only if Development
	Chip        string
	Measurement string
	TaskBound   bool // launched for one task, and the platform says so
	Development bool // protects nothing: never a TEE, and never for real data

	// Said, not proven: whoever spreads nodes fills these in from the signed
	// terms, because no platform knows them.
	Operator joconde.PartyID
	Hosting  string
}

// Launch says in words whether the launch was bound to the task.
func (c Claims) Launch() string {
	if c.TaskBound {
		return "task-bound launch: yes"
	}
	return "task-bound launch: no"
}

// Limits of evidence. What is larger is refused before anybody parses it.
const (
	MaxEvidence   = 16 << 10  // bytes
	MaxCollateral = 512 << 10 // bytes
)
