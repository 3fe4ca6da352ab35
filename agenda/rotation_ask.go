package agenda

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// What Refusable can say of a name, beside that a refusal has no effect.
var (
	ErrUnknownStep   = errors.New("no step that is agreed on begins so")
	ErrAmbiguousStep = errors.New("several steps are agreed on")
)

// Refusable is the succession that this node's operator wants to refuse, by its digest. Its
// name is the beginning of its roster's hash, or of its own where two lead to one roster:
// 0x and hex digits. Where there is but one the name may be empty. The error says what can
// be refused, or why a refusal could have no effect.
func (r *Rotation) Refusable(name string) (digest common.Hash, err error) {
	var open, named []common.Hash
	for _, h := range slices.SortedFunc(maps.Keys(r.agreed), common.Hash.Cmp) {
		if r.standing(h) {
			open = append(open, h)
		}
		if r.goesBy(h, name) {
			named = append(named, h)
		}
	}
	meant := slices.DeleteFunc(slices.Clone(named), func(h common.Hash) bool { return !r.standing(h) })
	switch {
	case r.certificate != nil || !r.old || len(open) == 0:
		return digest, r.refusable(append(named, digest)[0])
	case len(named) == 0:
		return digest, council.WithHint(fmt.Errorf("%w: %s; this node can refuse %s", ErrUnknownStep, name, r.steps(open)), chooseStep)
	case len(meant) == 0:
		return digest, r.refusable(named[0])
	case len(meant) > 1:
		return digest, council.WithHint(fmt.Errorf("%w: %s", ErrAmbiguousStep, r.steps(meant)), chooseStep)
	}
	return meant[0], r.refusable(meant[0])
}

const chooseStep = "say which with --roster and the first digits of its hash; 'signer term show FILE' shows that of a file"

// standing reports whether a succession may still be refused by this node.
func (r *Rotation) standing(digest common.Hash) bool { return !r.over(digest) && !r.refuses(digest) }

// goesBy reports whether a name is the beginning of a succession's hash, or of its roster's.
func (r *Rotation) goesBy(digest common.Hash, name string) bool {
	name = strings.TrimPrefix(strings.ToLower(name), "0x")
	return strings.HasPrefix(digest.Hex()[2:], name) || strings.HasPrefix(r.agreed[digest].roster.Hex()[2:], name)
}

// hash is what an operator calls a succession by: its roster's hash, or its own if another
// one that may be meant leads to the same roster.
func (r *Rotation) hash(digest common.Hash) common.Hash {
	name := r.agreed[digest].roster
	for h, x := range r.agreed {
		if h != digest && x.roster == name && r.standing(h) {
			return digest
		}
	}
	return name
}

// toAbort is how the operator of another node refuses a succession.
func (r *Rotation) toAbort(digest common.Hash) string {
	return "signer term abort --roster " + r.hash(digest).Hex()[:10]
}

// steps tells successions apart.
func (r *Rotation) steps(digests []common.Hash) string {
	var out []string
	for _, h := range digests {
		s := r.agreed[h].Succession
		out = append(out, fmt.Sprintf("%s (roster %d; %s)", r.hash(h).Hex(), s.Roster.Version, r.changes(s)))
	}
	return strings.Join(out, ", or ")
}

// refusable says why a refusal of a succession by this node's operator could have no
// effect, or nil.
func (r *Rotation) refusable(digest common.Hash) error {
	locks := map[council.MemberID]bool{}
	for _, d := range r.files {
		if d.rotation.Succession == digest && !r.ended(d) {
			for m := range d.locks {
				locks[m] = true
			}
		}
	}
	ceremony, locked := r.Locked()
	d := r.files[ceremony]
	_, known := r.agreed[digest]
	n, quorum := len(r.Holding.Roster.Members), r.Holding.Roster.AbortQuorum()
	switch {
	case r.certificate != nil:
		return errors.New("it is committed")
	case !r.old:
		return errors.New("only members who hold a share of the key can refuse")
	case !known:
		return errors.New("there is nothing to abort")
	case r.over(digest):
		return errors.New("it is over already: enough members have refused")
	case r.refuses(digest):
		return council.WithHint(fmt.Errorf("this node has refused it already; %d refusals of %d end it for all", len(r.refusals[digest]), quorum),
			fmt.Sprintf("run '%s' on other nodes, if it is to end", r.toAbort(digest)))
	case locked && d != nil && d.rotation.Succession == digest:
		return fmt.Errorf("this node has locked: only refusals of %d others unlock it", quorum)
	case r.Ledger.Behind != "":
		return council.WithHint(fmt.Errorf("this node is catching up, and may have locked for it: %s", r.Ledger.Behind), "wait until 'signer status' says that it has caught up")
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
		return fmt.Errorf("there is nothing to lock for yet; wait until the status is locking, or, where no share is moved, until %d have joined", r.Holding.Roster.Threshold)
	}
	if why, do := r.keepsOut(d.rotation.Succession); why != "" {
		return fmt.Errorf("this node locks for nothing, since it %s: %s", why, do)
	}
	return nil
}
