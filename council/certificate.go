package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
)

// Certificate commits a rotation: the succession with the approvals of members,
// the Acks of all new nodes, test signatures that cover them, and the Locks of
// enough old nodes. It proves itself to whoever knows who held the key before, so
// anyone can carry it. That of a still rotation has neither Acks nor tests, and no
// transcript: there is no new share.
type Certificate struct {
	Succession Succession      `json:"succession"`
	Rotation   Rotation        `json:"rotation"`
	Transcript common.Hash     `json:"transcript"`
	Acks       []NodeSignature `json:"acks"`  // of all new members, in the order of the roster
	Tests      []TestSignature `json:"tests"` // each shows at least one member that those before it don't
	Locks      []Lock          `json:"locks"` // sorted by member
}

// Ceremony is the id of the rotation that is committed.
func (c Certificate) Ceremony() common.Hash { return c.Rotation.ID() }

// Switch is proof that a rotation is committed. Only VerifyCertificate makes one;
// the zero value proves nothing. A node that has it makes its new share current,
// and may erase the old one; if no share was moved, it keeps the one that it has.
type Switch struct {
	ceremony   common.Hash
	rotation   Rotation
	transcript common.Hash
	before     Holding
	after      Holding
	locked     []MemberID
	inherited  Inheritance
	four       bool
	by         common.Hash // the certificate, byte for byte
}

// Proven reports whether the value came from VerifyCertificate.
func (s Switch) Proven() bool { return s.ceremony != (common.Hash{}) }

// ProvenBy reports whether this is what VerifyCertificate has found in this very
// certificate. Two of one ceremony can differ, in the Locks.
func (s Switch) ProvenBy(c Certificate) bool {
	by, err := c.hash()
	return err == nil && s.Proven() && s.by == by
}

// Ceremony is the id of the rotation.
func (s Switch) Ceremony() common.Hash { return s.ceremony }

// Rotation is what was committed.
func (s Switch) Rotation() Rotation { return s.rotation }

// Transcript is that of the reshare which made the new shares.
func (s Switch) Transcript() common.Hash { return s.transcript }

// Before is who held the key until now.
func (s Switch) Before() Holding { return s.before }

// After is who holds it from now on.
func (s Switch) After() Holding { return s.after }

// Locked are the old members whose Locks commit, sorted.
func (s Switch) Locked() []MemberID { return slices.Clone(s.locked) }

// Inherited is what the new epoch takes over from the old ledgers.
func (s Switch) Inherited() Inheritance { return s.inherited }

// LastFour reports whether the rotation was committed by the threshold alone. That
// is safe only if no member is malicious and none of the others has locked for
// another rotation or refused.
func (s Switch) LastFour() bool { return s.four }

// String says in one line who holds the key now, and what that rests on where the
// threshold alone has committed it.
func (s Switch) String() string {
	out := fmt.Sprintf("roster %d holds the key, share epoch %d", s.after.Roster.Version, s.after.Epoch)
	if s.four {
		out += fmt.Sprintf("; committed with '--last-four' by %s alone: that is safe only if none of them is malicious, and none of the other old members has locked for another rotation or refused this one", Names(s.locked))
	}
	return out
}

// VerifyCertificate checks the whole certificate against who holds the key and
// the profile of the council.
func VerifyCertificate(h Holding, p Profile, c Certificate) (Switch, error) {
	if err := c.bounded(); err != nil {
		return Switch{}, err
	}
	// What costs little comes first; signatures of wallets and nodes after it.
	if err := c.Rotation.Check(h, c.Succession); err != nil {
		return Switch{}, fmt.Errorf("certificate: %w", err)
	}
	next := c.Succession.Roster
	four, err := c.enough(h.Roster)
	if err != nil {
		return Switch{}, fmt.Errorf("certificate: %w", err)
	}
	if err := c.Succession.Verify(h.Roster, p); err != nil {
		return Switch{}, fmt.Errorf("certificate: %w", err)
	}
	acks, err := c.shares(next)
	if err != nil {
		return Switch{}, fmt.Errorf("certificate: %w", err)
	}
	s := Switch{
		ceremony: c.Ceremony(), rotation: c.Rotation, transcript: c.Transcript, before: h, four: four,
		after:     Holding{Council: h.Council, Roster: next, Epoch: c.Rotation.ToEpoch, Key: h.Key},
		inherited: Inherit(c.Locks),
	}
	for _, l := range c.Locks {
		switch {
		case l.Ceremony != s.ceremony:
			return Switch{}, fmt.Errorf("certificate: the lock of %s is for another rotation", l.Member)
		case l.Acks != acks:
			return Switch{}, fmt.Errorf("certificate: the lock of %s is for other Acks", l.Member)
		}
		if err := l.verify(h, c.Rotation.From); err != nil { // Check has compared From
			return Switch{}, fmt.Errorf("certificate: %w", err)
		}
		s.locked = append(s.locked, l.Member)
	}
	s.by, err = c.hash()
	return s, err
}

