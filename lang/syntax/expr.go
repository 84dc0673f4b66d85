package syntax

import (
	"fmt"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"golang.org/x/text/unicode/norm"
)

// expr reads an expression, and gives Bad where it is refused.
func (c *converter) expr(node *pg.Node) Expr {
	pos := c.placeOf(c.stmt, []*pg.Node{node})
	defer func() { c.depth-- }()
	if !c.deeper(pos) {
		return &Bad{At{pos}}
	}
	if e := c.known(At{pos}, node); e != nil {
		return e
	}
	return &Bad{At{pos}}
}

// known reads an expression; nil, with a Problem, where it is refused.
func (c *converter) known(at At, node *pg.Node) Expr {
	switch n := node.GetNode().(type) {
	case *pg.Node_ColumnRef:
		c.rest(at.Pos, n.ColumnRef, "fields")
		if parts := c.parts(at.Pos, n.ColumnRef.GetFields()); parts != nil {
			return &Column{at, parts}
		}
		return nil
	case *pg.Node_AConst:
		return c.constant(at, n.AConst)
	case *pg.Node_AExpr:
		return c.operator(at, n.AExpr)
	case *pg.Node_BoolExpr:
		return c.logic(at, n.BoolExpr)
	case *pg.Node_NullTest:
		c.rest(at.Pos, n.NullTest, "arg", "nulltesttype", "argisrow")
		return &IsNull{at, c.expr(n.NullTest.GetArg()), n.NullTest.GetNulltesttype() == pg.NullTestType_IS_NOT_NULL}
	case *pg.Node_BooleanTest:
		return c.truth(at, n.BooleanTest)
	case *pg.Node_CaseExpr:
		return c.caseOf(at, n.CaseExpr)
	case *pg.Node_CoalesceExpr:
		c.rest(at.Pos, n.CoalesceExpr, "args")
		return &Call{At: at, Func: "coalesce", Args: c.list(n.CoalesceExpr.GetArgs())}
	case *pg.Node_FuncCall:
		return c.call(at, n.FuncCall)
	case *pg.Node_SubLink:
		return c.subquery(at, n.SubLink)
	case *pg.Node_TypeCast:
		return c.cast(at, n.TypeCast)
	}
	return c.unknown(at, node)
}

func (c *converter) list(nodes []*pg.Node) []Expr {
	var list []Expr
	for _, n := range nodes {
		list = append(list, c.expr(n))
	}
	return list
}

// unknown refuses the expressions that this version lacks.
func (c *converter) unknown(at At, node *pg.Node) Expr {
	switch node.GetNode().(type) {
	case *pg.Node_CollateClause:
		c.refuse(at.Pos, "JOC-L122", "COLLATE is not part of the language", "Leave it out: texts are compared byte by byte, and only for equality.")
	case *pg.Node_ParamRef:
		c.refuse(at.Pos, "JOC-L170", "a parameter stands here", "Write the value itself: what is signed is complete.")
	case *pg.Node_SqlvalueFunction:
		c.refuse(at.Pos, "JOC-L171", "the current date, time or user stands here", "Write the date itself: DATE 'YYYY-MM-DD'. A program has one meaning at any time.")
	case *pg.Node_MinMaxExpr:
		c.refuse(at.Pos, "JOC-L172", "GREATEST and LEAST are not part of this version", "Write CASE WHEN a >= b THEN a ELSE b END.")
	case *pg.Node_GroupingSet, *pg.Node_GroupingFunc:
		c.refuse(at.Pos, "JOC-L173", "GROUPING SETS, ROLLUP and CUBE are not part of this version", "Make one view for each grouping.")
	case *pg.Node_RowExpr:
		c.refuse(at.Pos, "JOC-L174", "several values in parentheses are compared or selected as one", "Compare them one by one, with AND.")
	case *pg.Node_AArrayExpr, *pg.Node_AIndirection:
		c.refuse(at.Pos, "JOC-L175", "arrays and parts of values are not part of the language", "Use columns of plain types.")
	default:
		c.refuse(at.Pos, "JOC-L176", "this expression is not part of the language",
			"Use columns, literals, arithmetic, comparisons, AND, OR, NOT, BETWEEN, IN, CASE, COALESCE, NULLIF, ABS, CAST and aggregates.")
	}
	return nil
}

