//go:build unix

package eval

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"joconde"
	"joconde/lang/ir"
)

// These tests hold the clear meaning to PostgreSQL's, by random expressions
// and queries over two tables of edge values. Where we differ on purpose, the
// scale of quotients and averages, PostgreSQL is made to compute with 400
// digits after the point and to round.

// postgres is a server of this test alone, behind a socket in its directory.
type postgres struct {
	bin, dir string
	as       *syscall.SysProcAttr
}

func startPostgres(t *testing.T) *postgres {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed, so our meaning is not compared with its own")
	}
	slices.Sort(found)
	pg := &postgres{bin: filepath.Dir(found[len(found)-1])}
	// The path of a socket is at most about 100 bytes long: t.TempDir may be longer.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	pg.dir = dir
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Skip("we are root and there is no user postgres, so our meaning is not compared with PostgreSQL's")
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		pg.as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "data")
	if out, err := pg.run("", "initdb", "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"); err != nil {
		t.Skipf("PostgreSQL does not start here, so our meaning is not compared with its own: %v\n%s", err, out)
	}
	if out, err := pg.run("", "pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"),
		"-o", "-c listen_addresses='' -c fsync=off -k "+dir, "start"); err != nil {
		t.Skipf("PostgreSQL does not start here, so our meaning is not compared with its own: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := pg.run("", "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop"); err != nil {
			t.Errorf("stop PostgreSQL: %v\n%s", err, out)
		}
	})
	return pg
}

func (pg *postgres) run(input, command string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(pg.bin, command), args...)
	cmd.Dir, cmd.SysProcAttr = pg.dir, pg.as
	cmd.Stdin = strings.NewReader(input)
	// The server that pg_ctl starts inherits our output; a file does not keep
	// Wait waiting for it to end, as a pipe would.
	out, err := os.CreateTemp(pg.dir, "out")
	if err != nil {
		return "", err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	failed := cmd.Run()
	text, err := os.ReadFile(out.Name())
	if failed == nil {
		failed = err
	}
	return string(bytes.TrimRight(text, "\n")), failed
}

// query gives the rows of a query, its values apart by |.
func (pg *postgres) query(sql string) (string, error) {
	return pg.run(sql, "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-P", "null=NULL", "-h", pg.dir, "-U", "test", "-d", "postgres", "-f", "-")
}

var (
	pgInt  = ir.Type{Kind: ir.Int, Nullable: true}
	pgDec2 = ir.Type{Kind: ir.Decimal, Scale: 2, Nullable: true}
	pgDec6 = ir.Type{Kind: ir.Decimal, Scale: 6, Nullable: true}
	pgDate = ir.Type{Kind: ir.Date, Nullable: true}
	pgBool = ir.Type{Kind: ir.Bool, Nullable: true}
	pgText = ir.Type{Kind: ir.Text, Width: 20, Nullable: true}

	// The columns of table l.t: a to f; r.t has the key k and x.
	pgLeft  = []ir.Type{{Kind: ir.Int}, pgInt, pgDec2, pgDate, pgBool, pgText}
	pgRight = []ir.Type{{Kind: ir.Int}, pgDec2}
)

// edgeRows combines edge values so that each meets many others.
func edgeRows() (left, right Rows) {
	parse := func(t ir.Type, text string) ir.Value {
		if text == "NULL" {
			return ir.NewNull()
		}
		v, err := ir.ParseValue(t, text)
		if err != nil {
			panic(err)
		}
		return v
	}
	values := [][]string{
		nil, // a: the number of the row
		{"-9223372036854775808", "-7", "-1", "0", "1", "2", "7", "9223372036854775807", "NULL", "3", "NULL"},
		{"0.00", "0.50", "-0.50", "1.50", "-2.50", "0.49", "99999999.99", "NULL", "-0.01", "NULL"},
		{"1970-01-01", "2000-02-29", "1900-02-28", "9999-12-31", "0301-03-01", "NULL", "2024-12-31"},
		{"true", "false", "NULL"},
		{"", "a", "A", "é", "NULL"},
	}
	for i := range 60 {
		row := make([]ir.Value, len(pgLeft))
		for j, list := range values {
			if j == 0 {
				row[0] = ir.NewInt(int64(i))
				continue
			}
			row[j] = parse(pgLeft[j], list[i%len(list)])
		}
		left = append(left, row)
	}
	for i, x := range []string{"1.00", "NULL", "-3.25", "0.00", "7.77"} {
		right = append(right, []ir.Value{ir.NewInt(int64(i*2 - 1)), parse(pgDec2, x)})
	}
	return left, right
}

