package lang_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/lang"
	"joconde/lang/ir"
	"joconde/lang/plan"
)

var update = flag.Bool("update", false, "write the golden files again")

const examples = "../testdata/programs/examples"

func example(t *testing.T, name string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join(examples, name))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func compile(t *testing.T, src []byte) *ir.Program {
	t.Helper()
	p, err := lang.Compile("program.sql", src)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func digest(t *testing.T, p *ir.Program) joconde.Digest {
	t.Helper()
	d, err := ir.Digest(p)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Every machine must give these digests. A change here voids agreements that
// were signed over the old ones, so the commit says why.
func TestDigestsOfTheExamples(t *testing.T) {
	got := ""
	for _, name := range []string{"2_students_taxes.sql", "4_double_registered.sql", "5_mno_flows.sql"} {
		p := compile(t, example(t, name))
		got += fmt.Sprintf("%s %s\n", digest(t, p), name)
		again, err := plan.Optimise(p)
		if err != nil {
			t.Fatal(err)
		}
		if digest(t, again) != digest(t, p) {
			t.Errorf("%s: optimising again changes it", name)
		}
	}
	const path = "testdata/digests.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What each owner computes in the clear and provides, of the examples.
func TestInputsOfTheExamples(t *testing.T) {
	for _, test := range []struct {
		file string
		want []string
	}{
		{"2_students_taxes.sql", []string{
			"edu scan edu.student: pid field start_year on_time",
			"tax aggregate filter scan tax.payment: pid COUNT(*)",
		}},
		{"4_double_registered.sql", []string{
			"fr scan fr.resident: pkey nuts2 age5",
			"lu scan lu.employee: pkey nace",
			"lu scan lu.resident: pkey",
		}},
		{"5_mno_flows.sql", []string{
			"mno_a project filter scan mno_a.home: msisdn nuts3 weight",
			"mno_b project filter scan mno_b.home: msisdn nuts3",
		}},
	} {
		t.Run(test.file, func(t *testing.T) {
			p := compile(t, example(t, test.file))
			var got []string
			for _, i := range p.Inputs() {
				text := string(p.Nodes[i].Local)
				for n := i; ; n = p.Nodes[n].In[0] {
					text += " " + string(p.Nodes[n].Op)
					if p.Nodes[n].Op == ir.Scan {
						text += " " + p.Nodes[n].Table + ":"
						break
					}
				}
				for _, c := range p.Nodes[i].Columns {
					text += " " + c.Name
				}
				got = append(got, text)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestWhatDoesNotChangeADigest(t *testing.T) {
	for _, name := range []string{"2_students_taxes.sql", "4_double_registered.sql", "5_mno_flows.sql"} {
		src := example(t, name)
		want := digest(t, compile(t, src))
		for _, test := range []struct {
			name   string
			change func(line string) string
		}{
			{"nothing (and so the order of maps)", func(line string) string { return line }},
			{"white space", func(line string) string { return "\t" + strings.ReplaceAll(line, " ", "  \n ") }},
			{"comments", func(line string) string { return line + " -- another word\n/* and more */" }},
			{"the case of names and words", strings.ToUpper},
			{"line ends", func(line string) string { return line + "\r" }},
		} {
			t.Run(name+": "+test.name, func(t *testing.T) {
				for range 5 {
					if got := digest(t, compile(t, perLine(src, test.change))); got != want {
						t.Fatalf("the digest was %s and is %s", want, got)
					}
				}
			})
		}
	}
}

// perLine changes each line without its comment, so that a changed line stays
// one statement's part.
func perLine(src []byte, change func(string) string) []byte {
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(src))
	for lines.Scan() {
		code, _, _ := strings.Cut(lines.Text(), "--")
		out.WriteString(change(code) + "\n")
	}
	return out.Bytes()
}

func TestWhatChangesADigest(t *testing.T) {
	src := string(example(t, "2_students_taxes.sql"))
	want := digest(t, compile(t, []byte(src)))
	for _, change := range []struct{ name, from, to string }{
		{"a guard", "HAVING COUNT(*) >= 5", "HAVING COUNT(*) >= 4"},
		{"a receiver", "TO edu, tax, centar", "TO edu, tax"},
		{"the name of a column of a view", "AS students", "AS persons"},
		{"a condition at an owner", "WHERE income > 0", "WHERE income > 1"},
		{"a range", "BETWEEN 2006 AND 2012", "BETWEEN 2006 AND 2013"},
	} {
		changed := strings.Replace(src, change.from, change.to, 1)
		if changed == src {
			t.Fatalf("%s: the example has no %q", change.name, change.from)
		}
		if digest(t, compile(t, []byte(changed))) == want {
			t.Errorf("%s does not change the digest", change.name)
		}
	}
}

// Whatever the text, there is a valid program or a problem for its author.
func FuzzCompile(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(examples, "*.sql"))
	if err != nil || len(names) == 0 {
		f.Fatalf("no examples: %v", err)
	}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("CREATE SCHEMA a; CREATE TABLE a.t (x INTEGER NOT NULL PRIMARY KEY); CREATE VIEW v AS SELECT COUNT(*) AS n FROM a.t; GRANT SELECT ON v TO a;"))
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := lang.Compile("fuzz.sql", src)
		if err != nil {
			var problem *joconde.Problem
			if !errors.As(err, &problem) {
				t.Fatalf("not a problem of the text: %v", err)
			}
			return
		}
		if _, err := ir.Encode(p); err != nil {
			t.Fatal(err)
		}
	})
}
