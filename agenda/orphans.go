package agenda

import (
	"slices"

	"github.com/millicent-one/signer/council"
)

// known finds the proposal, or keeps the entry until the proposal arrives: the
// feeds of different members reach us in any order. Of an author's entries the oldest makes
// room: what it says of a proposal that never comes, or that is not taken up here, must not
// hold its places for good.
func (a *Agenda) known(id council.ProposalID, e Recorded) *Proposal {
	if p, ok := a.proposals[id]; ok {
		return p
	}
	a.orphans[id] = append(a.orphans[id], e)
	own, used := append(a.orphaned[e.Author], newOrphan(id, e)), 0
	for _, o := range own {
		used += o.places
	}
	for ; used > MaxOrphans; own = own[1:] {
		used -= own[0].places
		a.dropOrphan(own[0].about, e.Author)
	}
	a.orphaned[e.Author] = own
	return nil
}

// orphan is an entry that waits for its proposal, and what it takes of its author's places.
type orphan struct {
	about  council.ProposalID
	places int
}

func newOrphan(id council.ProposalID, e Recorded) orphan {
	signed, _ := e.Body.(council.Signed) // no other is large
	return orphan{id, int(places(signed.Tx))}
}

// dropOrphan drops an author's oldest entry about a proposal.
func (a *Agenda) dropOrphan(id council.ProposalID, author council.MemberID) {
	of := a.orphans[id]
	i := slices.IndexFunc(of, func(e Recorded) bool { return e.Author == author })
	if of = slices.Delete(of, i, i+1); len(of) == 0 {
		delete(a.orphans, id)
		return
	}
	a.orphans[id] = of
}
