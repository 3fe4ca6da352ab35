package node

import (
	"errors"
	"fmt"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

// proclaim signs, with the share in force, that this roster holds the council's key. It
// passes the bar as everything that the share signs: who has locked for the next
// rotation says nothing more with it.
func (n *Node) proclaim(e agenda.Proclaim) []agenda.Event {
	id := e.Permit.Session()
	fail := func(err error) []agenda.Event { return []agenda.Event{agenda.Failed{Session: id, Err: err}} }
	switch {
	case n.share == nil:
		return fail(errors.New(noShare))
	case n.shift.barred:
		return fail(errLocked())
	case n.agenda.Stopped() != "": // the agenda would not ask; nothing else must
		return fail(fmt.Errorf("this node is frozen: %s", n.agenda.Stopped()))
	}
	s, err := tss.NewSign(tss.SignConfig{Session: id, Self: n.self, Signers: e.Signers, Share: n.share, Warrant: e.Permit, Now: uint64(n.now().Unix())})
	if err == nil {
		err = n.start(id, "proclamation", s, func() error { return n.bar.pass(func() error { return nil }) })
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

// viewProclamation is what the council's key says about the roster in force, or why it
// says nothing yet.
func (n *Node) viewProclamation() (p *council.Proclamation, why string) {
	signed, ok, why := n.agenda.Proclamation()
	if !ok {
		return nil, why
	}
	return &signed, ""
}
