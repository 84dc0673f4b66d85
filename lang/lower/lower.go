package lower

import (
	"errors"
	"fmt"
	"math/big"

	"joconde"
	"joconde/lang/ir"
)

// Version names this lowering. Two lowerings of one version give the same
// vector program for the same Program and bounds; a task names the version.
const Version = "joconde/lower/v1"

// relation is a node's result as registers: rows many rows, some of which
// exist.
type relation struct {
	rows  int
	valid Reg
	cols  []*value
}

type lowering struct {
	*emitter
	p      *ir.Program
	bounds []int
	ranges [][]ir.Interval
	done   map[int]*relation
}

// Lower gives the vector program of p for public row bounds, by owner.table.
// It fails where a bound is missing or out of reach, and where p computes on
// secret text in a way that needs the text itself.
func Lower(p *ir.Program, rows map[string]int) (v *Vector, err error) {
	for _, t := range p.Tables {
		if n := rows[t.QName()]; n < 1 || n > MaxRows {
			return nil, fmt.Errorf("lower: table %s has no row bound between 1 and %d", t.QName(), MaxRows)
		}
	}
	ranges, err := p.Ranges(rows)
	if err != nil {
		return nil, fmt.Errorf("lower: %w", err)
	}
	l := &lowering{
		emitter: &emitter{v: &Vector{Format: 1}},
		p:       p,
		bounds:  p.Bounds(rows),
		ranges:  ranges,
		done:    map[int]*relation{},
	}
	if err := l.program(); err != nil {
		return nil, err
	}
	if err := Validate(l.v); err != nil {
		return nil, fmt.Errorf("lower: %w", err) // our own fault, found before anything runs
	}
	return l.v, nil
}

// MaxRows bounds every table: row numbers are added up in 32 bits.
const MaxRows = 1 << 30

func (l *lowering) program() error {
	for _, out := range l.p.Outputs {
		for _, c := range l.p.Nodes[out.Node].Columns {
			if c.Type.Kind == ir.Text && encoding(c.Type, nil, new(big.Int)).Kind == Hashed {
				return &joconde.Problem{
					Code:        "JOC-L901",
					What:        fmt.Sprintf("column %s of view %s is text that is compared by hash", c.Name, out.View),
					Where:       "view " + out.View,
					Why:         fmt.Sprintf("text declared longer than %d bytes is known to the nodes by its hash only, so it cannot be opened", packedWidth),
					Do:          fmt.Sprintf("declare the column with at most CHAR(%d), give it a code list with CHECK (… IN (…)), or leave it out of the view", packedWidth),
					LeftMachine: joconde.NothingLeft,
					Exit:        joconde.ExitInvalid,
				}
			}
		}
	}
	l.inputs()
	for i, n := range l.p.Nodes {
		if n.Local != "" {
			continue
		}
		l.node = i
		if err := l.relational(i, n); err != nil {
			return err
		}
	}
	for _, out := range l.p.Outputs {
		l.node = out.Node
		l.output(out)
	}
	return nil
}

// inputs makes a relation of every node that an owner computes in the clear
// and that computing parties or receivers need.
func (l *lowering) inputs() {
	for _, i := range l.p.Inputs() {
		n := l.p.Nodes[i]
		in := Input{Owner: n.Local, Node: i, Rows: l.bounds[i]}
		rel := &relation{rows: in.Rows}
		field := func(what What, column int, enc Encoding) Reg {
			r := l.reg(Shape{Bits: enc.Bits, Rows: in.Rows})
			in.Fields = append(in.Fields, Field{Reg: r, What: what, Column: column, Enc: enc})
			return r
		}
		rel.valid = field(Valid, -1, bitEncoding)
		for c, col := range n.Columns {
			lo, hi := interval(col.Type, l.ranges[i][c])
			v := &value{t: col.Type, lo: lo, hi: hi, rows: in.Rows, present: none, base: new(big.Int)}
			if col.Type.Nullable {
				v.present = field(Present, c, bitEncoding)
			}
			enc := encoding(col.Type, lo, hi)
			if enc.Kind == Offset {
				v.base = lo
			}
			v.bits = field(Cell, c, enc)
			rel.cols = append(rel.cols, v)
		}
		l.v.Inputs = append(l.v.Inputs, in)
		l.done[i] = rel
	}
}

var bitEncoding = Encoding{Kind: Offset, Bits: 1, Lo: "0"}

// relational lowers node i, whose inputs are lowered.
func (l *lowering) relational(i int, n ir.Node) error {
	in := l.done[n.In[0]]
	s := &scope{e: l.emitter, cols: in.cols, ivs: l.ranges[n.In[0]], rows: in.rows}
	switch n.Op {
	case ir.Project:
		rel := &relation{rows: in.rows, valid: in.valid}
		for _, x := range n.Exprs {
			rel.cols = append(rel.cols, s.expr(x))
		}
		l.done[i] = rel
	case ir.Filter:
		keep := s.isTrue(s.expr(n.Exprs[0]))
		l.done[i] = &relation{rows: in.rows, valid: l.and(in.valid, keep), cols: in.cols}
	case ir.JoinOp:
		rel, err := l.join(n, in, l.done[n.In[1]])
		if err != nil {
			return err
		}
		l.done[i] = rel
	case ir.Aggregate:
		if len(n.Group.Keys) == 0 {
			l.done[i] = l.total(i, n, s, in)
		} else {
			l.done[i] = l.group(i, n, s, in)
		}
	default:
		return errors.New("lower: node " + string(n.Op) + " is not computed on shares")
	}
	if l.refused != nil {
		l.refused.Where = "view " + n.View
		return l.refused
	}
	return nil
}

// output zeroes what does not exist, shuffles, and hands the rows out.
func (l *lowering) output(o ir.Output) {
	rel := l.done[o.Node]
	out := Output{View: o.View, To: o.To, Node: o.Node, Rows: rel.rows}
	regs := []Reg{rel.valid}
	out.Fields = []Field{{What: Valid, Column: -1, Enc: bitEncoding}}
	for c, v := range rel.cols {
		exists := rel.valid
		if v.t.Nullable {
			exists = l.and(rel.valid, l.isPresent(v))
			regs = append(regs, exists)
			out.Fields = append(out.Fields, Field{What: Present, Column: c, Enc: bitEncoding})
		} else {
			exists = l.andPresent(exists, v.present)
		}
		bits, base := l.tight(v)
		enc := encoding(v.t, base, v.hi)
		enc.Bits = l.shape(bits).Bits
		regs = append(regs, l.mask(exists, bits))
		out.Fields = append(out.Fields, Field{What: Cell, Column: c, Enc: enc})
	}
	if rel.rows > 1 {
		shapes := make([]Shape, len(regs))
		for i, r := range regs {
			shapes[i] = l.shape(r)
		}
		regs = l.emitMany(OpShuffle, shapes, regs...)
	}
	for i := range out.Fields {
		out.Fields[i].Reg = regs[i]
	}
	l.v.Outputs = append(l.v.Outputs, out)
}
