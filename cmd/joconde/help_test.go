package main

import (
	"bytes"
	"os/exec"
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
