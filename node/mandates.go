package node

import (
	"slices"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/journal"
)

// termWarnings says which mandates have ended or end within a month, and when too
// few will be left to agree on anything.
func (n *Node) termWarnings() []string {
	now := uint64(n.now().Unix())
	m := n.roster.Mandates(now)
	var out []string
	if m.Short > 0 {
		out = append(out, agenda.TooFew(m, n.roster, now))
	}
	for _, x := range slices.Concat(m.Ended, m.Ending) {
		out = append(out, agenda.EndOfTerm(x, now))
	}
	return out
}

// loadReminders reads what was said about the terms in an earlier life.
func (n *Node) loadReminders() error {
	b, ok, err := n.book().Meta(metaReminded)
	if err != nil || !ok {
		return err
	}
	if err := rlp.DecodeBytes(b, &n.reminded); err != nil {
		// To say something twice is better than not to start.
		n.log.Warn("what was said about the terms can't be read, and is said again", "err", err)
		n.reminded = nil
	}
	return nil
}

// remind tells of mandates that end, each step once. It is asked every few seconds
// and not at a time set long before: a machine that sleeps, or whose clock is put
// right, must not be late by days.
func (n *Node) remind() {
	words, next := agenda.Remind(n.roster, n.reminded, uint64(max(n.now().Unix(), 0)))
	if slices.Equal(next, n.reminded) {
		return
	}
	b, err := rlp.EncodeToBytes(next)
	if err == nil {
		err = n.write(func(j *journal.Journal) error { return j.PutMeta(metaReminded, b) })
	}
	if err != nil { // nothing is said that could be said again after a restart
		n.log.Error("note what is said about the terms", "err", err)
		return
	}
	n.reminded = next
	for _, w := range words {
		n.notify(w)
	}
}
