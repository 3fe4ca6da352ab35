package journal

import (
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// Trust adds the node keys of a roster to those whose entries Merge takes. Keys
// of earlier rosters stay: what a member said in office keeps counting. Of more than
// MaxPeers keys of one member the latest stay; a roster that has taken over is never
// refused for them, or nobody could follow it.
func (j *Journal) Trust(r council.Roster) error {
	if err := r.Valid(); err != nil {
		return fmt.Errorf("trust roster: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	known := map[council.MemberID][]string{}
	read := func(tx *bolt.Tx) error { return loadAuthors(tx, known) }
	if err := j.view("trust roster", read); err != nil { // the file, not memory: a step that failed has told memory too much
		return err
	}
	next := map[council.MemberID][]string{}
	for _, m := range r.Members {
		if peers := known[m.ID]; !slices.Contains(peers, m.Peer) {
			peers = append(peers, m.Peer)
			next[m.ID] = peers[max(len(peers)-MaxPeers, 0):]
		}
	}
	if len(next) == 0 {
		return nil
	}
	err := j.update("trust roster", func(tx *bolt.Tx) error {
		for id, peers := range next {
			b, err := rlp.EncodeToBytes(peers)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bAuthors).Put([]byte(id), b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for id, peers := range next {
		j.authors[id] = peers
	}
	return nil
}

func loadAuthors(tx *bolt.Tx, into map[council.MemberID][]string) error {
	return tx.Bucket(bAuthors).ForEach(func(k, v []byte) error {
		var peers []string
		if err := rlp.DecodeBytes(v, &peers); err != nil {
			return fmt.Errorf("read node keys of %s: %w", k, err)
		}
		into[council.MemberID(k)] = peers
		return nil
	})
}

// verify checks an entry against every key its author has had, latest first.
func (j *Journal) verify(e Entry) error {
	if err := e.Valid(); err != nil {
		return err
	}
	j.mu.RLock()
	peers := j.authors[e.Author]
	j.mu.RUnlock()
	if len(peers) == 0 {
		return council.WithHint(fmt.Errorf("entry of %s: %w", e.Author, ErrStranger), "compare rosters with the node that sent it: 'signer roster show'")
	}
	var err error
	for _, p := range slices.Backward(peers) {
		if err = e.Verify(p, j.network); err == nil {
			return nil
		}
	}
	return council.WithHint(fmt.Errorf("entry %d of %s: %w", e.Seq, e.Author, err), "the entry was altered, or is for another council; ask another member for it")
}
