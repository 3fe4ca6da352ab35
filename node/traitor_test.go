package node_test

import (
	"bytes"
	"cmp"
	"context"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// traitor is a member whose daemon is the test's: it holds that member's node
// key, share and feed, speaks the protocol, and lies where it is told to.
// Without a lie it is a good signer that never coordinates.
type traitor struct {
	t     *testing.T
	h     *house
	self  council.MemberID
	tr    p2p.Transport
	book  *journal.Journal
	share *tss.Share

	shouted atomic.Int64 // frames of a flood
	heard   diary        // all that was sent to it

	mu        sync.Mutex
	news      chan struct{} // closed when anything below has changed
	bend      bending
	lies      int                // told by bend, see lie
	absent    bool               // joins no attempt
	idle      bool               // answers no call to make a slot
	stocks    bool               // keeps the slots that it has a part in, says so, and fires them
	only      []council.MemberID // the one set that it makes slots with; nil for all
	slots     map[council.SessionID]*tss.Armed
	pledges   map[common.Hash]agenda.ArmAnswer                 // by the call
	armed     int                                              // slots that it has made ready with others
	arming    int                                              // slots in which it has had a part
	answers   map[common.Hash]map[council.MemberID]common.Hash // to its calls to make a slot
	led       map[council.SessionID]bool                       // slots that it has begun, and left to the others
	deeds     map[council.ProposalID]council.Transaction
	approvals map[council.ProposalID]map[council.MemberID]council.Approval
	begins    []council.Begin                           // that others have sent
	begun     map[common.Hash]map[council.MemberID]bool // who has joined, by the Begin's hash
	failed    map[council.ProposalID][]council.AttemptFailed
	signed    map[council.ProposalID]bool // others say so
	refusals  []refusal
	said      []said // by others: what comes beside feeds and frames
	frames    []p2p.Frame
	plays     map[council.SessionID]*play
	early     map[council.SessionID][]tss.Message
	passed    map[common.Hash]bool
}

// bending turns a message that an honest party would send to one of the others
// into what is sent instead.
type bending func(p *play, to council.MemberID, m tss.Message) []tss.Message

// play is an engine session of the traitor's.
type play struct {
	begin     council.Begin
	session   *tss.Session
	fires     bool          // a slot
	quiet     bool          // it has kept something back
	lied      bool          // consistently: its own engine knows nothing of it
	said      []tss.Message // as an honest party would
	pending   []tss.Message
	held      []tss.Message // of others, until its own engine has come so far
	signature []byte
}

type refusal struct {
	from council.MemberID
	agenda.Refusal
}

type said struct {
	from    council.MemberID
	message agenda.Message
}

// What nodes tell about their feeds, as it travels.
type (
	wireHeads struct {
		Heads  []journal.Head
		Answer bool
	}
	wireEntries struct {
		Entries []journal.Entry
		More    bool
	}
)

const (
	recordEntry   = 1
	recordBeats   = 3
	recordTold    = 4
	recordMessage = 16
	syncHeads     = 1
	syncEntries   = 2
	syncFrames    = 3
	syncEvidence  = 4
)

// anything is a warrant for whatever the traitor wants to sign.
type anything struct {
	policy.Warrant
	digest common.Hash
}

func (a anything) Digest() common.Hash { return a.digest }

func (anything) Check(_, _ council.SessionID, _ []council.MemberID, _ uint64) error { return nil }

// betray puts a traitor into the house.
func (h *house) betray(m council.MemberID) *traitor {
	h.t.Helper()
	x := &traitor{
		t: h.t, h: h, self: m, news: make(chan struct{}), idle: h.sits,
		deeds: map[council.ProposalID]council.Transaction{}, approvals: map[council.ProposalID]map[council.MemberID]council.Approval{},
		begun: map[common.Hash]map[council.MemberID]bool{}, pledges: map[common.Hash]agenda.ArmAnswer{}, answers: map[common.Hash]map[council.MemberID]common.Hash{}, led: map[council.SessionID]bool{}, failed: map[council.ProposalID][]council.AttemptFailed{}, signed: map[council.ProposalID]bool{},
		slots: map[council.SessionID]*tss.Armed{}, plays: map[council.SessionID]*play{}, early: map[council.SessionID][]tss.Message{}, passed: map[common.Hash]bool{},
	}
	var err error
	if x.share, err = tss.UnmarshalShare(h.shares[m]); err != nil {
		h.t.Fatal(err)
	}
	if x.book, err = journal.Open(h.path("", string(m)+"-traitor.db"), journal.Options{Self: m, Key: h.council.NodeKeys[m], Roster: h.council.Roster}); err != nil {
		h.t.Fatal(err)
	}
	if x.tr, err = h.enter(m); err != nil {
		h.t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		x.live()
	}()
	h.t.Cleanup(func() {
		x.tr.Close()
		<-over
		x.book.Close()
		x.lie(nil)
	})
	return x
}

// live is the traitor's daemon.
func (x *traitor) live() {
	frames, events := x.tr.Frames(), x.tr.Events()
	for frames != nil || events != nil {
		select {
		case f, ok := <-frames:
			if !ok {
				frames = nil
				continue
			}
			x.mu.Lock()
			x.hear(f)
			x.ring()
			x.mu.Unlock()
		case ev, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if up, ok := ev.(p2p.PeerUp); ok {
				x.heads(up.Member, false)
			}
			x.mu.Lock()
			x.ring()
			x.mu.Unlock()
		}
	}
}

// ring tells those who wait that there is news. The caller holds mu.
func (x *traitor) ring() {
	close(x.news)
	x.news = make(chan struct{})
}

// await waits until done, which may read all that the traitor knows.
func (x *traitor) await(what string, d time.Duration, done func() bool) {
	x.t.Helper()
	late := time.NewTimer(d)
	defer late.Stop()
	for {
		x.mu.Lock()
		ok, news := done(), x.news
		x.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-news:
		case <-late.C:
			for m := range x.h.rooms {
				x.h.dump(m)
				break
			}
			x.mu.Lock()
			for _, r := range x.refusals {
				x.t.Logf("%s refuses by rule %s: %s", r.from, r.Rule, r.Reason)
			}
			x.mu.Unlock()
			x.t.Fatalf("the traitor waited %s for %s", d, what)
		}
	}
}

