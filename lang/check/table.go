package check

import (
	"fmt"
	"math/big"
	"slices"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/syntax"
)

const (
	maxColumns = 1_000 // of a table or a view
	maxKeys    = 16    // of a table, and columns of a key
	textWidth  = 255   // of TEXT and of VARCHAR without a length
)

func (c *checker) createTable(t *syntax.CreateTable) {
	qname := t.Schema.Text + "." + t.Name.Text
	_, twice := c.tables[qname]
	switch {
	case t.Schema.Text == "":
		c.Add(t.Name.Pos, "JOC-L221", fmt.Sprintf("the table %s has no owner", t.Name.Text), "A table is provided by a party, whose name is its schema.",
			fmt.Sprintf("Write CREATE TABLE owner.%s, with CREATE SCHEMA owner above.", t.Name.Text))
	case !c.schemas[t.Schema.Text]:
		c.Add(t.Name.Pos, "JOC-L222", fmt.Sprintf("the schema %s is not declared above", t.Schema.Text), "A schema is a party that provides data.",
			fmt.Sprintf("Write CREATE SCHEMA %s before this line.", t.Schema.Text))
	case twice:
		c.Add(t.Name.Pos, "JOC-L223", fmt.Sprintf("the table %s is declared twice", qname), "A table has one declaration.", "Remove one of the two.")
	}
	c.plainName(t.Name)
	table := ir.Table{Owner: joconde.PartyID(t.Schema.Text), Name: t.Name.Text}
	ok := c.tableColumns(&table, t)
	if ok {
		c.tableKeys(&table, t)
		c.tableChecks(&table, t)
	}
	if ok = ok && !twice && t.Schema.Text != ""; ok {
		c.p.Tables = append(c.p.Tables, table)
	}
	c.tables[qname] = ok
}

func (c *checker) tableColumns(table *ir.Table, t *syntax.CreateTable) bool {
	if len(t.Columns) == 0 || len(t.Columns) > maxColumns {
		c.Add(t.Name.Pos, "JOC-L224", fmt.Sprintf("the table has %d columns", len(t.Columns)), "", fmt.Sprintf("Declare from 1 to %d columns.", maxColumns))
		return false
	}
	ok := true
	for _, def := range t.Columns {
		c.plainName(def.Name)
		if column(table.Columns, def.Name.Text) >= 0 {
			c.Add(def.Name.Pos, "JOC-L225", fmt.Sprintf("the column %s is declared twice", def.Name.Text), "Columns of a table have different names.", "Choose another name for one of the two.")
			ok = false
		}
		if def.Type.Base == syntax.BadType {
			c.incomplete, ok = true, false
			continue
		}
		col := ir.Column{Name: def.Name.Text, Type: typeOf(def.Type)}
		col.Type.Nullable = !def.NotNull
		if lo, hi, has := declaredRange(def.Type); has {
			col.Lo, col.Hi = lo.String(), hi.String()
		}
		table.Columns = append(table.Columns, col)
	}
	return ok
}

func column(cols []ir.Column, name string) int {
	return slices.IndexFunc(cols, func(col ir.Column) bool { return col.Name == name })
}

// typeOf is the type that a type of SQL stands for, not nullable.
func typeOf(t syntax.TypeName) ir.Type {
	switch t.Base {
	case syntax.Decimal:
		return ir.Type{Kind: ir.Decimal, Scale: t.Scale}
	case syntax.Boolean:
		return ir.Type{Kind: ir.Bool}
	case syntax.Date:
		return ir.Type{Kind: ir.Date}
	case syntax.Char, syntax.VarChar, syntax.Text:
		if t.Width == 0 {
			return ir.Type{Kind: ir.Text, Width: textWidth}
		}
		return ir.Type{Kind: ir.Text, Width: t.Width}
	}
	return ir.Type{Kind: ir.Int}
}

