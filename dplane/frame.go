package dplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"joconde"
	"joconde/dplane/engine"
	"joconde/record"
)

// Frames go over the standard input and output of a computing party's process:
// one byte of kind, four bytes of length, big-endian, and that many bytes.
// The order is fixed: Hello from the party; Job and then one Input for each
// input of the plan to it; Progress, and at the end one Output for each output
// and Figures, or one Failure, from it. The standard input stays open and
// silent meanwhile: its end means that whoever started the party is gone.
type FrameKind byte

// The kinds of frame. Input and Output carry an engine's part as it is, the
// others canonical JSON, which record.Strict reads.
const (
	FrameHello FrameKind = iota + 1
	FrameJob
	FrameInput
	FrameProgress
	FrameOutput
	FrameFigures
	FrameFailure
)

// frameCaps are the greatest lengths that a reader accepts.
var frameCaps = map[FrameKind]int{
	FrameHello:    1 << 12,
	FrameJob:      16 << 20,
	FrameInput:    1 << 30,
	FrameProgress: 1 << 12,
	FrameOutput:   1 << 30,
	FrameFigures:  1 << 12,
	FrameFailure:  1 << 16,
}

// Hello says where a computing party listens.
type Hello struct {
	Format  int            `json:"format"` // 1
	Address string         `json:"address"`
	Pin     joconde.Digest `json:"pin"` // of the key it shows there
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
	What  string          `json:"what"`
	Party joconde.PartyID `json:"party"`
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

// cut names an end inside a frame for what it is.
func cut(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
