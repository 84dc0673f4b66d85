package oblivious

import (
	"context"
	"math/big"

	"joconde/lang/lower"
)

// operation computes the results of an instruction. Validate has checked its
// shapes. opening is the index of its declared opening, or -1.
type operation func(ctx context.Context, m *machine, in lower.Instr, opening int) ([]value, error)

// operations is the meaning of every operation; vector.go says it in words.
var operations = map[lower.Op]operation{
	lower.OpConst: func(_ context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		s := m.shape(in.Dst[0])
		if s.Ring > 0 {
			return []value{{ring: ConstRing(m.a, s.Rows, s.Ring, constant(in))}}, nil
		}
		return []value{{bits: ConstBits(m.a, s.Rows, s.Bits, constant(in))}}, nil
	},
	lower.OpXor: onBits(func(_ *machine, _ lower.Instr, _ lower.Shape, x []Bits) Bits { return Xor(x[0], x[1]) }),
	lower.OpNot: onBits(func(m *machine, _ lower.Instr, _ lower.Shape, x []Bits) Bits { return Not(m.a, x[0]) }),
	lower.OpCat: onBits(func(_ *machine, _ lower.Instr, _ lower.Shape, x []Bits) Bits { return Cat(x...) }),
	// A copy, so that a wide source can be freed while a slice of it lives on.
	lower.OpBits: onBits(func(_ *machine, in lower.Instr, d lower.Shape, x []Bits) Bits {
		return cloneBits(x[0].Slice(in.Int, d.Bits))
	}),
	lower.OpSpread: onBits(func(_ *machine, _ lower.Instr, d lower.Shape, x []Bits) Bits { return Spread(x[0], d.Bits) }),

	lower.OpAdd:    onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Add(x[0], x[1]) }),
	lower.OpSub:    onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Sub(x[0], x[1]) }),
	lower.OpNeg:    onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Neg(x[0]) }),
	lower.OpScale:  onRing(func(_ *machine, k *big.Int, x []Ring) Ring { return Scale(x[0], k) }),
	lower.OpOffset: onRing(func(m *machine, k *big.Int, x []Ring) Ring { return Offset(m.a, x[0], k) }),
	lower.OpPsum:   onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Psum(x[0]) }),
	lower.OpDiff:   onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Diff(x[0]) }),
	lower.OpTotal:  onRing(func(_ *machine, _ *big.Int, x []Ring) Ring { return Total(x[0]) }),

	lower.OpAppend: onRows(
		func(_ lower.Instr, _ lower.Shape, x []Bits) Bits { return Append(x...) },
		func(_ lower.Instr, _ lower.Shape, x []Ring) Ring { return AppendRing(x...) }),
	lower.OpHead: onRows(
		func(in lower.Instr, d lower.Shape, x []Bits) Bits { return Head(x[0], in.Int, d.Rows) },
		func(in lower.Instr, d lower.Shape, x []Ring) Ring { return HeadRing(x[0], in.Int, d.Rows) }),
	lower.OpDown: onRows(
		func(_ lower.Instr, _ lower.Shape, x []Bits) Bits { return Down(x[0]) },
		func(_ lower.Instr, _ lower.Shape, x []Ring) Ring { return DownRing(x[0]) }),
	lower.OpUp: onRows(
		func(_ lower.Instr, _ lower.Shape, x []Bits) Bits { return Up(x[0]) },
		func(_ lower.Instr, _ lower.Shape, x []Ring) Ring { return UpRing(x[0]) }),
	lower.OpFill: onRows(
		func(_ lower.Instr, d lower.Shape, x []Bits) Bits { return Fill(x[0], d.Rows) },
		func(_ lower.Instr, d lower.Shape, x []Ring) Ring { return FillRing(x[0], d.Rows) }),

	lower.OpAnd:  words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) { return and1(ctx, a, x[0], x[1]) }),
	lower.OpOr:   words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) { return Or(ctx, a, x[0], x[1]) }),
	lower.OpMask: words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) { return Mask(ctx, a, x[0], x[1]) }),
	lower.OpMux:  words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) { return Mux(ctx, a, x[0], x[1], x[2]) }),
	lower.OpEq:   pair(Equal),
	lower.OpLt:   pair(LessThan),
	lower.OpAddB: pair(AddBits),
	lower.OpSubB: pair(SubBits),
	lower.OpDivB: words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) { return DivBits(ctx, a, x[0], x[1]) }),
	lower.OpScanMin: words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) {
		return ScanMin(ctx, a, x[0], x[1])
	}),
	lower.OpScanMax: words(func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error) {
		return ScanMax(ctx, a, x[0], x[1])
	}),
	lower.OpEqC: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return one(EqualConst(ctx, m.a, m.bits(in.Src[0]), constant(in)))
	},
	lower.OpLtC: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return one(LessThanConst(ctx, m.a, m.bits(in.Src[0]), constant(in)))
	},
	lower.OpMulB: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return one(MulBits(ctx, m.a, m.bits(in.Src[0]), m.bits(in.Src[1]), m.shape(in.Dst[0]).Bits))
	},
	lower.OpMul: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return rings(m.a.Mul(ctx, []Ring{m.ring(in.Src[0])}, []Ring{m.ring(in.Src[1])}))
	},
	lower.OpToR: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return rings(m.a.ToRing(ctx, []Bits{m.bits(in.Src[0])}, []int{m.shape(in.Dst[0]).Ring}))
	},
	lower.OpToB: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return several(m.a.ToBits(ctx, []Ring{m.ring(in.Src[0])}, []int{m.shape(in.Dst[0]).Bits}))
	},

	lower.OpSort: func(ctx context.Context, m *machine, in lower.Instr, opening int) ([]value, error) {
		key := m.bits(in.Src[0])
		if key.N <= 1 {
			if err := openNothing(ctx, m.a, opening); err != nil {
				return nil, err
			}
		}
		got, err := m.order(ctx, m.a, opening, key, m.columns(in.Src[1:]))
		if err != nil {
			return nil, err
		}
		return m.restore(in.Dst, got), nil
	},
	lower.OpPartition: func(ctx context.Context, m *machine, in lower.Instr, opening int) ([]value, error) {
		bit := m.bits(in.Src[0])
		if bit.N <= 1 {
			if err := openNothing(ctx, m.a, opening); err != nil {
				return nil, err
			}
		}
		got, err := partition(ctx, m.a, opening, bit, m.columns(in.Src[1:]), m.shape(in.Dst[0]).Rows)
		if err != nil {
			return nil, err
		}
		return m.restore(in.Dst, got), nil
	},
	lower.OpShuffle: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		p := m.columns(in.Src)
		if m.shape(in.Src[0]).Rows > 1 {
			var err error
			if p, err = shuffle(ctx, m.a, p); err != nil {
				return nil, err
			}
		}
		return m.restore(in.Dst, p), nil
	},
	lower.OpCopyDown: func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return several(CopyDown(ctx, m.a, m.bits(in.Src[0]), m.columns(in.Src[1:]).bits))
	},
}

