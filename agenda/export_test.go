package agenda

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Lanes counts the chains of which the agenda keeps a state.
func (a *Agenda) Lanes() int { return len(a.lanes) }

// Words counts what the agenda keeps of what members have said of attempts on a chain.
func (a *Agenda) Words(chain uint64) int {
	l := a.lane(chain)
	return len(l.last) + len(l.over) + len(l.came) + len(l.leads)
}

// LastAttempt is the highest attempt that counts at the first nonce.
func (a *Agenda) LastAttempt(id council.ProposalID) uint64 {
	return a.laneOf(a.proposals[id]).last[0]
}

// Leader is who would coordinate an attempt at the first nonce.
func (a *Agenda) Leader(id council.ProposalID, attempt uint64) council.MemberID {
	set, _ := a.signers(a.proposals[id], 0, attempt)
	return set[0]
}

// Ranked orders members by the draw of an attempt at the first nonce.
func (a *Agenda) Ranked(id council.ProposalID, attempt uint64, of []council.MemberID) []council.MemberID {
	p := a.proposals[id]
	return slices.SortedFunc(slices.Values(of), func(x, y council.MemberID) int {
		dx, dy := draw(a.lot(p), p.Intent.ChainID(), 0, attempt, x), draw(a.lot(p), p.Intent.ChainID(), 0, attempt, y)
		return bytes.Compare(dx[:], dy[:])
	})
}

// Hearings counts the sessions that the court remembers.
func (c *Court) Hearings() int { return len(c.hearings) }

// NonceFor is the nonce that a proposal would be signed at.
func (a *Agenda) NonceFor(id council.ProposalID) (uint64, error) {
	p := a.proposals[id]
	return a.nonceFor(a.laneOf(p), p)
}

// Orphans counts the entries of an author that wait for their proposal.
func (a *Agenda) Orphans(m council.MemberID) (n int) {
	for _, of := range a.orphans {
		for _, e := range of {
			if e.Author == m {
				n++
			}
		}
	}
	return n
}

// Listed counts the proposals of a member that are looked at to count the open ones.
func (a *Agenda) Listed(m council.MemberID) int { return len(a.openOf[m]) }

// Tended counts the proposals that each Step looks after.
func (a *Agenda) Tended() int { return len(a.active) }

// Rivals counts the proposals with one digest that others of the same look at.
func (a *Agenda) Rivals(digest common.Hash) int { return len(a.digests[digest]) }
