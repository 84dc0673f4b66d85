package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"joconde"
	"joconde/agent"
	"joconde/attest/sim"
	"joconde/audit"
	"joconde/dplane"
	"joconde/dplane/engine/clear"
	"joconde/dplane/table"
	"joconde/internal/survey"
	"joconde/lang/ir"
	"joconde/record"
)

// taskReport is what the demo of a whole task prints with --json.
type taskReport struct {
	report
	Task     joconde.Digest `json:"task"`
	Attempt  int            `json:"attempt"`
	State    string         `json:"state"`
	Platform string         `json:"platform"`
	Receipts int            `json:"receipts"` // wipe receipts of nodes
	Verified bool           `json:"verified"` // by audit.Verify, from the bundle file alone
	Bundle   string         `json:"bundle,omitempty"`
}

// organisations of the demo, in the order in which they join.
var demoCast = []struct {
	party joconde.PartyID
	name  string
	roles []string
}{
	{"register", "Population Register", []string{"input"}},
	{"tax", "Tax Agency", []string{"input", "computing"}},
	{"hub", "Statistics Hub", []string{"output", "computing"}},
	{"operator", "Node Operator", []string{"computing"}},
	{"auditor", "Audit Court", []string{"approver"}},
}

// demoNodes are who operates node-1, node-2 and node-3.
var demoNodes = []joconde.PartyID{"tax", "hub", "operator"}

// whole is the demo of a whole task. Its methods are the steps of the task.
type whole struct {
	*tool
	*story
	o     demoOptions
	files map[string][]byte
	dir   string // of everything; removed at the end
	node  string // the program
	homes map[joconde.PartyID]*agent.Home
	hub   *hub
	c     *computation // what the auditor and the comparison compute
	id    joconde.Digest
	last  *fetched
	stage *stage
	over  bool                 // it ended as it should, or as was asked for
	times map[string]time.Time // when the task came to a state
}

// demo plays a task from its proposal to the auditor's verification, in
// separate processes: a hub, an agent for each of five organisations, three
// nodes and their workers.
func (t *tool) demo(ctx context.Context, o demoOptions) error {
	w := &whole{tool: t, story: &story{w: t.prose(), began: time.Now()}, o: o, homes: map[joconde.PartyID]*agent.Home{}, times: map[string]time.Time{},
		files: map[string][]byte{"register.person": survey.Register(), "tax.earner": survey.Tax()}}
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, &joconde.Problem{Code: "JOC-R050", What: "the demo did not come to its end in 5 minutes", Where: "demo",
		Why: "this computer is very busy, or something hangs", Do: "run it again when the computer is less busy; if it happens twice, report it", Exit: joconde.ExitInternal})
	defer cancel()
	if err := new(computation).chooseEngine(o.engine); err != nil {
		return err
	}
	if o.engine == clear.Info().Name {
		return usage("JOC-U021", "the demo does not run in the clear", "there would be nothing to see", "choose an engine, or use: joconde try --engine clear")
	}
	to := folder{path: o.keep, flag: "--keep"}
	if err := to.prepare(t, []string{"task.bundle", "program.sql", "register.person.csv", "tax.earner.csv", "pay_gap.csv", "certificate.md", "certificate.json"}); err != nil {
		return err
	}
	fmt.Fprint(w.story.w, `JOCONDE demo. Five organisations, a hub that is trusted with nothing, three
nodes: all on this computer, with a real public survey. Two offices may not
show each other their records. Stop with Ctrl-C; nothing stays behind.

PLATFORM sim: the nodes are plain processes. Nothing protects their memory
here, so the task says TEST DATA; real nodes run in a TEE (trusted execution
environment: a part of a processor built to keep even its operator out).

`)
	steps := []func(context.Context) error{w.prepare, w.directory, w.propose, w.approve}
	if o.edit {
		steps = append(steps, w.editAfterApproval)
	} else {
		steps = append(steps, w.tables, w.compute, w.open)
	}
	var failure error
	for _, step := range steps {
		if failure = step(ctx); failure != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return cmp.Or(context.Cause(ctx), failure) // whatever still runs is ended by tidy
	}
	if w.stage != nil {
		w.stage.leave()
	}
	if !w.over {
		return failure
	}
	r, err := w.verify(to)
	if err != nil {
		return cmp.Or(failure, err)
	}
	fmt.Fprintf(w.story.w, `
%.1f s in all. What this did not show: platform sim protects nothing, and
engine %s withstands one computing party that looks, not one that lies.

Look closer:    joconde demo --keep DIR, and then, in DIR,
                joconde verify task.bundle
                joconde task annex --bundle task.bundle
                joconde task check program.sql
What stops it:  joconde demo --edit-after-approval, --kill node-2,
                --tamper node-3
Make your own:  joconde task new FOLDER, and joconde next
`, time.Since(w.story.began).Seconds(), r.Engine)
	if t.json {
		if err := t.printJSON(r); err != nil {
			return err
		}
	}
	if failure == nil && !r.Verified {
		failure = &joconde.Problem{Code: "JOC-R031", What: "the file does not verify", Where: "task.bundle", Why: "a check failed", Do: "report it: this is a fault of ours", Exit: joconde.ExitUnverified}
	}
	if failure == nil && r.EqualToClear != nil {
		failure = w.c.unequal(r.report)
	}
	t.printed.Store(failure == nil)
	return failure
}

