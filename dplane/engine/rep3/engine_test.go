package rep3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"joconde"
	"joconde/dplane/engine"
	"joconde/dplane/engine/sharing"
	"joconde/dplane/session"
	"joconde/lang/lower"
)

// smallPlan computes, from a's key (20 bits) and value (12 bits) and b's value
// (20 bits), rows sorted by key: key, a's value, and the sum modulo 2^64 of
// a's value and the product of key and b's value, as 50 bits.
func smallPlan(rows int) engine.Plan {
	bits := func(w int) lower.Shape { return lower.Shape{Bits: w, Rows: rows} }
	ring := lower.Shape{Ring: 64, Rows: rows}
	field := func(r lower.Reg, w int) lower.Field {
		return lower.Field{Reg: r, What: lower.Cell, Column: int(r), Enc: lower.Encoding{Kind: lower.Offset, Bits: w, Lo: "0"}}
	}
	return engine.Plan{
		Rows:  map[string]int{"a.t": rows, "b.t": rows},
		Label: []byte("task 1, attempt 1"),
		Vector: &lower.Vector{
			Format: 1,
			Regs: []lower.Shape{
				0: bits(20), 1: bits(12), 2: bits(20), // inputs
				3: ring, 4: ring, 5: ring, 6: ring, 7: ring, // as elements, product, sum
				8: bits(50), 9: bits(20), 10: bits(12), 11: bits(50), // sorted
			},
			Inputs: []lower.Input{
				{Owner: "a", Rows: rows, Fields: []lower.Field{field(0, 20), field(1, 12)}},
				{Owner: "b", Rows: rows, Fields: []lower.Field{field(2, 20)}},
			},
			Code: []lower.Instr{
				{Op: lower.OpToR, Dst: []lower.Reg{3}, Src: []lower.Reg{0}},
				{Op: lower.OpToR, Dst: []lower.Reg{4}, Src: []lower.Reg{1}},
				{Op: lower.OpToR, Dst: []lower.Reg{5}, Src: []lower.Reg{2}},
				{Op: lower.OpMul, Dst: []lower.Reg{6}, Src: []lower.Reg{3, 5}},
				{Op: lower.OpAdd, Dst: []lower.Reg{7}, Src: []lower.Reg{6, 4}},
				{Op: lower.OpToB, Dst: []lower.Reg{8}, Src: []lower.Reg{7}},
				{Op: lower.OpSort, Dst: []lower.Reg{9, 10, 11}, Src: []lower.Reg{0, 1, 8}},
			},
			Outputs:  []lower.Output{{View: "v", To: []joconde.PartyID{"a"}, Rows: rows, Fields: []lower.Field{field(9, 20), field(10, 12), field(11, 50)}}},
			Openings: []lower.Opening{{Instr: 6, Why: "the order of shuffled rows"}},
		},
	}
}

// smallTables are inputs of smallPlan and the sorted result.
func smallTables(rows int) (in [3]column, want [3]column) {
	in = [3]column{edges(rows, 20), edges(rows, 12), edges(rows, 20)}
	return in, smallResult(in)
}

func smallResult(in [3]column) (want [3]column) {
	order := make([]int, len(in[0]))
	for r := range order {
		order[r] = r
	}
	slices.SortStableFunc(order, func(x, y int) int { return in[0][x].Cmp(in[0][y]) })
	for _, r := range order {
		sum := new(big.Int).Mul(in[0][r], in[2][r])
		want[0], want[1], want[2] = append(want[0], in[0][r]), append(want[1], in[1][r]), append(want[2], sum.Add(sum, in[1][r]))
	}
	return want
}

// splitTables gives each party its parts.
func splitTables(t testing.TB, rows int, in [3]column) (parts [3][][]byte) {
	t.Helper()
	for _, owner := range []struct {
		bits    []int
		columns []column
	}{{[]int{20, 12}, []column{in[0], in[1]}}, {[]int{20}, []column{in[2]}}} {
		var words [][]uint64
		for f, c := range owner.columns {
			words = append(words, planes(c, owner.bits[f]))
		}
		split, err := sharing.Replicated3{}.Split(rows, owner.bits, words)
		if err != nil {
			t.Fatal(err)
		}
		for p := range parts {
			parts[p] = append(parts[p], split[p])
		}
	}
	return parts
}

// runPlans runs plan p at party p.
func runPlans(t testing.TB, plans []engine.Plan, parts [3][][]byte, h [3]hooks, wrap func(p int, s session.Session) session.Session) (out [3][][]byte, errs [3]error) {
	t.Helper()
	errs = sessions(t, wrap, func(ctx context.Context, p int, s session.Session) (err error) {
		out[p], err = run(ctx, plans[p], s, parts[p], nil, h[p])
		return err
	})
	return out, errs
}

func openSmall(t testing.TB, rows int, out [3][][]byte) (got [3]column) {
	t.Helper()
	bits := []int{20, 12, 50}
	words, err := sharing.Replicated3{}.Open(rows, bits, [][]byte{out[0][0], out[1][0], out[2][0]})
	if err != nil {
		t.Fatal(err)
	}
	for f := range bits {
		got[f] = unplanes(words[f], rows, bits[f])
	}
	return got
}

