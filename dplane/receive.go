package dplane

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"hash"
	"net"
	"slices"
	"sync"
	"time"

	"joconde"
)

// uploads are the sealed inputs that a worker has or is getting, in memory.
// Anybody who knows the task may send; only what a receipt names is ever
// opened.
type uploads struct {
	task    joconde.Digest
	attempt int
	config  *tls.Config

	mu       sync.Mutex
	changed  chan struct{} // closed and made anew when a ciphertext is whole
	expected map[place]int64
	slots    map[place][]*slot
	wanted   map[place]joconde.Digest // once a receipt named it
}

// place is one input of one party.
type place struct {
	from  joconde.PartyID
	input int
}

// slot is one ciphertext for a place.
type slot struct {
	digest joconde.Digest
	size   int64
	data   []byte
	hash   hash.Hash // of data
	whole  bool
	opened bool     // and gone
	conn   net.Conn // that sends now
	moved  time.Time
}

// perPlace is how many ciphertexts for one place may be there before a receipt
// says which counts.
const perPlace = 2

func newUploads(task joconde.Digest, attempt int, config *tls.Config) *uploads {
	return &uploads{task: task, attempt: attempt, config: config, changed: make(chan struct{}),
		slots: map[place][]*slot{}, wanted: map[place]joconde.Digest{}}
}

// expect says which inputs may come, and how long each must be.
func (u *uploads) expect(sizes map[place]int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expected = sizes
}

// want says which ciphertext counts. Others for the place are dropped.
func (u *uploads) want(p place, digest joconde.Digest) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.wanted[p] = digest
	u.slots[p] = slices.DeleteFunc(u.slots[p], func(s *slot) bool {
		if s.digest != digest && s.conn != nil {
			_ = s.conn.Close()
		}
		return s.digest != digest
	})
}

// take waits for the wanted ciphertext of a place and hands it over.
func (u *uploads) take(ctx context.Context, p place) ([]byte, error) {
	for {
		u.mu.Lock()
		for _, s := range u.slots[p] {
			if s.whole && s.digest == u.wanted[p] && !s.opened {
				data := s.data
				s.data, s.opened = nil, true
				u.mu.Unlock()
				return data, nil
			}
		}
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// serve is the receiver's story of one connection.
func (u *uploads) serve(raw net.Conn) {
	defer raw.Close()
	conn := tls.Server(raw, u.config)
	_ = raw.SetDeadline(time.Now().Add(knock))
	var header UploadHeader
	if ReadMessage(conn, FrameUpload, &header) != nil {
		return
	}
	s, no := u.begin(header, raw)
	if s == nil {
		_ = WriteMessage(conn, FrameNotTaken, no)
		return
	}
	have, mine := u.add(s, raw, nil)
	if !mine || WriteMessage(conn, FrameOffset, Offset{have}) != nil {
		return
	}
	block := make([]byte, min(uploadBlock, header.Size-have))
	for mine && have < header.Size {
		_ = raw.SetReadDeadline(time.Now().Add(uploadStall))
		n, err := conn.Read(block[:min(int64(len(block)), header.Size-have)])
		have, mine = u.add(s, raw, block[:n])
		if err != nil && have < header.Size {
			return
		}
	}
	if !mine {
		return
	}
	_ = raw.SetWriteDeadline(time.Now().Add(knock))
	if !u.finish(s) {
		_ = WriteMessage(conn, FrameNotTaken, NotTaken{Why: "the bytes are not those of the digest in the header"})
		return
	}
	_ = WriteMessage(conn, FrameTaken, Taken{header.SHA256})
}

// begin finds or makes the slot that an upload goes to. The newest connection
// has it: one before it is dead, or of the same sender.
func (u *uploads) begin(h UploadHeader, conn net.Conn) (*slot, NotTaken) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := place{h.From, h.Input}
	size, known := u.expected[p]
	digest, named := u.wanted[p]
	switch {
	case h.Task != u.task || h.Attempt != u.attempt:
		return nil, NotTaken{Why: "this node is for another task or attempt"}
	case u.expected == nil:
		return nil, NotTaken{Why: "not all parties have accepted the nodes yet", Later: true}
	case !known:
		return nil, NotTaken{Why: "the plan has no such input of this party"}
	case h.Size != size:
		return nil, NotTaken{Why: "by the plan the input has another length"}
	case named && digest != h.SHA256:
		return nil, NotTaken{Why: "the receipt names another ciphertext"}
	}
	for _, s := range u.slots[p] {
		if s.digest == h.SHA256 {
			if s.conn != nil {
				_ = s.conn.Close()
			}
			s.conn = conn
			return s, NotTaken{}
		}
	}
	if len(u.slots[p]) >= perPlace {
		oldest := -1
		for i, s := range u.slots[p] {
			if !s.whole && (oldest < 0 || s.moved.Before(u.slots[p][oldest].moved)) {
				oldest = i
			}
		}
		if oldest < 0 {
			return nil, NotTaken{Why: "too many inputs wait for their receipt", Later: true}
		}
		if other := u.slots[p][oldest]; other.conn != nil {
			_ = other.conn.Close()
		}
		u.slots[p] = slices.Delete(u.slots[p], oldest, oldest+1)
	}
	s := &slot{digest: h.SHA256, size: size, hash: sha256.New(), conn: conn, moved: time.Now()}
	u.slots[p] = append(u.slots[p], s)
	return s, NotTaken{}
}

// add appends to a slot if conn still has it, and says how much is there.
// Memory grows with what has arrived.
func (u *uploads) add(s *slot, conn net.Conn, b []byte) (have int64, mine bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s.conn != conn {
		return 0, false
	}
	if s.whole {
		return s.size, true
	}
	if len(b) > 0 {
		if cap(s.data)-len(s.data) < len(b) {
			grown := make([]byte, len(s.data), min(s.size, max(2*int64(cap(s.data)), 1<<20)))
			copy(grown, s.data)
			s.data = grown
		}
		s.data = append(s.data, b...)
		s.hash.Write(b)
		s.moved = time.Now()
	}
	return int64(len(s.data)), true
}

// finish holds a full slot against its digest. A wrong one is emptied.
func (u *uploads) finish(s *slot) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !s.whole {
		if joconde.Digest(s.hash.Sum(nil)) != s.digest {
			s.data = nil
			s.hash.Reset()
			return false
		}
		s.whole = true
		close(u.changed)
		u.changed = make(chan struct{})
	}
	return true
}

// hearAbort takes one abort from a connection, and hands it on. The answer goes
// first: an abort that counts ends this process at once.
func hearAbort(raw net.Conn, config *tls.Config, tell func(envelope []byte)) {
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(knock))
	conn := tls.Server(raw, config)
	envelope, err := readOnly(conn, FrameAbort)
	if err != nil {
		return
	}
	_ = WriteMessage(conn, FrameTaken, Taken{sha256.Sum256(envelope)})
	tell(envelope)
}
