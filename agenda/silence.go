package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// ceremonial is the patience of a ceremony's sessions. A round of one takes many seconds
// of work at each member, and machines differ; all parties are needed, so that nothing is
// won by haste. People hear early who is waited for, and silence counts late.
func (t Timing) ceremonial() Patience {
	return Patience{Join: t.Remind, Round: t.Round, More: t.Round / 6, Whole: t.Ceremony, Effort: effort, Notice: t.Remind}
}

// failed is a silence as the end of its session. It is suspicion, never proof: who is
// silent may be waiting for another.
func (ev Stalled) failed(self council.MemberID) Failed {
	silent := slices.DeleteFunc(slices.Clone(ev.Waiting), func(m council.MemberID) bool { return m == self })
	return Failed{Session: ev.Session, Suspects: silent,
		Err: fmt.Errorf("silence in %s for %s", ev.Round, ev.For.Round(100*time.Millisecond))}
}

// ceremonyStalled ends a ceremony of which somebody has said nothing for too long. But a
// test signature that another has made meanwhile is waited for no more.
func (a *Agenda) ceremonyStalled(ev Stalled) bool {
	for i, set := range a.roster.TestSubsets() {
		if c := a.ceremony; c != nil && c.proofs[i] != nil && a.ceremonyTest(set) == ev.Session {
			return true
		}
	}
	return a.ceremonyFailed(ev.failed(a.self))
}

// String says who is waited for and where, or nothing.
func (w Waits) String() string {
	if len(w.Waiting) == 0 {
		return ""
	}
	return fmt.Sprintf("nothing of %s in %s", council.Names(w.Waiting), w.Round)
}

// waits takes up whom a session of this node waits for.
func (a *Agenda) waits(ev Waits) {
	if _, ok := a.ceremonySession(ev.Session); ok {
		a.ceremony.silent[ev.Session] = ev
	}
	if set := a.armingSet(ev.Session); set != nil {
		set.silent = ev
	}
}

// Patience is how long the sessions of a rotation wait for silent members.
func (r *Rotation) Patience() Patience { return r.Timing.ceremonial() }

// waitsFor takes up whom a session of this node waits for.
func (r *Rotation) waitsFor(ev Waits) {
	if d := r.current(); d != nil && (d.running || d.proving) {
		d.silent[ev.Session] = ev
	}
}

// silentIn are those whose silence is told of, in the sessions of a try that go on.
func (d *dossier) silentIn() (out []council.MemberID) {
	if d.running {
		out = append(out, d.silent[d.rotation.Session()].Waiting...)
	}
	for i, set := range d.succession.Roster.TestSubsets() {
		if d.proving && d.tests[i] == nil {
			out = append(out, d.silent[d.permit(set).Session()].Waiting...)
		}
	}
	return slices.Compact(council.Sorted(out))
}

// needs says of each of them what is to be done there.
func (w Waits) needs() (out []Need) {
	for _, m := range w.Waiting {
		out = append(out, Need{m, "look at this node: it is in this try, and nothing of it has come in " + w.Round})
	}
	return out
}
