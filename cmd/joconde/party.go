package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/agent"
	"joconde/record"
)

// homeFolder is where the organisation's home is.
func (t *tool) homeFolder() (string, error) {
	if t.home != "" {
		return t.home, nil
	}
	if dir := os.Getenv("JOCONDE_HOME"); dir != "" {
		return dir, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", usage("JOC-U045", "there is no folder for keys and data", "the system does not say where your home folder is", "name one with --home FOLDER")
	}
	return filepath.Join(user, ".joconde"), nil
}

// open opens the organisation's home and finds its hub.
func (t *tool) open() (*agent.Home, *hub, error) {
	dir, err := t.homeFolder()
	if err != nil {
		return nil, nil, err
	}
	home, err := agent.OpenHome(dir)
	if err != nil {
		return nil, nil, err
	}
	return home, hubAt(home.HubURL()), nil
}

func (t *tool) keysNewCommand() *cobra.Command {
	var hubURL string
	c := &cobra.Command{
		Use:   "new PARTY",
		Short: "Make your organisation's home: its keys, and where its hub is",
		Long: `new draws the organisation's three keys in a folder that only you can read:
the approval key, which signs what a person decides; the operations key, which
the agent uses unattended; and the result key, to which results are sealed.
Nobody else ever gets them. Make a backup: lost keys cannot be had again.`,
		Example: "  joconde keys new tax --hub https://hub.example.eu",
		Args:    cobra.ExactArgs(1),
		RunE: t.does(func(_ context.Context, args []string) error {
			return t.keysNew(joconde.PartyID(args[0]), hubURL)
		}),
	}
	c.Flags().StringVar(&hubURL, "hub", "", "the address of the shared service, such as https://hub.example.eu")
	return c
}

func (t *tool) keysNew(party joconde.PartyID, hubURL string) error {
	if hubURL == "" {
		return usage("JOC-U046", "no hub is named", "parties meet at a hub, which is trusted with nothing", "add: --hub https://...")
	}
	dir, err := t.homeFolder()
	if err != nil {
		return err
	}
	home, err := agent.NewHome(dir, party, hubURL, "")
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format int             `json:"format"`
			Party  joconde.PartyID `json:"party"`
			Home   string          `json:"home"`
			Hub    string          `json:"hub"`
		}{1, party, home.Dir(), hubURL})
	}
	_, err = fmt.Fprintf(t.out, "Made the keys of %s in %s. Make a backup of that folder and let nobody read it.\nNext: joconde party join --name \"LEGAL NAME\"\n", party, home.Dir())
	return err
}

type joinOptions struct {
	name, contact, logKey string
	days                  int
}

func (t *tool) partyJoinCommand() *cobra.Command {
	var o joinOptions
	c := &cobra.Command{
		Use:   "join",
		Short: "Enter your organisation's keys into the hub's directory",
		Long: `join signs the entry of your organisation and posts it. Tell the other parties
its fingerprint by another way than the hub, a telephone for one: whoever can
put another key in your place could sign for you. The first time it also notes
the key of the hub's log; compare that with what the other parties have.`,
		Example: "  joconde party join --name \"Tax Agency\" --contact privacy@tax.example",
		Args:    cobra.NoArgs,
		RunE:    t.does(func(ctx context.Context, _ []string) error { return t.join(ctx, o) }),
	}
	flags := c.Flags()
	flags.StringVar(&o.name, "name", "", "the organisation's legal name")
	flags.StringVar(&o.contact, "contact", "", "whom data subjects and other parties turn to")
	flags.StringVar(&o.logKey, "log-key", "", "the key of the hub's log, as you were told it; without it, what the hub says the first time is noted")
	flags.IntVar(&o.days, "days", 730, "for how many days the entry holds")
	return c
}

func (t *tool) join(ctx context.Context, o joinOptions) error {
	if o.name == "" {
		return usage("JOC-U047", "no legal name is given", "the other parties must know whom they agree with", "add: --name \"LEGAL NAME\"")
	}
	if o.days < 1 || o.days > 3650 {
		return usage("JOC-U048", "--days must be 1 to 3650", "keys are renewed now and then", "write, for example, --days 730")
	}
	home, h, err := t.open()
	if err != nil {
		return err
	}
	about, err := h.m.Hub(ctx)
	if err != nil {
		return err
	}
	if o.logKey != "" && o.logKey != about.LogKey {
		return wrongHub("the hub has another log key than you were told", nil)
	}
	if err := home.PinLog(about.LogKey); err != nil {
		return err
	}
	today := time.Now().UTC().Truncate(24 * time.Hour) // so that the same command again is the same entry
	id, err := home.Enrol(ctx, h, agent.Enrolment{LegalName: o.name, Contact: o.contact, ValidFrom: today, ValidUntil: today.AddDate(0, 0, o.days)})
	if err != nil {
		return err
	}
	if t.json {
		return t.printJSON(struct {
			Format      int             `json:"format"`
			Party       joconde.PartyID `json:"party"`
			ID          joconde.Digest  `json:"id"`
			Fingerprint string          `json:"fingerprint"`
			LogKey      string          `json:"log_key"`
		}{1, home.Party(), id, record.Fingerprint(id), about.LogKey})
	}
	_, err = fmt.Fprintf(t.out, "%s is in the directory of %s.\n\n  fingerprint %s\n  log key     %s\n\nTell the other parties the fingerprint by another way than the hub, and compare\nthe log key with theirs. Next: start joconde agent, and see joconde next.\n",
		home.Party(), home.HubURL(), record.Fingerprint(id), about.LogKey)
	return err
}

func (t *tool) partyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the parties of the directory, with fingerprints to compare",
		Args:  cobra.NoArgs,
		RunE:  t.does(func(ctx context.Context, _ []string) error { return t.parties(ctx) }),
	}
}

func (t *tool) parties(ctx context.Context) error {
	_, h, err := t.open()
	if err != nil {
		return err
	}
	entries, err := h.directory(ctx)
	if err != nil {
		return err
	}
	type line struct {
		Party       joconde.PartyID `json:"party"`
		LegalName   string          `json:"legal_name"`
		Contact     string          `json:"contact"`
		ID          joconde.Digest  `json:"id"`
		Fingerprint string          `json:"fingerprint"`
		ValidUntil  string          `json:"valid_until"`
	}
	lines := []line{}
	for _, party := range slices.Sorted(maps.Keys(entries)) {
		r := entries[party]
		o := r.Body.(*joconde.Organisation)
		lines = append(lines, line{party, o.LegalName, o.Contact, r.ID, record.Fingerprint(r.ID), o.ValidUntil})
	}
	if t.json {
		return t.printJSON(struct {
			Format  int    `json:"format"`
			Parties []line `json:"parties"`
		}{1, lines})
	}
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%s  %s, until %s\n  %s\n", l.Party, printable(l.LegalName), l.ValidUntil, l.Fingerprint)
	}
	_, err = fmt.Fprint(t.out, b.String())
	return err
}
