package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"joconde"
	"joconde/agent"
	"joconde/dplane"
)

// stage are the processes of a demo's task: a hub and agents, which start
// nodes. All of them die with us.
type stage struct {
	*tool
	dir      string
	node     string
	hub      *process
	agents   []*process
	actors   []actor               // of agents
	said     opening               // of the hub
	progress func(dplane.Progress) // may be nil

	mu   sync.Mutex
	peak map[joconde.PartyID]int64 // greatest memory of a node with its worker
}

// actor is whose agent a process is, and what it complained about.
type actor struct {
	party joconde.PartyID
	said  *opening
}

// alive says whether the hub and all agents still run; none ends by itself.
func (s *stage) alive() error {
	gone := func(who string, said *opening) error {
		return &joconde.Problem{Code: "JOC-R057", What: who + " ended before the task did", Where: who, Exit: joconde.ExitUnreachable,
			Why: "it is a process of this computer, and should have gone on: " + cmp.Or(said.text(), "it said nothing"), Do: "run it again; if it happens twice, report it", LeftMachine: joconde.NothingLeft}
	}
	for i, p := range s.agents {
		select {
		case <-p.ended:
			return gone("the agent of "+string(s.actors[i].party), s.actors[i].said)
		default:
		}
	}
	select {
	case <-s.hub.ended:
		return gone("the hub", &s.said)
	default:
		return nil
	}
}

// startHub starts the hub and gives its address.
func (s *stage) startHub(ctx context.Context, program string) (url string, err error) {
	config := filepath.Join(s.dir, "hub.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\ndata: %q\nrequests_per_second: 10000\n", filepath.Join(s.dir, "hub-data"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write the hub's configuration: %w", err)
	}
	c := exec.Command(program, "-c", config)
	c.Stderr = &s.said
	reader, writer := io.Pipe()
	c.Stdout = writer
	if s.hub, err = s.start(c, func() { _ = reader.Close() }); err != nil {
		return "", err
	}
	first := make(chan string, 1)
	go func() {
		lines := bufio.NewReader(reader)
		line, _ := lines.ReadString('\n')
		first <- line
		_, _ = io.Copy(io.Discard, lines) // ends with the hub
	}()
	go func() {
		<-s.hub.ended
		_ = writer.Close() // a PipeWriter's Close gives no error
	}()
	failed := &joconde.Problem{Code: "JOC-R056", What: "the hub did not get ready", Where: program, Exit: joconde.ExitUnreachable,
		Why: "it ended, or said nothing for 20 seconds", Do: "run it again when the computer is less busy; if it happens twice, report it"}
	select {
	case line := <-first:
		if words := strings.Fields(line); len(words) == 3 && words[0] == "hub" {
			return words[1], nil
		}
	case <-time.After(20 * time.Second):
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	return "", failed
}

// startAgent starts an organisation's agent as a process of joconde itself;
// with a node program it also runs the organisation's node.
func (s *stage) startAgent(home *agent.Home, node string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find joconde itself: %w", err)
	}
	args := []string{"agent", "--json", "--home", home.Dir()}
	if node != "" {
		args = append(args, "--compute", "--node", node)
	}
	c := exec.Command(self, args...)
	reader, writer := io.Pipe()
	said := &opening{}
	c.Stdout, c.Stderr = writer, said
	p, err := s.start(c, func() { _ = reader.Close() })
	if err != nil {
		return nil, err
	}
	go s.hear(reader)
	go func() {
		<-p.ended
		_ = writer.Close() // a PipeWriter's Close gives no error
	}()
	s.agents, s.actors = append(s.agents, p), append(s.actors, actor{home.Party(), said})
	return p, nil
}

// hear reads an agent's events until it ends, for how far its node is.
func (s *stage) hear(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Node *dplane.Status `json:"node"`
		}
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Node == nil || event.Node.Step != dplane.StepComputing {
			continue
		}
		now := dplane.Progress{Done: event.Node.Done, Total: event.Node.Total, Rounds: event.Node.Rounds, Bytes: event.Node.Bytes}
		s.mu.Lock()
		if s.progress != nil {
			s.progress(now)
		}
		s.mu.Unlock()
	}
	_, _ = io.Copy(io.Discard, r) // a line that is too long must not stop the agent
}

// leave has the agents end in good order, so that their nodes wipe, and then
// the hub.
func (s *stage) leave() {
	s.mu.Lock()
	s.progress = nil
	s.mu.Unlock()
	all := s.agents
	if s.hub != nil {
		all = append(slices.Clone(all), s.hub)
	}
	for _, p := range all {
		select {
		case <-p.ended:
		default:
			_ = syscall.Kill(p.pid, syscall.SIGTERM) // it may end meanwhile
		}
	}
	late, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, p := range all {
		select {
		case <-p.ended:
		case <-late.Done():
			p.kill()
			<-p.ended
		}
	}
}

// changedNode is the program of nodes with one byte more: it does the same and
// is not what was approved.
func (s *stage) changedNode() (string, error) {
	text, err := os.ReadFile(s.node)
	if err != nil {
		return "", fmt.Errorf("read the program of nodes: %w", err)
	}
	path := filepath.Join(s.dir, "node-changed")
	return path, os.WriteFile(path, append(text, 0), 0o700)
}

