package agenda_test

import (
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// proposalOf finds what a mined transaction was for.
func (w *world) proposalOf(i int) council.ProposalID {
	p := w.nodes["core-1"].agenda.Proposals()
	for _, x := range p {
		if x.Tx != nil && x.Tx.Hash() == w.mined[i].Hash() {
			return x.ID
		}
	}
	return council.ProposalID{}
}

func (w *world) approvedBy(m []council.MemberID, ids ...council.ProposalID) {
	w.t.Helper()
	for _, id := range ids {
		for _, x := range m {
			w.approve(x, id)
		}
	}
}

// Six approved proposals are signed one nonce after the other without a gap: the
// restrictive ones first, then by age.
func TestSixInARow(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, 300+seed)
		var ids []council.ProposalID
		for i, x := range [][2]string{{"unpause", "protocol"}, {"pause", "bridge"}, {"unpause", "bridge"}, {"pause", "protocol"}, {"unpause", "protocol"}, {"pause", "bridge"}} {
			id := w.propose(everyone[i], x[0], x[1])
			w.run(5*time.Second, w.known(id))
			w.run(time.Second, func() bool { return false }) // another second: age counts in seconds
			ids = append(ids, id)
		}
		// All get the approval that counts in one moment.
		w.approvedBy(everyone[:3], ids...)
		w.run(2*time.Second, func() bool { return false })
		w.approvedBy(everyone[3:4], ids...)
		began := w.now
		if !w.run(2*time.Minute, func() bool { return len(w.mined) == 6 }) {
			for _, id := range ids {
				t.Logf("%s: %s", id.Short(), w.state("core-1", id))
			}
			t.Fatalf("seed %d: %d of 6 are mined", seed, len(w.mined))
		}
		// Two seconds for each session, one for each block, and little else. Who
		// coordinates follows from the ids, and two may begin the same at once.
		if took := w.now.Sub(began); took > 6*5*time.Second || w.attempts > 12 {
			t.Errorf("seed %d: six signatures took %s and %d attempts", seed, took, w.attempts)
		}
		w.run(time.Second, func() bool { return false })
		// Which is first is decided before all six approvals have come.
		rest := []council.ProposalID{}
		for _, i := range []int{1, 3, 5, 0, 2, 4} {
			if ids[i] != w.proposalOf(0) {
				rest = append(rest, ids[i])
			}
		}
		for i, want := range rest {
			if tx := w.mined[i+1]; tx.Nonce() != uint64(i+1) || w.proposalOf(i+1) != want {
				t.Errorf("seed %d: nonce %d went to %s; want %s", seed, tx.Nonce(), w.proposalOf(i+1).Short(), want.Short())
			}
		}
	}
}

// A stream of restrictions that never ends keeps what permits waiting, as it
// should; but not for ever, and then it takes one turn, not all.
func TestNobodyStarves(t *testing.T) {
	const fair = time.Minute
	timing := agenda.Defaults()
	timing.Fair = fair
	w := buildWorld(t, 400, 0, nil, timing)
	streams := []string{"protocol", "bridge"}
	waiting := map[council.ProposalID]bool{}
	n := 0
	var trickle func()
	trickle = func() {
		for id := range waiting {
			if p, ok := w.nodes["core-1"].agenda.Proposal(id); ok && p.Tx != nil {
				delete(waiting, id)
			}
		}
		if len(waiting) < 4 {
			n++
			id := w.propose(everyone[n%7], "pause", streams[n%2])
			waiting[id] = true
			w.after(time.Second, func() { w.approvedBy(everyone[:4], id) })
		}
		w.after(900*time.Millisecond, trickle)
	}
	trickle()
	w.run(20*time.Second, func() bool { return false })
	var patient []council.ProposalID
	for range 3 {
		id := w.propose("core-4", "unpause", "protocol")
		w.run(5*time.Second, w.known(id))
		w.approvedBy(everyone[:4], id)
		patient = append(patient, id)
	}
	began := w.now
	any := func() bool { return w.runs(patient[0])+w.runs(patient[1])+w.runs(patient[2]) > 0 }
	if w.run(fair-15*time.Second, any) {
		t.Errorf("what permits went before what restricts after %s", w.now.Sub(began))
	}
	for _, id := range patient {
		if !w.run(time.Minute, w.minedBy(id)) {
			t.Fatalf("after %s %s is %s; %d transactions have run", w.now.Sub(began), id.Short(), w.state("core-1", id), len(w.mined))
		}
	}
	t.Logf("all mined after %s; %d transactions", w.now.Sub(began).Round(time.Second), len(w.mined))
	w.run(5*time.Second, func() bool { return false })
	for i := 1; i < len(w.mined); i++ {
		isPatient := func(i int) bool {
			id := w.proposalOf(i)
			return id == patient[0] || id == patient[1] || id == patient[2]
		}
		if isPatient(i) && isPatient(i-1) {
			t.Errorf("nonces %d and %d went to what permits, while restrictions waited", i-1, i)
		}
	}
}

// When the time of what lacks approvals comes, there is nothing to do: nobody asks for it.
func TestUnapprovedWaitsForNoTime(t *testing.T) {
	w := newTimedWorld(t, 181, "unpause", "    cooldown: 15m\n")
	first := w.approved("unpause", "protocol", everyone[:4]...)
	w.signedIn(time.Minute, "core-1", first)
	w.pass(20 * time.Second)
	second := w.propose("core-1", "unpause", "bridge")
	w.run(5*time.Second, w.known(second))
	w.approvedBy(everyone[:3], second)
	w.pass(20 * time.Second)
	n := w.nodes["core-4"].agenda
	n.Step(agenda.Tick{}, w.now)
	if at := n.Wake(); !at.IsZero() {
		t.Errorf("a node wakes %s from now", at.Sub(w.now))
	}
	w.approve("core-4", second)
	n.Step(agenda.Tick{}, w.now)
	if at := n.Wake(); at.Sub(w.now) > 15*time.Minute || !at.After(w.now) {
		t.Errorf("with four approvals it wakes %s from now", at.Sub(w.now))
	}
}
