// Package syntax reads a program text by PostgreSQL's grammar into a small tree
// of our own. What the language does not have is refused here, with its place
// and what to write instead; nothing of the text is silently ignored. The text
// may come from anybody. Start with Parse; the tree is in ast.go.
package syntax

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"
	pgquery "github.com/wasilibs/go-pgquery"
	"github.com/wasilibs/go-pgquery/parser"
	"golang.org/x/text/unicode/norm"
)

// Limits of a program text. PostgreSQL's parser, which we run inside a sandbox,
// exhausts its stack at a nesting of about ten thousand; we stay far below.
const (
	maxBytes   = 1 << 20
	maxTokens  = 200_000
	maxParens  = 64
	maxChain   = 3_000 // words one after another without a comma, over all open parentheses
	maxDepth   = 64    // of expressions and queries in our tree
	maxIdent   = 63    // bytes; PostgreSQL silently cuts longer names
	maxDigits  = 60
	maxWidth   = 10_000
	maxDecimal = 38
)

// Parse reads a program. The error is joconde.Problems and holds everything
// that was found. Where the text is SQL but holds what was refused, the script
// is there beside the error, with Bad in place of it: check.Program then reports
// what else is wrong together with that, and never makes a Program of it.
func Parse(file string, src []byte) (*Script, error) {
	r := NewReport(file, src)
	if !readable(r) {
		return nil, r.Err()
	}
	tokens, text := scan(r)
	if !r.Empty() {
		return nil, r.Err()
	}
	tree := parse(r, text)
	if !r.Empty() {
		return nil, r.Err()
	}
	c := &converter{report: r, tokens: tokens}
	script := c.script(tree)
	script.refused = r.found
	return script, r.Err()
}

// readable refuses a text that is too long or not clean UTF-8.
func readable(r *Report) bool {
	src := r.src
	switch {
	case len(src) > maxBytes:
		r.Add(0, "JOC-L101", fmt.Sprintf("the program is longer than %d bytes", maxBytes),
			"A program is read and signed by people.", "Shorten it, or split it into several tasks.")
	case !utf8.Valid(src):
		r.Add(invalidAt(src), "JOC-L102", "the program is not UTF-8 here",
			"The text that is signed has one reading.", "Save the file as UTF-8.")
	case strings.IndexByte(string(src), 0) >= 0:
		r.Add(strings.IndexByte(string(src), 0), "JOC-L103", "there is a NUL character here",
			"The text ends there for some readers and not for others.", "Remove it.")
	default:
		if n, normal := norm.NFC.QuickSpan(src), norm.NFC.IsNormal(src); !normal {
			r.Add(n, "JOC-L104", "a character here is not in Unicode's composed form (NFC)",
				"Two texts that look alike must not be two programs.", "Save the file in the form NFC.")
		}
	}
	return r.Empty()
}

