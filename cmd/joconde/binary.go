package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"joconde"
)

// nodeProgram finds the program that computing parties run.
func (t *tool) nodeProgram(ctx context.Context, say func(string)) (path string, remove func(), err error) {
	return t.program(ctx, "node", say)
}

// program finds another program of ours, node or hub: beside our own
// executable, else built from the module with the go tool into a private
// directory. remove, safe to call twice, removes what was built.
func (t *tool) program(ctx context.Context, name string, say func(string)) (path string, remove func(), err error) {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), name)
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return beside, func() {}, nil
		}
	}
	module, found := moduleDirectory()
	if !found {
		return "", nil, &joconde.Problem{Code: "JOC-R010", What: "the program " + name + " is not there, and neither is its source", Where: "joconde",
			Why: "it is a process of its own; its program was looked for beside joconde and as Go source in this folder and above",
			Do:  "put " + name + " beside joconde, or run joconde in the folder of its source", Exit: joconde.ExitInternal}
	}
	var dir string
	err = t.tidy.make(func() (func(), error) {
		dir, err = os.MkdirTemp("", "joconde-") // for us alone: 0700
		remove = func() { removeAll(dir) }      // a second call finds nothing
		return remove, err
	})
	if err != nil {
		return "", nil, fmt.Errorf("make a private folder for %s: %w", name, err)
	}
	say("building the program " + name)
	path = filepath.Join(dir, name)
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "joconde/cmd/"+name)
	build.Dir = module
	build.Env = append(os.Environ(), "GOTMPDIR="+dir, "GOWORK=off", "PWD="+module)
	if output, err := t.finish(ctx, build); err != nil {
		remove()
		if ctx.Err() != nil {
			return "", nil, context.Cause(ctx)
		}
		do := "run: go build ./cmd/" + name
		if errors.Is(err, exec.ErrNotFound) {
			do = "install Go, or put " + name + " beside joconde"
		}
		return "", nil, &joconde.Problem{Code: "JOC-R011", What: "the program " + name + " could not be built", Where: "go build joconde/cmd/" + name,
			Why: strings.TrimSpace(err.Error() + "\n" + firstLines(output, 12)), Do: do, Exit: joconde.ExitInternal, Err: err}
	}
	return path, remove, nil
}

// removeAll removes a folder that a killed process may still have been writing
// into: what it had begun can come after what we removed.
func removeAll(dir string) {
	for range 50 {
		if os.RemoveAll(dir) == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// moduleDirectory is where this program's source lies: the working directory
// or one above it, else where it was compiled.
func moduleDirectory() (string, bool) {
	var places []string
	if working, err := os.Getwd(); err == nil {
		places = append(places, working)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		places = append(places, filepath.Dir(file))
	}
	for _, dir := range places {
		for {
			if isModule(filepath.Join(dir, "go.mod")) {
				return dir, true
			}
			up := filepath.Dir(dir)
			if up == dir {
				break
			}
			dir = up
		}
	}
	return "", false
}

// isModule says whether a go.mod is that of this project.
func isModule(path string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) == 2 && words[0] == "module" {
			return words[1] == "joconde"
		}
	}
	return false
}

// finish runs a command to its end, which also comes with that of ctx or of
// this process. It gives what the command printed.
func (t *tool) finish(ctx context.Context, c *exec.Cmd) (string, error) {
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	p, err := t.start(c, nil)
	if err != nil {
		return "", err
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		p.kill()
		<-p.ended
	}
	return output.String(), p.err
}

// process is a child in a process group of its own.
type process struct {
	pid   int
	ended chan struct{} // closed when the child has ended
	// deaf, if not nil, is called when the child is killed: it must end what
	// carries the child's output to a reader that may read no more, as the
	// child does not count as ended before.
	deaf func()
	err  error // of Wait; read after ended
}

// start starts a child that dies with us. The kernel ties that to the thread
// that started the child, so one goroutine stays on its thread from the
// child's start to its end.
func (t *tool) start(c *exec.Cmd, deaf func()) (*process, error) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = 2 * time.Second // a grandchild may hold the output open
	p := &process{ended: make(chan struct{}), deaf: deaf}
	err := t.tidy.make(func() (func(), error) {
		started := make(chan error, 1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			defer close(p.ended)
			err := c.Start()
			if err == nil {
				p.pid = c.Process.Pid
			}
			started <- err
			if err == nil {
				p.err = c.Wait()
			}
		}()
		return func() { p.kill(); <-p.ended; p.outlived() }, <-started
	})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(c.Path), err)
	}
	return p, nil
}

// kill ends the child and all its children, unless it has ended.
func (p *process) kill() {
	select {
	case <-p.ended:
	default:
		_ = syscall.Kill(-p.pid, syscall.SIGKILL) // it may end meanwhile
		if p.deaf != nil {
			p.deaf()
		}
	}
}

// outlived waits a moment for children of the child that are still dying.
func (p *process) outlived() {
	for range 50 {
		if syscall.Kill(-p.pid, 0) != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// firstLines are at most n lines of text.
func firstLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