func TestThreePartiesComputeAPlan(t *testing.T) {
	for _, sort := range []string{"", "quick", "radix"} {
		for _, rows := range []int{1, 2, 63, 64, 65, 300} {
			t.Run(fmt.Sprintf("%d rows, sort %q", rows, sort), func(t *testing.T) {
				plan := smallPlan(rows)
				plan.Options.Sort = sort
				in, want := smallTables(rows)
				out, errs := runPlans(t, []engine.Plan{plan, plan, plan}, splitTables(t, rows, in), [3]hooks{}, nil)
				if err := errors.Join(slice(errs)...); err != nil {
					t.Fatal(err)
				}
				got := openSmall(t, rows, out)
				for f := range want {
					equal(t, fmt.Sprintf("field %d", f), got[f], want[f])
				}
			})
		}
	}
}

func TestRunByTheEngineReportsProgress(t *testing.T) {
	plan := smallPlan(10)
	in, _ := smallTables(10)
	parts := splitTables(t, 10, in)
	var done [3][]int
	errs := sessions(t, nil, func(ctx context.Context, p int, s session.Session) error {
		_, err := Engine{}.Run(ctx, plan, s, parts[p], func(d, total int) {
			if total == len(plan.Vector.Code) {
				done[p] = append(done[p], d)
			}
		})
		return err
	})
	if err := errors.Join(slice(errs)...); err != nil {
		t.Fatal(err)
	}
	if len(done[0]) == 0 || done[0][len(done[0])-1] != len(plan.Vector.Code) {
		t.Fatalf("progress was %v", done[0])
	}
}

func TestInconsistentSharesNameTheirOwnerAtEveryNode(t *testing.T) {
	const rows = 20
	plan := smallPlan(rows)
	for _, c := range []struct {
		name  string
		spoil func(parts *[3][][]byte)
		owner joconde.PartyID
	}{
		{"one bit of one component differs", func(parts *[3][][]byte) { parts[1][1][40] ^= 1 }, "b"},
		{"the second component differs", func(parts *[3][][]byte) { b := parts[2][0]; b[len(b)-8] ^= 4 }, "a"},
		{"a part is cut short", func(parts *[3][][]byte) { parts[0][0] = parts[0][0][:100] }, "a"},
		{"a part is of another node", func(parts *[3][][]byte) { parts[0][1], parts[2][1] = parts[2][1], parts[0][1] }, "b"},
		{"a part is empty", func(parts *[3][][]byte) { parts[2][1] = nil }, "b"},
		{"a part has a bit beyond its rows", func(parts *[3][][]byte) { b := parts[2][0]; b[len(b)-1] ^= 4 }, "a"},
		{"a part has the rows of another table", func(parts *[3][][]byte) { parts[0][0][8]++ }, "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, _ := smallTables(rows)
			parts := splitTables(t, rows, in)
			c.spoil(&parts)
			var traces [3]*recorder
			out, errs := runPlans(t, []engine.Plan{plan, plan, plan}, parts, [3]hooks{}, record(&traces))
			for p, err := range errs {
				if out[p] != nil {
					t.Errorf("node %d has outputs", p+1)
				}
				var fault *joconde.Fault
				if !errors.As(err, &fault) || fault.Party != c.owner {
					t.Errorf("node %d says %v, want a fault of %s", p+1, err, c.owner)
				}
				if len(traces[p].rounds) != 4 {
					t.Errorf("node %d made %d rounds; keys and inputs take 4", p+1, len(traces[p].rounds))
				}
			}
		})
	}
}

func TestPartiesWithDifferentPlansStopBeforeAnyShareMoves(t *testing.T) {
	const rows = 20
	for _, c := range []struct {
		name   string
		change func(*engine.Plan)
	}{
		{"another label", func(p *engine.Plan) { p.Label = []byte("task 1, attempt 2") }},
		{"another sort", func(p *engine.Plan) { p.Options.Sort = "radix" }},
		{"other row bounds", func(p *engine.Plan) { p.Rows = map[string]int{"a.t": rows, "b.t": rows + 1} }},
		{"another instruction", func(p *engine.Plan) { p.Vector.Code[4].Op = lower.OpSub }},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, other := smallPlan(rows), smallPlan(rows)
			c.change(&other)
			in, _ := smallTables(rows)
			var traces [3]*recorder
			_, errs := runPlans(t, []engine.Plan{plan, other, plan}, splitTables(t, rows, in), [3]hooks{}, record(&traces))
			for p, want := range [3][]joconde.PartyID{{"node-2"}, {"node-1", "node-3"}, {"node-2"}} {
				var fault *joconde.Fault
				if !errors.As(errs[p], &fault) || !slices.Contains(want, fault.Party) || !strings.Contains(errs[p].Error(), "another plan") {
					t.Errorf("node %d says %v, want that one of %v runs another plan", p+1, errs[p], want)
				}
				if len(traces[p].rounds) != 2 {
					t.Errorf("node %d made %d rounds; keys take 2", p+1, len(traces[p].rounds))
				}
			}
		})
	}
}

