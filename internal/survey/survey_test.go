package survey

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

const people = 61395

func read(t *testing.T, text []byte) (header []string, rows [][]string) {
	t.Helper()
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

func TestTheFileIsTheOneOfTheReadme(t *testing.T) {
	text, err := CSV()
	if err != nil {
		t.Fatal(err)
	}
	const want = "7675df65185b5eb47d2021c8779cd611b6283e4bc848c065e0b3b5866ece998d"
	if got := sha256.Sum256(text); hex.EncodeToString(got[:]) != want {
		t.Errorf("the unpacked file has SHA-256 %x, not %s", got, want)
	}
	if len(packed) > 700_000 {
		t.Errorf("the packed file has %d bytes", len(packed))
	}
	// Flags and time of the gzip header: packing again must give the same bytes.
	if !bytes.Equal(packed[3:8], make([]byte, 5)) {
		t.Errorf("the packed file carries a name or a time: % x", packed[:10])
	}
	header, rows := read(t, text)
	if got := strings.Join(header, ","); got != "person_id,gender,age,region,education,earnings" {
		t.Errorf("columns are %s", got)
	}
	if len(rows) != people {
		t.Errorf("%d rows", len(rows))
	}
}

func TestTheTwoOfficesHoldTheSamePeopleInDifferentOrders(t *testing.T) {
	text, err := CSV()
	if err != nil {
		t.Fatal(err)
	}
	_, whole := read(t, text)
	byID := map[string][]string{}
	for _, row := range whole {
		byID[row[0]] = row
	}
	if len(byID) != people {
		t.Fatalf("%d distinct identifiers", len(byID))
	}

	header, register := read(t, Register())
	if got := strings.Join(header, ","); got != "person_id,gender,age,education" {
		t.Errorf("the register's columns are %s", got)
	}
	header, tax := read(t, Tax())
	if got := strings.Join(header, ","); got != "person_id,region,earnings" {
		t.Errorf("the tax agency's columns are %s", got)
	}
	if len(register) != people || len(tax) != people {
		t.Fatalf("%d and %d rows", len(register), len(tax))
	}

	var joined [][]string
	inRegister := map[string][]string{}
	for _, r := range register {
		inRegister[r[0]] = r
	}
	samePlace := 0
	for i, x := range tax {
		r, found := inRegister[x[0]]
		if !found {
			t.Fatalf("row %d of the tax agency has no partner", i)
		}
		joined = append(joined, []string{r[0], r[1], r[2], x[1], r[3], x[2]})
		if register[i][0] == x[0] {
			samePlace++
		}
	}
	if samePlace > 20 {
		t.Errorf("%d people stand in the same row at both offices", samePlace)
	}
	slices.SortFunc(joined, slices.Compare[[]string])
	slices.SortFunc(whole, slices.Compare[[]string])
	if !slices.EqualFunc(joined, whole, slices.Equal[[]string]) {
		t.Error("the two halves joined are not the survey")
	}
}

func TestTheCallerOwnsWhatHeGets(t *testing.T) {
	first := Tax()
	first[0] = 'X'
	if Tax()[0] == 'X' {
		t.Error("writing into one copy changed the next")
	}
}
