package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/engine/clear"
	"joconde/lang"
	"joconde/lang/eval"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// computation is one program over one set of files, from its text to rows that
// have been compared with the reference. Its methods are its steps, in the
// order in which they stand here; try and demo call them and say so.
type computation struct {
	file   string // of the program, for messages
	source string
	engine engine.Engine // nil: the reference, in the clear
	name   string        // of the engine
	rows   map[string]int
	sort   string
	read   func(ctx context.Context, table ir.Table) ([][]ir.Value, error)

	program   *ir.Program
	digest    joconde.Digest
	owned     []*dplane.Owned         // one for each owner
	tables    map[string][][]ir.Value // of all owners: what the reference computes from
	plan      engine.Plan
	parts     [][][]byte // of each party, in the order of the plan's inputs
	parties   []*party
	results   []result
	reference []result
	phases    phases
}

// phases are how long the parts of a computation took, in seconds. Building
// the program node and computing the reference count in none.
type phases struct {
	Compile float64 `json:"compile"`
	Split   float64 `json:"split"` // with reading and checking the files
	Run     float64 `json:"run"`   // with starting the computing parties
	Open    float64 `json:"open"`
}

func (p phases) sum() float64 { return p.Compile + p.Split + p.Run + p.Open }

// rounded are the phases to the millisecond: more says nothing.
func (p phases) rounded() phases {
	return phases{Compile: milli(p.Compile), Split: milli(p.Split), Run: milli(p.Run), Open: milli(p.Open)}
}

func milli(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }

// since adds the time from start to a phase: defer since(&phase, time.Now()).
func since(phase *float64, start time.Time) { *phase += time.Since(start).Seconds() }

// chooseEngine finds the engine by its name; clear is the reference.
func (c *computation) chooseEngine(name string) error {
	c.name = name
	if name == clear.Info().Name {
		return nil
	}
	e, found := all.Named(name)
	if !found {
		names := []string{clear.Info().Name}
		for _, e := range all.Engines {
			names = append(names, e.Info().Name)
		}
		return usage("JOC-U010", fmt.Sprintf("there is no engine %q", name), "the engines are "+strings.Join(names, ", "), "choose one of these; what each withstands says: joconde engine list")
	}
	c.engine = e
	return nil
}

// compile makes the Program of the text.
func (c *computation) compile() (err error) {
	defer since(&c.phases.Compile, time.Now())
	if c.program, err = lang.Compile(c.file, []byte(c.source)); err != nil {
		return err
	}
	c.digest, err = ir.Digest(c.program)
	return err
}

// check reads and checks all files of all owners, and sets the row bounds that
// were not given: the number of rows rounded up to a power of two.
func (c *computation) check(ctx context.Context) error {
	if ctx.Err() != nil { // compiling hears nothing of it
		return context.Cause(ctx)
	}
	defer since(&c.phases.Split, time.Now())
	c.tables = map[string][][]ir.Value{}
	var problems joconde.Problems
	owners := map[joconde.PartyID]bool{}
	for _, t := range c.program.Tables {
		owners[t.Owner] = true
	}
	for _, owner := range slices.Sorted(maps.Keys(owners)) {
		owned, err := dplane.Check(owner, c.program, func(table ir.Table) ([][]ir.Value, error) { return c.read(ctx, table) })
		var some joconde.Problems
		if errors.As(err, &some) {
			problems = append(problems, some...)
			continue
		}
		if err != nil {
			return err
		}
		c.owned = append(c.owned, owned)
		maps.Copy(c.tables, owned.Tables())
	}
	if len(problems) > 0 {
		return problems
	}
	bounds := map[string]int{}
	for name, rows := range c.tables {
		bounds[name] = 1
		for bounds[name] < len(rows) {
			bounds[name] *= 2
		}
	}
	maps.Copy(bounds, c.rows)
	c.rows = bounds
	return nil
}

