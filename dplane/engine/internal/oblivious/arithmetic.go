// Package oblivious holds the operators that every native engine runs: compare,
// add, sort, partition, scan, divide. They are written once over Arithmetic,
// which an engine supplies; which messages they exchange, in which order and of
// which length, is a function of the plan and of the bits opened so far, never
// of a share. Start with Run, which interprets a vector program.
package oblivious

import "context"

// Bits is one party's share of N words of W bits, XOR-shared and bit-sliced:
// component c holds bit b of row r at bit r%64 of C[c][b*Words(N)+r/64]. The
// bits beyond row N are zero in every component.
type Bits struct {
	N, W int
	C    [][]uint64
}

// Ring is one party's share of N elements of Z_2^K, additively shared. With K
// 32 or 64 element r is C[c][r] (the upper half zero for 32); with K 128 its
// low word is C[c][2r] and its high word C[c][2r+1].
type Ring struct {
	N, K int
	C    [][]uint64
}

// Words is the number of 64-bit words that hold one bit of n rows.
func Words(n int) int { return (n + 63) / 64 }

// Arithmetic is what an engine supplies: multiply, and, open, convert, shuffle,
// check. Each call is a batch and costs a number of rounds that does not depend
// on its size; the party sends one message per peer and round. All parties
// make the same calls in the same order. Linear operations are local to every
// component and therefore not here. Arguments are not modified; results are
// fresh. After an error nothing may be called again.
type Arithmetic interface {
	// Components is how many components this party holds of every share, and
	// Constant the one of them to which it adds public constants, or -1.
	Components() int
	Constant() int

	// And gives x[i] AND y[i]; Mul gives x[i] times y[i]. One round.
	And(ctx context.Context, x, y []Bits) ([]Bits, error)
	Mul(ctx context.Context, x, y []Ring) ([]Ring, error)

	// OpenBits and OpenRing make the values known to every computing party,
	// under the opening that the plan declares. All pending checks are closed
	// first. One round, plus those of the checks.
	OpenBits(ctx context.Context, opening int, x []Bits) ([][]uint64, error)
	OpenRing(ctx context.Context, opening int, x []Ring) ([][]uint64, error)

	// ToRing gives each x[i], an unsigned integer of W ≤ k[i] bits, as an
	// element of Z_2^k[i]. ToBits gives the low w[i] ≤ K bits of each x[i].
	ToRing(ctx context.Context, x []Bits, k []int) ([]Ring, error)
	ToBits(ctx context.Context, x []Ring, w []int) ([]Bits, error)

	// Shuffle applies one permutation of the rows, uniformly random and
	// unknown to every party, to all of bits and rings, which have equal N.
	Shuffle(ctx context.Context, bits []Bits, rings []Ring) ([]Bits, []Ring, error)

	// Check closes all pending checks; it must return nil before any output
	// leaves. An engine without checks returns nil.
	Check(ctx context.Context) error
}
