package agenda_test

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/policy"
)

// world is seven agendas, a chain and a clock. It does what a node does with
// effects, one thing after another, in an order that a seed decides; so every
// failure can be played again.
type world struct {
	t       testing.TB
	rnd     *rand.Rand
	now     time.Time
	queue   events
	seq     int
	council *testcouncil.Council
	key     *ecdsa.PrivateKey
	genesis council.Genesis
	nodes   map[council.MemberID]*member

	work     time.Duration                      // what a signature from the start takes; two seconds if 0
	lag      map[council.MemberID]time.Duration // how far a node\'s RPC is behind
	skew     map[council.MemberID]time.Duration // how far a node's clock is ahead
	timing   agenda.Timing                      // zero: the defaults
	loss     float64                            // of messages between nodes
	twice    float64                            // of those that arrive, which share comes again, up to two seconds later
	repeated int                                // how many did
	cut      map[[2]council.MemberID]bool       // the second does not hear the first; for the start of nodes, too
	sessions map[council.SessionID]*session
	block    uint64
	nonce    uint64
	pool     map[uint64]*types.Transaction
	mined    []*types.Transaction
	minedAt  []uint64
	attempts int
	patience time.Duration      // the most that a node waited for a round
	failing  bool               // whatever is mined reverts
	reverts  council.ProposalID // whose call has no fees: it would revert

	depth   int // of standby
	armings map[council.SessionID]*arming
	mute    map[council.MemberID]bool // who pledges itself to slots and never joins
	bound   map[string]common.Hash    // the digest that a member's part of a slot was fired for
	warm    int                       // parts of slots that were fired
	quick   int                       // signatures from slots

	former []council.Member // who has left, and since when they are gone; for the start of nodes, too
	since  uint64
	first  *council.Roster               // that the key was made under, if it is another; for the start of nodes, too
	words  map[council.SessionID]*spoken // sessions over a proclamation
	false  map[council.MemberID]bool     // who spoils them
	hears  func(from council.MemberID, m agenda.Message)
	ttl    map[council.MemberID]time.Duration // of slots; an hour for who is not in it
	ready  map[council.MemberID]time.Duration // more that a slot takes at a member; usually none
	does   func(council.MemberID, agenda.Effect)
	dumb   bool                      // no RPC says what has used a nonce
	deaf   map[council.MemberID]bool // whose RPC answers no question of the policy
	dear   map[council.MemberID]bool // whose RPC asks for higher fees

	stalled map[council.ProposalID]bool // whose sessions never end
	most    int                         // messages that any node signed at once
}

type member struct {
	id     council.MemberID
	agenda *agenda.Agenda
	policy *policy.Policy
	up     bool
	feed   []agenda.Recorded // all entries known, in arrival order
	have   map[string]bool
	seq    uint64
	ledger map[uint64]*row
	words  map[common.Hash]*row // of messages, by digest
	timer  int                  // the one that is set; earlier ones are void
	slots  map[council.SessionID]bool
	life   int // counts restarts; what a dead process asked for is not answered
}

type row struct {
	proposal council.ProposalID
	state    agenda.RowState
}

type session struct {
	begin  council.Begin
	joined map[council.MemberID]bool
	dead   bool
}

