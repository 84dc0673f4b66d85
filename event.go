package joconde

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strings"
)

// Event is what the life of a task needs of a verified record: who signed
// what about which attempt, and what it refers to.
type Event struct {
	Kind    RecordKind
	ID      Digest // of the record
	Attempt int    // 0 for approval, refusal, split-wipe; the new one for retry
	Party   PartyID
	Role    Role // approval only
	Node    bool // signed by the node's receipt key
	// Ref is what the record rests on. Approval: the statement. AttemptNonce:
	// the nonce's 32 bytes. Acceptance and InputReceipt: the bundle set. Ready
	// and Transcript: the input set.
	Ref Digest
	// Same is what must not differ. NodeBundle: the nonces, as in NoncesDigest.
	// InputReceipt: all commitments, equal in a later attempt. Transcript: the
	// views and recipients, equal at all nodes.
	Same   Digest
	Reason string  // refusal and abort
	Blames PartyID // abort
}

// EventOf gives the event of a decoded record's payload (a pointer to one of
// the structs in records.go) and the task that the payload names.
func EventOf(id Digest, payload any) (e Event, task Digest, err error) {
	e.ID = id
	switch p := payload.(type) {
	case *Approval:
		e.Kind, e.Party, e.Role, e.Ref, task = KindApproval, p.Party, p.Role, p.Statement, p.Task
	case *Refusal:
		e.Kind, e.Party, e.Reason, task = KindRefusal, p.Party, p.Reason, p.Task
		err = knownReason(p.Reason)
	case *AttemptNonce:
		e.Kind, e.Attempt, e.Party, task = KindAttemptNonce, p.Attempt, p.Party, p.Task
		e.Ref, err = nonceBytes(p.Nonce)
	case *NodeBundle:
		e.Kind, e.Attempt, e.Party, e.Node, e.Same, task = KindNodeBundle, p.Attempt, p.Party, true, p.Nonces, p.Task
	case *Acceptance:
		e.Kind, e.Attempt, e.Party, e.Ref, task = KindAcceptance, p.Attempt, p.Party, p.Bundles, p.Task
	case *InputReceipt:
		e.Kind, e.Attempt, e.Party, e.Ref, task = KindInputReceipt, p.Attempt, p.Party, p.Bundles, p.Task
		e.Same = CommitmentsDigest(p.Inputs)
	case *Ready:
		e.Kind, e.Attempt, e.Party, e.Node, e.Ref, task = KindReady, p.Attempt, p.Party, true, p.Inputs, p.Task
	case *Transcript:
		e.Kind, e.Attempt, e.Party, e.Node, e.Ref, task = KindTranscript, p.Attempt, p.Party, true, p.Inputs, p.Task
		e.Same = RecipientsDigest(p.Outputs)
	case *ResultReceipt:
		e.Kind, e.Attempt, e.Party, task = KindResultReceipt, p.Attempt, p.Party, p.Task
	case *WipeReceipt:
		e.Kind, e.Attempt, e.Party, e.Node, task = KindWipeReceipt, p.Attempt, p.Party, true, p.Task
	case *SplitWipe:
		e.Kind, e.Party, task = KindSplitWipe, p.Party, p.Task
	case *Abort:
		e.Kind, e.Attempt, e.Party, e.Node, task = KindAbort, p.Attempt, p.Party, p.Node, p.Task
		e.Reason, e.Blames = p.Reason, p.Blames
		err = knownReason(p.Reason)
	case *Retry:
		e.Kind, e.Attempt, e.Party, task = KindRetry, p.Attempt, p.Party, p.Task
	default:
		err = fmt.Errorf("%w: %T is no record of a task's life", ErrUnknown, payload)
	}
	return e, task, err
}

func knownReason(code string) error {
	if _, known := Reasons[code]; !known {
		return fmt.Errorf("%w: the reason is not in the list of reasons", ErrUnknown)
	}
	return nil
}

func nonceBytes(text string) (Digest, error) {
	var d Digest
	if len(text) != 2*len(d) || strings.ToLower(text) != text {
		return d, errors.New("a nonce is 64 lower-case hex digits")
	}
	if _, err := hex.Decode(d[:], []byte(text)); err != nil {
		return d, errors.New("a nonce is 64 lower-case hex digits")
	}
	return d, nil
}

// BundleSet is the digest of an attempt's node bundles (record ids), in any
// order.
func BundleSet(bundles []Digest) Digest { return setOf("joconde bundle set v1", bundles) }

// InputSet is the digest of an attempt's input receipts (record ids), in any
// order.
func InputSet(receipts []Digest) Digest { return setOf("joconde input set v1", receipts) }

// NoncesDigest is the digest of an attempt's nonces, as they stand in the
// AttemptNonce records (hex), by party.
func NoncesDigest(nonces map[PartyID]string) Digest {
	l := newLabelled("joconde nonces v1", len(nonces))
	for _, p := range slices.Sorted(maps.Keys(nonces)) {
		l.text(string(p))
		l.text(nonces[p])
	}
	return l.sum()
}

// CommitmentsDigest is the digest of what an input party is committed to in
// all attempts: its commitments, not its ciphertexts, which are always fresh.
func CommitmentsDigest(inputs []InputShare) Digest {
	l := newLabelled("joconde commitments v1", len(inputs))
	for i := range inputs {
		l.number(inputs[i].Input)
		l.number(len(inputs[i].Commitments))
		for _, c := range inputs[i].Commitments {
			l.text(string(c[:]))
		}
	}
	return l.sum()
}

// RecipientsDigest is the digest of which views go to whom in a transcript.
func RecipientsDigest(outputs []OutputRef) Digest {
	l := newLabelled("joconde recipients v1", len(outputs))
	for i := range outputs {
		l.text(outputs[i].View)
		l.text(string(outputs[i].To))
	}
	return l.sum()
}

func setOf(label string, members []Digest) Digest {
	sorted := slices.SortedFunc(slices.Values(members), func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	l := newLabelled(label, len(sorted))
	for _, d := range sorted {
		l.text(string(d[:]))
	}
	return l.sum()
}

// labelled hashes a label, a count and length-prefixed items: no two different
// lists are the same bytes.
type labelled struct{ h hash.Hash }

func newLabelled(label string, count int) labelled {
	l := labelled{sha256.New()}
	l.text(label)
	l.number(count)
	return l
}

func (l labelled) number(n int) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	l.h.Write(b[:])
}

func (l labelled) text(s string) {
	l.number(len(s))
	l.h.Write([]byte(s))
}

func (l labelled) sum() Digest { return Digest(l.h.Sum(nil)) }
