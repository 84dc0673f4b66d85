// Package prg makes the randomness that several computing parties draw alike
// without sending anything: AES-256-CTR streams, one key for each subset of
// parties and step. It may be trusted to give every stream a key of its own,
// whose counter starts at 0, and to let nobody derive a key twice; whether the
// holders of a secret are in step they check with Usage. Start with Source.
//
// The keys are of 256 bits, twice what one session needs: what is masked with
// them must stay hidden from whoever kept the traffic for decades, and many
// streams that all start at counter 0 must not help anybody who tries to find
// some one of their keys.
package prg

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

// protocol is the first word of every derivation; it changes with the format.
const protocol = "joconde/prg/v1"

// Info encodes parts unambiguously: each is preceded by its length. It is the
// info of every HKDF and the text of every tag of an engine.
func Info(parts ...[]byte) []byte {
	size := 0
	for _, part := range parts {
		size += 8 + len(part)
	}
	info := make([]byte, 0, size)
	for _, part := range parts {
		info = binary.BigEndian.AppendUint64(info, uint64(len(part)))
		info = append(info, part...)
	}
	return info
}

// Audit is told of every use of a key: that bytes from … to-1 of the stream
// under key were drawn. key is a fingerprint, from which the key cannot be
// found. It is for tests.
type Audit func(key [32]byte, from, to uint64)

// Source holds the secret that a subset of the parties share, and gives its
// streams. It is used by one goroutine. It must not be copied.
type Source struct {
	prk   []byte // HKDF-Extract of the secret; nil after Wipe
	scope [][]byte
	last  uint64
	drawn uint64    // bytes, of all streams
	steps hash.Hash // of every stream's name, and of drawn at that time
	audit Audit
}

// New makes the Source of subset, ascending indices of parties, from a secret
// that they share. label names task and attempt. audit may be nil.
func New(secret, label []byte, engine string, subset []int, audit Audit) (*Source, error) {
	prk, err := hkdf.Extract(sha256.New, secret, []byte(protocol))
	if err != nil {
		return nil, fmt.Errorf("derive a key: %w", err)
	}
	members := make([]byte, len(subset))
	for i, p := range subset {
		members[i] = byte(p)
	}
	return &Source{
		prk:   prk,
		scope: [][]byte{[]byte(protocol), label, []byte(engine), members},
		steps: sha256.New(),
		audit: audit,
	}, nil
}

// String keeps the secret out of whatever prints a Source.
func (s *Source) String() string { return "prg.Source" }

// GoString is for %#v.
func (s *Source) GoString() string { return s.String() }

// Stream gives the stream of a step. Steps strictly increase over the life of
// a Source, so that no key comes twice: a step at or below the last is a bug of
// the engine, and Stream panics. path says what the stream is for and direction
// who masks for whom; both are for separation only.
func (s *Source) Stream(step uint64, path, direction string) *Stream {
	if step <= s.last {
		panic(fmt.Sprintf("prg: step %d after step %d", step, s.last))
	}
	if s.prk == nil {
		panic("prg: a stream of a wiped source")
	}
	s.last = step
	name := Info([]byte(path), binary.BigEndian.AppendUint64(nil, step), []byte(direction))
	s.steps.Write(name)
	s.steps.Write(binary.BigEndian.AppendUint64(nil, s.drawn))
	block, err := aes.NewCipher(s.expand(name, aes256))
	if err != nil {
		panic("prg: " + err.Error()) // the length of the key is ours
	}
	stream := &Stream{source: s, ctr: cipher.NewCTR(block, make([]byte, aes.BlockSize))}
	if s.audit != nil {
		copy(stream.key[:], s.expand(append([]byte("fingerprint"), name...), 32))
	}
	return stream
}

const aes256 = 32

func (s *Source) expand(name []byte, length int) []byte {
	key, err := hkdf.Expand(sha256.New, s.prk, string(append(Info(s.scope...), name...)), length)
	if err != nil {
		panic("prg: " + err.Error()) // the length is ours
	}
	return key
}

// Usage is a digest of which streams were made, in which order, and how much
// was drawn. Holders of the same secret that are in step have the same. It
// says nothing of what was drawn.
func (s *Source) Usage() [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(s.steps.Sum(nil), s.drawn))
}

// Tag is a keyed hash under a key of its own for each purpose: equal for
// whoever holds the secret, and nothing to anybody else.
func (s *Source) Tag(purpose string, text []byte) []byte {
	if s.prk == nil {
		panic("prg: a tag of a wiped source")
	}
	return s.expand(Info([]byte("tag"), []byte(purpose), text), sha256.Size)
}

// Key derives a key for the holders of the secret, for a keyed hash of their own.
func (s *Source) Key(purpose string) []byte {
	if s.prk == nil {
		panic("prg: a key of a wiped source")
	}
	return s.expand(Info([]byte("key"), []byte(purpose)), sha256.Size)
}

// Wipe forgets the secret. The expanded keys of streams that were made are in
// the memory of the standard library, which offers no way to clear them.
func (s *Source) Wipe() {
	clear(s.prk)
	s.prk = nil
}
