package agenda

import (
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
)

// decline leaves an attempt that this node had considered.
func (a *Agenda) decline(l *lane, rule, reason string) {
	t := l.try
	a.refuse(l, t.begin, rule, reason)
	if l.try == t {
		a.dropTried(t)
		l.try = nil
	}
}

func (a *Agenda) refuse(l *lane, b council.Begin, rule, reason string) {
	m := Refusal{Begin: b.Hash(), Chain: b.Chain, Nonce: b.Nonce, Attempt: l.last[b.Nonce], Rule: rule, Reason: reason}
	if b.Coordinator == a.self {
		a.refused(l, a.self, b, m)
	}
	to := b.Signers
	if rule == "begin" { // nobody joins it, and its list of signers may be anything
		to = []council.MemberID{b.Coordinator}
	}
	for _, s := range to {
		if s != a.self {
			a.do(Send{To: s, Message: m})
		}
	}
}

// refusal ends the attempt that another signer does not join.
func (a *Agenda) refusal(from council.MemberID, m Refusal) {
	if m.Rule == "early" {
		a.tooSoonFor(from, m.Begin)
	}
	l := a.tryOf(m.Begin)
	if l == nil || !slices.Contains(l.try.begin.Signers, from) {
		return
	}
	if m.Nonce == l.try.begin.Nonce {
		l.follow(m.Nonce, m.Attempt) // not to follow it at all would part the two for good
	}
	a.refused(l, from, l.try.begin, m)
}

// quoted is what another has written, as it goes into this node's own feed: that is for good,
// so it is short.
func quoted(text string) string { return council.Readable(text, MaxQuoted) }

// refused ends an attempt that one of its signers does not join. Some reasons are
// no fault of that member, since nodes learn of attempts in different orders. But
// who has such a reason time and again keeps the others from signing, and as long as
// nothing speaks against it, it is called again.
func (a *Agenda) refused(l *lane, who council.MemberID, b council.Begin, m Refusal) {
	suspects := []council.MemberID{who}
	switch m.Rule {
	case "busy", "attempt", "suspected", "mandate", "base-fee":
		if p, ok := a.proposals[b.Proposal]; ok && who != a.self {
			if p.excuses[who]++; p.excuses[who] > MaxExcuses {
				break
			}
		}
		suspects = nil
	case "early":
		if a.excused(b.Proposal, who) {
			suspects = nil
		}
	}
	reason := fmt.Sprintf("%s does not join: %s: %s", who, quoted(m.Rule), quoted(m.Reason))
	if l.try != nil && l.try.begin.Hash() == b.Hash() {
		a.giveUp(l, suspects, reason)
	}
	if m.Rule == "early" {
		a.rest(b.Proposal)
	}
}
