package lower

import (
	"fmt"
	"math/big"
	"slices"
)

// limits of a vector program: more than any task needs, few enough that a
// hostile one cannot make a node allocate without bound before it runs.
const (
	maxRegs = 1 << 20
	maxBits = 1 << 16
)

// Validate says whether v can be interpreted: registers assigned once and
// before use, shapes that fit, constants in range, fields that can be encoded
// and decoded, and an opening declared for each instruction that opens values
// and for no other. It is the only gate before an engine runs v.
func Validate(v *Vector) error {
	c := &checking{v: v, set: make([]bool, len(v.Regs))}
	if v.Format != 1 {
		return fmt.Errorf("validate: vector program of format %d", v.Format)
	}
	if len(v.Regs) > maxRegs || len(v.Code) > maxRegs {
		return fmt.Errorf("validate: more than %d registers or instructions", maxRegs)
	}
	for i, s := range v.Regs {
		bits, ring := s.Bits > 0 && s.Bits <= maxBits, s.Ring == 32 || s.Ring == 64 || s.Ring == 128
		if s.Rows < 1 || s.Rows > 1<<31 || bits == ring || s.Bits < 0 || (s.Ring != 0 && !ring) {
			return fmt.Errorf("validate: register %d has no shape", i)
		}
	}
	for i, in := range v.Inputs {
		for _, f := range in.Fields {
			if err := c.assign(f.Reg); err != nil {
				return fmt.Errorf("validate: input %d: %w", i, err)
			}
		}
		if err := c.fields(in.Node, in.Rows, in.Fields); err != nil {
			return fmt.Errorf("validate: input %d: %w", i, err)
		}
	}
	opening := 0
	for i, instr := range v.Code {
		opens := instr.Op == OpSort || instr.Op == OpPartition
		declared := opening < len(v.Openings) && v.Openings[opening].Instr == i
		switch {
		case opens && !declared:
			return fmt.Errorf("validate: instruction %d opens without a declaration", i)
		case declared && !opens:
			return fmt.Errorf("validate: instruction %d (%s) opens nothing, and an opening is declared", i, instr.Op)
		case declared && v.Openings[opening].Node != instr.Node:
			return fmt.Errorf("validate: the opening of instruction %d is declared for another node", i)
		case declared:
			opening++
		}
		if err := c.instr(instr); err != nil {
			return fmt.Errorf("validate: instruction %d (%s): %w", i, instr.Op, err)
		}
	}
	if opening != len(v.Openings) {
		return fmt.Errorf("validate: opening %d belongs to no instruction, or out of order", opening)
	}
	for i, out := range v.Outputs {
		for _, f := range out.Fields {
			if !c.known(f.Reg) {
				return fmt.Errorf("validate: output %d: register %d is not assigned", i, f.Reg)
			}
		}
		if err := c.fields(out.Node, out.Rows, out.Fields); err != nil {
			return fmt.Errorf("validate: output %d: %w", i, err)
		}
	}
	return nil
}

type checking struct {
	v   *Vector
	set []bool
}

func (c *checking) known(r Reg) bool { return r >= 0 && int(r) < len(c.set) && c.set[r] }

func (c *checking) assign(r Reg) error {
	if r < 0 || int(r) >= len(c.set) {
		return fmt.Errorf("register %d does not exist", r)
	}
	if c.set[r] {
		return fmt.Errorf("register %d is assigned twice", r)
	}
	c.set[r] = true
	return nil
}

// fields checks the registers of an input or output and what stands in them.
func (c *checking) fields(node, rows int, fields []Field) error {
	type place struct {
		what   What
		column int
	}
	seen := map[place]bool{}
	if node < 0 {
		return fmt.Errorf("there is no node %d", node)
	}
	for _, f := range fields {
		at := place{f.What, f.Column}
		switch s := c.v.Regs[f.Reg]; {
		case s.Ring != 0 || s.Bits != f.Enc.Bits || s.Rows != rows:
			return fmt.Errorf("register %d is not %d rows of %d bits", f.Reg, rows, f.Enc.Bits)
		case seen[at]:
			return fmt.Errorf("register %d says what another does", f.Reg)
		case !f.sane():
			return fmt.Errorf("register %d has an encoding that is none", f.Reg)
		}
		seen[at] = true
	}
	return nil
}

