package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
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
		n.bar.set(true) // what is revealed from here on would be in nobody's Lock
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
	seen, err := n.unserved(len(t.Dealers) + len(e.Roster.Members))
	if err != nil {
		return err
	}
	c := tss.ReshareConfig{
		Session: t.Session(), Self: n.self, Dealers: t.Dealers, Public: n.oldPublic(),
		Members: e.Roster.IDs(), Threshold: e.Roster.Threshold, Epoch: t.ToEpoch, Seen: seen,
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
	n.sound.audited(secret, made.share) // at the end of the resharing
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
	if gone := n.shift.shares[id]; gone != nil {
		n.sound.forget(func(s *tss.Share) bool { return s.Origin() == gone.Origin() })
	}
	delete(n.shift.shares, id)
	if err := n.keystore.Delete(stagedName(id)); err != nil && !errors.Is(err, keystore.ErrNotFound) {
		return err
	}
	return nil
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
