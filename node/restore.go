package node

import (
	"fmt"
	"maps"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// quarantine is the state of a node that may not know what it has said and
// signed: it only watches until it has the feeds of others, and their words of
// rotations. A node that has just started asks one of them, since its disk may be
// an old copy and only others can tell, unless a node of this very process has left
// the disk as it is. One whose disk is new or was restored needs as many as sign
// together, and then refuses every nonce that any of them has heard of. It waits
// longer while others lock for a try for which it may have locked itself.
type quarantine struct {
	why    string
	need   int
	caught map[council.MemberID]bool // others whose feeds are in here, and who have said all of rotations
	// How far the feeds of each that is compared with have to be here, see target.
	targets map[council.MemberID]map[council.MemberID]uint64
	turns   []func() // what the chain told meanwhile; it tells nothing twice
}

// target is how far the feeds have to be here before this node counts as caught up with one
// that names these ends of them. Of the feeds of others it is what that one has named first,
// and stays that: a member that writes on and on would else keep this node from signing for
// as long as it likes. It is enough. What may have to be learned is what this node's share
// has signed before it was set back, and it writes nothing and signs nothing from its start
// until it has caught up: so all of that is older than any answer. Who has signed with it
// has written so into its own feed before its session began, and names that in its first
// answer; and of as many others as sign together one has signed with it. What others say
// after their first answers is about what it has no part in. Of the own feed every later end
// counts as well, as it is named: an entry of it that is not here shows that the disk is old,
// and that as many as sign together have to be asked, each anew (see hold). What has come
// beyond the target by then is here, and is fenced like the rest.
func (q *quarantine) target(of, self council.MemberID, ends map[council.MemberID]uint64) map[council.MemberID]uint64 {
	t, ok := q.targets[of]
	if !ok {
		t = maps.Clone(ends)
		q.targets[of] = t
	}
	if own := ends[self]; own > t[self] {
		t[self] = own
	}
	return t
}

const noShare = "this node holds no share of the council's key"

// restoring reports whether this node may not write to its own feed yet.
func (n *Node) restoring() bool { return n.restore != nil }

// beginQuarantine holds a node that starts, as long as its disk asks for.
func (n *Node) beginQuarantine(born bool) error {
	size, err := n.journal.Len()
	if err != nil {
		return err
	}
	why, _, err := n.book().Meta(metaRestoring)
	if err != nil {
		return err
	}
	switch {
	case (n.share != nil || n.ahead > 0) && size == 0:
		n.beginRestore("this node has a share and an empty journal")
	case len(why) > 0:
		n.beginRestore(string(why)) // it was started anew before it had caught up
	case born:
		same, err := n.continues()
		if err != nil {
			return err
		}
		if !same {
			n.beginStart()
			return nil
		}
		if why := n.idle(); why != "" {
			n.agenda.Watch(why)
		}
	}
	return nil
}

// beginStart holds a node that has just started.
func (n *Node) beginStart() { n.hold("this node has just started", 1) }

// beginRestore holds a node that has lost something.
func (n *Node) beginRestore(why string) {
	if n.restore == nil || n.restore.need < n.roster.Threshold {
		n.log.Warn("watching only", "why", why)
		n.tell("watching", council.ProposalID{}, n.self, why)
		if err := n.book().PutMeta(metaRestoring, []byte(why)); err != nil { // a start in between must not forget it
			n.log.Error("note that this node restores itself", "err", err)
		}
		n.hold(why, n.roster.Threshold)
	}
}

func (n *Node) hold(why string, need int) {
	q := &quarantine{why: why, need: need, caught: map[council.MemberID]bool{}, targets: map[council.MemberID]map[council.MemberID]uint64{}}
	if n.restore != nil {
		q.turns = n.restore.turns
	}
	n.restore = q
	n.agenda.Watch(fmt.Sprintf("%s and asks others what it has missed: 0 of %d", why, need))
	n.shed()
}

// forgot learns that this node has said what its own journal does not know: the
// disk is an old copy.
func (n *Node) forgot(seq uint64) {
	n.beginRestore(fmt.Sprintf("others hold entry %d of this node's own feed, which its journal lacked", seq))
	n.weigh()
}

// told takes up that a peer has said all that it has of rotations: a Lock of this node's,
// if it holds one, has come before that.
func (n *Node) told(by council.MemberID) {
	if p := n.peer(by); !p.told {
		p.told = true
		if n.restoring() {
			n.sendHeads(by, false)
		}
	}
}

// compared counts the peers whose feeds are all here, as far as they have to be, and their
// words of rotations.
func (n *Node) compared(from council.MemberID, own, theirs map[council.MemberID]uint64) error {
	q := n.restore
	if _, member := n.roster.Member(from); q == nil || !member { // a guest may have nothing itself
		return nil
	}
	lacking, err := n.lacks(own, q.target(from, n.self, theirs))
	if err != nil {
		return err
	}
	n.counted(q, from, lacking)
	return nil
}

func (n *Node) counted(q *quarantine, from council.MemberID, lacking bool) {
	if lacking || !n.peer(from).told {
		delete(q.caught, from)
		return
	}
	q.caught[from] = true
	if len(q.caught) < q.need {
		n.agenda.Watch(fmt.Sprintf("%s and asks others what it has missed: %d of %d", q.why, len(q.caught), q.need))
		return
	}
	if q.need == n.roster.Threshold {
		if r := n.shift.rotation; r != nil {
			if try, unsure := r.Unsure(); unsure {
				n.agenda.Watch(fmt.Sprintf("%s; others have locked for try %s, for which it may have locked or refused, too: it waits for how that ends", q.why, try.Hex()[:10]))
				return
			}
		}
		err := n.fence()
		if err == nil {
			err = n.book().PutMeta(metaRestoring, nil)
		}
		if err != nil {
			n.agenda.Watch("fence old nonces: " + err.Error())
			n.log.Error("fence", "err", err)
			return
		}
	}
	n.restore = nil
	n.weigh()
	n.log.Info("caught up", "with", len(q.caught))
	n.tell("caught-up", council.ProposalID{}, n.self, "this node has caught up and takes part")
	if why := n.idle(); why != "" {
		n.agenda.Watch(why)
		q.caughtUp()
		return
	}
	defer n.tellFreeze()
	n.agenda.Watch("")
	n.step(agenda.Tick{})
	n.followPast() // what the feeds brought and the chain has not finished
	q.caughtUp()
}

// caughtUp does what had to wait: it could not be written down before.
func (q *quarantine) caughtUp() {
	for _, f := range q.turns {
		f()
	}
}
