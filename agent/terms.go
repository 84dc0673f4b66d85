package agent

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"joconde"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/lang"
	"joconde/lang/ir"
	"joconde/lang/lower"
	"joconde/lang/statement"
	"joconde/record"
)

// Compiled is what the source of a task comes to on this machine.
type Compiled struct {
	Task      *joconde.Task
	Engine    engine.Engine
	Plan      engine.Plan // without a label
	Statement *statement.Statement
}

// Compile makes the program and the Statement of a task again from its source
// alone, and compares both with the terms: nobody's word is taken for what is
// signed.
func Compile(task *joconde.Task) (*Compiled, error) {
	e, found := all.Named(task.Engine)
	if !found {
		return nil, terms("JOC-G020", "engine", fmt.Sprintf("this joconde has no engine %q", task.Engine), "use a joconde that has it, or propose the task with another", nil)
	}
	if info := e.Info(); len(task.Computing) < info.PartiesMin || len(task.Computing) > info.PartiesMax {
		return nil, terms("JOC-G021", "computing", fmt.Sprintf("engine %s runs on %d to %d nodes and the task has %d", info.Name, info.PartiesMin, info.PartiesMax, len(task.Computing)), "propose the task with as many computing parties", nil)
	}
	if task.Lowering != lower.Version {
		return nil, terms("JOC-G029", "lowering", fmt.Sprintf("the task is for lowering version %q and this joconde has %q", task.Lowering, lower.Version), "use the version of joconde that the task was proposed with", nil)
	}
	program, err := lang.Compile("program of the task", []byte(task.Source))
	if err != nil {
		return nil, err
	}
	digest, err := ir.Digest(program)
	if err != nil {
		return nil, err
	}
	if digest != task.Program {
		return nil, terms("JOC-G022", "program", "the source does not compile to the program that the terms name", "use the compiler version that the terms name ("+task.Compiler+"); if it is the same, do not sign", nil)
	}
	if err := fits(task, program); err != nil {
		return nil, err
	}
	rows := map[string]int{}
	for _, b := range task.Rows {
		rows[b.Table] = b.Rows
	}
	vector, err := lower.Lower(program, rows)
	if err != nil {
		return nil, terms("JOC-G023", "program", "the program cannot be computed on shares: "+err.Error(), "have the proposer narrow the ranges that the tables declare, or lower the row bounds", err)
	}
	plan := engine.Plan{Program: program, Rows: rows, Vector: vector, Options: engine.Options{Sort: task.Sort}}
	opens, err := e.Check(plan)
	if err != nil {
		return nil, terms("JOC-G024", "engine", "the engine cannot run the program: "+err.Error(), "propose the task with another engine", err)
	}
	s := statement.New(program, rows, declared(e.Info(), opens))
	text, err := record.Canonical(s)
	if err != nil {
		return nil, err
	}
	if sha256.Sum256(text) != task.Statement {
		return nil, terms("JOC-G025", "statement", "who learns what is not what the terms name", "use the version that the terms name ("+task.Compiler+"); if it is the same, do not sign", nil)
	}
	return &Compiled{Task: task, Engine: e, Plan: plan, Statement: s}, nil
}

func declared(info engine.Info, opens []engine.Disclosure) statement.Engine {
	e := statement.Engine{Name: info.Name, Adversary: info.Adversary, Development: info.Development,
		BreaksPrivacy: info.BreaksPrivacy, BreaksCorrectness: info.BreaksCorrectness}
	for _, d := range opens {
		e.Openings = append(e.Openings, statement.Opening{What: d.What, Why: d.Why, Node: d.Node})
	}
	return e
}

// fits says whether the roles and row bounds of the terms are those that the
// program needs: every owner is an input party, every recipient an output
// party, and nobody has either role in vain.
func fits(task *joconde.Task, p *ir.Program) error {
	var found joconde.Problems
	refuse := func(code, where, what, do string) {
		found = append(found, terms(code, where, what, do, nil))
	}
	owners, recipients := map[joconde.PartyID]bool{}, map[joconde.PartyID]bool{}
	bounds := map[string]bool{}
	for _, b := range task.Rows {
		bounds[b.Table] = true
	}
	for _, t := range p.Tables {
		owners[t.Owner] = true
		if !bounds[t.QName()] {
			refuse("JOC-G026", "rows", "table "+t.QName()+" has no row bound", "give every table of the program one")
		}
		delete(bounds, t.QName())
	}
	if len(bounds) > 0 {
		refuse("JOC-G026", "rows", "there are bounds for what is no table: "+strings.Join(slices.Sorted(maps.Keys(bounds)), ", "), "leave them out")
	}
	for _, o := range p.Outputs {
		for _, to := range o.To {
			recipients[to] = true
		}
	}
	for _, m := range task.Parties {
		if in := slices.Contains(m.Roles, joconde.InputParty); in != owners[m.Party] {
			refuse("JOC-G027", "parties, "+string(m.Party), "the party is an input party and owns no table, or the other way round", "give the role input to the owners of the program's tables, and to nobody else")
		}
		if out := slices.Contains(m.Roles, joconde.OutputParty); out != recipients[m.Party] {
			refuse("JOC-G028", "parties, "+string(m.Party), "the party is an output party and no view is granted to it, or the other way round", "give the role output to those to whom the program grants a view, and to nobody else")
		}
		delete(owners, m.Party)
		delete(recipients, m.Party)
	}
	for _, p := range slices.Sorted(maps.Keys(owners)) {
		refuse("JOC-G027", "parties", string(p)+" owns a table and is no party of the task", "name it among the parties")
	}
	for _, p := range slices.Sorted(maps.Keys(recipients)) {
		refuse("JOC-G028", "parties", string(p)+" is granted a view and is no party of the task", "name it among the parties")
	}
	if len(found) == 0 {
		return nil
	}
	return found
}

func terms(code, where, what, do string, cause error) *joconde.Problem {
	return problem(code, "task, "+where, what, "everybody compiles the source again and compares, so that what is signed is what runs", do, joconde.ExitInvalid, cause)
}
