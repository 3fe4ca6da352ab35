package p2p

import (
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Channel is one of the three roads between two nodes. Frames on one channel
// keep their order and don't wait for those of another.
type Channel uint8

// The channels.
const (
	Session Channel = 1 // rounds of a protocol run
	Record  Channel = 2 // entries of feeds, as they happen
	Sync    Channel = 3 // catching up on feeds
)

var channels = [...]Channel{Session, Record, Sync}

func (c Channel) String() string {
	switch c {
	case Session:
		return "session"
	case Record:
		return "record"
	case Sync:
		return "sync"
	}
	return fmt.Sprintf("channel %d", uint8(c))
}

// Max is the size of the largest frame on the channel, in bytes of RLP; 0 for a
// channel that does not exist.
func (c Channel) Max() int {
	switch c {
	case Session:
		return MaxSessionFrame
	case Record:
		return MaxRecordFrame
	case Sync:
		return MaxSyncFrame
	}
	return 0
}

// Frame is one message between nodes. Its RLP, the fields in this order, is
// what travels and what evidence consists of.
type Frame struct {
	From       council.MemberID // the sender; set when sending, and equal to the member of the connection on receipt
	To         council.MemberID // the audience: one member, or "" for all, whoever this copy is sent to
	Channel    Channel
	Session    council.SessionID
	Type       uint8       // meaning is the upper layer's
	Transcript common.Hash // of the broadcasts before this message, as the sender saw them
	Payload    []byte
	Sig        []byte // the sender's node key over the council's first roster and all of the above (council.PurposeFrame)
}

// signed is what a frame's signature covers.
type signed struct {
	Roster     common.Hash
	From, To   council.MemberID
	Channel    Channel
	Session    council.SessionID
	Type       uint8
	Transcript common.Hash
	Payload    []byte
}

func (f Frame) message(roster common.Hash) ([]byte, error) {
	b, err := rlp.EncodeToBytes(signed{roster, f.From, f.To, f.Channel, f.Session, f.Type, f.Transcript, f.Payload})
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	return b, nil
}

// ErrTooLarge is returned for a frame above the bound of its channel.
var ErrTooLarge = errors.New("frame is too large")

// SignFrame returns f with its signature under the roster with this hash. The
// same frame gets the same signature each time.
func SignFrame(key council.NodeSigner, roster common.Hash, f Frame) (Frame, error) {
	if err := f.valid(); err != nil {
		return Frame{}, err
	}
	m, err := f.message(roster)
	if err != nil {
		return Frame{}, err
	}
	return f.signed(key, m)
}

// signed is f with a signature over its message.
func (f Frame) signed(key council.NodeSigner, message []byte) (Frame, error) {
	var err error
	if f.Sig, err = key.SignNode(council.PurposeFrame, message); err != nil {
		return Frame{}, fmt.Errorf("sign frame: %w", err)
	}
	return f, nil
}

// VerifyFrame checks offline that the member f.From of a council's first roster
// signed f.
func VerifyFrame(r council.Roster, f Frame) error {
	h, err := r.Hash()
	if err != nil {
		return err
	}
	return verify(r, h, f)
}

// VerifyFrameOf checks that of any roster of a council; network is the hash of the
// first one, which all frames are bound to.
func VerifyFrameOf(network common.Hash, r council.Roster, f Frame) error {
	return verify(r, network, f)
}

func verify(r council.Roster, hash common.Hash, f Frame) error {
	if err := f.valid(); err != nil {
		return err
	}
	m, ok := r.Member(f.From)
	if !ok {
		return fmt.Errorf("frame: its sender %s is not in the roster", f.From)
	}
	b, err := f.message(hash)
	if err != nil {
		return err
	}
	if err := council.VerifyNode(m.Peer, council.PurposeFrame, b, f.Sig); err != nil {
		return fmt.Errorf("frame of %s: %w", f.From, err)
	}
	return nil
}

// valid checks the fields that are not free bytes.
func (f Frame) valid() error {
	if f.Channel.Max() == 0 {
		return fmt.Errorf("frame: %s does not exist", f.Channel)
	}
	if err := f.From.Valid(); err != nil {
		return fmt.Errorf("frame: sender: %w", err)
	}
	if f.To != "" {
		if err := f.To.Valid(); err != nil {
			return fmt.Errorf("frame: audience: %w", err)
		}
	}
	return nil
}

// EncodeFrame is the frame's canonical RLP.
func EncodeFrame(f Frame) ([]byte, error) {
	if err := f.valid(); err != nil {
		return nil, err
	}
	b, err := rlp.EncodeToBytes(f)
	if err != nil {
		return nil, fmt.Errorf("encode frame: %w", err)
	}
	if len(b) > f.Channel.Max() {
		return nil, council.WithHint(fmt.Errorf("%w: %d bytes on %s; at most %d", ErrTooLarge, len(b), f.Channel, f.Channel.Max()),
			"send it in parts, or shorten what it carries")
	}
	return b, nil
}

// DecodeFrame reads a frame's canonical RLP and nothing else: no trailing
// bytes, no second spelling, no field out of range. It does not check the
// signature.
func DecodeFrame(b []byte) (Frame, error) {
	var f Frame
	if len(b) > MaxSyncFrame {
		return Frame{}, fmt.Errorf("%w: %d bytes; at most %d", ErrTooLarge, len(b), MaxSyncFrame)
	}
	if err := rlp.DecodeBytes(b, &f); err != nil {
		return Frame{}, fmt.Errorf("decode frame: %w", err)
	}
	if err := f.valid(); err != nil {
		return Frame{}, err
	}
	if len(b) > f.Channel.Max() {
		return Frame{}, fmt.Errorf("%w: %d bytes on %s; at most %d", ErrTooLarge, len(b), f.Channel, f.Channel.Max())
	}
	return f, nil
}
