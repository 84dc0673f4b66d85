package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"joconde"
	"joconde/lang/lower"
	"joconde/lang/statement"
)

// draft is task.yaml: the terms of a task as its author writes them. What is
// signed is derived from it and from program.sql beside it. Unknown keys are
// errors.
type draft struct {
	Title     string                       `yaml:"title"`
	Purpose   string                       `yaml:"purpose"`
	Legal     draftLegal                   `yaml:"legal"`
	Parties   map[joconde.PartyID][]string `yaml:"parties"`   // roles of each
	Computing []draftPlace                 `yaml:"computing"` // in node order
	Rows      map[string]int               `yaml:"rows"`      // owner.table: most rows
	Engine    string                       `yaml:"engine"`    // default: rep3
	Sort      string                       `yaml:"sort"`      // default: the engine's
	Platforms []string                     `yaml:"platforms"` // of nodes
	TestData  bool                         `yaml:"test_data"` // the tables are not real
	Deadlines draftDeadlines               `yaml:"deadlines"` //
	Attempts  int                          `yaml:"attempts"`  // default: 1
}

type draftLegal struct {
	Basis      string   `yaml:"basis"`
	Categories []string `yaml:"categories"`
	Retention  string   `yaml:"retention"`
}

type draftPlace struct {
	Party        joconde.PartyID `yaml:"party"`
	Chips        []string        `yaml:"chips"`
	Measurements []string        `yaml:"measurements"`
}

// draftDeadlines are times, such as 2027-01-31T12:00:00Z, or times after the
// proposal, such as "+72h".
type draftDeadlines struct {
	Approve   string `yaml:"approve_by"`
	Establish string `yaml:"establish_by"`
	Input     string `yaml:"input_by"`
	Run       string `yaml:"run"` // how long the computation may take, such as 30m
	Delete    string `yaml:"delete_by"`
}

// The files of a draft.
const (
	draftTerms   = "task.yaml"
	draftProgram = "program.sql"
)

// readDraft reads a draft folder and derives the terms, with everything that
// the directory and the hub must still add left open.
func (t *tool) readDraft(folder string, now time.Time) (*joconde.Task, error) {
	path := filepath.Join(folder, draftTerms)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable("JOC-T201", "the terms of the draft", path, err)
	}
	source, err := readProgram(filepath.Join(folder, draftProgram))
	if err != nil {
		return nil, err
	}
	t.texts[filepath.Join(folder, draftProgram)], t.texts[path] = source, string(text)
	var d draft
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err = decoder.Decode(&d)
	if err == nil {
		var more any
		if rest := decoder.Decode(&more); !errors.Is(rest, io.EOF) {
			err = errors.New("there is more than one document in the file")
		}
	}
	if err != nil {
		return nil, notYAML(path, err)
	}
	return d.task(path, source, now)
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)

// notYAML says what is wrong with a file, all lines at once.
func notYAML(path string, err error) error {
	lines := []string{err.Error()}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		lines = typed.Errors
	}
	var problems joconde.Problems
	for _, line := range lines {
		where, what := path, line
		if m := yamlLine.FindStringSubmatch(line); m != nil {
			where, what = path+":"+m[1], m[2]
		}
		what = strings.NewReplacer(" in type main.draftLegal", " in legal", " in type main.draftDeadlines", " in deadlines",
			" in type main.draftPlace", " in computing", " in type main.draft", "").Replace(what)
		problems = append(problems, &joconde.Problem{Code: "JOC-T202", What: what, Where: where, Exit: joconde.ExitInvalid,
			Why: "every line of the terms is signed, so nothing in it is ever ignored or guessed", Do: "correct the line; a draft with all keys: joconde task new"})
	}
	return problems
}

// task derives the terms.
func (d *draft) task(path, source string, now time.Time) (*joconde.Task, error) {
	var problems joconde.Problems
	refuse := func(code, where, what, why, do string) {
		problems = append(problems, &joconde.Problem{Code: code, What: what, Where: path + ", " + where, Why: why, Do: do, Exit: joconde.ExitInvalid})
	}
	task := &joconde.Task{Format: 1, Title: strings.TrimSpace(d.Title), Purpose: strings.TrimSpace(d.Purpose),
		Legal:  joconde.Legal{Basis: strings.TrimSpace(d.Legal.Basis), Categories: d.Legal.Categories, Retention: strings.TrimSpace(d.Legal.Retention)},
		Source: source, Compiler: version(), Lowering: lower.Version, Engine: d.Engine, Sort: strings.TrimPrefix(d.Sort, "quick"),
		Platforms: slices.Sorted(slices.Values(d.Platforms)), TestData: d.TestData, Attempts: d.Attempts}
	for _, text := range []struct{ name, is string }{{"title", task.Title}, {"purpose", task.Purpose}, {"legal, basis", task.Legal.Basis}, {"legal, retention", task.Legal.Retention}} {
		if text.is == "" {
			refuse("JOC-T203", text.name, "it is empty", "whoever signs must be able to read it", "write it down")
		}
	}
	if task.Engine == "" {
		task.Engine = defaultEngine
	}
	if task.Attempts == 0 {
		task.Attempts = 1
	}
	for party, roles := range d.Parties {
		m := joconde.Member{Party: party}
		for _, r := range roles {
			m.Roles = append(m.Roles, joconde.Role(r))
		}
		slices.Sort(m.Roles)
		task.Parties = append(task.Parties, m)
	}
	slices.SortFunc(task.Parties, func(a, b joconde.Member) int { return strings.Compare(string(a.Party), string(b.Party)) })
	for _, p := range d.Computing {
		task.Computing = append(task.Computing, joconde.Place(p))
	}
	for table, rows := range d.Rows {
		task.Rows = append(task.Rows, joconde.Bound{Table: table, Rows: rows})
	}
	slices.SortFunc(task.Rows, func(a, b joconde.Bound) int { return strings.Compare(a.Table, b.Table) })

	when := func(name, text string) string {
		at, err := deadline(text, now)
		if err != nil {
			refuse("JOC-T204", "deadlines, "+name, fmt.Sprintf("%q is no time", text), "a time is 2027-01-31T12:00:00Z, or +72h after the proposal", "write it in one of the two forms")
		}
		return at
	}
	task.Deadlines = joconde.Deadline{ApproveBy: when("approve_by", d.Deadlines.Approve), EstablishBy: when("establish_by", d.Deadlines.Establish),
		InputBy: when("input_by", d.Deadlines.Input), DeleteBy: when("delete_by", d.Deadlines.Delete)}
	run, err := time.ParseDuration(d.Deadlines.Run)
	if err != nil || run != run.Truncate(time.Second) {
		refuse("JOC-T205", "deadlines, run", fmt.Sprintf("%q is no length of time", d.Deadlines.Run), "it is given in hours, minutes and whole seconds", "write, for example, 30m or 2h")
	}
	task.Deadlines.RunSeconds = int(run / time.Second)
	if len(problems) > 0 {
		return nil, problems
	}
	return task, nil
}

