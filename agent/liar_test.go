package agent

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"joconde"
	"joconde/internal/cast"
	"joconde/record"
)

// Each of these is a hub that lies to one agent, or to all. It has the log's
// key, so it can sign any checkpoint; nobody else's.

func (w *world) begin() {
	w.t.Helper()
	w.approve(cast.Parties()...) // no tables: it stands in Established
	w.start(cast.Parties()...)
}

func (w *world) stoppedBy(party joconde.PartyID, reason string) {
	w.t.Helper()
	s := w.until("aborted and wiped", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && s.Wiped })
	if stop, _ := s.Stopped(); stop.Party != party || stop.Reason != reason {
		w.t.Errorf("stopped by %s: %s, not by %s: %s\n%s", stop.Party, stop.Reason, party, reason, w.story())
	}
	w.check()
}

func TestAHubThatDropsAnApprovalIsNamedAndOutlived(t *testing.T) {
	w := newWorld(t)
	var dropped []byte
	w.hub.drop = func(envelope []byte) bool {
		u, err := record.Peek(envelope)
		must(t, err)
		a, ok := u.Body.(*joconde.Approval)
		if ok && a.Party == cast.EE {
			dropped = envelope
		}
		return ok && a.Party == cast.EE
	}
	w.provide()
	w.start(cast.Parties()...)
	w.approve(cast.Parties()...)
	w.waitSaw(cast.EE, "JOC-G112")
	if s := w.hub.state(w.task); s.Phase != joconde.Proposed {
		t.Errorf("without ee's approval the task is %s", s.Phase)
	}
	w.hub.mu.Lock()
	w.hub.drop = nil
	w.hub.mu.Unlock()
	w.until("closed", closedAndClean)
	if !slices.ContainsFunc(w.hub.tasks[w.task].envelopes, func(e []byte) bool { return bytes.Equal(e, dropped) }) {
		t.Error("the approval that came in the end is not the one that was signed")
	}
	w.check()
}

// position finds a record of a kind and party in a page; -1.
func position(p *Page, kind joconde.RecordKind, party joconde.PartyID) int {
	return slices.IndexFunc(p.Records, func(e Entry) bool {
		u, err := record.Peek(e.Envelope)
		if err != nil {
			return false
		}
		event, _, err := joconde.EventOf(u.ID, u.Body)
		return err == nil && event.Kind == kind && event.Party == party
	})
}

// swapped is ee's page with pt's bundle exchanged for one of the hub's.
func swapped(t *testing.T, p *Page) int {
	at := position(p, joconde.KindNodeBundle, cast.PT)
	if at < 0 {
		return at
	}
	u, err := record.Peek(p.Records[at].Envelope)
	must(t, err)
	b := *u.Body.(*joconde.NodeBundle)
	b.Address, b.ReceiptKey = "127.0.0.1:6666", cast.Key(cast.Hub, "a key of its own").Public()
	p.Records[at].Envelope, err = record.Sign(joconde.KindNodeBundle, &b, cast.Key(cast.Hub, "a key of its own"), cast.Key(cast.Hub, cast.Operations))
	must(t, err)
	return at
}

// reprove makes a tree of its own for a page, in which the page is right.
func (w *world) reprove(p *Page) *Page {
	td := &taskDouble{organisations: p.Organisations}
	var leaves [][]byte
	for i, e := range p.Records {
		td.envelopes, td.indexes = append(td.envelopes, e.Envelope), append(td.indexes, uint64(i))
		leaves = append(leaves, e.Envelope)
	}
	return w.hub.page(td, 0, len(leaves), leaves)
}

func TestAHubThatSwapsABundle(t *testing.T) {
	t.Run("with the proof of the right one", func(t *testing.T) {
		w := newWorld(t)
		w.views[cast.EE].tamper = func(p *Page, _ joconde.Digest) *Page { swapped(t, p); return p }
		w.begin()
		w.stoppedBy(cast.EE, "log")
		if !w.saw(cast.EE, "JOC-G109") {
			t.Error(w.story())
		}
	})
	t.Run("with a log made for it", func(t *testing.T) {
		w := newWorld(t)
		w.views[cast.EE].tamper = func(p *Page, _ joconde.Digest) *Page {
			swapped(t, p)
			return w.reprove(p)
		}
		w.begin()
		w.stoppedBy(cast.EE, "log")
		if !w.saw(cast.EE, "JOC-G111") {
			t.Error(w.story())
		}
	})
}