func (c *converter) constant(at At, k *pg.A_Const) Expr {
	if k.GetIsnull() {
		return &Literal{at, NullLiteral, "null"}
	}
	switch v := k.GetVal().(type) {
	case *pg.A_Const_Ival:
		return &Literal{at, NumberLiteral, strconv.Itoa(int(v.Ival.GetIval()))}
	case *pg.A_Const_Fval:
		text := strings.ReplaceAll(v.Fval.GetFval(), "_", "")
		if strings.ContainsAny(text, "eExXoObB") {
			c.refuse(at.Pos, "JOC-L177", "a number is written with an exponent, or not in decimal", "Write all its decimal digits.")
			return nil
		}
		if len(text) > maxDigits {
			c.refuse(at.Pos, "JOC-L178", "a number has too many digits", fmt.Sprintf("Use at most %d digits.", maxDecimal))
			return nil
		}
		return &Literal{at, NumberLiteral, text}
	case *pg.A_Const_Boolval:
		return &Literal{at, BoolLiteral, strconv.FormatBool(v.Boolval.GetBoolval())}
	case *pg.A_Const_Sval:
		return c.text(at, v.Sval.GetSval())
	}
	c.refuse(at.Pos, "JOC-L179", "bit strings are not part of the language", "Use numbers or text.")
	return nil
}

func (c *converter) text(at At, s string) Expr {
	switch {
	case !norm.NFC.IsNormalString(s):
		c.refuse(at.Pos, "JOC-L180", "a text is not in Unicode's composed form (NFC)", "Write its characters themselves, in the form NFC.")
	case len(s) > maxWidth:
		c.refuse(at.Pos, "JOC-L181", "a text is too long", fmt.Sprintf("Use at most %d bytes.", maxWidth))
	case strings.HasSuffix(s, " "):
		c.report.Add(at.Pos, "JOC-L182", "a text ends with a space", "CHAR values are read without the spaces at their end, so it would mean different things for CHAR and VARCHAR.",
			"Write it without the spaces at the end.")
	default:
		return &Literal{at, TextLiteral, s}
	}
	return nil
}

// symbol is an operator's name; "" where it is qualified by a schema.
func symbol(names []*pg.Node) string {
	if len(names) != 1 {
		return ""
	}
	return names[0].GetString_().GetSval()
}

func (c *converter) operator(at At, e *pg.A_Expr) Expr {
	c.rest(at.Pos, e, "kind", "name", "lexpr", "rexpr")
	op := symbol(e.GetName())
	list := e.GetRexpr().GetList().GetItems()
	switch kind := e.GetKind(); kind {
	case pg.A_Expr_Kind_AEXPR_OP:
		return c.symbols(at, op, e)
	case pg.A_Expr_Kind_AEXPR_NULLIF:
		return &Call{At: at, Func: "nullif", Args: []Expr{c.expr(e.GetLexpr()), c.expr(e.GetRexpr())}}
	case pg.A_Expr_Kind_AEXPR_IN:
		return &InList{at, c.expr(e.GetLexpr()), c.list(list), op == "<>"}
	case pg.A_Expr_Kind_AEXPR_BETWEEN, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN:
		if len(list) == 2 {
			return &Between{at, c.expr(e.GetLexpr()), c.expr(list[0]), c.expr(list[1]), kind == pg.A_Expr_Kind_AEXPR_NOT_BETWEEN}
		}
	case pg.A_Expr_Kind_AEXPR_BETWEEN_SYM, pg.A_Expr_Kind_AEXPR_NOT_BETWEEN_SYM:
		c.refuse(at.Pos, "JOC-L183", "BETWEEN SYMMETRIC is not part of the language", "Write BETWEEN with the lower end first.")
		return nil
	case pg.A_Expr_Kind_AEXPR_DISTINCT, pg.A_Expr_Kind_AEXPR_NOT_DISTINCT:
		c.refuse(at.Pos, "JOC-L184", "IS DISTINCT FROM is not part of this version", "Write a <> b OR (a IS NULL) <> (b IS NULL), or use COALESCE.")
		return nil
	case pg.A_Expr_Kind_AEXPR_LIKE, pg.A_Expr_Kind_AEXPR_ILIKE, pg.A_Expr_Kind_AEXPR_SIMILAR:
		c.refuse(at.Pos, "JOC-L185", "LIKE and patterns are not part of this version", "Provide what you look for as a column with a code list: CHECK (column IN (…)).")
		return nil
	case pg.A_Expr_Kind_AEXPR_OP_ANY, pg.A_Expr_Kind_AEXPR_OP_ALL:
		c.refuse(at.Pos, "JOC-L186", "ANY and ALL over arrays are not part of the language", "Write IN (…).")
		return nil
	}
	c.refuse(at.Pos, "JOC-L187", "this operator is not part of the language", "Use + - * / = <> < <= > >= and AND, OR, NOT.")
	return nil
}

