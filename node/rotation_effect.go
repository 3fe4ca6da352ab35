package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// carryOut does one effect of the rotation. An error is one of the disk where the
// machine has no answer for it.
func (n *Node) carryOut(e agenda.Effect) ([]agenda.Event, error) {
	switch e := e.(type) {
	case agenda.Keep:
		if e.Record.Lock != nil {
			n.standDown()
		}
		if err := n.keep(keepable(e.Record)); err != nil {
			return nil, err
		}
		return n.recalled(e.Record), nil
	case agenda.Send:
		n.sendMessage(e.To, e.Message)
	case agenda.Notify:
		n.notify(e)
	case agenda.Abort:
		n.end(e.Session)
	case agenda.MakeParams:
		n.makeHeirParams()
	case agenda.Reshare:
		return n.failing(e.Rotation.Session(), n.reshare(e)), nil
	case agenda.Prove:
		return n.failing(e.Permit.Session(), n.proveStaged(e)), nil
	case agenda.StageShare:
		sig, err := n.stageShare(e)
		return []agenda.Event{agenda.ShareStaged{Ceremony: e.Rotation.ID(), Signature: sig, Err: err}}, nil
	case agenda.DropShare:
		return nil, n.dropShare(e.Ceremony)
	case agenda.LockedTwice:
		if seated(n.roster, n.self, n.peerID) { // a guest's word is no member's: those who sit here file it
			n.file(evidence.LockedTwice(n.court.roster, e.Fork))
		}
	case agenda.WriteLock:
		// A node that is barred already has asked before. Else the bar stays up: no row
		// can come while the owner is here, so one that may lock now can.
		if w, err := n.weighed(); err == nil && w.Withholds() && !n.shift.barred {
			return []agenda.Event{agenda.LockRefused(w)}, nil
		}
		l, err := n.writeLock(e.Lock)
		return []agenda.Event{agenda.LockWritten{Lock: l, Err: err}}, nil
	case agenda.WriteRefusal:
		x, err := e.Refusal.Sign(n.signer)
		if err == nil {
			err = n.keep(rotationRecord{Refusals: []council.Refusal{x}})
		}
		if err != nil {
			x = e.Refusal // names what was to be refused
		}
		return []agenda.Event{agenda.RefusalWritten{Refusal: x, Err: err}}, nil
	case agenda.SwitchShare:
		err := n.switchShare(e)
		return []agenda.Event{agenda.ShareSwitched{Err: err}}, nil
	case agenda.EraseShare:
		x, err := n.eraseShare(e.Switch)
		if err == nil {
			n.erased.put(x)
		}
		return []agenda.Event{agenda.ShareErased{Erasure: x, Err: err}}, nil
	default:
		n.log.Error("unknown effect", "effect", fmt.Sprintf("%T", e))
	}
	return nil, nil
}

// failing answers for a session that did not start.
func (n *Node) failing(id council.SessionID, err error) []agenda.Event {
	if err == nil {
		return nil
	}
	return []agenda.Event{agenda.Failed{Session: id, Err: err}}
}

// makeHeirParams makes the pre-parameters for one try. A node that has no share
// to look at is prepared only when it also knows the old epoch's public numbers.
func (n *Node) makeHeirParams() {
	if n.shift.cancel != nil {
		n.shift.cancel()
	}
	n.shift.params = nil
	n.shift.cancel = n.searchParams(func(p *tss.PreParams, err error) {
		n.shift.params, n.shift.cancel = p, nil
		if err != nil {
			n.rotate(agenda.ParamsMade{Err: err})
			return
		}
		n.prepared()
	})
}

// prepared tells the machine when this node has all that a try takes.
func (n *Node) prepared() {
	if n.shift.params != nil && n.oldPublic() != nil {
		n.rotate(agenda.ParamsMade{})
	}
}

