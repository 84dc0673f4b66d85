package door

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"

	"joconde"
)

// Rejection is a Problem on its way to whoever asked, as application/problem+json.
type Rejection struct {
	*joconde.Problem
	Status int `json:"status"`
}

// GetStatus is the status of the answer.
func (r *Rejection) GetStatus() int { return r.Status }

// ContentType is that of RFC 9457.
func (r *Rejection) ContentType(string) string { return "application/problem+json" }

// Unwrap gives the Problem.
func (r *Rejection) Unwrap() error { return r.Problem }

// Reject makes the answer of a Problem. Where the hub itself is at fault, its
// operator reads the cause in the hub's own log; the network never does.
func Reject(status int, p *joconde.Problem) *Rejection {
	if p.LeftMachine == "" {
		p.LeftMachine = joconde.NothingLeft
	}
	p.Exit = exitOf(status)
	if status >= http.StatusInternalServerError {
		slog.Error(p.What, "code", p.Code, "cause", p.Err)
	}
	return &Rejection{p, status}
}

// Busy is the answer to whoever asks too much at once.
func Busy(code, what string) *Rejection {
	return Reject(http.StatusTooManyRequests, &joconde.Problem{Code: code, What: what, Where: "hub",
		Why: "the hub serves many, and nobody may take all of it", Do: "wait a second and ask again"})
}

// exitOf is the exit code of a command that ends with such an answer.
func exitOf(status int) int {
	switch {
	case status >= 500:
		return joconde.ExitUnreachable
	case status == http.StatusTooManyRequests:
		return joconde.ExitWaiting
	case status == http.StatusConflict || status == http.StatusForbidden || status == http.StatusGone:
		return joconde.ExitNotAllowed
	}
	return joconde.ExitInvalid
}

func internal(cause error) *joconde.Problem {
	return &joconde.Problem{Code: "JOC-H009", What: "the hub failed", Where: "hub",
		Why: "a fault of the hub, not of what you sent; it keeps nothing that it has not acknowledged", Do: "ask again; if it persists, tell the hub's operator", Err: cause}
}

var once sync.Once

// useOurForms makes the library's own complaints Problems too, and lists
// lists, never null.
func useOurForms() {
	once.Do(func() {
		huma.DefaultArrayNullable = false
		huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
			return translate(status, message, errs)
		}
	})
}

// translate gives a code to each way in which a request can be malformed.
// What was sent is never repeated in the answer.
func translate(status int, message string, errs []error) *Rejection {
	where := "request"
	for _, err := range errs {
		switch e := err.(type) {
		case *Rejection:
			return e
		case *huma.ErrorDetail:
			if where == "request" && e.Location != "" {
				where, message = clip(e.Location), e.Message
			}
		}
	}
	p := &joconde.Problem{Where: where, Why: clip(message), Do: "send what /openapi.json describes"}
	switch status {
	case http.StatusBadRequest:
		p.Code, p.What = "JOC-H001", "the request cannot be read"
	case http.StatusRequestTimeout:
		p.Code, p.What, p.Do = "JOC-H003", "the request took too long to arrive", "send it again over a better line"
	case http.StatusRequestEntityTooLarge:
		p.Code, p.What, p.Do = "JOC-H004", "the request is too large", "records have at most 1 MiB; see the limits in /openapi.json"
	case http.StatusUnsupportedMediaType:
		p.Code, p.What = "JOC-H005", "the request is in no format that the hub reads"
	case http.StatusNotAcceptable:
		p.Code, p.What = "JOC-H006", "the hub has no answer in the format that was asked for"
	case http.StatusUnprocessableEntity:
		p.Code, p.What = "JOC-H007", "the request does not have the form of this API"
	default:
		if message == "cannot read request body" { // the library takes the line for a fault of ours
			p.Code, p.What, p.Do = "JOC-H011", "the request did not arrive whole", "send it again"
			return Reject(http.StatusBadRequest, p)
		}
		var cause error
		if len(errs) > 0 {
			cause = errs[0]
		}
		p = internal(cause)
	}
	return Reject(status, p)
}

// clip keeps an answer short and on one line.
func clip(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, text)
	if len(text) > 200 {
		text = text[:200]
	}
	return text
}

// write answers where the library does not.
func write(w http.ResponseWriter, r *Rejection) {
	text, err := json.Marshal(r)
	if err != nil { // strings and a number: cannot be
		text = []byte(`{"code":"JOC-H009"}`)
	}
	w.Header().Set("Content-Type", r.ContentType(""))
	w.WriteHeader(r.Status)
	_, _ = w.Write(append(text, '\n')) // whoever asked may be gone
}
