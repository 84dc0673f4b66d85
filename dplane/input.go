package dplane

import (
	"errors"
	"fmt"

	"joconde"
	"joconde/dplane/engine"
	"joconde/lang/ir"
	"joconde/lang/lower"
)

// Reading files and computing in the clear are given to an owner as functions,
// because this package is also linked into computing parties, which must have
// neither.
type (
	// Reader reads the file of a table and checks it against the declaration.
	// What is wrong with the file comes as joconde.Problems.
	Reader func(table ir.Table) ([][]ir.Value, error)
	// Evaluator computes in the clear a node that rests on the given tables.
	Evaluator func(p *ir.Program, tables map[string][][]ir.Value, node int) ([][]ir.Value, error)
)

// Owned are the tables of one input party, read and checked, on its own
// machine: the only place where its clear data is. Check makes it.
type Owned struct {
	owner  joconde.PartyID
	tables map[string][][]ir.Value // by owner.table
}

// Check reads an owner's files and checks them against the declarations in the
// program. The error has the problems of all files.
func Check(owner joconde.PartyID, p *ir.Program, read Reader) (*Owned, error) {
	o := &Owned{owner: owner, tables: map[string][][]ir.Value{}}
	var all joconde.Problems
	for _, table := range p.Tables {
		if table.Owner != owner {
			continue
		}
		rows, err := read(table)
		var some joconde.Problems
		switch {
		case errors.As(err, &some):
			all = append(all, some...)
		case err != nil:
			return nil, fmt.Errorf("read table %s: %w", table.QName(), err)
		}
		o.tables[table.QName()] = rows
	}
	if len(all) > 0 {
		return nil, all
	}
	return o, nil
}

// Tables are the rows of the owner's tables, by owner.table.
func (o *Owned) Tables() map[string][][]ir.Value { return o.tables }

// Split is the rest of an owner's story: what rests on its tables alone is
// computed in the clear, written in the agreed form and length, and split.
// parts[i][p] is the part of input i of the plan for computing party p; inputs
// of other owners are nil.
func (o *Owned) Split(plan engine.Plan, sharing engine.Sharing, evaluate Evaluator) (parts [][][]byte, err error) {
	for name, rows := range o.tables {
		if bound := plan.Rows[name]; len(rows) > bound {
			return nil, &joconde.Problem{Code: "JOC-D001", What: "the table has more rows than agreed", Where: name, Exit: joconde.ExitInvalid,
				Why: fmt.Sprintf("it has %d rows and the public bound is %d; the bound is what others learn of its size, so it cannot give way", len(rows), bound),
				Do:  "agree on a greater bound, or provide fewer rows"}
		}
	}
	parts = make([][][]byte, len(plan.Vector.Inputs))
	for i, input := range plan.Vector.Inputs {
		if input.Owner != o.owner {
			continue
		}
		rows, err := evaluate(plan.Program, o.tables, input.Node)
		if err != nil {
			return nil, fmt.Errorf("compute node %d in the clear at %s: %w", input.Node, o.owner, err)
		}
		words, err := Encode(input, rows)
		if err != nil {
			return nil, fmt.Errorf("encode input %d of %s: %w", i, o.owner, err)
		}
		if parts[i], err = sharing.Split(input.Rows, widths(input.Fields), words); err != nil {
			return nil, fmt.Errorf("split input %d of %s: %w", i, o.owner, err)
		}
	}
	return parts, nil
}

// widths are the bits of each field.
func widths(fields []lower.Field) []int {
	bits := make([]int, len(fields))
	for f, field := range fields {
		bits[f] = field.Enc.Bits
	}
	return bits
}
