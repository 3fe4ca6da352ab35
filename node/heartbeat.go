package node

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// beats are heartbeats on their way, and on the disk: each of another member.
type beats struct{ All []council.Heartbeat }

// loadBeats reads when members were last proven alive.
func (n *Node) loadBeats() error {
	b, ok, err := n.book().Meta(metaBeats)
	if err != nil {
		return err
	}
	var kept beats
	if ok {
		if err := rlp.DecodeBytes(b, &kept); err != nil { // the others bring them again
			n.log.Warn("the heartbeats on the disk can't be read", "err", err)
			kept.All = nil
		}
	}
	n.roll = agenda.NewRollCall(n.self, n.roster, n.timing.MaxSkew, kept.All)
	return nil
}

// beat gives this node's heartbeat when it is due, and with it passes on all that it
// has of the others: so all come to know the same, whoever can reach whom. It is
// asked every few seconds, and not by a timer: a machine may sleep. What others have
// brought meanwhile is written down here, and not as it comes: the owner does not wait
// for the disk whenever a member likes. What is lost with the process, they bring again.
func (n *Node) beat() {
	if !n.roll.Due(n.now()) {
		if n.rollNews {
			n.keepBeats()
		}
		return
	}
	h := council.Heartbeat{Member: n.self, Roster: n.court.roster, Time: uint64(max(n.now().Unix(), 1)), Version: clipVersion(n.version), Share: council.ShareNone}
	if g := n.agenda.Genesis(); g != nil {
		h.Council, h.Epoch, h.Share = g.ID(), n.holding.Epoch, n.shareHealth()
		denies, _ := n.policy.Closed()
		h.Signs = n.agenda.Watching() == "" && n.agenda.Stopped() == "" && denies == "" && n.share != nil
	}
	h, err := h.Sign(n.signer)
	if err != nil {
		n.log.Error("heartbeat", "err", err)
		return
	}
	before := n.roll.Last()
	n.roll.Gave(h)
	if !n.keepBeats() { // nothing is said that could be said again after a restart
		n.roll = agenda.NewRollCall(n.self, n.roster, n.timing.MaxSkew, before)
		return
	}
	for _, m := range n.transport.Online() {
		n.sendBeats(m)
	}
}

// sendBeats gives a member the heartbeats that this node has. A guest works under
// another roster, or is about to, and they would say nothing to it.
func (n *Node) sendBeats(to council.MemberID) {
	if _, member := n.roster.Member(to); member {
		n.sendRecord(to, recordBeats, beats{n.roll.Last()})
	}
}

// shareHealth compares the share on the disk with the one in memory: a disk that
// fails shows here, while there still is a node that can say so.
func (n *Node) shareHealth() council.ShareHealth {
	if n.share == nil {
		return council.ShareNone
	}
	epoch, stored, err := n.keystore.Current()
	defer clear(stored)
	if err == nil && epoch == n.share.Epoch() {
		var own []byte
		own, err = n.share.MarshalBinary()
		defer clear(own)
		if err == nil && bytes.Equal(own, stored) {
			return council.ShareSound
		}
	}
	n.log.Error("the share on the disk is not the one in use", "epoch", epoch, "err", err)
	return council.ShareDamaged
}

// keepBeats writes the heartbeats down.
func (n *Node) keepBeats() bool {
	b, err := rlp.EncodeToBytes(beats{n.roll.Last()})
	if err == nil {
		err = n.write(func(j *journal.Journal) error { return j.PutMeta(metaBeats, b) })
	}
	if err != nil {
		n.log.Error("keep heartbeats", "err", err)
		return false
	}
	n.rollNews = false
	return true
}

// takeBeats takes heartbeats that a member brought, of whomever. An honest node
// brings one of each member at most.
func (n *Node) takeBeats(f p2p.Frame) error {
	if _, member := n.roster.Member(f.From); !member {
		return nil // from who has left, say: they are of the roster before
	}
	var m beats
	if err := rlp.DecodeBytes(f.Payload, &m); err != nil {
		return fmt.Errorf("decode heartbeats: %w", err)
	}
	if most := len(n.roster.Members); len(m.All) > most {
		return fmt.Errorf("%d heartbeats at once; at most %d", len(m.All), most)
	}
	for i, h := range m.All {
		if slices.ContainsFunc(m.All[:i], func(x council.Heartbeat) bool { return x.Member == h.Member }) {
			return errors.New("two heartbeats of one member at once")
		}
	}
	var wrong []error
	for _, h := range m.All {
		absent, was := n.roll.Absent(h), n.roll.Share(h.Member)
		news, err := n.roll.Take(h, f.From, n.now())
		n.rollNews = n.rollNews || news
		if news && absent {
			n.tell("alive", council.ProposalID{}, h.Member, fmt.Sprintf("%s is proven alive", h.Member))
		}
		if news && was != 0 && was != h.Share {
			n.tell("share", council.ProposalID{}, h.Member, fmt.Sprintf("%s says of its share: %s", h.Member, h.Share))
		}
		var ahead *agenda.AheadError
		if errors.As(err, &ahead) && ahead.News {
			n.tell("clock", council.ProposalID{}, ahead.Member, err.Error())
		}
		wrong = append(wrong, err)
	}
	return errors.Join(wrong...)
}

// clipVersion makes a version that a heartbeat may carry.
func clipVersion(v string) string {
	if len(v) > council.MaxVersion {
		v = v[:council.MaxVersion]
	}
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, []byte(v)))
}

// viewBeats is when each member was last proven alive.
func (n *Node) viewBeats() []api.Heartbeat {
	out := []api.Heartbeat{}
	for _, h := range n.roll.Last() {
		b, err := council.EncodeHeartbeat(h)
		if err != nil {
			n.log.Error("show heartbeat", "err", err)
			continue
		}
		out = append(out, api.Heartbeat{Member: h.Member, At: at(h.Time), Version: h.Version, ShareEpoch: h.Epoch, Share: h.Share.String(), Signs: h.Signs, Record: b})
	}
	return out
}

// beatWarnings says what the heartbeats show.
func (n *Node) beatWarnings() []string {
	key := common.Hash{}
	if g := n.agenda.Genesis(); g != nil {
		key = g.ID()
	}
	return n.roll.Wrong(n.now(), key)
}
