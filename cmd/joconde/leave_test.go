package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"joconde"
)

// A run of joconde demo in a session of its own, which every process that it
// starts belongs to, whatever its group and its parent.
type demoRun struct {
	*exec.Cmd
	temp           string
	stdout, stderr bytes.Buffer
}

// demo starts a demo. Without node beside it, joconde builds one.
func startDemo(t *testing.T, built bool) *demoRun {
	t.Helper()
	dir, err := beside()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "joconde")
	if built {
		program = filepath.Join(t.TempDir(), "joconde")
		text, err := os.ReadFile(filepath.Join(dir, "joconde"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r := &demoRun{Cmd: exec.Command(program, "demo", "--json"), temp: t.TempDir()}
	r.Stdout, r.Stderr = &r.stdout, &r.stderr
	r.Env = append(os.Environ(), "TMPDIR="+r.temp)
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	r.WaitDelay = 5 * time.Second
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Process.Kill() })
	return r
}

// code waits for the end and gives the exit code, -1 for a signal.
func (r *demoRun) code(t *testing.T) int {
	t.Helper()
	err := r.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return r.ProcessState.ExitCode()
}

// processes are those of the run that are not dead, by pid, with their names.
func (r *demoRun) processes(t *testing.T) map[int]string {
	t.Helper()
	found := map[int]string{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Skip("there is no /proc to look for processes in")
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it has just ended
		}
		// pid (name) state ppid pgrp session …
		from, to := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		if from < 0 || to < from {
			continue
		}
		rest := strings.Fields(string(text[to+1:]))
		if len(rest) > 3 && rest[0] != "Z" && rest[0] != "X" && rest[3] == strconv.Itoa(r.Process.Pid) {
			found[pid] = string(text[from+1 : to])
		}
	}
	return found
}

// nothingLeft says that no process and no file of the run is there a moment
// later. A socket does not outlive its process.
func (r *demoRun) nothingLeft(t *testing.T) {
	t.Helper()
	r.nobodyLeft(t)
	files, err := os.ReadDir(r.temp)
	if err != nil || len(files) > 0 {
		t.Errorf("files are left: %v, %v", files, err)
	}
}

// nobodyLeft says that no process of the run is there a moment later.
func (r *demoRun) nobodyLeft(t *testing.T) {
	t.Helper()
	var left map[int]string
	for range 100 {
		if left = r.processes(t); len(left) == 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(left) > 0 {
		t.Errorf("processes are left: %v", left)
	}
}

// waitFor waits until a process of that name runs, n of them.
func (r *demoRun) waitFor(t *testing.T, name string, n int) (pids []int) {
	t.Helper()
	for range 3000 {
		pids = pids[:0]
		for pid, is := range r.processes(t) {
			if is == name {
				pids = append(pids, pid)
			}
		}
		if len(pids) >= n {
			return pids
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("no %d processes %s in 30 seconds; it said:\n%s", n, name, r.stderr.String())
	return nil
}

// Ctrl-C at any moment leaves no process, socket or file behind.
func TestInterruptedAtAnyMoment(t *testing.T) {
	moments := map[string]func(t *testing.T, r *demoRun){
		"at once":               func(*testing.T, *demoRun) { time.Sleep(30 * time.Millisecond) },
		"while it compiles":     func(*testing.T, *demoRun) { time.Sleep(500 * time.Millisecond) },
		"as nodes start":        func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 1) },
		"as all nodes run":      func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 3) },
		"while nodes receive":   func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 3); time.Sleep(150 * time.Millisecond) },
		"while nodes compute":   func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 3); time.Sleep(1200 * time.Millisecond) },
		"twice":                 func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 2); _ = r.Process.Signal(os.Interrupt) },
		"with SIGTERM":          func(t *testing.T, r *demoRun) { r.waitFor(t, "node", 3); _ = r.Process.Signal(syscall.SIGTERM) },
		"as the build starts":   func(t *testing.T, r *demoRun) { r.waitFor(t, "go", 1) },
		"while the build links": func(t *testing.T, r *demoRun) { r.waitFor(t, "go", 1); time.Sleep(400 * time.Millisecond) },
	}
	for name, until := range moments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startDemo(t, strings.Contains(name, "build"))
			until(t, r)
			_ = r.Process.Signal(os.Interrupt)
			if code := r.code(t); code != joconde.ExitInterrupted && !(code == -1 && name == "at once") {
				t.Errorf("exit code %d; it said:\n%s", code, r.stderr.String())
			}
			if r.stdout.Len() > 0 {
				t.Errorf("standard output: %s", r.stdout.String())
			}
			if name != "at once" && !strings.Contains(lastLine(r.stderr.String()), `{"code":"JOC-R001"`) {
				t.Errorf("the last line is not the error: %s", lastLine(r.stderr.String()))
			}
			r.nothingLeft(t)
		})
	}
}

// Killed without a chance to tidy up, its children still end with it. Only the
// folder of the demo, whose data is public, cannot be removed then.
func TestKilledItsNodesEnd(t *testing.T) {
	t.Parallel()
	r := startDemo(t, false)
	r.waitFor(t, "node", 3)
	_ = r.Process.Kill()
	r.code(t)
	r.nobodyLeft(t)
}

// A computing party that dies is named, and the others end.
func TestANodeThatDiesIsNamed(t *testing.T) {
	t.Parallel()
	r := startDemo(t, true) // so that the whole of it, with the builds, is run
	pids := r.waitFor(t, "node", 3)
	time.Sleep(300 * time.Millisecond)
	_ = syscall.Kill(pids[0], syscall.SIGKILL)
	if code := r.code(t); code != joconde.ExitUnreachable {
		t.Errorf("exit code %d; it said:\n%s", code, r.stderr.String())
	}
	last := lastLine(r.stderr.String())
	if !strings.Contains(last, `"where":"node-`) || !strings.Contains(r.stdout.String(), `"results":[],`) || !strings.Contains(r.stdout.String(), `"state":"Aborted"`) {
		t.Errorf("it said %s, and on standard output %s", last, r.stdout.String())
	}
	r.nothingLeft(t)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// Ctrl-C once the result is there takes nothing back.
func TestInterruptedAfterTheResult(t *testing.T) {
	if _, err := beside(); err != nil {
		t.Fatal(err)
	}
	const example = "../../examples/sick_days/"
	for _, flags := range [][]string{nil, {"--json"}} {
		r := exec.Command("joconde", append(flags, "try", "--engine", "clear", "--program", example+"program.sql",
			"--table", "clinic.visit="+example+"clinic.visit.csv", "--table", "payroll.job="+example+"payroll.job.csv")...)
		stdout, err := r.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		if n, err := stdout.Read(make([]byte, 1)); n != 1 {
			t.Fatalf("nothing is printed: %v", err)
		}
		_ = r.Process.Signal(os.Interrupt) // it may have ended
		if _, err := io.Copy(io.Discard, stdout); err != nil {
			t.Fatal(err)
		}
		if err := r.Wait(); err != nil {
			t.Errorf("%v: %v", flags, err)
		}
	}
}
