package prg

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func source(t testing.TB, secret, label, engine string, subset []int, audit Audit) *Source {
	t.Helper()
	s, err := New([]byte(secret), []byte(label), engine, subset, audit)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fixed(t testing.TB) *Source {
	return source(t, "a secret of the tests, not of anybody", "task", "rep3", []int{0, 1}, nil)
}

func TestHoldersOfASecretDrawAlike(t *testing.T) {
	one, other := fixed(t), fixed(t)
	for step := uint64(1); step < 50; step += 3 {
		n := int(step * 41)
		x, y := make([]uint64, n), make([]uint64, n)
		one.Stream(step, "and", "x").Fill(x)
		other.Stream(step, "and", "x").Fill(y)
		if !slices.Equal(x, y) {
			t.Fatalf("step %d differs", step)
		}
	}
	if one.Usage() != other.Usage() {
		t.Fatal("usages differ")
	}
}

func TestStreamsThatDifferInAnythingHaveOtherKeys(t *testing.T) {
	draw := func(s *Source, step uint64, path, direction string) [4]uint64 {
		var w [4]uint64
		s.Stream(step, path, direction).Fill(w[:])
		return w
	}
	base := func() *Source { return fixed(t) }
	const secret = "a secret of the tests, not of anybody"
	seen := map[[4]uint64]string{}
	for name, w := range map[string][4]uint64{
		"base":                  draw(base(), 1, "and", "x"),
		"another secret":        draw(source(t, secret+"!", "task", "rep3", []int{0, 1}, nil), 1, "and", "x"),
		"another label":         draw(source(t, secret, "task2", "rep3", []int{0, 1}, nil), 1, "and", "x"),
		"another engine":        draw(source(t, secret, "task", "rep4", []int{0, 1}, nil), 1, "and", "x"),
		"another subset":        draw(source(t, secret, "task", "rep3", []int{0, 2}, nil), 1, "and", "x"),
		"a larger subset":       draw(source(t, secret, "task", "rep3", []int{0, 1, 2}, nil), 1, "and", "x"),
		"another step":          draw(base(), 2, "and", "x"),
		"another path":          draw(base(), 1, "mul", "x"),
		"another direction":     draw(base(), 1, "and", "y"),
		"text moved to its end": draw(base(), 1, "an", "dx"),
		"label and engine run":  draw(source(t, secret, "taskr", "ep3", []int{0, 1}, nil), 1, "and", "x"),
	} {
		if other, again := seen[w]; again {
			t.Errorf("%s gives the stream of %s", name, other)
		}
		seen[w] = name
	}
}

func TestInfoIsUnambiguous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SliceOf(rapid.Byte()))
		x, y := parts.Draw(t, "x"), parts.Draw(t, "y")
		if slices.EqualFunc(x, y, bytes.Equal) != bytes.Equal(Info(x...), Info(y...)) {
			t.Fatalf("%v and %v", x, y)
		}
	})
}

// The stream is AES-CTR from counter 0, little-endian words, whatever the
// sizes in which it is drawn.
func TestAStreamIsTheKeyStreamFromCounterZero(t *testing.T) {
	s := fixed(t)
	name := Info([]byte("and"), binary.BigEndian.AppendUint64(nil, 1), []byte("x"))
	block, err := aes.NewCipher(s.expand(name, 32))
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 8*10_000)
	cipher.NewCTR(block, make([]byte, 16)).XORKeyStream(want, want)
	stream := s.Stream(1, "and", "x")
	at := 0
	for _, n := range []int{0, 1, 2, 3, 1023, 1024, 1025, 0, 5000} {
		got := make([]uint64, n)
		if n%2 == 0 {
			stream.Fill(got)
		} else {
			stream.Xor(got) // onto zeros
		}
		for i, word := range got {
			if word != binary.LittleEndian.Uint64(want[8*(at+i):]) {
				t.Fatalf("word %d differs", at+i)
			}
		}
		at += n
	}
}

