package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joconde"
)

func TestACommitmentIsTheHashOfSaltAndComponent(t *testing.T) {
	salt := Salt{1, 31: 2}
	want := sha256.Sum256(append(salt[:], "component"...))
	if got := Commit(salt, []byte("component")); got != joconde.Digest(want) {
		t.Errorf("got %s, want %x", got, want)
	}
	if first, second := NewSalt(), NewSalt(); first == second || first == (Salt{}) {
		t.Error("salts are not fresh")
	}
}

func TestComponentsAreThoseThatWereCommittedTo(t *testing.T) {
	salts := map[int]Salt{0: NewSalt(), 1: NewSalt(), 2: NewSalt()}
	components := map[int][]byte{0: []byte("zero"), 1: []byte("one"), 2: []byte("two")}
	commitments := make([]joconde.Digest, 3)
	for n := range commitments {
		commitments[n] = Commit(salts[n], components[n])
	}
	held := func() (map[int]Salt, map[int][]byte) {
		return map[int]Salt{2: salts[2], 0: salts[0]}, map[int][]byte{2: components[2], 0: components[0]}
	}
	if s, c := held(); CheckCommitments(commitments, s, c) != nil {
		t.Fatal("the components of an honest owner are refused")
	}
	for name, change := range map[string]struct {
		do   func(s map[int]Salt, c map[int][]byte)
		want error
	}{
		"another component":             {func(_ map[int]Salt, c map[int][]byte) { c[2] = []byte("tWo") }, ErrCommitted},
		"another salt":                  {func(s map[int]Salt, _ map[int][]byte) { s[0] = NewSalt() }, ErrCommitted},
		"components exchanged":          {func(_ map[int]Salt, c map[int][]byte) { c[0], c[2] = c[2], c[0] }, ErrCommitted},
		"a salt too few":                {func(s map[int]Salt, _ map[int][]byte) { delete(s, 0) }, ErrSalts},
		"a salt too many":               {func(s map[int]Salt, _ map[int][]byte) { s[1] = salts[1] }, ErrSalts},
		"a salt for another":            {func(s map[int]Salt, _ map[int][]byte) { delete(s, 0); s[1] = salts[1] }, ErrSalts},
		"a component without a receipt": {func(s map[int]Salt, c map[int][]byte) { s[3], c[3] = s[0], c[0] }, ErrSalts},
		"no components":                 {func(s map[int]Salt, c map[int][]byte) { clear(s); clear(c) }, ErrSalts},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := held()
			change.do(s, c)
			if err := CheckCommitments(commitments, s, c); !errors.Is(err, change.want) {
				t.Fatalf("got %v, want %v", err, change.want)
			}
		})
	}
	if s, c := held(); !errors.Is(CheckCommitments(nil, s, c), ErrSalts) {
		t.Error("without commitments everything is accepted")
	}
}

func TestAnInputIsPackedInOneWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "part")
		salts := map[int]Salt{}
		for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, 1<<16-1), 1, 5, rapid.ID).Draw(t, "numbers") {
			salts[n] = NewSalt()
		}
		b, err := PackInput(salts, part)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) != InputLength(len(salts), len(part)) {
			t.Fatal("InputLength says another length")
		}
		gotSalts, gotPart, err := UnpackInput(b)
		if err != nil || !maps.Equal(gotSalts, salts) || !bytes.Equal(gotPart, part) {
			t.Fatalf("unpacked it differs: %v", err)
		}
		for cut := range InputLength(len(salts), 0) {
			if _, _, err := UnpackInput(b[:cut]); !errors.Is(err, ErrSalts) {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
	})
	many := map[int]Salt{}
	for n := range maxSalts + 1 {
		many[n] = Salt{}
	}
	for name, salts := range map[string]map[int]Salt{"none": nil, "a number below 0": {-1: {}}, "a number too great": {1 << 16: {}}, "too many": many} {
		if _, err := PackInput(salts, nil); !errors.Is(err, ErrSalts) {
			t.Errorf("%s: %v", name, err)
		}
	}
	twice := append([]byte{0, 2}, make([]byte, 2*saltSize)...)
	if _, _, err := UnpackInput(twice); !errors.Is(err, ErrSalts) {
		t.Errorf("one number twice: %v", err)
	}
}

