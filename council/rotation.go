package council

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
)

// Holding says who holds the council's key: which roster, under which share
// epoch. A rotation starts from one and ends in the next; council id and address
// stay what they are. The roster's version is raised by each, and orders them; the
// epoch only by those that make the shares anew. A share belongs to its epoch, and
// stays valid under all rosters that hold the key under it.
type Holding struct {
	Council common.Hash // council id: the hash of the birth record
	Roster  Roster
	Epoch   uint64 // share epoch
	Key     common.Address
}

// Holding is who holds the key right after its birth; r is the roster that made
// it.
func (g Genesis) Holding(r Roster) Holding {
	return Holding{Council: g.ID(), Roster: r, Epoch: g.ShareEpoch, Key: g.Key}
}

// Rotation is one try at having a roster take over from the one before. Its hash is
// the ceremony's id, and all that is signed in the ceremony names that id. A try
// that fails is followed by one with another id: Random has a fresh part from
// every new node, so that nobody can make an id repeat.
//
// A still one moves no share: nobody deals, the epoch stays, and anyone can compute
// each try, since Random is its number. There is nothing in it that could fail but the
// agreement, so there is a next try only when an abort certificate has ended the one
// before.
type Rotation struct {
	Council    common.Hash    `json:"council"`
	Succession common.Hash    `json:"succession"` // what members approved of, see Succession.Digest
	From       common.Hash    `json:"from"`       // roster that holds the key
	To         common.Hash    `json:"to"`         // roster that is to hold it
	FromEpoch  uint64         `json:"fromEpoch"`  // share epochs; the new one is the next, or the same in a still one
	ToEpoch    uint64         `json:"toEpoch"`
	Key        common.Address `json:"key"`
	Dealers    []MemberID     `json:"dealers"` // of the old roster, as many as the threshold, sorted: they reshare; in a still one none
	Random     common.Hash    `json:"random"`  // in a still one StillTry
}

// ID is the hash of the whole rotation: the ceremony's id.
func (r Rotation) ID() common.Hash { return hashRLP("millicent/rotation/1", r) }

// Still reports whether the rotation moves no share.
func (r Rotation) Still() bool { return r.FromEpoch == r.ToEpoch }

// StillTry is the Random of a still rotation: the number of the try, from one on.
func StillTry(n uint64) common.Hash { return common.BigToHash(new(big.Int).SetUint64(n)) }

// Rotate plans a rotation. It does not ask whether the succession is agreed on:
// Succession.Verify does.
func Rotate(h Holding, s Succession, dealers []MemberID, random common.Hash) (Rotation, error) {
	from, err := h.Roster.Hash()
	if err != nil {
		return Rotation{}, err
	}
	to, err := s.Roster.Hash()
	if err != nil {
		return Rotation{}, err
	}
	digest, err := s.Digest(h.Roster)
	if err != nil {
		return Rotation{}, err
	}
	if s.Roster.Prev != from {
		return Rotation{}, WithHint(fmt.Errorf("rotation: the new roster follows %s; the key is held by %s", s.Roster.Prev.Hex(), from.Hex()),
			"another rotation may have come first: start again from the roster in force")
	}
	if random == (common.Hash{}) {
		return Rotation{}, errors.New("rotation: no random part")
	}
	r := Rotation{
		Council: h.Council, Succession: digest, From: from, To: to, FromEpoch: h.Epoch, ToEpoch: h.Epoch,
		Key: h.Key, Dealers: slices.Clone(dealers), Random: random,
	}
	if !Compare(h.Roster, s.Roster).Reshares() {
		switch {
		case len(dealers) > 0:
			return Rotation{}, fmt.Errorf("rotation: %s would deal shares, and the succession moves none", Names(dealers))
		case random != StillTry(random.Big().Uint64()):
			return Rotation{}, errors.New("rotation: it moves no share, and its random part is not the number of a try")
		}
		return r, nil
	}
	if len(dealers) != h.Roster.Threshold || !ordered(dealers) {
		return Rotation{}, fmt.Errorf("rotation: dealers are %s; want %d, sorted and distinct", Names(dealers), h.Roster.Threshold)
	}
	for _, m := range dealers {
		if _, ok := h.Roster.Member(m); !ok {
			return Rotation{}, fmt.Errorf("rotation: dealer %s holds no share", m)
		}
	}
	r.ToEpoch++
	return r, nil
}

// Check compares a rotation that somebody else planned with what this node knows.
func (r Rotation) Check(h Holding, s Succession) error {
	want, err := Rotate(h, s, r.Dealers, r.Random)
	if err != nil {
		return err
	}
	if r.ID() != want.ID() {
		return WithHint(fmt.Errorf("rotation: from epoch %d of roster %s to %s; here it is from epoch %d of %s to %s",
			r.FromEpoch, r.From.Hex(), r.To.Hex(), want.FromEpoch, want.From.Hex(), want.To.Hex()), "compare the succession files of both nodes")
	}
	return nil
}

// Session is the id of the engine session that makes the new shares.
func (r Rotation) Session() SessionID {
	return CeremonySession(PurposeShare, r.ToEpoch, r.To, r.Dealers, r.ID())
}

// TestText is what a subset signs to show that its shares of an epoch fit. It
// says that it is a test, and EIP-191's prefix keeps it from ever being a
// transaction.
func TestText(epoch uint64, roster common.Hash, subset []MemberID, ceremony common.Hash) string {
	ids := make([]string, len(subset))
	for i, m := range subset {
		ids[i] = string(m)
	}
	return fmt.Sprintf("%s\nceremony %s\nroster %s\nshare epoch %d\nsigners %s\n",
		testTitle, ceremony.Hex(), roster.Hex(), epoch, strings.Join(ids, ", "))
}

// TestDigest is the EIP-191 hash of that text.
func TestDigest(epoch uint64, roster common.Hash, subset []MemberID, ceremony common.Hash) common.Hash {
	return common.BytesToHash(accounts.TextHash([]byte(TestText(epoch, roster, subset, ceremony))))
}

// TestSubsets covers all members with groups of as many as the threshold.
func (r Roster) TestSubsets() [][]MemberID {
	ids, t := r.IDs(), r.Threshold
	var out [][]MemberID
	for i := 0; i < len(ids); i += t {
		start := min(i, len(ids)-t)
		out = append(out, ids[start:start+t])
	}
	return out
}
