package record_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

// receipt is a play that waits for an input receipt of AT, and that receipt.
func receipt() (*cast.Play, cast.Step) {
	p := cast.NewPlay().Until(joconde.Established)
	return p, p.Step(p.State().Waiting()[0])
}

// These are the encodings of reference security.md §2.1, of which Go's own
// decoder accepts nearly all. Each is rightly signed by whoever wrote it.
var hostile = []struct {
	name string
	edit func(string) string
}{
	{"a name twice", swap(`"files":0`, `"files":0,"files":0`)},
	{"a name in other case", swap(`"files":0`, `"Files":0`)},
	{"a name twice, once in other case", swap(`"files":0`, `"FILES":9,"files":0`)},
	{"a name with an escape", swap(`"files"`, `"fil\u0065s"`)},
	{"an unknown name", swap(`"files":0`, `"files":0,"fines":1`)},
	{"broken UTF-8", swap(`"party":"at"`, "\"party\":\"at\xff\"")},
	{"a space", swap(`"files":0`, `"files": 0`)},
	{"a byte order mark", func(s string) string { return "\ufeff" + s }},
	{"names in another order", swap(`"files":0,"party":"at"`, `"party":"at","files":0`)},
	{"minus zero", swap(`"files":0`, `"files":-0`)},
	{"an exponent", swap(`"files":0`, `"files":0e0`)},
	{"null", swap(`"files":0`, `"files":null`)},
	{"more after the end", func(s string) string { return s + "{}" }},
	{"text with a needless escape", swap(`"party":"at"`, `"party":"\u0061t"`)},
}

func swap(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

func TestHostileEncodingsOfPayloads(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Computed)
	step := p.Step(joconde.Wanted{Kind: joconde.KindSplitWipe, Party: cast.AT})
	step.Body.(*joconde.SplitWipe).Files = 0
	good := string(record.PayloadOf(step.Sign()))
	if _, err := p.Check(step.Sign()); err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for _, c := range hostile {
		t.Run(c.name, func(t *testing.T) {
			bad := c.edit(good)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			if json.Unmarshal([]byte(bad), &joconde.SplitWipe{}) == nil {
				accepted++
			}
			raw := record.SealBytes(record.PayloadType(step.Kind), []byte(bad), step.Keys...)
			if _, err := p.Add(raw); code(err) != "JOC-E127" {
				t.Errorf("got %v", err)
			}
		})
	}
	if len(hostile) != 14 || accepted < 10 {
		t.Errorf("%d encodings, of which Go alone accepts %d: the test has lost its point", len(hostile), accepted)
	}
}

// A list that is null is the one that decoding and encoding again would accept.
func TestNullForAListIsRefused(t *testing.T) {
	p, step := receipt()
	good := string(record.PayloadOf(step.Sign()))
	from, to := strings.Index(good, `"inputs":[`), strings.Index(good, `],"party"`)
	bad := good[:from] + `"inputs":null` + good[to+1:]
	if _, err := p.Add(record.SealBytes(record.PayloadType(step.Kind), []byte(bad), step.Keys...)); code(err) != "JOC-E127" {
		t.Errorf("got %v", err)
	}
}

