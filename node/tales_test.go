package node_test

import (
	"slices"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// tale is what a coordinator asks of one member alone.
type tale struct {
	to      council.MemberID
	begin   council.Begin
	refused string // the rule; or it is believed
}

// saying makes a Begin of the traitor's, of which everything is true that is not said here.
type saying func(nonce, attempt uint64, fee int64, signers ...council.MemberID) council.Begin

// digests tells each of the first three honest members other fees.
func digests(c *cabal, say saying) (out []tale) {
	for i, m := range c.honest[:3] {
		out = append(out, tale{to: m, begin: say(0, 1, 100+int64(i), c.honest[:3]...)})
	}
	return out
}

// A coordinator that nobody suspects yet tells members different things of one attempt, each
// of which could be true. They take it up, as they must, and nothing is signed: it is
// convicted or suspected, and the council signs without it at the same nonce.
func TestCoordinatorForks(t *testing.T) {
	t.Parallel()
	for _, fork := range []struct {
		name   string
		change []func(*house)
		slot   bool
		tales  func(*cabal, saying) []tale
		found  bool // what it has signed convicts it
	}{
		{name: "digests", found: true, tales: digests},
		{name: "signers, over libp2p", change: []func(*house){overLibp2p}, found: true, tales: func(c *cabal, say saying) (out []tale) {
			for i, m := range c.honest {
				three := slices.Delete(slices.Clone(c.honest), (i+1)%4, (i+1)%4+1)
				out = append(out, tale{to: m, begin: say(0, 1, 100, three...)})
			}
			return out
		}},
		{name: "attempts", tales: func(c *cabal, say saying) []tale {
			first, second := say(0, 1, 100, c.honest[:3]...), say(0, 2, 100, c.honest[:3]...)
			return []tale{{to: c.honest[0], begin: first}, {to: c.honest[1], begin: first}, {to: c.honest[2], begin: second}}
		}},
		{name: "nonces", tales: func(c *cabal, say saying) []tale {
			return []tale{{to: c.honest[0], begin: say(0, 1, 100, c.honest[:3]...)}, {to: c.honest[1], begin: say(1, 1, 100, c.honest[:3]...), refused: "nonce"}}
		}},
		{name: "digests of one slot", slot: true, found: true, tales: digests},
	} {
		t.Run(fork.name, func(t *testing.T) {
			if fork.name != "digests" && testing.Short() {
				t.Skip("makes a signature")
			}
			c := newCabal(t, append(fork.change, func(h *house) {
				// Who is shown what another was told believes no more: nobody is before all are told.
				h.slots, h.sits, h.last = fork.slot, true, newDam(shows)
				t.Cleanup(h.last.open)
			})...)
			c.honest = c.rank(0, 2, c.honest)
			x, four := c.x, c.four()
			x.mu.Lock()
			x.absent = true
			x.mu.Unlock()
			var slot council.SessionID
			if fork.slot {
				x.stock(four)
				c.stocked(fork.name, 2) // with the traitor, and without
				x.mu.Lock()
				for slot = range x.slots {
				}
				x.mu.Unlock()
			}
			id := c.propose(c.honest[3], "pause")
			c.judged(id, append(slices.Clone(c.honest), x.self)...)
			for _, m := range c.honest[:3] {
				c.approve(c.honest[3], m, id)
			}
			for _, m := range c.honest {
				c.await(m, "three approvals", minute, func(r *room) bool { return r.proposal(t, id).Have == 3 })
			}
			x.await("three approvals", minute, func() bool { return len(x.approvals[id]) == 3 })
			mine := c.word(id, x.self) // the fourth: without it nobody begins
			tales := fork.tales(c, func(nonce, attempt uint64, fee int64, signers ...council.MemberID) council.Begin {
				return x.beginOf(id, nonce, attempt, append(slices.Clone(signers), x.self), func(b *council.Begin) {
					b.Fees.MaxFeePerGas, b.Slot = gwei(fee), slot
					b.Approvals = append(b.Approvals, mine)
				})
			})
			c.last.shut()
			c.halt() // nor does anybody tire of waiting
			for _, s := range tales {
				if err := x.tell(s.to, agenda.BeginMessage{Begin: s.begin}); err != nil {
					t.Fatal(err)
				}
			}
			for _, s := range tales {
				if s.refused == "" {
					x.await(string(s.to)+" to believe it", minute, func() bool { return x.begun[s.begin.Hash()][s.to] })
				}
			}
			for _, s := range tales {
				if fork.slot { // it is spent, on the one tale; what they fire next is a slot of their own
					c.await(s.to, "its slot to be fired", minute, func(r *room) bool {
						at, err := r.Status(t.Context())
						return err == nil && at.Standby.Fired == 1 && at.Standby.Own == 1
					})
				}
			}
			c.goOn()
			c.last.open()
			if fork.found {
				c.found("two-begins")
			}
			for _, s := range tales {
				if s.refused != "" {
					c.pass(minute) // nobody waits so long for another nonce
					if r := x.refused(s.to, s.begin); r.Rule != s.refused {
						t.Errorf("%s refuses by rule %q (%s); want %q", s.to, r.Rule, r.Reason, s.refused)
					}
				}
			}
			// The word comes to all, not only in what some were told: from here, unless one of
			// them has passed it on.
			fourth := c.rooms[c.honest[3]]
			if _, err := fourth.Vote(t.Context(), mine); err != nil && fourth.proposal(t, id).Have != 4 {
				t.Fatal(err)
			}
			if !fork.found { // what convicts it ends what it leads at once
				c.passDeadline(tales[0].begin) // of who is alone in what it was told
			}
			c.ranWithout(id)
			c.whole(true, id)
		})
	}
}
