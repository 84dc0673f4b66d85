// Package eval is the meaning of a Program in the clear. It is the oracle that
// every engine is held to, and what an owner runs on its own machine for the
// nodes that rest on its tables alone; so it sees clear data, and is never
// linked into a node. It is written to be obviously right and shares no code
// with lowering. Start with Run.
package eval

import (
	"fmt"
	"math/big"
	"strconv"

	"joconde/lang/ir"
)

// Rows are the rows of a table or of a node: one value for each column. Their
// order carries no meaning. Rows are never changed once made.
type Rows [][]ir.Value

// Run gives the rows of each output of a valid program, by view. tables holds
// the rows of each table by its QName, with all columns as declared.
func Run(p *ir.Program, tables map[string]Rows) (map[string]Rows, error) {
	r := &run{p: p, tables: tables, done: make([]Rows, len(p.Nodes)), have: make([]bool, len(p.Nodes))}
	views := make(map[string]Rows, len(p.Outputs))
	for _, output := range p.Outputs {
		rows, err := r.node(output.Node)
		if err != nil {
			return nil, err
		}
		views[output.View] = rows
	}
	return views, nil
}

// Node gives the rows of one node of a valid program. Only the tables that the
// node rests on need to be there.
func Node(p *ir.Program, tables map[string]Rows, node int) (Rows, error) {
	if node < 0 || node >= len(p.Nodes) {
		return nil, fmt.Errorf("the program has no node %d", node)
	}
	r := &run{p: p, tables: tables, done: make([]Rows, len(p.Nodes)), have: make([]bool, len(p.Nodes))}
	return r.node(node)
}

// Inputs are the nodes that owners compute in the clear: see ir.Program.Inputs.
func Inputs(p *ir.Program) []int { return p.Inputs() }

// run remembers the nodes that are done, since several may use one.
type run struct {
	p      *ir.Program
	tables map[string]Rows
	done   []Rows
	have   []bool
}

func (r *run) node(i int) (Rows, error) {
	if r.have[i] {
		return r.done[i], nil
	}
	n := r.p.Nodes[i]
	in := make([]Rows, len(n.In))
	for k, j := range n.In {
		rows, err := r.node(j)
		if err != nil {
			return nil, err
		}
		in[k] = rows
	}
	rows, err := r.operator(n, in)
	if err != nil {
		return nil, fmt.Errorf("node %d: %w", i, err)
	}
	r.done[i], r.have[i] = rows, true
	return rows, nil
}

func (r *run) operator(n ir.Node, in []Rows) (Rows, error) {
	switch n.Op {
	case ir.Scan:
		return r.scan(n)
	case ir.Project:
		return project(n, in[0]), nil
	case ir.Filter:
		return filter(n, in[0]), nil
	case ir.JoinOp:
		return join(n, in[0], in[1])
	case ir.Aggregate:
		return aggregate(n, r.p.Nodes[n.In[0]].Columns, in[0])
	}
	return nil, fmt.Errorf("there is no operator %.40q", n.Op)
}

func (r *run) scan(n ir.Node) (Rows, error) {
	table, known := r.p.Table(n.Table)
	rows, given := r.tables[n.Table]
	if !known || !given {
		return nil, fmt.Errorf("the rows of table %.80q are not given", n.Table)
	}
	result := make(Rows, len(rows))
	for i, row := range rows {
		if len(row) != len(table.Columns) {
			return nil, fmt.Errorf("row %d of table %s has %d values instead of %d", i+1, n.Table, len(row), len(table.Columns))
		}
		result[i] = pick(row, n.Scan)
	}
	return result, nil
}

func project(n ir.Node, in Rows) Rows {
	result := make(Rows, len(in))
	for i, row := range in {
		result[i] = make([]ir.Value, len(n.Exprs))
		for j, e := range n.Exprs {
			result[i][j] = Scalar(e, row)
		}
	}
	return result
}

func filter(n ir.Node, in Rows) Rows {
	var result Rows
	for _, row := range in {
		if Scalar(n.Exprs[0], row).True() {
			result = append(result, row)
		}
	}
	return result
}

