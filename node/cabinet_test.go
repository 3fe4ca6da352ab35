package node_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	lcrypto "github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	"github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// cabinet is the smallest council that rotates, two of three, and who is to join
// it: real nodes, disks and engine sessions in one process. An owner makes each
// node anew on its disk when its roster has changed, as the daemon does.
type cabinet struct {
	house   // its tests' words for asking nodes
	profile council.Profile
	size    testcouncil.Size
	first   council.Roster
	sets    [][]byte // of pre-parameters, one for each member
	plan    council.Succession
	change  map[council.MemberID]func(*node.Config)
	ends    chan ending // nodes whose owner has ended, for whatever reason
}

type ending struct {
	member council.MemberID
	room   *room
}

var errDied = errors.New("died in the middle of a step")

const (
	joiner = council.MemberID("member-04")
	later  = council.MemberID("member-05") // who hopes for a seat after that
)

func newCabinet(t *testing.T) *cabinet {
	t.Helper()
	c := &cabinet{
		size: testcouncil.Size{Threshold: 2, Members: 3}, profile: council.Profile{Name: "cabinet", Seats: map[council.Seat]int{council.Core: 3}, Threshold: 2},
		change: map[council.MemberID]func(*node.Config){}, ends: make(chan ending, 64),
	}
	c.t, c.dir, c.rooms, c.shares = t, t.TempDir(), map[council.MemberID]*room{}, map[council.MemberID][]byte{}
	c.first = council.Roster{Version: 1, Threshold: 2}
	everyone := &testcouncil.Council{Roster: council.Roster{Version: 1, Threshold: 2}, NodeKeys: map[council.MemberID]council.NodePrivate{}}
	for _, id := range append(c.size.IDs(), joiner, later) {
		everyone.NodeKeys[id] = testcouncil.NodeKey(id)
		everyone.Roster.Members = append(everyone.Roster.Members, c.member(id))
	}
	c.first.Members = slices.Clone(everyone.Roster.Members[:3])
	c.council = everyone
	c.charter = c.smallCharter()
	c.first.Charter = c.charter.Hash()
	var err error
	if c.net, err = p2p.NewNetwork(everyone.Roster, 1); err != nil {
		t.Fatal(err)
	}
	c.bear()
	c.sets = sets(t, 4)
	c.plan = c.succession(c.first, "member-01")
	t.Cleanup(func() {
		for m := range c.rooms {
			c.stop(m)
		}
	})
	return c
}

func (c *cabinet) member(id council.MemberID) council.Member {
	return council.Member{ID: id, Seat: council.Core, Term: council.Term{Start: testcouncil.TermStart, End: testcouncil.TermEnd},
		Peer: testcouncil.PeerID(c.t, testcouncil.NodeKey(id)).String(), Approver: crypto.PubkeyToAddress(testcouncil.Wallet(c.t, id).PublicKey)}
}

func (c *cabinet) smallCharter() *policy.Charter {
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		c.t.Fatal(err)
	}
	text := fmt.Sprintf(charterText, 1337, "0x00000000000000000000000000000000000000C0", "0xfa17d03220172307c680d2c37da72478a440e109423181eebf788b9fe7b48cb2")
	charter, err := policy.LoadCharter("charter.yaml", []byte(strings.Replace(text, "threshold: 4", "threshold: 2", 1)), actions)
	if err != nil {
		c.t.Fatal(err)
	}
	return charter
}

// bear gives the first members their shares, as if they had made them.
func (c *cabinet) bear() {
	roster, err := c.first.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	shares := testcouncil.SharesOf(c.t, c.size)
	g := council.Genesis{Roster: roster, ShareEpoch: shares[0].Epoch(), Key: shares[0].Address(), Transcript: common.Hash{1}}
	for _, s := range shares {
		if c.shares[s.Self()], err = s.MarshalBinary(); err != nil {
			c.t.Fatal(err)
		}
		sig, err := g.Sign(s.Self(), testcouncil.NodeKey(s.Self()))
		if err != nil {
			c.t.Fatal(err)
		}
		g.Sigs = append(g.Sigs, sig)
	}
	c.genesis = &g
}

