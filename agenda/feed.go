package agenda

import (
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// record folds one entry of a member's feed into the state. An entry that makes
// no sense is left out; it stays in its author's feed, for all to see.
func (a *Agenda) record(e Recorded) {
	if _, ok := a.roster.Member(e.Author); !ok && !a.bygone(e) {
		return
	}
	if made, ok := e.Body.(council.KeyMade); ok {
		a.keyMade(made.Genesis)
		if a.genesis != nil && e.Author == a.self && made.Genesis.ID() == a.genesis.ID() {
			a.announced = true
		}
		return
	}
	if b, ok := e.Body.(council.BackedUp); ok {
		a.backedUp(e, b) // feeds may bring it before the birth record
		return
	}
	switch b := e.Body.(type) {
	case council.Frozen:
		a.froze(e, b)
		return
	case council.Thawed:
		a.thawed(e, b)
		return
	}
	if a.genesis == nil {
		return
	}
	switch b := e.Body.(type) {
	case council.Proposed:
		a.proposed(e, b)
	case council.Judged:
		if p := a.known(b.Proposal, e); p != nil {
			b.Rule, b.Reason = council.Readable(b.Rule, council.MaxRule), council.Readable(b.Reason, council.MaxReason)
			if b.Sentence == p.Action.Sentence {
				b.Sentence = p.Action.Sentence // in memory once, and not once for each member
			}
			p.Verdicts[e.Author], p.Given[e.Author] = b, e.At
			if e.Author == a.self {
				p.record.verdicts.said++
				if p.record.judged == 0 || e.At < p.record.judged {
					p.record.judged = e.At
				}
			}
		}
	case council.Voted:
		if p := a.known(b.Approval.Proposal, e); p != nil {
			read := e.Read
			if read.IsZero() {
				read = a.now
			}
			a.voted(p, e.Author, b.Approval, read)
			p.entered(b.Approval)
		}
	case council.Complete:
		if p := a.known(b.Proposal, e); p != nil {
			p.record.completes[e.Author] = b
			if e.Author == a.self {
				p.record.complete.said++
			}
		}
	case council.Begun:
		if p := a.known(b.Proposal, e); p != nil && p.at(b.Chain, b.Nonce) && a.sound(e.Author, b) {
			if e.Author == a.self {
				p.record.begun = e.At
			}
			p.begun(e.Author, b, a.reading())
			a.numbered(p, e.Author, b)
			a.unheard(p, e, b)
		}
	case council.AttemptFailed:
		if p := a.known(b.Proposal, e); p != nil && p.at(b.Chain, b.Nonce) {
			b.Reason = readable(b.Reason)
			a.attemptFailed(p, e.Author, b)
		}
	case council.Signed:
		if p := a.known(b.Proposal, e); p != nil {
			a.signatureSeen(p, b)
			a.stamp(p, e.Author, e.At, b)
		}
	case council.RosterSigned:
		a.proclaimed(b.Proclamation)
	case council.Sighted:
		if p := a.known(b.Proposal, e); p != nil && e.Author == a.self {
			a.sighted(p, e.Word, b)
			if p.done() && p.record.mined == 0 {
				p.record.mined = e.At
			}
			if p.signed() && p.record.learnt == 0 {
				p.record.learnt = e.At
			}
		}
	}
}

// bygone reports whether an entry is one of a member of an earlier roster that
// goes on without it: what it proposed, and what it saw signed or made.
func (a *Agenda) bygone(e Recorded) bool {
	switch e.Body.(type) {
	case council.KeyMade, council.Proposed, council.Signed, council.RosterSigned:
		return a.author(e.Author).ID != ""
	}
	return false
}

// author is a member of this roster, or else of an earlier one.
func (a *Agenda) author(id council.MemberID) council.Member {
	if m, ok := a.roster.Member(id); ok {
		return m
	}
	for _, m := range slices.Backward(a.former) {
		if m.ID == id {
			return m
		}
	}
	return council.Member{}
}

// mandated reports whether a term of a member holds at a time, that of this roster or one of
// an earlier roster: who stays may have been given another term since, and what it proposed
// in the one before goes on.
func (a *Agenda) mandated(id council.MemberID, at uint64) bool {
	holds := func(m council.Member) bool { return m.ID == id && m.Term.Holds(at) }
	return slices.ContainsFunc(a.roster.Members, holds) || slices.ContainsFunc(a.former, holds)
}

func (a *Agenda) proposed(e Recorded, b council.Proposed) {
	if b.Council != a.genesis.ID() {
		return
	}
	in, err := council.DecodeIntent(b.Intent)
	if err != nil {
		return
	}
	id, err := council.Propose(b.Council, in)
	if err != nil {
		return
	}
	if !a.mandated(e.Author, e.At) { // by its own clock: who dates back gains an agenda item, no approval
		return
	}
	if !a.allot(e.Author, e.At, places(b.Intent)) || a.proposals[id] != nil { // in this order: others' feeds, which come in any, don't count
		return
	}
	at := unix(a.now)
	if a.replaying { // what was over when it was read is over now: nothing that was taken up then is left out
		at = a.loaded
	}
	if e.Author != a.self && a.openBy(e.Author, at) >= MaxOpenPerMember {
		return
	}
	p := &Proposal{
		ID: id, Intent: in, Proposer: e.Author, At: e.At,
		Verdicts: map[council.MemberID]council.Judged{},
		Given:    map[council.MemberID]uint64{},
		Ballots:  map[council.MemberID]council.Approval{},
		told:     map[string]bool{},
		doubt:    map[council.MemberID]int{},
		excuses:  map[council.MemberID]int{},
		unheard:  map[council.MemberID]int{},
		words:    map[council.MemberID]int{},
		apart:    apart{},
		Spoken:   map[council.MemberID]time.Time{},
	}
	if !a.replaying {
		p.ReadAt = a.now
	}
	p.Action, p.Unread = a.policy.Describe(in)
	p.needs = a.policy.Needs(in)
	p.record = newRecord(a.policy.Counts(in))
	if m, ok := council.AsMessage(in); ok {
		a.enterPool(p, m)
	}
	a.proposals[id] = p
	a.order = append(a.order, id)
	a.openOf[e.Author] = append(a.openOf[e.Author], p)
	a.revive(p)
	if p.once("proposed") && !a.replaying {
		a.do(Notify{What: "proposed", Proposal: id, Text: p.Action.Sentence})
	}
	waiting := a.orphans[id]
	delete(a.orphans, id)
	for _, w := range waiting {
		a.orphaned[w.Author] = slices.DeleteFunc(a.orphaned[w.Author], func(o orphan) bool { return o.about == id })
		a.record(w)
	}
}

// reading is the time at which something is learnt: zero from the journal.
func (a *Agenda) reading() time.Time {
	if a.replaying {
		return time.Time{}
	}
	return a.now
}

// signatureSeen takes up a finished transaction, or a signature over a message,
// from anyone: it proves itself.
func (a *Agenda) signatureSeen(p *Proposal, s council.Signed) {
	if m, ok := council.AsMessage(p.Intent); ok {
		a.messageSigned(p, m, s)
		return
	}
	deed, ok := p.Intent.(council.Transaction)
	if !ok || len(s.Signature) > 0 {
		return
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(s.Tx); err != nil {
		return
	}
	digest, ok := a.carriedOut(deed, tx)
	if !ok || tx.Nonce() != s.Nonce || s.Chain != deed.Chain {
		return
	}
	l := a.lane(deed.Chain)
	l.top = max(l.top, tx.Nonce()+1)
	if p.Tx != nil && !outbids(tx, p.Tx) {
		p.also(tx)
		return
	}
	l.brought(s)
	first := p.Tx == nil
	if !a.replaying {
		a.paced(p, s)
	}
	a.revive(p)
	p.txs = append(p.txs, tx.Hash())
	p.Tx, p.Signed, p.sent = tx, &s, a.now.Add(-a.timing.Rebroadcast)
	if a.replaying {
		p.told["signed"] = true
	} else if p.SignedAt.IsZero() || !first {
		p.SignedAt = a.now
	}
	if !a.replaying {
		a.yield(l, tx.Nonce(), p.ID)
		if own, ok := l.byID[p.ID]; ok && own != tx.Nonce() {
			// This node did not hear of it until its RPC had counted on, and
			// began the proposal at the next nonce.
			a.yieldOwn(l, own, p.ID)
		}
	}
	if r := l.rows[tx.Nonce()]; !a.replaying && (r.state < RowRevealed || r.proposal != p.ID) {
		a.do(Note{Chain: deed.Chain, Nonce: tx.Nonce(), Proposal: p.ID, Digest: digest})
		if r.state != RowRevealed && r.state != RowConsumed { // from now on, not only once it is written
			a.row(Ledger{Chain: deed.Chain, Nonce: tx.Nonce(), Proposal: p.ID, State: RowRevealed})
		}
	}
	if l.try != nil && l.try.begin.Proposal == p.ID && l.try.begin.Nonce == tx.Nonce() {
		a.overtaken(p, l) // with other fees or not: what this attempt is for is there
	}
	if first && !a.replaying && p.once("signed") {
		a.do(Notify{What: "signed", Proposal: p.ID, Text: p.Action.Sentence + ": " + tx.Hash().Hex()})
	}
}

// carriedOut gives the digest that was signed, if tx is what was decided, with the
// council's signature on it.
func (a *Agenda) carriedOut(deed council.Transaction, tx *types.Transaction) (digest common.Hash, ok bool) {
	env := council.Envelope{Deed: deed, Nonce: tx.Nonce(), Fees: council.FeesOf(tx)}
	signer := types.NewLondonSigner(tx.ChainId())
	if digest = env.Digest(); tx.Type() != types.DynamicFeeTxType || signer.Hash(tx) != digest {
		return digest, false
	}
	from, err := types.Sender(signer, tx)
	return digest, err == nil && from == a.genesis.Key
}

// overtaken ends this node's own session for a signature that another brought
// first.
func (a *Agenda) overtaken(p *Proposal, l *lane) {
	t := l.try
	if at := p.attempt(t.begin.Hash()); at != nil {
		at.Warm = t.enlisted && t.slot != (council.SessionID{})
	}
	l.ended(t.begin.Nonce, t.begin.Attempt)
	a.do(Abort{Session: t.session})
	a.dropTried(t)
	l.try = nil
}

// yield gives up this node's own reservation of a nonce that others have signed
// for another proposal. What it has revealed it can't take back: then only the
// chain decides between the two.
func (a *Agenda) yield(l *lane, nonce uint64, to council.ProposalID) {
	r, ok := l.rows[nonce]
	if !ok || r.proposal == to || r.state != RowReserved {
		return
	}
	if l.try != nil && l.try.begin.Proposal == r.proposal {
		a.giveUp(l, nil, "the nonce went to proposal "+to.Short())
	}
	a.free(l, nonce)
}

// yieldOwn gives up a reservation of a proposal that is signed at another nonce.
func (a *Agenda) yieldOwn(l *lane, nonce uint64, p council.ProposalID) {
	if r := l.rows[nonce]; r.proposal != p || r.state != RowReserved {
		return
	}
	if l.try != nil && l.try.begin.Proposal == p {
		a.giveUp(l, nil, "the proposal is signed at another nonce")
	}
	a.free(l, nonce)
}

// outbids reports whether tx is another transaction with a higher fee than old.
func outbids(tx, old *types.Transaction) bool {
	return tx.Hash() != old.Hash() && tx.Nonce() == old.Nonce() && tx.GasFeeCap().Cmp(old.GasFeeCap()) > 0
}

func (a *Agenda) sighted(p *Proposal, w council.Word, s council.Sighted) {
	a.revive(p)
	switch w {
	case council.WordExpired, council.WordDisplaced:
		p.Over = w
	case council.WordReorged:
		if p.done() {
			a.laneOf(p).reopened(p.Where.Nonce, a.now)
		}
		p.record.mined = 0
		p.Fate, p.Where, p.Reverted = "", council.Sighted{}, false
	case council.WordBroadcast:
		if p.Fate == "" {
			p.Where = s
		}
	default:
		p.Fate, p.Where = w, s
		a.laneOf(p).explained(s.Nonce, true)
		if w != council.WordFinal {
			p.Reverted = w == council.WordReverted
		}
		switch {
		case a.replaying:
		case w == council.WordFinal:
			p.FinalAt = a.now
		default:
			p.MinedAt = a.now
		}
	}
}
