package agenda

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// tend looks after one proposal: its verdict, its expiry, its facts when it is
// about to be signed, and its transaction until that is final.
func (a *Agenda) tend(p *Proposal) {
	a.seek(p)
	a.pin(p)
	a.passOn(p)
	if p.Over != "" || p.Fate == council.WordFinal {
		return
	}
	if p.Tx != nil {
		if p.SignedAt.IsZero() && p.Fate == "" && p.Intent.Expires() <= unix(a.now) && !a.spokenOf(p) && a.laneOf(p).rows[p.Tx.Nonce()].proposal != p.ID {
			p.Over = council.WordExpired // as it was before the restart
			return
		}
		if l := a.laneOf(p); a.disputed(p) && p.Tx.Nonce() >= l.nonce {
			return // void; but if the chain has taken it, that is followed
		}
		a.deliver(p)
		return
	}
	if p.Signature != nil {
		return
	}
	if p.Intent.Expires() <= unix(a.now) {
		a.expire(p)
		return
	}
	a.judge(p)
	a.complete(p)
	a.tellTerms(p)
	l := a.laneOf(p)
	if !l.known || p.Unread != nil {
		return
	}
	n := a.spoken(p)
	if n == a.roster.Threshold-1 && p.once("third-approval") {
		a.do(Notify{What: "third-approval", Proposal: p.ID, Waiting: a.Missing(p), Text: fmt.Sprintf("%s: %d of %d approvals", p.Action.Sentence, n, a.roster.Threshold)})
	}
	// What this node denies it does not sign: that is looked at again in judge.
	if n > 0 && n >= a.roster.Threshold-2 && p.Verdict != nil && p.Verdict.Allow {
		if a.distant(p) {
			return
		}
		a.soon = append(a.soon, p)
	}
}

// lookAhead asks for the facts and fees of what may be signed soon: the last approval should
// find them ready, also where an RPC is far and the last two come together. What lacks
// approvals has MaxAhead places in this, so that a few members, with their own approvals of
// what nobody else wants, do not use up the RPC. What is passed over is asked for when it has
// all approvals.
func (a *Agenda) lookAhead() {
	rank := func(p *Proposal) int {
		if p.Action.Class == policy.Restrictive {
			return 1
		}
		return 0
	}
	slices.SortFunc(a.soon, func(x, y *Proposal) int {
		return cmp.Or(cmp.Compare(a.spoken(y), a.spoken(x)), rank(y)-rank(x), cmp.Compare(x.At, y.At), bytes.Compare(x.ID[:], y.ID[:]))
	})
	places := MaxAhead
	for _, p := range a.soon {
		if !a.enough(p) {
			if places--; places < 0 {
				continue
			}
		}
		l := a.laneOf(p)
		if !a.fresh(p, l) {
			a.fetch(p)
		}
		if deed, ok := p.Intent.(council.Transaction); ok && p.quoting < l.block {
			p.quoting = l.block
			a.do(Plan{Proposal: p.ID, Deed: deed})
		}
	}
	clear(a.soon)
	a.soon = a.soon[:0]
}

// rests reports whether there is nothing left to do for a proposal once it has been tended,
// until something is heard of it: see revive.
func (p *Proposal) rests() bool {
	return (p.settled() || p.Signature != nil) && len(p.brought) == 0
}

// revive has a proposal tended again: its signature has come, though it was over, or its
// block has gone, or there is a word about it to pass on.
func (a *Agenda) revive(p *Proposal) {
	if !p.active {
		p.active, a.active = true, append(a.active, p)
	}
}

// spoken is the number of approvals that this node knows, lapsed ones included:
// good enough for looking ahead, never for signing.
func (a *Agenda) spoken(p *Proposal) int {
	n := 0
	for _, b := range p.Ballots {
		if b.Decision == council.Approve {
			n++
		}
	}
	return n
}

// judge publishes this node's verdict, and looks again at what it denies: a
// denial may rest on a fact that changes. What it allows it judges again when the facts
// were dropped.
func (a *Agenda) judge(p *Proposal) {
	dropped := p.facts == nil && len(p.needs) > 0
	if v := p.Verdict; v != nil && (v.Allow && !dropped || !v.Allow && !a.due(p.fetched, a.rejudge(p))) {
		return
	}
	if len(p.needs) > 0 {
		a.fetch(p)
		return
	}
	p.fetched = a.now
	a.verdict(p, nil)
}

