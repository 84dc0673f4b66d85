//go:build !release

package all

import (
	"joconde/attest"
	"joconde/attest/sim"
)

var development = []attest.Platform{sim.Platform{}}
