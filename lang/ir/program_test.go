package ir

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"joconde"
)

var update = flag.Bool("update", false, "write golden files")

var (
	intType  = Type{Kind: Int}
	boolType = Type{Kind: Bool}
	keyText  = Type{Kind: Text, Width: 8}
	region   = Type{Kind: Text, Codes: []string{"east", "north", "west"}}
)

func decimalType(scale int) Type { return Type{Kind: Decimal, Scale: scale} }

// wageProgram is the mean of earnings by region over two parties' tables, for
// regions of at least ten persons, with one fraction.
func wageProgram() *Program {
	person := Column{Name: "pid", Type: intType}
	earnings := Column{Name: "earnings", Type: decimalType(2).WithNull(true)}
	where := Column{Name: "region", Type: region}
	count, mean := Column{Name: "persons", Type: intType}, Column{Name: "mean", Type: decimalType(6).WithNull(true)}

	adult := must(NewOp("ge", NewCol(1, intType), NewLit(intType, NewInt(18))))
	enough := must(NewOp("ge", NewCol(1, intType), NewLit(intType, NewInt(10))))
	share := must(NewOp("div", NewCol(2, mean.Type), NewCol(1, intType)))

	p := &Program{
		Format: 1,
		Tables: []Table{
			{Owner: "reg", Name: "person", Keys: [][]int{{0}}, Columns: []Column{
				{Name: "pid", Type: intType, Lo: "1", Hi: "99999999"},
				{Name: "age", Type: intType, Lo: "0", Hi: "120"},
				{Name: "note", Type: keyText},
			}},
			{Owner: "tax", Name: "job", Columns: []Column{
				{Name: "pid", Type: intType, Lo: "1", Hi: "99999999"},
				{Name: "region", Type: region},
				{Name: "earnings", Type: earnings.Type, Lo: "-100", Hi: "99999900"},
			}},
		},
		Nodes: []Node{
			{Op: Scan, Table: "reg.person", Scan: []int{0, 1}, Columns: []Column{person, {Name: "age", Type: intType}}},
			{Op: Filter, In: []int{0}, Exprs: []Expr{adult}, Columns: []Column{person, {Name: "age", Type: intType}}},
			{Op: Scan, Table: "tax.job", Scan: []int{0, 1, 2}, Columns: []Column{person, where, earnings}},
			{Op: JoinOp, In: []int{2, 1}, Join: &Join{Kind: Inner, Left: []int{0}, Right: []int{0}},
				Columns: []Column{person, where, earnings, {Name: "pid", Type: intType}, {Name: "age", Type: intType}}},
			{Op: Aggregate, In: []int{3}, Group: &Group{Keys: []int{1}, Aggs: []Agg{{Func: CountStar, Arg: -1}, {Func: Avg, Arg: 2}}},
				Columns: []Column{where, count, mean}},
			{Op: Filter, In: []int{4}, Exprs: []Expr{enough}, Columns: []Column{where, count, mean}},
			{Op: Project, In: []int{5}, Exprs: []Expr{NewCol(0, region), NewCol(2, mean.Type), share},
				Columns: []Column{where, mean, {Name: "share", Type: share.Type}}},
		},
		Outputs: []Output{{View: "wages", To: []joconde.PartyID{"hub", "tax"}, Node: 6}},
	}
	infer(p)
	return p
}

func infer(p *Program) {
	for i := range p.Nodes {
		p.Nodes[i].Unique = UniqueOf(p, i)
		p.Nodes[i].Local = LocalOf(p, i)
	}
}

// must is for expressions that are right by construction.
func must(e Expr, err error) Expr {
	if err != nil {
		panic(err)
	}
	return e
}

func TestEncodingOfAProgramIsTheSameEverywhere(t *testing.T) {
	p := wageProgram()
	data, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := Digest(p)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "wages.json")
	want := append(append([]byte{}, data...), []byte("\n"+digest.String()+"\n")...)
	if *update {
		if err := os.WriteFile(golden, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("the canonical bytes or the digest changed:\n%s\nwere\n%s", want, have)
	}
}

func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	p := wageProgram()
	data, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	q, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("decoded\n%+v\nwant\n%+v", q, p)
	}
	again, err := Encode(q)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("encoding again gives other bytes (%v)", err)
	}
}

