package main

import (
	"fmt"
	"strings"

	"joconde"
)

// report is what try and demo print with --json.
type report struct {
	Format         int            `json:"format"` // 1
	Program        joconde.Digest `json:"program"`
	Engine         string         `json:"engine"`
	Development    bool           `json:"development,omitempty"` // computed in the clear, without protection
	Results        []result       `json:"results"`
	EqualToClear   *bool          `json:"equal_to_clear,omitempty"`
	CellsEqual     *int           `json:"cells_equal,omitempty"`
	CellsTotal     *int           `json:"cells_total,omitempty"`
	Seconds        float64        `json:"seconds"`
	Phases         phases         `json:"phases"`
	Rounds         *int64         `json:"rounds,omitempty"` // of the party that had most
	BytesPerNode   []int64        `json:"bytes_per_node,omitempty"`
	PeakRSSPerNode []int64        `json:"peak_rss_per_node,omitempty"`
}

// report writes down a computation that has come to its end.
func (c *computation) report() report {
	r := report{Format: 1, Program: c.digest, Engine: c.name, Results: c.results, Seconds: milli(c.phases.sum()), Phases: c.phases.rounded()}
	if c.engine == nil {
		r.Results, r.Development = c.reference, true
		return r
	}
	cells, total := equalCells(c.results, c.reference)
	equal, rounds := cells == total, int64(0)
	for _, p := range c.parties {
		rounds = max(rounds, p.figures.Rounds)
		r.BytesPerNode = append(r.BytesPerNode, p.figures.Bytes)
		r.PeakRSSPerNode = append(r.PeakRSSPerNode, p.figures.PeakRSS)
	}
	r.EqualToClear, r.CellsEqual, r.CellsTotal, r.Rounds = &equal, &cells, &total, &rounds
	r.Development = c.engine.Info().Development
	return r
}

// report prints a computation, prose or JSON, and where it was written. Results
// that differ from the reference are an error, and are printed all the same:
// they show it.
func (t *tool) report(c *computation, written []string) error {
	r := c.report()
	print := t.printResults
	if t.json {
		print = func(*computation, report) error { return t.printJSON(r) }
	}
	if err := print(c, r); err != nil {
		return err
	}
	for _, path := range written {
		fmt.Fprintln(t.prose(), "written: "+path)
	}
	return c.unequal(r)
}

func (t *tool) printResults(c *computation, r report) error {
	var b strings.Builder
	for _, view := range r.Results {
		fmt.Fprintf(&b, "\n%s, for %s: %s\n%s", view.View, names(view.To), count(len(view.values), "row"), view.table(shownRows))
	}
	b.WriteString("\n")
	if c.engine == nil {
		fmt.Fprintf(&b, "Engine clear: for development. This was computed in the clear; nobody's data was protected.\n")
	} else {
		b.WriteString(c.verdict(r) + "\n")
	}
	_, err := fmt.Fprint(t.out, b.String())
	return err
}

// shownRows is how many rows of a result people see; --out and --json give all.
const shownRows = 40

// verdict is the comparison with the reference, and what the computation cost.
func (c *computation) verdict(r report) string {
	return fmt.Sprintf("Same as computing in the clear: %s\n%s", equality(r), figures(r))
}

func equality(r report) string {
	word := "no"
	if *r.EqualToClear {
		word = "yes"
	}
	return fmt.Sprintf("%s, %s of %s cells", word, grouped(int64(*r.CellsEqual)), grouped(int64(*r.CellsTotal)))
}

func figures(r report) string {
	var sent, memory []string
	for i := range r.BytesPerNode {
		sent = append(sent, size(r.BytesPerNode[i]))
		memory = append(memory, size(r.PeakRSSPerNode[i]))
	}
	return fmt.Sprintf("%.1f s in all (compile %.1f, split %.1f, run %.1f, open %.1f); %s rounds; sent by each node %s; memory of each %s",
		r.Seconds, r.Phases.Compile, r.Phases.Split, r.Phases.Run, r.Phases.Open, grouped(*r.Rounds), strings.Join(sent, ", "), strings.Join(memory, ", "))
}

// unequal is the error of a result that is not what plain SQL gives.
func (c *computation) unequal(r report) error {
	if r.EqualToClear == nil || *r.EqualToClear {
		return nil
	}
	return &joconde.Problem{Code: "JOC-R030", What: "the result differs from computing in the clear", Where: c.file, Exit: joconde.ExitUnverified,
		Why: "same as computing in the clear: " + equality(r) + "; the engine, or a computing party, is wrong",
		Do:  "do not use the result; report this program, as it shows a fault of ours"}
}

func names(parties []joconde.PartyID) string {
	var list []string
	for _, p := range parties {
		list = append(list, string(p))
	}
	return strings.Join(list, ", ")
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(int64(n)) + " " + thing + "s"
}
