package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/agent"
	"joconde/record"
)

// oneTask gives cobra a function that works on one task of the home.
func (t *tool) oneTask(f func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error) func(*cobra.Command, []string) error {
	return t.does(func(ctx context.Context, args []string) error {
		home, h, err := t.open()
		if err != nil {
			return err
		}
		task, err := h.find(ctx, home, args[0])
		if err != nil {
			return err
		}
		return f(ctx, home, h, task)
	})
}

func (t *tool) taskCommands() []*cobra.Command {
	show := &cobra.Command{Use: "show ID", Short: "Say where a task stands, and who is waited for", Args: cobra.ExactArgs(1),
		Example: "  joconde task show 7Q2M-KD4X",
		RunE:    t.oneTask(t.show)}
	review := &cobra.Command{Use: "review ID", Short: "Read what you would sign: purpose, who learns what, terms", Args: cobra.ExactArgs(1),
		Long: `review compiles the task's program again on this computer, compares it with the
signed terms, and prints what you would sign. It also says what your policy
refuses, which earlier results rest on the same tables of yours, and what has
changed since an earlier task of the same title.`,
		Example: "  joconde task review 7Q2M-KD4X",
		RunE:    t.oneTask(t.review)}
	var yes bool
	approve := &cobra.Command{Use: "approve ID", Short: "Sign a task with the approval key, in each of your roles", Args: cobra.ExactArgs(1),
		Long: `approve signs a task for your organisation. It first does what review does, and
signs nothing that does not hold or that your policy refuses. Review it before;
--yes says that you have.`,
		Example: "  joconde task review 7Q2M-KD4X\n  joconde task approve 7Q2M-KD4X --yes",
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			return t.approve(ctx, home, h, task, yes)
		})}
	approve.Flags().BoolVar(&yes, "yes", false, "I have reviewed it and may sign for the organisation")
	var reason string
	refuse := &cobra.Command{Use: "refuse ID", Short: "Refuse a proposed task, which ends it", Args: cobra.ExactArgs(1),
		Example: "  joconde task refuse 7Q2M-KD4X",
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			if err := home.Refuse(ctx, h, task, reason, time.Now()); err != nil {
				return err
			}
			return t.done(ctx, home, h, task, "refused")
		})}
	refuse.Flags().StringVar(&reason, "reason", "declined", "a code: declined or policy")
	abort := &cobra.Command{Use: "abort ID", Short: "Stop an agreed task, which wipes it", Args: cobra.ExactArgs(1),
		Example: "  joconde task abort 7Q2M-KD4X",
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			if err := home.Abort(ctx, h, agent.Direct{}, task, time.Now()); err != nil {
				return err
			}
			return t.done(ctx, home, h, task, "aborted")
		})}
	retry := &cobra.Command{Use: "retry ID", Short: "Agree to one more attempt after an abort", Args: cobra.ExactArgs(1),
		Example: "  joconde task retry 7Q2M-KD4X",
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			if err := home.Retry(ctx, h, task, time.Now()); err != nil {
				return err
			}
			return t.done(ctx, home, h, task, "agreed to another attempt")
		})}
	list := &cobra.Command{Use: "list", Short: "List the tasks of your organisation", Args: cobra.NoArgs,
		RunE: t.does(func(ctx context.Context, _ []string) error { return t.listTasks(ctx) })}
	var until string
	var limit time.Duration
	wait := &cobra.Command{Use: "wait ID", Short: "Wait until a task has come that far", Args: cobra.ExactArgs(1),
		Long: `wait ends when the task is in the state that is named, or beyond it, with exit
code 0. If the task stops before, the code is 8; if the time is over, 5.`,
		Example: "  joconde task wait 7Q2M-KD4X --for Closed --limit 1h",
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			return t.wait(ctx, home, h, task, until, limit)
		})}
	wait.Flags().StringVar(&until, "for", "Closed", "Agreed, Established, Loaded, Computed, Delivered or Closed; or Ended")
	wait.Flags().DurationVar(&limit, "limit", 24*time.Hour, "how long to wait, such as 30m")
	var from string
	annexed := &cobra.Command{Use: "annex ID", Short: "Write the legal annex of a task, as Markdown", Args: cobra.MaximumNArgs(1),
		Long: `annex prints the legal annex that follows from the signed terms: purpose, legal
basis, data, who learns what, responsibilities, measures, retention and
signatures. With --bundle it needs no hub and no keys.`,
		Example: "  joconde task annex 7Q2M-KD4X > annex.md\n  joconde task annex --bundle task.bundle > annex.md",
		RunE: t.does(func(ctx context.Context, args []string) error {
			return t.annexOf(ctx, args, from)
		})}
	annexed.Flags().StringVar(&from, "bundle", "", "the file of a task instead of a task of your home")
	bundled := &cobra.Command{Use: "bundle ID FILE", Short: "Write the file by which anybody can verify a task", Args: cobra.ExactArgs(2),
		Example: "  joconde task bundle 7Q2M-KD4X task.bundle\n  joconde verify task.bundle",
		RunE:    t.does(func(ctx context.Context, args []string) error { return t.writeBundle(ctx, args[0], args[1]) })}
	return []*cobra.Command{t.proposeCommand(), show, review, approve, refuse, abort, retry, list, wait, annexed, bundled}
}

