package cplane

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"joconde"
	"joconde/internal/door"
)

type position struct {
	Position int `json:"position" doc:"of the record in its task; 0 is the task"`
}

// taskOf and outputOf read the parts of an address.
func taskOf(id string) (task joconde.Digest, err error) {
	if task.UnmarshalText([]byte(id)) != nil {
		err = notID()
	}
	return task, err
}

func outputOf(id, hash string) (task, output joconde.Digest, err error) {
	task, err = taskOf(id)
	if err == nil && output.UnmarshalText([]byte("sha256:"+hash)) != nil {
		err = notID()
	}
	return task, output, err
}

// in and out are what a request and an answer have beside an address: a body.
type in struct {
	ID   string `path:"id" doc:"id of the task: sha256: and 64 hex digits"`
	Body door.Envelope
}
type out[T any] struct{ Body T }

const bytesForm = "application/octet-stream"

// uploads is how many outputs may be on their way in at once: each is in memory.
const uploads = 4

// Serve puts the API of this plane into a door.
func (c *Coordinator) Serve(d *door.Door) {
	huma.Register(d.API, huma.Operation{OperationID: "submit", Method: http.MethodPost, Path: "/c/v1/tasks/{id}/records",
		Summary: "Add a record to a task", MaxBodyBytes: door.MaxRequest, BodyReadTimeout: door.ReadTimeout, DefaultStatus: http.StatusOK},
		func(ctx context.Context, r *in) (*out[position], error) {
			task, err := taskOf(r.ID)
			if err != nil {
				return nil, err
			}
			at, err := c.Submit(ctx, task, r.Body.Envelope)
			return &out[position]{position{at}}, err
		})
	huma.Register(d.API, huma.Operation{OperationID: "records", Method: http.MethodGet, Path: "/c/v1/tasks/{id}/records",
		Summary: "The records of a task, with proofs"},
		func(ctx context.Context, r *struct {
			ID   string `path:"id" doc:"id of the task: sha256: and 64 hex digits"`
			From int    `query:"from" minimum:"0" maximum:"1000000000" doc:"the first position wanted"`
			Wait int    `query:"wait" minimum:"0" maximum:"60" doc:"seconds to wait for a record if there is none yet"`
		}) (*out[*Page], error) {
			task, err := taskOf(r.ID)
			if err != nil {
				return nil, err
			}
			page, err := c.Records(ctx, task, r.From, time.Duration(r.Wait)*time.Second)
			return &out[*Page]{page}, err
		})
	huma.Register(d.API, huma.Operation{OperationID: "put-output", Method: http.MethodPut, Path: "/c/v1/tasks/{id}/outputs/{hash}",
		Summary: "Hand in a sealed output that a transcript names", MaxBodyBytes: int64(c.limits.Output) + 1, BodyReadTimeout: door.ReadTimeout, DefaultStatus: http.StatusNoContent,
		Middlewares: huma.Middlewares{c.beforeUpload(d.API)}},
		func(ctx context.Context, r *struct {
			ID      string `path:"id" doc:"id of the task: sha256: and 64 hex digits"`
			Hash    string `path:"hash" doc:"SHA-256 of the ciphertext: 64 hex digits"`
			RawBody []byte `contentType:"application/octet-stream"`
		}) (*struct{}, error) {
			task, output, err := outputOf(r.ID, r.Hash)
			if err != nil {
				return nil, err
			}
			return nil, c.PutOutput(ctx, task, output, r.RawBody)
		})
	huma.Register(d.API, huma.Operation{OperationID: "output", Method: http.MethodGet, Path: "/c/v1/tasks/{id}/outputs/{hash}",
		Summary: "Fetch a sealed output",
		Responses: map[string]*huma.Response{"200": {Description: "the ciphertext",
			Content: map[string]*huma.MediaType{bytesForm: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}}}}},
		func(ctx context.Context, r *struct {
			ID   string `path:"id" doc:"id of the task: sha256: and 64 hex digits"`
			Hash string `path:"hash" doc:"SHA-256 of the ciphertext: 64 hex digits"`
		}) (*struct {
			Type string `header:"Content-Type"`
			Body []byte
		}, error) {
			task, output, err := outputOf(r.ID, r.Hash)
			if err != nil {
				return nil, err
			}
			sealed, err := c.Output(ctx, task, output)
			if err != nil {
				return nil, err
			}
			return &struct {
				Type string `header:"Content-Type"`
				Body []byte
			}{bytesForm, sealed}, nil
		})
}

// beforeUpload refuses what nobody waits for before its body is read.
func (c *Coordinator) beforeUpload(api huma.API) func(huma.Context, func(huma.Context)) {
	slots := make(chan struct{}, uploads)
	return func(ctx huma.Context, next func(huma.Context)) {
		task, output, err := outputOf(ctx.Param("id"), ctx.Param("hash"))
		if err == nil {
			err = c.note(c.wanted(task, output))
		}
		if err == nil {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			default:
				err = door.Busy("JOC-H227", "too many outputs are on their way in already")
			}
		}
		if err != nil {
			_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err) // err has its own status
			return
		}
		next(ctx)
	}
}
