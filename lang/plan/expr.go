package plan

import (
	"slices"

	"joconde/lang/ir"
)

func column(at int, t ir.Type) ir.Expr { return ir.Expr{Op: "col", Col: at, Type: t} }

// trivial reports whether an expression costs nothing wherever it stands.
func trivial(e ir.Expr) bool { return e.Op == "col" || e.Op == "lit" }

// substitute replaces each column reference of e.
func substitute(e ir.Expr, with func(col ir.Expr) ir.Expr) ir.Expr {
	if e.Op == "col" {
		return with(e)
	}
	if len(e.Args) == 0 {
		return e
	}
	args := make([]ir.Expr, len(e.Args))
	for i, a := range e.Args {
		args[i] = substitute(a, with)
	}
	e.Args = args
	return e
}

// renumber moves the column references of e.
func renumber(e ir.Expr, cols []int) ir.Expr {
	return substitute(e, func(c ir.Expr) ir.Expr {
		c.Col = cols[c.Col]
		return c
	})
}

// over replaces the column references of e by the expressions of a Project.
func over(e ir.Expr, exprs []ir.Expr) ir.Expr {
	return substitute(e, func(c ir.Expr) ir.Expr { return exprs[c.Col] })
}

// uses counts how often e refers to each column.
func uses(e ir.Expr, count map[int]int) {
	if e.Op == "col" {
		count[e.Col]++
	}
	for _, a := range e.Args {
		uses(a, count)
	}
}

// columnsOf lists the columns of e in ascending order, each once.
func columnsOf(e ir.Expr) []int {
	count := map[int]int{}
	uses(e, count)
	list := make([]int, 0, len(count))
	for c := range count {
		list = append(list, c)
	}
	slices.Sort(list)
	return list
}

// conjuncts takes a predicate apart. A row passes a Filter if its predicate is
// true, and "a and b" is true exactly when both are, also with NULLs: so a
// Filter of a conjunction is the same as one Filter after the other.
func conjuncts(e ir.Expr) []ir.Expr {
	if e.Op != "and" {
		return []ir.Expr{e}
	}
	var list []ir.Expr
	for _, a := range e.Args {
		list = append(list, conjuncts(a)...)
	}
	return list
}

// conjunction puts conjuncts together again, each once, in their order.
func conjunction(list []ir.Expr) ir.Expr {
	var whole ir.Expr
	seen := map[string]bool{}
	for _, e := range list {
		text := mustJSON(e)
		if seen[text] {
			continue
		}
		seen[text] = true
		if len(seen) == 1 {
			whole = e
			continue
		}
		whole = ir.Expr{
			Op: "and", Args: []ir.Expr{whole, e}, Pos: whole.Pos,
			Type: ir.Type{Kind: ir.Bool, Nullable: whole.Type.Nullable || e.Type.Nullable},
		}
	}
	return whole
}

// fixes gives the column that a conjunct fixes to one value, and whether it does.
func fixes(e ir.Expr) (int, bool) {
	if e.Op != "eq" || len(e.Args) != 2 {
		return 0, false
	}
	a, b := e.Args[0], e.Args[1]
	if a.Op == "lit" {
		a, b = b, a
	}
	if a.Op != "col" || b.Op != "lit" || b.Lit == nil || b.Lit.Null {
		return 0, false
	}
	return a.Col, true
}