func (t *tool) proposeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "propose FOLDER",
		Short: "Propose a draft to its parties",
		Long: `propose derives the terms from a draft, names every party by its entry in the
directory, signs them with your approval key and posts them. Proposing is not
approving: you approve like everybody else. What is changed afterwards is
another task.`,
		Example: "  joconde task check wages\n  joconde task propose wages",
		Args:    cobra.ExactArgs(1),
		RunE:    t.does(func(ctx context.Context, args []string) error { return t.propose(ctx, args[0]) }),
	}
}

// propose makes a draft a task.
func (t *tool) propose(ctx context.Context, folder string) error {
	home, h, err := t.open()
	if err != nil {
		return err
	}
	task, err := t.readDraft(folder, time.Now())
	if err != nil {
		return err
	}
	if _, err := t.derive(task, folder); err != nil {
		return err
	}
	if open := openTerms(task); len(open) > 0 {
		return &joconde.Problem{Code: "JOC-T215", What: "the draft is not complete", Where: filepath.Join(folder, draftTerms), Why: strings.Join(open, "\n"),
			Do: "ask the operators of the nodes, and fill it in", Exit: joconde.ExitInvalid}
	}
	entries, err := h.directory(ctx)
	if err != nil {
		return err
	}
	id, _, err := propose(ctx, home, h, task, entries)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format      int            `json:"format"`
			Task        joconde.Digest `json:"task"`
			Fingerprint string         `json:"fingerprint"`
			Program     joconde.Digest `json:"program"`
			Statement   joconde.Digest `json:"statement_digest"`
		}{1, id, record.Fingerprint(id), task.Program, task.Statement})
	}
	_, err = fmt.Fprintf(t.out, "Proposed %s\n\n  fingerprint %s\n\nNothing has been sent but the terms. Tell the parties the fingerprint; each reviews\nand approves it, you too: joconde task review %s\n", task.Title, record.Fingerprint(id), short(id))
	return err
}

