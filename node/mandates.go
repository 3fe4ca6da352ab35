package node

import (
	"fmt"
	"time"
)

// termWarnings says which mandates have ended or end within a month, and when too
// few will be left to agree on anything.
func (n *Node) termWarnings() []string {
	m := n.roster.Mandates(uint64(n.now().Unix()))
	var out []string
	if m.Short > 0 {
		out = append(out, fmt.Sprintf("from %s on only %d of %d mandates are left: then the council can decide nothing, not even on the next roster; agree on it before, with 'signer term propose'",
			at(m.Short).UTC().Format(time.DateOnly), m.Left, len(n.roster.Members)))
	}
	for _, x := range m.Ended {
		out = append(out, fmt.Sprintf("the term of %s has ended: it can't approve, propose or sign; rotate the seat", x.ID))
	}
	for _, x := range m.Ending {
		left := "in less than a day"
		if days := int(at(x.Term.End).Sub(n.now()).Hours() / 24); days == 1 {
			left = "in a day"
		} else if days > 1 {
			left = fmt.Sprintf("in %d days", days)
		}
		out = append(out, fmt.Sprintf("the term of %s ends %s, on %s", x.ID, left, at(x.Term.End).UTC().Format(time.DateOnly)))
	}
	return out
}
