package check

import (
	"fmt"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// Limits of expressions, below those of ir.Validate. BETWEEN, IN and CASE with
// an operand repeat a part, so a short text could mean very much.
const (
	maxParts = 150_000
	maxDepth = 180
)

// untyped is the kind of the literal NULL until something beside it says what it is.
const untyped ir.Kind = ""

func null(pos int) ir.Expr {
	return ir.Expr{Op: "lit", Type: ir.Type{Kind: untyped, Nullable: true}, Lit: &ir.Lit{Null: true}, Pos: pos}
}

func isNull(x ir.Expr) bool { return x.Op == "lit" && x.Lit.Null }

// expr types an expression; false, with a Problem, if it is wrong. Text
// literals come out with a code list of their own, and NULL untyped: who puts
// them beside something else makes them of its type.
func (c *checker) expr(e *env, x syntax.Expr) (ir.Expr, bool) {
	positive := e.positive
	e.positive = false
	defer func() { e.positive = positive }()

	if e.group != nil {
		if out, ok, done := c.grouped(e, x); done {
			return out, ok
		}
	}
	var out ir.Expr
	var ok bool
	switch x := x.(type) {
	case *syntax.Column:
		var f field
		if f, ok = c.resolve(e, x); ok {
			out = ir.NewCol(f.col, e.cols[f.col].Type)
		}
	case *place:
		i := x.field.col + e.low
		out, ok = ir.NewCol(i, e.cols[i].Type), true
	case *syntax.Literal:
		out, ok = c.literal(x)
	case *syntax.Negative:
		out, ok = c.sign(e, "neg", x, x.X)
	case *syntax.Binary:
		out, ok = c.binary(e, x)
	case *syntax.Logic:
		e.positive = positive
		out, ok = c.logic(e, x)
	case *syntax.Not:
		if out, ok = c.truth(e, x.X); ok {
			out, ok = c.op(x, "not", out)
		}
	case *syntax.IsNull:
		out, ok = c.isNull(e, x)
	case *syntax.IsTruth:
		out, ok = c.isTruth(e, x)
	case *syntax.Between:
		out, ok = c.between(e, x)
	case *syntax.InList:
		out, ok = c.inList(e, x)
	case *syntax.Case:
		out, ok = c.caseOf(e, x)
	case *syntax.Call:
		out, ok = c.call(e, x)
	case *syntax.Cast:
		out, ok = c.cast(e, x)
	case *syntax.Exists:
		out, ok = c.exists(e, x, x.Query, nil, false)
	case *syntax.InQuery:
		out, ok = c.exists(e, x, x.Query, x.X, positive)
	default: // Bad: the parser has reported it
		c.incomplete = true
	}
	if ok && out.Pos == 0 {
		out.Pos = x.Offset()
	}
	return out, ok
}

// op applies an operation to arguments whose types fit.
func (c *checker) op(at syntax.Expr, name string, args ...ir.Expr) (ir.Expr, bool) {
	c.parts += weight(args)
	if c.parts > maxParts {
		return c.tooMuch(at)
	}
	out, err := ir.NewOp(name, args...)
	if err != nil {
		c.Add(at.Offset(), "JOC-L242", fmt.Sprintf("%s %v", shown(at), err), "Operations are defined for certain types.", "Write CAST(… AS type) where a type should be another one.")
		return ir.Expr{}, false
	}
	return c.placed(at, out), true
}

// weight counts the parts that an operation adds to the program. Every part
// carries its code list, so long ones count.
func weight(args []ir.Expr) int {
	n := 1
	for _, arg := range args {
		n += len(arg.Type.Codes) / 16
	}
	return n
}

// placed gives an expression its place, and remembers how it was written there.
func (c *checker) placed(at syntax.Expr, out ir.Expr) ir.Expr {
	out.Pos = at.Offset()
	c.written[out.Pos] = at
	return out
}

// shown is an expression for a message.
func shown(at syntax.Expr) string {
	text := []rune(syntax.Print(at, nil))
	if len(text) > 80 {
		text = append(text[:77], '…')
	}
	return string(text)
}

func (c *checker) tooMuch(at syntax.Expr) (ir.Expr, bool) {
	c.parts = maxParts + 1
	c.Add(at.Offset(), "JOC-L243", "the expressions of the program are too large", "BETWEEN, IN and CASE with an operand repeat their operand.",
		"Give the repeated part a name in a view of its own.")
	return ir.Expr{}, false
}

// repeat accounts for a part that stands n times more in the program.
func (c *checker) repeat(at syntax.Expr, x ir.Expr, n int) bool {
	c.parts += size(x, maxParts) * n
	if c.parts > maxParts {
		c.tooMuch(at)
		return false
	}
	return true
}

// size counts the parts of an expression, but not beyond the limit.
func size(x ir.Expr, limit int) int {
	n := 1
	for _, arg := range x.Args {
		if n < limit {
			n += size(arg, limit-n)
		}
	}
	return n
}

func depth(x ir.Expr) int {
	deepest := 0
	for _, arg := range x.Args {
		deepest = max(deepest, depth(arg))
	}
	return deepest + 1
}

// root types an expression that becomes part of a node.
func (c *checker) root(e *env, x syntax.Expr) (ir.Expr, bool) {
	out, ok := c.expr(e, x)
	if !ok {
		return out, false
	}
	if out.Type.Kind == untyped {
		c.Add(x.Offset(), "JOC-L244", "NULL has no type here", "Every column has a type.", "Write CAST(NULL AS type).")
		return out, false
	}
	if depth(out) > maxDepth {
		c.Add(x.Offset(), "JOC-L245", "the expression is nested too deeply", "What nobody can read nobody should sign.", "Give a part of it a name in a view.")
		return out, false
	}
	return out, true
}

// truth types a condition.
func (c *checker) truth(e *env, x syntax.Expr) (ir.Expr, bool) {
	out, ok := c.expr(e, x)
	switch {
	case !ok:
		return out, false
	case out.Type.Kind == untyped:
		return typedNull(out, ir.Type{Kind: ir.Bool}), true
	case out.Type.Kind != ir.Bool:
		c.Add(x.Offset(), "JOC-L246", fmt.Sprintf("%s is %s and stands where a condition is expected", shown(x), ir.SQLName(out.Type)),
			"A condition is true, false or NULL.", "Compare it with something, for example x <> 0.")
		return out, false
	case depth(out) > maxDepth:
		c.Add(x.Offset(), "JOC-L245", "the expression is nested too deeply", "What nobody can read nobody should sign.", "Give a part of it a name in a view.")
		return out, false
	}
	return out, true
}

func (c *checker) exprs(e *env, list []syntax.Expr) ([]ir.Expr, bool) {
	all := true
	out := make([]ir.Expr, len(list))
	for i, x := range list {
		var ok bool
		out[i], ok = c.expr(e, x)
		all = all && ok
	}
	return out, all
}

func (c *checker) logic(e *env, x *syntax.Logic) (ir.Expr, bool) {
	all := true
	args := make([]ir.Expr, len(x.Args))
	for i, arg := range x.Args {
		var ok bool
		args[i], ok = c.truth(e, arg)
		all = all && ok
	}
	if !all {
		return ir.Expr{}, false
	}
	if x.Or {
		return c.op(x, "or", args...)
	}
	return c.op(x, "and", args...)
}

func (c *checker) isNull(e *env, x *syntax.IsNull) (ir.Expr, bool) {
	arg, ok := c.root(e, x.X)
	if !ok {
		return arg, false
	}
	out, ok := c.op(x, "isnull", arg)
	if ok && x.Not {
		out, ok = c.op(x, "not", out)
	}
	return out, ok
}

// isTruth: IS TRUE is false for NULL where the value is NULL, so it is
// COALESCE(x, FALSE), and IS FALSE is COALESCE(NOT x, FALSE).
func (c *checker) isTruth(e *env, x *syntax.IsTruth) (ir.Expr, bool) {
	out, ok := c.truth(e, x.X)
	switch {
	case !ok:
		return out, false
	case x.Word == "UNKNOWN":
		out, ok = c.op(x, "isnull", out)
	default:
		if x.Word == "FALSE" {
			if out, ok = c.op(x, "not", out); !ok {
				return out, false
			}
		}
		out, ok = c.op(x, "coalesce", out, ir.NewLit(ir.Type{Kind: ir.Bool}, ir.NewBool(false)))
	}
	if ok && x.Not {
		out, ok = c.op(x, "not", out)
	}
	return out, ok
}

func (c *checker) between(e *env, x *syntax.Between) (ir.Expr, bool) {
	args, ok := c.exprs(e, []syntax.Expr{x.X, x.Lo, x.Hi})
	if !ok || !c.repeat(x, args[0], 1) {
		return ir.Expr{}, false
	}
	above, okAbove := c.compare(x, ">=", args[0], args[1])
	below, okBelow := c.compare(x, "<=", args[0], args[2])
	if !okAbove || !okBelow {
		return ir.Expr{}, false
	}
	out, ok := c.op(x, "and", above, below)
	if ok && x.Not {
		out, ok = c.op(x, "not", out)
	}
	return out, ok
}

func (c *checker) inList(e *env, x *syntax.InList) (ir.Expr, bool) {
	left, ok := c.expr(e, x.X)
	list, okList := c.exprs(e, x.List)
	if !ok || !okList || len(list) == 0 || !c.repeat(x, left, len(list)-1) {
		return ir.Expr{}, false
	}
	equal := make([]ir.Expr, len(list))
	for i, item := range list {
		if equal[i], ok = c.compare(x, "=", left, item); !ok {
			return ir.Expr{}, false
		}
	}
	out := equal[0]
	if len(equal) > 1 {
		if out, ok = c.op(x, "or", equal...); !ok {
			return out, false
		}
	}
	if x.Not {
		return c.op(x, "not", out)
	}
	return out, true
}

func (c *checker) caseOf(e *env, x *syntax.Case) (ir.Expr, bool) {
	all := true
	var operand ir.Expr
	if x.Operand != nil {
		operand, all = c.expr(e, x.Operand)
		all = all && c.repeat(x, operand, len(x.Whens)-1)
	}
	var conds, values []ir.Expr
	for _, w := range x.Whens {
		var cond ir.Expr
		var ok bool
		if x.Operand == nil {
			cond, ok = c.truth(e, w.Cond)
		} else if cond, ok = c.expr(e, w.Cond); ok && all {
			cond, ok = c.compare(w.Cond, "=", operand, cond)
		}
		value, okValue := c.expr(e, w.Value)
		conds, values = append(conds, cond), append(values, value)
		all = all && ok && okValue
	}
	otherwise, ok := null(x.Pos), true
	if x.Else != nil {
		otherwise, ok = c.expr(e, x.Else)
	}
	if !all || !ok {
		return ir.Expr{}, false
	}
	values, ok = c.unify(x, append(values, otherwise))
	if !ok {
		return ir.Expr{}, false
	}
	var args []ir.Expr
	for i, cond := range conds {
		args = append(args, cond, values[i])
	}
	return c.op(x, "case", append(args, values[len(values)-1])...)
}

func (c *checker) call(e *env, x *syntax.Call) (ir.Expr, bool) {
	if x.Aggregate() {
		c.Add(x.Pos, "JOC-L247", fmt.Sprintf("%s stands in %s", shown(x), e.place), "An aggregate is computed over groups, and these do not exist there yet.",
			"Use it in SELECT or HAVING; to go on computing with it, give it a name in a view.")
		return ir.Expr{}, false
	}
	want := map[string]int{"abs": 1, "nullif": 2}[x.Func]
	if want != 0 && len(x.Args) != want || len(x.Args) == 0 {
		c.Add(x.Pos, "JOC-L248", fmt.Sprintf("%s has %d arguments", shown(x), len(x.Args)), "", "Write ABS(x), NULLIF(x, y) or COALESCE(x, y, …).")
		return ir.Expr{}, false
	}
	if x.Func == "abs" {
		return c.sign(e, "abs", x, x.Args[0])
	}
	args, ok := c.exprs(e, x.Args)
	if !ok {
		return ir.Expr{}, false
	}
	if x.Func == "nullif" {
		return c.nullif(x, args[0], args[1])
	}
	if args, ok = c.unify(x, args); !ok || len(args) == 1 {
		if ok {
			return args[0], true
		}
		return ir.Expr{}, false
	}
	return c.op(x, "coalesce", args...)
}

// nullif has the type of its first argument, as in PostgreSQL; where comparing
// the two needs another scale, it is written out as CASE.
func (c *checker) nullif(at syntax.Expr, a, b ir.Expr) (ir.Expr, bool) {
	both, ok := c.unify(at, []ir.Expr{a, b})
	if !ok {
		return ir.Expr{}, false
	}
	if a.Type.Kind == ir.Text || both[0].Type.Same(a.Type) {
		return c.op(at, "nullif", both...)
	}
	if !c.repeat(at, a, 1) {
		return ir.Expr{}, false
	}
	equal, ok := c.op(at, "eq", both...)
	if !ok {
		return equal, false
	}
	return c.op(at, "case", equal, typedNull(null(at.Offset()), a.Type), a)
}