// propose fills in what only now is known, signs the terms and posts them.
func propose(ctx context.Context, home *agent.Home, h *hub, task *joconde.Task, entries map[joconde.PartyID]*record.Record) (joconde.Digest, []byte, error) {
	var problems joconde.Problems
	for i := range task.Parties {
		m := &task.Parties[i]
		entry := entries[m.Party]
		if entry == nil {
			problems = append(problems, &joconde.Problem{Code: "JOC-T216", What: "the directory has no party " + string(m.Party), Where: "parties, " + string(m.Party),
				Why: "a party is named by the entry that it has signed", Do: "have it join first: joconde party join", Exit: joconde.ExitInvalid})
			continue
		}
		m.Record = entry.ID
	}
	if len(problems) > 0 {
		return joconde.Digest{}, nil, problems
	}
	nonce := make([]byte, 32)
	_, _ = rand.Read(nonce) // never fails
	task.Nonce, task.Proposer, task.LogKey = hex.EncodeToString(nonce), home.Party(), home.LogKey()
	key, err := record.LoadKey(filepath.Join(home.Dir(), "keys", "approval.key"))
	if err != nil {
		return joconde.Digest{}, nil, err
	}
	defer key.Wipe()
	envelope, err := record.Sign(joconde.KindTask, task, key)
	if err != nil {
		return joconde.Digest{}, nil, err
	}
	id, err := h.m.Propose(ctx, envelope)
	return id, envelope, err
}

// short is how people name a task.
func short(id joconde.Digest) string { return record.Fingerprint(id)[:9] }

// state is where a task stands, for JSON and for people.
type state struct {
	Format      int               `json:"format"`
	Task        joconde.Digest    `json:"task"`
	Fingerprint string            `json:"fingerprint"`
	Title       string            `json:"title"`
	State       string            `json:"state"`
	Attempt     int               `json:"attempt"`
	Waiting     []joconde.Wanted  `json:"waiting"` // who must sign what next
	Stopped     string            `json:"stopped,omitempty"`
	Unconfirmed []joconde.PartyID `json:"wipe_unconfirmed,omitempty"`
}

func stateOf(s *joconde.State) state {
	out := state{Format: 1, Task: s.ID, Fingerprint: record.Fingerprint(s.ID), Title: s.Task.Title, State: stateName(s), Attempt: s.Attempt, Waiting: s.Waiting(), Unconfirmed: s.Open()}
	if out.Waiting == nil {
		out.Waiting = []joconde.Wanted{}
	}
	if e, stopped := s.Stopped(); stopped {
		out.Stopped = fmt.Sprintf("%s: %s", e.Party, joconde.Reasons[e.Reason])
	}
	return out
}

// stateName is a state in one word.
func stateName(s *joconde.State) string {
	switch {
	case s.Closed():
		return "Closed"
	case s.Phase == joconde.Aborted && s.Ended():
		return "Ended"
	}
	return string(s.Phase)
}

// wants says in words what a party must do.
func wants(w joconde.Wanted) string {
	words := map[joconde.RecordKind]string{
		joconde.KindApproval: "approve it as " + string(w.Role), joconde.KindAttemptNonce: "its agent: a nonce", joconde.KindNodeBundle: "its agent: start its node",
		joconde.KindAcceptance: "its agent: accept the nodes", joconde.KindInputReceipt: "provide its tables", joconde.KindReady: "its node: check the inputs",
		joconde.KindTranscript: "its node: compute", joconde.KindResultReceipt: "its agent: open the result", joconde.KindWipeReceipt: "its node: sign the wipe receipt",
		joconde.KindSplitWipe: "its agent: wipe the split files", joconde.KindRetry: "agree to another attempt, if it wishes",
	}
	return words[w.Kind]
}

func (t *tool) show(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
	f, err := h.fetch(ctx, task, home.LogKey(), 0, 0)
	if err != nil {
		return err
	}
	return t.printState(f.ledger.State())
}

func (t *tool) printState(s *joconde.State) error {
	now := stateOf(s)
	if t.json {
		return t.printJSON(now)
	}
	_, err := fmt.Fprint(t.out, now.text(s))
	return err
}

