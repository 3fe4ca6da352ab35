package node_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/forge"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// forger is the transport of a node whose owner forges its part in a ceremony.
type forger struct {
	p2p.Transport
	liar   *forge.Liar
	heard  *diary
	frames chan p2p.Frame
}

func forging(l *forge.Liar, o *overheard) func(*node.Config) {
	return func(c *node.Config) {
		f := forger{c.Transport, l, &o.heard, make(chan p2p.Frame)}
		go f.listen()
		c.Transport = f
	}
}

// listen lets the liar hear what its node hears, and first.
func (f forger) listen() {
	defer close(f.frames)
	for x := range f.Transport.Frames() {
		f.heard.Write(x.Payload)
		if x.Channel == p2p.Session {
			f.liar.Hear(node.MessageOf(x))
		}
		f.frames <- x
	}
}

func (f forger) Frames() <-chan p2p.Frame { return f.frames }

func (f forger) Send(ctx context.Context, to council.MemberID, x p2p.Frame) error {
	if x.Channel != p2p.Session {
		return f.Transport.Send(ctx, to, x)
	}
	ctx = context.WithoutCancel(ctx)
	f.liar.Say(to, node.MessageOf(x), func(m tss.Message) { f.Transport.Send(ctx, to, node.FrameOf(m)) })
	return nil
}

// refused holds that a node has the proof that a member has said in a round what no honest
// node says.
func (c *cabinet) refused(at, liar council.MemberID, r tss.Round, what string) {
	c.t.Helper()
	e := c.has(at, liar, "invalid-message")
	if c.convictsBy(c.first, e, liar); e.Message != r.String() || !strings.Contains(e.What, what) {
		c.t.Errorf("%s: convicted by %s: %s", at, e.Message, e.What)
	}
}

// A member that brings false numbers to a key generation, with the proofs that the engine
// asks for: the others' nodes stay up, name it, have no share, and the proof of it where
// there is one. Whose numbers it has copied is suspected with it, and convicted of nothing.
// The first time all are real peers over libp2p, and go on to make a key.
func TestForgedNumbersInAKeyGeneration(t *testing.T) {
	if testing.Short() {
		t.Skip("real key generations")
	}
	const liar, victim = council.MemberID("member-02"), council.MemberID("member-01")
	for _, x := range []struct {
		name string
		lie  forge.Lie
		r    tss.Round
		what string // of the record; "" if there is none
	}{
		{"many primes that are proven to be two", forge.ManyPrimes(40), tss.KeygenRound2Decommit, "W has not the Jacobi symbol -1"},
		{"many small primes", forge.ManyPrimes(14), tss.KeygenRound1, "has a small factor"},
		{"one modulus for both", forge.OneForBoth, tss.KeygenRound1, "equal or share a factor"},
		{"another's modulus", forge.Another(victim), tss.KeygenRound1, ""},
	} {
		again := x.r == tss.KeygenRound2Decommit
		t.Run(x.name, func(t *testing.T) {
			c := smallCabinet(t)
			c.opens()
			c.genesis, c.shares = nil, nil
			if again {
				overLibp2p(&c.house)
			}
			ids := c.size.IDs()
			told := c.overhear(ids...)
			c.alters(liar, forging(forge.NewLiar(liar, ids, x.lie), told))
			ended := map[council.MemberID]<-chan drawing{}
			for _, m := range ids {
				c.start(m)
			}
			for _, m := range ids {
				ended[m] = c.draw(m)
			}
			for _, m := range ids {
				if m == liar {
					continue
				}
				d, want := <-ended[m], "(by "+string(liar)+")"
				if x.what == "" {
					want = "moduli of two members share a factor"
				}
				if d.err == nil || !strings.Contains(d.err.Error(), want) || !strings.Contains(d.err.Error(), string(liar)) {
					t.Errorf("%s ends with %v", m, d.err)
				}
				if x.what != "" {
					c.refused(m, liar, x.r, x.what)
				} else if all, err := c.rooms[m].Evidence(t.Context()); err != nil || len(all) > 0 {
					t.Errorf("%s has the records %+v, %v", m, all, err)
				}
				c.halfMade(m, 0)
			}
			c.discreet(told, slices.DeleteFunc(slices.Clone(ids), func(m council.MemberID) bool { return m == liar })...)
			if !again || t.Failed() {
				return
			}
			if d := <-ended[liar]; d.err == nil {
				t.Fatalf("the liar has the key %s", d.genesis.Key)
			}
			c.spares(3, ids...)
			c.agree(c.drawn(ids))
			c.signs("after", victim, victim, "member-03")
		})
	}
}

// A member that receives a share in a resharing brings a modulus of many primes. All others
// have the proof of it, the old shares are as they were and sign, and nobody has a new one.
func TestForgedNumbersInAResharing(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	const liar = council.MemberID("member-03")
	c := newCabinet(t)
	heirs := c.plan.Roster.IDs()
	told := c.overhear(append(c.size.IDs(), joiner)...)
	c.alters(liar, forging(forge.NewLiar(liar, heirs, forge.ManyPrimes(40)), told))
	honest := slices.DeleteFunc(append(c.size.IDs(), joiner), func(m council.MemberID) bool { return m == liar })
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	c.ready("member-02")
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.stage("member-02", agenda.StageRunning)
	c.until("the liar's name at all others", func() bool {
		return !slices.ContainsFunc(honest, func(m council.MemberID) bool { return !c.told(m, "rotation-failed", string(liar)) })
	})
	for _, m := range honest {
		c.refused(m, liar, tss.ReshareRound2, "W has not the Jacobi symbol -1")
		all, err := c.rooms[m].keys.Epochs()
		if old := len(all) == 1 && all[0].State == keystore.InUse; err != nil || m == joiner && len(all) > 0 || m != joiner && !old {
			t.Errorf("%s has the shares %+v, %v", m, all, err)
		}
	}
	c.discreet(told, honest...)
	c.signs("after", "member-01", "member-01", "member-02") // by the shares that they have
}
