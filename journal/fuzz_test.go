package journal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// FuzzRows puts anything where a row of the file stands. The journal reads it as what it
// would write itself, or says that it can't; and whatever a row of the ledger says, a nonce
// and a digest stay their proposal's alone.
func FuzzRows(f *testing.F) {
	const chain, nonce = 1, 5
	var (
		key    = common.Address{1}
		digest = common.Hash{2}
	)
	j := fresh(f, "core-1")
	first := mustAppend(f, j, "body")
	second := Entry{Author: "core-1", Seq: 1, Time: t0, Word: council.WordProposed, Body: []byte("another"), Sig: first.Sig}
	request := func(p council.ProposalID, nonce uint64) Row {
		return Row{Key: key, Chain: chain, Nonce: nonce, Proposal: p, Attempt: 1, Digest: common.Hash(p)}
	}
	// A proposal that no row of these bytes can name.
	stranger := func(b []byte, i byte) council.ProposalID {
		return council.ProposalID(crypto.Keccak256Hash(b, []byte{i}))
	}

	kinds := []struct {
		name        string
		bucket, key []byte
		row         func() any
		seeds       []any
		read        func(*Journal) error
		holds       func(t *testing.T, j *Journal, row any, b []byte)
	}{
		{"slot", bSlots, slotKey(key, chain, nonce), func() any { return new(slot) }, []any{
			slot{}, slot{Occupants: []occupant{{Proposal: council.ProposalID{3}, State: Reserved, Attempt: 1, Marks: []Mark{{Digest: digest, Attempt: 1}}}}},
			slot{Occupants: []occupant{{Proposal: council.ProposalID{3}, State: Displaced, By: council.ProposalID{4}}, {Proposal: council.ProposalID{4}, State: Revealed, Claimed: true}}},
			slot{Mined: []Mined{{Proposal: council.ProposalID{3}, Tx: common.Hash{5}, Block: 6}}},
		}, func(j *Journal) error { _, err := j.Rows(); return err }, func(t *testing.T, j *Journal, _ any, b []byte) {
			rows, _ := j.Rows()
			a, c := stranger(b, 1), stranger(b, 2)
			if err := j.Reserve(request(a, nonce)); err == nil {
				switch {
				case len(rows) > 0:
					t.Fatalf("a nonce of %s is given to another", rows[0].Proposal.Short())
				case j.Reserve(request(c, nonce)) == nil:
					t.Fatal("one nonce for two proposals")
				case j.Reserve(request(a, nonce+1)) == nil:
					t.Fatal("two nonces for one proposal")
				case j.Reveal(key, chain, nonce, a, digest) == nil:
					t.Fatal("a digest is revealed that was not reserved")
				case j.Reveal(key, chain, nonce, a, common.Hash(a)) != nil || !errors.Is(j.Free(key, chain, nonce, a), ErrRevealed):
					t.Fatal("a revealed row is freed")
				}
				return
			}
			for _, r := range rows {
				if j.Displace(r.Proposal, request(a, nonce)) == nil && j.Reserve(Row{Key: key, Chain: chain, Nonce: nonce, Proposal: r.Proposal, Attempt: 9, Digest: common.Hash(c)}) == nil {
					t.Fatalf("%s is displaced and has the nonce again", r.Proposal.Short())
				}
			}
		}},
		{"digest", bDigests, digest[:], func() any { return new(claim) }, []any{claim{Proposal: council.ProposalID{3}}, claim{Proposal: council.ProposalID{3}, State: Revealed, Attempt: 2}},
			func(j *Journal) error { _, err := j.Messages(); return err }, func(t *testing.T, j *Journal, row any, b []byte) {
				c := row.(*claim)
				deed := request(stranger(b, 1), nonce)
				deed.Digest = digest
				if j.ReserveMessage(digest, stranger(b, 2), 1) == nil || j.Reserve(deed) == nil {
					t.Fatal("one digest for two proposals")
				}
				if c.State != Reserved && j.FreeMessage(digest, c.Proposal) == nil {
					t.Fatalf("a %s digest is freed", c.State)
				}
			}},
		{"head", bHeads, []byte("core-1"), func() any { return new(feedHead) }, []any{feedHead{Seq: 1, Hash: first.Hash(), Time: t0, Bytes: 300}, feedHead{}},
			func(j *Journal) error { _, err := j.Heads(); return err }, func(t *testing.T, j *Journal, row any, _ []byte) {
				h := row.(*feedHead)
				if e, err := j.Append(council.WordProposed, []byte("next"), t0); err == nil && (e.Seq != h.Seq+1 || e.Prev != h.Hash || e.Time < h.Time) {
					t.Fatalf("%+v follows %+v", e, h)
				}
			}},
		{"entry", bEntries, u64(0), func() any { return new(record) }, []any{record{Salt: [32]byte{7}, Entry: first}},
			func(j *Journal) error { return j.All(func(Entry) error { return nil }) }, func(t *testing.T, j *Journal, row any, _ []byte) {
				o, err := j.Opening(0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := o.Leaf(); (err == nil) != (row.(*record).Entry.Valid() == nil) {
					t.Fatalf("%+v: leaf: %v", o, err)
				}
			}},
		{"fork", bForks, feedKey("core-1", 1), func() any { return new(Fork) }, []any{Fork{A: first, B: second}},
			func(j *Journal) error { _, err := j.Forks(); return err }, func(t *testing.T, j *Journal, row any, _ []byte) {
				x := row.(*Fork)
				if x.Verify(j.authors["core-1"][0], j.network) == nil {
					t.Fatalf("convicts who has not signed it: %+v", x)
				}
			}},
		{"nonces", bNonces, horizonKey(key, chain), func() any { return new(horizon) }, []any{horizon{Seen: 6}, horizon{Seen: 9, Fence: 9}, horizon{Seen: 1<<64 - 1, Fence: 1<<64 - 1}},
			func(j *Journal) error { _, _, err := j.Fenced(key, chain); return err }, func(t *testing.T, j *Journal, _ any, b []byte) {
				was, closed, _ := j.Fenced(key, chain)
				if err := j.Reserve(request(stranger(b, 1), was)); closed && !errors.Is(err, ErrFenced) {
					t.Fatalf("nonce %d behind the fence: %v", was, err)
				}
				if err := j.Fence(key, chain, nonce); err != nil {
					t.Fatal(err)
				}
				if is, ok, err := j.Fenced(key, chain); err != nil || !ok || is < max(was, nonce) {
					t.Fatalf("fence at %d after %d (%v)", is, was, err)
				}
			}},
		{"node keys", bAuthors, []byte("core-2"), func() any { return new([]string) }, []any{[]string{"12D3KooW"}, []string{}},
			func(j *Journal) error { return loadAuthors(j.tx, map[council.MemberID][]string{}) }, func(*testing.T, *Journal, any, []byte) {}},
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
		row := k.row()
		sound := rlp.DecodeBytes(b, row) == nil
		if sound {
			// A field of a slot may be left out, so that has two forms, and one that is written.
			again, err := rlp.EncodeToBytes(row)
			if err != nil || rlp.DecodeBytes(again, k.row()) != nil || k.name != "slot" && !bytes.Equal(again, b) {
				t.Fatalf("%s: read %x, written %x (%v)", k.name, b, again, err)
			}
		}
		err := j.Together(func(j *Journal) error {
			if err := j.tx.Bucket(k.bucket).Put(k.key, append([]byte{}, b...)); err != nil {
				t.Fatal(err)
			}
			if err := k.read(j); (err == nil) != sound {
				t.Fatalf("%s: %v", k.name, err)
			}
			if sound {
				k.holds(t, j, row, b)
			}
			return undo
		})
		if !errors.Is(err, undo) {
			t.Fatal(err)
		}
	})
}
