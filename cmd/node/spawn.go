package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"joconde/dplane/node"
)

// self is this very program, also when its file has been replaced or removed.
const self = "/proc/self/exe"

// child is a worker as a process.
type child struct {
	pid    int
	stdin  *os.File
	stdout *os.File
	ended  chan struct{} // closed when it was reaped
	err    error         // read after ended
}

// startWorker starts this program again as the worker: in a process group of
// its own, with nothing of our environment, and tied to our life. The kernel
// ties that to the thread that started it, so one goroutine stays on its thread
// from the worker's start to its end.
func startWorker(listen string) (node.Worker, error) {
	in, stdin, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the worker: %w", err)
	}
	stdout, out, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the worker: %w", err), in.Close(), stdin.Close())
	}
	c := exec.Command(self, "worker", listen)
	c.Dir = "/"
	c.Env = []string{"GOTRACEBACK=none"} // a trace could show words of shares
	c.Stdin, c.Stdout = in, out          // and nothing on standard error
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	w := &child{stdin: stdin, stdout: stdout, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.Start()
		if err == nil {
			w.pid = c.Process.Pid
		}
		_, _ = in.Close(), out.Close() // the worker has its own
		started <- err
		if err == nil {
			w.err = c.Wait()
			close(w.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, errors.Join(fmt.Errorf("start the worker: %w", err), stdin.Close(), stdout.Close())
	}
	return w, nil
}

func (c *child) Stdin() io.Writer  { return c.stdin }
func (c *child) Stdout() io.Reader { return c.stdout }

// Kill ends the worker and its group, unless it was reaped.
func (c *child) Kill() {
	select {
	case <-c.ended:
	default:
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // it may end meanwhile
	}
}

// Wait returns when the worker was reaped.
func (c *child) Wait() error {
	<-c.ended
	return c.err
}
