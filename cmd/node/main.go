// Command node is the program of a computing party. It is two processes. The
// worker, "node worker", sees its own part of every share, the plan, and what
// the plan opens; never clear data, and never a file. Whoever started it tells
// it what to do through frames on its standard input and output
// (dplane/frame.go); it ends when that is done, when the input ends, or when it
// is told to by a signal. It writes nothing anywhere but to its output and its
// peers. What is linked into it is listed in deps.txt; a change to that list is
// a review.
package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"joconde"
)

func main() {
	if err := harden(); err != nil {
		os.Exit(joconde.ExitInternal)
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "worker":
		os.Exit(run(os.Stdin, os.Stdout, "127.0.0.1:0", func() { os.Exit(joconde.ExitInterrupted) }))
	default:
		fmt.Fprintln(os.Stderr, "node: started by joconde as \"node worker\"; there is nothing to do by hand")
		os.Exit(joconde.ExitUsage)
	}
}

// harden sees to it that the memory of the process, which holds shares, ends
// in no core file and is open to no debugger of the same user.
func harden() error {
	return errors.Join(
		unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}),
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0),
	)
}
