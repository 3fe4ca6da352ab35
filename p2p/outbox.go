package p2p

import (
	"context"
	"sync"
	"time"
)

// parcel is one encoded frame on its way. Due is used in memory only.
type parcel struct {
	bytes []byte
	due   time.Time
}

// outbox is the bounded queue of frames for one member on one channel. It is
// open while the member is up, and empty otherwise.
type outbox struct {
	mu    sync.Mutex
	open  bool
	queue []parcel
	bytes int
	ring  chan struct{}
}

func newOutbox() *outbox { return &outbox{ring: make(chan struct{}, 1)} }

func (o *outbox) put(p parcel) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case !o.open:
		return ErrOffline
	case len(o.queue) >= MaxOutboxFrames, o.bytes+len(p.bytes) > MaxOutboxBytes:
		return ErrQueueFull
	}
	o.queue = append(o.queue, p)
	o.bytes += len(p.bytes)
	select {
	case o.ring <- struct{}{}:
	default:
	}
	return nil
}

// take waits for the next frame; false when ctx is over.
func (o *outbox) take(ctx context.Context) (parcel, bool) {
	for {
		if ctx.Err() != nil {
			return parcel{}, false
		}
		o.mu.Lock()
		if len(o.queue) > 0 {
			p := o.queue[0]
			o.queue[0] = parcel{}
			o.queue = o.queue[1:]
			if len(o.queue) == 0 {
				o.queue = nil
			}
			o.bytes -= len(p.bytes)
			o.mu.Unlock()
			return p, true
		}
		o.mu.Unlock()
		select {
		case <-o.ring:
		case <-ctx.Done():
			return parcel{}, false
		}
	}
}

// set opens the box or closes it; either way it is empty then.
func (o *outbox) set(open bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open, o.queue, o.bytes = open, nil, 0
}