func pgColumns(types []ir.Type) []ir.Column {
	cols := columns(types...)
	for i, c := range cols {
		switch c.Type.Kind {
		case ir.Int, ir.Decimal:
			cols[i].Lo, cols[i].Hi = "-9223372036854775808", "9223372036854775807"
		case ir.Date:
			cols[i].Lo, cols[i].Hi = "-719162", "2932896"
		}
	}
	return cols
}

// load makes the two tables. Integers are NUMERIC there, which does not overflow.
func (pg *postgres) load(t *testing.T, left, right Rows) {
	var sql strings.Builder
	for name, rows := range map[string]Rows{"t": left, "u": right} {
		types, names := pgLeft, []string{"a", "b", "c", "d", "e", "f"}
		if name == "u" {
			types, names = pgRight, []string{"k", "x"}
		}
		var cols []string
		for i, typ := range types {
			cols = append(cols, names[i]+" "+pgName(typ))
		}
		fmt.Fprintf(&sql, "CREATE TABLE %s (%s);\n", name, strings.Join(cols, ", "))
		for _, row := range rows {
			var values []string
			for i, v := range row {
				values = append(values, pgValue(types[i], v))
			}
			fmt.Fprintf(&sql, "INSERT INTO %s VALUES (%s);\n", name, strings.Join(values, ", "))
		}
	}
	if out, err := pg.query(sql.String()); err != nil {
		t.Fatalf("load: %v\n%s", err, out)
	}
}

func pgName(t ir.Type) string {
	switch t.Kind {
	case ir.Bool:
		return "boolean"
	case ir.Date:
		return "date"
	case ir.Text:
		return "text"
	}
	return "numeric"
}

func pgValue(t ir.Type, v ir.Value) string {
	if v.Null {
		return "NULL::" + pgName(t)
	}
	return "'" + strings.ReplaceAll(ir.Format(t, v), "'", "''") + "'::" + pgName(t)
}