// knows asks something of all that the traitor knows.
func (x *traitor) knows(what func() bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return what()
}

func (x *traitor) hear(f p2p.Frame) {
	x.heard.Write(f.Payload)
	switch {
	case f.Channel == p2p.Session:
		x.frames = append(x.frames, f)
		x.restamp(f)
		x.step(tss.Message{Session: f.Session, From: f.From, To: f.To, Round: tss.Round(f.Type), Transcript: f.Transcript, Payload: f.Payload})
	case f.Channel == p2p.Record && f.Type == recordEntry:
		var e journal.Entry
		if rlp.DecodeBytes(f.Payload, &e) == nil {
			x.entry(e)
		}
	case f.Channel == p2p.Record && f.Type > recordMessage:
		if m, err := agenda.DecodeMessage(f.Type-recordMessage, f.Payload); err == nil {
			x.message(f.From, m)
		}
	case f.Channel == p2p.Sync && f.Type == syncEntries:
		var all wireEntries
		if rlp.DecodeBytes(f.Payload, &all) == nil {
			for _, e := range all.Entries {
				x.entry(e)
			}
		}
	case f.Channel == p2p.Sync && f.Type == syncHeads:
		var h wireHeads
		if rlp.DecodeBytes(f.Payload, &h) != nil {
			return
		}
		var known uint64
		for _, head := range h.Heads {
			if head.Author == x.self {
				known = head.Seq
			}
		}
		if es, err := x.book.After(x.self, known, 200); err == nil && len(es) > 0 {
			x.sync(f.From, syncEntries, wireEntries{Entries: es})
		}
		if !h.Answer {
			x.heads(f.From, true)
		}
	}
}

