package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// What a node tells last reaches its readers before the stream ends with it, also those
// that are behind and whose server ends at the same time.
func TestReadersHearTheEnd(t *testing.T) {
	for range 50 { // a choice among three ways out is by chance
		n := &Node{bulletin: newBulletin(), now: time.Now}
		n.ctx, n.cancel = context.WithCancelCause(t.Context())
		n.tell("one", council.ProposalID{}, "", "")
		reading, goOn := make(chan struct{}), make(chan struct{})
		var heard []string
		over := make(chan error, 1)
		go func() {
			over <- n.Events(n.ctx, 0, func(e api.Event) error {
				if heard = append(heard, e.Kind); len(heard) == 1 {
					close(reading)
					<-goOn
				}
				return nil
			})
		}()
		<-reading
		n.tell("two", council.ProposalID{}, "", "")
		n.cancel(ErrSwitched)
		close(goOn)
		if err := <-over; !errors.Is(err, context.Canceled) || !slices.Equal(heard, []string{"one", "two"}) {
			t.Fatalf("heard %v, %v", heard, err)
		}
	}
}
