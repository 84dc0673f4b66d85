package syntax

import (
	"fmt"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// converter turns PostgreSQL's tree into ours, and notes what it refuses.
type converter struct {
	report *Report
	tokens []*pg.ScanToken
	stmt   int // offset of the statement, for parts that have no place of their own
	depth  int // of expressions and queries around this one
}

func (c *converter) script(tree *pg.ParseResult) *Script {
	s := new(Script)
	for _, raw := range tree.GetStmts() {
		c.stmt = c.tokenAt(int(raw.GetStmtLocation()))
		if st := c.statement(raw.GetStmt()); st != nil {
			s.Statements = append(s.Statements, st)
		}
	}
	return s
}

// at is the offset of a location of the tree; the statement's if it has none.
func (c *converter) at(location int32) int {
	if location < 0 || int(location) < c.stmt {
		return c.stmt
	}
	return int(location)
}

const (
	profile = "The language is a strict part of SQL; what it lacks is refused and never ignored."
	later   = "A later version of the language will have it."
)

func (c *converter) refuse(pos int, code, what, do string) {
	c.report.Add(pos, code, what, profile, do)
}

// rest refuses whatever is set in m beyond the fields that its caller deals
// with. This is what makes "never ignored" true for parts of PostgreSQL's
// tree that this package has never heard of.
func (c *converter) rest(pos int, m proto.Message, handled ...string) {
	var unknown []string
	m.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if name := string(f.Name()); name != "location" && !slices.Contains(handled, name) {
			unknown = append(unknown, name)
		}
		return true
	})
	if len(unknown) > 0 {
		slices.Sort(unknown)
		c.refuse(pos, "JOC-L111", fmt.Sprintf("something here is not part of the language (%s)", strings.Join(unknown, ", ")),
			"Leave it out.")
	}
}

func (c *converter) statement(node *pg.Node) Statement {
	switch n := node.GetNode().(type) {
	case *pg.Node_CreateSchemaStmt:
		return c.createSchema(n.CreateSchemaStmt)
	case *pg.Node_CreateStmt:
		return c.createTable(n.CreateStmt)
	case *pg.Node_ViewStmt:
		return c.createView(n.ViewStmt)
	case *pg.Node_GrantStmt:
		if g := c.grant(n.GrantStmt); g != nil {
			return g
		}
	case *pg.Node_SelectStmt:
		c.refuse(c.stmt, "JOC-L112", "a query stands on its own",
			"Give it a name, and say who learns it: CREATE VIEW v AS SELECT …; GRANT SELECT ON v TO party;")
	case *pg.Node_CreateTableAsStmt:
		c.refuse(c.stmt, "JOC-L113", "a table cannot be made from a query", "Write CREATE VIEW v AS SELECT ….")
	default:
		c.refuse(c.stmt, "JOC-L114", "this statement is not part of the language",
			"A program consists of CREATE SCHEMA, CREATE TABLE, CREATE VIEW and GRANT SELECT ON … TO ….")
	}
	return nil
}

func (c *converter) createSchema(s *pg.CreateSchemaStmt) Statement {
	if s.GetAuthrole() != nil || s.GetIfNotExists() || len(s.GetSchemaElts()) > 0 {
		c.refuse(c.stmt, "JOC-L115", "CREATE SCHEMA has more than a name", "Write CREATE SCHEMA name; and its tables as statements of their own.")
	}
	c.rest(c.stmt, s, "schemaname", "authrole", "if_not_exists", "schema_elts")
	if s.GetSchemaname() == "" {
		return nil
	}
	return &CreateSchema{Name{s.GetSchemaname(), c.stmt}}
}

// relation reads a plain name of a table or view.
func (c *converter) relation(v *pg.RangeVar) Relation {
	pos := c.at(v.GetLocation())
	if v.GetCatalogname() != "" {
		c.refuse(pos, "JOC-L116", "a name has more than two parts", "Write schema.table.")
	}
	if v.GetRelpersistence() != "p" {
		c.refuse(pos, "JOC-L117", "temporary and unlogged relations are not part of the language",
			"Leave the word out: a view without GRANT is opened to nobody.")
	}
	if !v.GetInh() {
		c.refuse(pos, "JOC-L118", "ONLY is not part of the language", "Leave it out: tables have no descendants.")
	}
	c.rest(pos, v, "catalogname", "schemaname", "relname", "inh", "relpersistence", "alias")
	return Relation{Pos: pos, Schema: v.GetSchemaname(), Name: v.GetRelname()}
}

