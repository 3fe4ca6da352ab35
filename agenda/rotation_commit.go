package agenda

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func unixTime(s uint64) time.Time { return time.Unix(int64(min(s, 1<<60)), 0) }

// forks convicts the members that have locked for two tries at once.
func (r *Rotation) forks() []council.Fork {
	found := map[council.MemberID]council.Fork{}
	seen := map[lockPlace]council.Lock{}
	for _, id := range slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp) {
		for m, l := range r.files[id].locks {
			k := lockPlace{m, l.After}
			if first, ok := seen[k]; ok {
				found[m] = council.Fork{First: first, Second: l}
			} else {
				seen[k] = l
			}
		}
	}
	var out []council.Fork
	for _, m := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[m])
	}
	return out
}

// show has the node keep what convicts a member, once for each process.
func (r *Rotation) show(forks []council.Fork) {
	for _, f := range forks {
		if m := f.First.Member; !r.shown[m] {
			r.shown[m] = true
			r.do(LockedTwice{f})
		}
	}
}

// lockPlace is a place in a member's chain of Locks.
type lockPlace struct {
	member council.MemberID
	after  common.Hash
}

// commit looks what the words of all amount to: an end, a certificate, a lock.
func (r *Rotation) commit() {
	r.lockAgain()
	forks := r.forks()
	r.show(forks)
	for _, h := range slices.SortedFunc(maps.Keys(r.refusals), common.Hash.Cmp) {
		c := council.AbortCertificate{Subject: h, Refusals: r.refusalsOf(h)}
		for _, f := range forks {
			if _, counts := r.refusals[h][f.First.Member]; !counts {
				c.Forks = append(c.Forks, f)
			}
		}
		if len(c.Refusals)+len(c.Forks) >= r.Holding.Roster.AbortQuorum() {
			r.abort(c)
		}
	}
	ids := slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp)
	for _, id := range ids {
		if c, ok := r.files[id].certificate(r.Holding.Roster); ok {
			if r.commits(c); r.certificate != nil {
				return
			}
		}
	}
	if !r.old {
		return
	}
	if d := r.current(); d != nil && r.lockable(d) { // before any that it has not joined
		r.lockFor(d)
	}
	for _, id := range ids {
		if d := r.files[id]; r.lockable(d) {
			r.lockFor(d)
		}
		if d := r.files[id]; r.mustRefuse(d) {
			r.refuse(id, "this node works for another try")
		}
	}
}

// lockable reports whether this node locks for a try now: nothing keeps it out, it has seen
// all Acks and tests, has locked for no other, has given it up neither by joining a later one
// nor by a refusal, and enough others may lock, too.
func (r *Rotation) lockable(d *dossier) bool {
	id := d.id
	_, locked := r.Locked()
	n := len(r.Holding.Roster.Members)
	four := r.four == id
	switch {
	case locked, r.keptOut(d), r.ended(d), r.refuses(id), r.refuses(d.rotation.Succession):
		return false
	case !d.complete() && !(four && d.rotation.Still()), r.passed(d), !r.inTurn(d):
		return false
	case !r.due(r.opens(d.rotation.Succession), 0), !four && !r.mayFollow(d), !r.mayLead(d):
		return false
	}
	return n-len(r.unwilling(d)) >= r.Holding.Roster.LockQuorum() || r.four == id
}

// mayFollow reports whether a node that receives nothing in a try may lock for it: two
// of those who hold a share and get one have. One of them is honest, and while it is
// locked no other try comes to have all Acks. Otherwise a leaver, which need not join
// a try, could be shown one that those who stay have given up, lock for it, and be
// lost to the one that they lock for.
func (r *Rotation) mayFollow(d *dossier) bool {
	_, receives := r.roles(d.succession)
	return receives || r.enoughStay(d)
}

// leaves reports whether a member holds a share and gets none in a try.
func (r *Rotation) leaves(d *dossier, m council.MemberID) bool {
	old, _ := r.Holding.Roster.Member(m)
	next, ok := d.succession.Roster.Member(m)
	return !ok || next.Peer != old.Peer
}

// enoughStay reports whether two have locked of those who hold a share and get one.
func (r *Rotation) enoughStay(d *dossier) bool {
	stay, locked := 0, 0
	for _, m := range r.Holding.Roster.IDs() {
		if r.leaves(d, m) {
			continue
		}
		stay++
		if _, ok := d.locks[m]; ok {
			locked++
		}
	}
	return locked >= min(stay, 2)
}

// passed reports whether this node has joined another try since this one, and so never
// locks for it. A still try that too few have joined does not count against one whose
// share all new members have acknowledged: none of those who stay has joined it, so it
// can't come about.
func (r *Rotation) passed(d *dossier) bool {
	i := slices.Index(r.tries, d.id)
	return i >= 0 && slices.ContainsFunc(r.tries[i+1:], func(id common.Hash) bool {
		f := r.files[id]
		return f == nil || d.rotation.Still() || !f.rotation.Still() || f.complete()
	})
}