func (c Certificate) hash() (common.Hash, error) {
	b, err := c.Encode()
	return crypto.Keccak256Hash(b), err
}

// shares checks what shows that all new members have shares, and gives what the Locks
// say of it.
func (c Certificate) shares(next Roster) (acks common.Hash, err error) {
	if c.Rotation.Still() {
		if len(c.Acks)+len(c.Tests) > 0 || c.Transcript != (common.Hash{}) {
			return acks, errors.New("no share was moved, and it shows Acks, tests or a transcript")
		}
		return acks, nil
	}
	ack := c.Rotation.Ack(c.Transcript)
	if err := ack.verifyAll(next, c.Acks); err != nil {
		return acks, err
	}
	return ack.Set(next), verifyTests(c.Rotation, next, c.Tests)
}

// enough counts the Locks, and reports whether they are the last four: exactly the
// threshold, each of which says so itself.
func (c Certificate) enough(old Roster) (four bool, err error) {
	var plain []MemberID
	for i, l := range c.Locks {
		if i > 0 && c.Locks[i-1].Member >= l.Member {
			return false, errors.New("locks are not sorted by member, one for each")
		}
		if !l.LastFour {
			plain = append(plain, l.Member)
		}
	}
	n, want := len(c.Locks), old.LockQuorum()
	switch {
	case n >= want:
		return false, nil
	case n != old.Threshold:
		return false, WithHint(fmt.Errorf("%d locks of old members; want %d", n, want), "old nodes that have not locked: start them, and they do")
	case len(plain) > 0:
		return false, WithHint(fmt.Errorf("%d locks of old members; want %d, or %d that all say last-four: %s does not", n, want, old.Threshold, Names(plain)),
			"'--last-four' has to be given on all of them; read first what it assumes")
	}
	return true, nil
}

// bounded refuses what is too much to look at.
func (c Certificate) bounded() error {
	for _, x := range []struct {
		what    string
		n, most int
	}{
		{"Acks", len(c.Acks), MaxMembers},
		{"test signatures", len(c.Tests), MaxMembers},
		{"locks", len(c.Locks), MaxMembers},
		{"dealers", len(c.Rotation.Dealers), MaxMembers},
		{"members", len(c.Succession.Roster.Members), MaxMembers},
		{"approvals", len(c.Succession.Approvals), MaxMembers},
		{"acceptances", len(c.Succession.Accepts), MaxMembers},
	} {
		if x.n > x.most {
			return fmt.Errorf("certificate: %d %s; at most %d", x.n, x.what, x.most)
		}
	}
	return nil
}

// Encode gives the certificate's RLP bytes.
func (c Certificate) Encode() ([]byte, error) {
	b, err := rlp.EncodeToBytes(c)
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	return b, nil
}

// DecodeCertificate reads what Encode wrote, and nothing else.
func DecodeCertificate(b []byte) (Certificate, error) {
	var c Certificate
	if len(b) > MaxCertificate {
		return c, fmt.Errorf("certificate of %d bytes; at most %d", len(b), MaxCertificate)
	}
	if err := rlp.DecodeBytes(b, &c); err != nil {
		return Certificate{}, fmt.Errorf("decode certificate: %w", err)
	}
	return c, c.bounded()
}
