package node

import (
	"fmt"

	"github.com/millicent-one/signer/council"
)

// quarantine is the state of a node whose disk is new or was restored: it does
// not know what it has said and signed, so it only watches until it has the
// feeds of as many others as sign together.
type quarantine struct {
	why    string
	caught map[council.MemberID]bool // others whose feeds are in here
}

// restoring reports whether this node may not write to its own feed yet.
func (n *Node) restoring() bool { return n.restore != nil }

func (n *Node) beginRestore(why string) {
	if n.restore != nil {
		return
	}
	n.restore = &quarantine{why: why, caught: map[council.MemberID]bool{}}
	n.log.Warn("watching only", "why", why)
	n.agenda.Watch(fmt.Sprintf("%s; it waits for the feeds of %d others", why, n.roster.Threshold))
}

// forgot learns that this node has said what its own journal does not know: the
// disk is an old copy.
func (n *Node) forgot(seq uint64) {
	n.beginRestore(fmt.Sprintf("others hold entry %d of this node's own feed, which its journal lacked", seq))
}

// compared counts the peers whose feeds are all here.
func (n *Node) compared(from council.MemberID, lacking bool) {
	q := n.restore
	if q == nil {
		return
	}
	if lacking {
		delete(q.caught, from)
		return
	}
	q.caught[from] = true
	if len(q.caught) < n.roster.Threshold {
		n.agenda.Watch(fmt.Sprintf("%s; caught up with %d of %d others", q.why, len(q.caught), n.roster.Threshold))
		return
	}
	if err := n.fence(); err != nil {
		n.agenda.Watch("fence old nonces: " + err.Error())
		n.log.Error("fence", "err", err)
		return
	}
	n.restore = nil
	n.agenda.Watch("")
	n.log.Info("caught up", "with", len(q.caught))
	n.tell("caught-up", council.ProposalID{}, n.self, "this node has caught up and takes part again")
}
