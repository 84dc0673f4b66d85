package main

import (
	"testing"

	"joconde/lang"
	"joconde/lang/lower"
)

// The estimate for the demo is not below what its nodes were measured to need,
// and not so far above that it refuses what fits. It grows with the bounds.
func TestNodeMemory(t *testing.T) {
	program, err := lang.Compile("demo.sql", []byte(demoProgram))
	if err != nil {
		t.Fatal(err)
	}
	need := func(rows int) float64 {
		v, err := lower.Lower(program, map[string]int{"register.person": rows, "tax.earner": rows})
		if err != nil {
			t.Fatal(err)
		}
		return nodeMemory(v)
	}
	const measured = 274e6
	if got := need(1 << 16); got < measured || got > 3*measured {
		t.Errorf("%.0f MB estimated for %.0f MB measured", got/1e6, measured/1e6)
	}
	if small, great := need(1<<10), need(1<<20); small >= great/30 || small < 15e6 {
		t.Errorf("%.0f MB for 1,024 rows, %.0f MB for 1,048,576", small/1e6, great/1e6)
	}
}
