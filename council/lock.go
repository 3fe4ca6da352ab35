package council

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
)

// LockQuorum is how many Locks of old members commit a rotation, of n members
// with threshold t: the greater of n-t+2 and (n+3)/2, rounded up; five of seven
// with threshold four. Both bounds are counts of who can be on two sides:
//
//   - q Locks and t refusals share q+t-n members. With one malicious member that
//     must be two, so that an honest one had to do both: q >= n-t+2. The same
//     bound leaves n-q+1 <= t-1 who may still sign with old shares, the malicious
//     one among them: after the certificate nothing is signed under the old epoch,
//     and whatever was signed before has passed a node whose Lock is in it.
//   - two sets of q Locks share 2q-n. With two malicious members that must be
//     three: q >= (n+3)/2.
//
// In a roster that is too small for that, all must lock.
func LockQuorum(n, t int) int { return min(n, max(n-t+2, (n+4)/2)) }

// LockQuorum is how many Locks commit a rotation away from this roster.
func (r Roster) LockQuorum() int { return LockQuorum(len(r.Members), r.Threshold) }

// AbortQuorum is how many refusals end a rotation: as many as can sign again
// under the old epoch.
func (r Roster) AbortQuorum() int { return r.Threshold }

// OpenState is the state of a row of the sign ledger that is still open.
type OpenState uint8

// The open states. What a final block has decided is on a chain for all to see.
const (
	OpenReserved OpenState = 1 // no part of the signature has left this node
	OpenRevealed OpenState = 2 // a signature may exist
	// OpenDisplaced: an approved replacement has taken the nonce, here, or it is disputed.
	// A signature may exist, and the proposal is void: it must not run for those who have
	// not heard of the replacement, which may have been given back since.
	OpenDisplaced OpenState = 3
)

