// Command joconde is the people's tool: it tries a program on files, checks a
// task's program, lists the engines and shows the whole at work. It sees the
// clear data of whoever runs it, and stays on that person's machine: computing
// parties are processes of the separate program node, over TLS on loopback.
// Start with main.go; try.go tells what every computation goes through.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"joconde"
)

func main() { os.Exit(run(os.Args[1:])) }

// tool is one run of the command.
type tool struct {
	out, err io.Writer         // standard output and error
	json     bool              // --json: one object on out, all else on err
	plain    bool              // --plain: no redrawn line, ASCII only
	verbose  bool              // --verbose: the causes of an error, as the parts of the system word them
	tidy     *tidy             // what an interruption must end and remove
	failure  error             // what the command ended with
	texts    map[string]string // of programs, by file: errors show their line
	printed  atomic.Bool       // the result: an interruption comes too late
	home     string            // --home: the organisation's folder
	quiet    int               // exit code of a command that did not fail: done, or waiting
	patience atomic.Int64      // how many seconds an interruption leaves for a good end; 0: one
}

// prose is where the tool speaks to people.
func (t *tool) prose() io.Writer {
	if t.json {
		return t.err
	}
	return t.out
}

// run executes one command line and returns the exit code. An interruption
// cancels the context, so that everything ends in good order; a second one, or
// a second later, ends it at once. Either way no process and no file stays.
func run(args []string) int {
	t := &tool{out: os.Stdout, err: os.Stderr, tidy: &tidy{}, texts: map[string]string{}, json: slices.Contains(args, "--json")}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := interruptions()
	go func() {
		<-signals
		if t.printed.Load() {
			return // the end is near, and is no failure
		}
		cancel(errInterrupted)
		select { // some steps, such as the parser's start, hear nothing for a second
		case <-signals:
		case <-time.After(time.Duration(max(1, t.patience.Load())) * time.Second):
		}
		t.tidy.all()
		os.Exit(t.complain(errInterrupted))
	}()

	root := t.commands()
	root.SetArgs(args)
	root.SetOut(t.out)
	root.SetErr(t.err)
	if err := root.ExecuteContext(ctx); err != nil { // cobra's own complaints; commands keep theirs in t.failure
		t.failure = misunderstood(err)
	}
	t.tidy.all()
	// Whatever failed, it failed because we were interrupted. What did not fail
	// was done before we heard of it.
	if ctx.Err() != nil && t.failure != nil && !t.printed.Load() {
		t.failure = errInterrupted
	}
	if t.failure == nil {
		return t.quiet
	}
	return t.complain(t.failure)
}

// misunderstood is a command line that cobra makes no sense of.
func misunderstood(err error) error {
	var problem *joconde.Problem
	if errors.As(err, &problem) {
		return err
	}
	return usage("JOC-U001", err.Error(), "the command line cannot be understood", "see: joconde --help")
}

// commands is the tree of commands.
func (t *tool) commands() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "joconde",
		Short: "Compute joint statistics that nobody else sees the data of",
		Long: `joconde computes joint statistics over tables whose owners may not show them
to each other. What is computed, and who learns it, is an SQL program.
Your data and keys stay here; parties meet at a hub, which sees neither.`,
		Example: `  joconde demo
  joconde task check program.sql
  joconde try --program program.sql \
      --table clinic.visit=visits.csv --table payroll.job=jobs.csv`,
	})
	flags := root.PersistentFlags()
	flags.BoolVar(&t.json, "json", t.json, "print one JSON object, and all else to standard error")
	flags.BoolVar(&t.plain, "plain", false, "redraw no line, and show progress in ASCII only")
	flags.StringVar(&t.home, "home", "", "your organisation's folder (default: $JOCONDE_HOME, or ~/.joconde)")
	flags.BoolVarP(&t.verbose, "verbose", "v", false, "with an error, print all its causes")
	task := group(&cobra.Command{Use: "task", Short: "Work on a computation task"})
	task.AddCommand(t.newCommand(), t.checkCommand())
	task.AddCommand(t.taskCommands()...)
	keys := group(&cobra.Command{Use: "keys", Short: "Make your organisation's keys"})
	keys.AddCommand(t.keysNewCommand())
	party := group(&cobra.Command{Use: "party", Short: "Join the directory, and look at it"})
	party.AddCommand(t.partyJoinCommand(), t.partyListCommand())
	data := group(&cobra.Command{Use: "data", Short: "Check and provide your tables"})
	data.AddCommand(t.dataCommands()...)
	result := group(&cobra.Command{Use: "result", Short: "Get what you may learn"})
	result.AddCommand(t.resultGetCommand())
	node := group(&cobra.Command{Use: "node", Short: "Make a computer ready to run your node"})
	node.AddCommand(t.nodeEnrolCommand())
	policy := group(&cobra.Command{Use: "policy", Short: "Say what your organisation takes no part in"})
	policy.AddCommand(t.policySetCommand())
	engines := group(&cobra.Command{Use: "engine", Short: "Look at the engines that compute"})
	engines.AddCommand(t.engineListCommand())
	root.AddCommand(t.demoCommand(), t.tryCommand(), t.nextCommand(), keys, party, task, data, result, t.agentCommand(), node, policy,
		t.verifyCommand(), engines, t.explainCommand(), t.versionCommand())
	t.manners(root)
	return root
}

// group makes a command that only holds others: alone it shows its help, and
// an unknown word is an error.
func group(c *cobra.Command) *cobra.Command {
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownCommand(c, args)
		}
		return c.Help()
	}
	c.Args = cobra.ArbitraryArgs
	return c
}

// does gives cobra a function whose error we print ourselves.
func (t *tool) does(f func(ctx context.Context, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		t.failure = f(c.Context(), args)
		return nil
	}
}

// onTerminal says whether a line may be redrawn on w.
func (t *tool) onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && !t.plain && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(file.Fd()))
}

// tidy holds what must not outlive the tool: functions that end processes and
// remove directories. Each is safe to call twice, from any goroutine.
type tidy struct {
	mu     sync.Mutex
	ends   []func()
	closed bool // by an interruption: nothing may be made any more
}

// make makes something and keeps the function that ends it, so that nothing
// can come between the two.
func (t *tidy) make(something func() (end func(), err error)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return errInterrupted
	}
	end, err := something()
	if err == nil {
		t.ends = append(t.ends, end)
	}
	return err
}

// all ends what was made, the latest first. Nothing can be made after it.
func (t *tidy) all() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, end := range slices.Backward(t.ends) {
		end()
	}
	t.ends, t.closed = nil, true
}

var errInterrupted = errors.New("interrupted")

func (t *tool) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: none,
		RunE: t.does(func(context.Context, []string) error {
			if t.json {
				return t.printJSON(struct {
					Format  int    `json:"format"`
					Version string `json:"version"`
				}{1, version()})
			}
			_, err := fmt.Fprintln(t.out, "joconde", strings.TrimSpace(version()))
			return err
		}),
	}
}
