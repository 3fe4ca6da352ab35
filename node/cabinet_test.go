package node_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
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
	"github.com/millicent-one/signer/chain"
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

// cabinet is a council that rotates, and who is to join it: real nodes, disks and
// engine sessions in one process. An owner makes each node anew on its disk when its
// roster has changed, as the daemon does.
type cabinet struct {
	house   // its tests' words for asking nodes
	profile council.Profile
	text    policy.CharterText // of the first charter
	edits   []string           // that make it of the one that all tests have
	size    testcouncil.Size
	first   council.Roster
	heirs   []council.MemberID // who joins it, now or later
	sets    [][]byte           // of pre-parameters, one for each member
	before  council.Roster     // that the plan leads away from
	plan    council.Succession
	turned  bool                                // the plan has come about, and its wallets count
	seats   map[council.MemberID]council.Roster // that each member came in with
	texts   map[common.Hash]*policy.Charter     // by hash
	rpc     string                              // that the nodes ask; "" for the chain's own
	change  map[council.MemberID]func(*node.Config)
	hooks   map[council.MemberID][]func(step string) // called between the durable steps
	memory  map[council.MemberID]memory              // of the processes that run
	ends    chan ending                              // nodes whose owner has ended, for whatever reason
	errands chan func()                              // what nodes want done by the test, while it waits
	moved   time.Time                                // when the test began to wait, or has last done one
}

// memory is what the process of a member keeps from one node to the next.
type memory struct {
	standing node.Standing
	sound    *node.Sound
}

type ending struct {
	member council.MemberID
	room   *room
}

var errDied = errors.New("died in the middle of a step")

const (
	joiner = council.MemberID("member-04")
	later  = council.MemberID("member-05") // who may come in after that
)

// newCabinet is the smallest council that rotates, two of three, of which one leaves
// and one comes.
func newCabinet(t *testing.T) *cabinet {
	t.Helper()
	c := smallCabinet(t)
	c.opens()
	c.goes(c.first, []council.MemberID{"member-01"}, joiner)
	return c
}

// newCabinetOnChain is the same with a chain, and money at the council's address.
func newCabinetOnChain(t *testing.T) *cabinet {
	t.Helper()
	c := smallCabinet(t)
	c.findChain()
	c.deploy(testcouncil.SharesOf(t, c.size)[0].Address())
	c.opens()
	c.goes(c.first, []council.MemberID{"member-01"}, joiner)
	return c
}

func smallCabinet(t *testing.T) *cabinet {
	t.Helper()
	return cabinetOf(t, testcouncil.Size{Threshold: 2, Members: 3},
		council.Profile{Name: "cabinet", Seats: map[council.Seat]int{council.Core: 3}, Threshold: 2}, joiner, later)
}

// cabinetOf is a council of any size. It opens, then it makes a plan.
func cabinetOf(t *testing.T, size testcouncil.Size, profile council.Profile, heirs ...council.MemberID) *cabinet {
	t.Helper()
	c := &cabinet{
		size: size, profile: profile, heirs: heirs, seats: map[council.MemberID]council.Roster{}, texts: map[common.Hash]*policy.Charter{},
		change: map[council.MemberID]func(*node.Config){}, hooks: map[council.MemberID][]func(string){}, memory: map[council.MemberID]memory{}, ends: make(chan ending, 64), errands: make(chan func()),
	}
	c.t, c.dir, c.rooms, c.shares = t, t.TempDir(), map[council.MemberID]*room{}, map[council.MemberID][]byte{}
	return c
}

