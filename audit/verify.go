package audit

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"joconde"
	"joconde/record"
)

// Deps is what verifying needs from rooms that audit does not know. A nil
// function leaves its checks absent, and absent is not valid.
type Deps struct {
	// Recompile compiles the task's source for its rows, engine and sort, and
	// gives the digests of the program and of the statement.
	Recompile func(task *joconde.Task) (program, statement joconde.Digest, err error)
	// Appraise verifies a node's evidence offline: over the keys and nonces in
	// the bundle, on a chip and with a measurement that the terms admit for
	// this party. It must not panic.
	Appraise func(task *joconde.Task, node *joconde.NodeBundle) error
}

// Verify looks at a bundle file offline and believes nothing that it cannot
// check: it is the whole work of an auditor.
func Verify(bundle []byte, d Deps) *Report {
	v := &verification{Report: newReport(), deps: d}
	if v.open(bundle) && v.directory() && v.terms() {
		v.program()
		if v.logged() {
			v.replay()
			v.agreement()
			v.nodes()
			v.work()
			v.wiped()
			v.state()
		}
	}
	v.Valid = !slices.ContainsFunc(v.Checks, func(c Check) bool {
		return c.Status == Fail || c.Status == Absent && v.claims(c.ID)
	})
	return v.Report
}

type verification struct {
	*Report
	deps    Deps
	file    *contents
	ledger  *record.Ledger // from terms on
	task    *joconde.Task
	id      joconde.Digest
	records []*record.Record // those that count
	played  bool             // the ledger has had all records
}

func (v *verification) open(bundle []byte) bool {
	_, file, err := openBundle(bundle)
	v.file = file
	if err != nil {
		return v.settle(FileCanonical, err, "")
	}
	return v.settle(FileCanonical, nil, "%d bytes, %d records", len(bundle), len(file.records))
}

// directory opens every entry, each after the one that it replaces, and looks
// for those that the terms name.
func (v *verification) directory() bool {
	opened := map[joconde.Digest]*record.Record{}
	for i, raw := range v.file.organisations {
		err := func() error {
			seen, err := record.Peek(raw)
			if err != nil {
				return err
			}
			var before *record.Record
			if entry, ok := seen.Body.(*joconde.Organisation); ok && entry.Predecessor != nil {
				before = opened[*entry.Predecessor]
			}
			r, err := record.OpenOrganisation(raw, before)
			if err != nil {
				return err
			}
			if opened[r.ID] != nil {
				return errors.New("the same entry stands twice")
			}
			opened[r.ID] = r
			return nil
		}()
		if err != nil {
			return v.settle(DirectoryOrganisations, fmt.Errorf("entry %d: %w", i+1, err), "")
		}
	}
	return v.settle(DirectoryOrganisations, nil, "%d entries", len(opened))
}

func (v *verification) terms() bool {
	ledger, err := record.NewLedger(v.file.records[0], v.file.organisations)
	if err != nil {
		return v.settle(TaskSignature, err, "")
	}
	v.ledger = ledger
	v.task, v.id = ledger.Task()
	v.Task = v.id.String()
	return v.settle(TaskSignature, nil, "proposed by %s, %d parties", v.task.Proposer, len(v.task.Parties))
}

func (v *verification) program() {
	if v.deps.Recompile == nil {
		v.set(TaskProgram, Absent, "this verifier has no compiler")
		v.set(TaskStatement, Absent, "this verifier has no compiler")
		return
	}
	program, statement, err := v.deps.Recompile(v.task)
	switch {
	case err != nil:
		v.settle(TaskProgram, err, "")
		return
	case program != v.task.Program:
		v.set(TaskProgram, Fail, "the source compiles to %s and the terms say %s (compiler %s)", program, v.task.Program, v.task.Compiler)
		return
	}
	v.set(TaskProgram, Pass, "%s", program)
	if statement != v.task.Statement {
		v.set(TaskStatement, Fail, "made again it is %s and the terms say %s", statement, v.task.Statement)
		return
	}
	v.set(TaskStatement, Pass, "%s", statement)
}

// logged looks at the log's part. What was not logged is not replayed.
func (v *verification) logged() bool {
	checkpoint, err := OpenCheckpoint(v.task.LogKey, v.file.checkpoint)
	if !v.settle(LogCheckpoint, err, "%d entries", checkpoint.Size) {
		return false
	}
	for i, raw := range v.file.records {
		if err := checkpoint.includes(raw, v.file.proofs[i]); err != nil {
			return v.settle(LogInclusion, fmt.Errorf("record %d: %w", i, err), "")
		}
	}
	v.set(LogInclusion, Pass, "%d records", len(v.file.records))
	for i := 1; i < len(v.file.proofs); i++ {
		if v.file.proofs[i].Index <= v.file.proofs[i-1].Index {
			v.set(LogOrder, Fail, "record %d was logged before record %d", i, i-1)
			return false
		}
	}
	v.set(LogOrder, Pass, "from entry %d to entry %d", v.file.proofs[0].Index, v.file.proofs[len(v.file.proofs)-1].Index)
	return true
}

