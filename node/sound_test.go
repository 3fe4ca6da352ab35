package node

import "testing"

// Only the very bytes that were audited count, and only where they are remembered.
func TestSound(t *testing.T) {
	var nobody *Sound
	nobody.audited([]byte("share"))
	if nobody.has([]byte("share")) {
		t.Error("nothing remembers")
	}
	s := new(Sound)
	if s.has(nil) || s.has([]byte("share")) {
		t.Error("nothing was audited")
	}
	s.audited([]byte("share"))
	if !s.has([]byte("share")) || s.has([]byte("shar")) || s.has(nil) {
		t.Error("not what was audited")
	}
}
