package agenda_test

import (
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

func TestPatienceFollowsWhatWasMeasured(t *testing.T) {
	w := newWorld(t, 500)
	a, four := w.nodes["core-1"].agenda, everyone[:4]
	d := agenda.Defaults()
	fresh := a.Patience(council.SessionID{1}, four)
	if fresh.Round != 2*d.Silence || fresh.Whole != d.Deadline {
		t.Errorf("before any signature: %+v", fresh)
	}
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(four, id)
	if !w.run(time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	// A signature takes two seconds in this world: half of that is below the floor.
	known := a.Patience(council.SessionID{1}, four)
	if known.Round != d.Silence || known.Whole < 8*2*time.Second || known.Whole > 8*3*time.Second {
		t.Errorf("after a signature of two seconds: %+v", known)
	}
	w.step("core-1", agenda.PeerUp{Member: four[1], RTT: 600 * time.Millisecond})
	if far := a.Patience(council.SessionID{1}, four); far.Round != known.Round+1200*time.Millisecond || far.Join <= known.Join {
		t.Errorf("with a long line: %+v", far)
	}
	if p := a.Patience(council.SessionID{1}, everyone[2:6]); p != known {
		t.Errorf("a long line to another: %+v", p)
	}
	// A liar about distances gains little.
	w.step("core-1", agenda.PeerUp{Member: four[1], RTT: time.Hour})
	if p := a.Patience(council.SessionID{1}, four); p.Round != known.Round+2*agenda.MaxRTT || p.Join != known.Join+4*agenda.MaxRTT || p.Whole > d.Deadline {
		t.Errorf("with an endless line: %+v", p)
	}
	// Who waits in an earlier step is late first, however the steps fell.
	began := w.now
	for step := range 8 {
		first, then := known.Until(step, began, began.Add(time.Second)), known.Until(step+1, began, began.Add(1050*time.Millisecond))
		if then.Sub(first) < 300*time.Millisecond || then.After(began.Add(known.Whole)) {
			t.Errorf("step %d is late at %s, the next at %s", step, first.Sub(began), then.Sub(began))
		}
	}
}

// attempting is a proposal that four have approved, in the midst of its first attempt.
func (w *world) attempting() council.ProposalID {
	w.t.Helper()
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(10*time.Second, func() bool { return w.attempts == 1 }) {
		w.t.Fatal("no attempt")
	}
	w.run(300*time.Millisecond, func() bool { return false })
	return id
}

// A session that waits in vain is given up on account of those who are silent,
// and of nobody else; the next is made without them.
func TestStalledSuspectsTheSilent(t *testing.T) {
	w := newWorld(t, 501)
	id := w.attempting()
	var first *session
	var sid council.SessionID
	for k, s := range w.sessions {
		if first == nil || s.begin.Attempt < first.begin.Attempt {
			first, sid = s, k
		}
	}
	silent := first.begin.Signers[2]
	w.step(first.begin.Signers[0], agenda.Stalled{Session: council.SessionID{9}, Waiting: everyone}) // of no attempt
	w.step(first.begin.Signers[0], agenda.Stalled{Session: sid, Waiting: []council.MemberID{silent, "core-4", first.begin.Signers[0]}, Round: "sign-3"})
	for k, s := range w.sessions { // two may begin at once; in the other one the same member is silent
		if k != sid && slices.Contains(s.begin.Signers, silent) {
			w.step(s.begin.Signers[0], agenda.Stalled{Session: k, Waiting: []council.MemberID{silent}, Round: "sign-3"})
		}
	}
	if !w.run(30*time.Second, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-4"].agenda.Proposal(id)
	again := slices.ContainsFunc(p.Attempts, func(x agenda.Attempt) bool { return x.Number > 1 && slices.Contains(x.Signers, silent) })
	if !slices.Equal(p.Attempts[0].Suspects, []council.MemberID{silent}) || again {
		t.Errorf("suspects %v; signed by %v after %d attempts", p.Attempts[0].Suspects, p.Signed.Signers, w.attempts)
	}
}

// Machines on which a signature takes longer than the deadline sign all the
// same: what attempts may take grows with those that fail.
func TestSlowMachinesSign(t *testing.T) {
	w := newWorld(t, 503)
	w.work = 2 * agenda.Defaults().Deadline
	id := w.propose("core-1", "pause", "protocol")
	w.run(5*time.Second, w.known(id))
	w.approvedBy(everyone[:4], id)
	if !w.run(15*time.Minute, w.minedBy(id)) {
		w.fail(id)
	}
	p, _ := w.nodes["core-1"].agenda.Proposal(id)
	for _, at := range p.Attempts {
		if at.Number < 3 && at.Failed == "" {
			t.Errorf("attempt %d took longer than the deadline, and was not given up", at.Number)
		}
	}
}

// A node whose RPC is a block behind is not suspected for it: it waits for the
// block that the coordinator has seen.
func TestLateBlockIsNoRefusal(t *testing.T) {
	w := newWorld(t, 502)
	w.lag = map[council.MemberID]time.Duration{"community-1": 2 * time.Second, "core-1": 1500 * time.Millisecond}
	var ids []council.ProposalID
	for range 4 {
		id := w.propose("core-2", "pause", "protocol")
		w.run(5*time.Second, w.known(id))
		ids = append(ids, id)
	}
	w.approvedBy([]council.MemberID{"community-1", "community-2", "core-1", "core-2"}, ids...)
	if !w.run(2*time.Minute, func() bool { return len(w.mined) == len(ids) }) {
		t.Fatalf("%d of %d are mined", len(w.mined), len(ids))
	}
	for _, id := range ids {
		p, _ := w.nodes["core-4"].agenda.Proposal(id)
		for _, at := range p.Attempts {
			if len(at.Suspects) > 0 {
				t.Errorf("attempt %d at nonce %d suspects %v: %s", at.Number, at.Nonce, at.Suspects, at.Failed)
			}
		}
	}
}
