package journal

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Head is the end of one feed as this node knows it.
type Head struct {
	Author council.MemberID
	Seq    uint64
	Hash   common.Hash
	Time   uint64 // of the last entry, by its author's clock
}

// record is what the file keeps of an entry.
type record struct {
	Salt  [32]byte
	Entry Entry
}

// feedHead is the stored form of a Head.
type feedHead struct {
	Seq   uint64
	Hash  common.Hash
	Time  uint64
	Bytes uint64 // of the whole feed
}

// Append writes the next entry of the own feed and returns it when it is
// durable. now is in unix seconds; if the clock was set back, the entry takes
// the time of the one before. Errors: ErrFeedFull, ErrReserve.
func (j *Journal) Append(word council.Word, body []byte, now uint64) (Entry, error) {
	var e Entry
	if j.key == nil {
		return e, errors.New("append: this journal was opened without a node key")
	}
	err := j.update("append to journal", func(tx *bolt.Tx) error {
		head, err := headOf(tx, j.self)
		if err != nil {
			return err
		}
		if !needed(word) && head.Bytes+uint64(len(body)) > MaxFeedBytes-FeedReserve {
			return council.WithHint(fmt.Errorf("%q in the feed of %s: %w: %d of %d bytes are written", string(word), j.self, ErrReserve, head.Bytes, MaxFeedBytes), leaveOut)
		}
		e = Entry{Author: j.self, Seq: head.Seq + 1, Prev: head.Hash, Time: max(now, head.Time), Word: word, Body: append([]byte{}, body...)}
		if e.Sig, err = j.key.SignNode(council.PurposeFeed, feedMessage(j.network, e.Hash())); err != nil {
			return fmt.Errorf("sign entry: %w", err)
		}
		if err := e.Valid(); err != nil {
			return err
		}
		return store(tx, head, e)
	})
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}

// leaveOut is the way out of a feed that is full: what is written stays.
const leaveOut = "find out why this member writes so much; a new roster can leave the member out, or take it in under another id"

// needed reports whether an entry may use the end of the own feed. What others can make a
// node write, such as its verdicts, must not take from it the words without which nothing
// is signed or seen through: a node that can't write those only watches. Nor must it keep
// a member from stopping its node and letting it sign again, or the birth of a key from
// being told.
func needed(w council.Word) bool {
	switch w {
	case council.WordComplete, council.WordBegun, council.WordAttemptFailed, council.WordSigned, council.WordKeyMade, council.WordFrozen, council.WordThawed,
		council.WordBroadcast, council.WordMined, council.WordReverted, council.WordReorged, council.WordFinal, council.WordDisplaced, council.WordExpired:
		return true
	}
	return false
}

// Sizes are the bytes of all feeds here, of which MaxFeedBytes is the most.
func (j *Journal) Sizes() (map[council.MemberID]uint64, error) {
	out := map[council.MemberID]uint64{}
	err := j.view("read sizes of feeds", func(tx *bolt.Tx) error {
		return tx.Bucket(bHeads).ForEach(func(k, v []byte) error {
			var h feedHead
			if err := rlp.DecodeBytes(v, &h); err != nil {
				return err
			}
			out[council.MemberID(k)] = h.Bytes
			return nil
		})
	})
	return out, err
}

