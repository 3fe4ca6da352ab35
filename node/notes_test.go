package node

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/policy"
)

// FuzzNotes puts anything where this node keeps its own notes. It reads it as what it
// would write itself, or as nothing; what can't be read never lets it sign, and never
// makes a key, a rotation or a charter of it.
func FuzzNotes(f *testing.F) {
	const self = council.MemberID("core-1")
	text := policy.CharterText{Charter: configs.Charter, Actions: configs.Actions}
	another := policy.CharterText{Charter: slices.Concat(configs.Charter, []byte("# another\n")), Actions: configs.Actions}
	charter, err := text.Load()
	if err != nil {
		f.Fatal(err)
	}
	c := testcouncil.New(f)
	c.Roster.Charter = charter.Hash()
	j, err := journal.Open(filepath.Join(f.TempDir(), "journal.db"), journal.Options{Self: self, Key: c.NodeKeys[self], Roster: c.Roster})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = j.Close() })
	hash, err := c.Roster.Hash()
	if err != nil {
		f.Fatal(err)
	}
	born := council.Genesis{Roster: hash, ShareEpoch: 1, Key: common.Address{1}, Transcript: common.Hash{2}}
	beat := council.Heartbeat{Member: self, Roster: hash, Time: testcouncil.TermStart, Version: "v1", Share: council.ShareNone}
	for _, m := range c.Roster.IDs() {
		sig, err := born.Sign(m, c.NodeKeys[m])
		if err != nil {
			f.Fatal(err)
		}
		born.Sigs = append(born.Sigs, sig)
	}
	if beat, err = beat.Sign(c.NodeKeys[self]); err != nil {
		f.Fatal(err)
	}
	now := uint64(testcouncil.TermEnd - 5*24*3600) // close to the end of all terms
	holding, rules := born.Holding(c.Roster), policy.New(charter, nil)

	kinds := []struct {
		name  string
		form  func() any
		seeds []any
		read  func(t *testing.T, n *Node, b []byte, sound bool)
	}{
		{metaFrozen, func() any { return new(freeze) }, []any{freeze{Since: 1, Reason: "laptop stolen"}, freeze{Reason: "\x00"}, freeze{}}, func(t *testing.T, n *Node, b []byte, _ bool) {
			if err := n.loadFreeze(); err != nil {
				t.Fatal(err)
			}
			if len(b) > 0 && (n.frozen.Reason == "" || !n.noted || n.agenda.Stopped() == "") {
				t.Fatalf("signs in spite of the note %x: %+v", b, n.frozen)
			}
		}},
		{metaGenesis, func() any { return new(council.Genesis) }, []any{born, council.Genesis{}}, func(t *testing.T, n *Node, _ []byte, sound bool) {
			s, err := Stand(n.book(), c.Roster, council.Millicent)
			if err == nil && (!sound || s.Genesis == nil || s.Genesis.ID() != born.ID()) {
				t.Fatalf("born of a false record: %+v", s.Genesis)
			}
			if g, err := n.readGenesis(metaGenesis); (err == nil) != sound || err == nil && g == nil {
				t.Fatalf("%+v, %v", g, err)
			}
		}},
		{metaSwitch(0), func() any { return new(council.Certificate) }, []any{council.Certificate{}, council.Certificate{Succession: council.Succession{Roster: c.Roster}}}, func(t *testing.T, n *Node, _ []byte, _ bool) {
			if err := n.saveGenesis(metaGenesis, born); err != nil {
				t.Fatal(err)
			}
			if s, err := Stand(n.book(), c.Roster, council.Millicent); err == nil {
				t.Fatalf("a rotation that nobody has signed: %+v", s.Switches)
			}
		}},
		{(&rotationBook{roster: 1}).name(0), func() any { return new(rotationRecord) }, []any{
			rotationRecord{Heard: []agenda.HeardSuccession{{Succession: council.Succession{Roster: c.Roster, Effective: 1}, Seen: 2}}},
			rotationRecord{Tries: []council.Rotation{{FromEpoch: 1, ToEpoch: 2, Dealers: c.Roster.IDs()[:4]}}},
			rotationRecord{Staged: []agenda.StagedShare{{Ceremony: common.Hash{3}, Signature: council.NodeSignature{Member: self, Sig: []byte{4}}}}},
			rotationRecord{Locks: []council.Lock{{Member: self, Roster: hash, Epoch: 1, Rows: []council.OpenRow{{State: council.OpenRevealed}}}}},
			rotationRecord{Refusals: []council.Refusal{{Member: self, Reason: "no"}}, Dropped: []common.Hash{{5}}},
			rotationRecord{Erasures: []council.Erasure{{Member: self, Epoch: 1}}},
		}, func(t *testing.T, n *Node, _ []byte, sound bool) {
			if b, err := openRotationBook(n.book(), 1); (err == nil) != sound || err == nil && b.records != 1 {
				t.Fatalf("%+v, %v", b, err)
			}
		}},
		{metaReminded, func() any { return new([]agenda.Reminder) }, []any{[]agenda.Reminder{{Member: self, End: testcouncil.TermEnd, Days: 7}, {End: 1, Days: 1 << 63}}}, func(t *testing.T, n *Node, _ []byte, _ bool) {
			if err := n.loadReminders(); err != nil {
				t.Fatal(err)
			}
			_, next := agenda.Remind(c.Roster, n.reminded, now)
			if words, again := agenda.Remind(c.Roster, next, now); len(words) > 0 || !reflect.DeepEqual(again, next) {
				t.Fatalf("said again: %+v", words)
			}
		}},
		{metaBeats, func() any { return new(beats) }, []any{beats{[]council.Heartbeat{beat}}, beats{[]council.Heartbeat{beat, beat, {}}}}, func(t *testing.T, n *Node, _ []byte, _ bool) {
			if err := n.loadBeats(); err != nil {
				t.Fatal(err)
			}
			for _, h := range n.roll.Last() {
				if err := h.Verify(c.Roster); err != nil {
					t.Fatalf("proven alive by %v", err)
				}
			}
		}},
		{metaModuli, func() any { return new([]common.Hash) }, []any{[]common.Hash{{6}, {7}, {6}}}, func(t *testing.T, n *Node, b []byte, sound bool) {
			if seen, err := n.moduli(); (err == nil) != sound || sound && len(b) > 1 && len(seen) == 0 {
				t.Fatalf("forgotten: %v", err)
			}
		}},
		{metaCharter(charter.Hash()), func() any { return new(policy.CharterText) }, []any{text, another, policy.CharterText{Charter: []byte("version: 1\n"), Actions: configs.Actions}}, func(t *testing.T, n *Node, _ []byte, sound bool) {
			_, have, err := CharterIn(n.book(), charter.Hash())
			if err == nil && (!sound || have == nil || have.Hash() != charter.Hash()) {
				t.Fatalf("another charter: %v", have)
			}
		}},
		{metaCharterSince(charter.Hash()), func() any { return new(uint64) }, []any{uint64(1), now, now + 1, uint64(1<<64 - 1)}, func(t *testing.T, n *Node, _ []byte, sound bool) {
			if since, err := n.charterSince(charter.Hash()); (err == nil) != sound || since > now {
				t.Fatalf("known since %d, now %d (%v)", since, now, err)
			}
		}},
		{"erased-1", func() any { return new([]council.Erasure) }, []any{[]council.Erasure{{Member: self, Epoch: 1, Sig: []byte{8}}}}, func(*testing.T, *Node, []byte, bool) {}},
	}
	for i, k := range kinds {
		for _, v := range k.seeds {
			b, err := rlp.EncodeToBytes(v)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), b)
			f.Add(uint8(i), b[:len(b)-1])
		}
	}
	undo := errors.New("undo")
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		k := kinds[int(which)%len(kinds)]
		v := k.form()
		sound := rlp.DecodeBytes(b, v) == nil
		if sound {
			if again, err := rlp.EncodeToBytes(v); err != nil || !bytes.Equal(again, b) {
				t.Fatalf("%s: read %x, written %x (%v)", k.name, b, again, err)
			}
		}
		a, err := agenda.New(agenda.Config{Self: self, Roster: c.Roster, Policy: rules})
		if err != nil {
			t.Fatal(err)
		}
		n := &Node{
			self: self, roster: c.Roster, first: c.Roster, holding: holding, journal: j, agenda: a, timing: agenda.Defaults(), log: slog.New(slog.DiscardHandler),
			now: func() time.Time { return time.Unix(int64(now), 0) },
		}
		err = n.together(func() error {
			if err := n.book().PutMeta(k.name, append([]byte{}, b...)); err != nil {
				return err
			}
			k.read(t, n, b, sound)
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
	})
}