type event struct {
	at  time.Time
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

const chainID = 1

// baseFee is what each of a world's blocks asks for, in wei per gas.
var baseFee = big.NewInt(5e8)

// incidentRecords is a rule for typed data, added to the sample charter.
const incidentRecords = `
  - id: incident-records
    effect: allow
    actions: [typed-data]
    domain: {name: Incident Registry, version: "1", chain: mainnet, contract: protocol}
    primary_type: IncidentRecord
`

func newWorld(t testing.TB, seed uint64, strict ...council.MemberID) *world {
	t.Helper()
	return newWarmWorld(t, seed, 0, strict...)
}

// newWarmWorld is a world whose nodes keep so many slots for each set of signers.
func newWarmWorld(t testing.TB, seed uint64, depth int, strict ...council.MemberID) *world {
	t.Helper()
	return buildWorld(t, seed, depth, nil, agenda.Timing{}, strict...)
}

// buildWorld is a world in which some nodes don't hear some others, and in which
// other waits are usual.
func buildWorld(t testing.TB, seed uint64, depth int, cut map[[2]council.MemberID]bool, timing agenda.Timing, strict ...council.MemberID) *world {
	t.Helper()
	return buildCharterWorld(t, append(worldCharter(t), incidentRecords...), seed, depth, cut, timing, strict...)
}

// worldCharter is the shipped charter without what it says of its own changes, which no
// test here is about. Ids of proposals, and with them who leads and who is asked first,
// are drawn from hashes over its text: so a seed shows today what it showed when it was
// chosen.
func worldCharter(t testing.TB) []byte {
	t.Helper()
	before, rest, found := bytes.Cut(configs.Charter, []byte("# What it takes to put another charter"))
	_, after, ended := bytes.Cut(rest, []byte("chains:\n"))
	if !found || !ended {
		t.Fatal("the shipped charter has no section on its own changes where it had one")
	}
	return slices.Concat(before, []byte("chains:\n"), after)
}

// lastDay is when terms end, of members whose term does not last beyond the test.
var lastDay = map[council.MemberID]uint64{}

// buildCharterWorld is a world under another charter.
func buildCharterWorld(t testing.TB, text []byte, seed uint64, depth int, cut map[[2]council.MemberID]bool, timing agenda.Timing, strict ...council.MemberID) *world {
	t.Helper()
	actions, err := policy.LoadActions("actions.yaml", configs.Actions)
	if err != nil {
		t.Fatal(err)
	}
	charter, err := policy.LoadCharter("charter.yaml", text, actions)
	if err != nil {
		t.Fatal(err)
	}
	c := testcouncil.New(t)
	c.Roster.Charter = charter.Hash()
	for i, m := range c.Roster.Members {
		if end, ok := lastDay[m.ID]; ok {
			c.Roster.Members[i].Term.End = end
		}
	}
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("millicent test council key")))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, rnd: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_800_000_000, 0), council: c, key: key,
		cut: cut, timing: timing, nodes: map[council.MemberID]*member{}, sessions: map[council.SessionID]*session{}, pool: map[uint64]*types.Transaction{}, block: 100,
		depth: depth, armings: map[council.SessionID]*arming{}, bound: map[string]common.Hash{},
		stalled: map[council.ProposalID]bool{},
	}
	h, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	w.genesis = council.Genesis{Roster: h, ShareEpoch: 1, Key: crypto.PubkeyToAddress(key.PublicKey)}
	for _, m := range c.Roster.IDs() {
		sig, err := w.genesis.Sign(m, c.NodeKeys[m])
		if err != nil {
			t.Fatal(err)
		}
		w.genesis.Sigs = append(w.genesis.Sigs, sig)
	}
	for _, m := range c.Roster.IDs() {
		text := "version: 1\nname: own\nrules: []\n"
		if slices.Contains(strict, m) {
			text = "version: 1\nname: own\nrules:\n  - id: nothing\n    effect: deny\n    actions: [pause, unpause]\n    contracts: [protocol]\n"
		}
		own, err := policy.LoadMember("policy.yaml", []byte(text), charter)
		if err != nil {
			t.Fatal(err)
		}
		w.nodes[m] = &member{id: m, policy: policy.New(charter, own), have: map[string]bool{}, ledger: map[uint64]*row{}, words: map[common.Hash]*row{}}
		w.start(m)
	}
	w.after(time.Second, w.tickChain)
	return w
}

func (w *world) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(d), w.seq, do})
}

func (w *world) delay() time.Duration { return time.Duration(1+w.rnd.IntN(80)) * time.Millisecond }

// run plays until done or until d has passed.
func (w *world) run(d time.Duration, done func() bool) bool {
	w.t.Helper()
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		if done() {
			return true
		}
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
	return done()
}

