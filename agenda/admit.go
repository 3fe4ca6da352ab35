package agenda

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// Admit checks an intent that a person at this node wants to propose, and gives
// the body to append.
func (a *Agenda) Admit(in council.Intent, now time.Time) (council.Proposed, council.ProposalID, error) {
	if a.genesis == nil {
		return council.Proposed{}, council.ProposalID{}, ErrNoKey
	}
	if in.Expires() <= unix(now) {
		return council.Proposed{}, council.ProposalID{}, council.WithHint(errors.New("the proposal would already be expired"), "give it a later end of validity; and compare this machine's clock")
	}
	if open := a.openBy(a.self, unix(now)); open >= MaxOpenPerMember {
		return council.Proposed{}, council.ProposalID{}, council.WithHint(fmt.Errorf("%d proposals of %s are open, which is the most", open, a.self), "wait until some have ended")
	}
	if m, _ := a.roster.Member(a.self); !m.Term.Holds(unix(now)) {
		return council.Proposed{}, council.ProposalID{}, council.WithHint(fmt.Errorf("the term of %s does not hold now", a.self), "a member outside its term can't propose; rotate the seat")
	}
	id, err := council.Propose(a.genesis.ID(), in)
	if err != nil {
		return council.Proposed{}, id, err
	}
	if err := a.fresher(in, id); err != nil {
		return council.Proposed{}, id, err
	}
	if err := a.outbidden(in); err != nil {
		return council.Proposed{}, id, err
	}
	b, err := council.EncodeIntent(in)
	if err != nil {
		return council.Proposed{}, id, err
	}
	if w := a.quotas[a.self].wait(unix(now), places(b)); w > 0 {
		return council.Proposed{}, id, council.WithHint(fmt.Errorf("%s has made %d proposals, or fewer large ones, the most at once", a.self, MaxProposed),
			fmt.Sprintf("wait %v, or let another member propose it", time.Duration(w)*time.Second))
	}
	return council.Proposed{Council: a.genesis.ID(), Intent: b}, id, nil
}

// fresher refuses a message that is signed already: whoever wants the signature
// can have that one. Another salt makes another proposal, not another digest.
func (a *Agenda) fresher(in council.Intent, id council.ProposalID) error {
	m, ok := council.AsMessage(in)
	if !ok {
		return nil
	}
	digest, err := m.Digest()
	if err != nil {
		return err
	}
	for _, q := range a.digests[digest] {
		if q.ID != id && q.Signature != nil {
			return council.WithHint(fmt.Errorf("the same is already signed, as proposal %s", q.ID.Short()), "'signer show "+q.ID.Short()+" --signature' prints the signature; or word it differently")
		}
	}
	return nil
}

// Ballot prepares the approval or rejection that a member would sign now.
func (a *Agenda) Ballot(p *Proposal, who council.MemberID, c council.Choice, reason string, now time.Time) (council.Approval, council.Document, error) {
	if p.Unread != nil {
		return council.Approval{}, council.Document{}, council.WithHint(fmt.Errorf("proposal %s can't be read, so it can't be approved: %w", p.ID.Short(), p.Unread), "reject it, or ask the proposer for a call that the charter names")
	}
	if p.Intent.Expires() <= unix(now) {
		return council.Approval{}, council.Document{}, council.WithHint(fmt.Errorf("%w: proposal %s expired %d seconds ago", ErrTooLate, p.ID.Short(), unix(now)-p.Intent.Expires()), "propose it again with a later end of validity")
	}
	ap := council.Approval{
		Proposal: p.ID, Decision: c, Action: p.Action.Sentence, Roster: a.hash, Charter: a.roster.Charter,
		Policy: a.policy.Hash(), Sequence: 1, Expires: p.Intent.Expires(), Reason: reason,
	}
	if prev, ok := p.Ballots[who]; ok {
		ap.Sequence = prev.Sequence + 1
	}
	return ap, ap.Document(a.genesis.ID(), p.Intent), nil
}

