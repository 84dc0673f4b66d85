package ir

import (
	"fmt"
	"strings"
)

// infix are the operations that SQL writes between their arguments.
var infix = map[string]string{
	"add": "+", "sub": "-", "mul": "*", "div": "/", "idiv": "/",
	"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
	"and": "AND", "or": "OR",
}

// String writes the expression as SQL would have it, over the names of cols:
// for messages and for people, never to be parsed.
func (e Expr) String(cols []Column) string {
	args := make([]string, len(e.Args))
	for i, arg := range e.Args {
		args[i] = arg.String(cols)
		if _, nested := infix[arg.Op]; nested && (infix[e.Op] != "" || e.Op == "neg" || e.Op == "not" || e.Op == "isnull") {
			args[i] = "(" + args[i] + ")"
		}
	}
	switch {
	case e.Op == "col":
		return columnName(e.Col, cols)
	case e.Op == "lit":
		return e.literal()
	case e.Op == "neg" && len(args) == 1:
		return "-" + args[0]
	case e.Op == "not" && len(args) == 1:
		return "NOT " + args[0]
	case e.Op == "isnull" && len(args) == 1:
		return args[0] + " IS NULL"
	case e.Op == "cast" && len(args) == 1:
		return "CAST(" + args[0] + " AS " + SQLName(e.Type) + ")"
	case e.Op == "case" && len(args) >= 3 && len(args)%2 == 1:
		s := "CASE"
		for i := 0; i+1 < len(args); i += 2 {
			s += " WHEN " + args[i] + " THEN " + args[i+1]
		}
		return s + " ELSE " + args[len(args)-1] + " END"
	case infix[e.Op] != "":
		return strings.Join(args, " "+infix[e.Op]+" ")
	}
	return strings.ToUpper(e.Op) + "(" + strings.Join(args, ", ") + ")"
}

func (e Expr) literal() string {
	v, err := e.Value()
	switch {
	case err != nil:
		return "?"
	case v.Null:
		return "NULL"
	case e.Type.Kind == Text:
		return "'" + strings.ReplaceAll(v.Text, "'", "''") + "'"
	case e.Type.Kind == Date:
		return "DATE '" + Format(e.Type, v) + "'"
	case e.Type.Kind == Bool:
		return strings.ToUpper(Format(e.Type, v))
	}
	return Format(e.Type, v)
}

// String writes the aggregate as SQL would have it, over the names of cols.
func (a Agg) String(cols []Column) string {
	if a.Func == CountStar {
		return "COUNT(*)"
	}
	return strings.ToUpper(string(a.Func)) + "(" + columnName(a.Arg, cols) + ")"
}

func columnName(i int, cols []Column) string {
	if i < 0 || i >= len(cols) {
		return fmt.Sprintf("column %d", i)
	}
	return cols[i].Name
}
