package oblivious

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"joconde/dplane/engine"
	"joconde/lang/lower"

	"pgregory.net/rapid"
)

var allOperations = []lower.Op{
	lower.OpConst, lower.OpXor, lower.OpNot, lower.OpCat, lower.OpBits, lower.OpSpread, lower.OpAdd, lower.OpSub, lower.OpNeg,
	lower.OpScale, lower.OpOffset, lower.OpPsum, lower.OpDiff, lower.OpTotal, lower.OpAppend, lower.OpHead, lower.OpDown,
	lower.OpUp, lower.OpFill, lower.OpAnd, lower.OpOr, lower.OpMask, lower.OpMux, lower.OpEq, lower.OpLt, lower.OpEqC, lower.OpLtC,
	lower.OpMul, lower.OpToR, lower.OpToB, lower.OpAddB, lower.OpSubB, lower.OpMulB, lower.OpDivB, lower.OpSort, lower.OpPartition,
	lower.OpShuffle, lower.OpCopyDown, lower.OpScanMin, lower.OpScanMax,
}

func TestEveryOperationHasATest(t *testing.T) {
	if len(allOperations) != len(operations) {
		t.Errorf("%d operations are tested of %d", len(allOperations), len(operations))
	}
}

// anyInstr draws an instruction without registers, and its shapes.
func anyInstr(s *stream, op lower.Op) (in lower.Instr, dst, src []lower.Shape) {
	n := []int{1, 2, 63, 64, 65, 130}[s.below(6)]
	w := []int{1, 7, 31, 32, 33, 63, 64, 65, 100, 127, 128}[s.below(11)]
	k := []int{32, 64, 128}[s.below(3)]
	bits := func(w int) lower.Shape { return lower.Shape{Bits: w, Rows: n} }
	ring := func() lower.Shape { return lower.Shape{Ring: k, Rows: n} }
	either := func() lower.Shape {
		if s.below(2) == 0 {
			return bits(w)
		}
		return ring()
	}
	in.Op = op
	shapes := func(of ...lower.Shape) []lower.Shape { return of }
	switch op {
	case lower.OpConst:
		d := either()
		in.Const = s.number(d.Bits + d.Ring).String()
		dst = shapes(d)
	case lower.OpXor, lower.OpAnd, lower.OpOr, lower.OpAddB, lower.OpSubB:
		dst, src = shapes(bits(w)), shapes(bits(w), bits(w))
	case lower.OpNot:
		dst, src = shapes(bits(w)), shapes(bits(w))
	case lower.OpCat:
		dst, src = shapes(bits(w+8)), shapes(bits(w), bits(5), bits(3))
	case lower.OpBits:
		in.Int = s.below(w)
		dst, src = shapes(bits(1+s.below(w-in.Int))), shapes(bits(w))
	case lower.OpSpread:
		dst, src = shapes(bits(w)), shapes(bits(1))
	case lower.OpAdd, lower.OpSub, lower.OpMul:
		dst, src = shapes(ring()), shapes(ring(), ring())
	case lower.OpScale, lower.OpOffset:
		in.Const = s.number(k).String()
		dst, src = shapes(ring()), shapes(ring())
	case lower.OpNeg, lower.OpPsum, lower.OpDiff:
		dst, src = shapes(ring()), shapes(ring())
	case lower.OpTotal:
		dst, src = shapes(lower.Shape{Ring: k, Rows: 1}), shapes(ring())
	case lower.OpAppend:
		x := either()
		y, d := x, x
		y.Rows, d.Rows = 1+s.below(70), 0
		src = shapes(x, y, x)
		d.Rows = 2*x.Rows + y.Rows
		dst = shapes(d)
	case lower.OpHead:
		x := either()
		d := x
		in.Int = s.below(n)
		d.Rows = 1 + s.below(n-in.Int)
		dst, src = shapes(d), shapes(x)
	case lower.OpDown, lower.OpUp:
		x := either()
		dst, src = shapes(x), shapes(x)
	case lower.OpFill:
		x := either()
		dst = shapes(x)
		x.Rows = 1
		src = shapes(x)
	case lower.OpMask:
		dst, src = shapes(bits(w)), shapes(bits(1), bits(w))
	case lower.OpMux:
		dst, src = shapes(bits(w)), shapes(bits(1), bits(w), bits(w))
	case lower.OpEq, lower.OpLt:
		dst, src = shapes(bits(1)), shapes(bits(w), bits(w))
	case lower.OpEqC, lower.OpLtC:
		in.Const = s.number(w).String()
		dst, src = shapes(bits(1)), shapes(bits(w))
	case lower.OpToR:
		dst, src = shapes(ring()), shapes(bits(1+s.below(k)))
	case lower.OpToB:
		dst, src = shapes(bits(1+s.below(k))), shapes(ring())
	case lower.OpMulB:
		dst, src = shapes(bits(1+s.below(150))), shapes(bits(w), bits(1+s.below(90)))
	case lower.OpDivB:
		dst, src = shapes(bits(w)), shapes(bits(w), bits(1+s.below(90)))
	case lower.OpSort:
		dst = shapes(bits(1+s.below(12)), either(), either())
		src = dst
	case lower.OpShuffle:
		dst = shapes(either(), either(), bits(3))
		src = dst
	case lower.OpPartition:
		src = shapes(bits(1), either(), either())
		dst = slices.Clone(src[1:])
		keep := 1 + s.below(n)
		dst[0].Rows, dst[1].Rows = keep, keep
	case lower.OpCopyDown:
		src = shapes(bits(1), bits(w), bits(7))
		dst = src[1:]
	case lower.OpScanMin, lower.OpScanMax:
		src = shapes(bits(1), bits(w))
		dst = src[1:]
	}
	return in, dst, src
}

