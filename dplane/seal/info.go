package seal

import (
	"encoding/binary"
	"strconv"

	"joconde"
)

// Version is the version of Info and of what is sealed.
const Version = 1

// Kind says in which direction a share goes.
type Kind string

// The kinds of sealed shares.
const (
	Input  Kind = "input"  // from an input party to a node
	Output Kind = "output" // from a node to an output party
)

// Info is what a sealed share is for. All of it enters the key, so a share
// opens in no other task, attempt, set of nodes, direction or place. A zero
// field is refused, Component excepted.
type Info struct {
	Version   int
	Kind      Kind
	Task      joconde.Digest
	Attempt   int            // from 1
	Bundles   joconde.Digest // the accepted set of node bundles
	From, To  joconde.PartyID
	Name      string // the input by its index in the plan, or the view
	Component int    // the part by its place: the node's index
}

// InputInfo is the Info of a part of an input on its way to a node; node is
// the index of the node in the task.
func InputInfo(task joconde.Digest, attempt int, bundles joconde.Digest, from, to joconde.PartyID, input, node int) Info {
	return Info{Version: Version, Kind: Input, Task: task, Attempt: attempt, Bundles: bundles, From: from, To: to, Name: strconv.Itoa(input), Component: node}
}

// OutputInfo is the Info of a part of a view on its way to an output party.
func OutputInfo(task joconde.Digest, attempt int, bundles joconde.Digest, from, to joconde.PartyID, view string, node int) Info {
	return Info{Version: Version, Kind: Output, Task: task, Attempt: attempt, Bundles: bundles, From: from, To: to, Name: view, Component: node}
}

const (
	infoLabel = "joconde/seal"
	maxField  = 1 << 10
)

// encode writes the Info in one way only: a label and the fields in order,
// each behind its length in 8 bytes, big-endian as are the integers.
func (i Info) encode() ([]byte, error) {
	whole := i.Version == Version && (i.Kind == Input || i.Kind == Output) && i.Task != joconde.Digest{} && i.Attempt >= 1 &&
		i.Bundles != joconde.Digest{} && i.From != "" && i.To != "" && i.Name != "" && i.Component >= 0
	if !whole || len(i.From) > maxField || len(i.To) > maxField || len(i.Name) > maxField {
		return nil, problem("JOC-K003", "the share is for nothing in particular", ErrInfo)
	}
	var b []byte
	for _, field := range [][]byte{[]byte(infoLabel), number(i.Version), []byte(i.Kind), i.Task[:], number(i.Attempt), i.Bundles[:],
		[]byte(i.From), []byte(i.To), []byte(i.Name), number(i.Component)} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(field)))
		b = append(b, field...)
	}
	return b, nil
}

func number(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
