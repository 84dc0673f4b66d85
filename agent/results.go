package agent

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/seal"
	"joconde/dplane/table"
	"joconde/lang/ir"
	"joconde/record"
)

// opened is a view that this organisation has opened, as its certificate lists
// it.
type opened struct {
	Digest joconde.Digest `json:"digest"` // of the file; it is with the file and goes nowhere else
	File   string         `json:"file"`
	Rows   int            `json:"rows"`
	View   string         `json:"view"`
}

// result fetches the sealed parts of every view that is granted to this
// organisation, from all nodes, opens them, and signs that it has. That the
// result came is all that it signs.
func (w *work) result(ctx context.Context, s *joconde.State) error {
	slot := slotOf(joconde.KindResultReceipt, s.Attempt, "")
	if signed, err := w.sendSigned(ctx, slot); signed || err != nil {
		return err
	}
	c, err := w.terms()
	if err != nil {
		return err
	}
	set, _ := s.Bundles()
	transcripts := make([]*joconde.Transcript, len(s.Task.Computing))
	for _, r := range w.ledger.Records() {
		if t, ok := r.Body.(*joconde.Transcript); ok && t.Attempt == s.Attempt {
			for node := range s.Task.Computing {
				if s.Task.Computing[node].Party == t.Party {
					transcripts[node] = t
				}
			}
		}
	}
	attempt := s.Attempt
	w.start(ctx, StepResult, "opening the results", func(ctx context.Context) error {
		return w.open(ctx, c, attempt, set, transcripts)
	}, func() error {
		envelope, err := w.journal.operate(slot, joconde.KindResultReceipt, func() (any, error) {
			return &joconde.ResultReceipt{Task: w.id, Attempt: attempt, Party: w.me, At: stamp(w.now())}, nil
		})
		if err != nil {
			return err
		}
		w.say(StepResult, "the results are open: "+w.Home.ResultFolder(w.id), nil)
		return w.send(ctx, slot, envelope)
	})
	return nil
}

// open writes every granted view as CSV, and the list of them at last.
func (w *work) open(ctx context.Context, c *Compiled, attempt int, set joconde.Digest, transcripts []*joconde.Transcript) error {
	key, err := w.Home.resultKey()
	if err != nil {
		return err
	}
	folder := w.Home.ResultFolder(w.id)
	list := []opened{}
	for i, output := range c.Plan.Program.Outputs {
		if !slices.Contains(output.To, w.me) {
			continue
		}
		parts := make([][]byte, len(transcripts))
		for node, t := range transcripts {
			if t == nil {
				return fmt.Errorf("the transcript of node %d is not there", node+1)
			}
			if parts[node], err = w.part(ctx, key, attempt, set, t, output.View, node); err != nil {
				return err
			}
			defer clear(parts[node])
		}
		rows, err := dplane.Open(c.Plan, c.Engine.Sharing(), i, parts)
		if err != nil {
			return problem("JOC-G071", "view "+output.View, "the parts of the result do not belong together", err.Error(),
				"do not use it; a computing party went wrong or cheated: tell the other parties, and propose a new task", joconde.ExitUnverified, err)
		}
		slices.SortFunc(rows, func(a, b []ir.Value) int { return slices.CompareFunc(a, b, ir.Compare) })
		o := opened{File: fileOf(output.View, i), Rows: len(rows), View: output.View}
		h := sha256.New()
		err = w.Home.disk.stream(filepath.Join(folder, o.File), func(out io.Writer) error {
			return table.Write(io.MultiWriter(out, h), c.Plan.Program.Nodes[output.Node].Columns, rows)
		})
		if err != nil {
			return err
		}
		o.Digest = joconde.Digest(h.Sum(nil))
		list = append(list, o)
	}
	return w.Home.save(filepath.Join(folder, "views.json"), list)
}

// part fetches and opens one node's part of a view.
func (w *work) part(ctx context.Context, key *seal.Key, attempt int, set joconde.Digest, t *joconde.Transcript, view string, node int) ([]byte, error) {
	at := slices.IndexFunc(t.Outputs, func(o joconde.OutputRef) bool { return o.View == view && o.To == w.me })
	if at < 0 {
		return nil, problem("JOC-G070", "view "+view, "the node of "+string(t.Party)+" named no part of a view that is granted to this organisation", "its transcript does not have it",
			"do not use the result; tell the other parties", joconde.ExitUnverified, nil)
	}
	hash := t.Outputs[at].Ciphertext
	sealed, err := w.Hub.Output(ctx, w.id, hash)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(sealed) != hash {
		return nil, problem("JOC-G072", "view "+view, "the hub gave other bytes than the node of "+string(t.Party)+" sealed", "their hash is not the one in the node's transcript",
			"the agent asks again; tell the hub's operator", joconde.ExitUnverified, nil)
	}
	part, err := seal.Open(key, seal.OutputInfo(w.id, attempt, set, t.Party, w.me, view, node), sealed)
	if err != nil {
		return nil, fmt.Errorf("open the part of the node of %s: %w", t.Party, err)
	}
	return part, nil
}