// meaning computes an instruction on integers, by the words of vector.go.
func meaning(in lower.Instr, dst []lower.Shape, x [][]*big.Int, src []lower.Shape) [][]*big.Int {
	rows := dst[0].Rows
	width := dst[0].Bits + dst[0].Ring
	k, _ := new(big.Int).SetString(in.Const, 10)
	zero := new(big.Int)
	each := func(f func(i int) *big.Int) [][]*big.Int {
		out := make([]*big.Int, rows)
		for i := range out {
			out[i] = modulo(new(big.Int).Set(f(i)), width)
		}
		return [][]*big.Int{out}
	}
	row := func(column []*big.Int, i int) *big.Int {
		if i < 0 || i >= len(column) {
			return zero
		}
		return column[i]
	}
	binary := func(f func(z, a, b *big.Int) *big.Int) [][]*big.Int {
		return each(func(i int) *big.Int { return f(new(big.Int), x[0][i], x[1][i]) })
	}
	all := func(w int) *big.Int {
		return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(w)), big.NewInt(1))
	}
	choose := func(c, a, b *big.Int) *big.Int {
		if c.Sign() > 0 {
			return a
		}
		return b
	}
	scan := func(column []*big.Int, better func(now, before *big.Int) bool) []*big.Int {
		out := slices.Clone(column)
		for i := 1; i < len(out); i++ {
			if x[0][i].Sign() == 0 && !better(out[i], out[i-1]) {
				out[i] = out[i-1]
			}
		}
		return out
	}
	move := func(order []int, columns [][]*big.Int, keep int) [][]*big.Int {
		out := make([][]*big.Int, len(columns))
		for c := range columns {
			for _, i := range order[:keep] {
				out[c] = append(out[c], columns[c][i])
			}
		}
		return out
	}
	order := make([]int, src0Rows(src))
	for i := range order {
		order[i] = i
	}
	switch in.Op {
	case lower.OpConst:
		return each(func(int) *big.Int { return k })
	case lower.OpXor:
		return binary((*big.Int).Xor)
	case lower.OpAnd:
		return binary((*big.Int).And)
	case lower.OpOr:
		return binary((*big.Int).Or)
	case lower.OpAdd, lower.OpAddB:
		return binary((*big.Int).Add)
	case lower.OpSub, lower.OpSubB:
		return binary((*big.Int).Sub)
	case lower.OpMul, lower.OpMulB:
		return binary((*big.Int).Mul)
	case lower.OpDivB:
		return binary(func(z, a, b *big.Int) *big.Int {
			if b.Sign() == 0 {
				return zero
			}
			return z.Div(a, b)
		})
	case lower.OpMask:
		return binary((*big.Int).Mul)
	case lower.OpEq:
		return binary(func(_, a, b *big.Int) *big.Int { return asBit(a.Cmp(b) == 0) })
	case lower.OpLt:
		return binary(func(_, a, b *big.Int) *big.Int { return asBit(a.Cmp(b) < 0) })
	case lower.OpEqC:
		return each(func(i int) *big.Int { return asBit(x[0][i].Cmp(k) == 0) })
	case lower.OpLtC:
		return each(func(i int) *big.Int { return asBit(x[0][i].Cmp(k) < 0) })
	case lower.OpNot:
		return each(func(i int) *big.Int { return new(big.Int).Xor(x[0][i], all(width)) })
	case lower.OpCat:
		return each(func(i int) *big.Int {
			out, at := new(big.Int), uint(0)
			for c := range x {
				out.Or(out, new(big.Int).Lsh(x[c][i], at))
				at += uint(src[c].Bits)
			}
			return out
		})
	case lower.OpBits:
		return each(func(i int) *big.Int { return new(big.Int).Rsh(x[0][i], uint(in.Int)) })
	case lower.OpSpread:
		return each(func(i int) *big.Int { return new(big.Int).Mul(x[0][i], all(width)) })
	case lower.OpNeg:
		return each(func(i int) *big.Int { return new(big.Int).Neg(x[0][i]) })
	case lower.OpScale:
		return each(func(i int) *big.Int { return new(big.Int).Mul(x[0][i], k) })
	case lower.OpOffset:
		return each(func(i int) *big.Int { return new(big.Int).Add(x[0][i], k) })
	case lower.OpPsum, lower.OpTotal:
		sum := new(big.Int)
		var sums []*big.Int
		for _, v := range x[0] {
			sum = new(big.Int).Add(sum, v)
			sums = append(sums, sum)
		}
		return each(func(i int) *big.Int {
			if in.Op == lower.OpTotal {
				return sum
			}
			return sums[i]
		})
	case lower.OpDiff:
		return each(func(i int) *big.Int { return new(big.Int).Sub(x[0][i], row(x[0], i-1)) })
	case lower.OpAppend:
		rows := slices.Concat(x...)
		return each(func(i int) *big.Int { return rows[i] })
	case lower.OpHead:
		return each(func(i int) *big.Int { return x[0][in.Int+i] })
	case lower.OpDown:
		return each(func(i int) *big.Int { return row(x[0], i-1) })
	case lower.OpUp:
		return each(func(i int) *big.Int { return row(x[0], i+1) })
	case lower.OpFill:
		return each(func(int) *big.Int { return x[0][0] })
	case lower.OpMux:
		return each(func(i int) *big.Int { return choose(x[0][i], x[1][i], x[2][i]) })
	case lower.OpToR, lower.OpToB:
		return each(func(i int) *big.Int { return x[0][i] })
	case lower.OpSort:
		slices.SortStableFunc(order, func(i, j int) int { return x[0][i].Cmp(x[0][j]) })
		return move(order, x, rows)
	case lower.OpPartition:
		slices.SortStableFunc(order, func(i, j int) int { return x[0][j].Cmp(x[0][i]) })
		return move(order, x[1:], rows)
	case lower.OpCopyDown:
		never := func(_, _ *big.Int) bool { return false }
		return [][]*big.Int{scan(x[1], never), scan(x[2], never)}
	case lower.OpScanMin:
		return [][]*big.Int{scan(x[1], func(a, b *big.Int) bool { return a.Cmp(b) < 0 })}
	case lower.OpScanMax:
		return [][]*big.Int{scan(x[1], func(a, b *big.Int) bool { return a.Cmp(b) > 0 })}
	}
	return nil
}

