package joconde

// Role is what a party does in a task. One party may have several.
type Role string

// The roles of a task.
const (
	InputParty     Role = "input"     // provides tables
	ComputingParty Role = "computing" // operates one node
	OutputParty    Role = "output"    // learns a granted view
	Approver       Role = "approver"  // signs, and does nothing else: an auditor, a regulator
)

// RecordKind names a type of signed record. Its DSSE payload type is
// "application/vnd.joconde.<kind>.v1+json".
type RecordKind string

// The kinds of record. Organisation belongs to the directory, all others to
// one task. Who signs with which key is said at each payload below.
const (
	KindOrganisation  RecordKind = "organisation"
	KindTask          RecordKind = "task"
	KindApproval      RecordKind = "approval"
	KindRefusal       RecordKind = "refusal"
	KindAttemptNonce  RecordKind = "attempt-nonce"
	KindNodeBundle    RecordKind = "node-bundle"
	KindAcceptance    RecordKind = "acceptance"
	KindInputReceipt  RecordKind = "input-receipt"
	KindReady         RecordKind = "ready"
	KindTranscript    RecordKind = "transcript"
	KindResultReceipt RecordKind = "result-receipt"
	KindWipeReceipt   RecordKind = "wipe-receipt"
	KindSplitWipe     RecordKind = "split-wipe"
	KindAbort         RecordKind = "abort"
	KindRetry         RecordKind = "retry"
)

// Payloads are canonical JSON (package record): sorted keys, no null, no
// floats, integers below 2^53, NFC text. Byte strings (keys, nonces, evidence)
// are lower-case hex. Times are RFC 3339 in UTC with whole seconds.

// Organisation is a party's entry in the directory, signed by its own approval
// key and, if it has a predecessor, by the predecessor's approval key too.
type Organisation struct {
	Party         PartyID `json:"party"`
	LegalName     string  `json:"legal_name"`
	Contact       string  `json:"contact,omitempty"`
	ApprovalKey   string  `json:"approval_key"`   // Ed25519: a person's: approval, refusal, retry
	OperationsKey string  `json:"operations_key"` // Ed25519: the agent's: everything else
	ResultKey     string  `json:"result_key"`     // HPKE public key (MLKEM768-X25519) to which results are sealed
	ValidFrom     string  `json:"valid_from"`
	ValidUntil    string  `json:"valid_until"`
	Predecessor   *Digest `json:"predecessor,omitempty"` // record id of the entry that this one replaces
}

// Task is the terms of a computation task, signed by the proposer's approval
// key. Its record id is the task id. A changed task is another task.
type Task struct {
	Format    int      `json:"format"` // 1
	Title     string   `json:"title"`
	Purpose   string   `json:"purpose"`
	Legal     Legal    `json:"legal"`
	Nonce     string   `json:"nonce"` // 32 random bytes: two tasks never have one id
	Proposer  PartyID  `json:"proposer"`
	Parties   []Member `json:"parties"`   // in order of party; every party in every role signs
	Computing []Place  `json:"computing"` // in node order: node 1, node 2, …
	Source    string   `json:"source"`    // the program text
	Program   Digest   `json:"program"`   // of the compiled Program (ir.Digest)
	Statement Digest   `json:"statement"` // SHA-256 of the Statement's canonical JSON, with Rows
	Compiler  string   `json:"compiler"`  // version
	Lowering  string   `json:"lowering"`  // version
	Rows      []Bound  `json:"rows"`      // public row bound of each table, in order of table
	Engine    string   `json:"engine"`
	Sort      string   `json:"sort,omitempty"` // engine.Options
	Platforms []string `json:"platforms"`      // admissible platforms of nodes
	TestData  bool     `json:"test_data"`      // true: the tables are not real; only then sim and tpm are admitted
	LogKey    string   `json:"log_key"`        // verifier key of the log (note format); it counts in no row of the life table
	Deadlines Deadline `json:"deadlines"`
	Attempts  int      `json:"attempts"` // most attempts, 1 … 3
}

// Legal is what the annex says of a task.
type Legal struct {
	Basis      string   `json:"basis"`
	Categories []string `json:"categories,omitempty"` // of data subjects and data
	Retention  string   `json:"retention"`
}

// Member is a party of a task and the directory entry by which it is known.
type Member struct {
	Party  PartyID `json:"party"`
	Roles  []Role  `json:"roles"` // in byte order
	Record Digest  `json:"record"`
}

// Place is where a node runs: who operates it, and on which chips.
type Place struct {
	Party        PartyID  `json:"party"`
	Chips        []string `json:"chips"`        // admissible chip ids, as the platform names them
	Measurements []string `json:"measurements"` // admissible measurements of the node
}

// Bound is the public row bound of a table.
type Bound struct {
	Table string `json:"table"`
	Rows  int    `json:"rows"`
}

// Deadline are the signed times; a party that finds one passed signs an abort.
type Deadline struct {
	ApproveBy   string `json:"approve_by"`
	EstablishBy string `json:"establish_by"`
	InputBy     string `json:"input_by"`
	RunSeconds  int    `json:"run_seconds"`
	DeleteBy    string `json:"delete_by"`
}

// Approval is one party's consent in one role, by its approval key.
type Approval struct {
	Task      Digest  `json:"task"`
	Party     PartyID `json:"party"`
	Role      Role    `json:"role"`
	Statement Digest  `json:"statement"`
	At        string  `json:"at"`
}

// Refusal ends a proposed task, by the approval key of any one party.
type Refusal struct {
	Task   Digest  `json:"task"`
	Party  PartyID `json:"party"`
	Reason string  `json:"reason"` // a code of Reasons
	At     string  `json:"at"`
}

