package node

import (
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// turn is several durable steps of the owner's with one wait for the disk: what a
// fourth approval leads to, from its entry to the reservation of the nonce, costs
// as much time as one of them. Whatever would tell others of it, or act on it,
// comes when all of it is on the disk.
type turn struct {
	book *journal.Journal
	held []consequence
}

// consequence is what happens when a turn is durable, and what instead when it
// never will be.
type consequence struct{ then, instead func() }

// together makes one turn of what f does. When f fails, nothing is written, so it
// must fail before the agenda has heard of anything. When the disk fails, all of
// it has happened in memory alone, and this node only watches from then on.
func (n *Node) together(f func() error) error {
	if n.open != nil {
		return f()
	}
	t, done := &turn{}, false
	err := n.journal.Together(func(j *journal.Journal) error {
		t.book, n.open = j, t
		defer func() { n.open = nil }()
		err := f()
		done = err == nil
		return err
	})
	if err != nil && done {
		n.watch("the journal can't be written: " + err.Error())
		n.log.Error("write journal", "err", err, "hint", council.Hint(err))
	}
	for _, c := range t.held {
		switch {
		case err == nil:
			c.then()
		case c.instead != nil:
			c.instead()
		}
	}
	return err
}

// then does something when what was written is durable: now, outside of a turn.
func (n *Node) then(do, instead func()) {
	if n.open == nil {
		do()
		return
	}
	n.open.held = append(n.open.held, consequence{do, instead})
}

// book is the journal as the owner has it now: that of the turn, if there is one.
func (n *Node) book() *journal.Journal {
	if n.open != nil {
		return n.open.book
	}
	return n.journal
}
