package council

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Profile is the shape a roster must have.
type Profile struct {
	Name      string
	Seats     map[Seat]int
	Threshold int // members that must agree, and parties that sign
}

// Millicent is the profile of the constitution: four core and three community
// seats, four of seven.
var Millicent = Profile{Name: "millicent", Seats: map[Seat]int{Core: 4, Community: 3}, Threshold: 4}

// Roster is one composition of the council. Its members are sorted by id. It
// carries neither the key's address (the key is made after it) nor network
// addresses (moving a server changes no roster).
type Roster struct {
	Version   uint64      `json:"version"` // 1 for the first
	Threshold int         `json:"threshold"`
	Members   []Member    `json:"members"`
	Charter   common.Hash `json:"charter"` // hash of the charter file
	Prev      common.Hash `json:"prev"`    // hash of the roster before; zero for the first
}

// Valid checks the roster in itself: sizes, order, duplicates. It does not
// know which profile or which time it is meant for.
func (r Roster) Valid() error {
	n := len(r.Members)
	switch {
	case r.Version == 0:
		return errors.New("roster version is 0; the first roster is version 1")
	case (r.Version == 1) != (r.Prev == common.Hash{}):
		return errors.New("roster: exactly the first version has no predecessor")
	case n < 2 || n > MaxMembers:
		return fmt.Errorf("roster has %d members; want 2 to %d", n, MaxMembers)
	case r.Threshold < 2 || r.Threshold > n:
		return fmt.Errorf("roster threshold is %d; want 2 to %d", r.Threshold, n)
	}
	var dup duplicates
	for i, m := range r.Members {
		if err := m.Valid(); err != nil {
			return fmt.Errorf("roster: %w", err)
		}
		if i > 0 && r.Members[i-1].ID > m.ID {
			return fmt.Errorf("roster: members are not sorted by id: %s stands before %s", r.Members[i-1].ID, m.ID)
		}
		dup.see("member id", string(m.ID), m.ID)
		dup.see("node key", m.Peer, m.ID)
		dup.see("approver", m.Approver.Hex(), m.ID)
	}
	return dup.err()
}

// Fits checks the roster against a profile.
func (r Roster) Fits(p Profile) error {
	if err := r.Valid(); err != nil {
		return err
	}
	want, have := 0, map[Seat]int{}
	for _, m := range r.Members {
		have[m.Seat]++
	}
	var wrong []string
	for _, s := range []Seat{Core, Community} {
		want += p.Seats[s]
		if have[s] != p.Seats[s] {
			wrong = append(wrong, fmt.Sprintf("%d %s seats instead of %d", have[s], s, p.Seats[s]))
		}
	}
	if len(r.Members) != want {
		wrong = append([]string{fmt.Sprintf("%d members instead of %d", len(r.Members), want)}, wrong...)
	}
	if r.Threshold != p.Threshold {
		wrong = append(wrong, fmt.Sprintf("threshold %d instead of %d", r.Threshold, p.Threshold))
	}
	if len(wrong) > 0 {
		return WithHint(fmt.Errorf("roster does not fit the %s profile: %s", p.Name, strings.Join(wrong, ", ")),
			"the constitution asks for four core and three community members, four of whom decide")
	}
	return nil
}

// InForce names the members whose term does not hold at now (unix seconds).
func (r Roster) InForce(now uint64) error {
	var out []string
	for _, m := range r.Members {
		switch {
		case now < m.Term.Start:
			out = append(out, fmt.Sprintf("%s's term has not begun", m.ID))
		case now >= m.Term.End:
			out = append(out, fmt.Sprintf("%s's term has ended", m.ID))
		}
	}
	if len(out) > 0 {
		return WithHint(fmt.Errorf("roster: %s", strings.Join(out, ", ")), "a term's end is a rotation: propose a roster whose terms hold today")
	}
	return nil
}

// Early reports whether a member's term is still to begin: where the roster is in force, a
// clock by which that is so is behind.
func (r Roster) Early(now uint64) bool {
	return slices.ContainsFunc(r.Members, func(m Member) bool { return now < m.Term.Start })
}

// Member finds a member by id.
func (r Roster) Member(id MemberID) (Member, bool) {
	i, ok := slices.BinarySearchFunc(r.Members, id, func(m Member, id MemberID) int { return strings.Compare(string(m.ID), string(id)) })
	if !ok {
		return Member{}, false
	}
	return r.Members[i], true
}

// ByPeer finds the member that runs the node with this peer id.
func (r Roster) ByPeer(peer string) (Member, bool) {
	for _, m := range r.Members {
		if m.Peer == peer {
			return m, true
		}
	}
	return Member{}, false
}

// ByApprover finds the member that holds this wallet.
func (r Roster) ByApprover(a common.Address) (Member, bool) {
	for _, m := range r.Members {
		if m.Approver == a {
			return m, true
		}
	}
	return Member{}, false
}

// IDs lists the members in roster order, which is sorted.
func (r Roster) IDs() []MemberID {
	ids := make([]MemberID, len(r.Members))
	for i, m := range r.Members {
		ids[i] = m.ID
	}
	return ids
}

// Names lists members for people: "core-1, core-2".
func Names(ids []MemberID) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = string(id)
	}
	return strings.Join(s, ", ")
}

// Sorted returns a copy of ids in ascending order.
func Sorted(ids []MemberID) []MemberID {
	out := slices.Clone(ids)
	slices.Sort(out)
	return out
}

// duplicates collects values that must be unique, and who shares them.
type duplicates struct {
	seen  map[string]MemberID
	found []error
}

func (d *duplicates) see(kind, value string, who MemberID) {
	if d.seen == nil {
		d.seen = map[string]MemberID{}
	}
	key := kind + "\x00" + value
	if first, ok := d.seen[key]; ok {
		d.found = append(d.found, fmt.Errorf("roster: %s and %s have the same %s %s", first, who, kind, value))
		return
	}
	d.seen[key] = who
}

func (d *duplicates) err() error { return errors.Join(d.found...) }
