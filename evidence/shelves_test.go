package evidence

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

var (
	pair = []council.MemberID{"core-1", "core-2"}
	slot = council.SessionID{1}

	// The rounds of a protocol that there is not, of all types.
	every = func() (out []tss.Round) {
		for r := tss.Round(1); r != 0; r++ {
			if r.Known() {
				out = append(out, r)
			}
		}
		return out
	}()
)

func said(id council.SessionID, r tss.Round, size int) p2p.Frame {
	f := p2p.Frame{From: "core-2", Channel: p2p.Session, Session: id, Type: uint8(r), Payload: bytes.Repeat([]byte{7}, size)}
	if !r.Broadcast() {
		f.To = "core-1"
	}
	return f
}

func TestShelfKeepsTheFirst(t *testing.T) {
	s := NewShelves(common.Hash{1}, 4)
	s.Open(slot, pair, every)
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
	s := NewShelves(common.Hash{1}, 4)
	s.Open(slot, pair, every)
	share, answer, theta := said(slot, tss.KeygenRound2Share, 40), said(slot, tss.SignRound2, 30), said(slot, tss.SignRound3, 20)
	for _, f := range []p2p.Frame{share, answer, theta} {
		s.add(f)
	}
	at := func(f p2p.Frame) kept { return s.sessions[slot].frames[spot{f.From, f.Type}] }
	if k := at(share); k.whole || k.frame.Payload != nil {
		t.Error("the share is kept")
	}
	if _, conflict := s.add(said(slot, tss.KeygenRound2Share, 41)); !conflict {
		t.Error("a second share is not noticed")
	}
	if s.bytes != 50 {
		t.Errorf("%d bytes", s.bytes)
	}
	s.Close(slot)
	if k := at(answer); k.whole || k.frame.Payload != nil || s.bytes != 20 {
		t.Errorf("the answer is kept; %d bytes", s.bytes)
	}
	if _, conflict := s.add(said(slot, tss.SignRound2, 31)); !conflict {
		t.Error("a second answer is not noticed")
	}
	if got := s.Heard(slot, tss.SignRound9, "core-1"); len(got) != 1 || got[0].Type != theta.Type {
		t.Errorf("shown: %+v", got)
	}
	if got := s.Heard(slot, tss.SignRound3, "core-1"); len(got) != 0 {
		t.Errorf("shown before its round: %+v", got)
	}
	if got := s.Heard(slot, tss.SignRound9, "core-2"); len(got) != 0 {
		t.Errorf("shown to who said it: %+v", got)
	}
}