// deadline reads a time, or a time after now.
func deadline(text string, now time.Time) (string, error) {
	if after, is := strings.CutPrefix(text, "+"); is {
		d, err := time.ParseDuration(after)
		if err != nil || d <= 0 {
			return "", errors.New("not a length of time")
		}
		return joconde.FormatTime(now.Add(d)), nil
	}
	_, err := joconde.ParseTime(text)
	return text, err
}

// derive fills in what follows from the program: its digest, and that of its
// Statement. It finds all that is wrong with the terms as far as the draft
// goes; where is the draft's folder.
func (t *tool) derive(task *joconde.Task, where string) (*statement.Statement, error) {
	whole := *task // with what only a proposal fills in
	whole.Nonce, whole.Proposer = strings.Repeat("00", 32), ""
	whole.Parties = slices.Clone(task.Parties)
	for i := range whole.Parties {
		whole.Parties[i].Record = joconde.Digest{1}
		whole.Proposer = whole.Parties[0].Party
	}
	var problems joconde.Problems
	var some joconde.Problems
	if errors.As(whole.Check(), &some) {
		problems = append(problems, some...)
	}
	c, s, err := recompile(task)
	if err != nil {
		for _, p := range problemsOf(err) {
			if rest, is := strings.CutPrefix(p.Where, "the task's program"); is {
				p.Where = filepath.Join(where, draftProgram) + rest
			}
			problems = append(problems, p)
		}
		return nil, problems
	}
	if problems = append(problems, consistent(task, c)...); len(problems) > 0 {
		return nil, problems
	}
	task.Program = c.digest
	task.Statement, err = statementDigest(s)
	return s, err
}

// consistent says whether the parties of the terms are those of the program:
// who provides a table, who learns a view, and as many nodes as the engine has.
func consistent(task *joconde.Task, c *computation) (problems joconde.Problems) {
	refuse := func(code, where, what, why, do string) {
		problems = append(problems, &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, Exit: joconde.ExitInvalid})
	}
	provides, learns := map[joconde.PartyID]bool{}, map[joconde.PartyID]bool{}
	for _, table := range c.program.Tables {
		provides[table.Owner] = true
	}
	for _, o := range c.program.Outputs {
		for _, p := range o.To {
			learns[p] = true
		}
	}
	for _, r := range []struct {
		role       joconde.Role
		of         map[joconde.PartyID]bool
		does, code string
		not        string
	}{
		{joconde.InputParty, provides, "owns a table that the program uses", "JOC-T210", "JOC-T211"},
		{joconde.OutputParty, learns, "is granted a view", "JOC-T212", "JOC-T213"},
	} {
		has := map[joconde.PartyID]bool{}
		for i := range task.Parties {
			m := &task.Parties[i]
			if has[m.Party] = slices.Contains(m.Roles, r.role); has[m.Party] && !r.of[m.Party] {
				refuse(r.not, "parties, "+string(m.Party), fmt.Sprintf("%s has the role %s, and nothing in the program %s", m.Party, r.role, map[joconde.Role]string{joconde.InputParty: "is its table", joconde.OutputParty: "is granted to it"}[r.role]),
					"a role says what a party really does in the task", "take the role away, or correct the program")
			}
		}
		for party := range r.of {
			if !has[party] {
				refuse(r.code, "parties, "+string(party), fmt.Sprintf("%s %s and does not have the role %s", party, r.does, r.role),
					"everybody who gives or learns anything signs for it", fmt.Sprintf("give %s the role %s", party, r.role))
			}
		}
	}
	if want := c.engine.Info(); len(task.Computing) < want.PartiesMin || len(task.Computing) > want.PartiesMax {
		refuse("JOC-T214", "computing", fmt.Sprintf("engine %s computes at %d to %d nodes, and there are %d", c.name, want.PartiesMin, want.PartiesMax, len(task.Computing)),
			"the engine's protocol is made for that many", "name the operators of the nodes, or another engine")
	}
	return problems
}

// open lists what a draft must still get before it can be proposed.
func openTerms(task *joconde.Task) (open []string) {
	for i := range task.Computing {
		p := &task.Computing[i]
		if len(p.Chips) == 0 {
			open = append(open, fmt.Sprintf("computing, %s: no chip; its operator says which (joconde node enrol)", p.Party))
		}
		if len(p.Measurements) == 0 {
			open = append(open, fmt.Sprintf("computing, %s: no measurement of the node; its operator says which (joconde node enrol)", p.Party))
		}
	}
	return open
}