// sane says that values can be encoded and decoded.
func (f Field) sane() bool {
	enc := f.Enc
	switch f.What {
	case Valid:
		return f.Column == -1 && bitEncoding.equal(enc)
	case Present:
		return f.Column >= 0 && bitEncoding.equal(enc)
	case Cell:
	default:
		return false
	}
	if f.Column < 0 || (enc.Lo != "") != (enc.Kind == Offset) || (len(enc.Codes) > 0) != (enc.Kind == Code) {
		return false
	}
	switch enc.Kind {
	case Offset:
		lo, ok := new(big.Int).SetString(enc.Lo, 10)
		return ok && lo.String() == enc.Lo
	case Code:
		for i, code := range enc.Codes {
			if i > 0 && enc.Codes[i-1] >= code {
				return false
			}
		}
		return bitsFor(big.NewInt(int64(len(enc.Codes)-1))) == enc.Bits
	case Packed:
		return enc.Bits%8 == 0
	}
	return enc.Kind == Hashed && enc.Bits == hashBits
}

func (enc Encoding) equal(other Encoding) bool {
	return enc.Kind == other.Kind && enc.Bits == other.Bits && enc.Lo == other.Lo && slices.Equal(enc.Codes, other.Codes)
}

// instr checks one instruction against the shape of its operation.
func (c *checking) instr(i Instr) error {
	for _, r := range i.Src {
		if !c.known(r) {
			return fmt.Errorf("source %d is not assigned", r)
		}
	}
	for _, r := range i.Dst {
		if err := c.assign(r); err != nil {
			return err
		}
	}
	check, ok := shapes[i.Op]
	if !ok {
		return fmt.Errorf("unknown operation")
	}
	if i.Node < 0 {
		return fmt.Errorf("there is no node %d", i.Node)
	}
	src, dst := make([]Shape, len(i.Src)), make([]Shape, len(i.Dst))
	for k, r := range i.Src {
		src[k] = c.v.Regs[r]
	}
	for k, r := range i.Dst {
		dst[k] = c.v.Regs[r]
	}
	if !check(i, dst, src) {
		return fmt.Errorf("operands %v ← %v do not fit", dst, src)
	}
	return nil
}

// bits and ring say that all shapes have that carrier.
func bits(s ...Shape) bool {
	for _, x := range s {
		if x.Bits == 0 {
			return false
		}
	}
	return true
}

func ring(s ...Shape) bool {
	for _, x := range s {
		if x.Ring == 0 {
			return false
		}
	}
	return true
}

func equal(s ...Shape) bool {
	for _, x := range s {
		if x != s[0] {
			return false
		}
	}
	return true
}

func sameRows(s ...Shape) bool {
	for _, x := range s {
		if x.Rows != s[0].Rows {
			return false
		}
	}
	return true
}

// within says that n of size, from first on, exist; first may be any number.
func within(first, n, size int) bool { return first >= 0 && n <= size && first <= size-n }

func oneBit(s Shape) bool { return s.Bits == 1 }

// constantFits says that i.Const is a canonical integer below 2^bits.
func constantFits(i Instr, bits int) bool {
	n, ok := new(big.Int).SetString(i.Const, 10)
	return ok && n.Sign() >= 0 && n.BitLen() <= bits && n.String() == i.Const
}

type shapeCheck func(i Instr, dst, src []Shape) bool

// same: all operands of one shape; carrier as given.
func same(n int, carrier func(...Shape) bool) shapeCheck {
	return func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == n && carrier(s...) && equal(append(s, d...)...)
	}
}

func test(constant bool) shapeCheck {
	return func(i Instr, d, s []Shape) bool {
		n := 2
		if constant {
			n = 1
		}
		return len(d) == 1 && len(s) == n && bits(s...) && equal(s...) && oneBit(d[0]) && sameRows(d[0], s[0]) &&
			(!constant || constantFits(i, s[0].Bits))
	}
}

func scan(_ Instr, d, s []Shape) bool {
	return len(d) == 1 && len(s) == 2 && oneBit(s[0]) && bits(s[1]) && equal(d[0], s[1]) && sameRows(s...)
}

// payload: sources after the first skip match the results after the first
// skipDst, except for their rows, which are rows in every result.
func payload(d, s []Shape, rows int) bool {
	if len(d) != len(s) {
		return false
	}
	for i := range d {
		if d[i].Bits != s[i].Bits || d[i].Ring != s[i].Ring || d[i].Rows != rows {
			return false
		}
	}
	return true
}