func (w *world) start(m council.MemberID) {
	n := w.nodes[m]
	seed := crypto.Keccak256Hash([]byte(m), []byte(fmt.Sprint(n.life)))
	c := agenda.Config{Self: m, Roster: w.council.Roster, Former: w.former, Since: w.since, Policy: n.policy, Timing: w.timing, Standby: agenda.Standby{Depth: w.depth, TTL: cmp.Or(w.ttl[m], time.Hour), Seed: seed}}
	if w.first != nil {
		c.First = *w.first
	}
	a, err := agenda.New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	var rows []agenda.Ledger
	for nonce, r := range n.ledger {
		rows = append(rows, agenda.Ledger{Chain: chainID, Nonce: nonce, Proposal: r.proposal, State: r.state})
	}
	for _, r := range n.words {
		rows = append(rows, agenda.Ledger{Chain: n.chainOf(r.proposal), Proposal: r.proposal, State: r.state})
	}
	a.Load(agenda.Past{Genesis: &w.genesis, Entries: slices.Values(n.feed), Rows: rows, Now: w.clock(m)})
	n.agenda, n.up, n.slots = a, true, map[council.SessionID]bool{}
	n.life++
	w.step(m, agenda.Head{Chain: chainID, Block: w.block, Nonce: w.nonce, BaseFee: baseFee})
	for _, id := range everyone {
		if o := w.nodes[id]; o != nil && id != m && o.up {
			if !w.cut[[2]council.MemberID{m, id}] {
				w.step(id, agenda.PeerUp{Member: m})
				w.step(id, agenda.PeerRestarted{Member: m})
			}
			if !w.cut[[2]council.MemberID{id, m}] {
				w.step(m, agenda.PeerUp{Member: id})
			}
			w.exchange(id, m)
		}
	}
	w.wake(m)
}

func (w *world) stop(m council.MemberID) {
	w.nodes[m].up = false
	w.nodes[m].life++
	for _, s := range w.sessions {
		if s.joined[m] {
			s.dead = true
		}
	}
	for _, x := range w.armings {
		delete(x.joined, m)
	}
	for _, id := range everyone {
		if w.nodes[id].up {
			w.step(id, agenda.PeerDown{Member: m})
		}
	}
}

// exchange is the comparison of feeds, both ways.
func (w *world) exchange(x, y council.MemberID) {
	for _, pair := range [][2]*member{{w.nodes[x], w.nodes[y]}, {w.nodes[y], w.nodes[x]}} {
		if w.cut[[2]council.MemberID{pair[0].id, pair[1].id}] {
			continue
		}
		for _, e := range slices.Clone(pair[0].feed) {
			w.deliver(pair[1].id, e)
		}
	}
}

func (w *world) deliver(to council.MemberID, e agenda.Recorded) {
	n := w.nodes[to]
	key := fmt.Sprintf("%s %d", e.Author, e.Seq)
	if n.have[key] || !n.up {
		return
	}
	n.have[key] = true
	n.feed = append(n.feed, e)
	w.step(to, e)
}

func (w *world) wake(m council.MemberID) {
	n := w.nodes[m]
	if at := n.agenda.Wake(); !at.IsZero() {
		life := n.life
		n.timer++
		timer := n.timer
		w.after(max(at.Sub(w.clock(m)), time.Millisecond), func() {
			if n.life == life && n.up && n.timer == timer {
				w.step(m, agenda.Tick{})
			}
		})
	}
}

// clock is the time that a node has.
func (w *world) clock(m council.MemberID) time.Time { return w.now.Add(w.skew[m]) }

func (w *world) step(m council.MemberID, ev agenda.Event) {
	n := w.nodes[m]
	queue := []agenda.Event{ev}
	for len(queue) > 0 {
		effects := n.agenda.Step(queue[0], w.clock(m))
		queue = queue[1:]
		var now []agenda.Event
		for _, e := range effects {
			now = append(now, w.execute(n, e)...)
		}
		queue = append(now, queue...)
	}
	w.wake(m)
}

// later answers an effect after a while, if the process still lives.
func (w *world) later(n *member, ev agenda.Event) {
	life := n.life
	w.after(w.delay(), func() {
		if n.life == life {
			w.step(n.id, ev)
		}
	})
}

