package node

import (
	"slices"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// fetches are the facts that a chain's RPC is asked for. Members can make up proposals by
// the dozen: asked for all at once, an RPC answers none, also not for the one that counts.
type fetches struct {
	running map[council.ProposalID]bool
	waiting []agenda.Fetch
}

// add takes up what is to be asked for, once for each proposal. What runs already is
// answered soon, and the agenda asks again if that is not enough.
func (q *fetches) add(e agenda.Fetch) {
	i := slices.IndexFunc(q.waiting, func(w agenda.Fetch) bool { return w.Proposal == e.Proposal })
	switch {
	case q.running[e.Proposal]:
	case i >= 0:
		q.waiting[i] = e
	default:
		q.waiting = append(q.waiting, e)
	}
}

// next is what is asked for now, if there is a place: the first of the highest rank. The
// last places are for what restricts or is approved.
func (q *fetches) next() (agenda.Fetch, bool) {
	if len(q.waiting) == 0 {
		return agenda.Fetch{}, false
	}
	first := 0
	for i, e := range q.waiting {
		if e.Rank > q.waiting[first].Rank {
			first = i
		}
	}
	e := q.waiting[first]
	if len(q.running) >= maxFetches+min(e.Rank, 2) {
		return agenda.Fetch{}, false
	}
	q.waiting = slices.Delete(q.waiting, first, first+1)
	if q.running == nil {
		q.running = map[council.ProposalID]bool{}
	}
	q.running[e.Proposal] = true
	return e, true
}

func (q *fetches) done(id council.ProposalID) { delete(q.running, id) }
