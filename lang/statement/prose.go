package statement

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Prose is the Statement in plain short sentences. It is a function of the
// Statement's fields alone.
func (s *Statement) Prose() string {
	b := &page{}
	b.head("Who learns what")
	for _, v := range s.Views {
		b.line("%s learn%s the view %s, and nobody else does.", capital(list(v.To)), plural(len(v.To), "s", ""), v.View)
		b.item("It has %s: %s.", v.Row, v.Bound)
		b.item("It rests on %s.", v.Basis)
		for _, c := range v.Columns {
			b.item("%s = %s.", c.Name, c.Means)
		}
		for _, g := range v.Guards {
			b.item("Guard: %s.", g.What)
		}
		for _, n := range v.Notes {
			b.item("Notice: %s", n.What)
		}
	}
	b.line("The task tells nobody anything else, unless what breaks it happens (see below). What can be concluded from the views is for the reader to judge.")

	b.head("Computed by each owner on its own machine")
	for _, p := range s.AtOwners {
		b.line("%s splits into shares %s, %s. Of each row:", capital(string(p.Owner)), p.Rows, p.Bound)
		for _, c := range p.Columns {
			b.item("%s", c.Means)
		}
	}
	for _, k := range s.Kept {
		if len(k.Used) > 0 {
			b.line("%s computes with %s of %s in the clear and does not send %s as %s.", capital(string(k.Owner)), list(k.Used), k.Table, plural(len(k.Used), "it", "them"), plural(len(k.Used), "it is", "they are"))
		}
		if len(k.Unused) > 0 {
			b.line("The program does not use %s of %s.", list(k.Unused), k.Table)
		}
	}

	b.head("Never leaves secret form")
	if len(s.Secret) == 0 {
		b.line("Nothing: each value that is provided appears in a view as it is.")
	}
	for _, f := range s.Secret {
		b.line("%s", f.What)
	}

	b.head("Public")
	for _, f := range s.Public {
		b.line("%s", f.What)
	}

	b.head("What the computing parties see")
	switch {
	case s.Breaks.Development:
		b.line("This engine is for development. It may see everything.")
	case s.Breaks.Engine != "":
		b.line("They see shares, which look random, and the lengths of messages, which follow from public bounds and from what they see below.")
	}
	if len(s.Openings) == 0 {
		b.line("No opening is declared.")
	}
	for _, o := range s.Openings {
		b.line("During %s, they see: %s. This says nothing about the data: %s.", o.Step, trimmed(o.What), trimmed(o.Why))
	}

	b.head("What breaks it")
	switch e := s.Breaks; {
	case e.Engine == "":
		b.line("No engine is chosen yet, so nothing is said about what breaks it.")
	default:
		b.line("The engine is %s. %s", e.Engine, withstands(e.Adversary))
		b.line("Can learn inputs: %s.", declared(e.Privacy))
		b.line("Can falsify results: %s.", declared(e.Correctness))
		if e.Development {
			b.line("This engine is for development. It takes no part in a task with real data.")
		}
	}

	b.head("Taken on trust")
	for _, f := range s.Trusted {
		b.line("%s", f.What)
	}
	return b.String()
}

// page writes headings, lines and items.
type page struct{ strings.Builder }

func (b *page) head(text string) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(text + "\n\n")
}

func (b *page) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *page) item(format string, args ...any) { fmt.Fprintf(b, "  - "+format+"\n", args...) }

func declared(text string) string {
	if text == "" {
		return "the engine does not say"
	}
	return trimmed(text)
}

func withstands(adversary string) string {
	switch adversary {
	case "passive":
		return "It withstands a passive adversary: computing parties that look at what they receive but follow the protocol."
	case "active":
		return "It withstands an active adversary: computing parties that do not follow the protocol."
	case "":
		return "It does not declare whom it withstands."
	}
	return "It declares to withstand this adversary: " + trimmed(adversary) + "."
}

// trimmed makes a sentence part of another one.
func trimmed(text string) string { return strings.TrimRight(strings.TrimSpace(text), ".") }

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// count is "1 row", "12,000 rows".
func count(n int, what string) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits + " " + what + plural(n, "", "s")
}

// capital begins a sentence. Names keep their case: they are what was written.
func capital(text string) string {
	first, _ := utf8.DecodeRuneInString(text)
	for _, word := range []string{"which ", "number ", "sum ", "mean ", "smallest ", "largest ", "computed ", "whether "} {
		if strings.HasPrefix(text, word) {
			return strings.ToUpper(string(first)) + text[utf8.RuneLen(first):]
		}
	}
	return text
}
