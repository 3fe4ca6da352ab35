package main

import (
	"errors"
	"fmt"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/api/client"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/keystore"
)

// stopped is nil if err, of a question to the daemon, means that none runs: nobody listens
// on the socket, and no process has the keystore. Otherwise it says what is known.
func stopped(c *configs.Loaded, err error) error {
	if !errors.Is(err, client.ErrNoDaemon) {
		return err
	}
	used := keystore.Held(c.KeyDir())
	var by *keystore.LockedError
	switch {
	case used == nil:
		return nil
	case errors.As(used, &by) && by.PID != 0:
		return api.Failf(api.NotReady, "see the log of that process, and that --socket and 'socket' in signer.yaml name the socket it opened",
			"process %d runs on this directory but does not answer: %w", by.PID, err)
	case by != nil:
		return api.Failf(api.NotReady, "look for the daemon's process, and see that --socket and 'socket' in signer.yaml name the socket it opened",
			"a process runs on this directory but does not answer: %w", err)
	}
	return council.WithHint(fmt.Errorf("%w; nor can it be seen whether one runs: %w", err, used), hintOr(used, "run this as the user that runs the daemon"))
}
