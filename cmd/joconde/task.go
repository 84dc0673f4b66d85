package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/lang/statement"
)

func (t *tool) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE|FOLDER",
		Short: "Say who learns what by a program, or what is wrong with it",
		Long: `check compiles a program and prints its Statement: who learns what, which
parts run in the clear at their owners, what is public, and what is opened to
the computing parties. If the program is wrong, it prints everything that is.
Of a draft's folder it checks the terms too.`,
		Example: "  joconde task check program.sql\n  joconde task check wages",
		Args:    oneProgram,
		RunE:    t.does(func(_ context.Context, args []string) error { return t.check(args[0]) }),
	}
}

func oneProgram(_ *cobra.Command, words []string) error {
	if len(words) == 0 {
		return usage("JOC-U025", "no program is named", "check reads one program, from a file", "name the program: joconde task check FILE")
	}
	return cobra.ExactArgs(1)(nil, words)
}

// check compiles a program, or a draft, and prints its Statement.
func (t *tool) check(file string) error {
	if isDraft(file) {
		return t.checkDraft(file)
	}
	source, err := readProgram(file)
	if err != nil {
		return err
	}
	t.texts[file] = source
	c := &computation{file: file, source: source}
	if err := c.chooseEngine(defaultEngine); err != nil {
		return err
	}
	if err := c.compile(); err != nil {
		return err
	}
	stated, err := c.statement()
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format    int                  `json:"format"`
			Program   joconde.Digest       `json:"program"`
			Statement *statement.Statement `json:"statement"`
		}{1, c.digest, stated})
	}
	_, err = fmt.Fprintf(t.out, "%s\nprogram %s\n", strings.TrimRight(stated.Prose(), "\n"), c.digest)
	return err
}
