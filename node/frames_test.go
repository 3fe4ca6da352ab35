package node

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

var (
	pair = []council.MemberID{"core-1", "core-2"}
	slot = council.SessionID{1}
)

func said(id council.SessionID, r tss.Round, size int) p2p.Frame {
	f := p2p.Frame{From: "core-2", Channel: p2p.Session, Session: id, Type: uint8(r), Payload: bytes.Repeat([]byte{7}, size)}
	if !r.Broadcast() {
		f.To = "core-1"
	}
	return f
}

func TestShelfKeepsTheFirst(t *testing.T) {
	s := newShelves()
	if !s.open(slot, pair) || s.open(slot, pair) {
		t.Fatal("a session is opened once")
	}
	one := said(slot, tss.SignRound5, 4)
	two := said(slot, tss.SignRound5, 5)
	stamped := one
	stamped.Transcript = common.Hash{9}
	for i, x := range []struct {
		f        p2p.Frame
		conflict bool
	}{{one, false}, {one, false}, {two, true}, {stamped, true}, {one, false}} {
		first, conflict := s.add(x.f)
		if conflict != x.conflict || conflict && !bytes.Equal(first.frame.Payload, one.Payload) {
			t.Errorf("frame %d: conflict %v with %d bytes", i, conflict, len(first.frame.Payload))
		}
	}
	// What does not belong here neither stays nor convicts.
	stranger, misrouted, unknown, foreign := two, two, two, two
	stranger.From, misrouted.To, unknown.Type, foreign.Session = "core-3", "core-1", 99, council.SessionID{2}
	for _, f := range []p2p.Frame{stranger, misrouted, unknown, foreign} {
		if _, conflict := s.add(f); conflict {
			t.Errorf("conflict: %+v", f)
		}
	}
	if n := len(s.sessions[slot].frames); n != 1 {
		t.Errorf("%d frames kept", n)
	}
}

// A secret share is compared and never kept; what went to one member is
// forgotten with its session.
func TestShelfForgetsSecrets(t *testing.T) {
	s := newShelves()
	s.open(slot, pair)
	share, answer, theta := said(slot, tss.KeygenRound2Share, 40), said(slot, tss.SignRound2, 30), said(slot, tss.SignRound3, 20)
	for _, f := range []p2p.Frame{share, answer, theta} {
		s.add(f)
	}
	at := func(f p2p.Frame) kept { return s.sessions[slot].frames[place{f.From, f.Type}] }
	if k := at(share); k.whole || k.frame.Payload != nil {
		t.Error("the share is kept")
	}
	if _, conflict := s.add(said(slot, tss.KeygenRound2Share, 41)); !conflict {
		t.Error("a second share is not noticed")
	}
	if s.bytes != 50 {
		t.Errorf("%d bytes", s.bytes)
	}
	s.close(slot)
	if k := at(answer); k.whole || k.frame.Payload != nil || s.bytes != 20 {
		t.Errorf("the answer is kept; %d bytes", s.bytes)
	}
	if _, conflict := s.add(said(slot, tss.SignRound2, 31)); !conflict {
		t.Error("a second answer is not noticed")
	}
	if got := s.sessions[slot].broadcasts(tss.SignRound9); len(got) != 1 || got[0].Type != theta.Type {
		t.Errorf("shown: %+v", got)
	}
	if got := s.sessions[slot].broadcasts(tss.SignRound3); len(got) != 0 {
		t.Errorf("shown before its round: %+v", got)
	}
}

func TestShelvesAreBounded(t *testing.T) {
	s := newShelves()
	s.open(slot, pair) // runs all the time
	s.add(said(slot, tss.SignRound3, 10))
	for i := range maxShelves + 9 {
		id := council.SessionID{2, byte(i), byte(i >> 8)}
		s.open(id, pair)
		for _, r := range []tss.Round{tss.SignRound3, tss.SignRound4} {
			s.add(said(id, r, 1<<20)) // the second is above one member's share
		}
		s.close(id)
	}
	total := 0
	for _, h := range s.sessions {
		for _, k := range h.frames {
			total += len(k.frame.Payload)
		}
	}
	if total != s.bytes || total > maxShelfBytes || len(s.order) > maxShelves || len(s.order) != len(s.sessions) {
		t.Errorf("%d bytes, counted %d, in %d of %d sessions", total, s.bytes, len(s.sessions), len(s.order))
	}
	if s.sessions[slot] == nil {
		t.Error("a session that runs was forgotten")
	}
	b := begins{of: map[council.MemberID][]begun{}}
	for i := range 3 * maxBegins {
		b.add(p2p.Frame{From: "core-2", Payload: []byte{byte(i)}}, council.Begin{Attempt: uint64(i)})
	}
	b.add(p2p.Frame{From: "core-2", Payload: make([]byte, maxBeginBytes+1)}, council.Begin{Attempt: 1000})
	if list := b.of["core-2"]; len(list) != maxBegins || list[maxBegins-1].begin.Attempt != 3*maxBegins-1 {
		t.Errorf("%d Begins kept", len(list))
	}
}

// What a session that fires a slot says is compared with what the slot's said.
func TestShelfOfAFiredSlot(t *testing.T) {
	c := newCourt()
	fired := council.SessionID{2}
	c.shelves.open(slot, pair)
	c.shelves.open(fired, pair)
	commitment, opening := said(slot, tss.SignRound1, 4), said(fired, tss.SignRound4, 5)
	c.shelves.add(commitment)
	c.shelves.close(slot)
	c.shelves.add(opening)
	if f, _ := c.shelves.earlier(opening); f != nil {
		t.Error("found without knowing of the slot")
	}
	b := council.Begin{Attempt: 3}
	c.enlisted(agenda.Enlist{Begin: b, Session: fired, Slot: slot})
	if f, cause := c.shelves.earlier(opening); f == nil || f.Session != slot || cause != b.Hash() {
		t.Errorf("found %v for %s", f, cause)
	}
}

// A member that convicts itself in a session of others ends nothing there.
func TestSentenceNeedsAPart(t *testing.T) {
	n := &Node{court: newCourt(), runners: map[council.SessionID]*runner{slot: {cancel: func() { t.Error("the session was ended") }}}}
	n.court.shelves.open(slot, pair)
	n.sentence(evidence.Record{Kind: evidence.Equivocation, Culprit: "core-3", Session: slot, Type: uint8(tss.SignRound5)})
	if n.runners[slot] == nil || n.court.shelves.sessions[slot].culprit != "" {
		t.Error("the session was ended")
	}
}

// A node that was restarted would say other things in the same session.
func TestNoAttemptIsJoinedTwice(t *testing.T) {
	c := newCourt()
	b := council.Begin{Attempt: 3}
	c.joined(agenda.Recorded{Author: "core-2", Body: b.Begun()}, "core-1")
	if err := c.twice(b); err != nil {
		t.Errorf("another member's attempt: %v", err)
	}
	c.joined(agenda.Recorded{Author: "core-1", Body: b.Begun()}, "core-1")
	if err := c.twice(b); err == nil || council.Hint(err) == "" {
		t.Errorf("joined before: %v", err)
	}
}
