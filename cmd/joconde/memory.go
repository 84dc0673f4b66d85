package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"joconde"
	"joconde/lang/lower"
)

// enoughMemory refuses a plan that this computer cannot hold: without it the
// system ends some process at some moment, and says nothing of use.
func (c *computation) enoughMemory() error {
	free, known := freeMemory()
	if !known {
		return nil
	}
	node, nodes := nodeMemory(c.plan.Vector), c.engine.Info().PartiesMin
	// We hold the parts of all nodes while we send them.
	if ours := float64(nodes) * inputMemory(c.plan.Vector); node*float64(nodes)+ours <= free {
		return nil
	}
	return &joconde.Problem{Code: "JOC-R023", What: "the plan needs more memory than this computer has free", Where: c.file, Exit: joconde.ExitPolicy,
		Why: fmt.Sprintf("the plan needs about %s at each of %d nodes, this computer has %s free", gigabytes(node), nodes, gigabytes(free)),
		Do:  "lower the row bounds with --rows, close other programs, or try it on a part of the rows"}
}

// held is how much memory the shares of a register take at a node: two
// components, in bit planes of 64 rows to a word.
func held(s lower.Shape) float64 {
	return 2 * 8 * float64(s.Bits+s.Ring) * float64((s.Rows+63)/64)
}

// inputMemory is how much the parts of all inputs take at a node.
func inputMemory(v *lower.Vector) float64 {
	sum := 0.0
	for _, input := range v.Inputs {
		for _, f := range input.Fields {
			sum += held(v.Regs[f.Reg])
		}
	}
	return sum
}

// nodeMemory estimates what a plan needs at a node, from the most that
// registers, each from its making to its last use, the work of an instruction,
// and the parts of the inputs take at a time. The factors are what was
// measured, from a thousand rows to a million: for the buffers of sorting and
// of messages, and for what the garbage collector lets pass. In float64, as a
// plan can be larger than any integer.
func nodeMemory(v *lower.Vector) float64 {
	last := make([]int, len(v.Regs))
	for i, instr := range v.Code {
		for _, r := range instr.Src {
			last[r] = i
		}
	}
	for _, o := range v.Outputs {
		for _, f := range o.Fields {
			last[f.Reg] = len(v.Code)
		}
	}
	live, peak := inputMemory(v), 0.0
	for i, instr := range v.Code {
		work := 0.0
		for _, r := range instr.Dst {
			live += held(v.Regs[r])
			work += held(v.Regs[r])
		}
		for _, r := range instr.Src {
			work += held(v.Regs[r])
		}
		peak = max(peak, live+work)
		for _, r := range append(instr.Src[:len(instr.Src):len(instr.Src)], instr.Dst...) {
			if last[r] <= i && last[r] >= 0 {
				live -= held(v.Regs[r])
				last[r] = -1 // once
			}
		}
	}
	peak += inputMemory(v)
	return 15e6 + 7*peak + min(10*peak, 150e6)
}

// freeMemory is what Linux says could be had without swapping.
func freeMemory() (bytes float64, known bool) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "MemAvailable:" && words[2] == "kB" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return float64(n) * 1024, err == nil
		}
	}
	return 0, false
}

// gigabytes writes an amount of memory for people.
func gigabytes(n float64) string {
	if n < 1e10 {
		return fmt.Sprintf("%.1f GB", n/1e9)
	}
	return grouped(int64(min(n, 1e18)/1e9)) + " GB"
}
