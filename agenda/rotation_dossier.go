package agenda

import (
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// dossier is what this node knows of a try. Only what has been verified is in it.
type dossier struct {
	id         common.Hash // of the rotation
	rotation   council.Rotation
	succession council.Succession
	opener     council.MemberID // who told of it; empty for one that this node has joined
	// acks are kept by transcript: a member that signs two must not keep the one
	// that the others sign out. In a still try there is none, and who has signed the zero
	// one has joined it.
	acks  map[common.Hash]map[council.MemberID]council.NodeSignature
	tests map[int][]byte // by index of TestSubsets
	locks map[council.MemberID]council.Lock

	parts      []common.Hash // the leader's: it repeats its RotationBegin
	transcript common.Hash   // as this node heard it

	silent map[council.SessionID]Waits // in the sessions of this node

	began     time.Time
	running   bool // the engine makes the shares
	staging   bool
	proving   bool
	restarted bool // joined by an earlier process: its sessions are gone
	// What this process has given up is not kept: its share is on disk, and others may yet
	// commit it. So the next process takes the try for open, as its disk has it, and gives it
	// up by the same rules, by its own clock.
	failed   string
	farewell *RotationFailed // what this node said of that; nil if it was another that gave up
	timedOut bool
}

// open gives the dossier of a try; nil when the succession is unknown, the try is
// not one at it, or too many are open.
func (r *Rotation) open(t council.Rotation, opener council.MemberID) *dossier {
	id := t.ID()
	if d, ok := r.files[id]; ok {
		return d
	}
	s, ok := r.agreed[t.Succession]
	if !ok || opener != "" && numberedTooHigh(t) || t.Check(r.Holding, s.Succession) != nil {
		return nil
	}
	if opener != "" {
		var theirs []common.Hash
		for x, d := range r.files {
			if d.opener == opener && r.forgettable(x, d) {
				theirs = append(theirs, x)
			}
		}
		if len(theirs) >= MaxDossiers {
			slices.SortFunc(theirs, common.Hash.Cmp)
			delete(r.files, theirs[0])
			delete(r.refusals, theirs[0])
		}
	}
	d := &dossier{
		id: id, rotation: t, succession: s.Succession, opener: opener, acks: map[common.Hash]map[council.MemberID]council.NodeSignature{},
		tests: map[int][]byte{}, locks: map[council.MemberID]council.Lock{}, silent: map[council.SessionID]Waits{},
	}
	r.files[id] = d
	for _, l := range r.locks { // of its try a disk may have nothing else, see takeBack
		if l.Ceremony == id {
			d.lock(r.Holding, l)
		}
	}
	return d
}

// forgettable reports whether a try is nothing but what one member tells of: nobody else
// has locked for it, its Lock there convicts nobody, and this node has neither joined nor
// refused it, nor locked for it. The next one at a still succession is more than that.
func (r *Rotation) forgettable(id common.Hash, d *dossier) bool {
	if _, mine := d.locks[r.Self]; mine || slices.Contains(r.tries, id) || r.refuses(id) || d.rotation.Still() && r.inTurn(d) {
		return false
	}
	_, own := d.locks[d.opener]
	return len(d.locks) == 0 || len(d.locks) == 1 && own && !r.shown[d.opener]
}

// mayLock reports whether there is room for another Lock of a member. An honest one
// locks again when a try is over.
func (r *Rotation) mayLock(m council.MemberID) bool {
	n := 0
	for _, d := range r.files {
		if _, ok := d.locks[m]; ok && !r.ended(d) {
			n++
		}
	}
	return n < MaxTries
}

// spreads reports whether this node tells others of a try unasked.
func (r *Rotation) spreads(d *dossier) bool {
	return !r.ended(d) && (d == r.current() && r.active(d) || d.complete() && len(d.locks) > 0)
}

// merge takes up what a dossier says beyond what is known.
func (r *Rotation) merge(m Dossier, from council.MemberID) {
	if len(m.Acks) > 2*council.MaxMembers || len(m.Tests) > council.MaxMembers || len(m.Locks) > council.MaxMembers || len(m.Refusals) > 2*council.MaxMembers {
		return
	}
	d := r.open(m.Rotation, from)
	if d == nil {
		return
	}
	news := false
	for _, w := range m.Acks {
		news = d.ack(w) || news
	}
	for _, t := range m.Tests {
		news = d.test(t) || news
	}
	for _, l := range m.Locks {
		if _, have := d.locks[l.Member]; have || r.mayLock(l.Member) {
			if d.lock(r.Holding, l) {
				news = true
				r.takeBack(d, l)
			}
		}
	}
	news = news && r.spreads(d) // what goes no further is nobody's news
	for _, x := range m.Refusals {
		news = r.refusal(x) || news
	}
	if news {
		r.soon()
	}
}

// ack takes up an Ack, and reports whether it was new. A member can bring in one
// transcript of its own; one that another member has signed, too, is always taken.
func (d *dossier) ack(w AckWord) bool {
	if _, ok := d.acks[w.Transcript][w.Signature.Member]; ok {
		return false
	}
	if d.acks[w.Transcript] == nil {
		for _, by := range d.acks {
			if _, ok := by[w.Signature.Member]; ok {
				return false
			}
		}
	}
	if d.rotation.Still() && w.Transcript != (common.Hash{}) || d.rotation.Ack(w.Transcript).VerifySignature(d.succession.Roster, w.Signature) != nil {
		return false
	}
	if d.acks[w.Transcript] == nil {
		d.acks[w.Transcript] = map[council.MemberID]council.NodeSignature{}
	}
	d.acks[w.Transcript][w.Signature.Member] = w.Signature
	return true
}

func (d *dossier) test(t council.TestSignature) bool {
	for i, set := range d.succession.Roster.TestSubsets() {
		if !d.rotation.Still() && slices.Equal(set, t.Signers) && d.tests[i] == nil && t.Verify(d.rotation, d.succession.Roster) == nil {
			d.tests[i] = slices.Clone(t.Signature)
			return true
		}
	}
	return false
}

// lock takes up a Lock. One that says last-four takes the place of one that does
// not.
func (d *dossier) lock(h council.Holding, l council.Lock) bool {
	if have, ok := d.locks[l.Member]; ok && (have.LastFour || !l.LastFour) || l.Ceremony != d.id || l.Verify(h) != nil {
		return false
	}
	d.locks[l.Member] = l
	return true
}

// lastFour are the members whose Locks say last-four, sorted.
func (d *dossier) lastFour() (out []council.MemberID) {
	for _, m := range slices.Sorted(maps.Keys(d.locks)) {
		if d.locks[m].LastFour {
			out = append(out, m)
		}
	}
	return out
}

// acked gives the transcript that all new members have signed. A still try is acked by
// as many as have to lock for it: its members are those of the roster before.
func (d *dossier) acked() (transcript common.Hash, ok bool) {
	want := len(d.succession.Roster.Members)
	if d.rotation.Still() {
		want = d.succession.Roster.LockQuorum()
	}
	for t, by := range d.acks {
		if len(by) >= want {
			return t, true
		}
	}
	return common.Hash{}, false
}

// complete reports whether the try may be locked for: all Acks, all tests.
func (d *dossier) complete() bool {
	_, ok := d.acked()
	return ok && (d.rotation.Still() || len(d.tests) == len(d.succession.Roster.TestSubsets()))
}

// set is what a lock says of the Acks that it rests on.
func (d *dossier) set(transcript common.Hash) common.Hash {
	if d.rotation.Still() {
		return common.Hash{}
	}
	return d.rotation.Ack(transcript).Set(d.succession.Roster)
}

// word is the dossier as it is sent.
func (d *dossier) word(refusals []council.Refusal) Dossier {
	out := Dossier{Rotation: d.rotation, Refusals: refusals}
	for _, t := range slices.SortedFunc(maps.Keys(d.acks), common.Hash.Cmp) {
		for _, m := range slices.Sorted(maps.Keys(d.acks[t])) {
			out.Acks = append(out.Acks, AckWord{t, d.acks[t][m]})
		}
	}
	sets := d.succession.Roster.TestSubsets()
	for _, i := range slices.Sorted(maps.Keys(d.tests)) {
		out.Tests = append(out.Tests, council.TestSignature{Signers: sets[i], Signature: d.tests[i]})
	}
	for _, m := range slices.Sorted(maps.Keys(d.locks)) {
		out.Locks = append(out.Locks, d.locks[m])
	}
	return out
}

// certificate makes the certificate, if enough have locked. The last four commit
// only if all of their Locks say so and there are no others.
func (d *dossier) certificate(old council.Roster) (council.Certificate, bool) {
	t, _ := d.acked()
	w := d.word(nil)
	c := council.Certificate{Succession: d.succession, Rotation: d.rotation}
	if !d.rotation.Still() { // of which the Locks alone count
		if !d.complete() {
			return council.Certificate{}, false
		}
		c.Transcript, c.Tests = t, w.Tests
		for _, m := range d.succession.Roster.IDs() {
			c.Acks = append(c.Acks, d.acks[t][m])
		}
	}
	for _, l := range w.Locks {
		if l.Acks == d.set(t) {
			c.Locks = append(c.Locks, l)
		}
	}
	if len(c.Locks) >= old.LockQuorum() {
		return c, true
	}
	plain := slices.ContainsFunc(c.Locks, func(l council.Lock) bool { return !l.LastFour })
	return c, len(c.Locks) == old.Threshold && !plain
}
