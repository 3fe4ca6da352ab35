package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/keystore"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/policy"
	"github.com/millicent-one/signer/tss"
)

// SaveGenesis writes the birth record where a node looks for it.
func SaveGenesis(j *journal.Journal, g council.Genesis) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return err
	}
	return j.PutMeta(metaGenesis, b)
}

// WriteSwitch writes what a journal has of a rotation.
func WriteSwitch(j *journal.Journal, i int, sw council.Switch, certificate []byte) error {
	return writeSwitch(j, i, sw, certificate)
}

// OpenRows are what a lock would carry.
func OpenRows(j *journal.Journal, s Standing) ([]council.OpenRow, error) {
	return (&Node{journal: j, standing: s, holding: s.Holding(), agenda: new(agenda.Agenda)}).openRows()
}

// Lock has a node write its lock, and tells what the machine is told and whether it is
// barred then.
func Lock(j *journal.Journal, s Standing, m council.Member) (answer agenda.Event, barred bool, err error) {
	n := &Node{self: m.ID, peerID: m.Peer, journal: j, standing: s, holding: s.Holding(), agenda: new(agenda.Agenda), log: slog.New(slog.DiscardHandler), chains: map[uint64]*chainWork{7: {}}}
	events, err := n.carryOut(agenda.WriteLock{})
	if err != nil || len(events) != 1 {
		return nil, n.shift.barred, err
	}
	return events[0], n.shift.barred, nil
}

// SwitchTwice has the node of a member take over, and again, as after an error.
func SwitchTwice(j *journal.Journal, keys *keystore.Store, s Standing, m council.Member, e agenda.SwitchShare) (Standing, error) {
	book, err := openRotationBook(j, s.Roster().Version)
	if err != nil {
		return s, err
	}
	n := &Node{self: m.ID, peerID: m.Peer, journal: j, keystore: keys, standing: s, shift: shift{book: book}, between: func(string) {}}
	err = n.switchShare(e)
	return n.standing, errors.Join(err, n.switchShare(e))
}

// MakeCurrent has a node make the share of a switch the current one.
func MakeCurrent(keys *keystore.Store, sw council.Switch) error {
	return (&Node{keystore: keys}).makeCurrent(sw)
}

// Sessions counts the engine sessions that the node has in its table.
func (n *Node) Sessions(ctx context.Context) (int, error) {
	return ask(ctx, n, func() (int, error) { return len(n.runners), nil })
}

// Between has f called between the durable steps of a ceremony.
func (c *Config) Between(f func(step string)) { c.between = f }

// TendSpare has the node look whether a spare set is to be made.
func (n *Node) TendSpare(ctx context.Context) error {
	return n.call(ctx, func() error { n.tendSpare(); return nil })
}

// Remember writes moduli down as those of an earlier ceremony.
func (n *Node) Remember(ctx context.Context, moduli []common.Hash) error {
	return n.call(ctx, func() error { return n.remember(moduli) })
}

// SpareIdle is how long a node with a key is quiet before it makes a spare set.
const SpareIdle = spareIdle

// Tell publishes an event.
func (n *Node) Tell(kind, text string) { n.tell(kind, council.ProposalID{}, "", text) }

// LoseSlots has the node lose what its slots consist of, and know it, as after a
// restart that the others have not noticed yet.
func (n *Node) LoseSlots(ctx context.Context) error {
	return n.call(ctx, func() error { n.shed(); return nil })
}

// AtWork reports whether the node is computing a step of a slot just now.
func (n *Node) AtWork() bool { return len(n.governor.turn) == 0 }

// HeldBack reports whether a step of a slot waits for what is signed live.
func (n *Node) HeldBack() bool {
	n.governor.mu.Lock()
	defer n.governor.mu.Unlock()
	return n.governor.live > 0 && n.AtWork()
}

// BackgroundShare is the part of the time in which steps of slots may run.
func (n *Node) BackgroundShare() float64 { return n.governor.share }

