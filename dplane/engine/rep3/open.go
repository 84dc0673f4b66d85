package rep3

import "context"

// Opening: party i lacks component i-1 only, and party i-1, for whom that is
// the first component, sends it. What arrives is determined by the opened value
// and by what the receiver holds already, so nothing else becomes known.

// OpenBits is one round under a declared opening.
func (p *party) OpenBits(ctx context.Context, opening int, x []Bits) ([][]uint64, error) {
	size := 0
	for i := range x {
		size += bitsSize(x[i].N, x[i].W)
	}
	out, in := p.send(p.next, size), p.receive(p.prev, size)
	for i := range x {
		out = putBits(out, x[i].C[0], x[i].N)
	}
	if err := p.open(ctx, opening); err != nil {
		return nil, err
	}
	values := make([][]uint64, len(x))
	for i := range x {
		values[i] = make([]uint64, len(x[i].C[0]))
		var ok bool
		if in, ok = getBits(values[i], in, x[i].N); !ok {
			return nil, blame(p.prev, errStray)
		}
		xorWords(values[i], values[i], x[i].C[0])
		xorWords(values[i], values[i], x[i].C[1])
	}
	return values, nil
}

// OpenRing is OpenBits for ring elements.
func (p *party) OpenRing(ctx context.Context, opening int, x []Ring) ([][]uint64, error) {
	size := 0
	for i := range x {
		size += ringSize(x[i].N, x[i].K)
	}
	out, in := p.send(p.next, size), p.receive(p.prev, size)
	for i := range x {
		out = putRing(out, x[i].C[0], x[i].K)
	}
	if err := p.open(ctx, opening); err != nil {
		return nil, err
	}
	values := make([][]uint64, len(x))
	for i := range x {
		values[i] = make([]uint64, len(x[i].C[0]))
		in = getRing(values[i], in, x[i].K)
		add(values[i], values[i], x[i].C[0], x[i].K)
		add(values[i], values[i], x[i].C[1], x[i].K)
	}
	return values, nil
}
