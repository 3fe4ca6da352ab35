package council

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"
)

// MemberID names a seat's holder for people and on the wire: "core-1".
// Lower-case letters, digits and inner hyphens, at most 32 bytes.
type MemberID string

// Valid says what is wrong with the identifier, or nil.
func (id MemberID) Valid() error {
	if len(id) == 0 || len(id) > 32 {
		return fmt.Errorf("member id %.40q: want 1 to 32 characters", string(id))
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '-' && i > 0 && i < len(id)-1:
		default:
			return fmt.Errorf("member id %q: want lower-case letters, digits and inner hyphens", string(id))
		}
	}
	return nil
}

// Seat is the constituency that proposed the member.
type Seat string

// The two constituencies of the constitution.
const (
	Core      Seat = "core"      // proposed by core contributors
	Community Seat = "community" // proposed by the community
)

// Term is the mandate of a member, in unix seconds: Start is in, End is out.
type Term struct {
	Start uint64 `json:"start"`
	End   uint64 `json:"end"`
}

// Holds reports whether the mandate is in force at now (unix seconds).
func (t Term) Holds(now uint64) bool { return t.Start <= now && now < t.End }

// Valid says what is wrong with the term, or nil.
func (t Term) Valid() error {
	if t.Start >= t.End {
		return fmt.Errorf("term from %d to %d is empty", t.Start, t.End)
	}
	return nil
}

// Member is one seat of a roster.
type Member struct {
	ID       MemberID       `json:"id"`
	Seat     Seat           `json:"seat"`
	Peer     string         `json:"peer"`     // libp2p peer id of the node; an Ed25519 key in identity form
	Approver common.Address `json:"approver"` // the member's own wallet
	Term     Term           `json:"term"`
}

// Valid says what is wrong with the member taken alone, or nil.
func (m Member) Valid() error {
	if err := m.ID.Valid(); err != nil {
		return err
	}
	if m.Seat != Core && m.Seat != Community {
		return fmt.Errorf("member %s: seat %q: want %q or %q", m.ID, m.Seat, Core, Community)
	}
	if _, err := NodeKey(m.Peer); err != nil {
		return fmt.Errorf("member %s: %w", m.ID, err)
	}
	if m.Approver == (common.Address{}) {
		return fmt.Errorf("member %s: approver is the zero address", m.ID)
	}
	if err := m.Term.Valid(); err != nil {
		return fmt.Errorf("member %s: %w", m.ID, err)
	}
	return nil
}

// PeerID decodes the node's libp2p identity.
func (m Member) PeerID() (peer.ID, error) { return peer.Decode(m.Peer) }
