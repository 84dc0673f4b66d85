package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"slices"
	"testing"

	"joconde/cplane"
	"joconde/mplane"
	"joconde/store/mem"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const described = "../../docs/openapi.json"

func TestTheDescriptionOfTheAPIIsCurrent(t *testing.T) {
	c, err := parse("hub.yaml", []byte("listen: x\ndata: y\n"))
	if err != nil {
		t.Fatal(err)
	}
	directory, err := mplane.Open(t.Context(), mem.Open(), 1)
	if err != nil {
		t.Fatal(err)
	}
	coordinator, err := cplane.Open(t.Context(), empty{}, mem.Open(), cplane.Limits{Output: c.OutputBytes})
	if err != nil {
		t.Fatal(err)
	}
	text, err := planes(1, &mplane.Proposals{Directory: directory, Coordinator: proposals{coordinator}}, coordinator).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(described, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(described)
	if err != nil || !bytes.Equal(kept, text) {
		t.Errorf("docs/openapi.json is not what the code says (%v): go test ./cmd/hub -update, and read the difference", err)
	}
}

func TestTheAPIIsExactlyThis(t *testing.T) {
	h := newHub(t, "")
	response, err := http.Get(h.url + "/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var api struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(text, &api); err != nil {
		t.Fatal(err)
	}
	var have []string
	for path, methods := range api.Paths {
		for method := range methods {
			have = append(have, method+" "+path)
		}
	}
	slices.Sort(have)
	want := []string{
		"get /c/v1/tasks/{id}/outputs/{hash}", "get /c/v1/tasks/{id}/records",
		"get /m/v1/organisations", "get /m/v1/tasks", "get /v1/hub",
		"post /c/v1/tasks/{id}/records", "post /m/v1/organisations", "post /m/v1/tasks",
		"put /c/v1/tasks/{id}/outputs/{hash}",
	}
	if !slices.Equal(have, want) {
		t.Errorf("the API is %q", have)
	}
	kept, err := os.ReadFile(described)
	if err != nil || !bytes.Equal(kept, text) {
		t.Errorf("what is served is not what is committed (%v)", err)
	}
}

// empty is a log without entries.
type empty struct{ cplane.Log }

func (empty) Size(context.Context) (uint64, error) { return 0, nil }
