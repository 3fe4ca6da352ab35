package p2p

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

func sample(t testing.TB) (council.Roster, Frame) {
	t.Helper()
	c := testcouncil.New(t)
	h, err := c.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	f, err := SignFrame(c.NodeKeys[alice], h, Frame{
		From: alice, To: bob, Channel: Session, Session: council.SessionID{1}, Type: 7, Transcript: common.Hash{2}, Payload: []byte("share"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c.Roster, f
}

// TestFrameGolden holds the encoding still: evidence must verify years later.
func TestFrameGolden(t *testing.T) {
	_, f := sample(t)
	f.Sig = nil
	b, err := EncodeFrame(f)
	if err != nil {
		t.Fatal(err)
	}
	const wire = "f8638b636f6d6d756e6974792d318b636f6d6d756e6974792d3201a0010000000000000000000000000000000000000000000000000000000000000007a0020000000000000000000000000000000000000000000000000000000000000085736861726580"
	if got := hex.EncodeToString(b); got != wire {
		t.Errorf("frame is encoded as\n%s, was\n%s", got, wire)
	}
	m, err := f.message(common.Hash{9})
	if err != nil {
		t.Fatal(err)
	}
	const digest = "0be524b36ef7a35f2e804851673b0376a7cad609777f4d438582043ff986cb98"
	if got := hex.EncodeToString(council.NodeDigest(council.PurposeFrame, m)); got != digest {
		t.Errorf("frame is signed as\n%s, was\n%s", got, digest)
	}
}

func TestVerifyFrame(t *testing.T) {
	roster, f := sample(t)
	if err := VerifyFrame(roster, f); err != nil {
		t.Fatal(err)
	}
	b, err := EncodeFrame(f)
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeFrame(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyFrame(roster, again); err != nil {
		t.Fatalf("after a round trip: %v", err)
	}
	other := roster
	other.Charter = crypto.Keccak256Hash([]byte("another charter"))
	if err := VerifyFrame(other, f); !errors.Is(err, council.ErrNodeSignature) {
		t.Errorf("under another roster: %v", err)
	}
	for what, change := range map[string]func(*Frame){
		"sender":     func(f *Frame) { f.From = bob },
		"stranger":   func(f *Frame) { f.From = "mallory" },
		"audience":   func(f *Frame) { f.To = "" },
		"channel":    func(f *Frame) { f.Channel = Record },
		"no channel": func(f *Frame) { f.Channel = 9 },
		"session":    func(f *Frame) { f.Session[31] = 1 },
		"type":       func(f *Frame) { f.Type++ },
		"transcript": func(f *Frame) { f.Transcript[0]++ },
		"payload":    func(f *Frame) { f.Payload = []byte("shard") },
		"signature":  func(f *Frame) { f.Sig = bytes.Clone(f.Sig); f.Sig[0] ^= 1 },
		"short sig":  func(f *Frame) { f.Sig = f.Sig[:63] },
		"no sig":     func(f *Frame) { f.Sig = nil },
	} {
		g := f
		change(&g)
		if err := VerifyFrame(roster, g); err == nil {
			t.Errorf("a frame with another %s verifies", what)
		}
	}
}

func TestDecodeFrameIsStrict(t *testing.T) {
	_, f := sample(t)
	good, err := EncodeFrame(f)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(v any) []byte {
		b, err := rlp.EncodeToBytes(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fields := func(change func([]any) []any) []byte {
		return encode(change([]any{f.From, f.To, f.Channel, f.Session, f.Type, f.Transcript, f.Payload, f.Sig}))
	}
	set := func(i int, v any) []byte { return fields(func(a []any) []any { a[i] = v; return a }) }
	if !bytes.Equal(fields(func(a []any) []any { return a }), good) {
		t.Fatal("the test spells frames differently")
	}
	for what, b := range map[string][]byte{
		"nothing":                nil,
		"trailing byte":          append(bytes.Clone(good), 0),
		"last byte missing":      good[:len(good)-1],
		"a field too many":       fields(func(a []any) []any { return append(a, []byte{}) }),
		"a field too few":        fields(func(a []any) []any { return a[:7] }),
		"upper-case sender":      set(0, "Core-1"),
		"no sender":              set(0, ""),
		"bad audience":           set(1, "-"),
		"channel zero":           set(2, uint8(0)),
		"channel four":           set(2, uint8(4)),
		"channel beyond a byte":  set(2, uint16(0x101)),
		"channel with zero byte": set(2, []byte{0, 1}),
		"session of 31 bytes":    set(3, make([]byte, 31)),
		"type beyond a byte":     set(4, uint16(256)),
		"transcript of 33 bytes": set(5, make([]byte, 33)),
		"payload is a list":      set(6, []any{}),
		"long form of a length":  append([]byte{0xf9, 0}, good[1:]...),
	} {
		if g, err := DecodeFrame(b); err == nil {
			t.Errorf("%s: decodes as %+v", what, g)
		}
	}
	if _, err := DecodeFrame(encode(Frame{From: alice, Channel: Record, Payload: payload(MaxRecordFrame)})); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too large for its channel: %v", err)
	}
}

func FuzzDecodeFrame(f *testing.F) {
	_, frame := sample(f)
	for _, change := range []func(*Frame){
		func(*Frame) {},
		func(g *Frame) { g.To, g.Payload = "", nil },
		func(g *Frame) { g.Channel, g.Type = Sync, 255 },
	} {
		g := frame
		change(&g)
		b, err := EncodeFrame(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := DecodeFrame(b)
		if err != nil {
			return
		}
		again, err := EncodeFrame(g)
		if err != nil {
			t.Fatalf("decodes and does not encode: %v", err)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("two spellings of one frame:\n%x\n%x", b, again)
		}
	})
}

func FuzzReadPrefixed(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 9})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{0, 0, 0})
	f.Add([]byte{0, 0, 0, 5, 1, 2})
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 64
		r := bytes.NewReader(in)
		b, err := readPrefixed(r, limit, nil)
		switch {
		case err != nil && b != nil:
			t.Fatal("an error and bytes")
		case err == nil && (len(b) == 0 || len(b) > limit || !bytes.Equal(prefixed(b), in[:len(in)-r.Len()])):
			t.Fatalf("read %x from %x", b, in)
		}
		if _, err := readGreeting(bytes.NewReader(in)); err == nil && len(in) < 4+48 {
			t.Fatalf("a greeting of %d bytes", len(in))
		}
	})
}

// FuzzReadGreeting: a greeting is read in its one form, or refused as what no honest
// node says.
func FuzzReadGreeting(f *testing.F) {
	var b bytes.Buffer
	if err := (greeting{Instance: [16]byte{1}, Roster: common.Hash{2}}).write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(b.Bytes()[:20])
	f.Add([]byte{0, 0, 0, 1, 0xc0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		g, err := readGreeting(r)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := g.write(&again); err != nil || !bytes.Equal(again.Bytes(), in[:len(in)-r.Len()]) {
			t.Fatalf("two spellings of one greeting (%v):\n%x\n%x", err, in, again.Bytes())
		}
	})
}