// fileOf is the file name of a view: its own name where that is one.
func fileOf(view string, i int) string {
	for _, c := range view {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return fmt.Sprintf("view-%d.csv", i+1)
		}
	}
	if view == "" || len(view) > 100 {
		return fmt.Sprintf("view-%d.csv", i+1)
	}
	return view + ".csv"
}

// Certificate stands beside a result: what it is the result of, under whose
// signatures, and on whom its secrecy and its correctness rest.
type Certificate struct {
	Format      int            `json:"format"` // 1
	Task        joconde.Digest `json:"task"`
	Fingerprint string         `json:"fingerprint"`
	Title       string         `json:"title"`
	Purpose     string         `json:"purpose"`
	TestData    bool           `json:"test_data"`
	Program     joconde.Digest `json:"program"`
	Statement   joconde.Digest `json:"statement"`
	Compiler    string         `json:"compiler"`
	State       string         `json:"state"`
	Attempt     int            `json:"attempt"`
	Parties     []CertParty    `json:"parties"`
	Engine      CertEngine     `json:"engine"`
	Nodes       []CertNode     `json:"nodes"`
	Views       []opened       `json:"views"`
	Open        []string       `json:"open"` // operators whose wipe receipt is missing
	Development bool           `json:"development"`
	IssuedTo    string         `json:"issued_to"`
}

// CertParty is a party of the task.
type CertParty struct {
	Party     joconde.PartyID `json:"party"`
	LegalName string          `json:"legal_name"`
	Roles     []joconde.Role  `json:"roles"`
}

// CertEngine is the engine and who must collude to break it.
type CertEngine struct {
	Name              string `json:"name"`
	Version           string `json:"version"`
	Adversary         string `json:"adversary"`
	Guarantee         string `json:"guarantee"`
	BreaksPrivacy     string `json:"breaks_privacy"`
	BreaksCorrectness string `json:"breaks_correctness"`
}

// CertNode is a node and its receipt so far.
type CertNode struct {
	Party     joconde.PartyID `json:"party"`
	Platform  string          `json:"platform"`
	Receipt   bool            `json:"receipt"`
	WipedAt   string          `json:"wiped_at,omitempty"`
	Exit      string          `json:"exit,omitempty"`
	Destroyed []string        `json:"destroyed"`
	NotProven []string        `json:"not_proven"`
}

// certify writes the certificate as JSON and as a page to print, again when
// receipts have come.
func (w *work) certify(s *joconde.State) error {
	folder := w.Home.ResultFolder(w.id)
	views := []opened{}
	if err := w.Home.load(filepath.Join(folder, "views.json"), &views); err != nil {
		if notThere(err) {
			return nil // nothing is open yet
		}
		return err
	}
	c, err := w.terms()
	if err != nil {
		return err
	}
	cert := certificate(w.ledger, s, c, views, w.me)
	text, err := record.Canonical(cert)
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "certificate.json")
	if before, err := w.Home.disk.read(file); err == nil && string(before) == string(text) {
		return nil
	} else if err != nil && !notThere(err) {
		return err
	}
	if err := w.Home.disk.write(filepath.Join(folder, "certificate.md"), []byte(cert.Page())); err != nil {
		return err
	}
	return w.Home.disk.write(file, text)
}

