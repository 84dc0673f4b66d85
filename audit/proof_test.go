package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"joconde/audit"
	"joconde/audit/tlog"
)

// grown is a log of n leaves with a checkpoint after each.
func grown(t testing.TB, n int) (*tlog.Log, [][]byte) {
	t.Helper()
	l, err := tlog.Open(t.Context(), t.TempDir(), logPrivate)
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	checkpoints := make([][]byte, n+1)
	for i := range checkpoints {
		if i > 0 {
			_, err := l.Append(t.Context(), leaf(i-1))
			must(t, err)
		}
		checkpoints[i], err = l.Checkpoint(t.Context())
		must(t, err)
	}
	return l, checkpoints
}

func leaf(i int) []byte { return fmt.Appendf(nil, "leaf %d", i) }

func inclusion(t testing.TB, l *tlog.Log, index, size uint64) audit.Proof {
	t.Helper()
	path, err := l.Inclusion(t.Context(), index, size)
	must(t, err)
	return audit.NewProof(index, path)
}

func TestOnlyTheRightProofOfTheRightLeafVerifies(t *testing.T) {
	l, checkpoints := grown(t, 7)
	verifier, newest := logVerifier(t), checkpoints[7]
	good := inclusion(t, l, 4, 7)
	must(t, audit.VerifyInclusion(verifier, newest, leaf(4), good))
	with := func(path ...string) audit.Proof { return audit.Proof{Index: 4, Path: path} }
	for story, p := range map[string]audit.Proof{
		"another index":                 {Index: 5, Path: good.Path},
		"an index beyond the log":       {Index: 7, Path: good.Path},
		"the largest index":             {Index: 1<<64 - 1, Path: good.Path},
		"a path that is too short":      with(good.Path[1:]...),
		"a path that is too long":       with(append(good.Path[:3:3], good.Path[0])...),
		"no path":                       with(),
		"another order":                 with(good.Path[1], good.Path[0], good.Path[2]),
		"a hash in upper case":          with(strings.ToUpper(good.Path[0]), good.Path[1], good.Path[2]),
		"a hash that is too short":      with(good.Path[0][2:], good.Path[1], good.Path[2]),
		"a hash that is not hex":        with("x"+good.Path[0][1:], good.Path[1], good.Path[2]),
		"a path without end":            with(make([]string, 1000)...),
		"a proof under another size":    inclusion(t, l, 4, 6),
		"the proof of another leaf":     inclusion(t, l, 3, 7),
		"a proof with nothing in it":    {},
		"an empty path to a large leaf": {Index: 0, Path: []string{}},
	} {
		if err := audit.VerifyInclusion(verifier, newest, leaf(4), p); !errors.Is(err, audit.ErrNotIncluded) {
			t.Errorf("%s: got %v, want ErrNotIncluded", story, err)
		}
	}
	for story, other := range map[string][]byte{"another leaf": leaf(5), "no leaf": nil, "the entry instead of the leaf": entry(leaf(4))} {
		if err := audit.VerifyInclusion(verifier, newest, other, good); !errors.Is(err, audit.ErrNotIncluded) {
			t.Errorf("%s: got %v, want ErrNotIncluded", story, err)
		}
	}
	if err := audit.VerifyInclusion(verifier, checkpoints[6], leaf(4), good); !errors.Is(err, audit.ErrNotIncluded) {
		t.Errorf("an older checkpoint: got %v", err)
	}
}

func entry(leaf []byte) []byte { d := audit.LogEntry(leaf); return d[:] }

