package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// liar is the transport of a node that cheats: what it sends is signed as any
// frame is, after it was changed.
type liar struct {
	p2p.Transport
	change func(to council.MemberID, f *p2p.Frame)
}

func (l liar) Send(ctx context.Context, to council.MemberID, f p2p.Frame) error {
	f.Payload = bytes.Clone(f.Payload)
	l.change(to, &f)
	return l.Transport.Send(ctx, to, f)
}

func lying(change func(to council.MemberID, f *p2p.Frame)) func(*node.Config) {
	return func(c *node.Config) { c.Transport = liar{c.Transport, change} }
}

// has waits until a node holds proof of a kind against a member. What only tells of a lie it
// may have before.
func (h *house) has(at, culprit council.MemberID, kind string) api.Evidence {
	h.t.Helper()
	var found api.Evidence
	h.await(at, kind+" of "+string(culprit), minute, func(r *room) bool {
		all, err := r.Evidence(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(e api.Evidence) bool { return e.Culprit == culprit && e.Kind == kind && e.Proven })
		if i >= 0 {
			found = all[i]
		}
		return i >= 0
	})
	full, err := h.rooms[at].EvidenceRecord(h.t.Context(), found.Short)
	if err != nil {
		h.t.Fatal(err)
	}
	return full
}

// convicts checks a record as someone would who has nothing but the roster.
func (h *house) convicts(e api.Evidence, culprit council.MemberID) {
	h.t.Helper()
	h.convictsBy(h.council.Roster, e, culprit)
}

func (h *house) convictsBy(roster council.Roster, e api.Evidence, culprit council.MemberID) {
	h.t.Helper()
	r, err := evidence.Decode(e.Record)
	if err != nil {
		h.t.Fatal(err)
	}
	f, err := r.Verify(roster)
	if err != nil || !f.Proven || r.Culprit != culprit || !e.Proven || e.What != f.What {
		h.t.Errorf("record %s: %+v, %v; listed as %q", r.Short(), f, err, e.What)
	}
}

