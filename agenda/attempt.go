package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// try is the signing attempt that this node takes part in.
type try struct {
	begin    council.Begin
	session  council.SessionID
	since    time.Time
	enlisted bool // the session was ordered; before, facts are awaited
}

// planned turns this node's fees into a Begin, if the attempt is still wanted.
func (a *Agenda) planned(ev Planned) {
	p, ok := a.proposals[ev.Proposal]
	if !ok {
		return
	}
	l := a.lane(p.Intent.ChainID())
	if l.plan == nil || l.plan.Proposal != ev.Proposal || l.plan.Nonce != ev.Nonce || l.plan.Attempt != ev.Attempt {
		return
	}
	l.plan = nil
	if ev.Err != nil {
		l.turn = turn{}
		p.held = a.now.Add(5 * a.timing.Retry)
		if p.once("fees: " + ev.Err.Error()) {
			a.do(Notify{What: "stuck", Proposal: p.ID, Text: ev.Err.Error()})
		}
		return
	}
	c, ok := a.next(l)
	if !ok || l.try != nil || c.proposal != p || c.nonce != ev.Nonce || c.attempt != ev.Attempt || !slices.Contains(c.set, a.self) {
		return
	}
	deed := p.Intent.(council.Transaction)
	b := council.Begin{
		Council: a.genesis.ID(), Epoch: a.genesis.ShareEpoch, Roster: a.hash,
		Proposal: p.ID, Chain: l.chain, Nonce: c.nonce, Attempt: c.attempt, Fees: ev.Fees,
		Coordinator: a.self, Signers: council.Sorted(c.set), Approvals: a.approvals(p),
	}
	b.Digest = b.Envelope(deed).Digest()
	for _, s := range b.Signers {
		if s != a.self {
			a.do(Send{To: s, Message: BeginMessage{b}})
		}
	}
	a.consider(p, l, b)
}

// begin takes up a Begin from the wire. A Begin for a proposal that this node
// has not heard of waits a little: the feeds come on another road.
func (a *Agenda) begin(from council.MemberID, b council.Begin) {
	if a.genesis == nil || b.Coordinator != from || !slices.Contains(b.Signers, a.self) || len(b.Signers) > council.MaxMembers {
		return
	}
	p, ok := a.proposals[b.Proposal]
	if !ok {
		l := a.lane(b.Chain)
		if len(l.held) < MaxHeldBegins {
			l.held = append(l.held, heldBegin{from, b, a.now.Add(a.timing.Hold)})
		}
		return
	}
	if p.Intent.ChainID() != b.Chain {
		return
	}
	a.consider(p, a.lane(b.Chain), b)
}

func (a *Agenda) heldBegins(l *lane) {
	held := l.held
	l.held = nil
	for _, h := range held {
		switch _, ok := a.proposals[h.begin.Proposal]; {
		case ok:
			a.begin(h.from, h.begin)
		case a.now.Before(h.until):
			l.held = append(l.held, h)
			a.at(h.until)
		default:
			a.refuse(l, h.begin, "proposal", "this node has not seen the proposal")
		}
	}
}

