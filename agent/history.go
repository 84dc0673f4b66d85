package agent

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"joconde"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/record"
)

type (
	tableOf = ir.Table
	rowsOf  = eval.Rows
)

func compareText(a, b string) int { return cmp.Compare(a, b) }

// Earlier is a computed task whose outputs rest on tables of this party: who
// learned what from them before. Several outputs together can tell more than
// each alone.
type Earlier struct {
	Task   joconde.Digest `json:"task"`
	Title  string         `json:"title"`
	At     string         `json:"at"`
	Tables []EarlierTable `json:"tables"`
	Views  []EarlierView  `json:"views"`
}

// EarlierTable is a table that was provided, and the digest of its file.
type EarlierTable struct {
	Table  string         `json:"table"`
	Digest joconde.Digest `json:"digest"`
}

// EarlierView is a view and who learned it.
type EarlierView struct {
	View string            `json:"view"`
	To   []joconde.PartyID `json:"to"`
}

func (h *Home) history() ([]Earlier, error) {
	list := []Earlier{}
	err := h.load(h.path("history.json"), &list)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return list, err
}

// remember notes a computed task, once.
func (h *Home) remember(task joconde.Digest, c *Compiled, at string) error {
	list, err := h.history()
	if err != nil || slices.ContainsFunc(list, func(e Earlier) bool { return e.Task == task }) {
		return err
	}
	files, err := h.provided(task)
	if err != nil {
		return err
	}
	e := Earlier{Task: task, Title: c.Task.Title, At: at, Tables: []EarlierTable{}, Views: []EarlierView{}}
	for _, p := range files {
		e.Tables = append(e.Tables, EarlierTable{p.Table, p.Digest})
	}
	for _, o := range c.Plan.Program.Outputs {
		e.Views = append(e.Views, EarlierView{o.View, o.To})
	}
	return h.save(h.path("history.json"), append(list, e))
}

// earlier are the tasks before this one that used a table of this party of the
// same name, or the same file under another name.
func (h *Home) earlier(task joconde.Digest, p *ir.Program) ([]Earlier, error) {
	list, err := h.history()
	if err != nil {
		return nil, err
	}
	now, err := h.provided(task)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(e Earlier) bool {
		return e.Task == task || !slices.ContainsFunc(e.Tables, func(t EarlierTable) bool {
			return slices.ContainsFunc(p.Tables, func(d ir.Table) bool { return d.Owner == h.config.Party && d.QName() == t.Table }) ||
				slices.ContainsFunc(now, func(p provided) bool { return p.Digest == t.Digest })
		})
	}), nil
}

// Change is a field of the terms that differs from an earlier task's.
type Change struct {
	Field  string
	Before string // as JSON, or the lines that went, for the source
	After  string
}

// changes compares a task with the newest one of the same proposer and title
// that this home has seen. That is cheap, and catches a draft that was edited
// after somebody had read it.
func (h *Home) changes(task joconde.Digest, terms *joconde.Task) ([]Change, error) {
	folders, err := os.ReadDir(h.path("tasks"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, notWritten(h.path("tasks"), err)
	}
	var before *joconde.Task
	for _, folder := range folders {
		var id joconde.Digest
		if id.UnmarshalText([]byte("sha256:"+folder.Name())) != nil || id == task {
			continue
		}
		f, err := h.follow(id)
		if err != nil || f.ledger == nil {
			continue // a damaged task is reported where it is needed
		}
		old, _ := f.ledger.Task()
		if old.Proposer == terms.Proposer && old.Title == terms.Title && (before == nil || old.Deadlines.ApproveBy > before.Deadlines.ApproveBy) {
			before = old
		}
	}
	if before == nil {
		return nil, nil
	}
	return Changes(before, terms)
}

// Changes are the fields in which two tasks differ; the nonce, which always
// does, is left out.
func Changes(before, after *joconde.Task) ([]Change, error) {
	a, err := fieldsOf(before)
	if err != nil {
		return nil, err
	}
	b, err := fieldsOf(after)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for name := range a {
		names[name] = true
	}
	for name := range b {
		names[name] = true
	}
	delete(names, "nonce")
	var out []Change
	for name := range names {
		if string(a[name]) == string(b[name]) {
			continue
		}
		c := Change{name, string(a[name]), string(b[name])}
		if name == "source" {
			c.Before, c.After = lines(before.Source, after.Source), lines(after.Source, before.Source)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y Change) int { return compareText(x.Field, y.Field) })
	return out, nil
}

func fieldsOf(t *joconde.Task) (map[string]json.RawMessage, error) {
	text, err := record.Canonical(t)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	return fields, json.Unmarshal(text, &fields)
}

// lines are those of a text that another text does not have.
func lines(of, without string) string {
	other := map[string]int{}
	for line := range strings.Lines(without) {
		other[strings.TrimRight(line, "\r\n")]++
	}
	var out []string
	for line := range strings.Lines(of) {
		line = strings.TrimRight(line, "\r\n")
		if other[line]--; other[line] < 0 {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// Tasks are the tasks that the home knows of.
func (h *Home) Tasks() ([]joconde.Digest, error) {
	folders, err := os.ReadDir(h.path("tasks"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, notWritten(h.path("tasks"), err)
	}
	var out []joconde.Digest
	for _, folder := range folders {
		var id joconde.Digest
		if id.UnmarshalText([]byte("sha256:"+folder.Name())) == nil && has(filepath.Join(h.path("tasks"), folder.Name(), "records")) {
			out = append(out, id)
		}
	}
	return out, nil
}
