package tlog

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"joconde"
	"joconde/audit"
)

const (
	childFolder  = "LOG_OF_CHILD"
	childKey     = "LOG_KEY_OF_CHILD"
	childDoes    = "CHILD"
	keepsLogging = "keeps logging"
	fillsTheDisk = "fills the disk"
)

// The test binary is also the other process of some stories.
func TestMain(m *testing.M) {
	switch os.Getenv(childDoes) {
	case keepsLogging:
		keepLogging()
	case fillsTheDisk:
		fillTheDisk()
	default:
		goleak.VerifyTestMain(m)
	}
}

func newKey(t *testing.T) (private, verifier string) {
	t.Helper()
	private, verifier, err := audit.NewLogKey()
	must(t, err)
	return private, verifier
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir, private string) *Log {
	t.Helper()
	l, err := Open(t.Context(), dir, private)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func leaf(i int) []byte { return fmt.Appendf(nil, `{"payload":"record %d"}`, i) }

func TestEveryLeafIsProvenUnderEveryLaterCheckpoint(t *testing.T) {
	private, verifier := newKey(t)
	l := open(t, filepath.Join(t.TempDir(), "log"), private)
	if l.Verifier() != verifier {
		t.Fatalf("the log's verifier is %s, want %s", l.Verifier(), verifier)
	}
	empty, err := l.Checkpoint(t.Context())
	must(t, err)
	checkpoints := [][]byte{empty}
	const n = 300 // more than one tile
	var wait sync.WaitGroup
	for i := range n {
		if i < 20 || i > n-5 {
			wait.Wait()
			index, err := l.Append(t.Context(), leaf(i))
			must(t, err)
			if index != uint64(i) {
				t.Fatalf("leaf %d has index %d", i, index)
			}
			cp, err := l.Checkpoint(t.Context())
			must(t, err)
			checkpoints = append(checkpoints, cp)
			continue
		}
		wait.Go(func() { // these go in together, in any order
			if _, err := l.Append(t.Context(), leaf(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	last := checkpoints[len(checkpoints)-1]
	end, err := audit.OpenCheckpoint(verifier, last)
	must(t, err)
	if end.Size != n {
		t.Fatalf("the log has %d entries, want %d", end.Size, n)
	}
	for index := range uint64(n) {
		data, err := l.Leaf(t.Context(), index)
		must(t, err)
		path, err := l.Inclusion(t.Context(), index, n)
		must(t, err)
		must(t, audit.VerifyInclusion(verifier, last, data, audit.NewProof(index, path)))
	}
	for i, older := range checkpoints {
		from, err := audit.OpenCheckpoint(verifier, older)
		must(t, err)
		path, err := l.Consistency(t.Context(), from.Size, n)
		must(t, err)
		must(t, audit.VerifyConsistency(verifier, older, last, audit.HexPath(path)))
		if i > 0 {
			path, err := l.Inclusion(t.Context(), 0, from.Size)
			must(t, err)
			must(t, audit.VerifyInclusion(verifier, older, leaf(0), audit.NewProof(0, path)))
		}
	}
}

func TestWhatTheLogDoesNotTake(t *testing.T) {
	private, _ := newKey(t)
	l := open(t, t.TempDir(), private)
	for story, bad := range map[string][]byte{"an empty leaf": nil, "a leaf that is too large": make([]byte, MaxLeaf+1)} {
		if _, err := l.Append(t.Context(), bad); !errors.Is(err, ErrLeaf) {
			t.Errorf("%s: got %v, want ErrLeaf", story, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(ended, leaf(0)); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: got %v", err)
	}
	if _, err := l.Append(t.Context(), make([]byte, MaxLeaf)); err != nil {
		t.Errorf("the largest leaf: %v", err)
	}
	_, errLeaf := l.Leaf(t.Context(), 1)
	_, errIndex := l.Inclusion(t.Context(), 1, 1)
	_, errSize := l.Inclusion(t.Context(), 0, 2)
	_, errBack := l.Consistency(t.Context(), 2, 1)
	_, errBeyond := l.Consistency(t.Context(), 1, 2)
	for story, err := range map[string]error{
		"a leaf beyond the end": errLeaf, "a proof of it": errIndex, "a proof in a tree to come": errSize,
		"consistency backwards": errBack, "consistency with the future": errBeyond,
	} {
		if !errors.Is(err, ErrRange) {
			t.Errorf("%s: got %v, want ErrRange", story, err)
		}
	}
	must(t, l.Close())
	must(t, l.Close())
	_, err := l.Append(t.Context(), leaf(1))
	_, err2 := l.Checkpoint(t.Context())
	if !errors.Is(err, ErrClosed) || !errors.Is(err2, ErrClosed) {
		t.Errorf("a closed log said %v and %v", err, err2)
	}
}

func TestASecondProcessIsToldThatTheLogIsBusy(t *testing.T) {
	private, _ := newKey(t)
	dir := t.TempDir()
	open(t, dir, private)
	var problem *joconde.Problem
	if _, err := Open(t.Context(), dir, private); !errors.Is(err, ErrBusy) || !errors.As(err, &problem) || problem.Code != "JOC-A010" {
		t.Errorf("got %v, want the Problem of a busy log", err)
	}
}

func TestALogThatDoesNotGoOnIsNotOpened(t *testing.T) {
	private, _ := newKey(t)
	other, _ := newKey(t)
	dir := t.TempDir()
	fill := func() {
		l, err := Open(t.Context(), dir, private)
		must(t, err)
		for i := range 3 {
			_, err := l.Append(t.Context(), leaf(i))
			must(t, err)
		}
		must(t, l.Close())
	}
	fill()
	state, err := os.ReadFile(filepath.Join(dir, ".state", "treeState"))
	must(t, err)
	fill()
	refused := func(story, key string) {
		t.Helper()
		l, err := Open(t.Context(), dir, key)
		if err == nil {
			_ = l.Close()
		}
		if !errors.Is(err, ErrBroken) {
			t.Errorf("%s: got %v, want ErrBroken", story, err)
		}
	}
	refused("another key", other)
	refused("no key", "nonsense")
	must(t, os.WriteFile(filepath.Join(dir, ".state", "treeState"), state, 0o600))
	refused("a tree put back to an older state", private)
}

func TestAChangedLeafIsNotGivenOut(t *testing.T) {
	private, _ := newKey(t)
	l := open(t, t.TempDir(), private)
	_, err := l.Append(t.Context(), leaf(0))
	must(t, err)
	must(t, os.WriteFile(l.leafPath(audit.LogEntry(leaf(0))), leaf(1), 0o600))
	if _, err := l.Leaf(t.Context(), 0); !errors.Is(err, ErrBroken) {
		t.Errorf("got %v, want ErrBroken", err)
	}
	// Appending it again mends it.
	_, err = l.Append(t.Context(), leaf(0))
	must(t, err)
	for index := range uint64(2) {
		if data, err := l.Leaf(t.Context(), index); err != nil || string(data) != string(leaf(0)) {
			t.Errorf("leaf %d is %q, %v", index, data, err)
		}
	}
}

// acknowledged is what the child says of an append that has returned.
type acknowledged struct {
	Index      uint64
	Leaf       string
	Checkpoint string
}

// keepLogging appends until it is killed, in two lines at once, and says what
// was acknowledged.
func keepLogging() {
	l, err := Open(context.Background(), os.Getenv(childFolder), os.Getenv(childKey))
	if err != nil {
		panic(err)
	}
	var output sync.Mutex
	for line := range 2 {
		go func() {
			for i := 0; ; i++ {
				data := fmt.Appendf(nil, "process %d line %d record %d", os.Getpid(), line, i)
				index, err := l.Append(context.Background(), data)
				if err != nil {
					panic(err)
				}
				checkpoint, err := l.Checkpoint(context.Background())
				if err != nil {
					panic(err)
				}
				said, err := json.Marshal(acknowledged{index, string(data), string(checkpoint)})
				if err != nil {
					panic(err)
				}
				output.Lock()
				fmt.Println(base64.StdEncoding.EncodeToString(said))
				output.Unlock()
			}
		}()
	}
	select {}
}

func child(t *testing.T, does, dir, private string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDoes+"="+does, childFolder+"="+dir, childKey+"="+private)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestKillLosesNothingThatWasAcknowledgedAndForksNothing(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	private, verifier := newKey(t)
	dir := filepath.Join(t.TempDir(), "log")
	var all []acknowledged
	for round := range rounds {
		cmd := child(t, keepsLogging, dir, private)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		lines := bufio.NewScanner(out)
		timer := time.AfterFunc(time.Duration(40+23*round)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			said, err := base64.StdEncoding.DecodeString(lines.Text())
			if err != nil {
				break // half a line
			}
			var a acknowledged
			if json.Unmarshal(said, &a) != nil {
				break
			}
			all = append(all, a)
		}
		_ = cmd.Wait() // it was killed
		timer.Stop()
		checkAcknowledged(t, dir, private, verifier, all)
	}
	if len(all) < rounds {
		t.Fatalf("only %d appends were acknowledged in %d rounds: this tested nothing", len(all), rounds)
	}
	t.Logf("%d acknowledged appends survived %d kills", len(all), rounds)
}

// checkAcknowledged opens the log again and holds it to all that was said.
func checkAcknowledged(t *testing.T, dir, private, verifier string, all []acknowledged) {
	t.Helper()
	l, err := Open(t.Context(), dir, private)
	must(t, err)
	defer func() { must(t, l.Close()) }()
	now, err := l.Checkpoint(t.Context())
	must(t, err)
	end, err := audit.OpenCheckpoint(verifier, now)
	must(t, err)
	for i, a := range all {
		data, err := l.Leaf(t.Context(), a.Index)
		must(t, err)
		if string(data) != a.Leaf {
			t.Fatalf("entry %d was %q and is %q", a.Index, a.Leaf, data)
		}
		if i%7 != 0 && i < len(all)-10 {
			continue // proofs of the last ones and of some others
		}
		from, err := audit.OpenCheckpoint(verifier, []byte(a.Checkpoint))
		must(t, err)
		path, err := l.Consistency(t.Context(), from.Size, end.Size)
		must(t, err)
		must(t, audit.VerifyConsistency(verifier, []byte(a.Checkpoint), now, audit.HexPath(path)))
		path, err = l.Inclusion(t.Context(), a.Index, end.Size)
		must(t, err)
		must(t, audit.VerifyInclusion(verifier, now, []byte(a.Leaf), audit.NewProof(a.Index, path)))
	}
	for index := range end.Size {
		_, err := l.Leaf(t.Context(), index) // what was not acknowledged is whole or not there
		must(t, err)
	}
}

// fillTheDisk meets a limit on file size, which fails a write as a full disk
// does. The limit is lowered while the log is open.
func fillTheDisk() {
	ctx := context.Background()
	l, err := Open(ctx, os.Getenv(childFolder), os.Getenv(childKey))
	if err != nil {
		panic(err)
	}
	for i := range 5 {
		if _, err := l.Append(ctx, leaf(i)); err != nil {
			panic(err)
		}
	}
	limit := syscall.Rlimit{Cur: 100, Max: 1 << 30}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	_, small := l.Append(ctx, leaf(5))               // its leaf fits, the tree does not
	_, large := l.Append(ctx, make([]byte, 100_000)) // not even its leaf fits
	size, err := l.Size(ctx)
	fmt.Println(errors.Is(small, ErrFailed), errors.Is(large, ErrFailed), size, err)
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	index, err := l.Append(ctx, leaf(6))
	fmt.Println(index, err, l.Close())
}

func TestAFullDiskFailsTheAppendAndNothingElse(t *testing.T) {
	private, verifier := newKey(t)
	dir := filepath.Join(t.TempDir(), "log")
	out, err := child(t, fillsTheDisk, dir, private).Output()
	must(t, err)
	if want := "true true 5 <nil>\n5 <nil> <nil>\n"; string(out) != want {
		t.Fatalf("the child said\n%swant\n%s", out, want)
	}
	l := open(t, dir, private)
	data, err := l.Leaf(t.Context(), 5)
	if err != nil || string(data) != string(leaf(6)) {
		t.Errorf("entry 5 is %q, %v", data, err)
	}
	checkpoint, err := l.Checkpoint(t.Context())
	must(t, err)
	path, err := l.Inclusion(t.Context(), 5, 6)
	must(t, err)
	must(t, audit.VerifyInclusion(verifier, checkpoint, data, audit.NewProof(5, path)))
}
