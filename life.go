package joconde

import "slices"

// Phase is where a task stands. Closed and Ended are not phases: they follow
// (State.Closed, State.Ended).
type Phase string

// The phases of a task.
const (
	Proposed    Phase = "Proposed"
	Refused     Phase = "Refused"
	Agreed      Phase = "Agreed"
	Established Phase = "Established"
	Loaded      Phase = "Loaded"
	Computed    Phase = "Computed"
	Aborted     Phase = "Aborted"
)

// Signer says who must sign for a step of the life of a task.
type Signer int

// The signers. The coordinator is none of them.
const (
	AnyParty       Signer = iota // one is enough
	AnyPartyOrNode               // one is enough
	EveryRole                    // every party, once in each of its roles
	EveryParty                   // every party, once
	EveryInput                   // every input party
	EveryOutput                  // every output party
	EveryNode                    // every node of the attempt
	EveryBundled                 // every node that has a logged bundle in the attempt
)

// Row is one line of the table: in phase From, records of these kinds from
// these signers lead to phase To. All of a row must be there, in the order of
// the needs: the next is taken only when all signers of the one before have
// signed, so that whoever signs knows what it rests on.
type Row struct {
	From []Phase
	To   Phase
	Need []Need
}

// Need is one kind of record and who must sign it.
type Need struct {
	Kind RecordKind
	By   Signer
}

// Life is the life of a task: all to go on, one to stop, all to wipe. Nothing
// else moves a task, least of all whoever coordinates. What a record must say
// beside who signs it is in guards (replay.go), by kind.
var Life = []Row{
	{[]Phase{Proposed}, Agreed, []Need{{KindApproval, EveryRole}}},
	{[]Phase{Proposed}, Refused, []Need{{KindRefusal, AnyParty}}},
	{[]Phase{Agreed}, Established, []Need{{KindAttemptNonce, EveryParty}, {KindNodeBundle, EveryNode}, {KindAcceptance, EveryParty}}},
	{[]Phase{Established}, Loaded, []Need{{KindInputReceipt, EveryInput}, {KindReady, EveryNode}}},
	{[]Phase{Loaded}, Computed, []Need{{KindTranscript, EveryNode}}},
	{[]Phase{Agreed, Established, Loaded}, Aborted, []Need{{KindAbort, AnyPartyOrNode}}},
	{[]Phase{Aborted}, Agreed, []Need{{KindWipeReceipt, EveryBundled}, {KindRetry, EveryParty}}},
}

// Mark is what may become true of a task without moving it.
type Mark struct {
	In   []Phase
	Mark string
	Need Need
}

// The names of the marks.
const (
	MarkDelivered   = "Delivered"
	MarkWiped       = "Wiped"
	MarkSplitsWiped = "SplitsWiped"
)

// Marks are the marks of a task. A split-wipe in Aborted closes the way to a
// retry: without the splits the same shares cannot be sent again.
var Marks = []Mark{
	{[]Phase{Computed}, MarkDelivered, Need{KindResultReceipt, EveryOutput}},
	{[]Phase{Computed, Aborted}, MarkWiped, Need{KindWipeReceipt, EveryBundled}},
	{[]Phase{Computed, Aborted, Refused}, MarkSplitsWiped, Need{KindSplitWipe, EveryInput}},
}

// one says that a single seat is enough.
func (by Signer) one() bool { return by == AnyParty || by == AnyPartyOrNode }

// seat is who signs: a party in a role (approvals only), or its node.
type seat struct {
	party PartyID
	role  Role
	node  bool
}

// seats lists who may sign as by in an attempt, in the order of the terms.
func (s *State) seats(by Signer, attempt int) []seat {
	var out []seat
	holders := func(r Role) {
		for i := range s.Task.Parties {
			if m := &s.Task.Parties[i]; slices.Contains(m.Roles, r) {
				out = append(out, seat{party: m.Party})
			}
		}
	}
	nodes := func(bundled bool) {
		for i := range s.Task.Computing {
			n := seat{party: s.Task.Computing[i].Party, node: true}
			if _, has := s.slots[slot{KindNodeBundle, attempt, n}]; has || !bundled {
				out = append(out, n)
			}
		}
	}
	switch by {
	case EveryRole:
		for i := range s.Task.Parties {
			m := &s.Task.Parties[i]
			for _, r := range m.Roles {
				out = append(out, seat{party: m.Party, role: r})
			}
		}
	case AnyParty, AnyPartyOrNode, EveryParty:
		for i := range s.Task.Parties {
			out = append(out, seat{party: s.Task.Parties[i].Party})
		}
		if by == AnyPartyOrNode {
			nodes(true)
		}
	case EveryInput:
		holders(InputParty)
	case EveryOutput:
		holders(OutputParty)
	case EveryNode:
		nodes(false)
	case EveryBundled:
		nodes(true)
	}
	return out
}
