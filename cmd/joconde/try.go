package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/dplane/table"
	"joconde/lang/ir"
)

// tryOptions are the flags of try.
type tryOptions struct {
	program string
	tables  []string // owner.table=FILE
	rows    []string // owner.table=N
	engine  string
	sort    string
	out     string
	decimal string // the decimal mark of the files
	given   func(flag string) bool
}

func (t *tool) tryCommand() *cobra.Command {
	var o tryOptions
	c := &cobra.Command{
		Use:   "try --program FILE --table OWNER.TABLE=FILE ...",
		Short: "Try a program on files of this computer",
		Long: `try compiles a program, checks the files against its tables, splits them into
shares, computes on the shares in separate processes of this computer, opens
what the program grants and compares it, cell by cell, with the same program
computed in the clear from the files. Nothing leaves this computer.`,
		Example: `  joconde try --program program.sql \
      --table clinic.visit=visits.csv --table payroll.job=jobs.csv
  joconde try --program program.sql --table a.t=t.csv --engine clear --json`,
		Args: none,
		RunE: t.does(func(ctx context.Context, _ []string) error { return t.try(ctx, o) }),
	}
	flags := c.Flags()
	o.given = flags.Changed
	flags.StringVar(&o.program, "program", "", "the SQL program, a `FILE`")
	flags.StringArrayVar(&o.tables, "table", nil, "the CSV file of a table, as `OWNER.TABLE=FILE`; once for each table")
	flags.StringArrayVar(&o.rows, "rows", nil, "the public row bound of a table, as `OWNER.TABLE=N`; without it, its number of rows rounded up to a power of two")
	flags.StringVar(&o.engine, "engine", defaultEngine, "the `NAME` of the engine that computes; clear is the reference, without protection")
	flags.StringVar(&o.sort, "sort", "", "`HOW` to sort on shares: quick (opens comparisons of shuffled distinct keys) or radix (opens random permutations only)")
	flags.StringVar(&o.out, "out", "", "also write each result into the folder `DIR`, as VIEW.csv")
	flags.StringVar(&o.decimal, "csv-decimal", "", "the decimal `MARK` of all files, \",\" or \".\"; without it, it is found out for each file")
	return c
}

const defaultEngine = "rep3"

// try is the whole of a computation on the files that were named.
func (t *tool) try(ctx context.Context, o tryOptions) error {
	c, files, err := o.computation(t)
	if err != nil {
		return err
	}
	if err := c.compile(); err != nil {
		return err
	}
	if err := c.matches(files); err != nil {
		return err
	}
	to := folder{path: o.out, flag: "--out"}
	if err := to.prepare(t, c.resultFiles()); err != nil {
		return err
	}
	if err := c.check(ctx); err != nil {
		return err
	}
	if c.engine != nil {
		if err := t.onShares(ctx, c); err != nil {
			return err
		}
	}
	if err := c.compare(); err != nil {
		return err
	}
	written, unsaved := c.saveResults(to)
	if err := t.report(c, written); err != nil {
		return err
	}
	t.printed.Store(unsaved == nil)
	return unsaved
}

// onShares is the part of a computation that the reference does without.
func (t *tool) onShares(ctx context.Context, c *computation) error {
	say := func(text string) { fmt.Fprintln(t.err, text) }
	if err := c.lower(); err != nil {
		return err
	}
	if err := c.enoughMemory(); err != nil {
		return err
	}
	node, remove, err := t.nodeProgram(ctx, say)
	if err != nil {
		return err
	}
	defer remove()
	if err := c.split(); err != nil {
		return err
	}
	if err := c.start(ctx, t, node, say); err != nil {
		return err
	}
	remove() // running processes do not need the file any more
	progress := t.newProgress("")
	err = c.run(ctx, progress.show)
	progress.clear()
	if err != nil {
		return err
	}
	return c.open()
}

// computation checks the flags and reads the program.
func (o tryOptions) computation(t *tool) (c *computation, files map[string]string, err error) {
	if o.program == "" {
		return nil, nil, usage("JOC-U012", "no program is named", "try computes what a program says", "add: --program FILE")
	}
	if o.given("sort") && o.sort != "quick" && o.sort != "radix" {
		return nil, nil, usage("JOC-U013", fmt.Sprintf("there is no sort %q", o.sort), "there are two ways to sort on shares", "write --sort quick or --sort radix")
	}
	if o.given("out") && o.out == "" {
		return nil, nil, usage("JOC-U026", "--out names no folder", "an empty name is none", "write, for example, --out results")
	}
	if o.given("csv-decimal") && o.decimal != "," && o.decimal != "." {
		return nil, nil, usage("JOC-U027", fmt.Sprintf("%q is no decimal mark", o.decimal), "numbers in files have a decimal point or a decimal comma", "write --csv-decimal . or --csv-decimal ,")
	}
	c = &computation{file: o.program, sort: strings.TrimPrefix(o.sort, "quick"), rows: map[string]int{}}
	if err := c.chooseEngine(o.engine); err != nil {
		return nil, nil, err
	}
	if c.engine == nil && o.given("sort") {
		return nil, nil, usage("JOC-U028", "engine clear does not sort on shares", "--sort says how computing parties sort, and this engine has none", "leave --sort out, or choose another engine")
	}
	files = map[string]string{}
	for _, text := range o.tables {
		name, file, found := strings.Cut(text, "=")
		if !found || name == "" || file == "" {
			return nil, nil, usage("JOC-U014", fmt.Sprintf("--table %s is not of the form OWNER.TABLE=FILE", text), "each table needs the file that holds it", "write, for example, --table edu.student=students.csv")
		}
		if files[name] != "" {
			return nil, nil, twoFiles(name)
		}
		files[name] = file
	}
	for _, text := range o.rows {
		name, number, _ := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 1<<30 {
			return nil, nil, usage("JOC-U016", fmt.Sprintf("--rows %s is not of the form OWNER.TABLE=N", text), "N is between 1 and 1,073,741,824", "write, for example, --rows edu.student=100000")
		}
		if c.rows[name] != 0 {
			return nil, nil, twice(name)
		}
		c.rows[name] = n
	}
	if c.source, err = readProgram(o.program); err != nil {
		return nil, nil, err
	}
	t.texts[c.file] = c.source
	c.read = func(ctx context.Context, table ir.Table) ([][]ir.Value, error) {
		return t.readFile(ctx, table, files[table.QName()], c.rows[table.QName()], o.decimal)
	}
	return c, files, nil
}