// lockFor writes down what it locks for, then has the lock written.
func (r *Rotation) lockFor(d *dossier) {
	id := d.id
	r.rest(d)
	t, _ := d.acked()
	l := d.rotation.Lock(r.Self, d.set(t))
	l.LastFour = r.four == id
	if last := r.lastLocks(); len(last) > 0 { // there is but one, see keepsOut
		l.After = last[0].ID()
	}
	r.locking, r.asked = id, l
	r.do(WriteLock{l})
}

// rest writes down that a try is the one that this node joined last, and what a Lock for it
// rests on.
func (r *Rotation) rest(d *dossier) {
	if c := r.current(); c != d {
		if c != nil {
			r.leave(c)
		}
		r.last(d.id)
		d.opener = ""
		r.do(Keep{RotationRecord{Try: &d.rotation}})
	}
	t, _ := d.acked()
	w := d.word(nil)
	grounds := Dossier{Rotation: d.rotation, Tests: w.Tests}
	for _, a := range w.Acks {
		if a.Transcript == t {
			grounds.Acks = append(grounds.Acks, a)
		}
	}
	r.do(Keep{RotationRecord{Grounds: &grounds}})
}

// takeBack takes up a Lock of this node's own that others have brought, in a dossier that
// has it by now, if it is news: the journal was lost, or is an old one. It holds as if it
// had never been forgotten, and is written before anything else is done.
func (r *Rotation) takeBack(d *dossier, l council.Lock) {
	if !r.old || l.Member != r.Self || slices.ContainsFunc(r.locks, func(x council.Lock) bool { return x.ID() == l.ID() }) {
		return
	}
	r.locks = append(r.locks, l)
	r.do(Keep{RotationRecord{Lock: &l}})
	if r.locking == d.id {
		r.locking, r.denied, r.asked = common.Hash{}, time.Time{}, council.Lock{}
	}
	if !r.ended(d) {
		r.rest(d)
	}
	r.do(Notify{What: "rotation", Text: fmt.Sprintf("others hold a Lock of this node's for try %s, which its journal lacked: it signs nothing with its share, as it has said", d.id.Hex()[:10])})
}

// lastLocks are those of this node's Locks that no other follows: one, unless it has
// forgotten some, or has given two at once. Its first comes before all others.
func (r *Rotation) lastLocks() (last []council.Lock) {
	for _, l := range r.locks {
		followed := slices.ContainsFunc(r.locks, func(x council.Lock) bool { return x.After == l.ID() })
		if !followed {
			last = append(last, l)
		}
	}
	if later := slices.DeleteFunc(slices.Clone(last), func(l council.Lock) bool { return l.After == common.Hash{} }); len(later) > 0 {
		return later
	}
	return last
}

// last makes a try the one that this node has joined last.
func (r *Rotation) last(id common.Hash) {
	r.tries = append(slices.DeleteFunc(r.tries, func(x common.Hash) bool { return x == id }), id)
}

// lockAgain has a lock written that the disk has not taken. It may have it all the
// same, with the ledger rows of then, and show it after a restart: so until it is
// written, or its try is over, this node stays locked.
func (r *Rotation) lockAgain() {
	d := r.files[r.locking]
	switch {
	case r.denied.IsZero():
	case d == nil || r.ended(d):
		r.locking, r.denied = common.Hash{}, time.Time{}
	case r.Frozen == "" && r.Ledger.Behind == "" && r.Ledger.Fenced == "" && r.due(r.denied, r.Timing.Retry):
		r.denied = time.Time{}
		r.do(WriteLock{r.asked})
	}
}

func (r *Rotation) lockWritten(ev LockWritten) {
	d := r.files[r.locking]
	if d == nil {
		return
	}
	if ev.Err != nil {
		r.denied = r.now
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("write the lock: %v; this node signs nothing until it can", ev.Err)})
		return
	}
	r.locking = common.Hash{}
	r.locks = append(r.locks, ev.Lock)
	d.lock(r.Holding, ev.Lock)
	r.soon()
}

// lockRefused takes up that this node can't lock, and has ended nothing for it. It has
// locked for nothing, then, and keeps out until its ledger is another one.
func (r *Rotation) lockRefused(ev LockRefused) {
	r.locking, r.denied, r.asked = common.Hash{}, time.Time{}, council.Lock{}
	r.weighed(LedgerWeighed(ev))
}

// weighed takes up what this node's Lock could say of its ledger.
func (r *Rotation) weighed(ev LedgerWeighed) {
	if ev.Withholds() != r.Ledger.Withholds() {
		r.soon()
	}
	r.Ledger = ev
}

