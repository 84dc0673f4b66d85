package ir

import (
	"fmt"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// meaning applies an operation to values given as text in canonical form;
// "NULL" is NULL.
func meaning(t *testing.T, op string, target Type, args ...any) string {
	t.Helper()
	var in []Type
	var values []Value
	for i := 0; i < len(args); i += 2 {
		typ, text := args[i].(Type), args[i+1].(string)
		v := NewNull()
		if text == "NULL" {
			typ.Nullable = true
		} else {
			var err error
			if v, err = ParseValue(typ, text); err != nil {
				t.Fatalf("argument %d: %v", i/2, err)
			}
		}
		in, values = append(in, typ), append(values, v)
	}
	target.Nullable = anyNull(in)
	result, err := TypeOf(op, in, target)
	if err != nil {
		return "refused"
	}
	o, _ := OpNamed(op)
	v := o.Mean(result, in, values)
	if v.Null && !result.Nullable && op != "div" && op != "idiv" {
		t.Errorf("%s gives NULL though its type says never", op)
	}
	return Format(result, v)
}

func TestWhatOperationsMean(t *testing.T) {
	i, b, d, none := intType, boolType, Type{Kind: Date}, Type{}
	d0, d2, d6 := decimalType(0), decimalType(2), decimalType(6)
	const greatest, least = "9223372036854775807", "-9223372036854775808"
	for _, c := range []struct {
		sentence string
		op       string
		target   Type
		args     []any
		want     string
	}{
		{"integers do not overflow", "add", none, []any{i, greatest, i, "1"}, "9223372036854775808"},
		{"decimals of one scale add", "add", none, []any{d2, "0.10", d2, "-0.25"}, "-0.15"},
		{"decimals of two scales do not", "add", none, []any{d2, "0.10", d6, "0.250000"}, "refused"},
		{"an integer and a decimal do not", "add", none, []any{i, "1", d0, "1"}, "refused"},
		{"NULL in, NULL out", "add", none, []any{i, "1", i, "NULL"}, "NULL"},
		{"a date and days are a date", "add", none, []any{d, "2024-02-28", i, "2"}, "2024-03-01"},
		{"days before a date", "sub", none, []any{d, "2024-03-01", i, "1"}, "2024-02-29"},
		{"days between dates", "sub", none, []any{d, "2000-01-01", d, "1999-12-31"}, "1"},
		{"a date from days is nothing", "sub", none, []any{i, "1", d, "1999-12-31"}, "refused"},
		{"the least integer minus one", "sub", none, []any{i, least, i, "1"}, "-9223372036854775809"},
		{"scales of factors add up", "mul", none, []any{d2, "-1.50", d6, "2.000000"}, "-3.00000000"},
		{"an integer factor keeps the scale", "mul", none, []any{i, "3", d2, "0.05"}, "0.15"},
		{"the least integer times itself", "mul", none, []any{i, least, i, least}, "85070591730234615865843651857942052864"},
		{"minus the least integer", "neg", none, []any{i, least}, "9223372036854775808"},
		{"minus zero is zero", "neg", none, []any{d2, "0.00"}, "0.00"},
		{"the size of a negative number", "abs", none, []any{d2, "-0.01"}, "0.01"},
		{"the size of NULL", "abs", none, []any{d2, "NULL"}, "NULL"},
		{"no sign on dates", "neg", none, []any{d, "2024-03-01"}, "refused"},

		{"a quotient has six digits", "div", none, []any{i, "1", i, "3"}, "0.333333"},
		{"and is rounded", "div", none, []any{i, "2", i, "3"}, "0.666667"},
		{"half goes away from zero", "div", none, []any{i, "1", i, "2000000"}, "0.000001"},
		{"also below zero", "div", none, []any{i, "-1", i, "2000000"}, "-0.000001"},
		{"also for a negative divisor", "div", none, []any{i, "1", i, "-2000000"}, "-0.000001"},
		{"two minuses make a plus", "div", none, []any{i, "-1", i, "-2000000"}, "0.000001"},
		{"less than half goes to zero", "div", none, []any{i, "-1", i, "2000001"}, "0.000000"},
		{"scales of operands cancel", "div", none, []any{d2, "1.00", decimalType(8), "0.50000000"}, "2.00000000"},
		{"by zero there is no quotient", "div", none, []any{i, "1", i, "0"}, "NULL"},
		{"nor of zero by zero", "div", none, []any{d2, "0.00", d2, "0.00"}, "NULL"},
		{"by NULL neither", "div", none, []any{i, "1", i, "NULL"}, "NULL"},
		{"truth values do not divide", "div", none, []any{b, "true", i, "1"}, "refused"},
		{"whole quotients drop the fraction", "idiv", none, []any{i, "7", i, "2"}, "3"},
		{"toward zero", "idiv", none, []any{i, "-7", i, "2"}, "-3"},
		{"the least integer by minus one", "idiv", none, []any{i, least, i, "-1"}, "9223372036854775808"},
		{"whole quotients by zero", "idiv", none, []any{i, "1", i, "0"}, "NULL"},
		{"decimals have no whole quotient", "idiv", none, []any{d2, "1.00", i, "1"}, "refused"},

		{"more digits", "cast", d6, []any{d2, "1.25"}, "1.250000"},
		{"half away from zero", "cast", i, []any{d2, "0.50"}, "1"},
		{"half away from zero, below", "cast", i, []any{d2, "-0.50"}, "-1"},
		{"just under half", "cast", i, []any{d2, "0.49"}, "0"},
		{"just under half, below", "cast", i, []any{d2, "-0.49"}, "0"},
		{"one and a half", "cast", i, []any{d2, "1.50"}, "2"},
		{"two and a half", "cast", i, []any{d2, "2.50"}, "3"},
		{"rounding within decimals", "cast", d2, []any{d6, "-1.005000"}, "-1.01"},
		{"NULL stays NULL", "cast", i, []any{d2, "NULL"}, "NULL"},
		{"true is 1", "cast", i, []any{b, "true"}, "1"},
		{"an integer is no truth value", "cast", b, []any{i, "1"}, "refused"},
		{"a date is no integer", "cast", i, []any{d, "2024-03-01"}, "refused"},
		{"short text fits long text", "cast", Type{Kind: Text, Width: 9}, []any{keyText, "é"}, "é"},
		{"long text does not fit short text", "cast", Type{Kind: Text, Width: 7}, []any{keyText, "a"}, "refused"},
		{"a longer code list", "cast", Type{Kind: Text, Codes: []string{"east", "north", "south", "west"}}, []any{region, "west"}, "west"},
		{"a code list that lacks a code", "cast", Type{Kind: Text, Codes: []string{"east", "north"}}, []any{region, "east"}, "refused"},
		{"key text is not coded", "cast", region, []any{keyText, "east"}, "refused"},

		{"equal numbers", "eq", none, []any{d2, "-1.00", d2, "-1.00"}, "true"},
		{"NULL is not even equal to NULL", "eq", none, []any{i, "NULL", i, "NULL"}, "NULL"},
		{"texts differ by case", "eq", none, []any{keyText, "a", keyText, "A"}, "false"},
		{"the empty text is a text", "eq", none, []any{keyText, "", keyText, "NULL"}, "NULL"},
		{"codes of one list compare", "ne", none, []any{region, "east", region, "west"}, "true"},
		{"coded text and key text do not", "eq", none, []any{region, "east", keyText, "east"}, "refused"},
		{"truth values compare", "ne", none, []any{b, "true", b, "false"}, "true"},
		{"but have no order", "lt", none, []any{b, "true", b, "false"}, "refused"},
		{"nor has text", "lt", none, []any{keyText, "a", keyText, "b"}, "refused"},
		{"below", "lt", none, []any{i, least, i, greatest}, "true"},
		{"not below itself", "lt", none, []any{i, "5", i, "5"}, "false"},
		{"not above itself", "le", none, []any{i, "5", i, "5"}, "true"},
		{"above", "gt", none, []any{d, "2024-03-01", d, "2024-02-29"}, "true"},
		{"a date and a number have no order", "ge", none, []any{d, "2024-03-01", i, "1"}, "refused"},
		{"at least", "ge", none, []any{d2, "0.00", d2, "0.01"}, "false"},
		{"NULL is neither above nor below", "ge", none, []any{i, "NULL", i, "0"}, "NULL"},

		{"NULL is NULL", "isnull", none, []any{i, "NULL"}, "true"},
		{"zero is not NULL", "isnull", none, []any{i, "0"}, "false"},
		{"the first that is there", "coalesce", none, []any{i, "NULL", i, "NULL", i, "3", i, "4"}, "3"},
		{"none is there", "coalesce", none, []any{i, "NULL", i, "NULL"}, "NULL"},
		{"values of two types", "coalesce", none, []any{i, "1", d2, "1.00"}, "refused"},
		{"NULL where equal", "nullif", none, []any{i, "0", i, "0"}, "NULL"},
		{"itself where not", "nullif", none, []any{i, "7", i, "0"}, "7"},
		{"itself where compared with NULL", "nullif", none, []any{i, "7", i, "NULL"}, "7"},
		{"NULL of NULL", "nullif", none, []any{i, "NULL", i, "NULL"}, "NULL"},
		{"the first true condition", "case", none, []any{b, "false", i, "1", b, "true", i, "2", b, "true", i, "3", i, "4"}, "2"},
		{"NULL is not true", "case", none, []any{b, "NULL", i, "1", i, "2"}, "2"},
		{"no condition is true", "case", none, []any{b, "false", i, "1", i, "NULL"}, "NULL"},
		{"a condition that is a number", "case", none, []any{i, "1", i, "1", i, "2"}, "refused"},
		{"no last value", "case", none, []any{b, "true", i, "1"}, "refused"},
	} {
		t.Run(c.op+": "+c.sentence, func(t *testing.T) {
			if got := meaning(t, c.op, c.target, c.args...); got != c.want {
				t.Errorf("%s of %v is %s, want %s", c.op, c.args, got, c.want)
			}
		})
	}
}

func TestThreeValuedLogic(t *testing.T) {
	for _, row := range strings.Split(strings.TrimSpace(`
true true true true
true false false true
true NULL NULL true
false true false true
false false false false
false NULL false NULL
NULL true NULL true
NULL false false NULL
NULL NULL NULL NULL`), "\n") {
		f := strings.Fields(row)
		if got := meaning(t, "and", Type{}, boolType, f[0], boolType, f[1]); got != f[2] {
			t.Errorf("%s and %s is %s, want %s", f[0], f[1], got, f[2])
		}
		if got := meaning(t, "or", Type{}, boolType, f[0], boolType, f[1]); got != f[3] {
			t.Errorf("%s or %s is %s, want %s", f[0], f[1], got, f[3])
		}
	}
	for arg, want := range map[string]string{"true": "false", "false": "true", "NULL": "NULL"} {
		if got := meaning(t, "not", Type{}, boolType, arg); got != want {
			t.Errorf("not %s is %s, want %s", arg, got, want)
		}
	}
	if got := meaning(t, "and", Type{}, boolType, "true", boolType, "NULL", boolType, "false"); got != "false" {
		t.Errorf("a false among three gives %s", got)
	}
}

func TestWhatAggregatesMean(t *testing.T) {
	null := func(t Type) Type { return t.WithNull(true) }
	for _, c := range []struct {
		sentence string
		f        AggFunc
		arg      Type
		values   string
		want     string
		wantType string
	}{
		{"rows count, NULL or not", CountStar, intType, "1 NULL 1", "3", "BIGINT"},
		{"values count", Count, null(intType), "1 NULL 1", "2", "BIGINT"},
		{"texts count", Count, null(keyText), "a NULL", "1", "BIGINT"},
		{"of nothing", CountStar, intType, "", "0", "BIGINT"},
		{"a sum keeps the scale", Sum, null(decimalType(2)), "0.10 NULL -0.25", "-0.15", "DECIMAL(38,2)"},
		{"a sum of no value", Sum, null(intType), "NULL NULL", "NULL", "BIGINT"},
		{"a mean has six digits", Avg, null(intType), "1 2 NULL 2", "1.666667", "DECIMAL(38,6)"},
		{"a mean keeps more digits", Avg, decimalType(8), "0.00000001 0.00000002", "0.00000002", "DECIMAL(38,8)"},
		{"half away from zero", Avg, decimalType(6), "-0.000001 0.000000", "-0.000001", "DECIMAL(38,6)"},
		{"a mean of no value", Avg, null(intType), "NULL", "NULL", "DECIMAL(38,6)"},
		{"the least", Min, null(intType), "3 NULL -4", "-4", "BIGINT"},
		{"the greatest date", Max, Type{Kind: Date}, "1999-12-31 2000-01-01", "2000-01-01", "DATE"},
		{"the greatest of no value", Max, null(intType), "", "NULL", "BIGINT"},
		{"no sum of dates", Sum, Type{Kind: Date}, "", "refused", ""},
		{"no mean of text", Avg, keyText, "", "refused", ""},
		{"no least truth value", Min, boolType, "", "refused", ""},
	} {
		t.Run(string(c.f)+": "+c.sentence, func(t *testing.T) {
			f, found := AggNamed(c.f)
			if !found {
				t.Fatal("not in the table")
			}
			result, err := f.Type(c.arg, false)
			if err != nil {
				if c.want != "refused" {
					t.Fatal(err)
				}
				return
			}
			var values []Value
			for _, text := range strings.Fields(c.values) {
				v := NewNull()
				if text != "NULL" {
					if v, err = ParseValue(c.arg, text); err != nil {
						t.Fatal(err)
					}
				}
				values = append(values, v)
			}
			if got := Format(result, f.Mean(result, c.arg, values)); got != c.want || SQLName(result) != c.wantType {
				t.Errorf("got %s %s, want %s %s", SQLName(result), got, c.wantType, c.want)
			}
			if grouped, _ := f.Type(c.arg.WithNull(false), true); grouped.Nullable {
				t.Error("a group has a row, so there is a value where none is NULL")
			}
		})
	}
}

func TestEveryOperationHasASentence(t *testing.T) {
	seen := make(map[string]bool)
	for _, op := range Ops {
		if op.Sentence == "" || op.Type == nil || op.Range == nil || op.Mean == nil || seen[op.Name] {
			t.Errorf("%s is incomplete, or there twice", op.Name)
		}
		seen[op.Name] = true
	}
	for _, name := range strings.Fields("add sub mul neg abs div idiv cast eq ne lt le gt ge and or not isnull coalesce nullif case") {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		t.Errorf("%v are not of this version of the language", seen)
	}
}

func TestOneValueHasOneText(t *testing.T) {
	date := Type{Kind: Date}
	for _, c := range []struct {
		sentence string
		t        Type
		text     string
		want     int64
		ok       bool
	}{
		{"an integer", intType, "-12", -12, true},
		{"zero", intType, "0", 0, true},
		{"minus zero", intType, "-0", 0, false},
		{"a plus", intType, "+1", 0, false},
		{"leading zeros", intType, "01", 0, false},
		{"nothing", intType, "", 0, false},
		{"a minus alone", intType, "-", 0, false},
		{"a space", intType, " 1", 0, false},
		{"underscores", intType, "1_000", 0, false},
		{"other digits", intType, "١", 0, false},
		{"too many digits", intType, strings.Repeat("1", 100), 0, false},
		{"a decimal", decimalType(2), "1.05", 105, true},
		{"less than one", decimalType(2), "-0.05", -5, true},
		{"minus zero point zero", decimalType(2), "-0.00", 0, false},
		{"too few digits", decimalType(2), "1.5", 0, false},
		{"too many", decimalType(2), "1.050", 0, false},
		{"a point too early", decimalType(2), ".05", 0, false},
		{"a comma", decimalType(2), "1,05", 0, false},
		{"two points", decimalType(2), "1.0.00", 0, false},
		{"a decimal without digits after the point", decimalType(0), "7", 7, true},
		{"the first day", date, "1970-01-01", 0, true},
		{"the day before", date, "1969-12-31", -1, true},
		{"a leap day", date, "2000-02-29", 11016, true},
		{"no leap day", date, "1900-02-29", 0, false},
		{"the 31st of April", date, "2024-04-31", 0, false},
		{"month 13", date, "2024-13-01", 0, false},
		{"day 0", date, "2024-01-00", 0, false},
		{"the first year", date, "0001-01-01", -719162, true},
		{"the last year with four digits", date, "9999-12-31", 2932896, true},
		{"one day more", date, "10000-01-01", 2932897, true},
		{"a short year", date, "999-01-01", 0, false},
		{"a long year", date, "02024-01-01", 0, false},
		{"a short month", date, "2024-1-01", 0, false},
		{"signs inside", date, "2024-+1-01", 0, false},
		{"before the first year", date, "-0001-12-31", -719529, true},
		{"true", boolType, "true", 1, true},
		{"1 for true", boolType, "1", 0, false},
		{"capitals", boolType, "TRUE", 0, false},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			v, err := ParseValue(c.t, c.text)
			if (err == nil) != c.ok {
				t.Fatalf("%q: %v", c.text, err)
			}
			if err != nil {
				if c.text != "" && strings.Contains(err.Error(), fmt.Sprintf("%q", c.text)) {
					t.Errorf("the error holds the value: %v", err)
				}
				return
			}
			if v.Int.Cmp(big.NewInt(c.want)) != 0 || Format(c.t, v) != c.text {
				t.Errorf("%q is %v, written %q", c.text, v.Int, Format(c.t, v))
			}
		})
	}
}

func TestFormatAndParseValueAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]Type{intType, decimalType(0), decimalType(1), decimalType(6), decimalType(38), {Kind: Date}}).Draw(t, "type")
		n := rapid.Int64().Draw(t, "n")
		if typ.Kind == Date {
			n %= MaxDay + 1
		}
		v := NewInt(n)
		back, err := ParseValue(typ, Format(typ, v))
		if err != nil || !back.Equal(v) {
			t.Fatalf("%s does not come back: %v", Format(typ, v), err)
		}
	})
}

func TestTextValues(t *testing.T) {
	for text, ok := range map[string]bool{"": true, "éééééééé": true, "123456789": false, "a\x00": false, "\xff": false} {
		if _, err := ParseValue(keyText, text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := ParseValue(region, "south"); err == nil {
		t.Error("a text outside the code list is accepted")
	}
}

func TestOrderOfValues(t *testing.T) {
	order := []Value{NewInt(-5), NewInt(0), NewBig(new(big.Int).Lsh(big.NewInt(1), 100)), NewNull()}
	texts := []Value{NewText(""), NewText("Z"), NewText("a"), NewText("é"), NewNull()}
	for _, list := range [][]Value{order, texts} {
		for i := range list {
			for j := range list {
				if got, want := Compare(list[i], list[j]), cmpInt(i, j); got != want {
					t.Errorf("%v against %v is %d, want %d", list[i], list[j], got, want)
				}
			}
		}
	}
}

func cmpInt(a, b int) int { return big.NewInt(int64(a)).Cmp(big.NewInt(int64(b))) }
