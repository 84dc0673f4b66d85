package cplane

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"joconde"
	"joconde/internal/door"
)

// Client asks the control plane of a hub. What it returns is what the hub
// says: records are verified with a record.Ledger, proofs with package audit
// and the log key of the task.
type Client struct {
	URL  string
	HTTP *http.Client // nil: one with a time limit
}

func (c *Client) caller() door.Caller { return door.Caller{URL: c.URL, HTTP: c.HTTP} }

// explain puts behind a Problem what a caller may decide by.
func explain(err error) error {
	var p *joconde.Problem
	if errors.As(err, &p) && p.Err == nil {
		p.Err = causes[p.Code]
	}
	return err
}

func address(task joconde.Digest, rest string) string {
	return "/c/v1/tasks/" + task.String() + rest
}

// Submit posts a record of a task and gives its position. Posting it again is safe.
func (c *Client) Submit(ctx context.Context, task joconde.Digest, envelope []byte) (int, error) {
	var answer position
	err := c.caller().JSON(ctx, http.MethodPost, address(task, "/records"), door.Envelope{Envelope: envelope}, &answer)
	return answer.Position, explain(err)
}

// Records gives the records of a task from a position on, waiting for the
// first of them up to wait. A page may hold less than all: ask again from its end.
func (c *Client) Records(ctx context.Context, task joconde.Digest, from int, wait time.Duration) (*Page, error) {
	seconds := min(int(wait/time.Second), int(door.MaxWait/time.Second))
	if wait > 0 && seconds == 0 {
		seconds = 1
	}
	var page Page
	path := address(task, "/records?from="+strconv.Itoa(from)+"&wait="+strconv.Itoa(seconds))
	if err := c.caller().JSON(ctx, http.MethodGet, path, nil, &page); err != nil {
		return nil, explain(err)
	}
	return &page, nil
}

// PutOutput hands in a sealed output that a logged transcript names.
func (c *Client) PutOutput(ctx context.Context, task, output joconde.Digest, sealed []byte) error {
	if sealed == nil {
		sealed = []byte{}
	}
	_, err := c.caller().Bytes(ctx, http.MethodPut, address(task, "/outputs/"+hex.EncodeToString(output[:])), bytesForm, sealed)
	return explain(err)
}

// Output fetches a sealed output. Its hash is for the caller to check.
func (c *Client) Output(ctx context.Context, task, output joconde.Digest) ([]byte, error) {
	sealed, err := c.caller().Bytes(ctx, http.MethodGet, address(task, "/outputs/"+hex.EncodeToString(output[:])), "", nil)
	return sealed, explain(err)
}
