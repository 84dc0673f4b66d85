// Package clear is the reference engine: it computes a Program in the clear, on
// the original files, by lang/eval. It sees everything and protects nothing, so
// it is for development only, and every result of another engine can be held
// against it. It is not an engine.Engine on purpose: an engine is given shares
// of padded and encoded inputs and a lowered program, and a reference that
// started there would repeat, unseen, every mistake made on the way.
package clear

import (
	"joconde/dplane/engine"
	"joconde/lang/eval"
	"joconde/lang/ir"
)

// Info says that the engine protects nothing.
func Info() engine.Info {
	return engine.Info{
		Name:              "clear",
		Version:           "1",
		PartiesMin:        1,
		PartiesMax:        1,
		Majority:          "honest",
		Adversary:         "passive",
		Guarantee:         "none: it is the reference that other engines are compared with, and sees all data",
		BreaksPrivacy:     "the one party that runs it",
		BreaksCorrectness: "the one party that runs it",
		Source:            "ours",
		Development:       true,
	}
}

// Compute gives the rows of each view that the program grants, from the rows of
// each table by owner.table with all its columns.
func Compute(p *ir.Program, tables map[string]eval.Rows) (map[string]eval.Rows, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return eval.Run(p, tables)
}
