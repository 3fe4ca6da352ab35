package main

import (
	"context"
	"sync"

	"github.com/millicent-one/signer/api"
)

// tape keeps what one member's daemons have told, one after the other.
type tape struct {
	mu     sync.Mutex
	events []api.Event
	news   chan struct{} // closed and replaced at each event
}

func newTape() *tape { return &tape{news: make(chan struct{})} }

func (t *tape) add(e api.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) < tapeKept {
		t.events = append(t.events, e)
	}
	close(t.news)
	t.news = make(chan struct{})
}

// mark is a place on the tape: what comes after it is new.
func (t *tape) mark() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}

// since lists what came after the mark, and where to wait for more.
func (t *tape) since(mark int) ([]api.Event, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.events[min(mark, len(t.events)):], t.news
}

// await returns the first event after the mark that fits. Its error is the
// cause of ctx's end.
func (t *tape) await(ctx context.Context, mark int, fits func(api.Event) bool) (api.Event, error) {
	for {
		events, news := t.since(mark)
		for _, e := range events {
			if fits(e) {
				return e, nil
			}
		}
		mark += len(events)
		select {
		case <-news:
		case <-ctx.Done():
			return api.Event{}, context.Cause(ctx)
		}
	}
}
