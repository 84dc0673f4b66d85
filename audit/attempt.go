package audit

import (
	"errors"
	"fmt"
	"slices"

	"joconde"
	"joconde/record"
)

// of are the records of one type in one attempt, by party.
func of[T any](records []*record.Record, attempt int) map[joconde.PartyID]*T {
	out := map[joconde.PartyID]*T{}
	for _, r := range records {
		if body, ok := r.Body.(*T); ok {
			if e, _, err := joconde.EventOf(r.ID, r.Body); err == nil && e.Attempt == attempt {
				out[e.Party] = body
			}
		}
	}
	return out
}

// ids are the record ids of one kind in one attempt.
func ids(records []*record.Record, kind joconde.RecordKind, attempt int) []joconde.Digest {
	var out []joconde.Digest
	for _, r := range records {
		if e, _, err := joconde.EventOf(r.ID, r.Body); r.Kind == kind && err == nil && e.Attempt == attempt {
			out = append(out, r.ID)
		}
	}
	return out
}

// nodes looks at who the nodes are: keys, evidence, and everybody's acceptance.
func (v *verification) nodes() {
	attempt := v.ledger.State().Attempt
	nonces := map[joconde.PartyID]string{}
	for party, n := range of[joconde.AttemptNonce](v.records, attempt) {
		nonces[party] = n.Nonce
	}
	bundles := of[joconde.NodeBundle](v.records, attempt)
	var open missing
	for i := range v.task.Parties {
		if party := v.task.Parties[i].Party; nonces[party] == "" {
			open = append(open, "the nonce of "+string(party))
		}
	}
	for i := range v.task.Computing {
		party := v.task.Computing[i].Party
		switch b := bundles[party]; {
		case b == nil:
			open = append(open, "the node of "+string(party))
		case b.Nonces != joconde.NoncesDigest(nonces):
			v.set(NodesEndorsed, Fail, "the node of %s is not fresh: it answers other nonces", party)
		}
	}
	v.due(NodesEndorsed, open, "%d nodes in attempt %d", len(bundles), attempt)
	v.evidence()

	set := joconde.BundleSet(ids(v.records, joconde.KindNodeBundle, attempt))
	accepted := of[joconde.Acceptance](v.records, attempt)
	open = nil
	for i := range v.task.Parties {
		if a := accepted[v.task.Parties[i].Party]; a == nil || a.Bundles != set {
			open = append(open, string(v.task.Parties[i].Party))
		}
	}
	v.due(NodesAccepted, open, "%d parties accepted the same %d nodes", len(accepted), len(bundles))
}

// evidence appraises every node of every attempt: also one that was aborted
// may have had data.
func (v *verification) evidence() {
	all := bodies[joconde.NodeBundle](v.records)
	switch {
	case len(all) == 0:
		v.set(NodesEvidence, Absent, "there is no node yet")
		return
	case v.deps.Appraise == nil:
		v.set(NodesEvidence, Absent, "this verifier knows no platform")
		return
	}
	platforms := map[string]int{}
	for _, b := range all {
		err := v.deps.Appraise(v.task, b)
		switch {
		case err != nil:
		case !slices.Contains(v.task.Platforms, b.Evidence.Platform):
			err = errors.New("the terms do not admit its platform")
		case development(b.Evidence.Platform) && !v.task.TestData:
			err = errors.New("its platform protects no memory, and the terms do not say test data")
		}
		if err != nil {
			v.set(NodesEvidence, Fail, "the node of %s in attempt %d: %s", b.Party, b.Attempt, because(err))
			return
		}
		platforms[b.Evidence.Platform]++
	}
	detail := ""
	for _, p := range v.task.Platforms {
		if n := platforms[p]; n > 0 {
			detail += fmt.Sprintf(", %d on %s", n, p)
		}
	}
	v.set(NodesEvidence, Pass, "%s", detail[2:])
}

// work looks at inputs, computation and results of the last attempt.
func (v *verification) work() {
	attempt := v.ledger.State().Attempt
	bundles := joconde.BundleSet(ids(v.records, joconde.KindNodeBundle, attempt))
	inputs := joconde.InputSet(ids(v.records, joconde.KindInputReceipt, attempt))
	sent := of[joconde.InputReceipt](v.records, attempt)
	ready := of[joconde.Ready](v.records, attempt)
	done := of[joconde.Transcript](v.records, attempt)
	got := of[joconde.ResultReceipt](v.records, attempt)

	var noInput, noReady, noTranscript, noResult missing
	for i := range v.task.Parties {
		m := &v.task.Parties[i]
		if r := sent[m.Party]; slices.Contains(m.Roles, joconde.InputParty) && (r == nil || r.Bundles != bundles) {
			noInput = append(noInput, "the receipt of "+string(m.Party))
		}
		if slices.Contains(m.Roles, joconde.OutputParty) && got[m.Party] == nil {
			noResult = append(noResult, string(m.Party))
		}
	}
	for i := range v.task.Computing {
		party := v.task.Computing[i].Party
		if r := ready[party]; r == nil || r.Inputs != inputs {
			noReady = append(noReady, "the node of "+string(party))
		}
		switch t := done[party]; {
		case t == nil || t.Inputs != inputs:
			noTranscript = append(noTranscript, "the node of "+string(party))
		case !sameRecipients(t, done[v.task.Computing[0].Party]):
			v.set(ResultTranscripts, Fail, "the node of %s names other views or recipients than the first", party)
		}
	}
	v.due(InputsCommitted, append(noInput, noReady...), "%d input parties, %d nodes", len(sent), len(ready))
	v.due(ResultTranscripts, noTranscript, "%d nodes", len(done))
	v.due(ResultDelivered, noResult, "%d output parties", len(got))
}

func sameRecipients(a, b *joconde.Transcript) bool {
	return b != nil && joconde.RecipientsDigest(a.Outputs) == joconde.RecipientsDigest(b.Outputs)
}

// wiped looks for the receipt of every node that ever was, of any attempt.
func (v *verification) wiped() {
	type node struct {
		attempt int
		party   joconde.PartyID
	}
	receipts := map[node]bool{}
	for _, w := range bodies[joconde.WipeReceipt](v.records) {
		receipts[node{w.Attempt, w.Party}] = true
	}
	var open missing
	for _, b := range bodies[joconde.NodeBundle](v.records) {
		if !receipts[node{b.Attempt, b.Party}] {
			open = append(open, fmt.Sprintf("the node of %s in attempt %d", b.Party, b.Attempt))
		}
	}
	phase := v.ledger.State().Phase
	if len(receipts) == 0 && len(open) == 0 && phase != joconde.Aborted {
		v.set(WipeReceipts, Absent, "there is no node yet")
		return
	}
	v.due(WipeReceipts, open, "%d receipts, and %d input parties wiped their split files", len(receipts), len(bodies[joconde.SplitWipe](v.records)))
}

// state says where the records lead, and what is still open.
func (v *verification) state() {
	s := v.ledger.State()
	detail := fmt.Sprintf("%s, attempt %d, %d records", v.State, s.Attempt, len(v.records))
	if stop, stopped := s.Stopped(); stopped {
		detail += fmt.Sprintf("; stopped by %s: %s", stop.Party, stop.Reason)
	}
	if open := s.Open(); len(open) > 0 {
		detail += fmt.Sprintf("; WipeUnconfirmed: %v", open)
	}
	v.set(LifeState, Pass, "%s", detail)
}
