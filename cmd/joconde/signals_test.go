package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// The system sends SIGPIPE also when we write to a child that has just ended,
// as an agent does to its node. Only a reader of ours that is gone ends us.
func TestABrokenPipeElsewhereIsNoInterruption(t *testing.T) {
	if _, err := beside(); err != nil {
		t.Fatal(err)
	}
	const example = "../../examples/sick_days/"
	start := func() (*exec.Cmd, *os.File, *bytes.Buffer) {
		r := exec.Command("joconde", "try", "--program", example+"program.sql",
			"--table", "clinic.visit="+example+"clinic.visit.csv", "--table", "payroll.job="+example+"payroll.job.csv")
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		stderr := &bytes.Buffer{}
		r.Stdout, r.Stderr = writer, stderr
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
		if err := writer.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(300 * time.Millisecond) // it hears signals by now, and the parser starts
		return r, reader, stderr
	}

	r, reader, stderr := start()
	defer reader.Close()
	_ = r.Process.Signal(syscall.SIGPIPE)
	if err := r.Wait(); err != nil {
		t.Errorf("with a reader: %v\n%s", err, stderr)
	}

	r, reader, stderr = start()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	_ = r.Process.Signal(syscall.SIGPIPE)
	var exit *exec.ExitError
	if err := r.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("without a reader: %v\n%s", err, stderr)
	}
}
