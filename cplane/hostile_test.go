package cplane_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"joconde"
	"joconde/cplane"
	"joconde/internal/cast"
	"joconde/internal/door"
	"joconde/record"
	"joconde/store/mem"
)

// What a malicious client can send: each is refused with its own code, and
// leaves nothing behind but a number.
func TestAMaliciousClient(t *testing.T) {
	r := newRoom(t)
	p, task := r.propose()
	other, otherTask := r.propose(func(t *joconde.Task) { t.Title = "Another task" })
	r.play(p, joconde.Established)

	approval := func(w joconde.Wanted) []byte { return cast.NewPlay().Step(w).Sign() }
	receipt := p.Step(joconde.Wanted{Kind: joconde.KindInputReceipt, Party: cast.AT})
	stolen := receipt
	stolen.Keys = []*record.Key{cast.Key(cast.EE, cast.Operations)}
	wrongSet := receipt
	body := *receipt.Body.(*joconde.InputReceipt)
	body.Bundles = joconde.Digest{1}
	wrongSet.Body = &body
	person := receipt
	person.Keys = []*record.Key{cast.Key(cast.AT, cast.Approval)}
	both := receipt
	both.Keys = append([]*record.Key{cast.Key(cast.EE, cast.Operations)}, receipt.Keys...)
	acceptance := p.Step(joconde.Wanted{Kind: joconde.KindAcceptance, Party: cast.AT})
	later := acceptance
	laterBody := *acceptance.Body.(*joconde.Acceptance)
	laterBody.At = joconde.FormatTime(cast.Start.Add(1000))
	later.Body = &laterBody
	bundle := p.Step(joconde.Wanted{Kind: joconde.KindNodeBundle, Party: cast.PT})
	good := receipt.Sign()
	records := "/c/v1/tasks/" + task.String() + "/records"
	post := func(envelope []byte) string {
		text, err := json.Marshal(door.Envelope{Envelope: envelope})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}

	before, _ := r.look(task)
	size, err := r.log.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		method string
		path   string
		body   string
		status int
		code   string
	}{
		{"a record for an unknown task", "POST", "/c/v1/tasks/" + joconde.Digest{9}.String() + "/records", post(good), 404, "JOC-H202"},
		{"a record of another task", "POST", "/c/v1/tasks/" + otherTask.String() + "/records", post(good), 422, "JOC-H205"},
		{"a task that is no id", "POST", "/c/v1/tasks/1234/records", post(good), 422, "JOC-H201"},
		{"a task id in capitals", "POST", strings.ToUpper("/c/v1/tasks/") + task.String() + "/records", post(good), 404, "JOC-H002"},
		{"an approval again after agreement", "POST", records, post(p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.AT}).Sign()), 409, "JOC-H204"},
		{"a node's word before its turn", "POST", records, post(p.Step(joconde.Wanted{Kind: joconde.KindReady, Party: cast.PT}).Sign()), 409, "JOC-H204"},
		{"a second acceptance, with another time", "POST", records, post(later.Sign()), 409, "JOC-H206"},
		{"a second bundle of a node", "POST", records, post(reTimed(bundle)), 409, "JOC-H206"},
		{"a receipt of another bundle set", "POST", records, post(wrongSet.Sign()), 409, "JOC-H206"},
		{"signed by another party", "POST", records, post(stolen.Sign()), 422, "JOC-H207"},
		{"signed by the person's key in place of the agent's", "POST", records, post(person.Sign()), 422, "JOC-H207"},
		{"signed by one more than must", "POST", records, post(both.Sign()), 422, "JOC-H207"},
		{"a party that is not of the task", "POST", records, post(approval(joconde.Wanted{Kind: joconde.KindAbort, Party: cast.AT})), 422, "JOC-H205"},
		{"a directory entry", "POST", records, post(cast.Organisation(cast.EE)), 422, "JOC-H205"},
		{"another task's record", "POST", records, post(other.Envelope), 422, "JOC-H205"},
		{"a changed byte", "POST", records, post(bytes.Replace(good, []byte(`"sig":"`), []byte(`"sig":"A`), 1)), 422, "JOC-H207"},
		{"a space before the end", "POST", records, post(append(good[:len(good)-1:len(good)-1], " }"...)), 422, "JOC-H207"},
		{"larger than a record may be", "POST", records, post(make([]byte, record.MaxEnvelope+1)), 422, "JOC-H207"},
		{"larger than a request may be", "POST", records, `{"envelope":"` + strings.Repeat("A", door.MaxRequest) + `"}`, 413, "JOC-H004"},
		{"deep envelope", "POST", records, post([]byte(strings.Repeat("[", 100_000))), 422, "JOC-H207"},
		{"deep request", "POST", records, strings.Repeat("[", 100_000), 400, "JOC-H001"},
		{"no base64", "POST", records, `{"envelope":"???"}`, 422, "JOC-H007"},
		{"no envelope", "POST", records, `{}`, 422, "JOC-H007"},
		{"a field too many", "POST", records, `{"envelope":"AAAA","state":"Agreed"}`, 422, "JOC-H007"},
		{"no JSON", "POST", records, `envelope`, 400, "JOC-H001"},
		{"no body", "POST", records, ``, 400, "JOC-H001"},
		{"a negative position", "GET", records + "?from=-1", "", 422, "JOC-H007"},
		{"a position of too many digits", "GET", records + "?from=99999999999999999999", "", 422, "JOC-H007"},
		{"a position that is not there", "GET", records + "?from=10000", "", 409, "JOC-H213"},
		{"to wait for ever", "GET", records + "?wait=1000000", "", 422, "JOC-H007"},
		{"a question with a word too many", "GET", records + "?from=0&key=1", "", 422, "JOC-H007"},
		{"a method that is not there", "DELETE", records, "", 404, "JOC-H002"},
		{"an output that nobody has named", "PUT", "/c/v1/tasks/" + task.String() + "/outputs/" + strings.Repeat("0", 64), "x", 404, "JOC-H221"},
		{"an output with a path for a name", "GET", "/c/v1/tasks/" + task.String() + "/outputs/..%2f..%2flog.key", "", 422, "JOC-H201"},
		{"an output of an unknown task", "PUT", "/c/v1/tasks/" + joconde.Digest{9}.String() + "/outputs/" + strings.Repeat("0", 64), "x", 404, "JOC-H202"},
	} {
		t.Run(test.name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), test.method, r.URL+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			var problem map[string]any
			if err := json.Unmarshal(text, &problem); err != nil || response.Header.Get("Content-Type") != "application/problem+json" {
				t.Fatalf("no problem+json: %s", text)
			}
			if response.StatusCode != test.status || problem["code"] != test.code {
				t.Errorf("answered %d %s", response.StatusCode, text)
			}
			for _, field := range []string{"what", "where", "why", "do", "left_machine"} {
				if s, _ := problem[field].(string); s == "" {
					t.Errorf("%s is empty: %s", field, text)
				}
			}
			if len(text) > 2000 {
				t.Errorf("an answer of %d bytes: it repeats what was sent", len(text))
			}
		})
	}
	after, _ := r.look(task)
	now, err := r.log.Size(t.Context())
	if err != nil || now != size || !reflect.DeepEqual(before, after) {
		t.Errorf("the log had %d entries and has %d, %v", size, now, err)
	}
	refused := r.coordinator.Refused()
	if refused["JOC-H206"] != 3 || refused["JOC-H202"] != 2 {
		t.Errorf("counted were %v", refused)
	}
	// What was refused did not stand in the way, and again is no error.
	for range 2 {
		if at, err := r.Submit(t.Context(), task, good); err != nil || at != len(before) {
			t.Errorf("position %d, %v", at, err)
		}
	}
	if at, err := r.Submit(t.Context(), task, p.Envelope); err != nil || at != 0 {
		t.Errorf("the task again: position %d, %v", at, err)
	}
}