func (w *world) execute(n *member, e agenda.Effect) []agenda.Event {
	if w.does != nil {
		w.does(n.id, e)
	}
	switch e := e.(type) {
	case agenda.Append:
		return []agenda.Event{w.append(n, e.Word, e.Body)}
	case agenda.Send:
		if w.hears != nil {
			w.hears(n.id, e.Message)
		}
		for _, id := range everyone {
			if w.nodes[id] != nil && id != n.id && !w.cut[[2]council.MemberID{n.id, id}] && (e.To == "" || e.To == id) && w.rnd.Float64() >= w.loss {
				arrive := func() {
					if w.nodes[id].up {
						w.step(id, agenda.Said{From: n.id, Message: e.Message})
					}
				}
				w.after(w.delay(), arrive)
				if w.twice > 0 && w.rnd.Float64() < w.twice {
					w.repeated++
					w.after(w.delay()+time.Duration(w.rnd.IntN(2000))*time.Millisecond, arrive)
				}
			}
		}
	case agenda.Fetch:
		if w.deaf[n.id] {
			return nil
		}
		f := council.Facts{Chain: chainID, Block: w.block, Time: uint64(w.now.Unix()), Answers: map[council.Query]council.Answer{}}
		for _, q := range e.Queries {
			f.Answers[q] = council.Answer{OK: true}
		}
		w.later(n, agenda.Fetched{Proposal: e.Proposal, Facts: f})
	case agenda.Plan:
		if e.Proposal == w.reverts {
			w.later(n, agenda.Planned{Proposal: e.Proposal, Nonce: e.Nonce, Attempt: e.Attempt, Err: errors.New("the call reverts")})
			return nil
		}
		fees := council.Fees{Gas: e.Deed.MaxGas, MaxFeePerGas: big.NewInt(2e9), MaxTipPerGas: big.NewInt(1e9)}
		if w.dear[n.id] {
			fees.MaxFeePerGas = big.NewInt(3e9)
		}
		switch {
		case e.AtCeilings:
			fees = e.Deed.Ceilings()
		case e.Outbid != nil:
			fees.MaxFeePerGas = new(big.Int).Mul(e.Outbid.MaxFeePerGas, big.NewInt(2))
			fees.MaxTipPerGas = new(big.Int).Mul(e.Outbid.MaxTipPerGas, big.NewInt(2))
		}
		w.later(n, agenda.Planned{Proposal: e.Proposal, Nonce: e.Nonce, Attempt: e.Attempt, Fees: fees})
	case agenda.Enlist:
		return w.enlist(n, e)
	case agenda.Arm:
		w.arm(n, e)
	case agenda.Proclaim:
		w.proclaim(n, e)
	case agenda.DropSlot:
		delete(n.slots, e.Slot)
	case agenda.Abort:
		if x := w.armings[e.Session]; x != nil {
			delete(x.joined, n.id)
		}
		if s := w.sessions[e.Session]; s != nil && s.joined[n.id] {
			delete(s.joined, n.id)
			s.dead = true
		}
		if s := w.words[e.Session]; s != nil {
			delete(s.joined, n.id)
		}
	case agenda.Free:
		if w.isMessage(n, e.Proposal) {
			return w.freeMessage(n, e.Proposal)
		}
		r := n.ledger[e.Nonce]
		if r != nil && r.proposal == e.Proposal && r.state == agenda.RowReserved {
			delete(n.ledger, e.Nonce)
		}
		return w.row(n, e.Nonce, e.Proposal)
	case agenda.Note:
		if w.isMessage(n, e.Proposal) {
			if !w.reserveMessage(n, e.Digest, e.Proposal) {
				w.t.Fatalf("%s notes a signature over another proposal's digest", n.id)
			}
			n.words[e.Digest].state = agenda.RowRevealed
			return w.row(n, 0, e.Proposal)
		}
		if r := n.ledger[e.Nonce]; r == nil || r.proposal == e.Proposal || r.state == agenda.RowDisplaced {
			w.reserve(n, e.Nonce, e.Proposal)
			n.ledger[e.Nonce].state = agenda.RowRevealed
		} else if r.state == agenda.RowReserved {
			w.t.Fatalf("%s notes a signature over its own reservation", n.id)
		}
		return w.row(n, e.Nonce, e.Proposal)
	case agenda.Settle:
		if r := n.ledger[e.Nonce]; r != nil && r.proposal == e.Proposal {
			r.state = e.State
		}
		return w.row(n, e.Nonce, e.Proposal)
	case agenda.Find:
		found := agenda.Found{Chain: e.Chain, Nonce: e.Nonce, Err: errors.New("no such transaction")}
		for _, tx := range w.mined {
			if tx.Nonce() == e.Nonce && !w.dumb {
				found.Tx, found.Err = tx, nil
			}
		}
		w.later(n, found)
	case agenda.Broadcast:
		if old, ok := w.pool[e.Tx.Nonce()]; !ok || e.Tx.GasFeeCap().Cmp(old.GasFeeCap()) > 0 {
			w.pool[e.Tx.Nonce()] = e.Tx
		}
		w.later(n, agenda.Seen{Chain: chainID, Tx: e.Tx.Hash(), What: council.WordBroadcast})
	}
	return nil
}

