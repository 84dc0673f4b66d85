// Package attesttest is the contract of a platform as tests: what fresh
// evidence proves, and that nothing else proves anything. It runs over the
// list in all/, and it is for tests only.
package attesttest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"joconde"
	"joconde/attest"
)

// Bench is a platform with one enrolled device and a node that it measures.
type Bench struct {
	attest.Platform
	Device     string
	Executable string
	Policy     attest.Policy // admits exactly this device and this node
}

// NewBench enrols a device in a folder of the test's own.
func NewBench(t testing.TB, p attest.Platform) *Bench {
	t.Helper()
	b := &Bench{Platform: p, Device: filepath.Join(t.TempDir(), "device"), Executable: filepath.Join(t.TempDir(), "node")}
	if err := os.WriteFile(b.Executable, []byte("a node"), 0o700); err != nil {
		t.Fatal(err)
	}
	chip, err := p.Enrol(b.Device)
	if err != nil {
		t.Fatalf("enrol: %v", err)
	}
	measurement, err := p.Measure(b.Executable)
	if err != nil {
		t.Fatalf("measure: %v", err)
	}
	b.Policy = attest.Policy{Platforms: []string{p.Platform()}, Measurements: []string{measurement}, Chips: []string{chip}, AllowDevelopment: attest.TestData}
	return b
}

// Attest gives fresh evidence of the bench's device and node.
func (b *Bench) Attest(t testing.TB, reportData [64]byte) joconde.Evidence {
	t.Helper()
	attester, err := b.Open(b.Device, b.Executable)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	e, err := attester.Attest(t.Context(), reportData)
	if err != nil {
		t.Fatalf("attest: %v", err)
	}
	if attester.Platform() != b.Platform.Platform() || e.Platform != b.Platform.Platform() {
		t.Fatalf("attester %q gives evidence of platform %q", attester.Platform(), e.Platform)
	}
	return e
}

// verify asks the verifier without its guard, and makes a panic show.
func (b *Bench) verify(e joconde.Evidence, reportData [64]byte, policy attest.Policy) (claims attest.Claims, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	return b.Platform.Verify(context.Background(), e, reportData, policy)
}

var errPanic = errors.New("panic")

// refused checks that evidence is refused, with and without the guard, by an
// error that is written for people.
func (b *Bench) refused(t testing.TB, what string, e joconde.Evidence, reportData [64]byte, policy attest.Policy) error {
	t.Helper()
	claims, bare := b.verify(e, reportData, policy)
	var problem *joconde.Problem
	if bare == nil || claims != (attest.Claims{}) || errors.Is(bare, errPanic) || !errors.As(bare, &problem) {
		t.Errorf("%s: the verifier gives %+v, %v", what, claims, bare)
	}
	claims, err := attest.Guard(b.Platform).Verify(t.Context(), e, reportData, policy)
	if err == nil || claims != (attest.Claims{}) || !errors.As(err, &problem) || problem.Code == "" {
		t.Errorf("%s: behind the guard it gives %+v, %v", what, claims, err)
	}
	return err
}