// reTimed signs a bundle again, a moment later, with a new receipt key.
func reTimed(s cast.Step) []byte {
	body := *s.Body.(*joconde.NodeBundle)
	key := cast.NodeKey(cast.PT, 9)
	body.ReceiptKey = key.Public()
	s.Body = &body
	s.Keys = []*record.Key{key, cast.Key(cast.PT, cast.Operations)}
	return s.Sign()
}

func FuzzRequests(f *testing.F) {
	r := newRoom(f)
	p, task := r.propose()
	good, err := json.Marshal(door.Envelope{Envelope: p.Step(joconde.Wanted{Kind: joconde.KindAcceptance, Party: cast.AT}).Sign()})
	if err != nil {
		f.Fatal(err)
	}
	records := "/c/v1/tasks/" + task.String() + "/records"
	f.Add("POST", records, good)
	f.Add("POST", records, []byte(`{"envelope":"`+base64.StdEncoding.EncodeToString(p.Envelope)+`"}`))
	f.Add("POST", records, []byte(`{"envelope":{}}`))
	f.Add("GET", records+"?from=0", []byte{})
	f.Add("GET", records+"?from=1e3&wait=x", []byte{})
	f.Add("PUT", "/c/v1/tasks/"+task.String()+"/outputs/"+strings.Repeat("0", 64), []byte("x"))
	f.Add("GET", "/c/v1/tasks/"+task.String()+"/outputs/%00", []byte{})
	d := door.New(1 << 30)
	r.coordinator.Serve(d)
	f.Fuzz(func(t *testing.T, method, path string, body []byte) {
		if strings.Contains(path, "wait=") && !strings.Contains(path, "wait=x") {
			t.Skip("would wait")
		}
		request, err := http.NewRequest(method, "http://hub/"+strings.TrimPrefix(path, "/"), bytes.NewReader(body))
		if err != nil {
			t.Skip("no request")
		}
		request.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, request)
		if w.Code >= 500 || w.Code >= 400 && !strings.Contains(w.Body.String(), `"code":"JOC-H`) {
			t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
		}
	})
}

