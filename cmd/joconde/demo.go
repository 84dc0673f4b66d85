package main

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joconde/dplane/table"
	"joconde/internal/survey"
	"joconde/lang/ir"
)

//go:embed demo.sql
var demoProgram string

// demoOptions are the flags of demo.
type demoOptions struct {
	engine string
	keep   string
}

// demoLater are flags of the demo that need a task with approvals, a
// coordinator and attested nodes around the computation.
var demoLater = []string{"platform", "edit-after-approval", "kill", "tamper"}

func (t *tool) demoCommand() *cobra.Command {
	var o demoOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: the gender pay gap, from two offices",
		Long: `demo computes the gender pay gap by region and education on a real public
survey. A population register knows gender and education, a tax agency region
and earnings. Their records are split into shares, linked and averaged on the
shares in three separate processes, and only the averages are opened.`,
		Example: "  joconde demo\n  joconde demo --keep folder",
		Args:    none,
	}
	flags := c.Flags()
	flags.StringVar(&o.engine, "engine", defaultEngine, "the `NAME` of the engine that computes")
	flags.StringVar(&o.keep, "keep", "", "keep program, tables and result in the folder `DIR`, for joconde task check and joconde try")
	flags.Bool("edit-after-approval", false, "")
	for _, name := range demoLater {
		if flags.Lookup(name) == nil {
			flags.String(name, "", "")
		}
		_ = flags.MarkHidden(name) // it exists: it was made a line above
	}
	c.RunE = t.does(func(ctx context.Context, _ []string) error {
		for _, name := range demoLater {
			if flags.Changed(name) {
				return usage("JOC-U020", "the demo has no --"+name+" yet",
					"it shows the computation alone: no task that is approved, no coordinator and no attested node is around it in this version", "leave it out")
			}
		}
		if flags.Changed("keep") && o.keep == "" {
			return usage("JOC-U026", "--keep names no folder", "an empty name is none", "write, for example, --keep demo")
		}
		return t.demo(ctx, o)
	})
	return c
}

