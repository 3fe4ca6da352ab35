package node

import (
	"fmt"
	"log/slog"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
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
	case agenda.Arm:
		return n.arm(e)
	case agenda.DropSlot:
		n.drop(e.Slot)
	case agenda.Abort:
		n.end(e.Session)
	case agenda.Note:
		return n.note(e)
	case agenda.Free:
		return n.free(e)
	case agenda.Settle:
		return n.settle(e)
	case agenda.Broadcast:
		n.then(func() { n.broadcast(e) }, nil)
	case agenda.Find:
		n.seek(e)
	case agenda.Notify:
		n.notify(e)
	case agenda.ShowHeard:
		n.showHeard(e)
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
	case agenda.Proclaim:
		return n.proclaim(e)
	case agenda.Commit:
		return []agenda.Event{agenda.Committed{Genesis: e.Genesis, Err: n.commit(e.Genesis)}}
	case agenda.Discard:
		if err := n.discard(e.Epoch); err != nil {
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
	if n.shift.barred {
		return fail(errLocked())
	}
	if why := n.agenda.Stopped(); why != "" { // the agenda would not ask; nothing else must
		return fail(fmt.Errorf("this node is frozen: %s", why))
	}
	if err := n.court.bench.Twice(b); err != nil {
		return fail(err)
	}
	row := journal.Row{Key: n.agenda.Genesis().Key, Chain: b.Chain, Nonce: b.Nonce, Proposal: b.Proposal, Attempt: b.Attempt, Digest: b.Digest}
	displaced, begun, err := n.reserveAndBegin(row, e)
	if err != nil {
		return fail(err)
	}
	events := append(displaced, n.row(b.Chain, b.Nonce, b.Proposal)...)
	if begun != nil {
		if e.Slot == (council.SessionID{}) {
			n.publish(*begun)
		} else {
			n.postpone(*begun)
		}
		if ev, err := recorded(*begun); err == nil {
			n.tellEntry(ev)
			events = append(events, ev)
		}
	}
	reveal := n.revealing(row)
	s, err := n.session(e)
	if err == nil {
		err = n.start(e.Session, "proposal "+b.Proposal.Short(), s, func() error { return n.bar.pass(func() error { return reveal(n.journal) }) })
	}
	n.court.bench.Enlisted(e)
	n.court.shelves.Fires(e.Session, b.Hash(), e.Slot)
	return append(events, agenda.Enlisted{Session: e.Session, Err: err})
}

// reserveAndBegin writes down, in one step, that the nonce (of a message: the
// digest) is the proposal's and that this node has joined the attempt. It returns
// what else changed in the ledger, and the entry if there is a new one.
func (n *Node) reserveAndBegin(row journal.Row, e agenda.Enlist) (displaced []agenda.Event, begun *journal.Entry, err error) {
	if n.restoring() {
		return nil, nil, errRestoring()
	}
	var old council.ProposalID
	err = n.write(func(j *journal.Journal) (err error) {
		if old, err = n.reserve(j, row); err != nil || e.Again {
			return err
		}
		entry, err := appendTo(j, council.WordBegun, e.Begin.Begun(), n.now())
		begun = &entry
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	if old != (council.ProposalID{}) {
		displaced = n.row(row.Chain, row.Nonce, old)
	}
	return displaced, begun, nil
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
	level := slog.LevelInfo
	if e.What == "standby" { // it changes all the time
		level = slog.LevelDebug
	}
	n.log.Log(n.ctx, level, e.What, "proposal", e.Proposal.Short(), "text", e.Text, "waiting", e.Waiting)
	n.then(func() {
		n.tell(e.What, e.Proposal, "", text)
		n.hook(e)
	}, nil)
}
