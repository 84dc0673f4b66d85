package rep3

import (
	"context"
	"slices"

	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/engine/internal/prg"
)

// Shuffle is three passes of shuffling by resharing (Laur, Willemson and Zhang,
// ISC 2011, eprint 2011/429; for replicated shares as in Araki et al., "Secure
// Graph Analysis at Scale", CCS 2021). In pass a parties a and b = a+1 know a
// uniform permutation π from their common generator, and party c = a+2 does not.
//
//	a holds x_a + x_b, and b holds x_c: two halves of x.
//	The new components y_a and y_c are drawn from the generators of their
//	holders (c, a) and (b, c).
//	a sends b  π(x_a + x_b) - y_a,  and b sends a  π(x_c) - y_c.
//	Their sum is y_b, whose holders are a and b.
//
// So one element for each row, and each of the two active parties, of a pass;
// party c sends and gets nothing.
//
// Nobody learns anything. What b gets is masked by y_a, whose key only c and a
// hold; what a gets is masked by y_c, whose key only b and c hold; c gets
// nothing. So each party's view can be drawn at random without the data, π
// included for c: its new components y_c and y_a are fresh and say nothing of
// π. The permutation of all three passes together is the product of three
// uniform ones, of which each party lacks one: to it the product is uniform.
//
// The rows of all columns of bits together make one lane of words, a row after
// the other, and each column of ring elements makes one; all lanes of a pass
// are one message.
func (p *party) Shuffle(ctx context.Context, bits []Bits, rings []Ring) ([]Bits, []Ring, error) {
	n, width, size := 0, 0, 0
	for _, x := range bits {
		n, width = x.N, width+x.W
	}
	for _, x := range rings {
		n, size = x.N, size+ringSize(x.N, x.K)
	}
	for _, x := range bits {
		if x.N != n {
			return nil, nil, errShape
		}
	}
	for _, x := range rings {
		if x.N != n {
			return nil, nil, errShape
		}
	}
	var lanes []*lane
	if width > 0 {
		joint := bits[0]
		if len(bits) > 1 {
			joint = oblivious.Cat(bits...)
		}
		lanes = append(lanes, newLane(n, width, 0,
			oblivious.PlanesToRows(joint.C[0], n, width), oblivious.PlanesToRows(joint.C[1], n, width)))
		size += n * ((width + 7) / 8)
	}
	for _, x := range rings {
		lanes = append(lanes, newLane(n, 0, x.K, slices.Clone(x.C[0]), slices.Clone(x.C[1])))
	}
	if size > 0 {
		shuffle := p.step
		for pass := range 3 {
			if err := p.pass(ctx, shuffle, pass, n, size, lanes); err != nil {
				return nil, nil, err
			}
		}
	}
	moved, movedRings := make([]Bits, len(bits)), make([]Ring, len(rings))
	if width > 0 {
		joint := Bits{N: n, W: width, C: [][]uint64{
			oblivious.RowsToPlanes(lanes[0].x[0], n, width), oblivious.RowsToPlanes(lanes[0].x[1], n, width)}}
		first := 0
		for i, x := range bits {
			moved[i] = joint.Slice(first, x.W)
			first += x.W
		}
		lanes = lanes[1:]
	} else {
		moved = p.emptyBits(bits)
	}
	for i, x := range rings {
		movedRings[i] = Ring{N: n, K: x.K, C: lanes[i].x[:]}
	}
	return moved, movedRings, nil
}

