package node_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// twoFaced has a node say one broadcast to one other in other words: nothing is wrong
// with either. If once, it does so in the first session that has such a round, and is
// honest then.
func twoFaced(r tss.Round, to council.MemberID, once bool) func(*node.Config) {
	var mu sync.Mutex
	var first council.SessionID
	return lying(func(who council.MemberID, f *p2p.Frame) {
		if f.Channel != p2p.Session || tss.Round(f.Type) != r || who != to {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if first == (council.SessionID{}) {
			first = f.Session
		}
		if f.Session == first || !once {
			f.Payload = reworded(f.Payload)
		}
	})
}

// reworded means the same in other bytes: the first tag is written in two.
func reworded(payload []byte) []byte { return append([]byte{payload[0] | 0x80, 0}, payload[1:]...) }

// caught holds that a node has the proof that a member has said two things in a round.
func (c *cabinet) caught(at, liar council.MemberID, r tss.Round) {
	c.t.Helper()
	e := c.has(at, liar, "equivocation")
	if c.convictsBy(c.first, e, liar); e.Message != r.String() {
		c.t.Errorf("%s: convicted by %s", at, e.Message)
	}
}

// A member that says two things in a key generation is convicted at all others: in the
// middle, before anyone has a share, and in the last round, when it is the birth records
// that differ. Nobody has a key, and the next try makes one, of real peers over libp2p.
func TestTwoFacesInAKeyGeneration(t *testing.T) {
	const liar, victim = council.MemberID("member-02"), council.MemberID("member-03")
	for _, r := range []tss.Round{tss.KeygenRound2Decommit, tss.KeygenRound3} {
		if testing.Short() && r != tss.KeygenRound3 {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			c := smallCabinet(t)
			c.opens()
			c.genesis, c.shares = nil, nil
			if r == tss.KeygenRound3 { // which goes on to a key
				overLibp2p(&c.house)
			}
			c.change[liar] = twoFaced(r, victim, true)
			ids := c.size.IDs()
			for _, m := range ids {
				c.start(m)
			}
			// Who is not done with its last round yet when the victim shows what it has heard
			// compares that, and has no birth record that could be another one.
			words := func(m council.MemberID) []string {
				switch {
				case r != tss.KeygenRound3:
					return []string{string(liar)}
				case m == victim:
					return []string{"another birth record"}
				}
				return []string{"another birth record", string(liar) + " is convicted of equivocation in " + r.String()}
			}
			for m, d := range c.drawn(ids) {
				switch {
				case d.err == nil:
					t.Fatalf("%s has the key %s", m, d.genesis.Key)
				case m == liar:
					continue
				case !slices.ContainsFunc(words(m), func(w string) bool { return strings.Contains(d.err.Error(), w) }):
					t.Errorf("%s ends with %v", m, d.err)
				}
				c.caught(m, liar, r)
				staged, err := c.rooms[m].keys.Staged()
				if err != nil || r != tss.KeygenRound3 && len(staged) > 0 {
					t.Errorf("%s has staged %+v, %v", m, staged, err)
				}
				if all, err := c.rooms[m].keys.Epochs(); err != nil || len(all) != len(staged) {
					t.Errorf("%s has the shares %+v, %v", m, all, err)
				}
			}
			if r != tss.KeygenRound3 {
				return
			}
			c.spares(3, ids...)
			c.agree(c.drawn(ids))
			c.signs("after", "member-01", "member-01", victim)
		})
	}
}

// drawn has members make a key, and tells how it ended for each.
func (c *cabinet) drawn(ids []council.MemberID) map[council.MemberID]drawing {
	ended, out := map[council.MemberID]<-chan drawing{}, map[council.MemberID]drawing{}
	for _, m := range ids {
		ended[m] = c.draw(m)
	}
	for m, d := range ended {
		out[m] = <-d
	}
	return out
}

// A member that says two things in a resharing, as a dealer or as one who is to receive a
// share, is convicted at all others, and nobody has a share of that try. The next one
// without it succeeds, and the council signs: all of that over libp2p.
func TestTwoFacesInAResharing(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	for _, lie := range []struct {
		r            tss.Round
		liar, victim council.MemberID
		again        bool
	}{
		{tss.ReshareRound3Decommit, "member-01", joiner, true}, // it leaves
		{tss.ReshareRound2, "member-03", "member-02", false},
	} {
		t.Run(lie.r.String(), func(t *testing.T) {
			c := newCabinet(t)
			if lie.again {
				overLibp2p(&c.house)
			}
			c.change[lie.liar] = twoFaced(lie.r, lie.victim, lie.again)
			heirs := c.plan.Roster.IDs()
			honest := slices.DeleteFunc(append(c.size.IDs(), joiner), func(m council.MemberID) bool { return m == lie.liar })
			letGo := func() {}
			if lie.again {
				letGo = c.heldAtTheBar(lie.liar) // the next try, until all are seen to have the proof
			}
			var made atomic.Int32
			for _, m := range heirs {
				c.hook(m, func(at string) {
					if at == "share made" {
						made.Add(1)
					}
				})
			}
			for _, m := range append(c.size.IDs(), joiner) {
				c.start(m)
			}
			c.ready("member-02")
			if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
				t.Fatal(err)
			}
			c.stage("member-02", agenda.StageRunning)
			if lie.again {
				c.spares(5, heirs...)
			}
			failed := map[council.MemberID]bool{}
			c.until("the end of the try", func() bool {
				for _, m := range honest {
					failed[m] = failed[m] || c.told(m, "rotation-failed", string(lie.liar))
				}
				return !slices.ContainsFunc(honest, func(m council.MemberID) bool { return !failed[m] })
			})
			for _, m := range honest {
				c.caught(m, lie.liar, lie.r)
			}
			if letGo(); !lie.again {
				if made.Load() > 0 {
					t.Error("a share was made")
				}
				return
			}
			c.until("the new roster", c.settled)
			if n := made.Load(); int(n) != len(heirs) {
				t.Errorf("%d shares were made for %d heirs: some by the try that failed", n, len(heirs))
			}
			c.signs("after", joiner, "member-02", joiner)
		})
	}
}
