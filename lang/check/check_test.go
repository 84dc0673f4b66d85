package check_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"joconde"
	"joconde/lang/check"
	"joconde/lang/ir"
	"joconde/lang/syntax"
)

var update = flag.Bool("update", false, "write the golden files again")

// compile parses and checks; the error has what either found.
func compile(src string) (*ir.Program, error) {
	script, err := syntax.Parse("program.sql", []byte(src))
	if script == nil {
		return nil, err
	}
	return check.Program("program.sql", []byte(src), script)
}

// chunk is a program with what is expected of it.
type chunk struct {
	name, text, want string
	prelude          string
	first            int // line of the file where it begins
}

func chunks(t testing.TB, file string) []chunk {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []chunk
	prelude, line := "", 1
	for _, text := range strings.Split(string(data), "\n---\n") {
		ch := chunk{text: text, prelude: prelude, first: line}
		line += strings.Count(text, "\n") + 2
		if strings.HasPrefix(text, "-- prelude\n") {
			prelude = text + "\n"
			continue
		}
		ch.text, ch.want, _ = strings.Cut(strings.TrimRight(text, "\n")+"\n", "\n==>\n")
		title, _, _ := strings.Cut(text, "\n")
		ch.name = strings.TrimPrefix(title, "-- ")
		all = append(all, ch)
	}
	return all
}

// expected are the errors of a chunk: line, code and words of each.
func expected(text string) []string {
	var all []string
	for i, line := range strings.Split(text, "\n") {
		for _, mark := range strings.Split(line, "-- ! ")[1:] {
			all = append(all, fmt.Sprintf("%d %s", i+1, strings.TrimSpace(mark)))
		}
	}
	return all
}

func TestEveryErrorStandsBesideTheLineThatCausesIt(t *testing.T) {
	for _, file := range []string{"wrong.txt", "refused.txt"} {
		for _, ch := range chunks(t, file) {
			t.Run(ch.name, func(t *testing.T) {
				src := ch.prelude + ch.text
				_, err := compile(src)
				want := expected(src)
				var got joconde.Problems
				if err != nil && !errors.As(err, &got) {
					t.Fatalf("not Problems: %v", err)
				}
				for _, p := range got {
					complete(t, p)
					i := slices.IndexFunc(want, func(w string) bool { return matches(w, p) })
					if i < 0 {
						t.Errorf("%s:%d: unexpected: %s %s %s | %s", file, ch.first-1+line(p)-strings.Count(ch.prelude, "\n")+1, p.Where, p.Code, p.What, p.Do)
						continue
					}
					want = slices.Delete(want, i, i+1)
				}
				for _, w := range want {
					t.Errorf("missing: %s", w)
				}
			})
		}
	}
}

func matches(want string, p *joconde.Problem) bool {
	at, rest, _ := strings.Cut(want, " ")
	code, words, _ := strings.Cut(rest, " ")
	return at == strconv.Itoa(line(p)) && code == p.Code && (strings.Contains(p.What, words) || strings.Contains(p.Why, words) || strings.Contains(p.Do, words))
}

func line(p *joconde.Problem) int {
	n, _ := strconv.Atoi(strings.Split(p.Where, ":")[1])
	return n
}

// complete: every problem says what, where and what to do, and nothing left the machine.
func complete(t *testing.T, p *joconde.Problem) {
	t.Helper()
	if p.Code == "" || p.What == "" || p.Do == "" || p.LeftMachine != joconde.NothingLeft || p.Exit != joconde.ExitInvalid || strings.Count(p.Where, ":") != 2 {
		t.Errorf("incomplete problem: %+v", p)
	}
}

