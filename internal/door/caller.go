package door

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"joconde"
)

// MaxAnswer is the most that a Caller reads of an answer.
const MaxAnswer = 64 << 20

// Caller asks a hub. It believes nothing: answers are only decoded, within
// limits, and what they hold must be verified by whoever asked.
type Caller struct {
	URL  string       // of the hub, such as https://hub.example.eu
	HTTP *http.Client // nil: one with a time limit
}

var patient = &http.Client{
	Timeout: MaxWait + 30*time.Second,
	// A hub has no business sending its callers elsewhere.
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// JSON sends in, if it is not nil, and decodes the answer to out.
func (c Caller) JSON(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := c.Bytes(ctx, method, path, "application/json", body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return notHub("JOC-H021", "the answer is not what a hub answers", err)
	}
	return nil
}

// Bytes sends a body, if it is not nil, and gives the answer's.
func (c Caller) Bytes(ctx context.Context, method, path, form string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return nil, notHub("JOC-H023", "the hub's address is not a URL", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", form)
	}
	client := c.HTTP
	if client == nil {
		client = patient
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, MaxAnswer+1))
	switch {
	case err != nil:
		return nil, unreachable(ctx, err)
	case len(answer) > MaxAnswer:
		return nil, notHub("JOC-H022", "the answer is longer than any hub's", nil)
	case response.StatusCode >= 200 && response.StatusCode < 300:
		return answer, nil
	}
	return nil, problemOf(response.StatusCode, response.Header.Get("Content-Type"), answer)
}

// problemOf reads a rejection. Its words are the hub's: whoever shows them says so.
func problemOf(status int, contentType string, answer []byte) error {
	var p joconde.Problem
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "application/problem+json" || json.Unmarshal(answer, &p) != nil || !strings.HasPrefix(p.Code, "JOC-") {
		return notHub("JOC-H021", "the answer is not what a hub answers", nil)
	}
	for _, text := range []*string{&p.Code, &p.What, &p.Where, &p.Why, &p.Do, &p.LeftMachine} {
		*text = plain(*text)
	}
	p.Exit = exitOf(status)
	return &p
}

// plain takes from a stranger's text what would move the cursor of a terminal.
func plain(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c >= 0x200b && c <= 0x206f || c == 0xfeff {
			return ' '
		}
		return c
	}, text)
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "")
	}
	return text
}

func unreachable(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &joconde.Problem{Code: "JOC-H020", What: "the hub cannot be reached", Where: "hub",
		Why: rootOf(cause), Do: "check the hub's address and that it runs; what you sent may or may not have arrived, and sending it again is safe",
		LeftMachine: "perhaps the request; records hold no data", Exit: joconde.ExitUnreachable, Err: cause}
}

// rootOf is the innermost cause, which says what happened and repeats no URL.
func rootOf(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

func notHub(code, what string, cause error) error {
	return &joconde.Problem{Code: code, What: what, Where: "hub",
		Why: "another server may listen there, or something between you and the hub changes answers", Do: "check the hub's address",
		LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUnreachable, Err: cause}
}
