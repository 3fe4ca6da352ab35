package p2p

import (
	"context"
	"errors"
	"testing"
)

func TestOutboxIsBounded(t *testing.T) {
	o := newOutbox()
	if err := o.put(parcel{bytes: []byte("a")}); !errors.Is(err, ErrOffline) {
		t.Fatalf("closed: %v", err)
	}
	o.set(true)
	for range MaxOutboxFrames {
		if err := o.put(parcel{bytes: []byte("a")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.put(parcel{bytes: []byte("a")}); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("one frame too many: %v", err)
	}
	if _, ok := o.take(context.Background()); !ok {
		t.Fatal("nothing to take")
	}
	if err := o.put(parcel{bytes: []byte("a")}); err != nil {
		t.Fatalf("there is room again: %v", err)
	}

	o.set(true)
	half := make([]byte, MaxOutboxBytes/2)
	for range 2 {
		if err := o.put(parcel{bytes: half}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.put(parcel{bytes: []byte("a")}); !errors.Is(err, ErrQueueFull) {
		t.Fatalf("one byte too many: %v", err)
	}

	o.set(false)
	o.set(true)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p, ok := o.take(ctx); ok {
		t.Fatalf("%d bytes outlived the connection", len(p.bytes))
	}
	for range 2 { // the count of bytes began anew, too
		if err := o.put(parcel{bytes: half}); err != nil {
			t.Fatal(err)
		}
	}
}
