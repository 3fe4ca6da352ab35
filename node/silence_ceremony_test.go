package node_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// quick has a ceremony bear a silence for seconds instead of minutes. The nodes' own work
// lengthens that, so a busy machine is not taken for silence; but who only deals has next
// to none of its own.
func (c *cabinet) quick(round time.Duration) {
	for _, m := range slices.Concat(c.size.IDs(), c.heirs) {
		c.change[m] = func(cfg *node.Config) { cfg.Timing.Round, cfg.Timing.Remind = round, time.Second }
	}
}

// mute has the network lose all that a member says in a round, and counts it.
func (c *cabinet) mute(m council.MemberID, r tss.Round) (remove func()) {
	return c.net.Add(p2p.Fault{Channel: p2p.Session, From: m, Drop: 1, Match: func(f p2p.Frame) bool { return f.Type == uint8(r) }})
}

// spares gives members the sets of pre-parameters from the i-th on.
func (c *cabinet) spares(i int, ms ...council.MemberID) {
	c.t.Helper()
	for j, m := range ms {
		if err := c.rooms[m].keys.PutSpare(c.sets[i+j]); err != nil {
			c.t.Fatal(err)
		}
	}
}

// drawing is one node's part in a key generation.
type drawing struct {
	genesis council.Genesis
	err     error
	stage   string             // the last one that it told of
	waiting []council.MemberID // whom it waited for then
}

func (c *cabinet) draw(m council.MemberID) <-chan drawing {
	r, ended := c.rooms[m], make(chan drawing, 1)
	go func() {
		var d drawing
		d.genesis, d.err = r.Keygen(context.WithoutCancel(c.t.Context()), func(p api.Progress) { d.stage, d.waiting = p.Stage, p.WaitingFor })
		ended <- d
	}()
	return ended
}

// A member whose node is connected and says nothing in one round of a key generation, or
// of its test signatures, is named by the others: while they wait, and when they give up.
// After that the key is made as ever.
func TestSilenceInAKeyGeneration(t *testing.T) {
	const silent = council.MemberID("member-02") // makes both test signatures
	for _, r := range []tss.Round{tss.KeygenRound2Decommit, tss.KeygenRound1, tss.KeygenRound2Share, tss.KeygenRound3, tss.SignRound1Direct} {
		if testing.Short() && r != tss.KeygenRound2Decommit {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			c := smallCabinet(t)
			c.opens()
			c.genesis, c.shares = nil, nil
			c.quick(5 * time.Second)
			ids := c.size.IDs()
			ended := map[council.MemberID]<-chan drawing{}
			for _, m := range ids {
				c.start(m)
			}
			remove := c.mute(silent, r)
			for _, m := range ids {
				ended[m] = c.draw(m)
			}
			stage := "generating"
			if r >= tss.SignRound1Direct {
				stage = "proving"
			}
			for _, m := range ids {
				if m == silent {
					continue
				}
				d := <-ended[m]
				if d.err == nil || !strings.Contains(d.err.Error(), "silence in "+r.String()) || !strings.Contains(d.err.Error(), "(suspects: "+string(silent)+")") {
					t.Errorf("%s ends with %v", m, d.err)
				}
				// Of the test signature that it has no part in, a node knows only that it lacks.
				if d.stage != stage || stage == "generating" && !slices.Equal(d.waiting, []council.MemberID{silent}) || !slices.Contains(d.waiting, silent) {
					t.Errorf("%s was last at %q, waiting for %v", m, d.stage, d.waiting)
				}
			}
			remove()
			if r != tss.KeygenRound2Decommit || t.Failed() {
				return
			}
			c.spares(3, ids...)
			again := map[council.MemberID]<-chan drawing{}
			for _, m := range ids {
				if m != silent {
					again[m] = c.draw(m)
				}
			}
			if d := <-ended[silent]; d.err == nil || !strings.Contains(d.err.Error(), "has started the ceremony anew") {
				t.Fatalf("%s ends with %v", silent, d.err)
			}
			again[silent] = c.draw(silent)
			key := common.Address{}
			for _, m := range ids {
				d := <-again[m]
				if d.err != nil || key != (common.Address{}) && d.genesis.Key != key {
					t.Fatalf("%s: %s, %v; another has %s", m, d.genesis.Key, d.err, key)
				}
				key = d.genesis.Key
			}
		})
	}
}

// A member whose node is connected and says nothing in one round of a resharing is named
// by all, in the status while they wait and at the end of the try. A dealer who is needed
// by nobody is left out of the next one, and goes on to be silent.
func TestSilenceInAResharing(t *testing.T) {
	for _, lie := range []struct {
		r      tss.Round
		silent council.MemberID
		again  bool
	}{
		{tss.ReshareRound1, "member-01", true}, // it leaves
		{tss.ReshareRound2, "member-03", false},
		{tss.ReshareRound3Decommit, "member-01", false},
		{tss.ReshareRound4Done, joiner, false},
		{tss.SignRound1Direct, "member-03", false}, // makes both test signatures
	} {
		if testing.Short() && !lie.again {
			continue
		}
		t.Run(lie.r.String(), func(t *testing.T) {
			c := newCabinet(t)
			c.quick(25 * time.Second)
			heirs := c.plan.Roster.IDs()
			for _, m := range slices.Concat(c.size.IDs(), []council.MemberID{joiner}) {
				c.start(m)
			}
			c.ready("member-02")
			c.mute(lie.silent, lie.r)
			if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
				t.Fatal(err)
			}
			if lie.again {
				c.stage("member-02", agenda.StageRunning)
				c.spares(3, heirs...) // for the next try
			}
			shown := func() bool {
				s, err := c.rooms["member-02"].Rotation(t.Context())
				return err == nil && slices.ContainsFunc(s.Missing, func(n agenda.Need) bool {
					return n.Member == lie.silent && strings.HasSuffix(n.Do, "nothing of it has come in "+lie.r.String())
				})
			}
			c.until("the silent one in the status", shown)
			c.until("the end of the try", func() bool {
				for _, m := range heirs {
					if m != lie.silent && !c.told(m, "rotation-failed", "silence in "+lie.r.String()) {
						return false
					}
				}
				return true
			})
			for _, m := range heirs {
				if e := c.spoken(m, "rotation-failed"); m != lie.silent && !strings.Contains(e[0].Text, "(suspects: "+string(lie.silent)+")") {
					t.Errorf("%s tells of %q", m, e[0].Text)
				}
			}
			if lie.again {
				c.until("the new roster", c.settled)
			}
		})
	}
}
