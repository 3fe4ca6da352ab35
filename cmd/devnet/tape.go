package main

import (
	"context"
	"sync"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
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

// marked is where the tapes of members are now.
func marked(all []*member) map[council.MemberID]int {
	out := map[council.MemberID]int{}
	for _, m := range all {
		out[m.id] = m.tape.mark()
	}
	return out
}

// firstToTell waits until one of these members tells something.
func firstToTell(ctx context.Context, all []*member, marks map[council.MemberID]int, fits func(api.Event) bool) (*member, api.Event, error) {
	type told struct {
		by  *member
		e   api.Event
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	news := make(chan told, len(all))
	for _, m := range all {
		go func() {
			e, err := m.tape.await(ctx, marks[m.id], fits)
			news <- told{m, e, err}
		}()
	}
	x := <-news
	return x.by, x.e, x.err
}
