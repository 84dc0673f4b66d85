package syntax

import (
	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// deeper counts a level of nesting; false, with a Problem, if it is one too
// many. Its caller undoes it with c.depth--.
func (c *converter) deeper(pos int) bool {
	if c.depth++; c.depth > maxDepth {
		c.report.Add(pos, "JOC-L140", "an expression or a query is nested too deeply", "What nobody can read nobody should sign.",
			"Give a part of it a name: CREATE VIEW … AS SELECT ….")
		return false
	}
	return true
}

// query reads a SELECT; nil where it is refused as a whole. pos is where to
// point if it has no place of its own.
func (c *converter) query(pos int, node *pg.Node) *Select {
	s := node.GetSelectStmt()
	if s == nil {
		c.refuse(pos, "JOC-L141", "this is not a query", "Write SELECT … FROM ….")
		return nil
	}
	if first := s.GetTargetList(); len(first) > 0 {
		pos = c.at(first[0].GetResTarget().GetLocation())
	}
	defer func() { c.depth-- }()
	if !c.deeper(pos) {
		return nil
	}
	switch {
	case s.GetOp() != pg.SetOperation_SETOP_NONE:
		c.refuse(pos, "JOC-L142", "UNION, INTERSECT and EXCEPT are not part of this version", later)
		return nil
	case len(s.GetValuesLists()) > 0:
		c.refuse(pos, "JOC-L143", "VALUES is not part of this version", "Write SELECT … FROM … over a table or view.")
		return nil
	case s.GetWithClause() != nil:
		c.refuse(c.at(s.GetWithClause().GetLocation()), "JOC-L144", "WITH is not part of this version", "Make each of its queries a view: CREATE VIEW name AS SELECT ….")
		return nil
	}
	c.clauses(pos, s)
	q := &Select{Pos: pos}
	for _, target := range s.GetTargetList() {
		q.Items = append(q.Items, c.item(target.GetResTarget()))
	}
	if len(q.Items) == 0 {
		c.refuse(pos, "JOC-L145", "nothing is selected", "Write SELECT and at least one column.")
	}
	switch from := s.GetFromClause(); len(from) {
	case 0:
		c.refuse(pos, "JOC-L146", "a SELECT has no FROM", "Write FROM and a table or view.")
	case 1:
		q.From = c.from(pos, from[0])
	default:
		c.refuse(pos, "JOC-L147", "FROM lists several tables with commas", "Write FROM a INNER JOIN b ON a.key = b.key.")
	}
	if s.GetWhereClause() != nil {
		q.Where = c.expr(s.GetWhereClause())
	}
	for _, g := range s.GetGroupClause() {
		q.GroupBy = append(q.GroupBy, c.expr(g))
	}
	if s.GetHavingClause() != nil {
		q.Having = c.expr(s.GetHavingClause())
	}
	if q.From == nil || len(q.Items) == 0 {
		return nil
	}
	return q
}

// clauses refuses the clauses of a SELECT that this version lacks.
func (c *converter) clauses(pos int, s *pg.SelectStmt) {
	place := func(list []*pg.Node) int { return c.placeOf(pos, list) }
	if s.GetDistinctClause() != nil {
		c.refuse(pos, "JOC-L148", "SELECT DISTINCT is not part of this version", "Write GROUP BY with the same columns.")
	}
	if len(s.GetSortClause()) > 0 {
		c.refuse(place(s.GetSortClause()), "JOC-L149", "ORDER BY is not part of this version", "Leave it out: rows of a result come sorted by all columns.")
	}
	if s.GetLimitCount() != nil || s.GetLimitOffset() != nil || s.GetLimitOption() != pg.LimitOption_LIMIT_OPTION_DEFAULT {
		c.refuse(place([]*pg.Node{s.GetLimitCount(), s.GetLimitOffset()}), "JOC-L150", "LIMIT, OFFSET and FETCH are not part of this version", later)
	}
	if len(s.GetWindowClause()) > 0 {
		c.refuse(place(s.GetWindowClause()), "JOC-L151", "WINDOW is not part of this version", later)
	}
	if len(s.GetLockingClause()) > 0 || s.GetIntoClause() != nil {
		c.refuse(pos, "JOC-L152", "FOR UPDATE, FOR SHARE and INTO are not part of the language", "Leave it out: a program changes nothing.")
	}
	if s.GetGroupDistinct() {
		c.refuse(place(s.GetGroupClause()), "JOC-L153", "GROUP BY DISTINCT is not part of the language", "Write GROUP BY.")
	}
	c.rest(pos, s, "distinct_clause", "target_list", "from_clause", "where_clause", "group_clause", "having_clause",
		"window_clause", "sort_clause", "limit_offset", "limit_count", "limit_option", "locking_clause", "into_clause",
		"group_distinct", "op")
}

// placeOf is the first place that something in the list has.
func (c *converter) placeOf(otherwise int, list []*pg.Node) int {
	for _, node := range list {
		if at := c.place(node); at >= 0 {
			return at
		}
	}
	return otherwise
}

// place finds the location of a node of whatever type; -1 if it has none.
func (c *converter) place(node *pg.Node) int {
	m := proto.Message(node)
	if node == nil {
		return -1
	}
	for range 4 { // a Node, its kind, and for wrappers such as SortBy what is inside
		r := m.ProtoReflect()
		if f := r.Descriptor().Fields().ByName("location"); f != nil && r.Has(f) && r.Get(f).Int() >= 0 {
			return c.at(int32(r.Get(f).Int()))
		}
		next := firstMessage(m)
		if next == nil {
			return -1
		}
		m = next
	}
	return -1
}

func firstMessage(m proto.Message) proto.Message {
	r := m.ProtoReflect()
	fields := r.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Message() != nil && !f.IsList() && !f.IsMap() && r.Has(f) {
			return r.Get(f).Message().Interface()
		}
	}
	return nil
}

