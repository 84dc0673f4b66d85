// Package all is the list of engines that compute on shares. To add one, add a
// line; enginetest runs its contract over the list. The reference engine clear
// is not in it: it computes from original files.
package all

import (
	"joconde/dplane/engine"
	"joconde/dplane/engine/rep3"
)

// Engines are all that a plan may name.
var Engines = []engine.Engine{
	rep3.Engine{},
}

// Named finds an engine by Info().Name.
func Named(name string) (engine.Engine, bool) {
	for _, e := range Engines {
		if e.Info().Name == name {
			return e, true
		}
	}
	return nil, false
}