func (s OpenState) String() string {
	switch s {
	case OpenReserved:
		return "reserved"
	case OpenRevealed:
		return "revealed"
	case OpenDisplaced:
		return "displaced"
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Place is what the ledger gives to one proposal: a nonce of the council's
// address on a chain, or the digest of a message, whose nonce is zero.
type Place struct {
	Chain  uint64      `json:"chain"`
	Nonce  uint64      `json:"nonce"`
	Digest common.Hash `json:"digest"` // zero for a transaction
}

func (p Place) compare(o Place) int {
	return cmp.Or(cmp.Compare(p.Chain, o.Chain), cmp.Compare(p.Nonce, o.Nonce), bytes.Compare(p.Digest[:], o.Digest[:]))
}

func (p Place) String() string {
	if p.Digest != (common.Hash{}) {
		return "digest " + p.Digest.Hex()
	}
	return fmt.Sprintf("nonce %d on chain %d", p.Nonce, p.Chain)
}

// OpenRow is an open row of a node's sign ledger.
type OpenRow struct {
	Place    Place      `json:"place"`
	Proposal ProposalID `json:"proposal"`
	State    OpenState  `json:"state"`
}

// Compare orders rows as a Lock has them: by place, then by proposal.
func (r OpenRow) Compare(o OpenRow) int {
	return cmp.Or(r.Place.compare(o.Place), bytes.Compare(r.Proposal[:], o.Proposal[:]))
}

// Lock is the word of an old node that it signs nothing more under the old roster and
// with its share, for this rotation and with these Acks; it locks for no other, and only
// an abort certificate undoes it. It carries the node's open ledger rows: from
// them the new epoch knows what may have been signed.
type Lock struct {
	Member MemberID `json:"member"`
	// Council, Roster and Epoch say which share is locked. They are in the ceremony's
	// id, too, but a hash does not show them to who has two Locks and no Rotation.
	Council  common.Hash `json:"council"`
	Roster   common.Hash `json:"roster"` // the old one
	Epoch    uint64      `json:"epoch"`  // the old share epoch
	Ceremony common.Hash `json:"ceremony"`
	Acks     common.Hash `json:"acks"` // Ack.Set; zero where no share is moved
	// After is the ID of the Lock that this member has given before, of the same
	// share; zero for its first. Who locks again after an abort names it, so that two
	// Locks which follow the same one, for two tries, convict: see Fork.
	After common.Hash `json:"after"`
	// LastFour says that the member's operator has been told what it assumes to
	// commit with the threshold alone, and wants it.
	LastFour bool      `json:"lastFour"`
	Rows     []OpenRow `json:"rows"` // in the order of OpenRow.Compare; see valid
	Sig      []byte    `json:"sig"`
}

// Lock is what a member's node writes down to lock for this try; acks is Ack.Set, or
// zero where no share is moved.
func (r Rotation) Lock(self MemberID, acks common.Hash) Lock {
	return Lock{Member: self, Council: r.Council, Roster: r.From, Epoch: r.FromEpoch, Ceremony: r.ID(), Acks: acks}
}

// ID is the hash that is signed.
func (l Lock) ID() common.Hash {
	l.Sig = nil
	return hashRLP("millicent/lock/1", l)
}

// Sign signs the lock with the node key of its member.
func (l Lock) Sign(key NodeSigner) (Lock, error) {
	if err := l.valid(); err != nil {
		return Lock{}, err
	}
	id := l.ID()
	sig, err := key.SignNode(PurposeLock, id[:])
	if err != nil {
		return Lock{}, fmt.Errorf("sign lock: %w", err)
	}
	l.Sig = sig
	return l, nil
}

// valid checks the rows: what an honest ledger can't hold is refused. A proposal has one
// place, and a place one proposal that is not displaced; so a member that makes rows up
// speaks of one proposal with each of them.
func (l Lock) valid() error {
	if len(l.Rows) > MaxOpenRows {
		return WithHint(fmt.Errorf("lock: %d open ledger rows; at most %d", len(l.Rows), MaxOpenRows), "let the open transactions be mined, or replace them, before the rotation")
	}
	seen, held := map[ProposalID]bool{}, map[Place]bool{}
	for i, r := range l.Rows {
		switch {
		case i > 0 && l.Rows[i-1].Compare(r) >= 0:
			return fmt.Errorf("lock: rows are not sorted by place and proposal: %s", r.Place)
		case r.Proposal == (ProposalID{}):
			return fmt.Errorf("lock: %s is given to no proposal", r.Place)
		case seen[r.Proposal]:
			return fmt.Errorf("lock: proposal %s has two places", r.Proposal.Short())
		case r.State < OpenReserved || r.State > OpenDisplaced:
			return fmt.Errorf("lock: %s: %s is no open state", r.Place, r.State)
		case r.State == OpenDisplaced && r.Place.Digest != (common.Hash{}):
			return fmt.Errorf("lock: %s is displaced, and nothing replaces a message", r.Place)
		case r.State != OpenDisplaced && held[r.Place]:
			return fmt.Errorf("lock: %s is given to two proposals", r.Place)
		case r.Place.Digest != (common.Hash{}) && r.Place.Nonce != 0:
			return fmt.Errorf("lock: %s is a nonce and a digest", r.Place)
		}
		seen[r.Proposal] = true
		held[r.Place] = held[r.Place] || r.State != OpenDisplaced
	}
	return nil
}

// Verify checks that the lock is its member's, of its share under this holding.
func (l Lock) Verify(h Holding) error {
	from, err := h.Roster.Hash()
	if err != nil {
		return err
	}
	return l.verify(h, from)
}

// verify takes the hash of the holding's roster from who has it: it takes long.
func (l Lock) verify(h Holding, from common.Hash) error {
	m, ok := h.Roster.Member(l.Member)
	switch {
	case !ok:
		return fmt.Errorf("lock: %s is not in the old roster", l.Member)
	case l.Council != h.Council, l.Roster != from, l.Epoch != h.Epoch:
		return fmt.Errorf("lock: that of %s is of epoch %d under roster %s; here it is epoch %d under %s", l.Member, l.Epoch, l.Roster.Hex(), h.Epoch, from.Hex())
	}
	if err := l.valid(); err != nil {
		return fmt.Errorf("%s: %w", l.Member, err)
	}
	id := l.ID()
	if err := VerifyNode(m.Peer, PurposeLock, id[:], l.Sig); err != nil {
		return fmt.Errorf("lock: %s: %w", l.Member, err)
	}
	return nil
}

// Fork is two Locks of one member and one share for two tries, which follow the
// same one or none: no honest node signs both. It counts as a refusal of everything
// that starts from this share's epoch, so that a member that locks on both sides of
// a cut does not keep all others locked. Locks under two rosters are no fork, also
// when the epoch is the same: an honest member locks in each rotation, and its first
// Lock in each follows none.
type Fork struct {
	First  Lock `json:"first"`
	Second Lock `json:"second"`
}

// Verify checks that the two convict their member, which holds its share under h.
func (f Fork) Verify(h Holding) error {
	from, err := h.Roster.Hash()
	if err != nil {
		return err
	}
	return f.verify(h, from)
}

func (f Fork) verify(h Holding, from common.Hash) error {
	switch {
	case f.First.Member != f.Second.Member:
		return errors.New("fork: the locks are of two members")
	case f.First.Ceremony == f.Second.Ceremony:
		return errors.New("fork: both locks are for one try")
	case f.First.After != f.Second.After:
		return errors.New("fork: the locks don't follow the same one")
	}
	return errors.Join(f.First.verify(h, from), f.Second.verify(h, from)) // so both are of one share
}

// Refusal is the word of an old node that it will never lock for what it names:
// one try, which may be followed by another, or, when its operator wants the
// succession not to happen, all tries at it. Either name fixes whose share it is
// about: a try's says roster and epoch, and a succession's the roster that it
// follows, which holds the key under one epoch only, as every rotation ends in
// another roster, though not in another epoch.
type Refusal struct {
	Member  MemberID    `json:"member"`
	Subject common.Hash `json:"subject"` // Rotation.ID, or Rotation.Succession for all tries
	Reason  string      `json:"reason"`  // for people
	Sig     []byte      `json:"sig"`
}

// ID is the hash that is signed.
func (r Refusal) ID() common.Hash {
	r.Sig = nil
	return hashRLP("millicent/refusal/1", r)
}

// Sign signs the refusal with the node key of its member.
func (r Refusal) Sign(key NodeSigner) (Refusal, error) {
	if len(r.Reason) > MaxReason {
		return Refusal{}, fmt.Errorf("refusal: the reason has %d bytes; at most %d", len(r.Reason), MaxReason)
	}
	id := r.ID()
	sig, err := key.SignNode(PurposeRefusal, id[:])
	if err != nil {
		return Refusal{}, fmt.Errorf("sign refusal: %w", err)
	}
	r.Sig = sig
	return r, nil
}

// Verify checks that the refusal is its member's; old is the roster that holds
// the key.
func (r Refusal) Verify(old Roster) error {
	m, ok := old.Member(r.Member)
	switch {
	case !ok:
		return fmt.Errorf("refusal: %s is not in the old roster", r.Member)
	case r.Subject == (common.Hash{}):
		return errors.New("refusal: of no rotation")
	case len(r.Reason) > MaxReason:
		return fmt.Errorf("refusal: %s: the reason has %d bytes; at most %d", r.Member, len(r.Reason), MaxReason)
	}
	id := r.ID()
	if err := VerifyNode(m.Peer, PurposeRefusal, id[:], r.Sig); err != nil {
		return fmt.Errorf("refusal: %s: %w", r.Member, err)
	}
	return nil
}
