package agenda

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// errDated is the reason for not taking up a succession that is sound otherwise.
var errDated = errors.New("dated back")

// agree takes up a succession that is sound. When this node first
// heard of it counts, and is kept: what was timely then is so after every restart.
func (r *Rotation) agree(digest common.Hash, h HeardSuccession) (news bool, err error) {
	was, known := r.agreed[digest]
	switch {
	case !known:
		roster, err := h.Succession.Roster.Hash()
		if err != nil {
			return false, err
		}
		r.agreed[digest] = heard{Succession: h.Succession, roster: roster, seen: h.Seen}
	case r.outdoes(digest, h.Succession):
		r.agreed[digest] = heard{Succession: h.Succession, roster: was.roster, seen: was.seen}
		for _, d := range r.files {
			if d.rotation.Succession == digest {
				d.succession = h.Succession
			}
		}
	default:
		return false, nil // the one that was verified stays: the digest covers no signature
	}
	x := r.agreed[digest]
	if r.recharters(x.Succession) {
		x.approved = r.approvedBy(x.Succession)
	}
	if x.next = was.next; !known && !council.Compare(r.Holding.Roster, x.Roster).Reshares() {
		if x.next, err = council.Rotate(r.Holding, x.Succession, nil, council.StillTry(1)); err != nil {
			delete(r.agreed, digest)
			return false, err
		}
	}
	r.agreed[digest] = x
	return true, nil
}

// sound checks a succession that this node does not know yet, and gives its digest.
func (r *Rotation) sound(h HeardSuccession) (digest common.Hash, err error) {
	s := h.Succession
	if digest, err = s.Digest(r.Holding.Roster); err != nil {
		return digest, err
	}
	if _, ok := r.agreed[digest]; ok {
		return digest, nil
	}
	if err := s.Verify(r.Holding.Roster, r.Profile); err != nil {
		return digest, err
	}
	if err := council.Compare(r.Holding.Roster, s.Roster).Rewires(); err != nil {
		return digest, err
	}
	if err := s.Timely(r.Holding.Roster, h.Seen); err != nil {
		return digest, fmt.Errorf("%w: %w", errDated, err)
	}
	return digest, nil
}

// continues checks a succession as sound does, and that one which this node does not know
// yet goes on from all rosters until now: with a step that does not, nobody who comes
// later could verify them. What others commit all the same is taken as ever.
func (r *Rotation) continues(h HeardSuccession) (digest common.Hash, err error) {
	digest, err = r.sound(h)
	if _, known := r.agreed[digest]; err == nil && !known {
		err = h.Succession.Continues(r.Earlier, r.Since)
	}
	return digest, err
}

// Check says why this node does not take part in a succession that is brought now,
// or nil.
func (r *Rotation) Check(s council.Succession, now time.Time) error {
	if _, err := r.continues(HeardSuccession{s, seen(now)}); err != nil {
		return err
	}
	if why := r.wants(s, r.approvedBy(s)); why != "" {
		return errors.New("the succession is not taken up: " + why)
	}
	return nil
}

// recount has a succession that this node has heard of at a time which is still to come
// count from now: its clock was ahead then. By one that is behind, so that the terms of
// the roster have not begun, nothing is counted anew.
func (r *Rotation) recount() {
	now := seen(r.now)
	if r.certificate != nil || r.Holding.Roster.Early(now) {
		return
	}
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if x := r.agreed[h]; x.seen > now {
			x.seen = now
			r.agreed[h] = x
			r.do(Keep{RotationRecord{Heard: &HeardSuccession{x.Succession, now}}})
		}
	}
}

func seen(now time.Time) uint64 { return uint64(max(now.Unix(), 0)) }