func certificate(l *record.Ledger, s *joconde.State, c *Compiled, views []opened, to joconde.PartyID) *Certificate {
	info := c.Engine.Info()
	cert := &Certificate{Format: 1, Task: s.ID, Fingerprint: record.Fingerprint(s.ID), Title: s.Task.Title, Purpose: s.Task.Purpose, TestData: s.Task.TestData,
		Program: s.Task.Program, Statement: s.Task.Statement, Compiler: s.Task.Compiler, State: stateWord(s), Attempt: s.Attempt,
		Engine:  CertEngine{info.Name, info.Version, info.Adversary, info.Guarantee, info.BreaksPrivacy, info.BreaksCorrectness},
		Parties: []CertParty{}, Nodes: []CertNode{}, Views: views, Open: []string{}, IssuedTo: string(to)}
	for _, m := range s.Task.Parties {
		p := CertParty{Party: m.Party, Roles: m.Roles}
		if entry := l.Organisation(m.Party); entry != nil {
			p.LegalName = entry.LegalName
		}
		cert.Parties = append(cert.Parties, p)
	}
	receipts := map[joconde.PartyID]*joconde.WipeReceipt{}
	for _, r := range l.Records() {
		if b, ok := r.Body.(*joconde.WipeReceipt); ok && b.Attempt == s.Attempt {
			receipts[b.Party] = b
		}
	}
	for _, b := range bundlesOf(l) {
		n := CertNode{Party: b.Party, Platform: b.Evidence.Platform, Destroyed: []string{}, NotProven: []string{}}
		if r := receipts[b.Party]; r != nil {
			n.Receipt, n.WipedAt, n.Exit = true, r.At, r.Exit
			n.Destroyed, n.NotProven = append(n.Destroyed, r.Destroyed...), append(n.NotProven, r.NotProven...)
		}
		cert.Development = cert.Development || info.Development || b.Evidence.Platform == "sim" || b.Evidence.Platform == "tpm"
		cert.Nodes = append(cert.Nodes, n)
	}
	for _, p := range s.Open() {
		cert.Open = append(cert.Open, string(p))
	}
	return cert
}

// stateWord is where a task stands, in the word that people use.
func stateWord(s *joconde.State) string {
	switch {
	case s.Closed():
		return "Closed"
	case s.Ended() && s.Phase != joconde.Refused:
		return "Ended"
	case len(s.Open()) > 0:
		return string(s.Phase) + ", WipeUnconfirmed"
	}
	return string(s.Phase)
}

// Page is the certificate as Markdown, to be printed.
func (c *Certificate) Page() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Certificate of a result\n")
	line("**%s**\n", plainText(c.Title))
	if c.Development {
		line("> **Development platform: the nodes protected nothing.** This certificate is worth nothing for real data.\n")
	}
	if c.TestData {
		line("> Test data: the tables were not real.\n")
	}
	if c.Purpose != "" {
		line("%s\n", plainText(c.Purpose))
	}
	line("| | |\n| --- | --- |")
	line("| Task | `%s` |", c.Fingerprint)
	line("| | `%s` |", c.Task)
	line("| Program | `%s` |", c.Program)
	line("| Who learns what | `%s` |", c.Statement)
	line("| State | %s, attempt %d |", c.State, c.Attempt)
	line("| Issued to | %s |\n", c.IssuedTo)
	line("## Results\n")
	for _, v := range c.Views {
		line("- %s: %d rows, file `%s`, `%s`", plainText(v.View), v.Rows, v.File, v.Digest)
	}
	line("\n## Parties\n")
	for _, p := range c.Parties {
		line("- %s, %s: %s", p.Party, plainText(p.LegalName), joinRoles(p.Roles))
	}
	line("\n## On whom it rests\n")
	line("Engine %s, version %s. %s", c.Engine.Name, c.Engine.Version, c.Engine.Guarantee)
	line("\n- Inputs can be learned by: %s", c.Engine.BreaksPrivacy)
	line("- The result can be falsified by: %s", c.Engine.BreaksCorrectness)
	line("\n## Nodes and what was wiped\n")
	for _, n := range c.Nodes {
		if !n.Receipt {
			line("- %s, platform %s: **no wipe receipt yet**", n.Party, plainText(n.Platform))
			continue
		}
		line("- %s, platform %s: wiped at %s, ended: %s", n.Party, plainText(n.Platform), n.WipedAt, n.Exit)
		for _, d := range n.Destroyed {
			line("  - destroyed: %s", plainText(d))
		}
		for _, d := range n.NotProven {
			line("  - not proven: %s", plainText(d))
		}
	}
	line("\nEverything here follows from signed records in the task's log. Verify them: `joconde verify` with the task's bundle file.")
	return b.String()
}

func joinRoles(roles []joconde.Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}

// plainText keeps what others wrote from changing the page.
func plainText(text string) string {
	return strings.NewReplacer("\\", "\\\\", "`", "'", "*", "\\*", "_", "\\_", "<", "&lt;", "|", "\\|", "#", "\\#", "[", "\\[", "\n", " ").Replace(text)
}

// Bundle is the bundle file of a task, with fresh proofs: all that a stranger
// needs to verify it (audit.Verify).
func (h *Home) Bundle(ctx context.Context, hub Hub, task joconde.Digest) ([]byte, error) {
	f, err := h.follow(task)
	if err != nil {
		return nil, err
	}
	if _, err := f.pull(ctx, hub, 0); err != nil {
		return nil, err
	}
	if !f.proven {
		return nil, errors.New("the records have no proofs")
	}
	return f.bundle()
}
