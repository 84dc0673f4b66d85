package rep3

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"joconde/dplane/engine"
	"joconde/dplane/engine/internal/oblivious"
	"joconde/dplane/session"
)

// recorder keeps what one party sends and expects.
type recorder struct {
	session.Session
	rounds []round
}

type round struct {
	opening int // -1: none
	out     [3][]byte
	in      [3]int
}

// record wraps every session in a recorder.
func record(to *[3]*recorder) func(p int, s session.Session) session.Session {
	return func(p int, s session.Session) session.Session {
		to[p] = &recorder{Session: s}
		return to[p]
	}
}

func (r *recorder) note(opening int, out, in [][]byte) {
	n := round{opening: opening}
	for p := range out {
		n.out[p], n.in[p] = bytes.Clone(out[p]), len(in[p])
	}
	r.rounds = append(r.rounds, n)
}

func (r *recorder) Exchange(ctx context.Context, out, in [][]byte) error {
	r.note(-1, out, in)
	return r.Session.Exchange(ctx, out, in)
}

func (r *recorder) Open(ctx context.Context, opening int, out, in [][]byte) error {
	r.note(opening, out, in)
	return r.Session.Open(ctx, opening, out, in)
}

// trace is the form of the traffic without its contents.
func (r *recorder) trace() string {
	var b strings.Builder
	for _, n := range r.rounds {
		fmt.Fprintf(&b, "%d:", n.opening)
		for p := range n.out {
			fmt.Fprintf(&b, " %d/%d", len(n.out[p]), n.in[p])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// words are the whole 64-bit words of what was sent since round from.
func (r *recorder) words(from int) (all []uint64) {
	for _, n := range r.rounds[from:] {
		for _, message := range n.out {
			for ; len(message) >= 8; message = message[8:] {
				all = append(all, binary.LittleEndian.Uint64(message))
			}
		}
	}
	return all
}

// everyPrimitive uses all primitives that send shares masked.
func everyPrimitive(ctx context.Context, p *party, x, y []Bits, u, v []Ring) error {
	i := p.me
	if _, err := p.And(ctx, []Bits{x[i]}, []Bits{y[i]}); err != nil {
		return err
	}
	if _, err := p.Mul(ctx, []Ring{u[i]}, []Ring{v[i]}); err != nil {
		return err
	}
	if _, err := p.ToBits(ctx, []Ring{u[i]}, []int{64}); err != nil {
		return err
	}
	if _, err := p.ToRing(ctx, []Bits{x[i], x[i].Slice(0, 1)}, []int{64, 64}); err != nil {
		return err
	}
	_, _, err := p.Shuffle(ctx, []Bits{x[i]}, []Ring{u[i]})
	return err
}

func TestTwoRunsOnTheSameSharesSendNothingAlike(t *testing.T) {
	const n = 640 // whole words, so that every word sent is 64 masked bits
	zeros := make(column, n)
	for r := range zeros {
		zeros[r] = big.NewInt(0)
	}
	for name, c := range map[string]column{"edge values": edges(n, 64), "zeros": zeros} {
		t.Run(name, func(t *testing.T) {
			x, y, u, v := splitBits(c, 64), splitBits(c, 64), splitRing(c, 64), splitRing(c, 64)
			clearValues := map[uint64]bool{}
			for _, value := range c {
				clearValues[value.Uint64()] = true
			}
			seen := map[uint64]string{}
			for attempt := range 2 {
				var traces [3]*recorder
				errs := three(t, [3]hooks{}, record(&traces), func(ctx context.Context, p *party) error {
					return everyPrimitive(ctx, p, x, y, u, v)
				})
				if err := errors.Join(slice(errs)...); err != nil {
					t.Fatal(err)
				}
				for p, r := range traces {
					words := r.words(2) // after the keys
					if len(words) < 10*n {
						t.Fatalf("node %d sent %d words only", p+1, len(words))
					}
					for _, word := range words {
						here := fmt.Sprintf("attempt %d, node %d", attempt+1, p+1)
						if before, again := seen[word]; again {
							t.Fatalf("one word was sent in %s and in %s", before, here)
						}
						if clearValues[word] {
							t.Fatalf("a value was sent in %s", here)
						}
						seen[word] = here
					}
				}
			}
		})
	}
}

func TestResultsAreFreshShares(t *testing.T) {
	const n = 640
	c := edges(n, 64)
	x, u := splitBits(c, 64), splitRing(c, 64)
	bits, rings := trios[Bits](2), trios[Ring](3)
	together(t, func(ctx context.Context, p *party) error {
		i := p.me
		and, err := p.And(ctx, []Bits{x[i]}, []Bits{x[i]})
		if err != nil {
			return err
		}
		mul, err := p.Mul(ctx, []Ring{u[i]}, []Ring{u[i]})
		if err != nil {
			return err
		}
		ring, err := p.ToRing(ctx, []Bits{x[i]}, []int{64})
		if err != nil {
			return err
		}
		moved, movedRings, err := p.Shuffle(ctx, and, mul)
		put(bits, i, append(and, moved...))
		put(rings, i, append(append(mul, ring...), movedRings...))
		return err
	})
	var all []uint64
	for _, b := range bits {
		value := planes(joinBits(t, b), 64)
		for p := range 3 {
			fresh(t, "bits", b[p].C[0], value)
			all = append(all, b[p].C[0]...)
		}
	}
	for _, r := range rings {
		value := ringWords(joinRing(t, r), 64)
		for p := range 3 {
			fresh(t, "elements", r[p].C[0], value)
			all = append(all, r[p].C[0]...)
		}
	}
	slices.Sort(all)
	if len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Fatal("a word stands in two components")
	}
}

func fresh(t *testing.T, what string, component, value []uint64) {
	t.Helper()
	for i := range component {
		if component[i] == value[i] || component[i] == 0 {
			t.Fatalf("%s: word %d of a component is zero or equals its value", what, i)
		}
	}
}

// ledger records every use of a key by one party, and fails on the second.
type ledger struct {
	mu   sync.Mutex
	used map[[32]byte]uint64 // up to where
	err  error
}

func (l *ledger) audit(key [32]byte, from, to uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used == nil {
		l.used = map[[32]byte]uint64{}
	}
	if end, known := l.used[key]; known && from < end {
		l.err = fmt.Errorf("bytes %d … %d of a key's stream were drawn twice", from, end)
	} else if !known && from != 0 {
		l.err = fmt.Errorf("a stream began at byte %d", from)
	}
	l.used[key] = to
}

func TestNoKeyAndCounterIsUsedTwice(t *testing.T) {
	const rows = 200
	plan := smallPlan(rows)
	in, _ := smallTables(rows)
	parts := splitTables(t, rows, in)
	var earlier [3]map[[32]byte]uint64
	for attempt := range 2 {
		var ledgers [3]ledger
		var h [3]hooks
		for p := range h {
			h[p].audit = ledgers[p].audit
		}
		if _, errs := runPlans(t, []engine.Plan{plan, plan, plan}, parts, h, nil); errors.Join(slice(errs)...) != nil {
			t.Fatal(errs)
		}
		for p := range ledgers {
			if ledgers[p].err != nil {
				t.Errorf("node %d: %v", p+1, ledgers[p].err)
			}
			if len(ledgers[p].used) < 20 {
				t.Errorf("node %d used %d keys only: the audit does not see them", p+1, len(ledgers[p].used))
			}
			for key, end := range ledgers[p].used {
				if _, again := earlier[p][key]; again {
					t.Errorf("node %d: attempt %d uses a key of the one before", p+1, attempt+1)
				}
				// Each key is known to two or three parties, and all draw alike.
				holders := 0
				for q := range ledgers {
					if other, ok := ledgers[q].used[key]; ok {
						holders++
						if other != end {
							t.Errorf("nodes %d and %d drew different amounts from one key", p+1, q+1)
						}
					}
				}
				if holders < 2 {
					t.Errorf("node %d drew from a key that nobody else knows", p+1)
				}
			}
			earlier[p] = ledgers[p].used
		}
	}
}

func TestPartiesOutOfStepAreFoundBeforeOutputs(t *testing.T) {
	c := edges(100, 32)
	x := splitBits(c, 32)
	for _, story := range []struct {
		name string
		slip func(p *party)
	}{
		{"a step too many", func(p *party) { p.advance() }},
		{"a stream too many", func(p *party) { p.stream(p.me, p.advance(), "and").Uint64() }},
		{"a step under another name", func(p *party) { p.stream(p.next, p.advance(), "mul") }},
	} {
		for culprit := range 3 {
			t.Run(fmt.Sprintf("%s at node %d", story.name, culprit+1), func(t *testing.T) {
				errs := three(t, [3]hooks{}, nil, func(ctx context.Context, p *party) error {
					if p.me == culprit {
						story.slip(p)
					}
					if _, err := p.And(ctx, []Bits{x[p.me]}, []Bits{x[p.me]}); err != nil {
						return err
					}
					return p.Check(ctx)
				})
				found := 0
				for _, err := range errs {
					if err != nil && strings.Contains(err.Error(), "other randomness") {
						found++
					}
				}
				if found < 2 || errs[culprit] == nil {
					t.Fatalf("%d parties found it: %v", found, errs)
				}
			})
		}
	}
	t.Run("and parties in step are not accused", func(t *testing.T) {
		together(t, func(ctx context.Context, p *party) error {
			for range 3 {
				if _, err := p.And(ctx, []Bits{x[p.me]}, []Bits{x[p.me]}); err != nil {
					return err
				}
				if err := p.Check(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func TestMessagesDependOnShapesAlone(t *testing.T) {
	const n = 130
	zeros := make(column, n)
	for r := range zeros {
		zeros[r] = big.NewInt(0)
	}
	var before [3]string
	for attempt, c := range []column{edges(n, 64), zeros} {
		x, u := splitBits(c, 64), splitRing(c, 64)
		var traces [3]*recorder
		errs := three(t, [3]hooks{}, record(&traces), func(ctx context.Context, p *party) error {
			return everyPrimitive(ctx, p, x, x, u, u)
		})
		if err := errors.Join(slice(errs)...); err != nil {
			t.Fatal(err)
		}
		for p := range traces {
			if attempt > 0 && traces[p].trace() != before[p] {
				t.Errorf("node %d sends other messages for other data", p+1)
			}
			before[p] = traces[p].trace()
		}
	}
}

// With the same ranks after the shuffle, the sort opens the same bits and so
// sends the same messages, whatever the keys are.
func TestASortOfEqualRanksSendsEqualMessages(t *testing.T) {
	const rows = 200
	plan := smallPlan(rows)
	identity := make([]uint32, rows)
	for r := range identity {
		identity[r] = uint32(r)
	}
	ranked := func(in [3]column) func(uint64, int, int) []uint32 {
		// After the shuffle row r shall be the one of rank 7r mod rows.
		order := make([]uint32, rows)
		copy(order, identity)
		slices.SortStableFunc(order, func(x, y uint32) int { return in[0][x].Cmp(in[0][y]) })
		chosen := make([]uint32, rows)
		for r := range chosen {
			chosen[r] = order[7*r%rows]
		}
		return func(_ uint64, pass, _ int) []uint32 {
			if pass == 0 {
				return chosen
			}
			return identity
		}
	}
	var before [3]string
	var openedBefore [][]byte
	for attempt := range 3 {
		in, want := smallTables(rows)
		if attempt == 2 { // all keys alike: ties are broken by the row number
			for r := range in[0] {
				in[0][r] = big.NewInt(5)
			}
			want = smallResult(in)
		}
		permute := ranked(in)
		h := [3]hooks{{permute: permute}, {permute: permute}, {permute: permute}}
		var traces [3]*recorder
		out, errs := runPlans(t, []engine.Plan{plan, plan, plan}, splitTables(t, rows, in), h, record(&traces))
		if err := errors.Join(slice(errs)...); err != nil {
			t.Fatal(err)
		}
		got := openSmall(t, rows, out)
		for f := range want {
			equal(t, fmt.Sprintf("field %d", f), got[f], want[f])
		}
		opened := openedBits(traces)
		for p := range traces {
			if attempt > 0 && traces[p].trace() != before[p] {
				t.Errorf("node %d sends other messages", p+1)
			}
			before[p] = traces[p].trace()
		}
		if attempt > 0 && !slices.EqualFunc(opened, openedBefore, bytes.Equal) {
			t.Error("other bits are opened")
		}
		openedBefore = opened
		if len(opened) == 0 {
			t.Error("nothing was opened")
		}
	}
}

// openedBits are the values of all openings: each party sent its first
// component.
func openedBits(traces [3]*recorder) (all [][]byte) {
	for i, n := range traces[0].rounds {
		if n.opening < 0 {
			continue
		}
		value := bytes.Clone(n.out[1])
		for k := range value {
			value[k] ^= traces[1].rounds[i].out[2][k] ^ traces[2].rounds[i].out[0][k]
		}
		all = append(all, value)
	}
	return all
}

func TestEveryPlaceOfAShuffleIsEquallyLikely(t *testing.T) {
	const n, runs = 8, 6000
	order := make(column, n)
	for r := range order {
		order[r] = big.NewInt(int64(r))
	}
	x := splitBits(order, 3)
	var places [n][n]int
	var firstTwo [n * n]int
	together(t, func(ctx context.Context, p *party) error {
		for range runs {
			moved, _, err := p.Shuffle(ctx, []Bits{x[p.me]}, nil)
			if err != nil {
				return err
			}
			opened, err := p.OpenBits(ctx, 0, moved)
			if err != nil {
				return err
			}
			if p.me == 0 {
				rows := oblivious.PlanesToRows(opened[0], n, 3)
				for r, from := range rows {
					places[r][from]++
				}
				firstTwo[n*rows[0]+rows[1]]++
			}
		}
		return nil
	})
	for r := range places {
		likely(t, fmt.Sprintf("place %d", r), places[r][:], runs)
	}
	var pairs []int
	for i, count := range firstTwo {
		if i/n != i%n {
			pairs = append(pairs, count)
		}
	}
	likely(t, "the first two places", pairs, runs)
}

// likely is Pearson's chi-square test against equal probabilities, by the
// approximation of Wilson and Hilferty. The limit is passed by chance about
// once in three million tests.
func likely(t *testing.T, what string, counts []int, runs int) {
	t.Helper()
	expected := float64(runs) / float64(len(counts))
	chi2 := 0.0
	for _, count := range counts {
		chi2 += (float64(count) - expected) * (float64(count) - expected) / expected
	}
	df := float64(len(counts) - 1)
	z := (math.Cbrt(chi2/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
	if z > 5 {
		t.Errorf("%s: chi-square %.1f with %.0f degrees of freedom, %.1f standard deviations too much", what, chi2, df, z)
	}
}
