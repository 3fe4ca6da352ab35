package node

import (
	"context"
	"testing"
	"time"

	"github.com/millicent-one/signer/tss"
)

// A session that is ended while its part of the signature is being written down
// doesn't send it.
func TestEndedSessionSendsNothing(t *testing.T) {
	ctx, end := context.WithCancel(t.Context())
	wrote := false
	r := &runner{run: run{reveal: func() error {
		wrote = true
		end()
		return nil
	}}}
	n := &Node{calls: newCalls()}
	ready := tss.Ready{Reveals: true, Messages: []tss.Message{{Round: tss.SignRound9}}}
	// The session has no members to send to: what it keeps to be sent again tells.
	if over, err := r.handle(ctx, n, new(tss.Session), ready, time.Time{}); !over || err != nil || !wrote {
		t.Errorf("over %v, %v; wrote %v", over, err, wrote)
	}
	if len(r.sent) > 0 {
		t.Errorf("%d messages are kept to be sent again", len(r.sent))
	}
}