// A party in the middle that changes a contribution on its way cannot be made
// by a passive peer; the test changes the bytes of the first round.
func TestPartiesWithDifferentKeysStopBeforeAnyShareMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		byte int
		says [3]string
	}{
		{"the key of two", 0, [3]string{"node-2: does not hold", "node-1: does not hold", ""}},
		{"the key of all three", contribution, [3]string{"each of the two peers does not hold", "node-1: does not hold", "node-1: does not hold"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			errs := three(t, [3]hooks{}, func(p int, s session.Session) session.Session {
				if p != 1 {
					return s
				}
				return &spoiler{Session: s, peer: 0, byte: c.byte}
			}, func(_ context.Context, p *party) error {
				if p.me == 2 && c.byte == 0 {
					return nil // it holds both its keys, and would be left alone by the others
				}
				return errors.New("the keys were accepted")
			})
			for p, err := range errs {
				if (err == nil) != (c.says[p] == "") || err != nil && !strings.Contains(err.Error(), c.says[p]) {
					t.Errorf("node %d says %v, want %q", p+1, err, c.says[p])
				}
			}
		})
	}
}

// spoiler changes one byte that its party sends to peer in the first round.
type spoiler struct {
	session.Session
	peer, byte int
	done       bool
}

func (s *spoiler) Exchange(ctx context.Context, out, in [][]byte) error {
	if !s.done {
		s.done = true
		changed := [][]byte{nil, nil, nil}
		for p := range out {
			changed[p] = bytes.Clone(out[p])
		}
		changed[s.peer][s.byte] ^= 1
		out = changed
	}
	return s.Session.Exchange(ctx, out, in)
}

func TestCheckNamesEachKindOfOpeningOnce(t *testing.T) {
	plan := smallPlan(10)
	got, err := Engine{}.Check(plan)
	if err != nil || len(got) != 1 || got[0].What != "the order of shuffled rows" || got[0].Why == "" {
		t.Fatalf("got %v, %v", got, err)
	}
	plan.Vector.Code = append(plan.Vector.Code, plan.Vector.Code[6])
	plan.Vector.Regs = append(plan.Vector.Regs, plan.Vector.Regs[9:12]...)
	plan.Vector.Code[7].Dst = []lower.Reg{12, 13, 14}
	plan.Vector.Openings = append(plan.Vector.Openings, lower.Opening{Instr: 7, Why: "the order of shuffled rows"})
	if got, err = (Engine{}).Check(plan); err != nil || len(got) != 1 {
		t.Fatalf("two sorts of one node: got %v, %v", got, err)
	}
	plan.Vector.Code[7].Node, plan.Vector.Openings[1].Node = 3, 3
	if got, err = (Engine{}).Check(plan); err != nil || len(got) != 2 || got[1].Node != 3 {
		t.Fatalf("sorts of two nodes: got %v, %v", got, err)
	}
}

func TestCheckRefusesWhatCannotRun(t *testing.T) {
	for name, change := range map[string]func(*engine.Plan){
		"no vector program":     func(p *engine.Plan) { p.Vector = nil },
		"an unknown sort":       func(p *engine.Plan) { p.Options.Sort = "bogo" },
		"a register twice":      func(p *engine.Plan) { p.Vector.Code[1].Dst = []lower.Reg{3} },
		"an undeclared opening": func(p *engine.Plan) { p.Vector.Openings = nil },
	} {
		t.Run(name, func(t *testing.T) {
			plan := smallPlan(10)
			change(&plan)
			if _, err := (Engine{}).Check(plan); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestOtherNumbersOfPartiesAreRefused(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		all := session.Pipe(n)
		_, err := Engine{}.Run(t.Context(), smallPlan(10), all[0], [][]byte{nil, nil}, nil)
		if err == nil || !strings.Contains(err.Error(), "three parties") {
			t.Errorf("of %d parties: %v", n, err)
		}
		for _, s := range all {
			_ = s.Close()
		}
	}
}

func TestOutputsThatShareARegisterAreMaskedApart(t *testing.T) {
	const rows = 64
	plan := smallPlan(rows)
	plan.Vector.Outputs = append(plan.Vector.Outputs, plan.Vector.Outputs[0])
	in, _ := smallTables(rows)
	out, errs := runPlans(t, []engine.Plan{plan, plan, plan}, splitTables(t, rows, in), [3]hooks{}, nil)
	if err := errors.Join(slice(errs)...); err != nil {
		t.Fatal(err)
	}
	first, _ := sharing.ParsePart(out[0][0])
	second, _ := sharing.ParsePart(out[0][1])
	for f := range first.C {
		for c := range 2 {
			for i := range first.C[f][c] {
				if first.C[f][c][i] == second.C[f][c][i] {
					t.Fatalf("field %d, component %d, word %d is the same in both outputs", f, c, i)
				}
			}
		}
	}
}