// Merge takes an entry that someone passed on. It reports whether the entry was
// new. Errors: ErrStranger, council.ErrNodeSignature, *GapError when entries
// before it are missing, *ForkError when its author signed something else for
// the same place (the evidence is stored), ErrFeedFull. Entries of the own feed
// are taken as well: that is how a restored node learns what it said.
func (j *Journal) Merge(e Entry) (added bool, err error) {
	if err := j.verify(e); err != nil {
		return false, fmt.Errorf("merge: %w", err)
	}
	// Most entries arrive several times, so look before taking the write lock.
	var seen bool
	err = j.view("merge", func(tx *bolt.Tx) error {
		known, err := entryAt(tx, e.Author, e.Seq)
		seen = err == nil && known.Hash() == e.Hash()
		return nil
	})
	if seen || err != nil {
		return false, err
	}
	var fork *ForkError
	err = j.update("merge", func(tx *bolt.Tx) error {
		head, err := headOf(tx, e.Author)
		if err != nil {
			return err
		}
		switch {
		case e.Seq > head.Seq+1:
			return council.WithHint(&GapError{Author: e.Author, From: head.Seq + 1, To: e.Seq - 1}, "ask the members online for the missing entries")
		case e.Seq <= head.Seq:
			known, err := entryAt(tx, e.Author, e.Seq)
			if err != nil {
				return err
			}
			if known.Hash() == e.Hash() {
				return nil
			}
			fork = &ForkError{Fork{A: known, B: e}}
		case e.Prev != head.Hash:
			last, err := entryAt(tx, e.Author, head.Seq)
			if err != nil {
				return err
			}
			fork = &ForkError{Fork{A: last, B: e}}
		default:
			added = true
			return store(tx, head, e)
		}
		return keepFork(tx, fork.Fork)
	})
	if err != nil {
		return false, err
	}
	if fork != nil {
		return false, council.WithHint(fmt.Errorf("merge: %w", fork), "two machines write with one node key, or its owner cheats: the evidence is kept, tell the council")
	}
	return added, nil
}

// Heads lists the ends of all feeds, sorted by author: the vector that two nodes
// compare to find what each lacks.
func (j *Journal) Heads() ([]Head, error) {
	var out []Head
	err := j.view("read heads", func(tx *bolt.Tx) error {
		return tx.Bucket(bHeads).ForEach(func(k, v []byte) error {
			var h feedHead
			if err := rlp.DecodeBytes(v, &h); err != nil {
				return err
			}
			out = append(out, Head{Author: council.MemberID(k), Seq: h.Seq, Hash: h.Hash, Time: h.Time})
			return nil
		})
	})
	return out, err
}

// After returns the entries of author that follow seq, in order: at most limit,
// at most MaxBatch, and about MaxBatchBytes. None is not an error.
func (j *Journal) After(author council.MemberID, seq uint64, limit int) ([]Entry, error) {
	var out []Entry
	limit = min(limit, MaxBatch)
	err := j.view("read feed", func(tx *bolt.Tx) error {
		head, err := headOf(tx, author)
		if err != nil {
			return err
		}
		size := 0
		for s := seq + 1; s <= head.Seq && s > seq && len(out) < limit; s++ {
			e, err := entryAt(tx, author, s)
			if err != nil {
				return err
			}
			if size += len(e.Body) + 256; size > MaxBatchBytes && len(out) > 0 {
				return nil
			}
			out = append(out, e)
		}
		return nil
	})
	return out, err
}

// Get returns one entry, or ErrNotFound.
func (j *Journal) Get(author council.MemberID, seq uint64) (Entry, error) {
	var e Entry
	err := j.view("read entry", func(tx *bolt.Tx) (err error) {
		e, err = entryAt(tx, author, seq)
		return err
	})
	return e, err
}

// All calls fn for every entry in the order in which this node learned of them,
// the same after each restart. It stops at fn's first error and returns it. fn
// may call the journal; what it appends is not visited.
func (j *Journal) All(fn func(Entry) error) error {
	return j.From(0, func(_ uint64, e Entry) error { return fn(e) })
}

