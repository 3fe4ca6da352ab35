package node_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// ghost is who has left, with its share, its feed and its keys, and says what it likes.
type ghost struct {
	p2p.Transport
	c *cabinet

	mu    sync.Mutex
	heard []p2p.Frame
	news  chan struct{} // closed when there is more
}

// haunts puts a member that has left onto the network, as a machine that is the test's.
func (c *cabinet) haunts(m council.MemberID) *ghost {
	c.t.Helper()
	return c.ghost(c.puppet(m))
}

func (c *cabinet) ghost(tr p2p.Transport) *ghost {
	g := &ghost{Transport: tr, c: c, news: make(chan struct{})}
	go func() {
		for f := range g.Frames() {
			g.mu.Lock()
			g.heard = append(g.heard, f)
			close(g.news)
			g.news = make(chan struct{})
			g.mu.Unlock()
		}
	}()
	return g
}

// count counts what it has heard of one kind.
func (g *ghost) count(c p2p.Channel, kind uint8) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, f := range g.heard {
		if f.Channel == c && f.Type == kind {
			n++
		}
	}
	return n
}

// hears waits until it has heard so many of one kind.
func (g *ghost) hears(what string, c p2p.Channel, kind uint8, want int) {
	g.c.t.Helper()
	ctx, cancel := context.WithTimeout(g.c.t.Context(), minute)
	defer cancel()
	for {
		g.mu.Lock()
		news := g.news
		g.mu.Unlock()
		if g.count(c, kind) >= want {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			g.c.t.Fatalf("it waits for %s: %d of %d", what, g.count(c, kind), want)
		}
	}
}

// says sends a message of the agenda.
func (g *ghost) says(to council.MemberID, m agenda.Message) {
	g.c.t.Helper()
	kind, b := wireOf(g.c.t, m)
	g.c.tell(g, to, p2p.Frame{Channel: p2p.Record, Type: kind, Payload: b})
}

// wireOf is a message of the agenda as it travels.
func wireOf(t *testing.T, m agenda.Message) (kind uint8, payload []byte) {
	t.Helper()
	tag, b, err := agenda.EncodeMessage(m)
	if err != nil {
		t.Fatal(err)
	}
	return recordMessage + tag, b
}

// says reports whether a frame brings a message of the agenda of this kind.
func says(t *testing.T, m agenda.Message) func(p2p.Frame) bool {
	t.Helper()
	kind, _ := wireOf(t, m)
	return func(f p2p.Frame) bool { return f.Channel == p2p.Record && f.Type == kind }
}

// asks compares feeds with a node, and waits until it has all that it is given for that.
func (g *ghost) asks(to council.MemberID) {
	g.c.t.Helper()
	b, err := rlp.EncodeToBytes(wireHeads{})
	if err != nil {
		g.c.t.Fatal(err)
	}
	told, heads := g.count(p2p.Record, recordTold), g.count(p2p.Sync, syncHeads)
	g.c.tell(g, to, p2p.Frame{To: to, Channel: p2p.Sync, Type: syncHeads, Payload: b})
	g.hears("the end of an answer", p2p.Record, recordTold, told+1)
	g.hears("the heads", p2p.Sync, syncHeads, heads+1)
}

