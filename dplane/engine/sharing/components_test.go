package sharing

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTwoHoldersOfAComponentHaveTheSameBytes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := rapid.IntRange(0, 200).Draw(t, "rows")
		bits := rapid.SliceOfN(rapid.IntRange(1, 70), 0, 4).Draw(t, "bits")
		parts, err := Replicated3{}.Split(rows, bits, words(rows, bits))
		if err != nil {
			t.Fatal(err)
		}
		first := map[int][]byte{}
		for party, part := range parts {
			components, err := Replicated3{}.Components(party, part)
			if err != nil {
				t.Fatal(err)
			}
			if len(components) != 2 || components[party] == nil || components[(party+1)%3] == nil {
				t.Fatalf("node %d holds other components than its own and the next", party+1)
			}
			for number, component := range components {
				if before, seen := first[number]; seen && !bytes.Equal(before, component) {
					t.Fatalf("component %d of node %d is written differently", number, party+1)
				}
				first[number] = component
			}
		}
		for number, component := range first {
			for other, with := range first {
				if number != other && bytes.Equal(component, with) {
					t.Fatalf("components %d and %d have the same bytes", number, other)
				}
			}
		}
	})
}

func TestEveryBitOfAPartShowsInItsComponents(t *testing.T) {
	const rows = 64 // so that no bit is spare
	bits := []int{2, 1}
	parts, err := Replicated3{}.Split(rows, bits, words(rows, bits))
	if err != nil {
		t.Fatal(err)
	}
	before, err := Replicated3{}.Components(1, parts[1])
	if err != nil {
		t.Fatal(err)
	}
	for i := headerSize + 4*len(bits); i < len(parts[1]); i++ {
		changed := bytes.Clone(parts[1])
		changed[i] ^= 0x10
		after, err := Replicated3{}.Components(1, changed)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(before[1], after[1]) && bytes.Equal(before[2], after[2]) {
			t.Fatalf("a change of byte %d does not show", i)
		}
	}
}

func TestPartsOfOthersHaveNoComponents(t *testing.T) {
	parts, err := Replicated3{}.Split(3, []int{1}, words(3, []int{1}))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		party int
		part  []byte
		says  string
	}{
		{"the part of another node", 0, parts[1], "it is that of node 2"},
		{"a fourth node", 3, parts[0], "it is that of node 1"},
		{"a node before the first", -1, parts[0], "it is that of node 1"},
		{"nothing", 0, nil, "not in the form"},
		{"a part that is cut", 0, parts[0][:len(parts[0])-1], "not in the form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := (Replicated3{}).Components(c.party, c.part); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
		})
	}
}

// Commitments in old records rest on this form.
func TestTheFormOfAComponentDoesNotChange(t *testing.T) {
	p := &Part{Party: 2, Rows: 65, Bits: []int{2, 1}, C: make([][2][]uint64, 2)}
	next := uint64(0)
	for f, bits := range p.Bits {
		for c := range 2 {
			for range bits {
				next++
				p.C[f][c] = append(p.C[f][c], 0x0102030405060700+next, next%2)
			}
		}
	}
	part, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	components, err := Replicated3{}.Components(2, part)
	if err != nil {
		t.Fatal(err)
	}
	if n := binary.LittleEndian.Uint16(components[0][6:]); n != 0 {
		t.Errorf("the component after the last is numbered %d", n)
	}
	got := hex.Dump(components[2]) + hex.Dump(components[0])
	file := filepath.Join("testdata", "components-v1.hex")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(golden) {
		t.Errorf("the components are\n%swant\n%s", got, golden)
	}
}
