package ir

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a program, so that one from the network costs little to refuse.
const (
	maxTables    = 256
	maxNodes     = 10_000
	maxOutputs   = 256
	maxColumns   = 1_000
	maxKeys      = 16 // of a table; also columns of a key, and of a join's key
	maxGroupKeys = 64
	maxExprs     = 200_000 // parts of all expressions together
	maxExprDepth = 200
	maxCodes     = 100_000
	maxWidth     = 10_000
	maxName      = 256
)

// Validate says what is wrong with a program, if anything: everything that its
// consumers rely on, so that they may index, apply and divide without looking.
// The program may come from anybody. What Validate accepts can still have
// ranges too wide to compute with, which depends on row bounds: see Ranges.
func (p *Program) Validate() error {
	v := &validator{p: p}
	switch {
	case p.Format != 1:
		return fmt.Errorf("format %d is unknown", p.Format)
	case len(p.Tables) > maxTables || len(p.Nodes) > maxNodes || len(p.Outputs) > maxOutputs:
		return fmt.Errorf("at most %d tables, %d nodes and %d outputs are possible", maxTables, maxNodes, maxOutputs)
	case len(p.Outputs) == 0:
		return errors.New("nothing is granted to anybody")
	}
	for i, t := range p.Tables {
		if err := v.table(i, t); err != nil {
			return fmt.Errorf("table %d: %w", i, err)
		}
	}
	for i, n := range p.Nodes {
		if err := v.node(i, n); err != nil {
			return fmt.Errorf("node %d: %w", i, err)
		}
	}
	if err := v.tablesUsed(); err != nil {
		return err
	}
	for i, o := range p.Outputs {
		if err := v.output(i, o); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
	}
	return p.ProveDivisors()
}

type validator struct {
	p     *Program
	exprs int // parts of expressions so far
}

func (v *validator) table(i int, t Table) error {
	if err := errors.Join(name(string(t.Owner)), name(t.Name)); err != nil {
		return err
	}
	if strings.Contains(string(t.Owner), ".") || strings.Contains(t.Name, ".") {
		return errors.New("names of owners and tables have no point")
	}
	if i > 0 {
		before := v.p.Tables[i-1]
		if before.Owner > t.Owner || before.Owner == t.Owner && before.Name >= t.Name {
			return errors.New("tables stand in order of owner and name, each once")
		}
	}
	if len(t.Columns) == 0 || len(t.Columns) > maxColumns {
		return fmt.Errorf("a table has from 1 to %d columns", maxColumns)
	}
	if repeatedName(t.Columns) {
		return errors.New("two columns have the same name")
	}
	for j, c := range t.Columns {
		if err := tableColumn(c); err != nil {
			return fmt.Errorf("column %d: %w", j, err)
		}
	}
	if len(t.Keys) > maxKeys {
		return fmt.Errorf("a table has at most %d keys", maxKeys)
	}
	for j, key := range t.Keys {
		if len(key) == 0 || len(key) > maxKeys || !ascending(key, len(t.Columns)) {
			return fmt.Errorf("key %d is not a list of columns in ascending order", j)
		}
		if slices.ContainsFunc(t.Keys[:j], func(other []int) bool { return slices.Equal(other, key) }) {
			return fmt.Errorf("key %d is there twice", j)
		}
	}
	for j, check := range t.Checks {
		if err := v.predicate(check, t.Columns); err != nil {
			return fmt.Errorf("check %d: %w", j, err)
		}
	}
	return nil
}

func tableColumn(c Column) error {
	if err := column(c); err != nil {
		return err
	}
	switch c.Type.Kind {
	case Int, Decimal, Date:
	default:
		if c.Lo != "" || c.Hi != "" {
			return errors.New("only numbers and dates have a range")
		}
		return nil
	}
	lo, errLo := parseDigits(c.Lo)
	hi, errHi := parseDigits(c.Hi)
	if errLo != nil || errHi != nil || lo.String() != c.Lo || hi.String() != c.Hi || lo.Cmp(hi) > 0 {
		return errors.New("the range is not two integers, the lower first")
	}
	return nil
}

