package attesttest_test

import (
	"testing"

	"joconde/attest/all"
	"joconde/attest/attesttest"
	"joconde/attest/sim"
)

func TestEveryPlatformKeepsTheContract(t *testing.T) {
	for _, p := range all.Platforms() {
		t.Run(p.Platform(), func(t *testing.T) { attesttest.Run(t, p) })
	}
}

func FuzzSim(f *testing.F) { attesttest.Fuzz(f, sim.Platform{}) }