// prepare finds the programs, starts the hub and compiles for the comparison.
func (w *whole) prepare(ctx context.Context) error {
	node, _, err := w.program(ctx, "node", w.step)
	if err != nil {
		return err
	}
	hubProgram, _, err := w.program(ctx, "hub", w.step)
	if err != nil {
		return err
	}
	w.node = node
	if err := w.tidy.make(func() (func(), error) {
		dir, err := os.MkdirTemp("", "joconde-")
		w.dir = dir
		return func() { removeAll(dir) }, err
	}); err != nil {
		return fmt.Errorf("make a private folder: %w", err)
	}
	for name, text := range w.files {
		if err := os.WriteFile(filepath.Join(w.dir, name+".csv"), text, 0o600); err != nil {
			return fmt.Errorf("write a table: %w", err)
		}
	}
	w.stage = &stage{tool: w.tool, dir: w.dir, node: node}
	url, err := w.stage.startHub(ctx, hubProgram)
	if err != nil {
		return err
	}
	w.hub = hubAt(url)
	w.step("The hub runs, with an empty directory and an empty log")
	w.tell("process %d   %s", w.stage.hub.pid, url)
	return nil
}

// directory has every organisation make its keys and join.
func (w *whole) directory(ctx context.Context) error {
	w.step("Five organisations make their keys and join the directory")
	about, err := w.hub.m.Hub(ctx)
	if err != nil {
		return err
	}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for _, o := range demoCast {
		home, err := agent.NewHome(filepath.Join(w.dir, string(o.party)), o.party, w.hub.m.URL, about.LogKey)
		if err != nil {
			return err
		}
		w.homes[o.party] = home
		if err := home.SetRefusals(dplane.Refusals{AllowPassive: true, TestDataOnly: true}); err != nil {
			return err
		}
		id, err := home.Enrol(ctx, w.hub, agent.Enrolment{LegalName: o.name, ValidFrom: today, ValidUntil: today.AddDate(1, 0, 0)})
		if err != nil {
			return err
		}
		w.tell("%-9s %-20s %s...  %s", o.party, o.name, record.Fingerprint(id)[:14], strings.Join(o.roles, ", "))
	}
	w.tell("Fingerprints are compared by telephone: the hub is not believed.")
	return nil
}

// tables reads both offices' tables, for the comparison in the end, and shows
// what becomes of one number.
func (w *whole) tables(ctx context.Context) error {
	w.c.read = func(ctx context.Context, declared ir.Table) ([][]ir.Value, error) {
		name := declared.QName()
		rows, _, err := table.Read(ctx, bytes.NewReader(w.files[name]), name+".csv", &declared, table.Options{})
		return rows, err
	}
	if err := w.c.check(ctx); err != nil {
		return err
	}
	if err := w.c.split(); err != nil {
		return err
	}
	w.step("What a node will see of a number: an example, split here and thrown away")
	w.tell("%s", w.c.oneNumber("tax", "earnings"))
	w.c.parts, w.c.owned = nil, nil
	return nil
}

