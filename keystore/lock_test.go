package keystore

import (
	"syscall"
	"testing"
)

// Between its fork and its exec a child has every file of its parent open. The keystore is
// free as soon as it is closed all the same.
func TestClosedWhileAChildIsBorn(t *testing.T) {
	s, dir, u := made(t)
	childs, err := syscall.Dup(int(s.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(childs) }()
	if err := Held(dir); err == nil {
		t.Error("the keystore is open, and not held")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Held(dir); err != nil {
		t.Errorf("closed, and held: %v", err)
	}
	again, err := Open(dir, u)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
