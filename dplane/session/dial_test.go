package session_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"joconde"
	"joconde/dplane/session"
)

// listening gives configs whose peers listen on loopback.
func listening(t testing.TB, n int) []session.Config {
	t.Helper()
	configs := configs(n)
	for p := range configs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		configs[p].Listener = l
		for q := range configs {
			if q == 0 {
				configs[q].Peers = append([]session.Peer(nil), configs[q].Peers...)
			} else {
				configs[q].Peers = configs[0].Peers
			}
		}
		configs[0].Peers[p].Addr = l.Addr().String()
	}
	return configs
}

func dialAll(ctx context.Context, configs []session.Config) ([]session.Session, []error) {
	sessions, errs := make([]session.Session, len(configs)), make([]error, len(configs))
	var wg sync.WaitGroup
	for p, c := range configs {
		wg.Go(func() { sessions[p], errs[p] = session.Dial(ctx, c) })
	}
	wg.Wait()
	return sessions, errs
}

func dialWell(t testing.TB, configs []session.Config) []session.Session {
	t.Helper()
	sessions, errs := dialAll(context.Background(), configs)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return sessions
}

func closeAll(sessions []session.Session) {
	var wg sync.WaitGroup
	for _, s := range sessions {
		if s != nil {
			wg.Go(func() { s.Close() })
		}
	}
	wg.Wait()
}

func runWell(t *testing.T, sessions []session.Session) {
	t.Helper()
	if err := errors.Join(runAll(sessions, noComputing, 0, 0, nil).errs...); err != nil {
		t.Fatal(err)
	}
}

func names(err error, party int) bool {
	var fault *joconde.Fault
	return errors.As(err, &fault) && fault.Party == session.Name(party)
}

func TestPartiesConnectOverLoopbackAndRunTheProgram(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5} {
		runWell(t, dialWell(t, listening(t, n)))
	}
}

func TestPartiesMayStartAtDifferentTimes(t *testing.T) {
	configs := listening(t, 3)
	sessions, errs := make([]session.Session, 3), make([]error, 3)
	var wg sync.WaitGroup
	for i, p := range []int{1, 0, 2} {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * 150 * time.Millisecond)
			sessions[p], errs[p] = session.Dial(context.Background(), configs[p])
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	runWell(t, sessions)
}

func TestStrangersAreDroppedAndThePartiesConnect(t *testing.T) {
	configs := listening(t, 3)
	stranger, err := session.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	addr := configs[0].Peers[2].Addr
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	// More than may wait at once, and all of them wait.
	for range 40 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	wg.Go(func() { // one that speaks something else
		for ctx.Err() == nil {
			if conn, err := net.Dial("tcp", addr); err == nil {
				conn.Write([]byte("SSH-2.0-OpenSSH_9.9\r\n" + strings.Repeat("x", 1000)))
				io.Copy(io.Discard, conn)
				conn.Close()
			}
		}
	})
	wg.Go(func() { // one that speaks as we do, with a key that nobody knows
		c := session.Config{Me: 0, Identity: stranger, Handshake: time.Minute, Label: configs[0].Label,
			Peers: []session.Peer{{Pin: stranger.Pin()}, configs[0].Peers[2]}}
		s, err := session.Dial(ctx, c)
		if err == nil {
			t.Error("a stranger was let in")
			s.Close()
		}
	})
	time.Sleep(100 * time.Millisecond)
	sessions := dialWell(t, configs)
	cancel()
	wg.Wait()
	runWell(t, sessions)
}

func TestAWrongKeyIsRefusedAndThePartyNamed(t *testing.T) {
	for party := range 3 {
		t.Run(string(session.Name(party)), func(t *testing.T) {
			t.Parallel()
			configs := listening(t, 3)
			id, err := session.NewIdentity()
			if err != nil {
				t.Fatal(err)
			}
			for p := range configs {
				configs[p].Handshake = 3 * time.Second
			}
			// The party has a key of its own, unknown to the others.
			c := &configs[party]
			c.Identity = id
			c.Peers = append([]session.Peer(nil), c.Peers...)
			c.Peers[party].Pin = id.Pin()
			sessions, errs := dialAll(context.Background(), configs)
			closeAll(sessions)
			for p, err := range errs {
				if p != party && !names(err, party) {
					t.Errorf("%s ended with %v, which does not name %s", session.Name(p), err, session.Name(party))
				}
			}
		})
	}
}

func TestTheKeyDecidesWhoAPartyIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Node 1 holds the right key, and answers on node 2's connection.
		configs := configs(3)
		conns := session.MemoryConns(3)
		var wg sync.WaitGroup
		wg.Go(func() {
			c := configs[1]
			c.Peers = append([]session.Peer(nil), c.Peers...)
			_, err := session.Over(context.Background(), c, []net.Conn{conns[2][0], nil, conns[1][2]})
			if err == nil {
				t.Error("a party passed for another")
			}
		})
		_, err := session.Over(context.Background(), configs[0], []net.Conn{nil, conns[0][1], conns[0][2]})
		if !names(err, 2) {
			t.Errorf("%v", err)
		}
		for _, ends := range conns {
			for _, conn := range ends {
				if conn != nil {
					conn.Close()
				}
			}
		}
		wg.Wait()
	})
}

func TestAnotherLabelOrPlanIsRefusedOnBothSides(t *testing.T) {
	changes := map[string]func(*session.Config){
		"label":    func(c *session.Config) { c.Label = []byte("task 1, attempt 2") },
		"openings": func(c *session.Config) { c.Openings++ },
	}
	for what, change := range changes {
		t.Run(what, func(t *testing.T) {
			configs := listening(t, 2)
			change(&configs[0])
			start := time.Now()
			_, errs := dialAll(context.Background(), configs)
			if !names(errs[0], 1) || !names(errs[1], 0) {
				t.Errorf("%v", errs)
			}
			if time.Since(start) > 10*time.Second {
				t.Error("it took until the limit")
			}
		})
	}
}

func TestAPartyThatNeverComesIsNamedByAll(t *testing.T) {
	for party := range 3 {
		t.Run(string(session.Name(party)), func(t *testing.T) {
			t.Parallel()
			configs := listening(t, 3)
			for p := range configs {
				configs[p].Handshake = 3 * time.Second
			}
			others := append(append([]session.Config(nil), configs[:party]...), configs[party+1:]...)
			_, errs := dialAll(context.Background(), others)
			for _, err := range errs {
				if !names(err, party) {
					t.Errorf("%v does not name %s", err, session.Name(party))
				}
			}
		})
	}
}

func TestWhoIsInterruptedWhileConnectingSaysSo(t *testing.T) {
	configs := listening(t, 3)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	errs := make([]error, 2)
	var wg sync.WaitGroup
	start := time.Now()
	wg.Go(func() { _, errs[0] = session.Dial(ctx, configs[0]) })
	wg.Go(func() { _, errs[1] = session.Dial(context.Background(), configs[1]) })
	wg.Wait() // party 2 never comes
	if !errors.Is(errs[0], context.DeadlineExceeded) || !names(errs[1], 0) {
		t.Errorf("%v", errs)
	}
	if time.Since(start) > 10*time.Second {
		t.Error("the other waited on")
	}
}

