package audit

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NewLogKey makes the key of a new log, in the note format. The verifier goes
// into every task; the private key stays with the log. It proves that records
// are in the log and counts in no row of the life of a task. The name in it is
// random, so that two logs are never taken for each other.
func NewLogKey() (private, verifier string, err error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", "", fmt.Errorf("draw a log's name: %w", err)
	}
	private, verifier, err = note.GenerateKey(rand.Reader, "joconde-log-"+hex.EncodeToString(random[:]))
	if err != nil {
		return "", "", fmt.Errorf("make a log key: %w", err)
	}
	return private, verifier, nil
}

// VerifierOf gives the verifier key that belongs to a log's private key.
func VerifierOf(private string) (string, error) {
	unusable := errors.New("a log's private key is a signer key of the note format")
	signer, err := note.NewSigner(private)
	if err != nil {
		return "", unusable
	}
	// PRIVATE+KEY+<name>+<hash>+<base64 of algorithm and seed>; only the last
	// part may have a "+" in it.
	parts := strings.SplitN(private, "+", 5)
	secret, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if err != nil || len(secret) != 1+ed25519.SeedSize {
		return "", unusable
	}
	public := ed25519.NewKeyFromSeed(secret[1:]).Public().(ed25519.PublicKey)
	verifier, err := note.NewEd25519VerifierKey(signer.Name(), public)
	if err != nil {
		return "", unusable
	}
	return verifier, nil
}

// CheckLogKey says whether a verifier key can be one of a log.
func CheckLogKey(verifier string) error {
	if _, err := note.NewVerifier(verifier); err != nil {
		return errors.New("a log's key is a verifier key of the note format: name, hash and key, separated by +")
	}
	return nil
}