func TestACheckpointHasOneSpelling(t *testing.T) {
	_, checkpoints := grown(t, 2)
	verifier, good := logVerifier(t), checkpoints[2]
	c, err := audit.OpenCheckpoint(verifier, good)
	if err != nil || c.Size != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	_, other, err := audit.NewLogKey()
	must(t, err)
	// The same key under another name, and another key under the same name.
	parts := strings.SplitN(verifier, "+", 3)
	text := string(good)
	signature := text[strings.LastIndex(text, "— "):]
	for story, bad := range map[string]string{
		"nothing":                       "",
		"the text alone":                text[:strings.Index(text, "\n\n")+1],
		"another size":                  strings.Replace(text, "\n2\n", "\n3\n", 1),
		"the signature twice":           text + signature,
		"somebody else's signature too": text + "— other " + strings.Repeat("A", 96) + "\n",
		"a line end too many":           text + "\n",
		"a carriage return":             strings.ReplaceAll(text, "\n", "\r\n"),
		"very much text":                text + strings.Repeat("x", 1<<20),
	} {
		if _, err := audit.OpenCheckpoint(verifier, []byte(bad)); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("%s: got %v, want ErrCheckpoint", story, err)
		}
	}
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			if _, err := audit.OpenCheckpoint(verifier, bad); !errors.Is(err, audit.ErrCheckpoint) {
				t.Errorf("byte %d, bit %d: got %v, want ErrCheckpoint", i, bit, err)
			}
		}
	}
	for _, key := range []string{other, "", "x", "other+" + parts[1] + "+" + parts[2], logPrivate} {
		if _, err := audit.OpenCheckpoint(key, good); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("under the key %.20s: got %v, want ErrCheckpoint", key, err)
		}
		if key != other && audit.CheckLogKey(key) == nil {
			t.Errorf("%.20s passes as a log's key", key)
		}
	}
	must(t, audit.CheckLogKey(verifier))
}

func TestALogThatForgetsOrChangesIsFound(t *testing.T) {
	l, checkpoints := grown(t, 7)
	verifier := logVerifier(t)
	proof := func(from, to uint64) []string {
		path, err := l.Consistency(t.Context(), from, to)
		must(t, err)
		return audit.HexPath(path)
	}
	for from := range checkpoints {
		for to := from; to < len(checkpoints); to++ {
			must(t, audit.VerifyConsistency(verifier, checkpoints[from], checkpoints[to], proof(uint64(from), uint64(to))))
		}
	}
	// The same key signs another history.
	fork, err := tlog.Open(t.Context(), t.TempDir(), logPrivate)
	must(t, err)
	t.Cleanup(func() { must(t, fork.Close()) })
	for i := range 7 {
		_, err := fork.Append(t.Context(), leaf(i*i))
		must(t, err)
	}
	forked, err := fork.Checkpoint(t.Context())
	must(t, err)
	for story, test := range map[string]struct {
		older, newer []byte
		path         []string
	}{
		"a fork":               {checkpoints[3], forked, proof(3, 7)},
		"a fork of equal size": {checkpoints[7], forked, nil},
		"backwards":            {checkpoints[7], checkpoints[3], proof(3, 7)},
		"another proof":        {checkpoints[3], checkpoints[7], proof(4, 7)},
		"no proof":             {checkpoints[3], checkpoints[7], nil},
		"a proof from nothing": {checkpoints[0], checkpoints[7], proof(3, 7)},
		"a hash in upper case": {checkpoints[3], checkpoints[7], append([]string{strings.ToUpper(proof(3, 7)[0])}, proof(3, 7)[1:]...)},
	} {
		if err := audit.VerifyConsistency(verifier, test.older, test.newer, test.path); !errors.Is(err, audit.ErrInconsistent) {
			t.Errorf("%s: got %v, want ErrInconsistent", story, err)
		}
	}
	for _, pair := range [][2][]byte{{nil, checkpoints[1]}, {checkpoints[1], nil}} {
		if err := audit.VerifyConsistency(verifier, pair[0], pair[1], nil); !errors.Is(err, audit.ErrCheckpoint) {
			t.Errorf("no checkpoint: got %v", err)
		}
	}
}

func FuzzVerifyInclusion(f *testing.F) {
	l, checkpoints := grown(f, 7)
	verifier, newest := logVerifier(f), checkpoints[7]
	p := inclusion(f, l, 4, 7)
	f.Add(newest, leaf(4), uint64(4), strings.Join(p.Path, ","))
	f.Add([]byte("joconde-log-test\n1\n\n\n— x AAAA\n"), []byte{}, uint64(1<<63), "")
	f.Fuzz(func(t *testing.T, checkpoint, data []byte, index uint64, path string) {
		err := audit.VerifyInclusion(verifier, checkpoint, data, audit.Proof{Index: index, Path: strings.Split(path, ",")})
		if err == nil && (index > 6 || !bytes.Equal(data, leaf(int(index)))) {
			t.Fatalf("a leaf that was never logged verifies at %d", index)
		}
	})
}
