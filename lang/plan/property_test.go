package plan

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"joconde/lang/eval"
	"joconde/lang/ir"

	"pgregory.net/rapid"
)

// randomProgram draws a program over three parties' tables of small integers,
// many of them NULL, and rows for the tables.
func randomProgram(t *rapid.T) (*ir.Program, map[string]eval.Rows) {
	b := &builder{t, &ir.Program{Format: 1}}
	b.table("a", "one", []int{0}, small("id", intType), small("x", nullInt), small("y", intType))
	b.table("a", "two", []int{0, 1}, small("id", intType), small("part", intType), small("v", nullInt))
	b.table("b", "one", []int{0}, small("id", intType), small("x", nullInt), small("y", intType))
	b.table("c", "list", nil, small("id", nullInt), small("w", nullInt))
	var pool []int
	for _, table := range b.p.Tables {
		pool = append(pool, b.scan(table.QName()))
	}
	pick := func(what string) int {
		// Later nodes are likelier, so that programs grow deep.
		i := rapid.IntRange(0, len(pool)-1).Draw(t, what)
		j := rapid.IntRange(0, len(pool)-1).Draw(t, what)
		return pool[max(i, j)]
	}
	for range rapid.IntRange(1, 9).Draw(t, "operators") {
		if n := randomNode(t, b, pick); n >= 0 {
			pool = append(pool, n)
		}
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "more outputs") {
		b.grant([]string{"also", "else"}[i], named(b, pick("output")), "r", "s")
	}
	b.grant("last", named(b, pool[len(pool)-1]), "r")
	tables := map[string]eval.Rows{}
	for _, table := range b.p.Tables {
		tables[table.QName()] = randomRows(t, table)
	}
	return b.p, tables
}

// named gives a node whose columns have different names, as a view has.
func named(b *builder, n int) int {
	seen := map[string]bool{}
	var exprs []ir.Expr
	for i, c := range b.p.Nodes[n].Columns {
		seen[c.Name] = true
		exprs = append(exprs, b.col(n, i))
	}
	if len(seen) == len(exprs) && len(exprs) > 0 {
		return n
	}
	return b.project(n, strings.Split("abcdefghijklmnopqrstuvwxyz", "")[:len(exprs)], exprs...)
}

func randomNode(t *rapid.T, b *builder, pick func(string) int) int {
	in := pick("input")
	cols := b.p.Nodes[in].Columns
	column := func() int {
		if len(cols) == 0 {
			return -1
		}
		return rapid.IntRange(0, len(cols)-1).Draw(t, "column")
	}
	switch rapid.SampledFrom([]string{"project", "filter", "filter", "join", "join", "join", "group"}).Draw(t, "operator") {
	case "project":
		var exprs []ir.Expr
		var names []string
		for range rapid.IntRange(1, 4).Draw(t, "columns") {
			if c := column(); c >= 0 && rapid.IntRange(0, 2).Draw(t, "plain") > 0 {
				exprs = append(exprs, b.col(in, c))
			} else {
				exprs = append(exprs, randomExpr(t, b, cols, rapid.Bool().Draw(t, "truth"), 2))
			}
			names = append(names, rapid.SampledFrom([]string{"p", "q", "r"}).Draw(t, "name"))
		}
		return b.project(in, names, exprs...)
	case "filter":
		return b.filter(in, randomExpr(t, b, cols, true, 3))
	case "group":
		var keys []int
		var aggs []ir.Agg
		for range rapid.IntRange(0, 2).Draw(t, "keys") {
			if c := column(); c >= 0 && !slices.Contains(keys, c) {
				keys = append(keys, c)
			}
		}
		for range rapid.IntRange(0, 3).Draw(t, "aggregates") {
			c := column()
			f := rapid.SampledFrom([]ir.AggFunc{ir.CountStar, ir.Count, ir.Sum, ir.Min, ir.Max, ir.Avg}).Draw(t, "function")
			switch {
			case f == ir.CountStar || c < 0:
				aggs = append(aggs, ir.Agg{Func: ir.CountStar, Arg: -1})
			case cols[c].Type.Kind == ir.Int || f == ir.Count:
				aggs = append(aggs, ir.Agg{Func: f, Arg: c})
			}
		}
		if len(keys)+len(aggs) == 0 {
			return -1
		}
		return b.group(in, keys, aggs...)
	}
	kind := rapid.SampledFrom([]ir.JoinKind{ir.Inner, ir.Inner, ir.Left, ir.Mark}).Draw(t, "kind")
	right := pick("right")
	rcols := b.p.Nodes[right].Columns
	var rk []int
	if kind == ir.Mark {
		if len(rcols) > 0 {
			rk = []int{rapid.IntRange(0, len(rcols)-1).Draw(t, "right key")}
		}
	} else if sets := b.p.Nodes[right].Unique; len(sets) > 0 {
		rk = sets[0]
	}
	var lk []int
	for _, r := range rk {
		found := -1
		start := rapid.IntRange(0, max(len(cols)-1, 0)).Draw(t, "left key")
		for i := range cols {
			if c := (start + i) % len(cols); found < 0 && cols[c].Type.Same(rcols[r].Type) {
				found = c
			}
		}
		if found < 0 {
			return -1
		}
		lk = append(lk, found)
	}
	if len(lk) == 0 || len(cols)+len(rcols) > 14 {
		return -1
	}
	return b.join(kind, in, right, lk, rk)
}

