package check

import (
	"fmt"
	"slices"
	"strings"

	"joconde/lang/ir"
	"joconde/lang/syntax"
)

// scope is what the names in a query stand for.
type scope struct {
	sources []source
	star    []field // what * means, and a column's name without a table
}

// source is a table, view or query in FROM.
type source struct {
	schema string // empty for views, queries and whatever has an alias
	name   string
	cols   []field
}

// field is a column by name.
type field struct {
	name string
	id   int // its place among the columns of FROM: what it is
	col  int // the column that holds its value: two fields that a join made equal share one
}

// shifted is the scope for columns that stand n places further on.
func (s *scope) shifted(n int) *scope {
	move := func(fields []field) []field {
		out := slices.Clone(fields)
		for i := range out {
			out[i].id += n
			out[i].col += n
		}
		return out
	}
	out := &scope{star: move(s.star)}
	for _, src := range s.sources {
		src.cols = move(src.cols)
		out.sources = append(out.sources, src)
	}
	return out
}

// replace makes whatever is read from column old be read from column by.
func (s *scope) replace(old, by int) {
	change := func(fields []field) {
		for i := range fields {
			if fields[i].col == old {
				fields[i].col = by
			}
		}
	}
	change(s.star)
	for _, src := range s.sources {
		change(src.cols)
	}
}

// find gives the fields that a column's name may mean.
func (s *scope) find(parts []string) []field {
	name := parts[len(parts)-1]
	var found []field
	collect := func(fields []field) {
		for _, f := range fields {
			if f.name == name {
				found = append(found, f)
			}
		}
	}
	if len(parts) == 1 {
		collect(s.star)
		return found
	}
	for _, src := range s.called(parts[:len(parts)-1]) {
		collect(src.cols)
	}
	return found
}

// called gives the sources that go by table or schema.table.
func (s *scope) called(parts []string) []source {
	var found []source
	for _, src := range s.sources {
		if src.name == parts[len(parts)-1] && (len(parts) == 1 || len(parts) == 2 && parts[0] == src.schema) {
			found = append(found, src)
		}
	}
	return found
}

// env is where an expression stands: what names mean, and what is allowed.
type env struct {
	place string // "WHERE", for messages
	scope *scope
	cols  []ir.Column // all columns that an expression may read: those of outer queries first
	low   int         // where this query's own columns begin
	outer *env        // the query around this one
	// rel is the relation that WHERE filters; EXISTS and IN (query) append
	// columns to it. Elsewhere it is nil.
	rel *relation
	// positive says that NULL here is as good as false: between here and the
	// root of WHERE there are only AND and OR.
	positive bool
	group    *grouping // in SELECT and HAVING of a query with groups
}

// relation is a node and what its columns are called.
type relation struct {
	node  int
	scope *scope
}

// resolve finds a column in this query or those around it.
func (c *checker) resolve(e *env, col *syntax.Column) (field, bool) {
	shown := strings.Join(col.Parts, ".")
	for at := e; at != nil; at = at.outer {
		switch found := at.scope.find(col.Parts); len(found) {
		case 0:
		case 1:
			f := found[0]
			f.id, f.col = f.id+at.low, f.col+at.low
			return f, true
		default:
			c.Add(col.Pos, "JOC-L240", fmt.Sprintf("the column %s could be one of several", shown), "Two tables in FROM have a column of this name.", "Write table.column.")
			return field{}, false
		}
	}
	why, do := "No table or view in FROM has it.", "Correct the name, or add what has the column to FROM."
	if len(col.Parts) > 1 && len(e.scope.called(col.Parts[:len(col.Parts)-1])) == 0 {
		why = fmt.Sprintf("FROM has nothing called %s.", strings.Join(col.Parts[:len(col.Parts)-1], "."))
		do = "Write the alias where there is one, and the table's name otherwise."
	} else if near := nearest(col.Parts[len(col.Parts)-1], e.scope); near != "" {
		do = fmt.Sprintf("Did you mean %s?", near)
	}
	c.Add(col.Pos, "JOC-L241", fmt.Sprintf("there is no column %s", shown), why, do)
	return field{}, false
}

// nearest is a column whose name differs by one or two letters.
func nearest(name string, s *scope) string {
	best, least := "", 3
	for _, f := range s.star {
		if d := distance(name, f.name); d < least && d < len(name) {
			best, least = f.name, d
		}
	}
	return best
}

// distance counts the letters to change, add or drop between two names.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// canonical writes an expression so that two that mean the same columns and do
// the same are equal.
func (e *env) canonical(x syntax.Expr) string {
	return syntax.Print(x, func(col *syntax.Column) string {
		for at := e; at != nil; at = at.outer {
			if found := at.scope.find(col.Parts); len(found) == 1 {
				return fmt.Sprintf("#%d", found[0].id+at.low)
			} else if len(found) > 1 {
				break
			}
		}
		return fmt.Sprintf("%q", col.Parts)
	})
}