func (x *traitor) heads(to council.MemberID, answer bool) {
	if h, err := x.book.Heads(); err == nil {
		x.sync(to, syncHeads, wireHeads{Heads: h, Answer: answer})
	}
}

func (x *traitor) sync(to council.MemberID, kind uint8, v any) {
	if b, err := rlp.EncodeToBytes(v); err == nil {
		x.tr.Send(context.Background(), to, p2p.Frame{To: to, Channel: p2p.Sync, Type: kind, Payload: b})
	}
}

// entry takes up what a member says in its feed.
func (x *traitor) entry(e journal.Entry) {
	if added, err := x.book.Merge(e); err != nil || !added {
		return
	}
	body, err := council.DecodeBody(e.Word, e.Body)
	if err != nil {
		return
	}
	switch b := body.(type) {
	case council.Proposed:
		in, err := council.DecodeIntent(b.Intent)
		if err != nil {
			return
		}
		id, err := council.Propose(b.Council, in)
		deed, ok := in.(council.Transaction)
		if err != nil || !ok {
			return
		}
		x.deeds[id] = deed
		x.write(council.WordJudged, council.Judged{Proposal: id, Allow: true, Rule: "all", Reason: "why not"})
	case council.Voted:
		x.voted(b.Approval)
	case council.Begun:
		if x.begun[b.Begin] == nil {
			x.begun[b.Begin] = map[council.MemberID]bool{}
		}
		x.begun[b.Begin][e.Author] = true
	case council.AttemptFailed:
		x.failed[b.Proposal] = append(x.failed[b.Proposal], b)
	case council.Signed:
		x.signed[b.Proposal] = true
	}
}

func (x *traitor) voted(a council.Approval) {
	of := x.approvals[a.Proposal]
	if of == nil {
		of = map[council.MemberID]council.Approval{}
		x.approvals[a.Proposal] = of
	}
	who, err := council.Digest(a.Document(x.h.genesis.ID(), x.deeds[a.Proposal]))
	if err != nil {
		return
	}
	addr, err := council.Recover(who, a.Sig)
	if err != nil {
		return
	}
	if m, ok := x.h.council.Roster.ByApprover(addr); ok {
		of[m.ID] = a
	}
}

// write puts an entry into the traitor's feed and sends it to all.
func (x *traitor) write(w council.Word, body any) journal.Entry {
	b, err := council.EncodeBody(body)
	if err != nil {
		x.t.Error(err)
	}
	e, err := x.book.Append(w, b, uint64(x.h.now().Unix()))
	if err != nil {
		x.t.Error(err)
	}
	x.publish(e)
	return e
}

// publish sends an entry, of whomever, to all.
func (x *traitor) publish(e journal.Entry) {
	if b, err := rlp.EncodeToBytes(e); err == nil {
		for _, m := range x.tr.Online() {
			x.tr.Send(context.Background(), m, p2p.Frame{Channel: p2p.Record, Type: recordEntry, Payload: b})
		}
	}
}

// tell sends a message of the agenda.
func (x *traitor) tell(to council.MemberID, m agenda.Message) error {
	tag, b, err := agenda.EncodeMessage(m)
	if err != nil {
		return err
	}
	return x.tr.Send(context.Background(), to, p2p.Frame{Channel: p2p.Record, Type: recordMessage + tag, Payload: b})
}

func (x *traitor) message(from council.MemberID, m agenda.Message) {
	switch m := m.(type) {
	case agenda.BeginMessage:
		x.begins = append(x.begins, m.Begin)
		if !x.absent {
			x.join(m.Begin)
		}
	case agenda.Refusal:
		x.refusals = append(x.refusals, refusal{from, m})
	case agenda.Cold:
		x.missed(m)
	default:
		x.said = append(x.said, said{from, m})
		x.rehearse(from, m)
	}
}

