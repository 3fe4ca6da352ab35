package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// calls is the owner's in-tray: things that others want done on its goroutine.
// Posting never blocks; what can be posted is bounded by who can post (a few
// goroutines for each session, chain and API request).
type calls struct {
	mu   sync.Mutex
	fns  []func()
	ring chan struct{}
}

func newCalls() *calls { return &calls{ring: make(chan struct{}, 1)} }

func (c *calls) post(fn func()) {
	c.mu.Lock()
	c.fns = append(c.fns, fn)
	c.mu.Unlock()
	select {
	case c.ring <- struct{}{}:
	default:
	}
}

func (c *calls) take() []func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	fns := c.fns
	c.fns = nil
	return fns
}

// report posts an event.
func (n *Node) report(ev agenda.Event) { n.calls.post(func() { n.step(ev) }) }

// ask runs fn on the owner's goroutine and waits for its answer. Whoever stops
// waiting gets nothing of it: fn may still run, so what it finds travels in the
// channel and never in the asker's variables.
func ask[T any](ctx context.Context, n *Node, fn func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	select {
	case n.slots <- struct{}{}:
	case <-ctx.Done():
		return none, n.unanswered(ctx)
	}
	defer func() { <-n.slots }()
	done := make(chan answer, 1)
	n.calls.post(func() {
		v, err := fn()
		done <- answer{v, err}
	})
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
	case <-n.ctx.Done():
	}
	if n.ctx.Err() == nil {
		return none, ctx.Err()
	}
	<-n.atRest // the owner may have ended the node by what was asked, and says so first
	select {
	case a := <-done:
		return a.value, a.err
	default:
		return none, n.unanswered(ctx)
	}
}

// unanswered says why there is no answer: the node has ended, or nobody waits for it any
// more. What serves a request ends with the node, and so does the request's context.
func (n *Node) unanswered(ctx context.Context) error {
	err := context.Cause(n.ctx)
	switch {
	case err == nil:
		return ctx.Err()
	case errors.Is(err, ErrSwitched):
		return api.Fail(api.NotReady, council.WithHint(err, "ask again in a moment"))
	case errors.Is(err, context.Canceled):
		return api.Failf(api.NotReady, "ask again when it runs", "this daemon is being stopped")
	}
	return err
}

// call is ask for what has no answer but whether it was done.
func (n *Node) call(ctx context.Context, fn func() error) error {
	_, err := ask(ctx, n, func() (struct{}, error) { return struct{}{}, fn() })
	return err
}

// Run owns the node until ctx ends or serve fails; serve puts the node on a
// socket and gets the node's life. Run returns when all that it has started has
// ended.
func (n *Node) Run(ctx context.Context, serve func(context.Context) error) error {
	stop := context.AfterFunc(ctx, func() { n.cancel(context.Canceled) })
	defer stop()
	ctx, cancel := n.ctx, n.cancel
	defer n.children.Wait()
	defer n.shed()
	defer cancel(nil)
	defer close(n.atRest)
	if serve != nil {
		n.children.Go(func() {
			if err := serve(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	for _, c := range n.chains {
		n.children.Go(func() { n.watchChain(ctx, c) })
	}
	if n.rehearseEvery > 0 && len(n.rehearsals) > 0 {
		n.children.Go(func() { n.rehearseAlways(ctx) })
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	compare := time.NewTicker(syncEvery)
	defer compare.Stop()
	frames, events := n.transport.Frames(), n.transport.Events()
	n.letIn()
	n.tellSwitch()
	if n.standing.Genesis != nil && !n.restoring() {
		n.tell("caught-up", council.ProposalID{}, n.self, "this node goes on from what this process has left")
	}
	n.tendSpare()
	n.remind()
	n.beat()
	for {
		select {
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		case f, ok := <-frames:
			if !ok {
				return nil
			}
			n.frames(f, frames)
		case ev, ok := <-events:
			if !ok {
				return nil
			}
			n.peerEvent(ev)
		case <-n.calls.ring:
			for _, fn := range n.calls.take() {
				fn()
			}
		case <-compare.C:
			n.compareNext()
			n.seekCharters("")
			n.tendSpare()
			n.tellFreeze()
			n.remind()
			n.beat()
		case <-timer.C:
			n.step(agenda.Tick{})
			n.judge(n.court.bench.Tick(n.now()))
		}
		if at := n.wake(); !at.IsZero() {
			timer.Reset(max(at.Sub(n.now()), time.Millisecond))
		}
	}
}

// compareNext compares feeds with the next peer in turn, so that what was lost
// on the way is found again.
func (n *Node) compareNext() {
	online := slices.DeleteFunc(n.audience(), func(m council.MemberID) bool { return m == n.self })
	if len(online) == 0 {
		return
	}
	n.rounds++
	n.sendHeads(online[n.rounds%uint64(len(online))], false)
}

// step gives the agenda an event and does what it asks for. Answers that are
// there at once are taken before anything else.
func (n *Node) step(ev agenda.Event) {
	queue := []agenda.Event{ev}
	for len(queue) > 0 {
		effects := n.agenda.Step(queue[0], n.now())
		queue = queue[1:]
		var answers []agenda.Event
		for _, e := range effects {
			answers = append(answers, n.execute(e)...)
		}
		queue = append(answers, queue...)
	}
	n.route(ev)
	n.yieldSpare()
}

// wake is when the next Tick is due.
func (n *Node) wake() time.Time {
	at := n.agenda.Wake()
	sooner := func(w time.Time) {
		if !w.IsZero() && (at.IsZero() || w.Before(at)) {
			at = w
		}
	}
	sooner(n.court.bench.Wake())
	if r := n.shift.rotation; r != nil {
		sooner(r.Wake())
	}
	return at
}