// openNothing opens a public zero. One row is in order already, but sessions
// refuse to pass over a declared opening.
func openNothing(ctx context.Context, a Arithmetic, opening int) error {
	_, err := a.OpenBits(ctx, opening, []Bits{NewBits(a.Components(), 1, 1)})
	return err
}

func one(x Bits, err error) ([]value, error) { return []value{{bits: x}}, err }

func several(xs []Bits, err error) ([]value, error) {
	out := make([]value, len(xs))
	for i, x := range xs {
		out[i].bits = x
	}
	return out, err
}

func rings(xs []Ring, err error) ([]value, error) {
	out := make([]value, len(xs))
	for i, x := range xs {
		out[i].ring = x
	}
	return out, err
}

func (m *machine) sources(in lower.Instr) []Bits {
	x := make([]Bits, len(in.Src))
	for i, r := range in.Src {
		x[i] = m.bits(r)
	}
	return x
}

func (m *machine) ringSources(in lower.Instr) []Ring {
	x := make([]Ring, len(in.Src))
	for i, r := range in.Src {
		x[i] = m.ring(r)
	}
	return x
}

// onBits, onRing and onRows make local operations: on words, on elements, and
// on rows of either.
func onBits(f func(m *machine, in lower.Instr, d lower.Shape, x []Bits) Bits) operation {
	return func(_ context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return []value{{bits: f(m, in, m.shape(in.Dst[0]), m.sources(in))}}, nil
	}
}

func onRing(f func(m *machine, k *big.Int, x []Ring) Ring) operation {
	return func(_ context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return []value{{ring: f(m, constant(in), m.ringSources(in))}}, nil
	}
}

func onRows(bits func(in lower.Instr, d lower.Shape, x []Bits) Bits, ring func(in lower.Instr, d lower.Shape, x []Ring) Ring) operation {
	return func(_ context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		d := m.shape(in.Dst[0])
		if d.Ring > 0 {
			return []value{{ring: ring(in, d, m.ringSources(in))}}, nil
		}
		return []value{{bits: bits(in, d, m.sources(in))}}, nil
	}
}

// words and pair make operations that exchange messages.
func words(f func(ctx context.Context, a Arithmetic, x []Bits) (Bits, error)) operation {
	return func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		return one(f(ctx, m.a, m.sources(in)))
	}
}

func pair(f func(ctx context.Context, a Arithmetic, x, y []Bits) ([]Bits, error)) operation {
	return func(ctx context.Context, m *machine, in lower.Instr, _ int) ([]value, error) {
		x := m.sources(in)
		return several(f(ctx, m.a, x[:1], x[1:]))
	}
}
