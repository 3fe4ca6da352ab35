package agenda

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// A succession that moves no share (another charter, wallet or term) has nobody to wait
// for but those whose Locks commit it, so members that are away don't stop it. Nobody
// leads it: all compute the same try. Its steps:
//
//  1. Who holds a share and may work for it joins the try, durably, and signs an Ack:
//     it works for no other try until this one is over.
//  2. As many Acks as commit make the try one that can be locked for. No other still try
//     comes to have as many; and none that moves shares comes to have all, since who has
//     acknowledged such a share joins no still one. So at no time can two be locked for.
//  3. The first to lock sees that as many as have to are there and ready, so that the
//     council does not stop signing for want of one more. The others follow.
//
// Where members have joined tries at two successions and neither has enough, nothing is
// locked, and the council signs on. Some give way, once they see that theirs can't come
// about any more (givesWay); else operators end one of the two.

// tryAt is the try at a still succession that is the next one here: the first that no
// abort certificate has ended.
func (r *Rotation) tryAt(digest common.Hash) council.Rotation {
	h := r.agreed[digest]
	for n := h.next.Random.Big().Uint64(); r.over(h.next.ID()); r.agreed[digest] = h {
		n++
		h.next.Random = council.StillTry(n)
	}
	return h.next
}

// exhausted reports whether all tries at a succession that moves no share were refused:
// there is no next one.
func (r *Rotation) exhausted(digest common.Hash) bool {
	return r.agreed[digest].still() && numberedTooHigh(r.tryAt(digest))
}

// numberedTooHigh reports whether a try is a still one that nobody opens or joins: who
// refuse them all must not have the others write down tries without end.
func numberedTooHigh(t council.Rotation) bool {
	return t.Still() && t.Random.Cmp(council.StillTry(MaxTries)) > 0
}

// still has this node work for a succession that moves no share.
func (r *Rotation) still(digest common.Hash) {
	if !r.old {
		return
	}
	why, _ := r.keepsOut(digest)
	opens := r.opens(digest)
	may := why == "" && !r.now.Before(opens)
	r.due(opens, 0)
	m := RotationReady{Succession: digest, Old: true}
	if may {
		m.Random = r.random
	}
	if k := (readyKey{r.Self, true}); r.ready[k] != m {
		r.ready[k] = m
		r.soon()
	}
	if _, locked := r.Locked(); !may || locked || r.committing() {
		return
	}
	d, t := r.current(), r.tryAt(digest)
	if d == nil || d.id != t.ID() {
		if d = r.join(t); d == nil {
			return
		}
	}
	if _, have := r.staged[d.id]; !have && !d.staging && r.every(&r.tried, r.Timing.Retry) {
		d.staging = true
		r.do(StageShare{Rotation: d.rotation})
	}
}

// joined counts the holders of shares that have joined the next try at a still
// succession, or have acknowledged a share of a try at another that is not over.
func (r *Rotation) joined(digest common.Hash) int {
	who := map[council.MemberID]bool{}
	for _, d := range r.files {
		if d.rotation.Succession != digest || r.ended(d) || !r.inTurn(d) {
			continue
		}
		for _, by := range d.acks {
			for m := range by {
				if _, old := r.Holding.Roster.Member(m); old {
					who[m] = true
				}
			}
		}
	}
	return len(who)
}

// preferred is the succession, of several in the order of their digests, that this node
// works for when it is in no try: one that has been joined by so many that no other can
// come about, or the one without shares that most have joined, since nobody leaves it;
// then the first, but for those that would only stand in the way (waits). One that is
// early here alone, since its charter's text came late, counts before others without
// shares when it keeps all of them from being locked for: who joined another one would
// have neither come about. It does not count before one that moves shares, which may do
// without those who have joined it.
func (r *Rotation) preferred(open []common.Hash) (best common.Hash, ok bool) {
	if h, ok := r.ruling(open); ok {
		return h, true
	}
	most := 0
	for _, h := range open {
		if n := r.joined(h); r.agreed[h].still() && n > most && !r.early(h) {
			best, most = h, n
		}
	}
	if most == 0 && len(open) > 0 {
		best = open[max(0, slices.IndexFunc(open, func(h common.Hash) bool { return !r.waits(h) }))]
	}
	spare := len(r.Holding.Roster.Members) - r.Holding.Roster.LockQuorum() // of whom a try can do without
	for _, h := range open {
		if n := r.joined(h); r.agreed[h].still() && r.agreed[best].still() && n > max(most, spare) {
			best, most = h, n
		}
	}
	return best, len(open) > 0
}

// early reports whether it is long until a succession may begin. What begins soon is
// waited for: nodes have not heard of it at the same moment, and are to choose alike. So
// does who holds no share: it goes by the time that those who do take.
func (r *Rotation) early(digest common.Hash) bool {
	return r.opensToAll(digest).Sub(r.now) > settling*time.Second
}

// waits reports whether a succession would only keep this node from another one: it is
// early, or something keeps this node out and who could has had the time to join it.
func (r *Rotation) waits(digest common.Hash) bool {
	why, _ := r.keepsOut(digest)
	return r.early(digest) || why != "" && r.now.Sub(r.opens(digest)) > settling*time.Second
}