// sets are real sets of pre-parameters, made once on a machine.
func sets(t *testing.T, n int) [][]byte {
	t.Helper()
	var out [][]byte
	for i := range n {
		b, err := testcouncil.Cached(fmt.Sprintf("heir-%d", i), func() ([]byte, error) {
			p, err := tss.GeneratePreParams(t.Context(), tss.PreParamsOptions{})
			if err != nil {
				return nil, err
			}
			return p.MarshalBinary()
		})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// succession has one member leave and the joiner come, with everybody's word.
func (c *cabinet) succession(old council.Roster, leaver council.MemberID) council.Succession {
	c.t.Helper()
	prev, err := old.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	day := uint64(time.Now().Unix()) - 60
	s := council.Succession{Effective: day, Roster: council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: old.Charter, Prev: prev}}
	for _, m := range old.Members {
		if m.ID != leaver {
			s.Roster.Members = append(s.Roster.Members, m)
		}
	}
	in := c.member(joiner)
	in.Term.Start = day
	s.Roster.Members = append(s.Roster.Members, in)
	slices.SortFunc(s.Roster.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	doc, err := s.Document(old)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range old.Members {
		s.Approvals = append(s.Approvals, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(c.t, doc, testcouncil.Wallet(c.t, m.ID))})
	}
	s.Accepts = []council.WalletSignature{{Member: joiner, Sig: testcouncil.Sign(c.t, doc, testcouncil.Wallet(c.t, joiner))}}
	for _, m := range s.Roster.Members {
		s.Addresses = append(s.Addresses, addresses(c.t, m.ID))
	}
	return s
}

// addresses is a signed record of where a node is.
func addresses(t *testing.T, m council.MemberID) []byte {
	t.Helper()
	key, err := lcrypto.UnmarshalEd25519PrivateKey(ed25519.PrivateKey(testcouncil.NodeKey(m)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	e, err := record.Seal(&peer.PeerRecord{PeerID: id, Seq: 1, Addrs: []multiaddr.Multiaddr{multiaddr.StringCast("/ip4/127.0.0.1/tcp/4100")}}, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// open opens a member's disk, or makes it.
func (c *cabinet) open(m council.MemberID) *room {
	c.t.Helper()
	pass := c.path(m, "passphrase")
	unlock := keystore.PassphraseFile(pass).WorkFactor(10)
	r := &room{done: make(chan error, 1), cancel: func() {}}
	_, err := os.Stat(c.path(m, ""))
	fresh := errors.Is(err, os.ErrNotExist)
	if fresh {
		if err := errors.Join(os.MkdirAll(filepath.Dir(pass), 0o700), os.WriteFile(pass, []byte("correct horse"), 0o600)); err != nil {
			c.t.Fatal(err)
		}
		r.keys, err = keystore.Create(c.path(m, "keys"), unlock)
	} else {
		r.keys, err = keystore.Open(c.path(m, "keys"), unlock)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	network, err := c.first.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	mine := c.first
	if !c.founded(m) {
		mine = c.hopes(m)
	}
	r.book, err = journal.Open(c.path(m, "journal.db"), journal.Options{Self: m, Key: testcouncil.NodeKey(m), Roster: mine, Network: network})
	if err == nil {
		err = r.book.Trust(c.first)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if !fresh {
		return r
	}
	if i := slices.Index(append(c.size.IDs(), joiner), m); i >= 0 && i < len(c.sets) {
		if err := r.keys.PutSpare(c.sets[i]); err != nil {
			c.t.Fatal(err)
		}
	}
	if c.founded(m) {
		c.born(r, m)
		return r
	}
	if m == later { // it hears of the key from the others
		return r
	}
	b, err := rlp.EncodeToBytes(*c.genesis)
	if err == nil {
		err = r.book.PutMeta("genesis", b)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

// founded reports whether a member was there when the key was made.
func (c *cabinet) founded(m council.MemberID) bool {
	_, ok := c.first.Member(m)
	return ok
}

// hopes is the roster in which somebody is who comes later.
func (c *cabinet) hopes(m council.MemberID) council.Roster {
	r := c.plan.Roster
	if m == later {
		r.Members = append(slices.Clone(r.Members), c.member(later))
	}
	return r
}

// start makes a member's node on what its disk holds, under the roster that it
// finds there, and again whenever that has changed.
func (c *cabinet) start(m council.MemberID) *room {
	c.t.Helper()
	r := c.open(m)
	c.make(m, r)
	c.rooms[m] = r
	return r
}

func (c *cabinet) make(m council.MemberID, r *room) {
	c.t.Helper()
	standing, err := node.Stand(r.book, c.first, c.profile)
	if err != nil {
		c.t.Fatal(err)
	}
	roster := standing.Roster()
	if _, in := roster.Member(m); !in && c.founded(m) {
		roster = c.first
	}
	if r.tr, err = c.net.Join(m, testcouncil.NodeKey(m)); err != nil {
		c.t.Fatal(err)
	}
	own, err := policy.LoadMember("policy.yaml", []byte("version: 1\nname: own\nrules: []\n"), c.charter)
	if err != nil {
		c.t.Fatal(err)
	}
	timing := agenda.Defaults()
	timing.Grace, timing.Retry, timing.Rejudge = 500*time.Millisecond, 500*time.Millisecond, 2*time.Second
	cfg := node.Config{
		Self: m, Roster: roster, First: c.first, Profile: c.profile, Peer: testcouncil.PeerID(c.t, testcouncil.NodeKey(m)).String(),
		Charter: c.charter, Policy: policy.New(c.charter, own), Transport: r.tr, Journal: r.book, Keystore: r.keys, Key: testcouncil.NodeKey(m),
		Timing: timing, Gas: node.GasMoney{Transactions: 3, Gas: 300_000, MaxFee: gwei(1000)}, Version: "test", Log: c.log(m), Now: c.now,
	}
	if f := c.change[m]; f != nil {
		f(&cfg)
	}
	made := make(chan error, 1)
	go func() { // it may die while it takes up what is on its disk
		err := errDied
		defer func() { made <- err }()
		r.Node, err = node.New(cfg)
	}()
	if err := <-made; errors.Is(err, errDied) {
		r.done <- errDied
		c.ends <- ending{m, r}
		return
	} else if err != nil {
		c.t.Fatalf("%s: %v", m, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	run := r.Node
	go func() {
		err := errDied
		defer func() { // also when the owner dies in the middle of a step
			r.done <- err
			c.ends <- ending{m, r}
		}()
		err = run.Run(ctx, nil)
	}()
}

// again starts a node that has ended: one that has died on its disk alone, one
// that has another roster as its owner does.
func (c *cabinet) again(m council.MemberID) {
	c.t.Helper()
	r := c.rooms[m]
	err := <-r.done
	if err != nil && !errors.Is(err, errDied) && !errors.Is(err, node.ErrSwitched) {
		c.t.Fatalf("%s ended: %v", m, err)
	}
	r.cancel()
	if err := errors.Join(r.tr.Close(), r.book.Close(), r.keys.Close()); err != nil {
		c.t.Fatal(err)
	}
	c.start(m)
}

// until starts nodes again that have ended, until something is so.
func (c *cabinet) until(what string, done func() bool) {
	c.t.Helper()
	late := time.After(5 * minute)
	for !done() {
		select {
		case e := <-c.ends:
			if c.rooms[e.member] == e.room { // else the test has stopped it
				c.again(e.member)
			}
		case <-time.After(50 * time.Millisecond):
		case <-late:
			for m := range c.rooms {
				s, err := c.rooms[m].Rotation(c.t.Context())
				c.t.Logf("%s: %v %v", m, s, err)
			}
			c.t.Fatalf("waited for %s", what)
		}
	}
}
