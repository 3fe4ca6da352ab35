package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
)

// BirthRecord is the name under which the keystore holds the council's birth
// record, in RLP. It is no secret; it lies there so that the keystore alone is
// enough for a backup, whether a daemon runs or not.
const BirthRecord = "birth-record"

// keepRecord puts the birth record beside the share.
func (n *Node) keepRecord(g council.Genesis) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return fmt.Errorf("encode birth record: %w", err)
	}
	switch have, err := n.keystore.Get(BirthRecord); {
	case err == nil && bytes.Equal(have, b):
		return nil
	case err != nil && !errors.Is(err, keystore.ErrNotFound):
		return err
	}
	return n.keystore.Replace(BirthRecord, b)
}

// NoteBackup implements api.Backend.
func (n *Node) NoteBackup(ctx context.Context, r api.BackupNote) (api.Backups, error) {
	return ask(ctx, n, func() (v api.Backups, _ error) {
		g := n.agenda.Genesis()
		switch {
		case r.Member != n.self:
			return v, api.Failf(api.Invalid, "each member verifies the own backup, at the own node", "it is the backup of %s; this node is %s's", r.Member, n.self)
		case g == nil:
			return v, api.Failf(api.NotReady, "every member runs 'signer keygen' first", "the council has no key yet")
		case r.Key != g.Key || r.ShareEpoch != n.holding.Epoch:
			return v, api.Failf(api.Conflict, "make a new backup with 'signer backup create'", "it is a backup of the key %s, share epoch %d; the council's is %s, epoch %d",
				r.Key.Hex(), r.ShareEpoch, g.Key.Hex(), n.holding.Epoch)
		case n.restoring():
			return v, api.Fail(api.NotReady, council.WithHint(errors.New(n.agenda.Watching()), "the backup is good; verify it again when 'signer status' says ready, so that the others hear of it"))
		}
		word := council.BackedUp{Epoch: r.ShareEpoch, Key: r.Key, File: r.SHA256}
		if b, ok := n.agenda.Backup(n.self); !ok || b.BackedUp != word {
			ev, err := n.append(council.WordBackedUp, word)
			if err != nil {
				return v, err
			}
			n.tellEntry(ev)
			n.step(ev)
		}
		return *n.viewBackups(), nil
	})
}

// viewBackups says whose shares are safe; nil before there is a key.
func (n *Node) viewBackups() *api.Backups {
	if n.agenda.Genesis() == nil {
		return nil
	}
	waiting := n.agenda.Unsecured()
	v := &api.Backups{Fundable: len(waiting) == 0, Waiting: append([]council.MemberID{}, waiting...), Made: []api.Backup{}}
	for _, m := range n.roster.IDs() {
		if b, ok := n.agenda.Backup(m); ok {
			v.Made = append(v.Made, api.Backup{Member: m, At: at(b.At), SHA256: b.File})
		}
	}
	return v
}

// backupWarnings names money that lies at an address whose shares are not all
// safe.
func (n *Node) backupWarnings(s api.Status) []string {
	if s.Backups == nil || s.Backups.Fundable {
		return nil
	}
	for _, c := range s.Chains {
		if c.Balance != nil && c.Balance.Int().Sign() > 0 {
			return []string{"the address holds money, and no verified backup is known of " + council.Names(s.Backups.Waiting) + ": they run 'signer backup create' and 'signer backup verify'"}
		}
	}
	return nil
}

// backupCheck is the doctor's line.
func (n *Node) backupCheck(s api.Status) (c api.Check, ok bool) {
	if s.Backups == nil {
		return c, false
	}
	c = api.Check{Name: "backups", Outcome: api.OK, Detail: "every member has made and verified one; the address is fundable"}
	if !s.Backups.Fundable {
		c.Outcome, c.Detail = api.Warn, "not fundable, waiting for backups of: "+council.Names(s.Backups.Waiting)
		c.Hint = "they run 'signer backup create' and 'signer backup verify FILE' before money is sent"
	}
	return c, true
}
