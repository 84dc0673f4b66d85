package all

import "testing"

func TestEveryEngineIsFoundByItsNameAndNoOtherIs(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Engines {
		name := e.Info().Name
		if name == "" || seen[name] {
			t.Errorf("%q is the name of two engines or of none", name)
		}
		seen[name] = true
		if found, ok := Named(name); !ok || found != e {
			t.Errorf("Named(%q) gives %v, %v", name, found, ok)
		}
	}
	if _, ok := Named("clear"); ok {
		t.Error("clear is in the list of engines that compute on shares")
	}
}
