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

// agree takes up a succession that enough members approve of. When this node first
// heard of it counts, and is kept: what was timely then is so after every restart.
func (r *Rotation) agree(h HeardSuccession) (news bool, err error) {
	digest, err := r.sound(h)
	if err != nil {
		return false, err
	}
	if _, known := r.agreed[digest]; known {
		return false, nil // the one that was verified stays: the digest covers no signature
	}
	r.agreed[digest] = h.Succession
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
	if !council.Compare(r.Holding.Roster, s.Roster).Reshares() {
		return digest, fmt.Errorf("the succession to roster %d moves no share", s.Roster.Version)
	}
	if err := s.Timely(r.Holding.Roster, h.Seen); err != nil {
		return digest, fmt.Errorf("%w: %w", errDated, err)
	}
	return digest, nil
}

// Check says why this node does not take part in a succession that is brought now,
// or nil.
func (r *Rotation) Check(s council.Succession, now time.Time) error {
	_, err := r.sound(HeardSuccession{s, seen(now)})
	return err
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
	news, err := r.agree(heard)
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
	digest, err := s.Digest(r.Holding.Roster)
	if err != nil {
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
// else the first, by digest, that can still come about. So two that are proposed at
// once don't stop each other.
func (r *Rotation) chosen() (digest common.Hash, s council.Succession, ok bool) {
	if d := r.current(); d != nil && r.active(d) {
		return d.rotation.Succession, d.succession, true
	}
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		s := r.agreed[h]
		old, receives := r.roles(s)
		if !r.over(h) && !r.refuses(h) && (old || receives) {
			return h, s, true
		}
	}
	return common.Hash{}, council.Succession{}, false
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
// no other one is begun or joined.
func (r *Rotation) committing() bool {
	for _, d := range r.files {
		if d.complete() && len(d.locks) > 0 && !r.ended(d) {
			return true
		}
	}
	_, locked := r.Locked()
	return locked
}

func leader(s council.Succession) council.MemberID { return s.Roster.Members[0].ID }

// gather says that this node is ready, and begins a try when it leads and all are
// there.
func (r *Rotation) gather() {
	digest, s, ok := r.chosen()
	if d := r.current(); !ok || d != nil && r.active(d) || r.committing() {
		return
	}
	old, receives := r.roles(s)
	why, _ := r.keepsOut(s)
	if why == "" && receives && !r.prepared && !r.preparing {
		r.preparing = true
		r.do(MakeParams{})
	}
	deals := old && !r.Shareless
	m := RotationReady{Succession: digest, Old: deals, New: receives}
	// Who can take part in no try says so: that it is there, with no part of one.
	effective := unixTime(s.Effective)
	if why == "" && !r.now.Before(effective) && (!receives || r.prepared) {
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
	if !receives || leader(s) != r.Self || r.now.Before(effective) {
		r.due(effective, 0)
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
func (r *Rotation) keepsOut(s council.Succession) (why, do string) {
	old, receives := r.roles(s)
	switch {
	case r.Frozen != "":
		return "is frozen: " + readable(r.Frozen), "run 'signer key thaw' here, if the reason is gone; if it is not, agree on a step that puts this node out"
	case receives && !old && r.Charter != s.Roster.Charter:
		return fmt.Sprintf("has the charter %s, and the roster that it is to join has %s", r.Charter.Hex(), s.Roster.Charter.Hex()),
			"get the council's charter file from another member, and start this node with it"
	}
	return "", ""
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
