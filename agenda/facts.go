package agenda

import "github.com/millicent-one/signer/council"

// Facts are what the last judgement of the proposal rests on; false before this
// process has fetched any.
func (p *Proposal) Facts() (council.Facts, bool) {
	if p.facts == nil {
		return council.Facts{}, false
	}
	return *p.facts, true
}
