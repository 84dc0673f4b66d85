package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"joconde"
	"joconde/dplane"
)

// Direct reaches workers over the network, by the keys in their bundles.
type Direct struct{}

// Upload sends a sealed input until the worker has it, refuses it, or ctx ends.
func (Direct) Upload(ctx context.Context, to *joconde.NodeBundle, u Upload) error {
	pin, err := pinOf(to)
	if err != nil {
		return err
	}
	return dplane.UploadFrom(ctx, to.Address, pin, dplane.UploadHeader{Task: u.Task, Attempt: u.Attempt, From: u.From,
		Input: u.Input, Size: u.Size, SHA256: u.Hash}, u.Sealed)
}

// Abort sends an abort.
func (Direct) Abort(ctx context.Context, to *joconde.NodeBundle, envelope []byte) error {
	pin, err := pinOf(to)
	if err != nil {
		return err
	}
	return dplane.SendAbort(ctx, to.Address, pin, envelope)
}

func pinOf(b *joconde.NodeBundle) (pin joconde.Digest, err error) {
	err = pin.UnmarshalText([]byte("sha256:" + b.TLSPin))
	return pin, err
}

// Processes launches nodes as processes of this machine. What a node says goes
// to a file of the home, the spool, and is read from there: when the agent
// dies, its node sees that its input ended, wipes and ends, and what it said
// until then is found by Resume. The node holds a lock on the spool, which the
// system gives back only when the process is gone.
type Processes struct {
	Home     *Home
	Program  string // the program node
	Platform string // what vouches for the node
	Device   string // the platform's evidence device: a path
	Listen   string // host:port where the worker listens; port 0 chooses one
	Address  string // host:port where others reach it; "" where it listens
}

const (
	spoolEvery = 20 * time.Millisecond // how often a spool is looked at
	leaveTime  = 20 * time.Second      // how long a node may take to wipe when the agent is told to end
)

func spoolOf(folder string) string { return filepath.Join(folder, "spool") }

func (p *Processes) folder(l Launch) string {
	return filepath.Join(p.Home.folder(l.Task), "node", strconv.Itoa(l.Attempt))
}

// Launch starts the node.
func (p *Processes) Launch(ctx context.Context, l Launch) (Node, error) {
	folder := p.folder(l)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, notWritten(folder, err)
	}
	spool, err := os.OpenFile(spoolOf(folder), os.O_RDWR|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return nil, notWritten(spoolOf(folder), err)
	}
	// The lock belongs to the open file, which the child gets; ours is closed.
	defer func() { _ = spool.Close() }()
	if err := unix.Flock(int(spool.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, notWritten(spoolOf(folder), err)
	}
	c := exec.Command(p.Program)
	c.Dir = "/"
	c.Env = []string{"GOTRACEBACK=none"} // a trace could show words of shares; it needs nothing else
	c.Stdout = spool
	stdin, err := c.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the node: %w", err)
	}
	if err := c.Start(); err != nil {
		return nil, problem("JOC-G080", p.Program, "the node cannot be started", rootOf(err), "check the path of the program node", joconde.ExitUnreachable, err)
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_ = c.Wait() // how it ended, its last word says
	}()
	if err := p.Home.disk.write(filepath.Join(folder, "pid"), []byte(strconv.Itoa(c.Process.Pid)+"\n")); err != nil {
		_ = c.Process.Kill()
		<-gone
		return nil, err
	}
	n, err := attend(folder, stdin, func() {
		_ = c.Process.Kill()
		<-gone
	})
	if err == nil {
		err = n.Launch(dplane.Launch{Party: l.Party, Attempt: l.Attempt, Organisations: l.Organisations, Records: l.Records, Checkpoint: l.Checkpoint,
			Program: l.Program, Refusals: l.Refusals, Platform: p.Platform, Device: p.Device, Listen: p.Listen, Address: p.Address})
	}
	if err != nil {
		_ = c.Process.Kill()
		<-gone
		return nil, fmt.Errorf("start the node: %w", err)
	}
	context.AfterFunc(ctx, func() {
		_ = stdin.Close() // the node wipes and ends
		timer := time.NewTimer(leaveTime)
		defer timer.Stop()
		select {
		case <-gone:
		case <-timer.C:
			_ = c.Process.Kill()
		}
	})
	return n, nil
}

// Resume reads on in the spool of a node whose agent died. It cannot be told
// anything more: its input has ended, and it is about to.
func (p *Processes) Resume(_ context.Context, l Launch) (Node, error) {
	folder := p.folder(l)
	if !has(spoolOf(folder)) {
		return nil, ErrNoNode
	}
	return attend(folder, closed{}, func() {
		// Only if the lock is held is the process of this number still ours.
		text, err := os.ReadFile(filepath.Join(folder, "pid"))
		if err != nil || !locked(spoolOf(folder)) {
			return
		}
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && pid > 1 {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		for locked(spoolOf(folder)) {
			time.Sleep(spoolEvery)
		}
	})
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// attended is a node seen through its spool.
type attended struct {
	*dplane.Control
	kill func()
}

func (a *attended) Kill() { a.kill() }

func attend(folder string, to io.Writer, kill func()) (*attended, error) {
	f, err := os.Open(spoolOf(folder))
	if err != nil {
		return nil, notWritten(spoolOf(folder), err)
	}
	return &attended{dplane.NewControl(to, &spoolReader{f}), kill}, nil
}

// spoolReader reads a file that a process still writes to, and ends when the
// process has.
type spoolReader struct{ file *os.File }

func (r *spoolReader) Read(b []byte) (int, error) {
	for {
		running := locked(r.file.Name()) // looked at before reading: what follows is all
		n, err := r.file.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if !running {
			_ = r.file.Close() // only read
			return 0, io.EOF
		}
		time.Sleep(spoolEvery)
	}
}

// locked says whether a process holds the lock of a spool.
func locked(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	return errors.Is(err, unix.EWOULDBLOCK)
}
