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
	l.counted(m.Nonce, m.Attempt)
	a.refused(l, from, l.try.begin, m)
}

func (a *Agenda) refused(l *lane, who council.MemberID, b council.Begin, m Refusal) {
	suspects := []council.MemberID{who}
	switch m.Rule {
	case "busy", "attempt", "suspected", "mandate":
		suspects = nil
	case "early":
		if a.excused(b.Proposal, who) {
			suspects = nil
		}
	}
	reason := fmt.Sprintf("%s does not join: %s: %s", who, m.Rule, m.Reason)
	if l.try != nil && l.try.begin.Hash() == b.Hash() {
		a.giveUp(l, suspects, reason)
	}
	if m.Rule == "early" {
		a.rest(b.Proposal)
	}
}
