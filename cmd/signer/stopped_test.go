package main

import (
	"strings"
	"testing"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
)

// A daemon of another user may run, and sign.
func TestDaemonOfAnotherUserMaySign(t *testing.T) {
	err := unfrozen(new(configs.Loaded), api.Failf(api.NotReady, "run this as the user that runs the daemon", "the socket belongs to another user"))
	if hint := council.Hint(err); !strings.Contains(err.Error(), "the node may sign") || !strings.HasPrefix(hint, "run this as the user") || strings.Contains(hint, "stopped") {
		t.Errorf("%v; hint %q", err, hint)
	}
}
