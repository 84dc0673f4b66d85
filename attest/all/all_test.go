package all

import (
	"errors"
	"os/exec"
	"strings"
	"testing"

	"joconde"
	"joconde/attest"
	"joconde/attest/attesttest"
)

func TestEveryPlatformIsFoundByItsNameAndNoOtherIs(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Platforms() {
		name := p.Platform()
		if name == "" || seen[name] {
			t.Errorf("%q is the name of two platforms or of none", name)
		}
		seen[name] = true
		if found, ok := Named(name); !ok || found != p {
			t.Errorf("Named(%q) gives %v, %v", name, found, ok)
		}
	}
	if len(seen) == 0 {
		t.Error("the list is empty")
	}
	for _, name := range []string{"", "clear", "SIM"} {
		if p, ok := Named(name); ok {
			t.Errorf("Named(%q) gives %v", name, p)
		}
	}
}

func TestEvidenceFindsItsVerifierAndTheGuard(t *testing.T) {
	for _, p := range Platforms() {
		b := attesttest.NewBench(t, p)
		data := [64]byte{7}
		e := b.Attest(t, data)
		if claims, err := Verify(t.Context(), e, data, b.Policy); err != nil || claims.Chip != b.Policy.Chips[0] {
			t.Errorf("%s: %+v, %v", p.Platform(), claims, err)
		}
		if _, err := Verify(t.Context(), e, [64]byte{8}, b.Policy); !errors.Is(err, attest.ErrReportData) {
			t.Errorf("%s for other report data: %v", p.Platform(), err)
		}
		if _, err := Verify(t.Context(), e, data, attest.Policy{}); !errors.Is(err, attest.ErrPolicy) {
			t.Errorf("%s with the zero policy: %v", p.Platform(), err)
		}
		large := e
		large.Raw = strings.Repeat("00", attest.MaxEvidence+1)
		if _, err := Verify(t.Context(), large, data, b.Policy); !errors.Is(err, attest.ErrSize) {
			t.Errorf("%s, too large: %v", p.Platform(), err)
		}
	}
	for _, name := range []string{"", "unknown"} {
		policy := attest.Policy{Platforms: []string{name}, AllowDevelopment: attest.TestData}
		if _, err := Verify(t.Context(), joconde.Evidence{Platform: name, Raw: "00"}, [64]byte{}, policy); !errors.Is(err, attest.ErrEvidence) {
			t.Errorf("platform %q: %v", name, err)
		}
	}
}

// What a release build does not have it cannot accept, whatever its policies.
func TestAReleaseBuildHasNoDevelopmentPlatform(t *testing.T) {
	deps := func(args ...string) string {
		out, err := exec.Command("go", append(append([]string{"list", "-deps"}, args...), ".")...).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		return string(out)
	}
	const sim = "joconde/attest/sim\n"
	if !strings.Contains(deps(), sim) {
		t.Error("sim is not where this test looks for it")
	}
	if strings.Contains(deps("-tags", "release"), sim) {
		t.Error("a release build has sim")
	}
}