func src0Rows(src []lower.Shape) int {
	if len(src) == 0 {
		return 0
	}
	return src[0].Rows
}

func TestEveryOperationMeansWhatItsCommentSays(t *testing.T) {
	for _, op := range allOperations {
		t.Run(string(op), rapid.MakeCheck(func(rt *rapid.T) {
			s := newStream(rapid.Uint64().Draw(rt, "seed"))
			in, dst, src := anyInstr(s, op)
			x := make([][]*big.Int, len(src))
			for k, shape := range src {
				x[k] = s.numbers(shape.Rows, shape.Bits+shape.Ring)
				for i := range x[k] {
					if op == lower.OpDivB && k == 1 && x[k][i].Sign() == 0 {
						x[k][i] = big.NewInt(1)
					}
				}
			}
			p := &plain{permute: s.permutation, components: 1 + s.below(3)}
			opt := engine.Options{Sort: []string{"", "quick", "radix"}[s.below(3)]}
			var shuffled []int32
			if op == lower.OpShuffle {
				shuffled = s.permutation(src[0].Rows)
				p.permute = func(int) []int32 { return shuffled }
				if len(shuffled) == 1 {
					shuffled = []int32{0}
				}
			}
			got, err := runProgram(p, program(in, dst, src), opt, x)
			if err != nil {
				rt.Fatal(err)
			}
			want := meaning(in, dst, x, src)
			if op == lower.OpShuffle {
				for c := range x {
					var column []*big.Int
					for _, from := range shuffled {
						column = append(column, x[c][from])
					}
					want = append(want, column)
				}
			}
			for i := range want {
				for r := range want[i] {
					if len(got[i]) != len(want[i]) || got[i][r].Cmp(want[i][r]) != 0 {
						rt.Fatalf("%v: result %d, row %d is %v, want %v", program(in, dst, src), i, r, got[i][r], want[i][r])
					}
				}
			}
		}))
	}
}

