package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/agent"
	platforms "joconde/attest/all"
	"joconde/dplane"
)

// nodeOptions say how an organisation runs its node, if it runs one.
type nodeOptions struct {
	program  string
	platform string
	listen   string
	address  string
}

func (o *nodeOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.program, "node", "", "the program of computing parties (default: node beside joconde)")
	c.Flags().StringVar(&o.platform, "platform", "sim", "what vouches for the node; sim protects nothing and is for test data only")
}

// device is where a platform's evidence device is in a home.
func device(home *agent.Home, platform string) string {
	return filepath.Join(home.Dir(), "device-"+platform)
}

// find finds the program node.
func (o *nodeOptions) find() (string, error) {
	path := o.program
	if path == "" {
		self, err := os.Executable()
		if err != nil {
			return "", fmt.Errorf("find joconde itself: %w", err)
		}
		path = filepath.Join(filepath.Dir(self), "node")
	}
	path, err := filepath.Abs(path)
	if err == nil {
		var info os.FileInfo
		if info, err = os.Stat(path); err == nil && !info.Mode().IsRegular() {
			err = errors.New("it is no file")
		}
	}
	if err != nil {
		return "", unreadable("JOC-U057", "the program of computing parties", path, err)
	}
	return path, nil
}

func (t *tool) agentCommand() *cobra.Command {
	var o nodeOptions
	var computes bool
	c := &cobra.Command{
		Use:   "agent",
		Short: "Act for your organisation: verify, sign receipts, send, open, wipe",
		Long: `agent runs until it is stopped. For every task of your organisation it verifies
all records itself, checks every node, sends your tables once all have agreed,
opens results that are granted to you, and wipes. It uses the operations key
only: it approves nothing. With --compute it also starts your node. It connects
outwards only; your node listens where --listen says.`,
		Example: "  joconde agent\n  joconde agent --compute --listen 0.0.0.0:7443 --address node.tax.example:7443",
		Args:    cobra.NoArgs,
		RunE:    t.does(func(ctx context.Context, _ []string) error { return t.agent(ctx, o, computes) }),
	}
	o.flags(c)
	c.Flags().BoolVar(&computes, "compute", false, "start the node of this organisation where a task names it")
	c.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "where the node listens; port 0 takes a free one")
	c.Flags().StringVar(&o.address, "address", "", "where others reach the node (default: where it listens)")
	return c
}

// agent runs the daemon until it is interrupted, which is its good end.
func (t *tool) agent(ctx context.Context, o nodeOptions, computes bool) error {
	home, h, err := t.open()
	if err != nil {
		return err
	}
	a := &agent.Agent{Home: home, Hub: h, Workers: agent.Direct{}, Notify: t.notify()}
	if computes {
		program, err := o.find()
		if err != nil {
			return err
		}
		if _, _, err := net.SplitHostPort(o.listen); err != nil {
			return usage("JOC-U058", "--listen "+printable(o.listen)+" is no address", "an address is HOST:PORT", "write, for example, --listen 0.0.0.0:7443")
		}
		a.Launcher = &agent.Processes{Home: home, Program: program, Platform: o.platform, Device: device(home, o.platform), Listen: o.listen, Address: o.address}
	}
	t.patience.Store(30) // a node may take its time to wipe
	fmt.Fprintf(t.prose(), "agent of %s, at %s\n", home.Party(), home.HubURL())
	if err := a.Run(ctx); err != nil {
		return err
	}
	t.printed.Store(true) // being told to stop is no failure
	return nil
}

// notify prints what happens, a line for each event. With --json each line is
// one object on standard output.
func (t *tool) notify() func(agent.Event) {
	var mu sync.Mutex
	return func(e agent.Event) {
		mu.Lock()
		defer mu.Unlock()
		if t.json {
			line := struct {
				At      string           `json:"at"`
				Party   joconde.PartyID  `json:"party"`
				Task    string           `json:"task,omitempty"`
				Attempt int              `json:"attempt,omitempty"`
				State   joconde.Phase    `json:"state,omitempty"`
				Step    agent.Step       `json:"step"`
				What    string           `json:"what"`
				Problem *joconde.Problem `json:"problem,omitempty"`
				Node    *dplane.Status   `json:"node,omitempty"`
			}{joconde.FormatTime(e.At), e.Party, "", e.Attempt, e.Phase, e.Step, e.What, e.Problem, e.Node}
			if e.Task != (joconde.Digest{}) {
				line.Task = e.Task.String()
			}
			if text, err := marshal(line); err == nil {
				_, _ = t.out.Write(text) // whoever reads may be gone
			}
			return
		}
		task := ""
		if e.Task != (joconde.Digest{}) {
			task = short(e.Task)
		}
		fmt.Fprintf(t.out, "%s %-9s %-11s %-7s %s\n", e.At.UTC().Format("15:04:05"), task, e.Phase, e.Step, printable(e.What))
		if e.Problem != nil {
			fmt.Fprintf(t.out, "%31s %s: %s [%s]\n", "", printable(e.Problem.What), printable(e.Problem.Why), e.Problem.Code)
		}
	}
}

