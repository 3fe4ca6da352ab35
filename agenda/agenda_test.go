package agenda_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

var everyone = []council.MemberID{"community-1", "community-2", "community-3", "core-1", "core-2", "core-3", "core-4"}

func (w *world) known(id council.ProposalID) func() bool {
	return func() bool {
		for _, m := range w.nodes {
			if !m.up {
				continue
			}
			p, ok := m.agenda.Proposal(id)
			if !ok {
				return false
			}
			up := 0
			for _, o := range w.nodes {
				if _, judged := p.Verdicts[o.id]; judged && o.up {
					up++
				}
			}
			if up < 4 {
				return false
			}
		}
		return true
	}
}

func (w *world) minedBy(id council.ProposalID) func() bool {
	return func() bool { return w.runs(id) > 0 }
}

func TestFourApprovalsBecomeOneTransaction(t *testing.T) {
	w := newWorld(t, 1)
	id := w.propose("core-1", "pause", "protocol")
	if !w.run(10*time.Second, w.known(id)) {
		t.Fatal("the proposal did not reach everyone")
	}
	for _, m := range everyone[:3] {
		w.approve(m, id)
	}
	if w.run(20*time.Second, w.minedBy(id)) || w.attempts > 0 {
		t.Fatal("three approvals were enough")
	}
	w.approve("core-4", id)
	if !w.run(30*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	if w.attempts != 1 {
		p, _ := w.nodes["core-1"].agenda.Proposal(id)
		t.Errorf("%d attempts for one signature: %s", w.attempts, lastOf(p.Attempts))
	}
	w.run(20*time.Second, func() bool { return false })
	if w.runs(id) != 1 || len(w.mined) != 1 {
		t.Errorf("ran %d times, %d transactions", w.runs(id), len(w.mined))
	}
	for _, m := range everyone {
		if s := w.state(m, id); s != agenda.StateFinal {
			t.Errorf("%s says %s", m, s)
		}
	}
}

// When each node has judged is known by that node's clock, also to one that was started
// again since.
func TestVerdictsTellTheirTime(t *testing.T) {
	w := newWorld(t, 1)
	w.skew = map[council.MemberID]time.Duration{"core-2": -time.Minute}
	began := w.now
	id := w.propose("core-1", "pause", "protocol")
	if !w.run(10*time.Second, func() bool {
		p, ok := w.nodes["core-3"].agenda.Proposal(id)
		return ok && len(p.Verdicts) == len(everyone)
	}) {
		t.Fatal("not all have judged")
	}
	w.stop("core-3")
	w.now = w.now.Add(time.Hour)
	w.start("core-3")
	p, _ := w.nodes["core-3"].agenda.Proposal(id)
	for _, m := range everyone {
		if given := time.Unix(int64(p.Given[m]), 0).Add(-w.skew[m]); given.Before(began.Truncate(time.Second)) || given.After(began.Add(10*time.Second)) {
			t.Errorf("%s judged at %s, proposed at %s", m, given, began)
		}
	}
}

func TestAssistantTakesThePlaceOfADeadApprover(t *testing.T) {
	w := newWorld(t, 2)
	id := w.propose("core-1", "unpause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[:4] {
		w.approve(m, id)
	}
	w.stop("community-2")
	if !w.run(60*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	for _, s := range p.Signed.Signers {
		if s == "community-2" {
			t.Error("the dead node signed")
		}
	}
}

func TestDeathInMidSessionKeepsTheNonce(t *testing.T) {
	w := newWorld(t, 3)
	id := w.propose("core-2", "pause", "bridge")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[3:] {
		w.approve(m, id)
	}
	if !w.run(10*time.Second, func() bool { return w.attempts == 1 }) {
		t.Fatal("no attempt")
	}
	var first council.Begin
	for _, s := range w.sessions {
		first = s.begin
	}
	w.run(time.Second, func() bool { return false })
	w.stop(first.Signers[1])
	if !w.run(60*time.Second, w.minedBy(id)) {
		t.Fatalf("not mined; state %s", w.state(first.Signers[0], id))
	}
	if w.mined[0].Nonce() != first.Nonce || w.attempts < 2 {
		t.Errorf("nonce %d after %d attempts; the first was for %d", w.mined[0].Nonce(), w.attempts, first.Nonce)
	}
	w.start(first.Signers[1])
	if !w.run(30*time.Second, func() bool { return w.state(first.Signers[1], id) == agenda.StateFinal }) {
		t.Errorf("the dead node came back and says %s", w.state(first.Signers[1], id))
	}
}

func TestStricterMemberIsLeftOut(t *testing.T) {
	w := newWorld(t, 4, "core-1", "core-2")
	id := w.propose("core-3", "pause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id)
	}
	if !w.run(30*time.Second, w.minedBy(id)) {
		t.Fatalf("not mined; state %s", w.state("core-3", id))
	}
	p, _ := w.nodes["core-3"].agenda.Proposal(id)
	for _, s := range p.Signed.Signers {
		if s == "core-1" || s == "core-2" {
			t.Errorf("%s signed against its own policy", s)
		}
	}
}

func TestFourStrictNodesAreTheEndOfIt(t *testing.T) {
	w := newWorld(t, 5, "core-1", "core-2", "core-3", "core-4")
	id := w.propose("community-1", "pause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone {
		w.approve(m, id)
	}
	if w.run(60*time.Second, w.minedBy(id)) || w.attempts > 0 {
		t.Fatal("signed although only three nodes allow it")
	}
	if s := w.state("community-1", id); s != agenda.StateRefused {
		t.Errorf("state %s", s)
	}
}

func TestRejectionWithdraws(t *testing.T) {
	w := newWorld(t, 6)
	id := w.propose("core-1", "pause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[:3] {
		w.approve(m, id)
	}
	w.run(time.Second, func() bool { return false })
	w.say("community-1", id, council.Reject)
	w.run(time.Second, func() bool { return false })
	w.approve("core-1", id)
	if w.run(30*time.Second, w.minedBy(id)) || w.attempts > 0 {
		t.Fatal("a withdrawn approval counted")
	}
	w.approve("core-2", id)
	if !w.run(30*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	for _, s := range p.Signed.Signers {
		if s == "community-1" {
			t.Error("the node of the member that rejected signed")
		}
	}
}

func TestRestrictiveGoesFirst(t *testing.T) {
	w := newWorld(t, 7)
	a := w.propose("core-1", "unpause", "bridge")
	w.run(3*time.Second, w.known(a))
	b := w.propose("core-2", "pause", "protocol")
	w.run(3*time.Second, w.known(b))
	// Both get their fourth approval while nobody can sign.
	for _, m := range []council.MemberID{"community-1", "community-2", "community-3", "core-4"} {
		w.stop(m)
	}
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3"} {
		w.approve(m, a)
		w.approve(m, b)
	}
	w.run(time.Second, func() bool { return false })
	w.stop("core-3")
	w.start("core-4")
	w.run(time.Second, func() bool { return false })
	w.approve("core-4", a)
	w.approve("core-4", b)
	w.run(time.Second, func() bool { return false })
	w.start("core-3")
	if !w.run(60*time.Second, func() bool { return w.runs(a) > 0 && w.runs(b) > 0 }) {
		t.Fatalf("states %s and %s", w.state("core-1", a), w.state("core-1", b))
	}
	if p, _ := w.nodes["core-1"].agenda.Proposal(b); w.mined[0].Hash() != p.Tx.Hash() {
		t.Error("the unpause went before the pause")
	}
}

// Random faults, then peace: whatever happened, each approved transaction runs
// exactly once, each message is signed, of two with one text just one, and no
// ledger ever gives a nonce or a digest to two proposals (see reserve and
// reserveMessage), nor is a part of a slot fired twice (see fire). Messages are
// lost, and some come twice.
func TestNothingRunsTwiceAndNothingIsLost(t *testing.T) {
	quick, fired, repeated := 0, 0, 0
	for seed := range uint64(8) {
		w := newWarmWorld(t, 1000+seed, int(seed%3))
		if w.depth > 0 { // or the faults begin before there is a slot to fire
			w.fillStock()
		}
		w.loss, w.twice = w.rnd.Float64()*0.4, 0.2
		var ids, words []council.ProposalID
		books := [][2]string{{"pause", "protocol"}, {"unpause", "bridge"}, {"pause", "bridge"}, {"unpause", "protocol"}}
		for i := range 4 {
			up := w.running()
			m := up[w.rnd.IntN(len(up))]
			id := w.propose(m, books[i][0], books[i][1])
			ids = append(ids, id)
			said := []council.ProposalID{w.publish(m, fmt.Sprintf("statement %d", i))}
			if i == 2 { // two members have the same idea
				said = append(said, w.publish(up[w.rnd.IntN(len(up))], "statement 2"))
			}
			if i == 3 {
				said = append(said, w.register(m, i))
			}
			words = append(words, said...)
			w.run(time.Duration(w.rnd.IntN(3000))*time.Millisecond, func() bool { return false })
			for range w.rnd.IntN(4) {
				x := everyone[w.rnd.IntN(7)]
				if w.nodes[x].up && len(w.running()) > 3 {
					w.stop(x)
				} else if !w.nodes[x].up {
					w.start(x)
				}
				w.run(time.Duration(w.rnd.IntN(2500))*time.Millisecond, func() bool { return false })
			}
			for _, m := range w.running() {
				for _, id := range append(said, id) {
					if _, ok := w.nodes[m].agenda.Proposal(id); ok {
						w.approve(m, id)
					}
				}
			}
			w.run(time.Duration(w.rnd.IntN(4000))*time.Millisecond, func() bool { return false })
		}
		w.loss = 0
		for _, m := range everyone {
			if !w.nodes[m].up {
				w.start(m)
			}
		}
		for i, m := range everyone {
			w.exchange(m, everyone[(i+1)%7])
		}
		for _, m := range everyone {
			w.exchange("core-1", m)
		}
		for _, m := range everyone {
			for _, id := range append(slices.Clone(ids), words...) {
				if p, ok := w.nodes[m].agenda.Proposal(id); ok && p.Tx == nil {
					if _, voted := p.Ballots[m]; !voted {
						w.approve(m, id)
					}
				}
			}
		}
		all := func() bool {
			for _, id := range ids {
				if w.runs(id) == 0 {
					return false
				}
			}
			return w.allSaid(words)
		}
		if !w.run(10*time.Minute, all) {
			for _, id := range words {
				p, _ := w.nodes["core-1"].agenda.Proposal(id)
				t.Logf("seed %d: %s is %s; %s; %s", seed, id.Short(), w.state("core-1", id), w.nodes["core-1"].agenda.Blocked(p), lastOf(p.Attempts))
			}
			for _, id := range ids {
				t.Errorf("seed %d: %s ran %d times; %s", seed, id.Short(), w.runs(id), w.state("core-1", id))
				p, _ := w.nodes["core-1"].agenda.Proposal(id)
				t.Logf("  %s; %s", w.nodes["core-1"].agenda.Blocked(p), lastOf(p.Attempts))
			}
			t.Fatal("stuck")
		}
		w.run(30*time.Second, func() bool { return false })
		if !w.allSaid(words) {
			t.Fatalf("seed %d: what was said is taken back", seed)
		}
		for _, id := range ids {
			if w.runs(id) != 1 {
				t.Fatalf("seed %d: %s ran %d times", seed, id.Short(), w.runs(id))
			}
		}
		if len(w.mined) != len(ids) {
			t.Fatalf("seed %d: %d transactions for %d proposals", seed, len(w.mined), len(ids))
		}
		quick, fired, repeated = quick+w.quick, fired+w.warm, repeated+w.repeated
	}
	t.Logf("%d signatures from slots, of which %d parts were fired; %d messages came twice", quick, fired, repeated)
	if quick == 0 || fired <= 4*quick || repeated == 0 {
		t.Error("too little has happened: some signatures should come from slots, some slots be fired in vain, and some messages come twice")
	}
}

func (w *world) running() []council.MemberID {
	var out []council.MemberID
	for _, m := range everyone {
		if w.nodes[m].up {
			out = append(out, m)
		}
	}
	return out
}

// fail ends a test with what every node thinks of the proposal.
func (w *world) fail(id council.ProposalID) {
	w.t.Helper()
	for _, m := range w.running() {
		if p, ok := w.nodes[m].agenda.Proposal(id); ok {
			w.t.Logf("%s: %s; %s; %s", m, w.state(m, id), w.nodes[m].agenda.Blocked(p), lastOf(p.Attempts))
		}
	}
	w.t.Fatalf("%s is not mined after %d attempts", id.Short(), w.attempts)
}

func lastOf(all []agenda.Attempt) string {
	if len(all) == 0 {
		return "no attempt"
	}
	x := all[len(all)-1]
	return fmt.Sprintf("attempt %d at nonce %d by %v: %q", x.Number, x.Nonce, x.Signers, x.Failed)
}

func TestExpiredProposalIsNeverSigned(t *testing.T) {
	w := newWorld(t, 8)
	id := w.propose("core-1", "pause", "protocol")
	w.run(10*time.Second, w.known(id))
	for _, m := range everyone[:3] {
		w.approve(m, id)
	}
	w.run(73*time.Hour, func() bool { return w.state("core-2", id) == agenda.StateExpired })
	if s := w.state("core-2", id); s != agenda.StateExpired {
		t.Fatalf("state %s", s)
	}
	p, _ := w.nodes["core-4"].agenda.Proposal(id)
	if _, _, err := w.nodes["core-4"].agenda.Ballot(p, "core-4", council.Approve, "", w.now); err == nil || council.Hint(err) == "" {
		t.Errorf("an expired proposal can be approved: %v", err)
	}
	if w.attempts > 0 || len(w.mined) > 0 {
		t.Error("it was signed")
	}
}

// Approvals that come while an attempt runs are no reason for another: those
// who do not sign wait for those who do.
func TestEveryoneApprovesAndOneAttemptSigns(t *testing.T) {
	for seed := range uint64(7) {
		w := newWorld(t, 50+seed)
		id := w.propose("core-1", "pause", "protocol")
		w.run(10*time.Second, w.known(id))
		for i := range everyone {
			// The draw is the same in every world; who comes first is not.
			w.approve(everyone[(i+int(seed))%7], id)
			w.run(300*time.Millisecond, func() bool { return false })
		}
		if !w.run(60*time.Second, w.minedBy(id)) {
			w.fail(id)
		}
		if w.attempts != 1 {
			t.Errorf("seed %d: %d attempts", seed, w.attempts)
		}
	}
}

// A proposal that the chain would revert does not keep others waiting.
func TestRevertingProposalStandsBehind(t *testing.T) {
	w := newWorld(t, 60)
	a := w.propose("core-1", "pause", "protocol")
	w.reverts = a
	w.run(3*time.Second, w.known(a))
	b := w.propose("core-2", "pause", "bridge")
	w.run(3*time.Second, w.known(b))
	for _, id := range []council.ProposalID{a, b} {
		for _, m := range everyone[:4] {
			w.approve(m, id)
		}
	}
	if !w.run(60*time.Second, w.minedBy(b)) {
		w.fail(b)
	}
	if w.runs(a) > 0 {
		t.Error("the reverting one ran")
	}
}

// What no node would sign does not keep others waiting, whoever approves it.
func TestRefusedProposalStandsBehind(t *testing.T) {
	w := newWorld(t, 61)
	grab, seconds, err := w.nodes["core-1"].policy.Charter().Playbook("unpause", "bridge", nil)
	if err != nil {
		t.Fatal(err)
	}
	treasury, ok := w.nodes["core-1"].policy.Charter().Contract("treasury")
	if !ok {
		t.Fatal("the charter knows no treasury")
	}
	grab.To, grab.Data = treasury.Address, append([]byte{0xa9, 0x05, 0x9c, 0xbb}, make([]byte, 64)...) // transfer(address,uint256)
	a := w.put("core-1", grab, seconds)
	w.run(3*time.Second, func() bool { return false }) // so that it is the older one
	for _, m := range everyone {
		w.approve(m, a)
	}
	b := w.propose("core-2", "unpause", "protocol")
	w.run(3*time.Second, w.known(b))
	for _, m := range everyone[:4] {
		w.approve(m, b)
	}
	if !w.run(60*time.Second, w.minedBy(b)) {
		w.fail(b)
	}
	if w.runs(a) > 0 || w.state("core-3", a) != agenda.StateRefused {
		t.Errorf("the transfer is %s", w.state("core-3", a))
	}
}

// One traitor can't use up the attempt numbers, nor hold the lane with its word.
func TestLeapingAttemptNumbers(t *testing.T) {
	w := newWorld(t, 70)
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	traitor := w.nodes["community-3"]
	for _, n := range []uint64{1, 33, ^uint64(0), ^uint64(0) - 1} {
		w.step("community-3", w.append(traitor, council.WordBegun, council.Begun{Proposal: id, Chain: chainID, Nonce: 0, Attempt: n, Begin: [32]byte{byte(n)}, Coordinator: "community-3", Signers: []council.MemberID{"community-3", "core-1", "core-2", "core-3"}}))
		w.step("community-3", w.append(traitor, council.WordAttemptFailed, council.AttemptFailed{Proposal: id, Chain: chainID, Nonce: 0, Attempt: n, Suspects: []council.MemberID{"core-1"}}))
	}
	w.run(2*time.Second, func() bool { return false })
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		w.approve(m, id)
	}
	if !w.run(60*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
}

// A proposal that everyone approved and four nodes refuse keeps nobody else from
// the nonce.
func TestRefusedProposalBlocksNobody(t *testing.T) {
	w := newWorld(t, 80, "core-1", "core-2", "core-3", "core-4")
	refused := w.propose("community-1", "unpause", "protocol")
	w.run(5*time.Second, w.known(refused))
	for _, m := range everyone {
		w.approve(m, refused)
	}
	w.run(5*time.Second, func() bool { return false })
	other := w.propose("community-2", "unpause", "bridge")
	w.run(5*time.Second, w.known(other))
	for _, m := range everyone[:4] {
		w.approve(m, other)
	}
	if !w.run(60*time.Second, w.minedBy(other)) {
		w.fail(other)
	}
	if w.runs(refused) > 0 {
		t.Error("the refused one ran")
	}
}

// A call that failed on chain stays a failed one when its block is final.
func TestRevertedStaysReverted(t *testing.T) {
	w := newWorld(t, 90)
	w.failing = true
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range everyone[:4] {
		w.approve(m, id)
	}
	w.run(30*time.Second, func() bool { return false })
	for _, m := range everyone {
		p, _ := w.nodes[m].agenda.Proposal(id)
		if s := w.state(m, id); s != agenda.StateReverted || p.Fate != council.WordFinal {
			t.Errorf("%s says %s, last sighting %q", m, s, p.Fate)
		}
		if p.Attempts[0].Leader == "" {
			t.Errorf("%s does not know who coordinated", m)
		}
	}
}