// draft is the demo's task.
func (w *whole) draft() (*joconde.Task, error) {
	d := draft{
		Title: "Gender pay gap by region and education", Purpose: "To show, on a public survey, how two offices compute a pay gap that neither could compute alone.",
		Legal:   draftLegal{Basis: "none needed: the survey is public", Categories: []string{"wage earners of a public survey of 2004: gender, schooling, region, hourly earnings"}, Retention: "nothing is kept after the demo"},
		Parties: map[joconde.PartyID][]string{}, Rows: map[string]int{"register.person": 1 << 16, "tax.earner": 1 << 16}, Engine: w.o.engine,
		Platforms: []string{sim.Name}, TestData: true, Attempts: 2,
		Deadlines: draftDeadlines{Approve: "+10m", Establish: "+20m", Input: "+30m", Run: "30m", Delete: "+90m"},
	}
	for _, o := range demoCast {
		d.Parties[o.party] = o.roles
	}
	for _, party := range demoNodes {
		chip, measurement, err := enrol(w.homes[party], sim.Name, w.node)
		if err != nil {
			return nil, err
		}
		d.Computing = append(d.Computing, draftPlace{party, []string{chip}, []string{measurement}})
	}
	return d.task("demo", demoProgram, time.Now())
}

// propose has the statistics hub propose the task.
func (w *whole) propose(ctx context.Context) error {
	w.step("The statistics hub proposes a task")
	task, err := w.draft()
	if err != nil {
		return err
	}
	stated, err := w.derive(task, "demo")
	if err != nil {
		return err
	}
	if w.c, _, err = recompile(task); err != nil {
		return err
	}
	w.c.file, w.c.name = "demo.sql", task.Engine
	if err := w.c.enoughMemory(); err != nil {
		return err
	}
	entries, err := w.hub.directory(ctx)
	if err != nil {
		return err
	}
	if w.id, _, err = propose(ctx, w.homes["hub"], w.hub, task, entries); err != nil {
		return err
	}
	w.tell("%s", task.Title)
	w.tell("fingerprint %s...   %d bytes of SQL", record.Fingerprint(w.id)[:19], len(task.Source))
	w.step("Who learns what, as every party reads it before it signs")
	for _, sentence := range stated.Short() {
		w.tell("%s", wrap(sentence, 70))
	}
	return w.look(ctx, 0)
}

// look reads the task's records, after waiting for news.
func (w *whole) look(ctx context.Context, wait time.Duration) error {
	known := 0
	if w.last != nil && wait > 0 {
		known = len(w.last.envelopes)
	}
	f, err := w.hub.fetch(ctx, w.id, w.homes["auditor"].LogKey(), known, wait)
	if err != nil {
		return err
	}
	w.last = f
	s := f.ledger.State()
	for _, name := range stages { // also those that it has left meanwhile
		if there, _ := reached(s, name); there && w.times[name].IsZero() {
			w.times[name] = time.Now()
		}
	}
	return nil
}

// approve has every organisation compile the program again and sign.
func (w *whole) approve(ctx context.Context) error {
	w.step("Each compiles it again, compares, and signs once in each of its roles")
	for _, o := range demoCast {
		if err := w.homes[o.party].Approve(ctx, w.hub, w.id, time.Now()); err != nil {
			return err
		}
		for _, t := range w.c.program.Tables {
			if t.Owner != o.party {
				continue
			}
			if _, err := w.homes[o.party].Provide(ctx, w.hub, w.id, t.QName(), filepath.Join(w.dir, t.QName()+".csv")); err != nil {
				return err
			}
		}
	}
	if err := w.look(ctx, 0); err != nil {
		return err
	}
	w.tell("%s: %s. No data has moved yet, and no node runs.", stateName(w.last.ledger.State()), count(len(w.last.envelopes)-1, "approval"))
	return nil
}

