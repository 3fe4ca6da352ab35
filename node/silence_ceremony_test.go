package node_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

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

// mute is the transport of a node whose owner keeps some of what it says from everybody.
type mute struct {
	p2p.Transport
	keeps func(p2p.Frame) bool
}

func (t mute) Send(ctx context.Context, to council.MemberID, f p2p.Frame) error {
	if t.keeps(f) {
		return nil
	}
	return t.Transport.Send(ctx, to, f)
}

// silences has a member's node, once it is started, say nothing of some kind, until that
// is lifted.
func (c *cabinet) silences(m council.MemberID, of func(p2p.Frame) bool) (lift func()) {
	var lifted atomic.Bool
	c.alters(m, func(cfg *node.Config) {
		cfg.Transport = mute{cfg.Transport, func(f p2p.Frame) bool { return !lifted.Load() && of(f) }}
	})
	return func() { lifted.Store(true) }
}

// inRound is all that is said in a round of the engine's.
func inRound(r tss.Round) func(p2p.Frame) bool {
	return func(f p2p.Frame) bool { return f.Channel == p2p.Session && f.Type == uint8(r) }
}

// mute has the network lose all that a member says in a round.
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
// The moduli that it has seen are not taken again. After that the key is made as ever, the
// first time by real peers over libp2p.
func TestSilenceInAKeyGeneration(t *testing.T) {
	t.Parallel()                                 // it mostly waits
	const silent = council.MemberID("member-02") // makes both test signatures
	for _, r := range []tss.Round{tss.KeygenRound2Decommit, tss.KeygenRound1, tss.KeygenRound2Share, tss.KeygenRound3, tss.SignRound1Direct} {
		if testing.Short() && r != tss.KeygenRound2Decommit {
			continue
		}
		t.Run(r.String(), func(t *testing.T) {
			c := smallCabinet(t)
			c.opens()
			c.genesis, c.shares = nil, nil
			c.quick(15 * time.Second)
			if r == tss.KeygenRound2Decommit { // which goes on to a key
				overLibp2p(&c.house)
			}
			lift := c.silences(silent, inRound(r))
			ids := c.size.IDs()
			ended := map[council.MemberID]<-chan drawing{}
			for _, m := range ids {
				c.start(m)
			}
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
				shown := 2 * len(ids)
				if r == tss.KeygenRound1 { // the silent one has shown none
					shown -= 2
				}
				c.await(m, "the moduli that nobody may show again", minute, func(r *room) bool { return len(c.moduli(r)) == shown })
			}
			lift()
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
			made := map[council.MemberID]drawing{}
			for _, m := range ids {
				made[m] = <-again[m]
			}
			c.agree(made)
		})
	}
}

// moduli are those that a node never takes again.
func (c *cabinet) moduli(r *room) (out []common.Hash) {
	c.t.Helper()
	b, ok, err := r.book.Meta("moduli")
	if err == nil && ok {
		err = rlp.DecodeBytes(b, &out)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// agree holds that all have made one key. It is the council's from now on.
func (c *cabinet) agree(made map[council.MemberID]drawing) {
	c.t.Helper()
	c.genesis = nil
	for m, d := range made {
		if d.err != nil || c.genesis != nil && d.genesis.Key != c.genesis.Key {
			c.t.Fatalf("%s: %s, %v; another has %v", m, d.genesis.Key, d.err, c.genesis)
		}
		c.genesis = &d.genesis
	}
}

// halfMade holds that a node has no share that it could use, but for so many that are
// staged.
func (c *cabinet) halfMade(m council.MemberID, staged int) {
	c.t.Helper()
	waiting, err := c.rooms[m].keys.Staged()
	if err != nil || len(waiting) != staged {
		c.t.Errorf("%s has staged %+v, %v", m, waiting, err)
	}
	if all, err := c.rooms[m].keys.Epochs(); err != nil || len(all) != len(waiting) {
		c.t.Errorf("%s has the shares %+v, %v", m, all, err)
	}
	if s, err := c.rooms[m].Status(c.t.Context()); err != nil || s.Council != nil {
		c.t.Errorf("%s has the key %+v, %v", m, s.Council, err)
	}
}

// A member that has made its share and keeps its signature on the birth record to itself is
// named by the others, while they wait and when the ceremony has taken too long. None of
// them has a key then, though it could make one of what it has; and the next is made as
// ever.
func TestSilenceOnTheBirthRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("two real key generations")
	}
	const silent = council.MemberID("member-02")
	c := smallCabinet(t)
	c.opens()
	c.genesis, c.shares = nil, nil
	lift := c.silences(silent, says(t, agenda.ConfirmMessage{}))
	ids, ended := c.size.IDs(), map[council.MemberID]<-chan drawing{}
	for _, m := range ids {
		c.start(m)
	}
	for _, m := range ids {
		ended[m] = c.draw(m)
	}
	for _, m := range ids {
		if m != silent {
			c.await(m, "the silent one's name", 3*minute, func(*room) bool { return c.told(m, "ceremony", "confirming (waiting for "+string(silent)+")") })
		}
	}
	c.await(silent, "all signatures but those of the test", minute, func(*room) bool { return c.told(silent, "ceremony", "proving") })
	c.pass(agenda.Defaults().Ceremony + time.Second)
	for _, m := range ids {
		d, want := <-ended[m], `came as far as "confirming", where it waited for `+string(silent)
		if m == silent {
			want = `came as far as "proving"`
		}
		if d.err == nil || !strings.Contains(d.err.Error(), want) {
			t.Errorf("%s ends with %v", m, d.err)
		}
		c.halfMade(m, 1)
	}
	lift()
	c.spares(3, ids...)
	c.agree(c.drawn(ids))
}