// field is the one field of an input or output.
func field(r lower.Reg, bits int) []lower.Field {
	return []lower.Field{{Reg: r, What: lower.Cell, Enc: lower.Encoding{Kind: lower.Offset, Bits: bits, Lo: "0"}}}
}

// survey sorts a column, keeps the two largest values, and adds them.
func survey() *lower.Vector {
	b := func(w, n int) lower.Shape { return lower.Shape{Bits: w, Rows: n} }
	return &lower.Vector{
		Format: 1,
		Regs:   []lower.Shape{b(8, 5), b(8, 5), b(8, 2), b(8, 1), b(8, 1), b(8, 1), b(1, 5), b(8, 1), {Ring: 32, Rows: 5}},
		Inputs: []lower.Input{{Rows: 5, Fields: field(0, 8)}},
		Code: []lower.Instr{
			{Op: lower.OpSort, Dst: []lower.Reg{1}, Src: []lower.Reg{0}},
			{Op: lower.OpHead, Dst: []lower.Reg{2}, Src: []lower.Reg{1}, Int: 3},
			{Op: lower.OpHead, Dst: []lower.Reg{3}, Src: []lower.Reg{2}},
			{Op: lower.OpHead, Dst: []lower.Reg{4}, Src: []lower.Reg{2}, Int: 1},
			{Op: lower.OpAddB, Dst: []lower.Reg{5}, Src: []lower.Reg{3, 4}},
			{Op: lower.OpLtC, Dst: []lower.Reg{6}, Src: []lower.Reg{1}, Const: "50"},
			{Op: lower.OpPartition, Dst: []lower.Reg{7}, Src: []lower.Reg{6, 1}},
			{Op: lower.OpToR, Dst: []lower.Reg{8}, Src: []lower.Reg{1}},
		},
		Outputs:  []lower.Output{{View: "sum", Rows: 1, Fields: field(5, 8)}, {View: "least", Rows: 1, Fields: field(7, 8)}},
		Openings: []lower.Opening{{Instr: 0}, {Instr: 6}},
	}
}

func numbers(values ...int64) []*big.Int {
	out := make([]*big.Int, len(values))
	for i, v := range values {
		out[i] = big.NewInt(v)
	}
	return out
}

func TestAProgramRunsFromInputsToOutputs(t *testing.T) {
	var first *plain
	for _, order := range []string{"quick", "radix", "quick"} {
		p, steps := &plain{permute: newStream(3).permutation}, []string{}
		in := map[lower.Reg]Bits{0: p.share(8, numbers(40, 7, 99, 100, 3))}
		out, err := Run(t.Context(), p, survey(), engine.Options{Sort: order}, in, func(done, total int) {
			steps = append(steps, fmt.Sprint(done, "/", total))
		})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "sum of the two largest", p.value(out[5]), numbers(199))
		wantNumbers(t, "least", p.value(out[7]), numbers(3))
		if len(out) != 2 {
			t.Errorf("%d results for 2 outputs", len(out))
		}
		if len(steps) != 8 || steps[7] != "8/8" {
			t.Errorf("progress was %v", steps)
		}
		if p.openings[0] != 0 || p.openings[len(p.openings)-1] != 1 || !slices.IsSorted(p.openings) {
			t.Errorf("openings were made as %v", p.openings)
		}
		if first == nil {
			first = p
		} else if order == "quick" && !slices.Equal(first.trace, p.trace) {
			t.Error("the same run sent something else")
		}
	}
}

