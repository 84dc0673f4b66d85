package mplane_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"joconde"
	"joconde/internal/cast"
	"joconde/internal/door"
	"joconde/mplane"
	"joconde/record"
	"joconde/store"
	"joconde/store/mem"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// opened is a control plane that takes everything.
type opened struct{ tasks []mplane.Summary }

func (o *opened) Propose(_ context.Context, task []byte, organisations [][]byte) (joconde.Digest, error) {
	l, err := record.NewLedger(task, organisations)
	if err != nil {
		return joconde.Digest{}, err
	}
	terms, id := l.Task()
	o.tasks = append(o.tasks, mplane.Summary{ID: id, Title: terms.Title, Phase: l.State().Phase, Attempt: 1})
	return id, nil
}
func (o *opened) Tasks(joconde.PartyID) []mplane.Summary { return o.tasks }

const logKey = "log.test+00000000+AAAA"

// room is a management plane behind its door.
type room struct {
	*mplane.Client
	store store.Store
	plane *opened
	dir   *mplane.Directory
}

func newRoom(t testing.TB, s store.Store, limit int) *room {
	t.Helper()
	directory, err := mplane.Open(t.Context(), s, limit)
	if err != nil {
		t.Fatal(err)
	}
	r := &room{store: s, plane: &opened{}, dir: directory}
	d := door.New(100_000)
	(&mplane.Proposals{Directory: directory, Coordinator: r.plane, LogKey: logKey}).Serve(d, "test")
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	r.Client = &mplane.Client{URL: server.URL}
	return r
}

// successor is an entry that replaces another, with another legal name.
func successor(party joconde.PartyID, before joconde.Digest, name string, keys ...*record.Key) []byte {
	e := cast.Entry(party)
	e.LegalName = name
	e.Predecessor = &before
	return sign(joconde.KindOrganisation, e, keys...)
}

func sign(kind joconde.RecordKind, body any, keys ...*record.Key) []byte {
	raw, err := record.Sign(kind, body, keys...)
	if err != nil {
		panic(err)
	}
	return raw
}

func id(t testing.TB, envelope []byte) joconde.Digest {
	t.Helper()
	u, err := record.Peek(envelope)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func code(err error) string {
	var p *joconde.Problem
	if !errors.As(err, &p) {
		return ""
	}
	return p.Code
}

func TestADirectoryOfSignedEntries(t *testing.T) {
	s := mem.Open()
	r := newRoom(t, s, 100)
	ctx := t.Context()
	first := cast.Organisation(cast.EE)
	at, err := r.Join(ctx, first)
	if err != nil || at != id(t, first) {
		t.Fatalf("joined as %s, %v", at, err)
	}
	if again, err := r.Join(ctx, first); err != nil || again != at {
		t.Errorf("the same entry again: %s, %v", again, err)
	}
	second := successor(cast.EE, at, "Renamed", cast.Key(cast.EE, cast.Approval))
	if _, err := r.Join(ctx, second); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Join(ctx, cast.Organisation(cast.PT)); err != nil {
		t.Fatal(err)
	}
	for _, place := range []*room{r, newRoom(t, s, 100)} { // and after a restart
		list, err := place.Organisations(ctx)
		if err != nil || len(list) != 3 || list[0].ID != at || string(list[1].Envelope) != string(second) || list[2].Party != cast.PT {
			t.Errorf("the directory is %v, %v", list, err)
		}
	}
	h, err := r.Hub(ctx)
	if err != nil || *h != (mplane.Hub{Format: 1, Version: "test", LogKey: logKey}) {
		t.Errorf("the hub is %v, %v", h, err)
	}
}

func TestEntriesThatAreRefused(t *testing.T) {
	ee, stranger := cast.Key(cast.EE, cast.Approval), cast.Key(cast.PT, cast.Approval)
	first := cast.Organisation(cast.EE)
	one := id(t, first)
	second := successor(cast.EE, one, "second", ee)
	two := id(t, second)
	newKey := cast.Entry(cast.EE)
	newKey.Predecessor, newKey.ApprovalKey = &two, stranger.Public()
	// The identity as a key: some signatures hold under it for every message.
	lowOrder := rewrite(t, cast.Organisation(cast.AT), cast.Key(cast.AT, cast.Operations).Public(), "01"+strings.Repeat("00", 31))
	unrelated := cast.Entry(cast.EE)
	unrelated.LegalName = "an impostor"

	for _, test := range []struct {
		name     string
		envelope []byte
		code     string
		is       error
	}{
		{"a party's name is taken by whoever came first", sign(joconde.KindOrganisation, unrelated, ee), "JOC-H102", mplane.ErrTaken},
		{"two different successors of one entry", successor(cast.EE, one, "another second", ee), "JOC-H103", mplane.ErrOutdated},
		{"a successor of an entry that nobody knows", successor(cast.EE, joconde.Digest{1}, "third", ee), "JOC-H104", mplane.ErrUnknown},
		{"a first entry that says it is a second", successor(cast.AT, joconde.Digest{1}, "second", cast.Key(cast.AT, cast.Approval)), "JOC-H104", mplane.ErrUnknown},
		{"another party's entry as predecessor", successor(cast.AT, two, "second", cast.Key(cast.AT, cast.Approval)), "JOC-H104", mplane.ErrUnknown},
		{"a new approval key without the old one's signature", sign(joconde.KindOrganisation, newKey, stranger), "JOC-H101", nil},
		{"signed by somebody else", successor(cast.EE, two, "third", stranger), "JOC-H101", nil},
		{"signed by the operations key", successor(cast.EE, two, "third", cast.Key(cast.EE, cast.Operations)), "JOC-H101", nil},
		{"signed by one more than must", successor(cast.EE, two, "third", ee, stranger), "JOC-H101", nil},
		{"a key of low order put into a signed entry", lowOrder, "JOC-H101", nil},
		{"a record of another kind", cast.NewPlay().Envelope, "JOC-H101", nil},
		{"nothing", nil, "JOC-H007", nil},
		{"no JSON", []byte("hello"), "JOC-H101", nil},
		{"deep JSON", []byte(strings.Repeat("[", 100_000)), "JOC-H101", nil},
		{"one byte more after it", append(cast.Organisation(cast.AT), ' '), "JOC-H101", nil},
		{"more than a record may have", make([]byte, record.MaxEnvelope+1), "JOC-H101", nil},
		{"more than a request may have", make([]byte, door.MaxRequest), "JOC-H004", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t, mem.Open(), 100)
			for _, envelope := range [][]byte{first, second} {
				if _, err := r.Join(t.Context(), envelope); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.Join(t.Context(), test.envelope)
			if code(err) != test.code || test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("refused with %v %v", code(err), err)
			}
			if list := r.dir.List(); len(list) != 2 {
				t.Errorf("the directory has %d entries", len(list))
			}
		})
	}
}

