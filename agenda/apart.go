package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// apart are the pairs of members that have not signed together when they were
// asked to: one of them has named the other. Which of the two is at fault, or
// whether only the line between them is cut, it does not say, and a set without
// one of them is good either way. So nodes that disagree about who is online
// come to a set whose members all hear each other: each failed attempt rules out
// at least its own set, and a pair rules out ten of thirty-five. And a liar gains
// nothing: to name another rules out only sets with the liar itself. They are no
// counts: where an attempt fails and nobody knows why, the honest name each other
// twice and the liar once, which would speak for the liar.
type apart map[[2]council.MemberID]bool

func (x apart) add(a, b council.MemberID) {
	if a > b {
		a, b = b, a
	}
	if a != b {
		x[[2]council.MemberID{a, b}] = true
	}
}

// within counts the pairs inside a set.
func (x apart) within(set []council.MemberID) int {
	n := 0
	for p := range x {
		if slices.Contains(set, p[0]) && slices.Contains(set, p[1]) {
			n++
		}
	}
	return n
}

// parted takes up whom a member has named.
func (a *Agenda) parted(p *Proposal, author council.MemberID, suspects []council.MemberID) {
	for _, s := range suspects {
		if _, ok := a.roster.Member(s); ok {
			p.apart.add(author, s)
		}
	}
}

// together chooses the set of signers: with the fewest pairs that are apart, then
// with the fewest suspicions, then the first of those in order. The order is the
// one that members have on their own.
func (a *Agenda) together(p *Proposal, order []council.MemberID) []council.MemberID {
	k := a.roster.Threshold
	if len(order) <= k {
		return order
	}
	best := order[:k]
	if len(p.apart) == 0 || choose(len(order), k) > MaxSets {
		return best
	}
	pairs, doubt := p.apart.within(best), a.doubted(p, best)
	combine(order, k, func(set []council.MemberID) {
		if n, d := p.apart.within(set), a.doubted(p, set); n < pairs || n == pairs && d < doubt {
			best, pairs, doubt = set, n, d
		}
	})
	return best
}

func (a *Agenda) doubted(p *Proposal, set []council.MemberID) int {
	n := 0
	for _, m := range set {
		n += a.doubt(p, m)
	}
	return n
}

// unreachable gives an attempt up at once that this node can't take part in,
// because it has no connection to another signer: to wait for its messages would
// only take longer.
func (a *Agenda) unreachable(l *lane) bool {
	var away []council.MemberID
	for _, s := range l.try.begin.Signers {
		if !a.online[s] {
			away = append(away, s)
		}
	}
	if len(away) == 0 {
		return false
	}
	a.giveUp(l, away, fmt.Sprintf("%s has no connection to %s", a.self, council.Names(away)))
	return true
}

// unheard gives up an attempt that this node reads of in the feeds, and whose
// coordinator it has no connection to: no Begin comes, and the others would wait for
// this node. What is read long after needs no word. Of each coordinator it says so
// MaxUnheard times, and of no number that does not count here, or a liar's words could
// fill its feed and lead its numbers.
func (a *Agenda) unheard(p *Proposal, e Recorded, b council.Begun) {
	if a.replaying || a.watching != "" || a.online[b.Coordinator] || !slices.Contains(b.Signers, a.self) || p.unheard[b.Coordinator] >= MaxUnheard {
		return
	}
	l, late := a.laneOf(p), e.At+uint64(a.timing.Deadline/time.Second) < unix(a.now)
	if at := p.attempt(b.Begin); at == nil || at.Failed != "" || late || b.Attempt <= l.over[b.Nonce] || b.Attempt > l.last[b.Nonce] {
		return
	}
	p.unheard[b.Coordinator]++
	a.do(Append{council.WordAttemptFailed, council.AttemptFailed{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Suspects: []council.MemberID{b.Coordinator},
		Reason: fmt.Sprintf("%s has no connection to %s", a.self, b.Coordinator),
	}})
}