// editAfterApproval shows that a changed task is another one: the statistics
// hub lets itself see groups of one person, and wants to keep the approvals.
func (w *whole) editAfterApproval(ctx context.Context) error {
	old := w.last
	terms, _ := old.ledger.Task()
	w.step("EDITED after approval: groups of 1 person instead of at least 10")
	edited := *terms
	edited.Parties, edited.Computing = slices.Clone(terms.Parties), terms.Computing
	edited.Source = strings.NewReplacer(">= 10", ">= 1", "at least 10 persons", "no minimum of persons").Replace(terms.Source)
	c, s, err := recompile(&edited)
	if err != nil {
		return err
	}
	edited.Program = c.digest
	if edited.Statement, err = statementDigest(s); err != nil {
		return err
	}
	entries, err := w.hub.directory(ctx)
	if err != nil {
		return err
	}
	before := w.id
	if w.id, _, err = propose(ctx, w.homes["hub"], w.hub, &edited, entries); err != nil {
		return err
	}
	w.tell("was %s...", record.Fingerprint(before)[:19])
	w.tell("now %s...   other bytes: another task", record.Fingerprint(w.id)[:19])
	void := 0
	for _, r := range old.ledger.Records() {
		if r.Kind != joconde.KindApproval {
			continue
		}
		if _, err := w.hub.Submit(ctx, w.id, r.Envelope); err == nil {
			return &joconde.Problem{Code: "JOC-R051", What: "an approval of one task counted for another", Where: "hub", Why: "this must never be", Do: "report it: this is a fault of ours", Exit: joconde.ExitUnverified}
		}
		void++
	}
	if err := w.look(ctx, 0); err != nil {
		return err
	}
	w.step(fmt.Sprintf("All %d approvals are void for it: each names the task that was signed", void))
	review, err := w.homes["tax"].Review(ctx, w.hub, w.id)
	if err != nil {
		return err
	}
	w.tell("What the tax agency is shown when it is asked to approve that one:")
	for _, change := range review.Changes {
		if change.Field != "source" {
			w.tell("  %s differs", change.Field)
			continue
		}
		for line := range strings.Lines(change.Before) {
			w.tell("  - %s", cut(strings.TrimSpace(line), 66))
		}
		for line := range strings.Lines(change.After) {
			w.tell("  + %s", cut(strings.TrimSpace(line), 66))
		}
	}
	w.step("Nothing runs: no agent acts, and no node would make a key for it")
	w.over = true
	return &joconde.Problem{Code: "JOC-R052", What: "the edited task has no approval", Where: "task " + short(w.id), Exit: joconde.ExitNotAllowed,
		Why: fmt.Sprintf("it was changed after approval, and the %d approvals are of other bytes", void), Do: "nothing: this is what the demo shows; every party would have to review and approve it anew"}
}

// compute starts the agents and follows the task until it is Closed or over.
func (w *whole) compute(ctx context.Context) error {
	w.step("The agents start: from here on nobody touches anything")
	var pids []string
	for _, o := range demoCast {
		program := ""
		if i := slices.Index(demoNodes, o.party); i >= 0 {
			program = w.node
			if w.o.tamper == i+1 {
				var err error
				if program, err = w.stage.changedNode(); err != nil {
					return err
				}
				w.tell("TAMPERED: %s starts node-%d from a program that nobody approved", o.party, i+1)
			}
		}
		p, err := w.stage.startAgent(w.homes[o.party], program)
		if err != nil {
			return err
		}
		pids = append(pids, fmt.Sprintf("%s %d", o.party, p.pid))
	}
	w.tell("processes: %s", wrap(strings.Join(pids, ", "), 58))
	progress := w.newProgress(indent)
	w.stage.progress = progress.show
	n := &narrator{whole: w, told: map[string]bool{}}
	killed := time.Time{}
	for {
		if err := w.stage.alive(); err != nil {
			return err
		}
		if err := w.look(ctx, 2*time.Second); err != nil {
			return err
		}
		s := w.last.ledger.State()
		w.stage.measure(w.homes, demoNodes, w.id, s.Attempt)
		if n.news() {
			progress.clear()
			n.tell()
		}
		if w.o.kill > 0 && killed.IsZero() && s.Phase == joconde.Loaded {
			killed = time.Now()
			progress.clear()
			pid, err := w.stage.killNode(w.homes[demoNodes[w.o.kill-1]], w.id, s.Attempt)
			if err != nil {
				return err
			}
			w.step(fmt.Sprintf("KILLED node-%d (process %d) while it computes", w.o.kill, pid))
		}
		switch {
		case s.Closed():
			progress.clear()
			return nil
		case s.Phase == joconde.Aborted && (s.Wiped || len(s.Open()) == 1 && time.Since(w.stopped(s)) > 3*time.Second):
			progress.clear()
			return w.aborted(s)
		}
	}
}