var shapes = map[Op]shapeCheck{
	OpConst: func(i Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 0 && constantFits(i, d[0].Bits+d[0].Ring)
	},
	OpXor: same(2, bits), OpNot: same(1, bits), OpAnd: same(2, bits), OpOr: same(2, bits),
	OpAddB: same(2, bits), OpSubB: same(2, bits), OpScanMin: scan, OpScanMax: scan,
	OpAdd: same(2, ring), OpSub: same(2, ring), OpNeg: same(1, ring), OpMul: same(2, ring),
	OpPsum: same(1, ring), OpDiff: same(1, ring),
	OpScale:  func(i Instr, d, s []Shape) bool { return same(1, ring)(i, d, s) && constantFits(i, d[0].Ring) },
	OpOffset: func(i Instr, d, s []Shape) bool { return same(1, ring)(i, d, s) && constantFits(i, d[0].Ring) },
	OpEq:     test(false), OpLt: test(false), OpEqC: test(true), OpLtC: test(true),
	OpCat: func(_ Instr, d, s []Shape) bool {
		n := 0
		for _, x := range s {
			n += x.Bits
		}
		return len(d) == 1 && len(s) > 0 && bits(s...) && sameRows(append(s, d...)...) && d[0].Bits == n
	},
	OpBits: func(i Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && bits(s[0], d[0]) && sameRows(s[0], d[0]) && within(i.Int, d[0].Bits, s[0].Bits)
	},
	OpSpread: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && oneBit(s[0]) && bits(d[0]) && sameRows(s[0], d[0])
	},
	OpTotal: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && ring(s[0]) && d[0] == Shape{Ring: s[0].Ring, Rows: 1}
	},
	OpAppend: func(_ Instr, d, s []Shape) bool {
		n := 0
		for _, x := range s {
			n += x.Rows
		}
		for _, x := range s {
			x.Rows = n
			if len(d) != 1 || x != d[0] {
				return false
			}
		}
		return len(s) > 0
	},
	OpHead: func(i Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && payload(d, s, d[0].Rows) && within(i.Int, d[0].Rows, s[0].Rows)
	},
	OpDown: same(1, func(...Shape) bool { return true }), OpUp: same(1, func(...Shape) bool { return true }),
	OpFill: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && s[0].Rows == 1 && payload(d, s, d[0].Rows)
	},
	OpMask: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 2 && oneBit(s[0]) && bits(s[1]) && equal(s[1], d[0]) && sameRows(s...)
	},
	OpMux: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 3 && oneBit(s[0]) && bits(s[1]) && equal(s[1], s[2], d[0]) && sameRows(s...)
	},
	OpToR: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && bits(s[0]) && ring(d[0]) && sameRows(s[0], d[0]) && s[0].Bits <= d[0].Ring
	},
	OpToB: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 1 && ring(s[0]) && bits(d[0]) && sameRows(s[0], d[0]) && d[0].Bits <= s[0].Ring
	},
	OpMulB: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 2 && bits(s...) && bits(d[0]) && sameRows(s[0], s[1], d[0])
	},
	OpDivB: func(_ Instr, d, s []Shape) bool {
		return len(d) == 1 && len(s) == 2 && bits(s...) && equal(d[0], s[0]) && sameRows(s...)
	},
	OpSort: func(_ Instr, d, s []Shape) bool {
		return len(s) > 0 && bits(s[0]) && sameRows(s...) && payload(d, s, s[0].Rows)
	},
	OpPartition: func(_ Instr, d, s []Shape) bool {
		return len(s) > 1 && len(d) > 0 && oneBit(s[0]) && sameRows(s...) && payload(d, s[1:], d[0].Rows) && d[0].Rows <= s[0].Rows
	},
	OpShuffle: func(_ Instr, d, s []Shape) bool {
		return len(s) > 0 && sameRows(s...) && payload(d, s, s[0].Rows)
	},
	OpCopyDown: func(_ Instr, d, s []Shape) bool {
		return len(s) > 1 && oneBit(s[0]) && bits(s...) && sameRows(s...) && payload(d, s[1:], s[0].Rows)
	},
}
