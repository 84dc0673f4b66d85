package ir

import (
	"slices"
	"strings"

	"joconde"
)

// UniqueOf gives the sets of result columns of a node on which no two rows
// agree, from the nodes before it: minimal ones, in order. Rows agree as in a
// join: NULL agrees with nothing. [[]] means at most one row.
func UniqueOf(p *Program, node int) [][]int {
	n := p.Nodes[node]
	switch n.Op {
	case Scan:
		return minimal(scanned(p.table(n.Table).Keys, n.Scan))
	case Project:
		return minimal(passed(p.Nodes[n.In[0]].Unique, n.Exprs))
	case Filter:
		return minimal(withoutFixed(p.Nodes[n.In[0]].Unique, fixedColumns(n.Exprs[0])))
	case JoinOp: // each left row comes at most once
		return minimal(p.Nodes[n.In[0]].Unique)
	case Aggregate:
		all := make([]int, len(n.Group.Keys))
		for i := range all {
			all[i] = i
		}
		return [][]int{all}
	}
	return nil
}

// IsUnique reports whether no two rows of the node agree on the columns.
func (p *Program) IsUnique(node int, columns []int) bool {
	return slices.ContainsFunc(p.Nodes[node].Unique, func(set []int) bool { return subset(set, columns) })
}

// scanned translates keys of a table to columns of a scan, where it has them all.
func scanned(keys [][]int, scan []int) [][]int {
	var sets [][]int
	for _, key := range keys {
		if subset(key, scan) {
			set := make([]int, len(key))
			for i, c := range key {
				set[i] = slices.Index(scan, c)
			}
			sets = append(sets, set)
		}
	}
	return sets
}

// passed translates sets to columns of a projection that passes them all
// through unchanged. A column that it has twice is known by its first place.
func passed(unique [][]int, exprs []Expr) [][]int {
	var sets [][]int
	for _, set := range unique {
		places := make([]int, 0, len(set))
		for _, c := range set {
			place := slices.IndexFunc(exprs, func(e Expr) bool { return e.Op == "col" && e.Col == c })
			if place < 0 {
				break
			}
			places = append(places, place)
		}
		if len(places) == len(set) {
			sets = append(sets, places)
		}
	}
	return sets
}

// fixedColumns are the columns that a predicate holds at one value: those of
// its conjuncts that say column = literal.
func fixedColumns(e Expr) []int {
	var fixed []int
	switch {
	case e.Op == "and":
		for _, arg := range e.Args {
			fixed = append(fixed, fixedColumns(arg)...)
		}
	case e.Op == "eq" && len(e.Args) == 2:
		for i, arg := range e.Args {
			if arg.Op == "col" && e.Args[1-i].Op == "lit" {
				fixed = append(fixed, arg.Col)
			}
		}
	}
	return fixed
}

func withoutFixed(unique [][]int, fixed []int) [][]int {
	var sets [][]int
	for _, set := range unique {
		sets = append(sets, slices.DeleteFunc(slices.Clone(set), func(c int) bool { return slices.Contains(fixed, c) }))
	}
	return sets
}

// minimal sorts each set and all of them, and leaves out those that contain
// another. It does not change its argument.
func minimal(unique [][]int) [][]int {
	var sorted, kept [][]int
	for _, set := range unique {
		set = append(make([]int, 0, len(set)), set...)
		slices.Sort(set)
		sorted = append(sorted, slices.Compact(set))
	}
	slices.SortFunc(sorted, slices.Compare)
	sorted = slices.CompactFunc(sorted, slices.Equal)
	for i, set := range sorted {
		if !slices.ContainsFunc(sorted, func(other []int) bool { return len(other) < len(set) && subset(other, sorted[i]) }) {
			kept = append(kept, set)
		}
	}
	return kept
}

func subset(set, of []int) bool {
	for _, c := range set {
		if !slices.Contains(of, c) {
			return false
		}
	}
	return true
}

// LocalOf gives the one party whose tables alone a node rests on, from the
// nodes before it; "" if there are several.
func LocalOf(p *Program, node int) joconde.PartyID {
	n := p.Nodes[node]
	if n.Op == Scan {
		return p.table(n.Table).Owner
	}
	var owner joconde.PartyID
	for i, in := range n.In {
		if local := p.Nodes[in].Local; i == 0 {
			owner = local
		} else if local != owner {
			return ""
		}
	}
	return owner
}

// Inputs are the maximal local nodes, in order: those that a node that is not
// local, or an output, uses. Their owners compute them in the clear.
func (p *Program) Inputs() []int {
	used := make([]bool, len(p.Nodes))
	for _, n := range p.Nodes {
		if n.Local == "" {
			for _, in := range n.In {
				used[in] = true
			}
		}
	}
	for _, o := range p.Outputs {
		used[o.Node] = true
	}
	var inputs []int
	for i, n := range p.Nodes {
		if used[i] && n.Local != "" {
			inputs = append(inputs, i)
		}
	}
	return inputs
}

// table finds a table by owner.table; the empty table if there is none.
func (p *Program) table(name string) Table {
	owner, rest, _ := strings.Cut(name, ".") // neither has a point in it
	for _, t := range p.Tables {
		if string(t.Owner) == owner && t.Name == rest {
			return t
		}
	}
	return Table{}
}

// Table finds a table by its QName.
func (p *Program) Table(name string) (Table, bool) {
	t := p.table(name)
	return t, t.Name != ""
}
