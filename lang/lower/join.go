package lower

import (
	"math/big"

	"joconde"
	"joconde/lang/ir"
)

// join puts the rows of the right side before those of the left, sorts them by
// key, lets every row take the payload of the first row of its key, and keeps
// the left rows. The sort is stable, so that first row is a right one if there
// is any; the right side's keys are unique where it matters. Cost: one sort of
// both sides, one scan, one partition.
func (l *lowering) join(n ir.Node, left, right *relation) (*relation, error) {
	lk, rk, err := l.keys(n, left, right)
	if err != nil {
		return nil, err
	}
	okL, okR := l.usable(n.Join.Left, left), l.usable(n.Join.Right, right)

	// The key of a row that cannot match has its top bit set: it sorts behind
	// all others and is never equal to the key of a row that can.
	key := l.appendRows(l.cat(rk, l.not(okR)), l.cat(lk, l.not(okL)))
	isRight := l.appendRows(l.bit(right.rows, 1), l.bit(left.rows, 0))
	usable := l.appendRows(okR, l.bit(left.rows, 0))
	valid := l.appendRows(l.bit(right.rows, 0), left.valid)

	// A row carries the columns of its own side only, in the same bits.
	lp, rp := l.pack(left.cols), l.pack(right.cols)
	if n.Join.Kind == ir.Mark {
		rp = nil
	}
	payload := []Reg{isRight, usable, valid}
	if own := l.overlay(left, right, lp, rp); own != none {
		payload = append(payload, own)
	}
	key, payload = l.sort(key, payload...)
	isRight, usable, valid = payload[0], payload[1], payload[2]

	// Copy the first row of each key down.
	marked := l.cat(key, l.bit(l.shape(key).Rows, 1)) // the row above the first is zero, so it differs
	head := l.not(l.test(OpEq, marked, l.same(OpDown, marked)))
	carried := usable
	if len(rp) > 0 {
		carried = l.cat(usable, l.resize(payload[3], rp.bits()))
	}
	carried = l.emit(OpCopyDown, l.shape(carried), head, carried)
	match := l.slice(carried, 0, 1)

	isLeft := l.not(isRight)
	exists := valid // false on right rows
	if n.Join.Kind == ir.Inner {
		exists = l.and(isLeft, match)
	}

	// Exactly left.rows rows come from the left; keep them.
	keep := []Reg{exists, match}
	if len(lp) > 0 {
		keep = append(keep, l.resize(payload[3], lp.bits()))
	}
	if len(rp) > 0 {
		keep = append(keep, l.slice(carried, 1, rp.bits()))
	}
	keep = l.partition(isLeft, left.rows, keep...)
	rel := &relation{rows: left.rows, valid: keep[0]}
	match, keep = keep[1], keep[2:]
	if len(lp) > 0 {
		rel.cols = lp.unpack(l.emitter, keep[0])
		keep = keep[1:]
	}
	switch n.Join.Kind {
	case ir.Mark:
		rel.cols = append(rel.cols, l.fromBool(match, none))
	case ir.Inner:
		if len(rp) > 0 {
			rel.cols = append(rel.cols, rp.unpack(l.emitter, keep[0])...)
		}
	case ir.Left:
		if len(rp) > 0 {
			for _, v := range rp.unpack(l.emitter, keep[0]) {
				v.present = l.andPresent(match, v.present)
				v.t.Nullable = true
				rel.cols = append(rel.cols, v)
			}
		}
	}
	return rel, nil
}

// keys gives each side's key columns as one word, columns of a pair alike.
func (l *lowering) keys(n ir.Node, left, right *relation) (lk, rk Reg, err error) {
	var lw, rw []Reg
	for i := range n.Join.Left {
		a, b := left.cols[n.Join.Left[i]], right.cols[n.Join.Right[i]]
		if a.t.Kind == ir.Text {
			if len(a.t.Codes) == 0 && keyBits(a.t) != keyBits(b.t) {
				return 0, 0, &joconde.Problem{
					Code: "JOC-L902", What: "two key columns of a join are text of different lengths, and one side is known by its hash only",
					Where: "view " + n.View, Why: "the nodes cannot compare a hash with a packed text",
					Do: "declare both columns with the same length", LeftMachine: joconde.NothingLeft, Exit: joconde.ExitInvalid,
				}
			}
			lw = append(lw, l.word(a, new(big.Int), a.width()))
			rw = append(rw, l.word(b, new(big.Int), b.width()))
			continue
		}
		lo, hi := a.lo, a.hi
		if b.lo.Cmp(lo) < 0 {
			lo = b.lo
		}
		if b.hi.Cmp(hi) > 0 {
			hi = b.hi
		}
		width := bitsFor(new(big.Int).Sub(hi, lo))
		lw = append(lw, l.word(a, lo, width))
		rw = append(rw, l.word(b, lo, width))
	}
	return l.cat(lw...), l.cat(rw...), nil
}

// usable gives the bit "the row exists and no key column is NULL".
func (l *lowering) usable(keys []int, rel *relation) Reg {
	ok := rel.valid
	for _, k := range keys {
		ok = l.andPresent(ok, rel.cols[k].present)
	}
	return ok
}

// packing is how columns lie side by side in one word.
type packing []*value

// pack brings columns to bits, without their padding.
func (l *lowering) pack(cols []*value) packing {
	for _, v := range cols {
		if v.present == none && v.t.Nullable {
			v.present = l.bit(v.rows, 1)
		}
	}
	return cols
}

func (p packing) bits() int {
	n := 0
	for _, v := range p {
		n += v.width()
		if v.present != none {
			n++
		}
	}
	return n
}

// word gives the columns as one word: of each its presence, then its bits.
func (p packing) word(e *emitter) Reg {
	var parts []Reg
	for _, v := range p {
		if v.present != none {
			parts = append(parts, v.present)
		}
		bits, _ := e.tight(v)
		parts = append(parts, bits)
	}
	return e.cat(parts...)
}

// unpack gives the columns of a word that was moved.
func (p packing) unpack(e *emitter, word Reg) []*value {
	cols := make([]*value, len(p))
	at := 0
	for i, v := range p {
		present := none
		if v.present != none {
			present = e.slice(word, at, 1)
			at++
		}
		w := e.fromBits(v.t, e.slice(word, at, v.width()), v.least(), v.lo, v.hi, present)
		at += v.width()
		cols[i] = w
	}
	return cols
}

// overlay gives one word for the rows of the right and then the left side that
// holds either side's columns; none if neither has any.
func (l *lowering) overlay(left, right *relation, lp, rp packing) Reg {
	width := max(lp.bits(), rp.bits())
	if width == 0 {
		return none
	}
	side := func(p packing, rows int) Reg {
		if len(p) == 0 {
			return l.constant(Shape{Bits: width, Rows: rows}, new(big.Int))
		}
		return l.resize(p.word(l.emitter), width)
	}
	return l.appendRows(side(rp, right.rows), side(lp, left.rows))
}
