// Package engine says what an MPC engine is to the rest of the system: a value
// with four methods that runs a Plan at one computing party, over a session,
// on that party's shares. An engine knows shares, a session and a program; it
// never sees tasks, logs, keys of organisations or clear data (the reference
// engine clear excepted, which is for development). The list is in all/.
package engine

import (
	"context"

	"joconde/dplane/session"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// Plan is a lowered program with its bounds and options: all that the
// computing parties agree on before they run it.
type Plan struct {
	Program *ir.Program    `json:"program"`
	Rows    map[string]int `json:"rows"`   // public row bound of each table, by owner.table
	Vector  *lower.Vector  `json:"vector"` // Lower(Program, Rows)
	Options Options        `json:"options"`
	Label   []byte         `json:"label"` // task and attempt: enters every derivation of randomness
}

// Options are choices that every party makes alike. The zero value is the default.
type Options struct {
	Sort string `json:"sort,omitempty"` // "" or "quick": opened comparisons of shuffled distinct keys; "radix": schedule-fixed
}

// Engine runs plans. Implementations are stateless values; one Engine may run
// several plans at a time.
type Engine interface {
	// Info says what the engine is and withstands.
	Info() Info
	// Check says whether the engine can run the plan, and what it would make
	// known to computing parties beyond public bounds: one Disclosure for each
	// kind of opening.
	Check(Plan) ([]Disclosure, error)
	// Sharing says how inputs are split for the engine and outputs opened.
	Sharing() Sharing
	// Run computes the plan at one party. in holds this party's part of each
	// plan input, in the order of Plan.Vector.Inputs, as Sharing.Split made
	// them; the result holds its part of each output in the order of
	// Plan.Vector.Outputs, for Sharing.Open. On any error nothing is returned
	// and the shares are gone. progress, which may be nil, is called from the
	// same goroutine between instructions.
	Run(ctx context.Context, plan Plan, s session.Session, in [][]byte, progress func(done, total int)) (out [][]byte, err error)
}

// Info is the engine's declaration, as interfaces.md lists it.
type Info struct {
	Name                 string `json:"name"`
	Version              string `json:"version"`
	PartiesMin           int    `json:"parties_min"`
	PartiesMax           int    `json:"parties_max"`
	PrivacyThreshold     int    `json:"privacy_threshold"`     // parties that may pool what they see and learn nothing
	CorrectnessThreshold int    `json:"correctness_threshold"` // parties that may cheat without a wrong result being accepted
	Majority             string `json:"majority"`              // honest | dishonest
	Adversary            string `json:"adversary"`             // passive | active
	Guarantee            string `json:"guarantee"`
	BreaksPrivacy        string `json:"breaks_privacy"`
	BreaksCorrectness    string `json:"breaks_correctness"`
	Source               string `json:"source"`
	Development          bool   `json:"development"` // takes no part in a real task; stamped into results
}

// Disclosure is one kind of value that an engine makes known to the computing
// parties while it runs.
type Disclosure struct {
	What string `json:"what"` // a sentence for the Statement
	Why  string `json:"why"`  // why it says nothing about the data
	Node int    `json:"node"` // index into Plan.Program.Nodes
}

// Sharing splits an input into one part for each party and joins parts again.
// Splitting and opening touch clear data, so they are ours, from a closed list
// (package sharing), never a plug-in's.
type Sharing interface {
	Name() string
	// Split gives each party's part. words[f] is field f of the input: Rows
	// values of Fields[f].Enc.Bits bits in bit-sliced planes, plane b of
	// ⌈Rows/64⌉ words at words[f][b*⌈Rows/64⌉:], row r at bit r%64 of word r/64.
	// The planes' bits beyond Rows are zero.
	Split(rows int, bits []int, words [][]uint64) (parts [][]byte, err error)
	// Open joins the parts, in party order, to words as above. Where parts
	// hold the same component twice, both must be equal; a difference is an
	// error that names no party unless it can.
	Open(rows int, bits []int, parts [][]byte) (words [][]uint64, err error)
	// Components gives the share components that a party's part holds, by
	// their number, each as canonical bytes: the same from every part that
	// holds the component. Owners commit to them, and every holder checks its
	// own, so no two holders compute on different values. Numbers count from 0
	// without a gap over the parts of all parties. The part of another party
	// is an error.
	Components(party int, part []byte) (map[int][]byte, error)
	// Size gives what follows from the shape of an input alone: the length of
	// every party's part, and how many components each holds.
	Size(rows int, bits []int) (part int64, components int)
	// Expect says whether a part is that of party and has this shape.
	Expect(party, rows int, bits []int, part []byte) error
}