func (c *converter) item(t *pg.ResTarget) Item {
	pos := c.at(t.GetLocation())
	c.rest(pos, t, "name", "val", "indirection")
	if len(t.GetIndirection()) > 0 {
		c.refuse(pos, "JOC-L154", "a part of a value is selected", "Select the column itself.")
	}
	if ref := t.GetVal().GetColumnRef(); ref != nil {
		fields := ref.GetFields()
		if len(fields) > 0 && fields[len(fields)-1].GetAStar() != nil {
			if t.GetName() != "" {
				c.refuse(pos, "JOC-L155", "* has a name", "Leave AS out, or name the columns.")
			}
			return Item{Pos: pos, Star: true, Of: c.parts(pos, fields[:len(fields)-1])}
		}
	}
	return Item{Pos: pos, Expr: c.expr(t.GetVal()), Alias: t.GetName()}
}

func (c *converter) parts(pos int, fields []*pg.Node) []string {
	var parts []string
	for _, f := range fields {
		s := f.GetString_()
		if s == nil {
			c.refuse(pos, "JOC-L156", "* stands where a column is expected", "Name the column.")
			return nil
		}
		parts = append(parts, s.GetSval())
	}
	if len(parts) > 3 {
		c.refuse(pos, "JOC-L157", "a column's name has more than three parts", "Write table.column.")
		return nil
	}
	return parts
}

// from reads what stands in FROM; nil where it is refused. pos is where to
// point if it has no place of its own.
func (c *converter) from(pos int, node *pg.Node) From {
	defer func() { c.depth-- }()
	if !c.deeper(pos) {
		return nil
	}
	switch n := node.GetNode().(type) {
	case *pg.Node_RangeVar:
		rel := c.relation(n.RangeVar)
		return &FromTable{Relation: rel, Alias: c.alias(rel.Pos, n.RangeVar.GetAlias())}
	case *pg.Node_RangeSubselect:
		return c.fromQuery(pos, n.RangeSubselect)
	case *pg.Node_JoinExpr:
		return c.join(pos, n.JoinExpr)
	case *pg.Node_RangeFunction:
		at := pos
		if fs := n.RangeFunction.GetFunctions(); len(fs) > 0 {
			if items := fs[0].GetList().GetItems(); len(items) > 0 {
				at = c.placeOf(pos, items[:1])
			}
		}
		c.refuse(at, "JOC-L158", "a table function stands in FROM", "A later version of the language will have those of the schema spc. Write a table, a view or a query in parentheses.")
	case *pg.Node_RangeTableSample:
		c.refuse(pos, "JOC-L159", "TABLESAMPLE is not part of the language", "Leave it out: results are the same each time.")
	default:
		c.refuse(pos, "JOC-L160", "this cannot stand in FROM", "Write a table, a view or a query in parentheses.")
	}
	return nil
}

