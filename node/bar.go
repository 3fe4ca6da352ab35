package node

import (
	"errors"
	"sync"

	"github.com/millicent-one/signer/council"
)

// bar stands before everything that this node's old share could still give away.
// Sessions pass it on goroutines of their own, with the `revealed` row that they
// write: once it is down, none passes, and what has passed is in the ledger.
type bar struct {
	mu   sync.Mutex
	down bool
}

// pass does what must not happen after the bar is down.
func (b *bar) pass(f func() error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return errLocked()
	}
	return f()
}

// set puts the bar down or up, and waits for who passes it.
func (b *bar) set(down bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.down = down
}

const locked = "this node has locked for a rotation and signs nothing under its old share"

func errLocked() error {
	return council.WithHint(errors.New(locked), "'signer term status' says who is waited for")
}
