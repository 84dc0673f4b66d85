// Package sharing splits inputs into parts, one for each computing party, and
// joins the parts of outputs. It is the only code of an engine that touches
// clear data, so it is ours and its list is closed; it runs at input and output
// parties, never at a node (but for reading and writing parts). Start with
// Replicated3; part.go is the format of its parts.
package sharing

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Replicated3 is replicated sharing among three parties (Ito, Saito and
// Nishizeki 1987; as in Araki et al., eprint 2016/768): a word is the XOR of
// three components, of which each two are uniform, and party i holds those
// numbered i and i+1. One party learns nothing; two hold everything.
type Replicated3 struct{}

// Name is "replicated3".
func (Replicated3) Name() string { return "replicated3" }

// Split draws two components of every field from the system's generator and
// makes the third fit.
func (Replicated3) Split(rows int, bits []int, words [][]uint64) ([][]byte, error) {
	if rows < 0 || rows > maxRows || len(bits) > maxFields || len(words) != len(bits) {
		return nil, errors.New("split: no such shape")
	}
	parts := make([]*Part, 3)
	for p := range parts {
		parts[p] = &Part{Party: p, Rows: rows, Bits: bits, C: make([][2][]uint64, len(bits))}
		defer parts[p].Wipe()
	}
	for f := range words {
		if bits[f] < 1 || bits[f] > maxBits || len(words[f]) != bits[f]*wordsOf(rows) || !clean(words[f], rows) {
			return nil, fmt.Errorf("split: field %d has another shape", f)
		}
		first := slices.Clone(words[f])
		second, third := uniform(len(first), rows), uniform(len(first), rows)
		for i := range first {
			first[i] ^= second[i] ^ third[i]
		}
		components := [3][]uint64{first, second, third}
		for p := range parts {
			parts[p].C[f] = [2][]uint64{components[p], components[(p+1)%3]}
		}
	}
	encoded := make([][]byte, len(parts))
	for p := range parts {
		var err error
		if encoded[p], err = parts[p].Encode(); err != nil {
			return nil, fmt.Errorf("split: %w", err)
		}
	}
	return encoded, nil
}

// uniform gives planes of random bits, zero beyond rows.
func uniform(n, rows int) []uint64 {
	planes := make([]uint64, n)
	random := make([]byte, 8*min(n, 8192))
	defer clear(random)
	for from := 0; from < n; {
		_, _ = rand.Read(random) // never fails: it ends the process first
		for k := 0; k < len(random) && from < n; k += 8 {
			planes[from] = binary.LittleEndian.Uint64(random[k:])
			from++
		}
	}
	if words := wordsOf(rows); rows%64 != 0 {
		for last := words - 1; last < n; last += words {
			planes[last] &^= stray(rows)
		}
	}
	return planes
}

// Open joins the parts of one output. Every component comes from two parties;
// if they differ, one of the two is wrong, and nothing tells which.
func (Replicated3) Open(rows int, bits []int, parts [][]byte) ([][]uint64, error) {
	if len(parts) != 3 {
		return nil, fmt.Errorf("open: %d parts, but three nodes", len(parts))
	}
	read := make([]*Part, 3)
	for p := range parts {
		part, err := ParsePart(parts[p])
		if err == nil {
			defer part.Wipe()
			err = part.Expect(p, rows, bits)
		}
		read[p] = part
		if err != nil {
			return nil, fmt.Errorf("open: from node %d: %w", p+1, err)
		}
	}
	words := make([][]uint64, len(bits))
	for f := range words {
		for p := range read {
			if !slices.Equal(read[p].C[f][1], read[(p+1)%3].C[f][0]) {
				return nil, fmt.Errorf("open: node %d and node %d hold different shares of field %d", p+1, (p+1)%3+1, f)
			}
		}
		words[f] = make([]uint64, len(read[0].C[f][0]))
		for i := range words[f] {
			words[f][i] = read[0].C[f][0][i] ^ read[1].C[f][0][i] ^ read[2].C[f][0][i]
		}
	}
	return words, nil
}
