package bolt

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/store"
	"joconde/store/storetest"
)

// The test binary is also the other process of some stories.
func TestMain(m *testing.M) {
	path := os.Getenv("STORE_OF_CHILD")
	switch os.Getenv("CHILD") {
	case "":
		os.Exit(m.Run())
	case "fills the disk":
		fillTheDisk(path)
	case "counts":
		count(path)
	}
}

func child(t *testing.T, does, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CHILD="+does, "STORE_OF_CHILD="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func open(t *testing.T, path string) store.Store {
	t.Helper()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, filepath.Join(t.TempDir(), "deep", "store")) })
}

func TestTheFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	defer s.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
}

func TestASecondProcessIsToldThatTheStoreIsBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	s := open(t, path)
	_, err := Open(path)
	var problem *joconde.Problem
	if !errors.Is(err, store.ErrBusy) || !errors.As(err, &problem) || problem.Code != "JOC-S001" {
		t.Errorf("got %v, want the Problem of a busy store", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, path).Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoStoreIsAProblemAndNoPanic(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	s := open(t, good)
	if err := s.Update(t.Context(), func(w store.Writer) error { return w.Put("b", "k", []byte("v")) }); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	noMeta := append([]byte{}, whole...)
	clear(noMeta[:2*page])
	for story, data := range map[string][]byte{
		"text":                  []byte(strings.Repeat("not a store\n", 2000)),
		"both first pages gone": noMeta,
		"cut inside a page":     whole[:page/2],
	} {
		path := filepath.Join(dir, strings.ReplaceAll(story, " ", "-"))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		var problem *joconde.Problem
		if _, err := Open(path); !errors.As(err, &problem) || problem.Code != "JOC-S003" {
			t.Errorf("%s: got %v, want the Problem of a damaged store", story, err)
		}
	}
	if _, err := Open(dir); err == nil {
		t.Error("a folder was opened as a store")
	}
}

// fillTheDisk meets a limit on file size, which fails a write as a full disk
// does, and reports how far it came.
func fillTheDisk(path string) {
	limit := syscall.Rlimit{Cur: 200_000, Max: 200_000}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	s, err := Open(path)
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		err := s.Update(context.Background(), func(w store.Writer) error {
			if err := w.Put("b", "last", []byte(fmt.Sprint(i))); err != nil {
				return err
			}
			return w.Put("b", fmt.Sprintf("%04d", i), make([]byte, 10_000))
		})
		if err != nil {
			fmt.Println("failed", i, errors.Is(err, store.ErrFailed))
			break
		}
	}
	// It goes on: a small update that fits into freed pages may work or fail,
	// but the store still answers.
	err = s.View(context.Background(), func(r store.Reader) error {
		last, err := r.Get("b", "last")
		fmt.Println("last", string(last))
		return err
	})
	fmt.Println("closed", errors.Join(err, s.Close()))
}

// count puts one number after the other and says when each is acknowledged.
func count(path string) {
	s, err := Open(path)
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		err := s.Update(context.Background(), func(w store.Writer) error {
			if err := w.Put("b", "first half", []byte(fmt.Sprint(i))); err != nil {
				return err
			}
			return w.Put("b", "second half", []byte(fmt.Sprint(i)))
		})
		if err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

func TestAFullDiskLeavesTheOldState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	out, err := child(t, "fills the disk", path).Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var at, last int
	var asFailed bool
	if _, err := fmt.Sscanf(string(out), "failed %d %t\nlast %d\nclosed <nil>\n", &at, &asFailed, &last); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	if at < 2 || !asFailed || last != at-1 {
		t.Errorf("update %d failed (as ErrFailed: %v) and left %d, want %d", at, asFailed, last, at-1)
	}
	// With room again it goes on where it stood.
	s := open(t, path)
	defer s.Close()
	err = s.Update(t.Context(), func(w store.Writer) error {
		value, err := w.Get("b", "last")
		if err == nil && string(value) != fmt.Sprint(last) {
			err = fmt.Errorf("the file holds %s, want %d", value, last)
		}
		if err != nil {
			return err
		}
		return w.Put("b", "more", make([]byte, 300_000))
	})
	if err != nil {
		t.Error(err)
	}
}

func TestKillLosesNothingThatWasAcknowledged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store")
	for round := range 5 {
		cmd := child(t, "counts", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := -1
		lines := bufio.NewScanner(out)
		time.AfterFunc(time.Duration(60+17*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait() // it was killed
		if acknowledged < 0 {
			continue // killed before the first; the next rounds wait longer
		}
		s := open(t, path)
		err = s.View(t.Context(), func(r store.Reader) error {
			first, err1 := r.Get("b", "first half")
			second, err2 := r.Get("b", "second half")
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			var kept int
			if _, err := fmt.Sscan(string(first), &kept); err != nil {
				return err
			}
			if string(first) != string(second) || kept < acknowledged {
				return fmt.Errorf("%d was acknowledged, %s and %s are there", acknowledged, first, second)
			}
			return nil
		})
		if err := errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}