// AttemptNonce is every party's contribution to the freshness of evidence, by
// its operations key.
type AttemptNonce struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"`
	Party   PartyID `json:"party"`
	Nonce   string  `json:"nonce"` // 32 bytes
	At      string  `json:"at"`
}

// NodeBundle is a node's keys and the evidence that it is what it should be,
// signed by its receipt key and by its operator's operations key.
type NodeBundle struct {
	Task       Digest   `json:"task"`
	Attempt    int      `json:"attempt"`
	Party      PartyID  `json:"party"`
	Address    string   `json:"address"`     // host:port of the worker
	TLSPin     string   `json:"tls_pin"`     // SHA-256 of the worker's SPKI
	HPKEKey    string   `json:"hpke_key"`    // to which input shares are sealed
	ReceiptKey string   `json:"receipt_key"` // Ed25519, of the node
	Nonces     Digest   `json:"nonces"`      // see NoncesDigest
	Evidence   Evidence `json:"evidence"`
	At         string   `json:"at"`
}

// Evidence is what a platform vouches for, raw, with the collateral by which
// it can be verified offline.
type Evidence struct {
	Platform   string `json:"platform"`
	Raw        string `json:"raw"`
	Collateral string `json:"collateral,omitempty"`
}

// Acceptance says that a party has verified every bundle of the attempt, by
// its operations key.
type Acceptance struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"`
	Party   PartyID `json:"party"`
	Bundles Digest  `json:"bundles"` // see BundleSet
	At      string  `json:"at"`
}

// InputReceipt is what an input party sent, by its operations key.
type InputReceipt struct {
	Task    Digest       `json:"task"`
	Attempt int          `json:"attempt"`
	Party   PartyID      `json:"party"`
	Bundles Digest       `json:"bundles"`
	Inputs  []InputShare `json:"inputs"` // in the order of the plan's inputs of this party
	At      string       `json:"at"`
}

// InputShare is one input of the plan: a salted commitment for each share
// component, and the hash of each node's ciphertext.
type InputShare struct {
	Input       int      `json:"input"`       // index into Vector.Inputs
	Commitments []Digest `json:"commitments"` // by component: SHA-256(salt ‖ component)
	Ciphertexts []Digest `json:"ciphertexts"` // by node
}

// Ready says that a node has every input and that all match their receipts,
// by its receipt key.
type Ready struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"`
	Party   PartyID `json:"party"`
	Inputs  Digest  `json:"inputs"` // see InputSet
	At      string  `json:"at"`
}

// Transcript ends a node's computation, by its receipt key.
type Transcript struct {
	Task    Digest      `json:"task"`
	Attempt int         `json:"attempt"`
	Party   PartyID     `json:"party"`
	Inputs  Digest      `json:"inputs"`
	Outputs []OutputRef `json:"outputs"` // in the order of views, then of recipients
	Rounds  int         `json:"rounds"`
	Bytes   int         `json:"bytes"`
	At      string      `json:"at"`
}

// OutputRef is one sealed share of a view for one recipient.
type OutputRef struct {
	View       string  `json:"view"`
	To         PartyID `json:"to"`
	Ciphertext Digest  `json:"ciphertext"`
}

// ResultReceipt says that an output party has opened its views, by its
// operations key.
type ResultReceipt struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"`
	Party   PartyID `json:"party"`
	At      string  `json:"at"`
}

// WipeReceipt says that the worker has exited and what was destroyed with it,
// by the node's receipt key and its operator's operations key.
type WipeReceipt struct {
	Task      Digest   `json:"task"`
	Attempt   int      `json:"attempt"`
	Party     PartyID  `json:"party"`
	Destroyed []string `json:"destroyed"`  // from a fixed vocabulary
	NotProven []string `json:"not_proven"` // what software cannot prove, in fixed sentences
	Exit      string   `json:"exit"`       // how the worker ended: done | aborted | killed
	At        string   `json:"at"`
}

// SplitWipe says that an input party's agent has wiped its split files and
// salts, by its operations key.
type SplitWipe struct {
	Task  Digest  `json:"task"`
	Party PartyID `json:"party"`
	Files int     `json:"files"`
	At    string  `json:"at"`
}

// Abort stops an attempt, by any one party's operations key, or by the receipt
// key of a node of the attempt (Node true).
type Abort struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"`
	Party   PartyID `json:"party"`
	Node    bool    `json:"node"`
	Reason  string  `json:"reason"` // a code of Reasons
	Blames  PartyID `json:"blames,omitempty"`
	At      string  `json:"at"`
}

// Retry agrees to one more attempt, by every party's approval key.
type Retry struct {
	Task    Digest  `json:"task"`
	Attempt int     `json:"attempt"` // the new one
	Party   PartyID `json:"party"`
	At      string  `json:"at"`
}

// Reasons are the codes of refusals and aborts: nothing else may be said in a
// record, so that nothing about data can be.
var Reasons = map[string]string{
	"declined":     "the party does not agree",
	"policy":       "the party's own policy refuses the terms",
	"deadline":     "a signed deadline has passed",
	"evidence":     "a node's evidence does not verify",
	"bundle":       "a node's keys are not those that were logged, or there are two bundles",
	"input":        "an input does not match its receipt",
	"peer":         "a computing party died, stalled or sent what the protocol does not allow",
	"engine":       "the engine stopped",
	"operator":     "an operator stopped the node",
	"person":       "a person stopped the task",
	"log":          "the log contradicts itself",
	"fault":        "a local fault: disk, memory or time",
	"equivocation": "two different records stand for one",
}