// pgSQL writes an expression in PostgreSQL's words.
func pgSQL(e ir.Expr) string {
	args := make([]string, len(e.Args))
	for i, arg := range e.Args {
		args[i] = pgSQL(arg)
	}
	switch e.Op {
	case "col":
		return "t." + string(rune('a'+e.Col))
	case "lit":
		v, _ := e.Value()
		return pgValue(e.Type, v)
	case "add", "sub":
		if e.Type.Kind == ir.Date {
			args[1] += "::integer"
		}
		sum := "(" + args[0] + map[string]string{"add": " + ", "sub": " - "}[e.Op] + args[1] + ")"
		if e.Type.Kind == ir.Int {
			sum += "::numeric" // the days between dates
		}
		return sum
	case "div":
		return fmt.Sprintf("round(%s::numeric(1000,400) / %s, %d)", args[0], args[1], e.Type.Scale)
	case "idiv":
		return "div(" + args[0] + ", " + args[1] + ")"
	case "neg":
		return "(- " + args[0] + ")"
	case "not":
		return "(NOT " + args[0] + ")"
	case "isnull":
		return "(" + args[0] + " IS NULL)"
	case "cast":
		if e.Args[0].Type.Kind == ir.Bool {
			return args[0] + "::integer::numeric"
		}
		return fmt.Sprintf("round(%s, %d)", args[0], e.Type.Scale)
	case "abs", "coalesce", "nullif":
		return e.Op + "(" + strings.Join(args, ", ") + ")"
	case "case":
		s := "(CASE"
		for i := 0; i+1 < len(args); i += 2 {
			s += " WHEN " + args[i] + " THEN " + args[i+1]
		}
		return s + " ELSE " + args[len(args)-1] + " END)"
	}
	infix := map[string]string{"mul": "*", "eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "and": "AND", "or": "OR"}
	return "(" + strings.Join(args, " "+infix[e.Op]+" ") + ")"
}

// pgShown writes an SQL expression so that its text is ours.
func pgShown(t ir.Type, sql string) string {
	switch t.Kind {
	case ir.Bool:
		return "CASE WHEN " + sql + " THEN 'true' WHEN NOT " + sql + " THEN 'false' END"
	case ir.Int, ir.Decimal:
		return fmt.Sprintf("round(%s, %d)", sql, t.Scale)
	}
	return sql
}

// drawSQL draws an expression over the columns of l.t that PostgreSQL can
// compute and show as we do: no division by zero, no date before year 1.
func drawSQL(t *rapid.T, want ir.Type, depth int) ir.Expr {
	sub := func(w ir.Type) ir.Expr { return drawSQL(t, w, depth-1) }
	pick := func(label string, names ...string) string { return rapid.SampledFrom(names).Draw(t, label) }
	guard := func(e ir.Expr) ir.Expr { return must(ir.NewOp("nullif", e, lit(e.Type, 0))) }
	var options []func() ir.Expr
	for i, typ := range pgLeft {
		if typ.Same(want) {
			options = append(options, func() ir.Expr { return ir.NewCol(i, typ) })
		}
	}
	options = append(options, func() ir.Expr { return drawLiteral(t, want) })
	if depth == 0 {
		return options[rapid.IntRange(0, len(options)-1).Draw(t, "leaf")]()
	}
	options = []func() ir.Expr{
		func() ir.Expr { return drawSQL(t, want, 0) },
		func() ir.Expr { return must(ir.NewOp("coalesce", sub(want), sub(want))) },
		func() ir.Expr { return must(ir.NewOp("nullif", sub(want), sub(want))) },
		func() ir.Expr { return must(ir.NewOp("case", sub(pgBool), sub(want), sub(want))) },
	}
	other := rapid.SampledFrom([]ir.Type{pgInt, pgDec2, pgDec6, pgDate}).Draw(t, "other")
	switch want.Kind {
	case ir.Bool:
		options = append(options,
			func() ir.Expr {
				return must(ir.NewOp(pick("order", "eq", "ne", "lt", "le", "gt", "ge"), sub(other), sub(other)))
			},
			func() ir.Expr { return must(ir.NewOp(pick("equality", "eq", "ne"), sub(pgText), sub(pgText))) },
			func() ir.Expr { return must(ir.NewOp(pick("logic", "and", "or"), sub(pgBool), sub(pgBool))) },
			func() ir.Expr { return must(ir.NewOp("not", sub(pgBool))) },
			func() ir.Expr { return must(ir.NewOp("isnull", sub(other))) })
	case ir.Int, ir.Decimal:
		options = append(options,
			func() ir.Expr { return must(ir.NewOp(pick("sign", "neg", "abs"), sub(want))) },
			func() ir.Expr { return must(ir.NewOp(pick("sum", "add", "sub"), sub(want), sub(want))) })
		if other.Numeric() {
			options = append(options, func() ir.Expr { return must(ir.NewCast(sub(other), want)) })
		}
	case ir.Date:
		options = append(options, func() ir.Expr {
			days := ir.NewLit(pgInt, ir.NewInt(rapid.Int64Range(-100_000, 100_000).Draw(t, "days")))
			return must(ir.NewOp(pick("days", "add", "sub"), ir.NewCol(3, pgDate), days))
		})
	}
	switch {
	case want.Kind == ir.Int:
		options = append(options,
			func() ir.Expr { return must(ir.NewOp("mul", sub(pgInt), sub(pgInt))) },
			func() ir.Expr { return must(ir.NewOp("idiv", sub(pgInt), guard(sub(pgInt)))) },
			func() ir.Expr { return must(ir.NewOp("sub", sub(pgDate), sub(pgDate))) },
			func() ir.Expr { return must(ir.NewCast(sub(pgBool), pgInt)) })
	case want.Scale == 2:
		options = append(options, func() ir.Expr { return must(ir.NewOp("mul", sub(pgInt), sub(want))) })
	case want.Scale == 6:
		options = append(options,
			func() ir.Expr { return must(ir.NewOp("div", sub(pgInt), guard(sub(pgDec2)))) },
			func() ir.Expr { return must(ir.NewOp("div", sub(want), guard(sub(pgInt)))) })
	}
	return options[rapid.IntRange(0, len(options)-1).Draw(t, "option")]()
}

func drawLiteral(t *rapid.T, want ir.Type) ir.Expr {
	if rapid.IntRange(0, 4).Draw(t, "null") == 0 {
		return ir.NewLit(want, ir.NewNull())
	}
	switch want.Kind {
	case ir.Text:
		return ir.NewLit(want, ir.NewText(rapid.SampledFrom([]string{"", "a", "é", "it's"}).Draw(t, "text")))
	case ir.Bool:
		return ir.NewLit(want, ir.NewBool(rapid.Bool().Draw(t, "truth")))
	}
	return ir.NewLit(want, ir.NewInt(rapid.Int64Range(-150, 150).Draw(t, "number")))
}

// compare runs a program and a query, and wants the same rows in any order.
func (pg *postgres) compare(t *rapid.T, nodes []ir.Node, sql string, left, right Rows) {
	l, r := pgColumns(pgLeft), pgColumns(pgRight)
	bare := func(cols []ir.Column) []ir.Column {
		cols = slices.Clone(cols)
		for i := range cols {
			cols[i].Lo, cols[i].Hi = "", ""
		}
		return cols
	}
	p := &ir.Program{
		Format: 1,
		Tables: []ir.Table{{Owner: "l", Name: "t", Columns: l, Keys: [][]int{{0}}}, {Owner: "r", Name: "t", Columns: r, Keys: [][]int{{0}}}},
		Nodes: append([]ir.Node{
			{Op: ir.Scan, Table: "l.t", Scan: []int{0, 1, 2, 3, 4, 5}, Columns: bare(l)},
			{Op: ir.Scan, Table: "r.t", Scan: []int{0, 1}, Columns: bare(r)},
		}, nodes...),
	}
	last := len(p.Nodes) - 1
	p.Outputs = []ir.Output{{View: "v", To: []joconde.PartyID{"x"}, Node: last}}
	for i, n := range p.Nodes {
		p.Nodes[i].Unique, p.Nodes[i].Local = ir.UniqueOf(p, i), ir.LocalOf(p, i)
		for j := range n.Columns {
			n.Columns[j].Name = string(rune('a' + j))
		}
	}
	p.Tables[1].Columns[0].Name, p.Tables[1].Columns[1].Name = "a", "b"
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	views, err := Run(p, map[string]Rows{"l.t": left, "r.t": right})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := pg.query(sql)
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, sql, theirs)
	}
	ours := strings.ReplaceAll(strings.TrimRight(write(p.Nodes[last].Columns, views["v"]), "\n"), " ", "|")
	if a, b := sortedLines(ours), sortedLines(theirs); a != b {
		t.Fatalf("%s\nours:\n%s\nPostgreSQL's:\n%s", sql, a, b)
	}
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestOurMeaningIsThatOfPostgreSQL(t *testing.T) {
	if testing.Short() {
		t.Skip("starting a PostgreSQL server takes some seconds")
	}
	pg := startPostgres(t)
	left, right := edgeRows()
	pg.load(t, left, right)

	t.Run("scalar expressions", rapid.MakeCheck(func(t *rapid.T) {
		n := ir.Node{Op: ir.Project, In: []int{0}, Exprs: []ir.Expr{ir.NewCol(0, pgLeft[0])}}
		shown := []string{"a"}
		for range 6 {
			want := rapid.SampledFrom([]ir.Type{pgInt, pgDec2, pgDec6, pgDate, pgBool}).Draw(t, "type")
			e := drawSQL(t, want, rapid.IntRange(1, 4).Draw(t, "depth"))
			n.Exprs, shown = append(n.Exprs, e), append(shown, pgShown(want, pgSQL(e)))
		}
		n.Columns = columnsOf(n.Exprs)
		pg.compare(t, []ir.Node{n}, "SELECT "+strings.Join(shown, ", ")+" FROM t", left, right)
	}))

	t.Run("groups", rapid.MakeCheck(func(t *rapid.T) {
		where := drawSQL(t, pgBool, 2)
		filter := ir.Node{Op: ir.Filter, In: []int{0}, Exprs: []ir.Expr{where}, Columns: columns(pgLeft...)}
		group := ir.Node{Op: ir.Aggregate, In: []int{2}, Group: &ir.Group{}}
		var types []ir.Type
		var shown, by []string
		for _, key := range rapid.SliceOfNDistinct(rapid.IntRange(1, 5), 0, 2, rapid.ID).Draw(t, "keys") {
			group.Group.Keys, types = append(group.Group.Keys, key), append(types, pgLeft[key])
			by = append(by, "t."+string(rune('a'+key)))
			shown = append(shown, pgShown(pgLeft[key], by[len(by)-1]))
		}
		aggregates := []ir.Agg{{Func: ir.CountStar, Arg: -1}, {Func: ir.Count, Arg: 5}, {Func: ir.Count, Arg: 1},
			{Func: ir.Sum, Arg: 0}, {Func: ir.Sum, Arg: 1}, {Func: ir.Sum, Arg: 2}, {Func: ir.Avg, Arg: 1}, {Func: ir.Avg, Arg: 2},
			{Func: ir.Min, Arg: 1}, {Func: ir.Max, Arg: 2}, {Func: ir.Min, Arg: 3}, {Func: ir.Max, Arg: 3}}
		for _, agg := range aggregates {
			f, _ := ir.AggNamed(agg.Func)
			arg, sql := ir.Type{}, "count(*)"
			if agg.Func != ir.CountStar {
				arg = pgLeft[agg.Arg]
				sql = fmt.Sprintf("%s(t.%c)", agg.Func, 'a'+agg.Arg)
			}
			if agg.Func == ir.Avg {
				sql = fmt.Sprintf("avg(t.%c::numeric(1000,400))", 'a'+agg.Arg)
			}
			result, err := f.Type(arg, len(by) > 0)
			if err != nil {
				t.Fatal(err)
			}
			if agg.Func == ir.Count || agg.Func == ir.CountStar {
				sql += "::numeric"
			}
			group.Group.Aggs, types = append(group.Group.Aggs, agg), append(types, result)
			shown = append(shown, pgShown(result, sql))
		}
		group.Columns = columns(types...)
		sql := "SELECT " + strings.Join(shown, ", ") + " FROM t WHERE " + pgSQL(where)
		if len(by) > 0 {
			sql += " GROUP BY " + strings.Join(by, ", ")
		}
		pg.compare(t, []ir.Node{filter, group}, sql, left, right)
	}))

	t.Run("joins", rapid.MakeCheck(func(t *rapid.T) {
		where := drawSQL(t, pgBool, 2)
		kind := rapid.SampledFrom([]ir.JoinKind{ir.Inner, ir.Left, ir.Mark}).Draw(t, "kind")
		filter := ir.Node{Op: ir.Filter, In: []int{0}, Exprs: []ir.Expr{where}, Columns: columns(pgLeft...)}
		join := ir.Node{Op: ir.JoinOp, In: []int{2, 1}, Join: &ir.Join{Kind: kind, Left: []int{1}, Right: []int{0}}}
		var more []ir.Type
		for _, typ := range pgRight {
			more = append(more, typ.WithNull(typ.Nullable || kind == ir.Left))
		}
		from, rest := "FROM t "+string(kind)+" JOIN u ON t.b = u.k", "round(u.k, 0), round(u.x, 2)"
		if kind == ir.Mark {
			more = []ir.Type{{Kind: ir.Bool}}
			from, rest = "FROM t", pgShown(more[0], "EXISTS (SELECT 1 FROM u WHERE t.b = u.k)")
		}
		join.Columns = columns(append(slices.Clone(pgLeft), more...)...)
		var shown []string
		for i, typ := range pgLeft {
			shown = append(shown, pgShown(typ, "t."+string(rune('a'+i))))
		}
		pg.compare(t, []ir.Node{filter, join}, "SELECT "+strings.Join(shown, ", ")+", "+rest+" "+from+" WHERE "+pgSQL(where), left, right)
	}))
}

func columnsOf(exprs []ir.Expr) []ir.Column {
	types := make([]ir.Type, len(exprs))
	for i, e := range exprs {
		types[i] = e.Type
	}
	return columns(types...)
}
