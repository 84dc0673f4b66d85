package cast

import (
	"testing"

	"joconde"
)

func TestEverybodyDoesWhatIsExpected(t *testing.T) {
	p := NewPlay().Out()
	if !p.State().Closed() || len(p.State().Waiting()) != 0 {
		t.Errorf("the task is %s and not closed; waiting for %v", p.State().Phase, p.State().Waiting())
	}
}

func TestASecondAttemptAfterAnAbort(t *testing.T) {
	p := NewPlay().Until(joconde.Loaded)
	p.Do(p.Step(joconde.Wanted{Kind: joconde.KindAbort, Party: PT, Node: true}))
	p.Out()
	if !p.State().Closed() || p.State().Attempt != 2 {
		t.Errorf("the task is %s in attempt %d", p.State().Phase, p.State().Attempt)
	}
}

func TestTheKeysAreTheSameEveryTime(t *testing.T) {
	first, again := Key(EE, Approval).Public(), Key(EE, Approval).Public()
	if first != again || first == Key(EE, Operations).Public() || first == Key(AT, Approval).Public() {
		t.Error("the words do not make the key")
	}
}
