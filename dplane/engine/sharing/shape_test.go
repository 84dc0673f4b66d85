package sharing

import "testing"

func TestAPartHasTheSizeAndShapeThatItsInputSays(t *testing.T) {
	bits := []int{1, 7, 64}
	for _, rows := range []int{0, 1, 63, 64, 65, 200} {
		words := make([][]uint64, len(bits))
		for f, b := range bits {
			words[f] = make([]uint64, b*wordsOf(rows))
		}
		parts, err := Replicated3{}.Split(rows, bits, words)
		if err != nil {
			t.Fatal(err)
		}
		for p, part := range parts {
			size, components := Replicated3{}.Size(rows, bits)
			held, err := Replicated3{}.Components(p, part)
			if err != nil || int64(len(part)) != size || len(held) != components {
				t.Errorf("%d rows: %d bytes and %d components, not %d and %d; %v", rows, len(part), len(held), size, components, err)
			}
			if err := (Replicated3{}).Expect(p, rows, bits, part); err != nil {
				t.Error(err)
			}
			for what, err := range map[string]error{
				"another party": Replicated3{}.Expect((p+1)%3, rows, bits, part),
				"other rows":    Replicated3{}.Expect(p, rows+1, bits, part),
				"other fields":  Replicated3{}.Expect(p, rows, []int{7, 1, 64}, part),
				"cut off":       Replicated3{}.Expect(p, rows, bits, part[:len(part)-1]),
			} {
				if err == nil {
					t.Errorf("%d rows: accepted as of %s", rows, what)
				}
			}
		}
	}
}
