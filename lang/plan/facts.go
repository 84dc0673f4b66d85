package plan

import (
	"slices"

	"joconde/lang/ir"
)

// fact is what is known of a node's rows: the sets of columns on which no two
// rows agree, and the columns that have the same value, not NULL, in all rows.
type fact struct {
	unique [][]int
	fixed  map[int]bool
}

// facts derives Unique of every node of list, which has inputs first.
func (g *graph) facts(list []*node) map[*node]fact {
	tables := map[string]ir.Table{}
	for _, t := range g.tables {
		tables[t.QName()] = t
	}
	known := map[*node]fact{}
	for _, n := range list {
		f := fact{fixed: map[int]bool{}}
		switch n.Op {
		case ir.Scan:
			at := positions(n.Scan)
			for _, set := range tables[n.Table].Keys {
				f.unique = appendMoved(f.unique, set, at)
			}
		case ir.Filter:
			in := known[n.in[0]]
			f.unique = in.unique
			for col := range in.fixed {
				f.fixed[col] = true
			}
			for _, c := range conjuncts(n.Exprs[0]) {
				if col, ok := fixes(c); ok {
					f.fixed[col] = true
				}
			}
		case ir.Project:
			in := known[n.in[0]]
			at := map[int]int{}
			for i, e := range n.Exprs {
				if e.Op != "col" {
					continue
				}
				if _, found := at[e.Col]; !found {
					at[e.Col] = i
				}
				if in.fixed[e.Col] {
					f.fixed[i] = true
				}
			}
			for _, set := range in.unique {
				f.unique = appendMoved(f.unique, set, at)
			}
		case ir.JoinOp:
			// A left row finds at most one partner (Inner, Left) or is kept
			// once (Mark), so what is unique on the left stays so.
			f.unique = known[n.in[0]].unique
			for col := range known[n.in[0]].fixed {
				f.fixed[col] = true
			}
			if n.Join.Kind == ir.Inner {
				for col := range known[n.in[1]].fixed {
					f.fixed[len(n.in[0].Columns)+col] = true
				}
			}
		case ir.Aggregate:
			all := make([]int, len(n.Group.Keys))
			for i, k := range n.Group.Keys {
				all[i] = i
				if known[n.in[0]].fixed[k] {
					f.fixed[i] = true
				}
			}
			f.unique = [][]int{all}
		}
		f.unique = canonicalSets(f.unique, f.fixed)
		known[n] = f
	}
	return known
}

func positions(cols []int) map[int]int {
	at := map[int]int{}
	for i, c := range cols {
		at[c] = i
	}
	return at
}

// appendMoved appends a set at its new positions, if all its columns have one.
func appendMoved(sets [][]int, set []int, at map[int]int) [][]int {
	made := make([]int, 0, len(set))
	for _, c := range set {
		i, found := at[c]
		if !found {
			return sets
		}
		made = append(made, i)
	}
	return append(sets, made)
}

// canonicalSets leaves fixed columns out of every set (rows that agree on the
// others agree on them too), sorts, and drops sets that hold another one.
func canonicalSets(sets [][]int, fixed map[int]bool) [][]int {
	var all [][]int
	for _, set := range sets {
		made := []int{}
		for _, c := range set {
			if !fixed[c] && !slices.Contains(made, c) {
				made = append(made, c)
			}
		}
		slices.Sort(made)
		all = append(all, made)
	}
	slices.SortFunc(all, func(a, b []int) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return slices.Compare(a, b)
	})
	var kept [][]int
	for _, set := range all {
		if !slices.ContainsFunc(kept, func(k []int) bool { return contains(set, k) }) {
			kept = append(kept, set)
		}
	}
	return kept
}

// contains reports whether every column of part is in set.
func contains(set, part []int) bool {
	for _, c := range part {
		if !slices.Contains(set, c) {
			return false
		}
	}
	return true
}
