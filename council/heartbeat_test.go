package council_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func heartbeat(t testing.TB, change func(*council.Heartbeat)) council.Heartbeat {
	hash, err := testcouncil.New(t).Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	h := council.Heartbeat{Member: "core-1", Roster: hash, Council: common.Hash{1}, Epoch: 1, Time: now, Version: "v1.2", Share: council.ShareSound, Signs: true}
	change(&h)
	id := h.ID()
	if h.Sig, err = testcouncil.NodeKey("core-1").SignNode(council.PurposeHeartbeat, id[:]); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHeartbeat(t *testing.T) {
	r := testcouncil.New(t).Roster
	for name, x := range map[string]struct {
		change func(*council.Heartbeat)
		want   string
	}{
		"sound": {func(*council.Heartbeat) {}, ""},
		"before a key": {func(h *council.Heartbeat) {
			h.Council, h.Epoch, h.Share, h.Signs = common.Hash{}, 0, council.ShareNone, false
		}, ""},
		"damaged":           {func(h *council.Heartbeat) { h.Share, h.Signs = council.ShareDamaged, false }, ""},
		"no time":           {func(h *council.Heartbeat) { h.Time = 0 }, "time 0"},
		"no such time":      {func(h *council.Heartbeat) { h.Time = 1 << 40 }, "outside"},
		"no health":         {func(h *council.Heartbeat) { h.Share = 0 }, "health"},
		"another health":    {func(h *council.Heartbeat) { h.Share = 4 }, "health"},
		"epoch of no key":   {func(h *council.Heartbeat) { h.Council = common.Hash{} }, "without a share epoch"},
		"signs with no key": {func(h *council.Heartbeat) { h.Council, h.Epoch, h.Share = common.Hash{}, 0, council.ShareNone }, "no share before"},
		"a long version":    {func(h *council.Heartbeat) { h.Version = strings.Repeat("v", council.MaxVersion+1) }, "version"},
		"a trick":           {func(h *council.Heartbeat) { h.Version = "\x1b[2J" }, "version"},
		"another roster":    {func(h *council.Heartbeat) { h.Roster = common.Hash{9} }, "this one is"},
		"a stranger":        {func(h *council.Heartbeat) { h.Member = "core-9" }, "not in the roster"},
		"another member":    {func(h *council.Heartbeat) { h.Member = "core-2" }, "does not verify"},
		"no name":           {func(h *council.Heartbeat) { h.Member = "" }, "heartbeat"},
	} {
		h := heartbeat(t, x.change)
		if err := h.Verify(r); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
	if _, err := (council.Heartbeat{Member: "core-1"}).Sign(testcouncil.NodeKey("core-1")); err == nil {
		t.Error("a node signs a heartbeat that says nothing")
	}
	// A signature for another purpose is none.
	h := heartbeat(t, func(*council.Heartbeat) {})
	id := h.ID()
	h.Sig, _ = testcouncil.NodeKey("core-1").SignNode(council.PurposeLock, id[:])
	if h.Verify(r) == nil {
		t.Error("the signature of a lock passes")
	}
}

func TestEveryBitOfAHeartbeatCounts(t *testing.T) {
	r := testcouncil.New(t).Roster
	b, err := council.EncodeHeartbeat(heartbeat(t, func(*council.Heartbeat) {}))
	if err != nil {
		t.Fatal(err)
	}
	for i := range b {
		broken := bytes.Clone(b)
		broken[i] ^= 1
		if h, err := council.DecodeHeartbeat(broken); err == nil && h.Verify(r) == nil {
			t.Fatalf("byte %d was changed and it passes", i)
		}
	}
	if _, err := council.DecodeHeartbeat(append(b, 0)); err == nil {
		t.Error("a byte too many passes")
	}
	if _, err := council.DecodeHeartbeat(make([]byte, council.MaxHeartbeat+1)); err == nil || council.Hint(err) != "" {
		t.Errorf("a file of any size: %v", err)
	}
	// The largest one fits.
	h := heartbeat(t, func(h *council.Heartbeat) {
		h.Member, h.Version, h.Time, h.Epoch = council.MemberID(strings.Repeat("m", 64)), strings.Repeat("v", council.MaxVersion), 1<<33-1, 1<<63
	})
	if b, err := council.EncodeHeartbeat(h); err != nil || len(b) > council.MaxHeartbeat {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func FuzzDecodeHeartbeat(f *testing.F) {
	b, err := council.EncodeHeartbeat(heartbeat(f, func(*council.Heartbeat) {}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := council.DecodeHeartbeat(b)
		if err != nil {
			return
		}
		if again, err := council.EncodeHeartbeat(h); err != nil || !bytes.Equal(again, b) {
			t.Errorf("decoded %x, encoded %x: %v", b, again, err)
		}
	})
}