func (now state) text(s *joconde.State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  fingerprint %s\n  state       %s, attempt %d of %d\n", printable(now.Title), now.Fingerprint, now.State, now.Attempt, s.Task.Attempts)
	if now.Stopped != "" {
		fmt.Fprintf(&b, "  stopped by  %s\n", now.Stopped)
	}
	for _, party := range now.Unconfirmed {
		fmt.Fprintf(&b, "  wipe not confirmed by the node of %s\n", party)
	}
	for i := range s.Task.Parties {
		m := &s.Task.Parties[i]
		var roles []string
		for _, r := range m.Roles {
			roles = append(roles, string(r))
		}
		mark := "not approved"
		if _, has := s.Has(joconde.KindApproval, m.Party); has {
			mark = "approved"
		}
		fmt.Fprintf(&b, "  %-12s %s as %s\n", m.Party, mark, strings.Join(roles, ", "))
	}
	for i := range s.Task.Rows {
		fmt.Fprintf(&b, "  table %s, at most %s rows\n", s.Task.Rows[i].Table, grouped(int64(s.Task.Rows[i].Rows)))
	}
	if len(now.Waiting) > 0 {
		b.WriteString("Waiting for:\n")
		for _, w := range now.Waiting {
			fmt.Fprintf(&b, "  %-12s %s\n", w.Party, wants(w))
		}
	}
	return b.String()
}

// done says that something was signed, and where the task stands now.
func (t *tool) done(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest, what string) error {
	f, err := h.fetch(ctx, task, home.LogKey(), 0, 0)
	if err != nil {
		return err
	}
	if !t.json {
		fmt.Fprintf(t.out, "%s has %s %s.\n", home.Party(), what, short(task))
	}
	return t.printState(f.ledger.State())
}

func (t *tool) review(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
	r, err := home.Review(ctx, h, task)
	if err != nil {
		return err
	}
	if t.json {
		refused := joconde.Problems{}
		if r.Refusals != nil {
			refused = problemsOf(r.Refusals)
		}
		if r.Earlier == nil {
			r.Earlier = []agent.Earlier{}
		}
		changes := []string{}
		for _, c := range r.Changes {
			changes = append(changes, c.Field)
		}
		return t.printJSON(struct {
			Format      int              `json:"format"`
			Task        joconde.Digest   `json:"task"`
			Fingerprint string           `json:"fingerprint"`
			State       string           `json:"state"`
			Roles       []joconde.Role   `json:"roles"`
			Terms       *joconde.Task    `json:"terms"`
			Statement   any              `json:"statement"`
			Refused     joconde.Problems `json:"refused"`
			Earlier     []agent.Earlier  `json:"earlier"`
			Changed     []string         `json:"changed"`
		}{1, task, record.Fingerprint(task), stateName(r.State), r.Roles, r.Task, r.Statement, refused, r.Earlier, changes})
	}
	_, err = fmt.Fprint(t.out, reviewText(home.Party(), r))
	return err
}