func (c *converter) symbols(at At, op string, e *pg.A_Expr) Expr {
	if e.GetLexpr() == nil {
		switch op {
		case "-":
			return &Negative{at, c.expr(e.GetRexpr())}
		case "+":
			return c.expr(e.GetRexpr())
		}
	} else if e.GetRexpr() != nil {
		switch op {
		case "+", "-", "*", "/", "=", "<>", "<", "<=", ">", ">=":
			return &Binary{at, op, c.expr(e.GetLexpr()), c.expr(e.GetRexpr())}
		}
	}
	if op == "||" {
		c.refuse(at.Pos, "JOC-L188", "texts are joined with ||", "Provide the joined text as a column of the table.")
		return nil
	}
	c.refuse(at.Pos, "JOC-L187", "this operator is not part of the language", "Use + - * / = <> < <= > >= and AND, OR, NOT.")
	return nil
}

func (c *converter) logic(at At, b *pg.BoolExpr) Expr {
	c.rest(at.Pos, b, "boolop", "args")
	args := c.list(b.GetArgs())
	switch {
	case b.GetBoolop() == pg.BoolExprType_NOT_EXPR && len(args) == 1:
		return &Not{at, args[0]}
	case len(args) >= 2:
		return &Logic{at, b.GetBoolop() == pg.BoolExprType_OR_EXPR, args}
	}
	return nil
}

func (c *converter) truth(at At, b *pg.BooleanTest) Expr {
	c.rest(at.Pos, b, "arg", "booltesttype")
	e := &IsTruth{At: at, X: c.expr(b.GetArg())}
	switch b.GetBooltesttype() {
	case pg.BoolTestType_IS_TRUE, pg.BoolTestType_IS_NOT_TRUE:
		e.Word = "TRUE"
	case pg.BoolTestType_IS_FALSE, pg.BoolTestType_IS_NOT_FALSE:
		e.Word = "FALSE"
	default:
		e.Word = "UNKNOWN"
	}
	switch b.GetBooltesttype() {
	case pg.BoolTestType_IS_NOT_TRUE, pg.BoolTestType_IS_NOT_FALSE, pg.BoolTestType_IS_NOT_UNKNOWN:
		e.Not = true
	}
	return e
}

func (c *converter) caseOf(at At, k *pg.CaseExpr) Expr {
	c.rest(at.Pos, k, "arg", "args", "defresult")
	e := &Case{At: at}
	if k.GetArg() != nil {
		e.Operand = c.expr(k.GetArg())
	}
	for _, node := range k.GetArgs() {
		w := node.GetCaseWhen()
		c.rest(at.Pos, w, "expr", "result")
		e.Whens = append(e.Whens, When{c.expr(w.GetExpr()), c.expr(w.GetResult())})
	}
	if k.GetDefresult() != nil {
		e.Else = c.expr(k.GetDefresult())
	}
	return e
}

