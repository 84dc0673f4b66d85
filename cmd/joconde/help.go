package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"joconde"
)

// helpWidth is how wide help pages are: they fit into every terminal as they
// are, without asking it anything.
const helpWidth = 80

// writeHelp is the help page of a command, in plain text.
func writeHelp(w io.Writer, c *cobra.Command) {
	var b strings.Builder
	section := func(title, text string) {
		if text = strings.TrimRight(text, "\n"); text != "" {
			fmt.Fprintf(&b, "\n%s:\n%s\n", title, text)
		}
	}
	about := c.Long
	if about == "" {
		about = c.Short + "."
	}
	b.WriteString(about + "\n")
	use := c.CommandPath() + " [flags]"
	switch {
	case c.HasAvailableSubCommands():
		use = c.CommandPath() + " COMMAND [flags]"
	case !c.DisableFlagsInUseLine:
		use = c.UseLine()
	}
	section("Usage", "  "+use)
	section("Examples", c.Example)
	var commands strings.Builder
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			fmt.Fprintf(&commands, "  %-11s %s\n", sub.Name(), sub.Short)
		}
	}
	section("Commands", commands.String())
	section("Flags", c.LocalFlags().FlagUsagesWrapped(helpWidth))
	section("Flags of all commands", c.InheritedFlags().FlagUsagesWrapped(helpWidth))
	_, _ = io.WriteString(w, b.String()) // there is nobody else to tell
}

// manners make a tree of commands speak as we do: help pages of ours, and
// errors that say why and what to do.
func (t *tool) manners(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = strings.TrimSpace(version())
	root.SetVersionTemplate("joconde {{.Version}}\n")
	root.SetHelpFunc(func(c *cobra.Command, _ []string) { writeHelp(c.OutOrStdout(), c) })
	root.SetFlagErrorFunc(flagProblem)
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Explain a command", DisableFlagsInUseLine: true,
		Long: "help prints the help page of a command, as --help does.",
		RunE: func(_ *cobra.Command, words []string) error {
			c, rest, err := root.Find(words)
			if err != nil || len(rest) > 0 {
				return unknownCommand(c, rest)
			}
			c.InitDefaultHelpFlag()
			return c.Help()
		},
	})
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Print a script that completes commands for a shell"
			c.Long = `completion prints a script for a shell, with which the tab key completes the
commands and flags of joconde. The help page of each shell says where to put it.`
			group(c)
		}
	}
	politely(root)
}

// politely makes what cobra says of a command's words, and of its subcommands',
// a problem that says what to write.
func politely(c *cobra.Command) {
	for _, sub := range c.Commands() {
		politely(sub)
	}
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, words []string) error {
		err := check(c, words)
		var problem *joconde.Problem
		if err == nil || errors.As(err, &problem) {
			return err
		}
		wanted := strings.Fields(c.Use)[1:]
		if len(words) >= len(wanted) {
			return unexpected(c, words[len(wanted):])
		}
		form := c.CommandPath() + " " + strings.Join(wanted, " ")
		return usage("JOC-U025", "the command is not complete", "its form is "+form, "write: "+form)
	}
}

// unknownCommand is about a first word that c does not have.
func unknownCommand(c *cobra.Command, words []string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	if len(names) == 0 {
		return unexpected(c, words)
	}
	do := "see: " + c.CommandPath() + " --help"
	if like := nearest(words[0], names); like != "" {
		do = fmt.Sprintf("did you mean: %s %s? %s", c.CommandPath(), like, do)
	}
	return usage("JOC-U001", fmt.Sprintf("unknown command %q for %q", words[0], c.CommandPath()),
		"its commands are "+strings.Join(names, ", "), do)
}

// flagProblem is about a flag that cannot be understood.
func flagProblem(c *cobra.Command, err error) error {
	why, do := "a flag must be one that "+c.CommandPath()+" has, with a value of its kind", "see: "+c.CommandPath()+" --help"
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	switch {
	case errors.As(err, &unknown):
		why = c.CommandPath() + " has no such flag"
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if like := nearest(unknown.GetSpecifiedName(), names); like != "" {
			do = fmt.Sprintf("did you mean: --%s? %s", like, do)
		}
	case errors.As(err, &bare):
		why = "this flag needs a value behind it"
	}
	return usage("JOC-U001", err.Error(), why, do)
}

// none lets a command take no words.
func none(c *cobra.Command, words []string) error {
	if len(words) > 0 {
		return unexpected(c, words)
	}
	return nil
}

func unexpected(c *cobra.Command, words []string) *joconde.Problem {
	if len(words) == 0 {
		words = []string{""}
	}
	return usage("JOC-U024", fmt.Sprintf("unexpected argument %q", words[0]),
		"a value belongs right behind its flag, and into quotes if it has a blank in it", "see: "+c.CommandPath()+" --help")
}

// nearest is the name that is most like a word, if one is.
func nearest(word string, names []string) string {
	best, least := "", 1+len(word)/3
	for _, name := range names {
		if d := distance(strings.ToLower(word), name); d <= least && (best == "" || d < least) {
			best, least = name, d
		}
	}
	if best == "" && len(word) > 2 {
		if i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, word) }); i >= 0 {
			best = names[i]
		}
	}
	return best
}

// distance is how many letters are to be changed, put in or left out to make b
// of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
