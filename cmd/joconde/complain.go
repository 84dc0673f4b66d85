package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"joconde"
)

// usage is a problem with what was typed.
func usage(code, what, why, do string) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Where: "command line", Why: why, Do: do, Exit: joconde.ExitUsage}
}

// problemsOf makes every error one that a person can act on.
func problemsOf(err error) joconde.Problems {
	var many joconde.Problems
	var one *joconde.Problem
	var fault *joconde.Fault
	switch {
	case errors.As(err, &many) && len(many) > 0:
		return many
	case errors.As(err, &one):
		return joconde.Problems{one}
	case errors.Is(err, errInterrupted):
		return joconde.Problems{{Code: "JOC-R001", What: "interrupted", Where: "joconde", Exit: joconde.ExitInterrupted,
			Why: "you, or the system, asked it to stop", Do: "start it again when you like; no process and no file was left"}}
	case errors.As(err, &fault):
		return joconde.Problems{{Code: "JOC-R003", What: fmt.Sprintf("%s broke the protocol", fault.Party), Where: string(fault.Party), Exit: joconde.ExitUnreachable,
			Why: "what it sent is not what it should have sent at this point", Do: "run it again; if it happens twice, report it with what --verbose prints", Err: err}}
	default:
		return joconde.Problems{{Code: "JOC-R000", What: err.Error(), Where: "joconde", Exit: joconde.ExitInternal,
			Why: "the tool, or the system under it, failed; your task and data are not to blame", Do: "run it again; if it happens twice, report it with this text"}}
	}
}

// complain prints an error, prose or JSON, and gives the exit code.
func (t *tool) complain(err error) int {
	problems := problemsOf(err)
	for _, p := range problems {
		if p.LeftMachine == "" {
			p.LeftMachine = joconde.NothingLeft
		}
	}
	if t.json {
		t.complainJSON(problems)
	} else {
		for i, p := range problems {
			if i > 0 {
				fmt.Fprintln(t.err)
			}
			fmt.Fprint(t.err, problemText(p, t.texts))
			if t.verbose && p.Err != nil {
				fmt.Fprintf(t.err, "  cause: %s\n", printable(p.Err.Error()))
			}
		}
	}
	if exit := problems[0].Exit; exit != joconde.ExitDone {
		return exit
	}
	return joconde.ExitInvalid
}

// complainJSON prints the first problem as interfaces say; where there are
// more, all of them stand under "problems".
func (t *tool) complainJSON(problems joconde.Problems) {
	object := struct {
		*joconde.Problem
		Problems joconde.Problems `json:"problems,omitempty"`
		Cause    string           `json:"cause,omitempty"` // with --verbose
	}{Problem: problems[0]}
	if t.verbose && problems[0].Err != nil {
		object.Cause = problems[0].Err.Error()
	}
	if len(problems) > 1 {
		object.Problems = problems
	}
	text, err := marshal(object)
	if err != nil { // strings only: cannot be
		text = []byte(`{"code":"JOC-R000"}` + "\n")
	}
	_, _ = t.err.Write(text) // there is nowhere left to complain
}

// problemText is a problem in the form that all our errors have.
func problemText(p *joconde.Problem, texts map[string]string) string {
	var b strings.Builder
	what := "Error: " + p.What
	first, rest, more := strings.Cut(what, "\n")
	fmt.Fprintf(&b, "%-64s [%s]\n", first, p.Code)
	if more {
		b.WriteString(rest + "\n")
	}
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(&b, "  %-6s %s\n", name+":", strings.ReplaceAll(text, "\n", "\n         "))
		}
	}
	line("where", p.Where)
	b.WriteString(pointer(p.Where, texts))
	line("why", p.Why)
	line("do", p.Do)
	state := "nothing left this computer"
	if p.LeftMachine != joconde.NothingLeft {
		state = p.LeftMachine
	}
	line("state", state)
	lines := strings.Split(b.String(), "\n") // names and texts in it may be anybody's
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return strings.Join(lines, "\n")
}

// pointer shows the line of a program that where names, as file:line:column,
// and a caret below the column. Columns count characters from 1.
func pointer(where string, texts map[string]string) string {
	for file, text := range texts {
		place, found := strings.CutPrefix(where, file+":")
		if !found {
			continue
		}
		var line, column int
		if n, _ := fmt.Sscanf(place, "%d:%d", &line, &column); n != 2 {
			continue
		}
		lines := strings.Split(text, "\n")
		if line < 1 || line > len(lines) {
			continue
		}
		shown := []rune(strings.TrimRight(lines[line-1], "\r"))
		if column < 1 || column > len(shown)+1 {
			continue
		}
		before, after := excerpt(shown, column-1)
		return "         | " + before + after + "\n         | " + strings.Repeat(" ", cells(before)) + "^\n"
	}
	return ""
}

// excerptWidth is how many cells of a line of a program errors show.
const excerptWidth = 100

// excerpt is what stands before and from a column of a line, in printable
// characters; of a long line only what is around the column.
func excerpt(line []rune, column int) (before, after string) {
	show := func(part []rune) string { return strings.ReplaceAll(printable(string(part)), "\t", " ") }
	before, after = show(line[:column]), show(line[column:])
	if cells(before)+cells(after) <= excerptWidth {
		return before, after
	}
	const mark = "..."
	if room := max(excerptWidth-cells(after), 2*excerptWidth/3); cells(before) > room {
		wide := 0
		for i, r := range slices.Backward([]rune(before)) {
			if wide += cellsOf(r); wide > room-len(mark) {
				before = mark + string([]rune(before)[i+1:])
				break
			}
		}
	}
	if room := excerptWidth - cells(before); cells(after) > room {
		after = cut(after, room-len(mark)) + mark
	}
	return before, after
}

// marshal is JSON as we print it: one line, characters as they are.
func marshal(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return []byte(b.String()), nil
}

// printJSON prints the one object of a command that succeeded.
func (t *tool) printJSON(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	_, err = t.out.Write(text)
	return err
}
