package main

import (
	"context"
	"errors"
	"testing"

	"github.com/millicent-one/signer/api"
)

func ofKind(kind string) func(api.Event) bool {
	return func(e api.Event) bool { return e.Kind == kind }
}

func TestTapeWaitsForWhatIsNew(t *testing.T) {
	tp := newTape()
	tp.add(api.Event{Kind: "begun", Text: "old"})
	mark := tp.mark()
	got := make(chan api.Event)
	go func() {
		e, err := tp.await(t.Context(), mark, ofKind("begun"))
		if err != nil {
			t.Error(err)
		}
		got <- e
	}()
	tp.add(api.Event{Kind: "judged"})
	tp.add(api.Event{Kind: "begun", Text: "new"})
	if e := <-got; e.Text != "new" {
		t.Errorf("got %q", e.Text)
	}
	if e, err := tp.await(t.Context(), 0, ofKind("begun")); err != nil || e.Text != "old" {
		t.Errorf("from the beginning: %q, %v", e.Text, err)
	}
}

func TestTapeTellsWhyItGaveUp(t *testing.T) {
	why := errors.New("the budget is used up")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := newTape().await(ctx, 0, ofKind("x")); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