// join takes part in an attempt, as an honest signer would, but for what bend makes of its
// messages. Unless it stocks slots it lacks the one that is named.
func (x *traitor) join(b council.Begin) {
	if x.plays[b.Session()] != nil || x.plays[b.Fired()] != nil {
		return
	}
	x.write(council.WordBegun, b.Begun())
	if x.fire(b) {
		return
	}
	if b.Slot != (council.SessionID{}) {
		for _, m := range b.Signers {
			if m != x.self {
				x.tell(m, agenda.Cold{Chain: b.Chain, Begin: b.Hash()})
			}
		}
	}
	x.cold(b)
}

// cold takes part in an attempt from the start.
func (x *traitor) cold(b council.Begin) {
	s, err := tss.NewSign(tss.SignConfig{Session: b.Session(), Self: x.self, Signers: b.Signers, Share: x.share, Warrant: anything{digest: b.Digest}, Now: uint64(x.h.now().Unix())})
	if err != nil {
		x.t.Error(err)
		return
	}
	x.perform(&play{begin: b, session: s})
}

// perform starts a session, and gives it what has come before.
func (x *traitor) perform(p *play) {
	id := p.session.ID()
	x.plays[id] = p
	ready, err := p.session.Start()
	x.handle(p, ready, err)
	for _, m := range x.early[id] {
		x.step(m)
	}
	delete(x.early, id)
}

func (x *traitor) step(m tss.Message) {
	p, ok := x.plays[m.Session]
	if !ok {
		x.early[m.Session] = append(x.early[m.Session], m)
		return
	}
	if !p.lied {
		ready, err := p.session.Step(m)
		x.handle(p, ready, err)
		return
	}
	// What others have heard of it is not what its own engine has said: that is given what
	// it wants to see.
	p.held = append(p.held, m)
	for i := 0; i < len(p.held); i++ {
		m := p.held[i]
		stamp := p.session.TranscriptBefore(m.Round)
		if stamp == (common.Hash{}) && m.Transcript != stamp {
			continue // it has not come so far
		}
		m.Transcript = stamp
		p.held = slices.Delete(p.held, i, i+1)
		ready, err := p.session.Step(m)
		x.handle(p, ready, err)
		i = -1
	}
}

func (x *traitor) handle(p *play, ready tss.Ready, err error) {
	if err != nil {
		p.quiet = true // whoever lies must expect it
		return
	}
	x.give(p, ready.Messages)
	if ready.Signature != nil {
		p.signature = ready.Signature.Bytes()
	}
	if ready.Armed != nil {
		x.armed++
		x.keep(ready.Armed)
	}
}

// give sends messages, bent.
func (x *traitor) give(p *play, all []tss.Message) {
	for _, m := range all {
		if !slices.ContainsFunc(p.said, func(s tss.Message) bool { return s.Round == m.Round && s.To == m.To }) { // it may have waited
			p.said = append(p.said, m)
		}
		if p.lied {
			// What it says it has heard must agree with what it has said.
			i := slices.IndexFunc(x.frames, func(f p2p.Frame) bool { return f.Session == m.Session && f.Type == uint8(m.Round) })
			if i < 0 {
				p.pending = append(p.pending, m)
				continue
			}
			m.Transcript = x.frames[i].Transcript
		}
		for _, to := range p.begin.Signers {
			if to == x.self || m.To != "" && m.To != to {
				continue
			}
			out := []tss.Message{m}
			if x.bend != nil {
				if out = x.bend(p, to, m); len(out) == 0 {
					p.quiet = true
				}
				if warped(m, out) {
					x.lies++
				}
			}
			for _, o := range out {
				x.tr.Send(context.Background(), to, frame(o))
			}
		}
	}
}

// restamp sends what has waited for another's word of the same round.
func (x *traitor) restamp(f p2p.Frame) {
	if p, ok := x.plays[f.Session]; ok && len(p.pending) > 0 {
		all := p.pending
		p.pending = nil
		x.give(p, all)
	}
}

// warped reports whether it is not what an honest party would send.
func warped(m tss.Message, out []tss.Message) bool {
	return len(out) != 1 || out[0].Session != m.Session || out[0].Round != m.Round || !bytes.Equal(out[0].Payload, m.Payload)
}

