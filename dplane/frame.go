package dplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"joconde"
	"joconde/dplane/engine"
	"joconde/record"
)

// Frames go over the standard input and output of a computing party's process:
// one byte of kind, four bytes of length, big-endian, and that many bytes. The
// standard input stays open all the time: its end means that whoever started
// the party is gone.
//
// A worker begins with Hello. What it is told first decides what it is for. Job
// and then one Input for each input of the plan: it computes what its parent
// gives it, tells Progress, and ends with one Output for each output and
// Figures. Task: it is a node's, and takes Assignment, Receipts and Start, each
// after it has answered the one before, with Assigned, Good and, for each
// recipient of each output, Sealed and Ciphertext, then Figures. Any time it may
// tell of an abort that came to its listener, and end with a Failure.
//
// What a node and its agent say to each other is in control.go, what goes over
// the worker's listener in upload.go.
type FrameKind byte

// The kinds of frame. Input, Output and Ciphertext carry bytes as they are,
// Abort and Record an envelope, the others canonical JSON, which record.Strict
// reads.
const (
	FrameHello FrameKind = iota + 1
	FrameJob
	FrameInput
	FrameProgress
	FrameOutput
	FrameFigures
	FrameFailure
	FrameTask
	FrameAssignment
	FrameAssigned
	FrameReceipts
	FrameGood
	FrameStart
	FrameSealed
	FrameCiphertext
	FrameAbort
	FrameLaunch
	FrameRecords
	FrameRecord
	FrameRefused
	FrameStatus
	FrameUpload
	FrameOffset
	FrameTaken
	FrameNotTaken
)

// frameCaps are the greatest lengths that a reader accepts.
var frameCaps = map[FrameKind]int{
	FrameHello:      1 << 13,
	FrameJob:        16 << 20,
	FrameInput:      1 << 30,
	FrameProgress:   1 << 12,
	FrameOutput:     1 << 30,
	FrameFigures:    1 << 12,
	FrameFailure:    1 << 16,
	FrameTask:       1 << 12,
	FrameAssignment: 16 << 20,
	FrameAssigned:   1 << 12,
	FrameReceipts:   64 << 20,
	FrameGood:       1 << 12,
	FrameStart:      1 << 12,
	FrameSealed:     1 << 12,
	FrameCiphertext: 1<<30 + 1<<20,
	FrameAbort:      1 << 14,
	FrameLaunch:     256 << 20,
	FrameRecords:    256 << 20,
	FrameRecord:     record.MaxEnvelope,
	FrameRefused:    1 << 16,
	FrameStatus:     1 << 12,
	FrameUpload:     1 << 12,
	FrameOffset:     1 << 12,
	FrameTaken:      1 << 12,
	FrameNotTaken:   1 << 12,
}

// Hello says where a computing party listens.
type Hello struct {
	Format  int            `json:"format"` // 1
	Address string         `json:"address"`
	Pin     joconde.Digest `json:"pin"`      // of the key it shows there
	HPKEKey string         `json:"hpke_key"` // to which inputs are sealed
}

// Job is everything that a computing party is told to do.
type Job struct {
	Format  int            `json:"format"` // 1
	Me      int            `json:"me"`     // index into Peers
	Peers   []Peer         `json:"peers"`
	Engine  string         `json:"engine"`
	Program []byte         `json:"program"` // canonical bytes
	Rows    map[string]int `json:"rows"`    // public row bound of each table
	Options engine.Options `json:"options"`
	Label   []byte         `json:"label"`
	Vector  joconde.Digest `json:"vector"` // what lowering must give
}

// Peer is what the Hello of one computing party said.
type Peer struct {
	Address string         `json:"address"`
	Pin     joconde.Digest `json:"pin"`
}

// Progress is how far a computing party is.
type Progress struct {
	Done   int   `json:"done"` // instructions
	Total  int   `json:"total"`
	Rounds int64 `json:"rounds"`
	Bytes  int64 `json:"bytes"` // sent: payload and our framing
}

// Figures are what a computation cost one computing party.
type Figures struct {
	Rounds  int64 `json:"rounds"`
	Bytes   int64 `json:"bytes"`    // sent: payload and our framing
	PeakRSS int64 `json:"peak_rss"` // bytes; 0 where the system does not say
	Connect int64 `json:"connect"`  // nanoseconds until all peers were connected
	Run     int64 `json:"run"`      // nanoseconds of computing
}

// Failure is why a computing party gave up. Party, if any, is at fault.
type Failure struct {
	What   string          `json:"what"`
	Party  joconde.PartyID `json:"party"`
	Reason string          `json:"reason"` // a code of joconde.Reasons
}

// WriteFrame writes one frame.
func WriteFrame(w io.Writer, kind FrameKind, payload []byte) error {
	if len(payload) > frameCaps[kind] {
		return fmt.Errorf("write frame: %d bytes are more than kind %d may have", len(payload), kind)
	}
	head := [5]byte{byte(kind)}
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, err := w.Write(head[:]); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	if _, err := w.Write(payload); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

// WriteMessage writes a frame whose payload is v as canonical JSON.
func WriteMessage(w io.Writer, kind FrameKind, v any) error {
	payload, err := record.Canonical(v)
	if err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return WriteFrame(w, kind, payload)
}

// ReadFrame reads one frame. It gives io.EOF only between frames. Memory grows
// with what has arrived, not with the length that was announced.
func ReadFrame(r io.Reader) (FrameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return 0, nil, err
	}
	if _, err := io.ReadFull(r, head[1:]); err != nil {
		return 0, nil, fmt.Errorf("read frame: %w", cut(err))
	}
	kind, length := FrameKind(head[0]), binary.BigEndian.Uint32(head[1:])
	limit, known := frameCaps[kind]
	if !known {
		return 0, nil, fmt.Errorf("read frame: there is no kind %d", kind)
	}
	if int64(length) > int64(limit) {
		return 0, nil, fmt.Errorf("read frame: %d bytes are more than kind %d may have", length, kind)
	}
	payload := make([]byte, min(int(length), 1<<20))
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, nil, fmt.Errorf("read frame: %w", cut(err))
	}
	for len(payload) < int(length) {
		got := len(payload)
		payload = append(payload, make([]byte, min(int(length)-got, got))...)
		if _, err := io.ReadFull(r, payload[got:]); err != nil {
			return 0, nil, fmt.Errorf("read frame: %w", cut(err))
		}
	}
	return kind, payload, nil
}

// ReadMessage reads one frame of canonical JSON, which must be of the given
// kind: any other is refused before its payload is read.
func ReadMessage(r io.Reader, kind FrameKind, v any) error {
	payload, err := readOnly(r, kind)
	if err != nil {
		return err
	}
	if err := record.Strict(payload, v); err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	return nil
}

// readOnly reads one frame of the given kind.
func readOnly(r io.Reader, kind FrameKind) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("read message: %w", cut(err))
	}
	if FrameKind(head[0]) != kind {
		return nil, fmt.Errorf("read message: got a frame of kind %d, not %d", head[0], kind)
	}
	_, payload, err := ReadFrame(io.MultiReader(bytes.NewReader(head[:]), r))
	return payload, err
}

// cut names an end inside a frame for what it is.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// clip shows words that came from outside, cut and without what a terminal
// would obey.
func clip(words string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, words[:min(len(words), 200)])
}
