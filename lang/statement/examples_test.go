package statement

import (
	"os"
	"path/filepath"
	"testing"

	"joconde/lang"
)

// The examples as their authors wrote them, through the compiler.
func TestStatementsOfTheExamples(t *testing.T) {
	for _, name := range []string{"2_students_taxes", "4_double_registered", "5_mno_flows"} {
		src, err := os.ReadFile(filepath.Join("..", "..", "testdata", "programs", "examples", name+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := lang.Compile(name+".sql", src)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "example_"+name+".txt", New(p, nil, passive).Prose())
	}
}
