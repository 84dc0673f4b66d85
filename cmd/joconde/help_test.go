package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Every help page fits into 80 columns, in ASCII, with an explained form.
func TestHelpFits(t *testing.T) {
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		var page bytes.Buffer
		c.InitDefaultHelpFlag()
		writeHelp(&page, c)
		ours := !strings.Contains(c.CommandPath(), "completion ") // those pages are cobra's
		for line := range strings.Lines(page.String()) {
			if line = strings.TrimSuffix(line, "\n"); ours && (len(line) > helpWidth || regexp.MustCompile(`[^\x20-\x7e]`).MatchString(line)) {
				t.Errorf("%s: %d columns, or not ASCII: %s", c.CommandPath(), len(line), line)
			}
		}
		if !strings.Contains(page.String(), "\nUsage:\n  "+c.CommandPath()) {
			t.Errorf("%s: no usage in\n%s", c.CommandPath(), page.String())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit((&tool{}).commands())
}

// Nothing that is linked in asks the terminal for its colours: one that does
// not answer made every help page and every error wait for seconds.
func TestNothingAsksTheTerminal(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "joconde/cmd/joconde").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		if strings.Contains(pkg, "lipgloss") || strings.Contains(pkg, "termenv") || strings.Contains(pkg, "charm.land") {
			t.Errorf("%s is linked in", strings.TrimSpace(pkg))
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"program", "table", "rows", "engine", "json", "out"}
	for word, want := range map[string]string{"row": "rows", "Table": "table", "progam": "program", "tabel": "table", "prog": "program", "x": "", "colour": "", "": ""} {
		if got := nearest(word, names); got != want {
			t.Errorf("%q is taken for %q, not %q", word, got, want)
		}
	}
}

// Whoever typed something wrong is always told why, and what to do.
func TestUsageErrorsSayWhy(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f, ok := call.Fun.(*ast.Ident); !ok || f.Name != "usage" {
				return true
			}
			seen++
			for i, arg := range call.Args {
				if text, ok := arg.(*ast.BasicLit); ok && text.Value == `""` {
					t.Errorf("%s: argument %d of usage is empty", name, i+1)
				}
			}
			return true
		})
	}
	if seen < 10 {
		t.Errorf("only %d usage errors found", seen)
	}
}
