package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// birth is what a node holds during a key generation, beside the agenda's
// state.
type birth struct {
	params    *tss.PreParams
	share     *tss.Share // staged, until it is current
	cancel    context.CancelFunc
	listeners []chan api.Progress
	last      api.Progress
}

// Keygen implements api.Backend: it takes part in the ceremony and follows it.
func (n *Node) Keygen(ctx context.Context, progress func(api.Progress)) (council.Genesis, error) {
	updates := make(chan api.Progress, 64)
	err := n.call(ctx, func() error {
		if n.agenda.Genesis() != nil {
			return api.Fail(api.Conflict, council.WithHint(fmt.Errorf("the council has a key already: %s", n.agenda.Genesis().Key.Hex()),
				"'signer status' shows it; making another key is for a new council"))
		}
		if _, err := n.unserved(len(n.roster.Members)); err != nil {
			return api.Fail(api.NotReady, err)
		}
		n.birth.listeners = append(n.birth.listeners, updates)
		if _, running := n.agenda.Ceremony(); running {
			updates <- n.birth.last
			return nil
		}
		var random common.Hash
		rand.Read(random[:])
		n.step(agenda.KeygenWanted{Random: random})
		return nil
	})
	if err != nil {
		return council.Genesis{}, err
	}
	defer n.call(context.WithoutCancel(ctx), func() error {
		n.birth.listeners = slices.DeleteFunc(n.birth.listeners, func(c chan api.Progress) bool { return c == updates })
		if len(n.birth.listeners) == 0 {
			n.step(agenda.KeygenLeft{}) // nothing, if it is over
		}
		return nil
	})
	for {
		select {
		case <-ctx.Done():
			return council.Genesis{}, ctx.Err()
		case <-n.ctx.Done():
			return council.Genesis{}, n.ctx.Err()
		case p := <-updates:
			switch p.Stage {
			case stageMade:
				return ask(ctx, n, func() (council.Genesis, error) { return *n.agenda.Genesis(), nil })
			case stageFailed:
				return council.Genesis{}, api.Fail(api.NotReady, council.WithHint(fmt.Errorf("key generation ended: %s", p.Why),
					"mend what it names, then every member runs 'signer keygen' again"))
			}
			progress(p)
		}
	}
}

// Stages that end a ceremony.
const (
	stageMade   = "made"
	stageFailed = "failed"
)

// progress tells the listeners of the ceremony. A listener that does not read
// misses steps, not the end: the channel is far deeper than a ceremony is long.
func (n *Node) progress(p api.Progress) {
	n.birth.last = p
	for _, c := range n.birth.listeners {
		select {
		case c <- p:
		default:
		}
	}
}

// makeParams takes the spare set, or runs the search for safe primes beside the
// owner.
func (n *Node) makeParams() {
	ctx, cancel := context.WithCancel(n.ctx)
	n.birth.cancel = cancel
	p := n.takeSpare()
	n.children.Go(func() {
		tell := func(done, total int) {
			n.calls.post(func() { n.progress(api.Progress{Stage: "pre-parameters", Done: done, Total: total}) })
		}
		var err error
		if p != nil {
			if err := p.Audit(); err != nil {
				p = nil
				n.calls.post(func() { n.discardSpare(err) })
			} else {
				tell(1, 1)
			}
		}
		if p == nil {
			p, err = tss.GeneratePreParams(ctx, tss.PreParamsOptions{Progress: tell})
		}
		n.calls.post(func() {
			defer cancel()
			if ctx.Err() != nil {
				return // of a ceremony that has ended; the next one has its own
			}
			n.birth.params = p
			n.step(agenda.ParamsMade{Err: err})
		})
	})
}

func (n *Node) drawKey(e agenda.DrawKey) []agenda.Event {
	fail := func(err error) []agenda.Event { return []agenda.Event{agenda.Failed{Session: e.Session, Err: err}} }
	params := n.birth.params
	n.birth.params = nil // they are for one attempt
	seen, err := n.unserved(len(e.Members))
	if err != nil {
		return fail(err)
	}
	s, err := tss.NewKeygen(tss.KeygenConfig{
		Session: e.Session, Self: n.self, Members: e.Members, Threshold: n.roster.Threshold, Epoch: e.Epoch, Params: params,
		Seen: seen,
	})
	if err != nil {
		return fail(err)
	}
	if err := n.start(e.Session, "key generation", s, func() error { return nil }); err != nil {
		return fail(err)
	}
	n.between("drawn")
	return nil
}

// stage writes the new share, sealed and durable, before anyone is told that
// this node has it.
func (n *Node) stage(e agenda.Stage) error {
	share := n.birth.share
	if share == nil {
		return fmt.Errorf("no share of epoch %d was made here", e.Epoch)
	}
	if err := n.remember(share.Moduli()); err != nil {
		return err
	}
	secret, err := share.MarshalBinary()
	if err != nil {
		return err
	}
	if err := n.saveGenesis(metaStaged, e.Genesis); err != nil {
		return err
	}
	n.between("record staged")
	if err := n.keystore.Stage(e.Epoch, keystore.Meta{Address: e.Genesis.Key, Roster: e.Genesis.Roster}, secret); err != nil {
		return err
	}
	n.between("share staged")
	return nil
}

// commit makes the staged share current. The birth record is written first: a
// process that dies in between finds it, and finishes the step when it is back.
func (n *Node) commit(g council.Genesis) error {
	if err := n.saveGenesis(metaGenesis, g); err != nil {
		return err
	}
	n.born(g)
	n.between("record signed")
	if err := n.keepRecord(g); err != nil {
		return err
	}
	if err := n.keystore.Commit(g.ShareEpoch); err != nil {
		return err
	}
	n.between("share current")
	if err := n.loadShare(g); err != nil {
		return err
	}
	n.refresh()
	return n.openRotation()
}

// discard removes a share that is staged, and no other. When it fails the new
// share can't be staged, and the ceremony ends there.
func (n *Node) discard(epoch uint64) error {
	staged, err := n.keystore.Staged()
	if err != nil {
		return err
	}
	for _, e := range staged {
		if e.Epoch == epoch {
			return n.keystore.Erase(epoch)
		}
	}
	return nil
}

// birthOver forgets what only a running ceremony needs.
func (n *Node) birthOver() {
	if n.birth.cancel != nil {
		n.birth.cancel()
	}
	n.birth.params, n.birth.share, n.birth.cancel = nil, nil, nil
}

func (n *Node) prove(e agenda.Prove) []agenda.Event {
	id := e.Permit.Session()
	s, err := tss.NewSign(tss.SignConfig{
		Session: id, Self: n.self, Signers: e.Signers, Share: n.birth.share, Warrant: e.Permit, Now: uint64(n.now().Unix()),
	})
	if err == nil {
		err = n.start(id, "test signature", s, func() error { return nil })
	}
	if err != nil {
		return []agenda.Event{agenda.Failed{Session: id, Err: err}}
	}
	return nil
}