// randomExpr draws an integer or truth expression; decimals stay out of it.
func randomExpr(t *rapid.T, b *builder, cols []ir.Column, truth bool, depth int) ir.Expr {
	sub := func(truth bool) ir.Expr { return randomExpr(t, b, cols, truth, depth-1) }
	kind := ir.Int
	if truth {
		kind = ir.Bool
	}
	if depth == 0 || !truth && rapid.IntRange(0, 3).Draw(t, "leaf") == 0 {
		var fit []int
		for i, c := range cols {
			if c.Type.Kind == kind {
				fit = append(fit, i)
			}
		}
		if len(fit) > 0 && rapid.IntRange(0, 5).Draw(t, "literal") > 0 {
			c := rapid.SampledFrom(fit).Draw(t, "column")
			return ir.NewCol(c, cols[c].Type)
		}
		n := rapid.IntRange(-1, 3).Draw(t, "value")
		switch {
		case n < 0:
			return ir.NewLit(ir.Type{Kind: kind}, ir.NewNull())
		case truth:
			return ir.NewLit(boolType, ir.NewBool(n%2 == 1))
		}
		return lit(int64(n))
	}
	if truth {
		switch op := rapid.SampledFrom([]string{"eq", "eq", "lt", "ge", "and", "and", "or", "not", "isnull"}).Draw(t, "operation"); op {
		case "and", "or":
			return b.op(op, sub(true), sub(true))
		case "not":
			return b.op(op, sub(true))
		case "isnull":
			return b.op(op, sub(false))
		default:
			return b.op(op, sub(false), sub(false))
		}
	}
	switch op := rapid.SampledFrom([]string{"add", "mul", "neg", "coalesce", "nullif", "case", "idiv"}).Draw(t, "operation"); op {
	case "neg":
		return b.op(op, sub(false))
	case "case":
		return b.op(op, sub(true), sub(false), sub(false))
	case "idiv":
		return b.op(op, sub(false), b.op("nullif", sub(false), lit(0)))
	default:
		return b.op(op, sub(false), sub(false))
	}
}

func randomRows(t *rapid.T, table ir.Table) eval.Rows {
	var rows eval.Rows
	seen := map[string]bool{}
	for range rapid.IntRange(0, 6).Draw(t, "rows") {
		var row []ir.Value
		key := ""
		for i, c := range table.Columns {
			v := ir.NewInt(rapid.Int64Range(0, 3).Draw(t, "cell"))
			if c.Type.Nullable && rapid.IntRange(0, 2).Draw(t, "null") == 0 {
				v = ir.NewNull()
			}
			row = append(row, v)
			if len(table.Keys) > 0 && slices.Contains(table.Keys[0], i) {
				key += ir.Format(c.Type, v) + ","
			}
		}
		if len(table.Keys) == 0 || !seen[key] {
			rows = append(rows, row)
		}
		seen[key] = true
	}
	return rows
}

