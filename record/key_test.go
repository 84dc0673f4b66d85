package record_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/edwards25519"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

// code is the code of an error's Problem, "" for none.
func code(err error) string {
	var p *joconde.Problem
	if errors.As(err, &p) {
		return p.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// The eight points of low order, in their canonical encodings.
var lowOrder = []struct{ name, hex string }{
	{"the identity", "0100000000000000000000000000000000000000000000000000000000000000"},
	{"order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"order 4", "0000000000000000000000000000000000000000000000000000000000000000"},
	{"order 4, the other sign", "0000000000000000000000000000000000000000000000000000000000000080"},
	{"order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
	{"order 8, the other sign", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"},
	{"another of order 8", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
	{"another of order 8, the other sign", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"},
}

func TestPointsOfLowOrderAreNoKeys(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range lowOrder {
		t.Run(c.name, func(t *testing.T) {
			raw, _ := hex.DecodeString(c.hex)
			p, err := new(edwards25519.Point).SetBytes(raw)
			if err != nil || new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) != 1 {
				t.Fatal("the test is wrong: this is no point of low order")
			}
			if _, err := record.ParsePublic(c.hex); code(err) != "JOC-E105" {
				t.Errorf("got %v", err)
			}
			seen[c.hex] = true
		})
	}
	if len(seen) != 8 {
		t.Errorf("%d different points instead of 8", len(seen))
	}
}

// A number y from the field's prime up has a second encoding below it, and the
// two points without x have a second one with the sign bit.
func TestSecondEncodingsOfPointsAreNoKeys(t *testing.T) {
	prime := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	write := func(y *big.Int, sign byte) string {
		raw := make([]byte, 32)
		y.FillBytes(raw)
		for i := range 16 {
			raw[i], raw[31-i] = raw[31-i], raw[i]
		}
		raw[31] |= sign << 7
		return hex.EncodeToString(raw)
	}
	points := 0
	for y := range int64(19) {
		for sign := range byte(2) {
			text := write(new(big.Int).Add(prime, big.NewInt(y)), sign)
			raw, _ := hex.DecodeString(text)
			want := "JOC-E103" // of y there is no point
			if _, err := new(edwards25519.Point).SetBytes(raw); err == nil {
				want = "JOC-E104"
				points++
			}
			if _, err := record.ParsePublic(text); code(err) != want {
				t.Errorf("p + %d, sign %d: got %v, want %s", y, sign, err, want)
			}
		}
	}
	if points < 10 {
		t.Errorf("only %d of them are points: the test is wrong", points)
	}
	for name, text := range map[string]string{
		"the identity with the sign bit": write(big.NewInt(1), 1),
		"order 2 with the sign bit":      write(new(big.Int).Sub(prime, big.NewInt(1)), 1),
	} {
		if _, err := record.ParsePublic(text); code(err) != "JOC-E104" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPublicKeysOfOtherFormsAreRefused(t *testing.T) {
	good := cast.Key(cast.EE, cast.Approval).Public()
	raw, _ := hex.DecodeString(good)
	point, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		t.Fatal(err)
	}
	low, _ := hex.DecodeString(lowOrder[4].hex)
	torsion, err := new(edwards25519.Point).SetBytes(low)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"a key", good, ""},
		{"a key with a component of low order", hex.EncodeToString(new(edwards25519.Point).Add(point, torsion).Bytes()), "JOC-E106"},
		{"no point at all", "02" + strings.Repeat("00", 31), "JOC-E103"},
		{"capitals", strings.ToUpper(good), "JOC-E102"},
		{"a byte short", good[2:], "JOC-E102"},
		{"a byte long", good + "00", "JOC-E102"},
		{"half a byte short", good[1:], "JOC-E102"},
		{"nothing", "", "JOC-E102"},
		{"no hex", strings.Repeat("zz", 32), "JOC-E102"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := record.ParsePublic(c.text); code(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestEveryKeyThatIsDrawnIsAcceptable(t *testing.T) {
	for range 50 {
		k, err := record.NewKey()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := record.ParsePublic(k.Public()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAKeyShowsItselfNowhere(t *testing.T) {
	seed := bytes.Repeat([]byte{0xA7}, 32)
	k, err := record.KeyFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	type holder struct {
		Open  *record.Key
		Value record.Key
		hid   *record.Key
		in    record.Key
	}
	h := holder{k, *k, k, *k}
	var said bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&said, nil))
	text := slog.New(slog.NewTextHandler(&said, nil))
	for _, v := range []any{k, *k, h, &h, []record.Key{*k}, map[string]*record.Key{"k": k}, []any{h}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%p", "%t"} {
			fmt.Fprintf(&said, verb+"\n", v)
		}
		log.Info("key", "k", v)
		text.Info("key", "k", v)
		if out, err := json.Marshal(v); err == nil {
			said.Write(out)
		}
		if err := gob.NewEncoder(&said).Encode(v); err == nil {
			t.Errorf("gob writes a %T", v)
		}
	}
	if _, err := json.Marshal(k); err == nil {
		t.Error("a key marshals")
	}
	if _, err := record.Canonical(k); err == nil {
		t.Error("a key has canonical bytes")
	}
	for _, secret := range [][]byte{seed[:4], private[:4]} {
		decimal := strings.Trim(fmt.Sprint(secret), "[]")
		for _, form := range []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret)), decimal,
			strings.ReplaceAll(decimal, " ", ","), "0xa7, 0xa7", "247 247", "10100111 10100111"} {
			if strings.Contains(said.String(), form) {
				t.Errorf("the key shows as %q", form)
			}
		}
	}
	if !strings.Contains(fmt.Sprint(k), k.Public()) {
		t.Errorf("a key prints as %v, without its public half", k)
	}
}

func TestAWipedKeySignsNothing(t *testing.T) {
	k, err := record.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	k.Wipe()
	for name, k := range map[string]*record.Key{"wiped": k, "zero": {}, "absent": nil} {
		if _, err := record.Sign(joconde.KindOrganisation, cast.Entry(cast.EE), k); code(err) != "JOC-E133" {
			t.Errorf("%s: got %v", name, err)
		}
		if k.Public() != "" {
			t.Errorf("%s: it has a public half", name)
		}
		if err := record.SaveKey(filepath.Join(t.TempDir(), "k"), k); err == nil {
			t.Errorf("%s: it is saved", name)
		}
	}
}

func TestAKeyComesBackFromItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "approval.key")
	k, err := record.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := record.SaveKey(path, k); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	again, err := record.LoadKey(path)
	if err != nil || again.Public() != k.Public() {
		t.Fatalf("got %v, %v", again, err)
	}
	other, err := record.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := record.SaveKey(path, other); code(err) != "JOC-E110" {
		t.Errorf("it was overwritten: %v", err)
	}
	if again, err = record.LoadKey(path); err != nil || again.Public() != k.Public() {
		t.Errorf("after that it holds %v, %v", again, err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("something was left beside it: %v, %v", entries, err)
	}
	if err := record.SaveKey(filepath.Join(t.TempDir(), "absent", "k"), k); code(err) != "JOC-E111" {
		t.Errorf("no folder: %v", err)
	}
}

func TestKeyFilesThatAreNotOneIsOwn(t *testing.T) {
	k := cast.Key(cast.EE, cast.Approval)
	dir := t.TempDir()
	path := filepath.Join(dir, "k")
	if err := record.SaveKey(path, k); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.Split(strings.SplitN(string(whole), `"private":"`, 2)[1], `"`)[0]
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := record.LoadKey(path); code(err) != "JOC-E114" {
			t.Errorf("mode %o: got %v", mode, err)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "JOC-E116"},
		{"half of it", string(whole[:len(whole)/2]), "JOC-E116"},
		{"more than it", string(whole) + "\n", "JOC-E116"},
		{"without end", string(whole) + strings.Repeat(" ", 1<<16), "JOC-E116"},
		{"another format", strings.Replace(string(whole), `"format":1`, `"format":2`, 1), "JOC-E116"},
		{"a number for the seed", strings.Replace(string(whole), `"`+secret+`"`, "12345678901234567", 1), "JOC-E116"},
		{"no hex", strings.Replace(string(whole), secret, "zz"+secret[2:], 1), "JOC-E116"},
		{"a short seed", strings.Replace(string(whole), secret, secret[2:], 1), "JOC-E117"},
		{"another seed", strings.Replace(string(whole), secret, strings.Repeat("ab", 32), 1), "JOC-E117"},
		{"capitals", strings.Replace(string(whole), secret, strings.ToUpper(secret), 1), "JOC-E117"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "k")
			if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := record.LoadKey(file)
			if code(err) != c.want {
				t.Errorf("got %v", err)
			}
			if said := fmt.Sprintf("%+v", err); strings.Contains(said, secret[4:12]) || strings.Contains(said, "123456789") {
				t.Errorf("the error shows what the file holds: %s", said)
			}
		})
	}
	if _, err := record.LoadKey(dir); code(err) != "JOC-E113" {
		t.Errorf("a folder: got %v", err)
	}
	if _, err := record.LoadKey(filepath.Join(dir, "absent")); code(err) != "JOC-E112" {
		t.Errorf("no file: got %v", err)
	}
}

func TestFingerprintsAreReadAloudAndTypedAgain(t *testing.T) {
	d := joconde.Digest{0x00, 0x44, 0x32, 0x14, 0xc7, 0x42, 0x54, 0xb6, 0x35, 0xcf, 0x84, 0x65, 0x3a, 0x56, 0xd7, 0xc6, 31: 0xff}
	whole := record.Fingerprint(d)
	if len(whole) != 64 || strings.Count(whole, "-") != 12 || !strings.HasPrefix(whole, "0123-4567-89AB-CDEF-GHJK-MNPQ-R") {
		t.Fatalf("got %s", whole)
	}
	for _, c := range []struct {
		typed string
		want  bool
	}{
		{whole, true},
		{strings.ToLower(whole), true},
		{strings.ReplaceAll(whole, "-", ""), true},
		{"0123-4567", true},
		{"o1234567", true},
		{"OI23-4567", true},
		{"0l23-4567", true},
		{"0123-456", false},
		{"0-1-2-3-4-5-6", false},
		{"0123-4568", false},
		{"1123-4567", false},
		{"0123-4567-89AB-CDEU", false},
		{whole + "0", false},
		{"", false},
		{"        ", false},
		{strings.Repeat("-", 1<<20) + "01234567", false},
	} {
		if got := record.Match(c.typed, d); got != c.want {
			t.Errorf("%.80q: %v", c.typed, got)
		}
	}
}
