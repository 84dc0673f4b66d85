package dplane

import (
	"encoding/binary"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"joconde"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// form is how a column stands in inputs and outputs.
type form struct {
	column ir.Column
	enc    lower.Encoding
}

func fields(forms []form) []lower.Field {
	fs := []lower.Field{{What: lower.Valid, Column: -1, Enc: lower.Encoding{Kind: lower.Offset, Bits: 1, Lo: "0"}}}
	for c, f := range forms {
		if f.column.Type.Nullable {
			fs = append(fs, lower.Field{What: lower.Present, Column: c, Enc: lower.Encoding{Kind: lower.Offset, Bits: 1, Lo: "0"}})
		}
		fs = append(fs, lower.Field{What: lower.Cell, Column: c, Enc: f.enc})
	}
	return fs
}

func columnsOf(forms []form) []ir.Column {
	columns := make([]ir.Column, len(forms))
	for c, f := range forms {
		columns[c] = f.column
	}
	return columns
}

func number(kind ir.Kind, lo string, bits int, nullable bool) form {
	return form{ir.Column{Name: string(kind), Type: ir.Type{Kind: kind, Nullable: nullable}}, lower.Encoding{Kind: lower.Offset, Bits: bits, Lo: lo}}
}

func coded(nullable bool, codes ...string) form {
	return form{ir.Column{Name: "code", Type: ir.Type{Kind: ir.Text, Codes: codes, Nullable: nullable}},
		lower.Encoding{Kind: lower.Code, Bits: max(1, big.NewInt(int64(len(codes)-1)).BitLen()), Codes: codes}}
}

func packed(width, bytes int, nullable bool) form {
	return form{ir.Column{Name: "key", Type: ir.Type{Kind: ir.Text, Width: width, Nullable: nullable}}, lower.Encoding{Kind: lower.Packed, Bits: 8 * bytes}}
}

func anyForm(t *rapid.T) form {
	nullable := rapid.Bool().Draw(t, "nullable")
	switch rapid.IntRange(0, 4).Draw(t, "form") {
	case 0:
		return coded(nullable, []string{"a", "b", "c", "dé", "e"}[:rapid.IntRange(1, 5).Draw(t, "codes")]...)
	case 1:
		return packed(rapid.IntRange(1, 16).Draw(t, "width"), rapid.IntRange(1, 32).Draw(t, "bytes"), nullable)
	case 2:
		return number(ir.Bool, "0", 1, nullable)
	case 3:
		return number(ir.Date, "-719162", 22, nullable)
	}
	kind := rapid.SampledFrom([]ir.Kind{ir.Int, ir.Decimal}).Draw(t, "kind")
	return number(kind, big.NewInt(rapid.Int64().Draw(t, "lo")).String(), rapid.IntRange(1, maxFieldBits).Draw(t, "bits"), nullable)
}

func anyValue(t *rapid.T, f form) ir.Value {
	if f.column.Type.Nullable && rapid.IntRange(0, 2).Draw(t, "null") == 0 {
		return ir.NewNull()
	}
	switch f.enc.Kind {
	case lower.Code:
		return ir.NewText(rapid.SampledFrom(f.enc.Codes).Draw(t, "code"))
	case lower.Packed:
		return ir.NewText(rapid.StringOfN(rapid.RuneFrom([]rune("aé😀 ")), 0, min(f.column.Type.Width, f.enc.Bits/8), f.enc.Bits/8).Draw(t, "text"))
	}
	lo, _ := new(big.Int).SetString(f.enc.Lo, 10)
	raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "number")
	n := new(big.Int).SetBytes(raw)
	return ir.NewBig(n.Rsh(n, uint(256-f.enc.Bits)).Add(n, lo))
}

func sameRows(a, b [][]ir.Value) bool {
	return slices.EqualFunc(a, b, func(x, y []ir.Value) bool { return slices.EqualFunc(x, y, ir.Value.Equal) })
}

func TestDecodeUndoesEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		forms := make([]form, rapid.IntRange(0, 4).Draw(t, "columns"))
		for c := range forms {
			forms[c] = anyForm(t)
		}
		rows := make([][]ir.Value, rapid.IntRange(0, 70).Draw(t, "rows"))
		for r := range rows {
			rows[r] = make([]ir.Value, len(forms))
			for c, f := range forms {
				rows[r][c] = anyValue(t, f)
			}
		}
		bound := len(rows) + rapid.IntRange(0, 70).Draw(t, "padding")
		words, err := Encode(lower.Input{Owner: "fr", Rows: bound, Fields: fields(forms)}, rows)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(lower.Output{View: "v", Rows: bound, Fields: fields(forms)}, columnsOf(forms), words)
		if err != nil || !sameRows(rows, again) {
			t.Fatalf("%v: encoded %v, decoded %v", err, rows, again)
		}
	})
}

