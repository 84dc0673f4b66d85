package dplane

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"joconde"
	"joconde/dplane/session"
)

// What comes to a worker's listener beside its peers: sealed inputs and aborts.
// Both are TLS 1.3 with the worker's pinned key and an ALPN name of their own.
// Callers show no key: a sealed input is taken only if its digest stands in its
// owner's receipt, an abort only if its signature counts.
//
// An upload is an UploadHeader, answered by an Offset; then the ciphertext from
// there on, answered by Taken with its digest. A NotTaken may stand for either
// answer. An abort is one Abort frame, answered by Taken.
const (
	UploadProtocol = "joconde-upload/1"
	AbortProtocol  = "joconde-abort/1"
)

// UploadHeader says what follows.
type UploadHeader struct {
	Task    joconde.Digest  `json:"task"`
	Attempt int             `json:"attempt"`
	From    joconde.PartyID `json:"from"`
	Input   int             `json:"input"` // index into the plan's inputs
	Size    int64           `json:"size"`  // of the ciphertext; follows from the plan
	SHA256  joconde.Digest  `json:"sha256"`
}

// Offset is how much of the ciphertext the worker has.
type Offset struct {
	Offset int64 `json:"offset"`
}

// Taken is the digest of what the worker has now in full.
type Taken struct {
	SHA256 joconde.Digest `json:"sha256"`
}

// NotTaken is why the worker does not take it.
type NotTaken struct {
	Why   string `json:"why"`
	Later bool   `json:"later"` // it may take it later
}

const (
	uploadStall = 30 * time.Second // how long either end waits while nothing moves
	uploadBlock = 256 << 10
)

// errNotTaken: the worker said no, for good.
var errNotTaken = errors.New("the node does not take it")

// Upload sends a sealed input to a node's worker and returns when the worker
// has all of it. Size and SHA256 of the header are filled in. An interrupted
// upload goes on where it stopped; Upload tries until ctx ends or the worker
// refuses for good.
func Upload(ctx context.Context, address string, pin joconde.Digest, header UploadHeader, ciphertext []byte) error {
	header.Size, header.SHA256 = int64(len(ciphertext)), sha256.Sum256(ciphertext)
	return UploadFrom(ctx, address, pin, header, bytes.NewReader(ciphertext))
}

// UploadFrom is Upload for a ciphertext that is kept elsewhere, such as in a
// file, and whose Size and SHA256 stand in the header.
func UploadFrom(ctx context.Context, address string, pin joconde.Digest, header UploadHeader, ciphertext io.ReaderAt) error {
	return untilTaken(ctx, address, func(ctx context.Context) error {
		return call(ctx, address, pin, UploadProtocol, func(conn *tls.Conn) error { return upload(conn, header, ciphertext) })
	})
}

// SendAbort gives an abort to a node's worker, past everybody in between. It
// tries until ctx ends. A worker that listens no more after the abort was sent
// has ended because of it.
func SendAbort(ctx context.Context, address string, pin joconde.Digest, envelope []byte) error {
	sent := false
	return untilTaken(ctx, address, func(ctx context.Context) error {
		err := call(ctx, address, pin, AbortProtocol, func(conn *tls.Conn) error {
			if err := WriteFrame(conn, FrameAbort, envelope); err != nil {
				return err
			}
			sent = true
			return taken(conn, sha256.Sum256(envelope))
		})
		if sent && errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return err
	})
}

// untilTaken repeats what may succeed later.
func untilTaken(ctx context.Context, address string, once func(context.Context) error) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := once(ctx)
		if err == nil {
			return nil
		}
		over := ctx.Err()
		if over == nil && !errors.Is(err, errNotTaken) {
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
				over = ctx.Err()
			}
		}
		return &joconde.Problem{Code: "JOC-R120", What: "a node could not be reached, or did not take what was sent", Where: address, Why: err.Error(),
			Do: "compare the address and the time limits; what was sent is sealed, and can be sent again", LeftMachine: "sealed shares, or an abort",
			Exit: joconde.ExitUnreachable, Err: errors.Join(err, over)}
	}
}

// call is one connection to a worker.
func call(ctx context.Context, address string, pin joconde.Digest, protocol string, talk func(*tls.Conn) error) error {
	dialing, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(dialing, "tcp", address)
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, session.ToCall(pin, protocol))
	if err := conn.HandshakeContext(dialing); err != nil {
		return fmt.Errorf("secure the connection: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	_ = raw.SetDeadline(time.Now().Add(uploadStall))
	return talk(conn)
}

// upload is the sender's story of one connection.
func upload(conn *tls.Conn, header UploadHeader, ciphertext io.ReaderAt) error {
	if err := WriteMessage(conn, FrameUpload, header); err != nil {
		return err
	}
	var have Offset
	if err := answer(conn, FrameOffset, &have); err != nil {
		return err
	}
	if have.Offset < 0 || have.Offset > header.Size {
		return fmt.Errorf("%w: it says that it has more than there is", errNotTaken)
	}
	block := make([]byte, min(uploadBlock, header.Size))
	for at := have.Offset; at < header.Size; {
		n, err := ciphertext.ReadAt(block[:min(uploadBlock, header.Size-at)], at)
		if n == 0 {
			return fmt.Errorf("%w: the sealed input cannot be read: %w", errNotTaken, err)
		}
		_ = conn.SetWriteDeadline(time.Now().Add(uploadStall))
		if _, err := conn.Write(block[:n]); err != nil {
			return fmt.Errorf("send a sealed input: %w", err)
		}
		at += int64(n)
	}
	_ = conn.SetReadDeadline(time.Now().Add(uploadStall))
	return taken(conn, header.SHA256)
}

func taken(r io.Reader, want joconde.Digest) error {
	var t Taken
	if err := answer(r, FrameTaken, &t); err != nil {
		return err
	}
	if t.SHA256 != want {
		return fmt.Errorf("%w: it got other bytes", errNotTaken)
	}
	return nil
}

// answer reads an answer of a kind, or why there is none.
func answer(r io.Reader, kind FrameKind, v any) error {
	var first [1]byte
	if _, err := io.ReadFull(r, first[:]); err != nil {
		return fmt.Errorf("read an answer: %w", cut(err))
	}
	r = io.MultiReader(bytes.NewReader(first[:]), r)
	if FrameKind(first[0]) != FrameNotTaken {
		return ReadMessage(r, kind, v)
	}
	var no NotTaken
	if err := ReadMessage(r, FrameNotTaken, &no); err != nil {
		return err
	}
	if no.Later {
		return errors.New("it is not ready yet: " + clip(no.Why))
	}
	return fmt.Errorf("%w: %s", errNotTaken, clip(no.Why))
}