func TestEmptyAndAbsentListsAreTheSameProgram(t *testing.T) {
	p := wageProgram()
	// COUNT(*) needs no column of its table.
	p.Nodes = []Node{
		{Op: Scan, Table: "reg.person"},
		{Op: Aggregate, In: []int{0}, Group: &Group{Aggs: []Agg{{Func: CountStar, Arg: -1}}}, Columns: []Column{{Name: "n", Type: intType}}},
	}
	p.Tables, p.Outputs[0].Node = p.Tables[:1], 1
	infer(p)
	absent, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(absent), `"unique":[[]]`) {
		t.Errorf("one row at most is not written as [[]]: %s", absent)
	}
	p.Nodes[0].Columns, p.Nodes[0].Scan, p.Nodes[0].In, p.Nodes[0].Unique = []Column{}, []int{}, []int{}, [][]int{}
	p.Nodes[0].Exprs, p.Nodes[1].Group.Keys, p.Tables[0].Checks = []Expr{}, []int{}, []Expr{}
	p.Nodes[1].Unique = [][]int{nil}
	empty, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(absent, empty) {
		t.Errorf("empty lists give\n%s\nabsent ones\n%s", empty, absent)
	}
	if _, err := Decode(absent); err != nil {
		t.Error(err)
	}
}

func TestPositionsAreNotPartOfAProgram(t *testing.T) {
	p, q := wageProgram(), wageProgram()
	q.Nodes[6].Pos, q.Nodes[6].View, q.Nodes[6].Exprs[0].Pos = 17, "wages", 99
	one, err := Digest(p)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Digest(q)
	if err != nil || one != other {
		t.Errorf("the digest depends on positions (%v)", err)
	}
}