// equivocated tells the first of the others something else in a round than the
// rest.
func equivocated(r tss.Round) bending {
	return func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		i := slices.IndexFunc(p.begin.Signers, func(s council.MemberID) bool { return s != p.session.Self() })
		return flipped(r, func(who council.MemberID) bool { return who == p.begin.Signers[i] })(p, to, m)
	}
}

// consistent lets a lie to everyone agree with what is said later.
func consistent(b bending) bending {
	return func(p *play, to council.MemberID, m tss.Message) []tss.Message {
		out := b(p, to, m)
		p.lied = p.lied || len(out) == 1 && !bytes.Equal(out[0].Payload, m.Payload)
		return out
	}
}

func frame(m tss.Message) p2p.Frame {
	return p2p.Frame{To: m.To, Channel: p2p.Session, Session: m.Session, Type: uint8(m.Round), Transcript: m.Transcript, Payload: m.Payload}
}

// lie has the traitor bend what it sends from now on. A lie that it has never told when
// there is another one, or when the test ends, has shown nothing.
func (x *traitor) lie(b bending) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.bend != nil && x.lies == 0 && !x.t.Failed() {
		x.t.Error("the traitor had no occasion to lie")
	}
	x.bend, x.lies = b, 0
}

// silentFrom keeps back everything from a round on.
func silentFrom(r tss.Round) bending {
	return func(_ *play, _ council.MemberID, m tss.Message) []tss.Message {
		if m.Round >= r {
			return nil
		}
		return []tss.Message{m}
	}
}

// flipped changes the last byte of what is sent to some in a round.
func flipped(r tss.Round, to func(council.MemberID) bool) bending {
	return func(_ *play, who council.MemberID, m tss.Message) []tss.Message {
		if m.Round == r && to(who) {
			m.Payload = slices.Clone(m.Payload)
			m.Payload[len(m.Payload)-1] ^= 1
		}
		return []tss.Message{m}
	}
}

func everyone(council.MemberID) bool { return true }

// outlast lets the council wait for the traitor as often as it has to, until a
// signature is there: whenever all others have joined an attempt that waits for
// the traitor, the attempt's time is let pass.
func (x *traitor) outlast(id council.ProposalID) {
	x.t.Helper()
	for {
		var waits common.Hash
		var begin council.Begin
		x.await("a signature or a wait for the traitor", 3*minute, func() bool {
			waits = common.Hash{}
			for _, p := range x.plays {
				if h := p.begin.Hash(); p.quiet && !x.passed[h] && p.begin.Proposal == id && len(x.begun[h]) >= len(p.begin.Signers)-1 {
					waits, begin = h, p.begin
				}
			}
			return waits != (common.Hash{}) || x.signed[id]
		})
		if waits == (common.Hash{}) {
			return
		}
		x.mu.Lock()
		x.passed[waits] = true
		x.mu.Unlock()
		x.h.passDeadline(begin)
	}
}

// refused waits for a member's refusal of a Begin.
func (x *traitor) refused(by council.MemberID, b council.Begin) (r refusal) {
	x.t.Helper()
	h := b.Hash()
	x.await("a refusal by "+string(by), minute, func() bool {
		i := slices.IndexFunc(x.refusals, func(r refusal) bool { return r.from == by && r.Begin == h })
		if i >= 0 {
			r = x.refusals[i]
		}
		return i >= 0
	})
	return r
}