func TestThePlanesAreThoseOfSharing(t *testing.T) {
	forms := []form{number(ir.Int, "-1", 3, true)}
	rows := make([][]ir.Value, 66)
	for r := range rows {
		rows[r] = []ir.Value{ir.NewNull()}
	}
	rows[0][0], rows[1][0], rows[65][0] = ir.NewInt(-1), ir.NewInt(0), ir.NewInt(5)
	words, err := Encode(lower.Input{Rows: 130, Fields: fields(forms)}, rows)
	if err != nil {
		t.Fatal(err)
	}
	want := [][]uint64{
		{^uint64(0), 3, 0},          // valid
		{3, 2, 0},                   // present
		{2, 0, 0, 0, 2, 0, 0, 2, 0}, // 1 in row 1, 6 in row 65; three planes
	}
	if !slices.EqualFunc(words, want, slices.Equal[[]uint64]) {
		t.Errorf("words are %x", words)
	}
}

func TestAHashedKeyIsTheStartOfItsSHA256(t *testing.T) {
	hashed := form{ir.Column{Name: "key", Type: ir.Type{Kind: ir.Text, Width: 32}}, lower.Encoding{Kind: lower.Hashed, Bits: 128}}
	words, err := Encode(lower.Input{Rows: 1, Fields: fields([]form{hashed})}, [][]ir.Value{{ir.NewText("abc")}})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := new(big.Int).SetString("ba7816bf8f01cfea414140de5dae2223", 16) // FIPS 180-2, appendix B.1
	if got := getBits(words[1], 1, 0); got.Cmp(want) != 0 {
		t.Errorf("the word is %x", got)
	}
	if _, err := Decode(lower.Output{Rows: 1, Fields: fields([]form{hashed})}, columnsOf([]form{hashed}), words); err == nil {
		t.Error("a hash was decoded")
	}
}

func TestEncodeRefusesWhatItWouldHaveToChange(t *testing.T) {
	huge := new(big.Int).Lsh(big.NewInt(1), 300)
	for _, c := range []struct {
		name  string
		form  form
		value ir.Value
		code  string
	}{
		{"below the range", number(ir.Int, "5", 4, false), ir.NewInt(4), "JOC-D141"},
		{"above the range", number(ir.Int, "5", 4, false), ir.NewInt(21), "JOC-D141"},
		{"far above the range", number(ir.Int, "0", 256, false), ir.NewBig(huge), "JOC-D141"},
		{"a text for a number", number(ir.Int, "0", 4, false), ir.NewText("x"), "JOC-D141"},
		{"a number for a text", packed(4, 4, false), ir.NewInt(0), "JOC-D141"},
		{"a code that is not in the list", coded(false, "a", "b"), ir.NewText("c"), "JOC-D141"},
		{"a text with a NUL, which would be lost", packed(4, 4, false), ir.NewText("a\x00"), "JOC-D141"},
		{"a text that is not UTF-8", packed(4, 4, false), ir.NewText("\xff"), "JOC-D141"},
		{"a text too long in bytes", packed(4, 4, false), ir.NewText("éàü"), "JOC-D143"},
		{"NULL where there is none", coded(false, "a"), ir.NewNull(), "JOC-D142"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := lower.Input{Owner: "fr", Node: 3, Rows: 4, Fields: fields([]form{c.form, number(ir.Int, "0", 1, false)})}
			// Both faults of the table are found in one run.
			words, err := Encode(in, [][]ir.Value{{c.value, ir.NewInt(1)}, {c.value, ir.NewInt(2)}})
			var ps joconde.Problems
			if words != nil || !errors.As(err, &ps) || len(ps) != 2 || ps[0].Code != c.code || ps[1].Code != "JOC-D141" {
				t.Fatalf("%v, %v", words, err)
			}
			if ps[0].Where != "input of fr, step 3, column 1" || !strings.HasPrefix(ps[0].What, "2 ") || ps[0].LeftMachine != joconde.NothingLeft || ps[0].Exit != joconde.ExitInvalid {
				t.Errorf("%+v", *ps[0])
			}
		})
	}
}

func TestMoreRowsThanAgreedAreRefused(t *testing.T) {
	var p *joconde.Problem
	_, err := Encode(lower.Input{Rows: 1, Fields: fields(nil)}, make([][]ir.Value, 2))
	if !errors.As(err, &p) || p.Code != "JOC-D140" {
		t.Errorf("%v", err)
	}
}

