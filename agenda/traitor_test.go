package agenda_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

const liar council.MemberID = "community-3"

// says sends everyone a message of the traitor's, whose own agenda does not know.
func (w *world) says(m agenda.Message) {
	for _, id := range everyone {
		if id != liar && w.nodes[id].up {
			w.step(id, agenda.Said{From: liar, Message: m})
		}
	}
}

func noise() (h common.Hash) {
	rand.Read(h[:])
	return h
}

// One member's words fill only what is kept for that member: what others say at
// the same time is heard.
func TestFloodTakesNobodysPlace(t *testing.T) {
	for name, flood := range map[string]func(*world, council.ProposalID){
		"Begins for unknown proposals": func(w *world, id council.ProposalID) {
			for range 100 {
				b := council.Begin{Proposal: council.ProposalID(noise()), Chain: chainID, Coordinator: liar, Signers: everyone}
				w.says(agenda.BeginMessage{Begin: b})
			}
		},
		"Begins for unknown chains": func(w *world, id council.ProposalID) {
			for i := range 1000 {
				b := council.Begin{Proposal: council.ProposalID(noise()), Chain: uint64(1000 + i), Coordinator: liar, Signers: everyone}
				w.says(agenda.BeginMessage{Begin: b})
			}
			for m, n := range w.nodes {
				if lanes := n.agenda.Lanes(); m != liar && lanes > 1 {
					t.Errorf("%s has %d lanes; there is one chain", m, lanes)
				}
			}
		},
		"entries about unknown proposals": func(w *world, id council.ProposalID) {
			for range 2 * agenda.MaxOrphans {
				w.append(w.nodes[liar], council.WordJudged, council.Judged{Proposal: council.ProposalID(noise()), Allow: true})
			}
			w.run(time.Second, func() bool { return false })
		},
		"words about slots": func(w *world, id council.ProposalID) {
			for range 100 {
				w.says(agenda.Cold{Chain: chainID, Begin: noise()})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 81)
			flood(w, council.ProposalID{})
			id := w.propose("core-1", "pause", "protocol")
			if !w.run(20*time.Second, func() bool {
				for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4", "community-1", "community-2"} {
					p, ok := w.nodes[m].agenda.Proposal(id)
					if !ok || len(p.Verdicts) < 6 {
						return false
					}
				}
				return true
			}) {
				t.Fatal("not everyone has heard everyone's verdict")
			}
			for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
				w.approve(m, id)
			}
			if !w.run(60*time.Second, w.minedBy(id)) {
				w.fail(id)
			}
		})
	}
}

// A member that says again and again that it has begun holds the council up for
// a moment, and then no more.
func TestCryingWolf(t *testing.T) {
	w := newWorld(t, 82)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for i := range 200 {
		w.after(time.Duration(i)*500*time.Millisecond, func() {
			w.step(liar, w.append(w.nodes[liar], council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Attempt: 1, Begin: noise(), Coordinator: liar,
				Signers: []council.MemberID{liar, "core-1", "core-2", "core-3"}}))
		})
	}
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id)
	}
	if !w.run(40*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
}

// A coordinator that calls again and again, with numbers that no honest one
// overtakes, and then says nothing, is not followed for ever.
func TestCoordinatorThatInsists(t *testing.T) {
	w := newWorld(t, 83)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	approvers := []council.MemberID{"core-1", "core-2", "core-3", "core-4"}
	for _, m := range approvers {
		w.approve(m, id)
	}
	w.nodes[liar].up = false // its daemon is the test's
	calls := 0
	var insist func()
	insist = func() {
		for _, m := range approvers {
			p, ok := w.nodes[m].agenda.Proposal(id)
			if !ok || p.Tx != nil || len(w.nodes[m].agenda.Trying()) > 0 {
				continue
			}
			calls++
			last := uint64(0)
			for _, at := range p.Attempts {
				last = max(last, at.Number)
			}
			b := w.beginBy(liar, m, id, last+2)
			for _, s := range b.Signers {
				if s != liar {
					w.step(s, agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: b}})
				}
			}
		}
		w.after(20*time.Millisecond, insist)
	}
	insist()
	if !w.run(20*time.Minute, w.minedBy(id)) {
		t.Logf("%d calls", calls)
		w.fail(id)
	}
}