// A test signature that both of its makers keep to themselves, with the key that they have
// by then: the third one names them, gives the ceremony up when it has taken too long, and
// keeps its share. It has the key as soon as one of the others tells of it.
func TestSilenceOnATestSignature(t *testing.T) {
	if testing.Short() {
		t.Skip("a real key generation")
	}
	c := smallCabinet(t)
	c.opens()
	c.genesis, c.shares = nil, nil
	ids, silent := c.size.IDs(), c.first.TestSubsets()[0]
	proof := says(t, agenda.Proof{})
	var lift []func()
	for _, m := range silent {
		lift = append(lift, c.silences(m, func(f p2p.Frame) bool {
			return proof(f) || f.Channel == p2p.Record && f.Type == recordEntry || f.Channel == p2p.Sync
		}))
	}
	ended := map[council.MemberID]<-chan drawing{}
	for _, m := range ids {
		c.start(m)
	}
	for _, m := range ids {
		ended[m] = c.draw(m)
	}
	made := map[council.MemberID]drawing{}
	for _, m := range silent {
		made[m] = <-ended[m]
	}
	c.agree(made)
	i := slices.IndexFunc(ids, func(m council.MemberID) bool { return !slices.Contains(silent, m) })
	third := ids[i]
	c.await(third, "the names of both", minute, func(*room) bool { return c.told(third, "ceremony", "proving (waiting for "+council.Names(silent)+")") })
	c.pass(agenda.Defaults().Ceremony + time.Second)
	if d := <-ended[third]; d.err == nil || !strings.Contains(d.err.Error(), `came as far as "proving", where it waited for `+council.Names(silent)) {
		t.Errorf("%s ends with %v", third, d.err)
	}
	c.halfMade(third, 1)
	for _, f := range lift {
		f()
	}
	c.stop(third) // who connects is told what there is
	c.start(third)
	c.signs("after", third, silent[0], third)
}

// A member whose node is connected and says nothing in one round of a resharing is named
// by all, in the status while they wait and at the end of the try. A dealer who is needed
// by nobody is left out of the next one, and goes on to be silent: that time over libp2p.
func TestSilenceInAResharing(t *testing.T) {
	t.Parallel() // it mostly waits
	for _, lie := range []struct {
		r      tss.Round
		silent council.MemberID
		again  bool
	}{
		{tss.ReshareRound1, "member-01", true}, // it leaves
		{tss.ReshareRound2, "member-03", false},
		{tss.ReshareRound2Ready, "member-03", false},
		{tss.ReshareRound3Share, "member-01", false},
		{tss.ReshareRound3Decommit, "member-01", false},
		{tss.ReshareRound4Factors, joiner, false},
		{tss.ReshareRound4Done, joiner, false},
		{tss.SignRound1Direct, "member-03", false}, // makes both test signatures
	} {
		if testing.Short() && !lie.again {
			continue
		}
		t.Run(lie.r.String(), func(t *testing.T) {
			c := newCabinet(t)
			c.quick(25 * time.Second)
			if lie.again {
				overLibp2p(&c.house)
			}
			c.silences(lie.silent, inRound(lie.r))
			letGo := func() {}
			if lie.again {
				letGo = c.heldAtTheBar(lie.silent) // the next try, until all have told of this one
			}
			heirs := c.plan.Roster.IDs()
			for _, m := range slices.Concat(c.size.IDs(), []council.MemberID{joiner}) {
				c.start(m)
			}
			c.ready("member-02")
			if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
				t.Fatal(err)
			}
			if lie.again {
				c.stage("member-02", agenda.StageRunning)
				c.spares(5, heirs...) // for the next try
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
			if letGo(); lie.again {
				c.until("the new roster", c.settled)
			}
		})
	}
}