func column(c Column) error {
	if err := name(c.Name); err != nil {
		return err
	}
	return typ(c.Type)
}

func typ(t Type) error {
	if t.Kind != Decimal && t.Scale != 0 {
		return errors.New("only a decimal has a scale")
	}
	if t.Kind != Text && (len(t.Codes) > 0 || t.Width != 0) {
		return errors.New("only a text has codes or a width")
	}
	switch t.Kind {
	case Int, Bool, Date:
		return nil
	case Decimal:
		if t.Scale < 0 || t.Scale > MaxScale {
			return fmt.Errorf("a scale is from 0 to %d", MaxScale)
		}
		return nil
	case Text:
		return textType(t)
	}
	return fmt.Errorf("there is no kind %.40q", t.Kind)
}

func textType(t Type) error {
	if len(t.Codes) == 0 {
		if t.Width < 1 || t.Width > maxWidth {
			return fmt.Errorf("a text without codes has a width from 1 to %d", maxWidth)
		}
		return nil
	}
	if t.Width != 0 || len(t.Codes) > maxCodes {
		return fmt.Errorf("a text with codes has no width, and at most %d codes", maxCodes)
	}
	for i, code := range t.Codes {
		if !utf8.ValidString(code) || strings.ContainsRune(code, 0) || len(code) > maxWidth {
			return errors.New("a code is not UTF-8, has a NUL, or is too long")
		}
		if i > 0 && t.Codes[i-1] >= code {
			return errors.New("codes stand in byte order, each once")
		}
	}
	return nil
}

func (v *validator) node(i int, n Node) error {
	if len(n.Columns) > maxColumns {
		return fmt.Errorf("at most %d columns are possible", maxColumns)
	}
	for j, c := range n.Columns {
		if err := column(c); err != nil {
			return fmt.Errorf("column %d: %w", j, err)
		}
		if c.Lo != "" || c.Hi != "" {
			return fmt.Errorf("column %d: only columns of tables declare a range", j)
		}
	}
	for _, in := range n.In {
		if in < 0 || in >= i {
			return errors.New("an input does not come before it")
		}
	}
	if err := v.shape(n); err != nil {
		return err
	}
	types, err := v.operator(n)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(n.Columns, types, func(c Column, t Type) bool { return c.Type.Equal(t) }) {
		return errors.New("the types of its columns are not those that it computes")
	}
	if !slices.EqualFunc(n.Unique, UniqueOf(v.p, i), slices.Equal[[]int]) {
		return errors.New("the sets of columns on which it is unique are not those that follow")
	}
	if n.Local != LocalOf(v.p, i) {
		return errors.New("the party that it is local to is not the one that follows")
	}
	return nil
}

// shape checks that a node has the parts of its operator, and no others.
func (v *validator) shape(n Node) error {
	inputs, exprs := 1, 0
	switch n.Op {
	case Scan:
		inputs = 0
	case Project:
		exprs = len(n.Exprs)
	case Filter:
		exprs = 1
	case JoinOp:
		inputs = 2
	case Aggregate:
	default:
		return fmt.Errorf("there is no operator %.40q", n.Op)
	}
	if len(n.In) != inputs {
		return fmt.Errorf("%s has %d inputs, not %d", n.Op, inputs, len(n.In))
	}
	if len(n.Exprs) != exprs || len(n.Exprs) > maxColumns ||
		(n.Table != "") != (n.Op == Scan) || len(n.Scan) > 0 && n.Op != Scan ||
		(n.Join != nil) != (n.Op == JoinOp) || (n.Group != nil) != (n.Op == Aggregate) {
		return fmt.Errorf("%s lacks a part, or has one that is not its own", n.Op)
	}
	return nil
}

