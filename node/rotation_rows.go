package node

import (
	"fmt"
	"maps"
	"slices"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// openRows are the rows of the ledger that a lock carries: what may have been
// signed here and is not over. A message whose signature all can read is over. What a
// replacement has displaced is told until a final block has its nonce, whether or not the
// replacement was given back: its signature may exist, and others may not know that it
// is void. Hearsay is
// left out: what an earlier certificate has brought and this node has never taken part in
// signing, so that the rows which a malicious member made up once don't fill the locks of
// all members ever after. What it has worked on it tells in each lock, whoever told of it
// before: others may have switched by a certificate with the locks of others, in which it
// is not. And what was really signed has honest signers enough that one's lock counts.
func (n *Node) openRows() ([]council.OpenRow, error) {
	told := n.inherited()
	open := map[journal.State]council.OpenState{journal.Reserved: council.OpenReserved, journal.Revealed: council.OpenRevealed, journal.Displaced: council.OpenDisplaced}
	var out []council.OpenRow
	rows, err := n.journal.Rows()
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		x := council.OpenRow{Place: council.Place{Chain: r.Chain, Nonce: r.Nonce}, Proposal: r.Proposal, State: open[r.State]}
		hearsay := r.Attempt == 0 && r.By == (council.ProposalID{}) && (told[x] || r.State == journal.Displaced)
		if x.State != 0 && r.Mined == nil && r.Key == n.holding.Key && x.Proposal != (council.ProposalID{}) && !hearsay {
			out = append(out, x)
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
		if x := (council.OpenRow{Place: council.Place{Digest: r.Digest}, Proposal: r.Proposal, State: open[r.State]}); x.State != 0 && !(told[x] && r.Attempt == 0) {
			out = append(out, x)
		}
	}
	slices.SortFunc(out, council.OpenRow.Compare)
	return out, nil
}

// weigh tells the machine what a lock could say of the ledger now, so that a node which
// can't give one keeps out of a try before anyone waits for it. What counts is asked once
// more before the bar goes down.
func (n *Node) weigh() {
	if n.shift.rotation == nil {
		return
	}
	n.shift.weighed = n.now()
	w, err := n.weighed()
	if err != nil {
		n.log.Error("read ledger", "err", err)
		return
	}
	n.rotate(w)
}

// weighed says how many rows a lock would carry, and why it might lack some. It says what
// it can when the disk can't be read.
func (n *Node) weighed() (w agenda.LedgerWeighed, err error) {
	n.counters.weighed.Add(1)
	if q := n.restore; q != nil {
		w.Behind = q.why
	}
	if w.Fenced, err = n.fenced(); err != nil {
		return w, err
	}
	rows, err := n.openRows()
	w.Open = len(rows)
	return w, err
}

// fenced names the nonces that this node may have signed for before its disk was lost or
// restored, and that no final block has used yet; "" when there are none. A row of one of
// them would be in its lock if it had not forgotten it.
func (n *Node) fenced() (string, error) {
	for _, chain := range slices.Sorted(maps.Keys(n.chains)) {
		fence, ok, err := n.book().Fenced(n.holding.Key, chain)
		if err != nil {
			return "", err
		}
		if used := n.chains[chain].final; ok && used <= fence {
			return fmt.Sprintf("up to %d on chain %d, and final blocks have used those below %d", fence, chain, used), nil
		}
	}
	return "", nil
}

// inherited are the rows that all rotations until now have brought, as they came.
func (n *Node) inherited() map[council.OpenRow]bool {
	out := map[council.OpenRow]bool{}
	for _, sw := range n.standing.Switches {
		in := sw.Inherited()
		for _, r := range slices.Concat(in.Rows, in.Disputed, in.Displaced) {
			out[r.OpenRow] = true
		}
	}
	return out
}