func TestAHubThatReordersRecords(t *testing.T) {
	w := newWorld(t)
	w.views[cast.AT].tamper = func(p *Page, _ joconde.Digest) *Page {
		a, b := position(p, joconde.KindNodeBundle, cast.EU), position(p, joconde.KindNodeBundle, cast.PT)
		if a > 0 && b > 0 {
			p.Records[a], p.Records[b] = p.Records[b], p.Records[a]
			p.Records[a].Position, p.Records[b].Position = a, b
		}
		return p
	}
	w.begin()
	w.stoppedBy(cast.AT, "log")
	// If one of the two had been seen before, it is the change that shows.
	if !w.saw(cast.AT, "JOC-G107") && !w.saw(cast.AT, "JOC-G108") {
		t.Error(w.story())
	}
}

func TestAHubThatForksTheLog(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.waitSaw(cast.EE, "acceptance of pt")
	// From now on ee sees another history, in which one acceptance is another,
	// rightly signed by a party that helps the hub.
	w.views[cast.EE].set(func() {
		w.views[cast.EE].tamper = func(p *Page, _ joconde.Digest) *Page {
			at := position(p, joconde.KindAcceptance, cast.Hub)
			u, err := record.Peek(p.Records[at].Envelope)
			must(t, err)
			a := *u.Body.(*joconde.Acceptance)
			a.At = stamp(cast.Start.Add(59 * time.Second))
			p.Records[at].Envelope, err = record.Sign(joconde.KindAcceptance, &a, cast.Key(cast.Hub, cast.Operations))
			must(t, err)
			return w.reprove(p)
		}
	})
	w.stoppedBy(cast.EE, "log")
	// Two logs of one size differ in their checkpoints, others in the record.
	if !w.saw(cast.EE, "JOC-G105") && !w.saw(cast.EE, "JOC-G108") {
		t.Error(w.story())
	}
	// A restart forgets nothing of it.
	w.restart(cast.EE)
	if !has(w.homes[cast.EE].folder(w.task) + "/fault.json") {
		t.Error("what the hub did is not noted")
	}
}

func TestAHubThatMakesTheLogShorter(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.waitSaw(cast.EE, "acceptance of pt")
	w.views[cast.EE].set(func() {
		w.views[cast.EE].tamper = func(p *Page, _ joconde.Digest) *Page {
			p.Records = p.Records[:len(p.Records)-2]
			return w.reprove(p)
		}
	})
	w.stoppedBy(cast.EE, "log")
	if !w.saw(cast.EE, "JOC-G102") {
		t.Error(w.story())
	}
}

// The abort reaches the node past the hub, so it wipes, although its own agent
// is shown nothing. That its receipt is missing shows until the hub gives in.
func TestAHubThatHidesAnAbortFromOnePartyIsOutlived(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.waitSaw(cast.PT, "acceptance of pt")
	v := w.views[cast.PT]
	v.set(func() {
		v.tamper = func(p *Page, _ joconde.Digest) *Page {
			if at := position(p, joconde.KindAbort, cast.AT); at >= 0 {
				return nil // no answer at all: all that it can do unseen
			}
			return p
		}
	})
	must(t, w.homes[cast.AT].Abort(t.Context(), w.views[cast.AT], w.fleet, w.task, w.now()))
	w.waitSaw(cast.PT, "the node has ended")
	s := w.until("wiped but for pt", func(s *joconde.State) bool { return s.Phase == joconde.Aborted && len(s.Open()) == 1 })
	if s.Open()[0] != cast.PT || s.Wiped || s.Ended() {
		t.Errorf("open: %v, wiped %v", s.Open(), s.Wiped)
	}
	if w.saw(cast.PT, "abort of at") {
		t.Error("the hub hid nothing")
	}
	v.set(func() { v.tamper = nil })
	w.stoppedBy(cast.AT, "person")
}

// Who is shown nothing at all stops by the signed deadline.
func TestAHubThatFallsSilentIsOutlivedByTheDeadline(t *testing.T) {
	w := newWorld(t)
	w.begin()
	w.until("established", func(s *joconde.State) bool { return s.Phase == joconde.Established })
	w.waitSaw(cast.EU, "acceptance of pt")
	for _, p := range cast.Parties() {
		w.views[p].set(func() { w.views[p].tamper = func(*Page, joconde.Digest) *Page { return nil } })
	}
	w.later(4 * time.Hour)
	// The records arrive, the answers do not: the nodes are told directly.
	for _, p := range []joconde.PartyID{cast.EU, cast.Hub, cast.PT} {
		w.waitSaw(p, "the node has ended")
	}
	if s := w.hub.state(w.task); s.Phase != joconde.Aborted {
		t.Errorf("the task is %s", s.Phase)
	}
	w.check()
}