// Run checks the contract.
func Run(t *testing.T, p attest.Platform) {
	b := NewBench(t, p)
	data := [64]byte{1, 2, 3, 63: 4}
	e := b.Attest(t, data)

	t.Run("fresh evidence proves what node it is, and on which chip", func(t *testing.T) {
		for name, v := range map[string]attest.Verifier{"bare": p, "guarded": attest.Guard(p)} {
			claims, err := v.Verify(t.Context(), e, data, b.Policy)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if claims.Platform != p.Platform() || claims.Chip != b.Policy.Chips[0] || claims.Measurement != b.Policy.Measurements[0] {
				t.Errorf("%s: it proves %+v", name, claims)
			}
			if claims.Development != (claims.Vendor == "") {
				t.Errorf("%s: a TEE has a vendor, and a development platform has none: %+v", name, claims)
			}
		}
	})
	t.Run("the same device has the same chip id again", func(t *testing.T) {
		if again, err := p.Enrol(b.Device); err != nil || again != b.Policy.Chips[0] {
			t.Errorf("got %q, %v", again, err)
		}
	})
	t.Run("what the policy does not list is refused", func(t *testing.T) { b.policies(t, e, data) })
	t.Run("evidence for other report data is refused by that name", func(t *testing.T) {
		for i := range data {
			for _, with := range []byte{1, 0x80} {
				other := data
				other[i] ^= with
				if err := b.refused(t, fmt.Sprintf("byte %d", i), e, other, b.Policy); !errors.Is(err, attest.ErrReportData) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
		}
	})
	t.Run("evidence of another device or node is refused", func(t *testing.T) {
		other := NewBench(t, p)
		if other.Policy.Chips[0] != b.Policy.Chips[0] { // hardware has but one
			if err := b.refused(t, "another chip", other.Attest(t, data), data, b.Policy); !errors.Is(err, attest.ErrPolicy) {
				t.Error(err)
			}
		}
		changed := *b
		changed.Executable = filepath.Join(t.TempDir(), "node")
		if err := os.WriteFile(changed.Executable, []byte("a node that was changed"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := b.refused(t, "another measurement", changed.Attest(t, data), data, b.Policy); !errors.Is(err, attest.ErrPolicy) {
			t.Error(err)
		}
	})
	t.Run("every byte counts", func(t *testing.T) { b.bytes(t, e, data) })
	t.Run("evidence that has no end, or none at all, is refused", func(t *testing.T) { b.sizes(t, e, data) })
	t.Run("an attester serves several at once", func(t *testing.T) {
		attester, err := p.Open(b.Device, b.Executable)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				mine := [64]byte{byte(i)}
				e, err := attester.Attest(t.Context(), mine)
				if err != nil {
					t.Error(err)
				} else if _, err := p.Verify(t.Context(), e, mine, b.Policy); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
	})
	t.Run("who is called off does not attest", func(t *testing.T) {
		attester, err := p.Open(b.Device, b.Executable)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := attester.Attest(ctx, data); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func (b *Bench) policies(t *testing.T, e joconde.Evidence, data [64]byte) {
	claims, err := b.verify(e, data, b.Policy)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*attest.Policy){
		"nothing is listed":               func(p *attest.Policy) { *p = attest.Policy{} },
		"only that it is for test data":   func(p *attest.Policy) { *p = attest.Policy{AllowDevelopment: attest.TestData} },
		"no platform is listed":           func(p *attest.Policy) { p.Platforms = nil },
		"another platform is listed":      func(p *attest.Policy) { p.Platforms = []string{"another"} },
		"no measurement is listed":        func(p *attest.Policy) { p.Measurements = []string{} },
		"an empty measurement is listed":  func(p *attest.Policy) { p.Measurements = []string{""} },
		"another measurement is listed":   func(p *attest.Policy) { p.Measurements = []string{strings.Repeat("ab", 32)} },
		"no chip is listed":               func(p *attest.Policy) { p.Chips = []string{} },
		"an empty chip is listed":         func(p *attest.Policy) { p.Chips = []string{""} },
		"another chip is listed":          func(p *attest.Policy) { p.Chips = []string{strings.Repeat("ab", 32)} },
		"a chip in another spelling":      func(p *attest.Policy) { p.Chips = []string{p.Chips[0] + " "} },
		"the chip among the measurements": func(p *attest.Policy) { p.Chips, p.Measurements = p.Measurements, p.Chips },
	} {
		policy := b.Policy
		change(&policy)
		if err := b.refused(t, name, e, data, policy); !errors.Is(err, attest.ErrPolicy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	more := b.Policy
	more.Chips = append([]string{"another"}, more.Chips...)
	more.Platforms = append([]string{"another"}, more.Platforms...)
	if _, err := attest.Guard(b.Platform).Verify(t.Context(), e, data, more); err != nil {
		t.Errorf("a longer list refuses what is on it: %v", err)
	}
	for _, word := range []attest.Development{"", "yes", "Test data", "test data "} {
		policy := b.Policy
		policy.AllowDevelopment = word
		if !claims.Development {
			if _, err := b.verify(e, data, policy); err != nil {
				t.Errorf("a TEE needs a word for development: %v", err)
			}
		} else if err := b.refused(t, "the word "+string(word), e, data, policy); !errors.Is(err, attest.ErrPolicy) {
			t.Errorf("the word %q: %v", word, err)
		}
	}
}

// bytes changes every byte of evidence and collateral, as bytes and as text,
// and cuts at every place.
func (b *Bench) bytes(t *testing.T, e joconde.Evidence, data [64]byte) {
	fields := map[string]func(*joconde.Evidence) *string{
		"evidence":   func(e *joconde.Evidence) *string { return &e.Raw },
		"collateral": func(e *joconde.Evidence) *string { return &e.Collateral },
	}
	for name, field := range fields {
		text := *field(&e)
		raw, err := hex.DecodeString(text)
		if err != nil || hex.EncodeToString(raw) != text {
			t.Fatalf("the %s is not lower-case hex", name)
		}
		try := func(what, text string) {
			changed := e
			*field(&changed) = text
			_ = b.refused(t, name+" with "+what, changed, data, b.Policy)
		}
		for i := range raw {
			for _, with := range []byte{1, 0x20, 0x80, 0xff} {
				changed := []byte(string(raw))
				changed[i] ^= with
				try(fmt.Sprintf("byte %d changed", i), hex.EncodeToString(changed))
			}
			try(fmt.Sprintf("byte %d dropped", i), text[:2*i]+text[2*i+2:])
			try(fmt.Sprintf("a byte put in at %d", i), text[:2*i]+"00"+text[2*i:])
			try(fmt.Sprintf("all dropped from %d", i), text[:2*i])
		}
		try("a space behind", text+"20")
		try("a byte behind", text+"00")
		try("half a byte behind", text+"0")
		try("another word", text+"zz")
		try("the same behind it", text+text+"00")
		if upper := strings.ToUpper(text); upper != text {
			changed := e
			*field(&changed) = upper
			if _, err := attest.Guard(b.Platform).Verify(t.Context(), changed, data, b.Policy); !errors.Is(err, attest.ErrEvidence) {
				t.Errorf("%s in upper case: %v", name, err)
			}
		}
	}
	for _, platform := range []string{"", "another", strings.ToUpper(e.Platform), e.Platform + " "} {
		changed := e
		changed.Platform = platform
		_ = b.refused(t, "the platform "+platform, changed, data, b.Policy)
	}
}

func (b *Bench) sizes(t *testing.T, e joconde.Evidence, data [64]byte) {
	for name, change := range map[string]func(*joconde.Evidence){
		"nothing at all":          func(e *joconde.Evidence) { *e = joconde.Evidence{} },
		"nothing but a platform":  func(e *joconde.Evidence) { *e = joconde.Evidence{Platform: e.Platform} },
		"as much as there may be": func(e *joconde.Evidence) { e.Raw = strings.Repeat("5b", attest.MaxEvidence) },
	} {
		changed := e
		change(&changed)
		_ = b.refused(t, name, changed, data, b.Policy)
	}
	for name, change := range map[string]func(*joconde.Evidence){
		"evidence that is too long":   func(e *joconde.Evidence) { e.Raw += strings.Repeat("20", attest.MaxEvidence) },
		"collateral that is too long": func(e *joconde.Evidence) { e.Collateral = strings.Repeat("20", attest.MaxCollateral+1) },
	} {
		changed := e
		change(&changed)
		if err := b.refused(t, name, changed, data, b.Policy); !errors.Is(err, attest.ErrSize) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Fuzz tries evidence of every form on the verifier without its guard: it must
// not panic, and nothing but what an attester gave may prove anything.
func Fuzz(f *testing.F, p attest.Platform) {
	b := NewBench(f, p)
	data := [64]byte{1, 2, 3}
	e := b.Attest(f, data)
	raw, err := hex.DecodeString(e.Raw)
	if err != nil {
		f.Fatal(err)
	}
	collateral, err := hex.DecodeString(e.Collateral)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, collateral)
	f.Add(raw[:len(raw)/2], collateral)
	f.Add([]byte{}, []byte{})
	f.Fuzz(func(t *testing.T, raw, collateral []byte) {
		tried := joconde.Evidence{Platform: e.Platform, Raw: hex.EncodeToString(raw), Collateral: hex.EncodeToString(collateral)}
		_, err := p.Verify(t.Context(), tried, data, b.Policy)
		if err == nil && tried != e {
			t.Fatal("evidence is accepted that no attester gave")
		}
	})
}
