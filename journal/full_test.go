package journal

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// filled has a feed count as so long.
func filled(t *testing.T, j *Journal, author council.MemberID, bytes uint64) {
	t.Helper()
	err := j.db.Update(func(tx *bolt.Tx) error {
		h, err := headOf(tx, author)
		if err != nil {
			return err
		}
		h.Bytes = bytes
		b, err := rlp.EncodeToBytes(h)
		if err != nil {
			return err
		}
		return tx.Bucket(bHeads).Put([]byte(author), b)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The end of the own feed is for what is signed and for a freeze. Others take all of it.
func TestTheEndOfAFeedIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	j, other := open(t, path, options(t, "core-1")), fresh(t, "core-2")
	mustAppend(t, j, "first")
	catchUp(t, other, j)
	filled(t, j, "core-1", MaxFeedBytes-FeedReserve)
	filled(t, other, "core-1", MaxFeedBytes-FeedReserve)
	words := map[council.Word]bool{
		council.WordProposed: false, council.WordJudged: false, council.WordApproved: false, council.WordRejected: false, council.WordComplete: true,
		council.WordRosterSigned: false, council.WordBackedUp: false, "word-of-tomorrow": false,
		council.WordBegun: true, council.WordAttemptFailed: true, council.WordSigned: true, council.WordBroadcast: true, council.WordMined: true,
		council.WordReverted: true, council.WordReorged: true, council.WordFinal: true, council.WordDisplaced: true, council.WordExpired: true,
		council.WordKeyMade: true, council.WordFrozen: true, council.WordThawed: true,
	}
	all := func() {
		t.Helper()
		for w, goes := range words {
			_, err := j.Append(w, []byte("x"), t0)
			if goes && err != nil {
				t.Errorf("%s: %v", w, err)
			}
			if !goes {
				if hinted(t, err, "feed is full", "core-1", "roster"); !errors.Is(err, ErrReserve) || !errors.Is(err, ErrFeedFull) {
					t.Errorf("%s: %v", w, err)
				}
			}
		}
	}
	all()
	catchUp(t, other, j)
	mustAppend(t, other, "another's") // one full feed is no other's
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, path, options(t, "core-1"))
	all()
	if sizes, err := j.Sizes(); err != nil || len(sizes) != 1 || sizes["core-1"] <= MaxFeedBytes-FeedReserve {
		t.Errorf("sizes %v, %v", sizes, err)
	}

	filled(t, j, "core-1", MaxFeedBytes)
	if _, err := j.Append(council.WordBegun, nil, t0); !errors.Is(err, ErrFeedFull) || errors.Is(err, ErrReserve) {
		t.Errorf("past the end: %v", err)
	}

	// A node that has lost its disk gets all of its feed back, whatever is in it.
	back := fresh(t, "core-2")
	e := mustAppend(t, other, "the last but one")
	first, err := other.Get("core-2", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := back.Merge(first); err != nil {
		t.Fatal(err)
	}
	filled(t, back, "core-2", MaxFeedBytes-FeedReserve)
	if added, err := back.Merge(e); err != nil || !added {
		t.Errorf("the own feed from others: %v, %v", added, err)
	}
}