// checkOf says which check a kind of record belongs to.
var checkOf = map[joconde.RecordKind]string{
	joconde.KindApproval:      AgreementAll,
	joconde.KindAttemptNonce:  NodesEndorsed,
	joconde.KindNodeBundle:    NodesEndorsed,
	joconde.KindAcceptance:    NodesAccepted,
	joconde.KindInputReceipt:  InputsCommitted,
	joconde.KindReady:         InputsCommitted,
	joconde.KindTranscript:    ResultTranscripts,
	joconde.KindResultReceipt: ResultDelivered,
	joconde.KindWipeReceipt:   WipeReceipts,
}

// replay gives every record to the ledger. One that does not count fails the
// check of its kind, and the state: a bundle has nothing in it that does not
// count.
func (v *verification) replay() {
	for i, raw := range v.file.records[1:] {
		_, err := v.ledger.Add(raw)
		if err == nil {
			continue
		}
		err = fmt.Errorf("record %d does not count: %w", i+1, err)
		if seen, unreadable := record.Peek(raw); unreadable == nil && checkOf[seen.Kind] != "" {
			v.settle(checkOf[seen.Kind], err, "")
		}
		v.settle(LifeState, err, "")
	}
	v.records = v.ledger.Records()
	v.played = true
	v.State = name(v.ledger.State())
	for _, b := range bodies[joconde.NodeBundle](v.records) {
		v.Development = v.Development || development(b.Evidence.Platform)
	}
	v.Development = v.Development || v.task.Engine == "clear"
	if v.Development {
		v.NotProven = append(v.NotProven, notProvenDevelopment)
	}
}

// development says of a platform that it protects no memory.
func development(platform string) bool { return platform == "sim" || platform == "tpm" }

// name is a state in one word.
func name(s *joconde.State) string {
	switch {
	case s.Closed():
		return "Closed"
	case s.Phase == joconde.Aborted && s.Ended():
		return "Ended"
	}
	return string(s.Phase)
}

// bodies are the payloads of one type, in order.
func bodies[T any](records []*record.Record) []*T {
	var out []*T
	for _, r := range records {
		if body, ok := r.Body.(*T); ok {
			out = append(out, body)
		}
	}
	return out
}

// claims says whether the state that the records lead to rests on a check, so
// that it must not be absent.
func (v *verification) claims(id string) bool {
	if !v.played {
		return true
	}
	s := v.ledger.State()
	reached := func(phases ...joconde.Phase) bool { return slices.Contains(phases, s.Phase) }
	switch id {
	case AgreementAll:
		return !reached(joconde.Proposed, joconde.Refused)
	case NodesEndorsed, NodesAccepted:
		return reached(joconde.Established, joconde.Loaded, joconde.Computed)
	case NodesEvidence:
		return len(bodies[joconde.NodeBundle](v.records)) > 0
	case InputsCommitted:
		return reached(joconde.Loaded, joconde.Computed)
	case ResultTranscripts:
		return reached(joconde.Computed)
	case ResultDelivered:
		return s.Closed()
	case WipeReceipts:
		return s.Closed() || s.Ended() && s.Phase == joconde.Aborted
	}
	return true
}

// missing are names that should have signed and have not.
type missing []string

// due passes a check whose signers are all there, and else says who is not.
func (v *verification) due(id string, who missing, format string, args ...any) {
	if len(who) > 0 {
		v.set(id, Absent, "not there: %s", strings.Join(who, ", "))
		return
	}
	v.set(id, Pass, format, args...)
}

// The checks below count for themselves who has signed what, beside the
// ledger's state: two ways to the same answer.

func (v *verification) agreement() {
	type seat struct {
		party joconde.PartyID
		role  joconde.Role
	}
	signed := map[seat]bool{}
	for _, a := range bodies[joconde.Approval](v.records) {
		signed[seat{a.Party, a.Role}] = a.Statement == v.task.Statement
	}
	var open missing
	n := 0
	for i := range v.task.Parties {
		m := &v.task.Parties[i]
		for _, role := range m.Roles {
			if n++; !signed[seat{m.Party, role}] {
				open = append(open, fmt.Sprintf("%s as %s", m.Party, role))
			}
		}
	}
	v.due(AgreementAll, open, "%d approvals of %d parties", n, len(v.task.Parties))
}