func (w *world) append(n *member, word council.Word, body any) agenda.Recorded {
	raw, err := council.EncodeBody(body)
	if err != nil {
		w.t.Fatal(err)
	}
	back, err := council.DecodeBody(word, raw)
	if err != nil {
		w.t.Fatalf("%s does not survive its encoding: %v", word, err)
	}
	n.seq++
	e := agenda.Recorded{Author: n.id, Seq: n.seq, At: uint64(w.clock(n.id).Unix()), Word: word, Body: back}
	n.have[fmt.Sprintf("%s %d", n.id, n.seq)] = true
	n.feed = append(n.feed, e)
	for _, id := range everyone {
		if w.nodes[id] != nil && id != n.id && !w.cut[[2]council.MemberID{n.id, id}] && w.rnd.Float64() >= w.loss {
			w.after(w.delay(), func() { w.deliver(id, e) })
		}
	}
	return e
}

// reserve holds the ledger's first rule: no nonce serves two proposals, unless one
// replaces the other, and no proposal two nonces.
func (w *world) reserve(n *member, nonce uint64, p council.ProposalID) {
	var old council.ProposalID
	if q, ok := n.agenda.Proposal(p); ok {
		deed, _ := q.Intent.(council.Transaction)
		old = deed.Replaces
	}
	for have, r := range n.ledger {
		switch {
		case have == nonce && r.proposal != p && r.proposal != old && r.state != agenda.RowDisplaced:
			w.t.Fatalf("%s gives nonce %d of %s to %s", n.id, nonce, r.proposal.Short(), p.Short())
		case have != nonce && r.proposal == p:
			w.t.Fatalf("%s gives %s the nonces %d and %d", n.id, p.Short(), have, nonce)
		}
	}
	if n.ledger[nonce] == nil || n.ledger[nonce].proposal != p {
		n.ledger[nonce] = &row{p, agenda.RowReserved}
	}
}

func (w *world) row(n *member, nonce uint64, p council.ProposalID) []agenda.Event {
	if w.isMessage(n, p) {
		return w.messageRow(n, p)
	}
	r := n.ledger[nonce]
	if r == nil || r.proposal != p {
		return []agenda.Event{agenda.Ledger{Chain: chainID, Nonce: nonce, Proposal: p, State: agenda.RowFreed}}
	}
	return []agenda.Event{agenda.Ledger{Chain: chainID, Nonce: nonce, Proposal: p, State: r.state}}
}

