package agenda

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// begin takes up a try that the leader of a succession opens.
func (r *Rotation) begin(from council.MemberID, m RotationBegin) {
	id := m.Rotation.ID()
	h, ok := r.agreed[m.Rotation.Succession]
	s := h.Succession
	if !ok || m.Rotation.Still() || from != leader(s) || slices.Contains(r.tries, id) || m.Rotation.Check(r.Holding, s) != nil {
		return
	}
	n := len(s.Roster.Members)
	if len(m.Parts) != n+len(m.Rotation.Dealers) || mix(m.Parts) != m.Rotation.Random {
		return
	}
	why := r.unable(m, s)
	if why != "" {
		r.do(Send{To: from, Message: RotationFailed{Ceremony: id, Reason: why}})
		return
	}
	r.join(m.Rotation)
}

// unable says why this node does not join a try, or "".
func (r *Rotation) unable(m RotationBegin, s council.Succession) string {
	old, receives := r.roles(s)
	d, n := r.current(), len(s.Roster.Members)
	out, _ := r.keepsOut(m.Rotation.Succession)
	i, j := slices.Index(s.Roster.IDs(), r.Self), slices.Index(m.Rotation.Dealers, r.Self)
	switch {
	case !old && !receives:
		return "has no part in it"
	case r.refuses(m.Rotation.ID()), r.refuses(m.Rotation.Succession), r.over(m.Rotation.ID()), r.over(m.Rotation.Succession):
		return "refuses it, or knows that enough others do"
	case out != "":
		return out
	case r.Shareless && j >= 0:
		return "holds no share to deal"
	case r.committing():
		return "somebody has locked for another try"
	case d != nil && r.active(d) && (d.complete() || d.rotation.Succession != m.Rotation.Succession && !r.givesWay(d, r.workable())):
		return "is in another try"
	case r.now.Before(r.opens(m.Rotation.Succession)):
		return "by its clock the new roster may not take over yet"
	case r.used() >= MaxTries:
		return "has been in too many tries"
	// A party's own part is in it, so nobody can have this node run a try again.
	case receives && (m.Parts[i] != r.random || !r.prepared), old && j >= 0 && m.Parts[n+j] != r.random:
		return "was started anew, or is not prepared"
	}
	return ""
}

// join gives up the try before, durably, and starts this node's part in a new one.
func (r *Rotation) join(t council.Rotation) *dossier {
	if d := r.current(); d != nil {
		r.leave(d)
	}
	d := r.open(t, "")
	if d == nil {
		return nil
	}
	if !t.Still() {
		clear(r.ready)
	}
	r.last(t.ID())
	d.opener, d.began = "", r.now
	r.do(Keep{RotationRecord{Try: &t}})
	_, receives := r.roles(d.succession)
	if !t.Still() && (receives || r.old && slices.Contains(t.Dealers, r.Self)) {
		d.running = true
		r.refresh()
		r.prepared = r.prepared && !receives
		r.do(Reshare{Rotation: t, Roster: d.succession.Roster})
	}
	r.soon()
	return d
}

// leave ends the sessions of a try. Its dossier and its share stay: it may be
// committed without this node.
func (r *Rotation) leave(d *dossier) {
	if d.running {
		r.do(Abort{Session: d.rotation.Session()})
	}
	if d.proving {
		for _, set := range d.succession.Roster.TestSubsets() {
			if slices.Contains(set, r.Self) {
				r.do(Abort{Session: d.permit(set).Session()})
			}
		}
	}
	d.running, d.proving = false, false
}

func (d *dossier) permit(set []council.MemberID) policy.CeremonyPermit {
	return policy.NewCeremonyPermit(d.rotation.ToEpoch, d.rotation.To, set, d.id)
}

func (r *Rotation) reshared(ev Reshared) {
	d := r.current()
	if d == nil || !d.running || d.rotation.Session() != ev.Session {
		return
	}
	d.running = false
	if ev.Key != r.Holding.Key {
		r.giveUp(d, nil, fmt.Sprintf("the new shares make the key %s, not the council's %s", ev.Key.Hex(), r.Holding.Key.Hex()))
		return
	}
	if _, receives := r.roles(d.succession); receives {
		d.staging = true
		d.transcript = ev.Transcript
		r.do(StageShare{Rotation: d.rotation, Transcript: ev.Transcript})
	}
}

func (r *Rotation) shareStaged(ev ShareStaged) {
	d := r.files[ev.Ceremony]
	if d == nil || !d.staging {
		return
	}
	d.staging = false
	if ev.Err != nil && d.rotation.Still() {
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("write down that this node has joined: %v; it is tried again", ev.Err)})
		return
	}
	if ev.Err != nil {
		r.giveUp(d, nil, fmt.Sprintf("stage the share: %v", ev.Err))
		return
	}
	r.staged[ev.Ceremony] = StagedShare{ev.Ceremony, d.transcript, ev.Signature}
	d.ack(AckWord{d.transcript, ev.Signature})
	r.soon()
}

