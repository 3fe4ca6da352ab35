package node

import (
	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// recalled is what follows from a word of this node's own that others have brought: its
// disk is an old copy, or a new one, so it has forgotten what it signed as well.
func (n *Node) recalled(r agenda.RotationRecord) []agenda.Event {
	switch {
	case r.Lock != nil:
		n.beginRestore("others hold a Lock of this node's, which its journal lacked")
	case r.Refusal != nil:
		n.beginRestore("others hold a refusal of this node's, which its journal lacked")
	default:
		return nil
	}
	w, err := n.weighed()
	if err != nil {
		n.log.Error("read ledger", "err", err)
	}
	return []agenda.Event{w}
}

// standDown ends all that is signed with the old share, and destroys the slots.
func (n *Node) standDown() {
	n.shift.barred = true
	n.bar.set(true)
	n.tell("locked", council.ProposalID{}, n.self, locked)
	n.agenda.Watch(locked)
	for id := range n.runners {
		if !n.shift.sessions[id] {
			n.end(id)
			n.step(agenda.Failed{Session: id, Err: errLocked()})
		}
	}
	n.shed()
}

// writeLock reads the ledger as it stands when nothing is signed any more, and writes the
// lock.
func (n *Node) writeLock(l council.Lock) (council.Lock, error) {
	n.standDown()
	n.between("barred")
	rows, err := n.openRows()
	if err != nil {
		return l, err
	}
	l.Rows = rows
	signed, err := l.Sign(n.signer)
	if err != nil {
		return l, err
	}
	if err := n.keep(rotationRecord{Locks: []council.Lock{signed}}); err != nil {
		return l, err
	}
	n.between("lock written")
	return signed, nil
}
