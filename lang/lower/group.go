package lower

import (
	"math/big"

	"joconde/lang/ir"
)

// group sorts by validity and key, takes running sums over the sorted rows
// (local), keeps the last row of every group, and takes differences (local).
// Least and greatest values come from a scan within each group.
func (l *lowering) group(i int, n ir.Node, s *scope, in *relation) *relation {
	keys := make(packing, len(n.Group.Keys))
	parts := []Reg{}
	for j, k := range n.Group.Keys {
		v := in.cols[k]
		bits, base := l.canonical(v) // NULLs are one group
		present := none
		if v.present != none {
			present = v.present
			parts = append(parts, present)
		}
		parts = append(parts, bits)
		keys[j] = &value{t: v.t, lo: v.lo, hi: v.hi, rows: in.rows, present: present, bits: bits, base: base}
	}
	word := l.cat(parts...)
	width := l.shape(word).Bits

	args, argWord := l.arguments(n, in)
	var payload []Reg
	if argWord != none {
		payload = append(payload, argWord)
	}
	sorted, payload := l.sort(l.cat(word, l.not(in.valid)), payload...)
	valid := l.not(l.slice(sorted, width, 1))
	if argWord != none {
		args.unpackInto(l.emitter, payload[0])
	}

	// The last row of a group differs from the next one; so does the last of all.
	marked := l.cat(sorted, l.bit(in.rows, 1))
	same := l.test(OpEq, marked, l.same(OpUp, marked))
	last := l.and(valid, l.not(same))
	head := l.not(l.same(OpDown, same))

	a := &aggregation{l: l, rows: in.rows, valid: valid, args: args, sums: map[string]*running{}}
	for j, agg := range n.Group.Aggs {
		a.need(agg, l.ranges[i][len(n.Group.Keys)+j], head)
	}
	out := l.bounds[i]
	moved := []Reg{last, l.slice(sorted, 0, width)}
	for _, r := range a.registers() {
		if l.shape(r).Ring > 0 {
			r = l.same(OpPsum, r)
		}
		moved = append(moved, r)
	}
	moved = l.partition(last, out, moved...)
	rel := &relation{rows: out, valid: moved[0]}
	rel.cols = keys.unpack(l.emitter, moved[1])
	a.settle(moved[2:], func(r Reg) Reg { return l.same(OpDiff, r) })
	rs := &scope{e: l.emitter, rows: out}
	for j, agg := range n.Group.Aggs {
		rel.cols = append(rel.cols, a.result(rs, agg, n.Columns[len(n.Group.Keys)+j].Type, l.ranges[i][len(n.Group.Keys)+j]))
	}
	return rel
}

// total is GROUP BY nothing: one row, whatever the input.
func (l *lowering) total(i int, n ir.Node, s *scope, in *relation) *relation {
	args, _ := l.arguments(n, in)
	a := &aggregation{l: l, rows: in.rows, valid: in.valid, args: args, sums: map[string]*running{}}
	head := none
	for _, agg := range n.Group.Aggs {
		if agg.Func == ir.Min || agg.Func == ir.Max {
			head = l.bit(in.rows, 0) // the first row is a head by itself
		}
	}
	for j, agg := range n.Group.Aggs {
		a.need(agg, l.ranges[i][j], head)
	}
	var moved []Reg
	for _, r := range a.registers() {
		if l.shape(r).Ring > 0 {
			moved = append(moved, l.emit(OpTotal, Shape{Ring: l.shape(r).Ring, Rows: 1}, r))
		} else {
			moved = append(moved, l.rows(r, in.rows-1, 1))
		}
	}
	a.settle(moved, nil)
	rel := &relation{rows: 1, valid: l.bit(1, 1)}
	rs := &scope{e: l.emitter, rows: 1}
	for j, agg := range n.Group.Aggs {
		rel.cols = append(rel.cols, a.result(rs, agg, n.Columns[j].Type, l.ranges[i][j]))
	}
	return rel
}

