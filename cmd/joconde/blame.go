package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"

	"joconde"
	"joconde/dplane"
	"joconde/record"
)

// What goes wrong with a computing party, in a sentence for people. What the
// parts of the system said of it is in Err, for --verbose.

// otherVersion is what to do where the two programs do not understand each other.
const otherVersion = "build joconde and node from the same source: go build -o bin/ ./cmd/joconde ./cmd/node"

// where is the party and how far it is.
func (p *party) where() string {
	switch {
	case p.at.Total > 0:
		return fmt.Sprintf("%s, after step %d of %d", p.name, p.at.Done, p.at.Total)
	case p.hello.Format == 0:
		return string(p.name) + ", at its start"
	}
	return string(p.name) + ", while it receives its shares and connects to the others"
}

func (p *party) when() string {
	if p.hello.Format == 0 {
		return "as it started"
	}
	return "while computing"
}

// broken is a problem whose cause is at this party.
func (p *party) broken(code, what, why, do string, err error) error {
	var fault *joconde.Fault
	if !errors.As(err, &fault) {
		err = &joconde.Fault{Party: p.name, Err: err}
	}
	return &joconde.Problem{Code: code, What: what, Where: p.where(), Why: why, Do: do, Exit: joconde.ExitUnreachable, Err: err}
}

// garbled is about a party that says what we do not understand.
func (p *party) garbled(err error) error {
	return p.broken("JOC-R013", fmt.Sprintf("what %s says %s makes no sense", p.name, p.when()), "this node may be of another version", otherVersion, err)
}

// stopped is about a party whose process ended while it should still have
// spoken. err is what reading from it gave.
func (p *party) stopped(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return p.garbled(err)
	}
	<-p.process.ended
	why, do := "its process ended by itself", "run it again; if it happens twice, report it with what --verbose prints"
	var exit *exec.ExitError
	if errors.As(p.process.err, &exit) {
		why = fmt.Sprintf("its process ended by itself, with exit code %d", exit.ExitCode())
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			why = fmt.Sprintf("the system, or somebody, ended its process (%s)", status.Signal())
			if status.Signal() == syscall.SIGKILL {
				do = "see whether the computer ran out of memory; then run it again"
			}
		}
	}
	if p.hello.Format == 0 {
		why, do = why+"; this node may be of another version", otherVersion
	}
	cause := p.process.err
	if cause == nil {
		cause = err
	}
	if said := p.stderr.text(); said != "" {
		cause = fmt.Errorf("%w; it said: %s", cause, said)
	}
	return p.broken("JOC-R002", fmt.Sprintf("%s stopped answering %s", p.name, p.when()), why, do, cause)
}

// gaveUp is about a party that says that it failed, and perhaps by whom.
func (p *party) gaveUp(payload []byte) error {
	var f dplane.Failure
	if err := record.Strict(payload, &f); err != nil {
		return p.garbled(err)
	}
	said := fmt.Errorf("%s: %s", p.name, f.What)
	if f.Party != "" && f.Party != p.name {
		return p.broken("JOC-R014", fmt.Sprintf("%s stopped answering %s", f.Party, p.when()),
			fmt.Sprintf("%s lost its connection to it, or got from it what the protocol does not allow", p.name),
			"run it again; if it happens twice, report it with what --verbose prints", &joconde.Fault{Party: f.Party, Err: said})
	}
	return p.broken("JOC-R015", fmt.Sprintf("%s gave up %s", p.name, p.when()), "it cannot do its part, or this node may be of another version",
		"see what it says with --verbose; if node may be old: go build -o bin/ ./cmd/joconde ./cmd/node", said)
}

// unstartable is about a node program that the system does not run.
func unstartable(name joconde.PartyID, program string, err error) error {
	return &joconde.Problem{Code: "JOC-R016", What: fmt.Sprintf("%s could not be started", name), Where: program, Exit: joconde.ExitInternal,
		Why: "the system does not run this file; this node may be of another version, for another computer, or damaged", Do: otherVersion, Err: err}
}
