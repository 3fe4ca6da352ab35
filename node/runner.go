package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// runner runs one engine session on a goroutine of its own: a round can keep a
// core busy for half a second, and the owner must stay free.
type runner struct {
	id     council.SessionID
	what   string
	inbox  chan tss.Message
	again  chan council.MemberID // members that may have missed what was sent
	sent   []tss.Message         // all of it; a protocol run is short
	cancel context.CancelFunc
}

// start builds the session and its goroutine. Before a message that reveals
// this party's part of a signature is sent, reveal must have returned nil.
func (n *Node) start(id council.SessionID, what string, s *tss.Session, reveal func() error) error {
	if len(n.runners) >= maxSessions {
		return council.WithHint(fmt.Errorf("%d sessions are running, which is the most", len(n.runners)), "wait until one has ended")
	}
	ctx, cancel := context.WithCancel(n.ctx)
	r := &runner{id: id, what: what, inbox: make(chan tss.Message, mailbox), again: make(chan council.MemberID, council.MaxMembers), cancel: cancel}
	n.runners[id] = r
	for _, m := range n.early.take(id) {
		r.deliver(m)
	}
	n.children.Go(func() {
		defer cancel()
		r.run(ctx, n, s, reveal)
		// However it ended: what stays in the table counts against maxSessions.
		n.calls.post(func() { n.end(id) })
	})
	return nil
}

// deliver hands a message to the session. A full mailbox means a flood: the
// rest is dropped, and the attempt runs into its deadline.
func (r *runner) deliver(m tss.Message) {
	select {
	case r.inbox <- m:
	default:
	}
}

func (r *runner) run(ctx context.Context, n *Node, s *tss.Session, reveal func() error) {
	began := n.now()
	ready, err := s.Start()
	for {
		over := false
		if err == nil {
			over, err = r.handle(n, s, ready, reveal, began)
		}
		switch {
		case err != nil:
			r.fail(n, s, err)
			return
		case over:
			return
		}
		select {
		case <-ctx.Done():
			return
		case to := <-r.again:
			r.resend(n, to)
			ready = tss.Ready{}
		case m := <-r.inbox:
			ready, err = s.Step(m)
			if err == nil && ready.Dropped != nil {
				n.counters.dropped.Add(1)
				n.log.Debug("message dropped", "session", r.id.Short(), "from", m.From, "round", m.Round, "why", ready.Dropped)
			}
		}
	}
}

// fail reports a dead session. The moduli of a key generation that failed are
// never taken again: what was proven about them once must not be replayed.
func (r *runner) fail(n *Node, s *tss.Session, err error) {
	moduli := s.Moduli()
	n.calls.post(func() {
		n.remember(moduli)
		n.step(failure(r.id, err))
	})
}

// handle does what a step asks for, in the order that the ledger needs.
func (r *runner) handle(n *Node, s *tss.Session, ready tss.Ready, reveal func() error, began time.Time) (over bool, _ error) {
	if ready.Reveals {
		if err := reveal(); err != nil {
			return false, fmt.Errorf("write `revealed`: %w", err)
		}
	}
	for _, m := range ready.Messages {
		n.send(m.To, frameOf(m))
	}
	r.sent = append(r.sent, ready.Messages...)
	switch {
	case ready.Signature != nil:
		n.log.Info("signature", "session", r.id.Short(), "what", r.what, "took", n.now().Sub(began).Round(time.Millisecond))
		n.report(agenda.Signed{Session: r.id, Signature: ready.Signature.Bytes()})
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

// resend repeats, to a member that was away for a moment, what it may have
// missed. The same frames again change nothing: a session takes the first.
func (r *runner) resend(n *Node, to council.MemberID) {
	for _, m := range r.sent {
		if m.To == "" || m.To == to {
			n.send(to, frameOf(m))
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
	if r, ok := n.runners[id]; ok {
		r.cancel()
		delete(n.runners, id)
	}
}

// early keeps frames of sessions that have not started here yet.
type early struct {
	sessions map[council.SessionID]*waiting
}

type waiting struct {
	messages []tss.Message
	since    time.Time
}

func (e *early) keep(m tss.Message, now time.Time) {
	w, ok := e.sessions[m.Session]
	if !ok {
		if len(e.sessions) >= maxEarly {
			e.dropOldest()
		}
		w = &waiting{since: now}
		e.sessions[m.Session] = w
	}
	if len(w.messages) < maxEarlyFrames {
		w.messages = append(w.messages, m)
	}
}

func (e *early) dropOldest() {
	var oldest council.SessionID
	var at time.Time
	for id, w := range e.sessions {
		if at.IsZero() || w.since.Before(at) {
			oldest, at = id, w.since
		}
	}
	delete(e.sessions, oldest)
}

func (e *early) take(id council.SessionID) []tss.Message {
	w, ok := e.sessions[id]
	if !ok {
		return nil
	}
	delete(e.sessions, id)
	return w.messages
}