// twoFiles is about a table that is given twice.
func twoFiles(name string) *joconde.Problem {
	return usage("JOC-U015", fmt.Sprintf("table %s is given twice", name), "a table has one file", "leave one --table out")
}

// twice is about a row bound that is given twice.
func twice(name string) *joconde.Problem {
	return usage("JOC-U029", fmt.Sprintf("--rows is given twice for table %s", name), "a table has one row bound", "leave one --rows out")
}

// asInSQL gives each name of a map that was typed the table that it means: as
// in SQL, capital and small letters do not differ unless a table's name has
// capitals. again is the problem of two names that mean one table.
func asInSQL[V any](p *ir.Program, typed map[string]V, again func(name string) *joconde.Problem) error {
	tables := map[string]bool{}
	for _, t := range p.Tables {
		tables[t.QName()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(typed)) {
		lower := strings.ToLower(name)
		if tables[name] || !tables[lower] {
			continue
		}
		if _, found := typed[lower]; found {
			return again(lower)
		}
		typed[lower] = typed[name]
		delete(typed, name)
	}
	return nil
}

// matches says whether the files, and the row bounds, are those of the
// program's tables: all that is missing or too much at once.
func (c *computation) matches(files map[string]string) error {
	if err := asInSQL(c.program, files, twoFiles); err != nil {
		return err
	}
	if err := asInSQL(c.program, c.rows, twice); err != nil {
		return err
	}
	var problems joconde.Problems
	names := map[string]bool{}
	for _, t := range c.program.Tables {
		name := t.QName()
		names[name] = true
		if files[name] == "" {
			problems = append(problems, usage("JOC-U017", fmt.Sprintf("no file is given for table %s", name),
				"the program uses this table", fmt.Sprintf("add: --table %s=FILE", name)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !names[name] {
			problems = append(problems, usage("JOC-U018", fmt.Sprintf("the program uses no table %s", name),
				"its tables are "+strings.Join(slices.Sorted(maps.Keys(names)), ", "), "correct the name, or leave --table "+name+" out"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.rows)) {
		if !names[name] {
			problems = append(problems, usage("JOC-U019", fmt.Sprintf("--rows names a table that the program does not use: %s", name),
				"its tables are "+strings.Join(slices.Sorted(maps.Keys(names)), ", "), "correct the name, or leave --rows "+name+" out"))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}

// readFile reads and checks the file of one table.
func (t *tool) readFile(ctx context.Context, declared ir.Table, path string, bound int, decimal string) ([][]ir.Value, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, joconde.Problems{unreadable("JOC-D002", "the file of table "+declared.QName(), path, err)}
	}
	defer file.Close() // read only: nothing can be lost
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, joconde.Problems{unreadable("JOC-D002", "the file of table "+declared.QName(), path, syscall.EISDIR)}
	}
	options := table.Options{MaxRows: bound}
	if decimal != "" {
		options.Decimal = decimal[0]
	}
	rows, note, err := table.Read(ctx, file, path, &declared, options)
	if err != nil {
		return nil, boundOfTry(err, declared.QName(), bound, note.Rows)
	}
	for _, sentence := range note.Sentences() {
		fmt.Fprintf(t.err, "%s (%s): %s\n", path, declared.QName(), sentence)
	}
	return rows, nil
}

// boundOfTry words the problem of a file with more rows than its bound for
// somebody who set the bound, and need agree with nobody on another.
func boundOfTry(err error, name string, bound, rows int) error {
	var problems joconde.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			if p.Code == table.CodeTooManyRows {
				p.What = fmt.Sprintf("--rows %s=%d, but the file has %s", name, bound, count(rows, "row"))
				p.Why = "the bound is what others learn of the table's size, so it cannot give way"
				p.Do = fmt.Sprintf("write --rows %s=%d or more, or leave it out", name, rows)
			}
		}
	}
	return err
}

// unreadable is a file that cannot be opened or read.
func unreadable(code, what, path string, err error) *joconde.Problem {
	why, do := err.Error(), "check the file"
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why, do = "there is no such file", "check the name and the folder"
	case errors.Is(err, syscall.EISDIR):
		why, do = "it is a directory", "name a file in it"
	case errors.Is(err, fs.ErrPermission):
		why, do = "you may not read it", "ask whoever owns the file"
	case errors.As(err, &cause):
		why = cause.Err.Error()
	}
	return &joconde.Problem{Code: code, What: what + " cannot be read", Where: path, Why: why, Do: do, Exit: joconde.ExitInvalid, Err: err}
}
