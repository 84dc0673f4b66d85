// Command node is the program of a computing party. It is two processes. The
// node checks, before it makes a key, that every party has signed the task,
// that the log has all of it and that its own party admits it; it signs what
// the computing party answers for, and sees no share. It starts the worker,
// "node worker", which holds keys and its own part of every share; never clear
// data, and never a file. The node talks with the agent that launched it, and
// the worker with its node, through frames on standard input and output
// (dplane/control.go, dplane/frame.go); each ends when its input does. They
// write nothing anywhere but to their output and, the worker, to its peers.
// What is linked into them is listed in deps.txt; a change to that list is a
// review.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"joconde"
	attestall "joconde/attest/all"
	"joconde/dplane/engine/all"
	"joconde/dplane/node"
)

func main() {
	if err := harden(); err != nil {
		os.Exit(joconde.ExitInternal)
	}
	os.Exit(command(os.Args[1:]))
}

func command(args []string) int {
	switch {
	case len(args) == 0:
		return stand()
	case len(args) <= 2 && args[0] == "worker":
		listen := "127.0.0.1:0"
		if len(args) == 2 {
			listen = args[1]
		}
		return run(os.Stdin, os.Stdout, listen, func() { os.Exit(joconde.ExitInterrupted) })
	}
	fmt.Fprintln(os.Stderr, "node: it is started by joconde agent, without arguments; there is nothing to do by hand")
	return joconde.ExitUsage
}

// stand is the node: it stands for its computing party.
func stand() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := node.Run(ctx, node.Config{
		Engine: all.Named, Platform: attestall.Named, Appraise: attestall.Verify,
		Executable: self, Start: startWorker,
	}, os.Stdin, os.Stdout)
	var problem *joconde.Problem
	switch {
	case err == nil:
		return joconde.ExitDone
	case errors.As(err, &problem) && problem.Exit != 0:
		return problem.Exit
	}
	return joconde.ExitInternal
}

// harden sees to it that the memory of the process, which holds keys and
// shares, ends in no core file and is open to no debugger of the same user.
func harden() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
