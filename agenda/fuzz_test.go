package agenda_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// FuzzFeed: whatever members write into their feeds, the agenda of another bears it. All
// six of them together bring no signature on without the word of wallets, and what it takes
// from them it still knows after a restart.
func FuzzFeed(f *testing.F) {
	const self = council.MemberID("core-2")
	w := newWorld(f, 1)
	id := w.propose("core-1", "pause", "protocol")
	if !w.run(10*time.Second, w.known(id)) {
		f.Fatal("the proposal did not reach everyone")
	}
	past := w.nodes[self].feed
	statement, err := council.EncodeIntent(council.Statement{Text: "All is well.", ValidUntil: uint64(w.now.Unix()) + 3600, Reason: "INC-1"})
	if err != nil {
		f.Fatal(err)
	}
	bodies := []struct {
		word council.Word
		body any
	}{
		{council.WordProposed, council.Proposed{Council: w.genesis.ID(), Intent: statement}},
		{council.WordJudged, council.Judged{Proposal: id, Rule: "member/nothing", Reason: "no"}},
		{council.WordApproved, council.Voted{Approval: council.Approval{Proposal: id, Decision: council.Approve, Sequence: 1, Expires: uint64(w.now.Unix()) + 600, Sig: make([]byte, 65)}}},
		{council.WordComplete, council.Complete{Proposal: id, Since: 1, Approvals: []council.Standing{{Member: "core-1", Sequence: 1}}}},
		{council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Attempt: 1, Begin: common.Hash{1}, Coordinator: "core-1", Signers: everyone[3:]}},
		{council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: chainID, Attempt: 1, Suspects: []council.MemberID{self}, Proven: true, Reason: "false"}},
		{council.WordSigned, council.Signed{Proposal: id, Chain: chainID, Attempt: 1, Signers: everyone[3:], Tx: []byte{2, 0xc0}}},
		{council.WordSigned, council.Signed{Proposal: id, Signature: make([]byte, 65)}},
		{council.WordMined, council.Sighted{Proposal: id, Chain: chainID, Tx: common.Hash{2}, Block: 3}},
		{council.WordDisplaced, council.Sighted{Proposal: id, Chain: chainID, Nonce: 4}},
		{council.WordRosterSigned, council.RosterSigned{Proclamation: council.Proclamation{Council: w.genesis.ID(), Version: 2, Signature: make([]byte, 65)}}},
		{council.WordKeyMade, council.KeyMade{Genesis: w.genesis}},
		{council.WordBackedUp, council.BackedUp{Epoch: 1, Key: w.genesis.Key, File: common.Hash{5}}},
		{council.WordFrozen, council.Frozen{Reason: "laptop\x1b[2J stolen"}},
		{council.WordThawed, council.Thawed{}},
	}
	for i, x := range bodies {
		b, err := council.EncodeBody(x.body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	fresh := func(t *testing.T, entries []agenda.Recorded) *agenda.Agenda {
		a, err := agenda.New(agenda.Config{Self: self, Roster: w.council.Roster, Policy: w.nodes[self].policy})
		if err != nil {
			t.Fatal(err)
		}
		a.Load(agenda.Past{Genesis: &w.genesis, Entries: slices.Values(entries)})
		return a
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		word := bodies[int(which)%len(bodies)].word
		body, err := council.DecodeBody(word, b)
		if err != nil {
			return
		}
		a := fresh(t, past)
		all := slices.Clone(past)
		effects := a.Step(agenda.Head{Chain: chainID, Block: w.block, Nonce: w.nonce, BaseFee: baseFee}, w.now)
		for i, m := range everyone {
			if m == self {
				continue
			}
			e, at := agenda.Recorded{Author: m, Seq: 1 << 20, At: uint64(w.now.Unix()), Word: word, Body: body}, w.now.Add(time.Duration(i)*time.Second)
			all = append(all, e)
			effects = append(effects, a.Step(agenda.PeerUp{Member: m}, at)...)
			effects = append(effects, a.Step(e, at)...)
		}
		effects = append(effects, a.Step(agenda.Tick{}, w.now.Add(time.Minute))...)
		for _, e := range effects {
			switch e.(type) {
			case agenda.Enlist, agenda.Broadcast, agenda.Note, agenda.Settle, agenda.Proclaim:
				t.Fatalf("%s of members alone brings on %T", word, e)
			}
		}
		p, ok := a.Proposal(id)
		if !ok || p.Tx != nil || len(p.Ballots) > 0 {
			t.Fatalf("%s: %+v", word, p)
		}
		again := fresh(t, all)
		q, _ := again.Proposal(id)
		if !reflect.DeepEqual(p.Verdicts, q.Verdicts) || !reflect.DeepEqual(p.Given, q.Given) || !reflect.DeepEqual(a.Freezes(), again.Freezes()) || len(a.Proposals()) != len(again.Proposals()) {
			t.Fatalf("%s after a restart: %+v, %+v", word, p, q)
		}
	})
}

