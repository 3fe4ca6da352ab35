package node

import (
	"errors"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

func ledgerEvent(r journal.Row) agenda.Ledger {
	told := r.Attempt == 0 && r.By == (council.ProposalID{}) // of others alone, unless a block has decided
	ev := agenda.Ledger{Chain: r.Chain, Nonce: r.Nonce, Proposal: r.Proposal, Hearsay: told && r.State != journal.Consumed}
	switch r.State {
	case journal.Reserved:
		ev.State = agenda.RowReserved
	case journal.Revealed:
		ev.State = agenda.RowRevealed
	case journal.Consumed:
		ev.State = agenda.RowConsumed
	case journal.Displaced:
		ev.State = agenda.RowDisplaced
		if r.By == (council.ProposalID{}) && r.Mined == nil {
			ev.State = agenda.RowDisputed
		}
	}
	return ev
}

// isMessage reports whether a proposal has no nonce: then the ledger keeps it by
// its digest.
func (n *Node) isMessage(p council.ProposalID) bool {
	known, ok := n.agenda.Proposal(p)
	if !ok {
		return false
	}
	_, ok = council.AsMessage(known.Intent)
	return ok
}

// messageEvent tells of a message's row. The agenda finds it by the proposal.
func messageEvent(r journal.MessageRow) agenda.Ledger {
	return ledgerEvent(journal.Row{Proposal: r.Proposal, State: r.State, Attempt: r.Attempt})
}

// row reports a row as it now stands on disk, whatever was tried with it.
func (n *Node) row(chain, nonce uint64, p council.ProposalID) []agenda.Event {
	if n.isMessage(p) {
		return n.messageRow(p)
	}
	r, ok, err := n.book().RowByProposal(p)
	if err != nil {
		n.log.Error("read ledger", "err", err)
		return nil
	}
	if !ok || r.Chain != chain {
		return []agenda.Event{agenda.Ledger{Chain: chain, Nonce: nonce, Proposal: p, State: agenda.RowFreed}}
	}
	return []agenda.Event{ledgerEvent(r)}
}

func (n *Node) messageRow(p council.ProposalID) []agenda.Event {
	r, ok, err := n.book().MessageByProposal(p)
	if err != nil {
		n.log.Error("read ledger", "err", err)
		return nil
	}
	if !ok {
		return []agenda.Event{agenda.Ledger{Proposal: p, State: agenda.RowFreed}}
	}
	return []agenda.Event{messageEvent(r)}
}

// revealing writes the `revealed` row of an attempt. It reads no state of the
// node's: sessions call it on goroutines of their own.
func (n *Node) revealing(r journal.Row) func(*journal.Journal) error {
	if n.isMessage(r.Proposal) {
		return func(j *journal.Journal) error { return j.RevealMessage(r.Digest, r.Proposal) }
	}
	return func(j *journal.Journal) error { return j.Reveal(r.Key, r.Chain, r.Nonce, r.Proposal, r.Digest) }
}

// reserve writes the `reserved` row of an attempt; a proposal that replaces
// another takes over its nonce. It returns the other.
func (n *Node) reserve(j *journal.Journal, r journal.Row) (displaced council.ProposalID, err error) {
	if n.isMessage(r.Proposal) {
		return council.ProposalID{}, j.ReserveMessage(r.Digest, r.Proposal, r.Attempt)
	}
	if p, ok := n.agenda.Proposal(r.Proposal); ok {
		if deed, is := p.Intent.(council.Transaction); is && deed.Replaces != (council.ProposalID{}) {
			return deed.Replaces, j.Displace(deed.Replaces, r)
		}
	}
	return council.ProposalID{}, j.Reserve(r)
}

// note writes down that a signature exists which this node had no part in.
func (n *Node) note(e agenda.Note) []agenda.Event {
	key := n.agenda.Genesis().Key
	r := journal.Row{Key: key, Chain: e.Chain, Nonce: e.Nonce, Proposal: e.Proposal, Attempt: 1, Digest: e.Digest}
	var old council.ProposalID
	err := n.book().Together(func(j *journal.Journal) (err error) {
		if old, err = n.reserve(j, r); err != nil {
			return err
		}
		return n.revealing(r)(j)
	})
	if errors.Is(err, journal.ErrFenced) {
		return nil
	}
	var events []agenda.Event
	if err == nil && old != (council.ProposalID{}) {
		events = n.row(e.Chain, e.Nonce, old)
	}
	if err != nil {
		n.log.Error("note a signature", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
		n.tell("conflict", e.Proposal, n.self, err.Error())
	}
	return append(events, n.row(e.Chain, e.Nonce, e.Proposal)...)
}

func (n *Node) free(e agenda.Free) []agenda.Event {
	err := n.giveBack(e)
	if err != nil && !errors.Is(err, journal.ErrRevealed) && !errors.Is(err, journal.ErrNoRow) {
		n.log.Error("free nonce", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
		return nil
	}
	var events []agenda.Event
	if err == nil { // this very place, whatever other one the proposal has
		events = append(events, agenda.Ledger{Chain: e.Chain, Nonce: e.Nonce, Proposal: e.Proposal, State: agenda.RowFreed, Hearsay: true})
	}
	return append(events, n.row(e.Chain, e.Nonce, e.Proposal)...)
}

func (n *Node) giveBack(e agenda.Free) error {
	r, message, err := n.book().MessageByProposal(e.Proposal)
	if err != nil {
		return err
	}
	if !message { // a nonce, or what was claimed as one for a message
		return n.book().Free(n.agenda.Genesis().Key, e.Chain, e.Nonce, e.Proposal)
	}
	return n.book().FreeMessage(r.Digest, e.Proposal)
}

// settle writes what a final block, or a reorg, says about a row.
func (n *Node) settle(e agenda.Settle) []agenda.Event {
	key := n.agenda.Genesis().Key
	var events []agenda.Event
	var dropped []uint64 // what others have claimed for it elsewhere
	var err error
	switch e.State {
	case agenda.RowConsumed:
		dropped, err = n.book().Consume(key, e.Chain, e.Nonce, e.Proposal, e.Tx, e.Block)
	case agenda.RowDisplaced:
		_, err = n.book().Consume(key, e.Chain, e.Nonce, council.ProposalID{}, common.Hash{}, e.Block)
	case agenda.RowRevealed:
		if err = n.book().Reopen(key, e.Chain, e.Nonce, e.Proposal); errors.Is(err, journal.ErrNoRow) {
			err = nil // it was mined but not final: the row has been `revealed` all along
		}
	}
	if err != nil {
		n.log.Error("settle nonce", "proposal", e.Proposal.Short(), "nonce", e.Nonce, "err", err)
	}
	for _, nonce := range dropped {
		events = append(events, agenda.Ledger{Chain: e.Chain, Nonce: nonce, Proposal: e.Proposal, State: agenda.RowFreed, Hearsay: true})
	}
	return append(events, n.row(e.Chain, e.Nonce, e.Proposal)...)
}

// fence closes all nonces that anyone has mentioned to a node which may have
// forgotten what it signed. Messages need none: the same digest again is the
// same signature. What a member has begun, by its feed, or claimed at a rotation counts near
// to what is signed or on the chain alone: one word that is made up must not close the
// chain to this node for good.
func (n *Node) fence() error {
	g := n.agenda.Genesis()
	if g == nil {
		return nil
	}
	for chain := range n.chains {
		nonce, ok, err := n.book().HighestNonceSeen(g.Key, chain)
		if err != nil {
			return err
		}
		reach := n.agenda.Reach(chain)
		for _, p := range n.agenda.Proposals() {
			if p.Intent.ChainID() != chain || n.isMessage(p.ID) {
				continue
			}
			for _, a := range p.Attempts {
				if a.Nonce <= reach {
					nonce, ok = max(nonce, a.Nonce), true
				}
			}
			if p.Tx != nil {
				nonce, ok = max(nonce, p.Tx.Nonce()), true
			}
		}
		claimed, has, err := n.book().HighestRow(g.Key, chain, reach)
		if err != nil {
			return err
		}
		if has {
			nonce, ok = max(nonce, claimed), true
		}
		if ok {
			if err := n.book().Fence(g.Key, chain, nonce); err != nil {
				return err
			}
		}
	}
	return nil
}
