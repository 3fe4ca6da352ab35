package journal

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Entry is one statement of one member. Its RLP encoding is what travels.
type Entry struct {
	Author council.MemberID
	Seq    uint64      // from 1, without gaps
	Prev   common.Hash // Hash of the author's entry before; zero for the first
	Time   uint64      // unix seconds by the author's clock
	Word   council.Word
	Body   []byte // council.EncodeBody of the word's type
	Sig    []byte // Ed25519 by the author's node key, council.PurposeFeed
}

// Hash names the entry: everything but the signature.
func (e Entry) Hash() common.Hash {
	b, err := rlp.EncodeToBytes([]any{string(e.Author), e.Seq, e.Prev, e.Time, string(e.Word), e.Body})
	if err != nil {
		panic("journal: hash entry: " + err.Error()) // only a change of this function can bring it
	}
	return crypto.Keccak256Hash([]byte("millicent/entry/1\x00"), b)
}

// Bounded is the entry's time for use by others: what the author claims, but not
// more than MaxSkew after now (unix seconds).
func (e Entry) Bounded(now uint64) uint64 { return min(e.Time, now+MaxSkew) }

// Valid checks bounds; it knows no keys and no neighbours.
func (e Entry) Valid() error {
	if err := e.Author.Valid(); err != nil {
		return fmt.Errorf("entry: author: %w", err)
	}
	if !validWord(e.Word) {
		return fmt.Errorf("entry: word %q: want 1 to %d lower-case letters and inner hyphens", clip(string(e.Word)), MaxWord)
	}
	switch {
	case e.Seq == 0:
		return errors.New("entry: sequence 0; feeds count from 1")
	case (e.Seq == 1) != (e.Prev == common.Hash{}):
		return errors.New("entry: exactly the first of a feed has no predecessor")
	case e.Time == 0 || e.Time > MaxTime:
		return fmt.Errorf("entry: time %d is outside 1 to %d", e.Time, uint64(MaxTime))
	case len(e.Body) > MaxBody:
		return fmt.Errorf("entry: body of %d bytes; at most %d", len(e.Body), MaxBody)
	case len(e.Sig) != ed25519.SignatureSize:
		return fmt.Errorf("entry: signature of %d bytes; want %d", len(e.Sig), ed25519.SignatureSize)
	}
	return nil
}

// Verify checks bounds and that the node with this peer id signed the entry for
// this network.
func (e Entry) Verify(peer string, network common.Hash) error {
	if err := e.Valid(); err != nil {
		return err
	}
	return council.VerifyNode(peer, council.PurposeFeed, feedMessage(network, e.Hash()), e.Sig)
}

// EncodeEntry gives the canonical bytes of an entry.
func EncodeEntry(e Entry) ([]byte, error) {
	if err := e.Valid(); err != nil {
		return nil, err
	}
	return rlp.EncodeToBytes(e)
}

// DecodeEntry reads what EncodeEntry wrote, and nothing else: one entry has one
// encoding. It checks bounds, not signatures.
func DecodeEntry(b []byte) (Entry, error) {
	if len(b) > MaxEntry {
		return Entry{}, fmt.Errorf("decode entry: %d bytes; at most %d", len(b), MaxEntry)
	}
	var e Entry
	if err := rlp.DecodeBytes(b, &e); err != nil {
		return Entry{}, fmt.Errorf("decode entry: %w", err)
	}
	if err := e.Valid(); err != nil {
		return Entry{}, err
	}
	return e, nil
}

// feedMessage is what a node key signs for an entry: 64 bytes, network and hash.
func feedMessage(network, entry common.Hash) []byte {
	return append(network.Bytes(), entry[:]...)
}

// validWord takes words of later versions, too: a feed must stay linkable for
// nodes that do not understand all of it.
func validWord(w council.Word) bool {
	if len(w) == 0 || len(w) > MaxWord {
		return false
	}
	for i := range len(w) {
		c := w[i]
		if (c < 'a' || c > 'z') && (c != '-' || i == 0 || i == len(w)-1) {
			return false
		}
	}
	return true
}

// clip keeps a stranger's text from flooding an error.
func clip(s string) string {
	if len(s) > MaxWord {
		return s[:MaxWord] + "…"
	}
	return s
}
