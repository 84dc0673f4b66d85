package rep3

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math/big"
	"sync"
	"testing"

	"joconde/dplane/engine"
	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/session"
	"joconde/lang/lower"
)

// three runs story at each of three parties, after setup, over a session in
// memory, and gives the error of each.
func three(t testing.TB, h [3]hooks, wrap func(p int, s session.Session) session.Session, story func(ctx context.Context, p *party) error) [3]error {
	t.Helper()
	plan := engine.Plan{Vector: &lower.Vector{Format: 1}, Label: []byte("task 1, attempt 1")}
	return sessions(t, wrap, func(ctx context.Context, i int, s session.Session) error {
		p, err := newParty(s, h[i])
		if err != nil {
			return err
		}
		defer p.wipe()
		if err := p.setup(ctx, plan); err != nil {
			return err
		}
		return story(ctx, p)
	})
}

// sessions runs story at each party and closes the party's session after it.
func sessions(t testing.TB, wrap func(p int, s session.Session) session.Session, story func(ctx context.Context, i int, s session.Session) error) (errs [3]error) {
	t.Helper()
	var all sync.WaitGroup
	for i, s := range session.Pipe(3) {
		if wrap != nil {
			s = wrap(i, s)
		}
		all.Go(func() {
			defer func() { _ = s.Close() }()
			errs[i] = story(t.Context(), i, s)
		})
	}
	all.Wait()
	return errs
}

// together fails the test if a party fails.
func together(t testing.TB, story func(ctx context.Context, p *party) error) {
	t.Helper()
	if err := errors.Join(slice(three(t, [3]hooks{}, nil, story))...); err != nil {
		t.Fatal(err)
	}
}

func slice(errs [3]error) []error { return errs[:] }

// Shares of the three parties stand in slices, not in arrays: the compiler of
// Go 1.26 lets the collector free what only an element of a local array of
// structs points to, where the index is not a constant and a copy of the
// element is all that is used.

// column is clear numbers, of w bits or modulo 2^k.
type column []*big.Int

// edges are n numbers below 2^w: the least, the greatest, those around the
// middle, alternating bits, and random ones.
func edges(n, w int) column {
	one := big.NewInt(1)
	limit := new(big.Int).Lsh(one, uint(w))
	half := new(big.Int).Rsh(limit, 1)
	special := column{big.NewInt(0), new(big.Int).Sub(limit, one), one, half, new(big.Int).Sub(half, one)}
	alternating := new(big.Int)
	for b := 0; b < w; b += 2 {
		alternating.SetBit(alternating, b, 1)
	}
	special = append(special, alternating)
	c := make(column, n)
	for i := range c {
		if i%2 == 0 && i/2 < len(special) {
			c[i] = new(big.Int).Mod(special[i/2], limit)
			continue
		}
		c[i], _ = rand.Int(rand.Reader, limit)
	}
	return c
}

func random() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

// components3 are the three components of a shared column.
type components3 [3][]uint64

func (c components3) at(p int) [][]uint64 { return [][]uint64{c[p], c[(p+1)%3]} }

// splitBits shares a column as words of w bits: entry p is party p's.
func splitBits(c column, w int) []Bits {
	parts := make([]Bits, 3)
	n := len(c)
	var all components3
	for j := range all {
		all[j] = make([]uint64, w*oblivious.Words(n))
	}
	for i := range all[0] {
		all[1][i], all[2][i] = random(), random()
	}
	clearStray(all[1], n)
	clearStray(all[2], n)
	copy(all[0], planes(c, w))
	for i := range all[0] {
		all[0][i] ^= all[1][i] ^ all[2][i]
	}
	for p := range parts {
		parts[p] = Bits{N: n, W: w, C: all.at(p)}
	}
	return parts
}

func planes(c column, w int) []uint64 {
	words := oblivious.Words(len(c))
	x := make([]uint64, w*words)
	for r, v := range c {
		for b := range w {
			x[b*words+r/64] |= uint64(v.Bit(b)) << (r % 64)
		}
	}
	return x
}

func unplanes(x []uint64, n, w int) column {
	words := oblivious.Words(n)
	c := make(column, n)
	for r := range c {
		c[r] = new(big.Int)
		for b := range w {
			c[r].SetBit(c[r], b, uint(x[b*words+r/64]>>(r%64)&1))
		}
	}
	return c
}

