package eval

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"joconde"
	"joconde/lang/ir"
)

var (
	number = ir.Type{Kind: ir.Int}
	money  = ir.Type{Kind: ir.Decimal, Scale: 2, Nullable: true}
	truth  = ir.Type{Kind: ir.Bool}
	name   = ir.Type{Kind: ir.Text, Width: 10, Nullable: true}
)

func must(e ir.Expr, err error) ir.Expr {
	if err != nil {
		panic(err)
	}
	return e
}

func lit(t ir.Type, n int64) ir.Expr { return ir.NewLit(t.WithNull(false), ir.NewInt(n)) }

// columns names them a, b, c, …
func columns(types ...ir.Type) []ir.Column {
	cols := make([]ir.Column, len(types))
	for i, t := range types {
		cols[i] = ir.Column{Name: string(rune('a' + i)), Type: t}
	}
	return cols
}

// twoTables scans one table of each of two owners, left (node 0): an
// identifier, money and a name, and right (node 1): an identifier that is its
// key, and money. The node that is tested is node 2.
func twoTables(n ir.Node) *ir.Program {
	left := columns(number.WithNull(true), money, name)
	right := columns(number.WithNull(true), money)
	declared := func(cols []ir.Column) []ir.Column {
		cols = slices.Clone(cols)
		for i, c := range cols {
			if c.Type.Numeric() {
				cols[i].Lo, cols[i].Hi = "-1000000", "1000000"
			}
		}
		return cols
	}
	p := &ir.Program{
		Format: 1,
		Tables: []ir.Table{
			{Owner: "l", Name: "t", Columns: declared(left)},
			{Owner: "r", Name: "t", Columns: declared(right), Keys: [][]int{{0}}},
		},
		Nodes: []ir.Node{
			{Op: ir.Scan, Table: "l.t", Scan: []int{0, 1, 2}, Columns: left},
			{Op: ir.Scan, Table: "r.t", Scan: []int{0, 1}, Columns: right},
			n,
		},
		Outputs: []ir.Output{{View: "v", To: []joconde.PartyID{"x"}, Node: 2}},
	}
	for i := range p.Nodes {
		p.Nodes[i].Unique, p.Nodes[i].Local = ir.UniqueOf(p, i), ir.LocalOf(p, i)
	}
	return p
}

// read makes rows of text, one a line.
func read(t testing.TB, cols []ir.Column, text string) Rows {
	t.Helper()
	rows := Rows{}
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		row := make([]ir.Value, len(fields))
		for i, f := range fields {
			if f == "NULL" {
				row[i] = ir.NewNull()
				continue
			}
			v, err := ir.ParseValue(cols[i].Type, f)
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			row[i] = v
		}
		rows = append(rows, row)
	}
	return rows
}

func write(cols []ir.Column, rows Rows) string {
	var b strings.Builder
	for _, row := range rows {
		for i, v := range row {
			if i > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(ir.Format(cols[i].Type, v))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

const leftRows = `
1    1.00 ann
2    NULL bob
2    3.50 NULL
3    -0.50 ann
NULL 9.99 bob`

const rightRows = `
1    10.00
3    NULL
NULL 30.00`

func TestWhatOperatorsMean(t *testing.T) {
	id, amount := ir.NewCol(0, number.WithNull(true)), ir.NewCol(1, money)
	l := func(more ...ir.Type) []ir.Column {
		return columns(append([]ir.Type{number.WithNull(true), money, name}, more...)...)
	}
	key := func(kind ir.JoinKind) *ir.Join { return &ir.Join{Kind: kind, Left: []int{0}, Right: []int{0}} }
	six := ir.Type{Kind: ir.Decimal, Scale: 6, Nullable: true}
	aggregates := []ir.Agg{{Func: ir.CountStar, Arg: -1}, {Func: ir.Count, Arg: 1}, {Func: ir.Sum, Arg: 1}, {Func: ir.Avg, Arg: 1}, {Func: ir.Min, Arg: 1}, {Func: ir.Max, Arg: 0}}
	results := []ir.Type{number, number, money, six, money, number.WithNull(true)}
	for _, c := range []struct {
		name string
		node ir.Node
		left string
		want string
	}{
		{"a filter keeps rows that are true, not NULL",
			ir.Node{Op: ir.Filter, In: []int{0}, Exprs: []ir.Expr{must(ir.NewOp("lt", amount, lit(money, 200)))}, Columns: l()}, leftRows,
			"1 1.00 ann\n3 -0.50 ann\n"},
		{"a projection computes each column",
			ir.Node{Op: ir.Project, In: []int{0}, Exprs: []ir.Expr{amount, must(ir.NewOp("isnull", id)), must(ir.NewOp("mul", id, amount))}, Columns: columns(money, truth, money)}, leftRows,
			"1.00 false 1.00\nNULL false NULL\n3.50 false 7.00\n-0.50 false -1.50\n9.99 true NULL\n"},
		{"an inner join drops rows without partner, NULL keys on both sides too",
			ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: key(ir.Inner), Columns: l(number.WithNull(true), money)}, leftRows,
			"1 1.00 ann 1 10.00\n3 -0.50 ann 3 NULL\n"},
		{"a left join keeps them",
			ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: key(ir.Left), Columns: l(number.WithNull(true), money)}, leftRows,
			"1 1.00 ann 1 10.00\n2 NULL bob NULL NULL\n2 3.50 NULL NULL NULL\n3 -0.50 ann 3 NULL\nNULL 9.99 bob NULL NULL\n"},
		{"a mark says whether there is a partner, never NULL",
			ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: key(ir.Mark), Columns: l(truth)}, leftRows,
			"1 1.00 ann true\n2 NULL bob false\n2 3.50 NULL false\n3 -0.50 ann true\nNULL 9.99 bob false\n"},
		{"a join of no rows",
			ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: key(ir.Left), Columns: l(number.WithNull(true), money)}, "", ""},
		{"groups; NULL is one",
			ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Keys: []int{2}, Aggs: aggregates}, Columns: columns(append([]ir.Type{name}, results...)...)}, leftRows,
			"ann 2 2 0.50 0.250000 -0.50 3\nbob 2 1 9.99 9.990000 9.99 2\nNULL 1 1 3.50 3.500000 3.50 2\n"},
		{"groups of no rows are none",
			ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Keys: []int{2}, Aggs: aggregates}, Columns: columns(append([]ir.Type{name}, results...)...)}, "", ""},
		{"groups without aggregates are the distinct keys",
			ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Keys: []int{2}}, Columns: columns(name)}, leftRows, "ann\nbob\nNULL\n"},
		{"a total is one row",
			ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Aggs: aggregates}, Columns: columns(results...)}, leftRows,
			"5 4 13.99 3.497500 -0.50 3\n"},
		{"a total of no rows too",
			ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Aggs: aggregates}, Columns: columns(results...)}, "",
			"0 0 NULL NULL NULL NULL\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := twoTables(c.node)
			tables := map[string]Rows{
				"l.t": read(t, p.Nodes[0].Columns, c.left),
				"r.t": read(t, p.Nodes[1].Columns, rightRows),
			}
			if usesRight := len(c.node.In) == 2; !usesRight { // else no node scans it for the output
				delete(tables, "r.t")
			}
			if err := p.Validate(); err != nil {
				t.Fatal(err)
			}
			views, err := Run(p, tables)
			if err != nil {
				t.Fatal(err)
			}
			if got := write(p.Nodes[2].Columns, views["v"]); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			rows, err := Node(p, tables, 2)
			if err != nil || !reflect.DeepEqual(rows, views["v"]) {
				t.Errorf("the node alone gives %v (%v)", rows, err)
			}
		})
	}
}

