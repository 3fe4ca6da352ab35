package main

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// What keeps a node from signing is told apart, with what ends it; the exit code is 3.
func TestNotReady(t *testing.T) {
	for _, tt := range []struct {
		s          api.Status
		says, hint string
	}{
		{api.Status{Phase: api.Watching, Detail: "the rules don't fit; mend them"}, "this node is not ready: watching (the rules don't fit; mend them)", "'signer doctor' says what to do"},
		{api.Status{Phase: api.Frozen, Detail: "laptop stolen"}, "this node is not ready: frozen (laptop stolen)", "'signer key thaw' lifts it if it was a false alarm"},
		{api.Status{Phase: api.AwaitingKeygen}, "this node is not ready: awaiting-keygen", "every member runs 'signer keygen' once"},
	} {
		err := notReady(tt.s)
		if err.Error() != tt.says || council.Hint(err) != tt.hint || !errors.Is(err, api.NotReady) {
			t.Errorf("says %v; hint %q", err, council.Hint(err))
		}
		if code := newApp(nil, io.Discard, io.Discard).fail(context.Background(), err); code != exitNotReady {
			t.Errorf("exit code %d", code)
		}
	}
}
