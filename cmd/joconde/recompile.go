package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"joconde"
	"joconde/attest"
	platforms "joconde/attest/all"
	"joconde/audit"
	"joconde/lang/statement"
	"joconde/record"
)

// whatDepends is what the tool gives a verifier that the verifier's own
// package must not know: the compiler and the platforms.
func whatDepends(ctx context.Context) audit.Deps {
	return audit.Deps{
		Recompile: func(task *joconde.Task) (program, stated joconde.Digest, err error) {
			c, s, err := recompile(task)
			if err != nil {
				return joconde.Digest{}, joconde.Digest{}, err
			}
			stated, err = statementDigest(s)
			return c.digest, stated, err
		},
		Appraise: func(task *joconde.Task, node *joconde.NodeBundle) error {
			policy, err := attest.PolicyFor(task, node.Party)
			if err != nil {
				return err
			}
			_, err = platforms.Verify(ctx, node.Evidence, attest.BundleReportData(node), policy)
			return err
		},
	}
}

// recompile makes the program and the Statement of terms again, from their
// source alone.
func recompile(task *joconde.Task) (*computation, *statement.Statement, error) {
	c := &computation{file: "the task's program", source: task.Source, sort: task.Sort, rows: map[string]int{}}
	if err := c.chooseEngine(task.Engine); err != nil {
		return nil, nil, err
	}
	if c.engine == nil {
		return nil, nil, &joconde.Problem{Code: "JOC-T220", What: "engine clear computes no task of several parties", Where: "engine",
			Why: "it is the reference: it would have to see all tables", Do: "name another engine, see: joconde engine list", Exit: joconde.ExitInvalid}
	}
	if err := c.compile(); err != nil {
		return nil, nil, err
	}
	for _, b := range task.Rows {
		c.rows[b.Table] = b.Rows
	}
	if err := c.bounded(); err != nil {
		return nil, nil, err
	}
	if err := c.lower(); err != nil {
		return nil, nil, err
	}
	s, err := c.statement()
	return c, s, err
}

// bounded says whether the rows are those of the program's tables, each once.
func (c *computation) bounded() error {
	var problems joconde.Problems
	open := maps.Clone(c.rows)
	for _, t := range c.program.Tables {
		if _, has := open[t.QName()]; !has {
			problems = append(problems, &joconde.Problem{Code: "JOC-T221", What: "table " + t.QName() + " has no row bound", Where: "rows",
				Why: "the most rows that a table may have are public, and part of the terms", Do: "give one: " + t.QName() + ": N", Exit: joconde.ExitInvalid})
		}
		delete(open, t.QName())
	}
	if len(open) > 0 {
		problems = append(problems, &joconde.Problem{Code: "JOC-T222", What: "there is a row bound for what is no table: " + strings.Join(slices.Sorted(maps.Keys(open)), ", "), Where: "rows",
			Why: "the program uses no such table", Do: "correct the name, or leave it out", Exit: joconde.ExitInvalid})
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// statementDigest is the digest of a Statement's canonical bytes, which the
// terms name.
func statementDigest(s *statement.Statement) (joconde.Digest, error) {
	text, err := record.Canonical(s)
	if err != nil {
		return joconde.Digest{}, fmt.Errorf("write the statement: %w", err)
	}
	return sha256.Sum256(text), nil
}
