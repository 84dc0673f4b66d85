package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/agent"
	"joconde/dplane/table"
	"joconde/lang/ir"
)

func (t *tool) dataCommands() []*cobra.Command {
	var tables, checked []string
	check := &cobra.Command{
		Use:   "check ID|FOLDER --table OWNER.TABLE=FILE ...",
		Short: "Check files against the tables of a task, or of a draft",
		Long: `check reads your files and says everything that is wrong with them. It sends
nothing: of a draft it needs not even the hub.`,
		Example: "  joconde data check wages --table tax.wage=wages.csv",
		Args:    cobra.ExactArgs(1),
		RunE:    t.does(func(ctx context.Context, args []string) error { return t.checkData(ctx, args[0], checked) }),
	}
	check.Flags().StringArrayVar(&checked, "table", nil, "the file of a table, as OWNER.TABLE=FILE; once for each table")
	provide := &cobra.Command{
		Use:   "provide ID --table OWNER.TABLE=FILE ...",
		Short: "Say which files are your tables of a task",
		Long: `provide checks your files and notes where they are. They stay there and must not
change until the task has its inputs: your agent then reads them again, splits
them into shares and seals each share to one node. Nothing leaves before every
party has approved and your agent has verified every node.`,
		Example: "  joconde data provide 7Q2M-KD4X --table tax.wage=wages.csv",
		Args:    cobra.ExactArgs(1),
		RunE:    t.does(func(ctx context.Context, args []string) error { return t.provideData(ctx, args[0], tables) }),
	}
	provide.Flags().StringArrayVar(&tables, "table", nil, "the file of a table, as OWNER.TABLE=FILE; once for each table")
	return []*cobra.Command{check, provide}
}

// namedFiles reads --table flags.
func namedFiles(flags []string) (files map[string]string, err error) {
	files = map[string]string{}
	for _, text := range flags {
		name, file, found := strings.Cut(text, "=")
		if name = strings.ToLower(name); !found || name == "" || file == "" {
			return nil, usage("JOC-U052", "--table "+printable(text)+" is not of the form OWNER.TABLE=FILE", "a table's name is owner.table, as in the program", "write, for example, --table tax.wage=wages.csv")
		}
		if files[name] != "" {
			return nil, usage("JOC-U053", "table "+printable(name)+" is given twice", "a table is one file", "leave one --table out")
		}
		files[name] = file
	}
	if len(files) == 0 {
		return nil, usage("JOC-U054", "no file is named", "files are named one by one", "add: --table OWNER.TABLE=FILE")
	}
	return files, nil
}

// checkedTable is what is said of a file that is good.
type checkedTable struct {
	Table string   `json:"table"`
	File  string   `json:"file"`
	Rows  int      `json:"rows"`
	Notes []string `json:"notes"`
}

func checkedFile(name, file string, note table.Note) checkedTable {
	return checkedTable{name, file, note.Rows, append([]string{}, note.Sentences()...)}
}

func (t *tool) printChecked(list []checkedTable, what, next string) error {
	if t.json {
		return t.printJSON(struct {
			Format      int            `json:"format"`
			Tables      []checkedTable `json:"tables"`
			LeftMachine string         `json:"left_machine"`
		}{1, list, joconde.NothingLeft})
	}
	var b strings.Builder
	for _, c := range list {
		fmt.Fprintf(&b, "%s: %s, %s %s\n", c.Table, c.File, count(c.Rows, "row"), what)
		for _, n := range c.Notes {
			fmt.Fprintf(&b, "  %s\n", folded(n, 2))
		}
	}
	b.WriteString("Nothing left this computer.\n" + next)
	_, err := fmt.Fprint(t.out, b.String())
	return err
}

