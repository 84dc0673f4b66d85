package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/lang/statement"
)

func (t *tool) newCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "new FOLDER",
		Short: "Begin the draft of a task: two files to edit",
		Long: `new makes a folder with task.yaml, the terms, and program.sql, the program.
Both say in comments what to write. What is signed is derived from the two:
edit them until check is content, then propose them.`,
		Example: "  joconde task new wages\n  joconde task check wages\n  joconde task propose wages",
		Args:    cobra.ExactArgs(1),
		RunE:    t.does(func(_ context.Context, args []string) error { return t.newDraft(args[0]) }),
	}
}

// newDraft writes the two files of a draft that can be checked as it is.
func (t *tool) newDraft(path string) error {
	to := folder{path: path, flag: "FOLDER"}
	if err := to.prepare(t, []string{draftTerms, draftProgram}); err != nil {
		return err
	}
	var written []string
	for _, file := range []struct{ name, text string }{{draftTerms, newTerms}, {draftProgram, newProgram}} {
		name, err := to.save(file.name, []byte(file.text))
		if err != nil {
			return err
		}
		written = append(written, name)
	}
	if t.json {
		return t.printJSON(struct {
			Format int      `json:"format"`
			Files  []string `json:"files"`
		}{1, written})
	}
	_, err := fmt.Fprintf(t.out, "written: %s\nNext: edit both, then: joconde task check %s\n", strings.Join(written, ", "), path)
	return err
}

const newTerms = `# The terms of a task. Every party signs what follows from this file and from
# program.sql beside it; a key that is not known is an error.

title: Wages by region
purpose: >
  One sentence on the statistic, and one on what it is for: whoever signs must
  be able to tell a permitted use from another.

legal:
  basis: the law or agreement on which each party relies
  categories:                   # of persons and of data
    - employees, their region and their wage
  retention: nothing but the result and the signed records is kept

# Who takes part, and as what: input (provides tables), computing (operates a
# node), output (learns a view), approver (only signs). Names are those of the
# directory, and the schemas and grantees of the program.
parties:
  register: [input]
  tax: [input, computing]
  hub: [output, computing]
  operator: [computing]
  auditor: [approver]

# The nodes in order. Each operator gives the chips on which its node may run
# and the measurement of the node; it sees them with: joconde node enrol
computing:
  - party: tax
    chips: []
    measurements: []
  - party: hub
    chips: []
    measurements: []
  - party: operator
    chips: []
    measurements: []

# The most rows that each table may have. The numbers are public: tables are
# padded to them, so that nobody learns how many rows there are.
rows:
  register.person: 1024
  tax.wage: 1024

engine: rep3                    # see: joconde engine list
platforms: [sim]                # of the nodes; sim and tpm protect nothing ...
test_data: true                 # ... and are admitted only where the data is not real

# A time is 2027-01-31T12:00:00Z, or +72h: so long after the proposal.
deadlines:
  approve_by: +72h
  establish_by: +96h
  input_by: +120h
  run: 1h                       # how long the computation may take
  delete_by: +144h
attempts: 2                     # 1 to 3; every attempt needs everybody's consent
`

const newProgram = `-- What is computed, and who learns it. Everything is secret but what is granted.
CREATE SCHEMA register;
CREATE SCHEMA tax;

CREATE TABLE register.person (
  person_id CHAR(8) NOT NULL PRIMARY KEY,
  region    TEXT    NOT NULL CHECK (region IN ('north', 'south')));

CREATE TABLE tax.wage (
  person_id CHAR(8) NOT NULL PRIMARY KEY,
  wage      INTEGER NOT NULL CHECK (wage BETWEEN 0 AND 1000000));

CREATE VIEW wages AS             -- at least 10 persons in each row
  SELECT p.region, COUNT(*) AS persons, AVG(w.wage) AS wage
  FROM tax.wage AS w INNER JOIN register.person AS p ON w.person_id = p.person_id
  GROUP BY p.region
  HAVING COUNT(*) >= 10;

GRANT SELECT ON wages TO hub;    -- the only way by which anybody learns anything
`

// isDraft says whether a path is a draft's folder.
func isDraft(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkDraft prints the Statement of a draft with the row bounds of its terms,
// and what is still open, or all that is wrong.
func (t *tool) checkDraft(folder string) error {
	task, err := t.readDraft(folder, time.Now())
	if err != nil {
		return err
	}
	stated, err := t.derive(task, folder)
	if err != nil {
		return err
	}
	open := openTerms(task)
	if t.json {
		if open == nil {
			open = []string{}
		}
		return t.printJSON(struct {
			Format    int                  `json:"format"`
			Program   joconde.Digest       `json:"program"`
			Statement *statement.Statement `json:"statement"`
			Digest    joconde.Digest       `json:"statement_digest"`
			Open      []string             `json:"open"` // what must be filled in before it can be proposed
		}{1, task.Program, stated, task.Statement, open})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n\n%s\nprogram   %s\nstatement %s\n", task.Title, folded(task.Purpose, 0), strings.TrimRight(stated.Prose(), "\n"), task.Program, task.Statement)
	if len(open) == 0 {
		fmt.Fprintf(&b, "\nThe draft is complete. Next: joconde task propose %s\n", folder)
	} else {
		b.WriteString("\nStill open, before it can be proposed:\n")
		for _, line := range open {
			fmt.Fprintf(&b, "- %s: %s\n", filepath.Join(folder, draftTerms), line)
		}
	}
	_, err = fmt.Fprint(t.out, b.String())
	return err
}