// demo tells the story of one computation.
func (t *tool) demo(ctx context.Context, o demoOptions) error {
	c := &computation{file: "demo.sql", source: demoProgram, rows: map[string]int{}}
	files := map[string][]byte{"register.person": survey.Register(), "tax.earner": survey.Tax()}
	c.read = func(ctx context.Context, declared ir.Table) ([][]ir.Value, error) {
		name := declared.QName()
		rows, _, err := table.Read(ctx, bytes.NewReader(files[name]), name+".csv", &declared, table.Options{})
		return rows, err
	}
	if err := c.chooseEngine(o.engine); err != nil {
		return err
	}
	if c.engine == nil {
		return usage("JOC-U021", "the demo does not run in the clear", "there would be nothing to see", "choose an engine, or use: joconde try --engine clear")
	}
	t.texts[c.file] = c.source
	s := &story{w: t.prose(), began: time.Now()}
	fmt.Fprintf(s.w, `JOCONDE demo. Everything runs on this computer, with a real public survey.
Two offices that may not show each other their records; %d computing parties
that see nothing but shares. Stop with Ctrl-C; nothing stays behind.

`, c.engine.Info().PartiesMin)

	s.step("Compiling the program, and checking the tables of two offices")
	if err := c.compile(); err != nil {
		return err
	}
	to := folder{path: o.keep, flag: "--keep"}
	if err := to.prepare(t, c.keptFiles(files)); err != nil {
		return err
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	for _, declared := range c.program.Tables {
		var columns []string
		for _, column := range declared.Columns {
			columns = append(columns, column.Name)
		}
		s.tell("%-9s %-7s %s rows   %s", declared.Owner, declared.Name, grouped(int64(len(c.tables[declared.QName()]))), strings.Join(columns, ", "))
	}
	if err := c.lower(); err != nil {
		return err
	}
	if err := c.enoughMemory(); err != nil {
		return err
	}
	stated, err := c.statement()
	if err != nil {
		return err
	}
	s.step("Who learns what, by the Statement of the program")
	for _, sentence := range stated.Short() {
		s.tell("%s", wrap(sentence, 70))
	}
	s.tell("%s", wrap("(TEE: trusted execution environment, a part of a processor that is built to keep even its operator out.)", 70))

	node, remove, err := t.nodeProgram(ctx, s.step)
	if err != nil {
		return err
	}
	defer remove()
	s.step("Splitting tables into shares")
	if err := c.split(); err != nil {
		return err
	}
	s.tell("%s", c.oneNumber("tax", "earnings"))

	if err := c.start(ctx, t, node, s.step); err != nil {
		return err
	}
	remove() // running processes do not need the file any more
	s.step(fmt.Sprintf("%d computing parties are ready, each a process of its own", len(c.parties)))
	for _, p := range c.parties {
		s.tell("%s   process %d   %s   TLS key %s...", p.name, p.process.pid, p.hello.Address, strings.TrimPrefix(p.hello.Pin.String(), "sha256:")[:12])
	}
	s.step("Computing on shares: linking, grouping, averaging")
	progress := t.newProgress(indent)
	err = c.run(ctx, progress.show)
	progress.clear()
	if err != nil {
		return err
	}
	if err := c.open(); err != nil {
		return err
	}
	if err := c.compare(); err != nil {
		return err
	}
	r := c.report()
	s.tell("done: %s rounds, at most %s sent and %s of memory at a node", grouped(*r.Rounds), size(greatest(r.BytesPerNode)), size(greatest(r.PeakRSSPerNode)))
	for _, view := range r.Results {
		s.step(fmt.Sprintf("Result for %s: %s", names(view.To), view.View))
		s.tell("%s", strings.TrimRight(view.table(shownRows), "\n"))
	}
	s.step("Same as computing in the clear: " + equality(r))
	unsaved := c.keep(to, files)
	if o.keep != "" && unsaved == nil {
		s.step("Program, tables and result are kept in " + o.keep)
	}
	fmt.Fprintf(s.w, `
%.1f s in all. What this did not show: engine %s withstands one computing
party that looks, not one that lies, and no part of it ran in a TEE: whoever
controls this computer could have looked.

Look closer:    joconde demo --keep DIR, and then, in DIR,
                joconde task check program.sql says in full who learns what
Make your own:  joconde try --program program.sql --table owner.table=file.csv
`, time.Since(s.began).Seconds(), c.name)
	if t.json {
		if err := t.printJSON(r); err != nil {
			return err
		}
	}
	err = cmp.Or(c.unequal(r), unsaved)
	t.printed.Store(err == nil)
	return err
}

// keptFiles are the names of the files that keep writes.
func (c *computation) keptFiles(files map[string][]byte) []string {
	names := c.resultFiles()
	for name := range files {
		names = append(names, name+".csv")
	}
	return append(names, "program.sql")
}

// keep writes down what somebody needs to run the same with try.
func (c *computation) keep(to folder, files map[string][]byte) error {
	if to.path == "" {
		return nil
	}
	if _, err := c.saveResults(to); err != nil {
		return err
	}
	for name, text := range files {
		if _, err := to.save(name+".csv", text); err != nil {
			return err
		}
	}
	_, err := to.save("program.sql", []byte(c.source))
	return err
}

// story prints the demo with the time at which each step began.
type story struct {
	w     io.Writer
	began time.Time
}

// indent is where what belongs to a step begins.
const indent = "         "

func (s *story) step(text string) {
	elapsed := int(time.Since(s.began).Seconds())
	fmt.Fprintf(s.w, "%2d:%02d  %s\n", elapsed/60, elapsed%60, text)
}

func (s *story) tell(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(s.w, strings.TrimRight(indent+strings.TrimRight(line, "\n"), " "))
	}
}

// wrap breaks a text into lines of at most width characters, words permitting;
// the lines after the first are indented.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := cells(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

func greatest(numbers []int64) int64 {
	var most int64
	for _, n := range numbers {
		most = max(most, n)
	}
	return most
}