// Who was had for an attempt of which nothing came is free again as soon as the
// proposal is signed in another.
func TestTaleEndsWithTheSignature(t *testing.T) {
	w := newWorld(t, 84)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1", "community-2"} {
		w.approve(m, id)
	}
	w.run(100*time.Millisecond, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	w.step("core-3", agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: w.beginBy(liar, "core-3", id, 1)}})
	w.run(200*time.Millisecond, func() bool { return false })
	if len(w.nodes["core-3"].agenda.Trying()) != 1 {
		t.Fatal("core-3 has not joined")
	}
	if !w.run(20*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	if x := w.nodes["core-3"].agenda.Trying(); len(x) != 0 {
		t.Errorf("core-3 still tries to sign %v", x)
	}
}

// So is who waits in an attempt for a nonce that somebody has used.
func TestTaleEndsWithTheNonce(t *testing.T) {
	w := newWorld(t, 85)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "community-1", "community-2"} {
		w.approve(m, id)
	}
	w.run(100*time.Millisecond, func() bool { p, _ := w.nodes["core-3"].agenda.Proposal(id); return len(p.Ballots) == 4 })
	w.step("core-3", agenda.Said{From: liar, Message: agenda.BeginMessage{Begin: w.beginBy(liar, "core-3", id, 1)}})
	w.run(200*time.Millisecond, func() bool { return false })
	w.step("core-3", agenda.Head{Chain: chainID, Block: w.block + 1, Nonce: 1, BaseFee: baseFee})
	w.now = w.now.Add(10 * time.Second)
	w.step("core-3", agenda.Tick{})
	if x := w.nodes["core-3"].agenda.Trying(); len(x) != 0 {
		t.Errorf("core-3 still tries to sign %v", x)
	}
}

// beginBy is a Begin in order, by a coordinator of its own choice of signers,
// with what another member knows.
func (w *world) beginBy(who, knows council.MemberID, id council.ProposalID, attempt uint64) council.Begin {
	p, _ := w.nodes[knows].agenda.Proposal(id)
	deed := p.Intent.(council.Transaction)
	roster, _ := w.council.Roster.Hash()
	b := council.Begin{Council: w.genesis.ID(), Epoch: w.genesis.ShareEpoch, Roster: roster, Proposal: id, Chain: chainID, Nonce: w.nonce, Attempt: attempt,
		Coordinator: who, Signers: council.Sorted([]council.MemberID{who, "core-1", "core-2", "core-3"})}
	b.Fees = council.Fees{Gas: deed.MaxGas, MaxFeePerGas: deed.MaxFeePerGas, MaxTipPerGas: deed.MaxTipPerGas}
	for _, m := range w.council.Roster.IDs() {
		if a, ok := p.Ballots[m]; ok {
			b.Approvals = append(b.Approvals, a)
		}
	}
	b.Digest = b.Envelope(deed).Digest()
	return b
}

// A Begin that would rank before the one under way, and that nobody can follow,
// ends nothing: what is under way goes on. Of seven who try it, one ranks first.
func TestBadBeginEndsNoGoodAttempt(t *testing.T) {
	ranked := 0
	for i, bad := range everyone {
		w := newWorld(t, 200+uint64(i))
		others := append(slices.Clone(everyone[i+1:]), everyone[:i]...)
		four, rejects, away := others[:4], others[4], others[5]
		w.nodes[away].up, w.nodes[bad].up = false, false
		id := w.propose(four[0], "pause", "protocol")
		w.run(5*time.Second, w.known(id))
		w.say(rejects, id, council.Reject)
		for _, m := range four {
			w.approve(m, id)
		}
		if !w.run(20*time.Second, func() bool {
			for _, m := range four {
				p, ok := w.nodes[m].agenda.Proposal(id)
				if !ok || len(p.Ballots) < 5 || len(p.Attempts) == 0 || len(p.Attempts[0].Joined) < 4 {
					return false
				}
			}
			return true
		}) {
			w.fail(id)
		}
		b := w.beginBy(bad, four[0], id, 1)
		b.Signers = council.Sorted([]council.MemberID{bad, four[0], four[1], rejects})
		for _, m := range four {
			for _, e := range w.nodes[m].agenda.Step(agenda.Said{From: bad, Message: agenda.BeginMessage{Begin: b}}, w.now) {
				switch e := e.(type) {
				case agenda.Abort:
					t.Errorf("%s leaves its attempt for a Begin of %s", m, bad)
				case agenda.Send:
					if r, ok := e.Message.(agenda.Refusal); ok && r.Rule == "rejected" {
						ranked++
					}
				}
			}
		}
		if !w.run(20*time.Second, w.minedBy(id)) {
			w.fail(id)
		}
		if p, _ := w.nodes[four[0]].agenda.Proposal(id); p.Signed.Attempt != 1 {
			t.Errorf("%s: signed in attempt %d", bad, p.Signed.Attempt)
		}
	}
	if ranked == 0 {
		t.Error("no Begin ranked before the one under way")
	}
}