// lower makes the plan that the computing parties will run.
func (c *computation) lower() error {
	defer since(&c.phases.Compile, time.Now())
	vector, err := lower.Lower(c.program, c.rows)
	if err != nil {
		return c.notOnShares(err)
	}
	label := make([]byte, 32)
	_, _ = rand.Read(label) // never fails
	c.plan = engine.Plan{Program: c.program, Rows: c.rows, Vector: vector, Options: engine.Options{Sort: c.sort}, Label: label}
	if _, err := c.engine.Check(c.plan); err != nil {
		return c.notByEngine(err)
	}
	return nil
}

func (c *computation) notOnShares(err error) *joconde.Problem {
	return &joconde.Problem{Code: "JOC-R020", What: "the program cannot be computed on shares", Where: c.file, Why: err.Error(),
		Do: "narrow the ranges that the tables' CHECKs declare, or lower the row bounds", Exit: joconde.ExitInvalid, Err: err}
}

func (c *computation) notByEngine(err error) *joconde.Problem {
	return &joconde.Problem{Code: "JOC-R021", What: "engine " + c.name + " cannot run the program", Where: c.file, Why: err.Error(),
		Do: "choose another engine, see: joconde engine list", Exit: joconde.ExitInvalid, Err: err}
}

// split makes each owner's inputs into parts, one for each computing party.
func (c *computation) split() error {
	defer since(&c.phases.Split, time.Now())
	c.parts = make([][][]byte, c.engine.Info().PartiesMin)
	for p := range c.parts {
		c.parts[p] = make([][]byte, len(c.plan.Vector.Inputs))
	}
	for _, owned := range c.owned {
		inputs, err := owned.Split(c.plan, c.engine.Sharing(), evaluate)
		if err != nil {
			return err
		}
		for i, parts := range inputs {
			for p, part := range parts {
				c.parts[p][i] = part
			}
		}
	}
	return nil
}

// start starts the computing parties, which run the program node: separate
// processes that listen on loopback, each with a TLS key of its own.
func (c *computation) start(ctx context.Context, t *tool, node string, say func(string)) (err error) {
	defer since(&c.phases.Run, time.Now())
	c.parties, err = t.startParties(ctx, node, len(c.parts), say)
	return err
}

// run gives the parties their job and their parts and waits for their results.
func (c *computation) run(ctx context.Context, progress func(dplane.Progress)) error {
	defer since(&c.phases.Run, time.Now())
	job, err := dplane.NewJob(c.plan, c.name)
	if err != nil {
		return err
	}
	return compute(ctx, c.parties, job, c.parts, progress)
}

// open joins the parties' parts of each output.
func (c *computation) open() error {
	defer since(&c.phases.Open, time.Now())
	for i, output := range c.program.Outputs {
		parts := make([][]byte, len(c.parties))
		for p := range c.parties {
			if len(c.parties[p].out) != len(c.program.Outputs) {
				return &joconde.Fault{Party: c.parties[p].name, Err: fmt.Errorf("sent %d outputs, not %d", len(c.parties[p].out), len(c.program.Outputs))}
			}
			parts[p] = c.parties[p].out[i]
		}
		rows, err := dplane.Open(c.plan, c.engine.Sharing(), i, parts)
		if err != nil {
			return err
		}
		c.results = append(c.results, resultOf(c.program, output, rows))
	}
	return nil
}

// compare computes the reference, in the clear from the original files. Its
// time counts only where it is the computation.
func (c *computation) compare() error {
	if c.engine == nil {
		defer since(&c.phases.Run, time.Now())
	}
	tables := map[string]eval.Rows{}
	for name, rows := range c.tables {
		tables[name] = rows
	}
	views, err := clear.Compute(c.program, tables)
	if err != nil {
		return fmt.Errorf("compute the reference in the clear: %w", err)
	}
	for _, output := range c.program.Outputs {
		c.reference = append(c.reference, resultOf(c.program, output, views[output.View]))
	}
	return nil
}

// evaluate is the clear evaluator as owners use it.
func evaluate(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error) {
	given := map[string]eval.Rows{}
	for name, rows := range tables {
		given[name] = rows
	}
	return eval.Node(p, given, node)
}

// readProgram reads the text of a program.
func readProgram(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", unreadable("JOC-U011", "the program", path, err)
	}
	return string(text), nil
}
