package table

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joconde/lang/eval"
	"joconde/lang/ir"
)

// wide has a column of each kind.
func wide() *ir.Table {
	return declare(
		optional(key("name", 20)), key("pid", 12), optional(coded("sex", "f", "it's, \"so\"", "m")), integer("age", "-20", "120"),
		optional(decimal("value", 3, "", "")), decimal("whole", 0, "", ""), optional(of(ir.Date, "born")), optional(of(ir.Bool, "works")))
}

func sameRows(a, b eval.Rows) bool {
	return slices.EqualFunc(a, b, func(x, y []ir.Value) bool { return slices.EqualFunc(x, y, ir.Value.Equal) })
}

// writeRead writes rows and reads them again.
func writeRead(t interface{ Fatalf(string, ...any) }, table *ir.Table, rows eval.Rows) {
	var b bytes.Buffer
	if err := Write(&b, table.Columns, rows); err != nil {
		t.Fatalf("write: %v", err)
	}
	again, _, err := Read(context.Background(), bytes.NewReader(b.Bytes()), "again.csv", table, Options{})
	if err != nil {
		t.Fatalf("what was written cannot be read: %v\n%q", err, b.String())
	}
	if !sameRows(rows, again) {
		t.Fatalf("wrote\n%s\nread\n%s\nfrom %q", show(table, rows), show(table, again), b.String())
	}
}

func TestWhatIsWrittenIsReadTheSame(t *testing.T) {
	text := rapid.StringOfN(rapid.RuneFrom([]rune{'a', 'é', '😀', ' ', '"', ',', ';', '\t', '\r', '\n', '\ufeff', '0', '\u00a0', '='}), 0, 4, 4)
	rapid.Check(t, func(t *rapid.T) {
		table := wide()
		if rapid.Bool().Draw(t, "one column") {
			table.Columns = table.Columns[:1]
		}
		var rows eval.Rows
		for range rapid.IntRange(0, 5).Draw(t, "rows") {
			row := make([]ir.Value, len(table.Columns))
			for i, c := range table.Columns {
				row[i] = draw(t, c, text)
			}
			rows = append(rows, row)
		}
		writeRead(t, table, rows)
	})
}

func draw(t *rapid.T, c ir.Column, text *rapid.Generator[string]) ir.Value {
	if c.Type.Nullable && rapid.IntRange(0, 3).Draw(t, "null") == 0 {
		return ir.NewNull()
	}
	switch c.Type.Kind {
	case ir.Text:
		if c.Type.Coded() {
			return ir.NewText(rapid.SampledFrom(c.Type.Codes).Draw(t, c.Name))
		}
		// Spaces at the end are padding and not part of a value.
		return ir.NewText(strings.TrimRight(text.Draw(t, c.Name), " "))
	case ir.Bool:
		return ir.NewBool(rapid.Bool().Draw(t, c.Name))
	case ir.Date:
		return ir.NewInt(rapid.Int64Range(-719162, 2932896).Draw(t, c.Name))
	case ir.Int:
		return ir.NewInt(rapid.Int64Range(-20, 120).Draw(t, c.Name))
	}
	n := big.NewInt(rapid.Int64().Draw(t, c.Name))
	if rapid.Bool().Draw(t, "long") {
		n.Mul(n, big.NewInt(rapid.Int64().Draw(t, "factor")))
	}
	return ir.NewBig(n)
}

// FuzzRead: whatever the bytes, Read ends without a panic, in the same way
// however they arrive; what it accepts is what the declaration promises, and
// comes back from Write.
func FuzzRead(f *testing.F) {
	f.Add([]byte("name,pid,sex,age,value,whole,born,works\n\"a \"\"b\"\"\r\n\",1,m,7,1.5,8,1980-01-31,t\n,2,,-20,,0,,\n"), byte(0))
	f.Add([]byte("\ufeffwhole;pid;sex;age;value;name;born;works\r\n8;x;f;1;1,500;;;\r\n"), byte(1))
	f.Add([]byte("name\tpid\tsex\tage\tvalue\twhole\tborn\tworks\r1\t1\t1"), byte(2))
	f.Add([]byte("name\n\n\"\"\nx"), byte(3))
	f.Add([]byte("name,pid\n\"x\n\"y\",\x00\xff\"\n,,,,"), byte(0))
	f.Fuzz(func(t *testing.T, text []byte, how byte) {
		table := wide()
		if how&1 != 0 {
			table.Columns = table.Columns[:1]
		} else {
			table.Keys = [][]int{{1}, {2, 3}}
		}
		rows, note, err := Read(context.Background(), bytes.NewReader(text), "fuzz.csv", table, Options{})
		slow, _, slowErr := Read(context.Background(), &trickle{text, how}, "fuzz.csv", table, Options{})
		if !sameRows(rows, slow) || (err == nil) != (slowErr == nil) || err != nil && err.Error() != slowErr.Error() {
			t.Fatalf("read in pieces:\n%v\nat once:\n%v", slowErr, err)
		}
		if err != nil {
			if rows != nil {
				t.Fatal("rows are given in spite of problems")
			}
			return
		}
		if note.Rows != len(rows) {
			t.Fatalf("%d rows, and a note of %d", len(rows), note.Rows)
		}
		for _, row := range rows {
			for i, c := range table.Columns {
				switch v := row[i]; {
				case v.Null && !c.Type.Nullable:
					t.Fatalf("NULL in column %s", c.Name)
				case !v.Null && (v.Int == nil) != (c.Type.Kind == ir.Text):
					t.Fatalf("a value of another kind in column %s", c.Name)
				case !v.Null:
					if _, err := ir.ParseValue(c.Type, ir.Format(c.Type, v)); err != nil {
						t.Fatalf("column %s: %v", c.Name, err)
					}
				}
			}
		}
		writeRead(t, table, rows)
	})
}

// trickle gives a few bytes at a time.
type trickle struct {
	text []byte
	step byte
}

func (r *trickle) Read(p []byte) (int, error) {
	n := copy(p, r.text[:min(len(r.text), 1+int(r.step%7))])
	r.text = r.text[n:]
	if len(r.text) == 0 && n == 0 {
		return bytes.NewReader(nil).Read(p)
	}
	return n, nil
}

// BenchmarkRead reads a million rows of four columns with a key and a check.
func BenchmarkRead(b *testing.B) {
	const rows = 1_000_000
	table := declare(key("pid", 11), integer("age", "0", "120"), decimal("value", 2, "0", "100000000"), of(ir.Date, "born"))
	table.Keys = [][]int{{0}}
	table.Checks = []ir.Expr{must(ir.NewOp("ge", ir.NewCol(1, table.Columns[1].Type), ir.NewLit(ir.Type{Kind: ir.Int}, ir.NewInt(0))))}
	text := []byte("pid;age;value;born\r\n")
	for i := range rows {
		var id [8]byte
		binary.BigEndian.PutUint64(id[:], uint64(i)*0x9E3779B97F4A7C15)
		text = append(text, "P0"...)
		text = new(big.Int).SetUint64(binary.BigEndian.Uint64(id[:])%1_000_000_000_000).Append(text, 32)
		text = append(text, ";44;1234,56;1980-01-31\r\n"...)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, _, err := Read(context.Background(), bytes.NewReader(text), "bench.csv", table, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
