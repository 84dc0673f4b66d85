// Package dplane is room 3, the only room with shares. It tells three stories,
// each in one function: an owner checks its file and splits it (input.go), a
// computing party runs the engine on its part (node.go), a recipient opens the
// result (output.go). frame.go is how a computing party and whoever started it
// talk; in a whole task that is the node of package node, and worker.go and
// receive.go take its sealed inputs and seal its outputs.
//
// An owner and a recipient see their own clear data, on their own machine. A
// computing party sees one part of every share, the plan, and what the plan
// declares as opened; never clear data and never another party's part. A
// malicious computing party can fail; to learn something it must collude past
// the threshold of the engine; what it can falsify is in the engine's Info.
package dplane
