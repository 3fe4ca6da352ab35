package agenda

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// agree takes up a succession that enough members approve of.
func (r *Rotation) agree(s council.Succession) (news bool, err error) {
	digest, err := s.Digest(r.Holding.Roster)
	if err != nil {
		return false, err
	}
	if _, ok := r.agreed[digest]; ok {
		return false, nil
	}
	if err := s.Verify(r.Holding.Roster, r.Profile); err != nil {
		return false, err
	}
	if !council.Compare(r.Holding.Roster, s.Roster).Reshares() {
		return false, fmt.Errorf("the succession to roster %d moves no share", s.Roster.Version)
	}
	r.agreed[digest] = s
	return true, nil
}

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
	news, err := r.agree(s)
	if err != nil {
		r.do(Notify{What: "rotation", Text: fmt.Sprintf("succession not taken up: %v", err)})
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
		r.do(Keep{RotationRecord{Succession: &s}}, Send{Message: Herald{s}})
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
	if receives && !r.prepared && !r.preparing {
		r.preparing = true
		r.do(MakeParams{})
	}
	m := RotationReady{Succession: digest, Old: old, New: receives}
	if !receives || r.prepared {
		m.Random = r.random
	}
	for _, o := range []bool{true, false} {
		if o && old || !o && receives {
			if r.ready[readyKey{r.Self, o}] != m {
				r.ready[readyKey{r.Self, o}] = m
				r.soon()
			}
		}
	}
	effective := unixTime(s.Effective)
	if !receives || leader(s) != r.Self || r.now.Before(effective) {
		r.due(effective, 0)
		return
	}
	if absent, short := r.absent(digest, s); len(absent) > 0 || short > 0 || len(r.tries) >= MaxTries {
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
