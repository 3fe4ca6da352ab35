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
	if _, ok := a.roster.Member(e.Author); !ok {
		return
	}
	if made, ok := e.Body.(council.KeyMade); ok {
		a.keyMade(made.Genesis)
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
			p.Verdicts[e.Author] = b
		}
	case council.Voted:
		if p := a.known(b.Approval.Proposal, e); p != nil {
			a.voted(p, b.Approval)
		}
	case council.Begun:
		if p := a.known(b.Proposal, e); p != nil {
			p.begun(e.Author, b, a.reading())
			a.lane(b.Chain).counted(b.Nonce, b.Attempt)
		}
	case council.AttemptFailed:
		if p := a.known(b.Proposal, e); p != nil {
			a.attemptFailed(p, e.Author, b)
		}
	case council.Signed:
		if p := a.known(b.Proposal, e); p != nil {
			a.signatureSeen(p, b)
		}
	case council.Sighted:
		if p := a.known(b.Proposal, e); p != nil && e.Author == a.self {
			a.sighted(p, e.Word, b)
		}
	}
}

// known finds the proposal, or keeps the entry until the proposal arrives: the
// feeds of different members reach us in any order.
func (a *Agenda) known(id council.ProposalID, e Recorded) *Proposal {
	if p, ok := a.proposals[id]; ok {
		return p
	}
	if a.orphaned < MaxOrphans {
		a.orphans[id] = append(a.orphans[id], e)
		a.orphaned++
	}
	return nil
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
	if err != nil || a.proposals[id] != nil {
		return
	}
	if e.Author != a.self && a.openBy(e.Author) >= MaxOpenPerMember {
		return
	}
	p := &Proposal{
		ID: id, Intent: in, Proposer: e.Author, At: e.At,
		Verdicts: map[council.MemberID]council.Judged{},
		Ballots:  map[council.MemberID]council.Approval{},
		told:     map[string]bool{},
		doubt:    map[council.MemberID]int{},
		Spoken:   map[council.MemberID]time.Time{},
	}
	if !a.replaying {
		p.ReadAt = a.now
	}
	p.Action, p.Unread = a.policy.Describe(in)
	p.needs = a.policy.Needs(in)
	a.proposals[id] = p
	a.order = append(a.order, id)
	if p.once("proposed") && !a.replaying {
		a.do(Notify{What: "proposed", Proposal: id, Text: p.Action.Sentence})
	}
	waiting := a.orphans[id]
	delete(a.orphans, id)
	a.orphaned -= len(waiting)
	for _, w := range waiting {
		a.record(w)
	}
}

// voted takes up a member's word. The signature is checked now; expiry and term
// are checked again, at their time, whenever the approvals are counted.
func (a *Agenda) voted(p *Proposal, ap council.Approval) {
	if p.Unread != nil || ap.Expires == 0 {
		return
	}
	m, err := a.ballot(p).Verify(ap, a.readingTime(ap))
	if err != nil {
		return
	}
	if prev, ok := p.Ballots[m.ID]; ok && !ap.Supersedes(prev) {
		return
	}
	p.Ballots[m.ID], p.count = ap, nil
	if a.replaying {
		return
	}
	p.Spoken[m.ID] = a.now
	if p.QuorumAt.IsZero() {
		if a.enough(p) {
			p.QuorumAt = a.now
		}
	}
}

// readingTime is the time at which an approval is read: now, and for one that
// the journal brings back after it has lapsed, the last second of its life, so
// that it is shown for what it was.
func (a *Agenda) readingTime(ap council.Approval) uint64 {
	now := unix(a.now)
	if a.replaying || ap.Expires <= now {
		return ap.Expires - 1
	}
	return now
}

// reading is the time at which something is learnt: zero from the journal.
func (a *Agenda) reading() time.Time {
	if a.replaying {
		return time.Time{}
	}
	return a.now
}

func (p *Proposal) begun(author council.MemberID, b council.Begun, now time.Time) {
	at := p.attempt(b.Begin)
	if at == nil {
		if len(p.Attempts) >= MaxAttemptsKept {
			p.Attempts = slices.Delete(p.Attempts, 0, 1)
		}
		p.Attempts = append(p.Attempts, Attempt{Number: b.Attempt, Nonce: b.Nonce, Begin: b.Begin, Signers: b.Signers, Leader: b.Coordinator, heard: now})
		at = &p.Attempts[len(p.Attempts)-1]
	}
	if slices.Contains(at.Signers, author) && !slices.Contains(at.Joined, author) {
		at.Joined = append(at.Joined, author)
	}
}

