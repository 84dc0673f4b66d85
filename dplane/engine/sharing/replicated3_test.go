package sharing

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joconde/dplane/engine"
)

var _ engine.Sharing = Replicated3{}

var update = flag.Bool("update", false, "write golden files again")

func words(rows int, bits []int) [][]uint64 {
	w := make([][]uint64, len(bits))
	for f := range bits {
		w[f] = uniform(bits[f]*wordsOf(rows), rows)
	}
	return w
}

func TestPartsOpenToWhatWasSplit(t *testing.T) {
	bits := []int{1, 7, 64, 65, 128}
	for _, rows := range []int{0, 1, 63, 64, 65, 1000} {
		for name, w := range map[string][][]uint64{"random": words(rows, bits), "zeros": zeros(rows, bits), "ones": ones(rows, bits)} {
			t.Run(fmt.Sprintf("%d rows of %s", rows, name), func(t *testing.T) {
				before := make([][]uint64, len(w))
				for f := range w {
					before[f] = slices.Clone(w[f])
				}
				parts, err := Replicated3{}.Split(rows, bits, w)
				if err != nil {
					t.Fatal(err)
				}
				got, err := Replicated3{}.Open(rows, bits, parts)
				if err != nil {
					t.Fatal(err)
				}
				for f := range w {
					if !slices.Equal(got[f], before[f]) || !slices.Equal(w[f], before[f]) {
						t.Errorf("field %d differs", f)
					}
				}
			})
		}
	}
}

func zeros(rows int, bits []int) [][]uint64 {
	w := make([][]uint64, len(bits))
	for f := range bits {
		w[f] = make([]uint64, bits[f]*wordsOf(rows))
	}
	return w
}

func ones(rows int, bits []int) [][]uint64 {
	w := zeros(rows, bits)
	for f := range w {
		for i := range w[f] {
			w[f][i] = ^uint64(0)
			if (i+1)%wordsOf(rows) == 0 {
				w[f][i] &^= stray(rows)
			}
		}
	}
	return w
}

func TestEveryComponentIsFresh(t *testing.T) {
	const rows = 640
	bits := []int{64}
	w := zeros(rows, bits)
	seen := map[uint64]bool{0: true}
	for range 2 {
		parts, err := Replicated3{}.Split(rows, bits, w)
		if err != nil {
			t.Fatal(err)
		}
		for p := range parts {
			part, err := ParsePart(parts[p])
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range part.C[0][0] {
				if seen[word] {
					t.Fatal("a word of a component is zero or came before")
				}
				seen[word] = true
			}
		}
	}
}

func TestShapesThatDoNotFitAreNotSplit(t *testing.T) {
	for name, c := range map[string]struct {
		rows  int
		bits  []int
		words [][]uint64
	}{
		"fewer words than bits":    {64, []int{2}, [][]uint64{{1}}},
		"more words":               {64, []int{1}, [][]uint64{{1, 2}}},
		"a field without words":    {64, []int{1, 1}, [][]uint64{{1}}},
		"no bits":                  {64, []int{0}, [][]uint64{{}}},
		"fewer than no bits":       {64, []int{-1}, [][]uint64{{}}},
		"fewer than no rows":       {-1, []int{1}, [][]uint64{{}}},
		"a bit beyond the rows":    {3, []int{1}, [][]uint64{{8}}},
		"one in the second plane":  {3, []int{2}, [][]uint64{{7, 15}}},
		"more rows than there are": {1<<32 + 1, []int{1}, [][]uint64{{1}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := (Replicated3{}).Split(c.rows, c.bits, c.words); err == nil {
				t.Fatal("split")
			}
		})
	}
}

