package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/agent"
)

func (t *tool) nextCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "next",
		Short: "Say what you should do next, in all your tasks",
		Long: `next lists, for each task of your organisation, what only a person can do now,
with the command to type, and else who is waited for. The exit code is 5 where
nothing is left for you and somebody else is waited for.`,
		Args: cobra.NoArgs,
		RunE: t.does(func(ctx context.Context, _ []string) error { return t.next(ctx) }),
	}
}

// step is what is to be done next in a task.
type step struct {
	Task    joconde.Digest    `json:"task"`
	Title   string            `json:"title"`
	State   string            `json:"state"`
	Do      []string          `json:"do"`      // commands for a person here
	Waiting []joconde.PartyID `json:"waiting"` // for whom else
}

func (t *tool) next(ctx context.Context) error {
	home, h, err := t.open()
	if err != nil {
		return err
	}
	if home.LogKey() == "" {
		return t.printSteps(home, nil, "joconde party join --name \"LEGAL NAME\"")
	}
	ids, err := h.Tasks(ctx, home.Party())
	if err != nil {
		return err
	}
	var steps []step
	for _, id := range ids {
		f, err := h.fetch(ctx, id, home.LogKey(), 0, 0)
		if err != nil {
			return err
		}
		s, err := nextOf(home, f.ledger.State())
		if err != nil {
			return err
		}
		steps = append(steps, s)
	}
	return t.printSteps(home, steps, "")
}

// nextOf says what is next in one task: what needs a person here, and who else
// is waited for.
func nextOf(home *agent.Home, s *joconde.State) (step, error) {
	me, name := home.Party(), short(s.ID)
	out := step{Task: s.ID, Title: s.Task.Title, State: stateName(s), Do: []string{}, Waiting: []joconde.PartyID{}}
	person := map[joconde.RecordKind]string{joconde.KindApproval: "joconde task review " + name, joconde.KindRetry: "joconde task retry " + name}
	for _, w := range s.Waiting() {
		switch {
		case w.Party != me:
			if !slices.Contains(out.Waiting, w.Party) {
				out.Waiting = append(out.Waiting, w.Party)
			}
		case person[w.Kind] != "":
			if !slices.Contains(out.Do, person[w.Kind]) {
				out.Do = append(out.Do, person[w.Kind])
			}
		default:
			if agent := "joconde agent"; !slices.Contains(out.Do, agent) {
				out.Do = append(out.Do, agent)
			}
		}
	}
	i := slices.IndexFunc(s.Task.Parties, func(m joconde.Member) bool { return m.Party == me })
	if i < 0 {
		return out, nil
	}
	roles := s.Task.Parties[i].Roles
	if early := s.Phase == joconde.Proposed || s.Phase == joconde.Agreed || s.Phase == joconde.Established; early && slices.Contains(roles, joconde.InputParty) {
		c, err := agent.Compile(s.Task)
		if err != nil {
			return out, err
		}
		missing, err := home.Missing(c, s.ID)
		if err != nil {
			return out, err
		}
		for _, table := range missing {
			out.Do = append(out.Do, fmt.Sprintf("joconde data provide %s --table %s=FILE", name, table))
		}
	}
	if s.Closed() && slices.Contains(roles, joconde.OutputParty) {
		out.Do = append(out.Do, "joconde result get "+name)
	}
	return out, nil
}

func (t *tool) printSteps(home *agent.Home, steps []step, first string) error {
	if t.json {
		if steps == nil {
			steps = []step{}
		}
		if err := t.printJSON(struct {
			Format int             `json:"format"`
			Party  joconde.PartyID `json:"party"`
			First  string          `json:"first,omitempty"`
			Tasks  []step          `json:"tasks"`
		}{1, home.Party(), first, steps}); err != nil {
			return err
		}
	} else if err := t.proseSteps(home, steps, first); err != nil {
		return err
	}
	waiting := slices.ContainsFunc(steps, func(s step) bool { return len(s.Waiting) > 0 })
	mine := first != "" || slices.ContainsFunc(steps, func(s step) bool { return len(s.Do) > 0 })
	if waiting && !mine {
		t.quiet = joconde.ExitWaiting
	}
	return nil
}

func (t *tool) proseSteps(home *agent.Home, steps []step, first string) error {
	var b strings.Builder
	if first != "" {
		fmt.Fprintf(&b, "Next: %s\n", first)
	} else if len(steps) == 0 {
		fmt.Fprintf(&b, "There is no task of %s. Begin one: joconde task new FOLDER\n", home.Party())
	}
	for _, s := range steps {
		fmt.Fprintf(&b, "%s  %s: %s\n", short(s.Task), s.State, printable(s.Title))
		for _, do := range s.Do {
			fmt.Fprintf(&b, "  next: %s\n", do)
		}
		if len(s.Waiting) > 0 {
			fmt.Fprintf(&b, "  waiting for %s\n", names(s.Waiting))
		}
	}
	_, err := fmt.Fprint(t.out, b.String())
	return err
}