// beginOf is what an honest coordinator would send, changed.
func (x *traitor) beginOf(id council.ProposalID, nonce, attempt uint64, signers []council.MemberID, change func(*council.Begin)) council.Begin {
	x.t.Helper()
	x.await("the proposal", minute, func() bool { _, ok := x.deeds[id]; return ok })
	roster, err := x.h.council.Roster.Hash()
	if err != nil {
		x.t.Fatal(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	deed := x.deeds[id]
	b := council.Begin{
		Council: x.h.genesis.ID(), Epoch: x.h.genesis.ShareEpoch, Roster: roster, Proposal: id, Chain: deed.Chain, Nonce: nonce, Attempt: attempt,
		Fees:        council.Fees{Gas: deed.MaxGas, MaxFeePerGas: gwei(100), MaxTipPerGas: gwei(2)},
		Coordinator: x.self, Signers: council.Sorted(signers),
	}
	for _, m := range x.h.council.Roster.IDs() {
		if a, ok := x.approvals[id][m]; ok {
			b.Approvals = append(b.Approvals, a)
		}
	}
	if change != nil {
		change(&b)
	}
	if b.Digest == (common.Hash{}) {
		b.Digest = b.Envelope(deed).Digest()
	}
	return b
}

// patience is how long an attempt may take in a house with a traitor: long, as
// the test alone decides when time has passed.
const patience = 10 * time.Minute

// passDeadline lets the time of an attempt pass: it doubles with every second one
// that has failed.
func (h *house) passDeadline(b council.Begin) {
	h.pass(patience<<min((b.Attempt-1)/2, agenda.MaxPaceDoublings) + time.Second)
}

// enduring lets an attempt last as long as the test wants, but for silence.
func (h *house) enduring(c *node.Config) {
	c.Timing.Deadline, c.Timing.Silence = patience, cmp.Or(h.silence, 2*time.Second)
	if h.last != nil {
		h.last.across(c)
	}
	h.convenes(c)
	if h.slots { // which two coordinators at once would spend on nothing
		warm(c)
		c.Standby.TTL = 24 * time.Hour // time passes fast here
		c.Timing.Grace = 30 * time.Second
	}
}

// unbroken bears any silence, and can keep back the honest members' last round.
func unbroken(h *house) {
	h.silence = patience
	h.last = newDam(func(f p2p.Frame) bool { return f.Channel == p2p.Session && f.Type == uint8(tss.SignRound9) })
	h.t.Cleanup(h.last.open)
}

// rank orders members for an attempt as the council does.
func (h *house) rank(nonce, attempt uint64, of []council.MemberID) []council.MemberID {
	id := h.genesis.ID()
	key := func(m council.MemberID) string {
		buf := []byte("millicent/rank/1\x00")
		buf = append(buf, id[:]...)
		for _, n := range []uint64{h.chain.ID(), nonce, attempt} {
			buf = append(buf, new(big.Int).SetUint64(n).FillBytes(make([]byte, 8))...)
		}
		return string(crypto.Keccak256(append(buf, m...)))
	}
	out := slices.Clone(of)
	slices.SortFunc(out, func(a, b council.MemberID) int {
		switch {
		case key(a) < key(b):
			return -1
		case key(a) > key(b):
			return 1
		}
		return 0
	})
	return out
}

// sent lists the transactions that the council's key has on the chain.
func (h *house) sent() []*types.Transaction {
	h.t.Helper()
	var out []*types.Transaction
	signer := types.LatestSignerForChainID(new(big.Int).SetUint64(h.chain.ID()))
	for n := uint64(0); n <= h.chain.Head().Number.Uint64(); n++ {
		b, err := h.eth.BlockByNumber(h.t.Context(), new(big.Int).SetUint64(n))
		if err != nil {
			h.t.Fatal(err)
		}
		for _, tx := range b.Transactions() {
			if from, err := types.Sender(signer, tx); err == nil && from == h.genesis.Key {
				out = append(out, tx)
			}
		}
	}
	return out
}

// mined waits until all honest nodes see the proposal in a block.
func (h *house) mined(id council.ProposalID) {
	h.t.Helper()
	for m := range h.rooms {
		h.await(m, "a block", 3*minute, inState(h.t, id, api.Mined, api.Final))
	}
}

// sign signs with the wallet of a member, or of whoever has that name.
func sign(t *testing.T, d council.Document, who council.MemberID) []byte {
	return testcouncil.Sign(t, d, testcouncil.Wallet(t, who))
}

func keccak(b ...[]byte) []byte { return crypto.Keccak256(b...) }
