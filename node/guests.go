package node

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/p2p"
)

// guests are who this node is connected with beside the members of its roster: those
// that its owner expects (it may be one of them itself), those who come in with a
// succession that is agreed on and not over, and those who have left and have not said
// yet that their share is gone, since nobody else tells them that it has to go. Who is
// silent about it is let in until the second rotation after its own that moves shares:
// mandates end, so there is one, and no door stays open for good.
func (n *Node) guests() []p2p.Guest {
	out := slices.Clone(n.expected)
	add := func(g p2p.Guest) {
		m := g.Member
		taken := func(o council.Member) bool { return o.ID == m.ID || o.Peer == m.Peer || o.Approver == m.Approver }
		if slices.ContainsFunc(n.roster.Members, taken) || slices.ContainsFunc(out, func(o p2p.Guest) bool { return taken(o.Member) }) {
			return
		}
		if len(n.roster.Members)+len(out) < council.MaxMembers {
			out = append(out, g)
		}
	}
	if r := n.shift.rotation; r != nil {
		if sw, ok := r.Switched(); !ok || n.holding.Roster.Version < sw.After().Roster.Version {
			for _, s := range r.Successions() {
				for i, m := range s.Roster.Members {
					add(p2p.Guest{Member: m, Record: s.Addresses[i]})
				}
			}
		}
	}
	moved := 0
	for _, sw := range slices.Backward(n.standing.Switches) {
		if sw.Rotation().Still() { // all stay, and nobody has a share that should go
			continue
		}
		if moved++; moved > leaverSteps {
			break
		}
		for _, m := range sw.Before().Roster.Members {
			if n.holding.Roster.Version > sw.Before().Roster.Version && !n.erased.has(sw.Ceremony(), m.ID) {
				add(p2p.Guest{Member: m})
			}
		}
	}
	slices.SortFunc(out, func(x, y p2p.Guest) int { return cmp.Compare(x.Member.ID, y.Member.ID) })
	return out
}

// withIncoming are the members, and who comes in with a succession that is agreed on:
// all who may speak in a session of now.
func (n *Node) withIncoming() council.Roster {
	r := n.roster
	if n.shift.rotation == nil {
		return r
	}
	r.Members = slices.Clone(r.Members)
	for _, s := range n.shift.rotation.Successions() {
		for _, m := range s.Roster.Members {
			if _, ok := r.Member(m.ID); !ok {
				r.Members = append(r.Members, m)
			}
		}
	}
	return r
}

// left reports whether a member had a seat and has none, nor is to get one: it is let in
// to hear that its share has to go. It hears nothing else, and says nothing else.
func (n *Node) left(m council.MemberID) bool {
	if _, ok := n.roster.Member(m); ok {
		return false
	}
	named := func(x council.Member) bool { return x.ID == m }
	return slices.ContainsFunc(n.standing.former(), named) && !slices.ContainsFunc(n.withIncoming().Members, named) &&
		!slices.ContainsFunc(n.expected, func(g p2p.Guest) bool { return named(g.Member) })
}

// audience are those online who may hear what the council does: all but who has left.
func (n *Node) audience() []council.MemberID {
	return slices.DeleteFunc(n.transport.Online(), n.left)
}

// overstep drops what one that has left says as if it had its seat, and tells people of
// it: its owner may know nothing of it.
func (n *Node) overstep(f p2p.Frame, what string) {
	n.counters.badFrames.Add(1)
	p := n.peer(f.From)
	if p.overstepped == nil {
		p.overstepped = map[string]time.Time{}
	}
	if at, told := p.overstepped[what]; told && n.now().Sub(at) < overstepEvery {
		return
	}
	p.overstepped[what] = n.now()
	n.log.Warn("refused what somebody who has left sends", "member", f.From, "what", what, "channel", f.Channel, "type", f.Type)
	n.tell("refused", council.ProposalID{}, f.From, fmt.Sprintf("%s has left the council and sends %s: it counts for nothing; ask its owner what that machine does", f.From, what))
}

// letIn has the transport let in who is a guest now, when that has changed.
func (n *Node) letIn() {
	if n.door == nil {
		return
	}
	guests := n.guests()
	same := func(x, y p2p.Guest) bool { return x.Member == y.Member }
	if n.let != nil && slices.EqualFunc(guests, n.let, same) {
		return
	}
	n.let = append([]p2p.Guest{}, guests...)
	err := n.door(guests)
	if err != nil && !errors.Is(err, p2p.ErrClosed) { // which is the end; else, as long as they are the same, so is the answer
		n.log.Error("let guests in", "err", err, "hint", council.Hint(err))
		n.tell("rotation", council.ProposalID{}, "", fmt.Sprintf("who joins or has left can't be let in: %v", err))
	}
}