// arguments are the distinct columns that aggregates read, by column.
type arguments struct {
	order []int
	cols  map[int]*value
}

// arguments collects them and packs them into one word for the sort.
func (l *lowering) arguments(n ir.Node, in *relation) (*arguments, Reg) {
	args := &arguments{cols: map[int]*value{}}
	var p packing
	for _, agg := range n.Group.Aggs {
		if agg.Func == ir.CountStar || args.cols[agg.Arg] != nil {
			continue
		}
		v := in.cols[agg.Arg]
		args.cols[agg.Arg] = v
		args.order = append(args.order, agg.Arg)
		p = append(p, v)
	}
	if len(p) == 0 {
		return args, none
	}
	if len(n.Group.Keys) == 0 {
		return args, none // nothing is sorted
	}
	return args, p.word(l.emitter)
}

// unpackInto replaces the columns by what became of them in a moved word.
func (a *arguments) unpackInto(e *emitter, word Reg) {
	var p packing
	for _, c := range a.order {
		p = append(p, a.cols[c])
	}
	for i, v := range p.unpack(e, word) {
		a.cols[a.order[i]] = v
	}
}

// aggregation gathers what the aggregates of one node need, each once: running
// counts and sums in rings, running extremes in bits.
type aggregation struct {
	l     *lowering
	rows  int
	valid Reg
	args  *arguments
	order []string
	sums  map[string]*running
	bits  map[int]Reg // valid and present, by argument
}

// running is one register over all rows and, later, one value for each group.
type running struct {
	reg  Reg
	base *big.Int // Min, Max: value of the word zero
	flip bool     // Min of a word that was inverted
}

// need makes the registers of one aggregate.
func (a *aggregation) need(agg ir.Agg, iv ir.Interval, head Reg) {
	switch agg.Func {
	case ir.CountStar:
		a.count(-1)
	case ir.Count:
		a.count(agg.Arg)
	case ir.Sum, ir.Avg:
		a.count(agg.Arg)
		a.sum(agg.Arg)
	case ir.Min, ir.Max:
		a.count(agg.Arg)
		a.extreme(agg, head)
	}
}

func (a *aggregation) add(name string, make func() *running) {
	if a.sums[name] == nil {
		a.sums[name] = make()
		a.order = append(a.order, name)
	}
}

func countName(arg int) string { return "count " + big.NewInt(int64(arg)).String() }
func sumName(arg int) string   { return "sum " + big.NewInt(int64(arg)).String() }
func extremeName(agg ir.Agg) string {
	return string(agg.Func) + " " + big.NewInt(int64(agg.Arg)).String()
}

// exists gives the bit "the row exists and the argument is not NULL".
func (a *aggregation) exists(arg int) Reg {
	if arg < 0 || a.args.cols[arg].present == none {
		return a.valid
	}
	if r, ok := a.bits[arg]; ok {
		return r
	}
	if a.bits == nil {
		a.bits = map[int]Reg{}
	}
	a.bits[arg] = a.l.and(a.valid, a.args.cols[arg].present)
	return a.bits[arg]
}

// countKey says that a column without NULLs is counted like rows.
func (a *aggregation) countKey(arg int) string {
	if arg >= 0 && a.args.cols[arg].present == none {
		arg = -1
	}
	return countName(arg)
}

func (a *aggregation) count(arg int) {
	a.add(a.countKey(arg), func() *running {
		return &running{reg: a.l.toRing(a.exists(arg), 32)} // MaxRows is below 2^32
	})
}

// sum adds up value minus base: zero where there is no value. The base times
// the count is added in result. The ring holds the sum over all rows, not only
// of one group, modulo 2^k: differences are right all the same.
func (a *aggregation) sum(arg int) {
	a.add(sumName(arg), func() *running {
		v := a.args.cols[arg]
		bits, base := a.l.tight(v)
		span := new(big.Int).Sub(v.hi, v.lo)
		span.Mul(span, big.NewInt(int64(a.rows)))
		return &running{reg: a.l.toRing(a.l.mask(a.exists(arg), bits), ringFor(new(big.Int), span)), base: base}
	})
}

