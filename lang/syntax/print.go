package syntax

import "strings"

// Print writes an expression as SQL. column writes a column; nil writes it as
// it stands in the text. Two expressions that differ only in spaces, comments
// and redundant parentheses print alike.
func Print(e Expr, column func(*Column) string) string {
	p := printer{column: column}
	p.expr(e)
	return p.b.String()
}

type printer struct {
	b      strings.Builder
	column func(*Column) string
}

func (p *printer) expr(e Expr) {
	switch e := e.(type) {
	case *Column:
		if p.column != nil {
			p.text(p.column(e))
		} else {
			p.text(strings.Join(e.Parts, "."))
		}
	case *Literal:
		p.literal(e)
	case *Negative:
		p.text("-")
		p.operand(e.X)
	case *Binary:
		p.operand(e.L)
		p.text(" " + e.Op + " ")
		p.operand(e.R)
	case *Logic:
		for i, arg := range e.Args {
			if i > 0 && e.Or {
				p.text(" OR ")
			} else if i > 0 {
				p.text(" AND ")
			}
			p.operand(arg)
		}
	case *Not:
		p.text("NOT ")
		p.operand(e.X)
	case *IsNull:
		p.operand(e.X)
		p.text(" IS " + not(e.Not) + "NULL")
	case *IsTruth:
		p.operand(e.X)
		p.text(" IS " + not(e.Not) + e.Word)
	case *Between:
		p.operand(e.X)
		p.text(" " + not(e.Not) + "BETWEEN ")
		p.operand(e.Lo)
		p.text(" AND ")
		p.operand(e.Hi)
	case *InList:
		p.operand(e.X)
		p.text(" " + not(e.Not) + "IN (")
		p.list(e.List)
		p.text(")")
	case *InQuery:
		p.operand(e.X)
		p.text(" IN (SELECT …)")
	case *Exists:
		p.text("EXISTS (SELECT …)")
	case *Case:
		p.caseOf(e)
	case *Call:
		p.text(strings.ToUpper(e.Func) + "(")
		if e.Star {
			p.text("*")
		}
		p.list(e.Args)
		p.text(")")
	case *Cast:
		p.text("CAST(")
		p.expr(e.X)
		p.text(" AS " + e.Type.String() + ")")
	default:
		p.text("…")
	}
}

func (p *printer) text(s string) { p.b.WriteString(s) }

// operand puts parentheses around whatever consists of several parts.
func (p *printer) operand(e Expr) {
	switch e.(type) {
	case *Column, *Literal, *Call, *Cast, *Case:
		p.expr(e)
	default:
		p.text("(")
		p.expr(e)
		p.text(")")
	}
}

func (p *printer) list(list []Expr) {
	for i, e := range list {
		if i > 0 {
			p.text(", ")
		}
		p.expr(e)
	}
}

func (p *printer) literal(e *Literal) {
	switch e.Kind {
	case TextLiteral:
		p.text("'" + strings.ReplaceAll(e.Text, "'", "''") + "'")
	case NullLiteral, BoolLiteral:
		p.text(strings.ToUpper(e.Text))
	default:
		p.text(e.Text)
	}
}

func (p *printer) caseOf(e *Case) {
	p.text("CASE")
	if e.Operand != nil {
		p.text(" ")
		p.expr(e.Operand)
	}
	for _, w := range e.Whens {
		p.text(" WHEN ")
		p.expr(w.Cond)
		p.text(" THEN ")
		p.expr(w.Value)
	}
	if e.Else != nil {
		p.text(" ELSE ")
		p.expr(e.Else)
	}
	p.text(" END")
}

func not(is bool) string {
	if is {
		return "NOT "
	}
	return ""
}
