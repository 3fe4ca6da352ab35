package agenda

import (
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// Facts are what the last judgement of the proposal rests on; false before this
// process has fetched any.
func (p *Proposal) Facts() (council.Facts, bool) {
	if p.facts == nil {
		return council.Facts{}, false
	}
	return *p.facts, true
}

// since is when a proposal was put before the council: when its proposer dates it, or when
// this node first judged it, if that is earlier. 0 while neither is known. A brake counts by
// this node's own time alone, so that nobody keeps it off by proposing the same, dated back.
func (p *Proposal) since() uint64 {
	judged := p.record.judged
	if p.Action.Class == policy.Restrictive || judged > 0 && judged < p.At {
		return judged
	}
	return p.At
}