// opens makes the first roster, its charter, network, key and shares.
func (c *cabinet) opens() {
	t := c.t
	t.Helper()
	size, heirs := c.size, c.heirs
	everyone := &testcouncil.Council{
		Roster: council.Roster{Version: 1, Threshold: size.Threshold}, NodeKeys: map[council.MemberID]council.NodePrivate{}, Wallets: map[council.MemberID]*ecdsa.PrivateKey{}}
	c.first = everyone.Roster
	for _, id := range council.Sorted(slices.Concat(size.IDs(), heirs)) {
		everyone.NodeKeys[id], everyone.Wallets[id] = testcouncil.NodeKey(id), testcouncil.Wallet(t, id)
		everyone.Roster.Members = append(everyone.Roster.Members, c.member(id))
		if !slices.Contains(heirs, id) {
			c.first.Members = append(c.first.Members, c.member(id))
		}
	}
	c.council = everyone
	c.charter = c.smallCharter("")
	c.first.Charter = c.charter.Hash()
	for _, id := range c.size.IDs() {
		c.seats[id] = c.first
	}
	var err error
	if c.net, err = p2p.NewNetwork(everyone.Roster, 1); err == nil {
		err = c.net.Bind(c.first)
	}
	if err == nil {
		c.network, err = c.first.Hash()
	}
	if err != nil {
		t.Fatal(err)
	}
	c.bear()
	c.sets = sets(t, 8)
	t.Cleanup(func() {
		for m := range c.rooms {
			c.stop(m)
		}
	})
}

// goes has the council go from a roster to the next.
func (c *cabinet) goes(old council.Roster, leavers []council.MemberID, joiners ...council.MemberID) {
	c.t.Helper()
	c.before, c.plan = old, c.succession(old, leavers, joiners)
	for _, m := range joiners {
		c.seats[m] = c.plan.Roster
	}
}

func (c *cabinet) member(id council.MemberID) council.Member {
	seat := council.Core
	if strings.HasPrefix(string(id), "community") {
		seat = council.Community
	}
	return council.Member{ID: id, Seat: seat, Term: council.Term{Start: testcouncil.TermStart, End: testcouncil.TermEnd},
		Peer: testcouncil.PeerID(c.t, testcouncil.NodeKey(id)).String(), Approver: crypto.PubkeyToAddress(testcouncil.Wallet(c.t, id).PublicKey)}
}

// smallCharter has a remark at its end, which makes it another one.
func (c *cabinet) smallCharter(remark string) *policy.Charter {
	c.t.Helper()
	text := c.charterText(c.edits...)
	text.Charter = append(text.Charter, remark...)
	charter, err := text.Load()
	if err != nil {
		c.t.Fatal(err)
	}
	if c.texts[charter.Hash()] = charter; remark == "" {
		c.text = text
	}
	return charter
}

