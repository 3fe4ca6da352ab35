package node

import (
	"time"

	"github.com/millicent-one/signer/council"
)

// complaint is what the log says of one member's false words of one kind: once in
// complainEvery, with how many there were.
type complaint struct {
	member council.MemberID
	what   string
}

type complained struct {
	at     time.Time
	untold uint64
}

// complain puts a line about a member into the log, or counts it for a later one: who sends
// as much of it as it can must not fill the disk with the log.
func (n *Node) complain(what string, of council.MemberID, details ...any) {
	if n.complaints == nil {
		n.complaints = map[complaint]*complained{}
	}
	c := n.complaints[complaint{of, what}]
	if c == nil {
		c = &complained{}
		n.complaints[complaint{of, what}] = c
	}
	c.untold++
	if now := n.now(); c.at.IsZero() || now.Sub(c.at) >= complainEvery {
		n.log.Warn(what, append([]any{"from", of, "count", c.untold}, details...)...)
		c.at, c.untold = now, 0
	}
}
