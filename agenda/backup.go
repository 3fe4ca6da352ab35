package agenda

import "github.com/millicent-one/signer/council"

// Backup is a member's last word about the own backup.
type Backup struct {
	council.BackedUp
	At uint64 // unix seconds, by the member's clock
}

// backedUp takes up a member's word. Only the last counts: a member who made a
// new backup may have destroyed the one before.
func (a *Agenda) backedUp(e Recorded, b council.BackedUp) {
	if a.backups == nil {
		a.backups = map[council.MemberID]Backup{}
	}
	a.backups[e.Author] = Backup{b, e.At}
	if g := a.genesis; g != nil && !a.replaying && a.secures(b) && len(a.Unsecured()) == 0 {
		a.do(Notify{What: "fundable", Text: g.Key.Hex() + ": every member has a verified backup"})
	}
}

// secures reports whether a backup is one of the shares in force.
func (a *Agenda) secures(b council.BackedUp) bool {
	g := a.genesis
	return g != nil && b.Key == g.Key && b.Epoch == a.epoch()
}

// Backup is a member's backup of the share in force; ok is false when there is
// none that this node has heard of.
func (a *Agenda) Backup(m council.MemberID) (b Backup, ok bool) {
	b, ok = a.backups[m]
	return b, ok && a.secures(b.BackedUp)
}

// Unsecured are the members who have not made and verified a backup of their
// share. While there are any the address should hold no money.
func (a *Agenda) Unsecured() []council.MemberID {
	var out []council.MemberID
	for _, m := range a.roster.IDs() {
		if _, ok := a.Backup(m); !ok {
			out = append(out, m)
		}
	}
	return out
}