// rejudge is how long a denial stands: longer with each that the own RPC was asked for, so
// that proposals which nobody can want do not use it up. A brake does not wait for long. What
// was denied for want of an answer, or for an old one, is asked for again at once where more
// than one member wants it, and never doubted for that.
func (a *Agenda) rejudge(p *Proposal) time.Duration {
	if p.unanswered {
		if a.spoken(p) >= max(2, a.roster.Threshold-2) {
			return a.timing.Retry
		}
		return a.timing.Rejudge
	}
	most := MaxDoubt
	if p.Action.Class == policy.Restrictive {
		most = MaxBrakeDoubt
	}
	return a.timing.Rejudge << min(max(p.denials-1, 0), most)
}

// encouraged has a denial looked at again soon, once for each approval more than there
// were: a member who takes an approval back and gives it again encourages nobody.
func (a *Agenda) encouraged(p *Proposal) {
	if n := a.spoken(p); n > p.spoken {
		p.spoken, p.denials = n, 0
	}
}

// fetch asks for facts, once at a time.
func (a *Agenda) fetch(p *Proposal) {
	if !a.due(p.fetching, a.timing.Retry) {
		return
	}
	p.fetching = a.now
	rank := 0
	if p.Action.Class == policy.Restrictive {
		rank++
	}
	if a.spoken(p) >= a.roster.Threshold {
		rank += 2
	}
	a.do(Fetch{Proposal: p.ID, Intent: p.Intent, Queries: p.needs, Rank: rank})
}

// fetched takes up the facts, judges by them, and goes on with an attempt that
// waited for them.
func (a *Agenda) fetched(ev Fetched) {
	p, ok := a.proposals[ev.Proposal]
	if !ok {
		return
	}
	p.fetched, p.unanswered = a.now, true
	if ev.Err == nil {
		p.facts = &ev.Facts
		l := a.laneOf(p)
		if ev.Facts.Block > l.block {
			l.block = ev.Facts.Block
		}
		if a.fresh(p, l) { // else the RPC is behind, and would be asked again and again
			p.unanswered = false
			p.fetching = p.fetching.Add(-a.timing.Retry) // the next may follow at once
		}
	}
	if !p.signed() {
		a.verdict(p, ev.Err)
		switch {
		case p.Verdict.Allow:
			p.denials = 0
		case !p.unanswered:
			p.denials++
		}
	}
	l := a.laneOf(p)
	if l.try == nil || l.try.enlisted || l.try.begin.Proposal != p.ID {
		return
	}
	if ev.Err != nil {
		a.decline(l, "facts", ev.Err.Error())
		return
	}
	a.authorize(p, l)
}

// verdict evaluates the policy and publishes what changed.
func (a *Agenda) verdict(p *Proposal, missing error) {
	l := a.laneOf(p)
	d := a.policy.Evaluate(a.input(p, l))
	if missing != nil {
		d = policy.Decision{Rule: "facts", Reason: missing.Error(), Hint: council.Hint(missing)}
	}
	p.Verdict = &d
	if d.Allow {
		p.record.asked = &d
	}
	if p.JudgedAt.IsZero() {
		p.JudgedAt = a.now
	}
	j := council.Judged{
		Proposal: p.ID, Allow: d.Allow, Rule: d.Rule, Reason: council.Readable(d.Reason, council.MaxReason),
		Sentence: p.Action.Sentence, Policy: a.policy.Hash(),
	}
	if p.facts != nil {
		j.Block = p.facts.Block
	}
	old, ok := p.Verdicts[a.self]
	if ok && old.Allow == j.Allow && old.Rule == j.Rule && old.Policy == j.Policy {
		return
	}
	// Facts that others can turn every moment don't fill this node's feed. But what it has
	// denied in there and allows keeps nobody waiting: an RPC may have stuttered.
	if lifts := ok && !old.Allow && j.Allow; !lifts && !a.mayRepeat(&p.record.verdicts) {
		return
	}
	p.record.verdicts.last = a.now
	a.do(Append{council.WordJudged, j})
}