// Vote checks an approval or rejection that was handed to this node and gives
// the word to append it under.
func (a *Agenda) Vote(ap council.Approval, now time.Time) (council.MemberID, council.Word, error) {
	if a.genesis == nil {
		return "", "", ErrNoKey
	}
	p, ok := a.proposals[ap.Proposal]
	if !ok {
		return "", "", council.WithHint(fmt.Errorf("%w: %s", ErrUnknown, ap.Proposal.Short()), "'signer list' shows those this node knows")
	}
	if p.Unread != nil {
		return "", "", p.Unread
	}
	if p.Intent.Expires() <= unix(now) {
		return "", "", council.WithHint(fmt.Errorf("%w: proposal %s expired %d seconds ago", ErrTooLate, p.ID.Short(), unix(now)-p.Intent.Expires()), "propose it again with a later end of validity")
	}
	if p.words[a.self] >= MaxWords {
		return "", "", council.WithHint(fmt.Errorf("%w: this node has passed on %d words on proposal %s, and others read no more of it", ErrTooLate, MaxWords, p.ID.Short()), "hand it to another member's node; or propose it again")
	}
	m, err := a.ballot(p).Verify(ap, unix(now))
	if errors.Is(err, council.ErrNotMember) {
		err = a.formerly(p, ap, err)
	}
	if err != nil {
		return "", "", err
	}
	if prev, ok := p.Ballots[m.ID]; ok && !ap.Supersedes(prev) {
		return "", "", council.WithHint(fmt.Errorf("%w: %s has already said %q with sequence %d", ErrTooLate, m.ID, prev.Decision, prev.Sequence),
			"nothing to do; to change the decision, sign one with a higher sequence")
	}
	if ap.Decision == council.Reject {
		if p.Signature != nil {
			return "", "", council.WithHint(fmt.Errorf("%w: proposal %s is already signed", ErrTooLate, p.ID.Short()), "a signature can't be withdrawn; publish another statement")
		}
		if p.Tx != nil {
			return "", "", council.WithHint(fmt.Errorf("%w: proposal %s is already signed", ErrTooLate, p.ID.Short()), "a signature can't be withdrawn; propose cancel-nonce while it is unmined, or the opposite action")
		}
		if l := a.laneOf(p); l.holder() == p.ID {
			if p.lane != nil {
				return "", "", council.WithHint(fmt.Errorf("%w: proposal %s is being signed", ErrTooLate, p.ID.Short()), "a rejection withdraws an approval only until then")
			}
			return "", "", council.WithHint(fmt.Errorf("%w: the nonce of proposal %s is already reserved", ErrTooLate, p.ID.Short()), "a rejection withdraws an approval only until then; propose cancel-nonce or the opposite action")
		}
		return m.ID, council.WordRejected, nil
	}
	return m.ID, council.WordApproved, nil
}

// formerly names whose wallet it is that is in the roster no more.
func (a *Agenda) formerly(p *Proposal, ap council.Approval, err error) error {
	digest, e := council.Digest(ap.Document(a.genesis.ID(), p.Intent))
	if e != nil {
		return err
	}
	who, e := council.Recover(digest, ap.Sig)
	i := slices.IndexFunc(a.former, func(m council.Member) bool { return m.Approver == who })
	if e != nil || i < 0 {
		return err
	}
	return council.WithHint(fmt.Errorf("%w: it was the wallet of %s, whose word no longer counts", err, a.former[i].ID), "'signer status' lists the members; one that has another wallet now approves with that")
}

// openBy counts the proposals of a member that are open at a time. What is signed or over, or
// had expired when the journal was read, stays so, and is looked at no more.
func (a *Agenda) openBy(m council.MemberID, at uint64) int {
	a.openOf[m] = slices.DeleteFunc(a.openOf[m], func(p *Proposal) bool {
		return p.signed() || p.Over != "" || a.loaded < math.MaxUint64 && p.Intent.Expires() <= min(at, a.loaded)
	})
	n := 0
	for _, p := range a.openOf[m] {
		if p.Intent.Expires() > at {
			n++
		}
	}
	return n
}