func (c *converter) call(at At, f *pg.FuncCall) Expr {
	var names []string
	for _, n := range f.GetFuncname() {
		names = append(names, n.GetString_().GetSval())
	}
	name := strings.Join(names, ".")
	switch {
	case f.GetOver() != nil:
		c.refuse(at.Pos, "JOC-L189", "window functions (OVER) are not part of this version", later)
		return nil
	case f.GetAggWithinGroup(), name == "median":
		c.refuse(at.Pos, "JOC-L190", fmt.Sprintf("%s is not part of this version", strings.ToUpper(name)),
			"A later version of the language will have quantiles. Use COUNT, SUM, AVG, MIN or MAX.")
		return nil
	case f.GetAggDistinct():
		c.refuse(at.Pos, "JOC-L191", "DISTINCT inside an aggregate is not part of this version",
			"Make a view with GROUP BY over these columns, and count its rows.")
		return nil
	case f.GetAggFilter() != nil:
		c.refuse(at.Pos, "JOC-L192", "FILTER is not part of this version", "Write SUM(CASE WHEN condition THEN value END), and COUNT(CASE WHEN condition THEN 1 END).")
		return nil
	case len(f.GetAggOrder()) > 0 || f.GetFuncVariadic():
		c.refuse(at.Pos, "JOC-L193", "ORDER BY and VARIADIC inside a function are not part of the language", "Leave it out.")
		return nil
	}
	switch name {
	case "abs", "count", "sum", "avg", "min", "max":
	default:
		return c.noFunction(at, name)
	}
	c.rest(at.Pos, f, "funcname", "args", "agg_star", "funcformat")
	if f.GetAggStar() && name != "count" {
		c.refuse(at.Pos, "JOC-L194", fmt.Sprintf("%s(*) has no meaning", strings.ToUpper(name)), "Name the column.")
		return nil
	}
	for _, arg := range f.GetArgs() {
		if arg.GetNamedArgExpr() != nil {
			c.refuse(at.Pos, "JOC-L195", "an argument has a name", "Write the value alone.")
			return nil
		}
	}
	return &Call{At: at, Func: name, Args: c.list(f.GetArgs()), Star: f.GetAggStar()}
}

// noFunction refuses a function that this version lacks.
func (c *converter) noFunction(at At, name string) Expr {
	const known = "Use COUNT, SUM, AVG, MIN, MAX, ABS, COALESCE and NULLIF."
	what := fmt.Sprintf("there is no function %s in this version", strings.ToUpper(name))
	switch {
	case strings.HasPrefix(name, "regr_"), strings.HasPrefix(name, "stddev"), strings.HasPrefix(name, "var_"), strings.HasPrefix(name, "covar_"),
		name == "variance", name == "corr":
		c.refuse(at.Pos, "JOC-L196", what, "A later version of the language will have it. Until then compute it from SUM(x), SUM(x * x), SUM(x * y) and COUNT(*).")
	case name == "round", name == "pg_catalog.round":
		c.refuse(at.Pos, "JOC-L197", what, "Write CAST(x AS DECIMAL(p, s)): it rounds half away from zero.")
	default:
		c.refuse(at.Pos, "JOC-L198", what, known)
	}
	return nil
}

func (c *converter) subquery(at At, s *pg.SubLink) Expr {
	c.rest(at.Pos, s, "sub_link_type", "testexpr", "oper_name", "subselect")
	switch {
	case s.GetSubLinkType() == pg.SubLinkType_EXISTS_SUBLINK:
		if q := c.query(at.Pos, s.GetSubselect()); q != nil {
			return &Exists{at, q}
		}
		return nil
	case s.GetSubLinkType() == pg.SubLinkType_ANY_SUBLINK && len(s.GetOperName()) == 0:
		x := c.expr(s.GetTestexpr())
		if q := c.query(at.Pos, s.GetSubselect()); q != nil {
			return &InQuery{at, x, q}
		}
		return nil
	case s.GetSubLinkType() == pg.SubLinkType_EXPR_SUBLINK:
		c.refuse(at.Pos, "JOC-L199", "a query stands where a value is expected", "A later version of the language will have it. Make it a view, and join it.")
	default:
		c.refuse(at.Pos, "JOC-L138", "ANY, SOME and ALL over a query are not part of this version", "Write IN (SELECT …) or EXISTS (SELECT …).")
	}
	return nil
}
