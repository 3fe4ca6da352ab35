package evidence

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// Equivocated makes a record, still to be signed, of two frames of one sender
// for one session and type that differ.
func Equivocated(roster common.Hash, a, b p2p.Frame) Record {
	switch t := tss.Round(a.Type); {
	case !t.Broadcast():
		return Told(Equivocation, roster, a, fmt.Sprintf("two different %s messages to one member", t))
	case size(a, b) > MaxRecord-room:
		return Told(Equivocation, roster, a, fmt.Sprintf("two different %s messages, too large for a record", t))
	}
	r := ofMessage(Equivocation, roster, a)
	r.Frames = []p2p.Frame{a, b}
	return r
}

// Told makes a record, still to be signed, that is the reporter's word alone: of
// the frame it has sender, session and type, and nothing of its content.
func Told(k Kind, roster common.Hash, f p2p.Frame, fault string) Record {
	r := ofMessage(k, roster, f)
	r.Fault = clip(fault)
	return r
}

// Refused makes a record, still to be signed, of a message that the guard
// refused for a reason; earlier is the sender's own that it is compared with, if
// it was heard, and cause what a slot was fired for, if earlier is of the slot.
// The record holds only what is needed and may be shown.
func Refused(roster common.Hash, threshold int, f p2p.Frame, earlier *p2p.Frame, cause common.Hash, fault error) Record {
	r := ofMessage(Invalid, roster, f)
	switch {
	case shows(tss.Recheck(message(f), nil, threshold)):
		r.Frames = []p2p.Frame{f}
		return r
	case earlier != nil && tss.Round(f.Type).Broadcast() && size(f, *earlier) <= MaxRecord-room:
		m := message(*earlier)
		if shows(tss.Recheck(message(f), &m, threshold)) {
			r.Frames = []p2p.Frame{f, *earlier}
			if f.Session != earlier.Session {
				r.Cause = cause
			}
			return r
		}
	}
	return Told(Invalid, roster, f, fault.Error())
}

// Forked makes a record, still to be signed, of a fork in a feed.
func Forked(roster, network common.Hash, f journal.Fork) Record {
	return Record{Version: Version, Kind: ForkedFeed, Roster: roster, Culprit: f.B.Author, Entries: []journal.Entry{f.A, f.B}, Network: network}
}

// LockedTwice makes a record, still to be signed, of two Locks of one member and one
// share for two tries; roster is the old one, under which it holds the share.
func LockedTwice(roster common.Hash, f council.Fork) Record {
	return Record{Version: Version, Kind: ForkedLock, Roster: roster, Culprit: f.First.Member, Locks: []council.Lock{f.First, f.Second}}
}

// BegunTwice makes a record, still to be signed, of two Begins of one
// coordinator; ok is false if they don't contradict each other.
func BegunTwice(roster common.Hash, a, b p2p.Frame) (r Record, ok bool) {
	r = Record{Version: Version, Kind: TwoBegins, Roster: roster, Culprit: a.From, Frames: []p2p.Frame{a, b}}
	x, y, err := begins(r.Frames)
	return r, err == nil && a.From == b.From && contradict(x, y) == nil && size(a, b) <= MaxRecord-room
}

// In makes a record of frames one of a council whose first roster has this hash; the
// makers above take the roster that the record names for that.
func (r Record) In(network common.Hash) Record {
	if len(r.Frames) > 0 && network != r.Roster {
		r.Network = network
	}
	return r
}

func ofMessage(k Kind, roster common.Hash, f p2p.Frame) Record {
	return Record{Version: Version, Kind: k, Roster: roster, Culprit: f.From, Session: f.Session, Type: f.Type}
}

// room is what a record needs beside its frames' payloads.
const room = 4 << 10

func size(frames ...p2p.Frame) int {
	n := 0
	for _, f := range frames {
		n += len(f.Payload)
	}
	return n
}

func shows(err error) bool { return !errors.Is(err, tss.ErrNotShown) }

// message is a frame as the engine's room knows it.
func message(f p2p.Frame) tss.Message {
	return tss.Message{Session: f.Session, From: f.From, To: f.To, Round: tss.Round(f.Type), Transcript: f.Transcript, Payload: f.Payload}
}

// Begin reads the Begin that a frame carries.
func Begin(f p2p.Frame) (council.Begin, error) {
	if f.Channel != p2p.Record || f.Type != BeginType {
		return council.Begin{}, errors.New("evidence: a frame is no Begin")
	}
	var m agenda.BeginMessage
	if err := rlp.DecodeBytes(f.Payload, &m); err != nil {
		return council.Begin{}, fmt.Errorf("evidence: decode Begin: %w", err)
	}
	if m.Begin.Coordinator != f.From {
		return council.Begin{}, fmt.Errorf("evidence: a Begin of %s in a frame of %s", m.Begin.Coordinator, f.From)
	}
	return m.Begin, nil
}

func begins(frames []p2p.Frame) (a, b council.Begin, err error) {
	if a, err = Begin(frames[0]); err == nil {
		b, err = Begin(frames[1])
	}
	return a, b, err
}

// contradict explains why two Begins of one coordinator may stand side by side.
func contradict(a, b council.Begin) error {
	switch {
	case a.Hash() == b.Hash():
		return errors.New("evidence: the Begins are the same")
	case a.Council != b.Council || a.Epoch != b.Epoch:
		return errors.New("evidence: the Begins are of different keys")
	case !sameSlot(a, b) && (a.Roster != b.Roster || !a.SameAttempt(b)): // a step that moves no share keeps the epoch
		return errors.New("evidence: the Begins are for different slots and attempts")
	}
	return nil
}

func sameSlot(a, b council.Begin) bool { return a.Slot == b.Slot && a.Slot != council.SessionID{} }

// place names what two Begins are both for.
func place(a, b council.Begin) string {
	if sameSlot(a, b) {
		return "slot " + a.Slot.Short()
	}
	if a.OfMessage() && b.OfMessage() {
		return fmt.Sprintf("attempt %d of proposal %s", a.Attempt, a.Proposal.Short())
	}
	return fmt.Sprintf("attempt %d at nonce %d on chain %d", a.Attempt, a.Nonce, a.Chain)
}

// sameContent reports whether two frames of one place say the same.
func sameContent(a, b p2p.Frame) bool {
	return a.Transcript == b.Transcript && bytes.Equal(a.Payload, b.Payload)
}

func clip(s string) string {
	s = printable(s)
	if len(s) > MaxFault {
		s = printable(s[:MaxFault])
	}
	if s == "" {
		return "no reason given"
	}
	return s
}
