package check

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// parseNumber reads digits with an optional sign and point.
func parseNumber(text string) (n *big.Int, scale int, ok bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, ok = new(big.Int).SetString(whole+fraction, 10)
	return n, len(fraction), ok && len(fraction) <= ir.MaxScale
}

// literal types a literal. A number with a point, or one that is no BIGINT, is
// a decimal, as in PostgreSQL.
func (c *checker) literal(x *syntax.Literal) (ir.Expr, bool) {
	switch x.Kind {
	case syntax.NullLiteral:
		return null(x.Pos), true
	case syntax.BoolLiteral:
		return ir.NewLit(ir.Type{Kind: ir.Bool}, ir.NewBool(x.Text == "true")), true
	case syntax.TextLiteral:
		return ir.NewLit(ir.Type{Kind: ir.Text, Codes: []string{x.Text}}, ir.NewText(x.Text)), true
	}
	n, scale, ok := parseNumber(x.Text)
	if !ok {
		c.Add(x.Pos, "JOC-L250", fmt.Sprintf("the number has more than %d digits after the point", ir.MaxScale), "", "Write fewer digits.")
		return ir.Expr{}, false
	}
	if strings.Contains(x.Text, ".") || !n.IsInt64() {
		return ir.NewLit(ir.Type{Kind: ir.Decimal, Scale: scale}, ir.NewBig(n)), true
	}
	return ir.NewLit(ir.Type{Kind: ir.Int}, ir.NewBig(n)), true
}

func typedNull(x ir.Expr, t ir.Type) ir.Expr {
	out := ir.NewLit(t, ir.NewNull())
	out.Pos = x.Pos
	return out
}

// isText reports whether x is a text literal, which may become of another type.
func isText(x ir.Expr) bool { return x.Op == "lit" && x.Type.Kind == ir.Text && !x.Lit.Null }

// unify makes values of one type that contains all of them: numbers the
// greatest scale, texts one code list or width, text literals beside dates
// dates. False, with a Problem, if there is none.
func (c *checker) unify(at syntax.Expr, list []ir.Expr) ([]ir.Expr, bool) {
	t, ok := c.common(at, list)
	if !ok {
		return nil, false
	}
	out := make([]ir.Expr, len(list))
	for i, x := range list {
		if out[i], ok = c.become(at, x, t); !ok {
			return nil, false
		}
	}
	return out, true
}

// common finds the type that contains all values.
func (c *checker) common(at syntax.Expr, list []ir.Expr) (ir.Type, bool) {
	var t ir.Type
	literal := true // t is NULL's or a text literal's: anything else decides the kind
	for _, x := range list {
		if x.Type.Kind != untyped && (t.Kind == untyped || literal && !isText(x)) {
			t, literal = x.Type, isText(x)
		}
	}
	switch t.Kind {
	case untyped:
		c.Add(at.Offset(), "JOC-L251", fmt.Sprintf("in %s there is only NULL", shown(at)), "NULL alone has no type.", "Write CAST(NULL AS type).")
		return t, false
	case ir.Text:
		return c.commonText(at, list)
	}
	for _, x := range list {
		switch {
		case x.Type.Kind == untyped, t.Kind == ir.Date && isText(x):
		case t.Numeric() && x.Type.Numeric():
			if x.Type.Kind == ir.Decimal {
				t.Kind = ir.Decimal
			}
			t.Scale = max(t.Scale, x.Type.Scale)
		case x.Type.Kind != t.Kind:
			c.differ(at, t, x.Type)
			return t, false
		}
	}
	return t, true
}

func (c *checker) differ(at syntax.Expr, a, b ir.Type) {
	c.Add(at.Offset(), "JOC-L252", fmt.Sprintf("in %s, %s stands beside %s", shown(at), ir.SQLName(a), ir.SQLName(b)),
		"Values that are compared or chosen from are of one kind.", "Write numbers without quotes, dates as DATE 'YYYY-MM-DD', or convert with CAST(… AS type).")
}

func (c *checker) commonText(at syntax.Expr, list []ir.Expr) (ir.Type, bool) {
	var codes []string
	width, keyed, coded := 0, false, false
	for _, x := range list {
		switch {
		case x.Type.Kind == untyped:
		case x.Type.Kind != ir.Text:
			c.differ(at, ir.Type{Kind: ir.Text, Width: textWidth}, x.Type)
			return ir.Type{}, false
		case x.Type.Coded():
			codes = append(codes, x.Type.Codes...)
			coded = coded || !literalLeaves(x)
		default:
			keyed = true
			width = max(width, x.Type.Width)
		}
	}
	if !keyed {
		slices.Sort(codes)
		return ir.Type{Kind: ir.Text, Codes: slices.Compact(codes)}, true
	}
	if coded {
		c.Add(at.Offset(), "JOC-L253", fmt.Sprintf("in %s, text with a code list stands beside text without one", shown(at)),
			"The first is carried as a number, the second as a key.", "Declare both columns with CHECK (column IN ('…', '…')), or neither.")
		return ir.Type{}, false
	}
	for _, code := range codes {
		width = max(width, utf8.RuneCountInString(code))
	}
	return ir.Type{Kind: ir.Text, Width: width}, true
}

