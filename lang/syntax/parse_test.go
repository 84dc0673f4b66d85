package syntax

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"joconde"
)

// first gives the first problem of a text; nil if there is none.
func first(t *testing.T, src string) *joconde.Problem {
	t.Helper()
	_, err := Parse("p.sql", []byte(src))
	if err == nil {
		return nil
	}
	var ps joconde.Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("not Problems: %v", err)
	}
	return ps[0]
}

func TestTextsThatAreNotRead(t *testing.T) {
	for name, c := range map[string]struct{ src, code, where string }{
		"a text of more than a mebibyte":               {strings.Repeat(" ", maxBytes+1), "JOC-L101", "p.sql:1:1"},
		"bytes that are not UTF-8":                     {"CREATE\n SCHEMA \xff;", "JOC-L102", "p.sql:2:9"},
		"a NUL character":                              {"CREATE SCHEMA a;\n\x00", "JOC-L103", "p.sql:2:1"},
		"characters that are not composed":             {"-- é\n-- e\u0301", "JOC-L104", "p.sql:2:4"},
		"too many words":                               {strings.Repeat("a,", maxTokens/2+1), "JOC-L105", "p.sql:1:200001"},
		"too many open parentheses":                    {"SELECT " + strings.Repeat("(", 5000), "JOC-L106", "p.sql:1:71"},
		"a sum of very many terms":                     {"SELECT 1" + strings.Repeat("+1", 90_000), "JOC-L106", "p.sql:1:3007"},
		"very many NOTs":                               {"SELECT " + strings.Repeat("NOT ", 50_000), "JOC-L106", "p.sql:1:12004"},
		"very many set operations":                     {"SELECT 1" + strings.Repeat(",1 UNION SELECT 1", 30_000), "JOC-L106", ""},
		"deep nesting that the words do not show":      {"CREATE VIEW v AS SELECT " + strings.Repeat("- ", 100) + "x FROM a.b", "JOC-L140", ""},
		"a name that SQL would cut":                    {"CREATE SCHEMA " + strings.Repeat("a", 64), "JOC-L107", "p.sql:1:15"},
		"a quoted name that SQL would cut":             {`CREATE SCHEMA "` + strings.Repeat("é", 32) + `"`, "JOC-L107", "p.sql:1:15"},
		"an error of grammar":                          {"CREATE SCHEMA a;\n/* é */ CREATE 'é' VIEW v;", "JOC-L110", "p.sql:2:16"},
		"an error at the end":                          {"CREATE SCHEMA", "JOC-L110", "p.sql:1:14"},
		"a quote that is not closed":                   {"CREATE SCHEMA a;\n SELECT 'abc", "JOC-L110", "p.sql:2:9"},
		"a comment that is not closed":                 {"CREATE SCHEMA a; /* x", "JOC-L110", "p.sql:1:18"},
		"a literal with too many digits":               {"CREATE VIEW v AS SELECT " + strings.Repeat("9", 61) + " AS x FROM a.b", "JOC-L178", "p.sql:1:25"},
		"a text that is too long":                      {"CREATE VIEW v AS SELECT '" + strings.Repeat("x", 10_001) + "' AS x FROM a.b", "JOC-L181", "p.sql:1:25"},
		"a bad part of the first statement of several": {"\n\n  REVOKE SELECT ON v FROM a; CREATE SCHEMA a;", "JOC-L131", "p.sql:3:3"},
	} {
		t.Run(name, func(t *testing.T) {
			p := first(t, c.src)
			if p == nil || p.Code != c.code || c.where != "" && p.Where != c.where {
				t.Errorf("got %+v, want %s at %s", p, c.code, c.where)
			}
		})
	}
	if broken.Load() {
		t.Error("the parser broke")
	}
}

