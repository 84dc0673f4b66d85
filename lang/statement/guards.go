package statement

import (
	"fmt"
	"math/big"

	"joconde/lang/ir"
)

// guards finds the output rules that a view applies to its groups: conditions
// between the view and its last grouping that have the form of a minimum count
// or of a dominance rule. A condition of any other form is no guard, and is
// found in the view's Steps.
func (w *writer) guards(view int) []Guard {
	var found []Guard
	group, conditions := w.chain(view)
	if group >= 0 {
		for _, c := range conditions {
			if g, ok := w.minimumCount(c, group); ok {
				found = append(found, g)
			} else if g, ok := w.dominance(c, group); ok {
				found = append(found, g)
			}
		}
	}
	if len(found) == 0 {
		return []Guard{{Code: "guard/none", What: "none"}}
	}
	return found
}

// chain follows Projects and Filters down to an Aggregate, -1 if there is
// none, and gives the conditions on the way over the Aggregate's columns.
func (w *writer) chain(i int) (group int, conditions []ir.Expr) {
	n := w.p.Nodes[i]
	switch n.Op {
	case ir.Aggregate:
		return i, nil
	case ir.Filter, ir.Project:
		group, conditions = w.chain(n.In[0])
	default:
		return -1, nil
	}
	if n.Op == ir.Filter && group >= 0 {
		for _, c := range conjuncts(n.Exprs[0]) {
			conditions = append(conditions, w.down(c, n.In[0]))
		}
	}
	return group, conditions
}

func conjuncts(e ir.Expr) []ir.Expr {
	if e.Op != "and" {
		return []ir.Expr{e}
	}
	var all []ir.Expr
	for _, a := range e.Args {
		all = append(all, conjuncts(a)...)
	}
	return all
}

// down rewrites an expression over the columns of a node as one over those of
// the Aggregate below it. Plain columns only are followed through Projects:
// guards compare totals, not what is made of them.
func (w *writer) down(e ir.Expr, node int) ir.Expr {
	n := w.p.Nodes[node]
	if e.Op == "col" {
		switch {
		case n.Op == ir.Filter:
			return w.down(e, n.In[0])
		case n.Op == ir.Project:
			return w.down(n.Exprs[e.Col], n.In[0])
		}
		return e
	}
	args := make([]ir.Expr, len(e.Args))
	for i, a := range e.Args {
		args[i] = w.down(a, node)
	}
	e.Args = args
	return e
}

// term is a number times an aggregate of one Aggregate node, or a number alone.
type term struct {
	factor *big.Rat
	agg    *ir.Agg
}

// term reads literal, aggregate, or their product, in any order. Casts to a
// wider type do not matter.
func (w *writer) term(e ir.Expr, group int) (term, bool) {
	n := w.p.Nodes[group]
	switch e.Op {
	case "lit":
		v, err := e.Value()
		if err != nil || v.Null || v.Int == nil || !e.Type.Numeric() {
			return term{}, false
		}
		ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(e.Type.Scale)), nil)
		return term{factor: new(big.Rat).SetFrac(v.Int, ten)}, true
	case "col":
		at := e.Col - len(n.Group.Keys)
		if at < 0 {
			return term{}, false
		}
		return term{big.NewRat(1, 1), &n.Group.Aggs[at]}, true
	case "cast":
		if !e.Type.Numeric() || !e.Args[0].Type.Numeric() || e.Type.Scale < e.Args[0].Type.Scale {
			return term{}, false
		}
		return w.term(e.Args[0], group)
	case "mul":
		a, okA := w.term(e.Args[0], group)
		b, okB := w.term(e.Args[1], group)
		if !okA || !okB || a.agg != nil && b.agg != nil {
			return term{}, false
		}
		if a.agg == nil {
			a.agg = b.agg
		}
		return term{new(big.Rat).Mul(a.factor, b.factor), a.agg}, true
	}
	return term{}, false
}