// stopped is when the demo saw that the task was aborted.
func (w *whole) stopped(s *joconde.State) time.Time {
	if w.times[string(s.Phase)].IsZero() {
		w.times[string(s.Phase)] = time.Now()
	}
	return w.times[string(s.Phase)]
}

// aborted says why a task stopped, and what is left of it.
func (w *whole) aborted(s *joconde.State) error {
	e, _ := s.Stopped()
	w.over = true
	w.step(fmt.Sprintf("Aborted by %s: %s", e.Party, joconde.Reasons[e.Reason]))
	if w.o.tamper > 0 {
		w.tell("A node measures itself before it makes a key, and this one is not the one")
		w.tell("in the signed terms. A node that lies about it is found by every party.")
	}
	w.tell("One signature stops a task, and every node that has begun wipes.")
	for _, party := range s.Open() {
		w.tell("WipeUnconfirmed: the node of %s died and could sign no receipt. Its", party)
		w.tell("shares were in memory only, but nobody vouches for that: it stays visible.")
	}
	switch {
	case w.o.tamper > 0:
		return &joconde.Problem{Code: "JOC-R053", What: fmt.Sprintf("node-%d runs a program that nobody approved", w.o.tamper), Where: "task " + short(w.id), Exit: joconde.ExitUnverified,
			Why: "its measurement is not the one in the signed terms, so the task was aborted before any share was sent", Do: "nothing: this is what the demo shows", LeftMachine: joconde.NothingLeft}
	case w.o.kill > 0:
		return &joconde.Problem{Code: "JOC-R054", What: fmt.Sprintf("node-%d died while it computed", w.o.kill), Where: "task " + short(w.id), Exit: joconde.ExitUnreachable,
			Why: "a computation cannot go on without a node; nothing was opened", Do: "nothing: this is what the demo shows; the parties could agree to another attempt",
			LeftMachine: "shares, sealed to three nodes, which have ended"}
	}
	where := "task " + short(w.id)
	if i := slices.Index(demoNodes, e.Party); i >= 0 {
		where = fmt.Sprintf("node-%d of %s", i+1, e.Party)
	}
	return &joconde.Problem{Code: "JOC-R055", What: "the task was aborted", Where: where, Exit: joconde.ExitUnreachable,
		Why: fmt.Sprintf("%s: %s", e.Party, joconde.Reasons[e.Reason]), Do: "run it again; if it happens twice, report it", LeftMachine: "what its records say"}
}

// open reads what the statistics hub's agent has opened, and compares it with
// the same program computed in the clear.
func (w *whole) open(ctx context.Context) error {
	from := w.homes["hub"].ResultFolder(w.id)
	for _, output := range w.c.program.Outputs {
		text, err := os.ReadFile(filepath.Join(from, output.View+".csv"))
		if err != nil {
			return fmt.Errorf("read the result: %w", err)
		}
		columns := w.c.program.Nodes[output.Node].Columns
		rows, _, err := table.Read(ctx, bytes.NewReader(text), output.View+".csv", &ir.Table{Owner: "hub", Name: output.View, Columns: columns}, table.Options{})
		if err != nil {
			return err
		}
		w.c.results = append(w.c.results, resultOf(w.c.program, output, rows))
	}
	w.over = true
	for _, view := range w.c.results {
		w.step(fmt.Sprintf("Result, in the home of %s and nowhere else: %s", names(view.To), view.View))
		w.tell("%s", strings.TrimRight(view.table(shownRows), "\n"))
	}
	return w.c.compare()
}

