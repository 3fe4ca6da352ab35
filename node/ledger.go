package node

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

func ledgerEvent(r journal.Row) agenda.Ledger {
	ev := agenda.Ledger{Chain: r.Chain, Nonce: r.Nonce, Proposal: r.Proposal}
	switch r.State {
	case journal.Reserved:
		ev.State = agenda.RowReserved
	case journal.Revealed:
		ev.State = agenda.RowRevealed
	case journal.Consumed:
		ev.State = agenda.RowConsumed
	case journal.Displaced:
		ev.State = agenda.RowDisplaced
	}
	return ev
}

// row reports a row as it now stands on disk, whatever was tried with it.
func (n *Node) row(chain, nonce uint64, p council.ProposalID) []agenda.Event {
	r, ok, err := n.journal.RowByProposal(p)
	if err != nil {
		n.log.Error("read ledger", "err", err)
		return nil
	}
	if !ok || r.Chain != chain {
		return []agenda.Event{agenda.Ledger{Chain: chain, Nonce: nonce, Proposal: p, State: agenda.RowFreed}}
	}
	return []agenda.Event{ledgerEvent(r)}
}

// reserve writes the `reserved` row of an attempt; a proposal that replaces
// another takes over its nonce. It returns what the agenda has to know of the
// other.
func (n *Node) reserve(r journal.Row) ([]agenda.Event, error) {
	p, ok := n.agenda.Proposal(r.Proposal)
	if !ok {
		return nil, n.journal.Reserve(r)
	}
	deed, is := p.Intent.(council.Transaction)
	if !is || deed.Replaces == (council.ProposalID{}) {
		return nil, n.journal.Reserve(r)
	}
	if err := n.journal.Displace(deed.Replaces, r); err != nil {
		return nil, err
	}
	return n.row(r.Chain, r.Nonce, deed.Replaces), nil
}

// note writes down that a signature exists which this node had no part in.
func (n *Node) note(e agenda.Note) []agenda.Event {
	key := n.agenda.Genesis().Key
	r := journal.Row{Key: key, Chain: e.Chain, Nonce: e.Nonce, Proposal: e.Proposal, Attempt: 1, Digest: e.Digest}
	events, err := n.reserve(r)
	if errors.Is(err, journal.ErrFenced) {
		return nil
	}
	if err == nil {
		err = n.journal.Reveal(key, e.Chain, e.Nonce, e.Proposal, e.Digest)
	}
	if err != nil {
		n.log.Error("note a signature", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
		n.tell("conflict", e.Proposal, n.self, err.Error())
	}
	return append(events, n.row(e.Chain, e.Nonce, e.Proposal)...)
}

func (n *Node) free(e agenda.Free) []agenda.Event {
	err := n.journal.Free(n.agenda.Genesis().Key, e.Chain, e.Nonce, e.Proposal)
	if err != nil && !errors.Is(err, journal.ErrRevealed) && !errors.Is(err, journal.ErrNoRow) {
		n.log.Error("free nonce", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
		return nil
	}
	return n.row(e.Chain, e.Nonce, e.Proposal)
}

// settle writes what a final block, or a reorg, says about a row.
func (n *Node) settle(e agenda.Settle) []agenda.Event {
	key := n.agenda.Genesis().Key
	var err error
	switch e.State {
	case agenda.RowConsumed:
		err = n.journal.Consume(key, e.Chain, e.Nonce, e.Proposal, e.Tx, e.Block)
	case agenda.RowDisplaced:
		err = n.journal.Consume(key, e.Chain, e.Nonce, council.ProposalID{}, common.Hash{}, e.Block)
	case agenda.RowRevealed:
		if err = n.journal.Reopen(key, e.Chain, e.Nonce, e.Proposal); errors.Is(err, journal.ErrNoRow) {
			err = nil // it was mined but not final: the row has been `revealed` all along
		}
	}
	if err != nil {
		n.log.Error("settle nonce", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
	}
	return n.row(e.Chain, e.Nonce, e.Proposal)
}

// fence closes all nonces that anyone has mentioned to a node which may have
// forgotten what it signed.
func (n *Node) fence() error {
	g := n.agenda.Genesis()
	if g == nil {
		return nil
	}
	for chain := range n.chains {
		nonce, ok, err := n.journal.HighestNonceSeen(g.Key, chain)
		if err != nil {
			return err
		}
		for _, p := range n.agenda.Proposals() {
			if p.Intent.ChainID() != chain {
				continue
			}
			for _, a := range p.Attempts {
				nonce, ok = max(nonce, a.Nonce), true
			}
			if p.Tx != nil {
				nonce, ok = max(nonce, p.Tx.Nonce()), true
			}
		}
		if ok {
			if err := n.journal.Fence(g.Key, chain, nonce); err != nil {
				return err
			}
		}
	}
	return nil
}
