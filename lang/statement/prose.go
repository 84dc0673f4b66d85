package statement

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestLine is where a series of items goes on in the next line.
const longestLine = 110

// Prose is the Statement in plain short sentences. It is a function of the
// Statement's fields alone.
func (s *Statement) Prose() string {
	b := &page{}
	b.head("Who learns what")
	for _, v := range s.Views {
		b.line("%s", v.short())
	}
	b.line("%s", s.others())
	for _, text := range s.Breaks.short() {
		b.line("%s", text)
	}
	b.WriteByte('\n')
	s.table(b)
	b.line("What can be concluded from the views is for the reader to judge.")

	b.head("The views")
	for i, v := range s.Views {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.view(v)
	}

	if len(s.Terms) > 0 {
		b.head("Terms")
		for _, t := range s.Terms {
			b.series("["+t.Name+"] = ", strings.Split(t.Means, "; "), "")
		}
	}

	b.head("Computed by each owner on its own machine")
	for _, p := range s.AtOwners {
		var columns []string
		for _, c := range p.Columns {
			columns = append(columns, c.Means)
		}
		b.line("%s splits into shares %s, %s. Of each row:", p.Owner, p.Rows, p.Bound)
		b.series("  ", columns, ".")
	}
	for _, k := range s.Kept {
		if len(k.Used) > 0 {
			b.line("%s computes with %s of %s in the clear and does not send %s as %s.", k.Owner, list(k.Used), k.Table, plural(len(k.Used), "it", "them"), plural(len(k.Used), "it is", "they are"))
		}
		if len(k.Unused) > 0 {
			b.line("The program does not use %s of %s.", list(k.Unused), k.Table)
		}
	}

	b.head("Never leaves secret form")
	b.secret(s.Secret)

	b.head("Public")
	b.public(s.Public)

	b.head("What the computing parties see")
	switch {
	case s.Breaks.Development:
		b.line("This engine is for development. It may see everything.")
	case s.Breaks.Engine != "":
		b.line("Shares, which look random, and the lengths of messages, which follow from public bounds and from what they see below.")
	}
	if len(s.Openings) == 0 {
		b.line("No opening is declared.")
	}
	for _, k := range s.openingKinds() {
		b.line("%s:", k.where())
		b.item("%s.", capital(trimmed(k.what)))
		if why := trimmed(k.why); why != "" {
			b.item("This says nothing about the data: %s.", why)
		} else {
			b.item("The engine does not say why this would say nothing about the data.")
		}
	}

	b.head("What breaks it")
	switch e := s.Breaks; {
	case e.Engine == "":
		b.line("No engine is chosen yet.")
	default:
		b.line("The engine is %s. %s", e.Engine, withstands(e.Adversary))
		b.line("Who can learn inputs and who can falsify results stands at the top.")
		if e.Development {
			b.line("This engine is for development. It takes no part in a task with real data.")
		}
	}

	b.head("Taken on trust")
	b.trusted(s.Trusted)
	return b.String()
}

func (b *page) view(v View) {
	b.line("%s, for %s", v.View, list(v.To))
	b.item("Rows: %s; %s.", v.Row, v.Bound)
	b.series("  - Made by these steps: ", v.Steps, ".")
	for _, c := range v.Columns {
		b.item("%s = %s", c.Name, c.Means)
	}
	for _, g := range v.Guards {
		b.item("Guard: %s.", g.What)
	}
	for _, n := range v.Notes {
		b.item("Notice: %s", n.What)
	}
}

func (b *page) secret(facts []Fact) {
	var single, others []string
	for _, f := range facts {
		if what, of := strings.CutSuffix(f.What, ofSingleRows); of {
			single = append(single, what)
		} else {
			others = append(others, f.What)
		}
	}
	if len(single) > 0 {
		b.series("Of any single row: ", single, ".")
	}
	for _, text := range others {
		b.line("%s.", capital(text))
	}
	if len(facts) == 0 {
		b.line("Nothing: each value that is provided appears in a view as it is.")
	}
}

// public puts facts of one kind together.
func (b *page) public(facts []Fact) {
	for _, kind := range []struct{ code, begins, head string }{
		{"public/program", "", ""},
		{"public/bound/", "row bound of ", "Row bounds; the exact numbers of rows are not public: "},
		{"public/range/", "range of ", "Ranges: "},
		{"public/codes/", "code list of ", "Code lists: "},
	} {
		var texts []string
		for _, f := range facts {
			if strings.HasPrefix(f.Code, kind.code) {
				texts = append(texts, strings.TrimPrefix(f.What, kind.begins))
			}
		}
		switch {
		case len(texts) == 0:
		case kind.head == "":
			b.line("%s.", capital(list(texts)))
		default:
			b.series(kind.head, texts, ".")
		}
	}
}

func (b *page) trusted(facts []Fact) {
	var tables []string
	for _, f := range facts {
		if table, of := strings.CutPrefix(f.Code, "trusted/owner/"); of {
			tables = append(tables, table)
		}
	}
	if len(tables) > 0 {
		b.line("The keys, CHECKs and order of these tables are the word of their owner's tool. The computing parties do not check them.")
		b.series("  ", tables, ".")
	}
	for _, f := range facts {
		if !strings.HasPrefix(f.Code, "trusted/owner/") {
			b.line("%s", f.What)
		}
	}
}

// page writes headings, lines and items.
type page struct{ strings.Builder }

func (b *page) head(text string) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	b.WriteString(strings.ToUpper(text) + "\n\n")
}

func (b *page) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

func (b *page) item(format string, args ...any) { fmt.Fprintf(b, "  - "+format+"\n", args...) }

// series writes items with ; between, and goes on in further lines where they
// are many.
func (b *page) series(head string, items []string, end string) {
	b.WriteString(head)
	wide := utf8.RuneCountInString(head)
	for i, item := range items {
		if i < len(items)-1 {
			item += ";"
		} else {
			item += end
		}
		size := utf8.RuneCountInString(item)
		switch {
		case i == 0:
		case wide+1+size > longestLine:
			b.WriteString("\n      ")
			wide = 6
		default:
			b.WriteByte(' ')
			wide++
		}
		b.WriteString(item)
		wide += size
	}
	b.WriteByte('\n')
}

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

// capital begins a sentence that does not begin with a name.
func capital(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if size == 0 || first == utf8.RuneError {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}
