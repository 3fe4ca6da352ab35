package node

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
)

// FuzzWire: what another node sends besides engine frames, entries and the
// agenda's messages is refused, or is the one encoding of what it says. The text of a
// charter is taken under its own hash alone.
func FuzzWire(f *testing.F) {
	text := policy.CharterText{Charter: configs.Charter, Actions: configs.Actions}
	own, err := text.Hash()
	if err != nil {
		f.Fatal(err)
	}
	for i, v := range []any{
		hello{Time: 1, Version: "v1", Life: 2}, heads{Heads: []journal.Head{{Author: "core-1", Seq: 3}}, Answer: true},
		entries{Entries: []journal.Entry{{Author: "core-1", Seq: 1, Word: "begun", Body: []byte{1}, Sig: []byte{2}}}, More: true},
		docket{Held: []journal.Holding{{Culprit: "core-2", Subject: common.Hash{3}}}, Answer: true},
		shownFrames{Session: council.SessionID{1}, Frames: []p2p.Frame{{From: "core-1", Channel: p2p.Session, Session: council.SessionID{1}, Type: 5, Payload: []byte{1}, Sig: []byte{2}}}},
		beats{All: []council.Heartbeat{{Member: "core-1", Time: 1, Share: council.ShareNone, Version: "v1"}}},
		charterFrame{Charter: own, Text: text}, common.Hash{4}, []byte{5, 6},
	} {
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), b)
	}
	another, err := rlp.EncodeToBytes(charterFrame{Charter: own, Text: policy.CharterText{Charter: slices.Concat(configs.Charter, []byte("# another\n")), Actions: configs.Actions}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(6), another)
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		v := []any{new(hello), new(heads), new(entries), new(docket), new(shownFrames), new(beats), new(charterFrame), new(common.Hash), new([]byte)}[kind%9]
		if rlp.DecodeBytes(b, v) != nil {
			return
		}
		if again, err := rlp.EncodeToBytes(v); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%T has two encodings (%v)", v, err)
		}
		if c, ok := v.(*charterFrame); ok {
			if charter, err := checkedCharter(c.Text, c.Charter); err == nil && charter.Hash() != c.Charter {
				t.Fatalf("charter %s is taken for %s", charter.Hash(), c.Charter)
			}
		}
	})
}
