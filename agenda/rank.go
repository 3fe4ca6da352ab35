package agenda

import (
	"bytes"
	"encoding/binary"
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
// node allows the proposal and who have not rejected it, the least suspected;
// among those, approvers before assistants; among those, by the draw. The first
// in the draw coordinates. It returns fewer than the threshold when there are
// no more, and then who is missing.
func (a *Agenda) signers(p *Proposal, nonce, attempt uint64) (set []council.MemberID, short []council.MemberID) {
	type candidate struct {
		id     council.MemberID
		doubt  int
		assist bool
		draw   [32]byte
	}
	chain := p.Intent.ChainID()
	var all []candidate
	for _, m := range a.roster.Members {
		ballot, voted := p.Ballots[m.ID]
		verdict, judged := p.Verdicts[m.ID]
		switch {
		case voted && ballot.Decision == council.Reject, !judged || !verdict.Allow, !m.Term.Holds(unix(a.now)):
			continue
		case !a.online[m.ID]:
			short = append(short, m.ID)
			continue
		}
		all = append(all, candidate{m.ID, p.doubt[m.ID], !voted, draw(a.genesis.ID(), chain, nonce, attempt, m.ID)})
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
	if len(all) > a.roster.Threshold {
		all = all[:a.roster.Threshold]
	}
	slices.SortFunc(all, func(x, y candidate) int { return bytes.Compare(x.draw[:], y.draw[:]) })
	for _, c := range all {
		set = append(set, c.id)
	}
	return set, short
}

// better reports whether coordinator x ranks before y in the draw of an
// attempt: of two Begins for one attempt the better one is followed.
func (a *Agenda) better(b council.Begin, x, y council.MemberID) bool {
	dx := draw(a.genesis.ID(), b.Chain, b.Nonce, b.Attempt, x)
	dy := draw(a.genesis.ID(), b.Chain, b.Nonce, b.Attempt, y)
	return bytes.Compare(dx[:], dy[:]) < 0
}