// A client that is ours in all but one respect.
func TestOtherWaysToSpeakTLSAreRefused(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	cases := map[string]func(*tls.Config){
		"TLS 1.2":           func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		"X25519 only":       func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} },
		"P-256 only":        func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256} },
		"no certificate":    func(c *tls.Config) { c.Certificates = nil },
		"no protocol":       func(c *tls.Config) { c.NextProtos = nil },
		"another protocol":  func(c *tls.Config) { c.NextProtos = []string{"h2"} },
		"two certificates":  func(c *tls.Config) { c.Certificates[0].Certificate = [][]byte{der, der} },
		"an unknown key":    func(*tls.Config) {},
		"a known key after": nil,
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			pin, err := pinOf(der)
			if err != nil {
				t.Fatal(err)
			}
			known := change != nil && name != "an unknown key"
			server := session.Config{Me: 1, Identity: keys()[1], Handshake: 2 * time.Second,
				Peers: []session.Peer{{Pin: keys()[0].Pin()}, {Pin: keys()[1].Pin()}}}
			if known || change == nil {
				server.Peers[0].Pin = pin
			}
			c := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"joconde-session/1"}, Certificates: []tls.Certificate{certificate}}
			if change != nil {
				change(c)
			}
			synctest.Test(t, func(t *testing.T) {
				conns := session.MemoryConns(2)
				client := tls.Client(conns[0][1], c)
				var wg sync.WaitGroup
				got := 0
				wg.Go(func() {
					defer client.Close()
					if client.Handshake() != nil {
						return
					}
					got, _ = io.ReadFull(client, make([]byte, 32))
				})
				_, err := session.Over(context.Background(), server, []net.Conn{conns[1][0], nil})
				wg.Wait()
				if !names(err, 0) {
					t.Errorf("%v", err)
				}
				// Only the last one is allowed as far as the first record.
				if (got > 0) != (change == nil) {
					t.Errorf("the client read %d bytes", got)
				}
			})
		})
	}
}

func pinOf(der []byte) (pin [32]byte, err error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return pin, err
	}
	return session.PinOf(c), nil
}

func TestAConfigurationThatLacksSomethingIsRefused(t *testing.T) {
	cases := map[string]func(*session.Config){
		"no identity":                 func(c *session.Config) { c.Identity = nil },
		"a party that does not exist": func(c *session.Config) { c.Me = 2 },
		"a negative party":            func(c *session.Config) { c.Me = -1 },
		"nobody":                      func(c *session.Config) { c.Peers = nil },
		"a peer without a key":        func(c *session.Config) { c.Peers[0].Pin = [32]byte{} },
		"two parties with one key":    func(c *session.Config) { c.Peers[0].Pin = c.Peers[1].Pin },
		"a key that is not ours":      func(c *session.Config) { c.Identity = keys()[3] },
		"no listener":                 func(c *session.Config) { c.Listener = nil },
		"less than no opening":        func(c *session.Config) { c.Openings = -1 },
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			c := listening(t, 2)[1]
			change(&c)
			if s, err := session.Dial(context.Background(), c); err == nil {
				s.Close()
				t.Error("it was accepted")
			}
		})
	}
}

func TestTLSRunsOverNetPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		conns := make([][]net.Conn, n)
		for i := range conns {
			conns[i] = make([]net.Conn, n)
		}
		for i := range n {
			for j := range i {
				conns[i][j], conns[j][i] = net.Pipe()
			}
		}
		runWell(t, overTLS(t, conns))
	})
}

func TestAHundredMegabytesBothWaysAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 600 MB")
	}
	const size = 100 << 20
	message := make([]byte, size)
	rand.Read(message)
	transports := map[string]func() []session.Session{
		"Pipe": func() []session.Session { return session.Pipe(2) },
		"TLS":  func() []session.Session { return dialWell(t, listening(t, 2)) },
	}
	for name, open := range transports {
		t.Run(name, func(t *testing.T) {
			sessions := open()
			defer closeAll(sessions)
			var wg sync.WaitGroup
			for p, s := range sessions {
				wg.Go(func() {
					out, in := make([][]byte, 2), make([][]byte, 2)
					out[1-p], in[1-p] = message, make([]byte, size)
					if err := s.Exchange(context.Background(), out, in); err != nil {
						t.Error(err)
					}
					if !bytes.Equal(in[1-p], message) {
						t.Error("something else arrived")
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestAPeerThatSpeaksAloudAfterTheHandshakeIsHeardNoFurther(t *testing.T) {
	// The first record of a pinned peer is not the echo of this connection.
	synctest.Test(t, func(t *testing.T) {
		configs := configs(2)
		conns := session.MemoryConns(2)
		var wg sync.WaitGroup
		wg.Go(func() {
			c := session.ClientTLS(configs[0], conns[0][1])
			defer c.Close()
			c.Write(make([]byte, 32))
			io.Copy(io.Discard, c)
		})
		_, err := session.Over(context.Background(), configs[1], []net.Conn{conns[1][0], nil})
		if !names(err, 0) {
			t.Error(err)
		}
		wg.Wait()
	})
}