func TestShelvesAreBounded(t *testing.T) {
	s := NewShelves(common.Hash{1}, 4)
	s.Open(slot, pair, every) // runs all the time
	s.add(said(slot, tss.SignRound3, 10))
	for i := range maxShelves + 9 {
		id := council.SessionID{2, byte(i), byte(i >> 8)}
		s.Open(id, pair, every)
		for _, r := range []tss.Round{tss.SignRound3, tss.SignRound4} {
			s.add(said(id, r, 1<<20)) // the second is above one member's share
		}
		s.Close(id)
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
}

// Whoever fills the shelves keeps nothing out that is said afterwards: the oldest
// sessions that are over make room. What runs is never forgotten for it.
func TestShelvesMakeRoom(t *testing.T) {
	s := NewShelves(common.Hash{1}, 4)
	large := tss.KeygenRound1.MaxPayload()
	members := make([]council.MemberID, 7)
	for i := range members {
		members[i] = council.MemberID(fmt.Sprintf("core-%d", i+1))
	}
	s.Open(slot, members, every) // runs all the time
	first := said(slot, tss.KeygenRound1, large)
	first.From = members[0]
	s.add(first)
	for i := range maxShelves - 2 { // as many as need not go for their number
		id := council.SessionID{2, byte(i)}
		s.Open(id, members, every)
		for _, m := range members {
			f := said(id, tss.KeygenRound1, large)
			f.From = m
			s.add(f)
			if k := s.sessions[id].frames[spot{m, f.Type}]; !k.whole || len(k.frame.Payload) != large {
				t.Fatalf("a frame of session %d is not kept, with %d bytes on the shelves", i, s.bytes)
			}
		}
		s.Close(id)
		if s.bytes > maxShelfBytes || len(s.order) != len(s.sessions) {
			t.Fatalf("%d bytes in %d of %d sessions", s.bytes, len(s.order), len(s.sessions))
		}
	}
	if len(s.sessions) == maxShelves-1 || s.sessions[slot] == nil {
		t.Errorf("%d sessions are left; that which runs: %v", len(s.sessions), s.sessions[slot] != nil)
	}
	// With nothing that is over, what is too much is only compared; the session that a
	// frame comes late for may be the one that has to go.
	for i := 0; s.bytes+large <= maxShelfBytes || i < maxShelves/2; i++ {
		id := council.SessionID{3, byte(i), byte(i >> 8)}
		s.Open(id, pair, every)
		s.add(said(id, tss.KeygenRound1, large))
		s.add(said(id, tss.SignRound5, 1<<20))
	}
	if s.bytes > maxShelfBytes {
		t.Errorf("%d bytes of sessions that run", s.bytes)
	}
	s.Close(slot)
	if s.sessions[slot] == nil {
		t.Fatal("forgotten as soon as it is over")
	}
	if _, conflict := s.add(said(slot, tss.KeygenRound1, large)); conflict || s.sessions[slot] != nil {
		t.Error("room for a session that is over, none for those that run")
	}
	total := 0
	for _, h := range s.sessions {
		for _, k := range h.frames {
			total += len(k.frame.Payload)
		}
	}
	if total != s.bytes {
		t.Errorf("%d bytes, counted %d", total, s.bytes)
	}
}

// What no round of the session's protocol says has no place there. What is larger than
// anything honest convicts while the session runs, and fills nothing afterwards.
func TestShelvesTakeWhatTheGuardDoes(t *testing.T) {
	c := newScene(t)
	s := NewShelves(c.hash, c.roster.Threshold)
	s.Open(session, c.roster.IDs(), []tss.Round{tss.SignRound3, tss.SignRound5})
	s.Add(c.say(tss.KeygenRound1, []byte("one")))
	if _, caught := s.Add(c.say(tss.KeygenRound1, []byte("two"))); caught || s.bytes > 0 {
		t.Errorf("caught: %v; %d bytes of another protocol", caught, s.bytes)
	}
	s.Add(c.say(tss.SignRound3, bytes.Repeat([]byte{7}, tss.SignRound3.MaxPayload()+1)))
	all := s.Refused(session, []council.MemberID{culprit}, tss.SignRound3, errFault)
	if len(all) != 1 {
		t.Fatalf("%d records", len(all))
	}
	if f, err := c.sign(all[0]).Verify(c.roster); err != nil || !f.Proven {
		t.Errorf("too large: %+v, %v", f, err)
	}
	s.Close(session)
	s.Add(c.say(tss.SignRound5, bytes.Repeat([]byte{7}, tss.SignRound5.MaxPayload()+1)))
	if s.bytes > 0 || len(s.Heard(session, tss.SignRound9, reporter)) > 0 {
		t.Errorf("%d bytes that are too large are kept of a session that is over", s.bytes)
	}
}

// What a session that fires a slot says is compared with what the slot's said.
func TestShelfOfAFiredSlot(t *testing.T) {
	s := NewShelves(common.Hash{1}, 4)
	fired := council.SessionID{2}
	s.Open(slot, pair, every)
	s.Open(fired, pair, every)
	commitment, opening := said(slot, tss.SignRound1, 4), said(fired, tss.SignRound4, 5)
	s.Add(commitment)
	s.Close(slot)
	s.Add(opening)
	if f, _ := s.earlier(opening); f != nil {
		t.Error("found without knowing of the slot")
	}
	b := council.Begin{Attempt: 3}
	s.Fires(fired, b.Hash(), slot)
	if f, cause := s.earlier(opening); f == nil || f.Session != slot || cause != b.Hash() {
		t.Errorf("found %v for %s", f, cause)
	}
}

// Two frames of one place give a record, and so does one that another member shows;
// what others show is compared with what was heard here, and with nothing else.
func TestShelvesConvict(t *testing.T) {
	c := newScene(t)
	s := NewShelves(c.hash, c.roster.Threshold)
	four := c.roster.IDs()[:6]
	s.Open(session, four, every)
	one, two := c.say(tss.SignRound5, []byte("one")), c.say(tss.SignRound5, []byte("two"))
	if _, caught := s.Add(one); caught {
		t.Fatal("caught by the first")
	}
	convicts := func(r Record) {
		t.Helper()
		if f, err := c.sign(r).Verify(c.roster); err != nil || !f.Proven || r.Culprit != culprit {
			t.Errorf("%+v, %v", f, err)
		}
	}
	r, caught := s.Add(two)
	if !caught {
		t.Fatal("two faces are not seen")
	}
	convicts(r)
	all, err := s.Compare(c.hash, c.roster, reporter, session, []p2p.Frame{one, two})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d records, %v", len(all), err)
	}
	convicts(all[0])
	forged := two
	forged.Payload = []byte("three")
	if all, err := s.Compare(c.hash, c.roster, reporter, session, []p2p.Frame{two, forged, two}); err == nil || len(all) != 1 {
		t.Errorf("of a forged frame: %d records, %v", len(all), err)
	}
	foreign, elsewhere := two, c.say(tss.SignRound7, []byte("two"))
	foreign.Session[0]++
	for name, f := range map[string]p2p.Frame{"of another session": foreign, "not heard here": elsewhere, "to one": c.to(tss.SignRound2, []byte("x"))} {
		if all, err := s.Compare(c.hash, c.roster, reporter, session, []p2p.Frame{f}); len(all) > 0 || err != nil {
			t.Errorf("%s: %d records, %v", name, len(all), err)
		}
	}
	if all, _ := s.Compare(c.hash, c.roster, c.roster.IDs()[6], session, []p2p.Frame{two}); len(all) > 0 {
		t.Error("of one that has no part in the session")
	}
	if all, _ := s.Compare(c.hash, c.roster, reporter, council.SessionID{9}, []p2p.Frame{two}); len(all) > 0 {
		t.Error("of a session that nobody knows")
	}
	if _, err := s.Compare(c.hash, c.roster, reporter, session, make([]p2p.Frame, maxShown)); err == nil {
		t.Error("shows without end")
	}
}

