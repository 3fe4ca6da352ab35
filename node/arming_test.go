package node_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// rehearse takes part in making a slot, as an honest member would, but for what
// bend makes of its messages. Where others answer a call of the traitor's, it begins
// what it has called for, and says nothing more of it.
func (x *traitor) rehearse(from council.MemberID, m agenda.Message) {
	switch m := m.(type) {
	case agenda.ArmCall:
		x.discard(m)
		if x.idle {
			return
		}
		a := agenda.ArmAnswer{Signers: m.Signers, Call: m.Call, Random: noise()}
		x.pledges[m.Call] = a
		x.tell(from, a)
	case agenda.ArmBegin:
		for _, r := range m.Randoms {
			if _, ok := x.pledges[r]; ok {
				delete(x.pledges, r)
				x.rehearsal(m)
				return
			}
		}
	case agenda.ArmAnswer:
		if m.Random == (common.Hash{}) || !slices.Contains(m.Signers, x.self) {
			return
		}
		of := x.answers[m.Call]
		if of == nil {
			of = map[council.MemberID]common.Hash{x.self: m.Call}
			x.answers[m.Call] = of
		}
		if of[from] = m.Random; len(of) < len(m.Signers) {
			return
		}
		b := agenda.ArmBegin{Signers: m.Signers}
		for _, who := range m.Signers {
			b.Randoms = append(b.Randoms, of[who])
		}
		x.led[x.slot(b)] = true
		if x.stocks {
			defer x.rehearsal(b)
		}
		for _, who := range m.Signers {
			if who != x.self {
				x.tell(who, b)
			}
		}
	}
}

// slot is the id of one that is begun.
func (x *traitor) slot(b agenda.ArmBegin) council.SessionID {
	return council.ArmSession(x.h.genesis.ShareEpoch, x.h.genesis.Roster, b.Signers, b.Randoms)
}

// press calls for a slot in each set that the traitor may lead and has none of, once.
func (x *traitor) press(honest []council.MemberID) {
	for i := range honest {
		three := slices.Delete(slices.Clone(honest), i, i+1)
		call := agenda.ArmCall{Signers: council.Sorted(append(slices.Clone(three), x.self)), Call: noise()}
		if x.has(call.Signers) {
			continue
		}
		for _, m := range three {
			x.tell(m, call) // who is not there yet hears the next one
		}
	}
}

// leads counts the sets of a member and three of the others in which it calls for slots.
func leads(m council.MemberID, five []council.MemberID) (n int) {
	for i := range five {
		set := council.Sorted(slices.Delete(slices.Clone(five), i, i+1))
		key := "millicent/arm-leader/1\x00"
		for _, who := range set {
			key += string(who) + "\x00"
		}
		if set[binary.BigEndian.Uint64(keccak([]byte(key)))%uint64(len(set))] == m {
			n++
		}
	}
	return n
}

func (x *traitor) rehearsal(b agenda.ArmBegin) {
	id := x.slot(b)
	s, err := tss.NewArm(tss.ArmConfig{Session: id, Self: x.self, Signers: b.Signers, Share: x.share, Expires: uint64(x.h.now().Add(time.Hour).Unix())})
	if err != nil {
		x.t.Error(err)
		return
	}
	x.arming++
	x.perform(&play{begin: council.Begin{Signers: b.Signers}, session: s})
}

// hasty sends, with every message of rounds 1 to 3, one of round 4, for which
// nobody has asked.
func hasty(p *play, to council.MemberID, m tss.Message) []tss.Message {
	early := m
	early.To, early.Round, early.Payload = "", tss.SignRound4, slices.Repeat([]byte{7}, 80)
	return []tss.Message{m, early}
}

// inTurn lies in another way in each session.
func inTurn(lies ...bending) bending {
	turns := map[*play]int{}
	return func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		if _, ok := turns[p]; !ok {
			turns[p] = len(turns)
		}
		return lies[turns[p]%len(lies)](p, to, m)
	}
}

// A traitor in the making of slots costs the slots that it has a part in, and
// nothing else: the four others have theirs, and fire it.
func TestTraitorInArming(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes some fifty slots")
	}
	c := newCabal(t, func(h *house) { h.slots = true })
	for i, lie := range []struct {
		name string
		bend bending
		good bool // its slots become ready all the same
	}{
		{"no lie", nil, true},
		{"silence from the beginning", silentFrom(tss.SignRound1Direct), false},
		{"silence from round 3", silentFrom(tss.SignRound3), false},
		{"a slot that it never calls ready", silentFrom(tss.SignArmed), false},
		// What convicts it comes last: from then on nobody makes a slot with it.
		{"a lie in each round, and round 4 before its time", inTurn(hasty, consistent(flipped(tss.SignRound3, everyone)),
			flipped(tss.SignRound1Direct, everyone), flipped(tss.SignRound2, everyone)), false},
	} {
		c.x.lie(lie.bend)
		c.x.mu.Lock()
		before, armed := c.x.arming, c.x.armed
		c.x.mu.Unlock()
		c.pass(2 * time.Minute) // whoever rests after a failure has rested
		c.x.await("a call to make a slot: "+lie.name, 4*minute, func() bool {
			return c.x.arming > before && (!lie.good || c.x.armed > armed)
		})
		c.stocked(lie.name, 1) // the traitor says of none that it is ready
		c.fires(lie.name, []string{"pause", "unpause"}[i%2])
	}
	if txs := c.sent(); len(txs) != int(c.nonce) {
		t.Errorf("%d transactions for %d proposals", len(txs), c.nonce)
	}
}

