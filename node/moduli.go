package node

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/tss"
)

// moduli are those of earlier key generations and resharings that this node took
// part in.
func (n *Node) moduli() (tss.Seen, error) {
	b, ok, err := n.book().Meta(metaModuli)
	var list []common.Hash
	if err == nil && ok {
		err = rlp.DecodeBytes(b, &list)
	}
	if err != nil {
		return nil, council.WithHint(fmt.Errorf("read the moduli of earlier ceremonies: %w", err),
			"it takes part in no other before they can be read: check the disk")
	}
	seen := tss.Seen{}
	seen.Add(list...)
	return seen, nil
}

// unserved are the moduli that must not serve in a ceremony of so many members. It
// refuses one whose own could not be remembered, for what is forgotten could serve
// again.
func (n *Node) unserved(members int) (tss.Seen, error) {
	seen, err := n.moduli()
	if err == nil && len(seen)+2*members > maxModuli {
		err = council.WithHint(fmt.Errorf("this node remembers %d moduli of earlier ceremonies, and has no room for those of one more: at most %d", len(seen), maxModuli),
			"each ceremony that fails uses some up, and the log and 'signer evidence list' say who made so many fail; what is left is a new key: 'Compromise' in the runbook, from step 6")
	}
	if err != nil {
		n.log.Error("no ceremony", "err", err, "hint", council.Hint(err))
		return nil, err
	}
	return seen, nil
}

var errNotBurnt = council.WithHint(errors.New("the moduli of the ceremony are not written down"), "check the disk, then try again")

// burn remembers the moduli of a session, and says so where it can't.
func (n *Node) burn(id council.SessionID, moduli []common.Hash) error {
	err := n.remember(moduli)
	if err != nil {
		n.log.Error("moduli of a ceremony are not remembered", "session", id.Short(), "err", err, "hint", council.Hint(err))
	}
	return err
}

// remember adds moduli that must never be taken again: what was proven about them once
// must not be replayed.
func (n *Node) remember(moduli []common.Hash) error {
	if len(moduli) == 0 {
		return nil
	}
	seen, err := n.moduli()
	if err != nil {
		return err
	}
	known := len(seen)
	if seen.Add(moduli...); len(seen) == known {
		return nil
	}
	if len(seen) > maxModuli {
		return fmt.Errorf("remember moduli: %d with those of this ceremony; at most %d", len(seen), maxModuli)
	}
	b, err := rlp.EncodeToBytes(slices.SortedFunc(maps.Keys(seen), func(a, b common.Hash) int { return a.Cmp(b) }))
	if err != nil {
		return err
	}
	return n.write(func(j *journal.Journal) error { return j.PutMeta(metaModuli, b) })
}