// FuzzRotation: whatever the others say of a rotation of shares that is under way, the
// machine of a node bears it. It locks, switches and erases for nothing that they can make
// up, convicts nobody of it, and starts again from what it has had written down.
func FuzzRotation(f *testing.F) {
	w := newShift(f, 1)
	w.lone = func(_ string, ev agenda.Event) bool {
		if said, ok := ev.(agenda.Said); ok && len(w.desks["core-1"].disk.Tries) == 0 {
			tag, b, err := agenda.EncodeMessage(said.Message)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(tag, b)
		}
		return false
	}
	w.boot(w.names...)
	w.propose("core-2", w.plans[0])
	self := w.desks["core-1"]
	if !w.run(time.Minute, func() bool { return len(self.disk.Tries) > 0 }) {
		f.Fatalf("no try\n%s", w.where())
	}
	past, try := self.disk, self.disk.Tries[0]
	four := w.holding.Roster.IDs()[:4]
	for _, m := range []agenda.Message{
		agenda.RotationFailed{Ceremony: try.ID(), Suspects: []council.MemberID{self.id}, Reason: "silent"},
		agenda.Dossier{
			Rotation: try, Acks: []agenda.AckWord{{Transcript: common.Hash{1}, Signature: council.NodeSignature{Member: four[0], Sig: make([]byte, 64)}}},
			Tests:    []council.TestSignature{{Signers: four, Signature: make([]byte, 65)}},
			Locks:    []council.Lock{{Member: four[0], Council: w.holding.Council, Epoch: 1, Ceremony: try.ID(), Sig: make([]byte, 64)}},
			Refusals: []council.Refusal{{Member: four[1], Subject: try.ID(), Reason: "no", Sig: make([]byte, 64)}},
		},
		agenda.CertificateMessage{Certificate: council.Certificate{Succession: w.plans[0], Rotation: try}},
		agenda.AbortMessage{Abort: council.AbortCertificate{Subject: try.ID(), Refusals: []council.Refusal{{Member: four[1], Subject: try.ID(), Sig: make([]byte, 64)}}}},
		agenda.ErasureMessage{Erasure: council.Erasure{Member: four[0], Ceremony: try.ID(), Epoch: 1, Sig: make([]byte, 64)}},
	} {
		tag, b, err := agenda.EncodeMessage(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tag, b)
	}
	fresh := func(t *testing.T, past agenda.RotationPast) *agenda.Rotation {
		r, err := agenda.NewRotation(agenda.RotationConfig{
			Self: self.id, Peer: testcouncil.PeerID(t, self.key).String(), Holding: w.holding, Profile: council.Millicent, Timing: w.timing,
			Charter: w.charter(self), Ledger: self.ledger(), Seed: common.Hash{1},
		}, past)
		if err != nil {
			t.Fatalf("does not start from what it has had written down: %v", err)
		}
		return r
	}
	f.Fuzz(func(t *testing.T, tag uint8, b []byte) {
		m, err := agenda.DecodeMessage(tag, b)
		if err != nil {
			return
		}
		r, now := fresh(t, past), w.now
		effects := r.Step(agenda.Tick{}, now)
		for i, name := range w.names {
			if from := w.desks[name].id; from != self.id {
				at := now.Add(time.Duration(i) * time.Second)
				effects = append(effects, r.Step(agenda.PeerUp{Member: from}, at)...)
				effects = append(effects, r.Step(agenda.Said{From: from, Message: m}, at)...)
			}
		}
		effects = append(effects, r.Step(agenda.Tick{}, now.Add(time.Minute))...)
		after := past
		for _, e := range effects {
			switch e := e.(type) {
			case agenda.StageShare, agenda.DropShare, agenda.WriteLock, agenda.WriteRefusal, agenda.SwitchShare, agenda.EraseShare, agenda.LockedTwice:
				t.Fatalf("%T brings on %T", m, e)
			case agenda.Keep:
				if x := e.Record.Heard; x != nil {
					after.Heard = append(slices.Clone(after.Heard), *x)
				}
				if x := e.Record.Try; x != nil {
					after.Tries = append(slices.Clone(after.Tries), *x)
				}
				if x := e.Record.Grounds; x != nil {
					after.Grounds = append(slices.Clone(after.Grounds), *x)
				}
				if x := e.Record.Abort; x != nil {
					after.Aborts = append(slices.Clone(after.Aborts), *x)
				}
			}
		}
		fresh(t, after)
	})
}
