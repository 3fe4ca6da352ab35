package node_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// rehearse takes part in making a slot, as an honest member would, but for what
// bend makes of its messages. Where others answer a call of the traitor's, it begins
// what it has called for, and says nothing more of it.
func (x *traitor) rehearse(from council.MemberID, m agenda.Message) {
	switch m := m.(type) {
	case agenda.ArmCall:
		x.discard(m)
		if x.idle || x.only != nil && !slices.Equal(x.only, m.Signers) {
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
		if x.has(call.Signers) || x.only != nil && !slices.Equal(x.only, call.Signers) {
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
	s, err := tss.NewArm(tss.ArmConfig{Session: id, Self: x.self, Signers: b.Signers, Share: x.share, Expires: uint64(x.h.now().Add(24 * time.Hour).Unix())})
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

// tells has the traitor tell one lie after the other, each when there is occasion to.
func (c *cabal) tells(lies ...bending) {
	c.t.Helper()
	for i, b := range lies {
		c.x.lie(b)
		c.passing(fmt.Sprintf("lie %d to be told", i+1), func() bool { return c.x.knows(func() bool { return c.x.lies > 0 }) })
	}
}

// A traitor in the making of slots costs the slots that it has a part in, and
// nothing else: the four others have theirs, and fire it.
func TestTraitorInArming(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes some fifty slots")
	}
	c := newCabal(t, func(h *house) { h.slots, h.silence = true, patience })
	for i, row := range []struct {
		name string
		lies []bending
	}{
		{"no lie", nil},
		{"silence from the beginning", []bending{silentFrom(tss.SignRound1Direct)}},
		{"silence from round 3", []bending{silentFrom(tss.SignRound3)}},
		{"a slot that it never calls ready", []bending{silentFrom(tss.SignArmed)}},
		// What convicts it comes last: from then on nobody makes a slot with it.
		{"a lie in each round, and round 4 before its time", []bending{hasty, consistent(flipped(tss.SignRound3, everyone)),
			flipped(tss.SignRound1Direct, everyone), flipped(tss.SignRound2, everyone)}},
	} {
		from := c.anew()
		if row.lies == nil {
			c.passing("a slot with the traitor", func() bool { return c.x.knows(func() bool { return c.x.armed > 0 }) })
		}
		c.tells(row.lies...)
		c.stocked(row.name, 1) // the traitor says of none that it is ready
		c.fires(row.name, []string{"pause", "unpause"}[i%2])
		if row.lies != nil {
			c.blamed(from)
		}
	}
	c.found("invalid-message")
	c.whole(false, c.ran...)
}

// anew lets all slots under way with the traitor end. It returns where the events of the
// honest end until then.
func (c *cabal) anew() map[council.MemberID]uint64 {
	c.t.Helper()
	c.x.sits(true)
	c.stocked("nothing else to be made", 1)
	c.pass(agenda.Defaults().Arming + time.Second)
	c.passing("the end of what is under way", func() bool {
		return !slices.ContainsFunc(c.honest, func(m council.MemberID) bool {
			s, err := c.rooms[m].Status(c.t.Context())
			return err != nil || s.Standby == nil || s.Standby.Arming > 0
		})
	})
	out := c.marks()
	c.x.sits(false)
	c.pass(2 * time.Minute) // whoever rests after a failure has rested
	return out
}

// marks are where the events of the honest end.
func (c *cabal) marks() map[council.MemberID]uint64 {
	c.t.Helper()
	out := map[council.MemberID]uint64{}
	for _, m := range c.honest {
		c.rooms[m].Tell("test", "from here on")
		all := c.spoken(m, "test")
		out[m] = all[len(all)-1].ID
	}
	return out
}

// blames reports whether a member has said since then that a slot came to nothing by the
// traitor's doing.
func (c *cabal) blames(m council.MemberID, since uint64) bool {
	c.t.Helper()
	return slices.ContainsFunc(c.spoken(m, "arming-failed"), func(e api.Event) bool {
		_, why, _ := strings.Cut(e.Text, ": ") // after the names of the set
		return e.ID > since && strings.Contains(why, string(c.x.self))
	})
}

// blamed waits until those name the traitor who were to make a slot with it: three at least.
func (c *cabal) blamed(since map[council.MemberID]uint64) {
	c.t.Helper()
	c.stocked("nothing else to be made", 1)
	c.pass(agenda.Defaults().Arming + time.Second) // what it keeps back is late
	c.passing("the traitor's name", func() bool {
		n := 0
		for _, m := range c.honest {
			if c.blames(m, since[m]) {
				n++
			}
		}
		return n >= 3
	})
}

// sits has the traitor answer nobody who makes slots, or answer again.
func (x *traitor) sits(idle bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.idle = idle
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

// stocked waits until so many sets are ready at all the honest.
func (c *cabal) stocked(when string, sets int) {
	c.t.Helper()
	c.passing(fmt.Sprintf("%d sets to be ready: %s", sets, when), func() bool {
		for _, m := range c.honest {
			s, err := c.rooms[m].Status(c.t.Context())
			if err != nil || s.Standby == nil || s.Standby.Ready != sets {
				return false
			}
		}
		return true
	})
}

// passing waits for something in a house where time passes fast: a slot that the traitor
// does not finish takes its place until it is late. It passes only while nobody computes,
// or on a slow machine every slot is late.
func (c *cabal) passing(what string, done func() bool) {
	c.t.Helper()
	atWork := func() bool {
		if !c.x.mu.TryLock() {
			return true
		}
		c.x.mu.Unlock()
		return slices.ContainsFunc(c.honest, func(m council.MemberID) bool { return c.rooms[m].AtWork() })
	}
	late := time.After(6 * minute)
	for idle := 0; !done(); {
		began := time.Now()
		select {
		case <-late:
			c.dump(c.honest[0])
			c.t.Fatalf("waited for %s", what)
		case <-time.After(100 * time.Millisecond):
		}
		if idle++; atWork() || time.Since(began) > 200*time.Millisecond { // the machine is busy with something else
			idle = 0
		}
		if idle == 5 {
			c.x.remind(c.honest)
			c.pass(5 * time.Second)
			idle = 0
		}
	}
}
