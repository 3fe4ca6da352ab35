package journal

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// What a caller branches on.
var (
	ErrLocked   = errors.New("journal is in use by another process")
	ErrGap      = errors.New("entries are missing")                    // see GapError
	ErrStranger = errors.New("author is in no roster known here")      // Merge
	ErrFeedFull = errors.New("feed is full")                           // Merge, Append
	ErrBroken   = errors.New("journal stopped after a failed write")   // everything, until reopened
	ErrNotFound = errors.New("not in the journal")                     // look-ups
	ErrNoRow    = errors.New("no such row in the sign ledger")         // ledger
	ErrRevealed = errors.New("a revealed row can't be freed")          // Free
	ErrFenced   = errors.New("nonce is at or below this node's fence") // Reserve, Displace
	ErrWrite    = errors.New("write was begun and not finished")       // Merge within Together: give all of it up
)

// ErrReserve is ErrFeedFull, of an own feed that has room for what is needed alone: the
// entry is not written, and this node goes on.
var ErrReserve = fmt.Errorf("%w but for what it keeps for signing", ErrFeedFull)

// GapError says which entries must come first.
type GapError struct {
	Author   council.MemberID
	From, To uint64 // sequence numbers, both missing
}

func (e *GapError) Error() string {
	return fmt.Sprintf("entries %d to %d of %s are missing", e.From, e.To, e.Author)
}

// Is makes errors.Is(err, ErrGap) hold.
func (e *GapError) Is(target error) bool { return target == ErrGap }

// ForkError is the evidence that an author signed two entries of which at most
// one can be in an honest feed. A is the one this journal holds.
type ForkError struct {
	Fork
}

func (e *ForkError) Error() string {
	return fmt.Sprintf("%s forked its feed: entry %d is %s here, and it also signed %s as entry %d",
		e.A.Author, e.A.Seq, e.A.Hash().TerminalString(), e.B.Hash().TerminalString(), e.B.Seq)
}

// ConflictError is a refusal of the sign ledger: granting the request would give
// a nonce to two proposals, a proposal two nonces, or a digest to two deeds.
type ConflictError struct {
	Key          common.Address
	Chain, Nonce uint64             // of the request; zero for messages, and Key with them
	Proposal     council.ProposalID // that asked
	Holder       council.ProposalID // that stands in the way; zero if none is known
	Reason       string
}

func (e *ConflictError) Error() string {
	if e.Key == (common.Address{}) { // of a message
		return fmt.Sprintf("proposal %s: %s", e.Proposal.Short(), e.Reason)
	}
	return fmt.Sprintf("proposal %s, nonce %d on chain %d: %s", e.Proposal.Short(), e.Nonce, e.Chain, e.Reason)
}

// diskFull recognises what the system says when there is no room. bbolt loses
// the cause of a failed resize, so its text is looked at as well.
func diskFull(err error) bool {
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, e) || err != nil && strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}