// verify has the auditor verify the task from its file alone, and writes down
// what the demo saw.
func (w *whole) verify(to folder) (taskReport, error) {
	bundle, err := w.last.bundle()
	if err != nil {
		return taskReport{}, err
	}
	checked := audit.Verify(bundle, whatDepends(context.Background()))
	w.step(fmt.Sprintf("The auditor verifies it from one file of %s, offline", size(int64(len(bundle)))))
	passed := 0
	for _, c := range checked.Checks {
		if c.Status == audit.Pass {
			passed++
		}
		if c.Status == audit.Fail {
			w.tell("FAILED %s: %s", c.ID, c.Detail)
		}
	}
	w.tell("state %s; %d of %d checks pass; valid: %t", checked.State, passed, len(checked.Checks), checked.Valid)
	w.tell("Not proven: that memory was protected (sim), that inputs were true, and")
	w.tell("what else software cannot prove. joconde verify lists it.")
	s := w.last.ledger.State()
	r := taskReport{Task: w.id, Attempt: s.Attempt, State: stateName(s), Platform: sim.Name, Verified: checked.Valid}
	r.report = report{Format: 1, Program: w.c.digest, Engine: w.c.name, Development: w.c.engine.Info().Development, Results: []result{}, Seconds: milli(time.Since(w.story.began).Seconds())}
	if terms, _ := w.last.ledger.Task(); terms != nil {
		r.Program = terms.Program
	}
	span := func(from, until string) float64 {
		if w.times[from].IsZero() || w.times[until].IsZero() {
			return 0
		}
		return w.times[until].Sub(w.times[from]).Seconds()
	}
	r.Phases = phases{Compile: w.c.phases.Compile, Split: span("Established", "Loaded"), Run: span("Loaded", "Computed"), Open: span("Computed", "Delivered")}.rounded()
	rounds := int64(0)
	for _, x := range w.last.ledger.Records() {
		switch body := x.Body.(type) {
		case *joconde.WipeReceipt:
			r.Receipts++
		case *joconde.Transcript:
			rounds = max(rounds, int64(body.Rounds))
		}
	}
	if s.Phase == joconde.Computed {
		r.Rounds, r.BytesPerNode, r.PeakRSSPerNode = &rounds, w.bytes(), w.stage.peaks(demoNodes)
	}
	if len(w.c.reference) > 0 {
		r.Results = w.c.results
		cells, total := equalCells(w.c.results, w.c.reference)
		equal := cells == total
		r.EqualToClear, r.CellsEqual, r.CellsTotal = &equal, &cells, &total
		w.step("Same as computing in the clear: " + equality(r.report))
	}
	if to.path != "" {
		if r.Bundle, err = w.keep(to, bundle); err != nil {
			return r, err
		}
		w.step("Kept in " + to.path + ": " + "joconde verify " + r.Bundle)
	}
	return r, nil
}

// bytes are what each node sent, in node order.
func (w *whole) bytes() []int64 {
	out := make([]int64, len(demoNodes))
	for _, r := range w.last.ledger.Records() {
		if t, is := r.Body.(*joconde.Transcript); is {
			if i := slices.Index(demoNodes, t.Party); i >= 0 {
				out[i] = int64(t.Bytes)
			}
		}
	}
	return out
}

// keep writes down the task's file, and what somebody needs to look closer.
func (w *whole) keep(to folder, bundle []byte) (string, error) {
	path, err := to.save("task.bundle", bundle)
	if err != nil {
		return "", err
	}
	kept := map[string][]byte{"program.sql": []byte(demoProgram)}
	for name, text := range w.files {
		kept[name+".csv"] = text
	}
	from := w.homes["hub"].ResultFolder(w.id)
	for _, name := range []string{"pay_gap.csv", "certificate.md", "certificate.json"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		switch {
		case err == nil:
			kept[name] = text
		case !errors.Is(err, os.ErrNotExist): // an aborted task has none
			return "", fmt.Errorf("read the result: %w", err)
		}
	}
	for name, text := range kept {
		if _, err := to.save(name, text); err != nil {
			return "", err
		}
	}
	return path, nil
}
