package session

import (
	"fmt"
	"time"

	"joconde"
	"joconde/dplane/session/internal/frame"
)

// cause is the first failure of a session: by says that blame is at fault.
type cause struct {
	reason frame.Reason
	blame  int
	by     int
	step   uint64 // of by, when it said so
	err    error  // of our own caller or context, where blame is me
}

// claim is somebody's word that it waits for blame, or that blame stalled, when
// it stood at step.
type claim struct {
	blame int
	step  uint64
}

// fail makes c the cause of the session's end, unless there is one or the
// session was closed in good order.
func (s *party) fail(c cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil || s.closed {
		return
	}
	if c.by == s.me {
		c.step = s.step
	}
	s.cause = &c
	s.late = time.Now().Add(linger)
	if c.reason == frame.Stalled {
		s.claims[c.by] = claim{c.blame, c.step}
		s.late = s.late.Add(grace)
	}
	close(s.failing)
	s.deadlines(s.late)
}

func (s *party) running() bool {
	select {
	case <-s.failing:
		return false
	case <-s.closing:
		return false
	default:
		return true
	}
}

// failed says whether the session has failed and until when it lingers.
func (s *party) failed() (late time.Time, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.late, s.cause != nil
}

// accusation is what we tell every peer when we abort. An accusation that
// another party made is passed on as it is, also when it is against ourselves:
// then we do not blame the accuser, whose word the others will hear as well.
func (s *party) accusation() (frame.Header, frame.Accusation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cause
	return frame.Header{Kind: frame.Abort, Step: c.step, Length: frame.AccusationSize},
		frame.Accusation{Reason: c.reason, Blame: c.blame, By: c.by}
}

// hear is called when a peer's Abort arrives.
func (s *party) hear(p *peer, a frame.Accusation, step uint64) {
	c := cause{reason: a.Reason, blame: a.Blame, by: a.By, step: step}
	if a.By == s.me {
		c.by = p.index // we said no such thing: this is the peer's word
	}
	s.mu.Lock()
	if _, known := s.claims[c.by]; a.Reason == frame.Stalled && (!known || c.by == p.index) && a.By != s.me {
		s.claims[c.by] = claim{c.blame, c.step}
	}
	if a.Reason == frame.Stalled && a.Blame == s.me {
		// They wait for us because we wait for somebody.
		if x, _ := s.slowestLocked(); x != nobody {
			c = cause{reason: frame.Stalled, blame: x, by: s.me}
		}
	}
	s.mu.Unlock()
	s.fail(c)
}

// note is called when a peer says for whom it waits, or by its own index that
// it goes on.
func (s *party) note(p *peer, blame int, step uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if blame == p.index {
		delete(s.claims, p.index)
	} else {
		s.claims[p.index] = claim{blame, step}
	}
}

// decide settles the session's error. Only a stall takes time: where A stalls,
// B waits for A and C waits for B, B and C reach the limit at about the same
// time, and C must name A. So everybody tells the others for whom it has been
// waiting for a while, and who found a stall listens for a moment before it
// names anybody. What B says reaches C, since C has read all that B sent; the
// other way is no use, for C's messages to B may stand unread before its word.
func (s *party) decide() {
	c := *s.cause // written once, before failing was closed
	if c.reason == frame.Stalled {
		moment := time.NewTimer(grace)
		defer moment.Stop()
	listen:
		for _, p := range s.peers {
			if p == nil {
				continue
			}
			select {
			case <-p.spoke:
			case <-moment.C:
				break listen
			}
		}
		s.mu.Lock()
		if blame, by, step := culprit(s.claims, c.by); blame != nobody {
			c.blame, c.by, c.step = blame, by, step
		}
		s.mu.Unlock()
	}
	s.err = s.verdict(c)
}

// culprit follows the claims from the one of first: the party that it blames,
// the party which that one blames, and so on to one that blames nobody. If the
// claims go round in a circle, the one about the earliest step is believed: at
// a later step its author would not be without what it waits for. It is nobody
// if first blames nobody, as when it has said since that it goes on.
func culprit(claims map[int]claim, first int) (blame, by int, step uint64) {
	var path []int
	place := map[int]int{}
	if _, blames := claims[first]; !blames {
		return nobody, nobody, 0
	}
	for by = first; ; {
		place[by] = len(path)
		path = append(path, by)
		c := claims[by]
		if _, more := claims[c.blame]; !more {
			return c.blame, by, c.step
		}
		at, circle := place[c.blame]
		if !circle {
			by = c.blame
			continue
		}
		by = path[at]
		for _, p := range path[at:] {
			if claims[p].step < claims[by].step {
				by = p
			}
		}
		return claims[by].blame, by, claims[by].step
	}
}

// verdict words the error that the caller sees.
func (s *party) verdict(c cause) error {
	switch {
	case c.err != nil:
		return c.err
	case c.blame != s.me && c.by == s.me:
		return &joconde.Fault{Party: Name(c.blame), Err: fmt.Errorf("%s, at step %d", s.did(c.reason), c.step)}
	case c.blame == s.me:
		return &joconde.Fault{Party: Name(c.by), Err: fmt.Errorf("aborted at step %d because, it says, %s %s", c.step, Name(s.me), s.did(c.reason))}
	case c.blame == c.by:
		return &joconde.Fault{Party: Name(c.blame), Err: fmt.Errorf("it says that it %s, at step %d", s.did(c.reason), c.step)}
	}
	return &joconde.Fault{Party: Name(c.blame), Err: fmt.Errorf("%s, at step %d, says %s", s.did(c.reason), c.step, Name(c.by))}
}

func (s *party) did(r frame.Reason) string {
	switch r {
	case frame.Died:
		return "lost its connection"
	case frame.Stalled:
		return fmt.Sprintf("made no progress for %v", s.limit())
	case frame.Garbled:
		return "sent what the program does not allow"
	case frame.Left:
		return "left before the end of the program"
	case frame.Interrupted:
		return "was interrupted"
	default:
		return "had an error of its own"
	}
}
