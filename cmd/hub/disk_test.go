package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"

	"joconde"
	"joconde/internal/cast"
)

// small gives the hub's folder a disk of its own, of a few megabytes.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m,mode=0700"); err != nil {
		t.Skipf("a full disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill leaves no block of a disk free, and gives the way back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "ballast")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1 << 16, 1 << 12} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func TestADiskThatIsFullAtEveryRecord(t *testing.T) {
	dir := small(t)
	h := newHub(t, "")
	h.kill()
	text := "listen: 127.0.0.1:0\nrequests_per_second: 10000\ndata: " + filepath.Join(dir, "data") + "\n"
	if err := os.WriteFile(h.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h.start()
	t.Cleanup(h.kill) // before the disk goes
	refused := 0
	// full asks once on a full disk and once with room: the first may succeed
	// where no new block is needed, or be refused whole.
	full := func(what string, ask func() error, unchanged func()) {
		t.Helper()
		free := fill(t, dir)
		err := ask()
		var p *joconde.Problem
		switch {
		case err == nil:
		case errors.As(err, &p) && (p.Code == "JOC-H209" || p.Code == "JOC-H106"):
			refused++
			unchanged()
		default:
			t.Fatalf("%s on a full disk: %v", what, err)
		}
		free()
		if err := ask(); err != nil {
			t.Fatalf("%s with room again: %v", what, err)
		}
	}
	for _, envelope := range cast.Organisations() {
		full("join", func() error { _, err := h.mplane().Join(t.Context(), envelope); return err }, func() {})
	}
	p := h.play()
	_, task := p.Task()
	full("propose", func() error { _, err := h.mplane().Propose(t.Context(), p.Envelope); return err }, func() {})
	before := h.look(task)
	for len(p.State().Waiting()) > 0 {
		step := p.Step(p.State().Waiting()[0])
		envelope := step.Sign()
		full(string(step.Kind), func() error { _, err := h.cplane().Submit(t.Context(), task, envelope); return err }, func() {
			if now := h.look(task); !reflect.DeepEqual(before, now) {
				t.Fatalf("%s: something is half there", step.Kind)
			}
		})
		p.Do(step)
		before = h.look(task)
	}
	if refused < 10 {
		t.Errorf("only %d records met a full disk", refused)
	}
	h.again()
	if after := h.look(task); !reflect.DeepEqual(before, after) || !reflect.DeepEqual(after.envelopes, texts(p.Envelopes())) {
		t.Error("after a restart there is something else")
	}
	t.Logf("%d were refused", refused)
}
