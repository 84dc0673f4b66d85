package joconde_test

import (
	"bytes"
	"os/exec"
	"path"
	"strings"
	"testing"
)

// rules say which of our packages a package may import, itself and its own
// subfolders aside. The first pattern that fits a package counts. "..." ends a
// pattern that covers a folder and all below it. Tests are not bound.
var rules = []struct {
	packages string
	may      string
	why      string
}{
	{"joconde", "", "the root has the words and imports nothing of ours"},
	{"joconde/record", "joconde", "records are bytes"},
	{"joconde/lang/ir/irtest", "joconde joconde/lang/ir", "made for tests"},
	{"joconde/lang/ir", "joconde joconde/record", "the Program knows nobody"},
	{"joconde/lang/lower", "joconde joconde/lang/ir", "lowering is linked into the node and shares nothing with the clear evaluator"},
	{"joconde/lang/eval", "joconde joconde/lang/ir", "the meaning in the clear shares nothing with lowering"},
	{"joconde/lang/...", "joconde joconde/record joconde/lang/...", "the language knows no engine and no plane"},
	{"joconde/store/...", "joconde joconde/store/...", "the store keeps bytes"},
	{"joconde/audit", "joconde joconde/record", "whoever verifies is given the rest as functions"},
	{"joconde/audit/tlog", "joconde joconde/audit", "keeping a log is apart from checking one, which nodes link too"},
	{"joconde/attest/...", "joconde joconde/attest/...", "a platform knows bytes to vouch for"},
	{"joconde/dplane/seal", "joconde", "sealing knows bytes"},
	{"joconde/internal/cast", "joconde joconde/record", "the fixed cast of tests"},
	{"joconde/internal/door", "joconde", "what stands before the planes knows none of them"},
	{"joconde/internal/...", "", "small packages named for what they hold"},
	{"joconde/dplane/session/...", "joconde joconde/dplane/session/...", "channels carry bytes"},
	{"joconde/dplane/table", "joconde joconde/lang/ir joconde/lang/eval", "files know tables"},
	{"joconde/dplane/engine/enginetest", "joconde joconde/dplane joconde/dplane/session joconde/dplane/engine joconde/lang/eval joconde/lang/ir joconde/lang/ir/irtest joconde/lang/lower", "the contract goes from clear rows to clear rows"},
	{"joconde/dplane/engine/clear", "joconde joconde/lang/ir joconde/lang/eval joconde/dplane/engine", "the reference interprets the Program"},
	{"joconde/dplane/engine/...", "joconde joconde/record joconde/lang/ir joconde/lang/lower joconde/dplane/session joconde/dplane/engine/...", "an engine knows shares, a session and a program"},
	{"joconde/dplane/node", "joconde joconde/record joconde/audit joconde/attest joconde/dplane joconde/dplane/engine joconde/lang/ir joconde/lang/lower", "the node checks records, log and evidence itself, and sees no share"},
	{"joconde/dplane", "joconde joconde/record joconde/lang/ir joconde/lang/lower joconde/dplane/session joconde/dplane/engine joconde/dplane/engine/sharing joconde/dplane/seal", "planes meet as values, and in cmd"},
	{"joconde/mplane", "joconde joconde/record joconde/store joconde/audit joconde/internal/door", "planes never import one another"},
	{"joconde/cplane", "joconde joconde/record joconde/store joconde/audit joconde/internal/door", "planes never import one another; the log is an interface here"},
	{"joconde/agent", "joconde joconde/record joconde/audit joconde/attest/... joconde/lang/... joconde/dplane joconde/dplane/table joconde/dplane/seal joconde/dplane/engine joconde/dplane/engine/all", "an organisation's own part reaches the other planes through interfaces that it declares"},
	{"joconde/cmd/node", "joconde joconde/record joconde/attest/... joconde/dplane/... joconde/lang/ir joconde/lang/lower", "the node has no compiler, no store, no clear evaluator"},
	{"joconde/cmd/...", "joconde/...", "commands put the rooms together"},
}

// never are packages that must not be linked in, however indirectly.
var never = []struct{ command, pkg string }{
	{"joconde/cmd/node", "joconde/lang/syntax"},
	{"joconde/cmd/node", "joconde/lang/check"},
	{"joconde/cmd/node", "joconde/lang/plan"},
	{"joconde/cmd/node", "joconde/lang/eval"},
	{"joconde/cmd/node", "joconde/dplane/engine/clear"},
	{"joconde/cmd/node", "joconde/dplane/table"},
	{"joconde/cmd/node", "github.com/wasilibs/go-pgquery"},
	{"joconde/cmd/node", "joconde/audit/tlog"},
}

func list(t *testing.T, args ...string) []string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func fits(pattern, pkg string) bool {
	if under, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == under || strings.HasPrefix(pkg, under+"/")
	}
	return pattern == pkg
}

func TestEveryImportIsAllowed(t *testing.T) {
	for _, line := range list(t, "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "./...") {
		fields := strings.Fields(line)
		pkg := fields[0]
		rule := -1
		for i, r := range rules {
			if fits(r.packages, pkg) {
				rule = i
				break
			}
		}
		if rule < 0 {
			t.Errorf("%s has no rule: add a line that says what it may import", pkg)
			continue
		}
		for _, imported := range fields[1:] {
			if !fits("joconde/...", imported) || strings.HasPrefix(imported, pkg+"/") {
				continue
			}
			allowed := false
			for _, p := range strings.Fields(rules[rule].may) {
				allowed = allowed || fits(p, imported)
			}
			if !allowed {
				t.Errorf("%s imports %s: %s", pkg, imported, rules[rule].why)
			}
		}
	}
}

func TestWhatACommandMustNeverLink(t *testing.T) {
	for _, n := range never {
		for _, dep := range list(t, "-deps", n.command) {
			if dep == n.pkg {
				t.Errorf("%s links %s", n.command, n.pkg)
			}
		}
	}
}

func TestNoRoomIsNamedForNothing(t *testing.T) {
	for _, pkg := range list(t, "./...") {
		switch path.Base(pkg) {
		case "util", "utils", "common", "helper", "helpers", "misc", "manager":
			t.Errorf("%s is named for nothing in particular", pkg)
		}
	}
}
