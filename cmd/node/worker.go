package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"joconde"
	"joconde/dplane"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/seal"
	"joconde/dplane/session"
	"joconde/record"
)

// run is the whole life of a worker, and gives the exit code. It calls
// abandoned when whoever started it is gone while it computes.
func run(stdin io.Reader, stdout io.Writer, listen string, abandoned func()) int {
	err := serve(stdin, stdout, listen, abandoned)
	if err == nil {
		return joconde.ExitDone
	}
	failure := dplane.Failure{What: brief(err), Reason: "fault"}
	var fault *joconde.Fault
	var stopped *dplane.Stopped
	switch {
	case errors.As(err, &stopped):
		failure.Party, failure.Reason = stopped.Blames, stopped.Reason
	case errors.As(err, &fault):
		failure.Party, failure.Reason = fault.Party, "peer"
	}
	// If even this cannot be written, nobody is there to read it.
	_ = dplane.WriteMessage(stdout, dplane.FrameFailure, failure)
	return joconde.ExitInternal
}

// brief words an error so that it fits a frame. The errors of a hostile program
// can be millions.
func brief(err error) string {
	what := err.Error()
	return strings.ToValidUTF8(what[:min(len(what), 4096)], "?")
}

// serve says where it listens, and does what it is told first: what its node
// says about a task, or a computation for its parent.
func serve(stdin io.Reader, stdout io.Writer, listen string, abandoned func()) error {
	identity, err := session.NewIdentity()
	if err != nil {
		return err
	}
	key, err := seal.NewKey()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	defer listener.Close() // whoever took it over has closed it
	worker := dplane.Worker{Identity: identity, Key: key, Listener: listener, Engine: all.Named, PeakRSS: peakRSS}
	if err := dplane.WriteMessage(stdout, dplane.FrameHello, worker.Hello()); err != nil {
		return err
	}
	kind, payload, err := dplane.ReadFrame(stdin)
	switch {
	case err != nil:
		return fmt.Errorf("receive what to do: %w", err)
	case kind == dplane.FrameTask:
		return worker.Serve(payload, stdin, stdout, abandoned)
	case kind == dplane.FrameJob:
		return compute(identity, listener, payload, stdin, stdout, abandoned)
	}
	return fmt.Errorf("receive what to do: a frame of kind %d is no beginning", kind)
}

// compute receives a job and the inputs, computes, and gives the outputs and
// what it cost.
func compute(identity *session.Identity, listener net.Listener, told []byte, stdin io.Reader, stdout io.Writer, abandoned func()) error {
	job, plan, in, err := receiveJob(told, stdin)
	if err != nil {
		return err
	}
	go watch(stdin, abandoned)

	node := dplane.Node{Identity: identity, Listener: listener, Engine: all.Named, Progress: func(p dplane.Progress) {
		// If nobody reads it any more, the end of the input says so too.
		_ = dplane.WriteMessage(stdout, dplane.FrameProgress, p)
	}}
	out, figures, err := node.Compute(context.Background(), job, plan, in)
	if err != nil {
		return err
	}
	for _, part := range out {
		if err := dplane.WriteFrame(stdout, dplane.FrameOutput, part); err != nil {
			return err
		}
	}
	figures.PeakRSS = peakRSS()
	return dplane.WriteMessage(stdout, dplane.FrameFigures, figures)
}

// receiveJob reads the job and receives this party's parts of the inputs, and
// makes the plan.
func receiveJob(told []byte, stdin io.Reader) (job dplane.Job, plan engine.Plan, in [][]byte, err error) {
	if err := record.Strict(told, &job); err != nil {
		return job, plan, nil, fmt.Errorf("receive the job: %w", err)
	}
	if plan, err = job.Plan(); err != nil {
		return job, plan, nil, fmt.Errorf("make the plan: %w", err)
	}
	in = make([][]byte, len(plan.Vector.Inputs))
	for i := range in {
		if in[i], err = receive(stdin, dplane.FrameInput); err != nil {
			return job, plan, nil, fmt.Errorf("receive input %d: %w", i, err)
		}
	}
	return job, plan, in, nil
}

// receive reads one frame, which must be of the given kind.
func receive(r io.Reader, kind dplane.FrameKind) ([]byte, error) {
	got, payload, err := dplane.ReadFrame(r)
	if err != nil {
		return nil, err
	}
	if got != kind {
		return nil, fmt.Errorf("got a frame of kind %d, not %d", got, kind)
	}
	return payload, nil
}

// watch waits for the end of the input, or for anything in it: nothing more is
// due. It lives as long as the process.
func watch(stdin io.Reader, abandoned func()) {
	_, _ = stdin.Read(make([]byte, 1)) // whatever it gives, it is the end
	abandoned()
}

// peakRSS is the most memory that the process had at a time, in bytes, as
// Linux counts it; 0 where that is not to be had.
func peakRSS() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "VmHWM:" && words[2] == "kB" {
			if n, err := strconv.ParseInt(words[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return 0
}