func TestXorAddsTheStream(t *testing.T) {
	x, y := make([]uint64, 3000), make([]uint64, 3000)
	fixed(t).Stream(1, "and", "x").Fill(x)
	for i := range y {
		y[i] = uint64(i)
	}
	fixed(t).Stream(1, "and", "x").Xor(y)
	for i := range y {
		if y[i] != x[i]^uint64(i) {
			t.Fatalf("word %d", i)
		}
	}
}

func TestAStepNeverComesTwice(t *testing.T) {
	for _, steps := range [][2]uint64{{5, 5}, {5, 4}, {1, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("step %d was given after step %d", steps[1], steps[0])
				}
			}()
			s := fixed(t)
			s.Stream(steps[0], "and", "x")
			s.Stream(steps[1], "mul", "y")
		}()
	}
}

func TestAWipedSourceGivesNothing(t *testing.T) {
	for name, use := range map[string]func(*Source){
		"stream": func(s *Source) { s.Stream(1, "and", "x") },
		"tag":    func(s *Source) { s.Tag("setup", nil) },
		"key":    func(s *Source) { s.Key("inputs") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a wiped source gave a %s", name)
				}
			}()
			s := fixed(t)
			prk := s.prk
			s.Wipe()
			if !bytes.Equal(prk, make([]byte, len(prk))) {
				t.Error("the secret is still there")
			}
			use(s)
		}()
	}
}

func TestASourceDoesNotPrintItsSecret(t *testing.T) {
	for _, form := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(form, fixed(t)); got != "prg.Source" {
			t.Errorf("%s prints %q", form, got)
		}
	}
}

func TestUsageTellsEveryDifference(t *testing.T) {
	usage := func(use func(s *Source)) [32]byte {
		s := fixed(t)
		use(s)
		return s.Usage()
	}
	var w [3]uint64
	seen := map[[32]byte]string{}
	for name, u := range map[string][32]byte{
		"nothing":      usage(func(*Source) {}),
		"one stream":   usage(func(s *Source) { s.Stream(1, "and", "x") }),
		"another step": usage(func(s *Source) { s.Stream(2, "and", "x") }),
		"another path": usage(func(s *Source) { s.Stream(1, "mul", "x") }),
		"three words":  usage(func(s *Source) { s.Stream(1, "and", "x").Fill(w[:]) }),
		"two words":    usage(func(s *Source) { s.Stream(1, "and", "x").Fill(w[:2]) }),
		"then another": usage(func(s *Source) { s.Stream(1, "and", "x").Fill(w[:2]); s.Stream(2, "and", "x").Fill(w[:1]) }),
		"moved":        usage(func(s *Source) { s.Stream(1, "and", "x").Fill(w[:1]); s.Stream(2, "and", "x").Fill(w[:2]) }),
	} {
		if other, again := seen[u]; again {
			t.Errorf("%s looks like %s", name, other)
		}
		seen[u] = name
	}
}

func TestTheAuditSeesEveryByte(t *testing.T) {
	type use struct {
		key      [32]byte
		from, to uint64
	}
	var uses []use
	s := source(t, "secret", "task", "rep3", []int{0, 1}, func(key [32]byte, from, to uint64) { uses = append(uses, use{key, from, to}) })
	first := s.Stream(1, "and", "x")
	first.Fill(make([]uint64, 3))
	first.Uint64()
	first.Fill(make([]uint64, 2000))
	s.Stream(2, "and", "x").Xor(make([]uint64, 1))
	if len(uses) < 5 || uses[len(uses)-1].key == uses[0].key {
		t.Fatalf("uses are %d", len(uses))
	}
	at := uint64(0)
	for _, u := range uses[:len(uses)-1] {
		if u.key != uses[0].key || u.from != at || u.to <= u.from {
			t.Fatalf("after %d bytes came %d … %d", at, u.from, u.to)
		}
		at = u.to
	}
	if at != 8*(3+64+2000) {
		t.Fatalf("%d bytes were seen", at)
	}
}

