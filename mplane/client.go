package mplane

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"joconde"
	"joconde/internal/door"
)

// Client asks the management plane of a hub. What it returns is what the hub
// says: entries are verified with record.OpenOrganisation, in order.
type Client struct {
	URL  string
	HTTP *http.Client // nil: one with a time limit
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	err := door.Caller{URL: c.URL, HTTP: c.HTTP}.JSON(ctx, method, path, in, out)
	var p *joconde.Problem
	if errors.As(err, &p) && p.Err == nil {
		p.Err = causes[p.Code]
	}
	return err
}

// Hub says what hub answers there.
func (c *Client) Hub(ctx context.Context) (*Hub, error) {
	var h Hub
	if err := c.call(ctx, http.MethodGet, "/v1/hub", nil, &h); err != nil {
		return nil, err
	}
	return &h, nil
}

// Join posts a directory entry and gives its id.
func (c *Client) Join(ctx context.Context, envelope []byte) (joconde.Digest, error) {
	var answer id
	err := c.call(ctx, http.MethodPost, "/m/v1/organisations", door.Envelope{Envelope: envelope}, &answer)
	return answer.ID, err
}

// Organisations gives all versions of all entries, in the order of arrival.
func (c *Client) Organisations(ctx context.Context) ([]Listing, error) {
	var answer listings
	err := c.call(ctx, http.MethodGet, "/m/v1/organisations", nil, &answer)
	return answer.Organisations, err
}

// Propose posts a task and gives its id.
func (c *Client) Propose(ctx context.Context, envelope []byte) (joconde.Digest, error) {
	var answer id
	err := c.call(ctx, http.MethodPost, "/m/v1/tasks", door.Envelope{Envelope: envelope}, &answer)
	return answer.ID, err
}

// Tasks lists the tasks of a party; all if party is "".
func (c *Client) Tasks(ctx context.Context, party joconde.PartyID) ([]Summary, error) {
	var answer summaries
	path := "/m/v1/tasks"
	if party != "" {
		path += "?party=" + url.QueryEscape(string(party))
	}
	err := c.call(ctx, http.MethodGet, path, nil, &answer)
	return answer.Tasks, err
}
