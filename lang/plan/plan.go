// Package plan rewrites a checked Program by a fixed list of rules, so that
// what one owner can compute is computed at the owner, what nobody uses is not
// sent, and equal programs have equal bytes. It is trusted to keep the meaning:
// every rule keeps the rows of every output exactly, NULLs included. Start with
// Rules; graph.go is what the rules work on.
package plan

import (
	"fmt"

	"joconde/lang/ir"
)

// Rule is one rewrite of a whole Program.
type Rule struct {
	Name     string
	Sentence string // what it does, for the reader of a plan
	apply    func(g *graph)
}

// Apply gives p after the rule, with nodes renumbered and Local and Unique
// derived again. p is not changed.
func (r Rule) Apply(p *ir.Program) *ir.Program {
	g := open(p)
	g.measure(g.order())
	r.apply(g)
	return g.program()
}

// Rules are applied in this order, again and again, until none changes anything.
var Rules = []Rule{
	{"share", "Equal nodes become one; nodes and tables that no output rests on disappear.", share},
	{"filter early", "Each condition moves as close to the tables it speaks of as it may.", filterEarly},
	{"compute early", "What one owner's columns alone determine is computed at that owner, below the joins.", computeEarly},
	{"merge projects", "A Project of a Project is one Project; a Project that changes nothing disappears.", mergeProjects},
	{"join inputs", "What one owner provides of the same rows is provided once.", joinInputs},
	{"prune", "Columns and aggregates that nobody uses disappear, down to the tables.", prune},
	{"number", "Nodes are numbered in canonical order; Local and Unique are derived again.", func(*graph) {}},
}

// Optimise gives the program that people sign: the same outputs, rewritten by
// Rules until none of them changes it. It is deterministic, and a second time
// changes nothing. An error is a bug of a rule, never of the program.
func Optimise(p *ir.Program) (*ir.Program, error) {
	// Each rule only ever moves work down, merges or removes, so the number of
	// rounds is bounded by the depth of the program. The limit catches a bug.
	limit := 64 + 4*len(p.Nodes)
	before := ""
	for range limit {
		for _, rule := range Rules {
			p = rule.Apply(p)
		}
		after := mustJSON(p)
		if after == before {
			return p, nil
		}
		before = after
	}
	return nil, fmt.Errorf("optimise: no fixed point after %d rounds", limit)
}
