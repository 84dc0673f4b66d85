package rep3

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"joconde"
	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/engine/internal/prg"
	"joconde/dplane/engine/sharing"
	"joconde/lang/lower"
)

// inputs are this party's parts of the plan's inputs. bad marks those that
// cannot be used; they have no components.
type inputs struct {
	parts []*sharing.Part
	bad   []bool
}

// readInputs decodes the parts. A part in a wrong form is its owner's doing
// and is only marked here, so that all parties can name the owner.
func (p *party) readInputs(v *lower.Vector, in [][]byte) (inputs, error) {
	if len(in) != len(v.Inputs) {
		return inputs{}, fmt.Errorf("rep3: the plan has %d inputs and %d were given", len(v.Inputs), len(in))
	}
	read := inputs{make([]*sharing.Part, len(in)), make([]bool, len(in))}
	for i, want := range v.Inputs {
		read.parts[i] = &sharing.Part{}
		part, err := sharing.ParsePart(in[i])
		if err != nil {
			read.bad[i] = true
			continue
		}
		if err := part.Expect(p.me, want.Rows, fieldBits(want.Fields)); err != nil {
			part.Wipe()
			read.bad[i] = true
			continue
		}
		read.parts[i] = part
	}
	return read, nil
}

func fieldBits(fields []lower.Field) []int {
	w := make([]int, len(fields))
	for f := range fields {
		w[f] = fields[f].Enc.Bits
	}
	return w
}

// compareInputs finds owners whose parts do not fit together, before anything
// is computed, in two rounds. The two holders of a component compare tags of
// it under their common key, one tag for each input and so one message for each
// pair; the tags tell nobody else anything, and the two nothing that they do
// not hold. Then every party tells its peers which inputs it found wrong, so
// that all three name the same owner.
func (p *party) compareInputs(ctx context.Context, v *lower.Vector, in inputs) error {
	if len(v.Inputs) == 0 {
		return nil
	}
	var expected, got [3][]byte
	for slot, peer := range []int{p.prev, p.next} {
		out := p.send(peer, len(in.parts)*sha256.Size)
		got[peer] = p.receive(peer, len(in.parts)*sha256.Size)
		key := p.key[slot].Key("inputs")
		for i := range in.parts {
			digest := componentDigest(key, in.parts[i], slot)
			tag := func(sender int) []byte {
				return p.key[slot].Tag("inputs", prg.Info(digest, binary.BigEndian.AppendUint64(nil, uint64(i)), []byte{byte(sender)}))
			}
			copy(out[i*sha256.Size:], tag(p.me))
			expected[peer] = append(expected[peer], tag(peer)...)
		}
		clear(key)
	}
	if err := p.exchange(ctx); err != nil {
		return fmt.Errorf("compare inputs: %w", err)
	}
	bad := slices.Clone(in.bad)
	for _, peer := range []int{p.prev, p.next} {
		for i := range bad {
			this := func(tags []byte) []byte { return tags[i*sha256.Size:][:sha256.Size] }
			if subtle.ConstantTimeCompare(this(got[peer]), this(expected[peer])) != 1 {
				bad[i] = true
			}
		}
	}
	for _, peer := range []int{p.prev, p.next} {
		out := p.send(peer, len(bad))
		got[peer] = p.receive(peer, len(bad))
		for i := range bad {
			out[i] = 0
			if bad[i] {
				out[i] = 1
			}
		}
	}
	if err := p.exchange(ctx); err != nil {
		return fmt.Errorf("compare inputs: %w", err)
	}
	for i := range bad {
		if bad[i] || got[p.prev][i] != 0 || got[p.next][i] != 0 {
			return &joconde.Fault{Party: v.Inputs[i].Owner, Err: fmt.Errorf("input %d: %w", i+1, errInconsistent)}
		}
	}
	return nil
}

var errInconsistent = errors.New("the shares that the computing parties received do not fit together")

// componentDigest is a keyed hash of one component of all fields.
func componentDigest(key []byte, part *sharing.Part, slot int) []byte {
	mac := hmac.New(sha256.New, key)
	var buffer [8 * 512]byte
	for f := range part.C {
		for words := range slices.Chunk(part.C[f][slot], len(buffer)/8) {
			putWords(buffer[:], words)
			mac.Write(buffer[:8*len(words)])
		}
	}
	clear(buffer[:])
	return mac.Sum(nil)
}

// registers gives the inputs to the interpreter.
func (in inputs) registers(v *lower.Vector) map[lower.Reg]Bits {
	registers := map[lower.Reg]Bits{}
	for i, want := range v.Inputs {
		for f, field := range want.Fields {
			registers[field.Reg] = Bits{N: want.Rows, W: field.Enc.Bits, C: in.parts[i].C[f][:]}
		}
	}
	return registers
}

func (in inputs) wipe() {
	for i := range in.parts {
		in.parts[i].Wipe()
	}
}

// writeOutputs gives this party's parts of the outputs. Before that every field
// is masked with a sharing of zero that all three parties draw alike: so an
// output party, which gets all three components, gets fresh ones that depend on
// the value alone and not on how it was computed. Nothing is sent.
func (p *party) writeOutputs(v *lower.Vector, registers map[lower.Reg]Bits) ([][]byte, error) {
	zeros := p.common.Stream(p.advance(), "outputs", "all")
	out := make([][]byte, len(v.Outputs))
	for i, output := range v.Outputs {
		part := &sharing.Part{Party: p.me, Rows: output.Rows, Bits: fieldBits(output.Fields), C: make([][2][]uint64, len(output.Fields))}
		for f, field := range output.Fields {
			x, ok := registers[field.Reg]
			words := field.Enc.Bits * oblivious.Words(output.Rows)
			if !ok || len(x.C) != 2 || len(x.C[0]) != words || len(x.C[1]) != words {
				return nil, fmt.Errorf("rep3: output %d has no register %d of its shape", i, field.Reg)
			}
			part.C[f] = p.refresh(zeros, x)
		}
		var err error
		out[i], err = part.Encode()
		part.Wipe()
		if err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return out, nil
}

// refresh adds components r_0, r_1 and r_0 ⊕ r_1.
func (p *party) refresh(zeros *prg.Stream, x Bits) [2][]uint64 {
	first, second := make([]uint64, len(x.C[0])), make([]uint64, len(x.C[0]))
	zeros.Fill(first)
	zeros.Fill(second)
	clearStray(first, x.N)
	clearStray(second, x.N)
	third := make([]uint64, len(first))
	xorWords(third, first, second)
	masks := [3][]uint64{first, second, third}
	defer clear(masks[p.prev])
	own := [2][]uint64{masks[p.me], masks[p.next]}
	xorWords(own[0], own[0], x.C[0])
	xorWords(own[1], own[1], x.C[1])
	return own
}
