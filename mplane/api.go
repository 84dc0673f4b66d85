package mplane

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"joconde"
	"joconde/internal/door"
)

// Hub says what hub this is. The log key is believed when it is in a task that
// all have signed, not because the hub says it.
type Hub struct {
	Format  int    `json:"format" doc:"1"`
	Version string `json:"version" doc:"of the hub's program"`
	LogKey  string `json:"log_key" doc:"verifier key of the hub's log, in the note format"`
}

type id struct {
	ID joconde.Digest `json:"id" doc:"of the record"`
}

type listings struct {
	Organisations []Listing `json:"organisations" doc:"all versions of all entries, in the order of arrival"`
}

type summaries struct {
	Tasks []Summary `json:"tasks" doc:"in the order of proposal"`
}

// in and out are what a request and an answer have: a body.
type in[T any] struct{ Body T }
type out[T any] struct{ Body T }

// Serve puts the API of this plane into a door.
func (p *Proposals) Serve(d *door.Door, version string) {
	about := Hub{Format: 1, Version: version, LogKey: p.LogKey}
	huma.Register(d.API, huma.Operation{OperationID: "hub", Method: http.MethodGet, Path: "/v1/hub", Summary: "What hub this is"},
		func(context.Context, *struct{}) (*out[Hub], error) { return &out[Hub]{about}, nil })
	huma.Register(d.API, huma.Operation{OperationID: "join", Method: http.MethodPost, Path: "/m/v1/organisations",
		Summary: "Join the directory, or replace an entry", MaxBodyBytes: door.MaxRequest, BodyReadTimeout: door.ReadTimeout, DefaultStatus: http.StatusOK},
		func(ctx context.Context, r *in[door.Envelope]) (*out[id], error) {
			entry, err := p.Directory.Join(ctx, r.Body.Envelope)
			return &out[id]{id{entry}}, err
		})
	huma.Register(d.API, huma.Operation{OperationID: "organisations", Method: http.MethodGet, Path: "/m/v1/organisations", Summary: "The directory"},
		func(context.Context, *struct{}) (*out[listings], error) {
			return &out[listings]{listings{p.Directory.List()}}, nil
		})
	huma.Register(d.API, huma.Operation{OperationID: "propose", Method: http.MethodPost, Path: "/m/v1/tasks",
		Summary: "Propose a task", MaxBodyBytes: door.MaxRequest, BodyReadTimeout: door.ReadTimeout, DefaultStatus: http.StatusOK},
		func(ctx context.Context, r *in[door.Envelope]) (*out[id], error) {
			task, err := p.Propose(ctx, r.Body.Envelope)
			return &out[id]{id{task}}, err
		})
	huma.Register(d.API, huma.Operation{OperationID: "tasks", Method: http.MethodGet, Path: "/m/v1/tasks", Summary: "Where tasks stand"},
		func(_ context.Context, r *struct {
			Party string `query:"party" maxLength:"63" doc:"only tasks of this party"`
		}) (*out[summaries], error) {
			list := p.Coordinator.Tasks(joconde.PartyID(r.Party))
			if list == nil {
				list = []Summary{}
			}
			return &out[summaries]{summaries{list}}, nil
		})
}