// failures are the suspicions that a node has written down.
func (h *house) failures(at council.MemberID) (out []council.AttemptFailed) {
	h.t.Helper()
	err := h.rooms[at].book.All(func(e journal.Entry) error {
		if e.Author != at || e.Word != council.WordAttemptFailed {
			return nil
		}
		b, err := council.DecodeBody(e.Word, e.Body)
		if err == nil {
			out = append(out, b.(council.AttemptFailed))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// shows reports whether a frame shows what a member has heard, or what follows from it.
func shows(f p2p.Frame) bool {
	return f.Channel == p2p.Sync && (f.Type == syncFrames || f.Type == syncEvidence)
}

// convenes has the house's clocks stand from the moment on in which a member next shows what
// it has heard, once it is to convene: so no court gives up before all have seen it.
func (h *house) convenes(c *node.Config) {
	lying(func(_ council.MemberID, f *p2p.Frame) {
		if f.Channel == p2p.Sync && f.Type == syncFrames && h.convene.CompareAndSwap(true, false) {
			h.halt()
		}
	})(c)
}

// named checks that honest signers wrote down the culprit as proven, and nobody
// else. A signer that reads it in another's feed first need not repeat it.
func (h *house) named(culprit council.MemberID) {
	h.t.Helper()
	proven := 0
	for _, m := range []council.MemberID{"core-1", "core-3", "core-4"} {
		for _, f := range h.failures(m) {
			switch {
			case f.Proven && slices.Equal(f.Suspects, []council.MemberID{culprit}):
				proven++
			case len(f.Suspects) > 0:
				h.t.Errorf("%s wrote %+v", m, f)
			}
		}
	}
	if proven == 0 {
		h.t.Errorf("nobody wrote that %s is proven false", culprit)
	}
}

// suspected are those whom the first attempt at a proposal has made suspect. Two
// coordinators may have begun it at the same moment: then it is there twice.
func suspected(p api.Proposal) (out []council.MemberID) {
	for _, at := range p.Attempts {
		if at.Number == p.Attempts[0].Number {
			out = append(out, at.Suspects...)
		}
	}
	return slices.Compact(council.Sorted(out))
}

// alone has the first in rank coordinate each attempt, however long it takes to begin.
func alone(c *node.Config) { c.Timing.Grace = 30 * time.Second }

var approvers = []council.MemberID{"core-1", "core-2", "core-3", "core-4"}

// A member commits to one thing towards one signer and to another towards the
// rest. They find out together, all keep the proof, and sign without it.
func TestEquivocationConvicts(t *testing.T) {
	h := newHouse(t, true)
	h.silence = patience // however slow the machine is, it is no silence that ends an attempt
	h.convene.Store(true)
	for _, m := range h.council.Roster.IDs() {
		if m == "core-2" {
			h.start(m, h.enduring, alone, h.convenes, lying(func(to council.MemberID, f *p2p.Frame) {
				if f.Channel == p2p.Session && tss.Round(f.Type) == tss.SignRound5 && to == "core-3" {
					f.Payload[len(f.Payload)-1] ^= 1
				}
			}))
			continue
		}
		h.start(m, h.enduring, alone, h.convenes)
	}
	id := h.propose("core-1", "pause")
	h.judged(id, h.council.Roster.IDs()...)
	for _, m := range approvers {
		h.approve(m, m, id)
	}
	for _, m := range h.council.Roster.IDs() {
		e := h.has(m, "core-2", "equivocation")
		h.convicts(e, "core-2")
		if e.Message != "sign-5" {
			t.Errorf("%s: convicted by %s", m, e.Message)
		}
	}
	h.goOn()
	h.await("core-1", "a transaction", minute, inState(t, id, api.Mined, api.Final))
	p := h.rooms["core-1"].proposal(t, id)
	if tries(p) != 2 || !slices.Equal(suspected(p), []council.MemberID{"core-2"}) {
		t.Errorf("attempts: %+v", p.Attempts)
	}
	if last := p.Attempts[len(p.Attempts)-1]; slices.ContainsFunc(last.Signers, func(s api.Signer) bool { return s.Member == "core-2" }) {
		t.Errorf("signed with the culprit: %+v", last.Signers)
	}
	h.named("core-2")
	before := h.has("core-1", "core-2", "equivocation")
	h.stop("core-1")
	h.start("core-1")
	if after := h.has("core-1", "core-2", "equivocation"); after.ID != before.ID || !bytes.Equal(after.Record, before.Record) {
		t.Error("another record after a restart")
	}
}

// So it is in all rounds of a signature after which there is another one. Nothing is wrong
// with either of the two messages.
func TestEquivocationInEveryRound(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("makes twelve signatures")
	}
	for _, rounds := range [][]tss.Round{{tss.SignRound1, tss.SignRound3, tss.SignRound8}, {tss.SignRound4, tss.SignRound6, tss.SignRound7}} {
		equivocate(t, rounds...)
	}
}

// equivocate lets three members of a council say two things, each in another round of
// another signature.
func equivocate(t *testing.T, rounds ...tss.Round) {
	h := newHouse(t, true)
	h.silence = patience // however slow the machine is, it is no silence that ends an attempt
	ids := h.council.Roster.IDs()
	liars, honest := ids[:3], ids[3:]
	var turn atomic.Int32
	for i, m := range liars {
		h.start(m, h.enduring, alone, h.convenes, lying(func(to council.MemberID, f *p2p.Frame) {
			if int(turn.Load()) == i && f.Channel == p2p.Session && tss.Round(f.Type) == rounds[i] && to == honest[0] {
				f.Payload = reworded(f.Payload)
			}
		}))
	}
	for _, m := range honest {
		h.start(m, h.enduring, alone, h.convenes)
	}
	for i, r := range rounds {
		turn.Store(int32(i))
		liar, id := liars[i], h.propose(honest[3], []string{"pause", "unpause"}[i%2])
		h.judged(id, ids...)
		h.convene.Store(true) // until all have the proof
		for _, m := range append([]council.MemberID{liar}, honest[:3]...) {
			h.approve(honest[3], m, id)
		}
		for _, m := range honest {
			e := h.has(m, liar, "equivocation")
			if h.convicts(e, liar); e.Message != r.String() {
				t.Errorf("%s: convicted by %s in %s", m, e.Message, r)
			}
		}
		h.goOn()
		h.mined(id)
		p := h.rooms[honest[0]].proposal(t, id)
		if !slices.Contains(suspected(p), liar) || p.Nonce == nil || *p.Nonce != uint64(i) {
			t.Errorf("%s: nonce %v, attempts %+v", r, p.Nonce, p.Attempts)
		}
		for _, at := range p.Attempts {
			if at.State == "signed" && slices.ContainsFunc(at.Signers, func(s api.Signer) bool { return s.Member == liar }) {
				t.Errorf("%s: signed with the culprit: %+v", r, at.Signers)
			}
		}
	}
}

// The culprit gives the attempt up first, and blames another. It is named
// nevertheless.
func TestCulpritWhoBlamesOthersIsNamed(t *testing.T) {
	h := newHouse(t, true)
	h.silence = patience // it is no silence that ends the attempt
	// What members show each other, and what follows from it, is on its way until
	// all have heard the culprit's tale. Each court waits for that.
	shown := newDam(shows)
	h.convene.Store(true)
	shown.shut()
	t.Cleanup(shown.open)
	cheat := func(to council.MemberID, f *p2p.Frame) {
		if f.Channel == p2p.Session && tss.Round(f.Type) == tss.SignRound5 && to == "core-3" {
			f.Payload[len(f.Payload)-1] ^= 1
		}
	}
	for _, m := range h.council.Roster.IDs() {
		if m == "core-2" {
			h.start(m, h.enduring, lying(cheat), shown.across, h.convenes)
			continue
		}
		h.start(m, h.enduring, shown.across, h.convenes)
	}
	id := h.propose("core-1", "pause")
	h.judged(id, h.council.Roster.IDs()...)
	for _, m := range approvers {
		h.approve(m, m, id)
	}
	select {
	case <-shown.kept:
	case <-time.After(minute):
		t.Fatal("nobody shows what it heard")
	}
	h.slander("core-2", "core-4")
	for _, m := range []council.MemberID{"core-1", "core-3", "core-4"} {
		h.await(m, "the tale", minute, func(r *room) bool {
			return slices.Contains(suspected(r.proposal(t, id)), "core-4")
		})
	}
	shown.open()
	h.await("core-1", "both suspected", minute, func(r *room) bool {
		return slices.Equal(suspected(r.proposal(t, id)), []council.MemberID{"core-2", "core-4"})
	})
	for _, m := range h.council.Roster.IDs() {
		h.has(m, "core-2", "equivocation")
	}
	h.goOn()
	h.named("core-2")
	h.await("core-1", "a transaction", minute, inState(t, id, api.Mined, api.Final))
}

// slander has a member's node say that it has given its attempt up because of
// another.
func (h *house) slander(liar, victim council.MemberID) {
	var begun council.Begun
	book := h.rooms[liar].book
	err := book.All(func(e journal.Entry) error {
		if e.Author != liar || e.Word != council.WordBegun {
			return nil
		}
		b, err := council.DecodeBody(e.Word, e.Body)
		if err == nil {
			begun = b.(council.Begun)
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
	body, err := council.EncodeBody(council.AttemptFailed{Proposal: begun.Proposal, Chain: begun.Chain, Nonce: begun.Nonce, Attempt: begun.Attempt,
		Suspects: []council.MemberID{victim}, Reason: "it was not me"})
	if err != nil {
		h.t.Error(err)
	}
	e, err := book.Append(council.WordAttemptFailed, body, uint64(h.now().Unix()))
	if err != nil {
		h.t.Error(err)
	}
	payload, err := rlp.EncodeToBytes(e)
	if err != nil {
		h.t.Error(err)
	}
	for _, m := range h.rooms[liar].tr.Online() {
		if err := h.rooms[liar].tr.Send(context.Background(), m, p2p.Frame{Channel: p2p.Record, Type: 1, Payload: payload}); err != nil {
			h.t.Error(err)
		}
	}
}

// A message that no honest node sends is shown to all; one that carries a
// secret, or needs the receiver's numbers, is only told of.
func TestInvalidMessageConvicts(t *testing.T) {
	h := newHouse(t, true)
	h.silence = patience // it is no silence that ends the attempt
	for _, m := range h.council.Roster.IDs() {
		if m == "core-2" {
			h.start(m, h.enduring, lying(func(to council.MemberID, f *p2p.Frame) {
				if f.Channel == p2p.Session && tss.Round(f.Type) == tss.SignRound4 {
					f.Payload[5] ^= 1 // of the opening: it opens nothing now
				}
			}))
			continue
		}
		h.start(m, h.enduring)
	}
	id := h.propose("core-1", "pause")
	h.judged(id, h.council.Roster.IDs()...)
	for _, m := range approvers {
		h.approve(m, m, id)
	}
	for _, m := range h.council.Roster.IDs() {
		e := h.has(m, "core-2", "invalid-message")
		h.convicts(e, "core-2")
		if !strings.Contains(e.What, "sign-4 message") || !strings.Contains(e.What, "beside its own sign-1") {
			t.Errorf("%s: %s", m, e.What)
		}
	}
	h.await("core-1", "a transaction", minute, inState(t, id, api.Mined, api.Final))
	h.named("core-2")
}

// puppet joins the network as a member whose node is the test.
func (h *house) puppet(m council.MemberID) *p2p.Node {
	h.t.Helper()
	n, err := h.net.Join(m, h.council.NodeKeys[m])
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { n.Close() })
	return n
}

func (h *house) tell(n p2p.Transport, to council.MemberID, f p2p.Frame) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), minute)
	defer cancel()
	for {
		err := n.Send(ctx, to, f)
		if err == nil {
			return
		}
		select { // not up yet
		case <-n.Events():
		case <-ctx.Done():
			h.t.Fatal(err)
		}
	}
}

func (h *house) begin(coordinator council.MemberID, change func(*council.Begin)) (council.Begin, p2p.Frame) {
	h.t.Helper()
	b := council.Begin{Council: h.genesis.ID(), Epoch: 1, Proposal: council.ProposalID{1}, Chain: h.chain.ID(), Nonce: 3, Attempt: 1,
		Fees: council.Fees{MaxFeePerGas: gwei(1), MaxTipPerGas: gwei(1)}, Coordinator: coordinator, Signers: approvers}
	change(&b)
	tag, payload, err := agenda.EncodeMessage(agenda.BeginMessage{Begin: b})
	if err != nil {
		h.t.Fatal(err)
	}
	if 16+tag != evidence.BeginType {
		h.t.Fatalf("a Begin has type %d on the wire", 16+tag)
	}
	return b, p2p.Frame{Channel: p2p.Record, Type: evidence.BeginType, Payload: payload}
}

// A coordinator sends one node two Begins for one attempt.
func TestTwoBeginsToOneNode(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-3")
	liar := h.puppet("core-2")
	_, one := h.begin("core-2", func(*council.Begin) {})
	_, two := h.begin("core-2", func(b *council.Begin) { b.Digest[0]++ })
	_, next := h.begin("core-2", func(b *council.Begin) { b.Attempt++ })
	for _, f := range []p2p.Frame{one, next, one, two} {
		h.tell(liar, "core-1", f)
	}
	h.convicts(h.has("core-1", "core-2", "two-begins"), "core-2")
	h.convicts(h.has("core-3", "core-2", "two-begins"), "core-2") // passed on
}

// A coordinator sends two nodes different Begins. Each reads in the other's feed
// that it has joined something else, and shows it what came here.
func TestTwoBeginsToTwoNodes(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	liar, other := h.puppet("core-2"), h.puppet("core-4")
	_, one := h.begin("core-2", func(*council.Begin) {})
	joined, two := h.begin("core-2", func(b *council.Begin) { b.Digest[0]++ })
	h.tell(liar, "core-1", one)
	// Frames of one channel keep their order: when this has arrived, so has that.
	for _, f := range h.fork("core-3") {
		h.tell(liar, "core-1", f)
	}
	h.has("core-1", "core-3", "forked-feed")

	body, err := council.EncodeBody(joined.Begun())
	if err != nil {
		t.Fatal(err)
	}
	h.tell(other, "core-1", h.entry("core-4", council.WordBegun, body))
	shown := h.hear(other, "core-1", syncFrames)
	if !bytes.Contains(shown.Payload, one.Payload) {
		t.Fatal("core-1 shows something else")
	}
	// And core-4 shows what came to it, as it came.
	hash, err := h.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	two.From = "core-2"
	if two, err = p2p.SignFrame(h.council.NodeKeys["core-2"], hash, two); err != nil {
		t.Fatal(err)
	}
	payload, err := rlp.EncodeToBytes(node.ShownFrames{Frames: []p2p.Frame{two}})
	if err != nil {
		t.Fatal(err)
	}
	h.tell(other, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: syncFrames, Payload: payload})
	h.convicts(h.has("core-1", "core-2", "two-begins"), "core-2")
	for {
		r, err := evidence.Decode(h.hear(other, "core-1", syncEvidence).Payload)
		if err != nil || r.Reporter != "core-1" {
			t.Fatalf("passed on: %v, %v", r.Reporter, err)
		}
		if r.Kind == evidence.TwoBegins {
			return
		}
	}
}

// hear waits for a frame of a type on the sync channel.
func (h *house) hear(n *p2p.Node, from council.MemberID, kind uint8) p2p.Frame {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), minute)
	defer cancel()
	for {
		select {
		case f := <-n.Frames():
			if f.From == from && f.Channel == p2p.Sync && f.Type == kind {
				return f
			}
		case <-ctx.Done():
			h.t.Fatalf("waited for type %d of %s", kind, from)
		}
	}
}