// literalLeaves reports whether every text that x can be is written in it, so
// that it may become key text.
func literalLeaves(x ir.Expr) bool {
	for _, v := range textValues(x) {
		if !literalLeaves(x.Args[v]) {
			return false
		}
	}
	return x.Op == "lit" || len(textValues(x)) > 0
}

// textValues are the arguments of which x gives one: those of CASE and COALESCE.
func textValues(x ir.Expr) []int {
	var values []int
	for i := range x.Args {
		if x.Op == "coalesce" || x.Op == "case" && (i%2 == 1 || i == len(x.Args)-1) {
			values = append(values, i)
		}
	}
	return values
}

// become converts a value to a type that contains it. Literals are rewritten;
// everything else gets a cast.
func (c *checker) become(at syntax.Expr, x ir.Expr, t ir.Type) (ir.Expr, bool) {
	pos := x.Pos
	switch {
	case isNull(x):
		return typedNull(x, t), true
	case x.Type.Same(t):
		return x, true
	case t.Kind == ir.Date && isText(x):
		v, err := ir.ParseValue(t, x.Lit.Value)
		if err != nil || !inCalendar(v.Int) {
			c.Add(pos, "JOC-L254", "a date is not of the form YYYY-MM-DD, or does not exist", "It stands where a date is expected.", "Write DATE 'YYYY-MM-DD', from year 0001 to 9999.")
			return x, false
		}
		x = ir.NewLit(t, v)
	case x.Op == "lit" && x.Type.Numeric() && t.Kind == ir.Decimal && t.Scale >= x.Type.Scale:
		n := numberOf(x.Lit.Value)
		x = ir.NewLit(t, ir.NewBig(n.Mul(n, pow10(t.Scale-x.Type.Scale))))
	case isText(x):
		x = ir.NewLit(t, ir.NewText(x.Lit.Value))
	case x.Type.Coded() && !t.Coded() && t.Kind == ir.Text:
		args := slices.Clone(x.Args)
		for _, i := range textValues(x) {
			var ok bool
			if args[i], ok = c.become(at, args[i], t); !ok {
				return x, false
			}
		}
		return c.op(at, x.Op, args...)
	default:
		if c.parts++; c.parts > maxParts {
			return c.tooMuch(at)
		}
		out, err := ir.NewCast(x, t)
		if err != nil {
			c.Add(pos, "JOC-L255", fmt.Sprintf("a part of %s does not convert: %v", shown(at), err), "Operations are defined for certain types.", "Write a value of the other type.")
			return x, false
		}
		x = out
	}
	x.Pos = pos
	return x, true
}

func inCalendar(day *big.Int) bool {
	lo, hi, _ := declaredRange(syntax.TypeName{Base: syntax.Date})
	return day.Cmp(lo) >= 0 && day.Cmp(hi) <= 0
}

