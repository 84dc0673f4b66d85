package sharing

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Part is what one party of Replicated3 holds of an input or output: of every
// field the components party and party+1 (modulo 3).
//
// As bytes, all integers little-endian:
//
//	0   magic "JCR3"
//	4   version, 2 bytes: 1
//	6   party, 2 bytes: 0, 1 or 2
//	8   rows, 8 bytes
//	16  number of fields, 4 bytes
//	20  bits of each field, 4 bytes each
//	…   for each field its two components, each of bits planes of ⌈rows/64⌉
//	    words of 8 bytes; the bits beyond rows are zero
//
// There is one way to write a part: nothing follows, and no bit is spare.
type Part struct {
	Party int
	Rows  int
	Bits  []int
	C     [][2][]uint64 // of each field
}

const (
	magic      = "JCR3"
	version    = 1
	headerSize = 20

	// More than any plan needs: lengths stay far below the range of int.
	maxRows   = 1 << 32
	maxFields = 1 << 16
	maxBits   = 1 << 16
)

var errForm = errors.New("the part is not in the form of version 1")

func wordsOf(rows int) int { return (rows + 63) / 64 }

// stray are the bits of a plane's last word that belong to no row.
func stray(rows int) uint64 {
	if rows%64 == 0 {
		return 0
	}
	return ^uint64(0) << (rows % 64)
}

// clean says whether no plane has a bit beyond rows.
func clean(planes []uint64, rows int) bool {
	mask, words := stray(rows), wordsOf(rows)
	if mask == 0 {
		return true
	}
	var found uint64
	for last := words - 1; last < len(planes); last += words {
		found |= planes[last] & mask
	}
	return found == 0
}

// Encode gives the part as bytes.
func (p *Part) Encode() ([]byte, error) {
	if p.Party < 0 || p.Party > 2 || p.Rows < 0 || p.Rows > maxRows || len(p.Bits) > maxFields || len(p.C) != len(p.Bits) {
		return nil, errors.New("encode a part: no such shape")
	}
	size := headerSize + 4*len(p.Bits)
	for f, bits := range p.Bits {
		planes := bits * wordsOf(p.Rows)
		if bits < 1 || bits > maxBits || len(p.C[f][0]) != planes || len(p.C[f][1]) != planes {
			return nil, fmt.Errorf("encode a part: field %d has another shape", f)
		}
		size += 2 * 8 * planes
	}
	b := make([]byte, 0, size)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = binary.LittleEndian.AppendUint16(b, uint16(p.Party))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Rows))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(p.Bits)))
	for _, bits := range p.Bits {
		b = binary.LittleEndian.AppendUint32(b, uint32(bits))
	}
	for f := range p.C {
		for _, planes := range p.C[f] {
			if !clean(planes, p.Rows) {
				return nil, fmt.Errorf("encode a part: field %d has bits beyond its rows", f)
			}
			for _, word := range planes {
				b = binary.LittleEndian.AppendUint64(b, word)
			}
		}
	}
	return b, nil
}

// ParsePart reads a part strictly: what it accepts, Encode gives back.
func ParsePart(b []byte) (*Part, error) {
	if len(b) < headerSize || string(b[:4]) != magic || binary.LittleEndian.Uint16(b[4:]) != version {
		return nil, errForm
	}
	party, rows := binary.LittleEndian.Uint16(b[6:]), binary.LittleEndian.Uint64(b[8:])
	fields := binary.LittleEndian.Uint32(b[16:])
	if party > 2 || rows > maxRows || fields > maxFields || uint64(len(b)-headerSize) < 4*uint64(fields) {
		return nil, errForm
	}
	p := &Part{Party: int(party), Rows: int(rows), Bits: make([]int, fields), C: make([][2][]uint64, fields)}
	left := b[headerSize:]
	words := 0 // at most 2^16 · 2^17 · 2^26
	for f := range p.Bits {
		bits := binary.LittleEndian.Uint32(left)
		left = left[4:]
		if bits < 1 || bits > maxBits {
			return nil, errForm
		}
		p.Bits[f] = int(bits)
		words += 2 * int(bits) * wordsOf(p.Rows)
	}
	if uint64(len(left)) != 8*uint64(words) { // nothing is allocated before the length is right
		return nil, errForm
	}
	for f, bits := range p.Bits {
		for c := range p.C[f] {
			planes := make([]uint64, bits*wordsOf(p.Rows))
			for i := range planes {
				planes[i] = binary.LittleEndian.Uint64(left[8*i:])
			}
			left = left[8*len(planes):]
			if !clean(planes, p.Rows) {
				return nil, errForm
			}
			p.C[f][c] = planes
		}
	}
	return p, nil
}

// Expect says whether the part is the one of party with these rows and fields.
func (p *Part) Expect(party, rows int, bits []int) error {
	switch {
	case p.Party != party:
		return fmt.Errorf("the part is that of node %d", p.Party+1)
	case p.Rows != rows || len(p.Bits) != len(bits):
		return errors.New("the part has other rows or fields than the plan says")
	}
	for f := range bits {
		if p.Bits[f] != bits[f] {
			return fmt.Errorf("field %d of the part has another width than the plan says", f)
		}
	}
	return nil
}

// Wipe overwrites the components.
func (p *Part) Wipe() {
	for f := range p.C {
		clear(p.C[f][0])
		clear(p.C[f][1])
	}
}
