package main

import (
	"os"
	"strings"
	"testing"

	"joconde"
	"joconde/internal/cast"
)

// annexOf is the annex of a task of the cast, changed, and played on.
func annexOf(t *testing.T, change func(*joconde.Task), on func(*cast.Play)) string {
	t.Helper()
	play := cast.NewPlay(func(terms *joconde.Task) {
		terms.Source = playedProgram
		change(terms)
		c, s, err := recompile(terms)
		if err != nil {
			t.Fatal(err)
		}
		terms.Program = c.digest
		if terms.Statement, err = statementDigest(s); err != nil {
			t.Fatal(err)
		}
	})
	on(play)
	terms, _ := play.Task()
	c, s, err := recompile(terms)
	if err != nil {
		t.Fatal(err)
	}
	return annex(play.Ledger, c, s)
}

func TestTheAnnexIsWhatTheSignedBytesSay(t *testing.T) {
	text := annexOf(t, func(*joconde.Task) {}, func(p *cast.Play) {
		for range 3 { // some have signed, some have not
			p.Do(p.Step(p.State().Waiting()[0]))
		}
	})
	const golden = "testdata/annex.md"
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("the annex is not that of %s (go test -update writes it, and the difference is read):\n%s", golden, text)
	}
	for _, never := range []string{"anonym", "Anonym", "pseudonym"} {
		if strings.Contains(text, never) {
			t.Errorf("the annex takes a position in law: it says %q", never)
		}
	}
}

func TestNothingThatAPartyWritesIsMarkupInTheAnnex(t *testing.T) {
	text := annexOf(t, func(terms *joconde.Task) {
		terms.Title = "## 12 Signatures | `x`"
		terms.Purpose = "| a | b |\n| --- | --- |\n<script>alert(1)</script> [here](http://example.org) **bold**"
	}, func(p *cast.Play) { p.Do(p.Step(joconde.Wanted{Kind: joconde.KindRefusal, Party: cast.AT})) })
	for _, never := range []string{`task "## 12`, "<script>", "[here](", "**bold**", "\n| a | b |", " | `x`"} {
		if strings.Contains(text, never) {
			t.Errorf("the annex has the markup %q", never)
		}
	}
	if strings.Count(text, "\n## 12 Signatures") != 1 || !strings.Contains(text, "**Refused** by Test organisation at (at): the party does not agree.") {
		t.Errorf("the annex does not end as it should:\n%s", text)
	}
}