func TestOtherFormsOfAPayloadAreRefused(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Computed)
	step := p.Step(joconde.Wanted{Kind: joconde.KindSplitWipe, Party: cast.AT})
	good := string(record.PayloadOf(step.Sign()))
	for _, c := range []struct {
		name string
		edit func(string) string
		want string
	}{
		{"an integer that not every reader keeps", swap(`"files":3`, `"files":9007199254740992`), "JOC-E127"},
		{"a greater one still", swap(`"files":3`, `"files":18446744073709551617`), "JOC-E127"},
		{"a whole float", swap(`"files":3`, `"files":3.0`), "JOC-E127"},
		{"a number as text", swap(`"files":3`, `"files":"3"`), "JOC-E127"},
		{"a missing name", swap(`"files":3,`, ``), "JOC-E127"},
		{"half a pair of surrogates", swap(`"party":"at"`, `"party":"\ud800"`), "JOC-E127"},
		{"text that is not in normal form C", swap(`"party":"at"`, "\"party\":\"e\u0301\""), "JOC-E127"},
		{"a digest in capitals", func(s string) string { return strings.Replace(s, "sha256:", "SHA256:", 1) }, "JOC-E127"},
		{"a digest that is too short", func(s string) string { i := strings.Index(s, "sha256:"); return s[:i+7] + s[i+9:] }, "JOC-E127"},
		{"nesting without end", func(string) string { return strings.Repeat("[", 100_000) }, "JOC-E127"},
		{"nothing", func(string) string { return "" }, "JOC-E127"},
		{"a list", func(string) string { return "[]" }, "JOC-E127"},
		{"no party", swap(`"party":"at"`, `"party":""`), "JOC-E128"},
		{"a party in capitals", swap(`"party":"at"`, `"party":"AT"`), "JOC-E128"},
		{"a party with a space", swap(`"party":"at"`, `"party":"a t"`), "JOC-E128"},
		{"a negative count", swap(`"files":3`, `"files":-3`), "JOC-E128"},
		{"a time with a fraction", swap(`Z","files"`, `.5Z","files"`), "JOC-E128"},
		{"a time in a zone", swap(`Z","files"`, `+00:00","files"`), "JOC-E128"},
		{"a time in small letters", swap(`Z","files"`, `z","files"`), "JOC-E128"},
		{"a day that is not", swap(`2026-01-02T`, `2026-02-30T`), "JOC-E128"},
		{"the digest of nothing", func(s string) string {
			i := strings.Index(s, "sha256:")
			return s[:i+7] + strings.Repeat("0", 64) + s[i+71:]
		}, "JOC-E128"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := c.edit(good)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			_, err := p.Add(record.SealBytes(record.PayloadType(step.Kind), []byte(bad), step.Keys...))
			if code(err) != c.want {
				t.Errorf("got %s: %v", code(err), err)
			}
		})
	}
}

// leftOver has the bits that padding leaves over set.
func leftOver(text string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	i := strings.Index(text, "=")
	return text[:i-1] + string(alphabet[strings.IndexByte(alphabet, text[i-1])+1]) + text[i:]
}

func TestOtherFormsOfAnEnvelopeAreRefused(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Established)
	bundle, _, _ := p.Bundle(cast.PT)
	wipe := cast.Step{Kind: joconde.KindNodeBundle, Body: bundle, Keys: []*record.Key{cast.NodeKey(cast.PT, 1), cast.Key(cast.PT, cast.Operations)}}
	good := string(wipe.Sign())
	var e struct {
		Payload     string
		PayloadType string
		Signatures  []struct{ Keyid, Sig string }
	}
	if err := json.Unmarshal([]byte(good), &e); err != nil {
		t.Fatal(err)
	}
	one, two := e.Signatures[0], e.Signatures[1]
	sig := func(id, s string) string { return `{"keyid":"` + id + `","sig":"` + s + `"}` }
	list := func(items ...string) func(string) string {
		return func(s string) string {
			return s[:strings.Index(s, `"signatures":`)] + `"signatures":[` + strings.Join(items, ",") + `]}`
		}
	}
	first, second := sig(one.Keyid, one.Sig), sig(two.Keyid, two.Sig)
	urls := strings.NewReplacer("+", "-", "/", "_")
	if urls.Replace(one.Sig) == one.Sig {
		t.Fatal("the test is wrong: the signature is the same in both alphabets")
	}
	for _, c := range []struct {
		name string
		edit func(string) string
		want string
	}{
		{"a space", swap(`{"payload"`, `{ "payload"`), "JOC-E121"},
		{"a line break at the end", func(s string) string { return s + "\n" }, "JOC-E121"},
		{"a byte order mark", func(s string) string { return "\ufeff" + s }, "JOC-E121"},
		{"a second payload", swap(`{"payload"`, `{"payload":"e30=","payload"`), "JOC-E121"},
		{"a second payload in other case", swap(`{"payload"`, `{"Payload":"e30=","payload"`), "JOC-E121"},
		{"an unknown name", swap(`{"payload"`, `{"other":1,"payload"`), "JOC-E121"},
		{"another order", swap(first, `{"sig":"`+one.Sig+`","keyid":"`+one.Keyid+`"}`), "JOC-E121"},
		{"an escaped payload", swap(`"payload":"e`, `"payload":"\u0065`), "JOC-E121"},
		{"null for the signatures", func(s string) string { return s[:strings.Index(s, `"signatures":`)] + `"signatures":null}` }, "JOC-E121"},
		{"nothing", func(string) string { return "" }, "JOC-E121"},
		{"half of it", func(s string) string { return s[:len(s)/2] }, "JOC-E121"},
		{"too long", func(s string) string { return s + strings.Repeat(" ", record.MaxEnvelope) }, "JOC-E120"},
		{"another payload type", swap(`joconde.node-bundle.v1`, `joconde.ready.v1`), "JOC-E126"},
		{"a payload type of somebody else", swap(`vnd.joconde.node-bundle`, `vnd.in-toto`), "JOC-E122"},
		{"a kind that is not", swap(`joconde.node-bundle.v1`, `joconde.gossip.v1`), "JOC-E122"},
		{"another version", swap(`node-bundle.v1`, `node-bundle.v2`), "JOC-E122"},
		{"a payload type in capitals", swap(`application/`, `Application/`), "JOC-E122"},
		{"no padding", swap(e.Payload, strings.TrimRight(e.Payload, "=")), "JOC-E123"},
		{"bits left over", swap(e.Payload, leftOver(e.Payload)), "JOC-E123"},
		{"a line break in the payload", swap(`"payload":"`, `"payload":"\n`), "JOC-E123"},
		{"a signature in the alphabet for URLs", swap(one.Sig, urls.Replace(one.Sig)), "JOC-E126"},
		{"a signature with a line break", swap(one.Sig, `\r\n`+one.Sig), "JOC-E126"},
		{"a signature with bits left over", swap(one.Sig, leftOver(one.Sig)), "JOC-E126"},
		{"a short signature", swap(one.Sig, "AAAA"), "JOC-E126"},
		{"no signature", list(), "JOC-E124"},
		{"signatures in another order", list(second, first), "JOC-E124"},
		{"a signature twice", list(first, first, second), "JOC-E124"},
		{"too many", list(first, second, sig("fa", ""), sig("fb", ""), sig("fc", "")), "JOC-E124"},
		{"signatures exchanged", list(sig(one.Keyid, two.Sig), sig(two.Keyid, one.Sig)), "JOC-E126"},
		{"a key in capitals", list(sig(strings.ToUpper(one.Keyid), one.Sig), second), "JOC-E125"},
		{"no key", list(sig("", one.Sig), second), "JOC-E125"},
		{"one of the two is missing", list(first), "JOC-E163"},
		{"the other is missing", list(second), "JOC-E163"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := c.edit(good)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			if _, err := p.Add([]byte(bad)); code(err) != c.want {
				t.Errorf("got %s: %v", code(err), err)
			}
		})
	}
}

