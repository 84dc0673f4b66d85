package main

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/spf13/cobra"

	"joconde"
	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/engine/clear"
	"joconde/lang/lower"
	"joconde/record"
)

// listedEngine is an engine as engine list --json prints it.
type listedEngine struct {
	engine.Info
	Digest    joconde.Digest `json:"digest"`    // of the declaration and the lowering: an engine of ours is the program that it is linked into
	Cost      *struct{}      `json:"cost"`      // null: not measured
	Available bool           `json:"available"` // ours always are
	Reason    string         `json:"reason"`    // why it is not available
}

func (t *tool) engineListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the engines, and what each withstands", Args: none,
		RunE: t.does(func(context.Context, []string) error { return t.listEngines() }),
	}
}

func (t *tool) listEngines() error {
	infos := []engine.Info{clear.Info()}
	for _, e := range all.Engines {
		infos = append(infos, e.Info())
	}
	if t.json {
		list := struct {
			Format  int            `json:"format"`
			Engines []listedEngine `json:"engines"`
		}{Format: 1}
		for _, info := range infos {
			declaration, err := record.Canonical(struct {
				Info     engine.Info `json:"info"`
				Lowering string      `json:"lowering"`
			}{info, lower.Version})
			if err != nil {
				return err
			}
			list.Engines = append(list.Engines, listedEngine{Info: info, Digest: sha256.Sum256(declaration), Available: true})
		}
		return t.printJSON(list)
	}
	for i, info := range infos {
		if i > 0 {
			fmt.Fprintln(t.out)
		}
		parties := fmt.Sprintf("%d", info.PartiesMin)
		if info.PartiesMax != info.PartiesMin {
			parties = fmt.Sprintf("%d to %d", info.PartiesMin, info.PartiesMax)
		}
		fmt.Fprintf(t.out, "%s (version %s, %s)\n  parties    %s, honest or dishonest majority: %s, adversary: %s\n  guarantee  %s\n  privacy is broken by      %s\n  correctness is broken by  %s\n",
			info.Name, info.Version, info.Source, parties, info.Majority, info.Adversary, info.Guarantee, info.BreaksPrivacy, info.BreaksCorrectness)
		if info.Development {
			fmt.Fprintln(t.out, "  for development only")
		}
	}
	return nil
}