func reviewText(me joconde.PartyID, r *agent.Review) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  fingerprint %s\n  state       %s\n\n", printable(r.Task.Title), record.Fingerprint(r.ID), stateName(r.State))
	fmt.Fprintf(&b, "Purpose\n  %s\nLegal basis\n  %s\nRetention\n  %s\n", folded(printable(r.Task.Purpose), 2), folded(printable(r.Task.Legal.Basis), 2), folded(printable(r.Task.Legal.Retention), 2))
	if r.Task.TestData {
		b.WriteString("\nTEST DATA: the terms say that the tables are not real; nodes may protect nothing.\n")
	}
	fmt.Fprintf(&b, "\n%s\n", strings.TrimRight(r.Statement.Prose(), "\n"))
	d := r.Task.Deadlines
	fmt.Fprintf(&b, "\nTerms\n  proposed by %s; engine %s; platforms %s; at most %d attempts\n  approve by %s, nodes by %s, inputs by %s,\n  at most %d s of computing, all deleted by %s\n",
		r.Task.Proposer, r.Task.Engine, strings.Join(r.Task.Platforms, ", "), r.Task.Attempts, d.ApproveBy, d.EstablishBy, d.InputBy, d.RunSeconds, d.DeleteBy)
	for i := range r.Task.Computing {
		p := &r.Task.Computing[i]
		fmt.Fprintf(&b, "  node %d of %s\n", i+1, p.Party)
	}
	if len(r.Earlier) > 0 {
		b.WriteString("\nEarlier results that rest on the same tables of yours (together they can tell more)\n")
		for _, e := range r.Earlier {
			for _, v := range e.Views {
				fmt.Fprintf(&b, "  %s  %s, %s: %s learned %s\n", short(e.Task), e.At, printable(e.Title), names(v.To), printable(v.View))
			}
		}
	}
	if len(r.Changes) > 0 {
		b.WriteString("\nChanged since the last task of this title\n")
		for _, c := range r.Changes {
			fmt.Fprintf(&b, "  %s\n", c.Field)
			for _, side := range []struct{ sign, text string }{{"-", c.Before}, {"+", c.After}} {
				for line := range strings.Lines(side.text) {
					fmt.Fprintf(&b, "    %s %s\n", side.sign, printable(strings.TrimRight(line, "\r\n")))
				}
			}
		}
	}
	if r.Refusals != nil {
		b.WriteString("\nYour policy refuses it:\n")
		for _, p := range problemsOf(r.Refusals) {
			fmt.Fprintf(&b, "  %s [%s]\n", p.What, p.Code)
		}
	}
	var roles []string
	for _, role := range r.Roles {
		roles = append(roles, string(role))
	}
	fmt.Fprintf(&b, "\n%s would sign as %s. The program compiles to what the terms name.\n", me, strings.Join(roles, ", "))
	if r.State.Phase == joconde.Proposed {
		fmt.Fprintf(&b, "Next: joconde task approve %s --yes, or: joconde task refuse %s\n", short(r.ID), short(r.ID))
	}
	return b.String()
}

func (t *tool) approve(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest, yes bool) error {
	if !yes {
		return usage("JOC-U049", "nothing was signed", "what is signed binds your organisation and must be reviewed by a person first",
			fmt.Sprintf("joconde task review %s, then joconde task approve %s --yes", short(task), short(task)))
	}
	if err := home.Approve(ctx, h, task, time.Now()); err != nil {
		return err
	}
	return t.done(ctx, home, h, task, "approved")
}

func (t *tool) listTasks(ctx context.Context) error {
	home, h, err := t.open()
	if err != nil {
		return err
	}
	list, err := h.m.Tasks(ctx, home.Party())
	if err != nil {
		return err
	}
	type line struct {
		Task        joconde.Digest `json:"task"`
		Fingerprint string         `json:"fingerprint"`
		Title       string         `json:"title"`
		State       joconde.Phase  `json:"state"`
		Attempt     int            `json:"attempt"`
	}
	lines := []line{}
	for _, s := range list {
		lines = append(lines, line{s.ID, record.Fingerprint(s.ID), s.Title, s.Phase, s.Attempt})
	}
	if t.json {
		return t.printJSON(struct {
			Format int    `json:"format"`
			Tasks  []line `json:"tasks"`
		}{1, lines})
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s  %-12s %s\n", short(l.Task), printable(string(l.State)), printable(l.Title))
	}
	if len(lines) == 0 {
		fmt.Fprintf(&b, "The hub has no task of %s.\n", home.Party())
	}
	_, err = fmt.Fprint(t.out, b.String())
	return err
}

// stages are the states that wait knows, in order.
var stages = []string{"Proposed", "Agreed", "Established", "Loaded", "Computed", "Delivered", "Closed"}

// reached says whether a task has come so far, and whether it never will.
func reached(s *joconde.State, until string) (there, never bool) {
	over := s.Phase == joconde.Refused || s.Phase == joconde.Aborted
	if until == "Ended" {
		return s.Ended() || s.Closed(), s.Closed()
	}
	at := slices.Index(stages, string(s.Phase))
	if s.Phase == joconde.Computed && s.Delivered {
		at++
	}
	if s.Closed() {
		at = len(stages) - 1
	}
	return !over && at >= slices.Index(stages, until), over
}