// With the identity as key, R and S can be such that the signature holds for
// every message there is.
func TestASignatureThatHoldsForEverythingIsRefused(t *testing.T) {
	_, step := receipt()
	raw := step.Sign()
	identity, _ := hex.DecodeString(lowOrder[0].hex)
	forged := append(bytes.Clone(identity), make([]byte, 32)...)
	if !ed25519.Verify(identity, []byte("whatever"), forged) {
		t.Skip("this Go refuses it by itself")
	}
	if _, err := record.Peek(record.WithSignature(raw, lowOrder[0].hex, forged)); code(err) != "JOC-E125" {
		t.Errorf("got %v", err)
	}
	entry := cast.Entry(cast.EE)
	entry.ApprovalKey = lowOrder[0].hex
	if _, err := record.Sign(joconde.KindOrganisation, entry, cast.Key(cast.EE, cast.Approval)); code(err) != "JOC-E128" {
		t.Errorf("an entry with such a key: %v", err)
	}
}

// verifier is a public key for the reference implementation.
type verifier struct{ key ed25519.PublicKey }

func (v verifier) KeyID() (string, error)   { return hex.EncodeToString(v.key), nil }
func (v verifier) Public() crypto.PublicKey { return v.key }
func (v verifier) Verify(_ context.Context, data, sig []byte) error {
	if !ed25519.Verify(v.key, data, sig) {
		return dsse.ErrNoSignature
	}
	return nil
}

// Ours has less freedom than DSSE, but it is DSSE: the reference
// implementation reads what we write.
func TestOtherImplementationsOfDSSEReadOurEnvelopes(t *testing.T) {
	p := cast.NewPlay().Out()
	for _, r := range p.Records() {
		var e dsse.Envelope
		if err := json.Unmarshal(r.Envelope, &e); err != nil {
			t.Fatal(err)
		}
		var keys []dsse.Verifier
		for _, s := range e.Signatures {
			key, err := record.ParsePublic(s.KeyID)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, verifier{key})
		}
		v, err := dsse.NewMultiEnvelopeVerifier(len(keys), keys...)
		if err != nil {
			t.Fatal(err)
		}
		accepted, payload, err := v.VerifyAndDecode(t.Context(), &e)
		if err != nil || len(accepted) != len(keys) {
			t.Errorf("%s: %d of %d signatures hold, %v", r.Kind, len(accepted), len(keys), err)
		}
		if id := joconde.Digest(sha256.Sum256(dsse.PAE(e.PayloadType, payload))); id != r.ID {
			t.Errorf("%s: the id is %s, of the same bytes by another implementation %s", r.Kind, r.ID, id)
		}
	}
	for _, c := range []struct{ kind, body string }{{"", ""}, {"a", " "}, {"DSSEv1 1 a 1", "é\x00\n"}} {
		if ours, theirs := record.PAE(c.kind, []byte(c.body)), dsse.PAE(c.kind, []byte(c.body)); !bytes.Equal(ours, theirs) {
			t.Errorf("%q: ours is %q, theirs %q", c, ours, theirs)
		}
	}
}

