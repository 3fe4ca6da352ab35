package agenda

import (
	"cmp"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// callForSlots calls for what is missing in the sets that this node leads.
func (a *Agenda) callForSlots() {
	s := a.standby
	for _, set := range s.inTurn() {
		all, failing := s.underway(a.self)
		if all >= MaxArming {
			return
		}
		if set.fails > 0 && failing >= MaxArming-1 {
			continue
		}
		if set.leader != a.self || set.taken() || len(set.slots) >= s.Depth || !a.allOnline(set.members) || !a.due(set.rest, 0) {
			continue
		}
		set.call = &armCall{random: s.random(), answers: map[council.MemberID]common.Hash{}, at: a.now}
		set.tried = a.now
		a.at(a.now.Add(a.timing.Hold))
		a.toSet(set, ArmCall{Signers: set.members, Call: set.call.random, Have: set.have()})
	}
}

// inTurn orders the sets as they are to be tried. A member that makes sets fail has a
// part in each of them: so those go first whose worst member has made the fewest fail,
// and find a place whatever the others do. Among equals it is the one that has failed
// least, then the one that was not tried for longest: what one member can hold up by
// silence is the first tries.
func (s *standby) inTurn() []*signerSet {
	return slices.SortedStableFunc(slices.Values(s.sets), func(x, y *signerSet) int {
		return cmp.Or(cmp.Compare(s.troubles(x), s.troubles(y)), cmp.Compare(x.fails, y.fails), x.tried.Compare(y.tried))
	})
}

// troubles is how often sets with the worst member of this one have failed.
func (s *standby) troubles(set *signerSet) (most int) {
	for _, m := range set.members {
		most = max(most, s.trouble[m])
	}
	return most
}

// underway counts the slots that are being made under a leader, and those of sets that
// failed before. Each leader has its own room: one that calls for more than it should
// takes none from the others. A pledge takes no room: a leader that was refused by
// somebody begins nothing, and does not say so.
func (s *standby) underway(leader council.MemberID) (all, failing int) {
	for _, set := range s.sets {
		if set.leader == leader && (set.call != nil || set.arming != (council.SessionID{})) {
			all++
			if set.fails > 0 {
				failing++
			}
		}
	}
	return all, failing
}

// armCalled answers the leader of a set. What the leader lacks is of no use to
// anyone; what this node lacks it says, so that the leader drops it.
func (a *Agenda) armCalled(from council.MemberID, m ArmCall) {
	set := a.signerSetOf(m.Signers)
	if set == nil || set.leader != from || from == a.self || len(m.Have) > a.standby.Depth || !a.allOnline(set.members) {
		return
	}
	rested := a.due(set.rest, 0) // an honest leader has waited itself for what it has lost
	a.dropLost(set, m.Have)
	set.pledge = nil // the leader has given that call up
	answer := ArmAnswer{Signers: set.members, Call: m.Call, Have: set.have()}
	all, _ := a.standby.underway(from)
	wanted := a.genesis != nil && a.watching == "" && !a.busy() && len(set.slots) < a.standby.Depth &&
		!set.taken() && all < MaxArming && rested
	if wanted {
		set.pledge = &armPledge{call: m.Call, random: a.standby.random(), at: a.now}
		a.at(a.now.Add(a.timing.Hold))
		answer.Random = set.pledge.random
	}
	a.do(Send{To: from, Message: answer})
}

// armAnswered gathers the parts of a slot's id, and begins when all are there.
func (a *Agenda) armAnswered(from council.MemberID, m ArmAnswer) {
	set := a.signerSetOf(m.Signers)
	if set == nil || set.call == nil || set.call.random != m.Call || !slices.Contains(set.members, from) || len(m.Have) > a.standby.Depth {
		return
	}
	if m.Random == (common.Hash{}) { // not now; perhaps since it is still making the last one
		set.call = nil
		set.restUntil(a.now.Add(a.timing.Quiet))
		return
	}
	a.dropLost(set, m.Have)
	set.call.answers[from] = m.Random
	if len(set.call.answers) < len(set.members)-1 {
		return
	}
	begin := ArmBegin{Signers: set.members}
	for _, x := range set.members {
		if x == a.self {
			begin.Randoms = append(begin.Randoms, set.call.random)
		} else {
			begin.Randoms = append(begin.Randoms, set.call.answers[x])
		}
	}
	set.call = nil
	a.toSet(set, begin)
	a.arm(set, begin.Randoms)
}

// armBegun starts what this node has pledged itself to, if its own part is in
// the id.
func (a *Agenda) armBegun(from council.MemberID, m ArmBegin) {
	set := a.signerSetOf(m.Signers)
	if set == nil || set.pledge == nil || set.leader != from || len(m.Randoms) != len(set.members) {
		return
	}
	p := set.pledge
	if m.Randoms[slices.Index(set.members, a.self)] != p.random || m.Randoms[slices.Index(set.members, from)] != p.call {
		return
	}
	set.pledge = nil
	if all, _ := a.standby.underway(from); all >= MaxArming {
		return // an honest leader counts as this node does
	}
	a.arm(set, m.Randoms)
}

func (a *Agenda) arm(set *signerSet, randoms []common.Hash) {
	set.arming = council.ArmSession(a.epoch(), a.hash, set.members, randoms)
	set.since, set.silent = a.now, Waits{}
	a.at(a.now.Add(a.timing.Arming))
	a.do(Arm{Session: set.arming, Signers: set.members, Expires: unix(a.now.Add(a.standby.TTL))})
}

func (a *Agenda) armingSet(id council.SessionID) *signerSet {
	for _, set := range a.standby.sets {
		if id != (council.SessionID{}) && set.arming == id {
			return set
		}
	}
	return nil
}
