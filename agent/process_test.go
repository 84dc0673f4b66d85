package agent

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"joconde"
	"joconde/internal/cast"
)

// realNode builds the program of nodes.
func realNode(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command("go", "build", "-o", path, "joconde/cmd/node").CombinedOutput(); err != nil {
		t.Fatalf("build the node: %v\n%s", err, out)
	}
	return path
}

func (w *world) pid(p joconde.PartyID, attempt int) int {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.homes[p].folder(w.task), "node", strconv.Itoa(attempt), "pid"))
	must(w.t, err)
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(w.t, err)
	return n
}

func alive(pid int) bool { return !errors.Is(unix.Kill(pid, 0), unix.ESRCH) }

func TestATaskWithNodesThatAreProcesses(t *testing.T) {
	w := newWorldOf(t, realNode(t)).all()
	w.until("closed", closedAndClean)
	for _, p := range cast.Parties() {
		w.waitSaw(p, "nothing is left to do")
	}
	text, err := os.ReadFile(filepath.Join(w.homes[cast.EU].ResultFolder(w.task), "wages.csv"))
	if err != nil || string(text) != result {
		t.Errorf("the result is %q, %v", text, err)
	}
	for _, p := range []joconde.PartyID{cast.EU, cast.Hub, cast.PT} {
		if alive(w.pid(p, 1)) {
			t.Errorf("the node of %s is still there", p)
		}
		if has(spoolOf(filepath.Join(w.homes[p].folder(w.task), "node", "1"))) {
			t.Errorf("what the node of %s said is still there", p)
		}
	}
	w.check()
}

// The agent goes, its node wipes and ends by itself, and the next agent finds
// what it said.
func TestTheReceiptOfANodeWhoseAgentWasStoppedIsNotLost(t *testing.T) {
	w := newWorldOf(t, realNode(t))
	w.approve(cast.Parties()...) // no tables: it stands in Established
	w.start(cast.Parties()...)
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.stop(cast.PT)
	for end := time.Now().Add(10 * time.Second); alive(w.pid(cast.PT, 1)); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the node outlives its agent")
		}
	}
	w.restart(cast.PT)
	s := w.until("aborted and wiped", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	if stop, _ := s.Stopped(); stop.Party != cast.PT {
		t.Errorf("stopped by %s: %s", stop.Party, stop.Reason)
	}
	w.provide()
	for _, p := range cast.Parties() {
		must(t, w.homes[p].Retry(t.Context(), w.views[p], w.task, w.now()))
	}
	if s = w.until("closed", closedAndClean); s.Attempt != 2 {
		t.Errorf("closed in attempt %d", s.Attempt)
	}
	w.check()
}

// A node that is killed can sign nothing: the task stays open and says so.
func TestANodeThatIsKilledLeavesNoReceiptAndThatIsNeverHidden(t *testing.T) {
	w := newWorldOf(t, realNode(t))
	w.approve(cast.Parties()...)
	w.start(cast.Parties()...)
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	must(t, unix.Kill(w.pid(cast.PT, 1), unix.SIGKILL))
	s := w.until("wiped but for pt", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && len(s.Open()) == 1 })
	if s.Open()[0] != cast.PT || s.Wiped || s.Ended() || s.Closed() {
		t.Errorf("open: %v", s.Open())
	}
	w.waitSaw(cast.PT, "JOC-G122")
	w.check()
}