// join looks each left row's key up among the right rows.
func join(n ir.Node, left, right Rows) (Rows, error) {
	partners := make(map[string][]ir.Value, len(right))
	for _, row := range right {
		key, null := keyOf(row, n.Join.Right)
		if null {
			continue // NULL equals nothing
		}
		if _, twice := partners[key]; twice && n.Join.Kind != ir.Mark {
			return nil, fmt.Errorf("two rows of the right side of a join agree on its key")
		}
		partners[key] = row
	}
	var result Rows
	for _, row := range left {
		key, null := keyOf(row, n.Join.Left)
		partner, found := partners[key]
		found = found && !null
		switch {
		case n.Join.Kind == ir.Mark:
			result = append(result, together(row, []ir.Value{ir.NewBool(found)}))
		case found:
			result = append(result, together(row, partner))
		case n.Join.Kind == ir.Left:
			result = append(result, together(row, nulls(len(n.Columns)-len(row))))
		}
	}
	return result, nil
}

// aggregate gives one row for each group, in the order of their first rows.
func aggregate(n ir.Node, columns []ir.Column, in Rows) (Rows, error) {
	groups := make(map[string]*group)
	var order []*group
	if len(n.Group.Keys) == 0 { // one group, also of no row
		order = append(order, newGroup(nil, n.Group.Aggs))
		groups[""] = order[0]
	}
	for _, row := range in {
		key, _ := keyOf(row, n.Group.Keys) // NULLs form one group
		g := groups[key]
		if g == nil {
			g = newGroup(pick(row, n.Group.Keys), n.Group.Aggs)
			groups[key] = g
			order = append(order, g)
		}
		for i, agg := range n.Group.Aggs {
			v := ir.NewBool(true) // count_star: anything, once for each row
			if agg.Func != ir.CountStar {
				v = row[agg.Arg]
			}
			g.values[i] = append(g.values[i], v)
		}
	}
	result := make(Rows, len(order))
	for i, g := range order {
		row := g.keys
		for j, agg := range n.Group.Aggs {
			f, found := ir.AggNamed(agg.Func)
			if !found {
				return nil, fmt.Errorf("there is no aggregate function %.40q", agg.Func)
			}
			var arg ir.Type
			if agg.Func != ir.CountStar {
				arg = columns[agg.Arg].Type
			}
			row = append(row, f.Mean(n.Columns[len(g.keys)+j].Type, arg, g.values[j]))
		}
		result[i] = row
	}
	return result, nil
}

// group is the key of a group, and for each aggregate its argument in each row.
type group struct {
	keys   []ir.Value
	values [][]ir.Value
}

func newGroup(keys []ir.Value, aggs []ir.Agg) *group {
	return &group{keys: keys, values: make([][]ir.Value, len(aggs))}
}

// Scalar gives the value of an expression over one row. It is total: every
// part is computed, also the branches of a CASE that are not taken.
func Scalar(e ir.Expr, row []ir.Value) ir.Value {
	switch e.Op {
	case "col":
		return row[e.Col]
	case "lit":
		v, err := e.Value()
		if err != nil {
			return ir.NewNull() // not in a valid program
		}
		return v
	}
	op, found := ir.OpNamed(e.Op)
	if !found {
		return ir.NewNull() // not in a valid program
	}
	in := make([]ir.Type, len(e.Args))
	args := make([]ir.Value, len(e.Args))
	for i, arg := range e.Args {
		in[i] = arg.Type
		args[i] = Scalar(arg, row)
	}
	return op.Mean(e.Type, in, args)
}

// keyOf writes columns of a row as one string, equal only for equal values,
// and says whether any is NULL. Lengths before texts keep them apart.
func keyOf(row []ir.Value, columns []int) (key string, null bool) {
	var buffer [64]byte
	b := buffer[:0]
	for _, c := range columns {
		switch v := row[c]; {
		case v.Null:
			null = true
			b = append(b, 'n')
		case v.Int != nil:
			b = appendInt(append(b, 'i'), v.Int)
			b = append(b, ';')
		default:
			b = strconv.AppendInt(append(b, 't'), int64(len(v.Text)), 10)
			b = append(append(b, ':'), v.Text...)
		}
	}
	return string(b), null
}

func appendInt(b []byte, n *big.Int) []byte {
	if n.IsInt64() {
		return strconv.AppendInt(b, n.Int64(), 10)
	}
	return n.Append(b, 10)
}

func pick(row []ir.Value, columns []int) []ir.Value {
	picked := make([]ir.Value, len(columns))
	for i, c := range columns {
		picked[i] = row[c]
	}
	return picked
}

func together(left, right []ir.Value) []ir.Value {
	row := make([]ir.Value, 0, len(left)+len(right))
	return append(append(row, left...), right...)
}

func nulls(n int) []ir.Value {
	row := make([]ir.Value, n)
	for i := range row {
		row[i] = ir.NewNull()
	}
	return row
}