func invalidAt(src []byte) int {
	for i := 0; i < len(src); {
		c, size := utf8.DecodeRune(src[i:])
		if c == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(src)
}

// broken is set when the parser library failed in a way that may have left its
// sandbox in disorder; this process then parses no more.
var broken atomic.Bool

// guarded runs the parser library, which may panic.
func guarded[T any](run func() (T, error)) (result T, err error) {
	if broken.Load() {
		return result, errBroken
	}
	defer func() {
		if recover() != nil {
			broken.Store(true)
			err = errBroken
		}
	}()
	return run()
}

var errBroken = errors.New("the SQL parser failed")

// scan splits the text into words, and refuses what would be too much for the
// parser. It also gives the text with spaces for comments, every word at its
// place: the library fails on a comment between two words that it reads as one,
// such as NOT and BETWEEN.
func scan(r *Report) (tokens []*pg.ScanToken, text []byte) {
	result, err := guarded(func() (*pg.ScanResult, error) { return pgquery.Scan(string(r.src)) })
	if err != nil {
		failed(r, r.src, err)
		return nil, nil
	}
	text = slices.Clone(r.src)
	for _, t := range result.GetTokens() {
		start, end := int(t.GetStart()), int(t.GetEnd())
		if start < 0 || start > end || end > len(text) {
			failed(r, r.src, errBroken)
			return nil, nil
		}
		if t.GetToken() != pg.Token_SQL_COMMENT && t.GetToken() != pg.Token_C_COMMENT {
			tokens = append(tokens, t)
			continue
		}
		for i := start; i < end; i++ {
			if text[i] != '\n' {
				text[i] = ' '
			}
		}
	}
	if len(tokens) > maxTokens {
		r.Add(int(tokens[maxTokens].GetStart()), "JOC-L105", fmt.Sprintf("the program has more than %d words", maxTokens),
			"A program is read and signed by people.", "Shorten it, or split it into several tasks.")
		return nil, nil
	}
	nesting(r, tokens)
	for _, t := range tokens {
		identifier(r, t)
	}
	return tokens, text
}

// nesting bounds the depth of the tree that PostgreSQL's parser will build:
// along one path a word adds at most one level, and the parts between commas
// lie beside one another, except those of set operations.
func nesting(r *Report, tokens []*pg.ScanToken) {
	type level struct{ chain, fixed int }
	levels := []level{{}}
	total := 0
	for _, t := range tokens {
		top := &levels[len(levels)-1]
		top.chain++
		total++
		switch t.GetToken() {
		case pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT:
			top.fixed++
			total++
		case pg.Token_ASCII_40, pg.Token_ASCII_91: // ( [
			levels = append(levels, level{})
		case pg.Token_ASCII_41, pg.Token_ASCII_93: // ) ]
			total -= top.chain + top.fixed
			levels = levels[:len(levels)-1]
			if len(levels) == 0 {
				levels, total = []level{{}}, 0
			}
		case pg.Token_ASCII_44: // ,
			total -= top.chain
			top.chain = 0
		case pg.Token_ASCII_59: // ;
			if len(levels) == 1 {
				levels[0], total = level{}, 0
			}
		}
		if len(levels) > maxParens || total > maxChain {
			r.Add(int(t.GetStart()), "JOC-L106", "the text is nested too deeply here",
				fmt.Sprintf("At most %d parentheses may be open, and %d words follow one another without a comma.", maxParens, maxChain),
				"Give a part of it a name: CREATE VIEW … AS SELECT ….")
			return
		}
	}
}

// identifier refuses names that PostgreSQL would silently cut short, and the
// form of names and texts whose characters one cannot read.
func identifier(r *Report, t *pg.ScanToken) {
	start := int(t.GetStart())
	text := string(r.src[start:t.GetEnd()])
	switch t.GetToken() {
	case pg.Token_IDENT:
		if strings.HasPrefix(text, `"`) {
			text = strings.ReplaceAll(strings.Trim(text, `"`), `""`, `"`)
		}
		if len(text) > maxIdent {
			r.Add(start, "JOC-L107", fmt.Sprintf("a name is longer than %d bytes", maxIdent),
				"SQL cuts longer names, and two of them could become one.", "Choose a shorter name.")
		}
	case pg.Token_UIDENT, pg.Token_USCONST:
		r.Add(start, "JOC-L108", `U& names and texts are not part of the language`,
			"A reader cannot see which characters they stand for.", "Write the characters themselves.")
	}
}

func parse(r *Report, text []byte) *pg.ParseResult {
	tree, err := guarded(func() (*pg.ParseResult, error) { return pgquery.Parse(string(text)) })
	if err != nil {
		failed(r, text, err)
		return nil
	}
	return tree
}

// failed reports an error of the parser library over text. Its position counts
// characters of that from 1, and is 0 where it has none.
func failed(r *Report, text []byte, err error) {
	var e *parser.Error
	if !errors.As(err, &e) {
		r.Add(0, "JOC-L109", "the SQL parser could not read the program",
			"It failed inside, so the place is unknown.", "Simplify the program; please report the text that causes this.")
		return
	}
	pos := len(r.src)
	if e.Cursorpos > 0 {
		pos = offsetOfRune(text, e.Cursorpos-1)
	}
	r.Add(pos, "JOC-L110", e.Message, "PostgreSQL's grammar cannot read the program from here on.",
		"Look at this word and the one before it: a comma, a parenthesis or a keyword may be missing.")
}

// tokenAt is the offset of the first word at or after an offset.
func (c *converter) tokenAt(offset int) int {
	i := sort.Search(len(c.tokens), func(i int) bool { return int(c.tokens[i].GetStart()) >= offset })
	if i == len(c.tokens) {
		return offset
	}
	return int(c.tokens[i].GetStart())
}