// Armed are the slots that the node has.
func (n *Node) Armed(ctx context.Context) ([]*tss.Armed, error) {
	return ask(ctx, n, func() ([]*tss.Armed, error) { return slices.Collect(maps.Values(n.armed)), nil })
}

// Left counts the slots that a node has left which runs no more.
func (n *Node) Left() int { return len(n.armed) }

// MessageOf and FrameOf turn what a frame carries into a message of a session, and back.
var (
	MessageOf = messageOf
	FrameOf   = frameOf
)

// ShownFrames is what members show each other.
type ShownFrames = shownFrames

// Burden is what a node keeps of what a member has sent too early, and counts of
// what it has dropped and refused, of anyone.
type Burden struct {
	Sessions, Bytes int
	Dropped, Bad    uint64
}

// Burden tells what a member has cost the node.
func (n *Node) Burden(ctx context.Context, m council.MemberID) (Burden, error) {
	return ask(ctx, n, func() (Burden, error) {
		b := Burden{Dropped: n.counters.dropped.Load(), Bad: n.counters.badFrames.Load()}
		if s := n.early.senders[m]; s != nil {
			b.Sessions, b.Bytes = len(s.sessions), s.bytes
		}
		return b, nil
	})
}

// Bounds of what is kept of one member's early frames.
const (
	MaxEarly      = maxEarly
	MaxEarlyBytes = maxEarlyBytes
)

// Turn has the node make a turn of what f does, with what is held until its end.
func (n *Node) Turn(ctx context.Context, f func(*journal.Journal) error, then, instead func()) error {
	return n.call(ctx, func() error {
		return n.together(func() error {
			n.then(then, instead)
			return f(n.book())
		})
	})
}

// Beats are heartbeats on their way.
type Beats = beats

// TakeBeats has the node take heartbeats that a member brought. It tells whether the
// node wrote anything about them to its disk meanwhile.
func (n *Node) TakeBeats(ctx context.Context, from council.MemberID, all ...council.Heartbeat) (wrote bool, _ error) {
	b, err := rlp.EncodeToBytes(beats{all})
	if err != nil {
		return false, err
	}
	err = n.call(ctx, func() error {
		before, _, err := n.book().Meta(metaBeats)
		if err != nil {
			return err
		}
		err = n.takeBeats(p2p.Frame{From: from, Channel: p2p.Record, Type: recordBeats, Payload: b})
		after, _, e := n.book().Meta(metaBeats)
		wrote = !bytes.Equal(before, after)
		return errors.Join(err, e)
	})
	return wrote, err
}

// Beat has the node give a heartbeat if one is due, and write down what it has taken.
func (n *Node) Beat(ctx context.Context) error {
	return n.call(ctx, func() error { n.beat(); return nil })
}

// Append writes an entry of the own feed, and sends it at once or postpones it.
func (n *Node) Append(ctx context.Context, word council.Word, body any, postpone bool) error {
	return n.call(ctx, func() error {
		if !postpone {
			_, err := n.append(word, body)
			return err
		}
		return n.together(func() error {
			e, err := appendTo(n.book(), word, body, n.now())
			if err == nil {
				n.postpone(e)
			}
			return err
		})
	})
}

// Merge has the node take entries that a peer passed on.
func (n *Node) Merge(ctx context.Context, from council.MemberID, all ...journal.Entry) error {
	return n.call(ctx, func() error {
		var batch []received
		for _, e := range all {
			batch = append(batch, received{from: from, entry: e})
		}
		n.merge(batch)
		return nil
	})
}

// CourtRoster is the roster that the node files evidence about.
func (n *Node) CourtRoster(ctx context.Context) (common.Hash, error) {
	return ask(ctx, n, func() (common.Hash, error) { return n.court.roster, nil })
}

// Bar is what stands before an old share.
type Bar = bar

// Pass does what must not happen after the bar is down.
func (b *bar) Pass(f func() error) error { return b.pass(f) }

// Down puts the bar down.
func (b *bar) Down() { b.set(true) }