func TestProgramsBecomeWhatTheDumpSays(t *testing.T) {
	const file = "dumps.txt"
	var out []string
	for _, ch := range chunks(t, file) {
		p, err := compile(ch.prelude + ch.text)
		if err != nil {
			t.Errorf("%s: %v", ch.name, err)
			continue
		}
		got := dump(p)
		out = append(out, strings.TrimSuffix(ch.text, "\n")+"\n==>\n"+got)
		if got != ch.want && !*update {
			t.Errorf("%s\ngot\n%s\nwant\n%s", ch.name, got, ch.want)
		}
	}
	if *update && !t.Failed() {
		data, err := os.ReadFile(filepath.Join("../testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		prelude, _, _ := bytes.Cut(data, []byte("\n---\n"))
		text := string(prelude) + "\n---\n" + strings.Join(out, "---\n")
		if err := os.WriteFile(filepath.Join("../testdata", file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// dump writes a program for people.
func dump(p *ir.Program) string {
	var b strings.Builder
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "table %s(%s) keys %v", t.QName(), columns(t.Columns), t.Keys)
		for _, x := range t.Checks {
			fmt.Fprintf(&b, "; %s", x.String(t.Columns))
		}
		b.WriteString("\n")
	}
	for i, n := range p.Nodes {
		fmt.Fprintf(&b, "%d %s %s%v (%s)", i, n.Op, n.Table, n.In, columns(n.Columns))
		for _, x := range n.Exprs {
			fmt.Fprintf(&b, "; %s", x.String(p.Nodes[n.In[0]].Columns))
		}
		if n.Join != nil {
			fmt.Fprintf(&b, "; %s %v = %v", n.Join.Kind, n.Join.Left, n.Join.Right)
		}
		if n.Group != nil {
			fmt.Fprintf(&b, "; by %v", n.Group.Keys)
			for _, a := range n.Group.Aggs {
				b.WriteString(" " + a.String(p.Nodes[n.In[0]].Columns))
			}
		}
		fmt.Fprintf(&b, "; unique %v", n.Unique)
		if n.Local != "" {
			fmt.Fprintf(&b, "; at %s", n.Local)
		}
		b.WriteString("\n")
	}
	for _, o := range p.Outputs {
		fmt.Fprintf(&b, "%s = %d to %v\n", o.View, o.Node, o.To)
	}
	return b.String()
}

func columns(cols []ir.Column) string {
	var all []string
	for _, c := range cols {
		s := c.Name + " " + string(c.Type.Kind)
		switch {
		case c.Type.Coded():
			s += fmt.Sprint(c.Type.Codes)
		case c.Type.Kind == ir.Text:
			s += fmt.Sprint(c.Type.Width)
		case c.Type.Kind == ir.Decimal:
			s += fmt.Sprint(c.Type.Scale)
		}
		if c.Lo != "" {
			s += " " + c.Lo + ".." + c.Hi
		}
		if c.Type.Nullable {
			s += "?"
		}
		all = append(all, s)
	}
	return strings.Join(all, ", ")
}

func TestLayoutCommentsAndCaseDoNotChangeAProgram(t *testing.T) {
	tried := 0
	for _, file := range []string{"dumps.txt", "wrong.txt"} {
		for _, ch := range chunks(t, file) {
			src := ch.prelude + ch.text
			p, err := compile(src)
			if err != nil || strings.Contains(src, `"`) {
				continue
			}
			tried++
			want, err := ir.Encode(p)
			if err != nil {
				t.Fatalf("%s: %v", ch.name, err)
			}
			for _, change := range []func(string) string{strings.TrimSpace, strings.ToUpper, strings.ToLower, spread} {
				other, err := compile(outsideTexts(src, change))
				if err != nil {
					t.Errorf("%s: %v", ch.name, err)
					continue
				}
				if got, err := ir.Encode(other); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: another program, %v", ch.name, err)
				}
			}
		}
	}
	if tried < 5 {
		t.Errorf("only %d programs were tried", tried)
	}
}

func spread(s string) string {
	return strings.ReplaceAll(s, " ", "\n\t/* – */ -- \n ")
}

// outsideTexts changes a program, without its comments, but not its text literals.
func outsideTexts(src string, change func(string) string) string {
	lines := strings.Split(src, "\n")
	for i, l := range lines {
		lines[i], _, _ = strings.Cut(l, "--")
	}
	parts := strings.Split(strings.Join(lines, " "), "'")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = change(parts[i])
	}
	return strings.Join(parts, "'")
}

// The examples of the reference: three compile, and three are refused where
// they use what this version lacks.
func TestExamples(t *testing.T) {
	wants := map[string][]string{
		"1_mirror_trade.sql":      {"26 JOC-L165 FULL JOIN"},
		"2_students_taxes.sql":    nil,
		"3_wage_gap.sql":          {"32 JOC-L190 PERCENTILE_CONT"},
		"4_double_registered.sql": nil,
		"5_mno_flows.sql":         nil,
		"6_regression.sql": {"4 JOC-L213 spc is reserved", "19 JOC-L196 REGR_SLOPE", "19 JOC-L196 REGR_INTERCEPT",
			"20 JOC-L196 REGR_R2", "26 JOC-L158 table function"},
	}
	for name, want := range wants {
		t.Run(name, func(t *testing.T) {
			src, err := os.ReadFile(filepath.Join("../../testdata/programs/examples", name))
			if err != nil {
				t.Fatal(err)
			}
			_, err = compile(string(src))
			var got joconde.Problems
			if err != nil && !errors.As(err, &got) {
				t.Fatal(err)
			}
			if len(got) != len(want) {
				t.Fatalf("got %d problems, want %d:\n%v", len(got), len(want), err)
			}
			for i, p := range got {
				if !matches(want[i], p) {
					t.Errorf("got %s %s %s, want %s", p.Where, p.Code, p.What, want[i])
				}
			}
		})
	}
}

func TestAProblemNamesLineAndColumn(t *testing.T) {
	_, err := compile("-- é\nCREATE SCHEMA a;\nCREATE TABLE a.t (x INTEGER);\nCREATE VIEW v AS SELECT 'é' AS e, y FROM a.t;\nGRANT SELECT ON v TO b;")
	if err == nil || !strings.Contains(err.Error(), "program.sql:4:35: there is no column y") {
		t.Errorf("got %v", err)
	}
}

// A short text can mean a very large program; it is refused before it is built.
func TestRepeatedOperandsAreBounded(t *testing.T) {
	x := "k"
	for range 25 {
		x = "CASE WHEN " + x + " BETWEEN 1 AND 2 THEN 1 ELSE 0 END"
	}
	_, err := compile("CREATE SCHEMA a; CREATE TABLE a.t (k INTEGER); CREATE VIEW v AS SELECT " + x + " AS x FROM a.t; GRANT SELECT ON v TO b")
	if err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("got %v", err)
	}
}

// A code list may be long; reading it takes time in proportion.
func TestALongListCompiles(t *testing.T) {
	var codes []string
	for i := range 20_000 {
		codes = append(codes, fmt.Sprintf("'%06d'", i))
	}
	list := strings.Join(codes, ", ")
	start := time.Now()
	_, err := compile("CREATE SCHEMA a; CREATE TABLE a.t (k CHAR(6) NOT NULL CHECK (k IN (" + list + "))); CREATE VIEW v AS SELECT k FROM a.t WHERE k <> '000001'; GRANT SELECT ON v TO b")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// What the parser refused never becomes a program, even if its report is dropped.
func TestAScriptWithRefusedPartsIsNoProgram(t *testing.T) {
	script := &syntax.Script{Statements: []syntax.Statement{&syntax.CreateView{Name: syntax.Name{Text: "v"}}, &syntax.Grant{Views: []syntax.Relation{{Name: "v"}}, To: []syntax.Name{{Text: "a"}}}}}
	if p, err := check.Program("program.sql", nil, script); err == nil || p != nil {
		t.Errorf("got %v, %v", p, err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, file := range []string{"wrong.txt", "refused.txt", "dumps.txt"} {
		for _, ch := range chunks(f, file) {
			f.Add(ch.prelude + ch.text)
		}
	}
	f.Fuzz(func(t *testing.T, src string) {
		p, err := compile(src)
		if err != nil {
			var ps joconde.Problems
			if !errors.As(err, &ps) || len(ps) == 0 || p != nil {
				t.Fatalf("got %v and %v", p, err)
			}
			return
		}
		want, err := ir.Encode(p)
		if err != nil {
			t.Fatalf("what compiles is valid: %v", err)
		}
		again, err := compile(src)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ir.Encode(again); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("two programs from one text: %v", err)
		}
	})
}
