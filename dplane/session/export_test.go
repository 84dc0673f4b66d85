package session

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net"
)

// MemoryConns connects n parties: entry [i][j] is the end of i that leads to j.
func MemoryConns(n int) [][]net.Conn {
	conns := make([][]net.Conn, n)
	for i := range conns {
		conns[i] = make([]net.Conn, n)
	}
	for i := range n {
		for j := range i {
			conns[i][j], conns[j][i] = memoryPair()
		}
	}
	return conns
}

// PinOf is the pin of the certificate's key.
func PinOf(c *x509.Certificate) [32]byte { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// ClientTLS is the client end of a connection with the keys of c.
func ClientTLS(c Config, conn net.Conn) *tls.Conn {
	return tls.Client(conn, c.tlsConfig(func([32]byte) error { return nil }))
}

// Alone is party me over conns, without the other parties' sessions.
func Alone(me int, conns []net.Conn) Session {
	s := newParty(me, len(conns), defaultStall, unlimited)
	for p, conn := range conns {
		if p != me {
			s.attach(p, conn)
		}
	}
	return s
}
