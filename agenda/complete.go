package agenda

import (
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// complete notes since when the approvals that a delay waits for are there, and
// tells it in this node's feed: it must be known after a restart, and it is what
// other nodes go by that were away.
func (a *Agenda) complete(p *Proposal) {
	if p.record.asked == nil || p.record.asked.Delay == 0 {
		return
	}
	q, err := a.Quorum(p)
	if err != nil || !a.enough(p) {
		p.record.since = 0
		return
	}
	own, said := p.record.completes[a.self]
	said = said && a.stands(p, own)
	if p.record.since == 0 {
		p.record.since = unix(a.now)
		if said {
			p.record.since = own.Since
		}
	}
	if said && own.Since == p.record.since {
		return
	}
	// A member that approves ever anew, or now and now not, does not fill this node's feed.
	if !a.mayRepeat(&p.record.complete) {
		return
	}
	p.record.complete.last = a.now
	c := council.Complete{Proposal: p.ID, Since: p.record.since}
	for _, m := range q.Members() {
		c.Approvals = append(c.Approvals, council.Standing{Member: m, Sequence: p.Ballots[m].Sequence})
	}
	a.do(Append{council.WordComplete, c})
}

// stands reports whether those of the approvals that an entry names which still hold are
// all that the rules ask for: then they have been there without a break.
func (a *Agenda) stands(p *Proposal, c council.Complete) bool {
	seats, prev, n := map[council.Seat]int{}, council.MemberID(""), 0
	for _, s := range c.Approvals {
		b, ok := p.Ballots[s.Member]
		who, in := a.roster.Member(s.Member)
		if s.Member <= prev {
			return false
		}
		prev = s.Member
		if ok && in && b.Decision == council.Approve && b.Sequence == s.Sequence && b.Expires > unix(a.now) {
			seats[who.Seat]++
			n++
		}
	}
	want := policy.Decision{}
	if p.record.asked != nil {
		want = *p.record.asked
	}
	return n >= max(a.roster.Threshold, want.Approvals) && seats[council.Core] >= want.Seats.Core && seats[council.Community] >= want.Seats.Community
}

// completeSince is since when the approvals are complete; 0 while they are not.
func (a *Agenda) completeSince(p *Proposal) uint64 {
	var all []uint64
	for _, c := range p.record.completes {
		if a.stands(p, c) {
			all = append(all, c.Since)
		}
	}
	return a.agreed(p.record.since, all)
}