// extreme scans for the greatest value minus base plus one, zero where there
// is no value; the least is found as the greatest of the inverted word.
func (a *aggregation) extreme(agg ir.Agg, head Reg) {
	a.add(extremeName(agg), func() *running {
		bits, base := a.l.tight(a.args.cols[agg.Arg])
		r := &running{base: base, flip: agg.Func == ir.Min}
		if r.flip {
			bits = a.l.not(bits)
		}
		bits = a.l.mask(a.exists(agg.Arg), bits)
		r.reg = a.l.emit(OpScanMax, a.l.shape(bits), head, bits)
		return r
	})
}

// registers gives the rings whose sums over a group are wanted, and the bits
// that stand at its last row.
func (a *aggregation) registers() []Reg {
	regs := make([]Reg, len(a.order))
	for i, name := range a.order {
		regs[i] = a.sums[name].reg
	}
	return regs
}

// settle takes what became of registers, one row a group; ring, if not nil,
// turns running sums into sums of each group.
func (a *aggregation) settle(regs []Reg, ring func(Reg) Reg) {
	for i, name := range a.order {
		r := regs[i]
		if ring != nil && a.l.shape(r).Ring > 0 {
			r = ring(r)
		}
		a.sums[name].reg = r
	}
}

// result gives the aggregate's value for each group.
func (a *aggregation) result(s *scope, agg ir.Agg, t ir.Type, iv ir.Interval) *value {
	e := a.l.emitter
	limit := big.NewInt(int64(a.rows))
	if agg.Func == ir.CountStar || agg.Func == ir.Count {
		return e.fromRing(t, a.sums[a.countKey(agg.Arg)].reg, new(big.Int), limit, none)
	}
	count := e.fromRing(ir.Type{Kind: ir.Int}, a.sums[a.countKey(agg.Arg)].reg, new(big.Int), limit, none)
	present := none
	if t.Nullable {
		present = e.not(s.below(count, big.NewInt(1)))
	}
	switch agg.Func {
	case ir.Min, ir.Max:
		r := a.sums[extremeName(agg)]
		bits := r.reg
		if r.flip {
			bits = e.not(bits)
		}
		return e.fromBits(t, bits, r.base, iv.Lo, iv.Hi, present)
	case ir.Sum:
		v := a.total(s, agg.Arg, count)
		v.t, v.present = t, present
		v.narrow(iv.Lo, iv.Hi)
		return v
	default: // Avg
		arg := a.args.cols[agg.Arg]
		total := a.total(s, agg.Arg, count)
		zero := new(big.Int)
		count = e.fromBits(count.t, e.word(count, zero, bitsFor(limit)), zero, zero, limit, present)
		x := ir.Expr{Type: t}
		v := s.quotient(x, total, count, t.Scale-arg.t.Scale, true, iv.Lo, iv.Hi)
		v.present = present
		return v
	}
}

// total gives an argument's sum over each group as a value.
func (a *aggregation) total(s *scope, arg int, count *value) *value {
	v := a.args.cols[arg]
	r := a.sums[sumName(arg)]
	n := big.NewInt(int64(a.rows))
	lo, hi := new(big.Int).Mul(v.lo, n), new(big.Int).Mul(v.hi, n)
	if lo.Sign() > 0 {
		lo = new(big.Int)
	}
	if hi.Sign() < 0 {
		hi = new(big.Int)
	}
	k := ringFor(lo, hi)
	span := a.l.fromRing(v.t, r.reg, new(big.Int), new(big.Int).Mul(new(big.Int).Sub(v.hi, v.lo), n), none)
	ring := a.l.inRing(span, k)
	if r.base.Sign() != 0 {
		ring = a.l.ringOp(OpAdd, ring, a.l.scale(a.l.inRing(count, k), r.base))
	}
	return a.l.fromRing(v.t, ring, lo, hi, none)
}