func (a *Agenda) expire(p *Proposal) {
	l := a.laneOf(p)
	if l.try != nil && l.try.begin.Proposal == p.ID {
		a.giveUp(l, nil, "the proposal has expired")
	}
	n, ok := l.byID[p.ID]
	if r := l.rows[n]; ok && (r.state == RowDisputed && !l.ahead(n) || r.state == RowRevealed && r.proposal == p.ID) {
		// Three others may still hold what makes a signature: the nonce lives
		// until it is mined or replaced. Nothing can replace a message.
		if p.lane == nil {
			if p.once("stuck") {
				a.do(Notify{What: "stuck", Proposal: p.ID, Text: fmt.Sprintf("%s has expired, but nonce %d may still be signed; propose cancel-nonce with --replaces %s", p.Action.Sentence, n, p.ID.Hex())})
			}
			return
		}
		if p.once("stuck") {
			a.do(Notify{What: "stuck", Proposal: p.ID, Text: p.Action.Sentence + " has expired, but its signature may still appear; to sign it after all, word it differently"})
		}
	}
	if !a.spokenOf(p) {
		p.Over = council.WordExpired
		return
	}
	if p.once("expired") {
		a.do(Append{council.WordExpired, council.Sighted{Proposal: p.ID, Chain: p.Intent.ChainID()}})
	}
}

// spokenOf reports whether this node has ever judged a proposal. Of one that was over
// before it could, it says nothing: a member can write any number of those, and the
// answers would fill the feeds of all others.
func (a *Agenda) spokenOf(p *Proposal) bool {
	_, said := p.Verdicts[a.self]
	return said || p.Verdict != nil
}

// deliver sends a signed transaction until it is seen in a block. Signers send
// at once; the others give them a moment.
func (a *Agenda) deliver(p *Proposal) {
	if p.done() {
		return
	}
	if p.SignedAt.IsZero() {
		p.SignedAt = a.now
	}
	if p.Signed != nil && !slices.Contains(p.Signed.Signers, a.self) && !a.due(p.SignedAt, a.timing.Hold) {
		return
	}
	if a.due(p.sent, a.timing.Rebroadcast) {
		p.sent = a.now
		a.due(p.sent, a.timing.Rebroadcast)
		a.do(Broadcast{Chain: p.Tx.ChainId().Uint64(), Tx: p.Tx})
	}
	if a.due(p.SignedAt, a.timing.Bump) && p.once("stuck") {
		a.do(Notify{What: "stuck", Proposal: p.ID, Text: p.Action.Sentence + " is signed but not mined"})
	}
}

// seen takes up what the chain says about a transaction of ours.
func (a *Agenda) seen(ev Seen) {
	var p *Proposal
	for _, q := range a.proposals {
		if slices.Contains(q.txs, ev.Tx) {
			p = q
		}
	}
	if p == nil || p.Fate == ev.What || p.Fate == council.WordFinal {
		return
	}
	if ev.Err != nil {
		if ev.Underpriced {
			p.underpriced = ev.Tx
		}
		if p.once("broadcast: " + ev.Err.Error()) {
			a.do(Notify{What: "stuck", Proposal: p.ID, Text: ev.Err.Error()})
		}
		return
	}
	s := council.Sighted{
		Proposal: p.ID, Chain: ev.Chain, Nonce: p.Tx.Nonce(), Tx: ev.Tx,
		Block: ev.Block, BlockHash: ev.BlockHash, GasUsed: ev.GasUsed,
	}
	settle := Settle{Chain: ev.Chain, Nonce: s.Nonce, Proposal: p.ID, Tx: ev.Tx, Block: ev.Block}
	switch ev.What {
	case council.WordBroadcast:
		if p.Fate != "" || !p.once("broadcast") {
			return
		}
	case council.WordFinal:
		settle.State = RowConsumed
		a.do(settle)
	case council.WordDisplaced:
		settle.State = RowDisplaced
		a.do(settle)
	case council.WordReorged:
		settle.State = RowRevealed
		a.do(settle)
		p.sent = a.now.Add(-a.timing.Rebroadcast)
	}
	a.do(Append{ev.What, s})
}
