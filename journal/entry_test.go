package journal

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// The hash of an entry is what signatures and links rest on: it must never
// change within a format.
func TestEntryHashIsGolden(t *testing.T) {
	e := Entry{Author: "core-1", Seq: 2, Prev: common.Hash{1}, Time: t0, Word: council.WordApproved, Body: []byte("body")}
	const want = "0x6bcd27162fb74316ae108b14f1f6cc7efc910d9f4f7b790abb2ad189adf0cbde"
	if got := e.Hash().Hex(); got != want {
		t.Errorf("hash %s, want %s", got, want)
	}
	e.Sig = []byte("any")
	if e.Hash().Hex() != want {
		t.Error("the signature is part of the hash")
	}
}

func TestEntryRoundTrip(t *testing.T) {
	e := mustAppend(t, fresh(t, "core-1"), "body")
	b, err := EncodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEntry(b)
	if err != nil || got.Hash() != e.Hash() || !bytes.Equal(got.Sig, e.Sig) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for name, bad := range map[string][]byte{
		"empty":     {},
		"cut":       b[:len(b)-1],
		"trailing":  append(bytes.Clone(b), 0),
		"too large": make([]byte, MaxEntry+1),
	} {
		if _, err := DecodeEntry(bad); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
	e.Seq = 0
	if _, err := EncodeEntry(e); err == nil {
		t.Error("encoded an invalid entry")
	}
}

func FuzzDecodeEntry(f *testing.F) {
	e := Entry{Author: "core-1", Seq: 2, Prev: common.Hash{1}, Time: t0, Word: council.WordApproved, Body: []byte("body"), Sig: make([]byte, 64)}
	good, err := EncodeEntry(e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add(append(bytes.Clone(good), 0))
	f.Add([]byte{0xc0})
	f.Add([]byte{0xf8, 0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEntry(b)
		if err != nil {
			return
		}
		if err := e.Valid(); err != nil {
			t.Fatalf("decoded an invalid entry: %v", err)
		}
		again, err := EncodeEntry(e)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("a second encoding of one entry: %x, %v", again, err)
		}
		_ = e.Hash()
	})
}
