package node

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// freeze is this node's own note that it must not sign.
type freeze struct {
	Since  uint64 // unix seconds
	Reason string
}

// loadFreeze reads the note. One that can't be read freezes, and so does the own feed
// without one.
func (n *Node) loadFreeze() error {
	b, _, err := n.book().Meta(metaFrozen)
	if err != nil {
		return err
	}
	if len(b) == 0 {
		return n.feedFroze()
	}
	n.noted = true
	if err := rlp.DecodeBytes(b, &n.frozen); err != nil || n.frozen.Reason == "" {
		n.log.Error("the note that this node is frozen can't be read", "err", err)
		n.frozen = freeze{Since: uint64(max(n.now().Unix(), 0)), Reason: "frozen for a reason that can't be read any more"}
	}
	n.agenda.Stop(n.frozen.Reason, n.now())
	return nil
}

// noteFreeze has this node sign nothing, and writes that down. Also if the disk fails:
// then it holds as long as this process, which makes no other node before the note is
// written.
func (n *Node) noteFreeze(f freeze) error {
	err := n.writeFreeze(f)
	defer n.freezeRotation()
	for _, e := range n.agenda.Stop(f.Reason, n.now()) {
		for _, ev := range n.execute(e) {
			n.step(ev)
		}
	}
	n.shed()
	return err
}

func (n *Node) writeFreeze(f freeze) error {
	b, err := rlp.EncodeToBytes(f)
	if err == nil {
		err = n.write(func(j *journal.Journal) error { return j.PutMeta(metaFrozen, b) })
	}
	n.frozen, n.noted = f, err == nil
	return err
}

// freezeHolds reports whether the next node on this disk will know that it is frozen, if
// this one is. A note that the disk has not taken is tried again.
func (n *Node) freezeHolds() bool {
	if n.frozen.Reason == "" || n.noted {
		return true
	}
	err := n.writeFreeze(n.frozen)
	if err != nil {
		n.log.Error("note that this node is frozen", "err", err)
	}
	return err == nil
}

// feedFroze makes the note of what the own feed says, where there is none: the disk is
// new, or an old copy. Without it the next entry could lift the freeze, and whoever has
// the node key can write that.
func (n *Node) feedFroze() error {
	f, ok := n.agenda.FreezeOf(n.self)
	if !ok || n.frozen.Reason != "" {
		return nil
	}
	n.log.Warn("frozen by the own feed", "reason", f.Reason)
	return n.noteFreeze(freeze{Since: f.Since, Reason: f.Reason})
}

// Freeze implements api.Backend. It works in every state of the node: also while
// it only watches, and is noted on its disk before anything else. The others hear
// of it as soon as the node may write to its feed.
func (n *Node) Freeze(ctx context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return ask(ctx, n, func() ([]api.Freeze, error) {
		if n.noted { // what the feed says alone would not hold
			return nil, api.Failf(api.Conflict, "'signer key thaw' lifts it", "this node is frozen already: %s", n.frozen.Reason)
		}
		f := freeze{Since: uint64(max(n.now().Unix(), 0)), Reason: strings.TrimSpace(r.Reason)}
		err := n.noteFreeze(f)
		n.log.Warn("frozen", "reason", f.Reason)
		if err != nil {
			return nil, council.WithHint(fmt.Errorf("this node signs nothing any more, but could not write that down: %w", err), "stop the daemon, and don't start it again")
		}
		n.tellFreeze()
		return n.viewFreezes(), nil
	})
}

// Thaw implements api.Backend.
func (n *Node) Thaw(ctx context.Context, r api.FreezeRequest) ([]api.Freeze, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	return ask(ctx, n, func() ([]api.Freeze, error) {
		switch {
		case n.agenda.Stopped() == "":
			return nil, api.Failf(api.Conflict, "'signer status' says why a node signs nothing", "this node is not frozen")
		case n.restoring():
			return nil, api.Fail(api.NotReady, council.WithHint(errors.New(n.agenda.Watching()), "the others have to hear of it; lift it when 'signer status' says that the node has caught up"))
		}
		var ev agenda.Recorded
		err := n.together(func() (err error) {
			if err = n.book().PutMeta(metaFrozen, nil); err == nil {
				ev, err = n.append(council.WordThawed, council.Thawed{Reason: strings.TrimSpace(r.Reason)})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("this node stays frozen: %w", err)
		}
		n.frozen, n.noted = freeze{}, false
		n.agenda.Stop("", n.now())
		n.tellEntry(ev)
		n.step(ev)
		n.freezeRotation()
		return n.viewFreezes(), nil
	})
}

// freezeRotation tells the rotation of shares whether this node is frozen.
func (n *Node) freezeRotation() { n.rotate(agenda.NodeFrozen{Reason: n.agenda.Stopped()}) }

// tellFreeze puts into the feed what the disk's own note says, if it is not there:
// the node was catching up, or died in between. The note comes first.
func (n *Node) tellFreeze() {
	err := n.feedFroze()
	if n.frozen.Reason != "" && !n.noted && err == nil { // the disk failed before
		err = n.noteFreeze(n.frozen)
	}
	if err != nil {
		n.log.Error("note that this node is frozen", "err", err)
		return
	}
	if n.frozen.Reason == "" || n.agenda.Froze(n.self) || n.restoring() {
		return
	}
	ev, err := n.append(council.WordFrozen, council.Frozen{Reason: n.frozen.Reason})
	if err != nil {
		n.log.Error("tell that this node is frozen", "err", err)
		return
	}
	n.tellEntry(ev)
	n.step(ev)
}

// viewFreezes are the nodes that sign nothing, this one first if it can't tell the
// others yet.
func (n *Node) viewFreezes() []api.Freeze {
	out := []api.Freeze{}
	if n.frozen.Reason != "" && !n.agenda.Froze(n.self) {
		out = append(out, api.Freeze{Member: n.self, Since: at(n.frozen.Since), Reason: n.frozen.Reason})
	}
	for _, f := range n.agenda.Freezes() {
		out = append(out, api.Freeze{Member: f.Member, Since: at(f.Since), Reason: f.Reason})
	}
	return out
}

// freezeWarnings names who has frozen, and what is left.
func (n *Node) freezeWarnings(all []api.Freeze) []string {
	var out []string
	for _, f := range all {
		out = append(out, fmt.Sprintf("the node of %s signs nothing since %s: %s", f.Member, f.Since.Format(time.DateTime), f.Reason))
	}
	if left := len(n.roster.Members) - len(all); left < n.roster.Threshold {
		out = append(out, fmt.Sprintf("only %d of %d nodes are not frozen, and %d sign: the council can sign nothing", left, len(n.roster.Members), n.roster.Threshold))
	}
	return out
}
