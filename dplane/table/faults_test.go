package table

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"joconde"
	"joconde/lang/ir"
)

// canary stands in every faulty cell that can hold it: no message may.
const canary = "canary"
const canaryNumber = "7391824"

// TestFiftyFaultsInOneRun seeds a file with fifty faults, one in a row, and
// wants all of them, each under its code, column and row.
func TestFiftyFaultsInOneRun(t *testing.T) {
	table := declare(key("pid", 12), coded("sex", "f", "m"), integer("age", "0", "120"), decimal("value", 2, "0", "100000000000"),
		of(ir.Date, "born"), optional(of(ir.Bool, "works")), optional(key("place", 10)), of(ir.Int, "gone"), of(ir.Int, "twice"))
	table.Keys = [][]int{{0}, {7}}
	older := must(ir.NewOp("or", must(ir.NewOp("ne", ir.NewCol(1, table.Columns[1].Type), ir.NewLit(table.Columns[1].Type, ir.NewText("f")))),
		must(ir.NewOp("gt", ir.NewCol(2, table.Columns[2].Type), ir.NewLit(ir.Type{Kind: ir.Int}, ir.NewInt(1))))))
	table.Checks = []ir.Expr{older}

	const rows = 400
	lines := make([]string, rows+2)
	lines[1] = "\ufeffpid;sex;age;value;born;works;place;Twice;note;TWICE"
	good := func(row int) []string {
		return []string{fmt.Sprint("P", row), "m", "44", "12,50", "1980-01-31", "true", "Sète", "1", "a \"remark\"", "2"}
	}
	for row := 2; row < len(lines); row++ {
		lines[row] = strings.Join(good(row), ";")
	}

	type fault struct {
		code string
		in   string // column, or what the problem is about
		row  int
	}
	want := map[fault]bool{
		{"JOC-D104", "column gone", 0}:  false,
		{"JOC-D105", "column twice", 0}: false,
	}
	next := 3 // faults stand five rows apart, the last of them in the last rows
	seed := func(code, in string, edit func(cells []string) string) {
		lines[next] = edit(good(next))
		want[fault{code, in, next}] = false
		next += 5
	}
	cell := func(at int, text string) func([]string) string {
		return func(cells []string) string {
			cells[at] = text
			return strings.Join(cells, ";")
		}
	}
	cut := func(n int) func([]string) string {
		return func(cells []string) string { return strings.Join(cells[:n], ";") }
	}
	for _, n := range []int{1, 4, 9} {
		seed("JOC-D106", "rows", cut(n))
	}
	for _, more := range []string{";", ";" + canary, ";1;2;3"} {
		seed("JOC-D107", "rows", func(cells []string) string { return strings.Join(cells, ";") + more })
	}
	seed("JOC-D108", "column place", cell(6, strings.Repeat(canary, 200_000)))
	seed("JOC-D109", "column sex", cell(1, `"m`))
	seed("JOC-D109", "column place", cell(6, `"`+canary+`" !`))
	seed("JOC-D109", "column place", cell(6, `"`+canary))
	for _, text := range []string{`5"` + canary, ` "` + canary + `"`} {
		seed("JOC-D110", "column place", cell(6, text))
	}
	for _, text := range []string{"S\xe8te", "\xff" + canary, "\xed\xa0\x80"} {
		seed("JOC-D111", "column place", cell(6, text))
	}
	seed("JOC-D112", "column place", cell(6, "\x00"))
	seed("JOC-D112", "column age", cell(2, "4\x004"))
	for at, name := range map[int]string{0: "pid", 1: "sex", 2: "age", 3: "value", 4: "born"} {
		seed("JOC-D113", "column "+name, cell(at, ""))
	}
	for _, text := range []string{canary, "NA", "44.0", "forty", "4-4"} {
		seed("JOC-D114", "column age", cell(2, text))
	}
	for _, text := range []string{canary, "12,", "EUR 5"} {
		seed("JOC-D115", "column value", cell(3, text))
	}
	for _, text := range []string{canaryNumber + ",123", "1,0000"} {
		seed("JOC-D116", "column value", cell(3, text))
	}
	for _, text := range []string{"7 391 824", "7.391.824,5", "7'391'824"} {
		seed("JOC-D117", "column value", cell(3, text))
	}
	seed("JOC-D118", "column value", cell(3, canaryNumber+"E3"))
	seed("JOC-D120", "column value", cell(3, canaryNumber+".5"))
	for _, text := range []string{"31.01.1980", "1980-02-30", canary} {
		seed("JOC-D122", "column born", cell(4, text))
	}
	seed("JOC-D123", "column works", cell(5, canary))
	for _, text := range []string{"F", canary} {
		seed("JOC-D124", "column sex", cell(1, text))
	}
	for _, text := range []string{"-1", canaryNumber} {
		seed("JOC-D125", "column age", cell(2, text))
	}
	seed("JOC-D126", "column place", cell(6, canary+canary))
	seed("JOC-D128", "rows", func(cells []string) string {
		cells[1], cells[2] = "f", "0"
		return strings.Join(cells, ";")
	})
	seed("JOC-D129", "key pid", cell(0, "P2"))
	want[fault{"JOC-D129", "key pid", 2}] = false // the row that is repeated is named too
	if faults := len(want) - 1; faults < 50 || next > rows {
		t.Fatalf("%d faults down to row %d", faults, next)
	}

	text := strings.Join(lines[1:], "\r\n") + "\r\n"
	_, _, err := Read(context.Background(), strings.NewReader(text), "t.csv", table, Options{})
	var ps joconde.Problems
	if !errors.As(err, &ps) {
		t.Fatal(err)
	}
	for _, p := range ps {
		in, _, found := strings.Cut(p.What, ":")
		if !found {
			in = strings.Join(strings.Fields(p.What)[:2], " ")
		}
		for _, prefix := range []string{"a row", "1 ", "2 ", "3 "} {
			if strings.HasPrefix(in, prefix) {
				in = "rows"
			}
		}
		where := strings.NewReplacer(headerIsRow1, "", "t.csv (fr.t)", "", ",", " ", "rows", "", "row", "", "and", "").Replace(p.Where)
		named := strings.Fields(where)
		if len(named) == 0 {
			named = []string{"0"}
		}
		for _, n := range named {
			f := fault{p.Code, in, 0}
			if _, err := fmt.Sscan(n, &f.row); err != nil {
				t.Fatalf("the rows of %q", p.Where)
			}
			seen, seeded := want[f]
			if !seeded || seen {
				t.Errorf("%+v is reported, seeded %v, seen before %v", f, seeded, seen)
			}
			want[f] = true
		}
	}
	for f, seen := range want {
		if !seen {
			t.Errorf("%+v is not reported", f)
		}
	}
	for _, p := range ps {
		said := strings.Join([]string{p.What, p.Where, p.Why, p.Do, p.Error()}, "\n")
		for _, value := range []string{canary, canaryNumber, "7 391", "Sète", "remark", "1980", "forty"} {
			if strings.Contains(said, value) {
				t.Errorf("%s holds a value: %s", p.Code, said)
			}
		}
	}
}

func TestAFileWithoutAHeaderShowsNoValueOfItsFirstRow(t *testing.T) {
	table := declare(key("pid", 12), key("place", 12))
	for _, text := range []string{
		canary + "," + canaryNumber + "\nx,y\n",
		canary + ",place\nx,y\n", // a name by accident
		"\"" + canary + ",x\nx,y\n",
	} {
		_, note, err := read(table, text, Options{})
		if err == nil || len(note.Ignored) > 0 {
			t.Fatalf("%v, %v", note, err)
		}
		var ps joconde.Problems
		errors.As(err, &ps)
		for _, p := range ps {
			if strings.Contains(fmt.Sprintf("%+v", *p), canary) || strings.Contains(fmt.Sprintf("%+v", *p), canaryNumber) {
				t.Errorf("a value of the first row is shown: %+v", *p)
			}
		}
	}
}