// lastFourWanted has this node's lock say that the threshold alone may commit.
func (r *Rotation) lastFourWanted() {
	if err := r.LastFourable(); err != nil {
		r.do(Notify{What: "rotation", Text: "last-four: " + err.Error()})
		return
	}
	d := r.nearest()
	r.four = d.id
	if _, locked := r.Locked(); locked && !d.locks[r.Self].LastFour {
		r.lockFor(d)
	}
}

// nearest is the try that can be locked for and is nearest to its certificate: that of
// this node's lock, if there is one. Who leaves need not have joined it. A still one that
// this node has joined counts once as many have as commit with --last-four: who locks
// before that is locked for one that nobody else need refuse (ripe), and stays so.
func (r *Rotation) nearest() (best *dossier) {
	for _, id := range slices.SortedFunc(maps.Keys(r.files), common.Hash.Cmp) {
		d := r.files[id]
		joined := d.rotation.Still() && slices.Contains(r.tries, id) && r.ripe(d) // four may be all there are
		if (d.complete() || joined) && r.active(d) && (best == nil || len(d.locks) > len(best.locks)) {
			best = d
		}
	}
	return best
}

// abort takes up an abort certificate; nothing else unlocks this node.
func (r *Rotation) abort(c council.AbortCertificate) {
	if _, have := r.aborts[c.Subject]; have {
		return
	}
	if _, err := council.VerifyAbort(r.Holding, c); err != nil {
		return
	}
	for _, x := range c.Refusals {
		r.note(x)
	}
	r.do(Keep{RotationRecord{Abort: &c}})
	r.show(c.Forks)
	r.aborts[c.Subject] = c
	if d := r.current(); d != nil && r.ended(d) {
		r.leave(d)
	}
	if f := r.files[r.four]; f != nil && r.ended(f) {
		r.four = common.Hash{}
	}
	r.do(Send{Message: AbortMessage{c}}, Notify{What: "rotation-aborted", Text: fmt.Sprintf("%d members refuse", len(c.Refusals))})
	r.soon()
}

// drop erases the shares of tries that are over. Those of tries that have only
// failed stay: they may be committed yet.
func (r *Rotation) drop() {
	for _, id := range slices.SortedFunc(maps.Keys(r.staged), common.Hash.Cmp) {
		if d := r.files[id]; d != nil && r.ended(d) {
			delete(r.staged, id)
			r.do(DropShare{id})
		}
	}
}

// commits takes up a certificate, whoever brings it. One of a try that an abort has ended
// here changes nothing: see disown.
func (r *Rotation) commits(c council.Certificate) {
	id := c.Rotation.ID()
	if _, known := r.disowned[id]; known || r.certificate != nil {
		return
	}
	s, err := council.VerifyCertificate(r.Holding, r.Profile, c)
	if err != nil {
		return
	}
	if a, over := r.abortOf(c); over {
		r.disown(c, a)
		return
	}
	if d := r.current(); d != nil {
		r.leave(d)
	}
	r.certificate, r.sw, r.locking, r.denied = &c, s, common.Hash{}, time.Time{}
	r.do(Send{Message: CertificateMessage{c}})
	r.reminded, r.tried, r.pause = time.Time{}, time.Time{}, r.Timing.Remind
}

// finish switches, then erases, each until it is done.
func (r *Rotation) finish() {
	switch {
	case !r.switched:
		if !r.switching && r.every(&r.tried, r.Timing.Retry) {
			r.switching = true
			r.do(SwitchShare{Certificate: *r.certificate, Switch: r.sw})
		}
	case r.erases() && r.erasures[r.Self].Sig == nil && !r.KeepsOld():
		if !r.erasing && r.every(&r.tried, r.Timing.Retry) {
			r.erasing = true
			r.do(EraseShare{Switch: r.sw})
		}
	}
}

// erases reports whether this node has an old share that is to go: where no share was
// moved, the one that it has is the one in use.
func (r *Rotation) erases() bool { return r.old && !r.sw.Rotation().Still() }

func (r *Rotation) shareSwitched(ev ShareSwitched) {
	r.switching = false
	if ev.Err != nil {
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("make the new share current: %v; this node signs nothing until it can", ev.Err)})
		return
	}
	r.switched, r.tried = true, time.Time{}
	r.do(Notify{What: "rotation-committed", Text: r.sw.String()})
}

func (r *Rotation) shareErased(ev ShareErased) {
	r.erasing = false
	if ev.Err != nil {
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("erase the old share: %v", ev.Err)})
		return
	}
	r.erased(ev.Erasure)
	r.do(Send{Message: ErasureMessage{ev.Erasure}})
}

// erased takes up a member's statement.
func (r *Rotation) erased(e council.Erasure) {
	if r.certificate != nil && r.erasures[e.Member].Sig == nil && e.Verify(r.sw) == nil {
		r.erasures[e.Member] = e
	}
}