// consider decides whether to join an attempt: it checks all that can be
// checked without facts, then asks for the facts.
func (a *Agenda) consider(p *Proposal, l *lane, b council.Begin) {
	if l.try != nil && l.try.begin.Hash() == b.Hash() {
		return
	}
	if a.watching != "" {
		a.refuse(l, b, "watching", a.watching)
		return
	}
	deed, ok := p.Intent.(council.Transaction)
	if !ok {
		a.refuse(l, b, "kind", "only transactions are signed")
		return
	}
	if err := b.Check(*a.genesis, a.roster, deed); err != nil {
		a.refuse(l, b, "begin", err.Error())
		return
	}
	nonce, err := a.nonceFor(l, p)
	if err == nil && nonce != b.Nonce {
		err = fmt.Errorf("this node derives nonce %d, not %d", nonce, b.Nonce)
	}
	if err != nil {
		a.refuse(l, b, "nonce", err.Error())
		return
	}
	if t := l.try; t != nil {
		switch same := t.begin.Nonce == b.Nonce; {
		case same && b.Attempt == t.begin.Attempt && a.better(b, b.Coordinator, t.begin.Coordinator):
			a.do(Abort{Session: t.session})
			l.try = nil
		default:
			// A signer that has given this attempt up has said so before.
			a.refuse(l, b, "busy", fmt.Sprintf("attempt %d by %s is under way", t.begin.Attempt, t.begin.Coordinator))
			return
		}
	} else if b.Attempt <= l.over[b.Nonce] || b.Attempt > l.last[b.Nonce]+MaxAttemptsKept {
		a.refuse(l, b, "attempt", fmt.Sprintf("attempt %d is over, and none above %d has begun", l.over[b.Nonce], l.last[b.Nonce]))
		return
	}
	for _, ap := range b.Approvals {
		a.voted(p, ap)
	}
	if _, err := a.Quorum(p); err != nil {
		a.refuse(l, b, "quorum", err.Error())
		return
	}
	for _, s := range b.Signers {
		if ballot, ok := p.Ballots[s]; ok && ballot.Decision == council.Reject {
			a.refuse(l, b, "rejected", fmt.Sprintf("%s has rejected the proposal", s))
			return
		}
	}
	l.counted(b.Nonce, b.Attempt)
	l.try = &try{begin: b, session: b.Session(), since: a.now}
	a.authorize(p, l)
}

// authorize evaluates the policy again, on the final transaction, and orders the
// session. Facts that are too old are fetched first.
func (a *Agenda) authorize(p *Proposal, l *lane) {
	if !a.fresh(p, l) {
		a.fetch(p)
		return
	}
	q, err := a.Quorum(p)
	if err != nil {
		a.refuse(l, l.try.begin, "quorum", err.Error())
		l.try = nil
		return
	}
	permit, d := a.policy.Authorize(a.input(p, l), q, l.try.begin)
	if !d.Allow {
		a.refuse(l, l.try.begin, d.Rule, d.Reason)
		l.try = nil
		return
	}
	l.try.enlisted = true
	a.do(Enlist{Begin: l.try.begin, Session: l.try.session, Permit: permit})
}

func (a *Agenda) input(p *Proposal, l *lane) policy.Input {
	in := policy.Input{Intent: p.Intent, From: a.genesis.Key, Now: unix(a.now), Head: l.block}
	if p.facts != nil {
		in.Facts = *p.facts
	}
	return in
}

// fresh reports whether the facts are of the newest block this node knows, or
// whether the policy needs none.
func (a *Agenda) fresh(p *Proposal, l *lane) bool {
	if p.facts == nil {
		return len(p.needs) == 0
	}
	return p.facts.Block >= l.block
}

func (a *Agenda) refuse(l *lane, b council.Begin, rule, reason string) {
	m := Refusal{Begin: b.Hash(), Chain: b.Chain, Nonce: b.Nonce, Attempt: l.last[b.Nonce], Rule: rule, Reason: reason}
	if b.Coordinator == a.self {
		a.refused(l, a.self, b, m)
	}
	for _, s := range b.Signers {
		if s != a.self {
			a.do(Send{To: s, Message: m})
		}
	}
}

// refusal ends the attempt that another signer does not join.
func (a *Agenda) refusal(from council.MemberID, m Refusal) {
	l, ok := a.lanes[m.Chain]
	if !ok || l.try == nil || l.try.begin.Hash() != m.Begin || !slices.Contains(l.try.begin.Signers, from) {
		return
	}
	l.counted(m.Nonce, m.Attempt)
	a.refused(l, from, l.try.begin, m)
}

func (a *Agenda) refused(l *lane, who council.MemberID, b council.Begin, m Refusal) {
	suspects := []council.MemberID{who}
	switch m.Rule {
	case "busy", "attempt":
		suspects = nil
	}
	reason := fmt.Sprintf("%s does not join: %s: %s", who, m.Rule, m.Reason)
	if l.try != nil && l.try.begin.Hash() == b.Hash() {
		a.giveUp(l, suspects, reason)
	}
}

