package node_test

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/chain"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/devchain"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
)

// house is a whole council in one process: real nodes, journals, keystores and
// shares, the in-memory network, and a dev chain behind RPC.
type house struct {
	t       *testing.T
	dir     string
	council *testcouncil.Council
	net     *p2p.Network
	join    func(council.MemberID) (p2p.Transport, error) // another network than net; nil for net
	network common.Hash                                   // that frames are bound to; zero for that of its roster
	ahead   atomic.Int64                                  // the house's clock, before the machine's
	still   atomic.Pointer[time.Time]                     // what it shows while it stands; nil while it goes
	convene atomic.Bool                                   // it is to stand when a member shows what it has heard
	chain   *devchain.Chain
	eth     *ethclient.Client
	suite   contracts.Suite
	charter *policy.Charter
	genesis *council.Genesis
	shares  map[council.MemberID][]byte
	rooms   map[council.MemberID]*room
	silence time.Duration // that a traitor's house bears; zero: two seconds
	slots   bool          // a traitor's house makes slots
	leads   bool          // and the traitor leads some of its sets, not all
	sits    bool          // but the traitor has no part in it before it is told to
	nonces  uint64        // at which the same three approve with the traitor, see lineup; zero: any three
	last    *dam          // for the last round, in a traitor's house
}

type room struct {
	*node.Node
	cancel context.CancelFunc
	done   chan error
	tr     p2p.Transport
	book   *journal.Journal
	keys   *keystore.Store
}

const charterText = `version: 1
name: test council
threshold: 4
chains:
  - name: dev
    id: %d
limits: {gas: 5000000, fee: 1000 gwei, tip: 50 gwei, validity: 14d}
contracts:
  - name: protocol
    chain: dev
    address: %s
    abi: ["pause()", "unpause()"]
    abi_hash: %s
playbooks:
  - {name: pause, summary: stop, targets: [protocol], function: pause, gas: 300000, fee: 1000 gwei, tip: 50 gwei, validity: 24h}
  - {name: unpause, summary: go on, targets: [protocol], function: unpause, gas: 300000, fee: 200 gwei, tip: 5 gwei, validity: 24h}
rules:
  - {id: pause, effect: allow, actions: [pause], contracts: [protocol]}
  - {id: unpause, effect: allow, actions: [unpause], contracts: [protocol], require: [simulation]}
  - {id: statements, effect: allow, actions: [statement], max_length: 1000}
  - id: incident-records
    effect: allow
    actions: [typed-data]
    domain: {name: Incident Registry, version: "1", chain: dev, contract: protocol}
    primary_type: IncidentRecord
`

// newHouse builds the council and starts no node. With shares, the key is the
// test council's; without, the nodes have to make one.
func newHouse(t *testing.T, withShares bool) *house {
	t.Helper()
	h := &house{t: t, dir: t.TempDir(), council: testcouncil.New(t), rooms: map[council.MemberID]*room{}, shares: map[council.MemberID][]byte{}}
	h.findChain()
	if withShares {
		h.deploy(testcouncil.Address(t))
	}
	h.charter = h.loadCharter()
	h.council.Roster.Charter = h.charter.Hash()
	if withShares {
		h.preset()
	}
	var err error
	if h.net, err = p2p.NewNetwork(h.council.Roster, 1); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.goOn()
		for m := range h.rooms {
			h.stop(m)
		}
	})
	return h
}

// findChain starts the house's own chain.
func (h *house) findChain() {
	h.t.Helper()
	var err error
	if h.chain, err = devchain.Start(devchain.Config{Period: time.Second, Finality: 2}); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { h.chain.Close() })
	if h.eth, err = ethclient.Dial(h.chain.URL()); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(h.eth.Close)
}

func (h *house) deploy(key common.Address) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), minute)
	defer cancel()
	d := &contracts.Deployer{Client: h.eth, Key: h.chain.Faucet()}
	var err error
	if h.suite, err = contracts.DeploySuite(ctx, d, key); err != nil {
		h.t.Fatal(err)
	}
	h.fund(key)
}

