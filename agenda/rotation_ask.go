package agenda

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Successions are those that this node knows and that may still come about: the one
// that is committed, or else all that no abort certificate has ended. Each has been
// verified.
func (r *Rotation) Successions() []council.Succession {
	if r.certificate != nil {
		return []council.Succession{r.certificate.Succession}
	}
	var out []council.Succession
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if !r.over(h) {
			out = append(out, r.agreed[h].Succession)
		}
	}
	return out
}

// Refusable says why a refusal of this node's operator could have no effect, or nil.
func (r *Rotation) Refusable() error {
	digest, _, ok := r.chosen()
	locks := map[council.MemberID]bool{}
	for _, d := range r.files {
		if d.rotation.Succession == digest && !r.ended(d) {
			for m := range d.locks {
				locks[m] = true
			}
		}
	}
	_, locked := r.Locked()
	n, quorum := len(r.Holding.Roster.Members), r.Holding.Roster.AbortQuorum()
	switch {
	case r.certificate != nil:
		return errors.New("it is committed")
	case !ok:
		return errors.New("there is nothing to abort")
	case !r.old:
		return errors.New("only members who hold a share of the key can refuse")
	case locked:
		return fmt.Errorf("this node has locked: only refusals of %d others unlock it", quorum)
	case n-len(locks) < quorum:
		return fmt.Errorf("%d members have locked, so an abort can't come about any more: let this node lock, too", len(locks))
	}
	return nil
}

// LastFourable says why this node's lock can't say last-four now, or nil.
func (r *Rotation) LastFourable() error {
	d := r.nearest()
	switch {
	case r.Frozen != "":
		return errors.New("this node is frozen and locks for nothing; 'signer key thaw' lifts that")
	case !r.old, r.certificate != nil, d == nil, r.locking != (common.Hash{}):
		return errors.New("there is nothing to lock for yet; wait until the status is locking")
	}
	if why, do := r.keepsOut(d.rotation.Succession); why != "" {
		return fmt.Errorf("this node locks for nothing, since it %s: %s", why, do)
	}
	return nil
}