// Succeed takes up a succession that this node's operator brings.
func (n *Node) Succeed(ctx context.Context, s council.Succession) error {
	_, err := n.BeginRotation(ctx, s, api.CharterText{})
	return err
}

// Heralds has a member pass on a succession so many times. It tells how often the node has
// read its ledger through for that.
func (n *Node) Heralds(ctx context.Context, from council.MemberID, s council.Succession, times int) (weighed uint64, _ error) {
	return ask(ctx, n, func() (uint64, error) {
		before := n.counters.weighed.Load()
		for range times {
			n.step(agenda.Said{From: from, Message: agenda.Herald{Succession: s}})
		}
		return n.counters.weighed.Load() - before, nil
	})
}

// Charter is the hash of the charter that this node works by.
func (n *Node) Charter() common.Hash { return n.charter.Hash() }

// TakeCharter gives the node a text as if a member had sent it.
func (n *Node) TakeCharter(ctx context.Context, from council.MemberID, h common.Hash, t policy.CharterText) error {
	return n.call(ctx, func() error { return n.takeCharter(from, charterFrame{h, t}) })
}

// Rotation says where the rotation of shares stands at this node.
func (n *Node) Rotation(ctx context.Context) (agenda.RotationStatus, error) {
	return ask(ctx, n, func() (s agenda.RotationStatus, _ error) {
		if n.shift.rotation != nil {
			s = n.shift.rotation.Status()
		}
		return s, nil
	})
}

// Locked reports whether the node has locked for a try, and may sign nothing for that.
func (n *Node) Locked(ctx context.Context) (bool, error) {
	return ask(ctx, n, func() (bool, error) {
		if n.shift.rotation == nil {
			return false, nil
		}
		_, locked := n.shift.rotation.Locked()
		_, signs := n.shift.rotation.Signs()
		return locked && !signs && n.shift.barred && len(n.shift.book.past.Locks) == 1, nil
	})
}

// RefuseRotation has this node refuse the succession that it works for.
func (n *Node) RefuseRotation(ctx context.Context, reason string) error {
	_, err := n.AbortRotation(ctx, api.RefuseRequest{Reason: reason})
	return err
}

// LastFour has this node's lock say that the threshold alone may commit.
func (n *Node) LastFour(ctx context.Context) error {
	_, err := n.CommitWithFour(ctx)
	return err
}

// Docket names the evidence that a node holds.
type Docket = docket

// Hello has the node take a member's greeting, by a clock that is so far ahead.
func (n *Node) Hello(ctx context.Context, from council.MemberID, ahead time.Duration) error {
	return n.call(ctx, func() error {
		n.hello(from, hello{Time: uint64(n.now().Add(ahead).UnixMilli()), Life: 1})
		return nil
	})
}

// KnowCharter has the node take up what the policy says of a charter whose text it has.
func (n *Node) KnowCharter(ctx context.Context, k agenda.CharterKnown) error {
	return n.call(ctx, func() error { n.knowCharter(k); return nil })
}

// ShowsCharters reports whether a member that asks for charters at one time is shown
// the text of each.
func (n *Node) ShowsCharters(ctx context.Context, to council.MemberID, hashes ...common.Hash) ([]bool, error) {
	return ask(ctx, n, func() (shown []bool, err error) {
		now := n.now()
		for _, h := range hashes {
			_, ok := n.shownCharter(to, h, now)
			shown = append(shown, ok)
		}
		return shown, nil
	})
}

// Guests are whom a node lets in that starts where the council stands, and has heard of no
// erasure.
func Guests(s Standing) (out []council.MemberID) {
	n := &Node{standing: s, holding: s.Holding(), roster: s.Roster(), erased: erasures{}}
	for _, g := range n.guests() {
		out = append(out, g.Member.ID)
	}
	return out
}

// Shares counts those that this process remembers, by the sessions that made them.
func (s *Sound) Shares() map[council.SessionID]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[council.SessionID]int{}
	for _, x := range s.all {
		out[x.Origin()]++
	}
	return out
}