// fires has the honest sign a playbook from the stock.
func (c *cabal) fires(when, playbook string) {
	c.t.Helper()
	id := c.propose(c.honest[3], playbook)
	c.judged(id, append(slices.Clone(c.honest), c.x.self)...) // or the traitor would be asked before one of them
	for _, m := range c.honest {
		c.approve(c.honest[3], m, id)
	}
	c.mined(id)
	p := c.rooms[c.honest[3]].proposal(c.t, id)
	if tries(p) != 1 || !p.Attempts[len(p.Attempts)-1].Warm {
		c.t.Errorf("%s: signed in %d attempts: %+v", when, tries(p), p.Attempts)
	}
	c.nonce++
	c.ran = append(c.ran, id)
}

// stocked waits until so many sets are ready at all the honest, in a house where time passes
// fast: a slot that the traitor does not finish takes its place until it is late.
// It passes only while nobody computes, or on a slow machine every slot is late.
func (c *cabal) stocked(when string, sets int) {
	c.t.Helper()
	ready := func() bool {
		for _, m := range c.honest {
			s, err := c.rooms[m].Status(c.t.Context())
			if err != nil || s.Standby == nil || s.Standby.Ready != sets {
				return false
			}
		}
		return true
	}
	atWork := func() bool {
		if !c.x.mu.TryLock() {
			return true
		}
		c.x.mu.Unlock()
		return slices.ContainsFunc(c.honest, func(m council.MemberID) bool { return c.rooms[m].AtWork() })
	}
	late := time.After(6 * minute)
	for idle := 0; !ready(); {
		select {
		case <-late:
			c.dump(c.honest[0])
			c.t.Fatalf("the honest have not %d sets ready: %s", sets, when)
		case <-time.After(100 * time.Millisecond):
		}
		if idle++; atWork() {
			idle = 0
		}
		if idle == 5 {
			c.x.remind(c.honest)
			c.pass(5 * time.Second)
			idle = 0
		}
	}
}

// What was said in one session says nothing in another, nor once more in its own;
// and an entry counts for whoever has signed it, whoever brings it.
func TestReplayedWords(t *testing.T) {
	t.Parallel()
	c := newCabal(t)
	var heard []p2p.Frame
	var said []tss.Message
	c.x.lie(func(_ *play, to council.MemberID, m tss.Message) []tss.Message {
		said = append(said, m)
		return []tss.Message{m}
	})
	first := c.approved("pause") // with the traitor, that behaves
	c.mined(first)
	c.nonce = uint64(len(c.sent()))
	c.x.mu.Lock()
	heard = slices.Clone(c.x.frames)
	old := slices.Clone(said)
	c.x.mu.Unlock()
	if len(heard) == 0 || len(old) == 0 {
		t.Fatalf("the first session had %d frames of others and %d of the traitor's", len(heard), len(old))
	}

	// In the next session it says, with its own words, those of the last one: under
	// the old session's name, and under the new one's before its own.
	rounds := map[tss.Round]bool{}
	c.x.lie(func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		out := []tss.Message{}
		for _, o := range old {
			if o.Round == m.Round && (o.To == "" || o.To == to) {
				rounds[o.Round] = true
				out = append(out, o)
			}
		}
		for _, f := range heard { // what others have said, as its own
			if tss.Round(f.Type) == m.Round && f.To == "" {
				out = append(out, tss.Message{Session: m.Session, From: m.From, Round: m.Round, Transcript: f.Transcript, Payload: f.Payload})
				break
			}
		}
		return append(out, m, m)
	})
	second := c.approved("unpause")
	c.signedWithout(second)
	c.x.mu.Lock()
	if len(rounds) == 0 {
		t.Error("nothing was replayed")
	}
	c.x.mu.Unlock()

	// Entries of others, changed or under its own name, change nothing.
	es, err := c.x.book.After(c.honest[0], 0, 200)
	if err != nil || len(es) == 0 {
		t.Fatalf("%d entries of %s (%v)", len(es), c.honest[0], err)
	}
	before := map[council.MemberID]uint64{}
	for _, m := range c.honest {
		b, err := c.rooms[m].Burden(t.Context(), c.x.self)
		if err != nil {
			t.Fatal(err)
		}
		before[m] = b.Bad
	}
	forged := 0
	for _, e := range es {
		for _, change := range []func(*journal.Entry){
			func(e *journal.Entry) { e.Author = c.x.self },
			func(e *journal.Entry) { e.Author = c.honest[1] },
			func(e *journal.Entry) { e.Seq += 1000 },
			func(e *journal.Entry) { e.Time++ },
			func(e *journal.Entry) { e.Body = append(slices.Clone(e.Body), 0) },
		} {
			f := e
			change(&f)
			c.x.publish(f)
			forged++
		}
		c.x.publish(e) // once more as it is
	}
	third := c.propose(c.honest[3], "pause")
	for _, m := range c.honest {
		c.approve(c.honest[3], m, third)
	}
	c.mined(third)
	for _, m := range c.honest {
		c.await(m, "the refusal of forged entries", minute, func(r *room) bool {
			b, err := r.Burden(t.Context(), c.x.self)
			return err == nil && b.Bad > before[m]
		})
		heads, err := c.rooms[m].book.Heads()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			if h.Author == c.honest[0] && h.Seq > 1000 {
				t.Errorf("%s has an entry of %s that was never made", m, h.Author)
			}
		}
		if s, err := c.rooms[m].Status(t.Context()); err != nil || s.Phase != api.Ready {
			t.Errorf("%s: %s (%v)", m, s.Phase, err)
		}
	}
	c.nonce++
	c.whole(false, first, second, third)
}