// herald takes up a succession that somebody brings, and gives its digest.
func (r *Rotation) herald(s council.Succession) common.Hash {
	if r.certificate != nil {
		return common.Hash{}
	}
	b, err := rlp.EncodeToBytes(s) // the same comes again and again, and to hash it for wallets takes long
	form := crypto.Keccak256Hash(b)
	if digest, ok := r.heralded[form]; ok || err != nil {
		return digest
	}
	heard := HeardSuccession{s, seen(r.now)}
	digest, err := r.continues(heard)
	news := false
	if err == nil {
		news, err = r.agree(digest, heard)
	}
	switch {
	case errors.Is(err, errDated):
		r.dated = RotationStatus{Stage: StageProposed, Roster: s.Roster.Version, Text: fmt.Sprintf("this node takes no part: %v", err)}
		return common.Hash{}
	case err != nil: // from whoever likes, and as often
		if r.every(&r.warned, r.Timing.Remind) {
			r.do(Notify{What: "rotation", Text: fmt.Sprintf("succession not taken up: %v", err)})
		}
		return common.Hash{}
	}
	if len(r.heralded) < MaxTries {
		r.heralded[form] = digest
	}
	if news {
		r.do(Keep{RotationRecord{Heard: &heard}}, Send{Message: Herald{s}}, Notify{What: "rotation-proposed", Text: r.outlook(s)})
		r.soon()
	}
	return digest
}

// chosen is the succession that this node works for: that of the try it is in, or
// else the one that is preferred of those that can still come about. So two that are
// proposed at once don't stop each other.
func (r *Rotation) chosen() (digest common.Hash, s council.Succession, ok bool) {
	open := r.workable()
	if d := r.current(); d != nil && r.active(d) && !r.givesWay(d, open) {
		return d.rotation.Succession, d.succession, true
	}
	digest, ok = r.preferred(open)
	return digest, r.agreed[digest].Succession, ok
}

// workable are the successions that this node may work for, in the order of their
// digests.
func (r *Rotation) workable() (open []common.Hash) {
	bound := r.bound()
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		s := r.agreed[h].Succession
		old, receives := r.roles(s)
		if !r.over(h) && !r.refuses(h) && (old || receives) && r.short(h) == "" && !(bound && r.agreed[h].still()) && !r.exhausted(h) {
			open = append(open, h)
		}
	}
	return open
}

// current is the try that this node has joined last, or nil.
func (r *Rotation) current() *dossier {
	if len(r.tries) == 0 {
		return nil
	}
	return r.files[r.tries[len(r.tries)-1]]
}

// active reports whether a try may still succeed without this node's giving it up:
// it goes on, or this node has locked for it.
func (r *Rotation) active(d *dossier) bool {
	id := d.id
	if locked, ok := r.Locked(); ok {
		return locked == id
	}
	return !r.ended(d) && !r.refuses(id) && !r.refuses(d.rotation.Succession) && (d.failed == "" || d.complete())
}

// committing reports whether somebody has locked for a try that is not over: then
// no other one is begun or joined. But who has not seen the end of the one before it
// joins that, and is told.
func (r *Rotation) committing() bool {
	for _, d := range r.files {
		if d.complete() && len(d.locks) > 0 && !r.ended(d) && r.inTurn(d) {
			return true
		}
	}
	_, locked := r.Locked()
	return locked
}

func leader(s council.Succession) council.MemberID { return s.Roster.Members[0].ID }

// gather says that this node is ready, and begins a try when it leads and all are
// there; one that moves no share waits for neither.
func (r *Rotation) gather() {
	for _, h := range r.workable() { // one that is not chosen now may be, then
		for _, d := range []time.Duration{-settling * time.Second, 0, settling*time.Second + 1} {
			r.due(r.opens(h), d)
		}
	}
	digest, s, ok := r.chosen()
	if r.agreed[digest].still() {
		r.still(digest)
		return
	}
	if d := r.current(); !ok || d != nil && r.active(d) && d.rotation.Succession == digest || r.committing() {
		return
	}
	old, receives := r.roles(s)
	why, _ := r.keepsOut(digest)
	if why == "" && receives && !r.prepared && !r.preparing {
		r.preparing = true
		r.do(MakeParams{})
	}
	deals := old && !r.Shareless
	m := RotationReady{Succession: digest, Old: deals, New: receives}
	// Who can take part in no try says so: that it is there, with no part of one.
	opens := r.opens(digest)
	if why == "" && !r.now.Before(opens) && (!receives || r.prepared) {
		m.Random = r.random
	}
	for _, o := range []bool{true, false} {
		if o && deals || !o && receives {
			if r.ready[readyKey{r.Self, o}] != m {
				r.ready[readyKey{r.Self, o}] = m
				r.soon()
			}
		}
	}
	if !receives || leader(s) != r.Self || r.now.Before(opens) {
		r.due(opens, 0)
		return
	}
	if absent, short := r.absent(digest, s); len(absent) > 0 || short > 0 || !r.mayTry() {
		return
	}
	dealers := r.dealers(digest)
	var parts []common.Hash
	for _, x := range s.Roster.IDs() {
		parts = append(parts, r.ready[readyKey{x, false}].Random)
	}
	for _, x := range dealers {
		parts = append(parts, r.ready[readyKey{x, true}].Random)
	}
	rotation, err := council.Rotate(r.Holding, s, dealers, mix(parts))
	if err != nil {
		r.do(Notify{What: "rotation", Text: err.Error()})
		return
	}
	if d := r.join(rotation); d != nil {
		d.parts = parts
	}
}

