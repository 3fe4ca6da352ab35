package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/libp2p/go-libp2p"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// overLibp2p lets the members of a house meet on loopback, each with a host of
// its own, which has the same address whenever it starts.
func overLibp2p(h *house) {
	var mu sync.Mutex
	known := map[council.MemberID][]string{}
	h.join = func(m council.MemberID) (p2p.Transport, error) {
		mu.Lock()
		defer mu.Unlock()
		peers, listen := map[council.MemberID][]string{}, known[m]
		if listen == nil {
			listen = []string{"/ip4/127.0.0.1/tcp/0"}
		}
		for who, at := range known {
			if who != m {
				peers[who] = at
			}
		}
		host, err := p2p.NewHost(context.Background(), p2p.HostConfig{
			Self: m, Network: h.network, Key: h.council.NodeKeys[m], Listen: listen, Neighbours: p2p.Neighbours{Roster: h.council.Roster, Peers: peers},
		})
		if err != nil {
			return nil, err
		}
		known[m] = host.ListenAddrs()
		return host, nil
	}
}

func noise() (h common.Hash) {
	rand.Read(h[:])
	return h
}

// shout has the traitor send all that it can, of every kind, to all, until ctx
// ends. It returns how much it was, and counts it in shouted meanwhile.
func (x *traitor) shout(ctx context.Context, honest []council.MemberID, approved council.Begin) (sent int) {
	junk := make([]byte, 60<<10)
	rand.Read(junk)
	record := func(m agenda.Message) p2p.Frame {
		tag, b, err := agenda.EncodeMessage(m)
		if err != nil {
			x.t.Error(err)
		}
		return p2p.Frame{Channel: p2p.Record, Type: recordMessage + tag, Payload: b}
	}
	var fours [][]council.MemberID // the sets of the traitor and three others
	for i := range honest {
		fours = append(fours, council.Sorted(append(slices.Delete(slices.Clone(honest), i, i+1), x.self)))
	}
	turn := 0
	four := func() []council.MemberID { return fours[turn/len(fours)%len(fours)] }
	began := x.h.now().Add(-24 * time.Hour)
	kinds := []func() p2p.Frame{
		func() p2p.Frame { // a Begin for what nobody has proposed
			b := approved
			b.Proposal = council.ProposalID(noise())
			return record(agenda.BeginMessage{Begin: b})
		},
		func() p2p.Frame { // on a chain that nobody follows
			b := approved
			b.Chain, b.Proposal = binary.BigEndian.Uint64(junk)+uint64(sent), council.ProposalID(noise())
			return record(agenda.BeginMessage{Begin: b})
		},
		func() p2p.Frame { // for what was proposed, with approvals that each have to be checked
			b := approved
			for range 4 {
				a := b.Approvals[0]
				n := noise()
				a.Sig = append(append(bytes.Clone(n[:]), n[:]...), 27)
				a.Sequence = uint64(sent) + 1
				b.Approvals = append(b.Approvals, a)
			}
			return record(agenda.BeginMessage{Begin: b})
		},
		func() p2p.Frame { // with a list of signers to whom a refusal might be sent
			b := approved
			b.Attempt = uint64(sent) + 5
			b.Signers = nil
			for range 8 {
				b.Signers = append(b.Signers, honest...)
			}
			return record(agenda.BeginMessage{Begin: b})
		},
		func() p2p.Frame {
			return record(agenda.Refusal{Begin: noise(), Chain: approved.Chain, Attempt: ^uint64(0), Rule: "no", Reason: string(junk[:100])})
		},
		func() p2p.Frame { return record(agenda.Cold{Chain: approved.Chain, Begin: noise()}) },
		func() p2p.Frame { // the same to all, who may follow it
			return record(agenda.ArmCall{Signers: four(), Call: common.BytesToHash(keccak(junk[:32], binary.BigEndian.AppendUint64(nil, uint64(turn))))})
		},
		func() p2p.Frame { return record(agenda.ArmCall{Signers: four(), Call: noise()}) },
		func() p2p.Frame { return record(agenda.ArmAnswer{Signers: four(), Call: noise(), Random: noise()}) },
		func() p2p.Frame {
			return record(agenda.ArmBegin{Signers: four(), Randoms: []common.Hash{noise(), noise(), noise(), noise()}})
		},
		func() p2p.Frame { return record(agenda.Stock{Ready: junk[:5]}) },
		func() p2p.Frame { return p2p.Frame{Channel: p2p.Record, Type: recordEntry, Payload: junk[:2000]} },
		func() p2p.Frame { // its own heartbeat, always later, and a false one
			roster, _ := x.h.council.Roster.Hash()
			own := council.Heartbeat{Member: x.self, Roster: roster, Time: uint64(began.Unix() + int64(sent)), Share: council.ShareNone}
			own, err := own.Sign(x.h.council.NodeKeys[x.self])
			if err != nil {
				x.t.Error(err)
			}
			other := own
			other.Member, other.Time = honest[0], ^uint64(0)
			b, _ := rlp.EncodeToBytes(node.Beats{All: []council.Heartbeat{own, other}})
			return p2p.Frame{Channel: p2p.Record, Type: recordBeats, Payload: b}
		},
		func() p2p.Frame { // truncated
			f := record(agenda.BeginMessage{Begin: approved})
			f.Payload = f.Payload[:len(f.Payload)/2]
			return f
		},
		func() p2p.Frame { // with a flipped bit
			f := record(agenda.BeginMessage{Begin: approved})
			f.Payload[sent%len(f.Payload)] ^= 1 << (sent % 8)
			return f
		},
		func() p2p.Frame { // everything there is, please
			b, _ := rlp.EncodeToBytes(wireHeads{})
			return p2p.Frame{Channel: p2p.Sync, Type: syncHeads, Payload: b}
		},
		func() p2p.Frame { // frames of sessions that will never be
			return p2p.Frame{Channel: p2p.Session, Session: council.SessionID(noise()), Type: uint8(tss.SignRound1), Payload: junk}
		},
		func() p2p.Frame { // and of those that are
			x.mu.Lock()
			defer x.mu.Unlock()
			for h := range x.begun {
				return p2p.Frame{Channel: p2p.Session, Session: sessionOf(h), Type: uint8(tss.SignRound4), Payload: junk[:400]}
			}
			return p2p.Frame{Channel: p2p.Session, Type: uint8(tss.SignRound4)}
		},
	}
	for ; ; turn++ {
		for _, m := range honest {
			if ctx.Err() != nil {
				return sent
			}
			switch err := x.tr.Send(ctx, m, kinds[turn%len(kinds)]()); {
			case err == nil:
				sent++
				x.shouted.Store(int64(sent))
			case errors.Is(err, p2p.ErrQueueFull):
				select { // as fast as they take it
				case <-time.After(time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
	}
}

// sessionOf is the session of a Begin of which only the hash is known, as all
// members are told it.
func sessionOf(begin common.Hash) council.SessionID {
	b, _ := rlp.EncodeToBytes(begin)
	return council.SessionID(keccak([]byte("millicent/session/sign/1\x00"), b))
}

// Who shouts is a nuisance: the others answer, sign, and keep no more of it than
// they have decided to.
func TestFloods(t *testing.T) {
	t.Parallel()
	c := newCabal(t)
	c.drown()
	c.whole(false, c.ran...)
}

func (c *cabal) drown() {
	c.t.Helper()
	first := c.propose(c.honest[3], []string{"pause", "unpause"}[c.nonce%2])
	for _, m := range c.honest[:3] {
		c.approve(c.honest[3], m, first)
	}
	c.x.await("approvals", minute, func() bool { return len(c.x.approvals[first]) == 3 })
	b := c.x.beginOf(first, c.nonce, 1, append(slices.Clone(c.honest[:3]), c.x.self), nil)
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	over := make(chan int, 1)
	go func() { over <- c.x.shout(ctx, c.honest, b) }()

	var took []time.Duration
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for ctx.Err() == nil {
			for _, m := range c.honest {
				began := time.Now()
				if _, err := c.rooms[m].Status(ctx); err == nil {
					took = append(took, time.Since(began))
				}
			}
		}
	}()
	// However slow the machine is, the flood stands high before anything is signed.
	dropped := func(r *room) bool {
		b, err := r.Burden(c.t.Context(), c.x.self)
		return err == nil && b.Dropped > 0
	}
	for _, m := range c.honest {
		c.await(m, "more than it takes", 3*minute, dropped)
	}
	c.approve(c.honest[3], c.honest[3], first)
	for _, m := range c.honest {
		c.await(m, "a block in the flood", 3*minute, inState(c.t, first, "mined", "final"))
	}
	for _, m := range c.honest {
		burden, err := c.rooms[m].Burden(c.t.Context(), c.x.self)
		if err != nil {
			c.t.Fatal(err)
		}
		if burden.Sessions > node.MaxEarly || burden.Bytes > node.MaxEarlyBytes || burden.Dropped == 0 {
			c.t.Errorf("%s bears %+v", m, burden)
		}
		if s, err := c.rooms[m].Status(c.t.Context()); err != nil || c.slots && s.Standby.Slots > s.Standby.Own*s.Standby.Depth {
			c.t.Errorf("%s has %+v (%v)", m, s.Standby, err)
		}
	}
	for late := time.After(3 * minute); c.x.shouted.Load() < 500; {
		select {
		case <-late:
			c.t.Fatalf("the flood had only %d frames", c.x.shouted.Load())
		case <-time.After(100 * time.Millisecond):
		}
	}
	cancel()
	n := <-over
	<-asked
	slices.Sort(took)
	if len(took) == 0 {
		c.t.Fatal("nobody was asked for the status")
	}
	if mid := took[len(took)/2]; mid > 10*time.Second { // a node that a flood starves says nothing at all
		c.t.Errorf("Status took %s", mid)
	}
	c.t.Logf("%d frames; Status took %s, at most %s", n, took[len(took)/2], took[len(took)-1])
	if c.slots { // what the traitor has begun ends at its time limit, and what the flood has spent is made again
		c.pass(agenda.Defaults().Arming + time.Second)
		c.stocked("after the flood", 1)
	}
	for _, m := range c.honest {
		c.await(m, "no session that is left over", minute, func(r *room) bool { n, err := r.Sessions(c.t.Context()); return err == nil && n == 0 })
	}
	c.nonce++
	c.ran = append(c.ran, first)
}

// garble sends bytes to a node over a second connection in the traitor's name,
// as no transport of ours would.
func (c *cabal) garble(to council.MemberID) {
	c.t.Helper()
	key, err := lcrypto.UnmarshalEd25519PrivateKey(slices.Clone(c.council.NodeKeys[c.x.self]))
	if err != nil {
		c.t.Fatal(err)
	}
	h, err := libp2p.New(libp2p.Identity(key), libp2p.NoListenAddrs)
	if err != nil {
		c.t.Fatal(err)
	}
	defer h.Close()
	m, _ := c.council.Roster.Member(to)
	id, err := peer.Decode(m.Peer)
	if err != nil {
		c.t.Fatal(err)
	}
	info := peer.AddrInfo{ID: id}
	for _, a := range c.rooms[to].tr.(*p2p.Host).ListenAddrs() {
		info.Addrs = append(info.Addrs, ma.StringCast(a))
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), minute)
	defer cancel()
	if err := h.Connect(ctx, info); err != nil {
		c.t.Fatal(err)
	}
	good, err := p2p.SignFrame(c.council.NodeKeys[c.x.self], c.genesis.Roster, p2p.Frame{From: c.x.self, Channel: p2p.Session, Type: 17, Payload: []byte("good")})
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := p2p.EncodeFrame(good)
	if err != nil {
		c.t.Fatal(err)
	}
	spoofed := good
	spoofed.From = c.honest[1]
	as, err := p2p.EncodeFrame(spoofed)
	if err != nil {
		c.t.Fatal(err)
	}
	flip := bytes.Clone(b)
	flip[len(flip)-9] ^= 4
	prefix := func(n int, b []byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(n)), b...) }
	for what, bytes := range map[string][]byte{
		"10 MiB":               prefix(10<<20, make([]byte, 10<<20)),
		"truncated":            prefix(len(b)-5, b[:len(b)-5]),
		"with a flipped bit":   prefix(len(flip), flip),
		"in another's name":    prefix(len(as), as),
		"on the wrong channel": prefix(len(b), b),
	} {
		road := "/millicent/session/1"
		if what == "on the wrong channel" {
			road = "/millicent/record/1"
		}
		s, err := h.NewStream(network.WithNoDial(ctx, "connected"), id, protocol.ID(road))
		if err != nil {
			c.t.Fatalf("%s: %v", what, err)
		}
		s.SetDeadline(time.Now().Add(minute))
		s.Write(bytes) // it may be cut off before all of it has gone
		if _, err := s.Read(make([]byte, 1)); err == nil {
			c.t.Errorf("%s: an answer", what)
		}
		s.Reset()
	}
	c.await(to, "the traitor's name", minute, func(r *room) bool { return r.tr.(*p2p.Host).Stats().Misbehaved > 0 })
}

// The worst of it once more, between hosts of libp2p.
func TestTreasonOverLibp2p(t *testing.T) {
	t.Parallel()
	c := newCabal(t, overLibp2p)
	first := c.deceive()
	c.garble(c.honest[0])
	second := c.approved("unpause") // it is convicted: nobody calls it
	c.signedWithout(second)
	c.whole(false, first, second)
}
