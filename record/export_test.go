package record

import (
	"encoding/base64"

	"joconde"
)

// SealBytes signs bytes that Sign would refuse, as somebody hostile would.
func SealBytes(payloadType string, payload []byte, keys ...*Key) []byte {
	raw, err := seal(payloadType, payload, keys)
	if err != nil {
		panic(err)
	}
	return raw
}

// PayloadOf takes the payload out of an envelope.
func PayloadOf(raw []byte) []byte {
	_, payload, _, err := parse(raw)
	if err != nil {
		panic(err)
	}
	return payload
}

// PAE is what is signed.
func PAE(payloadType string, payload []byte) []byte { return pae(payloadType, payload) }

// WithSignature puts any signature into an envelope, at its place.
func WithSignature(raw []byte, keyID string, sig []byte) []byte {
	var e envelope
	if err := Strict(raw, &e); err != nil {
		panic(err)
	}
	e.Signatures = []signature{{keyID, base64.StdEncoding.EncodeToString(sig)}}
	out, err := Canonical(e)
	if err != nil {
		panic(err)
	}
	return out
}

// Kinds are all kinds that are decoded.
func Kinds() []joconde.RecordKind {
	var out []joconde.RecordKind
	for k := range forms {
		out = append(out, k)
	}
	return out
}
