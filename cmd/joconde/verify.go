package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/audit"
	"joconde/record"
)

func (t *tool) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE",
		Short: "Verify a finished task, offline, from one file",
		Long: `verify reads the bundle file of a task and checks everything that can be
checked without trusting anybody: signatures, the log, the program compiled
again, the evidence of the nodes, and the receipts. It prints a line for each
check and what it proves, and at the end what no check can prove. It needs no
network and no key.`,
		Example: "  joconde verify task.bundle",
		Args:    cobra.ExactArgs(1),
		RunE:    t.does(func(ctx context.Context, args []string) error { return t.verify(ctx, args[0]) }),
	}
}

// verify is an auditor's whole work.
func (t *tool) verify(ctx context.Context, file string) error {
	bundle, err := os.ReadFile(file)
	if err != nil {
		return unreadable("JOC-U030", "the bundle file", file, err)
	}
	report := audit.Verify(bundle, whatDepends(ctx))
	if t.json {
		err = t.printJSON(report)
	} else {
		_, err = fmt.Fprint(t.out, verifiedText(report))
	}
	if err != nil {
		return err
	}
	return unverified(file, report)
}

// unverified is the error of a bundle that does not verify. The report was
// printed all the same: it shows why.
func unverified(file string, r *audit.Report) error {
	if r.Valid {
		return nil
	}
	why := "a check that the task's state rests on could not be made"
	if failed, is := r.FirstFailure(); is {
		why = failed.ID + ": " + failed.Detail
	}
	return &joconde.Problem{Code: "JOC-R031", What: "the file does not verify", Where: file, Why: why, Exit: joconde.ExitUnverified,
		Do: "do not rely on this task; ask another party for its bundle file, and compare"}
}

// verifiedText is a report for people: a line for each check with what it
// proves, and a word on what none does.
func verifiedText(r *audit.Report) string {
	var b strings.Builder
	if r.Task != "" {
		var id joconde.Digest
		name := r.Task
		if err := id.UnmarshalText([]byte(r.Task)); err == nil {
			name = record.Fingerprint(id)
		}
		fmt.Fprintf(&b, "Task %s\n", name)
	}
	if r.State != "" {
		fmt.Fprintf(&b, "State %s\n", r.State)
	}
	if r.Development {
		b.WriteString("FOR DEVELOPMENT: platforms or an engine took part that protect nothing.\n")
	}
	b.WriteString("\n")
	words := map[audit.Status]string{audit.Pass: "ok", audit.Fail: "FAILED", audit.Absent: "absent"}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "%-7s %-24s %s\n", words[c.Status], c.ID, folded(c.Proves, 33))
		if c.Detail != "" {
			fmt.Fprintf(&b, "%33s%s\n", "", folded("("+printable(c.Detail)+")", 33))
		}
	}
	b.WriteString("\nNot proven by any of this:\n")
	for _, sentence := range r.NotProven {
		fmt.Fprintf(&b, "- %s\n", folded(sentence, 2))
	}
	verdict := "The file verifies: everything that the state rests on was checked."
	if !r.Valid {
		verdict = "THE FILE DOES NOT VERIFY."
	}
	b.WriteString("\n" + verdict + "\n")
	return b.String()
}

// folded breaks a text into lines of at most 80 columns, of which all but the
// first are indented.
func folded(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+cells(word) > 80:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += cells(word)
	}
	return b.String()
}