func TestPartsThatDoNotFitAreNotOpened(t *testing.T) {
	const rows = 65
	bits := []int{3, 1}
	other, err := Replicated3{}.Split(rows, []int{3, 2}, words(rows, []int{3, 2}))
	if err != nil {
		t.Fatal(err)
	}
	longer, err := Replicated3{}.Split(rows+1, bits, words(rows+1, bits))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(parts [][]byte) [][]byte
		says  string
	}{
		{"two parts", func(p [][]byte) [][]byte { return p[:2] }, "2 parts"},
		{"none", func([][]byte) [][]byte { return nil }, "0 parts"},
		{"parts in another order", func(p [][]byte) [][]byte { return [][]byte{p[1], p[0], p[2]} }, "from node 1: the part is that of node 2"},
		{"one part twice", func(p [][]byte) [][]byte { return [][]byte{p[0], p[1], p[1]} }, "from node 3: the part is that of node 2"},
		{"a bit of a component changed", func(p [][]byte) [][]byte { p[1][30] ^= 2; return p }, "node 1 and node 2 hold different shares of field 0"},
		{"the last bit changed", func(p [][]byte) [][]byte { p[2][len(p[2])-8] ^= 1; return p }, "node 3 and node 1 hold different shares of field 1"},
		{"other fields", func(p [][]byte) [][]byte { p[0] = other[0]; return p }, "from node 1: field 1 of the part has another width"},
		{"other rows", func(p [][]byte) [][]byte { p[2] = longer[2]; return p }, "from node 3: the part has other rows"},
		{"an empty part", func(p [][]byte) [][]byte { p[0] = nil; return p }, "from node 1: the part is not in the form"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts, err := Replicated3{}.Split(rows, bits, words(rows, bits))
			if err != nil {
				t.Fatal(err)
			}
			if _, err = (Replicated3{}).Open(rows, bits, c.spoil(parts)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestAPartHasOneForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &Part{Party: rapid.IntRange(0, 2).Draw(t, "party"), Rows: rapid.IntRange(0, 200).Draw(t, "rows")}
		p.Bits = rapid.SliceOfN(rapid.IntRange(1, 70), 0, 4).Draw(t, "bits")
		p.C = make([][2][]uint64, len(p.Bits))
		for f := range p.Bits {
			for c := range 2 {
				p.C[f][c] = uniform(p.Bits[f]*wordsOf(p.Rows), p.Rows)
			}
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		read, err := ParsePart(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := read.Expect(p.Party, p.Rows, p.Bits); err != nil {
			t.Fatal(err)
		}
		again, err := read.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("written again it differs (%v)", err)
		}
		// Nothing may follow, and nothing may lack.
		for _, wrong := range [][]byte{append(bytes.Clone(b), 0), b[:len(b)-1]} {
			if _, err := ParsePart(wrong); err == nil {
				t.Fatal("a part of another length was read")
			}
		}
		if p.Rows%64 != 0 && len(p.Bits) > 0 {
			stray := bytes.Clone(b)
			stray[len(stray)-1] |= 0x80
			if _, err := ParsePart(stray); err == nil {
				t.Fatal("a part with a stray bit was read")
			}
		}
	})
}

func TestHeadersThatLieAreRefusedWithoutAllocating(t *testing.T) {
	header := func(rows uint64, fields uint32, bits ...uint32) []byte {
		b := append([]byte(magic), 1, 0, 0, 0)
		b = binary.LittleEndian.AppendUint64(b, rows)
		b = binary.LittleEndian.AppendUint32(b, fields)
		for _, w := range bits {
			b = binary.LittleEndian.AppendUint32(b, w)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"a great many rows":              header(1<<32, 1, 64),
		"more rows than an int":          header(1<<63, 1, 64),
		"a length that wraps":            header(1<<61, 1, 64),
		"a great many fields":            header(64, 1<<32-1),
		"more fields than widths":        header(64, 3, 1, 1),
		"a field of no bits":             header(0, 1, 0),
		"a field of a great many bits":   header(0, 1, 1<<32-1),
		"another version":                append([]byte(magic), 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"a fourth party":                 append([]byte(magic), 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
		"another magic":                  append([]byte("JCR4"), header(0, 0)[4:]...),
		"a header without its last byte": header(0, 0)[:headerSize-1],
	} {
		t.Run(name, func(t *testing.T) {
			allocated := testing.AllocsPerRun(1, func() {
				if _, err := ParsePart(b); err == nil {
					t.Fatal("read")
				}
			})
			if allocated > 4 {
				t.Errorf("%v allocations", allocated)
			}
		})
	}
	if _, err := ParsePart(header(0, 0)); err != nil {
		t.Errorf("a part of nothing: %v", err)
	}
}

// The golden part has 65 rows of two fields, of 2 and of 1 bit; the words of
// its components count from 1.
func TestTheFormOfAPartDoesNotChange(t *testing.T) {
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
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "part-v1.hex")
	if *update {
		if err := os.WriteFile(file, []byte(hex.Dump(b)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.Dump(b); got != string(golden) {
		t.Errorf("the part is\n%swant\n%s", got, golden)
	}
	read, err := ParsePart(b)
	if err != nil || read.Party != 2 || read.Rows != 65 || !slices.Equal(read.Bits, p.Bits) || !slices.Equal(read.C[1][1], p.C[1][1]) {
		t.Errorf("read %+v, %v", read, err)
	}
}

func FuzzParsePart(f *testing.F) {
	for _, rows := range []int{0, 1, 64, 65} {
		parts, err := Replicated3{}.Split(rows, []int{1, 3}, words(rows, []int{1, 3}))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(parts[rows%3])
	}
	noise := make([]byte, 64)
	_, _ = rand.Read(noise)
	f.Add(noise)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePart(b)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("what was read is written differently (%v)", err)
		}
	})
}
