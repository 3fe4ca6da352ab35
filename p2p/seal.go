package p2p

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// seal signs what one node sends and checks what it receives. Host and Network
// share it, so that a frame that passes in memory passes on the wire.
type seal struct {
	self   council.MemberID
	key    council.NodeSigner
	roster council.Roster // with the guests
	hash   common.Hash    // of the network

	mu   sync.Mutex
	last sealed
}

// sealed is a frame for all as it was signed: the same bytes go to each member in turn,
// and nearly all that they cost is the signature.
type sealed struct{ message, bytes []byte }

// door says who is let in: the members of a roster, and guests.
type door struct {
	roster  council.Roster
	guests  []council.Member
	network common.Hash // zero: the hash of the roster
}

func newSeal(self council.MemberID, key council.NodeSigner, r council.Roster) (*seal, error) {
	return door{roster: r}.seal(self, key)
}

// seal makes the seal of one node. Its network stays the same over all rosters of
// a council, so that a node that was away still hears of the next one.
func (d door) seal(self council.MemberID, key council.NodeSigner) (*seal, error) {
	r := d.roster
	if err := r.Valid(); err != nil {
		return nil, err
	}
	h := d.network
	if h == (common.Hash{}) {
		var err error
		if h, err = r.Hash(); err != nil {
			return nil, err
		}
	}
	r.Members = slices.Clone(r.Members)
	for _, g := range d.guests {
		if _, ok := r.Member(g.ID); ok {
			return nil, council.WithHint(fmt.Errorf("guest %s is in roster version %d already", g.ID, r.Version), "a member that moves to another node leaves first, or another joins in its place")
		}
		r.Members = append(r.Members, g)
	}
	slices.SortFunc(r.Members, func(x, y council.Member) int { return cmp.Compare(x.ID, y.ID) })
	if err := r.Valid(); err != nil { // of all together: no key twice, and not too many
		return nil, fmt.Errorf("roster with guests: %w", err)
	}
	m, ok := r.Member(self)
	if !ok {
		return nil, council.WithHint(fmt.Errorf("%s is not in roster version %d", self, r.Version), "check the member id in signer.yaml against 'signer roster show'")
	}
	probe := []byte("is this key the roster's?")
	sig, err := key.SignNode(council.PurposeFrame, probe)
	if err != nil {
		return nil, fmt.Errorf("node key of %s: %w", self, err)
	}
	if err := council.VerifyNode(m.Peer, council.PurposeFrame, probe, sig); err != nil {
		return nil, council.WithHint(fmt.Errorf("the node key is not the one that the roster has for %s (%s)", self, m.Peer),
			"restore the node key that made the member card, or rotate the seat to a card made with this one")
	}
	return &seal{self: self, key: key, roster: r, hash: h}, nil
}

// pack signs and encodes a frame for one recipient.
func (s *seal) pack(to council.MemberID, f Frame) ([]byte, error) {
	if to == s.self {
		return nil, errors.New("a node does not send to itself")
	}
	if _, ok := s.roster.Member(to); !ok {
		return nil, fmt.Errorf("%s is not in roster version %d", to, s.roster.Version)
	}
	if f.To != "" && f.To != to {
		return nil, fmt.Errorf("a frame for %s is not sent to %s", f.To, to)
	}
	f.From = s.self
	if err := f.valid(); err != nil {
		return nil, err
	}
	if len(f.Payload) > f.Channel.Max() {
		return nil, council.WithHint(fmt.Errorf("%w: %d bytes of payload on %s; at most %d", ErrTooLarge, len(f.Payload), f.Channel, f.Channel.Max()),
			"send it in parts, or shorten what it carries")
	}
	return s.sign(f)
}

// sign returns the bytes of a signed frame, which nobody may change.
func (s *seal) sign(f Frame) ([]byte, error) {
	message, err := f.message(s.hash)
	if err != nil {
		return nil, err
	}
	if b := s.again(message); b != nil {
		return b, nil
	}
	if f, err = f.signed(s.key, message); err != nil {
		return nil, err
	}
	b, err := EncodeFrame(f)
	if err == nil && f.To == "" {
		s.mu.Lock()
		s.last = sealed{message, b}
		s.mu.Unlock()
	}
	return b, err
}

// again returns what was sent last to all, if this is it; nil otherwise.
func (s *seal) again(message []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !bytes.Equal(message, s.last.message) {
		return nil
	}
	return s.last.bytes
}

// open decodes and checks a frame that came from a member on a channel.
func (s *seal) open(from council.MemberID, ch Channel, b []byte) (Frame, error) {
	f, err := DecodeFrame(b)
	if err != nil {
		return Frame{}, err
	}
	switch {
	case f.From != from:
		return Frame{}, fmt.Errorf("frame claims to be from %s", f.From)
	case f.Channel != ch:
		return Frame{}, fmt.Errorf("frame of %s came on %s", f.Channel, ch)
	case f.To != "" && f.To != s.self:
		return Frame{}, fmt.Errorf("frame is for %s", f.To)
	}
	if err := verify(s.roster, s.hash, f); err != nil {
		return Frame{}, err
	}
	return f, nil
}