func (w *world) enlist(n *member, e agenda.Enlist) []agenda.Event {
	if err := e.Permit.Check(e.Session, e.Slot, e.Begin.Signers, uint64(w.clock(n.id).Unix())); err != nil || e.Permit.Digest() != e.Begin.Digest {
		w.t.Fatalf("%s starts a session without a good permit: %v", n.id, err)
	}
	if w.isMessage(n, e.Begin.Proposal) {
		if !w.reserveMessage(n, e.Begin.Digest, e.Begin.Proposal) {
			return append(w.messageRow(n, e.Begin.Proposal), agenda.Enlisted{Session: e.Session, Err: errors.New("the digest is another's")})
		}
	} else {
		w.reserve(n, e.Begin.Nonce, e.Begin.Proposal)
	}
	w.fire(n, e)
	w.crowd(n)
	s := w.sessions[e.Session]
	if s == nil {
		w.attempts++
		s = &session{begin: e.Begin, joined: map[council.MemberID]bool{}}
		w.sessions[e.Session] = s
	}
	s.joined[n.id] = true
	if len(s.joined) == len(e.Begin.Signers) {
		took := cmp.Or(w.work, 2*time.Second)
		if e.Slot != (council.SessionID{}) {
			took = 10 * time.Millisecond
		}
		w.after(took, func() { w.finish(e.Session, s) })
	}
	if e.Again {
		return append(w.row(n, e.Begin.Nonce, e.Begin.Proposal), agenda.Enlisted{Session: e.Session})
	}
	w.watch(n, s, e.Session)
	begun := w.append(n, council.WordBegun, e.Begin.Begun())
	return append(w.row(n, e.Begin.Nonce, e.Begin.Proposal), begun, agenda.Enlisted{Session: e.Session})
}