// What a malicious hub can answer does no harm before it is verified.
func FuzzAnswers(f *testing.F) {
	r := newRoom(f)
	_, task := r.propose()
	page, err := r.Records(f.Context(), task, 0, 0)
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(page)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(200, "application/json", text)
	f.Add(409, "application/problem+json", []byte(`{"code":"JOC-H204","what":"\u001b[2Jlate"}`))
	f.Add(500, "text/html", []byte(`<html>`))
	f.Add(302, "", []byte{})
	var status int
	var form string
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", form)
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	}))
	f.Cleanup(server.Close)
	client := &cplane.Client{URL: server.URL}
	f.Fuzz(func(t *testing.T, s int, contentType string, answer []byte) {
		if s < 200 || s > 599 {
			t.Skip("no status")
		}
		status, form, body = s, contentType, answer
		page, err := client.Records(t.Context(), task, 0, 0)
		switch {
		case err == nil && (page == nil || s >= 300):
			t.Error("no page and no error")
		case err != nil && !strings.HasPrefix(code(err), "JOC-"):
			t.Errorf("an error that is no problem: %v", err)
		case err != nil && strings.ContainsAny(err.Error(), "\x1b\n\r"):
			t.Errorf("the hub's words move the cursor: %q", err)
		}
	})
}

func TestALogWithLeavesThatAreNoRecordsIsPassedOver(t *testing.T) {
	r := newRoom(t)
	for _, leaf := range [][]byte{[]byte("hello"), cast.NewPlay().Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.AT}).Sign()} {
		if _, err := r.log.Append(t.Context(), leaf); err != nil {
			t.Fatal(err)
		}
	}
	c, err := cplane.Open(t.Context(), r.log, mem.Open(), limits)
	if err != nil || len(c.Tasks("")) != 0 {
		t.Errorf("%v, %v", c.Tasks(""), err)
	}
}