// ordered reads a comparison as low ≤ high, or low < high if strict.
func (w *writer) ordered(c ir.Expr, group int) (low, high term, strict, ok bool) {
	if len(c.Args) != 2 {
		return term{}, term{}, false, false
	}
	a, okA := w.term(c.Args[0], group)
	b, okB := w.term(c.Args[1], group)
	if !okA || !okB {
		return term{}, term{}, false, false
	}
	switch c.Op {
	case "le", "lt":
		return a, b, c.Op == "lt", true
	case "ge", "gt":
		return b, a, c.Op == "gt", true
	}
	return term{}, term{}, false, false
}

// minimumCount recognises COUNT(*) >= n, and COUNT(x) >= n. A group always has
// a row, so a minimum of one guards nothing.
func (w *writer) minimumCount(c ir.Expr, group int) (Guard, bool) {
	low, high, strict, ok := w.ordered(c, group)
	if !ok || low.agg != nil || high.agg == nil || high.factor.Sign() <= 0 ||
		high.agg.Func != ir.CountStar && high.agg.Func != ir.Count {
		return Guard{}, false
	}
	least := new(big.Rat).Quo(low.factor, high.factor)
	n := new(big.Int).Quo(least.Num(), least.Denom())
	if least.Sign() > 0 && (strict || !least.IsInt()) {
		n.Add(n, big.NewInt(1))
	}
	if least.Sign() <= 0 || !n.IsInt64() || n.Int64() < 2 || n.Int64() > 1<<53-1 {
		return Guard{}, false
	}
	g := Guard{Code: "guard/minimum-count", AtLeast: int(n.Int64())}
	g.What = fmt.Sprintf("minimum count %d: groups of fewer than %d rows are removed inside the computation", g.AtLeast, g.AtLeast)
	if high.agg.Func == ir.Count {
		node := w.p.Nodes[group]
		g.Of = w.part(w.column(place{node.In[0], high.agg.Arg}, ""), atom)
		g.What = fmt.Sprintf("minimum count %d: groups that have %s in fewer than %d rows are removed inside the computation", g.AtLeast, g.Of, g.AtLeast)
	}
	return g, true
}

// dominance recognises a * MAX(x) <= b * SUM(x) with b below a.
func (w *writer) dominance(c ir.Expr, group int) (Guard, bool) {
	low, high, strict, ok := w.ordered(c, group)
	if !ok || low.agg == nil || high.agg == nil || low.agg.Func != ir.Max || high.agg.Func != ir.Sum ||
		low.factor.Sign() <= 0 || high.factor.Sign() <= 0 {
		return Guard{}, false
	}
	in := w.p.Nodes[group].In[0]
	value := w.part(w.column(place{in, low.agg.Arg}, ""), atom)
	if value != w.part(w.column(place{in, high.agg.Arg}, ""), atom) || low.agg.Arg != high.agg.Arg && !w.sameExpr(in, low.agg.Arg, high.agg.Arg) {
		return Guard{}, false
	}
	share := new(big.Rat).Quo(high.factor, low.factor)
	if share.Cmp(big.NewRat(1, 1)) >= 0 {
		return Guard{}, false
	}
	percent := new(big.Rat).Mul(share, big.NewRat(100, 1))
	text := percent.FloatString(0)
	if !percent.IsInt() {
		text = percent.FloatString(2)
		// Upward, so that no more is promised than is kept.
		if rounded, ok := new(big.Rat).SetString(text); ok && rounded.Cmp(percent) < 0 {
			text = rounded.Add(rounded, big.NewRat(1, 100)).FloatString(2)
		}
	}
	least := "more than"
	if strict {
		least = "at least"
	}
	return Guard{
		Code: "guard/dominance", Percent: text, Of: value,
		What: fmt.Sprintf("dominance %s %%: groups in which the largest %s is %s %s %% of the sum are removed inside the computation", text, value, least, text),
	}, true
}

// sameExpr reports whether two columns of a Project are the same expression.
func (w *writer) sameExpr(node, a, b int) bool {
	n := w.p.Nodes[node]
	return n.Op == ir.Project && n.Exprs[a].Op == "col" && n.Exprs[b].Op == "col" && n.Exprs[a].Col == n.Exprs[b].Col
}
