package record

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"joconde"
)

// Limits of an envelope.
const (
	MaxEnvelope   = 1 << 20 // bytes
	MaxSignatures = 4
)

// envelope is DSSE's, with less freedom: canonical JSON, base64 of the standard
// alphabet with padding, and as key id the public key, by which signatures are
// in order. Nothing is believed because of a key id.
type envelope struct {
	Payload     string      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	KeyID string `json:"keyid"` // the public key, hex
	Sig   string `json:"sig"`
}

// A payload type is "application/vnd.joconde.<kind>.v1+json".
const (
	typePrefix = "application/vnd.joconde."
	typeSuffix = ".v1+json"
)

// PayloadType is the DSSE payload type of a kind of record.
func PayloadType(kind joconde.RecordKind) string { return typePrefix + string(kind) + typeSuffix }

// pae is DSSE's pre-authentication encoding: what is signed, and whose SHA-256
// is the id of a record. Lengths make it one-to-one.
func pae(payloadType string, payload []byte) []byte {
	out := make([]byte, 0, len(payload)+len(payloadType)+32)
	out = append(out, "DSSEv1 "...)
	out = strconv.AppendInt(out, int64(len(payloadType)), 10)
	out = append(out, ' ')
	out = append(out, payloadType...)
	out = append(out, ' ')
	out = strconv.AppendInt(out, int64(len(payload)), 10)
	out = append(out, ' ')
	return append(out, payload...)
}

// Record is a record that was verified: by OpenOrganisation or by a Ledger.
type Record struct {
	Kind     joconde.RecordKind
	ID       joconde.Digest // SHA-256 of the pre-authentication encoding: the same whoever signs
	Body     any            // a pointer to the kind's struct, such as *joconde.Approval; not to be changed
	Envelope []byte         // as it came; not to be changed
}

// Unchecked is what an envelope claims. Its form is right and its signatures
// hold, but under keys that it names itself and that may be anybody's.
type Unchecked struct {
	Kind    joconde.RecordKind
	ID      joconde.Digest
	Body    any
	Signers []string // public keys, in order
}

// Peek reads an envelope without knowing whose keys count: enough to find the
// task or the directory entry by which it must then be verified.
func Peek(raw []byte) (*Unchecked, error) {
	u, _, err := open(raw)
	return u, err
}

// open verifies every signature under the key that it names, and then decodes
// the bytes that were verified. That the keys are the right ones is for the
// caller to see.
func open(raw []byte) (*Unchecked, envelope, error) {
	e, payload, kind, err := parse(raw)
	if err != nil {
		return nil, envelope{}, err
	}
	message := pae(e.PayloadType, payload)
	u := &Unchecked{Kind: kind, ID: sha256.Sum256(message)}
	for i := range e.Signatures {
		s := &e.Signatures[i]
		public, err := ParsePublic(s.KeyID)
		if err != nil {
			return nil, envelope{}, refused("JOC-E125", string(kind), "a signature names a key that no signature may be checked with", whyKeys, doSigner, err)
		}
		sig, err := unbase64(s.Sig)
		if err != nil || !ed25519.Verify(public, message, sig) {
			return nil, envelope{}, refused("JOC-E126", string(kind), "a signature does not hold", "the bytes are not those that the key has signed", doSigner, err)
		}
		u.Signers = append(u.Signers, s.KeyID)
	}
	if u.Body, err = decode(kind, payload); err != nil {
		return nil, envelope{}, err
	}
	return u, e, nil
}

// parse takes an envelope apart, and looks at nothing inside of the payload.
func parse(raw []byte) (e envelope, payload []byte, kind joconde.RecordKind, err error) {
	if len(raw) > MaxEnvelope {
		return e, nil, "", refused("JOC-E120", "", fmt.Sprintf("a record is longer than %d bytes", MaxEnvelope), "nobody should have to read without end before knowing who wrote", doSigner, nil)
	}
	if err := Strict(raw, &e); err != nil {
		return e, nil, "", refused("JOC-E121", "", "an envelope is not in its one form", whyOneForm, doSigner, err)
	}
	name, ours := strings.CutPrefix(e.PayloadType, typePrefix)
	name, suffixed := strings.CutSuffix(name, typeSuffix)
	kind = joconde.RecordKind(name)
	if _, known := forms[kind]; !ours || !suffixed || !known {
		return e, nil, "", refused("JOC-E122", "", "the payload type is none of ours", "what was signed as something else is not a record", doSigner, nil)
	}
	if payload, err = unbase64(e.Payload); err != nil {
		return e, nil, "", refused("JOC-E123", string(kind), "the payload is not base64 in its one form", whyOneForm, doSigner, err)
	}
	ids := make([]string, len(e.Signatures))
	for i := range e.Signatures {
		ids[i] = e.Signatures[i].KeyID
	}
	if len(ids) == 0 || len(ids) > MaxSignatures || !strictlyAscending(ids) {
		return e, nil, "", refused("JOC-E124", string(kind), fmt.Sprintf("signatures must be 1 to %d, in order of their keys, one for each", MaxSignatures), whyOneForm, doSigner, nil)
	}
	return e, payload, kind, nil
}

