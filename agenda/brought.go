package agenda

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
)

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
