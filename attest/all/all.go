// Package all is the list of platforms. To add one, add a line; attesttest runs
// its contract over the list. Who verifies evidence calls Verify, which has
// every platform behind attest.Guard.
package all

import (
	"context"
	"slices"

	"joconde"
	"joconde/attest"
)

// Platforms are all that a task may name: TEEs, and after them what is only
// for development, of which a release build has none.
func Platforms() []attest.Platform { return slices.Concat(tees, development) }

// tees are the platforms that protect memory. There is none yet.
var tees []attest.Platform

// Named finds a platform by its name. Its own Verify is not behind the guard:
// verify with Verify.
func Named(name string) (attest.Platform, bool) {
	for _, p := range Platforms() {
		if p.Platform() == name {
			return p, true
		}
	}
	return nil, false
}

// Verify verifies evidence of whatever platform it names.
func Verify(ctx context.Context, e joconde.Evidence, reportData [64]byte, policy attest.Policy) (attest.Claims, error) {
	p, found := Named(e.Platform)
	if !found {
		return attest.Claims{}, attest.Refuse("this build does not know its platform")
	}
	return attest.Guard(p).Verify(ctx, e, reportData, policy)
}
