package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// Frame types on the record and sync channels. They are never reused.
const (
	recordEntry    = 1
	recordHello    = 2
	recordBeats    = 3
	recordTold     = 4  // all that there is to tell of rotations has been sent before this
	recordMessage  = 16 // plus the tag of the agenda's message
	syncHeads      = 1
	syncEntries    = 2
	syncFrames     = 3
	syncEvidence   = 4
	syncPublic     = 5
	syncDocket     = 6
	syncCharterAsk = 7
	syncCharter    = 8
)

// hello is the first word to a peer.
type hello struct {
	Time    uint64 // unix milliseconds
	Version string // of the software
	Council common.Hash
	Life    uint64 // drawn when the process starts: another one means that it has forgotten its sessions
	Roster  uint64 // version of the one that holds the key, as its journal knows; zero before there is a key
}

// heads is a vector of feed heads. An answer is not answered by another.
type heads struct {
	Heads  []journal.Head
	Answer bool
}

// entries is a batch of feed entries; More says that there are others.
type entries struct {
	Entries []journal.Entry
	More    bool
}

// docket names the evidence that a node holds and that convicts. An answer is not
// answered by another.
type docket struct {
	Held   []journal.Holding
	Answer bool
}

func (n *Node) sendRecord(to council.MemberID, kind uint8, v any) {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		n.log.Error("encode record", "kind", kind, "err", err)
		return
	}
	n.send(to, p2p.Frame{Channel: p2p.Record, Type: kind, Payload: b})
}

func (n *Node) sendSync(to council.MemberID, kind uint8, v any) {
	b, err := rlp.EncodeToBytes(v)
	if err != nil {
		n.log.Error("encode sync", "kind", kind, "err", err)
		return
	}
	n.send(to, p2p.Frame{To: to, Channel: p2p.Sync, Type: kind, Payload: b})
}

// send gives a frame to the transport; when to is empty, to all online who may hear it.
func (n *Node) send(to council.MemberID, f p2p.Frame) {
	targets := []council.MemberID{to}
	if to == "" {
		targets = n.audience()
	}
	for _, m := range targets {
		if m != n.self {
			n.then(func() { n.transmit(m, f) }, nil)
		}
	}
}

// transmit gives a frame to the transport at once, on any goroutine.
func (n *Node) transmit(to council.MemberID, f p2p.Frame) {
	if err := n.transport.Send(context.Background(), to, f); err != nil && !errors.Is(err, p2p.ErrOffline) {
		n.log.Debug("send", "to", to, "channel", f.Channel, "type", f.Type, "err", err)
	}
}

func (n *Node) sendMessage(to council.MemberID, m agenda.Message) {
	tag, b, err := agenda.EncodeMessage(m)
	if err != nil {
		n.log.Error("encode message", "err", err)
		return
	}
	f := p2p.Frame{Channel: p2p.Record, Type: recordMessage + tag, Payload: b}
	n.send(to, f)
	switch m.(type) {
	case agenda.CertificateMessage, agenda.ErasureMessage: // what ends a share is for who has left, too
		for _, m := range n.transport.Online() {
			if to == "" && n.left(m) {
				n.send(m, f)
			}
		}
	}
}

// frames takes a frame and those that wait behind it. Messages of sessions go
// first, since somebody waits for them; entries of feeds are written down in one
// step, and before what was said about them. More of those than a turn has room for
// come in the next one.
func (n *Node) frames(first p2p.Frame, more <-chan p2p.Frame) {
	n.newTurn()
	batch := []p2p.Frame{first}
	weigh := func(f p2p.Frame) {
		if isEntry(f) {
			n.flow.room -= weight(len(f.Payload))
		}
	}
	weigh(first)
	for drained := false; !drained && len(batch) < frameBatch && n.flow.room > 0; {
		select {
		case f, ok := <-more:
			if drained = !ok; ok {
				batch = append(batch, f)
				weigh(f)
			}
		default:
			drained = true
		}
	}
	var entries []received
	rest := batch[:0]
	for _, f := range batch {
		switch {
		case f.Channel == p2p.Session:
			n.sessionFrame(f)
		case isEntry(f):
			if !n.peer(f.From).brought.spend(n.now(), weight(len(f.Payload)), feeding) {
				n.counters.dropped.Add(1) // the next comparison finds it
				continue
			}
			x := received{from: f.From}
			if err := rlp.DecodeBytes(f.Payload, &x.entry); err != nil {
				n.refuse(f, fmt.Errorf("decode entry: %w", err))
				continue
			}
			entries = append(entries, x)
		default:
			rest = append(rest, f)
		}
	}
	n.merge(entries)
	for _, f := range rest {
		var err error
		switch f.Channel {
		case p2p.Record:
			err = n.recordFrame(f)
		case p2p.Sync:
			err = n.syncFrame(f)
		}
		if err != nil {
			n.refuse(f, err)
		}
	}
}

func isEntry(f p2p.Frame) bool { return f.Channel == p2p.Record && f.Type == recordEntry }

// refuse counts a frame that makes no sense.
func (n *Node) refuse(f p2p.Frame, err error) {
	n.counters.badFrames.Add(1)
	n.complain("frame refused", f.From, "channel", f.Channel, "type", f.Type, "err", err)
}