// From is All from an arrival index on (the first entry has index 0).
func (j *Journal) From(index uint64, fn func(index uint64, e Entry) error) error {
	end, err := j.Len()
	if err != nil {
		return err
	}
	for index < end {
		var batch []Entry
		size := 0
		err := j.view("replay journal", func(tx *bolt.Tx) error {
			for i := index; i < min(end, index+replayBatch) && size < MaxBatchBytes; i++ {
				r, err := recordAt(tx, i)
				if err != nil {
					return err
				}
				batch = append(batch, r.Entry)
				size += len(r.Entry.Body)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, e := range batch {
			if err := fn(index, e); err != nil {
				return err
			}
			index++
		}
	}
	return nil
}

// Len is the number of entries of all feeds.
func (j *Journal) Len() (uint64, error) {
	var n uint64
	err := j.view("count entries", func(tx *bolt.Tx) error {
		n = count(tx)
		return nil
	})
	return n, err
}

// store puts an entry that has been checked into every place it belongs to.
func store(tx *bolt.Tx, head feedHead, e Entry) error {
	r := record{Salt: newSalt(), Entry: e}
	b, err := rlp.EncodeToBytes(r)
	if err != nil {
		return fmt.Errorf("encode entry: %w", err)
	}
	if head.Bytes += uint64(len(b)); head.Bytes > MaxFeedBytes {
		return council.WithHint(fmt.Errorf("feed of %s: %w: at most %d bytes", e.Author, ErrFeedFull, MaxFeedBytes), leaveOut)
	}
	head.Seq, head.Hash, head.Time = e.Seq, e.Hash(), max(head.Time, e.Time)
	hb, err := rlp.EncodeToBytes(head)
	if err != nil {
		return fmt.Errorf("encode head: %w", err)
	}
	leaf, err := r.leaf()
	if err != nil {
		return err
	}
	if err := put(tx, e, b, hb, leaf); err != nil {
		return fmt.Errorf("%w: %w", ErrWrite, err)
	}
	return nil
}

// put writes an encoded entry, its place in the feed, the feed's new head, and
// the leaf.
func put(tx *bolt.Tx, e Entry, record, head []byte, leaf common.Hash) error {
	index := count(tx)
	entries := tx.Bucket(bEntries)
	entries.FillPercent = 0.95 // keys only ever grow
	if err := entries.Put(u64(index), record); err != nil {
		return err
	}
	if err := tx.Bucket(bFeeds).Put(feedKey(e.Author, e.Seq), u64(index)); err != nil {
		return err
	}
	if err := tx.Bucket(bHeads).Put([]byte(e.Author), head); err != nil {
		return err
	}
	return growTree(tx, index, leaf)
}

func count(tx *bolt.Tx) uint64 {
	k, _ := tx.Bucket(bEntries).Cursor().Last()
	if k == nil {
		return 0
	}
	return binary.BigEndian.Uint64(k) + 1
}

func headOf(tx *bolt.Tx, author council.MemberID) (feedHead, error) {
	var h feedHead
	b := tx.Bucket(bHeads).Get([]byte(author))
	if b == nil {
		return h, nil
	}
	if err := rlp.DecodeBytes(b, &h); err != nil {
		return h, fmt.Errorf("read head of %s: %w", author, err)
	}
	return h, nil
}

func recordAt(tx *bolt.Tx, index uint64) (record, error) {
	var r record
	b := tx.Bucket(bEntries).Get(u64(index))
	if b == nil {
		return r, fmt.Errorf("entry with index %d: %w", index, ErrNotFound)
	}
	if err := rlp.DecodeBytes(b, &r); err != nil {
		return r, fmt.Errorf("read entry with index %d: %w", index, err)
	}
	return r, nil
}

func entryAt(tx *bolt.Tx, author council.MemberID, seq uint64) (Entry, error) {
	b := tx.Bucket(bFeeds).Get(feedKey(author, seq))
	if b == nil {
		return Entry{}, fmt.Errorf("entry %d of %s: %w", seq, author, ErrNotFound)
	}
	r, err := recordAt(tx, binary.BigEndian.Uint64(b))
	return r.Entry, err
}

// feedKey sorts by author, then sequence; ids contain no zero byte.
func feedKey(author council.MemberID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(author), 0), seq)
}
