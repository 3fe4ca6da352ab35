package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// switchShare is one write of the journal: certificate, ledger, whose entries are
// taken. The keystore follows it, now or at the next start, if a share was moved.
func (n *Node) switchShare(e agenda.SwitchShare) error {
	after := e.Switch.After()
	if k := len(n.standing.Switches); k > 0 && n.standing.Switches[k-1].Ceremony() == e.Switch.Ceremony() {
		return n.followSwitch(e.Switch) // the keystore could not, before
	}
	receives := seated(after.Roster, n.self, n.peerID)
	// Who has a share of that epoch or a later one has switched before, and has lost
	// the journal in which that stood.
	if receives && !e.Switch.Rotation().Still() && n.shift.shares[e.Switch.Ceremony()] == nil && n.ahead < after.Epoch {
		return council.WithHint(errors.New("this node has no share of the try that is committed"), "its disk is not the one that has acknowledged it: restore that")
	}
	b, err := e.Certificate.Encode()
	if err != nil {
		return err
	}
	record := rotationRecord{Certificate: []council.Certificate{e.Certificate}}
	err = n.write(func(j *journal.Journal) error {
		if err := writeSwitch(j, len(n.standing.Switches), e.Switch, b); err != nil {
			return err
		}
		return n.shift.book.put(j, record)
	})
	if err != nil {
		return err
	}
	n.shift.book.fold(record)
	n.between("certificate written")
	n.standing.Switches = append(n.standing.Switches, e.Switch)
	n.standing.Steps = append(n.standing.Steps, e.Certificate.Succession)
	n.standing.proofs = append(n.standing.proofs, b)
	return n.followSwitch(e.Switch)
}

// followSwitch has the keystore follow a switch. After one that moved no share only the
// shares of tries go: what an earlier one moved was made current then, or at the start,
// and a node that has lost its share since goes along without one.
func (n *Node) followSwitch(sw council.Switch) error {
	if sw.Rotation().Still() {
		return n.sweep(n.shift.book.past, false)
	}
	return n.finishSwitch()
}

// writeSwitch writes what a journal has of the i-th rotation: its certificate, the
// ledger that is united, and whose entries are taken.
func writeSwitch(j *journal.Journal, i int, sw council.Switch, certificate []byte) error {
	after := sw.After()
	if err := j.Inherit(after.Key, sw.Inherited()); err != nil {
		return err
	}
	if err := j.Trust(after.Roster); err != nil {
		return err
	}
	return j.PutMeta(metaSwitch(i), certificate)
}

// finishSwitch makes the new share the current one, if the journal says that the
// switch has happened and the keystore does not yet. The shares of all tries go. A
// switch that moved no share leaves the current one, whose epoch goes on.
func (n *Node) finishSwitch() error {
	k := len(n.standing.Switches)
	if k == 0 {
		return nil
	}
	book := n.shift.book
	if book == nil {
		var err error
		if book, err = openRotationBook(n.journal, n.standing.Switches[k-1].Before().Roster.Version); err != nil {
			return err
		}
	}
	sw, moved := n.standing.moved()
	after := sw.After()
	if moved && seated(after.Roster, n.self, n.peerID) {
		epoch, secret, err := n.keystore.Current()
		clear(secret)
		if err != nil && !errors.Is(err, keystore.ErrNoCurrent) {
			return err
		}
		if err != nil || epoch < after.Epoch {
			if err := n.makeCurrent(sw); err != nil {
				return err
			}
		}
	}
	if moved { // the shares of the tries that are not taken go from memory, too
		n.sound.forget(func(s *tss.Share) bool { return s.Epoch() == after.Epoch && s.Origin() != sw.Rotation().Session() })
	}
	return n.sweep(book.past, false)
}

// sweep deletes the shares of tries from the keystore, but those that the journal says
// are staged, if they are to be kept: a crash between the two leaves one that nothing
// else would ever delete.
func (n *Node) sweep(p agenda.RotationPast, keep bool) error {
	for _, t := range p.Tries {
		id := t.ID()
		if keep && slices.ContainsFunc(p.Staged, func(s agenda.StagedShare) bool { return s.Ceremony == id }) {
			continue
		}
		if err := n.keystore.Delete(stagedName(id)); err != nil && !errors.Is(err, keystore.ErrNotFound) {
			return err
		}
	}
	return nil
}

// resumeSwitch is finishSwitch of a node that starts. A keystore with no share at all
// is one that was lost: the node follows and judges without one.
func (n *Node) resumeSwitch() error {
	err := n.finishSwitch()
	if !errors.Is(err, keystore.ErrNotFound) {
		return err
	}
	_, secret, none := n.keystore.Current()
	clear(secret)
	if errors.Is(none, keystore.ErrNoCurrent) {
		n.log.Warn("no share of the epoch in force", "why", err)
		return nil
	}
	return err
}

func (n *Node) makeCurrent(sw council.Switch) error {
	after := sw.After()
	secret, err := n.keystore.Get(stagedName(sw.Ceremony()))
	if errors.Is(err, keystore.ErrNotFound) {
		return council.WithHint(fmt.Errorf("the keystore is older than the journal: epoch %d of the shares is in force, and the keystore has none of it: %w", after.Epoch, err),
			"move the keystore away and restore a backup of this epoch ('signer backup restore'); without one the member leaves, and comes back as another with a new node ('signer term propose')")
	}
	if err != nil {
		return fmt.Errorf("staged share: %w", err)
	}
	defer clear(secret)
	share := n.sound.share(secret) // of a try of this process; one of another is audited where it is loaded
	if share == nil {
		if share, err = tss.UnmarshalShare(secret); err != nil {
			return fmt.Errorf("staged share: %w", err)
		}
	}
	if share.Address() != after.Key || share.Epoch() != after.Epoch || share.Self() != n.self {
		return fmt.Errorf("the staged share is %s's of key %s, epoch %d; committed is epoch %d of %s", share.Self(), share.Address().Hex(), share.Epoch(), after.Epoch, after.Key.Hex())
	}
	hash, err := after.Roster.Hash()
	if err != nil {
		return err
	}
	if err := n.keystore.Stage(after.Epoch, keystore.Meta{Address: after.Key, Roster: hash}, secret); err != nil {
		return err
	}
	n.between("new share staged")
	if err := n.keystore.Commit(after.Epoch); err != nil {
		return err
	}
	n.between("new share current")
	return nil
}

// eraseShare removes the old share and says so, durably. It is given a Switch, so
// there is a certificate on disk.
func (n *Node) eraseShare(sw council.Switch) (council.Erasure, error) {
	x, err := sw.Erasure(n.self)
	if err != nil {
		return x, err
	}
	if err := n.keystore.Erase(sw.Before().Epoch); err != nil {
		return x, err
	}
	if n.share != nil && n.share.Epoch() == sw.Before().Epoch {
		n.share = nil
	}
	n.sound.forget(func(s *tss.Share) bool { return s.Epoch() <= sw.Before().Epoch })
	n.between("old share erased")
	if x, err = x.Sign(n.signer); err != nil {
		return x, err
	}
	return x, n.keep(rotationRecord{Erasures: []council.Erasure{x}})
}
