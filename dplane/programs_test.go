package dplane_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/engine/clear"
	"joconde/dplane/session"
	"joconde/dplane/table"
	"joconde/lang"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

const programs = "../testdata/programs"

// program is a folder of testdata/programs: program.sql, a file owner.table.csv
// for each table, and expected/view.csv for each view, rows sorted by all
// columns. The expected files were computed by another program than ours.
type program struct {
	folder string
	*ir.Program
}

func load(t *testing.T, folder string) program {
	t.Helper()
	file := filepath.Join(folder, "program.sql")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p, err := lang.Compile(file, text)
	if err != nil {
		t.Fatal(err)
	}
	return program{folder, p}
}

func (p program) read(t ir.Table) ([][]ir.Value, error) {
	path := filepath.Join(p.folder, t.QName()+".csv")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rows, _, err := table.Read(context.Background(), bytes.NewReader(text), path, &t, table.Options{})
	return rows, err
}

// owned are the tables of every owner.
func (p program) owned(t *testing.T) (owners []*dplane.Owned, tables map[string]eval.Rows) {
	t.Helper()
	tables = map[string]eval.Rows{}
	seen := map[joconde.PartyID]bool{}
	for _, declared := range p.Tables {
		if seen[declared.Owner] {
			continue
		}
		seen[declared.Owner] = true
		o, err := dplane.Check(declared.Owner, p.Program, p.read)
		if err != nil {
			t.Fatal(err)
		}
		owners = append(owners, o)
		for name, rows := range o.Tables() {
			tables[name] = rows
		}
	}
	return owners, tables
}

// expect compares a view with its expected file.
func (p program) expect(t *testing.T, output ir.Output, rows [][]ir.Value) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(p.folder, "expected", output.View+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b []ir.Value) int { return slices.CompareFunc(a, b, ir.Compare) })
	var got strings.Builder
	if err := table.Write(&got, p.Nodes[output.Node].Columns, rows); err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("view %s:\n%swant:\n%s", output.View, got.String(), want)
	}
}

func evaluate(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
	given := map[string]eval.Rows{}
	for name, rows := range tables {
		given[name] = rows
	}
	return eval.Node(p, given, node)
}

// Every program gives its expected results in the clear, and on shares with
// every engine and both ways to sort.
func TestPrograms(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(programs, "*", "program.sql"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, file := range files {
		folder := filepath.Dir(file)
		p := load(t, folder)
		owners, tables := p.owned(t)
		t.Run(filepath.Base(folder)+"/clear", func(t *testing.T) {
			views, err := clear.Compute(p.Program, tables)
			if err != nil {
				t.Fatal(err)
			}
			for _, output := range p.Outputs {
				p.expect(t, output, views[output.View])
			}
		})
		for _, e := range all.Engines {
			for _, sort := range []string{"", "radix"} {
				t.Run(filepath.Base(folder)+"/"+e.Info().Name+"/"+sort, func(t *testing.T) {
					rows := map[string]int{}
					for name := range tables {
						rows[name] = len(tables[name]) + 3
					}
					vector, err := lower.Lower(p.Program, rows)
					if err != nil {
						t.Fatal(err)
					}
					plan := engine.Plan{Program: p.Program, Rows: rows, Vector: vector, Options: engine.Options{Sort: sort}, Label: []byte(t.Name())}
					out := compute(t, e, plan, owners)
					for i, output := range p.Outputs {
						parts := make([][]byte, len(out))
						for party := range out {
							parts[party] = out[party][i]
						}
						opened, err := dplane.Open(plan, e.Sharing(), i, parts)
						if err != nil {
							t.Fatal(err)
						}
						p.expect(t, output, opened)
					}
				})
			}
		}
	}
}

// compute runs all computing parties of a plan in this process. It gives the
// parts of the outputs of each party.
func compute(t *testing.T, e engine.Engine, plan engine.Plan, owners []*dplane.Owned) [][][]byte {
	t.Helper()
	n := e.Info().PartiesMin
	in := make([][][]byte, n)
	for p := range in {
		in[p] = make([][]byte, len(plan.Vector.Inputs))
	}
	for _, owner := range owners {
		inputs, err := owner.Split(plan, e.Sharing(), evaluate)
		if err != nil {
			t.Fatal(err)
		}
		for i, parts := range inputs {
			for p, part := range parts {
				in[p][i] = part
			}
		}
	}
	out := make([][][]byte, n)
	errs := make([]error, n)
	var parties sync.WaitGroup
	for p, s := range session.Pipe(n, session.WithOpenings(len(plan.Vector.Openings))) {
		parties.Go(func() {
			defer func() { _ = s.Close() }()
			out[p], errs[p] = e.Run(context.Background(), plan, s, in[p], nil)
		})
	}
	parties.Wait()
	for p, err := range errs {
		if err != nil {
			t.Fatalf("party %d: %v", p, err)
		}
	}
	return out
}