// declaredRange is the range of a type of SQL, as scaled integers.
func declaredRange(t syntax.TypeName) (lo, hi *big.Int, has bool) {
	bits := map[syntax.Base]uint{syntax.SmallInt: 15, syntax.Integer: 31, syntax.BigInt: 63}
	switch t.Base {
	case syntax.SmallInt, syntax.Integer, syntax.BigInt:
		end := new(big.Int).Lsh(big.NewInt(1), bits[t.Base])
		return new(big.Int).Neg(end), new(big.Int).Sub(end, big.NewInt(1)), true
	case syntax.Decimal:
		end := new(big.Int).Sub(pow10(t.Precision), big.NewInt(1))
		return new(big.Int).Neg(end), end, true
	case syntax.Date:
		return big.NewInt(-719162), big.NewInt(2932896), true // 0001-01-01, 9999-12-31
	}
	return nil, nil, false
}

func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func (c *checker) tableKeys(table *ir.Table, t *syntax.CreateTable) {
	primary := false
	for _, k := range t.Keys {
		if k.Primary && primary {
			c.Add(k.Pos, "JOC-L226", "the table has two primary keys", "A table has at most one.", "Write UNIQUE for the other one, or PRIMARY KEY (a, b) for one key of two columns.")
		}
		primary = primary || k.Primary
		var key []int
		for _, name := range k.Columns {
			i := column(table.Columns, name.Text)
			switch {
			case i < 0:
				c.Add(name.Pos, "JOC-L227", fmt.Sprintf("the table has no column %s", name.Text), "A key consists of columns of its table.", "Correct the name, or declare the column.")
			case slices.Contains(key, i):
				c.Add(name.Pos, "JOC-L228", fmt.Sprintf("the key has the column %s twice", name.Text), "Once says the same.", "Remove one of the two.")
			default:
				key = append(key, i)
				if k.Primary {
					table.Columns[i].Type.Nullable = false
				}
			}
		}
		slices.Sort(key)
		if len(key) > maxKeys || len(table.Keys) >= maxKeys {
			c.Add(k.Pos, "JOC-L229", "the table has too many keys, or a key too many columns", "", fmt.Sprintf("Declare at most %d keys of at most %d columns.", maxKeys, maxKeys))
			continue
		}
		if len(key) > 0 && !slices.ContainsFunc(table.Keys, func(other []int) bool { return slices.Equal(other, key) }) {
			table.Keys = append(table.Keys, key)
		}
	}
}

// tableChecks first lets the checks of recognised forms narrow the columns,
// because code lists are types, and then types what these do not say. The
// conjuncts of a CHECK become checks of their own: that is the same, and tells
// an owner which one a row fails.
func (c *checker) tableChecks(table *ir.Table, t *syntax.CreateTable) {
	var checks []syntax.Expr
	for _, check := range t.Checks {
		for _, part := range conjuncts(check) {
			if !c.narrow(table, part) {
				checks = append(checks, part)
			}
		}
	}
	e := &env{place: "CHECK", scope: tableScope(table), cols: table.Columns}
	for _, check := range checks {
		if cond, ok := c.truth(e, check); ok {
			table.Checks = append(table.Checks, cond)
		}
	}
}

// tableScope is what a table's columns are called.
func tableScope(t *ir.Table) *scope {
	src := source{schema: string(t.Owner), name: t.Name}
	for i, col := range t.Columns {
		src.cols = append(src.cols, field{col.Name, i, i})
	}
	return &scope{sources: []source{src}, star: src.cols}
}

// conjuncts splits a condition at its outermost ANDs.
func conjuncts(e syntax.Expr) []syntax.Expr {
	if l, ok := e.(*syntax.Logic); ok && !l.Or {
		var parts []syntax.Expr
		for _, arg := range l.Args {
			parts = append(parts, conjuncts(arg)...)
		}
		return parts
	}
	return []syntax.Expr{e}
}
