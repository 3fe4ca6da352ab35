package agenda

import (
	"slices"

	"github.com/millicent-one/signer/council"
)

// takeSlot has the attempt fire the slot that its Begin names. Without it, this
// node says so, and all sign from the start under the attempt's other id: the
// digest is the same, so it does not matter who hears of it when.
func (a *Agenda) takeSlot(l *lane) {
	t := l.try
	if t.begin.Slot == (council.SessionID{}) {
		return
	}
	had := a.spend(t.begin.Signers, t.begin.Slot)
	early := false // another signer has said already that it lacks the slot
	for _, m := range t.begin.Signers {
		early = early || slices.Contains(a.colds[m], t.begin.Hash())
	}
	switch {
	case had && !early:
		t.slot, t.session = t.begin.Slot, t.begin.Fired()
	case had:
		a.do(DropSlot{t.begin.Slot})
	default:
		a.toSigners(t.begin, Cold{Chain: l.chain, Begin: t.begin.Hash()})
	}
}

// cold learns that another signer lacks the slot.
func (a *Agenda) cold(from council.MemberID, m Cold) {
	l := a.tryOf(m.Begin)
	if l == nil {
		a.colds[from] = append(a.colds[from], m.Begin)
		if old := len(a.colds[from]) - MaxColds; old > 0 {
			a.colds[from] = slices.Delete(a.colds[from], 0, old)
		}
		return
	}
	t := l.try
	if t.slot == (council.SessionID{}) || !slices.Contains(t.begin.Signers, from) {
		return
	}
	a.do(Abort{Session: t.session}, DropSlot{t.slot})
	t.slot, t.session, t.again, t.enlisted = council.SessionID{}, t.begin.Session(), t.enlisted, false
	if p, ok := a.proposals[t.begin.Proposal]; ok && t.again {
		a.authorize(p, l)
	}
}

// dropTried destroys the slot of an attempt that ends before it was fired.
func (a *Agenda) dropTried(t *try) {
	if t.slot != (council.SessionID{}) {
		a.do(DropSlot{t.slot})
	}
}
