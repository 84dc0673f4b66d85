package sharing

import "fmt"

// Size is the length of a part with this shape, and 2: every party holds two
// components.
func (Replicated3) Size(rows int, bits []int) (part int64, components int) {
	part = headerSize + 4*int64(len(bits))
	for _, b := range bits {
		part += 2 * 8 * int64(b) * int64(wordsOf(rows))
	}
	return part, 2
}

// Expect says whether a part is that of party and has this shape.
func (Replicated3) Expect(party, rows int, bits []int, part []byte) error {
	p, err := ParsePart(part)
	if err != nil {
		return fmt.Errorf("look at a part: %w", err)
	}
	defer p.Wipe()
	return p.Expect(party, rows, bits)
}
