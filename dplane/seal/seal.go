// Package seal encrypts shares for their way to one holder: parts of inputs to
// a node, parts of outputs to whoever may learn them. It is hybrid public-key
// encryption (RFC 9180) with a key encapsulation that stays sound if either
// X25519 or ML-KEM-768 does, because what is recorded today must still be
// closed when the keys have been gone for decades. It sees shares and keys,
// and knows neither tasks nor engines; what a sealed share is for comes as
// Info, and opens only as that. Start with Seal and Open; commit.go has what
// an owner commits to.
package seal

import (
	"bytes"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// What is sealed, all integers big-endian:
//
//	0     magic "JCS1"
//	4     total, 8 bytes: the agreed padded length of the plaintext
//	12    encapsulated key, 1120 bytes (MLKEM768-X25519, HPKE KEM 0x647a)
//	1132  the frame in chunks of 64 KiB, the last shorter or as long, each
//	      followed by its tag of 16 bytes (AES-256-GCM, HKDF-SHA256)
//
// The frame is the plaintext's length in 8 bytes, the plaintext, and zeros up
// to 8+total bytes. The associated data of a chunk is its index in 8 bytes, 1
// for the last chunk or else 0 in one byte, and total in 8 bytes. So nothing
// can be cut off, exchanged or put behind, and lengths say only what was
// agreed. The bytes are made once: who was interrupted sends them again from
// where it stopped, and who starts anew seals anew.
const (
	MaxTotal = 1 << 30 // the longest padded plaintext

	magic      = "JCS1"
	headerSize = 12
	encSize    = 1120
	lengthSize = 8
	chunkSize  = 64 << 10
	tagSize    = 16
)

// What a sealed share can be refused for; the errors of this package wrap one
// of them.
var (
	ErrForm      = errors.New("not a sealed share of version 1")
	ErrTotal     = errors.New("another length than agreed")
	ErrTruncated = errors.New("the sealed share is cut off")
	ErrExtended  = errors.New("bytes follow the sealed share")
	ErrOther     = errors.New("sealed to another key, for another purpose, or changed at the start")
	ErrAltered   = errors.New("changed or put in another order on its way")
	ErrInfo      = errors.New("what the share is for is not said in full")
	ErrKey       = errors.New("not a sealing key")
	ErrSalts     = errors.New("salts and components do not fit")
	ErrCommitted = errors.New("another share than was committed to")
)

// Size is the length of what Seal gives for a total.
func Size(total int) int64 {
	frame := int64(lengthSize) + int64(total)
	return headerSize + encSize + frame + tagSize*chunks(frame)
}

func chunks(frame int64) int64 { return (frame + chunkSize - 1) / chunkSize }

// Seal encrypts plaintext to the holder of pk, padded to total bytes, so that
// it opens only with the same info.
func Seal(pk PublicKey, info Info, plaintext []byte, total int) ([]byte, error) {
	var b bytes.Buffer
	if total >= 0 && total <= MaxTotal {
		b.Grow(int(Size(total)))
	}
	if err := SealTo(&b, pk, info, plaintext, total); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// SealTo is Seal with the bytes written to w, chunk by chunk. After an error
// what was written is good for nothing.
func SealTo(w io.Writer, pk PublicKey, info Info, plaintext []byte, total int) error {
	if total < 0 || total > MaxTotal || len(plaintext) > total {
		return problem("JOC-K001", "the share does not fit its agreed length", ErrTotal)
	}
	context, err := info.encode()
	if err != nil {
		return err
	}
	if pk.key == nil {
		return problem("JOC-K002", "the share has nobody to be sealed to", ErrKey)
	}
	enc, sender, err := hpke.NewSender(pk.key, hpke.HKDFSHA256(), hpke.AES256GCM(), context)
	if err != nil {
		return problem("JOC-K002", "nothing can be sealed to this key", ErrKey)
	}
	head := binary.BigEndian.AppendUint64([]byte(magic), uint64(total))
	if _, err := w.Write(append(head, enc...)); err != nil {
		return fmt.Errorf("write a sealed share: %w", err)
	}
	frame := int64(lengthSize) + int64(total)
	chunk := make([]byte, min(frame, chunkSize))
	defer clear(chunk)
	binary.BigEndian.PutUint64(chunk, uint64(len(plaintext)))
	filled := lengthSize
	for i, n := int64(0), chunks(frame); i < n; i++ {
		size := int(min(frame-i*chunkSize, chunkSize))
		copied := copy(chunk[filled:size], plaintext)
		plaintext = plaintext[copied:]
		clear(chunk[filled+copied : size])
		filled = 0
		sealed, err := sender.Seal(associated(i, i == n-1, total), chunk[:size])
		if err != nil {
			return fmt.Errorf("seal a share: %w", err)
		}
		if _, err := w.Write(sealed); err != nil {
			return fmt.Errorf("write a sealed share: %w", err)
		}
	}
	return nil
}

// associated is the associated data of a chunk.
func associated(index int64, last bool, total int) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(index))
	if last {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return binary.BigEndian.AppendUint64(b, uint64(total))
}

// Total reads the padded length from the start of what is sealed. Nothing
// proves it yet: a caller that has agreed on another may refuse here.
func Total(sealed []byte) (int, error) {
	if len(sealed) < headerSize {
		if bytes.HasPrefix([]byte(magic), sealed[:min(len(sealed), len(magic))]) {
			return 0, refused(ErrTruncated)
		}
		return 0, refused(ErrForm)
	}
	total := binary.BigEndian.Uint64(sealed[len(magic):])
	if string(sealed[:len(magic)]) != magic || total > MaxTotal {
		return 0, refused(ErrForm)
	}
	return int(total), nil
}

// Open decrypts what Seal gave, with the key it was sealed to and the same
// info. It gives all of the plaintext or nothing.
func Open(sk *Key, info Info, sealed []byte) ([]byte, error) {
	total, err := Total(sealed)
	if err != nil {
		return nil, err
	}
	switch size := Size(total); { // nothing is allocated before the length is right
	case int64(len(sealed)) < size:
		return nil, refused(ErrTruncated)
	case int64(len(sealed)) > size:
		return nil, refused(ErrExtended)
	}
	return OpenFrom(bytes.NewReader(sealed), sk, info, total)
}

// OpenFrom is Open for a stream, which must end where the sealed share does.
// total is the agreed length, and nothing else is accepted.
func OpenFrom(r io.Reader, sk *Key, info Info, total int) ([]byte, error) {
	context, err := info.encode()
	if err != nil {
		return nil, err
	}
	if sk == nil || sk.private == nil {
		return nil, problem("JOC-K002", "there is no key to open the share with", ErrKey)
	}
	head := make([]byte, headerSize+encSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !ended(err) {
		return nil, fmt.Errorf("read a sealed share: %w", err)
	}
	said, malformed := Total(head[:n])
	switch {
	case malformed != nil:
		return nil, malformed
	case said != total:
		return nil, refused(ErrTotal)
	case err != nil:
		return nil, refused(ErrTruncated)
	}
	recipient, err := hpke.NewRecipient(head[headerSize:], sk.private, hpke.HKDFSHA256(), hpke.AES256GCM(), context)
	if err != nil {
		return nil, refused(ErrOther)
	}
	plaintext, err := openChunks(r, recipient, total)
	if err != nil {
		clear(plaintext)
		return nil, err
	}
	return plaintext, nil
}

// openChunks gives what it has opened also with an error, to be overwritten.
func openChunks(r io.Reader, recipient *hpke.Recipient, total int) ([]byte, error) {
	frame := int64(lengthSize) + int64(total)
	sealed := make([]byte, min(frame, chunkSize)+tagSize)
	var plaintext []byte
	var length int
	for i, n := int64(0), chunks(frame); i < n; i++ {
		size := int(min(frame-i*chunkSize, chunkSize)) + tagSize
		if _, err := io.ReadFull(r, sealed[:size]); ended(err) {
			return plaintext, refused(ErrTruncated)
		} else if err != nil {
			return plaintext, fmt.Errorf("read a sealed share: %w", err)
		}
		chunk, err := recipient.Open(associated(i, i == n-1, total), sealed[:size])
		content := chunk
		if i == 0 {
			if err != nil {
				return plaintext, refused(ErrOther)
			}
			said := binary.BigEndian.Uint64(chunk)
			if said > uint64(total) {
				clear(chunk)
				return plaintext, refused(ErrForm)
			}
			length, content = int(said), chunk[lengthSize:]
			plaintext = make([]byte, 0, length)
		}
		if err != nil {
			return plaintext, refused(ErrAltered)
		}
		kept := min(length-len(plaintext), len(content))
		plaintext = append(plaintext, content[:kept]...)
		stray := bytes.ContainsFunc(content[kept:], func(c rune) bool { return c != 0 })
		clear(chunk)
		if stray {
			return plaintext, refused(ErrForm)
		}
	}
	switch _, err := io.ReadFull(r, sealed[:1]); {
	case err == nil:
		return plaintext, refused(ErrExtended)
	case !ended(err):
		return plaintext, fmt.Errorf("read a sealed share: %w", err)
	}
	return plaintext, nil
}

func ended(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