// prove starts the test signatures, once all have said that their share is staged.
func (r *Rotation) prove() {
	d := r.current()
	if d == nil || d.proving || d.restarted || d.failed != "" || !r.active(d) || d.complete() {
		return
	}
	t, ok := d.acked()
	if mine, have := r.staged[d.id]; !ok || !have || mine.Transcript != t {
		return
	}
	d.proving = true
	for _, set := range d.succession.Roster.TestSubsets() {
		if slices.Contains(set, r.Self) {
			r.do(Prove{Permit: d.permit(set), Signers: set, Ceremony: d.id})
		}
	}
}

func (r *Rotation) tested(ev Signed) {
	for _, d := range r.files {
		for _, set := range d.succession.Roster.TestSubsets() {
			if d.proving && d.permit(set).Session() == ev.Session && d.test(council.TestSignature{Signers: set, Signature: bytes.Clone(ev.Signature)}) {
				r.soon()
				return
			}
		}
	}
}

// failed takes up the end of a session without a result.
func (r *Rotation) failed(ev Failed) {
	d := r.current()
	if d == nil {
		return
	}
	if d.running && d.rotation.Session() == ev.Session {
		r.giveUp(d, ev.Suspects, fmt.Sprintf("reshare: %v%s", ev.Err, blame(ev)))
		return
	}
	for i, set := range d.succession.Roster.TestSubsets() {
		if d.proving && d.tests[i] == nil && d.permit(set).Session() == ev.Session {
			r.giveUp(d, ev.Suspects, fmt.Sprintf("test signature of %s: %v%s", council.Names(set), ev.Err, blame(ev)))
		}
	}
}

// giveUp ends a try at this node, unless it can be locked for by now.
func (r *Rotation) giveUp(d *dossier, suspects []council.MemberID, why string) {
	if d.failed != "" || d.complete() {
		return
	}
	r.leave(d)
	d.failed, d.farewell = why, &RotationFailed{Ceremony: d.id, Suspects: suspects, Reason: why}
	for _, m := range suspects {
		r.suspects[m]++
	}
	clear(r.ready)
	r.do(Send{Message: *d.farewell}, Notify{What: "rotation-failed", Text: why, Waiting: suspects})
	r.soon()
}

// othersFailed takes up that a try has failed for one that it needs.
func (r *Rotation) othersFailed(from council.MemberID, m RotationFailed) {
	d := r.current()
	if d == nil || d.id != m.Ceremony || d.failed != "" || d.complete() || d.rotation.Still() || len(m.Suspects) > council.MaxMembers {
		return
	}
	_, heir := d.succession.Roster.Member(from)
	if !heir && !slices.Contains(d.rotation.Dealers, from) {
		return
	}
	r.leave(d)
	d.failed = fmt.Sprintf("it failed at %s: %s", from, readable(m.Reason))
	r.do(Notify{What: "rotation-failed", Text: d.failed})
	if !heir { // it may want no try to succeed; and others can deal
		m.Suspects = []council.MemberID{from}
	}
	for _, x := range m.Suspects {
		if _, ok := r.Holding.Roster.Member(x); ok {
			r.suspects[x]++
		}
	}
	clear(r.ready)
	r.soon()
}

// owesTest reports whether a test signature is lacking that needs this node.
func (r *Rotation) owesTest(d *dossier) bool {
	for i, set := range d.succession.Roster.TestSubsets() {
		if d.tests[i] == nil && slices.Contains(set, r.Self) {
			return true
		}
	}
	return false
}

// overdue ends a try that takes too long, that this node may not go on with, and one
// whose sessions have gone with an earlier process before this node had done its part.
func (r *Rotation) overdue() {
	d := r.current()
	if d == nil || d.failed != "" || !r.active(d) || d.complete() || d.rotation.Still() {
		return
	}
	if r.Frozen != "" {
		r.giveUp(d, nil, fmt.Sprintf("the node of %s is frozen: %s", r.Self, readable(r.Frozen)))
		return
	}
	if d.began.IsZero() {
		d.began = r.now
	}
	if _, receives := r.roles(d.succession); d.restarted && receives {
		if _, have := r.staged[d.id]; !have {
			r.giveUp(d, nil, fmt.Sprintf("the node of %s was started anew and has no share of this try", r.Self))
			return
		}
		// Others may have the signatures, and say so as soon as they hear of this node.
		if r.owesTest(d) && r.due(d.began, r.Timing.Retry) {
			r.giveUp(d, nil, fmt.Sprintf("the node of %s was started anew, and its part in a test signature is gone", r.Self))
			return
		}
	}
	if r.due(d.began, r.Timing.Ceremony) {
		d.timedOut = true
		why := fmt.Sprintf("it took longer than its time limit of %s", r.Timing.Ceremony)
		if s := r.tryStatus(d, RotationStatus{}); len(s.Missing) > 0 {
			why += fmt.Sprintf(", and was %s; it waited for %s", s.Stage, council.Names(s.waiting()))
		}
		r.giveUp(d, d.silentIn(), why)
	}
}