func TestHostilePrograms(t *testing.T) {
	deep := NewCol(0, boolType)
	for range 300 {
		deep = Expr{Op: "not", Args: []Expr{deep}, Type: boolType}
	}
	for _, c := range []struct {
		name string
		make func(*Program)
		want string // in the error
	}{
		{"a format that we do not know", func(p *Program) { p.Format = 2 }, "format"},
		{"nothing granted", func(p *Program) { p.Outputs = nil }, "granted"},
		{"a node that uses itself", func(p *Program) { p.Nodes[1].In[0] = 1 }, "before"},
		{"a node that uses a later one", func(p *Program) { p.Nodes[1].In[0] = 4 }, "before"},
		{"a node with a negative input", func(p *Program) { p.Nodes[1].In[0] = -1 }, "before"},
		{"a filter without an input", func(p *Program) { p.Nodes[1].In = nil }, "inputs"},
		{"a filter without a condition", func(p *Program) { p.Nodes[1].Exprs = nil }, "lacks"},
		{"a filter with a join", func(p *Program) { p.Nodes[1].Join = &Join{} }, "lacks"},
		{"a join without its part", func(p *Program) { p.Nodes[3].Join = nil }, "lacks"},
		{"a join on a column that does not exist", func(p *Program) { p.Nodes[3].Join.Left[0] = 3 }, "exist"},
		{"a join of numbers with text", func(p *Program) { p.Nodes[3].Join.Left[0] = 1 }, "compared"},
		{"a join on what is not unique", func(p *Program) { p.Nodes[3].Join.Right[0] = 1 }, "unique"},
		{"a join with keys of two lengths", func(p *Program) { p.Nodes[3].Join.Right = []int{0, 1} }, "key columns"},
		{"an unknown join", func(p *Program) { p.Nodes[3].Join.Kind = "cross" }, "cross"},
		{"an unknown operator", func(p *Program) { p.Nodes[3].Op = "sort" }, "sort"},
		{"an unknown operation", func(p *Program) { p.Nodes[1].Exprs[0].Op = "pow" }, "pow"},
		{"an unknown aggregate", func(p *Program) { p.Nodes[4].Group.Aggs[1].Func = "median" }, "median"},
		{"a sum of text", func(p *Program) { p.Nodes[4].Group.Aggs[1] = Agg{Func: Sum, Arg: 1} }, "numbers"},
		{"an aggregate of no column", func(p *Program) { p.Nodes[4].Group.Aggs[1].Arg = 77 }, "exist"},
		{"a group key that does not exist", func(p *Program) { p.Nodes[4].Group.Keys[0] = -2 }, "exist"},
		{"a column that does not exist", func(p *Program) { p.Nodes[6].Exprs[0].Col = 9 }, "column"},
		{"a declared type that is wrong", func(p *Program) { p.Nodes[6].Exprs[2].Type.Scale = 7 }, "type"},
		{"a column type that is wrong", func(p *Program) { p.Nodes[6].Columns[2].Type.Nullable = false }, "types of its columns"},
		{"a mean that claims never to be NULL", func(p *Program) { p.Nodes[4].Columns[2].Type.Nullable = false }, "types of its columns"},
		{"a literal that is no number", func(p *Program) { p.Nodes[1].Exprs[0].Args[1].Lit.Value = "0x12" }, "literal"},
		{"a literal with leading zeros", func(p *Program) { p.Nodes[1].Exprs[0].Args[1].Lit.Value = "018" }, "literal"},
		{"a literal of a million digits", func(p *Program) { p.Nodes[1].Exprs[0].Args[1].Lit.Value = strings.Repeat("9", 1e6) }, "literal"},
		{"an expression as deep as a well", func(p *Program) { p.Nodes[1].Exprs[0] = deep }, "deeper"},
		{"a key of nothing", func(p *Program) { p.Tables[0].Keys = [][]int{{}} }, "key"},
		{"a key on a column that does not exist", func(p *Program) { p.Tables[0].Keys = [][]int{{4}} }, "key"},
		{"a claim to be unique", func(p *Program) { p.Nodes[3].Unique = [][]int{{0}} }, "unique"},
		{"a claim to be local", func(p *Program) { p.Nodes[3].Local = "tax" }, "local"},
		{"a table that nobody scans", func(p *Program) {
			p.Tables = append(p.Tables, Table{Owner: "zz", Name: "t", Columns: []Column{{Name: "b", Type: boolType}}})
		}, "scans"},
		{"tables out of order", func(p *Program) { p.Tables[0], p.Tables[1] = p.Tables[1], p.Tables[0] }, "order"},
		{"a table that is not there", func(p *Program) { p.Nodes[0].Table = "reg.persons" }, "no table"},
		{"columns scanned twice", func(p *Program) { p.Nodes[0].Scan = []int{0, 0} }, "ascending"},
		{"a range upside down", func(p *Program) { p.Tables[0].Columns[1].Lo = "200" }, "range"},
		{"a number without a range", func(p *Program) { p.Tables[0].Columns[1].Lo = "" }, "range"},
		{"codes out of order", func(p *Program) {
			p.Tables[1].Columns[1].Type.Codes = []string{"west", "east"}
		}, "codes"},
		{"an unknown kind", func(p *Program) { p.Tables[0].Columns[1].Type.Kind = "float" }, "float"},
		{"an output of no node", func(p *Program) { p.Outputs[0].Node = 7 }, "exist"},
		{"an output to nobody", func(p *Program) { p.Outputs[0].To = nil }, "nobody"},
		{"an output to one party twice", func(p *Program) { p.Outputs[0].To = []joconde.PartyID{"a", "a"} }, "order"},
		{"an output with two columns of one name", func(p *Program) { p.Outputs[0].Node = 3 }, "same name"},
		{"a name with a line break", func(p *Program) { p.Outputs[0].View = "wages\nand more" }, "name"},
		{"a divisor that may be zero", func(p *Program) {
			p.Nodes[6].Exprs[2].Args[1] = must(NewOp("sub", NewCol(1, intType), NewCol(1, intType)))
		}, "may be zero"},
		{"a check that may divide by zero", func(p *Program) {
			half := must(NewOp("div", NewCol(0, intType), NewCol(1, intType)))
			p.Tables[0].Checks = []Expr{must(NewOp("lt", half, NewLit(decimalType(6), NewInt(1))))}
		}, "may be zero"},
		{"a check that is a number", func(p *Program) { p.Tables[0].Checks = []Expr{NewCol(0, intType)} }, "truth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := wageProgram()
			c.make(p)
			err := p.Validate()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error about %q", err, c.want)
			}
			if _, err := Encode(p); err == nil {
				t.Error("it can be encoded")
			}
		})
	}
}