// charterText is the text of the cabinet's charter, with some of it replaced: pairs of
// old and new.
func (c *cabinet) charterText(edits ...string) policy.CharterText {
	c.t.Helper()
	chain, to := uint64(1337), common.HexToAddress("0xc0")
	if c.chain != nil {
		chain, to = c.chain.ID(), c.suite.Protocol
	}
	text := fmt.Sprintf(charterText, chain, to.Hex(), "0xfa17d03220172307c680d2c37da72478a440e109423181eebf788b9fe7b48cb2")
	edits = append([]string{"threshold: 4", fmt.Sprint("threshold: ", c.size.Threshold)}, edits...)
	for i := 0; i+1 < len(edits); i += 2 {
		if !strings.Contains(text, edits[i]) {
			c.t.Fatalf("the charter does not hold %q", edits[i])
		}
		text = strings.ReplaceAll(text, edits[i], edits[i+1])
	}
	return policy.CharterText{Charter: []byte(text), Actions: configs.Actions}
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

// succession has members leave and others come, with everybody's word, a minute ago. A
// member's new wallet is that of its name with "'s new" after it.
func (c *cabinet) succession(old council.Roster, leavers, joiners []council.MemberID, change ...func(*council.Roster)) council.Succession {
	c.t.Helper()
	return c.successionOn(uint64(time.Now().Unix())-60, old, leavers, joiners, change...)
}

// successionOn is one that takes over at a time in unix seconds.
func (c *cabinet) successionOn(day uint64, old council.Roster, leavers, joiners []council.MemberID, change ...func(*council.Roster)) council.Succession {
	c.t.Helper()
	prev, err := old.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	s := council.Succession{Effective: day, Roster: council.Roster{Version: old.Version + 1, Threshold: old.Threshold, Charter: old.Charter, Prev: prev}}
	for _, m := range old.Members {
		if !slices.Contains(leavers, m.ID) {
			s.Roster.Members = append(s.Roster.Members, m)
		}
	}
	for _, id := range joiners {
		in := c.member(id)
		in.Term.Start = day
		s.Roster.Members = append(s.Roster.Members, in)
	}
	slices.SortFunc(s.Roster.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	for _, f := range change {
		f(&s.Roster)
	}
	doc, err := s.Document(old)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range old.Members {
		s.Approvals = append(s.Approvals, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(c.t, doc, c.walletOf(m))})
	}
	for _, m := range council.Compare(old, s.Roster).Incoming() {
		s.Accepts = append(s.Accepts, council.WalletSignature{Member: m.ID, Sig: testcouncil.Sign(c.t, doc, c.walletOf(m))})
	}
	for _, m := range s.Roster.Members {
		s.Addresses = append(s.Addresses, addresses(c.t, m.ID))
	}
	return s
}

// walletOf is the wallet that a member has in its roster.
func (c *cabinet) walletOf(m council.Member) *ecdsa.PrivateKey {
	c.t.Helper()
	for _, name := range []council.MemberID{m.ID, renewed(m.ID)} {
		if w := testcouncil.Wallet(c.t, name); crypto.PubkeyToAddress(w.PublicKey) == m.Approver {
			return w
		}
	}
	c.t.Fatalf("%s has the wallet %s, which is none of its", m.ID, m.Approver)
	return nil
}

// renewed names a member's new wallet.
func renewed(m council.MemberID) council.MemberID { return m + "'s new" }

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
	r.book, err = journal.Open(c.path(m, "journal.db"), journal.Options{Self: m, Key: testcouncil.NodeKey(m), Roster: c.seats[m], Network: c.network})
	if err == nil {
		err = r.book.Trust(c.first)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if !fresh {
		return r
	}
	if i := slices.Index(slices.Concat(c.size.IDs(), c.heirs), m); i < len(c.sets) {
		if err := r.keys.PutSpare(c.sets[i]); err != nil {
			c.t.Fatal(err)
		}
	}
	if c.shares[m] != nil {
		c.born(r, m)
		return r
	}
	if _, planned := c.plan.Roster.Member(m); !planned { // it hears of the key from the others
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

// start makes a member's node on what its disk holds, under the roster that it
// finds there, and again whenever that has changed.
func (c *cabinet) start(m council.MemberID) *room {
	c.t.Helper()
	r := c.open(m)
	c.make(m, r)
	c.rooms[m] = r
	return r
}

// stop ends a member's process.
func (c *cabinet) stop(m council.MemberID) {
	c.house.stop(m)
	delete(c.memory, m)
}

// config is what a member's node is made from, on its disk.
func (c *cabinet) config(m council.MemberID, r *room) node.Config {
	c.t.Helper()
	had := c.memory[m]
	standing, err := had.standing.Again(r.book, c.first, c.profile)
	if err != nil {
		c.t.Fatal(err)
	}
	if had.sound == nil {
		had.sound = new(node.Sound)
	}
	c.memory[m] = memory{sound: had.sound} // what it stands on is known when it has ended
	peer := testcouncil.PeerID(c.t, testcouncil.NodeKey(m)).String()
	if r.tr, err = c.enter(m); err != nil {
		c.t.Fatal(err)
	}
	roster := standing.RosterOf(m, peer)
	charter, judging := c.judging(m, r, roster)
	timing := agenda.Defaults()
	timing.Grace, timing.Retry, timing.Rejudge = 500*time.Millisecond, 500*time.Millisecond, 2*time.Second
	cfg := node.Config{
		Self: m, Roster: roster, First: c.first, Profile: c.profile, Peer: peer,
		Charter: charter, Policy: judging, Texts: []policy.CharterText{c.text}, Transport: r.tr, Journal: r.book, Keystore: r.keys, Key: testcouncil.NodeKey(m),
		Timing: timing, Gas: node.GasMoney{Transactions: 3, Gas: 300_000, MaxFee: gwei(1000)}, Version: "test", Log: c.log(m), Now: c.now,
		Standing: standing, Sound: had.sound,
	}
	if c.chain != nil {
		client, err := chain.New(chain.Config{Chain: c.chain.ID(), RPCs: []string{cmp.Or(c.rpc, c.chain.URL())}, PollInterval: 200 * time.Millisecond})
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(client.Close)
		cfg.Chains = []*chain.Client{client}
	}
	if f := c.change[m]; f != nil {
		f(&cfg)
	}
	cfg.Between(func(step string) {
		for _, f := range c.hooks[m] {
			f(step)
		}
	})
	return cfg
}

// judging is what a member's node judges by under a roster: the charter that its files
// have or that its journal keeps, as the daemon finds it.
func (c *cabinet) judging(m council.MemberID, r *room, roster council.Roster) (*policy.Charter, *policy.Policy) {
	c.t.Helper()
	charter := c.texts[roster.Charter]
	if charter == nil {
		_, kept, err := node.CharterIn(r.book, roster.Charter)
		switch {
		case err != nil:
			c.t.Fatalf("%s: %v", m, err)
		case kept == nil:
			return c.charter, policy.Denying(c.charter, "this node does not have the charter in force", "wait")
		}
		charter = kept
	}
	own, err := policy.LoadMember("policy.yaml", []byte("version: 1\nname: own\nrules: []\n"), charter)
	if err != nil {
		c.t.Fatal(err)
	}
	return charter, policy.New(charter, own)
}

// denies has a member's own policy deny an action: others sign it.
func (c *cabinet) denies(m council.MemberID, action string) {
	c.t.Helper()
	own, err := policy.LoadMember("policy.yaml", fmt.Appendf(nil, "version: 1\nname: own\nrules:\n  - {id: never, effect: deny, actions: [%s]}\n", action), c.charter)
	if err != nil {
		c.t.Fatal(err)
	}
	c.change[m] = func(cfg *node.Config) { cfg.Policy = policy.New(c.charter, own) }
}

// alters has a member's node made in yet another way, once it is started.
func (c *cabinet) alters(m council.MemberID, f func(*node.Config)) {
	before := c.change[m]
	c.change[m] = func(cfg *node.Config) {
		if before != nil {
			before(cfg)
		}
		f(cfg)
	}
}

// hook has f called between the durable steps of a node, on its owner's goroutine.
func (c *cabinet) hook(m council.MemberID, f func(step string)) { c.hooks[m] = append(c.hooks[m], f) }

func (c *cabinet) make(m council.MemberID, r *room) {
	c.t.Helper()
	cfg := c.config(m, r)
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
	had := c.memory[m]
	delete(c.memory, m)                   // one that has died remembers nothing
	if errors.Is(err, node.ErrSwitched) { // by no profile is anything verified again
		c.memory[m] = memory{r.Standing(), had.sound}
		if s, err := r.Standing().Again(r.book, c.first, council.Profile{}); err != nil || len(s.Switches) == 0 {
			c.t.Errorf("%s leaves %d rotations to its owner, %v", m, len(s.Switches), err)
		}
	}
	delete(c.rooms, m)
	c.closes(r)
	c.start(m)
}

// closes closes what a node that does not run stands on.
func (c *cabinet) closes(r *room) {
	c.t.Helper()
	if err := errors.Join(r.tr.Close(), r.book.Close(), r.keys.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// until starts nodes again that have ended, until something is so. It waits as long as nodes
// come to steps at which they want something done.
func (c *cabinet) until(what string, done func() bool) {
	c.t.Helper()
	c.moved = time.Now()
	for !c.asked(done) {
		select {
		case e := <-c.ends:
			if c.rooms[e.member] == e.room { // else the test has stopped it
				c.again(e.member)
			}
		case do := <-c.errands:
			c.runs(do)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Since(c.moved) > 5*minute {
			for m := range c.rooms {
				s, err := c.rooms[m].Rotation(c.t.Context())
				c.t.Logf("%s: %v %v", m, s, err)
			}
			c.t.Fatalf("waited for %s", what)
		}
	}
}

// asked gives the answer of something that asks nodes, and runs errands meanwhile: the
// node that is asked may wait for one.
func (c *cabinet) asked(done func() bool) (so bool) {
	answer := make(chan bool, 1)
	go func() {
		defer close(answer)
		answer <- done()
	}()
	for {
		select {
		case so = <-answer:
			return so
		case do := <-c.errands:
			c.runs(do)
		}
	}
}

// runs runs an errand.
func (c *cabinet) runs(do func()) {
	do()
	c.moved = time.Now()
}
