package table

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"joconde/lang/eval"
	"joconde/lang/ir"
)

// keySet finds the rows that agree on a declared key. It keeps a hash for each
// row, which is less than keeping the keys twice; rows of equal hash are then
// compared themselves.
type keySet struct {
	seed    maphash.Seed
	entries []keyEntry
	buffer  []byte
}

type keyEntry struct {
	hash  uint64
	index int // into the rows kept
	row   int // of the file
}

func newKeySet() *keySet { return &keySet{seed: maphash.MakeSeed()} }

// add notes a row. As in SQL, NULL agrees with nothing.
func (s *keySet) add(values []ir.Value, key []int, index, row int) {
	b := s.buffer[:0]
	for _, c := range key {
		v := values[c]
		switch {
		case v.Null:
			return
		case v.Int == nil:
			b = binary.AppendUvarint(b, uint64(len(v.Text)))
			b = append(b, v.Text...)
		case v.Int.IsInt64():
			b = binary.AppendVarint(b, v.Int.Int64())
		default:
			b = v.Int.Append(b, 16)
		}
	}
	s.buffer = b
	s.entries = append(s.entries, keyEntry{maphash.Bytes(s.seed, b), index, row})
}

// report adds a problem that names all rows that agree, the first of them too.
func (s *keySet) report(fs *findings, key []int, rows eval.Rows) {
	slices.SortFunc(s.entries, func(a, b keyEntry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.index, b.index))
	})
	var groups [][]int // rows of the file that agree, in ascending order
	repeats := 0
	for from := 0; from < len(s.entries); {
		to := from + 1
		for to < len(s.entries) && s.entries[to].hash == s.entries[from].hash {
			to++
		}
		if to > from+1 {
			for _, group := range agreeing(s.entries[from:to], key, rows) {
				groups = append(groups, group)
				repeats += len(group) - 1
			}
		}
		from = to
	}
	if repeats == 0 {
		return
	}
	slices.SortFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })

	names := make([]string, len(key))
	for i, c := range key {
		names[i] = fs.t.Columns[c].Name
	}
	what := "a row repeats a key"
	if repeats > 1 {
		what = grouped(repeats) + " rows repeat a key"
	}
	fs.ofKeys = append(fs.ofKeys, fs.problem(doubleKey, pairs(groups, repeats), fmt.Sprintf("key %s: %s", strings.Join(names, ", "), what),
		"the declaration makes this a key, so no two rows may agree on it; keys are compared byte for byte",
		"remove the repeated rows, or have the table declared with the key that it has"))
}

// agreeing splits rows of equal hash into those that really agree; nearly
// always that is all of them.
func agreeing(entries []keyEntry, key []int, rows eval.Rows) [][]int {
	var firsts []int // index of the first row of each group
	var groups [][]int
	for _, e := range entries {
		g := slices.IndexFunc(firsts, func(first int) bool {
			return !slices.ContainsFunc(key, func(c int) bool { return !rows[first][c].Equal(rows[e.index][c]) })
		})
		if g < 0 {
			g = len(firsts)
			firsts = append(firsts, e.index)
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], e.row)
	}
	return slices.DeleteFunc(groups, func(g []int) bool { return len(g) == 1 })
}

// pairs names groups of agreeing rows: "rows 5 and 17; 6, 9 and 18".
func pairs(groups [][]int, repeats int) string {
	few := groups
	if len(few) > listed {
		few = few[:firstFew]
	}
	texts := make([]string, len(few))
	for i, group := range few {
		names := make([]string, 0, listed)
		for _, row := range group[:min(len(group), listed)] {
			names = append(names, grouped(row))
		}
		if last := len(names) - 1; len(group) > listed {
			texts[i] = strings.Join(names, ", ") + " …"
		} else {
			texts[i] = strings.Join(names[:last], ", ") + " and " + names[last]
		}
	}
	text := "rows " + strings.Join(texts, "; ")
	if len(few) < len(groups) {
		text += fmt.Sprintf(" … (%s rows)", grouped(repeats))
	}
	return text
}