func TestUniqueSets(t *testing.T) {
	table := Table{Owner: "a", Name: "t", Keys: [][]int{{2}, {0, 1}}, Columns: []Column{
		{Name: "x", Type: intType, Lo: "0", Hi: "9"}, {Name: "y", Type: region}, {Name: "z", Type: intType, Lo: "0", Hi: "9"},
	}}
	cols := func(indices ...int) (columns []Column, exprs []Expr) {
		for _, i := range indices {
			c := table.Columns[i]
			columns, exprs = append(columns, Column{Name: c.Name, Type: c.Type}), append(exprs, NewCol(i, c.Type))
		}
		return columns, exprs
	}
	all, _ := cols(0, 1, 2)
	scan := Node{Op: Scan, Table: "a.t", Scan: []int{0, 1, 2}, Columns: all}
	isNorth := must(NewOp("eq", NewLit(region, NewText("north")), NewCol(1, region)))
	zIsOne := must(NewOp("eq", NewCol(2, intType), NewLit(intType, NewInt(1))))
	xBelow := must(NewOp("lt", NewCol(0, intType), NewLit(intType, NewInt(5))))
	for _, c := range []struct {
		name string
		node func() Node
		want [][]int
	}{
		{"a scan has the table's keys", func() Node { return scan }, [][]int{{0, 1}, {2}}},
		{"a scan without a key column loses the key", func() Node {
			columns, _ := cols(1, 2)
			return Node{Op: Scan, Table: "a.t", Scan: []int{1, 2}, Columns: columns}
		}, [][]int{{1}}},
		{"a projection renumbers keys", func() Node {
			columns, exprs := cols(1, 0)
			return Node{Op: Project, In: []int{0}, Exprs: exprs, Columns: columns}
		}, [][]int{{0, 1}}},
		{"a filter keeps them", func() Node { return Node{Op: Filter, In: []int{0}, Exprs: []Expr{xBelow}, Columns: all} }, [][]int{{0, 1}, {2}}},
		{"a column held at one value drops out", func() Node {
			return Node{Op: Filter, In: []int{0}, Exprs: []Expr{must(NewOp("and", xBelow, isNorth))}, Columns: all}
		}, [][]int{{0}, {2}}},
		{"a key held at one value leaves one row", func() Node { return Node{Op: Filter, In: []int{0}, Exprs: []Expr{zIsOne}, Columns: all} }, [][]int{{}}},
		{"an alternative holds nothing", func() Node {
			return Node{Op: Filter, In: []int{0}, Exprs: []Expr{must(NewOp("or", xBelow, isNorth))}, Columns: all}
		}, [][]int{{0, 1}, {2}}},
		{"groups are unique on all keys", func() Node {
			return Node{Op: Aggregate, In: []int{0}, Group: &Group{Keys: []int{1, 0}}, Columns: []Column{all[1], all[0]}}
		}, [][]int{{0, 1}}},
		{"a total is one row", func() Node {
			return Node{Op: Aggregate, In: []int{0}, Group: &Group{Aggs: []Agg{{Func: CountStar, Arg: -1}}}, Columns: []Column{{Name: "n", Type: intType}}}
		}, [][]int{{}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &Program{Format: 1, Tables: []Table{table}, Nodes: []Node{scan, c.node()}, Outputs: []Output{{View: "v", To: []joconde.PartyID{"b"}, Node: 1}}}
			infer(p)
			if !reflect.DeepEqual(p.Nodes[1].Unique, c.want) {
				t.Errorf("got %v, want %v", p.Nodes[1].Unique, c.want)
			}
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestInputsAreTheGreatestLocalParts(t *testing.T) {
	p := wageProgram()
	if got := p.Inputs(); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("got %v, want the filtered register and the jobs", got)
	}
	p.Outputs[0].Node = 2
	if got := p.Inputs(); !reflect.DeepEqual(got, []int{1, 2}) {
		t.Errorf("got %v", got)
	}
	p.Outputs[0].Node = 0
	if got := p.Inputs(); !reflect.DeepEqual(got, []int{0, 1, 2}) {
		t.Errorf("got %v: an output counts too", got)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Encode(wageProgram())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1,"nodes":[],"outputs":[],"tables":[]}`))
	f.Add(bytes.Replace(data, []byte(`"div"`), []byte(`"mul"`), 1))
	f.Add(bytes.Replace(data, []byte(`"in":[0]`), []byte(`"in":[5]`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(p)
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("accepted bytes are not canonical (%v)", err)
		}
		rows := make(map[string]int)
		for _, table := range p.Tables {
			rows[table.QName()] = 1000
		}
		if bounds := p.Bounds(rows); len(bounds) != len(p.Nodes) {
			t.Fatal("a node has no bound")
		}
		if ranges, err := p.Ranges(rows); err == nil {
			for i, r := range ranges {
				if len(r) != len(p.Nodes[i].Columns) {
					t.Fatal("a column has no range")
				}
			}
		}
		p.Inputs()
	})
}
