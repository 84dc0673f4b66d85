package attest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"joconde"
)

// Deadline is how long one verification may take.
const Deadline = 10 * time.Second

// Guard stands around a verifier and makes it refuse where it might not:
// platforms that the policy does not admit are not even parsed; evidence has a
// greatest size and one spelling; verification has a deadline; a panic is a
// refusal; and the claims are held against the policy whatever the verifier
// did with it. A verification that does not end is left behind: Go cannot stop
// it, and its answer goes nowhere.
func Guard(v Verifier) Verifier { return guard{v, Deadline} }

type guard struct {
	inner    Verifier
	deadline time.Duration
}

func (g guard) Platform() string { return g.inner.Platform() }

func (g guard) Verify(ctx context.Context, e joconde.Evidence, reportData [64]byte, policy Policy) (Claims, error) {
	if err := policy.admits(e.Platform); err != nil {
		return Claims{}, err
	}
	if e.Platform != g.inner.Platform() {
		return Claims{}, Refuse("it is of another platform than " + quote(g.inner.Platform()))
	}
	for _, field := range []struct {
		text string
		most int
	}{{e.Raw, MaxEvidence}, {e.Collateral, MaxCollateral}} {
		if len(field.text) > 2*field.most {
			return Claims{}, problem("JOC-E007", "a node's evidence is too large", ErrSize, joconde.ExitUnverified)
		}
		if _, err := hex.DecodeString(field.text); err != nil || strings.ToLower(field.text) != field.text {
			return Claims{}, Refuse("it is not in lower-case hex")
		}
	}
	if e.Raw == "" {
		return Claims{}, Refuse("it is empty")
	}
	claims, err := g.inTime(ctx, e, reportData, policy)
	if err != nil {
		return Claims{}, err
	}
	if claims.Platform != e.Platform || claims.Operator != "" || claims.Hosting != "" {
		return Claims{}, Refuse("the verifier claims what it cannot know")
	}
	if err := policy.Appraise(claims); err != nil {
		return Claims{}, err
	}
	return claims, nil
}

// inTime runs the verifier in a goroutine of its own.
func (g guard) inTime(ctx context.Context, e joconde.Evidence, reportData [64]byte, policy Policy) (Claims, error) {
	ctx, cancel := context.WithTimeout(ctx, g.deadline)
	defer cancel()
	type answer struct {
		claims Claims
		err    error
	}
	answers := make(chan answer, 1) // so that a late answer does not keep its goroutine
	go func() {
		a := answer{err: Refuse("its parser failed")}
		defer func() {
			if recover() != nil { // what it says could have bytes of the evidence
				a = answer{err: Refuse("its parser failed")}
			}
			answers <- a
		}()
		a.claims, a.err = g.inner.Verify(ctx, e, reportData, policy)
	}()
	select {
	case a := <-answers:
		var known *joconde.Problem
		if a.err != nil && !errors.As(a.err, &known) {
			a.err = Refuse("its verifier stopped")
		}
		return a.claims, a.err
	case <-ctx.Done():
		p := problem("JOC-E008", "a node's evidence is not verified", ErrTime, joconde.ExitUnverified)
		p.Err = fmt.Errorf("%w: %w", ErrTime, ctx.Err())
		return Claims{}, p
	}
}

// Refuse is how a verifier says that evidence proves nothing. why is a fixed
// sentence, without bytes of the evidence.
func Refuse(why string) error {
	p := problem("JOC-E010", "a node's evidence does not verify", ErrEvidence, joconde.ExitUnverified)
	p.Why = why
	return p
}

// RefuseReportData is how a verifier says that evidence is genuine, as far as
// it has looked, but vouches for something else.
func RefuseReportData() error {
	return problem("JOC-E011", "a node's evidence is for something else", ErrReportData, joconde.ExitUnverified)
}

func problem(code, what string, cause error, exit int) *joconde.Problem {
	return &joconde.Problem{Code: code, What: what, Why: cause.Error(), Do: "tell the node's operator and all parties; do not try again before it is explained",
		LeftMachine: joconde.NothingLeft, Exit: exit, Err: cause}
}

// quote shows a word that came from outside, cut if it is long.
func quote(word string) string {
	const most = 128
	if len(word) > most {
		word = word[:most] + "…"
	}
	return strconv.Quote(word)
}