// pass is one of the three; see Shuffle.
func (p *party) pass(ctx context.Context, shuffle uint64, a, n, size int, lanes []*lane) error {
	b, c := (a+1)%3, (a+2)%3
	var permutation []uint32
	if drawn := p.stream(b, p.advance(), "permutation"); drawn != nil {
		if permutation = p.permutation(drawn, shuffle, a, n); len(permutation) != n {
			return errShape
		}
	}
	step := p.advance()
	ya, yc := p.stream(a, step, "reshare"), p.stream(c, step, "reshare")
	switch p.me {
	case a:
		out := p.send(b, size)
		for _, l := range lanes {
			l.add(l.x[0], l.x[0], l.x[1])
			l.draw(ya, l.y[0])
			l.gather(l.y[1], l.x[0], permutation)
			l.sub(l.y[1], l.y[1], l.y[0])
			out = l.put(out, l.y[1])
		}
	case b:
		out := p.send(a, size)
		for _, l := range lanes {
			l.draw(yc, l.y[1])
			l.gather(l.y[0], l.x[1], permutation)
			l.sub(l.y[0], l.y[0], l.y[1])
			out = l.put(out, l.y[0])
		}
	case c:
		for _, l := range lanes {
			l.draw(yc, l.y[0])
			l.draw(ya, l.y[1])
		}
	}
	var in []byte
	peer, yb := 0, 0
	switch p.me {
	case a:
		peer, yb = b, 1
	case b:
		peer, yb = a, 0
	}
	if p.me != c {
		in = p.receive(peer, size)
	}
	if err := p.exchange(ctx); err != nil {
		return err
	}
	for _, l := range lanes {
		if p.me != c {
			other, ok := l.x[0], false // done with
			if in, ok = l.get(other, in); !ok {
				return blame(peer, errStray)
			}
			l.add(l.y[yb], l.y[yb], other)
		}
		l.x, l.y = l.y, l.x
	}
	return nil
}

func (p *party) permutation(drawn *prg.Stream, shuffle uint64, pass, n int) []uint32 {
	if p.hooks.permute != nil {
		return p.hooks.permute(shuffle, pass, n)
	}
	return drawn.Permutation(n)
}

// lane is a column on its way through the passes: x are the components that it
// has, y those that the pass makes.
type lane struct {
	width  int // bits of a row, XOR-shared; or 0, and then
	k      int // the ring, additively shared
	stride int // words of a row
	x, y   [2][]uint64
}

func newLane(n, width, k int, first, second []uint64) *lane {
	l := &lane{width: width, k: k, stride: oblivious.Words(max(width, k)), x: [2][]uint64{first, second}}
	l.y = [2][]uint64{make([]uint64, n*l.stride), make([]uint64, n*l.stride)}
	return l
}

func (l *lane) add(dst, x, y []uint64) {
	if l.width > 0 {
		xorWords(dst, x, y)
	} else {
		add(dst, x, y, l.k)
	}
}

func (l *lane) sub(dst, x, y []uint64) {
	if l.width > 0 {
		xorWords(dst, x, y)
	} else {
		sub(dst, x, y, l.k)
	}
}

// draw sets y to uniform rows.
func (l *lane) draw(stream *prg.Stream, y []uint64) {
	stream.Fill(y)
	if l.width == 0 {
		reduce(y, l.k)
		return
	}
	if mask := stray(l.width); mask != 0 {
		for last := l.stride - 1; last < len(y); last += l.stride {
			y[last] &^= mask
		}
	}
}

func (l *lane) gather(dst, src []uint64, p []uint32) {
	switch l.stride {
	case 1:
		gather(dst, src, p)
	case 2:
		gatherPairs(dst, src, p)
	default:
		for r, from := range p {
			copy(dst[r*l.stride:][:l.stride], src[int(from)*l.stride:])
		}
	}
}

func (l *lane) put(b []byte, x []uint64) []byte {
	switch {
	case l.width == 0:
		return putRing(b, x, l.k)
	case l.stride == 1:
		return putLane(b, x, l.width)
	}
	size := (l.width + 7) / 8
	for ; len(x) > 0; x = x[l.stride:] {
		putWords(b, x[:l.stride-1])
		putTail(b[8*(l.stride-1):size], x[l.stride-1])
		b = b[size:]
	}
	return b
}

func (l *lane) get(x []uint64, b []byte) (rest []byte, ok bool) {
	switch {
	case l.width == 0:
		return getRing(x, b, l.k), true
	case l.stride == 1:
		return getLane(x, b, l.width)
	}
	size, mask, found := (l.width+7)/8, stray(l.width), uint64(0)
	for ; len(x) > 0; x = x[l.stride:] {
		getWords(x[:l.stride-1], b)
		tail := getTail(b[8*(l.stride-1) : size])
		x[l.stride-1] = tail
		found |= tail & mask
		b = b[size:]
	}
	return b, found == 0
}