func (t *tool) checkData(ctx context.Context, what string, flags []string) error {
	files, err := namedFiles(flags)
	if err != nil {
		return err
	}
	var tables []ir.Table
	rows := map[string]int{}
	if isDraft(what) {
		source, err := readProgram(filepath.Join(what, draftProgram))
		if err != nil {
			return err
		}
		c := &computation{file: filepath.Join(what, draftProgram), source: source}
		t.texts[c.file] = source
		if err := c.compile(); err != nil {
			return err
		}
		tables = c.program.Tables
	} else {
		home, h, err := t.open()
		if err != nil {
			return err
		}
		task, err := h.find(ctx, home, what)
		if err != nil {
			return err
		}
		f, err := h.fetch(ctx, task, home.LogKey(), 0, 0)
		if err != nil {
			return err
		}
		terms, _ := f.ledger.Task()
		c, err := agent.Compile(terms)
		if err != nil {
			return err
		}
		tables, rows = c.Plan.Program.Tables, c.Plan.Rows
	}
	var problems joconde.Problems
	list := []checkedTable{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := slices.IndexFunc(tables, func(d ir.Table) bool { return d.QName() == name })
		if at < 0 {
			problems = append(problems, usage("JOC-U055", "the program uses no table "+printable(name), "its tables are "+tableNames(tables), "correct the name, or leave --table "+printable(name)+" out"))
			continue
		}
		file, err := os.Open(files[name])
		if err != nil {
			problems = append(problems, unreadable("JOC-D002", "the file of table "+name, files[name], err))
			continue
		}
		_, note, err := table.Read(ctx, file, files[name], &tables[at], table.Options{MaxRows: rows[name]})
		_ = file.Close() // only read
		var some joconde.Problems
		switch {
		case errors.As(err, &some):
			problems = append(problems, some...)
		case err != nil:
			return err
		default:
			list = append(list, checkedFile(name, files[name], note))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return t.printChecked(list, "are as declared", "")
}

func tableNames(tables []ir.Table) string {
	var list []string
	for i := range tables {
		list = append(list, tables[i].QName())
	}
	return strings.Join(list, ", ")
}

func (t *tool) provideData(ctx context.Context, typed string, flags []string) error {
	files, err := namedFiles(flags)
	if err != nil {
		return err
	}
	home, h, err := t.open()
	if err != nil {
		return err
	}
	task, err := h.find(ctx, home, typed)
	if err != nil {
		return err
	}
	list := []checkedTable{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		note, err := home.Provide(ctx, h, task, name, files[name])
		if err != nil {
			return err
		}
		list = append(list, checkedFile(name, files[name], note))
	}
	return t.printChecked(list, "will be provided", "The agent splits and sends them when every party has approved: joconde agent\n")
}

func (t *tool) resultGetCommand() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "get ID",
		Short: "Get the result of a task, with its certificate",
		Long: `get prints the results that your agent has opened, as CSV, and says where the
certificate is: what was computed, by whom, under which guarantees and with
which receipts. With --out it copies all files into a folder.`,
		Example: "  joconde result get 7Q2M-KD4X --out result",
		Args:    cobra.ExactArgs(1),
		RunE: t.oneTask(func(ctx context.Context, home *agent.Home, h *hub, task joconde.Digest) error {
			return t.resultGet(home, task, out)
		}),
	}
	c.Flags().StringVar(&out, "out", "", "copy the files into this folder")
	return c
}

// resultGet shows what the agent has opened. It needs no hub.
func (t *tool) resultGet(home *agent.Home, task joconde.Digest, out string) error {
	from := home.ResultFolder(task)
	found, err := os.ReadDir(from)
	var names []string
	for _, f := range found {
		if f.Type().IsRegular() && f.Name() != "views.json" && !strings.HasPrefix(f.Name(), ".") {
			names = append(names, f.Name())
		}
	}
	if errors.Is(err, fs.ErrNotExist) || err == nil && !slices.Contains(names, "certificate.json") {
		return &joconde.Problem{Code: "JOC-R042", What: "there is no result yet", Where: "task " + short(task), Why: "your agent opens it when every node has finished, and certifies it when every receipt is there",
			Do: "run joconde agent, and wait: joconde task wait " + short(task), Exit: joconde.ExitWaiting}
	}
	if err != nil {
		return unreadable("JOC-U056", "the folder of the result", from, err)
	}
	to := folder{path: out, flag: "--out"}
	if err := to.prepare(t, names); err != nil {
		return err
	}
	texts := map[string]string{}
	var written []string
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return unreadable("JOC-U056", "a file of the result", filepath.Join(from, name), err)
		}
		texts[name] = string(text)
		if out != "" {
			path, err := to.save(name, text)
			if err != nil {
				return err
			}
			written = append(written, path)
		}
	}
	if t.json {
		paths := written
		if out == "" {
			for _, name := range names {
				paths = append(paths, filepath.Join(from, name))
			}
		}
		return t.printJSON(struct {
			Format int            `json:"format"`
			Task   joconde.Digest `json:"task"`
			Files  []string       `json:"files"`
		}{1, task, paths})
	}
	var b strings.Builder
	for _, name := range names {
		if out == "" && strings.HasSuffix(name, ".csv") {
			fmt.Fprintf(&b, "%s\n%s\n", strings.TrimSuffix(name, ".csv"), texts[name])
		}
	}
	for _, path := range written {
		fmt.Fprintf(&b, "written: %s\n", path)
	}
	if out == "" {
		fmt.Fprintf(&b, "certificate: %s\n", filepath.Join(from, "certificate.md"))
	}
	_, err = fmt.Fprint(t.out, b.String())
	return err
}