// finish ends a session in which all four took part. Any of them may die after
// it has revealed: then those that are left may or may not have the signature.
func (w *world) finish(id council.SessionID, s *session) {
	if s.dead || len(s.joined) < len(s.begin.Signers) || w.stalled[s.begin.Proposal] {
		return
	}
	for _, m := range s.begin.Signers {
		if len(w.unheard(m, s)) > 0 {
			return
		}
	}
	sig, err := crypto.Sign(s.begin.Digest[:], w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	if id == s.begin.Fired() {
		w.quick++
	}
	for _, m := range s.begin.Signers {
		n := w.nodes[m]
		if w.isMessage(n, s.begin.Proposal) {
			n.words[s.begin.Digest].state = agenda.RowRevealed
		} else {
			n.ledger[s.begin.Nonce].state = agenda.RowRevealed
		}
		for _, ev := range w.row(n, s.begin.Nonce, s.begin.Proposal) {
			w.step(m, ev)
		}
		w.later(n, agenda.Signed{Session: id, Signature: sig})
	}
}

// watch reports a session that waits for others for too long: in its first round
// for those that it does not hear, in the second for those that don't hear all.
func (w *world) watch(n *member, s *session, id council.SessionID) {
	life, began := n.life, w.now
	p := n.agenda.Patience(id, s.begin.Signers)
	w.patience = max(w.patience, p.Round)
	for step := range 2 {
		w.after(p.Until(step, began, began).Sub(began), func() {
			var waiting []council.MemberID
			for _, m := range s.begin.Signers {
				if slices.Contains(w.unheard(n.id, s), m) || step == 1 && len(w.unheard(m, s)) > 0 && m != n.id {
					waiting = append(waiting, m)
				}
			}
			if n.life == life && n.up && s.joined[n.id] && len(waiting) > 0 {
				w.step(n.id, agenda.Stalled{Session: id, Waiting: waiting, Round: "sign-1", For: w.now.Sub(began)})
			}
		})
	}
}

// unheard are the signers whose first message does not reach a member.
func (w *world) unheard(m council.MemberID, s *session) []council.MemberID {
	var out []council.MemberID
	for _, o := range s.begin.Signers {
		if o != m && (!s.joined[o] || w.cut[[2]council.MemberID{o, m}]) {
			out = append(out, o)
		}
	}
	return out
}

func (w *world) tickChain() {
	w.block++
	if tx, ok := w.pool[w.nonce]; ok {
		w.mined, w.minedAt = append(w.mined, tx), append(w.minedAt, w.block)
		delete(w.pool, w.nonce)
		w.nonce++
	}
	for _, m := range w.council.Roster.IDs() {
		n := w.nodes[m]
		if !n.up {
			continue
		}
		if d := w.lag[m]; d > 0 {
			head, life := agenda.Head{Chain: chainID, Block: w.block, Nonce: w.nonce, BaseFee: baseFee}, n.life
			w.after(d, func() {
				if n.life == life {
					w.step(m, head)
				}
			})
			continue // it reads of its transactions from the others
		}
		w.step(m, agenda.Head{Chain: chainID, Block: w.block, Nonce: w.nonce, BaseFee: baseFee})
		for i, tx := range w.mined {
			what := council.WordMined
			if w.failing {
				what = council.WordReverted
			}
			if w.block >= w.minedAt[i]+3 {
				what = council.WordFinal
			}
			w.step(m, agenda.Seen{Chain: chainID, Tx: tx.Hash(), What: what, Block: w.block})
		}
	}
	if w.block%7 == 0 {
		ids := w.council.Roster.IDs()
		x, y := ids[w.rnd.IntN(7)], ids[w.rnd.IntN(7)]
		if x != y && w.nodes[x].up && w.nodes[y].up {
			w.exchange(x, y)
		}
	}
	w.after(time.Second, w.tickChain)
}

// propose puts a playbook before the council through one member's node.
func (w *world) propose(m council.MemberID, playbook, target string) council.ProposalID {
	w.t.Helper()
	n := w.nodes[m]
	deed, seconds, err := n.policy.Charter().Playbook(playbook, target, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.put(m, deed, seconds)
}

// put puts any transaction before the council.
func (w *world) put(m council.MemberID, deed council.Transaction, seconds uint64) council.ProposalID {
	w.t.Helper()
	deed.ValidUntil = uint64(w.now.Unix()) + seconds
	w.seq++
	deed.Salt = common.BigToHash(big.NewInt(int64(w.seq)))
	return w.admit(m, deed)
}

// admit puts any intent before the council.
func (w *world) admit(m council.MemberID, in council.Intent) council.ProposalID {
	w.t.Helper()
	n := w.nodes[m]
	body, id, err := n.agenda.Admit(in, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(m, w.append(n, council.WordProposed, body))
	return id
}

// approve has a member approve at its own node.
func (w *world) approve(m council.MemberID, id council.ProposalID) {
	w.t.Helper()
	w.say(m, id, council.Approve)
}

func (w *world) say(m council.MemberID, id council.ProposalID, c council.Choice) {
	w.t.Helper()
	n := w.nodes[m]
	ap := w.ballot(m, m, id, c)
	_, word, err := n.agenda.Vote(ap, w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.step(m, w.append(n, word, council.Voted{Approval: ap}))
}

// ballot is a member's word, asked for at some node, that nobody has heard yet.
func (w *world) ballot(at, m council.MemberID, id council.ProposalID, c council.Choice) council.Approval {
	w.t.Helper()
	n := w.nodes[at]
	p, ok := n.agenda.Proposal(id)
	if !ok {
		w.t.Fatalf("%s does not know %s", m, id.Short())
	}
	ap, doc, err := n.agenda.Ballot(p, m, c, "", w.now)
	if err != nil {
		w.t.Fatal(err)
	}
	ap.Sig = testcouncil.Sign(w.t, doc, w.council.Wallets[m])
	return ap
}

func (w *world) state(m council.MemberID, id council.ProposalID) agenda.State {
	p, ok := w.nodes[m].agenda.Proposal(id)
	if !ok {
		return ""
	}
	return w.nodes[m].agenda.State(p)
}

// minedOnce counts how often a proposal's call has run.
func (w *world) runs(id council.ProposalID) int {
	n := 0
	for _, tx := range w.mined {
		for _, m := range w.nodes {
			if p, ok := m.agenda.Proposal(id); ok && p.Tx != nil && p.Tx.Hash() == tx.Hash() {
				n++
				break
			}
		}
	}
	return n
}
