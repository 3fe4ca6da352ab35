package node

import (
	"context"
	"errors"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// Who has asked a node that goes on under another roster hears that and is to ask again,
// though the request's server ends at the same time; and what the owner has done by then is
// answered. Who has asked one that is stopped hears that.
func TestAskedWhileTheNodeEnds(t *testing.T) {
	for i := range 180 { // a choice among ways out is by chance
		cause, text := ErrSwitched, ErrSwitched.Error()
		if i >= 90 {
			cause, text = context.Canceled, "this daemon is being stopped"
		}
		n := &Node{calls: newCalls(), atRest: make(chan struct{}), slots: make(chan struct{}, 1)}
		n.ctx, n.cancel = context.WithCancelCause(t.Context())
		ctx, stop := context.WithCancel(n.ctx) // as a server's
		if i%3 == 2 {
			n.slots <- struct{}{} // too many ask
		}
		type answer struct {
			value int
			err   error
		}
		said := make(chan answer, 1)
		go func() {
			v, err := ask(ctx, n, func() (int, error) { return 7, nil })
			said <- answer{v, err}
		}()
		var asked []func()
		if i%3 != 2 {
			<-n.calls.ring
			asked = n.calls.take()
		}
		n.cancel(cause)
		if i%3 == 1 {
			asked[0]()
		}
		close(n.atRest)
		a := <-said
		stop()
		switch {
		case i%3 == 1 && a.err == nil && a.value == 7:
		case i%3 != 1 && errors.Is(a.err, api.NotReady) && a.err.Error() == text && council.Hint(a.err) != "":
		default:
			t.Fatalf("%d: %+v", i, a)
		}
	}
	n := &Node{calls: newCalls(), atRest: make(chan struct{}), slots: make(chan struct{}, 1)}
	n.ctx, n.cancel = context.WithCancelCause(t.Context())
	ctx, stop := context.WithCancel(t.Context())
	stop() // nobody waits any more, and the node goes on
	if _, err := ask(ctx, n, func() (int, error) { return 7, nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
