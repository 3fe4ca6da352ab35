package node

import (
	"fmt"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/p2p"
)

// Evidence is told once, to all who are there. Who was away learns of it when it is
// back: nodes that meet name the records that they hold, and give each other those
// that the other lacks. Each is checked by itself before it is kept, as any that
// somebody brings, and of each culprit as many are kept as ever: so a liar fills no
// disk with it. It is given each record once on a connection, so it can't have the
// others read and send all day.

// caughtUp is how far a member has caught up with evidence on a connection.
type caughtUp struct {
	given  map[journal.Holding]bool // to it
	gained bool                     // something from it, since this node last asked
}

func (n *Node) sendDocket(to council.MemberID, answer bool) {
	held, err := n.book().Docket()
	if err != nil {
		n.log.Error("list evidence", "err", err)
		return
	}
	n.sendSync(to, syncDocket, docket{Held: held, Answer: answer})
}

// takeDocket gives a member the records that it lacks, a page at a time. As long as
// this node gets some that are new to it, it asks for the next page.
func (n *Node) takeDocket(from council.MemberID, d docket) error {
	if most := journal.MaxExhibits * council.MaxMembers; len(d.Held) > most {
		return fmt.Errorf("%d records of evidence are named; at most %d", len(d.Held), most)
	}
	mine, err := n.book().Docket()
	if err != nil {
		return err
	}
	p := &n.peer(from).evidence
	if p.given == nil {
		p.given = map[journal.Holding]bool{}
	}
	size := 0
	for _, x := range journal.Lacking(mine, d.Held) {
		if p.given[x] {
			continue
		}
		b, err := n.book().Exhibit(x)
		if err != nil {
			return err
		}
		r, err := evidence.Decode(b)
		if err != nil || !n.knows(r.Roster) { // what this node can't check it doesn't pass on
			continue
		}
		if size += len(b); size > syncBytes && size > len(b) {
			break
		}
		p.given[x] = true
		n.send(from, p2p.Frame{To: from, Channel: p2p.Sync, Type: syncEvidence, Payload: b})
	}
	if !d.Answer {
		n.sendDocket(from, true)
	} else if p.gained && len(journal.Lacking(d.Held, mine)) > 0 {
		p.gained = false
		n.sendDocket(from, false)
	}
	return nil
}
