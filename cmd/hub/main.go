// Command hub is the shared service: directory and proposals (mplane),
// coordinator (cplane) and their log (audit/tlog), in one process.
//
// It is trusted with nothing. It sees signed records and sealed results; it
// never sees data, shares, or a key that opens any; at worst it delays,
// withholds, or shows different parties different prefixes of a task, which
// the log's key then has signed.
//
//	hub -c hub.yaml
//
// It prints one line when it is ready, "hub URL LOGKEY", and its log goes to
// standard error. SIGTERM and SIGINT end it cleanly; so may kill -9 at any time.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.yaml.in/yaml/v3"

	"joconde"
	"joconde/store"
)

// config is hub.yaml. Unknown keys are errors.
type config struct {
	// Listen is the address and port, such as 0.0.0.0:8443. Port 0 takes a free
	// one. Required.
	Listen string `yaml:"listen"`
	// Data is the folder of the hub's state, readable by its owner only: the
	// log's private key (log.key), the log (log/) and the store (hub.db). Who has
	// the key can sign another history of the log. Required; made if not there.
	Data string `yaml:"data"`
	// TLS, if set, is the hub's certificate and key, in PEM files. Without it
	// the hub speaks plain HTTP: for one machine, or behind a proxy. Records are
	// signed and results sealed either way; TLS hides who asks for what.
	TLS *struct {
		Certificate string `yaml:"certificate"`
		Key         string `yaml:"key"`
	} `yaml:"tls"`
	// RequestsPerSecond is what one address may ask on average, and twice as
	// many at once. Default 200.
	RequestsPerSecond int `yaml:"requests_per_second"`
	// Organisations is how many directory entries are kept, versions counted.
	// Default 5000, at most 10000: the directory is read as a whole.
	Organisations int `yaml:"organisations"`
	// Tasks is how many tasks are taken in all. They stay in memory, some 100 kB
	// each. Default 10000.
	Tasks int `yaml:"tasks"`
	// OutputBytes is the size of the largest sealed output that is kept for its
	// recipient, MailboxBytes that of all together. Defaults 16777216 and
	// 1073741824; an output has at most 33554432.
	OutputBytes  int `yaml:"output_bytes"`
	MailboxBytes int `yaml:"mailbox_bytes"`
	// Waiting is how many requests may wait for news at once. Default 1000.
	Waiting int `yaml:"waiting"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole command, and gives its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	slog.SetDefault(slog.New(slog.NewTextHandler(stderr, nil)))
	flags := flag.NewFlagSet("hub", flag.ContinueOnError)
	flags.SetOutput(stderr)
	file := flags.String("c", "", "configuration file")
	if err := flags.Parse(args); err != nil {
		return joconde.ExitUsage
	}
	err := func() error {
		if *file == "" || flags.NArg() > 0 {
			return unusable("JOC-H301", "the command line is not that of the hub", "command line", "it has one flag, the configuration file", "start it as: hub -c hub.yaml", nil)
		}
		text, err := os.ReadFile(*file)
		if err != nil {
			return unusable("JOC-H302", "the configuration cannot be read", *file, rootOf(err), "check the path and its permissions", err)
		}
		c, err := parse(*file, text)
		if err != nil {
			return err
		}
		return serve(ctx, c, stdout)
	}()
	if err == nil {
		return joconde.ExitDone
	}
	var p *joconde.Problem
	if !errors.As(err, &p) {
		p = &joconde.Problem{Code: "JOC-H300", What: err.Error(), Where: "hub", Why: "the hub, or the system under it, failed",
			Do: "start it again; nothing that it acknowledged is lost", Exit: joconde.ExitInternal}
	}
	fmt.Fprintf(stderr, "Error: %s [%s]\n  where: %s\n  why:   %s\n  do:    %s\n", p.What, p.Code, p.Where, p.Why, p.Do)
	return p.Exit
}

// parse reads the configuration and fills in defaults.
func parse(file string, text []byte) (*config, error) {
	var c config
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&c); err != nil && !errors.Is(err, io.EOF) {
		return nil, unusable("JOC-H303", "the configuration is not in its form", file, strings.ReplaceAll(err.Error(), "\n", " "), "see the comments of config in cmd/hub/main.go", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, unusable("JOC-H303", "the configuration is not in its form", file, "it has a second document", "keep one", err)
	}
	for _, n := range []struct {
		name           string
		value          *int
		standard, most int
	}{
		{"requests_per_second", &c.RequestsPerSecond, 200, 1_000_000},
		{"organisations", &c.Organisations, 5000, 10_000},
		{"tasks", &c.Tasks, 10_000, 1_000_000},
		{"output_bytes", &c.OutputBytes, 16 << 20, store.MaxValue},
		{"mailbox_bytes", &c.MailboxBytes, 1 << 30, 1 << 40},
		{"waiting", &c.Waiting, 1000, 100_000},
	} {
		if *n.value == 0 {
			*n.value = n.standard
		}
		if *n.value < 1 || *n.value > n.most {
			return nil, unusable("JOC-H304", "a number of the configuration is out of range", file+", "+n.name, fmt.Sprintf("it must be 1 to %d", n.most), "correct it, or leave it out", nil)
		}
	}
	switch {
	case c.Listen == "":
		return nil, unusable("JOC-H305", "the configuration does not say where to listen", file+", listen", "it has no default", "add a line such as listen: 127.0.0.1:8443", nil)
	case c.Data == "":
		return nil, unusable("JOC-H306", "the configuration does not say where to keep the log", file+", data", "it has no default", "add a line such as data: /var/lib/hub", nil)
	case c.TLS != nil && (c.TLS.Certificate == "" || c.TLS.Key == ""):
		return nil, unusable("JOC-H307", "the configuration of TLS is incomplete", file+", tls", "it needs a certificate and a key", "give both, or leave tls out", nil)
	}
	return &c, nil
}

func unusable(code, what, where, why, do string, cause error) error {
	return &joconde.Problem{Code: code, What: what, Where: where, Why: why, Do: do, LeftMachine: joconde.NothingLeft, Exit: joconde.ExitUsage, Err: cause}
}

// rootOf is the innermost cause.
func rootOf(err error) string {
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return err.Error()
}