// ruling is a succession that has been joined by so many that no other one comes to have
// enough. One that moves shares goes first: who has acknowledged such a share is bound.
func (r *Rotation) ruling(open []common.Hash) (digest common.Hash, ok bool) {
	for _, still := range []bool{false, true} {
		for _, h := range open {
			if r.agreed[h].still() == still && r.joined(h) >= r.rules() {
				return h, true
			}
		}
	}
	return common.Hash{}, false
}

// rules is how many have to have joined a still try so that no other one comes to have
// enough: of them all but one are honest, and were in no other.
func (r *Rotation) rules() int {
	return len(r.Holding.Roster.Members) - r.Holding.Roster.LockQuorum() + 2
}

// givesWay reports whether this node leaves a still try, which can't come about any
// more: so many have joined another one, at a succession with a lower digest or at one
// that moves shares.
func (r *Rotation) givesWay(d *dossier, open []common.Hash) bool {
	if _, locked := r.Locked(); locked || !d.rotation.Still() || d.complete() {
		return false
	}
	h, ok := r.ruling(open)
	return ok && (!r.agreed[h].still() || h.Cmp(d.rotation.Succession) < 0)
}

// bound reports whether this node has acknowledged a share of a try that may still be
// committed. Until that is over it joins nothing else.
func (r *Rotation) bound() bool {
	for id := range r.staged {
		if d := r.files[id]; d != nil && !d.rotation.Still() && !r.ended(d) {
			return true
		}
	}
	return false
}

// here counts the members that have joined a still try and are ready to lock for it.
func (r *Rotation) here(d *dossier) (n int) {
	for m := range d.acks[common.Hash{}] {
		if r.isReady(d.rotation.Succession, m, true) {
			n++
		}
	}
	return n
}

// mayLead reports whether this node may lock for a try that nobody has locked for: as
// many as commit are there. With fewer the council would stop signing, and wait.
func (r *Rotation) mayLead(d *dossier) bool {
	return !d.rotation.Still() || len(d.locks) > 0 || r.four == d.id || r.here(d) >= r.Holding.Roster.LockQuorum()
}

// inTurn reports whether a try is the next one at its succession. Only those that move
// no share are numbered.
func (r *Rotation) inTurn(d *dossier) bool {
	return !d.rotation.Still() || r.tryAt(d.rotation.Succession).ID() == d.id
}

// joinedBy reports whether a member has said that it has joined a still try.
func (d *dossier) joinedBy(m council.MemberID) bool {
	if d == nil {
		return false
	}
	_, ok := d.acks[common.Hash{}][m]
	return ok
}

// before reports whether one try at a still succession comes before another at the same.
func (d *dossier) before(o *dossier) bool {
	return d.rotation.Still() && d.rotation.Succession == o.rotation.Succession && d.rotation.Random.Cmp(o.rotation.Random) < 0
}

// stillStatus is that of a node which works for a succession that moves no share.
func (r *Rotation) stillStatus(digest common.Hash, out RotationStatus) RotationStatus {
	roster := r.Holding.Roster
	want := roster.LockQuorum()
	d := r.files[r.tryAt(digest).ID()]
	if d != nil && len(d.locks) > 0 {
		return r.lockStatus(d, out)
	}
	if opens := r.opens(digest); r.now.Before(opens) {
		out.Stage, out.Text = StageProposed, begins(opens)
		return out
	}
	n := 0
	for _, m := range roster.IDs() {
		if d.joinedBy(m) && r.isReady(digest, m, true) {
			n++
			continue
		}
		out.Missing = append(out.Missing, Need{m, "start this node, or another one that is missing; it has to be connected, not frozen, and its clock right"})
	}
	if n >= want {
		out.Stage, out.Text, out.Missing = StageReady, "enough members are there; they lock now", nil
		return out
	}
	out.Stage = StageGathering
	out.Text = fmt.Sprintf("no share is moved; %d of the %d members that are needed are there, and the council signs on until then", n, want)
	if n == roster.Threshold {
		out.Text += fmt.Sprintf("; if no other comes back, '--last-four' on all %d commits, and says what it assumes", n)
	}
	if other, most := r.rival(digest); most != 0 {
		out.Text += fmt.Sprintf("; %d have joined another succession: if neither gets enough, refuse one of the two on %d nodes, this one by '%s', the other by '%s'", most, roster.AbortQuorum(), r.toAbort(digest), r.toAbort(other))
	}
	return out
}

// rival is the other still succession that most have joined, and how many.
func (r *Rotation) rival(digest common.Hash) (other common.Hash, most int) {
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if n := r.joined(h); h != digest && r.agreed[h].still() && !r.over(h) && n > most {
			other, most = h, n
		}
	}
	return other, most
}

func begins(t time.Time) string {
	return fmt.Sprintf("agreed on; begins %s at the earliest", t.UTC().Format("2006-01-02 15:04 UTC"))
}