// What the guard refused gives a record that convicts if the frame is kept, and a
// word about it if not.
func TestShelvesOfRefusedMessages(t *testing.T) {
	c := newScene(t)
	s := NewShelves(c.hash, c.roster.Threshold)
	s.Open(session, c.roster.IDs(), every)
	s.Add(c.say(tss.SignRound3, badTheta))
	all := s.Refused(session, []council.MemberID{culprit, "core-3"}, tss.SignRound3, errFault)
	if len(all) != 2 || !all[0].Shown() || all[1].Shown() || all[1].Culprit != "core-3" {
		t.Fatalf("%+v", all)
	}
	if f, err := c.sign(all[0]).Verify(c.roster); err != nil || !f.Proven {
		t.Errorf("%+v, %v", f, err)
	}
	if s.Refused(council.SessionID{9}, []council.MemberID{culprit}, tss.SignRound3, errFault) != nil {
		t.Error("of a session that nobody knows")
	}
	// A word alone is nothing that others bring.
	told := c.sign(all[1])
	if _, err := told.Admit(c.roster, true); err != nil {
		t.Errorf("the own word: %v", err)
	}
	if _, err := told.Admit(c.roster, false); err == nil {
		t.Error("takes another's word")
	}
}

func TestBeginsConvict(t *testing.T) {
	c := newScene(t)
	b := NewBegins(c.hash)
	one, two := c.begin(func(*council.Begin) {}), c.begin(func(b *council.Begin) { b.Digest[0]++ })
	next := c.begin(func(b *council.Begin) { b.Attempt++; b.Slot[0]++ })
	for i, f := range []p2p.Frame{one, one, next} {
		if _, caught := b.Add(f); caught {
			t.Errorf("caught by Begin %d", i)
		}
	}
	r, caught := b.Add(two)
	if f, err := c.sign(r).Verify(c.roster); !caught || err != nil || !f.Proven {
		t.Errorf("%+v, %v", f, err)
	}
	if all, err := b.Compare(c.hash, c.roster, []p2p.Frame{one, two}); err != nil || len(all) != 1 {
		t.Errorf("shown: %d records, %v", len(all), err)
	}
	forged := two
	forged.Sig = bytes.Clone(two.Sig)
	forged.Sig[0]++
	if all, err := b.Compare(c.hash, c.roster, []p2p.Frame{forged}); err == nil || len(all) > 0 {
		t.Errorf("forged: %d records, %v", len(all), err)
	}
	if _, err := b.Compare(c.hash, c.roster, []p2p.Frame{c.say(tss.SignRound5, []byte("x"))}); err == nil {
		t.Error("takes what is no Begin")
	}
	if _, err := b.Compare(c.hash, c.roster, slices.Repeat([]p2p.Frame{one}, maxBegins+1)); err == nil {
		t.Error("shows without end")
	}
	// Another has joined the attempt under another Begin: it is shown this one, once.
	x, err := Begin(two)
	if err != nil {
		t.Fatal(err)
	}
	y, err := Begin(one)
	if err != nil {
		t.Fatal(err)
	}
	if shown := b.Elsewhere(reporter, y.Begun()); len(shown) != 0 {
		t.Error("shown what it has joined")
	}
	if shown := b.Elsewhere(reporter, x.Begun()); len(shown) != 1 || !bytes.Equal(shown[0].Payload, one.Payload) {
		t.Errorf("%d Begins are shown", len(shown))
	}
	if shown := b.Elsewhere(reporter, x.Begun()); len(shown) != 0 {
		t.Error("shown twice")
	}
}

func TestBeginsAreBounded(t *testing.T) {
	c := newScene(t)
	b := NewBegins(c.hash)
	for i := range 3 * maxBegins {
		b.Add(c.begin(func(b *council.Begin) { b.Attempt, b.Slot = uint64(10+i), council.SessionID{byte(i), 1} }))
	}
	list := b.of[culprit]
	if len(list) != maxBegins || list[maxBegins-1].begin.Attempt != uint64(9+3*maxBegins) {
		t.Errorf("%d Begins kept", len(list))
	}
	b.Add(c.begin(func(b *council.Begin) {
		b.Attempt, b.Slot = 1000, council.SessionID{1, 2}
		b.Approvals = []council.Approval{{Reason: string(make([]byte, maxBeginBytes))}}
	}))
	if list = b.of[culprit]; list[len(list)-1].begin.Attempt == 1000 {
		t.Error("a Begin that is too large is kept")
	}
}
