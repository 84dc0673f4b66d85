package attest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"joconde"
)

// scripted is a verifier that does what a test says.
type scripted func(ctx context.Context) (Claims, error)

func (scripted) Platform() string { return "tee" }
func (s scripted) Verify(ctx context.Context, _ joconde.Evidence, _ [64]byte, _ Policy) (Claims, error) {
	return s(ctx)
}

func good() Claims { return Claims{Platform: "tee", Vendor: "maker", Chip: "c1", Measurement: "m1"} }

func policy() Policy {
	return Policy{Platforms: []string{"tee"}, Measurements: []string{"m1"}, Chips: []string{"c1"}}
}

var genuine = joconde.Evidence{Platform: "tee", Raw: "00"}

func TestTheGuardAcceptsWhatIsInOrder(t *testing.T) {
	claims, err := Guard(scripted(func(context.Context) (Claims, error) { return good(), nil })).Verify(t.Context(), genuine, [64]byte{}, policy())
	if err != nil || claims != good() {
		t.Fatalf("got %+v, %v", claims, err)
	}
}

func TestTheGuardRefusesWhateverAVerifierDoes(t *testing.T) {
	secret := "bytes of the evidence"
	with := func(change func(*Claims)) scripted {
		return func(context.Context) (Claims, error) {
			c := good()
			change(&c)
			return c, nil
		}
	}
	for name, c := range map[string]struct {
		verifier scripted
		want     error
	}{
		"it panics":                          {func(context.Context) (Claims, error) { panic(secret) }, ErrEvidence},
		"it panics with nil":                 {func(context.Context) (Claims, error) { panic(nil) }, ErrEvidence},
		"it indexes beyond the end":          {func(context.Context) (Claims, error) { var b []byte; return Claims{}, fmt.Errorf("%d", b[len(secret)]) }, ErrEvidence},
		"it errs in words of its own":        {func(context.Context) (Claims, error) { return Claims{}, errors.New(secret) }, ErrEvidence},
		"it errs and claims":                 {func(context.Context) (Claims, error) { return good(), Refuse("no") }, ErrEvidence},
		"it claims nothing":                  {func(context.Context) (Claims, error) { return Claims{}, nil }, ErrEvidence},
		"it claims another platform":         {with(func(c *Claims) { c.Platform = "sim" }), ErrEvidence},
		"it claims an operator":              {with(func(c *Claims) { c.Operator = "fr" }), ErrEvidence},
		"it claims a host":                   {with(func(c *Claims) { c.Hosting = "cloud" }), ErrEvidence},
		"it forgets the list of chips":       {with(func(c *Claims) { c.Chip = "c2" }), ErrPolicy},
		"it forgets the measurements":        {with(func(c *Claims) { c.Measurement = "m2" }), ErrPolicy},
		"it finds no chip":                   {with(func(c *Claims) { c.Chip = "" }), ErrPolicy},
		"it forgets that it is for tests":    {with(func(c *Claims) { c.Development = true }), ErrPolicy},
		"it knows no maker, and is no test":  {with(func(c *Claims) { c.Vendor = "" }), ErrPolicy},
		"it finds a measurement of all zero": {with(func(c *Claims) { c.Measurement = "0000" }), ErrPolicy},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := Guard(c.verifier).Verify(t.Context(), genuine, [64]byte{}, policy())
			var problem *joconde.Problem
			if claims != (Claims{}) || !errors.Is(err, c.want) || !errors.As(err, &problem) {
				t.Fatalf("got %+v, %v, want %v", claims, err, c.want)
			}
			if strings.Contains(fmt.Sprintf("%+v %s", *problem, err), secret) {
				t.Errorf("the error has what the verifier saw: %v", err)
			}
		})
	}
	t.Run("an all-zero chip that is on the list", func(t *testing.T) {
		p := policy()
		p.Chips = []string{"0000"}
		_, err := Guard(with(func(c *Claims) { c.Chip = "0000" })).Verify(t.Context(), genuine, [64]byte{}, p)
		if !errors.Is(err, ErrPolicy) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestAVerifierThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		stuck := Guard(scripted(func(context.Context) (Claims, error) { <-end; return good(), nil }))
		start := time.Now()
		claims, err := stuck.Verify(t.Context(), genuine, [64]byte{}, policy())
		if claims != (Claims{}) || !errors.Is(err, ErrTime) || !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != Deadline {
			t.Errorf("after %v: %+v, %v", time.Since(start), claims, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := stuck.Verify(ctx, genuine, [64]byte{}, policy()); !errors.Is(err, ErrTime) || !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
		close(end) // its late answers go nowhere, and its goroutines end
	})
}

func TestEvidenceThatIsNotWantedIsNotParsed(t *testing.T) {
	for name, c := range map[string]struct {
		e      joconde.Evidence
		policy Policy
		want   error
	}{
		"the zero policy":         {genuine, Policy{}, ErrPolicy},
		"no platform":             {joconde.Evidence{Raw: "00"}, Policy{Platforms: []string{""}}, ErrPolicy},
		"a platform not admitted": {joconde.Evidence{Platform: "sim", Raw: "00"}, policy(), ErrPolicy},
		"evidence of another":     {joconde.Evidence{Platform: "sim", Raw: "00"}, Policy{Platforms: []string{"sim"}}, ErrEvidence},
		"nothing":                 {joconde.Evidence{Platform: "tee"}, policy(), ErrEvidence},
		"half a byte":             {joconde.Evidence{Platform: "tee", Raw: "0"}, policy(), ErrEvidence},
		"upper case":              {joconde.Evidence{Platform: "tee", Raw: "AB"}, policy(), ErrEvidence},
		"collateral in base64":    {joconde.Evidence{Platform: "tee", Raw: "00", Collateral: "a+b="}, policy(), ErrEvidence},
		"a byte too much":         {joconde.Evidence{Platform: "tee", Raw: strings.Repeat("00", MaxEvidence+1)}, policy(), ErrSize},
		"too much collateral":     {joconde.Evidence{Platform: "tee", Raw: "00", Collateral: strings.Repeat("00", MaxCollateral+1)}, policy(), ErrSize},
	} {
		t.Run(name, func(t *testing.T) {
			v := Guard(scripted(func(context.Context) (Claims, error) { t.Error("it was parsed"); return good(), nil }))
			if _, err := v.Verify(t.Context(), c.e, [64]byte{}, c.policy); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestTheTermsGiveAPolicyToEachNode(t *testing.T) {
	task := &joconde.Task{Platforms: []string{"tee"}, Computing: []joconde.Place{
		{Party: "fr", Chips: []string{"c1"}, Measurements: []string{"m1"}},
		{Party: "at", Chips: []string{"c2"}, Measurements: []string{"m1"}},
		{Party: "pt", Chips: []string{"c3"}}, {Party: "pt", Chips: []string{"c4"}},
	}}
	p, err := PolicyFor(task, "at")
	if err != nil || !slices.Equal(p.Chips, []string{"c2"}) || !slices.Equal(p.Measurements, []string{"m1"}) || !slices.Equal(p.Platforms, task.Platforms) || p.AllowDevelopment != "" {
		t.Errorf("got %+v, %v", p, err)
	}
	task.TestData = true
	if p, err := PolicyFor(task, "at"); err != nil || p.AllowDevelopment != TestData {
		t.Errorf("over test data: %+v, %v", p, err)
	}
	for _, party := range []joconde.PartyID{"ee", "pt", ""} {
		if p, err := PolicyFor(task, party); !errors.Is(err, ErrPolicy) || p.Chips != nil || p.Platforms != nil {
			t.Errorf("party %q: %+v, %v", party, p, err)
		}
	}
}

func node(vendor, hosting string, operator joconde.PartyID) Claims {
	return Claims{Platform: "tee", Vendor: vendor, Hosting: hosting, Operator: operator}
}

func TestNodesAreSpread(t *testing.T) {
	sim := Claims{Platform: "sim", Development: true, Operator: "fr"}
	for _, c := range []struct {
		name      string
		nodes     []Claims
		threshold int
		refusal   string // what the error says, or nothing
		exempt    int
	}{
		{"three of everything", []Claims{node("a", "x", "fr"), node("b", "y", "at"), node("c", "z", "pt")}, 1, "", 0},
		{"two of one vendor", []Claims{node("a", "x", "fr"), node("b", "y", "at"), node("a", "z", "pt")}, 1, `share the TEE vendor "a"`, 0},
		{"two at one host", []Claims{node("a", "x", "fr"), node("b", "x", "at"), node("c", "z", "pt")}, 1, `share the hosting provider "x"`, 0},
		{"two of one operator", []Claims{node("a", "x", "fr"), node("b", "y", "fr"), node("c", "z", "pt")}, 1, `share the operator "fr"`, 0},
		{"two of one vendor, and the engine stands two", []Claims{node("a", "x", "fr"), node("b", "y", "at"), node("a", "z", "pt")}, 2, "", 0},
		{"three of one vendor, and the engine stands two", []Claims{node("a", "x", "fr"), node("a", "y", "at"), node("a", "z", "pt")}, 2, "more than 2", 0},
		{"two that do not say where they are", []Claims{node("a", "", "fr"), node("b", "", "at"), node("c", "z", "pt")}, 1, "hosting provider that is not named", 0},
		{"two that do not say who operates them", []Claims{node("a", "x", ""), node("b", "y", ""), node("c", "z", "pt")}, 1, "operator that is not named", 0},
		{"one that does not say where it is", []Claims{node("a", "", "fr"), node("b", "y", "at"), node("c", "z", "pt")}, 1, "", 0},
		{"an engine that stands nobody", []Claims{node("a", "x", "fr")}, 0, "more than 0", 0},
		{"a threshold below nothing", []Claims{node("a", "x", "fr")}, -1, "share", 0},
		{"no nodes", nil, 3, "no nodes", 0},
		{"three on a development platform", []Claims{sim, sim, sim}, 1, "", 3},
		{"one on a development platform beside two of one vendor", []Claims{sim, node("a", "x", "fr"), node("a", "y", "at")}, 1, `vendor "a"`, 1},
		{"one on a development platform beside one TEE of its operator", []Claims{sim, node("a", "x", "fr")}, 1, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			exempt, err := Spread(c.nodes, c.threshold)
			if c.refusal == "" && err != nil || c.refusal != "" && (!errors.Is(err, ErrSpread) || !strings.Contains(err.Error(), c.refusal)) {
				t.Errorf("got %v, want %q", err, c.refusal)
			}
			if len(exempt) != c.exempt {
				t.Errorf("exempt are %q", exempt)
			}
			for _, sentence := range exempt {
				if !strings.Contains(sentence, "protects nothing") {
					t.Errorf("it is not said loudly: %q", sentence)
				}
			}
		})
	}
}

func TestSpreadHoldsForEveryAspect(t *testing.T) {
	word := rapid.SampledFrom([]string{"", "a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Claims {
			return node(word.Draw(t, "vendor"), word.Draw(t, "hosting"), joconde.PartyID(word.Draw(t, "operator")))
		}), 1, 6).Draw(t, "nodes")
		threshold := rapid.IntRange(0, 4).Draw(t, "threshold")
		_, err := Spread(nodes, threshold)
		fits := true
		for _, one := range nodes {
			var vendor, hosting, operator int
			for _, other := range nodes {
				vendor += same(one.Vendor, other.Vendor)
				hosting += same(one.Hosting, other.Hosting)
				operator += same(string(one.Operator), string(other.Operator))
			}
			fits = fits && max(vendor, hosting, operator) <= threshold
		}
		if (err == nil) != fits {
			t.Fatalf("got %v", err)
		}
	})
}

func same(a, b string) int {
	if a == b {
		return 1
	}
	return 0
}

func TestReportDataCoversEveryField(t *testing.T) {
	bundle := joconde.NodeBundle{Task: joconde.Digest{1}, Attempt: 1, Party: "fr", Address: "127.0.0.1:7000", TLSPin: "aa", HPKEKey: "bb", ReceiptKey: "cc", Nonces: joconde.Digest{2}}
	seen := map[[64]byte]string{BundleReportData(&bundle): "the bundle itself"}
	for name, change := range map[string]func(*joconde.NodeBundle){
		"task":                   func(b *joconde.NodeBundle) { b.Task[31]++ },
		"attempt":                func(b *joconde.NodeBundle) { b.Attempt = 2 },
		"party":                  func(b *joconde.NodeBundle) { b.Party = "at" },
		"address":                func(b *joconde.NodeBundle) { b.Address = "127.0.0.1:7001" },
		"TLS pin":                func(b *joconde.NodeBundle) { b.TLSPin = "ab" },
		"HPKE key":               func(b *joconde.NodeBundle) { b.HPKEKey = "ba" },
		"receipt key":            func(b *joconde.NodeBundle) { b.ReceiptKey = "cd" },
		"nonces":                 func(b *joconde.NodeBundle) { b.Nonces[0]++ },
		"keys cut elsewhere":     func(b *joconde.NodeBundle) { b.TLSPin, b.HPKEKey = "aab", "b" },
		"keys exchanged":         func(b *joconde.NodeBundle) { b.HPKEKey, b.ReceiptKey = b.ReceiptKey, b.HPKEKey },
		"party grown by address": func(b *joconde.NodeBundle) { b.Party, b.Address = "fr127.0.0.1:7000", "" },
	} {
		changed := bundle
		change(&changed)
		data := BundleReportData(&changed)
		if before, found := seen[data]; found {
			t.Errorf("with another %s it is the same as %s", name, before)
		}
		seen[data] = "another " + name
	}
	unbound := bundle
	unbound.At, unbound.Evidence = "2026-01-01T00:00:00Z", joconde.Evidence{Platform: "tee"}
	if BundleReportData(&unbound) != BundleReportData(&bundle) {
		t.Error("evidence cannot vouch for itself or for a later time")
	}
	channel := func(task joconde.Digest, attempt int, from, to joconde.PartyID, pin, exporter string) [64]byte {
		return ChannelReportData(task, attempt, from, to, pin, []byte(exporter))
	}
	first := channel(bundle.Task, 1, "fr", "at", "aa", "e")
	for name, other := range map[string][64]byte{
		"the bundle's":         BundleReportData(&bundle),
		"another task's":       channel(joconde.Digest{9}, 1, "fr", "at", "aa", "e"),
		"another attempt's":    channel(bundle.Task, 2, "fr", "at", "aa", "e"),
		"the other direction":  channel(bundle.Task, 1, "at", "fr", "aa", "e"),
		"another pin's":        channel(bundle.Task, 1, "fr", "at", "ab", "e"),
		"another connection's": channel(bundle.Task, 1, "fr", "at", "aa", "f"),
	} {
		if other == first {
			t.Errorf("a channel's report data is also %s", name)
		}
	}
}

// Evidence in old records rests on these forms.
func TestTheFormOfReportDataDoesNotChange(t *testing.T) {
	bundle := ReportData(joconde.Digest{1}, 1, "fr", "127.0.0.1:7000", "aa", "bb", "cc", joconde.Digest{2})
	channel := ChannelReportData(joconde.Digest{1}, 1, "fr", "at", "aa", []byte{3})
	for _, c := range []struct {
		name, want string
		got        [64]byte
	}{
		{"bundle", "a99c16f484935fbbccceb82874d7f3030b53c213395958744ab0e6ca01ce730657be803d8af29004b6189c5983406db90a35f582a8235a5fc1be6b138dee7cd0", bundle},
		{"channel", "b64074a98a44097de485e9a3456a5049fd9f97841bb1f84f9c32de0ab559723e70218757dc7de1cbb7cfd781b0a391999bb54ad4513932b7e680701ca4f5a492", channel},
	} {
		if got := hex.EncodeToString(c.got[:]); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}