// used counts the tries that can still come to something; what an abort has ended
// makes room.
func (r *Rotation) used() (n int) {
	for _, id := range r.tries {
		if d := r.files[id]; d == nil || !r.ended(d) {
			n++
		}
	}
	return n
}

// mayTry reports whether there is room for another try, and whether the last one is
// long enough ago: what fails over and over must not use all of them up in an hour.
func (r *Rotation) mayTry() bool {
	n := r.used()
	if n >= MaxTries {
		return false
	}
	d := r.current()
	return n == 0 || d == nil || r.due(d.began, min(r.Timing.Retry<<min(n, 10), r.Timing.Ceremony))
}

// keepsOut says why this node takes part in no try at a succession, whoever else does,
// and what its operator can do about it; or "".
func (r *Rotation) keepsOut(digest common.Hash) (why, do string) {
	if r.Frozen != "" {
		return "is frozen: " + readable(r.Frozen), "run 'signer key thaw' here, if the reason is gone; if it is not, agree on a step that puts this node out"
	}
	switch {
	case !r.old:
	case r.Ledger.Behind != "":
		return "is catching up, and may not know all that it has said: " + r.Ledger.Behind,
			"keep this node running while others are connected; 'signer status' says how many it waits for"
	case r.Ledger.Fenced != "":
		return "was restored, and may have signed at nonces that its journal lacks, " + r.Ledger.Fenced,
			"let the others have transactions mined at these nonces, and see that this node's RPCs answer; if that can't be, agree on a step that puts this node out"
	case r.Ledger.Open > council.MaxOpenRows:
		return fmt.Sprintf("has %d open rows in its ledger, and a Lock carries %d", r.Ledger.Open, council.MaxOpenRows),
			"let open transactions be mined, or replace them with 'signer propose cancel-nonce --replaces', until 'signer list' shows fewer; this node signs on meanwhile"
	}
	if len(r.lastLocks()) > 1 {
		return "has given Locks of which it can't tell which was the last, since its journal was lost or is old",
			"restore the newest journal that there is; if there is none, agree on a step that puts this node out"
	}
	if why := r.short(digest); why != "" {
		return "does not follow: " + why, fmt.Sprintf("have more members approve, or refuse it with '%s'", r.toAbort(digest))
	}
	return r.strange(r.agreed[digest].Succession)
}

// keptOut reports whether something keeps this node from locking for a try.
func (r *Rotation) keptOut(d *dossier) bool {
	why, _ := r.keepsOut(d.rotation.Succession)
	return why != ""
}

// isReady reports whether a member's node, the old or the new one, can take part.
func (r *Rotation) isReady(digest common.Hash, m council.MemberID, old bool) bool {
	x, ok := r.ready[readyKey{m, old}]
	return ok && x.Succession == digest && x.Random != (common.Hash{})
}

// absent are the new members that are not ready, and how many old ones there are
// too few.
func (r *Rotation) absent(digest common.Hash, s council.Succession) (out []council.MemberID, short int) {
	for _, m := range s.Roster.IDs() {
		if !r.isReady(digest, m, false) {
			out = append(out, m)
		}
	}
	short = r.Holding.Roster.Threshold
	for _, m := range r.Holding.Roster.IDs() {
		if r.isReady(digest, m, true) {
			short--
		}
	}
	return out, max(short, 0)
}

// dealers are the least suspected of the old members that are ready.
func (r *Rotation) dealers(digest common.Hash) []council.MemberID {
	var out []council.MemberID
	for _, m := range r.Holding.Roster.IDs() {
		if r.isReady(digest, m, true) {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(x, y council.MemberID) int { return cmp.Compare(r.suspects[x], r.suspects[y]) })
	return council.Sorted(out[:r.Holding.Roster.Threshold])
}