func (c *converter) createTable(s *pg.CreateStmt) Statement {
	rel := c.relation(s.GetRelation())
	c.rest(rel.Pos, s.GetRelation(), "schemaname", "catalogname", "relname", "inh", "relpersistence")
	if s.GetIfNotExists() {
		c.refuse(c.stmt, "JOC-L119", "IF NOT EXISTS is not part of the language", "Leave it out: a program declares each table once.")
	}
	if len(s.GetOptions()) > 0 || s.GetTablespacename() != "" || s.GetAccessMethod() != "" ||
		len(s.GetInhRelations()) > 0 || s.GetPartspec() != nil || s.GetPartbound() != nil || s.GetOfTypename() != nil ||
		s.GetOncommit() != pg.OnCommitAction_ONCOMMIT_NOOP {
		c.refuse(rel.Pos, "JOC-L120", "a table has options, parents or partitions", "Leave them out: CREATE TABLE owner.name (columns and keys).")
	}
	c.rest(rel.Pos, s, "relation", "table_elts", "if_not_exists", "options", "tablespacename", "access_method",
		"inh_relations", "partspec", "partbound", "of_typename", "oncommit")
	t := &CreateTable{Schema: Name{rel.Schema, rel.Pos}, Name: Name{rel.Name, rel.Pos}}
	for _, elt := range s.GetTableElts() {
		switch n := elt.GetNode().(type) {
		case *pg.Node_ColumnDef:
			c.column(t, n.ColumnDef)
		case *pg.Node_Constraint:
			c.constraint(t, nil, n.Constraint)
		default:
			c.refuse(rel.Pos, "JOC-L121", "a table is declared like another one", "Write its columns out, so that everybody sees what is provided.")
		}
	}
	return t
}

func (c *converter) column(t *CreateTable, d *pg.ColumnDef) {
	pos := c.at(d.GetLocation())
	def := &ColumnDef{Name: Name{d.GetColname(), pos}, Type: c.typeName(pos, d.GetTypeName())}
	if d.GetCollClause() != nil {
		c.refuse(pos, "JOC-L122", "COLLATE is not part of the language", "Leave it out: texts are compared byte by byte, and only for equality.")
	}
	c.rest(pos, d, "colname", "type_name", "is_local", "constraints", "coll_clause")
	for _, node := range d.GetConstraints() {
		c.constraint(t, def, node.GetConstraint())
	}
	t.Columns = append(t.Columns, *def)
}

// constraint reads a constraint of a column, or of the table where def is nil.
func (c *converter) constraint(t *CreateTable, def *ColumnDef, con *pg.Constraint) {
	pos := c.at(con.GetLocation())
	switch con.GetContype() {
	case pg.ConstrType_CONSTR_NOTNULL:
		if def != nil {
			def.NotNull = true
		}
		c.rest(pos, con, "contype", "conname", "initially_valid")
	case pg.ConstrType_CONSTR_CHECK:
		t.Checks = append(t.Checks, c.expr(con.GetRawExpr()))
		c.rest(pos, con, "contype", "conname", "raw_expr", "initially_valid")
	case pg.ConstrType_CONSTR_PRIMARY, pg.ConstrType_CONSTR_UNIQUE:
		key := Key{Pos: pos, Primary: con.GetContype() == pg.ConstrType_CONSTR_PRIMARY}
		if def != nil {
			key.Columns = []Name{{def.Name.Text, pos}}
		}
		for _, k := range con.GetKeys() {
			key.Columns = append(key.Columns, Name{k.GetString_().GetSval(), pos})
		}
		if con.GetNullsNotDistinct() {
			c.refuse(pos, "JOC-L123", "NULLS NOT DISTINCT is not part of the language", "Leave it out, or declare the columns NOT NULL.")
		}
		c.rest(pos, con, "contype", "conname", "keys", "initially_valid", "nulls_not_distinct")
		t.Keys = append(t.Keys, key)
	case pg.ConstrType_CONSTR_DEFAULT, pg.ConstrType_CONSTR_IDENTITY, pg.ConstrType_CONSTR_GENERATED:
		c.refuse(pos, "JOC-L124", "DEFAULT, IDENTITY and GENERATED are not part of the language",
			"Leave it out: a table says what its owner provides, and the owner's file has every value.")
	case pg.ConstrType_CONSTR_FOREIGN:
		c.refuse(pos, "JOC-L125", "REFERENCES and FOREIGN KEY are not part of this version",
			"Leave it out: nobody could check it across two owners. Rows without a partner drop out of an inner join.")
	case pg.ConstrType_CONSTR_NULL:
		c.refuse(pos, "JOC-L126", "NULL as a constraint is not part of the language", "Leave it out: a column may be NULL unless it says NOT NULL.")
	default:
		c.refuse(pos, "JOC-L127", "this constraint is not part of the language", "Use NOT NULL, PRIMARY KEY, UNIQUE and CHECK.")
	}
}

