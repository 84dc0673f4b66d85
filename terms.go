package joconde

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds on the terms of a task.
const (
	maxAttempts   = 3
	maxParties    = 64
	maxPartyName  = 63
	maxRunSeconds = 30 * 24 * 3600
)

// Check says all that is malformed in the terms by themselves, whoever the
// parties are: nil, or Problems.
func (t *Task) Check() error {
	c := &termsCheck{t: t}
	c.basics()
	c.parties()
	c.computing()
	c.rows()
	c.deadlines()
	if len(c.found) == 0 {
		return nil
	}
	return c.found
}

type termsCheck struct {
	t     *Task
	found Problems
}

func (c *termsCheck) refuse(code, where, what, do string) {
	c.found = append(c.found, &Problem{Code: code, What: what, Where: where,
		Why: "every party signs the terms, so they must have one clear meaning",
		Do:  do, LeftMachine: NothingLeft, Exit: ExitInvalid})
}

func (c *termsCheck) basics() {
	if c.t.Format != 1 {
		c.refuse("JOC-T101", "format", fmt.Sprintf("format %d of a task is not known", c.t.Format), "use a joconde that knows this format, or format 1")
	}
	if c.t.Attempts < 1 || c.t.Attempts > maxAttempts {
		c.refuse("JOC-T102", "attempts", fmt.Sprintf("%d attempts: it must be 1 to %d", c.t.Attempts, maxAttempts), "set attempts to 1, 2 or 3")
	}
	if _, err := nonceBytes(c.t.Nonce); err != nil {
		c.refuse("JOC-T103", "nonce", "the nonce is not 32 bytes in lower-case hex", "propose the task with joconde, which draws it")
	}
	if len(c.t.Platforms) == 0 {
		c.refuse("JOC-T104", "platforms", "no platform is admitted, so no node can be", "name the platforms of the nodes")
	}
	if !slices.IsSorted(c.t.Platforms) || len(slices.Compact(slices.Clone(c.t.Platforms))) != len(c.t.Platforms) {
		c.refuse("JOC-T105", "platforms", "the platforms are not in order, or one stands twice", "list each once, in order")
	}
	for _, p := range c.t.Platforms {
		if (p == "sim" || p == "tpm") && !c.t.TestData {
			c.refuse("JOC-T106", "platforms", fmt.Sprintf("%s does not protect memory and is admitted only for test data", p), "say test_data, or name a platform that protects memory")
		}
	}
}

func (c *termsCheck) parties() {
	parties := c.t.Parties
	if len(parties) == 0 || len(parties) > maxParties {
		c.refuse("JOC-T110", "parties", fmt.Sprintf("%d parties: it must be 1 to %d", len(parties), maxParties), "name the parties")
	}
	has := map[Role]bool{}
	for i := range parties {
		m := &parties[i]
		where := fmt.Sprintf("parties, number %d", i+1)
		if !wellNamed(m.Party) {
			c.refuse("JOC-T111", where, "a party's name must be a lower-case letter, then at most 62 lower-case letters, digits, _ or -", "use the party's name in the directory")
			continue
		}
		where = "parties, " + string(m.Party)
		if i > 0 && parties[i-1].Party >= m.Party {
			c.refuse("JOC-T112", where, "the parties are not in order, or one stands twice", "list each party once, in order of name, with all its roles")
		}
		if len(m.Roles) == 0 || !slices.IsSorted(m.Roles) || len(slices.Compact(slices.Clone(m.Roles))) != len(m.Roles) {
			c.refuse("JOC-T113", where, "a party must have roles, each once and in order", "list its roles: approver, computing, input, output")
		}
		for _, r := range m.Roles {
			if !slices.Contains([]Role{InputParty, ComputingParty, OutputParty, Approver}, r) {
				c.refuse("JOC-T114", where, "a role is not known", "the roles are approver, computing, input, output")
			}
			has[r] = true
		}
		if m.Record == (Digest{}) {
			c.refuse("JOC-T115", where, "the party's directory record is not named", "name it, so that its keys are part of the terms")
		}
	}
	for _, r := range []Role{InputParty, ComputingParty, OutputParty} {
		if !has[r] {
			c.refuse("JOC-T116", "parties", fmt.Sprintf("no party has the role %s", r), "name one")
		}
	}
	if !slices.ContainsFunc(parties, func(m Member) bool { return m.Party == c.t.Proposer }) {
		c.refuse("JOC-T117", "proposer", "the proposer is no party of the task", "add it, as approver at least")
	}
}

func (c *termsCheck) computing() {
	nodes := map[PartyID]int{}
	for i := range c.t.Computing {
		nodes[c.t.Computing[i].Party]++
	}
	for i := range c.t.Parties {
		m := &c.t.Parties[i]
		want := 0
		if slices.Contains(m.Roles, ComputingParty) {
			want = 1
		}
		if nodes[m.Party] != want {
			c.refuse("JOC-T120", "computing", fmt.Sprintf("%s has %d nodes where its roles say %d", m.Party, nodes[m.Party], want), "give every computing party one node, and nobody else any")
		}
		delete(nodes, m.Party)
	}
	if len(nodes) > 0 {
		c.refuse("JOC-T121", "computing", "a node's operator is no party of the task", "name it among the parties, with the role computing")
	}
}

func (c *termsCheck) rows() {
	for i := range c.t.Rows {
		b := &c.t.Rows[i]
		if b.Rows < 0 {
			c.refuse("JOC-T130", fmt.Sprintf("rows, number %d", i+1), "a row bound is negative", "give the most rows that the table may have")
		}
		if b.Table == "" || i > 0 && c.t.Rows[i-1].Table >= b.Table {
			c.refuse("JOC-T131", fmt.Sprintf("rows, number %d", i+1), "the tables are not in order, or one stands twice or has no name", "list each table once, in order")
		}
	}
}

func (c *termsCheck) deadlines() {
	d := &c.t.Deadlines
	var last time.Time
	for _, at := range []struct{ name, text string }{
		{"approve_by", d.ApproveBy}, {"establish_by", d.EstablishBy}, {"input_by", d.InputBy}, {"delete_by", d.DeleteBy},
	} {
		when, err := ParseTime(at.text)
		if err != nil {
			c.refuse("JOC-T140", "deadlines, "+at.name, "not a time in UTC with whole seconds", "write it as 2027-01-31T12:00:00Z")
			continue
		}
		if when.Before(last) {
			c.refuse("JOC-T141", "deadlines, "+at.name, "before the deadline that comes before it", "put them in order: approve, establish, input, delete")
		}
		last = when
	}
	if d.RunSeconds < 1 || d.RunSeconds > maxRunSeconds {
		c.refuse("JOC-T142", "deadlines, run_seconds", fmt.Sprintf("must be 1 to %d", maxRunSeconds), "give the most seconds that the computation may take")
	}
}

var errBadTime = errors.New("a time is written as 2027-01-31T12:00:00Z")

// ParseTime reads a time of a record: RFC 3339 in UTC with whole seconds, in
// the one form that FormatTime gives.
func ParseTime(text string) (time.Time, error) {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errBadTime
	}
	if FormatTime(when) != text {
		return time.Time{}, errBadTime
	}
	return when, nil
}

// FormatTime writes a time as records have it.
func FormatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func wellNamed(p PartyID) bool {
	if p == "" || len(p) > maxPartyName || p[0] < 'a' || p[0] > 'z' {
		return false
	}
	return strings.IndexFunc(string(p), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}