// texts gives each view's rows as sorted text: the multiset.
func texts(t *rapid.T, p *ir.Program, tables map[string]eval.Rows) map[string]string {
	views, err := eval.Run(p, tables)
	if err != nil {
		t.Fatalf("%v\n%s", err, show(p))
	}
	all := map[string]string{}
	for _, out := range p.Outputs {
		cols := p.Nodes[out.Node].Columns
		var lines []string
		for _, row := range views[out.View] {
			line := ""
			for i, v := range row {
				line += ir.Format(cols[i].Type, v) + "|"
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		all[out.View] = names(&node{Node: p.Nodes[out.Node]}) + "\n" + strings.Join(lines, "\n")
	}
	return all
}

func TestEveryRuleKeepsTheRowsOfEveryView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, tables := randomProgram(t)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		original := mustJSON(p)
		want := texts(t, p, tables)
		check := func(what string, before, after *ir.Program) {
			if err := after.Validate(); err != nil {
				t.Fatalf("%s: %v\nbefore\n%s\nafter\n%s", what, err, show(before), show(after))
			}
			got := texts(t, after, tables)
			for view := range want {
				if got[view] != want[view] {
					t.Fatalf("%s: view %s\nbefore\n%s\nafter\n%s\nwant\n%s\ngot\n%s", what, view, show(before), show(after), want[view], got[view])
				}
			}
		}
		for _, rule := range Rules { // alone, on the program as the checker gives it
			check(rule.Name+" alone", p, rule.Apply(p))
		}
		before := p
		for range 3 { // one after the other
			for _, rule := range Rules {
				after := rule.Apply(before)
				check(rule.Name, before, after)
				before = after
			}
		}
		if mustJSON(p) != original {
			t.Fatal("the program given was changed")
		}
	})
}

func TestOptimisingTwiceChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := randomProgram(t)
		once, err := Optimise(p)
		if err != nil {
			t.Fatalf("%v\n%s", err, show(p))
		}
		twice, err := Optimise(once)
		if err != nil {
			t.Fatal(err)
		}
		first, second := encoded(t, once), encoded(t, twice)
		if !bytes.Equal(first, second) {
			t.Fatalf("once\n%s\ntwice\n%s", show(once), show(twice))
		}
		// Also for who only has the bytes.
		decoded, err := ir.Decode(first)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Optimise(decoded)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, encoded(t, again)) {
			t.Fatal("the decoded program optimises to other bytes")
		}
	})
}

func encoded(t *rapid.T, p *ir.Program) []byte {
	data, err := ir.Encode(p)
	if err != nil {
		t.Fatalf("%v\n%s", err, show(p))
	}
	return data
}

func TestWhatIsOnSharesNeedsNoWorkThatAnOwnerCouldDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, _ := randomProgram(t)
		p, err := Optimise(p)
		if err != nil {
			t.Fatal(err)
		}
		g := open(p)
		list := g.order()
		g.measure(list)
		for _, n := range list {
			if n.local != "" || n.Op != ir.Project && n.Op != ir.Filter {
				continue
			}
			for _, whole := range n.Exprs {
				for _, e := range conjuncts(whole) {
					if _, _, ok := trace(n.in[0], e); ok && !trivial(e) && !fixes(e) {
						t.Fatalf("an owner could compute %v\n%s", e, show(p))
					}
				}
			}
		}
		for i, n := range p.Nodes { // and nothing is scanned, kept or sent for nothing
			used := i == len(p.Nodes)
			for _, o := range p.Outputs {
				used = used || o.Node == i
			}
			for _, m := range p.Nodes {
				used = used || slices.Contains(m.In, i)
			}
			if !used {
				t.Fatalf("nobody uses node %d %s\n%s", i, n.Op, show(p))
			}
		}
	})
}
