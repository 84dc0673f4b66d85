package main

import (
	"fmt"
	"math/big"
	"strings"

	"joconde"
	"joconde/dplane/engine/sharing"
	"joconde/dplane/session"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// oneNumber shows one value of an owner's column as each computing party will
// see it: the shares themselves, taken from the parts that are about to be
// sent. It says nothing where the engine's parts are in another form.
func (c *computation) oneNumber(owner joconde.PartyID, column string) string {
	for i, input := range c.plan.Vector.Inputs {
		columns := c.program.Nodes[input.Node].Columns
		for f, field := range input.Fields {
			if input.Owner == owner && field.What == lower.Cell && columns[field.Column].Name == column {
				return c.shares(i, f, columns[field.Column])
			}
		}
	}
	return ""
}

// shares shows the first row of a field.
func (c *computation) shares(input, field int, column ir.Column) string {
	enc := c.plan.Vector.Inputs[input].Fields[field].Enc
	digits := (enc.Bits + 3) / 4
	word := new(big.Int)
	var b strings.Builder
	for p := range c.parts {
		part, err := sharing.ParsePart(c.parts[p][input])
		if err != nil {
			return ""
		}
		first, second := firstRow(part.C[field][0], part.Rows, enc.Bits), firstRow(part.C[field][1], part.Rows, enc.Bits)
		part.Wipe()
		fmt.Fprintf(&b, "  %s   0x%0*x  0x%0*x\n", session.Name(p), digits, first, digits, second)
		word.Xor(word, first)
	}
	value, err := enc.Decode(word)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("One number, as each process will see it: %s %s is\n%sEach of them holds two random numbers. The three different numbers,\nput together by XOR, give 0x%0*x, which stands for it.",
		column.Name, ir.Format(column.Type, value), b.String(), digits, word)
}

// firstRow gathers row 0 of a component's bit planes.
func firstRow(planes []uint64, rows, bits int) *big.Int {
	word, stride := new(big.Int), (rows+63)/64
	for b := range bits {
		word.SetBit(word, b, uint(planes[b*stride]&1))
	}
	return word
}
