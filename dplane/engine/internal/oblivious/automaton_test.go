package oblivious

import (
	"context"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"sort"
	"testing"

	"joconde/dplane/engine"
	"joconde/lang/lower"

	"pgregory.net/rapid"
)

// These tests hold the claim of the package: the messages are a function of the
// plan and of the bits opened so far, and what is opened has a distribution
// that does not depend on the data.

// ranks gives each row's place in a stable sort.
func ranks(keys []*big.Int) []int {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return keys[i].Cmp(keys[j]) })
	out := make([]int, len(keys))
	for place, row := range order {
		out[row] = place
	}
	return out
}

func TestSortOfRowsWithTheSameRanksAfterShufflingSendsAndOpensTheSame(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(2, 300).Draw(rt, "rows")
		s := newStream(rapid.Uint64().Draw(rt, "seed"))
		first, second := s.numbers(n, 1+s.below(9)), s.numbers(n, 9)
		one := s.permutation(n)
		// The second permutation brings to each place the row of the same rank.
		rankOf, rowOf := ranks(first), make([]int, n)
		for row, rank := range ranks(second) {
			rowOf[rank] = row
		}
		two := make([]int32, n)
		for place, row := range one {
			two[place] = int32(rowOf[rankOf[row]])
		}
		runs := []*plain{}
		for i, keys := range [][]*big.Int{first, second} {
			p := &plain{permute: func(int) []int32 { return [][]int32{one, two}[i] }}
			if _, err := sortRows(context.Background(), p, 0, p.share(9, keys), columns{[]Bits{p.share(9, s.numbers(n, 9))}, nil}); err != nil {
				rt.Fatal(err)
			}
			runs = append(runs, p)
		}
		if !slices.Equal(runs[0].trace, runs[1].trace) {
			rt.Fatalf("messages differ:\n%v\n%v", runs[0].trace, runs[1].trace)
		}
		if !slices.EqualFunc(runs[0].opened, runs[1].opened, slices.Equal) {
			rt.Fatal("opened bits differ")
		}
	})
}

// inputs are kinds of columns that an onlooker would love to tell apart.
var inputs = []struct {
	name string
	key  func(s *stream, i, n int) int
}{
	{"sorted", func(_ *stream, i, _ int) int { return i }},
	{"reversed", func(_ *stream, i, n int) int { return n - i }},
	{"all equal", func(*stream, int, int) int { return 7 }},
	{"random", func(s *stream, _, n int) int { return s.below(n) }},
}

// observe sorts many times and gives statistics of what is opened.
func observe(t *testing.T, kind int, n, runs int, permute func(s *stream) func(int) []int32) map[string][]float64 {
	seen := map[string][]float64{}
	for run := range runs {
		s := newStream(uint64(1_000_000*(kind+1) + run))
		keys := make([]*big.Int, n)
		for i := range keys {
			keys[i] = big.NewInt(int64(inputs[kind].key(s, i, n)))
		}
		p := &plain{permute: permute(s)}
		if _, err := sortRows(t.Context(), p, 0, p.share(9, keys), columns{}); err != nil {
			t.Fatal(err)
		}
		ones, size := 0, 0
		for i, opened := range p.opened {
			size += p.sizes[i]
			for _, word := range opened {
				ones += bits.OnesCount64(word)
			}
		}
		first := 0
		for _, word := range p.opened[0] {
			first += bits.OnesCount64(word)
		}
		seen["bits opened"] = append(seen["bits opened"], float64(size))
		seen["share of ones"] = append(seen["share of ones"], float64(ones)/float64(size))
		seen["ones in the first opening"] = append(seen["ones in the first opening"], float64(first))
		seen["openings"] = append(seen["openings"], float64(len(p.opened)))
		seen["first bit"] = append(seen["first bit"], float64(p.opened[0][0]&1))
	}
	return seen
}

