package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joconde"
)

// A node that is not ours, or broken, is named, in one sentence, without the
// words of the parts of the system; those come with --verbose.
func TestANodeThatIsNoneIsNamed(t *testing.T) {
	built, err := beside()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		node        string
		exit        int
		says, chain []string
	}{
		"ends at once": {"#!/bin/sh\nexit 3\n", joconde.ExitUnreachable,
			[]string{"node-", " stopped answering as it started", "exit code 3; this node may be of another version"}, []string{"cause: node-", "exit status 3"}},
		"complains and ends": {"#!/bin/sh\necho its own words >&2\nkill -9 $$\n", joconde.ExitUnreachable,
			[]string{"stopped answering as it started", "ended its process (killed)"}, []string{"it said: its own words"}},
		"says something else": {"#!/bin/sh\necho Hello, how are you today?\nsleep 20\n", joconde.ExitUnreachable,
			[]string{" says as it started makes no sense", "why:   this node may be of another version", "go build -o bin/"}, []string{"cause: node-"}},
		"is no program": {"\x7fELF\x01\x02\x03", joconde.ExitInternal,
			[]string{"node-1 could not be started", "of another version"}, []string{"cause: "}},
		"says nothing": {"#!/bin/sh\nsleep 60\n", joconde.ExitUnreachable,
			[]string{"waiting for node-1, node-2, node-3\n", "node-1, node-2, node-3 did not get ready", "within 10 seconds"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			text, err := os.ReadFile(filepath.Join(built, "joconde"))
			if err != nil {
				t.Fatal(err)
			}
			for file, content := range map[string][]byte{"joconde": text, "node": []byte(c.node)} {
				if err := os.WriteFile(filepath.Join(dir, file), content, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			run := func(flags ...string) string {
				const example = "../../examples/sick_days/"
				var stdout, stderr bytes.Buffer
				r := exec.Command(filepath.Join(dir, "joconde"), append(flags, "try", "--program", example+"program.sql",
					"--table", "clinic.visit="+example+"clinic.visit.csv", "--table", "payroll.job="+example+"payroll.job.csv")...)
				r.Stdout, r.Stderr = &stdout, &stderr
				r.WaitDelay = 5 * time.Second
				err := r.Run()
				var exit *exec.ExitError
				if !errors.As(err, &exit) || exit.ExitCode() != c.exit || stdout.Len() > 0 {
					t.Errorf("ended with %v, not exit code %d; it said:\n%s%s", err, c.exit, stdout.String(), stderr.String())
				}
				return stderr.String()
			}
			brief := run()
			for _, text := range c.says {
				if !strings.Contains(brief, text) {
					t.Errorf("no %q in:\n%s", text, brief)
				}
			}
			if strings.Contains(brief, "cause:") {
				t.Errorf("causes without --verbose:\n%s", brief)
			}
			if c.chain == nil {
				return
			}
			long := run("--verbose")
			for _, text := range c.chain {
				if !strings.Contains(long, text) {
					t.Errorf("no %q in:\n%s", text, long)
				}
			}
		})
	}
}
