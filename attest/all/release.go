//go:build release

package all

import "joconde/attest"

var development []attest.Platform
