package agenda

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// refuses reports whether this node has said, or is about to say, that it will
// never lock for a try or a succession.
func (r *Rotation) refuses(subject common.Hash) bool {
	_, said := r.refusals[subject][r.Self]
	return r.old && said || r.refusing[subject]
}

// ended reports whether an abort certificate ends a try.
func (r *Rotation) ended(d *dossier) bool { return r.over(d.id) || r.over(d.rotation.Succession) }

// over reports whether an abort certificate ends a try, or all of a succession.
func (r *Rotation) over(subject common.Hash) bool {
	_, ok := r.aborts[subject]
	return ok
}

// passesOn reports whether this node says again what was refused under a name: its own
// refusals, and what can matter to others, which is a succession, a try that somebody has
// locked for, and the next one at a still succession. Anybody can make up other tries.
func (r *Rotation) passesOn(subject common.Hash) bool {
	_, succession := r.agreed[subject]
	if d := r.files[subject]; d != nil && !r.ended(d) {
		return r.refuses(subject) || d.rotation.Still() && r.inTurn(d) || !d.rotation.Still() && d.complete() && len(d.locks) > 0
	}
	return !r.over(subject) && (succession || r.refuses(subject))
}

// refusal takes up a refusal of something that is known here, and reports whether it is
// news for others. One of this node's own that is news to it was forgotten, and is written
// down again.
func (r *Rotation) refusal(x council.Refusal) bool {
	_, succession := r.agreed[x.Subject]
	_, try := r.files[x.Subject]
	if _, have := r.refusals[x.Subject][x.Member]; have || !succession && !try || x.Verify(r.Holding.Roster) != nil {
		return false
	}
	r.note(x)
	if r.old && x.Member == r.Self && !r.refusing[x.Subject] {
		r.do(Keep{RotationRecord{Refusal: &x}}, Notify{What: "rotation", Text: "others hold a refusal of this node's, which its journal lacked: it locks for nothing of that, as it has said"})
	}
	return r.passesOn(x.Subject)
}

func (r *Rotation) note(x council.Refusal) {
	if r.refusals[x.Subject] == nil {
		r.refusals[x.Subject] = map[council.MemberID]council.Refusal{}
	}
	r.refusals[x.Subject][x.Member] = x
}

// refusalsOf lists what was refused under these names, in order.
func (r *Rotation) refusalsOf(subjects ...common.Hash) []council.Refusal {
	var out []council.Refusal
	for _, s := range subjects {
		for _, m := range slices.Sorted(maps.Keys(r.refusals[s])) {
			out = append(out, r.refusals[s][m])
		}
	}
	return out
}

// unwilling are the old members that will not lock for a try any more.
func (r *Rotation) unwilling(d *dossier) map[council.MemberID]bool {
	out := map[council.MemberID]bool{}
	for _, x := range r.refusalsOf(d.id, d.rotation.Succession) {
		out[x.Member] = true
	}
	return out
}

// mustRefuse reports whether others have locked for a try that this node will
// never lock for: it has locked for another, has joined a later one, or its
// operator does not want the succession. Its word lets them unlock. A still try that so
// many refuse that it can't be committed is refused by all, or there would be no next;
// those after it have to wait for that.
func (r *Rotation) mustRefuse(d *dossier) bool {
	id := d.id
	own := slices.ContainsFunc(r.locks, func(l council.Lock) bool { return l.Ceremony == id })
	if own || r.locking == id || r.ended(d) || r.refuses(id) || !r.inTurn(d) || r.Ledger.Behind != "" {
		return false
	}
	if n := len(r.Holding.Roster.Members); d.rotation.Still() && n-len(r.refusals[id]) < r.Holding.Roster.LockQuorum() {
		return true
	}
	if len(d.locks) == 0 || !r.ripe(d) { // who is honest locks for no other
		return false
	}
	other, locked := r.Locked()
	if f := r.files[other]; locked && f != nil && f.before(d) {
		return false // that one is over, or nobody could have joined this: the proof of it comes
	}
	return locked || r.passed(d) || r.refuses(d.rotation.Succession)
}

// Unsure is a try for which this node may have locked, or which it may have refused, if it
// has forgotten what it said: others have locked for it, it is not over, and nobody has
// brought a word of this node's on it.
func (r *Rotation) Unsure() (ceremony common.Hash, unsure bool) {
	if r.certificate != nil || !r.old {
		return ceremony, false
	}
	for _, id := range slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp) {
		d := r.files[id]
		_, mine := d.locks[r.Self]
		if !mine && len(d.locks) > 0 && r.ripe(d) && !r.ended(d) && !r.refuses(id) && !r.refuses(d.rotation.Succession) {
			return id, true
		}
	}
	return ceremony, false
}

// ripe reports whether somebody honest may have locked for a try: it can be locked for, or
// as many have joined a still one as commit with --last-four. One member alone could have
// all others refuse one still try after the other else, by its Lock for each, while they
// are locked for another succession: there would be none left for who wants this one.
func (r *Rotation) ripe(d *dossier) bool {
	return d.complete() || d.rotation.Still() && len(d.acks[common.Hash{}]) >= r.Holding.Roster.Threshold
}

func (r *Rotation) refuse(subject common.Hash, why string) {
	r.refusing[subject] = true
	r.do(WriteRefusal{council.Refusal{Member: r.Self, Subject: subject, Reason: why}})
}

// refusalWritten takes up a refusal that is on the disk. One that the disk has not taken
// may lie there all the same: so this node locks for nothing that it refuses, and has it
// written again.
func (r *Rotation) refusalWritten(ev RefusalWritten) {
	if ev.Err != nil {
		r.unwritten[ev.Refusal.Subject] = unwritten{ev.Refusal.Reason, r.now}
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("write the refusal: %v; it is tried again", ev.Err)})
		return
	}
	defer delete(r.refusing, ev.Refusal.Subject)
	r.refusal(ev.Refusal)
	r.soon()
}

// unwritten is a refusal that the disk has not taken.
type unwritten struct {
	why string
	at  time.Time
}

// refuseAgain has refusals written that the disk has not taken, until what they are about
// is over. A node that is catching up gives no word meanwhile.
func (r *Rotation) refuseAgain() {
	for _, subject := range slices.SortedFunc(maps.Keys(r.unwritten), common.Hash.Cmp) {
		switch x := r.unwritten[subject]; {
		case r.over(subject):
			delete(r.unwritten, subject)
			delete(r.refusing, subject)
		case r.Ledger.Behind == "" && r.due(x.at, r.Timing.Retry):
			delete(r.unwritten, subject)
			r.refuse(subject, x.why)
		}
	}
}

// abortWanted refuses a succession, if that can still have an effect.
func (r *Rotation) abortWanted(ev AbortWanted) {
	digest := ev.Succession
	if digest == (common.Hash{}) {
		digest, _, _ = r.chosen()
	}
	if err := r.refusable(digest); err != nil {
		r.do(Notify{What: "rotation", Text: "abort: " + err.Error()})
		return
	}
	if d := r.current(); d != nil && d.rotation.Succession == digest {
		r.leave(d)
		d.failed = "the operator of this node wants it to end"
	}
	r.do(Notify{What: "rotation", Text: fmt.Sprintf("refuses %s: %s", r.steps([]common.Hash{digest}), ev.Reason)})
	r.refuse(digest, ev.Reason)
}