func TestBelowIsInRangeAndUniform(t *testing.T) {
	stream := fixed(t).Stream(1, "and", "x")
	for _, n := range []uint64{1, 2, 3, 7, 1<<32 + 1, 1<<63 + 1, math.MaxUint64} {
		for range 1000 {
			if v := stream.Below(n); v >= n {
				t.Fatalf("%d is not below %d", v, n)
			}
		}
	}
	for _, n := range []int{2, 3, 7, 100} {
		counts := make([]int, n)
		for range 100_000 {
			counts[stream.Below(uint64(n))]++
		}
		likely(t, fmt.Sprintf("below %d", n), counts, 100_000)
	}
	// Where 2^64 is one and a half times n, a modulo or a plain multiplication
	// would give some results twice as often as others. Thirds show it.
	n := uint64(1)<<63 + 1<<61
	counts := make([]int, 5)
	for range 100_000 {
		counts[stream.Below(n)/(n/5+1)]++
	}
	likely(t, "fifths of a large range", counts, 100_000)
}

func TestEveryPermutationIsEquallyLikely(t *testing.T) {
	// All 40,320 orders of 8 elements, five times each on average. The secret
	// is fixed, so this test has one outcome for ever.
	const n, runs = 8, 200_000
	stream := fixed(t).Stream(1, "permutation", "x")
	orders := make([]int, 40_320)
	var places [n][]int
	for i := range places {
		places[i] = make([]int, n)
	}
	for range runs {
		p := stream.Permutation(n)
		rank := 0
		for i, v := range p {
			smaller := 0
			for _, later := range p[i+1:] {
				if later < v {
					smaller++
				}
			}
			rank = rank*(n-i) + smaller
			places[i][v]++
		}
		orders[rank]++
	}
	likely(t, "orders", orders, runs)
	for i := range places {
		likely(t, fmt.Sprintf("place %d", i), places[i], runs)
	}
}

func TestAPermutationHasEveryRowOnce(t *testing.T) {
	stream := fixed(t).Stream(1, "permutation", "x")
	for _, n := range []int{0, 1, 2, 63, 64, 65, 1000} {
		p := stream.Permutation(n)
		slices.Sort(p)
		for i, v := range p {
			if int(v) != i {
				t.Fatalf("of %d rows, place %d holds %d", n, i, v)
			}
		}
		if len(p) != n {
			t.Fatalf("%d rows of %d", len(p), n)
		}
	}
}

// likely is Pearson's chi-square test against equal probabilities, by the
// approximation of Wilson and Hilferty, on both sides: too even is wrong too.
func likely(t *testing.T, what string, counts []int, runs int) {
	t.Helper()
	expected := float64(runs) / float64(len(counts))
	chi2 := 0.0
	for _, count := range counts {
		chi2 += (float64(count) - expected) * (float64(count) - expected) / expected
	}
	df := float64(len(counts) - 1)
	z := (math.Cbrt(chi2/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df))
	if math.Abs(z) > 4 {
		t.Errorf("%s: chi-square %.1f with %.0f degrees of freedom is %.1f standard deviations off", what, chi2, df, z)
	}
}

func FuzzBelow(f *testing.F) {
	f.Add(uint64(1), []byte{})
	f.Add(uint64(math.MaxUint64), []byte("x"))
	f.Add(uint64(1)<<63+1, []byte("y"))
	f.Fuzz(func(t *testing.T, n uint64, secret []byte) {
		if n == 0 {
			return
		}
		s, err := New(secret, nil, "rep3", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if v := s.Stream(1, "", "").Below(n); v >= n {
			t.Fatalf("%d is not below %d", v, n)
		}
	})
}

func BenchmarkFill(b *testing.B) {
	stream := fixed(b).Stream(1, "and", "x")
	dst := make([]uint64, 1024)
	b.SetBytes(8 * 1024)
	for b.Loop() {
		stream.Fill(dst)
	}
}

func BenchmarkPermutation(b *testing.B) {
	stream := fixed(b).Stream(1, "and", "x")
	for b.Loop() {
		stream.Permutation(1_000_000)
	}
}