func (h *house) fund(key common.Address) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), minute)
	defer cancel()
	d := &contracts.Deployer{Client: h.eth, Key: h.chain.Faucet()}
	if _, err := d.Send(ctx, key, ether(10), nil); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) loadCharter() *policy.Charter {
	h.t.Helper()
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		h.t.Fatal(err)
	}
	to := h.suite.Protocol
	if to == (common.Address{}) {
		to = common.HexToAddress("0x00000000000000000000000000000000000000c0")
	}
	text := func(hash string) []byte { return fmt.Appendf(nil, charterText, h.chain.ID(), to.Hex(), hash) }
	c, err := policy.LoadCharter("charter.yaml", text("0xfa17d03220172307c680d2c37da72478a440e109423181eebf788b9fe7b48cb2"), actions)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// preset gives every member a share of the test council's key, as if they had
// made it together.
func (h *house) preset() {
	h.t.Helper()
	roster, err := h.council.Roster.Hash()
	if err != nil {
		h.t.Fatal(err)
	}
	shares := testcouncil.Shares(h.t)
	g := council.Genesis{Roster: roster, ShareEpoch: shares[0].Epoch(), Key: shares[0].Address(), Transcript: common.HexToHash("0x01")}
	for _, m := range h.council.Roster.IDs() {
		sig, err := g.Sign(m, h.council.NodeKeys[m])
		if err != nil {
			h.t.Fatal(err)
		}
		g.Sigs = append(g.Sigs, sig)
	}
	h.genesis = &g
	for _, s := range shares {
		if h.shares[s.Self()], err = s.MarshalBinary(); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *house) path(m council.MemberID, name string) string {
	return filepath.Join(h.dir, string(m), name)
}

// start starts a member's node on what its disk holds.
func (h *house) start(m council.MemberID, change ...func(*node.Config)) *room {
	h.t.Helper()
	pass := h.path(m, "passphrase")
	unlock := keystore.PassphraseFile(pass).WorkFactor(10)
	fresh := false
	if _, err := os.Stat(h.path(m, "")); errors.Is(err, os.ErrNotExist) {
		fresh = true
		if err := os.MkdirAll(h.path(m, ""), 0o700); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(pass, []byte("correct horse"), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	r := &room{done: make(chan error, 1)}
	var err error
	if fresh {
		r.keys, err = keystore.Create(h.path(m, "keys"), unlock)
	} else {
		r.keys, err = keystore.Open(h.path(m, "keys"), unlock)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	key := h.council.NodeKeys[m]
	if r.book, err = journal.Open(h.path(m, "journal.db"), journal.Options{Self: m, Key: key, Roster: h.council.Roster}); err != nil {
		h.t.Fatal(err)
	}
	if fresh && h.genesis != nil {
		h.born(r, m)
	}
	client, err := chain.New(chain.Config{Chain: h.chain.ID(), RPCs: []string{h.chain.URL()}, PollInterval: 200 * time.Millisecond})
	if err != nil {
		h.t.Fatal(err)
	}
	if r.tr, err = h.enter(m); err != nil {
		h.t.Fatal(err)
	}
	own, err := policy.LoadMember("policy.yaml", []byte("version: 1\nname: own\nrules: []\n"), h.charter)
	if err != nil {
		h.t.Fatal(err)
	}
	timing := agenda.Defaults()
	timing.Grace, timing.Retry, timing.Rejudge = 500*time.Millisecond, 500*time.Millisecond, 2*time.Second
	cfg := node.Config{
		Self: m, Roster: h.council.Roster, Charter: h.charter, Policy: policy.New(h.charter, own), Transport: r.tr, Journal: r.book,
		Keystore: r.keys, Chains: []*chain.Client{client}, Key: key, Timing: timing, Gas: node.GasMoney{Transactions: 3, Gas: 300_000, MaxFee: gwei(1000)},
		Version: "test", Log: h.log(m), Now: h.now,
	}
	for _, f := range change {
		f(&cfg)
	}
	if r.Node, err = node.New(cfg); err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		var err error
		defer func() { // also when the owner dies in the middle of a step
			client.Close()
			r.done <- err
		}()
		err = r.Run(ctx, nil)
	}()
	h.rooms[m] = r
	return r
}

// enter puts a member on the network.
func (h *house) enter(m council.MemberID) (p2p.Transport, error) {
	if h.join != nil {
		return h.join(m)
	}
	return h.net.Join(m, h.council.NodeKeys[m])
}

func (h *house) now() time.Time {
	if at := h.still.Load(); at != nil {
		return *at
	}
	return time.Now().Add(time.Duration(h.ahead.Load()))
}

// halt stops all clocks of the house: what nodes give each other some seconds for waits
// then, however slow the machine is.
func (h *house) halt() {
	at := h.now()
	h.still.CompareAndSwap(nil, &at)
}

// goOn has the clocks go on from where they stand.
func (h *house) goOn() {
	if at := h.still.Load(); at != nil {
		h.ahead.Store(int64(time.Until(*at)))
		h.still.Store(nil)
	}
}

// pass puts all clocks of the house forward.
func (h *house) pass(d time.Duration) { h.ahead.Add(int64(d)) }

// born writes what a ceremony leaves on a disk.
func (h *house) born(r *room, m council.MemberID) {
	h.t.Helper()
	g := *h.genesis
	if err := node.SaveGenesis(r.book, g); err != nil {
		h.t.Fatal(err)
	}
	if err := r.keys.Stage(g.ShareEpoch, keystore.Meta{Address: g.Key, Roster: g.Roster}, h.shares[m]); err != nil {
		h.t.Fatal(err)
	}
	if err := r.keys.Commit(g.ShareEpoch); err != nil {
		h.t.Fatal(err)
	}
	body, err := council.EncodeBody(council.KeyMade{Genesis: g})
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := r.book.Append(council.WordKeyMade, body, uint64(time.Now().Unix())); err != nil {
		h.t.Fatal(err)
	}
}

// log writes to the test's log when it is verbose.
func (h *house) log(m council.MemberID) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func (h *house) startAll() {
	for _, m := range h.council.Roster.IDs() {
		h.start(m)
	}
}

// stop ends a node and closes its disk. The others see the connection go.
func (h *house) stop(m council.MemberID) {
	r, ok := h.rooms[m]
	if !ok {
		return
	}
	delete(h.rooms, m)
	r.tr.Close()
	r.cancel()
	if err := <-r.done; err != nil && !errors.Is(err, node.ErrSwitched) { // its owner would have made it anew
		h.t.Errorf("%s: %v", m, err)
	}
	if err := errors.Join(r.book.Close(), r.keys.Close()); err != nil {
		h.t.Errorf("%s: %v", m, err)
	}
}

// await reads a node's events until done says that the state is reached. What has
// no event of its own, as a first answer of an RPC, is looked at every second.
func (h *house) await(m council.MemberID, what string, d time.Duration, done func(*room) bool) {
	h.t.Helper()
	r := h.rooms[m]
	ctx, cancel := context.WithTimeout(h.t.Context(), d)
	defer cancel()
	reached, last := errors.New("reached"), uint64(0)
	for !done(r) {
		look, over := context.WithTimeout(ctx, time.Second)
		err := r.Events(look, last, func(e api.Event) error {
			if last = e.ID; done(r) {
				return reached
			}
			return nil
		})
		over()
		switch {
		case errors.Is(err, reached):
			return
		case ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded):
			if done(r) { // the test itself was held up
				return
			}
			h.dump(m)
			h.t.Fatalf("%s: waited %s for %s (%v)", m, d, what, err)
		}
	}
}

// dump shows what a node has seen.
func (h *house) dump(m council.MemberID) {
	r := h.rooms[m]
	stop := errors.New("enough")
	seen, enough := context.WithTimeout(context.Background(), time.Second)
	defer enough()
	_ = r.Events(seen, 0, func(e api.Event) error {
		h.t.Logf("%s %s %s %s: %s", e.Time.Format("05.000"), e.Kind, e.Proposal.Short(), e.Member, e.Text)
		if e.ID > 400 {
			return stop
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	s, err := r.Status(ctx)
	h.t.Logf("status %+v %v", s, err)
	all, _ := r.Proposals(ctx)
	for _, p := range all {
		h.t.Logf("proposal %s %s %s verdicts %+v have %d attempts %+v", p.Short, p.State, p.Detail, p.Verdicts, p.Have, p.Attempts)
	}
}

// seq is how long a node has a member's feed.
func (r *room) seq(t *testing.T, author council.MemberID) uint64 {
	t.Helper()
	heads, err := r.book.Heads()
	if err != nil {
		t.Fatal(err)
	}
	for _, head := range heads {
		if head.Author == author {
			return head.Seq
		}
	}
	return 0
}

func (r *room) proposal(t *testing.T, id council.ProposalID) api.Proposal {
	p, err := r.Proposal(t.Context(), id.Hex())
	if err != nil {
		return api.Proposal{}
	}
	return p
}

// ready waits until a node takes part.
func (h *house) ready(m council.MemberID) {
	h.t.Helper()
	h.await(m, "readiness", minute, func(r *room) bool {
		s, err := r.Status(h.t.Context())
		return err == nil && s.Phase == api.Ready
	})
}

// connected gives each node's RPC the time for a first answer: a node that does
// not know the nonce yet refuses an attempt, and has a part in no other then.
func (h *house) connected() {
	h.t.Helper()
	late := time.After(minute)
	for _, r := range h.rooms {
		for {
			s, err := r.Status(h.t.Context())
			if err != nil || len(s.Chains) == 0 || s.Chains[0].Balance != nil || s.Council == nil {
				break
			}
			select {
			case <-late:
				h.t.Fatal("an RPC does not answer")
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}

// propose puts a playbook before the council.
func (h *house) propose(m council.MemberID, playbook string) council.ProposalID {
	h.t.Helper()
	h.ready(m)
	h.connected()
	p, err := h.rooms[m].Propose(h.t.Context(), api.ProposeRequest{Playbook: playbook, Target: "protocol", Reason: "a test"})
	if err != nil {
		h.t.Fatal(err)
	}
	return p.ID
}

// approve has a member approve at some node.
func (h *house) approve(at, who council.MemberID, id council.ProposalID) {
	h.t.Helper()
	r := h.rooms[at]
	h.ready(at)
	h.await(at, "the proposal", minute, func(r *room) bool { return r.proposal(h.t, id).ID == id })
	u, err := r.Ballot(h.t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: who})
	if err != nil {
		h.t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(h.t, u.Document, h.wallet(who))
	if _, err := r.Vote(h.t.Context(), u.Approval); err != nil {
		h.t.Fatal(err)
	}
}

// judged waits until each node has the verdicts of all these members, none of which is a
// denial for want of a fact that came late, and connections to them: whom a coordinator has
// not heard of, it does not call.
func (h *house) judged(id council.ProposalID, all ...council.MemberID) {
	h.t.Helper()
	for m := range h.rooms {
		h.await(m, "all verdicts", minute, func(r *room) bool {
			s, err := r.Status(h.t.Context())
			p := r.proposal(h.t, id)
			if err != nil || len(p.Verdicts) != len(all) || slices.ContainsFunc(p.Verdicts, func(v api.Verdict) bool { return !v.Allow }) {
				return false
			}
			return !slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return !p.Online && slices.Contains(all, p.Member) })
		})
	}
}

// pooled waits until the transaction of a proposal that a member's node knows is at the chain.
func (h *house) pooled(m council.MemberID, id council.ProposalID) (tx *types.Transaction) {
	h.t.Helper()
	h.await(m, "a transaction in the pool", minute, func(r *room) bool {
		p := r.proposal(h.t, id)
		if p.TxHash == nil {
			return false
		}
		var err error
		tx, _, err = h.eth.TransactionByHash(h.t.Context(), *p.TxHash)
		return err == nil
	})
	return tx
}

func (h *house) wallet(m council.MemberID) *ecdsa.PrivateKey { return h.council.Wallets[m] }

func inState(t *testing.T, id council.ProposalID, want ...api.State) func(*room) bool {
	return func(r *room) bool {
		s := r.proposal(t, id).State
		for _, w := range want {
			if s == w {
				return true
			}
		}
		return false
	}
}

func (h *house) paused() bool {
	h.t.Helper()
	out, err := h.eth.CallContract(h.t.Context(), callMsg(h.suite.Protocol, contracts.Protocol().Calldata("paused")), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return strings.HasSuffix(common.Bytes2Hex(out), "1")
}

// spoken lists what a node has told so far of one kind.
func (h *house) spoken(m council.MemberID, kind string) (out []api.Event) {
	h.t.Helper()
	r, stop := h.rooms[m], errors.New("the end of the list")
	end := fmt.Sprint("the end of the list ", rand.Uint64()) // it may be asked again
	r.Tell("test", end)
	if err := r.Events(h.t.Context(), 0, func(e api.Event) error {
		if e.Text == end {
			return stop
		}
		if e.Kind == kind {
			out = append(out, e)
		}
		return nil
	}); !errors.Is(err, stop) {
		h.t.Fatal(err)
	}
	return out
}
