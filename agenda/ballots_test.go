package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// ballots counts the entries of a member's own feed that give a ballot on a proposal.
func (w *world) ballots(m council.MemberID, id council.ProposalID) (n int) {
	for _, e := range w.nodes[m].feed {
		if v, ok := e.Body.(council.Voted); ok && e.Author == m && v.Approval.Proposal == id {
			n++
		}
	}
	return n
}

// The fourth approval comes with a Begin and on no other way: the node that it was given to
// is gone. What is signed rests on it, so who has it keeps it.
func TestApprovalThatOnlyABeginBrings(t *testing.T) {
	w := newWorld(t, 604)
	others := []council.MemberID{"core-2", "core-3", "community-1", "community-2"}
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	for _, m := range []council.MemberID{"core-2", "core-3", "community-1"} {
		w.approve(m, id)
	}
	w.run(time.Second, never)
	w.cut = map[[2]council.MemberID]bool{}
	for _, m := range everyone {
		w.cut[[2]council.MemberID{"core-1", m}] = true
	}
	w.nodes["community-3"].up, w.nodes["core-4"].up = false, false
	w.approve("core-1", id)
	b := w.beginBy("core-1", "core-1", id, 1)
	b.Signers = council.Sorted([]council.MemberID{"core-1", "core-2", "core-3", "community-1"})
	for _, m := range b.Signers {
		if m != "core-1" {
			w.step(m, agenda.Said{From: "core-1", Message: agenda.BeginMessage{Begin: b}})
		}
	}
	w.stop("core-1")
	approved := func(m council.MemberID) int {
		p, _ := w.nodes[m].agenda.Proposal(id)
		q, _ := w.nodes[m].agenda.Quorum(p)
		return len(q.Members())
	}
	if n := w.ballots("core-2", id); n != 1 || approved("core-2") != 4 {
		t.Fatalf("at once core-2 says %d words on it, and counts %d approvals", n, approved("core-2"))
	}
	w.run(2*time.Minute, w.minedBy(id))
	w.run(10*time.Second, never)
	for _, m := range others {
		want := 2
		if m == "community-2" { // has not approved, and hears of it by what the others keep
			want = 0
		}
		if n := w.ballots(m, id); n != want {
			t.Errorf("%s says %d words on it", m, n)
		}
	}
	for _, m := range others {
		w.stop(m)
	}
	for _, m := range others {
		w.start(m)
	}
	for _, m := range others {
		if n := approved(m); n != 4 {
			t.Errorf("%s counts %d approvals after a restart", m, n)
		}
	}
}

// What the feeds bring in time nobody says again.
func TestApprovalsAreSaidOnce(t *testing.T) {
	w := newWorld(t, 605)
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	four := []council.MemberID{"core-2", "core-3", "community-1", "core-1"}
	for _, m := range four {
		w.approve(m, id)
	}
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	w.run(10*time.Second, never)
	for _, m := range everyone {
		want := 0
		if slices.Contains(four, m) {
			want = 1
		}
		if n := w.ballots(m, id); n != want {
			t.Errorf("with all feeds, %s says %d words on it", m, n)
		}
	}
}

// A member brings ever new words with Begins that nobody can follow. One of them is kept.
func TestWordsThatBeginsBringAreBounded(t *testing.T) {
	w := newWorld(t, 606)
	w.cut = map[[2]council.MemberID]bool{}
	for _, m := range everyone {
		w.cut[[2]council.MemberID{"core-1", m}] = true
	}
	id := w.propose("core-2", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.say("core-3", id, council.Reject)
	w.run(time.Second, never)
	for i := range 5 {
		w.approve("core-1", id)
		b := w.beginBy("core-1", "core-1", id, 1)
		b.Signers = council.Sorted([]council.MemberID{"core-1", "core-2", "core-3", "core-4"})
		w.step("core-2", agenda.Said{From: "core-1", Message: agenda.BeginMessage{Begin: b}})
		p, _ := w.nodes["core-2"].agenda.Proposal(id)
		if got, want := p.Ballots["core-1"].Sequence, uint64(i+1); got != want {
			t.Fatalf("core-2 knows word %d of core-1, not %d", got, want)
		}
		w.run(10*time.Second, never)
	}
	if n := w.ballots("core-2", id); n != 1 {
		t.Errorf("core-2 says %d words on it", n)
	}
}
