package agenda

import (
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// armCalled answers the leader of a set. What the leader lacks is of no use to
// anyone; what this node lacks it says, so that the leader drops it.
func (a *Agenda) armCalled(from council.MemberID, m ArmCall) {
	set := a.signerSetOf(m.Signers)
	if set == nil || set.leader != from || from == a.self || len(m.Have) > a.standby.Depth || !a.allOnline(set.members) {
		return
	}
	a.keepOnly(set, m.Have)
	set.pledge = nil // the leader has given that call up
	answer := ArmAnswer{Signers: set.members, Call: m.Call, Have: set.have()}
	wanted := a.genesis != nil && a.watching == "" && !a.busy() && len(set.slots) < a.standby.Depth &&
		!set.taken() && a.standby.underway(from) < MaxArming && a.due(set.rest, 0)
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
	a.keepOnly(set, m.Have)
	if m.Random == (common.Hash{}) { // not now
		set.call = nil
		set.rest = a.now.Add(a.timing.Quiet)
		return
	}
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
