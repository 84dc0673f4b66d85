package lower_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"joconde/lang/lower"
)

// small is a vector program that uses what the cases below break: it sorts a
// column, and hands out half of its bits and its first rows.
func small() *lower.Vector {
	offset := func(bits int) lower.Encoding { return lower.Encoding{Kind: lower.Offset, Bits: bits, Lo: "0"} }
	return &lower.Vector{
		Format: 1,
		Regs: []lower.Shape{
			{Bits: 1, Rows: 9}, {Bits: 1, Rows: 9}, {Bits: 16, Rows: 9}, {Bits: 2, Rows: 9}, // inputs
			{Bits: 16, Rows: 9}, {Bits: 1, Rows: 9}, {Bits: 8, Rows: 9}, {Bits: 8, Rows: 4}, {Bits: 1, Rows: 4}, {Ring: 64, Rows: 4},
		},
		Inputs: []lower.Input{{Owner: "fr", Rows: 9, Fields: []lower.Field{
			{Reg: 0, What: lower.Valid, Column: -1, Enc: offset(1)},
			{Reg: 1, What: lower.Present, Column: 0, Enc: offset(1)},
			{Reg: 2, What: lower.Cell, Column: 0, Enc: lower.Encoding{Kind: lower.Packed, Bits: 16}},
			{Reg: 3, What: lower.Cell, Column: 1, Enc: lower.Encoding{Kind: lower.Code, Bits: 2, Codes: []string{"a", "b", "c"}}},
		}}},
		Code: []lower.Instr{
			{Op: lower.OpSort, Dst: []lower.Reg{4, 5}, Src: []lower.Reg{2, 0}, Node: 3},
			{Op: lower.OpBits, Dst: []lower.Reg{6}, Src: []lower.Reg{4}, Int: 8},
			{Op: lower.OpHead, Dst: []lower.Reg{7}, Src: []lower.Reg{6}, Int: 5},
			{Op: lower.OpHead, Dst: []lower.Reg{8}, Src: []lower.Reg{5}, Int: 5},
			{Op: lower.OpToR, Dst: []lower.Reg{9}, Src: []lower.Reg{7}},
		},
		Outputs: []lower.Output{{View: "v", Rows: 4, Fields: []lower.Field{
			{Reg: 8, What: lower.Valid, Column: -1, Enc: offset(1)},
			{Reg: 7, What: lower.Cell, Column: 0, Enc: lower.Encoding{Kind: lower.Offset, Bits: 8, Lo: "-5"}},
		}}},
		Openings: []lower.Opening{{Instr: 0, Node: 3, Why: "an order"}},
	}
}

// A vector program may come from anybody: what Validate accepts, engines and
// owners run without looking again.
func TestValidateRefusesWhatCannotRun(t *testing.T) {
	if err := lower.Validate(small()); err != nil {
		t.Fatal(err)
	}
	in := func(v *lower.Vector, field int) *lower.Field { return &v.Inputs[0].Fields[field] }
	for _, c := range []struct {
		name, want string
		change     func(v *lower.Vector)
	}{
		{"a bit number that wraps around", "do not fit", func(v *lower.Vector) { v.Code[1].Int = math.MaxInt - 7 }},
		{"a row number that wraps around", "do not fit", func(v *lower.Vector) { v.Code[2].Int = math.MaxInt }},
		{"a negative bit number", "do not fit", func(v *lower.Vector) { v.Code[1].Int = -1 }},
		{"one bit too many", "do not fit", func(v *lower.Vector) { v.Code[1].Int = 9 }},
		{"one row too many", "do not fit", func(v *lower.Vector) { v.Code[2].Int = 6 }},
		{"an instruction of no node", "no node", func(v *lower.Vector) { v.Code[1].Node = -1 }},

		{"an opening of what opens nothing", "opens nothing", func(v *lower.Vector) { v.Openings = append(v.Openings, lower.Opening{Instr: 1}) }},
		{"an opening that is not declared", "without a declaration", func(v *lower.Vector) { v.Openings = nil }},
		{"an opening that is declared twice", "out of order", func(v *lower.Vector) { v.Openings = append(v.Openings, v.Openings[0]) }},
		{"an opening of another node", "another node", func(v *lower.Vector) { v.Openings[0].Node = 2 }},

		{"an output of ring elements", "is not", func(v *lower.Vector) { v.Outputs[0].Fields[1].Reg, v.Outputs[0].Fields[1].Enc.Bits = 9, 0 }},
		{"an output of a register that does not exist", "not assigned", func(v *lower.Vector) { v.Outputs[0].Fields[0].Reg = 99 }},
		{"an output of other rows", "is not", func(v *lower.Vector) { v.Outputs[0].Rows = 5 }},
		{"an output of no node", "no node", func(v *lower.Vector) { v.Outputs[0].Node = -2 }},
		{"an input of other rows", "is not", func(v *lower.Vector) { v.Inputs[0].Rows = 8 }},
		{"an input of other bits", "is not", func(v *lower.Vector) { in(v, 2).Enc.Bits = 8 }},
		{"a field that is nothing", "encoding", func(v *lower.Vector) { in(v, 1).What = "" }},
		{"a field that is there twice", "another does", func(v *lower.Vector) { in(v, 3).Column = 0 }},
		{"validity of a column", "encoding", func(v *lower.Vector) { in(v, 0).Column = 0 }},
		{"presence of no column", "encoding", func(v *lower.Vector) { in(v, 1).Column = -1 }},
		{"a cell of no column", "encoding", func(v *lower.Vector) { in(v, 2).Column = -1 }},
		{"presence that is not a bit", "encoding", func(v *lower.Vector) { in(v, 1).Enc.Lo = "1" }},
		{"an encoding of no kind", "encoding", func(v *lower.Vector) { in(v, 2).Enc.Kind = "text" }},
		{"a least value that is none", "encoding", func(v *lower.Vector) { v.Outputs[0].Fields[1].Enc.Lo = "five" }},
		{"a least value in another form", "encoding", func(v *lower.Vector) { v.Outputs[0].Fields[1].Enc.Lo = "+5" }},
		{"a least value of a text", "encoding", func(v *lower.Vector) { in(v, 2).Enc.Lo = "0" }},
		{"a text with half a byte", "encoding", func(v *lower.Vector) { v.Regs[4].Bits, v.Regs[2].Bits, in(v, 2).Enc.Bits = 12, 12, 12 }},
		{"a hash of another length", "encoding", func(v *lower.Vector) { in(v, 2).Enc.Kind = lower.Hashed }},
		{"no codes", "encoding", func(v *lower.Vector) { in(v, 3).Enc.Codes = nil }},
		{"codes that do not need the bits", "encoding", func(v *lower.Vector) { in(v, 3).Enc.Codes = []string{"a", "b"} }},
		{"codes out of order", "encoding", func(v *lower.Vector) { slices.Reverse(in(v, 3).Enc.Codes) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := small()
			c.change(v)
			if err := lower.Validate(v); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
