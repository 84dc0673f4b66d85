package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"joconde"
	"joconde/internal/cast"
	"joconde/mplane"
)

func TestWhatAConfigurationMustSay(t *testing.T) {
	for _, test := range []struct{ name, text, code string }{
		{"an empty file", "", "JOC-H305"},
		{"no folder", "listen: 127.0.0.1:0\n", "JOC-H306"},
		{"a key that nobody knows", "listen: x\ndata: y\nlog_keys: z\n", "JOC-H303"},
		{"a key twice", "listen: x\nlisten: y\ndata: z\n", "JOC-H303"},
		{"two documents", "listen: x\ndata: y\n---\nlisten: z\n", "JOC-H303"},
		{"a number that is none", "listen: x\ndata: y\ntasks: many\n", "JOC-H303"},
		{"a negative number", "listen: x\ndata: y\ntasks: -1\n", "JOC-H304"},
		{"outputs larger than the store's values", "listen: x\ndata: y\noutput_bytes: 33554433\n", "JOC-H304"},
		{"half of TLS", "listen: x\ndata: y\ntls: {certificate: c}\n", "JOC-H307"},
		{"no YAML", "\t{", "JOC-H303"},
		{"as it should be", "listen: x\ndata: y\n", ""},
	} {
		c, err := parse("hub.yaml", []byte(test.text))
		var p *joconde.Problem
		switch {
		case test.code == "" && (err != nil || c.Tasks == 0 || c.Waiting == 0):
			t.Errorf("%s: %v %+v", test.name, err, c)
		case test.code != "" && (!errors.As(err, &p) || p.Code != test.code || p.Exit != joconde.ExitUsage):
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// refusesToStart runs a hub that must end by itself.
func refusesToStart(t *testing.T, code string, exit int, args ...string) {
	t.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env = append(os.Environ(), asHub+"=1")
	var stderr, stdout bytes.Buffer
	command.Stderr, command.Stdout = &stderr, &stdout
	err := command.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != exit || !strings.Contains(stderr.String(), "["+code+"]") || stdout.Len() > 0 {
		t.Errorf("%v\n%s%s", err, &stderr, &stdout)
	}
}

func TestAHubThatCannotStartSaysWhy(t *testing.T) {
	h := newHub(t, "")
	t.Run("another hub has the folder", func(t *testing.T) { refusesToStart(t, "JOC-A010", joconde.ExitNotAllowed, "-c", h.file) })
	t.Run("no file", func(t *testing.T) {
		refusesToStart(t, "JOC-H302", joconde.ExitUsage, "-c", filepath.Join(t.TempDir(), "none"))
	})
	t.Run("no flag", func(t *testing.T) { refusesToStart(t, "JOC-H301", joconde.ExitUsage) })
	other := func(t *testing.T, text string) (file, data string) {
		data = t.TempDir()
		file = filepath.Join(t.TempDir(), "hub.yaml")
		if err := os.WriteFile(file, []byte("data: "+data+"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file, data
	}
	t.Run("the port is taken", func(t *testing.T) {
		file, _ := other(t, "listen: "+strings.TrimPrefix(h.url, "http://")+"\n")
		refusesToStart(t, "JOC-H309", joconde.ExitUsage, "-c", file)
	})
	t.Run("a certificate that is none", func(t *testing.T) {
		file, _ := other(t, "listen: 127.0.0.1:0\ntls: {certificate: /dev/null, key: /dev/null}\n")
		refusesToStart(t, "JOC-H310", joconde.ExitUsage, "-c", file)
	})
	t.Run("a damaged key of the log", func(t *testing.T) {
		file, data := other(t, "listen: 127.0.0.1:0\n")
		if err := os.WriteFile(filepath.Join(data, "log.key"), []byte("PRIVATE"), 0o600); err != nil {
			t.Fatal(err)
		}
		refusesToStart(t, "JOC-H314", joconde.ExitInternal, "-c", file)
		if err := os.Chmod(filepath.Join(data, "log.key"), 0o644); err != nil {
			t.Fatal(err)
		}
		refusesToStart(t, "JOC-H313", joconde.ExitInternal, "-c", file)
	})
	h.join()
	if _, err := h.mplane().Propose(t.Context(), h.play().Envelope); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(filepath.Dir(h.file), "data")
	h.kill()
	t.Run("a log without its key", func(t *testing.T) {
		if err := os.Rename(filepath.Join(data, "log.key"), filepath.Join(data, "elsewhere")); err != nil {
			t.Fatal(err)
		}
		refusesToStart(t, "JOC-H311", joconde.ExitInternal, "-c", h.file)
		if err := os.Rename(filepath.Join(data, "elsewhere"), filepath.Join(data, "log.key")); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSIGTERMEndsAHubCleanly(t *testing.T) {
	h := newHub(t, "")
	h.join()
	p := h.play()
	_, task := p.Task()
	if _, err := h.mplane().Propose(t.Context(), p.Envelope); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := h.cplane().Records(t.Context(), task, 1, 30*time.Second)
		waiting <- err
	}()
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	if err := h.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := h.process.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	h.process = nil
	if err := <-waiting; err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("whoever waited got %v after %s", err, time.Since(began))
	}
	for name, mode := range map[string]os.FileMode{"": 0o700, "log.key": 0o600, "hub.db": 0o600, "log": 0o700} {
		info, err := os.Stat(filepath.Join(filepath.Dir(h.file), "data", name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("data/%s: %v, %v", name, info.Mode(), err)
		}
	}
	h.start()
	if s := h.look(task); len(s.envelopes) != 1 {
		t.Errorf("%d records after it", len(s.envelopes))
	}
}

func TestAHubWithTLS(t *testing.T) {
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: certificate}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := newHub(t, "tls:\n  certificate: "+filepath.Join(dir, "cert.pem")+"\n  key: "+filepath.Join(dir, "key.pem")+"\n")
	parsed, err := x509.ParseCertificate(certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	transport := func(most uint16) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MaxVersion: most}}}
	}
	c := &mplane.Client{URL: h.url, HTTP: transport(0)}
	if _, err := c.Join(t.Context(), cast.Organisation(cast.EE)); err != nil || !strings.HasPrefix(h.url, "https://") {
		t.Errorf("%s: %v", h.url, err)
	}
	c.HTTP = transport(tls.VersionTLS12)
	var p *joconde.Problem
	if _, err := c.Hub(t.Context()); !errors.As(err, &p) || p.Exit != joconde.ExitUnreachable {
		t.Errorf("TLS 1.2: %v", err)
	}
}
