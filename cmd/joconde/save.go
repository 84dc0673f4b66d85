package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"joconde"
	"joconde/dplane/table"
)

// folder is where results go, found good before anything is computed.
type folder struct {
	path string // empty: nothing is saved
	flag string // that named it
}

// prepare makes the folder, unless it is there, and says whether all those
// files can be made in it: a result of half an hour should not be lost to a
// folder that cannot be written. No file that is there is ever written over.
func (f folder) prepare(t *tool, names []string) error {
	if f.path == "" {
		return nil
	}
	var problems joconde.Problems
	for _, name := range names {
		path := filepath.Join(f.path, name)
		if _, err := os.Lstat(path); err == nil {
			problems = append(problems, usage("JOC-U022", "there is already a file "+path, f.flag+" writes over nothing",
				"choose another folder with "+f.flag+", or move the file away"))
		}
	}
	if len(problems) > 0 {
		return problems
	}
	if err := t.tidy.make(f.make); err != nil {
		if errors.Is(err, errInterrupted) {
			return err
		}
		return usage("JOC-U023", "the folder "+f.path+" cannot be used", cause(err), "choose another folder with "+f.flag)
	}
	return nil
}

// make makes the folder and tries to write into it. What it made is removed in
// the end if nothing was put into it.
func (f folder) make() (end func(), err error) {
	var made []string
	for path := filepath.Clean(f.path); ; path = filepath.Dir(path) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, path)
	}
	end = func() {
		for _, path := range made {
			_ = os.Remove(path) // fails where something is in it, as it should
		}
	}
	if err := os.MkdirAll(f.path, 0o700); err != nil {
		end()
		return nil, err
	}
	probe, err := os.CreateTemp(f.path, ".joconde-")
	if err != nil {
		end()
		return nil, err
	}
	return end, errors.Join(probe.Close(), os.Remove(probe.Name()))
}

// save writes a file that must not be there yet, and gives its path.
func (f folder) save(name string, text []byte) (path string, err error) {
	path = filepath.Join(f.path, name)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = file.Write(text)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return "", &joconde.Problem{Code: "JOC-R022", What: "a file could not be written; the result was printed", Where: path, Why: cause(err),
			Do: "choose another folder with " + f.flag + ", and run it again", Exit: joconde.ExitInvalid, Err: err}
	}
	return path, nil
}

// resultFiles are the names of the files that saveResults writes.
func (c *computation) resultFiles() []string {
	var names []string
	for _, output := range c.program.Outputs {
		names = append(names, fileName(output.View))
	}
	return names
}

// saveResults writes each result as CSV, and gives the paths.
func (c *computation) saveResults(to folder) (written []string, err error) {
	if to.path == "" {
		return nil, nil
	}
	results := c.results
	if c.engine == nil {
		results = c.reference
	}
	for _, r := range results {
		var text strings.Builder
		if err := table.Write(&text, r.columns, r.values); err != nil {
			return written, fmt.Errorf("write %s: %w", r.View, err)
		}
		path, err := to.save(fileName(r.View), []byte(text.String()))
		if err != nil {
			return written, err
		}
		written = append(written, path)
	}
	return written, nil
}

// fileName is the file of a view's result. A view may have any name, one that
// leads out of the folder too.
func fileName(view string) string {
	var b strings.Builder
	for _, r := range view {
		if r == '/' || r == '\\' || r == '%' || !unicode.IsPrint(r) {
			b.WriteString(url.PathEscape(string(r)))
			continue
		}
		b.WriteRune(r)
	}
	return b.String() + ".csv"
}

// cause is what the system says of a file, without the name of the call.
func cause(err error) string {
	var inner *fs.PathError
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "you may not write there"
	case errors.As(err, &inner):
		return inner.Err.Error()
	}
	return err.Error()
}
