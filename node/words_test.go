package node_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/tss"
)

// words are the broadcasts of a session, by who said them and in which round.
type words map[council.MemberID]map[tss.Round][]byte

// words are what was said, the traitor's own words included, while a proposal was signed
// with the traitor.
func (x *traitor) words(id council.ProposalID) words {
	x.t.Helper()
	x.mu.Lock()
	defer x.mu.Unlock()
	out := words{}
	note := func(who council.MemberID, r tss.Round, payload []byte) {
		if out[who] == nil {
			out[who] = map[tss.Round][]byte{}
		}
		if r.Broadcast() {
			out[who][r] = payload
		}
	}
	for session, p := range x.plays {
		if p.begin.Proposal != id || p.signature == nil {
			continue
		}
		for _, m := range p.said {
			note(x.self, m.Round, m.Payload)
		}
		for _, f := range x.frames {
			if f.Session == session {
				note(f.From, tss.Round(f.Type), f.Payload)
			}
		}
	}
	if len(out) != x.h.council.Roster.Threshold {
		x.t.Fatalf("it has heard %d members", len(out))
	}
	for who, said := range out {
		if len(said) != 8 {
			x.t.Fatalf("it knows %d words of %s", len(said), who)
		}
	}
	return out
}

// replayed says an old word in a round in place of its own, and whatever it says twice.
func replayed(r tss.Round, word []byte) bending {
	told := consistent(func(_ *play, _ council.MemberID, m tss.Message) []tss.Message {
		if m.Round == r {
			m.Payload = word
		}
		return []tss.Message{m}
	})
	return func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		out := told(p, to, m)
		return append(out, out...)
	}
}

// What was said in one session says nothing in another, in no round and by nobody: who says
// an old word in place of its own, be it its own word or another's, is named, and convicted
// where an opening does not fit. The others sign without it at the same nonce. Entries count
// for whoever has signed them, whoever brings them.
func TestReplayedWords(t *testing.T) {
	t.Parallel()
	enduring := func(h *house) { h.silence = patience } // however slow the machine is, nobody is silent here
	c := newCabal(t, enduring)
	first := c.approved("pause") // with the traitor, that behaves
	c.mined(first)
	c.x.await("the end of its own part", minute, func() bool {
		for _, p := range c.x.plays {
			if p.begin.Proposal == first && p.signature != nil {
				return true
			}
		}
		return false
	})
	c.nonce = uint64(len(c.sent()))
	old, self := c.x.words(first), c.x.self
	other := slices.DeleteFunc(council.Sorted(slices.Collect(maps.Keys(old))), func(m council.MemberID) bool { return m == self })[0]

	if !testing.Short() { // of these nobody can tell whose they are
		c.replays("unpause", tss.SignRound3, old[self], false)
		c.replays("pause", tss.SignRound9, old[other], false)
	}
	c.replayedEntries()
	c.replays("unpause", tss.SignRound1, old[self], true)
	c.whole(false, append([]council.ProposalID{first}, c.ran...)...)

	// Who is convicted is called no more: each in a council of its own.
	for r, by := range map[tss.Round]council.MemberID{tss.SignRound4: other, tss.SignRound5: self, tss.SignRound6: other, tss.SignRound7: other, tss.SignRound8: self} {
		t.Run(r.String(), func(t *testing.T) {
			switch {
			case testing.Short():
				t.Skip("makes two signatures")
			case r != tss.SignRound4 && r != tss.SignRound8:
				matrix(t)
			}
			c := newCabal(t, enduring)
			if c.x.self != self {
				t.Fatalf("the traitor is %s, and the old words are of %s", c.x.self, self)
			}
			c.replays("pause", r, old[by], true)
			c.whole(true, c.ran...)
		})
	}
}

// replays has the traitor say an old word in a round, and the honest sign without it.
func (c *cabal) replays(playbook string, r tss.Round, old map[tss.Round][]byte, convicts bool) {
	c.t.Helper()
	c.x.lie(replayed(r, old[r]))
	id := c.approved(playbook)
	c.signedWithout(id)
	c.suspects(id)
	if !c.x.knows(func() bool {
		for _, p := range c.x.plays {
			if p.begin.Proposal == id && p.lied {
				return true
			}
		}
		return false
	}) {
		c.t.Errorf("no word of %s was replayed", r)
	}
	for _, m := range c.honest {
		if convicts {
			c.convicts(c.has(m, c.x.self, "invalid-message"), c.x.self)
		} else if all, err := c.rooms[m].Evidence(c.t.Context()); err != nil || len(all) > 0 {
			c.t.Errorf("%s has proof of what nothing proves: %+v, %v", m, all, err)
		}
	}
	c.ran = append(c.ran, id)
}

// replayedEntries has the traitor bring entries of another, changed or under its own name:
// they change nothing.
func (c *cabal) replayedEntries() {
	c.t.Helper()
	t := c.t
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
		}
		c.x.publish(e) // once more as it is
	}
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
}
