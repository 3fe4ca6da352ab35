package journal

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
	bolt "go.etcd.io/bbolt"

	"github.com/millicent-one/signer/council"
)

// MessageRow is the ledger's row for something without a nonce: typed data or a
// statement. A digest belongs to one proposal and a proposal has one digest.
type MessageRow struct {
	Digest   common.Hash        `json:"digest"`
	Proposal council.ProposalID `json:"proposal"`
	State    State              `json:"state"` // Reserved or Revealed
	Attempt  uint64             `json:"attempt"`
}

// claim is what the ledger keeps for each digest. State is zero for digests of
// transactions, whose slot has the rest.
type claim struct {
	Proposal council.ProposalID
	State    State
	Attempt  uint64
}

// ReserveMessage gives a digest to a proposal before a session for it starts. It
// can be repeated for later attempts. *ConflictError if the digest is another
// deed's or the proposal has another digest or a nonce.
func (j *Journal) ReserveMessage(digest common.Hash, p council.ProposalID, attempt uint64) error {
	r := Row{Proposal: p, Digest: digest, Attempt: attempt}
	if digest == (common.Hash{}) || p == (council.ProposalID{}) || attempt == 0 {
		return fmt.Errorf("reserve message: row without digest, proposal or attempt")
	}
	return j.update("reserve message", func(tx *bolt.Tx) error {
		if held := tx.Bucket(bProposals).Get(p[:]); held != nil && string(held) != string(digest[:]) {
			return r.taken(p, "the proposal has a nonce or another digest already")
		}
		c, ok, err := claimAt(tx, digest)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			c = claim{Proposal: p, State: Reserved}
		case c.Proposal != p || c.State == 0:
			return r.taken(c.Proposal, fmt.Sprintf("its digest is proposal %s's", c.Proposal.Short()))
		}
		c.Attempt = max(c.Attempt, attempt)
		if err := tx.Bucket(bProposals).Put(p[:], digest[:]); err != nil {
			return err
		}
		return putClaim(tx, digest, c)
	})
}

// RevealMessage records that this node's part of a signature over digest is
// about to leave, and must have returned nil before it does.
func (j *Journal) RevealMessage(digest common.Hash, p council.ProposalID) error {
	return j.update("reveal message", func(tx *bolt.Tx) error {
		c, err := messageAt(tx, digest, p)
		if err != nil {
			return err
		}
		c.State = Revealed
		return putClaim(tx, digest, c)
	})
}

// FreeMessage undoes ReserveMessage. Errors: ErrNoRow, ErrRevealed.
func (j *Journal) FreeMessage(digest common.Hash, p council.ProposalID) error {
	return j.update("free message", func(tx *bolt.Tx) error {
		c, err := messageAt(tx, digest, p)
		if err != nil {
			return err
		}
		if c.State != Reserved {
			return council.WithHint(fmt.Errorf("message of proposal %s: %w", p.Short(), ErrRevealed), "a signature may exist: try again until it does")
		}
		return forget(tx, p, digest[:], []Mark{{Digest: digest}})
	})
}

// Message finds the row of a digest; ok is false for digests of transactions.
func (j *Journal) Message(digest common.Hash) (row MessageRow, ok bool, err error) {
	err = j.view("read ledger", func(tx *bolt.Tx) error {
		c, found, err := claimAt(tx, digest)
		if err != nil || !found || c.State == 0 {
			return err
		}
		row, ok = MessageRow{Digest: digest, Proposal: c.Proposal, State: c.State, Attempt: c.Attempt}, true
		return nil
	})
	return row, ok, err
}

// MessageByProposal finds the digest of a proposal.
func (j *Journal) MessageByProposal(p council.ProposalID) (row MessageRow, ok bool, err error) {
	err = j.view("read ledger", func(tx *bolt.Tx) error {
		v := tx.Bucket(bProposals).Get(p[:])
		if len(v) != common.HashLength {
			return nil
		}
		digest := common.BytesToHash(v)
		c, found, err := claimAt(tx, digest)
		if err != nil || !found {
			return err
		}
		row, ok = MessageRow{Digest: digest, Proposal: p, State: c.State, Attempt: c.Attempt}, true
		return nil
	})
	return row, ok, err
}

// Messages lists all rows by digest.
func (j *Journal) Messages() ([]MessageRow, error) {
	var out []MessageRow
	err := j.view("read ledger", func(tx *bolt.Tx) error {
		return tx.Bucket(bDigests).ForEach(func(k, v []byte) error {
			var c claim
			if err := rlp.DecodeBytes(v, &c); err != nil {
				return err
			}
			if c.State != 0 {
				out = append(out, MessageRow{Digest: common.BytesToHash(k), Proposal: c.Proposal, State: c.State, Attempt: c.Attempt})
			}
			return nil
		})
	})
	return out, err
}

// taken is the conflict of a message.
func (r Row) taken(holder council.ProposalID, reason string) error {
	return council.WithHint(&ConflictError{Proposal: r.Proposal, Holder: holder, Reason: reason},
		"one digest is one proposal's: use that one's signature, or word this one differently")
}

func messageAt(tx *bolt.Tx, digest common.Hash, p council.ProposalID) (claim, error) {
	c, ok, err := claimAt(tx, digest)
	if err == nil && (!ok || c.State == 0 || c.Proposal != p) {
		err = fmt.Errorf("message of proposal %s: %w", p.Short(), ErrNoRow)
	}
	return c, err
}

// claimDigest makes a transaction's digest its proposal's alone.
func claimDigest(tx *bolt.Tx, r Row, digest common.Hash, p council.ProposalID) error {
	c, ok, err := claimAt(tx, digest)
	if err != nil {
		return err
	}
	if ok && (c.Proposal != p || c.State != 0) {
		return r.conflict(c.Proposal, fmt.Sprintf("its digest is proposal %s's", c.Proposal.Short()))
	}
	if ok {
		return nil
	}
	return putClaim(tx, digest, claim{Proposal: p})
}

func claimAt(tx *bolt.Tx, digest common.Hash) (claim, bool, error) {
	var c claim
	v := tx.Bucket(bDigests).Get(digest[:])
	if v == nil {
		return c, false, nil
	}
	if err := rlp.DecodeBytes(v, &c); err != nil {
		return c, false, fmt.Errorf("read ledger: %w", err)
	}
	return c, true, nil
}

func putClaim(tx *bolt.Tx, digest common.Hash, c claim) error {
	v, err := rlp.EncodeToBytes(c)
	if err != nil {
		return fmt.Errorf("encode digest: %w", err)
	}
	return tx.Bucket(bDigests).Put(digest[:], v)
}
