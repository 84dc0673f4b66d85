package seal

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Key opens what is sealed to its public half. A node makes one for one
// attempt, in the worker, and it dies with the worker; an output party keeps
// its own. It does not print.
type Key struct{ private hpke.PrivateKey }

// NewKey makes a key from the system's generator.
func NewKey() (*Key, error) {
	private, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make a sealing key: %w", err)
	}
	return &Key{private}, nil
}

// KeySize is the length of an exposed Key.
const KeySize = 32

// ParseKey reads what Expose gave.
func ParseKey(secret []byte) (*Key, error) {
	private, err := hpke.MLKEM768X25519().NewPrivateKey(secret)
	if err != nil {
		return nil, problem("JOC-K004", "the secret half cannot be read", ErrKey)
	}
	return &Key{private}, nil
}

// Expose gives the secret, for a file of its owner. The caller wipes it.
func (k *Key) Expose() ([]byte, error) {
	secret, err := k.private.Bytes()
	if err != nil {
		return nil, fmt.Errorf("expose a sealing key: %w", err)
	}
	return bytes.Clone(secret), nil
}

// Public is the public half as records have it: lower-case hex.
func (k *Key) Public() string { return hex.EncodeToString(k.private.PublicKey().Bytes()) }

// PublicKey is the public half, to be used for sealing.
func (k *Key) PublicKey() PublicKey { return PublicKey{k.private.PublicKey()} }

// Format prints that there is a key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(a sealing key)") }

// MarshalText refuses: a key goes into no record, log or message.
func (Key) MarshalText() ([]byte, error) {
	return nil, problem("JOC-K005", "the secret half is not written anywhere", ErrKey)
}

// PublicKey is a checked public key: ParsePublic and Key.PublicKey make it,
// and nothing can be sealed to its zero value.
type PublicKey struct{ key hpke.PublicKey }

// ParsePublic reads a public key as records have it. Keys that are not written
// in their one form, and points to which every secret leads alike, are refused.
func ParsePublic(text string) (PublicKey, error) {
	no := problem("JOC-K006", "the public key is refused", ErrKey)
	b, err := hex.DecodeString(text)
	if err != nil || strings.ToLower(text) != text {
		return PublicKey{}, no
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(b) // checks the lengths and the ML-KEM half
	if err != nil {
		return PublicKey{}, no
	}
	point := b[len(b)-32:]
	if !reduced(point) {
		return PublicKey{}, no
	}
	// A point of low order gives the same secret with every scalar that X25519
	// admits, namely zero, and the standard library refuses that.
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return PublicKey{}, fmt.Errorf("check a public key: %w", err)
	}
	theirs, err := ecdh.X25519().NewPublicKey(point)
	if err != nil {
		return PublicKey{}, no
	}
	if _, err := own.ECDH(theirs); err != nil {
		return PublicKey{}, no
	}
	return PublicKey{key}, nil
}

// reduced says whether a little-endian coordinate is below 2^255-19.
func reduced(u []byte) bool {
	if u[31] != 0x7f {
		return u[31] < 0x7f
	}
	for _, c := range u[1:31] {
		if c != 0xff {
			return true
		}
	}
	return u[0] < 0xed
}
