package dplane

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"joconde"
	"joconde/dplane/session"
)

// receiver is the part of a worker that takes uploads.
type receiver struct {
	*uploads
	identity *session.Identity
	address  string
	header   UploadHeader
}

func receive(t *testing.T, size int64) *receiver {
	t.Helper()
	identity, err := session.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{identity: identity, address: listener.Addr().String(), header: UploadHeader{Task: joconde.Digest{1}, Attempt: 1, From: "ee", Input: 2}}
	r.uploads = newUploads(r.header.Task, 1, identity.ForCallers(UploadProtocol))
	if size > 0 {
		r.expect(map[place]int64{{"ee", 2}: size})
	}
	d := openDoor(listener, map[string]func(net.Conn){UploadProtocol: r.serve})
	t.Cleanup(d.close)
	return r
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func (r *receiver) upload(t *testing.T, header UploadHeader, ciphertext []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return Upload(ctx, r.address, r.identity.Pin(), header, ciphertext)
}

// whole wants the ciphertext to be there.
func (r *receiver) whole(t *testing.T, want []byte) {
	t.Helper()
	r.want(place{"ee", 2}, sha256.Sum256(want))
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := r.take(ctx, place{"ee", 2}); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestAnUploadThatIsCutGoesOnWhereItStopped(t *testing.T) {
	ciphertext := random(3 << 20)
	r := receive(t, int64(len(ciphertext)))
	// In between, a line that breaks twice after a megabyte.
	line, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer line.Close()
	var passed [3]atomic.Int64
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for i := range passed {
			near, err := line.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Error(err)
				return
			}
			limit := int64(1<<20 + 4096)
			if i == 2 {
				limit = 1 << 30
			}
			group.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
			n, _ := io.CopyN(far, near, limit)
			passed[i].Store(n)
			time.Sleep(50 * time.Millisecond) // what is under way arrives
			_, _ = near.Close(), far.Close()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Upload(ctx, line.Addr().String(), r.identity.Pin(), r.header, ciphertext); err != nil {
		t.Fatal(err)
	}
	r.whole(t, ciphertext)
	if err := r.upload(t, r.header, ciphertext); err != nil {
		t.Errorf("once more, after all: %v", err)
	}
	_ = line.Close()
	group.Wait()
	if last := passed[2].Load(); last == 0 || last > 2<<20 {
		t.Errorf("the last connection carried %d bytes of %d", last, len(ciphertext))
	}
}

func TestWhatAWorkerDoesNotTake(t *testing.T) {
	ciphertext := random(1000)
	r := receive(t, 1000)
	with := func(change func(*UploadHeader)) UploadHeader {
		h := r.header
		change(&h)
		return h
	}
	for _, c := range []struct {
		name   string
		header UploadHeader
		bytes  []byte
		says   string
	}{
		{"for another task", with(func(h *UploadHeader) { h.Task[5]++ }), ciphertext, "another task"},
		{"for another attempt", with(func(h *UploadHeader) { h.Attempt++ }), ciphertext, "another task or attempt"},
		{"from a party that has no input", with(func(h *UploadHeader) { h.From = "at" }), ciphertext, "no such input"},
		{"for an input that there is not", with(func(h *UploadHeader) { h.Input = -1 }), ciphertext, "no such input"},
		{"too long", r.header, random(1001), "another length"},
		{"too short", r.header, random(999), "another length"},
	} {
		err := r.upload(t, c.header, c.bytes)
		var p *joconde.Problem
		if !errors.As(err, &p) || p.Code != "JOC-R120" || !strings.Contains(p.Why, c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	other, err := session.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := Upload(ctx, r.address, other.Pin(), r.header, ciphertext); err == nil {
		t.Error("uploaded to a node with another key than the bundle's")
	}
	r.want(place{"ee", 2}, joconde.Digest{9})
	if err := r.upload(t, r.header, ciphertext); err == nil || !strings.Contains(err.(*joconde.Problem).Why, "the receipt names another") {
		t.Errorf("beside the receipt: %v", err)
	}
}

func TestAnUploadThatComesEarlyWaits(t *testing.T) {
	ciphertext := random(1000)
	r := receive(t, 0)
	sent := make(chan error, 1)
	go func() { sent <- r.upload(t, r.header, ciphertext) }()
	time.Sleep(150 * time.Millisecond)
	r.expect(map[place]int64{{"ee", 2}: 1000})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	r.whole(t, ciphertext)
}

// Whoever knows the task may send anything. It costs bounded memory, and the
// owner's input gets in as soon as its receipt says which it is.
func TestStrangersAreBounded(t *testing.T) {
	ciphertext := random(1000)
	r := receive(t, 1000)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_ = Upload(ctx, r.address, r.identity.Pin(), r.header, random(1000))
		cancel()
	}
	r.mu.Lock()
	if n := len(r.slots[place{"ee", 2}]); n != perPlace {
		t.Errorf("there are %d", n)
	}
	r.mu.Unlock()
	// Many that say nothing, or not what they want.
	for i := range 3 * maxCallers {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
		}
	}
	r.want(place{"ee", 2}, sha256.Sum256(ciphertext))
	if err := r.upload(t, r.header, ciphertext); err != nil {
		t.Fatal(err, errors.Unwrap(err))
	}
	r.whole(t, ciphertext)
}

func TestAnUploadWhoseBytesAreNotThoseOfItsHeader(t *testing.T) {
	r := receive(t, 1000)
	header := r.header
	header.Size, header.SHA256 = 1000, joconde.Digest{7}
	err := call(t.Context(), r.address, r.identity.Pin(), UploadProtocol, func(conn *tls.Conn) error { return upload(conn, header, bytes.NewReader(random(1000))) })
	if !errors.Is(err, errNotTaken) {
		t.Errorf("got %v", err)
	}
}

// What comes over the listener is read strictly, and what is accepted is what
// we would write.
func FuzzUploadHeader(f *testing.F) {
	var whole bytes.Buffer
	if err := WriteMessage(&whole, FrameUpload, UploadHeader{Attempt: 1, From: "ee", Size: 5}); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add([]byte("\x16\x00\x00\x00\x02{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h UploadHeader
		if ReadMessage(bytes.NewReader(data), FrameUpload, &h) != nil {
			return
		}
		var again bytes.Buffer
		if err := WriteMessage(&again, FrameUpload, h); err != nil || !bytes.Equal(again.Bytes(), data[:again.Len()]) {
			t.Fatalf("read %+v, wrote %q, %v", h, again.Bytes(), err)
		}
		u := newUploads(joconde.Digest{}, 1, nil)
		u.expect(map[place]int64{{"ee", 0}: 5})
		if s, _ := u.begin(h, nil); s != nil && (h.Size != 5 || h.From != "ee" || h.Input != 0 || h.Attempt != 1) {
			t.Fatalf("began %+v", h)
		}
	})
}
