package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What is linked into a computing party is a list that people review: our own
// packages and those of others, without the standard library. To change it on
// purpose, write what this test prints into deps.txt.
func TestLinkedPackagesAreThoseThatWereReviewed(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	var complaint bytes.Buffer
	list.Stderr = &complaint
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, complaint.String())
	}
	got := strings.Fields(string(output))
	slices.Sort(got)
	text, err := os.ReadFile("deps.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Fields(string(text)); !slices.Equal(got, want) {
		t.Errorf("linked are\n%s\n\nreviewed were\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, dep := range got {
		for _, never := range []string{"joconde/lang/syntax", "joconde/lang/check", "joconde/lang/plan", "joconde/lang/eval", "joconde/store", "joconde/dplane/table", "joconde/dplane/engine/clear"} {
			if dep == never || strings.HasPrefix(dep, never+"/") {
				t.Errorf("%s is linked: a computing party has no compiler, no store and no clear data", dep)
			}
		}
	}
}
