package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// runner runs one engine session on a goroutine of its own: a round can keep a
// core busy for half a second, and the owner must stay free.
type runner struct {
	run
	id     council.SessionID
	what   string
	inbox  chan tss.Message
	owed   map[council.MemberID]*atomic.Int32 // messages of each party in the inbox
	again  chan council.MemberID              // members that may have missed what was sent
	sent   []tss.Message                      // all of it; a protocol run is short
	waits  agenda.Patience                    // with the others' silence
	cancel context.CancelFunc

	writing chan error // `revealed`, on its way to the disk; nil before
	burnt   int        // moduli of the session that are written down
}

// run says how a session runs.
type run struct {
	// reveal must have returned nil before a message that reveals this party's
	// part of a signature is sent.
	reveal func() error
	// over, if there is one, gets what a resharing ends with, on the owner's
	// goroutine; a party that only deals has no share.
	over func(share *tss.Share, transcript common.Hash)
	// background work waits while anything else is signed.
	background bool
}

// start begins a session for which somebody waits.
func (n *Node) start(id council.SessionID, what string, s *tss.Session, reveal func() error) error {
	return n.startRun(id, what, s, run{reveal: reveal})
}

func (n *Node) startRun(id council.SessionID, what string, s *tss.Session, how run) error {
	if live := n.live(); live >= maxSessions {
		return council.WithHint(fmt.Errorf("%d sessions are running, which is the most", live), "wait until one has ended")
	}
	n.governor.begin()
	err := n.begin(id, what, s, how)
	if err != nil {
		n.governor.end()
	}
	return err
}

// live counts the sessions for which somebody waits.
func (n *Node) live() int {
	live := 0
	for _, r := range n.runners {
		if !r.background {
			live++
		}
	}
	return live
}

// begin gives the session its goroutine.
func (n *Node) begin(id council.SessionID, what string, s *tss.Session, how run) error {
	if err := n.court.bench.Open(id, s.Members()); err != nil {
		return err
	}
	n.court.shelves.Open(id, s.Members(), s.Rounds())
	ctx, cancel := context.WithCancel(n.ctx)
	r := &runner{run: how, id: id, what: what, inbox: make(chan tss.Message, mailbox), again: make(chan council.MemberID, council.MaxMembers), cancel: cancel}
	r.owed = map[council.MemberID]*atomic.Int32{}
	for _, m := range s.Members() {
		r.owed[m] = new(atomic.Int32)
	}
	r.waits = n.patience(id, s.Members())
	n.runners[id] = r
	for _, f := range n.early.take(id) {
		n.keepFrame(f)
		r.deliver(messageOf(f))
	}
	n.then(func() {
		n.children.Go(func() {
			defer cancel()
			err := r.play(ctx, n, s)
			if !r.background {
				n.governor.end()
			}
			// However it ended: what was heard while it did is burnt, too, before another try
			// can begin; and what stays in the table counts against maxSessions.
			moduli := s.Moduli()
			n.calls.post(func() {
				_ = n.burn(id, moduli)
				if err != nil {
					n.failed(id, err)
				}
				n.end(id)
			})
		})
	}, func() {
		if !r.background {
			n.governor.end()
		}
		n.end(id)
	})
	return nil
}

// deliver hands a message to the session, if it is of a party. Each party has
// its part of the mailbox: what one sends beyond it is dropped, and keeps
// nothing of the others out.
func (r *runner) deliver(m tss.Message) {
	owed, ok := r.owed[m.From]
	if !ok || int(owed.Load()) >= mailbox/len(r.owed) {
		return
	}
	owed.Add(1)
	r.inbox <- m // there is room: the parts add up to no more than the whole
}

// play returns when the session is over, or called off; with an error, when it has died.
func (r *runner) play(ctx context.Context, n *Node, s *tss.Session) error {
	if ctx.Err() != nil { // ended in the turn that ordered it
		return nil
	}
	began := n.now()
	var ready tss.Ready
	var err error
	if r.paced(ctx, n, func() { ready, err = s.Start() }) != nil {
		return nil
	}
	watch, tells := newStall(r.waits, s, began, n.now()), newNotice(r.waits.Notice, s)
	defer watch.stop()
	defer tells.stop()
	for {
		over := false
		watch.moved(s, n.now())
		if ev, news := tells.moved(s); news {
			n.report(ev)
		}
		if err == nil {
			over, err = r.handle(ctx, n, s, ready, began)
		}
		if err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case to := <-r.again:
			r.resend(n, to)
			ready = tss.Ready{}
		case <-tells.timer.C:
			if ev, news := tells.late(s, len(r.inbox)); news {
				n.report(ev)
			}
			ready = tss.Ready{}
		case <-watch.timer.C:
			if ev, ok := watch.late(s, len(r.inbox), n.now()); ok {
				n.report(ev)
			}
			ready = tss.Ready{}
		case m := <-r.inbox:
			r.owed[m.From].Add(-1)
			heard := n.now()
			if r.paced(ctx, n, func() { ready, err = s.Step(m) }) != nil {
				return nil
			}
			watch.worked(n.now().Sub(heard))
			if err == nil && ready.Dropped != nil {
				n.counters.dropped.Add(1)
				n.log.Debug("message dropped", "session", r.id.Short(), "from", m.From, "round", m.Round, "why", ready.Dropped)
			}
		}
	}
}