func (t *tool) wait(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest, until string, limit time.Duration) error {
	if until != "Ended" && !slices.Contains(stages, until) {
		return usage("JOC-U050", "there is no state "+printable(until), "the states are "+strings.Join(stages, ", ")+" and Ended", "write, for example, --for Closed")
	}
	deadline := time.Now().Add(limit)
	known := 0
	for {
		f, err := h.fetch(ctx, task, home.LogKey(), known, max(0, min(20*time.Second, time.Until(deadline))))
		if err != nil {
			return err
		}
		known = len(f.envelopes)
		s := f.ledger.State()
		there, never := reached(s, until)
		switch {
		case there:
			return t.printState(s)
		case never:
			return &joconde.Problem{Code: "JOC-R040", What: "the task will not be " + until + ": it is " + stateName(s), Where: "task " + short(task),
				Why: stateOf(s).Stopped, Do: "see: joconde task show " + short(task), LeftMachine: "what the task's records say: joconde task show", Exit: joconde.ExitUnreachable}
		case time.Now().After(deadline):
			return &joconde.Problem{Code: "JOC-R041", What: "the task is not " + until + " yet: it is " + stateName(s), Where: "task " + short(task),
				Why: "waiting for " + whoMustAct(s), Do: "wait on, or ask them", LeftMachine: "what the task's records say: joconde task show", Exit: joconde.ExitWaiting}
		}
	}
}

// whoMustAct names who must act next.
func whoMustAct(s *joconde.State) string {
	var who []joconde.PartyID
	for _, w := range s.Waiting() {
		if !slices.Contains(who, w.Party) {
			who = append(who, w.Party)
		}
	}
	if len(who) == 0 {
		return "nobody"
	}
	return names(who)
}

// annexOf prints the annex of a task of the home, or of a bundle file.
func (t *tool) annexOf(ctx context.Context, args []string, bundle string) error {
	var ledger *record.Ledger
	switch {
	case bundle != "" && len(args) == 0:
		text, err := os.ReadFile(bundle)
		if err != nil {
			return unreadable("JOC-U030", "the bundle file", bundle, err)
		}
		if ledger, err = ledgerOf(text); err != nil {
			return err
		}
	case bundle == "" && len(args) == 1:
		home, h, err := t.open()
		if err != nil {
			return err
		}
		task, err := h.find(ctx, home, args[0])
		if err != nil {
			return err
		}
		f, err := h.fetch(ctx, task, home.LogKey(), 0, 0)
		if err != nil {
			return err
		}
		ledger = f.ledger
	default:
		return usage("JOC-U051", "name one task, or one file", "the annex is of one task", "write joconde task annex ID, or joconde task annex --bundle FILE")
	}
	terms, _ := ledger.Task()
	if _, err := agent.Compile(terms); err != nil { // what is signed, or no annex
		return err
	}
	c, s, err := recompile(terms)
	if err != nil {
		return err
	}
	text := annex(ledger, c, s)
	if t.json {
		return t.printJSON(struct {
			Format   int    `json:"format"`
			Markdown string `json:"markdown"`
		}{1, text})
	}
	_, err = fmt.Fprint(t.out, text)
	return err
}

// writeBundle writes the file by which anybody can verify a task.
func (t *tool) writeBundle(ctx context.Context, typed, file string) error {
	home, h, err := t.open()
	if err != nil {
		return err
	}
	task, err := h.find(ctx, home, typed)
	if err != nil {
		return err
	}
	f, err := h.fetch(ctx, task, home.LogKey(), 0, 0)
	if err != nil {
		return err
	}
	text, err := f.bundle()
	if err != nil {
		return err
	}
	to := folder{path: filepath.Dir(file), flag: "FILE"}
	if err := to.prepare(t, []string{filepath.Base(file)}); err != nil {
		return err
	}
	path, err := to.save(filepath.Base(file), text)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format int    `json:"format"`
			File   string `json:"file"`
			State  string `json:"state"`
		}{1, path, stateName(f.ledger.State())})
	}
	_, err = fmt.Fprintf(t.out, "written: %s\nNext: joconde verify %s\n", path, path)
	return err
}