// As many of the old nodes as sign together commit, the third being away: with a Lock of
// each that says so, and not with fewer. The one who joins runs another version of the
// software. The third was to leave. It keeps its share, never says that it is gone, and
// then calls others to sign, takes part in sessions, approves: nothing comes of it, people
// are told whose it is, and it hears of nothing but its own end. When it says that its share
// is gone, it is no guest any more: it comes again, over real connections, and is refused. Then
// the whole disk of a member that stays is put back, as it was before: it signs nothing, says
// why, and what to do.
func TestLeaverThatKeepsItsShare(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	const leaver, stayer, other = council.MemberID("member-01"), council.MemberID("member-02"), council.MemberID("member-03")
	c := newCabinet(t)
	d := &doorman{}
	c.change[stayer] = func(cfg *node.Config) { cfg.Admit = d.admit }
	c.change[joiner] = func(cfg *node.Config) { cfg.Version = "the next one" }
	c.start(other)
	c.stop(other)
	disk := c.copied(other, "")
	there := []council.MemberID{stayer, other, joiner}
	for _, m := range there {
		c.start(m)
	}
	if err := c.rooms[stayer].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range []council.MemberID{stayer, other} {
		c.await(m, "the two Locks", 5*minute, func(r *room) bool {
			s, err := r.Rotation(t.Context())
			return err == nil && s.Stage == agenda.StageLocking && strings.Contains(s.Text, "2 of 3 locks") && strings.Contains(s.Text, "'--last-four' on all 2 that have locked commits")
		})
	}
	if v, err := c.rooms[stayer].CommitWithFour(t.Context()); err != nil || v.Commit != nil || v.Stage != string(agenda.StageLocking) {
		t.Fatalf("the word of one commits: %+v, %v", v, err)
	}
	if err := c.rooms[other].LastFour(t.Context()); err != nil { // though it may have switched by then
		t.Fatal(err)
	}
	c.until("the new roster where nodes run", c.works(2, there...))
	for _, m := range there {
		s, err := c.rooms[m].Status(t.Context())
		if err != nil || s.Rotation == nil || s.Rotation.Commit == nil || !s.Rotation.Commit.LastFour || !slices.Equal(s.Rotation.Commit.Locked, []council.MemberID{stayer, other}) {
			t.Errorf("%s does not say by whose Locks it was committed: %+v, %v", m, s.Rotation, err)
		}
	}
	c.await(stayer, "the version of who has joined", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.Member == joiner && p.Detail == "the next one" })
	})
	c.await(stayer, "who has left to be let in", minute, func(*room) bool { return d.was(leaver) && slices.Equal(d.now(), []council.MemberID{leaver}) })

	g := c.haunts(leaver)
	certificate, _ := wireOf(t, agenda.CertificateMessage{})
	g.hears("that it is over", p2p.Record, certificate, 1)
	c.ready(stayer)
	p, err := c.rooms[stayer].Propose(t.Context(), api.ProposeRequest{Statement: "without it", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	// Its wallet approves, at a node and in its own feed.
	u, err := c.rooms[stayer].Ballot(t.Context(), api.BallotRequest{Proposal: p.ID.Hex(), Decision: council.Approve, Member: stayer})
	if err != nil {
		t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(t, u.Document, testcouncil.Wallet(t, leaver))
	if _, err := c.rooms[stayer].Vote(t.Context(), u.Approval); err == nil || !strings.Contains(err.Error(), "the wallet of "+string(leaver)) || council.Hint(err) == "" {
		t.Errorf("it approves: %v (%s)", err, council.Hint(err))
	}
	said := c.spoke(leaver, council.WordApproved, council.Voted{Approval: u.Approval})
	for _, e := range said {
		b, err := rlp.EncodeToBytes(e)
		if err != nil {
			t.Fatal(err)
		}
		c.tell(g, stayer, p2p.Frame{Channel: p2p.Record, Type: recordEntry, Payload: b})
	}
	c.await(stayer, "its feed", minute, func(r *room) bool {
		heads, err := r.book.Heads()
		return err == nil && slices.ContainsFunc(heads, func(h journal.Head) bool { return h.Author == leaver && h.Seq == uint64(len(said)) })
	})
	if x := c.rooms[stayer].proposal(t, p.ID); x.Have != 0 {
		t.Errorf("%d approvals count", x.Have)
	}
	// It calls another to sign with it, under the roster of before and under that of now, and begins.
	share, err := tss.UnmarshalShare(c.shares[leaver])
	if err != nil {
		t.Fatal(err)
	}
	digest := common.BytesToHash(accounts.TextHash([]byte("without it")))
	for i, r := range []council.Roster{c.first, c.plan.Roster} {
		b := council.Begin{Council: c.genesis.ID(), Epoch: c.genesis.ShareEpoch + uint64(i), Roster: hashOf(t, r), Proposal: p.ID, Attempt: 1, Digest: digest,
			Coordinator: leaver, Signers: []council.MemberID{leaver, stayer}, Approvals: []council.Approval{u.Approval}}
		g.says(stayer, agenda.BeginMessage{Begin: b})
		s, err := tss.NewSign(tss.SignConfig{Session: b.Session(), Self: leaver, Signers: b.Signers, Share: share, Warrant: anything{digest: digest}, Now: uint64(c.now().Unix())})
		if err != nil {
			t.Fatal(err)
		}
		first, err := s.Start()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range first.Messages {
			c.tell(g, stayer, frame(m))
		}
	}
	for _, what := range []string{"a call to sign", "messages of a session"} {
		c.await(stayer, what, minute, func(*room) bool {
			return c.told(stayer, "refused", string(leaver)+" has left the council and sends "+what)
		})
	}
	if x, err := c.rooms[stayer].Burden(t.Context(), leaver); err != nil || x.Sessions != 0 {
		t.Errorf("%d sessions of its are kept, %v", x.Sessions, err)
	}
	c.vote(stayer, stayer, p.ID)
	if x := c.rooms[stayer].proposal(t, p.ID); x.Have != 1 || len(x.Attempts) != 0 {
		t.Errorf("%d approvals count, %d attempts", x.Have, len(x.Attempts))
	}
	c.vote(stayer, joiner, p.ID)
	c.await(stayer, "the signature", minute, inState(t, p.ID, api.Signed))
	x := c.rooms[stayer].proposal(t, p.ID)
	if by := recovered(t, digest[:], x.Signature); by != c.genesis.Key || slices.ContainsFunc(x.Attempts, func(a api.Attempt) bool {
		return slices.ContainsFunc(a.Signers, func(s api.Signer) bool { return s.Member == leaver })
	}) {
		t.Errorf("signed by %s in %+v", by, x.Attempts)
	}
	for _, m := range there {
		g.asks(m)
	}
	if a, b, f := g.count(p2p.Record, recordEntry), g.count(p2p.Sync, syncEntries), g.count(p2p.Record, recordBeats); a+b+f > 0 {
		t.Errorf("it hears %d entries, %d pages of feeds and %d rolls", a, b, f)
	}
	// It lies once more.
	last, err := node.Stand(c.rooms[stayer].book, c.first, c.profile)
	if err != nil || len(last.Switches) != 1 {
		t.Fatalf("%d rotations, %v", len(last.Switches), err)
	}
	gone, err := last.Switches[0].Erasure(leaver)
	if err == nil {
		gone, err = gone.Sign(testcouncil.NodeKey(leaver))
	}
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	c.stop(stayer)
	d = &doorman{}
	g = c.knocks(leaver, stayer, d)
	g.hears("once more that it is over", p2p.Record, certificate, 1)
	was, _ := c.first.Member(leaver)
	refused := func() []api.Event {
		return slices.DeleteFunc(c.spoken(stayer, "refused"), func(e api.Event) bool {
			return !strings.Contains(e.Text, "peer "+was.Peer+" is not in roster version 2")
		})
	}
	if all := refused(); len(all) > 0 {
		t.Errorf("its door was not open: %+v", all)
	}
	kind, b := wireOf(t, agenda.ErasureMessage{Erasure: gone})
	c.await(stayer, "the door to close", minute, func(*room) bool {
		closed := len(d.now()) == 0
		if !closed { // again, since a connection may be lost
			g.Send(t.Context(), stayer, p2p.Frame{Channel: p2p.Record, Type: kind, Payload: b})
		}
		return closed
	})
	c.await(stayer, "who comes again to be refused", minute, func(*room) bool { return len(refused()) > 0 })
	since := refused()[0].ID
	if all := c.spoken(stayer, "peer-up"); len(g.Online()) > 0 || slices.ContainsFunc(all, func(e api.Event) bool { return e.Member == leaver && e.ID > since }) {
		t.Errorf("it has come in all the same, and reaches %v: %+v", g.Online(), all)
	}
	if err := g.Send(t.Context(), stayer, p2p.Frame{Channel: p2p.Record, Type: recordEntry}); !errors.Is(err, p2p.ErrOffline) {
		t.Errorf("it is heard: %v", err)
	}
	if a, b, f := g.count(p2p.Record, recordEntry), g.count(p2p.Sync, syncEntries), g.count(p2p.Record, recordBeats); a+b+f > 0 {
		t.Errorf("it hears %d entries, %d pages of feeds and %d rolls", a, b, f)
	}
	g.Close()
	c.stop(stayer)
	c.join = nil
	c.change[stayer] = nil
	c.start(stayer)

	c.stop(other)
	c.restored(other, "", disk)
	c.start(other)
	c.await(other, "why it does not follow", minute, func(*room) bool { return c.told(other, "rotation", "has no share of the try that is committed") })
	if s, err := c.rooms[other].Status(t.Context()); err != nil || s.Phase == api.Ready || s.Rotation == nil || !strings.Contains(s.Rotation.Text, "signs nothing") {
		t.Errorf("with its old disk it says %s, %s, %+v, %v", s.Phase, s.Detail, s.Rotation, err)
	}
	c.signs("without both", joiner, stayer, joiner)
}

// knocks starts a member's node on real connections, and has who has left dial it once it is let
// in.
func (c *cabinet) knocks(who, at council.MemberID, d *doorman) *ghost {
	c.t.Helper()
	open := func(m council.MemberID, with p2p.Neighbours) (*p2p.Host, error) {
		return p2p.NewHost(context.Background(), p2p.HostConfig{
			Self: m, Network: hashOf(c.t, c.first), Key: testcouncil.NodeKey(m), Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Neighbours: with})
	}
	var host *p2p.Host
	c.join = func(m council.MemberID) (_ p2p.Transport, err error) {
		host, err = open(m, p2p.Neighbours{Roster: c.plan.Roster})
		return host, err
	}
	c.change[at] = func(cfg *node.Config) {
		cfg.Admit = func(guests []p2p.Guest) error { return errors.Join(host.Admit(guests), d.admit(guests)) }
	}
	c.start(at)
	c.await(at, "its door to open", minute, func(*room) bool { return d.was(who) })
	visitor, err := open(who, p2p.Neighbours{Roster: c.first, Peers: map[council.MemberID][]string{at: host.ListenAddrs()}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { visitor.Close() })
	return c.ghost(visitor)
}

// spoke writes an entry into the feed of a member whose node does not run, and gives all of it.
func (c *cabinet) spoke(m council.MemberID, word council.Word, body any) []journal.Entry {
	c.t.Helper()
	r := c.open(m)
	defer func() {
		if r.book.Close() != nil || r.keys.Close() != nil {
			c.t.Error("its disk does not close")
		}
	}()
	b, err := council.EncodeBody(body)
	if err == nil {
		_, err = r.book.Append(word, b, uint64(c.now().Unix()))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	all, err := r.book.After(m, 0, 100)
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}
