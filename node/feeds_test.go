package node_test

import (
	"context"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// A node that can take nothing of what it is given, as one whose disk is of an earlier
// roster, does not ask for the same again at once: the two would go on for ever.
func TestWhatIsRefusedIsNotAskedForAgain(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-3")
	peer := h.puppet("core-2")
	h.ready("core-1")
	var good journal.Entry
	if err := rlp.DecodeBytes(h.entry("core-2", council.WordRosterSigned, []byte("one")).Payload, &good); err != nil {
		t.Fatal(err)
	}
	bad := good
	bad.Time++ // and its signature is none
	give := func(kind uint8, v any) {
		t.Helper()
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		h.tell(peer, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: kind, Payload: b})
	}
	give(syncEntries, wireEntries{Entries: []journal.Entry{bad}})
	give(syncEntries, wireEntries{Entries: []journal.Entry{good}})
	// It answers what it took, and nothing before that.
	ctx, cancel := context.WithTimeout(t.Context(), minute)
	defer cancel()
	for {
		select {
		case f := <-peer.Frames():
			var heads wireHeads
			if f.From != "core-1" || f.Channel != p2p.Sync || f.Type != syncHeads {
				continue
			}
			if err := rlp.DecodeBytes(f.Payload, &heads); err != nil {
				t.Fatal(err)
			}
			if !heads.Answer { // it compares by itself, too
				continue
			}
			for _, head := range heads.Heads {
				if head.Author == "core-2" && head.Seq == 1 {
					return
				}
			}
			t.Fatal("it answers what it has refused")
		case <-ctx.Done():
			t.Fatal("it does not answer what it has taken")
		}
	}
}
