package attest

import (
	"crypto/sha512"
	"encoding/binary"

	"joconde"
)

// ReportData is what a node has its platform vouch for, once in an attempt:
// all that its bundle says of it. It is a SHA-512 over a label and the
// fields in this order, each behind its length in 8 bytes; the attempt is 8
// bytes; integers are big-endian; keys are text as the bundle has them; nonces
// is the digest of every party's nonce (joconde.NoncesDigest).
func ReportData(task joconde.Digest, attempt int, party joconde.PartyID, address, tlsPin, hpkeKey, receiptKey string, nonces joconde.Digest) [64]byte {
	return sum("joconde/attest/bundle/v1", task[:], number(attempt), []byte(party), []byte(joconde.ComputingParty),
		[]byte(address), []byte(tlsPin), []byte(hpkeKey), []byte(receiptKey), nonces[:])
}

// BundleReportData is the ReportData of a bundle: of all its fields but the
// evidence and the time.
func BundleReportData(b *joconde.NodeBundle) [64]byte {
	return ReportData(b.Task, b.Attempt, b.Party, b.Address, b.TLSPin, b.HPKEKey, b.ReceiptKey, b.Nonces)
}

// ChannelReportData is what a node has its platform vouch for toward one peer
// on one connection, after the handshake. exporter is keying material of that
// connection (RFC 8446 §7.5), which no relay in the middle has alike at both
// ends; tlsPin is that of the node that attests.
func ChannelReportData(task joconde.Digest, attempt int, from, to joconde.PartyID, tlsPin string, exporter []byte) [64]byte {
	return sum("joconde/attest/channel/v1", task[:], number(attempt), []byte(from), []byte(to), []byte(tlsPin), exporter)
}

func sum(label string, fields ...[]byte) [64]byte {
	h := sha512.New()
	for _, field := range append([][]byte{[]byte(label)}, fields...) {
		h.Write(number(len(field)))
		h.Write(field)
	}
	return [64]byte(h.Sum(nil))
}

func number(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
