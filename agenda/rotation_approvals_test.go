package agenda_test

import (
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// An approval that does not count, of a member whose term ends, does not stand in the way
// of a copy with as many that all count.
func TestApprovalThatDoesNotCountHidesNone(t *testing.T) {
	w := newShift(t, 44, charters(t))
	old := w.holding.Roster
	old.Members = append([]council.Member(nil), old.Members...)
	for i := range old.Members {
		if old.Members[i].ID == "community-3" {
			old.Members[i].Term.End = shiftDay - 1
		}
	}
	step := func(approver council.MemberID) council.Succession {
		return plan(t, old, shiftDay, nil, nil, append([]council.MemberID{approver}, yes...), func(r *council.Roster) {
			r.Charter = common.Hash{0xcc}
			for i := range r.Members {
				if r.Members[i].ID == "community-3" {
					r.Members[i].Term = council.Term{Start: shiftDay - 1, End: testcouncil.TermEnd}
				}
			}
		})
	}
	w.holding.Roster = old
	w.known[0].Approvals = 5
	w.boot("core-3")
	d := w.desks["core-3"]
	w.propose("core-3", step("community-3"))
	if s := d.node.Status(); !strings.Contains(s.Text, "4 members approve") {
		t.Fatalf("says %s", s)
	}
	w.give(d, agenda.SuccessionAgreed{Succession: step("core-3")})
	if s := d.node.Status(); strings.Contains(s.Text, "members approve") {
		t.Errorf("says %s, with five that count", s)
	}
}
