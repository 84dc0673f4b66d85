// Package lang compiles programs: ISO SQL text to the Program that people
// sign. It sees no data and is not linked into a node. Every party compiles the
// same text again and compares digests before it signs, so the result depends
// on the text alone: not on the machine, the order of maps, or the time. Start
// with Compile; syntax, check, plan and ir are its steps.
package lang

import (
	"fmt"

	"joconde/lang/check"
	"joconde/lang/ir"
	"joconde/lang/plan"
	"joconde/lang/syntax"
)

// Compile gives the Program that a text means. file is for messages only. What
// is wrong with the text is *joconde.Problem or joconde.Problems; any other
// error is a bug of ours.
func Compile(file string, src []byte) (*ir.Program, error) {
	script, err := syntax.Parse(file, src)
	if script == nil {
		return nil, err
	}
	p, err := check.Program(file, src, script) // and what the parser refused
	if err != nil {
		return nil, err
	}
	p, err = plan.Optimise(p)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", file, err)
	}
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("compile %s: the compiler made a wrong program: %w", file, err)
	}
	return p, nil
}
