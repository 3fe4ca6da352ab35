package node_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// told reports whether a node has told of something, since it was made.
func (c *cabinet) told(m council.MemberID, kind, text string) bool {
	return c.rooms[m].Node != nil && slices.ContainsFunc(c.spoken(m, kind), func(e api.Event) bool { return strings.Contains(e.Text, text) })
}

// signs has members say a text, and holds that it is the council's key that signs it.
func (c *cabinet) signs(text string, at council.MemberID, who ...council.MemberID) {
	c.t.Helper()
	p := c.speak(text, at, who...)
	if by := recovered(c.t, accounts.TextHash([]byte(text)), p.Signature); by != c.genesis.Key {
		c.t.Fatalf("signed by %s", by)
	}
}

// copied keeps a copy of a member's stopped disk, or of a part of it.
func (c *cabinet) copied(m council.MemberID, part string) (at string) {
	c.t.Helper()
	at = filepath.Join(c.t.TempDir(), "copy")
	c.copy(at, c.path(m, part))
	return at
}

// restored puts a copy in the place of what is there.
func (c *cabinet) restored(m council.MemberID, part, from string) {
	c.t.Helper()
	to := c.path(m, part)
	if err := os.RemoveAll(to); err != nil {
		c.t.Fatal(err)
	}
	c.copy(to, from)
}

func (c *cabinet) copy(to, from string) {
	c.t.Helper()
	if err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	}); err != nil {
		c.t.Fatal(err)
	}
}

// Seven hand over to seven, two of them new, while the network is cut 4|3 and healed, and
// cut 3|4 and healed, at each step. One of those who leave is away all the time, and gives up its
// share when it comes back; what leavers say then is nothing to the new council.
func TestSevenNodesRotate(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing of seven")
	}
	c := cabinetOf(t, testcouncil.Size{Threshold: 4, Members: 7}, council.Millicent, "community-4", "core-5")
	c.opens()
	c.goes(c.first, []council.MemberID{"community-2", "core-4"}, "community-4", "core-5")
	runs := func(first, last tss.Round) func(p2p.Frame) bool {
		return func(f p2p.Frame) bool {
			return f.Channel == p2p.Session && tss.Round(f.Type) >= first && tss.Round(f.Type) <= last
		}
	}
	const gathering = "gathering"
	ready := says(t, agenda.RotationReady{})
	due := c.cutAt(map[string]func(p2p.Frame) bool{
		"proposed": says(t, agenda.Herald{Succession: c.plan}), gathering: ready, "ready": says(t, agenda.RotationBegin{}),
		"running": runs(tss.ReshareRound1, tss.ReshareRound4Done), "testing": runs(tss.SignRound1Direct, tss.SignRound9),
	}, "share made", "share staged", "ack written", "barred", "lock written", "certificate written", "new share staged", "new share current", "old share erased")
	// They gather until they have been cut while they do.
	c.net.Add(p2p.Fault{From: "core-3", Drop: 1, Match: func(f p2p.Frame) bool { return ready(f) && due(gathering) }})
	for _, m := range slices.Concat(c.size.IDs(), c.heirs) {
		if m != "core-4" {
			c.start(m)
		}
	}
	c.ready("core-2")
	if err := c.rooms["core-2"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the new roster where nodes run", func() bool {
		for _, m := range c.plan.Roster.IDs() {
			if c.rooms[m].Node == nil {
				return false
			}
			s, err := c.rooms[m].Status(t.Context())
			if err != nil || s.Council == nil || s.Council.ShareEpoch != 2 {
				return false
			}
		}
		return true
	})
	c.start("core-4")
	c.until("the new roster everywhere", c.settled)
	c.sits()
	for _, m := range []council.MemberID{"community-2", "core-4"} {
		if epochs, err := c.rooms[m].keys.Epochs(); err != nil || len(epochs) > 0 {
			t.Errorf("%s still has %v, %v", m, epochs, err)
		}
		if _, err := c.rooms["core-1"].Ballot(t.Context(), api.BallotRequest{Proposal: "00", Decision: council.Approve, Member: m}); !errors.Is(err, api.NotFound) {
			t.Errorf("%s may approve: %v", m, err)
		}
	}
	c.signs("after", "core-5", "community-1", "community-4", "core-1", "core-5")
}

// cutAt has the network cut in two when the first node comes to each of these steps, or
// first says what shows a step, once in each way, and healed when all nodes have noticed. A
// test has to be in until for that, and fails if it never came to a step. It is told whether a
// step's cuts are still due.
func (c *cabinet) cutAt(shows map[string]func(p2p.Frame) bool, steps ...string) (isDue func(step string) bool) {
	sides := [][]council.MemberID{{"community-1", "community-2", "core-1", "core-2", "core-5"}, {"community-1", "community-2", "core-1", "community-4"}}
	var mu sync.Mutex
	due := map[string]bool{} // false: it is about to be cut there
	cut := func(step string) {
		made := make(chan struct{})
		do := func() {
			for i, side := range sides {
				c.net.Partition(side...)
				if i == 0 {
					close(made)
				}
				c.notice(step, side, false)
				if i == len(sides)-1 {
					mu.Lock()
					delete(due, step)
					mu.Unlock()
				}
				c.net.Heal()
				c.notice(step, side, true)
			}
			c.t.Logf("cut at %s", step)
		}
		select {
		case c.errands <- do:
			<-made
		case <-c.t.Context().Done():
		}
	}
	at := func(step string) bool { // for the first time
		mu.Lock()
		defer mu.Unlock()
		is := due[step]
		if is {
			due[step] = false
		}
		return is
	}
	for _, step := range slices.Concat(steps, slices.Sorted(maps.Keys(shows))) {
		due[step] = true
	}
	for step, shown := range shows {
		c.net.Add(p2p.Fault{Match: func(f p2p.Frame) bool { // looks, and does nothing
			if shown(f) && at(step) {
				go cut(step)
			}
			return false
		}})
	}
	for _, m := range slices.Concat(c.size.IDs(), c.heirs) {
		c.hook(m, func(step string) {
			if at(step) {
				cut(step)
			}
		})
	}
	c.t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		for _, step := range slices.Sorted(maps.Keys(due)) {
			c.t.Errorf("nobody came to the step %q, and the network was not cut there", step)
		}
	})
	return func(step string) bool {
		mu.Lock()
		defer mu.Unlock()
		_, is := due[step]
		return is
	}
}