// distance is the statistic of Kolmogorov and Smirnov for two samples: the
// greatest distance of their distribution functions.
func distance(x, y []float64) float64 {
	x, y = slices.Clone(x), slices.Clone(y)
	sort.Float64s(x)
	sort.Float64s(y)
	greatest := 0.0
	for _, at := range append(slices.Clone(x), y...) {
		below := func(z []float64) float64 {
			return float64(sort.Search(len(z), func(i int) bool { return z[i] > at })) / float64(len(z))
		}
		greatest = max(greatest, math.Abs(below(x)-below(y)))
	}
	return greatest
}

// runsObserved sorts of each kind of input, and the distance that two samples
// of one distribution exceed with probability 2·10^-5 (less where values
// repeat). There are 30 comparisons, so all hold with probability 0.999.
const runsObserved = 1000

var threshold = math.Sqrt(-math.Log(1e-5)/2) * math.Sqrt(2.0/runsObserved)

func TestWhatASortOpensIsDistributedAlikeForEveryInput(t *testing.T) {
	honest := func(s *stream) func(int) []int32 { return s.permutation }
	seen := make([]map[string][]float64, len(inputs))
	for kind := range inputs {
		seen[kind] = observe(t, kind, 100, runsObserved, honest)
	}
	for i := range inputs {
		for j := range i {
			for statistic := range seen[i] {
				d := distance(seen[i][statistic], seen[j][statistic])
				t.Logf("%s, %s and %s: %.3f", statistic, inputs[i].name, inputs[j].name, d)
				if d > threshold {
					t.Errorf("%s tells %s from %s: distance %.3f above %.3f", statistic, inputs[i].name, inputs[j].name, d, threshold)
				}
			}
		}
	}
}

func TestTheSameStatisticsNoticeASortThatDoesNotShuffle(t *testing.T) {
	lazy := func(*stream) func(int) []int32 { return nil }
	sorted, random := observe(t, 0, 100, runsObserved, lazy), observe(t, 3, 100, runsObserved, lazy)
	for _, statistic := range []string{"bits opened", "ones in the first opening", "share of ones"} {
		if d := distance(sorted[statistic], random[statistic]); d < 0.9 {
			t.Errorf("%s: distance %.3f between sorted and random rows that nobody shuffled", statistic, d)
		}
	}
}

// uniform runs a test of chi-square at a probability of 10^-5 on the opened
// permutations of 4 rows.
func wantUniform(t *testing.T, what string, counts map[[4]uint64]int, runs int) {
	t.Helper()
	chi, expected := 0.0, float64(runs)/24
	for _, count := range counts {
		chi += (float64(count) - expected) * (float64(count) - expected) / expected
	}
	chi += float64(24-len(counts)) * expected
	if len(counts) > 24 || chi > 63.0 { // 23 degrees of freedom
		t.Errorf("%s: %d permutations, chi-square %.1f", what, len(counts), chi)
	}
}

func TestPartitionAndRadixSortOpenUniformPermutations(t *testing.T) {
	const runs = 4800
	for _, mask := range []int{0, 1, 5, 10, 12, 15} { // which rows have the bit
		places, passes := map[[4]uint64]int{}, make([]map[[4]uint64]int, 4)
		for i := range passes {
			passes[i] = map[[4]uint64]int{}
		}
		for run := range runs {
			s := newStream(uint64(mask*runs + run))
			one, key := make([]*big.Int, 4), make([]*big.Int, 4)
			for i := range one {
				one[i], key[i] = big.NewInt(int64(mask>>i&1)), big.NewInt(int64(mask>>i&1*3))
			}
			p := &plain{permute: s.permutation}
			if _, err := partition(t.Context(), p, 0, p.share(1, one), columns{}, 4); err != nil {
				t.Fatal(err)
			}
			places[[4]uint64(p.opened[0])]++
			p = &plain{permute: s.permutation}
			if _, err := radixSort(t.Context(), p, 0, p.share(2, key), columns{}); err != nil {
				t.Fatal(err)
			}
			for i, opened := range p.opened { // two passes, and two permutations at the end
				if i >= 2 {
					opened = PlanesToRows(opened, 4, 2)
				}
				passes[i][[4]uint64(opened)]++
			}
		}
		wantUniform(t, "partition", places, runs)
		for _, counts := range passes {
			wantUniform(t, "radix sort", counts, runs)
		}
	}
}

