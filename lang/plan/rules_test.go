package plan

import (
	"strings"
	"testing"

	"joconde/lang/ir"
)

// register and taxes are two owners' tables, joined by most tests.
func twoOwners(t *testing.T) *builder {
	b := newBuilder(t)
	b.table("pop", "person", []int{0}, small("id", intType), small("sex", intType), small("age", nullInt))
	b.table("tax", "job", []int{0, 1}, small("id", intType), small("month", intType), small("pay", nullInt))
	return b
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		name string
		rule string
		make func(b *builder)
		want string
	}{
		{"a condition on the left of an inner join moves to its owner", "filter early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("and", b.op("gt", b.col(j, 2), lit(3)), b.op("eq", b.col(j, 4), b.col(j, 1))))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 filter[0] {$2 > 3} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 join[1 2] inner [0]=[0]
			4 filter[3] {$4 = $1}
			5 project[4] {$2}`},
		{"a condition on the right of an inner join moves to its owner", "filter early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("eq", b.col(j, 4), lit(1)))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 scan[] pop.person[0 1 2] at pop
			2 filter[1] {$1 = 1} at pop
			3 join[0 2] inner [0]=[0]
			4 project[3] {$2}`},
		{"a condition on the right of a left join stays", "filter early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Left, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("and", b.op("isnull", b.col(j, 4)), b.op("isnull", b.col(j, 2))))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 filter[0] {$2 IS NULL} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 join[1 2] left [0]=[0]
			4 filter[3] {$4 IS NULL}
			5 project[4] {$2}`},
		{"whether a row was found is decided after a mark join, the rest before", "filter early", func(b *builder) {
			person, job := b.scan("pop.person"), b.scan("tax.job")
			j := b.join(ir.Mark, person, job, []int{0}, []int{0})
			f := b.filter(j, b.op("and", b.col(j, 3), b.op("eq", b.col(j, 1), lit(2))))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 1)), "x")
		}, `
			0 scan[] pop.person[0 1 2] at pop
			1 filter[0] {$1 = 2} at pop
			2 scan[] tax.job[0 1 2] at tax
			3 join[1 2] mark [0]=[0]
			4 filter[3] {$3}
			5 project[4] {$1}`},
		{"a condition on keys moves below an aggregate, one on a total does not", "filter early", func(b *builder) {
			job := b.scan("tax.job")
			g := b.group(job, []int{1}, ir.Agg{Func: ir.CountStar, Arg: -1})
			f := b.filter(g, b.op("and", b.op("gt", b.col(g, 0), lit(6)), b.op("ge", b.col(g, 1), lit(5))))
			b.grant("v", f, "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 filter[0] {$1 > 6} at tax
			2 aggregate[1] by [1] COUNT(*) at tax
			3 filter[2] {$1 >= 5} at tax`},
		{"nothing moves below an aggregate without keys, which has a row for no input", "filter early", func(b *builder) {
			job := b.scan("tax.job")
			g := b.group(job, nil, ir.Agg{Func: ir.CountStar, Arg: -1})
			b.grant("v", b.filter(g, b.op("eq", lit(1), lit(2))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 aggregate[0] by [] COUNT(*) at tax
			2 filter[1] {1 = 2} at tax`},
		{"a condition passes a project by substitution, and filters become one", "filter early", func(b *builder) {
			job := b.scan("tax.job")
			f := b.filter(job, b.op("gt", b.col(job, 1), lit(6)))
			p := b.project(f, []string{"pay", "id"}, b.col(f, 2), b.col(f, 0))
			b.grant("v", b.filter(p, b.op("lt", b.col(p, 0), lit(5))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 filter[0] {($1 > 6) AND ($2 < 5)} at tax
			2 project[1] {$2} {$0} at tax`},
		{"a node that another one uses too is not passed", "filter early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("gt", b.col(j, 2), lit(3)))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 2)), "x")
			b.grant("w", b.project(j, []string{"n"}, b.col(j, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 scan[] pop.person[0 1 2] at pop
			2 join[0 1] inner [0]=[0]
			3 filter[2] {$2 > 3}
			4 project[3] {$2}
			5 project[2] {$2}`},

		{"each owner computes what its columns alone determine", "compute early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			b.grant("v", b.project(j, []string{"n"}, b.op("add", b.op("mul", b.col(j, 2), b.col(j, 1)), b.op("neg", b.col(j, 4)))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$0} {$1} {$2} {$2 * $1} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 project[2] {$0} {$1} {$2} {-$1} at pop
			4 join[1 3] inner [0]=[0]
			5 project[4] {$3 + $7}`},
		{"the right side of a left join is left alone: no partner gives NULL", "compute early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Left, job, person, []int{0}, []int{0})
			b.grant("v", b.project(j, []string{"n", "m"}, b.op("coalesce", b.col(j, 4), lit(7)), b.op("coalesce", b.col(j, 2), lit(7))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$0} {$1} {$2} {COALESCE($2, 7)} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 join[1 2] left [0]=[0]
			4 project[3] {COALESCE($5, 7)} {$3}`},
		{"through two joins and a filter, in a condition and for a join's key", "compute early", func(b *builder) {
			b.table("uni", "degree", []int{0}, small("id", intType), small("level", intType))
			job, person, degree := b.scan("tax.job"), b.scan("pop.person"), b.scan("uni.degree")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("lt", b.op("add", b.col(j, 2), lit(1)), b.col(j, 5)))
			p := b.project(f, []string{"k", "pay"}, b.op("add", b.col(f, 4), b.col(f, 5)), b.col(f, 2))
			k := b.join(ir.Inner, p, degree, []int{0}, []int{0})
			b.grant("v", b.project(k, []string{"n"}, b.op("mul", b.col(k, 1), lit(2))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$0} {$1} {$2} {$2 + 1} {$2 * 2} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 project[2] {$0} {$1} {$2} {$1 + $2} at pop
			4 join[1 3] inner [0]=[0]
			5 filter[4] {$3 < $7}
			6 project[5] {$8} {$2} {$4}
			7 scan[] uni.degree[0 1] at uni
			8 join[6 7] inner [0]=[0]
			9 project[8] {$2}`},
		{"a condition that fixes a column stays in sight", "compute early", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Inner, job, person, []int{0}, []int{0})
			f := b.filter(j, b.op("and", b.op("eq", b.col(j, 1), lit(2)), b.op("gt", b.col(j, 2), lit(2))))
			b.grant("v", b.project(f, []string{"n"}, b.col(f, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$0} {$1} {$2} {$2 > 2} at tax
			2 scan[] pop.person[0 1 2] at pop
			3 join[1 2] inner [0]=[0]
			4 filter[3] {($1 = 2) AND $3}
			5 project[4] {$2}`},

		{"two projects become one where nothing is computed twice", "merge projects", func(b *builder) {
			job := b.scan("tax.job")
			p := b.project(job, []string{"a", "b"}, b.op("neg", b.col(job, 2)), b.col(job, 1))
			b.grant("v", b.project(p, []string{"c", "d"}, b.op("add", b.col(p, 0), b.col(p, 1)), b.col(p, 1)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {-$2 + $1} {$1} at tax`},
		{"two projects stay two where something would be computed twice", "merge projects", func(b *builder) {
			job := b.scan("tax.job")
			p := b.project(job, []string{"a"}, b.op("neg", b.col(job, 2)))
			b.grant("v", b.project(p, []string{"c"}, b.op("mul", b.col(p, 0), b.col(p, 0))), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {-$2} at tax
			2 project[1] {$0 * $0} at tax`},
		{"a project that changes nothing disappears", "merge projects", func(b *builder) {
			job := b.scan("tax.job")
			f := b.filter(job, b.op("gt", b.col(job, 1), lit(6)))
			p := b.project(f, []string{"id", "month", "pay"}, b.col(f, 0), b.col(f, 1), b.col(f, 2))
			b.grant("v", b.group(p, []int{1}), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 filter[0] {$1 > 6} at tax
			2 aggregate[1] by [1] at tax`},
		{"an aggregate reads past a project that only picks columns for it", "merge projects", func(b *builder) {
			job := b.scan("tax.job")
			p := b.project(job, []string{"pay", "month", "id"}, b.col(job, 2), b.col(job, 1), b.op("neg", b.col(job, 0)))
			b.grant("v", b.group(p, []int{1}, ir.Agg{Func: ir.Sum, Arg: 0}), "x")
			b.grant("w", b.group(p, []int{1}, ir.Agg{Func: ir.Sum, Arg: 2}), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 aggregate[0] by [1] SUM($2) at tax
			2 project[0] {$2} {$1} {-$0} at tax
			3 aggregate[2] by [1] SUM($2) at tax`},
		{"a project that gives a view its names stays", "merge projects", func(b *builder) {
			job := b.scan("tax.job")
			b.grant("v", b.project(job, []string{"a", "b", "c"}, b.col(job, 0), b.col(job, 1), b.col(job, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$0} {$1} {$2} at tax`},

		{"an owner provides the same rows once", "join inputs", func(b *builder) {
			person, job := b.scan("pop.person"), b.scan("tax.job")
			p := b.project(person, []string{"id", "sex"}, b.col(person, 0), b.col(person, 1))
			q := b.project(person, []string{"age", "id"}, b.col(person, 2), b.col(person, 0))
			j, k := b.join(ir.Inner, job, p, []int{0}, []int{0}), b.join(ir.Mark, q, job, []int{1}, []int{0})
			b.grant("v", b.project(j, []string{"n"}, b.col(j, 4)), "x")
			b.grant("w", b.project(k, []string{"n", "m"}, b.col(k, 0), b.col(k, 2)), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 scan[] pop.person[0 1 2] at pop
			2 project[1] {$0} {$1} {$2} at pop
			3 join[0 2] inner [0]=[0]
			4 project[3] {$4}
			5 join[2 0] mark [0]=[0]
			6 project[5] {$2} {$3}`},

		{"columns, aggregates and tables that nobody uses disappear", "prune", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			g := b.group(job, []int{0}, ir.Agg{Func: ir.CountStar, Arg: -1}, ir.Agg{Func: ir.Sum, Arg: 2})
			j := b.join(ir.Inner, person, g, []int{0}, []int{0})
			b.grant("v", b.project(j, []string{"n"}, b.col(j, 4)), "x")
		}, `
			0 scan[] pop.person[0] at pop
			1 scan[] tax.job[0] at tax
			2 aggregate[1] by [0] COUNT(*) at tax
			3 join[0 2] inner [0]=[0]
			4 project[3] {$2}`},
		{"what only the owner's condition needs stays at the owner", "prune", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			f := b.filter(job, b.op("eq", b.col(job, 1), lit(1)))
			j := b.join(ir.Inner, person, f, []int{0}, []int{0})
			b.grant("v", b.project(j, []string{"n", "m"}, b.col(j, 5), b.col(j, 1)), "x")
		}, `
			0 scan[] pop.person[0 1] at pop
			1 scan[] tax.job[0 1 2] at tax
			2 filter[1] {$1 = 1} at tax
			3 project[2] {$0} {$2} at tax
			4 join[0 3] inner [0]=[0]
			5 project[4] {$3} {$1}`},
		{"rows can be counted without any column", "prune", func(b *builder) {
			job := b.scan("tax.job")
			b.grant("v", b.group(job, nil, ir.Agg{Func: ir.CountStar, Arg: -1}), "x")
		}, `
			0 scan[] tax.job[] at tax
			1 aggregate[0] by [] COUNT(*) at tax`},
		{"a left join of which nothing is used disappears", "prune", func(b *builder) {
			job, person := b.scan("tax.job"), b.scan("pop.person")
			j := b.join(ir.Left, job, person, []int{0}, []int{0})
			b.grant("v", b.project(j, []string{"n"}, b.col(j, 2)), "x")
		}, `
			0 scan[] tax.job[2] at tax
			1 project[0] {$0} at tax`},

		{"equal nodes become one, whatever their columns are called", "share", func(b *builder) {
			a, c := b.scan("tax.job"), b.scan("tax.job")
			p := b.project(a, []string{"one"}, b.col(a, 2))
			q := b.project(c, []string{"two"}, b.col(c, 2))
			b.grant("v", b.group(p, nil, ir.Agg{Func: ir.Max, Arg: 0}), "x")
			b.grant("w", b.group(q, nil, ir.Agg{Func: ir.Min, Arg: 0}), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$2} at tax
			2 aggregate[1] by [] MAX($0) at tax
			3 aggregate[1] by [] MIN($0) at tax`},
		{"equal views keep their own names", "share", func(b *builder) {
			a := b.scan("tax.job")
			b.grant("v", b.project(a, []string{"one"}, b.col(a, 2)), "x")
			b.grant("w", b.project(a, []string{"two"}, b.col(a, 2)), "y")
			b.grant("x", b.project(a, []string{"one"}, b.col(a, 2)), "z")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 project[0] {$2} at tax
			2 project[0] {$2} at tax`},

		{"inputs come before nodes, outputs by view, and what nobody uses goes", "number", func(b *builder) {
			person, job := b.scan("pop.person"), b.scan("tax.job")
			b.group(person, []int{1})
			b.grant("z", b.group(job, []int{0}), "x")
			b.grant("a", b.group(job, []int{1}), "x")
		}, `
			0 scan[] tax.job[0 1 2] at tax
			1 aggregate[0] by [1] at tax
			2 aggregate[0] by [0] at tax`},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := twoOwners(t)
			test.make(b)
			for _, rule := range Rules {
				if rule.Name != test.rule {
					continue
				}
				p := rule.Apply(b.p)
				if err := p.Validate(); err != nil {
					t.Errorf("%v", err)
				}
				got, _, _ := strings.Cut(show(p), p.Outputs[0].View+":")
				want := strings.ReplaceAll(strings.TrimSpace(test.want), "\t", "") + "\n"
				if got != want {
					t.Errorf("got\n%swant\n%s", got, want)
				}
				return
			}
			t.Fatalf("there is no rule %q", test.rule)
		})
	}
}

func TestEveryRuleHasANameAndASentence(t *testing.T) {
	seen := map[string]bool{}
	for _, rule := range Rules {
		if rule.Name == "" || seen[rule.Name] || !strings.HasSuffix(rule.Sentence, ".") {
			t.Errorf("rule %q: %q", rule.Name, rule.Sentence)
		}
		seen[rule.Name] = true
	}
}

// A long chain of views must stay a valid program: see maxDepth.
func TestALongChainOfViewsStaysValid(t *testing.T) {
	b := twoOwners(t)
	n := b.scan("tax.job")
	for range 500 {
		n = b.project(n, []string{"id", "month", "pay"}, b.col(n, 0), b.col(n, 1), b.op("neg", b.col(n, 2)))
	}
	b.grant("v", b.filter(n, b.op("gt", b.col(n, 2), lit(1))), "x")
	p, err := Optimise(b.p)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
}