func TestKeysOfDifferentRowsDiffer(t *testing.T) {
	text, null, n := ir.NewText, ir.NewNull, ir.NewInt
	rows := Rows{
		{text("a"), text("b")}, {text("ab"), text("")}, {text(""), text("ab")}, {text("a:1"), text("")},
		{text("n"), text("")}, {null(), text("")}, {text(""), null()}, {text("1:"), text("a")},
		{n(1), n(23)}, {n(12), n(3)}, {n(-1), n(23)}, {text("i1;"), text("")}, {n(1), null()},
	}
	seen := make(map[string]int)
	for i, row := range rows {
		key, _ := keyOf(row, []int{0, 1})
		if j, twice := seen[key]; twice {
			t.Errorf("rows %d and %d have the same key", i, j)
		}
		seen[key] = i
	}
}

func TestDataThatDoesNotFitTheProgram(t *testing.T) {
	p := twoTables(ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: &ir.Join{Kind: ir.Inner, Left: []int{0}, Right: []int{0}},
		Columns: columns(number.WithNull(true), money, name, number.WithNull(true), money)})
	left := read(t, p.Nodes[0].Columns, leftRows)
	for _, c := range []struct {
		name   string
		tables map[string]Rows
		want   string
	}{
		{"a table is missing", map[string]Rows{"l.t": left}, "not given"},
		{"a row is too short", map[string]Rows{"l.t": left, "r.t": {{ir.NewInt(77)}}}, "has 1 values instead of 2"},
		{"a key is there twice", map[string]Rows{"l.t": left, "r.t": read(t, p.Nodes[1].Columns, "77 1.00\n77 2.00")}, "agree"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(p, c.tables)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			if strings.Contains(err.Error(), "77") {
				t.Errorf("the error holds a value: %v", err)
			}
		})
	}
	if _, err := Node(p, nil, 3); err == nil {
		t.Error("a node that does not exist has rows")
	}
}

// TestManyRows guards against a join by nested loops, which would take minutes.
func TestManyRows(t *testing.T) {
	const n = 60_000
	p := twoTables(ir.Node{Op: ir.JoinOp, In: []int{0, 1}, Join: &ir.Join{Kind: ir.Inner, Left: []int{0}, Right: []int{0}},
		Columns: columns(number.WithNull(true), money, name, number.WithNull(true), money)})
	tables := map[string]Rows{"l.t": make(Rows, n), "r.t": make(Rows, n)}
	for i := range n {
		tables["l.t"][i] = []ir.Value{ir.NewInt(int64(i)), ir.NewInt(1), ir.NewText(fmt.Sprint(i % 7))}
		tables["r.t"][n-1-i] = []ir.Value{ir.NewInt(int64(i)), ir.NewInt(2)}
	}
	start := time.Now()
	views, err := Run(p, tables)
	if err != nil || len(views["v"]) != n {
		t.Fatalf("%d rows, %v", len(views["v"]), err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func BenchmarkGroupAMillionRows(b *testing.B) {
	p := twoTables(ir.Node{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Keys: []int{2}, Aggs: []ir.Agg{{Func: ir.Sum, Arg: 1}}}, Columns: columns(name, money)})
	rows := make(Rows, 1_000_000)
	for i := range rows {
		rows[i] = []ir.Value{ir.NewInt(int64(i)), ir.NewInt(int64(i)), ir.NewText(fmt.Sprint(i % 1000))}
	}
	for b.Loop() {
		if _, err := Run(p, map[string]Rows{"l.t": rows}); err != nil {
			b.Fatal(err)
		}
	}
}
