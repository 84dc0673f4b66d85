// Package rep3 is the engine of three parties of which one may be curious:
// replicated secret sharing over Z_2^32, Z_2^64, Z_2^128 and bit-sliced Boolean
// words (Araki et al., CCS 2016, eprint 2016/768). It may be trusted to show no
// party more than its own shares, what is masked with keys that it does not
// hold, and the openings that the plan declares, as long as no two parties pool
// what they see and none leaves the protocol. It does not notice a party that
// cheats. Start with Engine.Run; party.go says who holds what, multiply.go,
// convert.go, shuffle.go and open.go are the protocols, each with the argument
// why it is safe.
package rep3

const (
	name    = "rep3"
	version = "1"
)
