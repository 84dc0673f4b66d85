package door

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"joconde"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

func ask(d http.Handler, from, method, path, body string) (int, string) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = from
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestOneAddressDoesNotTakeAll(t *testing.T) {
	d := New(1)
	for range 2 {
		if status, _ := ask(d, "192.0.2.1:1000", "GET", "/openapi.json", ""); status != http.StatusOK {
			t.Errorf("within the limit: %d", status)
		}
	}
	for _, test := range []struct {
		name, from string
		status     int
	}{
		{"a third at once", "192.0.2.1:1000", 429},
		{"the same address with another port", "192.0.2.1:1001", 429},
		{"the same, written as IPv6", "[::ffff:192.0.2.1]:1000", 429},
		{"another address", "192.0.2.2:1000", 200},
		{"an IPv6 network", "[2001:db8::1]:1000", 200},
		{"another address of that network", "[2001:db8::2]:1000", 200},
		{"one more of that network", "[2001:db8::3%eth0]:1000", 429},
		{"another network", "[2001:db8:0:1::1]:1000", 200},
	} {
		if status, body := ask(d, test.from, "GET", "/openapi.json", ""); status != test.status || status == 429 && !strings.Contains(body, "JOC-H008") {
			t.Errorf("%s: %d %.80s", test.name, status, body)
		}
	}
}

func TestAddressesAreForgottenBeforeTheyFillTheMemory(t *testing.T) {
	d := New(1)
	for i := range maxClients + 10 {
		d.clients.allow(net.IPv4(10, byte(i>>16), byte(i>>8), byte(i)).String() + ":1")
	}
	if n := len(d.clients.known); n > maxClients {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestEveryAnswerIsAProblemWithACode(t *testing.T) {
	d := New(1000)
	type body struct {
		Body struct {
			N int `json:"n"`
		}
	}
	serve := func(path string, handle func() error) {
		huma.Register(d.API, huma.Operation{Method: http.MethodPost, Path: path, MaxBodyBytes: 100},
			func(context.Context, *body) (*struct{}, error) { return nil, handle() })
	}
	serve("/good", func() error { return nil })
	serve("/secret", func() error { return errors.New("the disk at /secret/path") })
	serve("/panic", func() error { panic("a bug with a secret") })
	serve("/rejected", func() error { return Reject(http.StatusConflict, &joconde.Problem{Code: "JOC-H999"}) })
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"a good request", "POST", "/good", `{"n":1}`, 204, ""},
		{"an address that is not there", "POST", "/bad", `{"n":1}`, 404, "JOC-H002"},
		{"no JSON", "POST", "/good", `{`, 400, "JOC-H001"},
		{"another type", "POST", "/good", `{"n":"secret"}`, 422, "JOC-H007"},
		{"too large", "POST", "/good", strings.Repeat(" ", 200), 413, "JOC-H004"},
		{"a rejection of a plane", "POST", "/rejected", `{"n":1}`, 409, "JOC-H999"},
		{"an error that nobody expects", "POST", "/secret", `{"n":1}`, 500, "JOC-H009"},
		{"a panic", "POST", "/panic", `{"n":1}`, 500, "JOC-H009"},
	} {
		status, text := ask(d, "192.0.2.1:1", test.method, test.path, test.body)
		var p joconde.Problem
		if status != test.status || test.code != "" && (json.Unmarshal([]byte(text), &p) != nil || p.Code != test.code) || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %s", test.name, status, text)
		}
	}
	r := httptest.NewRequest("POST", "/good", strings.NewReader(`n=1`))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	if d.ServeHTTP(w, r); w.Code != 415 || !strings.Contains(w.Body.String(), "JOC-H005") {
		t.Errorf("another format: %d %s", w.Code, w.Body)
	}
	r = httptest.NewRequest("POST", "/good", io.MultiReader(strings.NewReader(`{"n`), failing{}))
	r.Header.Set("Content-Type", "application/json")
	w = httptest.NewRecorder()
	if d.ServeHTTP(w, r); w.Code != 400 || !strings.Contains(w.Body.String(), "JOC-H011") {
		t.Errorf("a line that breaks: %d %s", w.Code, w.Body)
	}
}

// failing is a body that does not arrive.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestWhatACallerDoesNotTakeForAHub(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the caller was sent elsewhere, and went")
	}))
	defer elsewhere.Close()
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		code   string
		exit   int
	}{
		{"a page", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "JOC-H021", joconde.ExitUnreachable},
		{"an error page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) }, "JOC-H021", joconde.ExitUnreachable},
		{"another address", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "JOC-H021", joconde.ExitUnreachable},
		{"a problem without a code", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"title":"no"}`))
		}, "JOC-H021", joconde.ExitUnreachable},
		{"a problem", func(w http.ResponseWriter, _ *http.Request) {
			write(w, Reject(http.StatusConflict, &joconde.Problem{Code: "JOC-H999"}))
		}, "JOC-H999", joconde.ExitNotAllowed},
		{"bytes without end", func(w http.ResponseWriter, _ *http.Request) {
			piece := make([]byte, 1<<20)
			for range MaxAnswer>>20 + 2 {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}, "JOC-H022", joconde.ExitUnreachable},
		{"a line that breaks", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
		}, "JOC-H020", joconde.ExitUnreachable},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(test.answer)
			defer server.Close()
			err := Caller{URL: server.URL + "/"}.JSON(t.Context(), "GET", "/x", nil, new(struct{}))
			var p *joconde.Problem
			if !errors.As(err, &p) || p.Code != test.code || p.Exit != test.exit || p.LeftMachine == "" {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a closed port", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		var p *joconde.Problem
		if err := (Caller{URL: server.URL}).JSON(t.Context(), "GET", "/x", nil, nil); !errors.As(err, &p) || p.Code != "JOC-H020" || p.Exit != joconde.ExitUnreachable {
			t.Errorf("%v", err)
		}
	})
	t.Run("no URL", func(t *testing.T) {
		var p *joconde.Problem
		if err := (Caller{URL: "http://[::1"}).JSON(t.Context(), "GET", "/x", nil, nil); !errors.As(err, &p) || p.Code != "JOC-H023" {
			t.Errorf("%v", err)
		}
	})
	t.Run("a caller that has no more time", func(t *testing.T) {
		release := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
		defer server.Close()
		defer close(release)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := (Caller{URL: server.URL}).JSON(ctx, "GET", "/x", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}
