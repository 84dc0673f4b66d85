package statement

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A phrase is an expression in words. Phrases are put together so that brackets
// never stand within brackets and no text grows long: what does not fit into
// another phrase becomes a Term, and the other phrase has its name.
type phrase struct {
	text  string
	level level
	claim bool   // it is so or not
	deny  string // the opposite of a claim, where there is a short way to say it
	name  string // what the program calls it, if it has a usable name
	view  string // the view over whose groups it is a total; "" if over none
	cut   int    // not 0 if it only says what it is made of: two such may differ with the same text
}

// level says how closely the words of a phrase belong together.
type level int

const (
	atom     level = iota
	product        // a × b
	sum            // a + b
	compared       // a is above b
	several        // a is above b and c is d
	modified       // a, rounded to 2 decimals; said after a whole phrase, it speaks of all of it
	clause         // a if b, else c
)

// Longest texts, in characters.
const (
	longestPart    = 90  // of a phrase within another one
	longestBracket = 60  // of a phrase in brackets
	longestMeaning = 300 // of a column or term, beyond which it only says what it is made of
)

// Term is a value or a set of rows with a name, for use in longer texts. There
// its name stands in square brackets.
type Term struct {
	Code  string `json:"code"`
	Name  string `json:"name"`
	Means string `json:"means"` // of rows: the steps that give them, with ; between
}

// part gives a phrase for use within another one, in which phrases up to the
// level most need no brackets.
func (w *writer) part(p phrase, most level) string {
	size := utf8.RuneCountInString(p.text)
	bracketed := strings.ContainsAny(p.text, "()")
	switch {
	case p.cut != 0:
	case p.level <= most && size <= longestPart:
		return p.text
	case size <= longestBracket && !bracketed && (p.level < modified || p.level == modified && p.name == ""):
		return "(" + p.text + ")"
	}
	return w.refer(p)
}

// condition is part for what is so or not.
func (w *writer) condition(p phrase, most level) string {
	text := w.part(p, most)
	if p.level == atom || text != p.text && strings.HasPrefix(text, "[") {
		text += " holds"
	}
	return text
}

// usable is a name that a term can have. Names that the compiler makes up are
// no names.
var usable = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

func (p *phrase) called(name string) {
	if p.level != atom && p.name == "" && usable.MatchString(name) && name != "computed" && name != "count_star" {
		p.name = name
	}
}

// refer gives the reference to a phrase, which is a Term from now on.
func (w *writer) refer(p phrase) string {
	key := meaning{p.standing(), p.view, p.cut}
	name, found := w.termOf[key]
	if !found {
		switch {
		case p.name != "":
			name = p.name
		case p.claim:
			name = "condition"
		default:
			name = "value"
		}
		means := key.text
		if p.view != "" {
			means += ", for each group of the view " + p.view
		}
		name = w.define(name, means)
		w.termOf[key] = name
	}
	return "[" + name + "]"
}

// meaning is what makes two Terms one.
type meaning struct {
	text, view string
	cut        int
}

// define makes a Term and gives its name, which no other has.
func (w *writer) define(name, means string) string {
	first := name
	for _, taken := w.named[name]; taken; _, taken = w.named[name] {
		w.named[first]++
		name = first + " " + strconv.Itoa(w.named[first])
	}
	w.named[name] = 1
	w.terms = append(w.terms, Term{Code: "term/" + strings.ReplaceAll(name, " ", "-"), Name: name, Means: means})
	return name
}

// whole is a phrase that stands for itself: as the reference to a term if it
// is one already.
func (w *writer) whole(p phrase) string {
	if _, found := w.termOf[meaning{p.standing(), p.view, p.cut}]; found {
		return w.refer(p)
	}
	return p.standing()
}

func (p phrase) standing() string {
	if p.claim && p.level != atom {
		return "whether " + p.text
	}
	return p.text
}
