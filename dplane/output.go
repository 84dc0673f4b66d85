package dplane

import (
	"fmt"

	"joconde/dplane/engine"
	"joconde/lang/ir"
)

// Open is the story of a recipient: it joins the parts of one output of the
// plan, which are in the order of the computing parties, and decodes the rows.
// Rows that do not exist are left out; the rest is in an order that says
// nothing.
func Open(plan engine.Plan, sharing engine.Sharing, output int, parts [][]byte) ([][]ir.Value, error) {
	o := plan.Vector.Outputs[output]
	words, err := sharing.Open(o.Rows, widths(o.Fields), parts)
	if err != nil {
		return nil, fmt.Errorf("open view %s: %w", o.View, err)
	}
	rows, err := Decode(o, plan.Program.Nodes[o.Node].Columns, words)
	if err != nil {
		return nil, fmt.Errorf("decode view %s: %w", o.View, err)
	}
	return rows, nil
}
