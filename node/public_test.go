package node

import (
	"testing"

	"github.com/millicent-one/signer/internal/testcouncil"
)

// Members say their public numbers once, when they meet. Who joins may meet all of them
// before their feeds have told it of the key: it keeps what it heard until then, of
// members alone and no more than numbers can be.
func TestPublicNumbersComeEarly(t *testing.T) {
	n := &Node{roster: testcouncil.New(t).Roster}
	if err := n.takePublic("core-1", []byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("core-1", []byte{2}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("nobody", []byte{3}); err != nil {
		t.Fatal(err)
	}
	if err := n.takePublic("core-2", make([]byte, maxPublic+1)); err == nil {
		t.Error("too much is kept")
	}
	if early := n.shift.public.early; len(early) != 1 || string(early["core-1"]) != "\x02" {
		t.Errorf("kept: %v", early)
	}
}
