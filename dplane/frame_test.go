package dplane

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"joconde"
	"joconde/dplane/engine"
	"joconde/record"
)

func TestFrames(t *testing.T) {
	job := Job{Format: 1, Me: 2, Engine: "rep3", Program: []byte("{}"), Rows: map[string]int{"a.t": 4},
		Peers:   []Peer{{Address: "127.0.0.1:1", Pin: joconde.Digest{2}}},
		Options: engine.Options{Sort: "radix"}, Label: []byte("try"), Vector: joconde.Digest{1}}

	t.Run("a message comes back as it was sent", func(t *testing.T) {
		var pipe bytes.Buffer
		if err := WriteMessage(&pipe, FrameJob, job); err != nil {
			t.Fatal(err)
		}
		kind, payload, err := ReadFrame(&pipe)
		if err != nil || kind != FrameJob {
			t.Fatalf("got kind %d, error %v", kind, err)
		}
		var got Job
		if err := record.Strict(payload, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, job) {
			t.Errorf("got %+v, want %+v", got, job)
		}
	})

	t.Run("a part longer than the first allocation comes back whole", func(t *testing.T) {
		part := bytes.Repeat([]byte("joconde"), 1<<19)
		var pipe bytes.Buffer
		if err := WriteFrame(&pipe, FrameInput, part); err != nil {
			t.Fatal(err)
		}
		_, payload, err := ReadFrame(&pipe)
		if err != nil || !bytes.Equal(payload, part) {
			t.Errorf("got %d bytes and %v, want %d bytes", len(payload), err, len(part))
		}
	})

	t.Run("the end between frames is the end, inside a frame it is a cut", func(t *testing.T) {
		if _, _, err := ReadFrame(strings.NewReader("")); err != io.EOF {
			t.Errorf("between frames: %v", err)
		}
		for _, text := range []string{"\x01", "\x01\x00\x00\x00\x05abc"} {
			if _, _, err := ReadFrame(strings.NewReader(text)); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("inside a frame: %v", err)
			}
		}
	})

	t.Run("an announced gigabyte that never comes costs no gigabyte", func(t *testing.T) {
		head := binary.BigEndian.AppendUint32([]byte{byte(FrameInput)}, 1<<30)
		allocated := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ReadFrame(bytes.NewReader(head)); !errors.Is(err, io.ErrUnexpectedEOF) {
					b.Fatal(err)
				}
			}
		}).AllocedBytesPerOp()
		if allocated > 2<<20 {
			t.Errorf("%d bytes were allocated", allocated)
		}
	})

	t.Run("unknown kinds and lengths beyond the cap are refused", func(t *testing.T) {
		for kind := range 256 {
			limit := frameCaps[FrameKind(kind)] // 0 where there is no such kind
			head := binary.BigEndian.AppendUint32([]byte{byte(kind)}, uint32(limit+1))
			if _, _, err := ReadFrame(bytes.NewReader(head)); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("kind %d of %d bytes: %v", kind, limit+1, err)
			}
		}
		if err := WriteFrame(io.Discard, FrameHello, make([]byte, 1<<13+1)); err == nil {
			t.Error("a frame beyond its cap was written")
		}
	})

	t.Run("only the bytes that we would write are accepted", func(t *testing.T) {
		for _, text := range []string{
			``, `{}`, `null`, `[]`, `{"bytes":4,"done":1,"rounds":3,"total":2} `, `{"bytes":4,"done":1,"more":5,"rounds":3,"total":2}`,
			`{"bytes":4,"done":1,"done":1,"rounds":3,"total":2}`, `{"bytes":4,"Done":1,"rounds":3,"total":2}`,
			`{"done":1,"bytes":4,"rounds":3,"total":2}`, `{"bytes":4,"done":1e0,"rounds":3,"total":2}`,
		} {
			if err := record.Strict([]byte(text), new(Progress)); err == nil {
				t.Errorf("accepted %q", text)
			}
		}
		if err := record.Strict([]byte(`{"bytes":4,"done":1,"rounds":3,"total":2}`), new(Progress)); err != nil {
			t.Error(err)
		}
	})
}

// What a reader accepts is exactly what a writer writes.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x02{}"))
	f.Add([]byte("\x04\x00\x00\x00\x29" + `{"bytes":4,"done":1,"rounds":3,"total":2}`))
	f.Add([]byte("\x03\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, payload, err := ReadFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteFrame(&again, kind, payload); err != nil || !bytes.Equal(again.Bytes(), data[:again.Len()]) {
			t.Fatalf("read %q of kind %d, wrote %q, %v", payload, kind, again.Bytes(), err)
		}
		messages := map[FrameKind]any{FrameHello: &Hello{}, FrameJob: &Job{}, FrameProgress: &Progress{}, FrameFigures: &Figures{}, FrameFailure: &Failure{},
			FrameTask: &TaskName{}, FrameAssignment: &Assignment{}, FrameAssigned: &Assigned{}, FrameReceipts: &Receipts{}, FrameGood: &Good{}, FrameStart: &Start{},
			FrameSealed: &SealedOutput{}, FrameLaunch: &Launch{}, FrameRecords: &Records{}, FrameRefused: &Refused{}, FrameStatus: &Status{},
			FrameUpload: &UploadHeader{}, FrameOffset: &Offset{}, FrameTaken: &Taken{}, FrameNotTaken: &NotTaken{}}
		if v := messages[kind]; v != nil && record.Strict(payload, v) == nil {
			var twice bytes.Buffer
			if err := WriteMessage(&twice, kind, v); err != nil || !bytes.Equal(twice.Bytes(), again.Bytes()) {
				t.Fatalf("accepted %q, wrote %q, %v", payload, twice.Bytes(), err)
			}
		}
	})
}