func TestOneRowStillMakesTheOpeningThatItsProgramDeclares(t *testing.T) {
	s := lower.Shape{Bits: 3, Rows: 1}
	for _, op := range []lower.Op{lower.OpSort, lower.OpPartition} {
		p := &plain{}
		src := []lower.Shape{{Bits: 1, Rows: 1}, s}
		dst := src
		if op == lower.OpPartition {
			dst = src[1:]
		}
		got, err := runProgram(p, program(lower.Instr{Op: op}, dst, src), engine.Options{}, [][]*big.Int{numbers(1), numbers(5)})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbers(t, "the row", got[len(got)-1], numbers(5))
		if len(p.opened) != 1 || p.opened[0][0] != 0 {
			t.Errorf("%s opened %v, want one public zero", op, p.opened)
		}
	}
}

func TestMalformedProgramsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	cases := []struct {
		name   string
		change func(v *lower.Vector)
	}{
		{"a sort without a declared opening", func(v *lower.Vector) { v.Openings = v.Openings[1:] }},
		{"an opening of an instruction that opens nothing", func(v *lower.Vector) { v.Openings = append(v.Openings, lower.Opening{Instr: 7}) }},
		{"openings out of order", func(v *lower.Vector) { slices.Reverse(v.Openings) }},
		{"an opening of no instruction", func(v *lower.Vector) { v.Openings = append(v.Openings, lower.Opening{Instr: 99}) }},
		{"another format", func(v *lower.Vector) { v.Format = 2 }},
		{"a width that no word has", func(v *lower.Vector) { v.Regs[0].Bits = -8 }},
		{"more rows than can be moved", func(v *lower.Vector) { v.Regs[0].Rows = 1 << 40 }},
		{"more words than fit", func(v *lower.Vector) {
			v.Regs = append(v.Regs, lower.Shape{Bits: 1 << 15, Rows: 1 << 30})
			v.Code = append(v.Code, lower.Instr{Op: lower.OpConst, Dst: []lower.Reg{9}, Const: "1"})
		}},
		{"a register of both carriers", func(v *lower.Vector) { v.Regs[3].Ring = 32 }},
		{"a register used before it is assigned", func(v *lower.Vector) { v.Code[0].Src[0] = 4 }},
		{"a register assigned twice", func(v *lower.Vector) { v.Code[2].Dst[0] = 2 }},
		{"a register that does not exist", func(v *lower.Vector) { v.Code[2].Src[0] = 90 }},
		{"rows beyond the last", func(v *lower.Vector) { v.Code[1].Int = 4 }},
		{"a row number that wraps around", func(v *lower.Vector) { v.Code[1].Int = 1<<63 - 2 }},
		{"a negative row number", func(v *lower.Vector) { v.Code[1].Int = -1 }},
		{"words of different width", func(v *lower.Vector) { v.Regs[4].Bits = 7 }},
		{"an unknown operation", func(v *lower.Vector) { v.Code[4].Op = "divine" }},
		{"a constant that is none", func(v *lower.Vector) { v.Code[5].Const = "fifty" }},
		{"a constant beyond its width", func(v *lower.Vector) { v.Code[5].Const = "256" }},
		{"no result", func(v *lower.Vector) { v.Code[7].Dst = nil }},
		{"an output that holds ring elements", func(v *lower.Vector) {
			v.Outputs[0] = lower.Output{Rows: 5, Fields: field(8, 0)}
		}},
		{"an input that nobody gave", func(v *lower.Vector) {
			v.Regs = append(v.Regs, lower.Shape{Bits: 1, Rows: 1})
			v.Inputs = append(v.Inputs, lower.Input{Rows: 1, Fields: field(9, 1)})
		}},
		{"no input for what was given", func(v *lower.Vector) {
			v.Inputs = nil
			v.Code = append([]lower.Instr{{Op: lower.OpConst, Dst: []lower.Reg{0}, Const: "1"}}, v.Code...)
			v.Openings = []lower.Opening{{Instr: 1}, {Instr: 7}}
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, v := &plain{}, survey()
			c.change(v)
			out, err := Run(t.Context(), p, v, engine.Options{}, map[lower.Reg]Bits{0: p.share(8, numbers(40, 7, 99, 100, 3))}, nil)
			if err == nil || out != nil {
				t.Errorf("got %v and error %v", out, err)
			}
			if len(p.trace) > 0 {
				t.Errorf("something was sent before: %v", p.trace)
			}
		})
	}
	p := &plain{}
	for name, in := range map[string]Bits{
		"too few rows": p.share(8, numbers(1, 2)), "other width": p.share(9, numbers(1, 2, 3, 4, 5)), "nothing": {},
		"too few words": {N: 5, W: 8, C: [][]uint64{{1, 2}}}, "too many components": (&plain{components: 2}).share(8, numbers(1, 2, 3, 4, 5)),
	} {
		if _, err := Run(t.Context(), p, survey(), engine.Options{}, map[lower.Reg]Bits{0: in}, nil); err == nil {
			t.Errorf("an input of %s was taken", name)
		}
	}
	if _, err := Run(t.Context(), p, nil, engine.Options{}, nil, nil); err == nil {
		t.Error("no program was taken")
	}
	if _, err := Run(t.Context(), p, survey(), engine.Options{Sort: "bogo"}, map[lower.Reg]Bits{0: p.share(8, numbers(1, 2, 3, 4, 5))}, nil); err == nil {
		t.Error("an unknown sort was taken")
	}
}

