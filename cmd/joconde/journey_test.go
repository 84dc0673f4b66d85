package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// serve PROGRAM ARGS ... starts a program that runs until the script ends; the
// words of its first line are then in $READY1, $READY2, ...
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: serve PROGRAM ARGS ...")
	}
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	c := exec.Command(path, args[1:]...)
	c.Dir = ts.MkAbs(".")
	c.Env = append(os.Environ(), "HOME="+ts.MkAbs("."))
	c.Stderr = nil
	out, err := c.StdoutPipe()
	ts.Check(err)
	ts.Check(c.Start())
	gone := make(chan struct{})
	ts.Defer(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		<-gone
	})
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	go func() {
		defer close(gone)
		_, _ = lines.WriteTo(discard{}) // ends with the program
		_ = c.Wait()
	}()
	if err != nil {
		ts.Fatalf("%s printed nothing: %v", args[0], err)
	}
	for i, word := range strings.Fields(first) {
		ts.Setenv(fmt.Sprintf("READY%d", i+1), word)
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// field FILE NAME VARIABLE keeps a text of a JSON object; of a fingerprint the
// first eight characters, as a person would type it.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field FILE NAME VARIABLE")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	text, is := object[args[1]].(string)
	if !is {
		ts.Fatalf("%s has no text %s", args[0], args[1])
	}
	if args[1] == "fingerprint" {
		text = strings.ToLower(text[:9])
	}
	ts.Setenv(args[2], text)
}

// expand FILE writes the variables into a file, as $NAME.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
}
