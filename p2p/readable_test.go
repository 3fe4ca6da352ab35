package p2p

import (
	"strings"
	"testing"

	"github.com/libp2p/go-libp2p/core/protocol"
)

// The names of protocols are the other node's words, and people are shown them.
func TestProtocolsAreReadable(t *testing.T) {
	known := []protocol.ID{"/millicent/sync/2", "/millicent/\x1b[2J\n\u202erecord/1", "/ipfs/id/1.0.0", protocol.ID("/millicent/" + strings.Repeat("x", 64))}
	for range 2 * maxTheirs {
		known = append(known, "/millicent/more/1")
	}
	got := readable(known)
	if len(got) != maxTheirs || got[0] != "/millicent/[2J record/1" || got[len(got)-1] != "/millicent/sync/2" {
		t.Errorf("%q", got)
	}
}
