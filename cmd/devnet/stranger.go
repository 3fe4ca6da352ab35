package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"

	"github.com/millicent-one/signer/api"
)

// stranger is a peer with a key of its own and a correct address of one of the
// nodes, but without a seat.
type stranger struct {
	id     peer.ID
	target peer.AddrInfo
	key    crypto.PrivKey
}

func newStranger(node, addr string) (*stranger, error) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a stranger's key: %w", err)
	}
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a stranger's key: %w", err)
	}
	to, err := peer.AddrInfoFromString(addr + "/p2p/" + node)
	if err != nil {
		return nil, fmt.Errorf("address of the node: %w", err)
	}
	return &stranger{id: id, target: *to, key: key}, nil
}

// errLetIn is what must not happen.
var errLetIn = errors.New("a stranger was let in")

// dial tries to talk to the node, and returns what the stranger got for it: the
// error of the dial or, where the handshake ends a moment before the other side
// hangs up, that of the first stream. errLetIn means that it was served.
func (s *stranger) dial(ctx context.Context) error {
	h, err := libp2p.New(libp2p.Identity(s.key), libp2p.NoListenAddrs, libp2p.DisableRelay(), libp2p.DisableMetrics())
	if err != nil {
		return fmt.Errorf("start a stranger: %w", err)
	}
	defer h.Close()
	if err := h.Connect(ctx, s.target); err != nil {
		return fmt.Errorf("the dial fails: %w", innermost(err))
	}
	stream, err := h.NewStream(ctx, s.target.ID, "/millicent/session/1")
	if err != nil {
		return fmt.Errorf("after the handshake the connection is gone: %w", innermost(err))
	}
	defer stream.Close()
	if _, err := stream.Write([]byte("let me in")); err != nil {
		return fmt.Errorf("the first word is not taken: %w", innermost(err))
	}
	if _, err := stream.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("the first word is not answered: %w", innermost(err))
	}
	return errLetIn
}

// turnedAway dials until the member's node tells of it: a dial that ends before the
// handshake does, on a busy machine, leaves nobody to tell of. None may be let in. Got is
// what the stranger sees.
func (x *stranger) turnedAway(ctx context.Context, door *member) (e api.Event, got error, err error) {
	mark := door.tape.mark()
	for {
		if got = x.dial(ctx); got == nil || errors.Is(got, errLetIn) {
			return e, got, errLetIn
		}
		look, cancel := context.WithTimeoutCause(ctx, dialAgain, errNotTold)
		e, err = door.tape.await(look, mark, func(e api.Event) bool { return e.Kind == "refused" && strings.Contains(e.Text, x.id.String()) })
		cancel()
		if !errors.Is(err, errNotTold) {
			if err != nil {
				err = fmt.Errorf("wait for %s to tell of the stranger, who sees: %w: %w", door.id, got, err)
			}
			return e, got, err
		}
	}
}

var errNotTold = errors.New("nobody has told of the dial yet")

// innermost is what happened, without the layers of libp2p around it.
func innermost(err error) error {
	if d := (*swarm.DialError)(nil); errors.As(err, &d) && len(d.DialErrors) > 0 {
		err = d.DialErrors[0].Cause
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
