package rep3

import (
	"context"
	"errors"
	"fmt"

	"joconde"
	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/engine/internal/prg"
	"joconde/dplane/session"
)

// Bits and Ring are shares as the operators know them. Here C[0] is component
// i and C[1] component i+1 of party i.
type (
	Bits = oblivious.Bits
	Ring = oblivious.Ring
)

// chunk is how many words a kernel takes at a time, so that the masks that it
// uses up are still in the first-level cache.
const chunk = 1024

// party is one of the three parties 0, 1, 2 while it runs one plan. A value x
// is x_0 + x_1 + x_2 (XOR for bits); party i holds x_i and x_{i+1}, indices
// modulo 3, so that component j is known to parties j-1 and j. It is an
// oblivious.Arithmetic, used by one goroutine.
type party struct {
	s          session.Session
	me         int
	prev, next int // the parties me-1 and me+1

	// key[c] is the secret of the two parties that hold component slot c: key[0]
	// is shared with prev, key[1] with next. common is known to all three.
	key    [2]*prg.Source
	common *prg.Source
	step   uint64 // of the generators; advances alike at every party

	// The messages of the coming round, and the buffers that they are in. A
	// buffer is used again as soon as the round is over.
	out, in [][]byte
	buffer  struct{ out, in [3][]byte }
	mask    [2][chunk]uint64

	hooks hooks
}

// hooks is what only the tests of this package set.
type hooks struct {
	audit   prg.Audit                                  // told of every use of a key
	permute func(shuffle uint64, pass, n int) []uint32 // instead of the uniform permutation of a pass
	keyed   func(p *party)                             // called when the keys are made
}

func newParty(s session.Session, h hooks) (*party, error) {
	me, n := s.Parties()
	if n != 3 || me < 0 || me > 2 {
		return nil, fmt.Errorf("rep3 needs three parties, and this is party %d of %d", me+1, n)
	}
	return &party{
		s: s, me: me, prev: (me + 2) % 3, next: (me + 1) % 3,
		out: make([][]byte, 3), in: make([][]byte, 3),
		hooks: h,
	}, nil
}

// Components is 2: each party holds two of the three components.
func (p *party) Components() int { return 2 }

// Constant is where this party keeps component 0, to which public constants
// are added; party 1 does not hold it.
func (p *party) Constant() int { return p.slot(0) }

// slot says which entry of C is component j, or -1.
func (p *party) slot(j int) int {
	switch (j + 3) % 3 {
	case p.me:
		return 0
	case p.next:
		return 1
	}
	return -1
}

// advance begins a step of the generators. Every party calls it for every
// step, whether it draws in it or not.
func (p *party) advance() uint64 {
	p.step++
	return p.step
}

// stream is the stream of the two holders of component j for a step; nil for
// the third party, whom it must stay hidden from.
func (p *party) stream(j int, step uint64, path string) *prg.Stream {
	slot := p.slot(j)
	if slot < 0 {
		return nil
	}
	return p.key[slot].Stream(step, path, fmt.Sprintf("component %d", (j+3)%3))
}

// send gives the buffer of n bytes for the message of this round to peer.
func (p *party) send(peer, n int) []byte {
	p.out[peer] = resize(&p.buffer.out[peer], n)
	return p.out[peer]
}

// receive says that n bytes will come from peer in this round, and gives the
// buffer that will hold them.
func (p *party) receive(peer, n int) []byte {
	p.in[peer] = resize(&p.buffer.in[peer], n)
	return p.in[peer]
}

func resize(buffer *[]byte, n int) []byte {
	if cap(*buffer) < n {
		clear(*buffer)
		*buffer = make([]byte, n)
	}
	*buffer = (*buffer)[:cap(*buffer)]
	return (*buffer)[:n]
}

// exchange is one round of resharing: what is sent is masked for its receiver.
func (p *party) exchange(ctx context.Context) error {
	err := p.s.Exchange(ctx, p.out, p.in)
	clear(p.out)
	clear(p.in)
	return err
}

// open is one round by which values become known, see session.
func (p *party) open(ctx context.Context, opening int) error {
	err := p.s.Open(ctx, opening, p.out, p.in)
	clear(p.out)
	clear(p.in)
	return err
}

// wipe forgets the keys and what the buffers hold. It is best effort: Go may
// have moved and copied memory, the operators' intermediate shares and the
// expanded AES keys are left to the collector, and none of it is ever cleared
// before the process ends. A node therefore runs one attempt and exits.
func (p *party) wipe() {
	for _, source := range []*prg.Source{p.key[0], p.key[1], p.common} {
		if source != nil {
			source.Wipe()
		}
	}
	for peer := range p.buffer.out {
		clear(p.buffer.out[peer])
		clear(p.buffer.in[peer])
	}
	clear(p.mask[0][:])
	clear(p.mask[1][:])
}

// blame says that a peer broke the protocol.
func blame(peer int, err error) error {
	return &joconde.Fault{Party: session.Name(peer), Err: err}
}

var (
	errShape = errors.New("rep3: shares of different shapes in one operation")
	errStray = errors.New("sent bits where a share has none")
)
