// Package enginetest is the contract of engines: what the Program means in the
// clear, an engine computes on shares, whatever the operation, the types, the
// edge values and the shape of the program. It runs all computing parties of
// an engine in one process, over channels in memory, from clear rows to clear
// rows, through the same code as an owner, a node and a recipient. The suite
// ranges over the list of engines. Start with Compute.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/session"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/lang/ir/irtest"
	"joconde/lang/lower"
)

// Compute runs a case on e and gives the rows of its views. wrap, which may be
// nil, stands between a party and its session.
func Compute(ctx context.Context, e engine.Engine, c irtest.Case, rows map[string]int, opt engine.Options, wrap func(session.Session) session.Session) (map[string]eval.Rows, error) {
	vector, err := lower.Lower(c.Program, rows)
	if err != nil {
		return nil, err
	}
	plan := engine.Plan{Program: c.Program, Rows: rows, Vector: vector, Options: opt, Label: []byte("enginetest")}
	if _, err := e.Check(plan); err != nil {
		return nil, err
	}
	n := e.Info().PartiesMin
	in := make([][][]byte, n) // by party, by input
	for p := range in {
		in[p] = make([][]byte, len(vector.Inputs))
	}
	for _, owner := range owners(c.Program) {
		if err := split(owner, plan, e.Sharing(), c, in); err != nil {
			return nil, err
		}
	}

	sessions := session.Pipe(n)
	out := make([][][]byte, n)
	errs := make([]error, n)
	var parties sync.WaitGroup
	for p, s := range sessions {
		if wrap != nil {
			s = wrap(s)
		}
		parties.Go(func() {
			out[p], errs[p] = e.Run(ctx, plan, s, in[p], nil)
			if errs[p] == nil {
				errs[p] = s.Close()
			}
		})
	}
	parties.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}

	views := map[string]eval.Rows{}
	for o, output := range vector.Outputs {
		parts := make([][]byte, n)
		for p := range parts {
			parts[p] = out[p][o]
		}
		if views[output.View], err = dplane.Open(plan, e.Sharing(), o, parts); err != nil {
			return nil, err
		}
	}
	return views, nil
}

func owners(p *ir.Program) []joconde.PartyID {
	seen := map[joconde.PartyID]bool{}
	var list []joconde.PartyID
	for _, t := range p.Tables {
		if !seen[t.Owner] {
			seen[t.Owner] = true
			list = append(list, t.Owner)
		}
	}
	return list
}

// split does an owner's part: its inputs, to every party's list.
func split(owner joconde.PartyID, plan engine.Plan, sharing engine.Sharing, c irtest.Case, in [][][]byte) error {
	owned, err := dplane.Check(owner, c.Program, func(t ir.Table) ([][]ir.Value, error) { return c.Tables[t.QName()], nil })
	if err != nil {
		return err
	}
	parts, err := owned.Split(plan, sharing, Evaluate)
	if err != nil {
		return err
	}
	for i, of := range parts {
		for p, part := range of {
			in[p][i] = part
		}
	}
	return nil
}

// Evaluate computes a node in the clear, as an owner does.
func Evaluate(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
	return eval.Node(p, byName(tables), node)
}

func byName(tables map[string][][]ir.Value) map[string]eval.Rows {
	rows := map[string]eval.Rows{}
	for name, t := range tables {
		rows[name] = t
	}
	return rows
}

// Compare says where an engine's result differs from the meaning in the clear:
// nil if nowhere. Rows are compared as a multiset.
func Compare(c irtest.Case, got map[string]eval.Rows) error {
	want, err := eval.Run(c.Program, byName(c.Tables))
	if err != nil {
		return err
	}
	for _, output := range c.Program.Outputs {
		columns := c.Program.Nodes[output.Node].Columns
		g, w := Lines(columns, got[output.View]), Lines(columns, want[output.View])
		if strings.Join(g, "\n") != strings.Join(w, "\n") {
			return fmt.Errorf("view %s: computed\n%s\nin the clear\n%s", output.View, strings.Join(g, "\n"), strings.Join(w, "\n"))
		}
	}
	return nil
}

// Lines writes rows as sorted lines.
func Lines(columns []ir.Column, rows eval.Rows) []string {
	lines := make([]string, len(rows))
	for r, row := range rows {
		cells := make([]string, len(row))
		for k, v := range row {
			cells[k] = "NULL"
			if !v.Null {
				cells[k] = ir.Format(columns[k].Type, v)
			}
		}
		lines[r] = strings.Join(cells, "|")
	}
	sort.Strings(lines)
	return lines
}
