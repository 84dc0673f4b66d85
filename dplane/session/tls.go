package session

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"time"

	"joconde"
)

// Identity is the key by which a computing party is known to its peers in one
// attempt. It is made in memory and never leaves it.
type Identity struct {
	certificate tls.Certificate
	pin         [32]byte
}

// NewIdentity makes a key and the certificate that TLS wants around it. The
// certificate says nothing: peers look at the key only.
func NewIdentity() (*Identity, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // no well-defined end (RFC 5280)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	return &Identity{
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private, Leaf: leaf},
		pin:         sha256.Sum256(leaf.RawSubjectPublicKeyInfo),
	}, nil
}

// Pin is the SHA-256 of the key's SubjectPublicKeyInfo.
func (i *Identity) Pin() [32]byte { return i.pin }

// Peer says where a computing party listens and by which key it is known.
type Peer struct {
	Addr string
	Pin  [32]byte
}

// Config is all that a party knows of the session before it begins.
type Config struct {
	Me       int          // our index
	Listener net.Listener // where parties of lower index reach us; not needed by party 0. Dial closes it.
	Peers    []Peer       // every party in order, ourselves too: its length is the number of parties
	Identity *Identity    // our key; Peers[Me].Pin is its pin
	// Label names the task, the attempt and whatever else both ends must agree
	// on. Connections between ends with different labels are refused.
	Label     []byte
	Openings  int           // how many openings the plan declares; 0 allows none
	Stall     time.Duration // how long a peer may be waited for while nothing moves; 0 means 20 s
	Handshake time.Duration // how long all peers together may take to connect; 0 means 20 s
}

func (c Config) check() (Config, error) {
	n := len(c.Peers)
	switch {
	case c.Me < 0 || c.Me >= n:
		return c, fmt.Errorf("there is no party %d among %d", c.Me, n)
	case c.Identity == nil:
		return c, errors.New("a session needs an identity")
	case c.Peers[c.Me].Pin != c.Identity.pin:
		return c, fmt.Errorf("our key is not the one that the parties know as %s", Name(c.Me))
	case c.Openings < 0 || c.Stall < 0 || c.Handshake < 0 || len(c.Label) > 1<<16:
		return c, errors.New("a value of the session's configuration is out of range")
	}
	seen := map[[32]byte]int{}
	for p, peer := range c.Peers {
		if q, twice := seen[peer.Pin]; twice {
			return c, fmt.Errorf("%s and %s have the same key", Name(q), Name(p))
		}
		if peer.Pin == [32]byte{} {
			return c, fmt.Errorf("%s has no key", Name(p))
		}
		seen[peer.Pin] = p
	}
	if c.Stall == 0 {
		c.Stall = defaultStall
	}
	if c.Handshake == 0 {
		c.Handshake = defaultStall
	}
	return c, nil
}

const protocol = "joconde-session/1"

// errStranger: whoever is at the other end is not the party it should be.
var errStranger = errors.New("the other end is not the party that is expected")

// tlsConfig is the same for both ends but for what verify does with the peer's
// pin. There is no CA, no name, no resumption, no older version and no other
// key exchange to fall back to.
func (c Config) tlsConfig(verify func(pin [32]byte) error) *tls.Config {
	return &tls.Config{
		MinVersion:                  tls.VersionTLS13,
		MaxVersion:                  tls.VersionTLS13,
		Certificates:                []tls.Certificate{c.Identity.certificate},
		ClientAuth:                  tls.RequireAnyClientCert,
		InsecureSkipVerify:          true, // no CA vouches for anybody: VerifyConnection demands the exact key
		SessionTicketsDisabled:      true,
		CurvePreferences:            []tls.CurveID{tls.X25519MLKEM768},
		NextProtos:                  []string{protocol},
		DynamicRecordSizingDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			if state.Version != tls.VersionTLS13 || state.DidResume || state.CurveID != tls.X25519MLKEM768 ||
				state.NegotiatedProtocol != protocol || len(state.PeerCertificates) != 1 {
				return errStranger
			}
			return verify(sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo))
		},
	}
}

// pinned gives the party among candidates whose pin it is. All are compared.
func (c Config) pinned(pin [32]byte, candidates []int) (party int, err error) {
	party = nobody
	for _, p := range candidates {
		if subtle.ConstantTimeCompare(pin[:], c.Peers[p].Pin[:]) == 1 {
			party = p
		}
	}
	if party == nobody {
		return nobody, errStranger
	}
	return party, nil
}

// secure makes conn a connection to one of the candidates, or says why not; it
// closes conn then. The error is a Fault only if the other end has proved to
// be party and disagrees with us about the task. Client says which end of TLS
// we are.
func (c Config) secure(ctx context.Context, conn net.Conn, client bool, candidates []int) (secured *tls.Conn, party int, err error) {
	party = nobody
	config := c.tlsConfig(func(pin [32]byte) (err error) {
		party, err = c.pinned(pin, candidates)
		return err
	})
	if client {
		secured = tls.Client(conn, config)
	} else {
		secured = tls.Server(conn, config)
	}
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, nobody, fmt.Errorf("secure the connection: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = c.echo(secured, party)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, party, err
	}
	return secured, party, nil
}

// echo is the first record in both directions: a value that only the two ends
// of this very connection can make, and only if they agree on the label, on
// the parties and on who is who.
func (c Config) echo(conn *tls.Conn, party int) error {
	state := conn.ConnectionState()
	ours, err := c.echoValue(state, c.Me, party)
	if err != nil {
		return err
	}
	theirs, err := c.echoValue(state, party, c.Me)
	if err != nil {
		return err
	}
	sent := make(chan error, 1) // the other end may be as eager to write as we are
	go func() {
		_, err := conn.Write(ours)
		sent <- err
	}()
	got := make([]byte, len(theirs))
	_, err = io.ReadFull(conn, got)
	if err != nil {
		_ = conn.NetConn().SetDeadline(time.Unix(1, 0)) // the writer is not to be waited for
	}
	if err := errors.Join(err, <-sent); err != nil {
		return fmt.Errorf("read the first record: %w", err)
	}
	if subtle.ConstantTimeCompare(got, theirs) != 1 {
		return &joconde.Fault{Party: Name(party), Err: errors.New("takes part in another task, attempt or plan")}
	}
	return nil
}

func (c Config) echoValue(state tls.ConnectionState, from, to int) ([]byte, error) {
	about := binary.BigEndian.AppendUint64(nil, uint64(len(c.Label)))
	about = append(about, c.Label...)
	for _, number := range []int{len(c.Peers), c.Openings, from, to} {
		about = binary.BigEndian.AppendUint64(about, uint64(number))
	}
	for _, peer := range c.Peers {
		about = append(about, peer.Pin[:]...)
	}
	value, err := state.ExportKeyingMaterial("EXPORTER-joconde-session-v1", about, 32)
	if err != nil {
		return nil, fmt.Errorf("bind the connection: %w", err)
	}
	return value, nil
}