func (n *Node) reshare(e agenda.Reshare) error {
	t := e.Rotation
	c := tss.ReshareConfig{
		Session: t.Session(), Self: n.self, Dealers: t.Dealers, Public: n.oldPublic(),
		Members: e.Roster.IDs(), Threshold: e.Roster.Threshold, Epoch: t.ToEpoch, Seen: n.moduli(),
	}
	for _, m := range t.Dealers {
		if m == n.self {
			c.Share = n.share
		}
	}
	if seated(e.Roster, n.self, n.peerID) {
		c.Params = n.shift.params
		n.shift.params = nil // they are for one try
	}
	n.shift.made = nil
	s, err := tss.NewReshare(c)
	if err != nil {
		return err
	}
	n.shift.sessions[c.Session] = true
	return n.startRun(c.Session, "resharing", s, run{over: func(share *tss.Share, transcript common.Hash) {
		n.remember(s.Moduli())
		n.shift.made = &freshShare{c.Session, share}
		ev := agenda.Reshared{Session: c.Session, Key: t.Key, Transcript: transcript}
		if share != nil {
			ev.Key = share.Address()
		}
		n.rotate(ev)
	}})
}

func (n *Node) proveStaged(e agenda.Prove) error {
	id := e.Permit.Session()
	share := n.shift.shares[e.Ceremony]
	if share == nil {
		return errors.New("this node has staged no share of the try")
	}
	s, err := tss.NewSign(tss.SignConfig{Session: id, Self: n.self, Signers: e.Signers, Share: share, Warrant: e.Permit, Now: uint64(n.now().Unix())})
	if err != nil {
		return err
	}
	n.shift.sessions[id] = true
	return n.startRun(id, "test signature of the new shares", s, run{reveal: func() error { return nil }})
}

// stageShare puts the new share on disk beside those of other tries, then the
// record of it with this node's Ack: whoever hears the Ack can rely on both.
func (n *Node) stageShare(e agenda.StageShare) (council.NodeSignature, error) {
	var none council.NodeSignature
	id, made := e.Rotation.ID(), n.shift.made
	if e.Rotation.Still() {
		return n.acknowledge(e)
	}
	if made == nil || made.share == nil || made.session != e.Rotation.Session() {
		return none, fmt.Errorf("no share of try %s was made here", id.Hex())
	}
	n.between("share made")
	secret, err := made.share.MarshalBinary()
	if err != nil {
		return none, err
	}
	defer clear(secret)
	n.sound.audited(secret) // at the end of the resharing
	if err := n.keystore.Put(stagedName(id), secret); err != nil {
		return none, err
	}
	n.between("share staged")
	sig, err := n.acknowledge(e)
	if err != nil {
		return none, err
	}
	n.shift.shares[id], n.shift.made = made.share, nil
	n.between("ack written")
	return sig, nil
}

// acknowledge signs the Ack, and writes down that it was given.
func (n *Node) acknowledge(e agenda.StageShare) (council.NodeSignature, error) {
	sig, err := e.Rotation.Ack(e.Transcript).Sign(n.self, n.signer)
	if err != nil {
		return sig, err
	}
	return sig, n.keep(rotationRecord{Staged: []agenda.StagedShare{{Ceremony: e.Rotation.ID(), Transcript: e.Transcript, Signature: sig}}})
}

// dropShare forgets the share of an aborted try: first that it is there, then it.
func (n *Node) dropShare(id common.Hash) error {
	if err := n.keep(rotationRecord{Dropped: []common.Hash{id}}); err != nil {
		return err
	}
	delete(n.shift.shares, id)
	if err := n.keystore.Delete(stagedName(id)); err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return err
	}
	return nil
}

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
			"restore a backup of this epoch; without one this seat gets a share again by a rotation, for which the node starts with an empty keystore")
	}
	if err != nil {
		return fmt.Errorf("staged share: %w", err)
	}
	defer clear(secret)
	share, err := tss.UnmarshalShare(secret)
	if err != nil {
		return fmt.Errorf("staged share: %w", err)
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
	n.between("old share erased")
	if x, err = x.Sign(n.signer); err != nil {
		return x, err
	}
	return x, n.keep(rotationRecord{Erasures: []council.Erasure{x}})
}

// searchParams takes the spare set, or makes one beside the owner.
func (n *Node) searchParams(done func(*tss.PreParams, error)) context.CancelFunc {
	ctx, cancel := context.WithCancel(n.ctx)
	p := n.takeSpare()
	n.children.Go(func() {
		var err error
		if p != nil {
			if bad := p.Audit(); bad != nil {
				p = nil
				n.calls.post(func() { n.discardSpare(bad) })
			}
		}
		if p == nil {
			p, err = tss.GeneratePreParams(ctx, tss.PreParamsOptions{})
		}
		n.calls.post(func() {
			defer cancel()
			if ctx.Err() == nil { // else another search may be under way
				done(p, err)
			}
		})
	})
	return cancel
}