func FuzzUnpackInput(f *testing.F) {
	b, err := PackInput(map[int]Salt{0: {1}, 2: {2}}, []byte("part"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		salts, part, err := UnpackInput(b)
		if err != nil {
			return
		}
		again, err := PackInput(salts, part)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("packed again it differs: %v", err)
		}
	})
}

func TestSecretsDoNotPrint(t *testing.T) {
	k := key(t)
	secret, err := k.Expose()
	if err != nil {
		t.Fatal(err)
	}
	salt := NewSalt()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		said := fmt.Sprintf(verb+verb+verb+verb, k, *k, salt, struct{ S Salt }{salt})
		for _, hidden := range [][]byte{secret, salt[:]} {
			if strings.Contains(said, hex.EncodeToString(hidden)) || strings.Contains(said, fmt.Sprint(hidden)[1:20]) {
				t.Errorf("%s shows a secret: %s", verb, said)
			}
		}
	}
	if b, err := json.Marshal(k); err == nil {
		t.Errorf("a key becomes %s", b)
	}
	if b, err := json.Marshal(struct{ K Key }{*k}); err == nil {
		t.Errorf("a key becomes %s", b)
	}
}

func TestAKeyIsReadBackAndWrongOnesAreNot(t *testing.T) {
	k := key(t)
	secret, err := k.Expose()
	if err != nil || len(secret) != KeySize {
		t.Fatal(len(secret), err)
	}
	again, err := ParseKey(secret)
	if err != nil || again.Public() != k.Public() {
		t.Fatalf("read back it is another key: %v", err)
	}
	clear(secret)
	if once, err := k.Expose(); err != nil || bytes.Equal(once, secret) {
		t.Error("wiping what was exposed harms the key")
	}
	for _, length := range []int{0, 31, 33} {
		if _, err := ParseKey(make([]byte, length)); !errors.Is(err, ErrKey) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
	public, err := ParsePublic(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal(public, info(), []byte("x"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(k, info(), sealed); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestPublicKeysThatDoNotProtectAreRefused(t *testing.T) {
	good := key(t).Public()
	head := good[:len(good)-64]
	for name, public := range map[string]string{
		"nothing":                      "",
		"upper case":                   strings.ToUpper(good),
		"not hex":                      "zz" + good[2:],
		"a byte too few":               good[2:],
		"a byte too many":              good + "00",
		"an ML-KEM half out of range":  strings.Repeat("ff", 1184) + good[len(head):],
		"the point 0":                  head + strings.Repeat("00", 32),
		"the point 1":                  head + "01" + strings.Repeat("00", 31),
		"a point of order 8":           head + "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"another of order 8":           head + "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"p-1":                          head + "ec" + strings.Repeat("ff", 30) + "7f",
		"p, which is 0 again":          head + "ed" + strings.Repeat("ff", 30) + "7f",
		"p+9, which is the base again": head + "f6" + strings.Repeat("ff", 30) + "7f",
		"the base with a spare bit":    head + "09" + strings.Repeat("00", 30) + "80",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ParsePublic(public); !errors.Is(err, ErrKey) {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func FuzzParsePublic(f *testing.F) {
	f.Add(key(f).Public())
	f.Add(strings.Repeat("00", 1216))
	f.Fuzz(func(t *testing.T, text string) {
		public, err := ParsePublic(text)
		if err != nil {
			return
		}
		if hex.EncodeToString(public.key.Bytes()) != text {
			t.Fatal("written again it differs")
		}
		if _, err := Seal(public, info(), nil, 0); err != nil {
			t.Fatalf("a key was accepted to which nothing can be sealed: %v", err)
		}
	})
}
