package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// bulletin is the list of what has happened, for whoever listens. It keeps the
// newest eventsKept of them.
type bulletin struct {
	mu     sync.Mutex
	next   uint64
	events []api.Event
	news   chan struct{} // closed and replaced at each event
}

func newBulletin() *bulletin { return &bulletin{next: 1, news: make(chan struct{})} }

func (b *bulletin) add(e api.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.ID = b.next
	b.next++
	b.events = append(b.events, e)
	if len(b.events) > eventsKept {
		b.events = append(b.events[:0:0], b.events[len(b.events)-eventsKept/2:]...)
	}
	close(b.news)
	b.news = make(chan struct{})
}

// after lists the events above an id, and where to wait for the next.
func (b *bulletin) after(id uint64) ([]api.Event, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.events)
	for i > 0 && b.events[i-1].ID > id {
		i--
	}
	return append([]api.Event(nil), b.events[i:]...), b.news
}

// Events implements api.Backend. What a node tells last, such as that it switches to
// another roster, its readers get before the stream ends with it.
func (n *Node) Events(ctx context.Context, after uint64, each func(api.Event) error) error {
	for {
		over := n.ctx.Err()
		events, news := n.bulletin.after(after)
		for _, e := range events {
			if err := each(e); err != nil {
				return err
			}
			after = e.ID
		}
		if over != nil {
			return over
		}
		select {
		case <-ctx.Done(): // the reader has gone; or its server, which goes with the node
			if n.ctx.Err() == nil {
				return ctx.Err()
			}
		case <-n.ctx.Done():
		case <-news:
		}
	}
}

// tell publishes one event.
func (n *Node) tell(kind string, p council.ProposalID, m council.MemberID, text string) {
	n.bulletin.add(api.Event{Time: n.now(), Kind: kind, Proposal: p, Member: m, Text: text})
}

// tellEntry publishes an entry of a feed.
func (n *Node) tellEntry(e agenda.Recorded) {
	id, text := council.ProposalID{}, string(e.Word)
	switch b := e.Body.(type) {
	case council.Proposed:
		return // told by the agenda, once it is read
	case council.RosterSigned:
		return // told by the agenda, if it is new
	case council.Judged:
		id, text = b.Proposal, "denies: "+b.Rule+": "+b.Reason
		if b.Allow {
			text = "allows: " + b.Rule
		}
	case council.Voted:
		id, text = b.Approval.Proposal, string(b.Approval.Decision)+"d"
		if b.Approval.Decision == council.Reject {
			text = "rejected: " + b.Approval.Reason
		}
	case council.Complete:
		id, text = b.Proposal, fmt.Sprintf("has had all approvals since %s", at(b.Since).Format(time.DateTime))
	case council.Begun:
		id, text = b.Proposal, fmt.Sprintf("joined attempt %d%s with %s", b.Attempt, n.atNonce(b.Proposal, b.Nonce), council.Names(b.Signers))
	case council.AttemptFailed:
		id, text = b.Proposal, fmt.Sprintf("attempt %d failed: %s", b.Attempt, b.Reason)
	case council.Signed:
		id, text = b.Proposal, fmt.Sprintf("has the signature of attempt %d%s", b.Attempt, n.atNonce(b.Proposal, b.Nonce))
		if b.Attempt == 0 {
			text = "found the signature on the chain" + n.atNonce(b.Proposal, b.Nonce)
		}
	case council.Sighted:
		id, text = b.Proposal, fmt.Sprintf("%s: transaction %s, block %d", e.Word, b.Tx.Hex(), b.Block)
	case council.KeyMade:
		text = "made the key " + b.Genesis.Key.Hex()
	case council.BackedUp:
		text = fmt.Sprintf("has made and verified a backup of share epoch %d of %s: sha256 %x", b.Epoch, b.Key.Hex(), b.File)
	}
	if e.Word == council.WordFrozen || e.Word == council.WordThawed {
		return // told by the agenda, with what it means
	}
	text = council.Readable(text, maxTold)
	n.then(func() { n.tell(string(e.Word), id, e.Author, text) }, nil)
}

// atNonce says at which nonce a proposal is signed; nothing for a message.
func (n *Node) atNonce(p council.ProposalID, nonce uint64) string {
	if n.isMessage(p) {
		return ""
	}
	return fmt.Sprintf(" at nonce %d", nonce)
}
