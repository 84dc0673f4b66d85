package audit

import (
	"errors"
	"fmt"

	"joconde"
)

// Status is the outcome of a check.
type Status string

// The statuses of a check.
const (
	Pass   Status = "pass"
	Fail   Status = "fail"
	Absent Status = "absent" // could not be made: not yet due, something is missing, or an earlier check failed
)

// Check is one thing that was looked at.
type Check struct {
	ID     string `json:"id"`
	Status Status `json:"status"`
	Proves string `json:"proves"` // what it proves where it passes
	Detail string `json:"detail"`
}

// Report is what Verify found.
type Report struct {
	Format      int      `json:"format"`
	Task        string   `json:"task"`  // "" where the file does not say
	Valid       bool     `json:"valid"` // nothing failed, and nothing is absent that the state claims
	State       string   `json:"state"` // a phase, or Closed or Ended; "" where it cannot be known
	Development bool     `json:"development"`
	Checks      []Check  `json:"checks"`     // all of them, in the order of the table in docs/formats.md
	NotProven   []string `json:"not_proven"` // what no check proves
}

// The checks by id. The ids are stable and never used for anything else.
const (
	FileCanonical          = "file.canonical"
	DirectoryOrganisations = "directory.organisations"
	TaskSignature          = "task.signature"
	TaskProgram            = "task.program"
	TaskStatement          = "task.statement"
	LogCheckpoint          = "log.checkpoint"
	LogInclusion           = "log.inclusion"
	LogOrder               = "log.order"
	AgreementAll           = "agreement.all"
	NodesEndorsed          = "nodes.endorsed"
	NodesEvidence          = "nodes.evidence"
	NodesAccepted          = "nodes.accepted"
	InputsCommitted        = "inputs.committed"
	ResultTranscripts      = "result.transcripts"
	ResultDelivered        = "result.delivered"
	WipeReceipts           = "wipe.receipts"
	LifeState              = "life.state"
)

// proves are all checks in their order, with what each proves.
var proves = []struct{ id, sentence string }{
	{FileCanonical, "The file is whole and has one meaning: no byte can be read in two ways."},
	{DirectoryOrganisations, "Every party has signed its own keys with its approval key, and a changed entry also with the key before."},
	{TaskSignature, "The terms are, byte for byte, what the proposer's approval key has signed, and name the keys of every party."},
	{TaskProgram, "Compiling the program's source again gives the very program that the terms name."},
	{TaskStatement, "The statement of who learns what, made again from the program, is the one that the parties approved."},
	{LogCheckpoint, "The log that the terms name has signed for its contents up to a point."},
	{LogInclusion, "Every record here is in that log, byte for byte."},
	{LogOrder, "The records were logged in the order in which they stand here."},
	{AgreementAll, "Every party has approved these terms, once in each of its roles, with its approval key."},
	{NodesEndorsed, "Every node's keys are signed by the node and by its operator, and are fresh for this attempt."},
	{NodesEvidence, "The platform of every node vouches for its measurement, chip and keys, as the terms demand."},
	{NodesAccepted, "Every party says that it has verified the very same set of nodes before any data moved."},
	{InputsCommitted, "Every input party has committed to what it sent, and every node says that it got just that."},
	{ResultTranscripts, "Every node says that it finished on these inputs, and to whom its sealed outputs go."},
	{ResultDelivered, "Every output party says that it has opened its result."},
	{WipeReceipts, "Every node and its operator say that the worker has ended and what was destroyed with it."},
	{LifeState, "Played again from the records alone, the task is in this state."},
}

// NotProven are the sentences that stand under every report: what records and
// software cannot prove.
var NotProven = []string{
	"That the inputs were true: a party is held to what it sent, not to the facts.",
	"That memory stayed secret beyond what each node's platform promises; that a broken or forged platform made no copy.",
	"That no more nodes worked together against the rules than the engine withstands.",
	"That shares and keys exist nowhere any more: receipts say what was destroyed, by the word of the node and its operator.",
	"That the log shows everybody the same: until every party is its witness, a log can show two histories.",
	"That nothing else of this task was logged or signed: the file proves what is in it, not what was left out.",
	"When anything happened: times are what the signers wrote.",
}

const notProvenDevelopment = "That data was protected from the operators of the nodes: platforms for development (sim, tpm) or the engine clear took part, which is fit for test data only."

// newReport begins with every check absent.
func newReport() *Report {
	r := &Report{Format: Format, Checks: make([]Check, len(proves)), NotProven: append([]string{}, NotProven...)}
	for i := range proves {
		r.Checks[i] = Check{ID: proves[i].id, Status: Absent, Proves: proves[i].sentence, Detail: "an earlier check failed, on which this one rests"}
	}
	return r
}

func (r *Report) check(id string) *Check {
	for i := range r.Checks {
		if r.Checks[i].ID == id {
			return &r.Checks[i]
		}
	}
	panic("audit: no check has the id " + id)
}

func (r *Report) set(id string, status Status, format string, args ...any) {
	c := r.check(id)
	if c.Status != Fail { // the first failure is the one to show
		c.Status, c.Detail = status, fmt.Sprintf(format, args...)
	}
}

// settle passes or fails a check and says whether it passed.
func (r *Report) settle(id string, err error, format string, args ...any) bool {
	if err != nil {
		r.set(id, Fail, "%s", because(err))
		return false
	}
	r.set(id, Pass, format, args...)
	return true
}

// because writes an error as a detail: what, and why.
func because(err error) string {
	var p *joconde.Problem
	if errors.As(err, &p) && p.Why != "" {
		return p.Error() + " (" + p.Why + ")"
	}
	return err.Error()
}

// FirstFailure is the first check that failed, if one did.
func (r *Report) FirstFailure() (Check, bool) {
	for i := range r.Checks {
		if r.Checks[i].Status == Fail {
			return r.Checks[i], true
		}
	}
	return Check{}, false
}