// enlisted learns whether the session has started.
func (a *Agenda) enlisted(ev Enlisted) {
	for _, l := range a.lanes {
		if l.try != nil && l.try.session == ev.Session && ev.Err != nil {
			a.refuse(l, l.try.begin, "ledger", ev.Err.Error())
			l.try = nil
		}
	}
}

// signed turns a signature into a transaction and lets everyone know.
func (a *Agenda) signed(ev Signed) {
	if a.ceremonySigned(ev) {
		return
	}
	for _, l := range a.lanes {
		if l.try == nil || l.try.session != ev.Session {
			continue
		}
		b := l.try.begin
		p := a.proposals[b.Proposal]
		tx, err := b.Envelope(p.Intent.(council.Transaction)).Signed(ev.Signature, a.genesis.Key)
		if err != nil {
			a.giveUp(l, b.Signers, err.Error())
			return
		}
		raw, err := tx.MarshalBinary()
		if err != nil {
			a.giveUp(l, b.Signers, err.Error())
			return
		}
		l.try = nil
		a.do(Broadcast{Chain: b.Chain, Tx: tx})
		a.do(Append{council.WordSigned, council.Signed{Proposal: p.ID, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Signers: b.Signers, Tx: raw}})
		return
	}
}

// failed learns that a session of this node has ended without a signature.
func (a *Agenda) failed(ev Failed) {
	if a.ceremonyFailed(ev) {
		return
	}
	for _, l := range a.lanes {
		if l.try == nil || l.try.session != ev.Session {
			continue
		}
		suspects := ev.Suspects
		if len(suspects) == 0 {
			suspects = l.try.begin.Signers
		}
		a.abandon(l, suspects, ev.Proven, ev.Err.Error())
	}
}

// giveUp ends the attempt on this node's own decision.
func (a *Agenda) giveUp(l *lane, suspects []council.MemberID, reason string) {
	a.abandon(l, suspects, false, reason)
}

// abandon ends the attempt. A reservation under which nothing was revealed is
// given back by the next look at the lane; the pair of nonce and proposal of a
// revealed one stays.
func (a *Agenda) abandon(l *lane, suspects []council.MemberID, proven bool, reason string) {
	t := l.try
	l.try, l.turn, l.plan = nil, turn{}, nil
	b := t.begin
	l.ended(b.Nonce, b.Attempt)
	a.do(Abort{Session: t.session})
	a.do(Append{council.WordAttemptFailed, council.AttemptFailed{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Suspects: suspects, Proven: proven, Reason: clip(reason),
	}})
	if p, ok := a.proposals[b.Proposal]; ok {
		// Known at once, and whether or not the entry about the attempt's
		// beginning was ever written.
		p.begun(a.self, b.Begun(), a.now)
		p.held = a.now.Add(backoff(b.Attempt))
	}
}

// peerGone ends the attempts that a member's node was needed for: another can
// take its place at once. A key generation needs all, so it waits for them.
func (a *Agenda) peerGone(m council.MemberID) {
	a.withoutPeer(m, "went away")
	a.ceremonyAway(m)
}

// restarted ends what the member's node has forgotten.
func (a *Agenda) restarted(m council.MemberID) {
	a.withoutPeer(m, "was started anew")
	a.ceremonyRestarted(m)
}

func (a *Agenda) withoutPeer(m council.MemberID, what string) {
	for _, l := range a.lanes {
		if l.try != nil && slices.Contains(l.try.begin.Signers, m) {
			a.giveUp(l, []council.MemberID{m}, fmt.Sprintf("the node of %s %s", m, what))
		}
	}
}

// clip bounds a reason that goes into a feed.
func clip(s string) string {
	if len(s) > council.MaxReason {
		return s[:council.MaxReason]
	}
	return s
}