func TestAnyChangeToAProgramGivesAnErrorOrAResultOfTheRightShape(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStream(rapid.Uint64().Draw(rt, "seed"))
		p, v := &plain{permute: s.permutation}, survey()
		number := func() int { return []int{-1, 0, 1, 2, 3, 5, 8, 9, 64, 1 << 31, 1<<63 - 1}[s.below(11)] }
		reg := func(rs []lower.Reg) {
			if len(rs) > 0 {
				rs[s.below(len(rs))] = lower.Reg(number())
			}
		}
		for range 1 + s.below(3) {
			i := &v.Code[s.below(len(v.Code))]
			switch s.below(9) {
			case 0:
				v.Regs[s.below(len(v.Regs))].Bits = min(number(), 1000)
			case 1:
				v.Regs[s.below(len(v.Regs))].Rows = min(number(), 1000)
			case 2:
				v.Regs[s.below(len(v.Regs))].Ring = number()
			case 3:
				i.Op = allOperations[s.below(len(allOperations))]
			case 4:
				reg(i.Src)
			case 5:
				reg(i.Dst)
			case 6:
				i.Int = number()
			case 7:
				i.Src = append(i.Src, lower.Reg(s.below(9)))
			case 8:
				v.Openings[s.below(2)].Instr = number()
			}
		}
		out, err := Run(context.Background(), p, v, engine.Options{}, map[lower.Reg]Bits{0: p.share(8, numbers(40, 7, 99, 100, 3))}, nil)
		if err != nil {
			return
		}
		for _, o := range v.Outputs {
			f := o.Fields[0]
			if x := out[f.Reg]; x.N != o.Rows || x.W != f.Enc.Bits {
				rt.Fatalf("register %d has %d rows of %d bits", f.Reg, x.N, x.W)
			}
			checkBits(out[f.Reg])
		}
	})
}

// broken fails at its last call, the check.
type broken struct{ *plain }

var errCheck = errors.New("check failed")

func (broken) Check(context.Context) error { return errCheck }

func TestNothingComesOutIfTheCheckFailsOrTheCallerGivesUp(t *testing.T) {
	p := &plain{}
	in := map[lower.Reg]Bits{0: p.share(8, numbers(40, 7, 99, 100, 3))}
	if out, err := Run(t.Context(), broken{p}, survey(), engine.Options{}, in, nil); out != nil || !errors.Is(err, errCheck) {
		t.Errorf("after a failed check: %v, %v", out, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	progress := func(done, _ int) {
		if done == 2 {
			cancel()
		}
	}
	p = &plain{}
	if out, err := Run(ctx, p, survey(), engine.Options{}, in, progress); out != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller gave up: %v, %v", out, err)
	}
	if strings.Contains(strings.Join(p.trace, " "), "tobits") || len(p.openings) != 1 {
		t.Errorf("it went on: %v", p.trace)
	}
}
