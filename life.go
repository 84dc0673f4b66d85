package joconde

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
// these signers lead to phase To. All of a row must be there.
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
// else moves a task, least of all whoever coordinates.
var Life = []Row{
	{[]Phase{Proposed}, Agreed, []Need{{KindApproval, EveryRole}}},
	{[]Phase{Proposed}, Refused, []Need{{KindRefusal, AnyParty}}},
	{[]Phase{Agreed}, Established, []Need{{KindAttemptNonce, EveryParty}, {KindNodeBundle, EveryNode}, {KindAcceptance, EveryParty}}},
	{[]Phase{Established}, Loaded, []Need{{KindInputReceipt, EveryInput}, {KindReady, EveryNode}}},
	{[]Phase{Loaded}, Computed, []Need{{KindTranscript, EveryNode}}},
	{[]Phase{Agreed, Established, Loaded}, Aborted, []Need{{KindAbort, AnyPartyOrNode}}},
	{[]Phase{Aborted}, Agreed, []Need{{KindRetry, EveryParty}, {KindWipeReceipt, EveryBundled}}},
}

// Marks are what may become true of a task without moving it.
var Marks = []struct {
	In   []Phase
	Mark string
	Need Need
}{
	{[]Phase{Computed}, "Delivered", Need{KindResultReceipt, EveryOutput}},
	{[]Phase{Computed, Aborted}, "Wiped", Need{KindWipeReceipt, EveryBundled}},
}