func (t *tool) nodeEnrolCommand() *cobra.Command {
	var o nodeOptions
	c := &cobra.Command{
		Use:   "enrol",
		Short: "Make this computer's evidence device ready, and say what it is",
		Long: `enrol prints what a task must name for your node: the chip on which it runs and
the measurement of the program. Give both to whoever drafts the task.`,
		Example: "  joconde node enrol --platform sim",
		Args:    cobra.NoArgs,
		RunE:    t.does(func(context.Context, []string) error { return t.enrolNode(o) }),
	}
	o.flags(c)
	return c
}

func (t *tool) enrolNode(o nodeOptions) error {
	home, _, err := t.open()
	if err != nil {
		return err
	}
	program, err := o.find()
	if err != nil {
		return err
	}
	chip, measurement, err := enrol(home, o.platform, program)
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format      int             `json:"format"`
			Party       joconde.PartyID `json:"party"`
			Platform    string          `json:"platform"`
			Chip        string          `json:"chip"`
			Measurement string          `json:"measurement"`
		}{1, home.Party(), o.platform, chip, measurement})
	}
	_, err = fmt.Fprintf(t.out, "computing:\n  - party: %s\n    chips: [%q]\n    measurements: [%q]\n", home.Party(), chip, measurement)
	return err
}

// enrol makes the evidence device of a home ready.
func enrol(home *agent.Home, platform, program string) (chip, measurement string, err error) {
	p, found := platforms.Named(platform)
	if !found {
		var known []string
		for _, p := range platforms.Platforms() {
			known = append(known, p.Platform())
		}
		return "", "", usage("JOC-U059", "there is no platform "+printable(platform), "this joconde knows: "+strings.Join(known, ", "), "choose one with --platform")
	}
	if chip, err = p.Enrol(device(home, platform)); err != nil {
		return "", "", err
	}
	measurement, err = p.Measure(program)
	return chip, measurement, err
}

func (t *tool) policySetCommand() *cobra.Command {
	var r dplane.Refusals
	c := &cobra.Command{
		Use:   "set",
		Short: "Say in which tasks your organisation takes no part",
		Long: `set writes your organisation's policy. Your approvals and your node refuse what
it does not admit. Without one, every engine is refused that a single cheating
node defeats: --allow-passive admits those.`,
		Example: "  joconde policy set --allow-passive --test-data-only",
		Args:    cobra.NoArgs,
		RunE:    t.does(func(context.Context, []string) error { return t.setPolicy(r) }),
	}
	flags := c.Flags()
	flags.BoolVar(&r.AllowPassive, "allow-passive", false, "admit engines that one cheating node defeats, such as rep3")
	flags.StringArrayVar(&r.Engines, "refuse-engine", nil, "refuse this engine; once for each")
	flags.BoolVar(&r.TestDataOnly, "test-data-only", false, "refuse tasks over real data")
	flags.IntVar(&r.MinimumParties, "minimum-parties", 0, "refuse tasks of fewer parties")
	flags.IntVar(&r.MaximumRows, "maximum-rows", 0, "refuse tables of more rows; 0 sets no limit")
	flags.IntVar(&r.MaximumSeconds, "maximum-seconds", 0, "refuse longer computations; 0 sets no limit")
	return c
}

func (t *tool) setPolicy(r dplane.Refusals) error {
	home, _, err := t.open()
	if err != nil {
		return err
	}
	if r.MinimumParties < 0 || r.MaximumRows < 0 || r.MaximumSeconds < 0 {
		return usage("JOC-U060", "a limit is negative", "a limit is a number, and 0 sets none", "leave it out, or give a number from 0")
	}
	slices.Sort(r.Engines)
	if err := home.SetRefusals(r); err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format int    `json:"format"`
			File   string `json:"file"`
		}{1, home.PolicyFile()})
	}
	_, err = fmt.Fprintf(t.out, "written: %s\n", home.PolicyFile())
	return err
}
