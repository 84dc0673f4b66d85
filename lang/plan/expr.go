package plan

import (
	"slices"

	"joconde/lang/ir"
)

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

// maxDepth bounds the expressions that substitution makes, well below what
// ir.Validate allows, so that a long chain of views stays a valid program.
const maxDepth = 64

func depth(e ir.Expr) int {
	deepest := 0
	for _, a := range e.Args {
		deepest = max(deepest, depth(a))
	}
	return deepest + 1
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
	var each []ir.Expr
	seen := map[string]bool{}
	for _, e := range list {
		if text := mustJSON(e); !seen[text] {
			seen[text] = true
			each = append(each, e)
		}
	}
	if len(each) == 1 {
		return each[0]
	}
	whole := ir.Expr{Op: "and", Args: each, Type: ir.Type{Kind: ir.Bool}, Pos: each[0].Pos}
	for _, e := range each {
		whole.Type.Nullable = whole.Type.Nullable || e.Type.Nullable
	}
	return whole
}

// fixes reports whether a condition holds a column at one value, such as
// month = 1. ir.UniqueOf derives keys from such conditions where they stand, so
// rules keep them in a form in which it sees them.
func fixes(e ir.Expr) bool {
	return e.Op == "eq" && len(e.Args) == 2 &&
		(e.Args[0].Op == "col" && e.Args[1].Op == "lit" || e.Args[0].Op == "lit" && e.Args[1].Op == "col")
}