// The limits of nesting keep the parser's stack whole, whatever nests.
func TestTheParserWithstandsTheDeepestTexts(t *testing.T) {
	for _, c := range [][3]string{ // before, repeated, after
		{"SELECT 1", "+1", ""}, {"SELECT 1", "^-1", ""}, {"SELECT ", "NOT ", "1"}, {"SELECT ", "- ", "1"}, {"SELECT 1", "::x", ""},
		{"SELECT 1", " IS NULL", ""}, {"SELECT 1", " UNION SELECT 1", ""}, {"SELECT 1,2", " UNION SELECT 1,2", ""},
		{"SELECT ", "CASE WHEN ", "1"}, {"SELECT x FROM a", " JOIN b ON c", ""}, {"SELECT 1", " COLLATE x", ""},
		{"SELECT 1", " LIKE 1 ESCAPE 2", ""}, {"SELECT a", "[1]", ""}, {"SELECT a", ".b", ""}, {"SELECT 1", " AND 1 OR 1", ""},
		{"SELECT 1", " AT TIME ZONE 1", ""}, {"SELECT 1", " IN (1)", ""}, {"SELECT 1", " INTERSECT TABLE x", ""}, {"", "EXPLAIN ", "SELECT 1"},
		{"SELECT 1 FROM a", " NATURAL JOIN b", ""}, {"SELECT 1", " !", " 1"}, {"SELECT ", "! ", " 1"}, {"SELECT ", "ARRAY[", "1"},
		{"SELECT 1 FROM ", "(", "SELECT 1"}, {"SELECT 1", "IS DISTINCT FROM 1", ""}, {"SELECT 1", " = ANY (SELECT 1)", ""},
	} {
		for n := 4000; n > 0; n = n * 9 / 10 { // the greatest number that is let through
			_, err := Parse("p.sql", []byte(c[0]+strings.Repeat(c[1], n)+c[2]))
			if err == nil || !strings.Contains(err.Error(), "the text is nested") {
				break
			}
		}
		if broken.Load() {
			t.Fatalf("the parser broke on %q", c[1])
		}
	}
}

func TestCommentsStandAnywhere(t *testing.T) {
	script, err := Parse("p.sql", []byte("/* a /* nested é */ comment */ CREATE VIEW v AS -- é\nSELECT x FROM t WHERE x NOT -- a comment between two words that are one\n BETWEEN 1 /* it's */ AND 2;;"))
	if err != nil {
		t.Fatal(err)
	}
	view := script.Statements[0].(*CreateView)
	if b, ok := view.Query.Where.(*Between); !ok || !b.Not || len(script.Statements) != 1 {
		t.Errorf("got %#v", view.Query.Where)
	}
}

// A long text of ordinary shape is read: the limits are for trees, not for lists.
func TestLongListsAreRead(t *testing.T) {
	src := "CREATE VIEW v AS SELECT x FROM t WHERE x IN (1" + strings.Repeat(", 1", 50_000) + ");\n" + strings.Repeat("CREATE SCHEMA a;\n", 1000)
	if p := first(t, src); p != nil {
		t.Error(p)
	}
}

func TestAnExpressionPrintsAsSQL(t *testing.T) {
	const want = `CASE a WHEN 1 THEN (-b) * 2 ELSE COALESCE(c, 'it''s') END | ((x + 1) > 2) AND (NOT (y IS NULL)) | COUNT(*) | CAST(m AS DECIMAL(5, 2)) | d NOT IN (1, 2) | (e BETWEEN 1 AND NULL) IS NOT TRUE`
	script, err := Parse("p.sql", []byte(`CREATE VIEW v AS SELECT CASE a WHEN 1 THEN -b*2 ELSE coalesce(c,'it''s') END, x+1>2 and not y is null, count( * ), m::NUMERIC(5,2), d not in (1,2), (e between 1 and null) is not true FROM t`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range script.Statements[0].(*CreateView).Query.Items {
		got = append(got, Print(it.Expr, nil))
	}
	if s := strings.Join(got, " | "); s != want {
		t.Errorf("got\n%s\nwant\n%s", s, want)
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, chunk := range strings.Split(string(data), "\n---\n") {
			f.Add([]byte(chunk))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		script, err := Parse("p.sql", src)
		var ps joconde.Problems
		switch {
		case err == nil && script == nil:
			t.Error("neither a script nor an error")
		case err != nil && (!errors.As(err, &ps) || len(ps) == 0):
			t.Errorf("not Problems: %v", err)
		case broken.Load():
			t.Error("the parser broke")
		}
	})
}
