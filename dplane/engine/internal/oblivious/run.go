package oblivious

import (
	"context"
	"errors"
	"fmt"
	"math/big"

	"joconde/dplane/engine"
	"joconde/lang/lower"
)

// maxWords is the most words that a register may take in one component.
const maxWords = 1 << 31

// Run interprets a vector program on one party's shares: in holds the registers
// that v.Inputs name, the result those that v.Outputs name. Instructions run
// one after the other, so the messages are a function of v, of opt and of the
// bits opened so far. Run closes all pending checks before it returns.
func Run(ctx context.Context, a Arithmetic, v *lower.Vector, opt engine.Options, in map[lower.Reg]Bits, progress func(done, total int)) (map[lower.Reg]Bits, error) {
	if err := check(a, v, opt, in); err != nil {
		return nil, err
	}
	m := &machine{a: a, v: v, regs: make([]value, len(v.Regs)), order: sortRows}
	if opt.Sort == "radix" {
		m.order = radixSort
	}
	for r, x := range in {
		m.regs[r].bits = x
	}
	openings := map[int]int{}
	for opening, o := range v.Openings {
		openings[o.Instr] = opening
	}
	free := lastUses(v)
	for i, instr := range v.Code {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		opening, declared := openings[i]
		if !declared {
			opening = -1
		}
		dst, err := operations[instr.Op](ctx, m, instr, opening)
		if err != nil {
			return nil, fmt.Errorf("instruction %d (%s): %w", i, instr.Op, err)
		}
		if len(dst) != len(instr.Dst) {
			return nil, fmt.Errorf("instruction %d (%s): %d results for %d registers", i, instr.Op, len(dst), len(instr.Dst))
		}
		for k, r := range instr.Dst {
			if err := dst[k].fits(v.Regs[r], a.Components()); err != nil {
				return nil, fmt.Errorf("instruction %d (%s): %w", i, instr.Op, err)
			}
			m.regs[r] = dst[k]
		}
		for _, r := range free[i] {
			m.regs[r] = value{}
		}
		if progress != nil {
			progress(i+1, len(v.Code))
		}
	}
	if err := a.Check(ctx); err != nil {
		return nil, err
	}
	out := map[lower.Reg]Bits{}
	for _, o := range v.Outputs {
		for _, f := range o.Fields {
			out[f.Reg] = m.regs[f.Reg].bits
		}
	}
	return out, nil
}

// check refuses, before anything is sent, what Run could not interpret.
func check(a Arithmetic, v *lower.Vector, opt engine.Options, in map[lower.Reg]Bits) error {
	if v == nil {
		return errors.New("there is no vector program")
	}
	if opt.Sort != "" && opt.Sort != "quick" && opt.Sort != "radix" {
		return fmt.Errorf("there is no sort %q", opt.Sort)
	}
	for r, s := range v.Regs {
		if s.Rows < 0 || s.Rows > maxRows {
			return fmt.Errorf("register %d has %d rows", r, s.Rows)
		}
	}
	for i, instr := range v.Code {
		if operations[instr.Op] == nil {
			return fmt.Errorf("instruction %d: there is no operation %q", i, instr.Op)
		}
	}
	if err := lower.Validate(v); err != nil {
		return err
	}
	for r, s := range v.Regs {
		if s.Bits*Words(s.Rows) > maxWords {
			return fmt.Errorf("register %d takes more than %d words", r, maxWords)
		}
	}
	named := 0
	for _, input := range v.Inputs {
		for _, f := range input.Fields {
			x, found := in[f.Reg]
			if !found {
				return fmt.Errorf("register %d has no input", f.Reg)
			}
			if err := (value{bits: x}).fits(v.Regs[f.Reg], a.Components()); err != nil {
				return fmt.Errorf("input register %d: %w", f.Reg, err)
			}
			named++
		}
	}
	if named != len(in) {
		return fmt.Errorf("%d input registers for the %d that the program names", len(in), named)
	}
	return nil
}

// lastUses lists for each instruction the registers that nothing needs after it.
func lastUses(v *lower.Vector) [][]lower.Reg {
	last := make([]int, len(v.Regs))
	for r := range last {
		last[r] = -1
	}
	for i, instr := range v.Code {
		for _, r := range instr.Dst {
			last[r] = i
		}
		for _, r := range instr.Src {
			last[r] = i
		}
	}
	for _, o := range v.Outputs {
		for _, f := range o.Fields {
			last[f.Reg] = -1
		}
	}
	free := make([][]lower.Reg, len(v.Code))
	for r, i := range last {
		if i >= 0 {
			free[i] = append(free[i], lower.Reg(r))
		}
	}
	return free
}

// machine is the state of one Run.
type machine struct {
	a     Arithmetic
	v     *lower.Vector
	regs  []value
	order func(ctx context.Context, a Arithmetic, opening int, key Bits, p columns) (columns, error)
}

// value is what a register holds: one of both.
type value struct {
	bits Bits
	ring Ring
}

// fits says whether x has the shape s and as many words as that needs.
func (x value) fits(s lower.Shape, components int) error {
	n, w, k, words, c := x.bits.N, x.bits.W, x.ring.K, s.Bits*Words(s.Rows), x.bits.C
	if s.Ring > 0 {
		n, words, c = x.ring.N, s.Rows*limbs(s.Ring), x.ring.C
	}
	if n != s.Rows || w != s.Bits || k != s.Ring || len(c) != components {
		return errShape
	}
	for i := range c {
		if len(c[i]) != words {
			return errShape
		}
	}
	return nil
}

func (m *machine) bits(r lower.Reg) Bits         { return m.regs[r].bits }
func (m *machine) ring(r lower.Reg) Ring         { return m.regs[r].ring }
func (m *machine) shape(r lower.Reg) lower.Shape { return m.v.Regs[r] }

// columns collects registers of both carriers; restore undoes it, in the order
// of the registers that were collected.
func (m *machine) columns(regs []lower.Reg) columns {
	var p columns
	for _, r := range regs {
		if m.shape(r).Ring > 0 {
			p.rings = append(p.rings, m.ring(r))
		} else {
			p.bits = append(p.bits, m.bits(r))
		}
	}
	return p
}

func (m *machine) restore(regs []lower.Reg, p columns) []value {
	out := make([]value, len(regs))
	bits, rings := p.bits, p.rings
	for i, r := range regs {
		if m.shape(r).Ring > 0 {
			out[i].ring, rings = rings[0], rings[1:]
		} else {
			out[i].bits, bits = bits[0], bits[1:]
		}
	}
	return out
}

// constant is the public constant of an instruction, which Validate has read.
func constant(in lower.Instr) *big.Int {
	k, ok := new(big.Int).SetString(in.Const, 10)
	if !ok {
		return new(big.Int)
	}
	return k
}
