package cast

import (
	"encoding/hex"
	"fmt"
	"time"

	"joconde"
	"joconde/record"
)

// Play is a task of the cast, in which everybody does what is expected of him,
// one record a second. Its ledger may be used like any other.
type Play struct {
	*record.Ledger
	Envelope []byte // of the task
}

// Step is a record that a play's next is, before it is signed.
type Step struct {
	Kind joconde.RecordKind
	Body any
	Keys []*record.Key
}

// Sign makes the envelope of a step.
func (s Step) Sign() []byte { return must(record.Sign(s.Kind, s.Body, s.Keys...)) }

// NewPlay proposes Terms, after changing them.
func NewPlay(change ...func(*joconde.Task)) *Play {
	terms := Terms()
	for _, c := range change {
		c(terms)
	}
	envelope := must(record.Sign(joconde.KindTask, terms, Key(terms.Proposer, Approval)))
	l, err := record.NewLedger(envelope, Organisations())
	if err != nil {
		panic(err)
	}
	return &Play{l, envelope}
}

// Until plays on until the task is in a phase, and stops at once when it is.
func (p *Play) Until(phase joconde.Phase) *Play {
	return p.while(func() bool { return p.State().Phase != phase })
}

// Out plays until nobody has anything more to sign.
func (p *Play) Out() *Play { return p.while(func() bool { return true }) }

func (p *Play) while(more func() bool) *Play {
	for more() {
		waiting := p.State().Waiting()
		if len(waiting) == 0 {
			break
		}
		p.Do(p.Step(waiting[0]))
	}
	return p
}

// Do adds a step.
func (p *Play) Do(s Step) *record.Record {
	r, err := p.Add(s.Sign())
	if err != nil {
		panic(fmt.Errorf("%s: %w", s.Kind, err))
	}
	return r
}

// Envelopes are those of the play so far, the task first.
func (p *Play) Envelopes() [][]byte {
	var out [][]byte
	for _, r := range p.Records() {
		out = append(out, r.Envelope)
	}
	return out
}

// Step is the right record for whoever is waited for. It also knows refusals
// and aborts, for which nobody waits.
func (p *Play) Step(w joconde.Wanted) Step {
	state := p.State()
	terms, task := p.Task()
	attempt := state.Attempt
	at := joconde.FormatTime(Start.Add(time.Duration(len(p.Records())) * time.Second))
	operations, approval, node := Key(w.Party, Operations), Key(w.Party, Approval), NodeKey(w.Party, attempt)
	bundles, _ := state.Bundles()
	inputs, _ := state.Inputs()
	step := func(body any, keys ...*record.Key) Step { return Step{w.Kind, body, keys} }
	switch w.Kind {
	case joconde.KindApproval:
		return step(&joconde.Approval{Task: task, Party: w.Party, Role: w.Role, Statement: terms.Statement, At: at}, approval)
	case joconde.KindRefusal:
		return step(&joconde.Refusal{Task: task, Party: w.Party, Reason: "declined", At: at}, approval)
	case joconde.KindRetry:
		return step(&joconde.Retry{Task: task, Attempt: attempt + 1, Party: w.Party, At: at}, approval)
	case joconde.KindAttemptNonce:
		nonce := hex.EncodeToString(seed(w.Party, fmt.Sprintf("nonce %d", attempt)))
		return step(&joconde.AttemptNonce{Task: task, Attempt: attempt, Party: w.Party, Nonce: nonce, At: at}, operations)
	case joconde.KindNodeBundle:
		nonces, _ := state.Nonces()
		return step(&joconde.NodeBundle{Task: task, Attempt: attempt, Party: w.Party, Address: "127.0.0.1:4000",
			TLSPin: hex.EncodeToString(seed(w.Party, fmt.Sprintf("pin %d", attempt))), HPKEKey: hex.EncodeToString(UploadKey(w.Party, attempt).PublicKey().Bytes()),
			ReceiptKey: node.Public(), Nonces: nonces, Evidence: joconde.Evidence{Platform: terms.Platforms[0], Raw: "00"}, At: at}, node, operations)
	case joconde.KindAcceptance:
		return step(&joconde.Acceptance{Task: task, Attempt: attempt, Party: w.Party, Bundles: bundles, At: at}, operations)
	case joconde.KindInputReceipt:
		return step(&joconde.InputReceipt{Task: task, Attempt: attempt, Party: w.Party, Bundles: bundles, Inputs: p.shares(w.Party), At: at}, operations)
	case joconde.KindReady:
		return step(&joconde.Ready{Task: task, Attempt: attempt, Party: w.Party, Inputs: inputs, At: at}, node)
	case joconde.KindTranscript:
		return step(&joconde.Transcript{Task: task, Attempt: attempt, Party: w.Party, Inputs: inputs, Outputs: p.outputs(w.Party), Rounds: 12, Bytes: 3456, At: at}, node)
	case joconde.KindResultReceipt:
		return step(&joconde.ResultReceipt{Task: task, Attempt: attempt, Party: w.Party, At: at}, operations)
	case joconde.KindWipeReceipt:
		return step(&joconde.WipeReceipt{Task: task, Attempt: attempt, Party: w.Party, Destroyed: []string{"shares", "keys"},
			NotProven: []string{"that nobody read the memory of the machine"}, Exit: "done", At: at}, node, operations)
	case joconde.KindSplitWipe:
		return step(&joconde.SplitWipe{Task: task, Party: w.Party, Files: 3, At: at}, operations)
	case joconde.KindAbort:
		key := operations
		if w.Node {
			key = node
		}
		return step(&joconde.Abort{Task: task, Attempt: attempt, Party: w.Party, Node: w.Node, Reason: "person", At: at}, key)
	}
	panic("no step of a task: " + w.Kind)
}

// shares are a party's only input: the same commitments in every attempt, new
// ciphertexts in each.
func (p *Play) shares(party joconde.PartyID) []joconde.InputShare {
	terms, _ := p.Task()
	in := joconde.InputShare{}
	for i := range terms.Parties {
		if terms.Parties[i].Party == party {
			in.Input = i
		}
	}
	for node := range terms.Computing {
		in.Commitments = append(in.Commitments, label(fmt.Sprintf("%s commitment %d", party, node)))
		in.Ciphertexts = append(in.Ciphertexts, label(fmt.Sprintf("%s ciphertext %d %d", party, p.State().Attempt, node)))
	}
	return []joconde.InputShare{in}
}

func (p *Play) outputs(node joconde.PartyID) []joconde.OutputRef {
	terms, _ := p.Task()
	var out []joconde.OutputRef
	for i := range terms.Parties {
		for _, role := range terms.Parties[i].Roles {
			if role == joconde.OutputParty {
				to := terms.Parties[i].Party
				out = append(out, joconde.OutputRef{View: "result", To: to, Ciphertext: label(fmt.Sprintf("%s output to %s", node, to))})
			}
		}
	}
	return out
}
