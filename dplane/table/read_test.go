package table

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"joconde"
	"joconde/lang/eval"
	"joconde/lang/ir"
)

func integer(name, lo, hi string) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: ir.Int}, Lo: lo, Hi: hi}
}

func decimal(name string, scale int, lo, hi string) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: ir.Decimal, Scale: scale}, Lo: lo, Hi: hi}
}

func key(name string, width int) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: ir.Text, Width: width}}
}

func coded(name string, codes ...string) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: ir.Text, Codes: codes}}
}

func of(kind ir.Kind, name string) ir.Column {
	return ir.Column{Name: name, Type: ir.Type{Kind: kind}}
}

func optional(c ir.Column) ir.Column {
	c.Type.Nullable = true
	return c
}

func declare(columns ...ir.Column) *ir.Table {
	return &ir.Table{Owner: "fr", Name: "t", Columns: columns}
}

func read(t *ir.Table, text string, opt Options) (eval.Rows, Note, error) {
	return Read(context.Background(), strings.NewReader(text), "t.csv", t, opt)
}

// show writes rows for comparison: cells between bars, rows on lines.
func show(t *ir.Table, rows eval.Rows) string {
	var lines []string
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, v := range row {
			cells[i] = ir.Format(t.Columns[i].Type, v)
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func TestWhatIsReadAndHow(t *testing.T) {
	ab := declare(optional(key("a", 40)), optional(key("b", 40)))
	price := declare(key("id", 8), optional(decimal("price", 2, "-100000", "100000")))
	for _, c := range []struct {
		name, text string
		table      *ir.Table
		opt        Options
		want       string
	}{
		{"the plain case", "a,b\nx,y\nz,w\n", ab, Options{}, "x|y\nz|w"},
		{"no line end after the last row", "a,b\nx,y", ab, Options{}, "x|y"},
		{"a header and no row", "a,b\n", ab, Options{}, ""},
		{"a byte order mark", "\ufeffa,b\nx,y\n", ab, Options{}, "x|y"},
		{"a byte order mark before a quoted name", "\ufeff\"a\",b\nx,y\n", ab, Options{}, "x|y"},
		{"CRLF", "a,b\r\nx,y\r\nz,w\r\n", ab, Options{}, "x|y\nz|w"},
		{"CR alone", "a,b\rx,y\rz,w\r", ab, Options{}, "x|y\nz|w"},
		{"line ends of all three kinds", "a,b\r\nx,y\rz,w\nu,v", ab, Options{}, "x|y\nz|w\nu|v"},
		{"line ends in quotes are kept byte for byte", "a,b\r\n\"1\r\n2\",\"3\r4\n5\"\r\n", ab, Options{}, "1\r\n2|3\r4\n5"},
		{"a delimiter in quotes", "a,b\n\"x,y\",z\n", ab, Options{}, "x,y|z"},
		{"doubled quotes", "a,b\n\"say \"\"yes\"\"\",\"\"\"\"\n", ab, Options{}, "say \"yes\"|\""},
		{"an empty cell is NULL and a quoted one the empty text", "a,b\n,\"\"\n", ab, Options{}, "NULL|"},
		{"semicolons", "a;b\nx,1;y\n", ab, Options{}, "x,1|y"},
		{"tabs", "a\tb\nx;1\ty\n", ab, Options{}, "x;1|y"},
		{"a fixed delimiter", "a;b\nx;y\n", ab, Options{Delimiter: ';'}, "x|y"},
		{"a delimiter inside a quoted name does not count", "\"b\";a;\"x,y,z\"\n1;2;3\n", ab, Options{}, "2|1"},
		{"names in capitals, with spaces, in another order, among others", " B ,other, A\n1,2,3\n", ab, Options{}, "3|1"},
		{"spaces at the end of text are padding, at its start not", "a,b\n x  ,\" y \"\n", ab, Options{}, " x| y"},
		{"letters beyond ASCII", "a,b\nŽluťoučký,北京 😀\n", ab, Options{}, "Žluťoučký|北京 😀"},
		{"blank lines", "a,b\n\nx,y\n\n\n", ab, Options{}, "x|y"},
		{"blank lines are empty cells where there is one column", "a\nx\n\ny\n", declare(optional(key("a", 3))), Options{}, "x\nNULL\ny"},
		{"decimal comma by semicolon", "id;price\n1;-12,5\n2;3\n3;\n4;0,07\n", price, Options{}, "1|-12.50\n2|3.00\n3|NULL\n4|0.07"},
		{"decimal point by semicolon", "id;price\n1;12.5\n", price, Options{}, "1|12.50"},
		{"decimal comma in quotes, when told so", "id,price\n1,\"12,50\"\n", price, Options{Decimal: ','}, "1|12.50"},
		{"spaces around a number, a plus, no digit before the mark, zeros", "id,price\n1, 7 \n2,+.5\n3,007.10\n4,-0\n", price, Options{}, "1|7.00\n2|0.50\n3|7.10\n4|0.00"},
		{"dates", "d\n2024-02-29\n0001-01-01\n9999-12-31\n2024-02-29\n", declare(of(ir.Date, "d")), Options{}, "2024-02-29\n0001-01-01\n9999-12-31\n2024-02-29"},
		{"truth values", "b\ntrue\nFALSE\nt\n0\n", declare(of(ir.Bool, "b")), Options{}, "true\nfalse\ntrue\nfalse"},
		{"long numbers are exact", "n\n-123456789012345678901234567890\n999999999999999999\n1000000000000000000\n", declare(of(ir.Int, "n")), Options{},
			"-123456789012345678901234567890\n999999999999999999\n1000000000000000000"},
		{"long decimals are exact", "n\n12345678901234567890.5\n", declare(decimal("n", 3, "", "")), Options{}, "12345678901234567890.500"},
		{"codes, padded or not", "c\nNL\nBE  \n", declare(coded("c", "BE", "NL")), Options{}, "NL\nBE"},
		{"a bare quote in a column that is not read", "a,b,inch\nx,y,5\" tube\n", ab, Options{}, "x|y"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, _, err := read(c.table, c.text, c.opt)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(c.table, rows); got != c.want {
				t.Errorf("read\n%q, want\n%q", got, c.want)
			}
			// However the bytes arrive, they mean the same.
			rows, _, err = Read(context.Background(), iotest.OneByteReader(strings.NewReader(c.text)), "t.csv", c.table, c.opt)
			if err != nil || show(c.table, rows) != c.want {
				t.Errorf("read byte by byte: %q, %v", show(c.table, rows), err)
			}
		})
	}
}

func TestWhatIsRefusedAndWhere(t *testing.T) {
	ab := declare(optional(key("a", 4)), optional(key("b", 4)))
	num := declare(of(ir.Int, "n"), optional(decimal("x", 2, "-500", "1000")))
	with := func(t *ir.Table, keys [][]int, checks ...ir.Expr) *ir.Table {
		t.Keys, t.Checks = keys, checks
		return t
	}
	less := must(ir.NewOp("lt", ir.NewCol(0, ir.Type{Kind: ir.Int}), ir.NewCol(1, ir.Type{Kind: ir.Int, Nullable: true})))
	for _, c := range []struct {
		name, text string
		table      *ir.Table
		opt        Options
		want       []string // code, where after the file, what
	}{
		{"nothing at all", "", ab, Options{}, []string{"JOC-D101: the file is empty"}},
		{"only a byte order mark", "\ufeff", ab, Options{}, []string{"JOC-D101: the file is empty"}},
		{"UTF-16", "\xff\xfea\x00,\x00b\x00", ab, Options{}, []string{"JOC-D102: the file is UTF-16"}},
		{"a workbook", "PK\x03\x04...", ab, Options{}, []string{"JOC-D102: the file is a workbook or an archive"}},
		{"no header", "x,y\nz,w\n", ab, Options{}, []string{"JOC-D103: no declared column is in the first row"}},
		{"a column too few", "a,c\n1,2\n", ab, Options{}, []string{"JOC-D104: column b is missing"}},
		{"a column twice, and faults in the others", "a,A ,b\n1,2,34567\n", ab, Options{},
			[]string{"JOC-D105: column a occurs 2 times, as columns 1 and 2 of the file", "JOC-D126 row 2: column b: a text is too long"}},
		{"short and long rows", "a,b\n1\n1,2,3\n1,2\n1\n", ab, Options{},
			[]string{"JOC-D106 rows 2, 5: 2 rows have fewer cells than the header", "JOC-D107 row 3: a row has more cells than the header"}},
		{"a decimal comma between commas", "a,b\n1,2,5\n", ab, Options{}, []string{"JOC-D107 row 2: a row has more cells than the header"}},
		{"text behind a closing quote", "a,b\n\"x\"y,2\n1,2\n", ab, Options{}, []string{"JOC-D109 row 2: column a: a quoted cell has no proper end"}},
		{"an open quote does not hide what follows", "a,b\n1,\"x\n1,23456\n", ab, Options{},
			[]string{"JOC-D109 row 2: column b: a quoted cell has no proper end", "JOC-D126 row 3: column b: a text is too long"}},
		{"an open quote closed by the next one", "a,b\n1,\"x\n\"1\",23456\n", ab, Options{},
			[]string{"JOC-D109 row 2: column b: a quoted cell has no proper end", "JOC-D126 row 3: column b: a text is too long"}},
		{"bare quotes", "a,b\n5\",1\n1, \"2\"\n", ab, Options{},
			[]string{"JOC-D110 row 2: column a: a cell that is not quoted holds a quote mark", "JOC-D110 row 3: column b: a cell that is not quoted holds a quote mark"}},
		{"Windows-1252", "a,b\nM\xfcll,1\n", ab, Options{}, []string{"JOC-D111 row 2: column a: a cell is not UTF-8"}},
		{"NUL", "n,x\n1\x00,\n", num, Options{}, []string{"JOC-D112 row 2: column n: a cell holds a NUL character"}},
		{"NULL where none may be", "n,x\n,\n\"\",1\n  ,1\n", num, Options{}, []string{"JOC-D113 rows 2, 3, 4: column n: 3 cells are empty"}},
		{"no whole numbers", "n,x\n1.0,\nNA,\n-,\n12a,\n0x1F,\n", num, Options{}, []string{"JOC-D114 rows 2, 3, 4, 5, 6: column n: 5 values are not whole numbers"}},
		{"no numbers", "n,x\n1,NA\n1,1.\n1,.\n1,--1\n1,Inf\n", num, Options{}, []string{"JOC-D115 rows 2, 3, 4, 5, 6: column x: 5 values are not numbers"}},
		{"too precise", "n,x\n1,1.234\n1,1.000\n", num, Options{}, []string{"JOC-D116 rows 2, 3: column x: 2 values have too many digits after the decimal mark"}},
		{"separators of thousands", "n;x\n1 000;\n1'000;\n1.000.000;\n1\u00a0000;1.000,5\n", num, Options{},
			[]string{"JOC-D117 rows 2, 3, 4, 5: column n: 4 numbers separate thousands", "JOC-D117 row 5: column x: a number separates thousands"}},
		{"exponents", "n,x\n1E5,1.5e-3\n", num, Options{}, []string{"JOC-D118 row 2: column n: a number is written with an exponent", "JOC-D118 row 2: column x: a number is written with an exponent"}},
		{"the other decimal mark", "n,x\n1,\"1,5\"\n", num, Options{}, []string{"JOC-D119 row 2: column x: a value uses the other decimal mark"}},
		{"both decimal marks in a column", "n;x\n1;1,5\n1;1.5\n1;2,5\n", num, Options{},
			[]string{"JOC-D120 row 3: column x: a value uses another decimal mark than the rest of the column"}},
		{"different decimal marks", "x;y\n1,5;1.500\n", declare(decimal("x", 2, "", ""), decimal("y", 3, "", "")), Options{},
			[]string{"JOC-D121 row 2: column y: a value has a decimal point where other columns have a decimal comma"}},
		{"no dates", "d\n2023-02-29\n31.12.2024\n2024-1-1\n0000-01-01\n-001-01-01\n2024-13-01\n20240101\n12024-01-01\n", declare(of(ir.Date, "d")), Options{},
			[]string{"JOC-D122 rows 2, 3, 4, 5, 6, 7, 8, 9: column d: 8 values are not dates"}},
		{"no truth values", "b\nyes\n2\n", declare(of(ir.Bool, "b")), Options{}, []string{"JOC-D123 rows 2, 3: column b: 2 values are not true or false"}},
		{"not in the code list", "c\nnl\n\"\"\nDE\nNL\n", declare(coded("c", "BE", "NL")), Options{}, []string{"JOC-D124 rows 2, 3, 4: column c: 3 values are not in the code list"}},
		{"out of range", "n,x\n1,-5.01\n1,10.01\n1,10\n1," + strings.Repeat("9", 200) + "\n", num, Options{}, []string{"JOC-D125 rows 2, 3, 5: column x: 3 values are out of range"}},
		{"too wide, in characters", "a,b\néé,ééééé\n", ab, Options{}, []string{"JOC-D126 row 2: column b: a text is too long"}},
		{"too long in bytes for a packed key", "a\néééééééé\nééééééééé\n", declare(key("a", 16)), Options{}, []string{"JOC-D127 row 3: column a: a text is too long in bytes"}},
		{"long keys are hashed and may be as long as declared", "a\n" + strings.Repeat("é", 17) + "\nx\ny,\n", declare(key("a", 17)), Options{},
			[]string{"JOC-D107 row 4: a row has more cells than the header"}},
		{"a CHECK", "n,m\n1,2\n2,2\n3,\n4,x\n5,1\n", with(declare(of(ir.Int, "n"), optional(of(ir.Int, "m"))), nil, less), Options{},
			[]string{"JOC-D114 row 5: column m: a value is not a whole number", "JOC-D128 rows 3, 6: 2 rows break a CHECK"}},
		{"repeated keys", "a,b\n1,x\n2,x\n1,x\n1,y\n,x\n,x\n2,x\n1,x\n", with(declare(optional(key("a", 4)), key("b", 4)), [][]int{{0, 1}}), Options{},
			[]string{"JOC-D129 rows 2, 4 and 9; 3 and 8: key a, b: 3 rows repeat a key"}},
		{"two keys, one broken, in rows with other faults", "n,m\n1,1\n2,1\n3,x\n4,x\n", with(declare(of(ir.Int, "n"), of(ir.Int, "m")), [][]int{{0}, {1}}), Options{},
			[]string{"JOC-D114 rows 4, 5: column m: 2 values are not whole numbers", "JOC-D129 rows 2 and 3: key m: a row repeats a key"}},
		{"more rows than agreed", "a,b\n1,2\n3,4\n5,6\n", ab, Options{MaxRows: 1}, []string{"JOC-D130 rows 3, 4: 2 rows are beyond the agreed number"}},
		{"rows are counted as a spreadsheet does", "a,b\n\n\"x\ny\",1\n1,23456\n", ab, Options{}, []string{"JOC-D126 row 4: column b: a text is too long"}},
		{"many rows are counted, and the first few named", "n\n" + strings.Repeat("x\n", 1190), declare(of(ir.Int, "n")), Options{},
			[]string{"JOC-D114 rows 2, 3, 4 … (1,190 rows): column n: 1,190 values are not whole numbers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, _, err := read(c.table, c.text, c.opt)
			if rows != nil {
				t.Error("rows are given in spite of problems")
			}
			if got := summary(t, err); !slices.Equal(got, c.want) {
				t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func must(e ir.Expr, err error) ir.Expr {
	if err != nil {
		panic(err)
	}
	return e
}

// summary gives code, rows and what of each problem, and checks what all share.
func summary(t *testing.T, err error) []string {
	t.Helper()
	var ps joconde.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("the error is no Problems: %v", err)
	}
	var lines []string
	for _, p := range ps {
		if p.Exit != joconde.ExitInvalid || p.LeftMachine != joconde.NothingLeft || p.Why == "" || p.Do == "" || strings.Contains(p.Why+p.What+p.Do, "%") {
			t.Errorf("incomplete problem %+v", *p)
		}
		where, found := strings.CutPrefix(p.Where, "t.csv (fr.t)")
		if !found || strings.Contains(where, "row") != strings.HasSuffix(where, headerIsRow1) {
			t.Errorf("where is %q", p.Where)
		}
		where = strings.TrimSuffix(where, headerIsRow1)
		lines = append(lines, p.Code+strings.TrimPrefix(where, ",")+": "+p.What)
	}
	return lines
}

func TestTheNoteSaysHowTheFileWasRead(t *testing.T) {
	table := declare(key("id", 10), decimal("x", 1, "", ""))
	_, note, err := read(table, "id;trader\x1bname;x;\n1;a;1,5;\n\nZoe\u0308  ;b;2;\n", Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`2 rows, separator ";", decimal comma`,
		"column trader?name is not in the declaration and was not read",
		"column 4 (without a name) is not in the declaration and was not read",
		"blank lines skipped: 1",
		"spaces at the end of texts removed in id",
		"id: some letters are not in the usual Unicode form (NFC); texts are compared byte for byte, so the other side must write them in the same way",
	}
	if got := note.Sentences(); !slices.Equal(got, want) {
		t.Errorf("the note is\n%s", strings.Join(got, "\n"))
	}
}

func TestALineOfAMegabyteIsNamedAndTheRestChecked(t *testing.T) {
	table := declare(key("a", 5), of(ir.Int, "n"))
	long := strings.Repeat("x", 1_000_000)
	for name, text := range map[string]string{
		"plain":                     "a,n\n1,1\n" + long + ",1\n2,x\n",
		"quoted":                    "a,n\n1,1\n\"" + long + "\",1\n2,x\n",
		"far longer than the limit": "a,n\n1,1\n" + strings.Repeat(long, 9) + ",1\n2,x\n",
	} {
		_, _, err := read(table, text, Options{})
		want := []string{"JOC-D108 row 3: column a: a row is too long", "JOC-D114 row 4: column n: a value is not a whole number"}
		if got := summary(t, err); !slices.Equal(got, want) {
			t.Errorf("%s: found\n%s", name, strings.Join(got, "\n"))
		}
	}
	rows, _, err := read(declare(of(ir.Int, "n")), "n\n"+strings.Repeat(" ", maxRow-2)+"7\n", Options{})
	if err != nil || len(rows) != 1 || rows[0][0].Int.Int64() != 7 {
		t.Errorf("a row of exactly the limit: %v", err)
	}
}

func TestMemoryStaysBoundedWhateverALineHolds(t *testing.T) {
	s := &records{r: io.MultiReader(strings.NewReader("a,n\n\""), io.LimitReader(endless{}, 64<<20)), delim: ','}
	for {
		if _, _, err := s.next(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if cap(s.buf) > 2*maxRow {
			t.Fatalf("the buffer has %d bytes", cap(s.buf))
		}
	}
	if s.row != 2 {
		t.Errorf("%d rows", s.row)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestAReaderThatFailsIsReportedWithWhatWasFound(t *testing.T) {
	table := declare(of(ir.Int, "n"))
	for _, broken := range []error{errors.New("disk on fire"), io.ErrUnexpectedEOF} {
		r := io.MultiReader(strings.NewReader("n\nx\n1\n"), iotest.ErrReader(broken))
		_, _, err := Read(context.Background(), r, "t.csv", table, Options{})
		if !errors.Is(err, broken) {
			t.Errorf("the cause is lost: %v", err)
		}
		want := []string{"JOC-D100: the file cannot be read to its end", "JOC-D114 row 2: column n: a value is not a whole number"}
		if got := summary(t, err); !slices.Equal(got, want) {
			t.Errorf("found %q", got)
		}
	}
}

func TestReadingStopsWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	reports := 0
	opt := Options{Progress: func(rows int, read int64) {
		if reports++; reports == 3 {
			cancel()
		}
	}}
	text := append([]byte("n\n"), bytes.Repeat([]byte("1\n"), 1<<18)...)
	_, _, err := Read(ctx, bytes.NewReader(text), "t.csv", declare(of(ir.Int, "n")), opt)
	if !errors.Is(err, context.Canceled) || reports != 3 {
		t.Errorf("%v after %d reports", err, reports)
	}
}
