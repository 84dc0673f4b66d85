package node_test

import (
	"testing"

	"joconde"
	"joconde/internal/cast"
)

func TestATaskIsComputedAndWiped(t *testing.T) {
	s := newStage(t).agreed()
	s.stand(inside)
	s.step(joconde.KindAcceptance)
	s.reaches(joconde.Established)
	s.deliver(s.share(cast.AT, nil))
	s.deliver(s.share(cast.EE, nil))
	s.computes()
}