func (c *converter) alias(pos int, a *pg.Alias) string {
	if len(a.GetColnames()) > 0 {
		c.refuse(pos, "JOC-L161", "an alias in FROM renames columns", "Rename them in a SELECT list: SELECT a AS b.")
	}
	if a != nil {
		c.rest(pos, a, "aliasname", "colnames")
	}
	return a.GetAliasname()
}

func (c *converter) fromQuery(pos int, s *pg.RangeSubselect) From {
	if s.GetLateral() {
		c.refuse(pos, "JOC-L162", "LATERAL is not part of the language", "Write a join.")
	}
	c.rest(pos, s, "lateral", "subquery", "alias")
	q := &FromQuery{Pos: pos, Alias: c.alias(pos, s.GetAlias())}
	if q.Query = c.query(pos, s.GetSubquery()); q.Query == nil {
		return nil
	}
	q.Pos = q.Query.Pos
	if q.Alias == "" {
		c.refuse(q.Pos, "JOC-L163", "a query in FROM has no name", "Write (SELECT …) AS name.")
	}
	return q
}

func (c *converter) join(pos int, j *pg.JoinExpr) From {
	out := &FromJoin{Pos: c.placeOf(pos, []*pg.Node{j.GetRarg(), j.GetQuals()})}
	switch j.GetJointype() {
	case pg.JoinType_JOIN_INNER:
		out.Kind = Inner
	case pg.JoinType_JOIN_LEFT:
		out.Kind = Left
	case pg.JoinType_JOIN_RIGHT:
		c.refuse(out.Pos, "JOC-L164", "RIGHT JOIN is not part of this version", "Write it as b LEFT JOIN a, with the two sides exchanged.")
	default:
		c.refuse(out.Pos, "JOC-L165", "FULL JOIN is not part of this version",
			"A later version of the language will have it. Write INNER JOIN for the rows that both sides have, or a LEFT JOIN b and b LEFT JOIN a as two views.")
	}
	if j.GetIsNatural() {
		c.refuse(out.Pos, "JOC-L166", "NATURAL JOIN is not part of the language", "Name the columns: JOIN … USING (columns).")
	} else if j.GetQuals() == nil && len(j.GetUsingClause()) == 0 {
		c.refuse(out.Pos, "JOC-L167", "CROSS JOIN is not part of the language", "Say which rows belong together: JOIN … ON a.key = b.key.")
	}
	if j.GetAlias() != nil || j.GetJoinUsingAlias() != nil {
		c.refuse(out.Pos, "JOC-L168", "a join has an alias", "Give the tables aliases, or write the join as a query: (SELECT …) AS name.")
	}
	c.rest(out.Pos, j, "jointype", "is_natural", "larg", "rarg", "using_clause", "join_using_alias", "quals", "alias")
	out.Left, out.Right = c.from(pos, j.GetLarg()), c.from(out.Pos, j.GetRarg())
	if j.GetQuals() != nil {
		out.On = c.expr(j.GetQuals())
	}
	for _, u := range j.GetUsingClause() {
		out.Using = append(out.Using, Name{u.GetString_().GetSval(), out.Pos})
	}
	if j.GetAlias() != nil || out.Kind == "" || out.Left == nil || out.Right == nil || out.On == nil && out.Using == nil {
		return nil
	}
	return out
}
