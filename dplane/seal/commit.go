package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"joconde"
)

// Salt hides what a commitment is to: without it a commitment could be tried
// against guesses. It stays with the owner and the holders of the component,
// and does not print.
type Salt [32]byte

// NewSalt draws a salt from the system's generator.
func NewSalt() Salt {
	var s Salt
	_, _ = rand.Read(s[:]) // never fails: it ends the process first
	return s
}

// Format prints that there is a salt, whatever the verb.
func (Salt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(a salt)") }

// Commit binds an owner to a share component, and says nothing about it: it is
// the SHA-256 of the salt and the component.
func Commit(salt [32]byte, component []byte) joconde.Digest {
	h := sha256.New()
	h.Write(salt[:])
	h.Write(component)
	return joconde.Digest(h.Sum(nil))
}

// CheckCommitments says whether the components that a node holds are those
// that the owner committed to, in the receipt that everybody has. There must
// be a salt for each component, and no other.
func CheckCommitments(commitments []joconde.Digest, salts map[int]Salt, components map[int][]byte) error {
	if len(components) == 0 || len(salts) != len(components) {
		return problem("JOC-K020", "the input cannot be checked", ErrSalts)
	}
	for _, number := range slices.Sorted(maps.Keys(components)) {
		salt, found := salts[number]
		if !found || number < 0 || number >= len(commitments) {
			return problem("JOC-K020", "the input cannot be checked", ErrSalts)
		}
		if Commit(salt, components[number]) != commitments[number] {
			p := problem("JOC-K021", fmt.Sprintf("component %d of the input", number), ErrCommitted)
			p.Why = "the owner sent a node something else than its receipt says, or two nodes different things"
			p.Do = "abort the attempt; the owner provides the input again in the next"
			return p
		}
	}
	return nil
}

// An input's plaintext for one node: the number of salts in 2 bytes, each
// component's number in 2 bytes and its salt, in ascending order of number,
// then the part. Integers are big-endian.
const (
	countSize = 2
	saltSize  = 2 + 32
	maxSalts  = 256
)

// InputLength is the length of an input's plaintext: what Seal is to pad to,
// since the part's own length follows from the plan.
func InputLength(salts, part int) int { return countSize + saltSize*salts + part }

// PackInput writes the plaintext for one node: the salts of the components
// that its part holds, and the part. The caller wipes it.
func PackInput(salts map[int]Salt, part []byte) ([]byte, error) {
	numbers := make([]int, 0, len(salts))
	for number := range salts {
		if number < 0 || number >= 1<<16 {
			return nil, problem("JOC-K022", "the input cannot be packed", ErrSalts)
		}
		numbers = append(numbers, number)
	}
	if len(numbers) == 0 || len(numbers) > maxSalts {
		return nil, problem("JOC-K022", "the input cannot be packed", ErrSalts)
	}
	slices.Sort(numbers)
	b := make([]byte, 0, InputLength(len(numbers), len(part)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(numbers)))
	for _, number := range numbers {
		salt := salts[number]
		b = binary.BigEndian.AppendUint16(b, uint16(number))
		b = append(b, salt[:]...)
	}
	return append(b, part...), nil
}

// UnpackInput reads what PackInput wrote, strictly. The part is a slice of the
// plaintext, and wiped with it.
func UnpackInput(plaintext []byte) (salts map[int]Salt, part []byte, err error) {
	no := problem("JOC-K023", "the input cannot be unpacked", ErrSalts)
	left := bytes.NewBuffer(plaintext)
	count := left.Next(countSize)
	if len(count) != countSize {
		return nil, nil, no
	}
	n := int(binary.BigEndian.Uint16(count))
	if n == 0 || n > maxSalts || left.Len() < n*saltSize {
		return nil, nil, no
	}
	salts = make(map[int]Salt, n)
	last := -1
	for range n {
		number := int(binary.BigEndian.Uint16(left.Next(2)))
		if number <= last {
			return nil, nil, no
		}
		salts[number], last = Salt(left.Next(32)), number
	}
	return salts, left.Bytes(), nil
}