func (c *converter) createView(s *pg.ViewStmt) Statement {
	rel := c.relation(s.GetView())
	if rel.Schema != "" {
		c.refuse(rel.Pos, "JOC-L128", "a view belongs to no schema", fmt.Sprintf("Write CREATE VIEW %s AS …: a schema is a party that provides tables.", rel.Name))
	}
	if s.GetReplace() {
		c.refuse(c.stmt, "JOC-L129", "OR REPLACE is not part of the language", "Leave it out: a view has one meaning throughout the program.")
	}
	if len(s.GetOptions()) > 0 || s.GetWithCheckOption() != pg.ViewCheckOption_NO_CHECK_OPTION {
		c.refuse(rel.Pos, "JOC-L130", "a view has options", "Leave them out.")
	}
	c.rest(rel.Pos, s.GetView(), "schemaname", "catalogname", "relname", "inh", "relpersistence")
	c.rest(rel.Pos, s, "view", "aliases", "query", "replace", "options", "with_check_option")
	v := &CreateView{Name: Name{rel.Name, rel.Pos}}
	for _, a := range s.GetAliases() {
		v.Columns = append(v.Columns, Name{a.GetString_().GetSval(), rel.Pos})
	}
	v.Query = c.query(rel.Pos, s.GetQuery())
	return v
}

func (c *converter) grant(s *pg.GrantStmt) *Grant {
	if !s.GetIsGrant() {
		c.refuse(c.stmt, "JOC-L131", "REVOKE is not part of the language", "Leave it out, and the GRANT that it undoes: nobody learns a view without GRANT.")
		return nil
	}
	if s.GetTargtype() != pg.GrantTargetType_ACL_TARGET_OBJECT || s.GetObjtype() != pg.ObjectType_OBJECT_TABLE {
		c.refuse(c.stmt, "JOC-L132", "this GRANT is not on views that it names", "Write GRANT SELECT ON view TO party.")
		return nil
	}
	if s.GetGrantOption() {
		c.refuse(c.stmt, "JOC-L133", "WITH GRANT OPTION is not part of the language", "Leave it out, and name every party that learns the view.")
	}
	if s.GetGrantor() != nil {
		c.refuse(c.stmt, "JOC-L134", "GRANTED BY is not part of the language", "Leave it out: every party signs the program.")
	}
	c.privileges(s.GetPrivileges())
	c.rest(c.stmt, s, "is_grant", "targtype", "objtype", "objects", "privileges", "grantees", "grant_option", "grantor", "behavior")
	g := &Grant{Pos: c.stmt}
	for _, object := range s.GetObjects() {
		v := object.GetRangeVar()
		g.Views = append(g.Views, c.relation(v))
	}
	for _, grantee := range s.GetGrantees() {
		role := grantee.GetRoleSpec()
		pos := c.at(role.GetLocation())
		if role.GetRoletype() != pg.RoleSpecType_ROLESPEC_CSTRING {
			c.refuse(pos, "JOC-L135", "a view is granted to PUBLIC or to the current user", "Name the party that learns it.")
			continue
		}
		c.rest(pos, role, "roletype", "rolename")
		g.To = append(g.To, Name{role.GetRolename(), pos})
	}
	return g
}

func (c *converter) privileges(list []*pg.Node) {
	const do = "Write GRANT SELECT ON view TO party."
	if len(list) == 0 {
		c.refuse(c.stmt, "JOC-L136", "ALL is granted; only SELECT can be", do)
	}
	for _, node := range list {
		p := node.GetAccessPriv()
		if p.GetPrivName() != "select" {
			c.refuse(c.stmt, "JOC-L136", fmt.Sprintf("%s is granted; only SELECT can be", strings.ToUpper(p.GetPrivName())), do)
		}
		if len(p.GetCols()) > 0 {
			c.refuse(c.stmt, "JOC-L137", "single columns are granted", "Make a view of these columns, and grant that.")
		}
		c.rest(c.stmt, p, "priv_name", "cols")
	}
}