// burn returns when all moduli that the session has heard are on the disk: before it
// answers, so no end of the ceremony and no death of the process makes them good again.
func (r *runner) burn(ctx context.Context, n *Node, s *tss.Session) error {
	moduli := s.Moduli()
	if len(moduli) == r.burnt {
		return nil
	}
	written := make(chan error, 1)
	n.calls.post(func() {
		err := n.burn(r.id, moduli)
		n.then(func() { written <- err }, func() { written <- errNotBurnt })
	})
	select {
	case err := <-written:
		if err == nil {
			r.burnt = len(moduli)
		}
		return err
	case <-ctx.Done():
		return nil // nothing more leaves
	}
}

// handle does what a step asks for, in the order that the ledger needs.
func (r *runner) handle(ctx context.Context, n *Node, s *tss.Session, ready tss.Ready, began time.Time) (over bool, _ error) {
	if err := r.burn(ctx, n, s); err != nil {
		return false, err
	}
	if slices.ContainsFunc(ready.Messages, func(m tss.Message) bool { return m.Round.Heralds() }) {
		r.write(n)
	}
	if ready.Reveals {
		if err := r.revealed(); err != nil {
			return false, fmt.Errorf("write `revealed`: %w", err)
		}
	}
	if ctx.Err() != nil && len(ready.Messages) > 0 {
		return true, nil // ended while it computed: nothing more leaves
	}
	for _, m := range ready.Messages {
		for _, to := range s.Members() {
			if to != n.self && (m.To == "" || m.To == to) {
				n.transmit(to, frameOf(m))
			}
		}
	}
	r.sent = append(r.sent, ready.Messages...)
	switch {
	case ready.Signature != nil:
		n.log.Info("signature", "session", r.id.Short(), "what", r.what, "took", n.now().Sub(began).Round(time.Millisecond))
		n.report(agenda.Signed{Session: r.id, Signature: ready.Signature.Bytes()})
		return true, nil
	case ready.Armed != nil:
		armed := ready.Armed
		n.calls.post(func() {
			if _, wanted := n.runners[r.id]; !wanted { // called off meanwhile
				armed.Discard()
				return
			}
			n.armed[r.id] = armed
			n.step(agenda.SlotArmed{Session: r.id})
		})
		return true, nil
	case r.over != nil:
		if !s.Done() {
			return false, nil
		}
		share, transcript := ready.Share, s.Broadcasts()
		n.calls.post(func() { r.over(share, transcript) })
		return true, nil
	case ready.Share != nil:
		share, ev := ready.Share, agenda.KeyDrawn{Session: r.id, Key: ready.Share.Address(), Transcript: s.Broadcasts()}
		n.calls.post(func() {
			n.birth.share = share
			n.step(ev)
		})
		return true, nil
	}
	return false, nil
}

// write begins to write `revealed` one message early, so that the disk works
// while the others answer. Should the session end in between, the row says more
// than has happened: the nonce then waits for this proposal, as it does when a
// signer keeps the last message to itself.
func (r *runner) write(n *Node) {
	if r.writing == nil {
		written := make(chan error, 1)
		r.writing = written
		n.children.Go(func() { written <- r.reveal() })
	}
}

// revealed returns when the row is on the disk.
func (r *runner) revealed() error {
	if r.writing == nil {
		return r.reveal()
	}
	return <-r.writing
}

// resend repeats, to a member that was away for a moment, what it may have
// missed. The same frames again change nothing: a session takes the first.
func (r *runner) resend(n *Node, to council.MemberID) {
	for _, m := range r.sent {
		if m.To == "" || m.To == to {
			n.transmit(to, frameOf(m))
		}
	}
}

// resume has all sessions repeat themselves to a member that is back.
func (n *Node) resume(to council.MemberID) {
	for _, r := range n.runners {
		select {
		case r.again <- to:
		default:
		}
	}
}

// failure names who the engine's error blames.
func failure(id council.SessionID, err error) agenda.Failed {
	ev := agenda.Failed{Session: id, Err: err}
	var blame *tss.BlameError
	if errors.As(err, &blame) {
		ev.Suspects, ev.Proven = blame.Suspects, blame.Proven
	}
	return ev
}

// end stops a session and forgets it; frames that still come for it are
// dropped.
func (n *Node) end(id council.SessionID) {
	n.ended[id] = true
	if len(n.ended) > 64*maxSessions {
		clear(n.ended)
	}
	n.early.take(id)
	n.court.bench.Close(id)
	n.court.shelves.Close(id)
	if r, ok := n.runners[id]; ok {
		r.cancel()
		delete(n.runners, id)
	}
}
