package record

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"filippo.io/edwards25519"

	"joconde"
)

// Key is a private Ed25519 key. It does not print, log or marshal: only its
// public half can be seen. The zero value signs nothing.
type Key struct {
	// Two pointers, because package fmt follows one of them when it prints a
	// struct that has a Key in an unexported field. Copies share the second;
	// it is nil once the key is wiped.
	private **ed25519.PrivateKey
}

func newKey(private ed25519.PrivateKey) *Key {
	inner := &private
	return &Key{&inner}
}

// empty says that there is nothing to sign with.
func (k *Key) empty() bool { return k == nil || k.private == nil || *k.private == nil }

var errKeyStays = errors.New("a private key does not marshal: SaveKey writes it")

// NewKey draws a key from the system's randomness.
func NewKey() (*Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("draw a key: %w", err)
	}
	return newKey(private), nil
}

// KeyFromSeed is the key of a seed of 32 bytes, which it copies. Whoever knows
// the seed has the key.
func KeyFromSeed(seed []byte) (*Key, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, refused("JOC-E101", "", "the seed of a key is not 32 bytes", "Ed25519 keys have seeds of 32 bytes", "use a seed of 32 random bytes", nil)
	}
	return newKey(ed25519.NewKeyFromSeed(seed)), nil
}

// Public is the public half in hex, by which records name the key.
func (k *Key) Public() string {
	if k.empty() {
		return ""
	}
	return hex.EncodeToString((*k.private).Public().(ed25519.PublicKey))
}

// Wipe overwrites the private half; the key and its copies then sign nothing.
func (k *Key) Wipe() {
	if !k.empty() {
		clear(**k.private)
		*k.private = nil
	}
}

// sign signs bytes. Only envelopes are ever signed, so that no signature can be
// taken for another.
func (k *Key) sign(message []byte) []byte { return ed25519.Sign(**k.private, message) }

// Format prints the public half only, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// String is the public half, with a word that says so.
func (k Key) String() string { return "key " + (&k).Public() }

// LogValue logs the public half only.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText refuses.
func (k Key) MarshalText() ([]byte, error) { return nil, errKeyStays }

// MarshalJSON refuses.
func (k Key) MarshalJSON() ([]byte, error) { return nil, errKeyStays }

// MarshalBinary refuses.
func (k Key) MarshalBinary() ([]byte, error) { return nil, errKeyStays }

// ParsePublic reads a public key in lower-case hex. It refuses what is no point
// of the curve, a second encoding of one, and points outside the subgroup of
// prime order: with a point of low order as key, one signature can hold for
// many messages, so that its owner could deny all that it ever signed.
func ParsePublic(text string) (ed25519.PublicKey, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != ed25519.PublicKeySize || strings.ToLower(text) != text {
		return nil, keyRefused("JOC-E102", "a public key is not 32 bytes in lower-case hex")
	}
	point, err := new(edwards25519.Point).SetBytes(raw)
	if err != nil {
		return nil, keyRefused("JOC-E103", "a public key is no point of the curve")
	}
	if hex.EncodeToString(point.Bytes()) != text {
		return nil, keyRefused("JOC-E104", "a public key is written in a second, non-canonical way")
	}
	identity := edwards25519.NewIdentityPoint()
	if new(edwards25519.Point).MultByCofactor(point).Equal(identity) == 1 {
		return nil, keyRefused("JOC-E105", "a public key is a point of low order")
	}
	// The order of the subgroup is odd: times it, less one, plus one.
	minusOne := edwards25519.NewScalar().Negate(one)
	multiple := new(edwards25519.Point).VarTimeMultiScalarMult([]*edwards25519.Scalar{minusOne}, []*edwards25519.Point{point})
	if multiple.Add(multiple, point).Equal(identity) != 1 {
		return nil, keyRefused("JOC-E106", "a public key is outside the subgroup of prime order")
	}
	return ed25519.PublicKey(raw), nil
}

// one is the scalar 1. It is never written to.
var one = func() *edwards25519.Scalar {
	bytes := [32]byte{1}
	s, err := edwards25519.NewScalar().SetCanonicalBytes(bytes[:])
	if err != nil {
		panic(err) // 1 is below every order
	}
	return s
}()

func keyRefused(code, what string) *joconde.Problem {
	return refused(code, "", what, "no honest program makes such a key, and what it signs could be denied",
		"make a new key with joconde", nil)
}
