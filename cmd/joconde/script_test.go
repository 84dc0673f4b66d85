package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write what comes back into the scripts' expected files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"joconde": main})
}

// beside builds node and hub beside the joconde of the scripts, once.
var beside = sync.OnceValues(func() (dir string, err error) {
	self, err := exec.LookPath("joconde")
	if err != nil {
		return "", err
	}
	dir = filepath.Dir(self)
	output, err := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "joconde/cmd/node", "joconde/cmd/hub").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build node and hub: %w\n%s", err, output)
	}
	return dir, nil
})

// What a person types, and what comes back.
func TestScripts(t *testing.T) {
	if _, err := beside(); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"steady": steady, "exitcode": exitcode, "narrow": narrow, "serve": serve, "field": field, "expand": expand},
		Setup: func(env *testscript.Env) error {
			programs, err := filepath.Abs("../../testdata/programs")
			if err != nil {
				return err
			}
			env.Setenv("PROGRAMS", programs)
			return nil
		},
	})
}

// measured are the fields that differ from run to run.
var measured = map[string]bool{"seconds": true, "compile": true, "split": true, "run": true, "open": true,
	"rounds": true, "bytes_per_node": true, "peak_rss_per_node": true}

// steady FROM TO copies a JSON object with every measured number as 0, which
// must have been greater (or, for seconds, not less, in whole milliseconds), and
// indents it.
func steady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: steady FROM TO")
	}
	d := json.NewDecoder(bytes.NewReader([]byte(ts.ReadFile(args[0]))))
	d.UseNumber()
	var object map[string]any
	ts.Check(d.Decode(&object))
	if d.More() {
		ts.Fatalf("%s holds more than one object", args[0])
	}
	var walk func(name string, v any) any
	walk = func(name string, v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key := range v {
				v[key] = walk(key, v[key])
			}
		case []any:
			for i := range v {
				v[i] = walk(name, v[i])
			}
		case json.Number:
			if measured[name] {
				if n, err := v.Float64(); err != nil || n < 0 || n == 0 && (name == "rounds" || strings.HasSuffix(name, "_per_node")) || math.Abs(n*1000-math.Round(n*1000)) > 1e-6 {
					ts.Fatalf("%s is %s", name, v)
				}
				return 0
			}
		}
		return v
	}
	text, err := json.MarshalIndent(walk("", object), "", " ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), append(text, '\n'), 0o600))
}

// exitcode N COMMAND ... runs a command, which must end with that code.
func exitcode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exitcode N COMMAND ...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}

// narrow FILE N says that no line of a file is wider than N cells.
func narrow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: narrow FILE N")
	}
	most, err := strconv.Atoi(args[1])
	ts.Check(err)
	text := ts.ReadFile(args[0])
	if text == "" {
		ts.Fatalf("%s is empty", args[0])
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\n"); cells(line) > most {
			ts.Fatalf("%d cells: %s", cells(line), line)
		}
	}
}