// notice waits until the nodes that live know whether they reach each other across.
func (c *cabinet) notice(step string, side []council.MemberID, reach bool) {
	late := time.After(minute)
	for !c.across(side, reach) && !c.t.Failed() {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-late:
			c.t.Errorf("cut at %s: not all have noticed, %v", step, reach)
		}
	}
}

// across reports whether each node that lives knows that it reaches all across who live,
// or that it reaches nobody.
func (c *cabinet) across(side []council.MemberID, reach bool) bool {
	for m, r := range c.rooms {
		if r.Node == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(c.t.Context(), time.Second)
		s, err := r.Status(ctx)
		cancel()
		if err != nil { // it has ended, and is not made anew yet; or it waits with an errand
			continue
		}
		for _, p := range s.Peers {
			if _, lives := c.rooms[p.Member]; lives && p.Member != m && p.Online != reach && slices.Contains(side, p.Member) != slices.Contains(side, m) {
				return false
			}
		}
	}
	return true
}

// The wrong share stops a node before it has written down what lies beside it: with the
// right keystore the journal takes up the right key.
func TestWrongShareLeavesNoBirthRecord(t *testing.T) {
	c := newCabinet(t)
	const m = council.MemberID("member-01")
	c.shares[m] = c.shares["member-02"]
	r := c.open(m)
	b, err := rlp.EncodeToBytes(*c.genesis)
	if err == nil { // as a backup brings it, without a journal
		err = errors.Join(r.keys.Put(node.BirthRecord, b), r.book.Close(), r.keys.Close(), os.Remove(c.path(m, "journal.db")))
	}
	if err != nil {
		t.Fatal(err)
	}
	r = c.open(m)
	defer func() {
		if err := errors.Join(r.tr.Close(), r.book.Close(), r.keys.Close()); err != nil {
			t.Error(err)
		}
	}()
	if _, err := node.New(c.config(m, r)); err == nil || !strings.Contains(err.Error(), "member-02's") {
		t.Errorf("starts with the share of another: %v", err)
	}
	if _, ok, err := r.book.Meta("genesis"); err != nil || ok {
		t.Errorf("it has written down whose key that is: %v, %v", ok, err)
	}
}

// However much honest and malicious members put into their locks, the certificate can be
// told to others, also in a council of 13.
func TestFullestCertificateFitsAFrame(t *testing.T) {
	c := council.Certificate{}
	sig := make([]byte, 65)
	for i := range 13 {
		m := council.Member{ID: council.MemberID(fmt.Sprintf("community-member-%03d", i)), Peer: strings.Repeat("x", 64)}
		c.Succession.Roster.Members = append(c.Succession.Roster.Members, m)
		c.Succession.Addresses = append(c.Succession.Addresses, make([]byte, 1<<10))
		c.Succession.Approvals = append(c.Succession.Approvals, council.WalletSignature{Member: m.ID, Sig: sig})
		c.Succession.Accepts = append(c.Succession.Accepts, council.WalletSignature{Member: m.ID, Sig: sig})
		c.Acks = append(c.Acks, council.NodeSignature{Member: m.ID, Sig: sig})
		c.Tests = append(c.Tests, council.TestSignature{Signers: []council.MemberID{m.ID, m.ID, m.ID, m.ID, m.ID, m.ID, m.ID}, Signature: sig})
		l := council.Lock{Member: m.ID, Epoch: math.MaxUint64, Sig: sig}
		for range council.MaxOpenRows {
			l.Rows = append(l.Rows, council.OpenRow{Place: council.Place{Chain: math.MaxUint64, Nonce: math.MaxUint64}, State: council.OpenRevealed})
		}
		c.Locks = append(c.Locks, l)
	}
	for _, m := range []agenda.Message{agenda.CertificateMessage{Certificate: c}, agenda.Dossier{Rotation: c.Rotation, Tests: c.Tests, Locks: c.Locks}} {
		_, b, err := agenda.EncodeMessage(m)
		if err != nil || len(b)+1024 > p2p.MaxRecordFrame {
			t.Errorf("%T has %d bytes; a frame %d (%v)", m, len(b), p2p.MaxRecordFrame, err)
		}
	}
	if b, err := c.Encode(); err != nil || len(b) > council.MaxCertificate {
		t.Errorf("the certificate has %d bytes; at most %d (%v)", len(b), council.MaxCertificate, err)
	}
}
