package node

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// openRows are the rows of the ledger that a lock carries: what may have been
// signed here and is not over. A message whose signature all can read is over.
func (n *Node) openRows() ([]council.OpenRow, error) {
	open := map[journal.State]council.OpenState{journal.Reserved: council.OpenReserved, journal.Revealed: council.OpenRevealed}
	var out []council.OpenRow
	rows, err := n.journal.Rows()
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		if state := open[r.State]; state != 0 && r.Key == n.holding.Key && r.Proposal != (council.ProposalID{}) {
			out = append(out, council.OpenRow{Place: council.Place{Chain: r.Chain, Nonce: r.Nonce}, Proposal: r.Proposal, State: state})
		}
	}
	messages, err := n.journal.Messages()
	if err != nil {
		return nil, err
	}
	for _, r := range messages {
		if p, ok := n.agenda.Proposal(r.Proposal); ok && p.Signature != nil {
			continue
		}
		if state := open[r.State]; state != 0 {
			out = append(out, council.OpenRow{Place: council.Place{Digest: r.Digest}, Proposal: r.Proposal, State: state})
		}
	}
	slices.SortFunc(out, func(x, y council.OpenRow) int {
		a, b := x.Place, y.Place
		return cmp.Or(cmp.Compare(a.Chain, b.Chain), cmp.Compare(a.Nonce, b.Nonce), bytes.Compare(a.Digest[:], b.Digest[:]))
	})
	return out, nil
}
