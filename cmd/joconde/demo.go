package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joconde/attest/sim"
)

//go:embed demo.sql
var demoProgram string

// demoOptions are the flags of demo.
type demoOptions struct {
	engine   string
	keep     string
	platform string
	edit     bool // after approval
	kill     int  // this node, from 1, while it computes; 0: none
	tamper   int  // with this node's program
}

func (t *tool) demoCommand() *cobra.Command {
	var o demoOptions
	var kill, tamper string
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: a whole task of five organisations",
		Long: `demo plays a whole task on this computer: a hub, the agents of five
organisations and three nodes are processes of their own. A population register
knows gender and education, a tax agency region and earnings, from a real
public survey; the statistics hub learns the pay gap and nothing else. All
approve, nodes are verified, inputs are split and sealed, everything is wiped,
and the auditor verifies it from one file. Platform sim protects nothing.

See also what stops it: a task that is edited after approval, a node that is
killed while it computes, and one whose program was changed.`,
		Example: `  joconde demo
  joconde demo --keep folder
  joconde demo --edit-after-approval
  joconde demo --kill node-2
  joconde demo --tamper node-3`,
		Args: none,
	}
	flags := c.Flags()
	flags.StringVar(&o.engine, "engine", defaultEngine, "the `NAME` of the engine that computes")
	flags.StringVar(&o.keep, "keep", "", "keep the task's file, program, tables and result in the folder `DIR`")
	flags.StringVar(&o.platform, "platform", sim.Name, "the `NAME` of what vouches for the nodes")
	flags.BoolVar(&o.edit, "edit-after-approval", false, "change the task once all have approved it")
	flags.StringVar(&kill, "kill", "", "kill this `NODE` while it computes: node-1, node-2 or node-3")
	flags.StringVar(&tamper, "tamper", "", "start this `NODE` from a changed program")
	c.RunE = t.does(func(ctx context.Context, _ []string) (err error) {
		switch {
		case flags.Changed("keep") && o.keep == "":
			return usage("JOC-U026", "--keep names no folder", "an empty name is none", "write, for example, --keep demo")
		case o.platform != sim.Name:
			return usage("JOC-U061", "the demo has no platform "+printable(o.platform), "it runs on any computer, so its nodes run on sim, which protects nothing", "leave --platform out")
		case o.edit && (kill != "" || tamper != "") || kill != "" && tamper != "":
			return usage("JOC-U063", "more than one thing is to go wrong", "the first would hide the others", "choose one of --edit-after-approval, --kill and --tamper")
		}
		if o.kill, err = demoNode("--kill", kill, flags.Changed("kill")); err != nil {
			return err
		}
		if o.tamper, err = demoNode("--tamper", tamper, flags.Changed("tamper")); err != nil {
			return err
		}
		return t.demo(ctx, o)
	})
	return c
}

// demoNode is the number of a node by its name, 0 if none is named.
func demoNode(flag, name string, named bool) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(name, "node-"))
	switch {
	case !named:
		return 0, nil
	case err != nil || n < 1 || n > len(demoNodes):
		return 0, usage("JOC-U062", "there is no node "+printable(name), "the nodes of the demo are node-1, node-2 and node-3", "write, for example, "+flag+" node-2")
	}
	return n, nil
}

// story prints the demo with the time at which each step began.
type story struct {
	w     io.Writer
	began time.Time
}

// indent is where what belongs to a step begins.
const indent = "         "

func (s *story) step(text string) {
	elapsed := int(time.Since(s.began).Seconds())
	fmt.Fprintf(s.w, "%2d:%02d  %s\n", elapsed/60, elapsed%60, text)
}

func (s *story) tell(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(s.w, strings.TrimRight(indent+strings.TrimRight(line, "\n"), " "))
	}
}

// wrap breaks a text into lines of at most width characters, words permitting;
// the lines after the first are indented.
func wrap(text string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := cells(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteString("\n  ")
			column = 2
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