var comparisons = map[string]string{"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

func (c *checker) compare(at syntax.Expr, op string, a, b ir.Expr) (ir.Expr, bool) {
	both, ok := c.unify(at, []ir.Expr{a, b})
	if !ok {
		return ir.Expr{}, false
	}
	if kind := both[0].Type.Kind; op != "=" && op != "<>" && (kind == ir.Text || kind == ir.Bool) {
		c.Add(at.Offset(), "JOC-L256", fmt.Sprintf("%s orders values of type %s", shown(at), ir.SQLName(both[0].Type)),
			"Texts are codes and keys: they are equal or different, and their order depends on a language.", "Compare with =, <> or IN (…), or provide a number to order by.")
		return ir.Expr{}, false
	}
	return c.op(at, comparisons[op], both...)
}

func (c *checker) binary(e *env, x *syntax.Binary) (ir.Expr, bool) {
	args, ok := c.exprs(e, []syntax.Expr{x.L, x.R})
	if !ok {
		return ir.Expr{}, false
	}
	a, b := args[0], args[1]
	if comparisons[x.Op] != "" {
		return c.compare(x, x.Op, a, b)
	}
	name := map[string]string{"+": "add", "-": "sub", "*": "mul", "/": "div"}[x.Op]
	a, b = beside(a, b.Type), beside(b, a.Type)
	switch {
	case !arithmetic(a) || !arithmetic(b):
		return c.noArithmetic(x, a, b)
	case a.Type.Kind == ir.Date || b.Type.Kind == ir.Date:
		return c.dateArithmetic(x, name, a, b)
	case name == "div" && a.Type.Kind == ir.Int && b.Type.Kind == ir.Int:
		return c.op(x, "idiv", a, b)
	case name == "add" || name == "sub":
		both, ok := c.unify(x, []ir.Expr{a, b})
		if !ok {
			return ir.Expr{}, false
		}
		a, b = both[0], both[1]
	}
	return c.op(x, name, a, b)
}

// beside types a NULL in arithmetic by what stands beside it.
func beside(x ir.Expr, other ir.Type) ir.Expr {
	if x.Type.Kind != untyped {
		return x
	}
	if other.Numeric() {
		return typedNull(x, other)
	}
	return typedNull(x, ir.Type{Kind: ir.Int})
}

func arithmetic(x ir.Expr) bool { return x.Type.Numeric() || x.Type.Kind == ir.Date }

func (c *checker) noArithmetic(x *syntax.Binary, a, b ir.Expr) (ir.Expr, bool) {
	c.Add(x.Pos, "JOC-L257", fmt.Sprintf("%s computes with %s and %s", shown(x), ir.SQLName(a.Type), ir.SQLName(b.Type)), "Arithmetic is for numbers and dates.",
		"Write numbers without quotes, dates as DATE 'YYYY-MM-DD', and CASE WHEN condition THEN 1 ELSE 0 END for a condition.")
	return ir.Expr{}, false
}

func (c *checker) dateArithmetic(x *syntax.Binary, name string, a, b ir.Expr) (ir.Expr, bool) {
	if name == "add" && b.Type.Kind == ir.Date {
		a, b = b, a
	}
	days := b.Type.Kind == ir.Int || name == "sub" && b.Type.Kind == ir.Date
	if a.Type.Kind != ir.Date || !days || name != "add" && name != "sub" {
		c.Add(x.Pos, "JOC-L258", fmt.Sprintf("%s is not possible with a date", shown(x)), "A date takes a number of days, and two dates have a number of days between them.",
			"Write date + days, date - days or date - date, with whole days.")
		return ir.Expr{}, false
	}
	return c.op(x, name, a, b)
}

// sign is -x or ABS(x). A number with a minus is one literal.
func (c *checker) sign(e *env, name string, at, arg syntax.Expr) (ir.Expr, bool) {
	x, ok := c.expr(e, arg)
	switch {
	case !ok:
		return x, false
	case x.Type.Kind == untyped:
		return typedNull(x, ir.Type{Kind: ir.Int}), true
	case !x.Type.Numeric():
		c.Add(at.Offset(), "JOC-L259", fmt.Sprintf("%s is of %s", shown(at), ir.SQLName(x.Type)), "Only numbers have a sign.", "Write a number.")
		return x, false
	case name == "neg" && x.Op == "lit" && !x.Lit.Null:
		n := numberOf(x.Lit.Value)
		return ir.NewLit(x.Type, ir.NewBig(n.Neg(n))), true
	}
	return c.op(at, name, x)
}

// cast converts as CAST says. A cast to a number sets its scale; how many
// digits it has before the point follows from ranges, as everywhere.
func (c *checker) cast(e *env, x *syntax.Cast) (ir.Expr, bool) {
	arg, ok := c.expr(e, x.X)
	if !ok {
		return arg, false
	}
	t := typeOf(x.Type)
	from := arg.Type
	switch {
	case isNull(arg), t.Kind == ir.Date && isText(arg):
		return c.become(x, arg, t)
	case from.Numeric() && t.Kind == ir.Bool && from.Kind == ir.Int:
		return c.op(x, "ne", arg, ir.NewLit(from, ir.NewInt(0)))
	case t.Kind == ir.Text && from.Kind == ir.Text:
		return c.castText(x, arg, t)
	case from.Kind == t.Kind && from.Scale == t.Scale:
		return arg, true
	}
	if err := ir.CastAllowed(from, t.WithNull(from.Nullable)); err != nil {
		c.Add(x.Pos, "JOC-L260", fmt.Sprintf("%s converts %s to %s", shown(x), ir.SQLName(from), x.Type), "This conversion is not defined.",
			"Numbers convert to numbers, truth values to INTEGER, texts of the form YYYY-MM-DD to DATE.")
		return arg, false
	}
	out, ok := c.become(x, arg, t)
	if !ok {
		return out, false
	}
	return c.placed(x, out), true
}

// castText never shortens a text, because SQL would do so silently.
func (c *checker) castText(x *syntax.Cast, arg ir.Expr, t ir.Type) (ir.Expr, bool) {
	if arg.Type.Coded() {
		for _, code := range arg.Type.Codes {
			if !fitsWidth(code, t.Width) {
				return c.shortened(x)
			}
		}
		return arg, true // it keeps its code list, and with it its cheap form
	}
	if arg.Type.Width > t.Width {
		return c.shortened(x)
	}
	return c.become(x, arg, t)
}

func (c *checker) shortened(x *syntax.Cast) (ir.Expr, bool) {
	c.Add(x.Pos, "JOC-L261", fmt.Sprintf("%s would shorten texts", shown(x)), "SQL cuts them silently, and different texts could become equal.", "Use a length that all values fit.")
	return ir.Expr{}, false
}

func fitsWidth(s string, width int) bool { return utf8.RuneCountInString(s) <= width }
