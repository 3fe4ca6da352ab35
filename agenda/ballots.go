package agenda

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

// voted takes up a member's word. The signature is checked now; expiry and term
// are checked again, at their time, whenever the approvals are counted. It gives the
// member whose word is news; "" for none. Of what one member brings, no more than MaxWords
// are looked at: each costs as much as a signature, at every start anew, and an honest node
// brings a few.
func (a *Agenda) voted(p *Proposal, by council.MemberID, ap council.Approval, read time.Time) council.MemberID {
	if p.Unread != nil || ap.Expires == 0 || p.heard(ap) || ap.Roster != a.hash || ap.Charter != a.roster.Charter || ap.Action != p.Action.Sentence {
		return ""
	}
	if p.words[by] >= MaxWords {
		return ""
	}
	p.words[by]++
	m, err := a.ballot(p).VerifyOf(ap, p.ID, a.hash, a.readingTime(ap))
	if err != nil {
		return ""
	}
	if prev, ok := p.Ballots[m.ID]; ok && !ap.Supersedes(prev) {
		return ""
	}
	p.Ballots[m.ID], p.count = ap, nil
	a.encouraged(p)
	if a.replaying {
		return m.ID
	}
	p.Spoken[m.ID] = read
	if p.QuorumAt.IsZero() && a.enough(p) {
		p.QuorumAt = read
	}
	return m.ID
}

// heard reports whether these very words are known: a Begin brings along what
// the feeds have brought already.
func (p *Proposal) heard(ap council.Approval) bool {
	for _, b := range p.Ballots {
		if bytes.Equal(b.Sig, ap.Sig) {
			return true
		}
	}
	return false
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

// bring takes up what a Begin brings along of a member's word. It counts at once, and
// mostly its entry is on its way. Should that not come, because the node that was handed
// the word is gone, then what was signed would rest on a word that no feed has: see passOn.
func (a *Agenda) bring(p *Proposal, by council.MemberID, ap council.Approval) {
	m := a.voted(p, by, ap, a.now)
	if m == "" {
		return
	}
	if p.brought == nil {
		p.brought = map[council.MemberID]time.Time{}
	}
	p.brought[m] = a.now
	a.revive(p)
}

// entered notes that a feed has a word.
func (p *Proposal) entered(ap council.Approval) {
	for m, b := range p.Ballots {
		if bytes.Equal(b.Sig, ap.Sig) {
			delete(p.brought, m)
		}
	}
}

// passOn puts the words that only a Begin has brought into this node's own feed, once for
// each member: who says ever new ones does not fill it.
func (a *Agenda) passOn(p *Proposal) {
	for _, m := range slices.Sorted(maps.Keys(p.brought)) {
		if !a.due(p.brought[m], a.timing.Hold) {
			continue
		}
		delete(p.brought, m)
		if p.once("passed on: " + string(m)) {
			b, word := p.Ballots[m], council.WordApproved
			if b.Decision == council.Reject {
				word = council.WordRejected
			}
			a.do(Append{word, council.Voted{Approval: b}})
		}
	}
}
