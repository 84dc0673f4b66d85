package session

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
)

// Protocol is the ALPN name by which connections between computing parties are
// told from others that come to the same listener.
const Protocol = protocol

// ForCallers is how a computing party meets callers that are none of its peers,
// and about whom it learns nothing: it shows its key, and speaks only the given
// protocols.
func (i *Identity) ForCallers(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		MaxVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{i.certificate},
		SessionTicketsDisabled: true,
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:             protocols,
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.Version != tls.VersionTLS13 || state.DidResume || state.CurveID != tls.X25519MLKEM768 || state.NegotiatedProtocol == "" {
				return errStranger
			}
			return nil
		},
	}
}

// ToCall is how such a caller meets a computing party: it must show the key
// with this pin. The caller shows nothing.
func ToCall(pin [32]byte, name string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		MaxVersion:             tls.VersionTLS13,
		InsecureSkipVerify:     true, // no CA vouches for anybody: VerifyConnection demands the exact key
		SessionTicketsDisabled: true,
		CurvePreferences:       []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:             []string{name},
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.Version != tls.VersionTLS13 || state.DidResume || state.CurveID != tls.X25519MLKEM768 ||
				state.NegotiatedProtocol != name || len(state.PeerCertificates) != 1 {
				return errStranger
			}
			shown := sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if subtle.ConstantTimeCompare(shown[:], pin[:]) != 1 {
				return errStranger
			}
			return nil
		},
	}
}
