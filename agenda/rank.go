package agenda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// draw orders members for one attempt: a hash that everyone computes alike and
// nobody can choose beforehand for all attempts.
func draw(id common.Hash, chain, nonce, attempt uint64, m council.MemberID) [32]byte {
	var n [24]byte
	binary.BigEndian.PutUint64(n[0:], chain)
	binary.BigEndian.PutUint64(n[8:], nonce)
	binary.BigEndian.PutUint64(n[16:], attempt)
	return crypto.Keccak256Hash([]byte("millicent/rank/1\x00"), id[:], n[:], []byte(m))
}

// signers computes who signs an attempt: of the members who are online, whose
// node allows the proposal and is not frozen and who have not rejected it, those that have not
// failed with each other (see apart), are not convicted and the least suspected;
// among those, approvers before assistants; among those, by the draw. The first
// in the draw coordinates. It returns fewer than the threshold when there are no
// more, and then who is missing.
func (a *Agenda) signers(p *Proposal, nonce, attempt uint64) (set []council.MemberID, short []council.MemberID) {
	type candidate struct {
		id     council.MemberID
		doubt  int
		assist bool
		draw   [32]byte
	}
	chain, lot := p.Intent.ChainID(), a.lot(p)
	var all []candidate
	for _, m := range a.roster.Members {
		ballot, voted := p.Ballots[m.ID]
		verdict, judged := p.Verdicts[m.ID]
		switch {
		case voted && ballot.Decision == council.Reject, !judged || !verdict.Allow, !m.Term.Holds(unix(a.now)), a.still(m.ID):
			continue
		case !a.online[m.ID]:
			short = append(short, m.ID)
			continue
		}
		all = append(all, candidate{m.ID, a.doubt(p, m.ID), !voted, draw(lot, chain, nonce, attempt, m.ID)})
	}
	slices.SortFunc(all, func(x, y candidate) int {
		switch {
		case x.doubt != y.doubt:
			return x.doubt - y.doubt
		case x.assist != y.assist:
			if x.assist {
				return 1
			}
			return -1
		}
		return bytes.Compare(x.draw[:], y.draw[:])
	})
	order := make([]council.MemberID, len(all))
	for i, c := range all {
		order[i] = c.id
	}
	chosen := a.together(p, order)
	all = slices.DeleteFunc(all, func(c candidate) bool { return !slices.Contains(chosen, c.id) })
	slices.SortFunc(all, func(x, y candidate) int { return bytes.Compare(x.draw[:], y.draw[:]) })
	for _, c := range all {
		set = append(set, c.id)
	}
	return set, short
}

// doubt is how much speaks against a member. A conviction outweighs all
// suspicions, in every proposal: that member signs only where the council has no
// other four.
func (a *Agenda) doubt(p *Proposal, m council.MemberID) int {
	if a.convicted[m] {
		return p.doubt[m] + convictedDoubt
	}
	return p.doubt[m]
}

const convictedDoubt = 1 << 16

// convict takes up that a record proves a member false. No slot is kept with it, and no
// attempt goes on that it leads: whom it has told something else than the rest would wait
// for them as long as an attempt may take.
func (a *Agenda) convict(m council.MemberID) {
	if _, ok := a.roster.Member(m); !ok || m == a.self || a.convicted[m] {
		return
	}
	a.convicted[m] = true
	a.standbyWithout(m, true)
	for _, l := range a.every() {
		if l.try != nil && l.try.begin.Coordinator == m {
			a.giveUp(l, []council.MemberID{m}, fmt.Sprintf("%s coordinates it, and is convicted", m))
		}
	}
}

// worst is the most that any of the signers is suspected whom this node would
// choose for an attempt; false when there are too few.
func (a *Agenda) worst(p *Proposal, b council.Begin) (int, bool) {
	set, _ := a.signers(p, b.Nonce, b.Attempt)
	if len(set) < a.roster.Threshold {
		return 0, false
	}
	worst := 0
	for _, m := range set {
		worst = max(worst, a.doubt(p, m))
	}
	return worst, true
}

// better reports whether coordinator x ranks before y in the draw of an
// attempt: of two Begins for one attempt the better one is followed.
func (a *Agenda) better(p *Proposal, b council.Begin, x, y council.MemberID) bool {
	lot := a.lot(p)
	dx := draw(lot, b.Chain, b.Nonce, b.Attempt, x)
	dy := draw(lot, b.Chain, b.Nonce, b.Attempt, y)
	return bytes.Compare(dx[:], dy[:]) < 0
}
