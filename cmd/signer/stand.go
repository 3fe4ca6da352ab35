package main

import (
	"fmt"
	"slices"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// place is where a node works: under which roster, as whom, and with whom beside.
type place struct {
	roster council.Roster
	me     council.Member
	waits  bool        // me is to come in, and is in the roster to come
	left   bool        // the roster in force is without me; this is the one before
	guests []p2p.Guest // of who waits: those who come in, and itself
	born   bool        // there is a key
}

// enrolled is this member in the last roster of the files that has it.
func (p *parts) enrolled() (me council.Member, in council.Roster, ok bool) {
	for _, r := range rostersIn(p.lineage) {
		if m, is := r.Member(p.self()); is {
			me, in, ok = m, r, true
		}
	}
	return me, in, ok
}

// seat is this node's member in a roster.
func (p *parts) seat(r council.Roster) (council.Member, bool) {
	m, ok := r.Member(p.self())
	return m, ok && m.Peer == p.peer
}

// stand says where this node works, from what its journal knows of the council: in
// the roster in force; or as a guest of it, if the files say that it is to come in
// later; or, if it has left, in the roster before.
func (p *parts) stand(s node.Standing) (place, error) {
	now := s.Roster()
	at := place{roster: now, born: s.Genesis != nil}
	var ok bool
	if at.me, ok = p.seat(now); ok {
		return at, nil // whatever else its files say
	}
	for i, sw := range s.Switches {
		if i >= len(p.lineage.Steps) {
			break
		}
		took, err := sw.After().Roster.Hash()
		if err != nil {
			return at, err
		}
		file, err := p.lineage.Steps[i].Roster.Hash()
		if err != nil {
			return at, err
		}
		if took != file {
			return at, council.WithHint(fmt.Errorf("%s is a roster %d that did not take over: the council went on with %s", p.config.Successions[i], sw.After().Roster.Version, took.Hex()),
				"ask another member for the succession that did, and name that under 'successions'")
		}
	}
	for _, step := range p.lineage.Steps {
		if step.Roster.Version <= now.Version {
			continue
		}
		for i, m := range step.Roster.Members {
			known := func(g p2p.Guest) bool { return g.Member.ID == m.ID }
			if _, in := now.Member(m.ID); !in && !slices.ContainsFunc(at.guests, known) {
				at.guests = append(at.guests, p2p.Guest{Member: m, Record: step.Addresses[i]})
			}
		}
		if at.me, at.waits = p.seat(step.Roster); at.waits {
			return at, nil
		}
	}
	at.guests = nil
	at.roster = s.RosterOf(p.self(), p.peer)
	if at.me, at.left = p.seat(at.roster); at.left {
		return at, nil
	}
	return at, council.WithHint(fmt.Errorf("member %s is not in roster %d, which is in force, and no succession says that it comes in", p.self(), now.Version),
		"name the succession that does under 'successions' in signer.yaml; if your seat is over, this daemon is not needed any more")
}

// fits checks the files against the place, at a time in unix seconds, and says what
// is worth a warning.
func (p *parts) fits(at place, s node.Standing, now uint64) (warnings []string, err error) {
	c := p.config
	if err := at.roster.InForce(now); err != nil && !at.left {
		// Terms end while a council works; a member outside its term can't
		// decide, but the others still can. Once there is a key, it still has
		// a share to hand over.
		if !at.waits && !at.born && !at.me.Term.Holds(now) {
			return nil, err
		}
		warnings = append(warnings, err.Error())
	}
	switch {
	case c.Approver == "" || c.Approver == at.me.Approver.Hex():
	case p.walletOf(c.Approver, s): // a rotation has given it another, or will
		warnings = append(warnings, fmt.Sprintf("signer.yaml names wallet %s, which is not %s's in roster %d: correct 'approver', or remove it", c.Approver, at.me.ID, at.roster.Version))
	default:
		return nil, council.WithHint(fmt.Errorf("signer.yaml names wallet %s; the roster has %s for %s", c.Approver, at.me.Approver.Hex(), at.me.ID), "correct 'approver' in signer.yaml, or remove it")
	}
	return warnings, nil
}

// walletOf reports whether a wallet is this member's in any roster that the files or
// the journal know.
func (p *parts) walletOf(wallet string, s node.Standing) bool {
	rosters := rostersIn(p.lineage)
	for _, step := range s.Steps {
		rosters = append(rosters, step.Roster)
	}
	return slices.ContainsFunc(rosters, func(r council.Roster) bool {
		m, ok := r.Member(p.self())
		return ok && m.Approver.Hex() == wallet
	})
}

// reachable is what is known of where the nodes of a roster are.
func (p *parts) reachable(r council.Roster, s node.Standing) (records [][]byte) {
	add := func(members []council.Member, of [][]byte) {
		for i, m := range members {
			if now, in := r.Member(m.ID); in && now.Peer == m.Peer {
				records = append(records, of[i])
			}
		}
	}
	add(p.lineage.First.Roster.Members, p.lineage.First.Addresses)
	for _, step := range slices.Concat(p.lineage.Steps, s.Steps) {
		add(step.Roster.Members, step.Addresses)
	}
	return records
}

// overrides are the addresses in signer.yaml of those who are here now. Names that no
// roster has known are left for the host to complain about.
func (p *parts) overrides(at place, s node.Standing) map[council.MemberID][]string {
	out := map[council.MemberID][]string{}
	for _, o := range p.config.Peers {
		id := council.MemberID(o.Member)
		_, here := at.roster.Member(id)
		here = here || slices.ContainsFunc(at.guests, func(g p2p.Guest) bool { return g.Member.ID == id })
		elsewhere := false
		for _, r := range rostersIn(p.lineage) {
			_, in := r.Member(id)
			elsewhere = elsewhere || in
		}
		for _, step := range s.Steps {
			_, in := step.Roster.Member(id)
			elsewhere = elsewhere || in
		}
		if here || !elsewhere {
			out[id] = o.Addrs
		}
	}
	return out
}
