package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// try is the signing attempt that this node takes part in.
type try struct {
	begin    council.Begin
	session  council.SessionID // that runs, or will
	slot     council.SessionID // that it fires; zero when it signs from the start
	since    time.Time
	enlisted bool // the session was ordered; before, facts are awaited
	again    bool // it was ordered before, to fire a slot
}

// planned turns this node's fees into a Begin, if the attempt is still wanted.
func (a *Agenda) planned(ev Planned) {
	p, ok := a.proposals[ev.Proposal]
	if !ok {
		return
	}
	l := a.laneOf(p)
	if ev.Attempt == 0 {
		if ev.Err == nil {
			p.quote = &quote{ev.Fees, p.quoting}
		}
		return
	}
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
	if a.belowBase(l, ev.Fees) != "" { // there is a newer block by now, which wants more
		l.turn = turn{}
		p.held = a.now.Add(a.timing.Retry)
		if why := a.baseless(l); why != "" && p.once("base fee") {
			a.do(Notify{What: "stuck", Proposal: p.ID, Text: p.Action.Sentence + ": " + why})
		}
		return
	}
	a.open(l, c, ev.Fees)
}

// open coordinates an attempt: it makes the Begin, which says what this node would
// have the signers sign, with all that proves it, and considers it like any
// other. The others hear of it when this node's own part in it is written down: a
// node that dies in between must not sign another Begin for the same attempt.
func (a *Agenda) open(l *lane, c choice, fees council.Fees) {
	p := c.proposal
	b := council.Begin{
		Council: a.genesis.ID(), Epoch: a.epoch(), Roster: a.hash,
		Proposal: p.ID, Chain: l.chain, Nonce: c.nonce, Attempt: c.attempt, Fees: fees,
		Coordinator: a.self, Signers: council.Sorted(c.set), Approvals: a.approvals(p),
	}
	b.Slot = a.slotFor(b.Signers)
	var err error
	if b.Digest, err = b.DigestFor(p.Intent); err != nil { // it was valid when it was taken up
		p.Unread = err
		return
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
	if !ok || a.behind(a.laneOf(p), p, b) {
		// No lane is made for a chain that nobody knows: the word of one member
		// would make any number. Statements are of none.
		l, known := a.lanes[b.Chain]
		if !known && b.Chain == 0 {
			l, known = a.lane(0), true
		}
		if known && l.mayHold(from) {
			l.held = append(l.held, heldBegin{from, b, a.now.Add(a.timing.Hold)})
			a.at(a.now.Add(a.timing.Hold))
		}
		return
	}
	if p.Intent.ChainID() != b.Chain {
		return
	}
	a.consider(p, a.laneOf(p), b)
}

func (a *Agenda) heldBegins(l *lane) {
	held := l.held
	l.held = nil
	for _, h := range held {
		switch p, ok := a.proposals[h.begin.Proposal]; {
		case ok && !a.behind(l, p, h.begin):
			a.begin(h.from, h.begin)
		case a.now.Before(h.until):
			l.held = append(l.held, h)
			a.at(h.until)
		case ok:
			a.consider(p, l, h.begin) // says what is wrong with it
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
	if a.still(a.self) {
		a.refuse(l, b, "frozen", a.Stopped())
		return
	}
	if err := b.Check(a.Holding(), p.Intent); err != nil {
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
	if l.owner != nil && l.try == nil && a.trying() >= MaxPool {
		a.wait(l, b)
		return
	}
	if !b.OfMessage() {
		if why := a.baseless(l); why != "" {
			a.refuse(l, b, "base-fee", why)
			return
		}
		if why := a.priced(p, b); why != "" {
			a.refuse(l, b, "fees", why)
			return
		}
	}
	rival := l.try
	switch {
	case rival != nil && !(rival.begin.Nonce == b.Nonce && rival.begin.Attempt == b.Attempt && a.better(p, b, b.Coordinator, rival.begin.Coordinator)):
		// A signer that has given this attempt up has said so before.
		a.refuse(l, b, "busy", fmt.Sprintf("attempt %d by %s is under way", rival.begin.Attempt, rival.begin.Coordinator))
		return
	case rival == nil && b.Attempt <= l.over[b.Nonce]:
		a.refuse(l, b, "attempt", fmt.Sprintf("attempt %d is over", l.over[b.Nonce]))
		return
	}
	if at := p.attempt(b.Hash()); at != nil && at.dropped {
		return // who joins it now would wait in vain, and suspect all the others
	}
	leap := lead{b.Nonce, b.Coordinator}
	last := l.last[b.Nonce]
	leaps := b.Coordinator != a.self && b.Attempt > last+1
	if leaps && (l.leads[leap] >= MaxLeads || b.Attempt > last+MaxAttemptsKept) { // with this node alone, perhaps, to part it from the others
		l.leadBy(leap, b.Attempt)
		a.refuse(l, b, "attempt", fmt.Sprintf("%s leaps to attempt %d; the last was %d", b.Coordinator, b.Attempt, last))
		return
	}
	for _, ap := range b.Approvals {
		a.bring(p, b.Coordinator, ap)
	}
	if _, err := a.Quorum(p); err != nil {
		a.refuse(l, b, "quorum", err.Error())
		return
	}
	if worst, ok := a.worst(p, b); ok && a.doubt(p, b.Coordinator) > worst+1 {
		a.refuse(l, b, "suspected", fmt.Sprintf("%s is convicted, or was suspected in %d attempts; others can sign", b.Coordinator, p.doubt[b.Coordinator]))
		return
	}
	if why := a.tooEarly(p); why != "" {
		a.refuse(l, b, "early", why)
		return
	}
	for _, s := range b.Signers {
		if m, ok := a.roster.Member(s); !ok || !m.Term.Holds(unix(a.now)) {
			a.refuse(l, b, "mandate", fmt.Sprintf("%s has no mandate now", s))
			return
		}
		if ballot, ok := p.Ballots[s]; ok && ballot.Decision == council.Reject {
			a.refuse(l, b, "rejected", fmt.Sprintf("%s has rejected the proposal", s))
			return
		}
	}
	if rival != nil { // not before all is well with the new one: a bad Begin must not end a good attempt
		a.leave(p, rival, b.Coordinator)
	}
	if leaps {
		l.leadBy(leap, b.Attempt)
	}
	l.last[b.Nonce] = max(l.last[b.Nonce], b.Attempt)
	p.led = b.Coordinator
	l.try = &try{begin: b, session: b.Session(), since: a.now}
	if a.unreachable(l) {
		return
	}
	a.takeSlot(l)
	a.authorize(p, l)
}

// leave ends this node's part in one of two attempts of one number, for the
// better. Should the better come to nothing, nobody must wait for the other.
func (a *Agenda) leave(p *Proposal, t *try, better council.MemberID) {
	a.do(Abort{Session: t.session})
	a.dropTried(t)
	if at := p.attempt(t.begin.Hash()); at != nil {
		at.Failed = fmt.Sprintf("left for the Begin of %s, which ranks before it", better)
	}
}

// authorize evaluates the policy again, on the final transaction, and orders the
// session. Facts that are too old are fetched first.
func (a *Agenda) authorize(p *Proposal, l *lane) {
	if !a.recent(p, l) {
		a.fetch(p)
		return
	}
	q, err := a.Quorum(p)
	if err != nil {
		a.decline(l, "quorum", err.Error())
		return
	}
	permit, d := a.policy.Authorize(a.input(p, l), q, l.try.begin)
	if !d.Allow {
		a.decline(l, d.Rule, d.Reason)
		return
	}
	l.try.enlisted = true
	a.do(Enlist{Begin: l.try.begin, Session: l.try.session, Slot: l.try.slot, Again: l.try.again, Permit: permit})
}

func (a *Agenda) input(p *Proposal, l *lane) policy.Input {
	in := policy.Input{Intent: p.Intent, From: a.genesis.Key, Now: unix(a.now), Since: p.since(), Head: l.block, History: a.history(p, false)}
	if p.facts != nil {
		in.Facts = *p.facts
	}
	return in
}

// Input is what the policy is asked about a proposal at a time, on facts that the
// caller has fetched just now.
func (a *Agenda) Input(p *Proposal, f council.Facts, now time.Time) policy.Input {
	in := a.input(p, a.laneOf(p))
	in.Facts, in.Head, in.Now = f, max(f.Block, in.Head), unix(now)
	return in
}

// fresh reports whether the facts are of the newest block this node knows, or
// whether the policy needs none.
func (a *Agenda) fresh(p *Proposal, l *lane) bool {
	if p.facts == nil {
		return len(p.needs) == 0
	}
	return p.facts.Block >= l.block && l.close(p.facts.Block)
}

// recent reports whether the facts are good enough to sign by: they are asked
// again at each new head, and until the answer is there the last ones hold for
// as long as a policy takes them.
func (a *Agenda) recent(p *Proposal, l *lane) bool {
	return a.fresh(p, l) || p.facts != nil && l.close(p.facts.Block)
}

// close reports whether what was asked at a block may still be used. A block far ahead of
// the newest one is none that the chain has.
func (l *lane) close(block uint64) bool {
	return max(block, l.block)-min(block, l.block) <= policy.MaxFacts
}

// forgetAhead drops what was asked at blocks far ahead of the newest one: it would count as
// fresh for as long as the chain takes to get there. It is judged and asked anew.
func (a *Agenda) forgetAhead(l *lane) {
	ahead := func(block uint64) bool { return block > l.block && !l.close(block) }
	for _, p := range a.proposals {
		if a.laneOf(p) != l {
			continue
		}
		if p.facts != nil && ahead(p.facts.Block) {
			p.facts = nil
		}
		if p.quote != nil && ahead(p.quote.block) {
			p.quote = nil
		}
		if ahead(p.quoting) {
			p.quoting = 0
		}
	}
}

// enlisted learns whether the session has started. Now that this node's own part
// is written down, a coordinator calls the others.
func (a *Agenda) enlisted(ev Enlisted) {
	for _, l := range a.every() {
		t := l.try
		switch {
		case t == nil || t.session != ev.Session:
		case ev.Err != nil:
			a.decline(l, "ledger", ev.Err.Error())
		case t.begin.Coordinator == a.self && !t.again:
			a.toSigners(t.begin, BeginMessage{t.begin})
		}
	}
}

// toSigners tells the other signers of an attempt.
func (a *Agenda) toSigners(b council.Begin, m Message) {
	for _, s := range b.Signers {
		if s != a.self {
			a.do(Send{To: s, Message: m})
		}
	}
}

// signed turns a signature into a transaction, or into that of a message, and
// lets everyone know.
func (a *Agenda) signed(ev Signed) {
	if a.ceremonySigned(ev) || a.proclaimSigned(ev) {
		return
	}
	for _, l := range a.every() {
		if l.try == nil || l.try.session != ev.Session {
			continue
		}
		b := l.try.begin
		p := a.proposals[b.Proposal]
		done := council.Signed{Proposal: p.ID, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Signers: b.Signers}
		var tx *types.Transaction
		var err error
		if m, ok := council.AsMessage(p.Intent); ok {
			done.Signature, err = council.SealMessage(m, ev.Signature, a.genesis.Key)
		} else if tx, err = b.Envelope(p.Intent.(council.Transaction)).Signed(ev.Signature, a.genesis.Key); err == nil {
			done.Tx, err = tx.MarshalBinary()
		}
		if err != nil {
			a.giveUp(l, b.Signers, err.Error())
			return
		}
		if at := p.attempt(b.Hash()); at != nil {
			at.Warm = l.try.slot != (council.SessionID{})
		}
		if p.Tx == nil {
			p.SignedAt = a.now
		}
		l.try = nil
		l.ended(b.Nonce, b.Attempt)
		if tx != nil {
			a.do(Broadcast{Chain: b.Chain, Tx: tx})
		}
		a.do(Append{council.WordSigned, done})
		return
	}
}

// failed learns that a session of this node has ended without a signature.
func (a *Agenda) failed(ev Failed) {
	if a.ceremonyFailed(ev) || a.armFailed(ev) || a.proclaimFailed(ev) {
		return
	}
	for _, l := range a.every() {
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
	a.dropTried(t)
	a.do(Append{council.WordAttemptFailed, council.AttemptFailed{
		Proposal: b.Proposal, Chain: b.Chain, Nonce: b.Nonce, Attempt: b.Attempt, Suspects: suspects, Proven: proven, Reason: council.Readable(reason, council.MaxReason),
	}})
	if p, ok := a.proposals[b.Proposal]; ok {
		// Known at once, and whether or not the entry about the attempt's
		// beginning was ever written.
		p.begun(a.self, b.Begun(), a.now)
		p.held = a.now.Add(backoff(p.joined(a.self, b.Nonce)))
	}
}

// peerGone ends the attempts that a member's node was needed for: another can
// take its place at once. A key generation needs all, so it waits for them.
func (a *Agenda) peerGone(m council.MemberID) {
	a.withoutPeer(m, "went away")
	a.standbyWithout(m, false)
	a.ceremonyAway(m)
}

// restarted ends what the member's node has forgotten.
func (a *Agenda) restarted(m council.MemberID) {
	a.withoutPeer(m, "was started anew")
	a.standbyWithout(m, true)
	a.ceremonyRestarted(m)
}

func (a *Agenda) withoutPeer(m council.MemberID, what string) {
	for _, l := range a.every() {
		if l.try != nil && slices.Contains(l.try.begin.Signers, m) {
			a.giveUp(l, []council.MemberID{m}, fmt.Sprintf("the node of %s %s", m, what))
		}
	}
	a.proclaimWithout(m, what)
}