func TestDecodeRefusesWhatThePlanDoesNotAllow(t *testing.T) {
	forms := []form{coded(true, "a", "b", "c"), packed(2, 4, false), number(ir.Bool, "0", 2, false)}
	rows := [][]ir.Value{{ir.NewText("c"), ir.NewText("é"), ir.NewBool(true)}, {ir.NewNull(), ir.NewText("xy"), ir.NewBool(false)}}
	// Fields: 0 valid, 1 present, 2 code, 3 key, 4 bool. Rows 0 and 1 of 3 exist.
	for _, c := range []struct {
		name string
		harm func(out *lower.Output, columns []ir.Column, words *[][]uint64)
	}{
		{"a field is missing", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { *w = (*w)[:4] }},
		{"a field is too short", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[2] = (*w)[2][:1] }},
		{"a field is too long", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[0] = append((*w)[0], 0) }},
		{"a row beyond the last exists", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[0][0] |= 8 }},
		{"a cell beyond the last row", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[3][0] |= 1 << 63 }},
		{"a value in a row that does not exist", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[3][5] |= 4 }},
		{"a value present in a row that does not exist", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[1][0] |= 4 }},
		{"a value in a NULL", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[2][0] |= 2 }},
		{"a code beyond the list", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[2][0] |= 1 }},
		{"a text that is not UTF-8", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[3][31] ^= 2 }},
		{"a text with something behind its end", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[3][0] ^= 2 }},
		{"a text that is too long", func(_ *lower.Output, cs []ir.Column, _ *[][]uint64) { cs[1].Type.Width = 1 }},
		{"a truth value that is neither", func(_ *lower.Output, _ []ir.Column, w *[][]uint64) { (*w)[4][1] |= 1 }},
		{"another code list", func(_ *lower.Output, cs []ir.Column, _ *[][]uint64) { cs[0].Type.Codes = []string{"a", "b", "d"} }},
		{"a column of another kind", func(_ *lower.Output, cs []ir.Column, _ *[][]uint64) { cs[2].Type = cs[1].Type }},
		{"a column that may be NULL in the program only", func(_ *lower.Output, cs []ir.Column, _ *[][]uint64) { cs[1].Type.Nullable = true }},
		{"a column that may be NULL in the plan only", func(_ *lower.Output, cs []ir.Column, _ *[][]uint64) { cs[0].Type.Nullable = false }},
		{"a column twice", func(o *lower.Output, _ []ir.Column, w *[][]uint64) {
			o.Fields, *w = append(o.Fields, o.Fields[4]), append(*w, (*w)[4])
		}},
		{"no validity", func(o *lower.Output, _ []ir.Column, w *[][]uint64) { o.Fields, *w = o.Fields[1:], (*w)[1:] }},
		{"a column that the program lacks", func(o *lower.Output, _ []ir.Column, _ *[][]uint64) { o.Fields[4].Column = 3 }},
		{"a column without a cell", func(o *lower.Output, _ []ir.Column, w *[][]uint64) { o.Fields, *w = o.Fields[:4], (*w)[:4] }},
		{"a field that is nothing known", func(o *lower.Output, _ []ir.Column, _ *[][]uint64) { o.Fields[4].What = "extra" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			words, err := Encode(lower.Input{Rows: 3, Fields: fields(forms)}, rows)
			if err != nil {
				t.Fatal(err)
			}
			out, columns := lower.Output{View: "v", Rows: 3, Fields: fields(forms)}, columnsOf(forms)
			if again, err := Decode(out, columns, words); err != nil || !sameRows(rows, again) {
				t.Fatalf("unharmed: %v, %v", again, err)
			}
			c.harm(&out, columns, &words)
			again, err := Decode(out, columns, words)
			var p *joconde.Problem
			if again != nil || !errors.As(err, &p) || p.Exit != joconde.ExitUnverified {
				t.Errorf("%v, %v", again, err)
			}
		})
	}
}

// FuzzDecode: whatever the words, Decode ends without a panic; what it accepts
// is encoded as the same words, but for the places of rows.
func FuzzDecode(f *testing.F) {
	f.Add(uint8(3), []byte{7, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add(uint8(70), []byte(strings.Repeat("\x01\x02a\xff", 300)))
	f.Add(uint8(0), []byte(nil))
	f.Fuzz(func(t *testing.T, rows uint8, raw []byte) {
		forms := []form{coded(true, "a", "b", "c"), packed(2, 3, true), number(ir.Bool, "0", 1, false), number(ir.Int, "-7", 70, true)}
		out := lower.Output{View: "v", Rows: int(rows), Fields: fields(forms)}
		words := make([][]uint64, len(out.Fields))
		for i, field := range out.Fields {
			words[i] = make([]uint64, field.Enc.Bits*planeWords(out.Rows))
			for k := range words[i] {
				var b [8]byte
				raw = raw[copy(b[:], raw):]
				words[i][k] = binary.LittleEndian.Uint64(b[:])
			}
		}
		decoded, err := Decode(out, columnsOf(forms), words)
		if err != nil {
			return
		}
		for _, row := range decoded {
			if !row[1].Null && !utf8.ValidString(row[1].Text) {
				t.Fatal("a text is not UTF-8")
			}
		}
		again, err := Encode(lower.Input{Rows: out.Rows, Fields: out.Fields}, decoded)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Decode(out, columnsOf(forms), again)
		if err != nil || !sameRows(decoded, back) {
			t.Fatalf("%v: %v became %v", err, decoded, back)
		}
	})
}
