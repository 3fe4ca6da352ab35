package node_test

import (
	"slices"
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// Whoever puts the bar down waits for who is passing it, and then nobody passes.
func TestBar(t *testing.T) {
	var b node.Bar
	var order []string
	inside, leave, passed, down := make(chan struct{}), make(chan struct{}), make(chan error), make(chan struct{})
	go func() {
		passed <- b.Pass(func() error {
			close(inside)
			<-leave
			order = append(order, "revealed")
			return nil
		})
	}()
	<-inside
	go func() {
		b.Down()
		order = append(order, "ledger read")
		close(down)
	}()
	close(leave)
	if err := <-passed; err != nil {
		t.Error(err)
	}
	<-down
	if !slices.Equal(order, []string{"revealed", "ledger read"}) {
		t.Errorf("%v", order)
	}
	if err := b.Pass(func() error { t.Error("passed a bar that is down"); return nil }); err == nil || council.Hint(err) == "" {
		t.Errorf("%v", err)
	}
}