// operator checks a node whose shape is right, and gives the types of its columns.
func (v *validator) operator(n Node) ([]Type, error) {
	switch n.Op {
	case Scan:
		return v.scan(n)
	case Project:
		return v.project(n)
	case Filter:
		in := v.p.Nodes[n.In[0]].Columns
		return typesOf(in), v.predicate(n.Exprs[0], in)
	case JoinOp:
		return v.join(n)
	}
	return v.group(n)
}

func (v *validator) scan(n Node) ([]Type, error) {
	t, known := v.p.Table(n.Table)
	if !known {
		return nil, fmt.Errorf("there is no table %.80q", n.Table)
	}
	if !ascending(n.Scan, len(t.Columns)) || len(n.Scan) != len(n.Columns) {
		return nil, errors.New("what it scans are not columns of the table in ascending order")
	}
	types := make([]Type, len(n.Scan))
	for i, c := range n.Scan {
		types[i] = t.Columns[c].Type
		if n.Columns[i].Name != t.Columns[c].Name {
			return nil, errors.New("a scanned column has another name than in the table")
		}
	}
	return types, nil
}

func (v *validator) project(n Node) ([]Type, error) {
	types := make([]Type, len(n.Exprs))
	for i, e := range n.Exprs {
		if err := v.expr(e, v.p.Nodes[n.In[0]].Columns, 1); err != nil {
			return nil, fmt.Errorf("expression %d: %w", i, err)
		}
		types[i] = e.Type
	}
	return types, nil
}

func (v *validator) join(n Node) ([]Type, error) {
	left, right := v.p.Nodes[n.In[0]].Columns, v.p.Nodes[n.In[1]].Columns
	j := n.Join
	if len(j.Left) == 0 || len(j.Left) > maxKeys || len(j.Left) != len(j.Right) {
		return nil, fmt.Errorf("a join has from 1 to %d key columns, as many on either side", maxKeys)
	}
	for i := range j.Left {
		if !inside(j.Left[i], left) || !inside(j.Right[i], right) {
			return nil, errors.New("a key column does not exist")
		}
		if err := Comparable(left[j.Left[i]].Type, right[j.Right[i]].Type); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
	}
	types := typesOf(left)
	switch j.Kind {
	case Mark:
		return append(types, Type{Kind: Bool}), nil
	case Inner, Left:
		if !v.p.IsUnique(n.In[1], j.Right) {
			return nil, errors.New("the right side of the join is not unique on its key")
		}
		for _, t := range typesOf(right) {
			types = append(types, t.WithNull(t.Nullable || j.Kind == Left))
		}
		return types, nil
	}
	return nil, fmt.Errorf("there is no join %.40q", j.Kind)
}

func (v *validator) group(n Node) ([]Type, error) {
	in, g := v.p.Nodes[n.In[0]].Columns, n.Group
	if len(g.Keys) > maxGroupKeys || len(g.Aggs) > maxColumns {
		return nil, fmt.Errorf("at most %d keys and %d aggregates are possible", maxGroupKeys, maxColumns)
	}
	var types []Type
	for _, key := range g.Keys {
		if !inside(key, in) {
			return nil, errors.New("a key column does not exist")
		}
		types = append(types, in[key].Type)
	}
	for i, agg := range g.Aggs {
		f, found := AggNamed(agg.Func)
		if !found {
			return nil, fmt.Errorf("there is no aggregate function %.40q", agg.Func)
		}
		var arg Type
		if agg.Func == CountStar {
			if agg.Arg != -1 {
				return nil, errors.New("count_star has the argument -1")
			}
		} else if !inside(agg.Arg, in) {
			return nil, errors.New("the argument of an aggregate does not exist")
		} else {
			arg = in[agg.Arg].Type
		}
		t, err := f.Type(arg, len(g.Keys) > 0)
		if err != nil {
			return nil, fmt.Errorf("aggregate %d: %s %w", i, agg.Func, err)
		}
		types = append(types, t)
	}
	return types, nil
}