func strictlyAscending(list []string) bool {
	for i := 1; i < len(list); i++ {
		if list[i-1] >= list[i] {
			return false
		}
	}
	return true
}

// unbase64 accepts the standard alphabet with padding and nothing else: no
// line breaks, no bits left over.
func unbase64(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != text {
		return nil, errors.New("not base64 of the standard alphabet with padding")
	}
	return raw, nil
}

// Sign makes the envelope of a payload, which must be the kind's struct or a
// pointer to it. What nobody would accept is not signed.
func Sign(kind joconde.RecordKind, payload any, keys ...*Key) ([]byte, error) {
	form, known := forms[kind]
	if !known {
		return nil, cannotSign("JOC-E130", kind, "there is no such kind of record")
	}
	if t := reflect.TypeOf(payload); t != reflect.TypeOf(form.body()) && t != reflect.TypeOf(form.body()).Elem() {
		return nil, cannotSign("JOC-E131", kind, fmt.Sprintf("a %T is not what such a record holds", payload))
	}
	text, err := Canonical(payload)
	if err != nil {
		p := cannotSign("JOC-E132", kind, "the record has no canonical form")
		p.Err = err
		return nil, p
	}
	if _, err := decode(kind, text); err != nil {
		return nil, err
	}
	return seal(PayloadType(kind), text, keys)
}

// seal signs bytes, whatever they are.
func seal(payloadType string, payload []byte, keys []*Key) ([]byte, error) {
	e := envelope{base64.StdEncoding.EncodeToString(payload), payloadType, []signature{}}
	message := pae(payloadType, payload)
	for _, k := range keys {
		if err := e.add(message, k); err != nil {
			return nil, err
		}
	}
	return e.bytes()
}

// AddSignature countersigns: it returns the envelope with one more signature
// over the same bytes, after looking that the envelope is whole.
func AddSignature(raw []byte, key *Key) ([]byte, error) {
	u, e, err := open(raw)
	if err != nil {
		return nil, err
	}
	payload, err := unbase64(e.Payload)
	if err != nil {
		return nil, err
	}
	if err := e.add(pae(PayloadType(u.Kind), payload), key); err != nil {
		return nil, err
	}
	return e.bytes()
}

// add puts a signature in its place.
func (e *envelope) add(message []byte, k *Key) error {
	kind := joconde.RecordKind(strings.TrimSuffix(strings.TrimPrefix(e.PayloadType, typePrefix), typeSuffix))
	if k.empty() {
		return cannotSign("JOC-E133", kind, "there is no key to sign with")
	}
	at, found := slices.BinarySearchFunc(e.Signatures, k.Public(), func(s signature, id string) int { return strings.Compare(s.KeyID, id) })
	if found {
		return cannotSign("JOC-E134", kind, "the same key would sign twice")
	}
	e.Signatures = slices.Insert(e.Signatures, at, signature{k.Public(), base64.StdEncoding.EncodeToString(k.sign(message))})
	return nil
}

func (e *envelope) bytes() ([]byte, error) {
	kind := joconde.RecordKind(strings.TrimSuffix(strings.TrimPrefix(e.PayloadType, typePrefix), typeSuffix))
	if len(e.Signatures) == 0 || len(e.Signatures) > MaxSignatures {
		return nil, cannotSign("JOC-E135", kind, fmt.Sprintf("a record has 1 to %d signatures", MaxSignatures))
	}
	raw, err := Canonical(e)
	if err != nil {
		return nil, fmt.Errorf("write an envelope: %w", err)
	}
	if len(raw) > MaxEnvelope {
		return nil, cannotSign("JOC-E136", kind, fmt.Sprintf("the record would be longer than %d bytes", MaxEnvelope))
	}
	return bytes.Clone(raw), nil
}

func cannotSign(code string, kind joconde.RecordKind, what string) *joconde.Problem {
	p := refused(code, string(kind), what, "nothing is signed that nobody would accept", "correct the record or the key", nil)
	p.Exit = joconde.ExitInvalid
	return p
}