// program is a vector program of one instruction on registers of these shapes.
func program(in lower.Instr, dst, src []lower.Shape) *lower.Vector {
	v := &lower.Vector{Format: 1, Regs: append(slices.Clone(src), dst...)}
	for i, s := range src {
		in.Src = append(in.Src, lower.Reg(i))
		if s.Ring > 0 { // inputs are bits: convert
			v.Regs = append(v.Regs, lower.Shape{Bits: s.Ring, Rows: s.Rows})
			from := lower.Reg(len(v.Regs) - 1)
			v.Inputs = append(v.Inputs, lower.Input{Rows: s.Rows, Fields: field(from, s.Ring)})
			v.Code = append(v.Code, lower.Instr{Op: lower.OpToR, Dst: []lower.Reg{lower.Reg(i)}, Src: []lower.Reg{from}})
		} else {
			v.Inputs = append(v.Inputs, lower.Input{Rows: s.Rows, Fields: field(lower.Reg(i), s.Bits)})
		}
	}
	for i := range dst {
		in.Dst = append(in.Dst, lower.Reg(len(src)+i))
	}
	if in.Op == lower.OpSort || in.Op == lower.OpPartition {
		v.Openings = append(v.Openings, lower.Opening{Instr: len(v.Code)})
	}
	v.Code = append(v.Code, in)
	for i, s := range dst {
		reg := in.Dst[i]
		if s.Ring > 0 {
			v.Regs = append(v.Regs, lower.Shape{Bits: s.Ring, Rows: s.Rows})
			to := lower.Reg(len(v.Regs) - 1)
			v.Code = append(v.Code, lower.Instr{Op: lower.OpToB, Dst: []lower.Reg{to}, Src: []lower.Reg{reg}})
			reg, s = to, lower.Shape{Bits: s.Ring, Rows: s.Rows}
		}
		v.Outputs = append(v.Outputs, lower.Output{Rows: s.Rows, Fields: field(reg, s.Bits)})
	}
	return v
}

// runProgram runs it on numbers, one list for each source.
func runProgram(p *plain, v *lower.Vector, opt engine.Options, src [][]*big.Int) ([][]*big.Int, error) {
	in := map[lower.Reg]Bits{}
	for i, input := range v.Inputs {
		f := input.Fields[0]
		in[f.Reg] = p.share(f.Enc.Bits, src[i])
	}
	got, err := Run(context.Background(), p, v, opt, in, nil)
	if err != nil {
		return nil, err
	}
	var out [][]*big.Int
	for _, o := range v.Outputs {
		out = append(out, p.value(got[o.Fields[0].Reg]))
	}
	return out, nil
}

func TestMessagesOfEveryOperationAreTheSameForAllInputsOfEqualBounds(t *testing.T) {
	for _, op := range allOperations {
		for _, order := range []string{"quick", "radix"} {
			if order == "quick" && op == lower.OpSort || order == "radix" && op != lower.OpSort {
				continue
			}
			t.Run(string(op), rapid.MakeCheck(func(rt *rapid.T) {
				s := newStream(rapid.Uint64().Draw(rt, "seed"))
				in, dst, src := anyInstr(s, op)
				v := program(in, dst, src)
				var traces [2][]string
				for i := range traces {
					numbers := make([][]*big.Int, len(src))
					for k, shape := range src {
						numbers[k] = s.numbers(shape.Rows, shape.Bits+shape.Ring)
					}
					p := &plain{permute: s.permutation}
					if _, err := runProgram(p, v, engine.Options{Sort: order}, numbers); err != nil {
						rt.Fatal(err)
					}
					traces[i] = p.trace
				}
				if !slices.Equal(traces[0], traces[1]) {
					rt.Fatalf("messages differ:\n%v\n%v", traces[0], traces[1])
				}
			}))
		}
	}
}
