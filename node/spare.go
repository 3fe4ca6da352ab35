package node

import (
	"context"
	"errors"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/tss"
)

// spare is what a node knows of the set of pre-parameters that it keeps sealed,
// so that the next ceremony does not wait for primes. A set serves one ceremony:
// it is gone from the disk before it is used, and what was taken out does not
// come back, whatever became of the ceremony.
type spare struct {
	wanted bool
	sealed bool
	cancel context.CancelFunc // of the search that runs
	idle   time.Time          // since when nothing else is to be done; zero: something is
}

// tendSpare starts the search for a spare set when nothing else is to be done:
// at once while there is no key, since the ceremony will ask for it, and later
// only after a while of quiet.
func (n *Node) tendSpare() {
	s := &n.spare
	if !s.wanted || s.sealed || s.cancel != nil {
		return
	}
	if n.occupied() {
		s.idle = time.Time{}
		return
	}
	if s.idle.IsZero() {
		s.idle = n.now()
	}
	if n.agenda.Genesis() == nil || n.now().Sub(s.idle) >= spareIdle {
		n.searchSpare()
	}
}

// occupied reports whether the processor is wanted for something that people
// wait for.
func (n *Node) occupied() bool {
	_, running := n.agenda.Ceremony()
	return running || len(n.runners) > 0
}

// yieldSpare ends the search when there is something to do. It begins anew
// later; what it has found until then is a few seconds of one core.
func (n *Node) yieldSpare() {
	if n.spare.cancel != nil && n.occupied() {
		n.stopSpare()
	}
}

func (n *Node) stopSpare() {
	if n.spare.cancel != nil {
		n.spare.cancel()
		n.spare.cancel = nil
	}
	n.spare.idle = time.Time{}
}

// searchSpare runs on one core, beside the owner.
func (n *Node) searchSpare() {
	ctx, cancel := context.WithCancel(n.ctx)
	n.spare.cancel = cancel
	n.log.Info("making spare pre-parameters")
	n.children.Go(func() {
		p, err := tss.GeneratePreParams(ctx, tss.PreParamsOptions{Workers: 1})
		n.calls.post(func() {
			if ctx.Err() == nil { // else another search may be under way
				n.spare.cancel = nil
				n.keepSpare(p, err)
			}
			cancel()
		})
	})
}

func (n *Node) keepSpare(p *tss.PreParams, err error) {
	var b []byte
	if err == nil {
		b, err = p.MarshalBinary()
	}
	if err == nil {
		err = n.keystore.PutSpare(b)
		clear(b)
	}
	if err != nil {
		n.spare.wanted = false // a full disk would have the search run for ever
		n.log.Warn("keep spare pre-parameters; no other try before the next start", "err", err, "hint", council.Hint(err))
		return
	}
	n.spare.sealed = true
	n.log.Info("spare pre-parameters are sealed")
	n.tell("spare", council.ProposalID{}, n.self, "pre-parameters for the next ceremony are sealed")
}

// takeSpare takes the spare set out of the keystore, for good; nil when there is
// none, or one that is no good.
func (n *Node) takeSpare() *tss.PreParams {
	n.stopSpare()
	n.spare.sealed = false
	b, err := n.keystore.TakeSpare()
	if errors.Is(err, keystore.ErrNotFound) {
		return nil
	}
	var p *tss.PreParams
	if err == nil {
		p, err = tss.UnmarshalPreParams(b)
		clear(b)
	}
	var seen tss.Seen
	if err == nil {
		seen, err = n.moduli()
	}
	if err == nil && p.Served(seen) {
		err = errors.New("it served an earlier ceremony: the keystore is an old copy")
	}
	if err != nil {
		n.discardSpare(err)
		return nil
	}
	return p
}

// discardSpare says why a set is not used, and sees to it that it is gone.
func (n *Node) discardSpare(why error) {
	n.log.Warn("spare pre-parameters are discarded", "why", why, "hint", "the ceremony makes others; if nobody touched the disk, check it")
	n.tell("spare-discarded", council.ProposalID{}, n.self, "spare pre-parameters are discarded: "+why.Error())
	if err := n.keystore.DropSpare(); err != nil {
		n.log.Error("drop spare pre-parameters", "err", err)
	}
}

// viewSpare is what people are shown.
func (n *Node) viewSpare() api.Spare {
	switch {
	case n.spare.sealed:
		return api.SpareSealed
	case n.spare.cancel != nil:
		return api.SpareMaking
	case n.spare.wanted:
		return api.SpareNone
	}
	return ""
}

// spareCheck is the doctor's line.
func spareCheck(s api.Status) (c api.Check, ok bool) {
	c = api.Check{Name: "spare pre-parameters", Outcome: api.OK}
	switch s.Spare {
	case api.SpareSealed:
		c.Detail = "sealed: the next ceremony does not wait for primes"
	case api.SpareMaking:
		c.Detail = "in the making"
	case api.SpareNone:
		c.Detail = "none yet; made when the node has nothing else to do"
	default:
		return c, false
	}
	return c, true
}
