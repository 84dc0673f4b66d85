package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/audit"
	"joconde/lang"
	"joconde/lang/ir"
)

// blocks are the fenced blocks of a document, by language.
func blocks(t *testing.T, file string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, m := range regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	return found
}

// What the README shows is what is there and what comes back. A command that
// is new to it must be run here, or be named as one that is not.
func TestReadme(t *testing.T) {
	built, err := beside()
	if err != nil {
		t.Fatal(err)
	}
	readme := blocks(t, "../../README.md")
	program, err := os.ReadFile("../../examples/sick_days/program.sql")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(readme["sql"], string(program)) {
		t.Error("the program in the README is not that of examples/sick_days")
	}
	elsewhere := []string{"go run ./cmd/joconde demo", "go test ./...", "go build -o bin/ ./cmd/joconde ./cmd/hub ./cmd/node", "bin/joconde demo --json"} // .ci/run, and demo.txt
	ran := 0
	for line := range strings.Lines(strings.ReplaceAll(strings.Join(readme[""], ""), "\\\n", " ")) {
		line = strings.Join(strings.Fields(line), " ")
		command, ours := strings.CutPrefix(line, "go run ./cmd/joconde ")
		if slices.Contains(elsewhere, line) {
			continue
		}
		if !ours {
			t.Errorf("nobody runs: %s", line)
			continue
		}
		var stdout, stderr bytes.Buffer
		run := exec.Command(built+"/joconde", strings.Fields(command)...)
		run.Dir, run.Stdout, run.Stderr = "../..", &stdout, &stderr
		if err := run.Run(); err != nil {
			t.Errorf("%s: %v\n%s", line, err, stderr.String())
		}
		if ran++; !strings.HasPrefix(command, "try ") {
			continue
		}
		for _, shown := range readme["text"] {
			if !strings.Contains(stdout.String(), shown) {
				t.Errorf("%s does not print\n%sbut\n%s", line, shown, stdout.String())
			}
		}
	}
	if ran < 2 || len(readme["text"]) != 1 {
		t.Errorf("%d commands ran, and %d results are shown", ran, len(readme["text"]))
	}
}

// refused has an example of each thing that docs/language.md says is refused.
var refused = map[string]string{
	"`WITH`":                         "WITH w AS (SELECT id FROM a.t) SELECT id FROM w",
	"`SELECT DISTINCT`":              "SELECT DISTINCT x FROM a.t",
	"`ORDER BY`":                     "SELECT x FROM a.t ORDER BY x",
	"`LIMIT`, `OFFSET`":              "SELECT x FROM a.t LIMIT 3",
	"`UNION`, `INTERSECT`, `EXCEPT`": "SELECT x FROM a.t UNION SELECT x FROM b.u",
	"`RIGHT JOIN`":                   "SELECT t.x FROM a.t AS t RIGHT JOIN b.u AS u ON t.id = u.id",
	"`FULL JOIN`":                    "SELECT t.x FROM a.t AS t FULL JOIN b.u AS u ON t.id = u.id",
	"`CROSS JOIN`, lists of tables with commas":         "SELECT t.x FROM a.t AS t CROSS JOIN b.u AS u; CREATE VIEW w AS SELECT t.x FROM a.t AS t, b.u AS u",
	"joins in which neither side is known to be unique": "SELECT t.x FROM a.t AS t INNER JOIN b.u AS u ON t.x = u.x",
	"window functions":                                  "SELECT SUM(x) OVER () AS s FROM a.t",
	"medians and other quantiles":                       "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS m FROM a.t",
	"`COUNT(DISTINCT x)`":                               "SELECT COUNT(DISTINCT x) AS n FROM a.t",
	"`FILTER`":                                          "SELECT COUNT(*) FILTER (WHERE x > 3) AS n FROM a.t",
	"standard deviations, regressions":                  "SELECT STDDEV(x) AS s FROM a.t",
	"`ROUND` and the like":                              "SELECT ROUND(x) AS r FROM a.t",
	"`LIKE`, `\\|\\|`, functions on text":               "SELECT x FROM a.t WHERE id LIKE 'a%' AND id || 'b' = 'c' AND upper(id) = 'D'",
	"`GREATEST`, `LEAST`":                               "SELECT GREATEST(x, 3) AS g FROM a.t",
	"the current date":                                  "SELECT x FROM a.t WHERE CURRENT_DATE > DATE '2020-01-01'",
	"`REAL`, `DOUBLE PRECISION`, timestamps, intervals": "SELECT CAST(x AS REAL) AS r FROM a.t",
	"`INSERT`, `UPDATE`, `DROP` and all else":           "SELECT x FROM a.t; DROP TABLE a.t",
}

// The example of docs/language.md compiles, and what it says is refused is, with
// the code that it says.
func TestLanguagePage(t *testing.T) {
	const page = "../../docs/language.md"
	examples := blocks(t, page)["sql"]
	if len(examples) == 0 {
		t.Fatal("no example")
	}
	for _, example := range examples {
		if _, err := lang.Compile("example.sql", []byte(example)); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const tables = `CREATE SCHEMA a; CREATE SCHEMA b;
CREATE TABLE a.t (id CHAR(4) NOT NULL PRIMARY KEY, x SMALLINT NOT NULL);
CREATE TABLE b.u (id CHAR(4) NOT NULL PRIMARY KEY, x SMALLINT NOT NULL);
CREATE VIEW v AS `
	seen := 0
	for _, m := range regexp.MustCompile(`(?m)^\| (.*?) \| (JOC-L\d+(?:, JOC-L\d+)*) \| .* \|$`).FindAllStringSubmatch(string(text), -1) {
		example, found := refused[m[1]]
		if !found {
			t.Errorf("no example of %s", m[1])
			continue
		}
		seen++
		_, err := lang.Compile("p.sql", []byte(tables+example+"; GRANT SELECT ON v TO hub;"))
		var problems joconde.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s is not refused: %v", m[1], err)
		}
		for _, code := range strings.Split(m[2], ", ") {
			if !slices.ContainsFunc(problems, func(p *joconde.Problem) bool { return p.Code == code }) {
				t.Errorf("%s is not refused with %s but with %v", m[1], code, codesOf(problems))
			}
		}
	}
	if seen != len(refused) {
		t.Errorf("%d of %d examples are on the page", seen, len(refused))
	}
}

func codesOf(problems joconde.Problems) (codes []string) {
	for _, p := range problems {
		codes = append(codes, p.Code)
	}
	return codes
}

// Every field that these commands and errors print is on the page.
func TestJSONPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var visit func(of reflect.Type)
	visit = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for field := range of.Fields() {
			if !field.IsExported() && !field.Anonymous {
				continue
			}
			if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" && name != "" {
				seen++
				if !regexp.MustCompile("`([a-z_]+\\[\\]\\.)?" + name + "(\\[\\])?`").Match(text) {
					t.Errorf("%s.%s is not on the page", of, name)
				}
			}
			visit(field.Type)
		}
	}
	for _, printed := range []any{report{}, taskReport{}, audit.Report{}, page{}, state{}, step{}, checkedTable{}, joconde.Problem{}, listedEngine{}} {
		visit(reflect.TypeOf(printed))
	}
	if seen < 40 {
		t.Errorf("only %d fields seen", seen)
	}
	for _, kind := range []ir.Kind{ir.Int, ir.Date, ir.Bool, ir.Text} {
		if !strings.Contains(string(text), "| `"+typeName(ir.Type{Kind: kind})+"` |") {
			t.Errorf("column type %s is not on the page", kind)
		}
	}
}
