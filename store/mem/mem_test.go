package mem

import (
	"testing"

	"joconde/store"
	"joconde/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return Open() })
}