// nodePID finds the process of a home's node.
func nodePID(home *agent.Home, task joconde.Digest, attempt int) (int, error) {
	text, err := os.ReadFile(filepath.Join(home.Dir(), "tasks", hex.EncodeToString(task[:]), "node", strconv.Itoa(attempt), "pid"))
	if err != nil {
		return 0, fmt.Errorf("find a node: %w", err)
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (s *stage) killNode(home *agent.Home, task joconde.Digest, attempt int) (int, error) {
	pid, err := nodePID(home, task, attempt)
	if err != nil {
		return 0, err
	}
	return pid, syscall.Kill(pid, syscall.SIGKILL)
}

// measure notes how much memory each node takes with its worker, where the
// system says so.
func (s *stage) measure(homes map[joconde.PartyID]*agent.Home, nodes []joconde.PartyID, task joconde.Digest, attempt int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peak == nil {
		s.peak = map[joconde.PartyID]int64{}
	}
	for _, party := range nodes {
		pid, err := nodePID(homes[party], task, attempt)
		if err != nil {
			continue // not started yet
		}
		total := peakOf(pid)
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, children := range threads {
			text, err := os.ReadFile(children)
			if err != nil {
				continue // it has just ended
			}
			for _, child := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(child); err == nil {
					total += peakOf(n)
				}
			}
		}
		s.peak[party] = max(s.peak[party], total)
	}
}

// peakOf is the greatest memory that a process has had, 0 if it is gone.
func peakOf(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, is := strings.CutPrefix(line, "VmHWM:"); is {
			var kilobytes int64
			if n, _ := fmt.Sscanf(rest, "%d kB", &kilobytes); n == 1 {
				return kilobytes << 10
			}
		}
	}
	return 0
}

func (s *stage) peaks(nodes []joconde.PartyID) []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]int64, len(nodes))
	for i, party := range nodes {
		out[i] = s.peak[party]
	}
	return out
}

// narrator tells what the task's records say, each kind once all are there.
type narrator struct {
	*whole
	told map[string]bool
	have map[joconde.RecordKind][]any
}

// news reads the records and says whether there is something to tell.
func (n *narrator) news() bool {
	n.have = map[joconde.RecordKind][]any{}
	for _, r := range n.last.ledger.Records() {
		n.have[r.Kind] = append(n.have[r.Kind], r.Body)
	}
	for kind, wanted := range narrated {
		if !n.told[string(kind)] && len(n.have[kind]) == wanted {
			return true
		}
	}
	return false
}

// narrated are the kinds that are told, with how many of each make a step.
var narrated = map[joconde.RecordKind]int{joconde.KindNodeBundle: 3, joconde.KindAcceptance: 5, joconde.KindInputReceipt: 2,
	joconde.KindReady: 3, joconde.KindTranscript: 3, joconde.KindResultReceipt: 1, joconde.KindWipeReceipt: 3, joconde.KindSplitWipe: 2}

// tell tells what is new, in the order of a task's life.
func (n *narrator) tell() {
	for _, kind := range []joconde.RecordKind{joconde.KindNodeBundle, joconde.KindAcceptance, joconde.KindInputReceipt, joconde.KindReady,
		joconde.KindTranscript, joconde.KindResultReceipt, joconde.KindWipeReceipt, joconde.KindSplitWipe} {
		if n.told[string(kind)] || len(n.have[kind]) != narrated[kind] {
			continue
		}
		n.told[string(kind)] = true
		n.one(kind)
	}
}

func (n *narrator) one(kind joconde.RecordKind) {
	switch kind {
	case joconde.KindNodeBundle:
		n.step("Three nodes checked all signatures, made keys and attested (sim)")
		for _, body := range n.have[kind] {
			b := body.(*joconde.NodeBundle) // what this kind of record is
			n.whole.tell("node-%d of %-8s at %s, TLS key %s...", slices.Index(demoNodes, b.Party)+1, b.Party, b.Address, b.TLSPin[:12])
		}
	case joconde.KindAcceptance:
		n.step("Five parties verified the three nodes, each for itself, and accept them")
	case joconde.KindInputReceipt:
		n.step("Inputs are split, sealed to one node each, sent, and committed to")
		for _, body := range n.have[kind] {
			r := body.(*joconde.InputReceipt) // what this kind of record is
			commitments := 0
			for i := range r.Inputs {
				commitments += len(r.Inputs[i].Commitments)
			}
			n.whole.tell("%-9s %s, %s", r.Party, count(len(r.Inputs), "input"), count(commitments, "commitment"))
		}
	case joconde.KindReady:
		n.step("All nodes hold what was committed to; they compute on shares")
	case joconde.KindTranscript:
		n.step("Computed: results are sealed to the statistics hub, share by share")
		for _, body := range n.have[kind] {
			x := body.(*joconde.Transcript) // what this kind of record is
			n.whole.tell("node-%d  %s rounds, %s sent", slices.Index(demoNodes, x.Party)+1, grouped(int64(x.Rounds)), size(int64(x.Bytes)))
		}
	case joconde.KindResultReceipt:
		n.step("The statistics hub has opened its result")
	case joconde.KindWipeReceipt:
		n.step("All workers have ended; nodes and operators signed what was destroyed")
		r := n.have[kind][0].(*joconde.WipeReceipt) // what this kind of record is
		n.whole.tell("%s", wrap("destroyed: "+strings.Join(r.Destroyed, ", "), 70))
		n.whole.tell("%s", wrap("not proven: "+strings.Join(r.NotProven, " "), 70))
	case joconde.KindSplitWipe:
		n.step("Both offices wiped their split files and salts, and signed it")
	}
}