// running finds an attempt of others that may still bring the signature: all
// its signers have joined it and have time left, or it has only just begun. One
// member's word alone holds nobody up for long.
func (a *Agenda) running(p *Proposal, nonce uint64) bool {
	for _, at := range p.Attempts {
		if at.Nonce != nonce || at.Failed != "" || at.heard.IsZero() {
			continue
		}
		patience := 2 * a.timing.Grace
		if len(at.Joined) == len(at.Signers) {
			patience = a.timing.Deadline
		}
		if !a.due(at.heard, patience) {
			return true
		}
	}
	return false
}

func (p *Proposal) attempt(begin common.Hash) *Attempt {
	for i := range p.Attempts {
		if p.Attempts[i].Begin == begin {
			return &p.Attempts[i]
		}
	}
	return nil
}

// attemptFailed takes up that a signer has given an attempt up: nobody can
// finish it any more. A suspicion counts once for each attempt and suspect,
// whoever reports it.
func (a *Agenda) attemptFailed(p *Proposal, author council.MemberID, f council.AttemptFailed) {
	l := a.lane(f.Chain)
	for i := range p.Attempts {
		at := &p.Attempts[i]
		if at.Number != f.Attempt || at.Nonce != f.Nonce || !slices.Contains(at.Signers, author) {
			continue
		}
		l.ended(f.Nonce, f.Attempt)
		if at.Failed == "" {
			at.Failed = f.Reason
		}
		for _, s := range f.Suspects {
			if slices.Contains(at.Signers, s) && !slices.Contains(at.Suspects, s) {
				at.Suspects = append(at.Suspects, s)
				p.doubt[s]++
			}
		}
		if t := l.try; author != a.self && t != nil && t.begin.Hash() == at.Begin && !a.replaying {
			a.giveUp(l, nil, string(author)+" gave it up: "+f.Reason)
		}
	}
}

// signatureSeen takes up a finished transaction from anyone: it proves itself.
func (a *Agenda) signatureSeen(p *Proposal, s council.Signed) {
	deed, ok := p.Intent.(council.Transaction)
	if !ok {
		return
	}
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(s.Tx); err != nil {
		return
	}
	fees := council.Fees{Gas: tx.Gas(), MaxFeePerGas: tx.GasFeeCap(), MaxTipPerGas: tx.GasTipCap()}
	env := council.Envelope{Deed: deed, Nonce: tx.Nonce(), Fees: fees}
	signer := types.NewLondonSigner(tx.ChainId())
	if tx.Type() != types.DynamicFeeTxType || signer.Hash(tx) != env.Digest() || tx.Nonce() != s.Nonce || s.Chain != deed.Chain {
		return
	}
	if from, err := types.Sender(signer, tx); err != nil || from != a.genesis.Key {
		return
	}
	l := a.lane(deed.Chain)
	if p.Tx != nil && !outbids(tx, p.Tx) {
		return
	}
	first := p.Tx == nil
	p.txs = append(p.txs, tx.Hash())
	p.Tx, p.Signed, p.sent = tx, &s, a.now.Add(-a.timing.Rebroadcast)
	if a.replaying {
		p.told["signed"] = true
	} else {
		p.SignedAt = a.now
	}
	if !a.replaying {
		a.yield(l, tx.Nonce(), p.ID)
	}
	if r := l.rows[tx.Nonce()]; !a.replaying && (r.state < RowRevealed || r.proposal != p.ID) {
		a.do(Note{Chain: deed.Chain, Nonce: tx.Nonce(), Proposal: p.ID, Digest: env.Digest()})
	}
	if l.try != nil && l.try.begin.Proposal == p.ID && l.try.begin.Digest == env.Digest() {
		a.do(Abort{Session: l.try.session})
		l.try = nil
	}
	if first && !a.replaying && p.once("signed") {
		a.do(Notify{What: "signed", Proposal: p.ID, Text: p.Action.Sentence + ": " + tx.Hash().Hex()})
	}
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
	a.do(Free{Chain: l.chain, Nonce: nonce, Proposal: r.proposal})
}

// outbids reports whether tx is another transaction with a higher fee than old.
func outbids(tx, old *types.Transaction) bool {
	return tx.Hash() != old.Hash() && tx.Nonce() == old.Nonce() && tx.GasFeeCap().Cmp(old.GasFeeCap()) > 0
}

func (a *Agenda) sighted(p *Proposal, w council.Word, s council.Sighted) {
	switch w {
	case council.WordExpired, council.WordDisplaced:
		p.Over = w
	case council.WordReorged:
		p.Fate, p.Where, p.Reverted = "", council.Sighted{}, false
	case council.WordBroadcast:
		if p.Fate == "" {
			p.Where = s
		}
	default:
		p.Fate, p.Where = w, s
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
