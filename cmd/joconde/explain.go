package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// page is what there is to say of a code. The pages are in codes.go, made from
// the very places that give the errors.
type page struct {
	Code string `json:"code"`
	What string `json:"what"`
	Why  string `json:"why"`
	Do   string `json:"do"`
}

// families say by the letter of a code where it comes from.
var families = map[byte]string{
	'A': "the log, and the file by which a task is verified",
	'C': "the life of a task, at the hub",
	'D': "data files",
	'E': "keys, records and evidence",
	'G': "an organisation's own agent",
	'H': "the hub",
	'K': "shares that are sealed",
	'L': "programs",
	'N': "nodes",
	'R': "running a computation",
	'S': "the store on disk",
	'T': "the terms of a task",
	'U': "what was typed",
}

func (t *tool) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Say what an error's code means, and what to do",
		Long: `explain prints the page of a code such as JOC-L104, or the list of all codes.
It works offline. Where an error names a file, a party or a number, its page
has three dots.`,
		Example: "  joconde explain JOC-L104",
		Args:    cobra.MaximumNArgs(1),
		RunE: t.does(func(_ context.Context, args []string) error {
			if len(args) == 0 {
				return t.listPages()
			}
			return t.explain(args[0])
		}),
	}
}

func (t *tool) listPages() error {
	if t.json {
		return t.printJSON(struct {
			Format int    `json:"format"`
			Codes  []page `json:"codes"`
		}{1, pages})
	}
	var b strings.Builder
	family := byte(0)
	for _, p := range pages {
		if letter := p.Code[4]; letter != family {
			if family != 0 {
				b.WriteString("\n")
			}
			family = letter
			fmt.Fprintf(&b, "JOC-%c...  %s\n", letter, families[letter])
		}
		fmt.Fprintf(&b, "  %s  %s\n", p.Code, folded(p.What, 12))
	}
	_, err := fmt.Fprint(t.out, b.String())
	return err
}

func (t *tool) explain(typed string) error {
	code := strings.ToUpper(strings.TrimSpace(typed))
	if !strings.HasPrefix(code, "JOC-") {
		code = "JOC-" + code
	}
	i := slices.IndexFunc(pages, func(p page) bool { return p.Code == code })
	if i < 0 {
		return usage("JOC-U031", "there is no code "+printable(typed), "codes are such as JOC-L104; another version of joconde may have more", "see all of them: joconde explain")
	}
	p, about := pages[i], families[code[4]]
	if t.json {
		return t.printJSON(struct {
			Format int `json:"format"`
			page
			About string `json:"about"`
		}{1, p, about})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", p.Code, folded(p.What, 10))
	line := func(name, text string) {
		if strings.Trim(text, "… ") != "" {
			fmt.Fprintf(&b, "  %-6s %s\n", name+":", folded(text, 9))
		}
	}
	line("about", about)
	line("why", p.Why)
	line("do", p.Do)
	_, err := fmt.Fprint(t.out, b.String())
	return err
}
