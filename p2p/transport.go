package p2p

import (
	"context"
	"errors"

	"github.com/millicent-one/signer/council"
)

// Transport carries frames between this node and the others of its roster. Host
// and the members of a Network implement it. All methods may be called from
// several goroutines.
type Transport interface {
	// Self is this node's member.
	Self() council.MemberID

	// Send signs f as this member's and puts it into the queue for one
	// recipient. It does not wait for the network and keeps nothing of f. Errors:
	// ErrOffline, ErrQueueFull, ErrTooLarge, ErrClosed, or what is wrong with f.
	Send(ctx context.Context, to council.MemberID, f Frame) error

	// Frames are the frames of others, checked: From is the member at the other
	// end and signed it. Whoever stops reading stops the senders. Closed by Close.
	Frames() <-chan Frame

	// Events tell of members that come and go, of who was refused and of who
	// misbehaved. Up and down are never lost, though old pairs may be left out
	// for a slow reader. Closed by Close.
	Events() <-chan Event

	// Online are the members that can be sent to, sorted.
	Online() []council.MemberID

	// Close ends all connections and waits until all is over.
	Close() error
}

// Errors of Send for callers that branch.
var (
	ErrOffline   = errors.New("member is offline")
	ErrQueueFull = errors.New("send queue is full")
	ErrClosed    = errors.New("transport is closed")
)

// Stats count since the start.
type Stats struct {
	FramesOut, FramesIn uint64
	BytesOut, BytesIn   uint64 // of encoded frames, with their length prefixes
	Refused             uint64 // connections and greetings that were refused
	Misbehaved          uint64 // frames and greetings that broke a rule
}
