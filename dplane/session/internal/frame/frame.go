// Package frame is the form of what two ends of a session say to each other:
// a fixed header, and a payload whose length follows from the header. It
// decodes bytes of a peer that may be malicious: it never allocates, and it
// accepts exactly what Append makes.
package frame

import (
	"encoding/binary"
	"errors"
)

// Kind says what a frame is for.
type Kind uint8

const (
	Data  Kind = 1 // a piece of a message of Exchange
	Open  Kind = 2 // a piece of a message of Open
	Abort Kind = 3 // the sender gives up; the payload is an Accusation
	Bye   Kind = 4 // the sender ends in good order; no payload
	Wait  Kind = 5 // the sender waits for the party that its Accusation blames, or goes on if that is itself
)

const (
	// HeaderSize is the length of every header.
	HeaderSize = 32
	// Piece is how much of a message one frame carries at most. A longer
	// message travels in several frames, each but the last of Piece bytes, so
	// that an Abort can overtake the rest of it.
	Piece = 1 << 20
	// MaxLength is the longest message, 64 GiB. A receiver demands the exact
	// length it expects anyway; the limit keeps sums from overflowing.
	MaxLength = 1 << 36
	// AccusationSize is the length of the payload of an Abort or Wait.
	AccusationSize = 12
)

// Header stands before every payload. Data and Open: Length is that of the
// whole message and Offset is where this piece begins. Abort and Wait: Step is
// the one at which the accuser stands, Length is AccusationSize. Bye: all zero.
type Header struct {
	Kind    Kind
	Opening uint32 // of Open only
	Step    uint64
	Length  uint64
	Offset  uint64
}

// Payload is the number of bytes that follow the header.
func (h Header) Payload() int {
	return int(min(Piece, h.Length-h.Offset))
}

var errHeader = errors.New("not a frame")

// Append appends the header's bytes.
func (h Header) Append(to []byte) []byte {
	to = append(to, 'J', 1, byte(h.Kind), 0)
	to = binary.BigEndian.AppendUint32(to, h.Opening)
	to = binary.BigEndian.AppendUint64(to, h.Step)
	to = binary.BigEndian.AppendUint64(to, h.Length)
	return binary.BigEndian.AppendUint64(to, h.Offset)
}

// Parse reads a header. It refuses every one that no honest peer sends at any
// point of any session.
func Parse(b *[HeaderSize]byte) (Header, error) {
	h := Header{
		Kind:    Kind(b[2]),
		Opening: binary.BigEndian.Uint32(b[4:]),
		Step:    binary.BigEndian.Uint64(b[8:]),
		Length:  binary.BigEndian.Uint64(b[16:]),
		Offset:  binary.BigEndian.Uint64(b[24:]),
	}
	if b[0] != 'J' || b[1] != 1 || b[3] != 0 {
		return Header{}, errHeader
	}
	ok := false
	switch h.Kind {
	case Data, Open:
		ok = h.Length > 0 && h.Length <= MaxLength && h.Offset < h.Length && h.Offset%Piece == 0 &&
			(h.Kind == Open || h.Opening == 0)
	case Abort, Wait:
		ok = h == Header{Kind: h.Kind, Step: h.Step, Length: AccusationSize}
	case Bye:
		ok = h == Header{Kind: Bye}
	}
	if !ok {
		return Header{}, errHeader
	}
	return h, nil
}

// Size is the number of bytes, headers included, by which a message of length
// bytes travels.
func Size(length int) int64 {
	n := int64(length)
	return n + (n+Piece-1)/Piece*HeaderSize
}

// Reason says in an Abort what the blamed party did.
type Reason uint8

const (
	Died        Reason = 1 + iota // its connection ended without a Bye
	Stalled                       // it was waited for, and nothing moved
	Garbled                       // it sent what the program does not allow
	Left                          // it said Bye while a message was expected
	Interrupted                   // its user gave up
	Failed                        // an error of its own
	lastReason
)

// Accusation is the payload of an Abort: By says that Blame is at fault. Both
// are indices of parties; who relays an accusation leaves By as it is.
type Accusation struct {
	Reason Reason
	Blame  int
	By     int
}

// Append appends the accusation's bytes.
func (a Accusation) Append(to []byte) []byte {
	to = append(to, byte(a.Reason), 0, 0, 0)
	to = binary.BigEndian.AppendUint32(to, uint32(a.Blame))
	return binary.BigEndian.AppendUint32(to, uint32(a.By))
}

// ParseAccusation reads an accusation among n parties.
func ParseAccusation(b *[AccusationSize]byte, n int) (Accusation, error) {
	blame, by := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if b[0] == 0 || Reason(b[0]) >= lastReason || b[1]|b[2]|b[3] != 0 || uint64(blame) >= uint64(n) || uint64(by) >= uint64(n) {
		return Accusation{}, errors.New("not an accusation")
	}
	return Accusation{Reason: Reason(b[0]), Blame: int(blame), By: int(by)}, nil
}
