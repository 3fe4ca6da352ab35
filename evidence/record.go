package evidence

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// Version is that of the record's format.
const Version = 1

// Kind is what a record shows. The numbers are part of the format.
type Kind uint8

// The kinds.
const (
	Equivocation Kind = 1
	ForkedFeed   Kind = 2
	TwoBegins    Kind = 3
	Invalid      Kind = 4
	ForkedLock   Kind = 5
)

func (k Kind) String() string {
	switch k {
	case Equivocation:
		return "equivocation"
	case ForkedFeed:
		return "forked-feed"
	case TwoBegins:
		return "two-begins"
	case Invalid:
		return "invalid-message"
	case ForkedLock:
		return "forked-lock"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// BeginType is the type of the frames, on the record channel, that carry an
// agenda.BeginMessage.
const BeginType = 17

// Record is one piece of evidence. Its RLP, the fields in this order, is what is
// stored, passed on and exported.
type Record struct {
	Version uint64
	Kind    Kind
	Roster  common.Hash // hash of the one that the culprit signed under
	Culprit council.MemberID
	Session council.SessionID // of a session's messages; zero for other kinds
	Type    uint8             // of the messages; zero for other kinds

	// Frames are the culprit's own. Equivocation and TwoBegins: the two.
	// Invalid: the message, and after it the earlier one that it has to be
	// compared with, if it has to. None if they can't be shown.
	Frames  []p2p.Frame
	Cause   common.Hash     // what a slot was fired for (council.FireSession), when the earlier frame is of the session that armed it
	Entries []journal.Entry // ForkedFeed: the two
	Network common.Hash     // what entries and frames are bound to: the hash of the first roster. Of frames under that one it is zero

	Fault    string // when nothing can be shown: what the reporter's node found
	Seen     uint64 // unix seconds, by the reporter's clock
	Reporter council.MemberID
	Sig      []byte // the reporter's node key over all else (council.PurposeEvidence)

	Locks []council.Lock `rlp:"optional"` // ForkedLock: the two. Records of before end without them
}

// ID names the record: the hash of all but the signature.
func (r Record) ID() common.Hash {
	b, err := r.message()
	if err != nil {
		panic("evidence: hash record: " + err.Error()) // only a change of this type can bring it
	}
	return crypto.Keccak256Hash([]byte("millicent/evidence/1\x00"), b)
}

// Short is the beginning of the id, for people.
func (r Record) Short() string { return r.ID().Hex()[:10] }

func (r Record) message() ([]byte, error) {
	r.Sig = nil
	b, err := rlp.EncodeToBytes(r)
	if err != nil {
		return nil, fmt.Errorf("encode evidence: %w", err)
	}
	return b, nil
}

// Sign gives the record to its reporter, who saw it at a time in unix seconds.
func (r Record) Sign(key council.NodeSigner, reporter council.MemberID, seen uint64) (Record, error) {
	r.Reporter, r.Seen = reporter, seen
	m, err := r.message()
	if err != nil {
		return Record{}, err
	}
	if r.Sig, err = key.SignNode(council.PurposeEvidence, m); err != nil {
		return Record{}, fmt.Errorf("sign evidence: %w", err)
	}
	return r, r.Valid()
}

// Shown reports whether the record holds what convicts, and not only the
// reporter's word.
func (r Record) Shown() bool { return len(r.Frames) > 0 || len(r.Entries) > 0 || len(r.Locks) > 0 }

// Subject is the same for two records of one kind about the same thing. One of
// them is enough. It is computed from what the record says and proves nothing.
func (r Record) Subject() common.Hash {
	s := struct {
		Kind    Kind
		Culprit council.MemberID
		Session council.SessionID
		Type    uint8
		Place   []byte
	}{r.Kind, r.Culprit, r.Session, r.Type, nil}
	switch {
	case r.Kind == ForkedFeed && len(r.Entries) == 2:
		s.Place = fmt.Append(nil, r.Entries[1].Seq)
	case r.Kind == ForkedLock && len(r.Locks) == 2:
		l := r.Locks[0] // the first of each share follows none
		s.Place = fmt.Append(nil, l.Council, l.Roster, l.Epoch, l.After)
	case r.Kind == TwoBegins && len(r.Frames) == 2:
		// What can't be read is refused by Verify, whatever its subject.
		if a, b, err := begins(r.Frames); err == nil {
			s.Place = fmt.Append(nil, place(a, b))
		}
	}
	b, err := rlp.EncodeToBytes(s)
	if err != nil {
		panic("evidence: hash subject: " + err.Error()) // only a change of this function can bring it
	}
	return crypto.Keccak256Hash([]byte("millicent/evidence-subject/1\x00"), b)
}

// Encode is the canonical form.
func Encode(r Record) ([]byte, error) {
	if err := r.Valid(); err != nil {
		return nil, err
	}
	b, err := rlp.EncodeToBytes(r)
	if err != nil {
		return nil, fmt.Errorf("encode evidence: %w", err)
	}
	if len(b) > MaxRecord {
		return nil, fmt.Errorf("evidence of %d bytes; at most %d", len(b), MaxRecord)
	}
	return b, nil
}

// Decode reads what Encode wrote and nothing else: one record has one encoding.
// It checks the form. Whether the record is true is for Verify.
func Decode(b []byte) (Record, error) {
	if len(b) > MaxRecord {
		return Record{}, fmt.Errorf("decode evidence: %d bytes; at most %d", len(b), MaxRecord)
	}
	var r Record
	if err := rlp.DecodeBytes(b, &r); err != nil {
		return Record{}, council.WithHint(fmt.Errorf("decode evidence: %w", err), "take a file that 'signer evidence show ID --out FILE' wrote, whole and unchanged")
	}
	if err := r.Valid(); err != nil {
		return Record{}, err
	}
	return r, nil
}

// Valid checks the form: each kind has its material and no other, and nothing
// that must not be kept.
func (r Record) Valid() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("evidence: "+format, args...)
	}
	if r.Version != Version {
		return council.WithHint(fail("format version %d; this program knows %d", r.Version, Version), "use the program version that wrote it, or a later one")
	}
	if err := r.Culprit.Valid(); err != nil {
		return fail("culprit: %w", err)
	}
	if err := r.Reporter.Valid(); err != nil {
		return fail("reporter: %w", err)
	}
	ofSession := r.Kind == Equivocation || r.Kind == Invalid
	switch {
	case r.Kind < Equivocation || r.Kind > ForkedLock:
		return fail("%s does not exist", r.Kind)
	case r.Seen == 0 || r.Seen > maxTime:
		return fail("time %d is outside 1 to %d", r.Seen, uint64(maxTime))
	case len(r.Sig) != ed25519.SignatureSize:
		return fail("signature of %d bytes; want %d", len(r.Sig), ed25519.SignatureSize)
	case len(r.Frames) > maxFrames:
		return fail("%d frames; at most %d", len(r.Frames), maxFrames)
	case r.Shown() == (r.Fault != ""):
		return fail("want what convicts, or the fault in words")
	case len(r.Fault) > MaxFault || printable(r.Fault) != r.Fault:
		return fail("fault is no line of text of at most %d bytes", MaxFault)
	case ofSession != tss.Round(r.Type).Known(), !ofSession && r.Type != 0:
		return fail("type %d does not fit %s", r.Type, r.Kind)
	case !ofSession && (r.Session != council.SessionID{} || !r.Shown()):
		return fail("%s has a session, or shows nothing", r.Kind)
	case r.Kind == ForkedFeed != (len(r.Entries) > 0), r.Kind == ForkedFeed && (len(r.Entries) != 2 || len(r.Frames) > 0), r.Kind != ForkedFeed && len(r.Frames) == 0 && r.Network != common.Hash{}:
		return fail("entries, network and frames don't fit %s", r.Kind)
	case r.Locks != nil && len(r.Locks) == 0:
		return fail("an empty list of locks where none belongs") // it would be a second encoding
	case r.Kind == ForkedLock != (len(r.Locks) > 0), r.Kind == ForkedLock && (len(r.Locks) != 2 || len(r.Frames) > 0):
		return fail("locks and frames don't fit %s", r.Kind)
	case (r.Kind == Equivocation || r.Kind == TwoBegins) && len(r.Frames) == 1:
		return fail("one frame is no %s", r.Kind)
	case r.Cause != common.Hash{} && (r.Kind != Invalid || len(r.Frames) != 2):
		return fail("names a cause and does not need it")
	}
	for _, f := range r.Frames {
		if err := showable(r.Kind, len(r.Frames), f); err != nil {
			return err
		}
	}
	return nil
}

// printable is s without what could play tricks on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// showable refuses frames that no record may hold. Of messages to one member
// only such can be in it that are invalid by themselves.
func showable(k Kind, frames int, f p2p.Frame) error {
	if k == TwoBegins {
		return nil // Verify wants to see two Begins
	}
	switch t := tss.Round(f.Type); {
	case f.Channel != p2p.Session || !t.Known():
		return errors.New("evidence: a frame is no message of a session")
	case t.Secret():
		return fmt.Errorf("evidence: a frame is %s, which carries a secret", t)
	case !t.Broadcast() && (k != Invalid || frames != 1):
		return fmt.Errorf("evidence: a frame is %s, which is for one member", t)
	}
	return nil
}