func TestWhatNobodyWouldAcceptIsNotSigned(t *testing.T) {
	_, step := receipt()
	key := step.Keys[0]
	many := []*record.Key{cast.Key("a", "x"), cast.Key("b", "x"), cast.Key("c", "x"), cast.Key("d", "x"), cast.Key("e", "x")}
	long := cast.Terms()
	long.Legal.Categories = nil
	for i := range 1000 {
		long.Legal.Categories = append(long.Legal.Categories, strings.Repeat("x", 190)+hex.EncodeToString([]byte{byte(i >> 8), byte(i)}))
	}
	long.Source = strings.Repeat("-- 2345\n", 64<<10)
	long.Purpose = strings.Repeat("x", 10_000)
	for i := range long.Computing {
		long.Computing[i].Chips = long.Legal.Categories
	}
	for _, c := range []struct {
		name string
		kind joconde.RecordKind
		body any
		keys []*record.Key
		want string
	}{
		{"a record", step.Kind, step.Body, step.Keys, ""},
		{"by value", step.Kind, *step.Body.(*joconde.InputReceipt), step.Keys, ""},
		{"of a kind that is not", "gossip", step.Body, step.Keys, "JOC-E130"},
		{"of another kind", joconde.KindReady, step.Body, step.Keys, "JOC-E131"},
		{"nothing", step.Kind, nil, step.Keys, "JOC-E131"},
		{"a pointer to nothing", step.Kind, (*joconde.InputReceipt)(nil), step.Keys, "JOC-E132"},
		{"a list that is absent", step.Kind, &joconde.InputReceipt{}, step.Keys, "JOC-E132"},
		{"a record without content", joconde.KindReady, &joconde.Ready{}, step.Keys, "JOC-E128"},
		{"without a key", step.Kind, step.Body, nil, "JOC-E135"},
		{"with one key twice", step.Kind, step.Body, []*record.Key{key, key}, "JOC-E134"},
		{"with too many keys", step.Kind, step.Body, many, "JOC-E135"},
		{"what is too long", joconde.KindTask, long, step.Keys, "JOC-E136"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := record.Sign(c.kind, c.body, c.keys...); code(err) != c.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOperatorsCountersign(t *testing.T) {
	p := cast.NewPlay().Until(joconde.Agreed)
	for p.State().Waiting()[0].Kind == joconde.KindAttemptNonce {
		p.Do(p.Step(p.State().Waiting()[0]))
	}
	step := p.Step(p.State().Waiting()[0])
	node, operator := step.Keys[0], step.Keys[1]
	half, err := record.Sign(step.Kind, step.Body, node)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Check(half); code(err) != "JOC-E163" {
		t.Errorf("a node without its operator: %v", err)
	}
	whole, err := record.AddSignature(half, operator)
	if err != nil || !bytes.Equal(whole, step.Sign()) {
		t.Fatalf("it matters who signs first: %v", err)
	}
	if _, err := record.AddSignature(whole, operator); code(err) != "JOC-E134" {
		t.Errorf("the operator twice: %v", err)
	}
	if _, err := record.AddSignature(half, nil); code(err) != "JOC-E133" {
		t.Errorf("nobody: %v", err)
	}
	other := step
	other.Keys = step.Keys[:1]
	body := *step.Body.(*joconde.NodeBundle)
	body.Address = "192.0.2.1:1"
	other.Body = &body
	if swapped := swap(payloadText(half), payloadText(other.Sign()))(string(half)); swapped != string(half) {
		if _, err := record.AddSignature([]byte(swapped), operator); code(err) != "JOC-E126" {
			t.Errorf("an operator endorses what the node did not sign: %v", err)
		}
	} else {
		t.Error("the test changes nothing")
	}
	if _, err := p.Add(whole); err != nil {
		t.Error(err)
	}
}

func payloadText(raw []byte) string { return base64.StdEncoding.EncodeToString(record.PayloadOf(raw)) }