func (n *Node) recordFrame(f p2p.Frame) error {
	if !n.peer(f.From).talk.spend(n.now(), 1, talkative) {
		n.counters.dropped.Add(1)
		return nil
	}
	switch {
	case f.Type == recordHello:
		var h hello
		if err := rlp.DecodeBytes(f.Payload, &h); err != nil {
			return fmt.Errorf("decode hello: %w", err)
		}
		n.hello(f.From, h)
		return nil
	case f.Type == recordBeats:
		return n.takeBeats(f)
	case f.Type == recordTold:
		n.told(f.From)
		return nil
	case f.Type > recordMessage:
		m, err := agenda.DecodeMessage(f.Type-recordMessage, f.Payload)
		if err != nil {
			return err
		}
		if f.Type == evidence.BeginType {
			if n.left(f.From) {
				n.overstep(f, "a call to sign")
				return nil
			}
			n.keepBegin(f)
		}
		n.step(agenda.Said{From: f.From, Message: m})
		return nil
	}
	return fmt.Errorf("unknown record type %d", f.Type)
}

// hello compares clocks. The time on the way makes a good clock look a little
// slow, never fast; the bound is far above it. A member may greet as often as it
// likes, and is told of once an hour: the status is always exact.
func (n *Node) hello(from council.MemberID, h hello) {
	p := n.peer(from)
	if p.life != 0 && p.life != h.Life {
		n.step(agenda.PeerRestarted{Member: from})
	}
	p.version, p.life = clipVersion(h.Version), h.Life // people are shown it
	if h.Roster > 0 {
		n.passOn(from, func(sw council.Switch) bool { return sw.Before().Roster.Version >= h.Roster })
	}
	skew := time.UnixMilli(int64(h.Time)).Sub(n.now())
	p.skew = skew.Round(time.Second)
	if now := n.now(); skew.Abs() > n.timing.MaxSkew && (p.skewed.IsZero() || now.Sub(p.skewed) >= skewEvery) {
		p.skewed = now
		n.log.Warn("clocks differ", "member", from, "by", p.skew)
		n.tell("clock", council.ProposalID{}, from, fmt.Sprintf("the clock of %s is %s off from this node's", from, p.skew))
	}
}

func (n *Node) peerEvent(ev p2p.Event) {
	switch ev := ev.(type) {
	case p2p.PeerUp:
		p := n.peer(ev.Member)
		p.online, p.since, p.detail, p.roster, p.passed = true, n.now(), "", nil, time.Time{}
		p.evidence = caughtUp{}
		n.log.Info("peer up", "member", ev.Member)
		n.tell("peer-up", council.ProposalID{}, ev.Member, string(ev.Member)+" is online")
		h := hello{Time: uint64(n.now().UnixMilli()), Version: n.version, Life: n.life}
		if g := n.agenda.Genesis(); g != nil {
			h.Council, h.Roster = g.ID(), n.holding.Roster.Version
		}
		n.sendRecord(ev.Member, recordHello, h)
		n.sendHeads(ev.Member, false)
		if !n.left(ev.Member) {
			n.sendDocket(ev.Member, false)
			n.showPublic(ev.Member)
		}
		n.tellErasures(ev.Member)
		n.sendBeats(ev.Member)
		n.step(agenda.PeerUp{Member: ev.Member, RTT: ev.RTT})
		n.sendRecord(ev.Member, recordTold, struct{}{})
		n.resume(ev.Member)
	case p2p.PeerDown:
		p := n.peer(ev.Member)
		p.online, p.since = false, n.now()
		if ev.Err != nil {
			p.detail = ev.Err.Error()
		}
		n.log.Info("peer down", "member", ev.Member, "err", ev.Err)
		n.tell("peer-down", council.ProposalID{}, ev.Member, string(ev.Member)+" is offline")
		n.step(agenda.PeerDown{Member: ev.Member})
	case p2p.Refused:
		n.log.Warn("connection refused", "member", ev.Member, "peer", ev.Peer, "addr", ev.Addr, "reason", ev.Reason, "count", ev.Count)
		who := ev.Peer
		if ev.Member != "" {
			who = string(ev.Member)
			p := n.peer(ev.Member)
			p.detail = ev.Reason.Error()
			var other *p2p.RosterError
			if errors.As(ev.Reason, &other) {
				h := other.Theirs
				p.roster = &h
			}
		}
		n.tell("refused", council.ProposalID{}, ev.Member, fmt.Sprintf("%s was refused: %v", who, ev.Reason))
	case p2p.Misbehaved:
		n.log.Warn("peer misbehaved", "member", ev.Member, "err", ev.Err, "count", ev.Count)
		n.tell("misbehaved", council.ProposalID{}, ev.Member, fmt.Sprintf("%s sent what no honest node sends: %v", ev.Member, ev.Err))
	}
}

// sessionFrame routes an engine message to its session, or keeps it for a
// moment: others may start a session before this node does.
func (n *Node) sessionFrame(f p2p.Frame) {
	if n.left(f.From) {
		n.overstep(f, "messages of a session")
		return
	}
	n.keepFrame(f)
	if r, ok := n.runners[f.Session]; ok {
		r.deliver(messageOf(f))
		return
	}
	if n.ended[f.Session] {
		return
	}
	n.counters.dropped.Add(uint64(n.early.keep(f)))
}

func messageOf(f p2p.Frame) tss.Message {
	return tss.Message{Session: f.Session, From: f.From, To: f.To, Round: tss.Round(f.Type), Transcript: f.Transcript, Payload: f.Payload}
}

func frameOf(m tss.Message) p2p.Frame {
	return p2p.Frame{To: m.To, Channel: p2p.Session, Session: m.Session, Type: uint8(m.Round), Transcript: m.Transcript, Payload: m.Payload}
}