func (v *validator) predicate(e Expr, cols []Column) error {
	if err := v.expr(e, cols, 1); err != nil {
		return err
	}
	if e.Type.Kind != Bool {
		return errors.New("a condition is not a truth value")
	}
	return nil
}

// expr checks an expression and all below it.
func (v *validator) expr(e Expr, cols []Column, depth int) error {
	if v.exprs++; v.exprs > maxExprs {
		return fmt.Errorf("all expressions together have more than %d parts", maxExprs)
	}
	if depth > maxExprDepth {
		return fmt.Errorf("an expression is nested deeper than %d", maxExprDepth)
	}
	if err := typ(e.Type); err != nil {
		return err
	}
	if e.Col != 0 && e.Op != "col" || (e.Lit != nil) != (e.Op == "lit") {
		return fmt.Errorf("%.40q lacks a part, or has one that is not its own", e.Op)
	}
	in := make([]Type, len(e.Args))
	for i, arg := range e.Args {
		if err := v.expr(arg, cols, depth+1); err != nil {
			return err
		}
		in[i] = arg.Type
	}
	if t, err := exprType(e, in, cols); err != nil {
		return fmt.Errorf("%.40s %w", e.Op, err)
	} else if !e.Type.Equal(t) {
		return fmt.Errorf("%.40s has the type %s, not the declared one", e.Op, SQLName(t))
	}
	return nil
}

func exprType(e Expr, in []Type, cols []Column) (Type, error) {
	switch e.Op {
	case "col":
		if !inside(e.Col, cols) || len(in) > 0 {
			return Type{}, errors.New("is not of a column that exists")
		}
		return cols[e.Col].Type, nil
	case "lit":
		if len(in) > 0 {
			return Type{}, errors.New("has no arguments")
		}
		_, err := e.Value()
		return e.Type, err
	}
	return TypeOf(e.Op, in, e.Type)
}

func (v *validator) tablesUsed() error {
	used := make(map[string]bool)
	for _, n := range v.p.Nodes {
		used[n.Table] = true
	}
	for i, t := range v.p.Tables {
		if !used[t.QName()] {
			return fmt.Errorf("table %d: no node scans it", i)
		}
	}
	return nil
}

func (v *validator) output(i int, o Output) error {
	if err := name(o.View); err != nil {
		return err
	}
	if i > 0 && v.p.Outputs[i-1].View >= o.View {
		return errors.New("outputs stand in order of view, each once")
	}
	if o.Node < 0 || o.Node >= len(v.p.Nodes) {
		return errors.New("its node does not exist")
	}
	columns := v.p.Nodes[o.Node].Columns
	if len(columns) == 0 || repeatedName(columns) {
		return errors.New("it has no columns, or two of the same name")
	}
	if len(o.To) == 0 {
		return errors.New("it is granted to nobody")
	}
	for j, to := range o.To {
		if err := name(string(to)); err != nil {
			return err
		}
		if j > 0 && o.To[j-1] >= to {
			return errors.New("those it is granted to stand in byte order, each once")
		}
	}
	return nil
}

// name accepts what people can read: names appear in messages and documents.
func name(s string) error {
	if s == "" || len(s) > maxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("a name is from 1 to %d bytes of UTF-8 without control characters", maxName)
	}
	return nil
}

func repeatedName(cols []Column) bool {
	seen := make(map[string]bool, len(cols))
	for _, c := range cols {
		if seen[c.Name] {
			return true
		}
		seen[c.Name] = true
	}
	return false
}

func typesOf(cols []Column) []Type {
	types := make([]Type, len(cols))
	for i, c := range cols {
		types[i] = c.Type
	}
	return types
}

func inside(i int, cols []Column) bool { return i >= 0 && i < len(cols) }

// ascending reports whether the list counts up, each once, within n columns.
func ascending(list []int, n int) bool {
	for i, c := range list {
		if c < 0 || c >= n || i > 0 && list[i-1] >= c {
			return false
		}
	}
	return true
}
