package sharing

import (
	"encoding/binary"
	"fmt"
)

// Components gives the components that a part holds, by number, each in the
// one form that it has in every part: a header as that of a part, with magic
// "JCC3" and the component's number in place of the party's, and then the
// planes of each field. Whoever has the same component has the same bytes, so
// one commitment to them binds an owner toward all its holders.
func (Replicated3) Components(party int, part []byte) (map[int][]byte, error) {
	p, err := ParsePart(part)
	if err != nil {
		return nil, fmt.Errorf("components of a part: %w", err)
	}
	defer p.Wipe()
	if p.Party != party {
		return nil, fmt.Errorf("components of a part: it is that of node %d", p.Party+1)
	}
	return map[int][]byte{party: p.component(0), (party + 1) % 3: p.component(1)}, nil
}

// component writes the first or second component of every field.
func (p *Part) component(which int) []byte {
	size := headerSize + 4*len(p.Bits)
	for _, c := range p.C {
		size += 8 * len(c[which])
	}
	b := make([]byte, 0, size)
	b = append(b, componentMagic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint16(b, uint16((p.Party+which)%3))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Rows))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Bits)))
	for _, bits := range p.Bits {
		b = binary.LittleEndian.AppendUint32(b, uint32(bits))
	}
	for _, c := range p.C {
		for _, word := range c[which] {
			b = binary.LittleEndian.AppendUint64(b, word)
		}
	}
	return b
}

const componentMagic = "JCC3"
