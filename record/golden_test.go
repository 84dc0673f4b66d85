package record_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

var update = flag.Bool("update", false, "write testdata/vectors anew: the format has changed, so say why in the commit")

// vectors are one record of each kind, by the public test keys of the cast.
func vectors() map[joconde.RecordKind][]byte {
	p, _ := story()
	out := map[joconde.RecordKind][]byte{joconde.KindOrganisation: cast.Organisation(cast.EE)}
	for _, r := range p.Records() {
		if out[r.Kind] == nil {
			out[r.Kind] = r.Envelope
		}
	}
	out[joconde.KindRefusal] = cast.NewPlay().Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.PT}).Sign()
	return out
}

// A stranger who writes a verifier can try it on these. A change to them is a
// change of the format: no record of before would be what it was.
func TestRecordsOfEveryKindAreTheSameBytesForEver(t *testing.T) {
	dir := filepath.Join("testdata", "vectors")
	all := vectors()
	var index strings.Builder
	for _, kind := range slices.Sorted(slices.Values(record.Kinds())) {
		raw := all[kind]
		if raw == nil {
			t.Fatalf("there is no vector of %s", kind)
		}
		u, err := record.Peek(raw)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&index, "%s %s %s\n", kind, u.ID, record.Fingerprint(u.ID))
		file := filepath.Join(dir, string(kind)+".json")
		if *update {
			if err := os.WriteFile(file, raw, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(raw, want) {
			t.Errorf("%s is not what it was (%v)", kind, err)
		}
	}
	file := filepath.Join(dir, "ids.txt")
	if *update {
		if err := os.WriteFile(file, []byte(index.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || index.String() != string(want) {
		t.Errorf("the ids are not what they were (%v)", err)
	}
}
