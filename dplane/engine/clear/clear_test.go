package clear

import (
	"testing"

	"joconde"
	"joconde/lang/eval"
	"joconde/lang/ir"
)

func TestTheReferenceComputesGrantedViews(t *testing.T) {
	number := ir.Type{Kind: ir.Int}
	p := &ir.Program{
		Format: 1,
		Tables: []ir.Table{{Owner: "fr", Name: "job", Columns: []ir.Column{{Name: "pid", Type: number, Lo: "1", Hi: "9"}}}},
		Nodes: []ir.Node{
			{Op: ir.Scan, Table: "fr.job", Scan: []int{0}, Columns: []ir.Column{{Name: "pid", Type: number}}, Local: "fr"},
			{Op: ir.Aggregate, In: []int{0}, Group: &ir.Group{Aggs: []ir.Agg{{Func: ir.CountStar, Arg: -1}}},
				Columns: []ir.Column{{Name: "n", Type: number}}, Unique: [][]int{{}}, Local: "fr"},
		},
		Outputs: []ir.Output{{View: "jobs", To: []joconde.PartyID{"eurostat"}, Node: 1}},
	}
	views, err := Compute(p, map[string]eval.Rows{"fr.job": {{ir.NewInt(3)}, {ir.NewInt(3)}}})
	if err != nil {
		t.Fatal(err)
	}
	if rows := views["jobs"]; len(views) != 1 || len(rows) != 1 || !rows[0][0].Equal(ir.NewInt(2)) {
		t.Errorf("got %v", views)
	}
	p.Nodes[1].In[0] = 1
	if _, err := Compute(p, nil); err == nil {
		t.Error("a program that is not valid is computed")
	}
}

func TestTheReferenceSaysThatItProtectsNothing(t *testing.T) {
	info := Info()
	if info.Name != "clear" || !info.Development || info.PartiesMax != 1 || info.PrivacyThreshold != 0 || info.CorrectnessThreshold != 0 {
		t.Errorf("got %+v", info)
	}
}