func ringWords(c column, k int) []uint64 {
	x := make([]uint64, elements(len(c), k))
	stride := elements(1, k)
	low := new(big.Int).SetUint64(^uint64(0))
	for r, v := range c {
		x[stride*r] = new(big.Int).And(v, low).Uint64()
		if stride == 2 {
			x[2*r+1] = new(big.Int).Rsh(v, 64).Uint64()
		}
	}
	return x
}

func unringWords(x []uint64, n, k int) column {
	c := make(column, n)
	stride := elements(1, k)
	for r := range c {
		c[r] = new(big.Int).SetUint64(x[stride*r])
		if stride == 2 {
			c[r].Add(c[r], new(big.Int).Lsh(new(big.Int).SetUint64(x[2*r+1]), 64))
		}
	}
	return c
}

// splitRing shares a column as elements of Z_2^k.
func splitRing(c column, k int) []Ring {
	parts := make([]Ring, 3)
	var all components3
	all[0] = ringWords(c, k)
	for _, j := range []int{1, 2} {
		all[j] = make([]uint64, len(all[0]))
		for i := range all[j] {
			all[j][i] = random()
		}
		reduce(all[j], k)
		sub(all[0], all[0], all[j], k)
	}
	for p := range parts {
		parts[p] = Ring{N: len(c), K: k, C: all.at(p)}
	}
	return parts
}

// joinBits puts three parties' shares together, and checks what must hold of
// every share: no stray bits, and both holders of a component have the same.
func joinBits(t testing.TB, parts []Bits) column {
	t.Helper()
	n, w := parts[0].N, parts[0].W
	value := make([]uint64, w*oblivious.Words(n))
	for p, part := range parts {
		if part.N != n || part.W != w || len(part.C) != 2 || len(part.C[0]) != len(value) || len(part.C[1]) != len(value) {
			t.Fatalf("party %d has a share of another shape", p)
		}
		for c := range part.C {
			clean := append([]uint64(nil), part.C[c]...)
			clearStray(clean, n)
			same(t, "bits beyond the rows", part.C[c], clean)
		}
		same(t, "components that two parties hold", part.C[1], parts[(p+1)%3].C[0])
		xorWords(value, value, part.C[0])
	}
	return unplanes(value, n, w)
}

func joinRing(t testing.TB, parts []Ring) column {
	t.Helper()
	n, k := parts[0].N, parts[0].K
	value := make([]uint64, elements(n, k))
	for p, part := range parts {
		if part.N != n || part.K != k || len(part.C) != 2 || len(part.C[0]) != len(value) || len(part.C[1]) != len(value) {
			t.Fatalf("party %d has a share of another shape", p)
		}
		for c := range part.C {
			reduced := append([]uint64(nil), part.C[c]...)
			reduce(reduced, k)
			same(t, "elements above the ring", part.C[c], reduced)
		}
		same(t, "components that two parties hold", part.C[1], parts[(p+1)%3].C[0])
		add(value, value, part.C[0], k)
	}
	return unringWords(value, n, k)
}

func same(t testing.TB, what string, got, want []uint64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d words, want %d", what, len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("%s: word %d differs", what, i)
		}
	}
}

func equal(t testing.TB, what string, got, want column) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d rows, want %d", what, len(got), len(want))
	}
	for r := range got {
		if got[r].Cmp(want[r]) != 0 {
			t.Fatalf("%s: row %d of %d is %v, want %v", what, r, len(got), got[r], want[r])
		}
	}
}

func (c column) mod(w int) column {
	limit := new(big.Int).Lsh(big.NewInt(1), uint(w))
	m := make(column, len(c))
	for i := range c {
		m[i] = new(big.Int).Mod(c[i], limit)
	}
	return m
}

func zip(x, y column, f func(z, x, y *big.Int) *big.Int) column {
	z := make(column, len(x))
	for i := range x {
		z[i] = f(new(big.Int), x[i], y[i])
	}
	return z
}

var sizes = []int{0, 1, 63, 64, 65, 1000}
var rings = []int{32, 64, 128}
