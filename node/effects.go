package node

import (
	"fmt"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/tss"
)

// execute does one effect and returns the answers that are there at once.
func (n *Node) execute(e agenda.Effect) []agenda.Event {
	switch e := e.(type) {
	case agenda.Append:
		ev, err := n.append(e.Word, e.Body)
		if err != nil {
			return nil
		}
		n.tellEntry(ev)
		return []agenda.Event{ev}
	case agenda.Send:
		n.sendMessage(e.To, e.Message)
	case agenda.Fetch:
		n.fetch(e)
	case agenda.Plan:
		n.plan(e)
	case agenda.Enlist:
		return n.enlist(e)
	case agenda.Abort:
		n.end(e.Session)
	case agenda.Note:
		return n.note(e)
	case agenda.Free:
		return n.free(e)
	case agenda.Settle:
		return n.settle(e)
	case agenda.Broadcast:
		n.broadcast(e)
	case agenda.Notify:
		n.notify(e)
	case agenda.MakeParams:
		n.makeParams()
	case agenda.DrawKey:
		return n.drawKey(e)
	case agenda.Stage:
		return []agenda.Event{agenda.Staged{Err: n.stage(e)}}
	case agenda.Confirm:
		sig, err := e.Genesis.Sign(n.self, n.signer)
		if err != nil {
			return []agenda.Event{agenda.Staged{Err: err}}
		}
		return []agenda.Event{agenda.Confirmed{Signature: sig}}
	case agenda.Prove:
		return n.prove(e)
	case agenda.Commit:
		return []agenda.Event{agenda.Committed{Genesis: e.Genesis, Err: n.commit(e.Genesis)}}
	case agenda.Discard:
		if err := n.keystore.Erase(e.Epoch); err != nil {
			n.log.Error("discard staged share", "epoch", e.Epoch, "err", err)
		}
	default:
		n.log.Error("unknown effect", "effect", fmt.Sprintf("%T", e))
	}
	return nil
}

// enlist joins a signing attempt: reserve, record, start, in this order.
func (n *Node) enlist(e agenda.Enlist) []agenda.Event {
	b := e.Begin
	fail := func(err error) []agenda.Event {
		return append(n.row(b.Chain, b.Nonce, b.Proposal), agenda.Enlisted{Session: e.Session, Err: err})
	}
	if n.share == nil {
		return fail(fmt.Errorf("this node holds no share"))
	}
	row := journal.Row{Key: n.agenda.Genesis().Key, Chain: b.Chain, Nonce: b.Nonce, Proposal: b.Proposal, Attempt: b.Attempt, Digest: b.Digest}
	events, err := n.reserve(row)
	if err != nil {
		return fail(err)
	}
	events = append(events, n.row(b.Chain, b.Nonce, b.Proposal)...)
	if ev, err := n.append(council.WordBegun, b.Begun()); err == nil {
		n.tellEntry(ev)
		events = append(events, ev)
	} else {
		return append(events, agenda.Enlisted{Session: e.Session, Err: err})
	}
	s, err := tss.NewSign(tss.SignConfig{Session: e.Session, Self: n.self, Signers: b.Signers, Share: n.share, Warrant: e.Permit, Now: uint64(n.now().Unix())})
	if err == nil {
		err = n.start(e.Session, "proposal "+b.Proposal.Short(), s, func() error { return n.journal.Reveal(row.Key, row.Chain, row.Nonce, row.Proposal, row.Digest) })
	}
	return append(events, agenda.Enlisted{Session: e.Session, Err: err})
}

// notify tells people: subscribers of the API, the log, and hooks.
func (n *Node) notify(e agenda.Notify) {
	switch e.What {
	case "ceremony":
		n.progress(api.Progress{Stage: e.Text, WaitingFor: e.Waiting})
	case "ceremony-failed":
		n.birthOver()
		n.progress(api.Progress{Stage: stageFailed, Why: e.Text})
	case "key-made":
		n.birthOver()
		n.progress(api.Progress{Stage: stageMade})
	}
	text := e.Text
	if len(e.Waiting) > 0 {
		text += fmt.Sprintf(" (waiting for %s)", council.Names(e.Waiting))
	}
	n.log.Info(e.What, "proposal", e.Proposal.Short(), "text", e.Text, "waiting", e.Waiting)
	n.tell(e.What, e.Proposal, "", text)
	n.hook(e)
}
