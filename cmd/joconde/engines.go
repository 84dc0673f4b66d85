package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"joconde/dplane/engine"
	"joconde/dplane/engine/all"
	"joconde/dplane/engine/clear"
)

// listedEngine is an engine as engine list --json prints it. What it needs or
// costs on this computer is not part of an engine's own declaration.
type listedEngine struct {
	engine.Info
	Digest    string `json:"digest"`
	Available bool   `json:"available"`
	Reason    string `json:"reason"` // why it is not available
}

func (t *tool) engineListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the engines, and what each withstands", Args: cobra.NoArgs,
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
			list.Engines = append(list.Engines, listedEngine{Info: info, Available: true})
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
