package rep3

import (
	"context"
	"errors"
	"fmt"

	"joconde/dplane/engine"
	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/engine/sharing"
	"joconde/dplane/session"
	"joconde/lang/lower"
)

// Engine is rep3 in the list of engines.
type Engine struct{}

// Info says what rep3 withstands, and what it does not.
func (Engine) Info() engine.Info {
	return engine.Info{
		Name:                 name,
		Version:              version,
		PartiesMin:           3,
		PartiesMax:           3,
		PrivacyThreshold:     1,
		CorrectnessThreshold: 0,
		Majority:             "honest",
		Adversary:            "passive",
		Guarantee:            "a node that follows the protocol and keeps all that it sees learns nothing about the inputs beyond public bounds and declared openings; one node that cheats can falsify results and may learn something about inputs; two that pool learn everything",
		BreaksPrivacy:        "any 2 of the 3 nodes that pool what they see, each by its operator or by a broken TEE; and 1 that cheats may learn something about inputs",
		BreaksCorrectness:    "any 1 of the 3 nodes that cheats",
		Source:               "ours",
	}
}

// Sharing is replicated sharing among three.
func (Engine) Sharing() engine.Sharing { return sharing.Replicated3{} }

// Check accepts every valid plan: rep3 supports all operations.
func (Engine) Check(plan engine.Plan) ([]engine.Disclosure, error) {
	if plan.Vector == nil {
		return nil, errors.New("rep3: the plan has no vector program")
	}
	if err := lower.Validate(plan.Vector); err != nil {
		return nil, fmt.Errorf("rep3: %w", err)
	}
	because := "the rows were put in a uniformly random order that no node knows, and no two of them compare as equal: the outcomes of the comparisons are those of a random order"
	switch plan.Options.Sort {
	case "", "quick":
	case "radix":
		because = "only uniformly random permutations are opened, and the messages are the same for all data"
	default:
		return nil, fmt.Errorf("rep3: there is no sort %q", plan.Options.Sort)
	}
	// One Disclosure for each kind of opening at a node.
	var all []engine.Disclosure
	known := map[engine.Disclosure]bool{}
	for _, o := range plan.Vector.Openings {
		d := engine.Disclosure{What: o.Why, Why: "what is opened is a uniformly random permutation", Node: o.Node}
		if plan.Vector.Code[o.Instr].Op == lower.OpSort {
			d.Why = because
		}
		if !known[d] {
			known[d] = true
			all = append(all, d)
		}
	}
	return all, nil
}

// Run computes the plan at one party. On every way out the keys and shares that
// it can reach are overwritten; what Go cannot promise is said at party.wipe.
func (e Engine) Run(ctx context.Context, plan engine.Plan, s session.Session, in [][]byte, progress func(done, total int)) ([][]byte, error) {
	return run(ctx, plan, s, in, progress, hooks{})
}

func run(ctx context.Context, plan engine.Plan, s session.Session, in [][]byte, progress func(done, total int), h hooks) ([][]byte, error) {
	if _, err := (Engine{}).Check(plan); err != nil {
		return nil, err
	}
	p, err := newParty(s, h)
	if err != nil {
		return nil, err
	}
	defer p.wipe()
	parts, err := p.readInputs(plan.Vector, in)
	if err != nil {
		return nil, err
	}
	defer parts.wipe()
	if err := p.setup(ctx, plan); err != nil {
		return nil, err
	}
	if err := p.compareInputs(ctx, plan.Vector, parts); err != nil {
		return nil, err
	}
	// It closes the pending checks, Check, before it returns.
	registers, err := oblivious.Run(ctx, p, plan.Vector, plan.Options, parts.registers(plan.Vector), progress)
	if err != nil {
		return nil, err
	}
	defer wipeRegisters(registers)
	return p.writeOutputs(plan.Vector, registers)
}

func wipeRegisters(registers map[lower.Reg]Bits) {
	for _, x := range registers {
		for _, component := range x.C {
			clear(component)
		}
	}
}