// rewrite changes words of a signed payload.
func rewrite(t *testing.T, envelope []byte, from, to string) []byte {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(envelope, &e); err != nil {
		t.Fatal(err)
	}
	payload, err := base64.StdEncoding.DecodeString(e["payload"].(string))
	if err != nil || !strings.Contains(string(payload), from) {
		t.Fatal(err)
	}
	e["payload"] = base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(payload), from, to, 1)))
	out, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestADirectoryHasAnEnd(t *testing.T) {
	r := newRoom(t, mem.Open(), 1)
	if _, err := r.Join(t.Context(), cast.Organisation(cast.EE)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Join(t.Context(), cast.Organisation(cast.PT)); code(err) != "JOC-H105" {
		t.Errorf("one too many: %v", err)
	}
	r = newRoom(t, mem.Open(), 1000)
	at, err := r.Join(t.Context(), cast.Organisation(cast.EE))
	for n := 0; err == nil; n++ {
		if n > 1000 {
			t.Fatal("versions without end")
		}
		at, err = r.Join(t.Context(), successor(cast.EE, at, strings.Repeat("x", n+1), cast.Key(cast.EE, cast.Approval)))
	}
	if code(err) != "JOC-H107" {
		t.Errorf("versions without end: %v", err)
	}
}

func TestWhatIsProposed(t *testing.T) {
	play := cast.NewPlay()
	approval := cast.Key(cast.EU, cast.Approval)
	change := func(change func(*joconde.Task)) []byte {
		terms := cast.Terms()
		change(terms)
		return sign(joconde.KindTask, terms, approval)
	}
	for _, test := range []struct {
		name     string
		envelope []byte
		code     string
	}{
		{"a task of parties that have joined", play.Envelope, ""},
		{"an edited task is another one", change(func(t *joconde.Task) { t.Purpose = "another" }), ""},
		{"a member whose entry nobody knows", change(func(t *joconde.Task) { t.Parties[0].Record = joconde.Digest{1} }), "JOC-H111"},
		{"a member with another one's entry", change(func(t *joconde.Task) { t.Parties[0].Record = t.Parties[1].Record }), "JOC-H111"},
		{"another hub's log", change(func(t *joconde.Task) { t.LogKey = "log.other+00000000+AAAA" }), "JOC-H113"},
		{"not signed by the proposer", sign(joconde.KindTask, cast.Terms(), cast.Key(cast.PT, cast.Approval)), "JOC-H110"},
		{"signed by the proposer's agent", sign(joconde.KindTask, cast.Terms(), cast.Key(cast.EU, cast.Operations)), "JOC-H110"},
		{"a party twice", change(func(t *joconde.Task) { t.Parties[1] = t.Parties[0] }), "JOC-H110"},
		{"a record of another kind", sign(joconde.KindOrganisation, cast.Entry(cast.EE), cast.Key(cast.EE, cast.Approval)), "JOC-H110"},
		{"no task", []byte("{}"), "JOC-H110"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRoom(t, mem.Open(), 100)
			for _, envelope := range cast.Organisations() {
				if _, err := r.Join(t.Context(), envelope); err != nil {
					t.Fatal(err)
				}
			}
			at, err := r.Propose(t.Context(), test.envelope)
			list, wrong := r.Tasks(t.Context(), "")
			if wrong != nil {
				t.Fatal(wrong)
			}
			switch {
			case code(err) != test.code:
				t.Errorf("refused with %v %v", code(err), err)
			case test.code == "" && (len(list) != 1 || list[0].ID != at || at != id(t, test.envelope) || list[0].Phase != joconde.Proposed):
				t.Errorf("proposed as %s, %v", at, list)
			case test.code != "" && len(list) != 0:
				t.Errorf("there is a task: %v", list)
			}
		})
	}
	t.Run("a member that has replaced its entry", func(t *testing.T) {
		r := newRoom(t, mem.Open(), 100)
		for _, envelope := range append(cast.Organisations(), successor(cast.PT, id(t, cast.Organisation(cast.PT)), "new", cast.Key(cast.PT, cast.Approval))) {
			if _, err := r.Join(t.Context(), envelope); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := r.Propose(t.Context(), play.Envelope); code(err) != "JOC-H112" || !errors.Is(err, mplane.ErrOutdated) {
			t.Errorf("refused with %v", err)
		}
		// With the newest entry it is another task, whose chain has two.
		terms := cast.Terms()
		for i := range terms.Parties {
			if terms.Parties[i].Party == cast.PT {
				terms.Parties[i].Record = r.dir.List()[len(cast.Parties())].ID
			}
		}
		if _, err := r.Propose(t.Context(), sign(joconde.KindTask, terms, approval)); err != nil {
			t.Error(err)
		}
	})
}

// broken is a store whose disk is full, from when it is told.
type broken struct {
	store.Store
	full   bool
	anyway bool // it says so, and has written nevertheless
}

var errFull = errors.New("no space left on device")

func (b *broken) Update(ctx context.Context, change func(store.Writer) error) error {
	if b.full && !b.anyway {
		return store.Failed("store", errFull)
	}
	if err := b.Store.Update(ctx, change); err != nil || !b.full {
		return err
	}
	return store.Failed("store", errFull)
}

func TestAFullDisk(t *testing.T) {
	for _, anyway := range []bool{false, true} {
		s := &broken{Store: mem.Open(), anyway: anyway}
		r := newRoom(t, s, 100)
		at, err := r.Join(t.Context(), cast.Organisation(cast.EE))
		if err != nil {
			t.Fatal(err)
		}
		s.full = true
		lost := successor(cast.EE, at, "lost", cast.Key(cast.EE, cast.Approval))
		if _, err := r.Join(t.Context(), lost); code(err) != "JOC-H106" || len(r.dir.List()) != 1 {
			t.Errorf("a full disk: %v, %d entries", err, len(r.dir.List()))
		}
		s.full = false
		// What was not acknowledged does not stand in the way of what comes next.
		if _, err := r.Join(t.Context(), successor(cast.EE, at, "kept", cast.Key(cast.EE, cast.Approval))); err != nil {
			t.Error(err)
		}
		list := newRoom(t, s, 100).dir.List()
		if len(list) != 2 || string(list[1].Envelope) == string(lost) {
			t.Errorf("after a restart there are %d entries", len(list))
		}
	}
}

func TestADirectoryThatWasTamperedWithIsNotOpened(t *testing.T) {
	s := mem.Open()
	r := newRoom(t, s, 100)
	if _, err := r.Join(t.Context(), cast.Organisation(cast.EE)); err != nil {
		t.Fatal(err)
	}
	err := s.Update(t.Context(), func(w store.Writer) error {
		unrelated := cast.Entry(cast.EE)
		unrelated.LegalName = "an impostor"
		return w.Put("organisations", "000000000001", sign(joconde.KindOrganisation, unrelated, cast.Key(cast.EE, cast.Approval)))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mplane.Open(t.Context(), s, 100); err == nil {
		t.Error("two first entries of one party")
	}
}

func FuzzWhatIsPosted(f *testing.F) {
	for _, envelope := range [][]byte{cast.Organisation(cast.EE), cast.NewPlay().Envelope, {}} {
		body, err := json.Marshal(door.Envelope{Envelope: envelope})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(true, body)
		f.Add(false, body)
	}
	f.Add(true, []byte(`{"envelope":null}`))
	f.Add(true, []byte(`{"envelope":"AA==","more":[[[[]]]]}`))
	directory, err := mplane.Open(f.Context(), mem.Open(), 100)
	if err != nil {
		f.Fatal(err)
	}
	d := door.New(1 << 30)
	(&mplane.Proposals{Directory: directory, Coordinator: &opened{}, LogKey: logKey}).Serve(d, "test")
	f.Fuzz(func(t *testing.T, join bool, body []byte) {
		path := "/m/v1/tasks"
		if join {
			path = "/m/v1/organisations"
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(string(body)))
		r.Header.Set("Content-Type", "application/json")
		d.ServeHTTP(w, r)
		answer, err := io.ReadAll(w.Result().Body)
		if err != nil || w.Code >= 500 || w.Code != http.StatusOK && !strings.Contains(string(answer), `"code":"JOC-H`) {
			t.Errorf("%d %s %v", w.Code, answer, err)
		}
	})
}