// What others bring is taken if it convicts, and only then; nobody can fill the
// disk with it.
func TestBroughtEvidence(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	liar := h.puppet("core-2")
	hash, err := h.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	by := council.MemberID("core-2")
	frame := func(session byte, text string) p2p.Frame {
		f, err := p2p.SignFrame(h.council.NodeKeys[by], hash, p2p.Frame{From: by, Channel: p2p.Session, Session: council.SessionID{session}, Type: uint8(tss.SignRound5), Payload: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	bring := func(r evidence.Record, change func([]byte)) {
		t.Helper()
		r, err := r.Sign(h.council.NodeKeys["core-2"], "core-2", 1_800_000_000)
		if err != nil {
			t.Fatal(err)
		}
		b, err := evidence.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		h.tell(liar, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: syncEvidence, Payload: b})
	}
	as := func([]byte) {}
	bring(evidence.Told(evidence.Invalid, hash, p2p.Frame{From: "core-3", Type: uint8(tss.SignRound2)}, "slander"), as)
	bring(evidence.Equivocated(hash, frame(99, "one"), frame(99, "two")), func(b []byte) { b[len(b)-1] ^= 1 })
	bring(evidence.Equivocated(hash, frame(98, "one"), frame(98, "one")), as)
	for i := range byte(journal.MaxExhibits + 4) {
		bring(evidence.Equivocated(hash, frame(i, "one"), frame(i, "two")), as)
	}
	// Frames of one channel keep their order, so this one is heard last.
	by = "core-4"
	lock := func(try byte) council.Lock {
		l, err := council.Lock{Member: by, Roster: hash, Epoch: 1, Ceremony: common.Hash{try}}.Sign(h.council.NodeKeys[by])
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	bring(evidence.LockedTwice(hash, council.Fork{First: lock(1), Second: lock(1)}), as) // one Lock is no fork
	bring(evidence.LockedTwice(hash, council.Fork{First: lock(1), Second: lock(2)}), as)
	bring(evidence.LockedTwice(hash, council.Fork{First: lock(3), Second: lock(4)}), as) // after the same one: known
	bring(evidence.Equivocated(hash, frame(1, "one"), frame(1, "two")), as)
	h.has("core-1", "core-4", "equivocation")
	all, err := h.rooms["core-1"].Evidence(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Culprit != "core-2" && e.Culprit != "core-4" || !e.Proven {
			t.Errorf("kept: %+v", e)
		}
	}
	if !slices.ContainsFunc(all, func(e api.Evidence) bool { return e.Culprit == "core-4" && e.Kind == "forked-lock" }) {
		t.Error("the two Locks are not in the list")
	}
	if len(all) != journal.MaxExhibits+2 {
		t.Errorf("%d records kept", len(all))
	}
}

// Two entries for one place of a feed are in the list beside the rest.
func TestForkIsInTheList(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-3")
	liar := h.puppet("core-2")
	h.ready("core-1")
	kept := make(chan error, 1)
	go func(r *room) { // who hears of it finds it in the list
		told := errors.New("told")
		kept <- r.Events(t.Context(), 0, func(e api.Event) error {
			if e.Kind != "evidence" {
				return nil
			}
			all, err := r.Evidence(t.Context())
			if len(all) != 1 {
				return fmt.Errorf("told of evidence when the list has %d records (%v)", len(all), err)
			}
			return told
		})
	}(h.rooms["core-1"])
	for _, f := range h.fork("core-2") {
		h.tell(liar, "core-1", f)
	}
	h.convicts(h.has("core-1", "core-2", "forked-feed"), "core-2")
	if err := <-kept; err.Error() != "told" {
		t.Error(err)
	}
	h.convicts(h.has("core-3", "core-2", "forked-feed"), "core-2")

	// One that the journal has kept since before there was a list.
	h.stop("core-1")
	book, err := journal.Open(h.path("core-1", "journal.db"), journal.Options{Self: "core-1", Key: h.council.NodeKeys["core-1"], Roster: h.council.Roster})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range h.fork("core-4") {
		var e journal.Entry
		if err := rlp.DecodeBytes(f.Payload, &e); err != nil {
			t.Fatal(err)
		}
		_, _ = book.Merge(e) // the second is the fork
	}
	if forks, err := book.Forks(); err != nil || len(forks) != 2 {
		t.Fatalf("%d forks, %v", len(forks), err)
	}
	if err := book.Close(); err != nil {
		t.Fatal(err)
	}
	h.start("core-1")
	h.convicts(h.has("core-1", "core-4", "forked-feed"), "core-4")
}

// entry is the first of a member's feed, on its way to another.
func (h *house) entry(m council.MemberID, word council.Word, body []byte) p2p.Frame {
	h.t.Helper()
	book, err := journal.Open(filepath.Join(h.t.TempDir(), "journal.db"), journal.Options{Self: m, Key: h.council.NodeKeys[m], Roster: h.council.Roster})
	if err != nil {
		h.t.Fatal(err)
	}
	e, err := book.Append(word, body, uint64(time.Now().Unix()))
	if err := errors.Join(err, book.Close()); err != nil {
		h.t.Fatal(err)
	}
	payload, err := rlp.EncodeToBytes(e)
	if err != nil {
		h.t.Fatal(err)
	}
	return p2p.Frame{Channel: p2p.Record, Type: 1, Payload: payload}
}

// fork are two entries for one place of a member's feed.
func (h *house) fork(m council.MemberID) []p2p.Frame {
	return []p2p.Frame{h.entry(m, council.WordRosterSigned, []byte("one")), h.entry(m, council.WordRosterSigned, []byte("two"))}
}

// branch are entries of a member's feed, one of several that it may have written.
func (h *house) branch(m council.MemberID, n int, text string) []journal.Entry {
	h.t.Helper()
	book, err := journal.Open(filepath.Join(h.t.TempDir(), "journal.db"), journal.Options{Self: m, Key: h.council.NodeKeys[m], Roster: h.council.Roster})
	if err != nil {
		h.t.Fatal(err)
	}
	for range n {
		if _, err := book.Append(council.WordRosterSigned, []byte(text), uint64(time.Now().Unix())); err != nil {
			h.t.Fatal(err)
		}
	}
	out, err := book.After(m, 0, n)
	if err := errors.Join(err, book.Close()); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// A member that has written two feeds, and given one to some and the other to others,
// keeps none of them from coming back: what each lacks of the other it will never have.
func TestForkedFeedKeepsNobodyWatching(t *testing.T) {
	h := newHouse(t, true)
	const liar = council.MemberID("core-4")
	honest := []council.MemberID{"core-1", "core-2", "core-3"}
	for _, m := range honest {
		h.start(m)
	}
	for _, m := range honest {
		h.ready(m)
	}
	for _, m := range honest {
		h.stop(m)
	}
	for i, m := range honest { // nobody has what another has
		book, err := journal.Open(h.path(m, "journal.db"), journal.Options{Self: m, Key: h.council.NodeKeys[m], Roster: h.council.Roster})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range h.branch(liar, 1+i, string(m)) {
			if added, err := book.Merge(e); err != nil || !added {
				t.Fatalf("%s does not take it: %t, %v", m, added, err)
			}
		}
		if err := book.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range honest {
		h.start(m)
	}
	for _, m := range honest {
		h.ready(m)
		h.convicts(h.has(m, liar, "forked-feed"), liar)
	}
}
