package node

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// Standing is where a council stands as a journal knows it: the birth of its key,
// and the rotations since. It proves itself from the first roster on.
type Standing struct {
	First    council.Roster
	Genesis  *council.Genesis // nil before there is a key
	Switches []council.Switch
	Steps    []council.Succession // that the switches have carried out

	proofs [][]byte // of the switches: the certificates as they are in the journal
	// The journal as the last node of this process has left it, if that node had caught up
	// with the others. The next one, which finds it so, lacks nothing that this one had.
	stand journal.Stand
}

// Stand reads a journal. First is the roster that the key was made under.
func Stand(j *journal.Journal, first council.Roster, p council.Profile) (Standing, error) {
	return Standing{}.Again(j, first, p)
}

// Again reads a journal once more, as Stand does. A certificate of which the journal still
// has the bytes that were verified for known, in the same place after the same first roster,
// is not verified again. The profile is that of then.
func (known Standing) Again(j *journal.Journal, first council.Roster, p council.Profile) (Standing, error) {
	if known.Genesis != nil {
		was, err := known.First.Hash()
		if err != nil {
			return Standing{}, err
		}
		if is, err := first.Hash(); err != nil || is != was {
			known = Standing{}
		}
	}
	s := Standing{First: first, stand: known.stand}
	b, ok, err := j.Meta(metaGenesis)
	if err != nil || !ok {
		return s, err
	}
	g := new(council.Genesis)
	if err := rlp.DecodeBytes(b, g); err != nil {
		return s, fmt.Errorf("read birth record: %w", err)
	}
	if err := g.Verify(first); err != nil {
		return s, council.WithHint(err, "the first roster is not the one that the key of this journal was made under")
	}
	s.Genesis = g
	if known.Genesis == nil || known.Genesis.ID() != g.ID() {
		known = Standing{}
	}
	for {
		i := len(s.Switches)
		b, ok, err := j.Meta(metaSwitch(i))
		if err != nil || !ok {
			return s, err
		}
		if i < len(known.proofs) && bytes.Equal(b, known.proofs[i]) {
			s.Switches, s.Steps, s.proofs = append(s.Switches, known.Switches[i]), append(s.Steps, known.Steps[i]), append(s.proofs, b)
			continue
		}
		known = Standing{} // what follows stands on another ground
		c, err := council.DecodeCertificate(b)
		if err != nil {
			return s, err
		}
		sw, err := council.VerifyCertificate(s.Holding(), p, c)
		if err != nil {
			return s, fmt.Errorf("rotation %d in the journal: %w", len(s.Switches)+1, err)
		}
		s.Switches, s.Steps, s.proofs = append(s.Switches, sw), append(s.Steps, c.Succession), append(s.proofs, b)
	}
}

// Standing is where the council stood when Run returned, and is to be asked no sooner. The
// next node need not verify again what this one did, nor ask others what it has missed.
func (n *Node) Standing() Standing {
	s := n.standing
	s.stand = journal.Stand{}
	if now, err := n.journal.Stand(); err == nil && !n.restoring() {
		s.stand = now
	}
	return s
}

// continues reports whether the journal is as a node that had caught up has left it, in this
// process: not an old copy.
func (n *Node) continues() (bool, error) {
	now, err := n.journal.Stand()
	return err == nil && now != journal.Stand{} && now == n.standing.stand, err
}

// metaSwitch names the certificate of one rotation.
func metaSwitch(i int) string { return fmt.Sprintf("switch-%d", i) }

// Holding is who holds the key now; the zero one before there is a key.
func (s Standing) Holding() council.Holding {
	switch n := len(s.Switches); {
	case n > 0:
		return s.Switches[n-1].After()
	case s.Genesis != nil:
		return s.Genesis.Holding(s.First)
	}
	return council.Holding{}
}

// metaSince names when this node first ran under a roster: rlp, unix seconds.
func metaSince(version uint64) string { return fmt.Sprintf("since-%d", version) }

// since is when this node first ran under a roster that a rotation has brought. It is
// written once: what was signed before may count from then. It is zero under the first.
func (s Standing) since(j *journal.Journal, r council.Roster, now time.Time) (since uint64, err error) {
	if len(s.Switches) == 0 {
		return 0, nil
	}
	b, ok, err := j.Meta(metaSince(r.Version))
	if err != nil {
		return 0, err
	}
	if ok {
		if err := rlp.DecodeBytes(b, &since); err != nil {
			return 0, council.WithHint(fmt.Errorf("read since when roster %d is in force here: %w", r.Version, err), "the journal is damaged: see 'signer doctor'")
		}
		return since, nil
	}
	since = uint64(max(now.Unix(), 0))
	if b, err = rlp.EncodeToBytes(since); err != nil {
		return 0, fmt.Errorf("encode time: %w", err)
	}
	return since, j.PutMeta(metaSince(r.Version), b)
}

// moved is the last rotation that has made the shares anew.
func (s Standing) moved() (sw council.Switch, ok bool) {
	for _, sw := range slices.Backward(s.Switches) {
		if !sw.Rotation().Still() {
			return sw, true
		}
	}
	return council.Switch{}, false
}

// Roster is the roster in force.
func (s Standing) Roster() council.Roster {
	if len(s.Switches) == 0 {
		return s.First
	}
	return s.Holding().Roster
}

// RosterOf is the roster that a member's node, by its key, works under: the one in
// force, or, for who was in the one before and is not in this, that.
func (s Standing) RosterOf(m council.MemberID, peer string) council.Roster {
	if k := len(s.Switches); k > 0 && !seated(s.Roster(), m, peer) {
		if before := s.Switches[k-1].Before().Roster; seated(before, m, peer) {
			return before
		}
	}
	return s.Roster()
}

// former are the members of earlier rosters.
func (s Standing) former() (out []council.Member) {
	for _, sw := range s.Switches {
		out = append(out, sw.Before().Roster.Members...)
	}
	return out
}

// rosters are all that were in force until now, the first one first.
func (s Standing) rosters() []council.Roster {
	out := []council.Roster{s.First}
	for _, sw := range s.Switches {
		out = append(out, sw.After().Roster)
	}
	return out
}

// until are the rosters up to one, the first one first, and when that one took over, in
// unix seconds: zero for the first.
func (s Standing) until(version uint64) (out []council.Roster, since uint64) {
	out = []council.Roster{s.First}
	for _, x := range s.Steps {
		if x.Roster.Version <= version {
			out, since = append(out, x.Roster), x.Effective
		}
	}
	return out, since
}

// rosterOf is the roster of this council that has a hash, whenever it was in force; the
// one that this node works under, if none has. It may be asked on any goroutine.
func (n *Node) rosterOf(hash common.Hash) council.Roster {
	if r, ok := council.RosterByHash(n.rosters, hash); ok {
		return r
	}
	return n.roster
}

// knows reports whether a roster of this council has that hash.
func (n *Node) knows(hash common.Hash) bool {
	_, ok := council.RosterByHash(n.rosters, hash)
	return ok
}

// seated reports whether a member's node, by its key, is in a roster.
func seated(r council.Roster, m council.MemberID, peer string) bool {
	who, ok := r.Member(m)
	return ok && who.Peer == peer
}

// under is what a node works under with a roster: the one in force, or, for who
// has left, the one before.
func (s Standing) under(r council.Roster) (council.Holding, error) {
	want, err := r.Hash()
	if err != nil {
		return council.Holding{}, err
	}
	h := s.Holding()
	if s.Genesis == nil {
		return h, nil
	}
	if have, err := h.Roster.Hash(); err != nil || have == want {
		return h, err
	}
	if k := len(s.Switches); k > 0 {
		before := s.Switches[k-1].Before()
		if have, err := before.Roster.Hash(); err != nil || have == want {
			return before, err
		}
	}
	return h, council.WithHint(fmt.Errorf("the journal says that roster %d holds the key; this node was started under version %d", h.Roster.Version, r.Version),
		"start it under the roster in force")
}

// passOn gives a member the certificates of all rotations that it may not have heard
// of, oldest first: each proves itself to who knows the one before. The last one the
// machine brings to members, as long as it is that rotation's.
func (n *Node) passOn(to council.MemberID, lacks func(council.Switch) bool) {
	p := n.peer(to)
	if n.now().Before(p.passed.Add(n.timing.Retry)) {
		return
	}
	_, member := n.roster.Member(to)
	for i, sw := range n.standing.Switches {
		if !lacks(sw) || member && n.shift.book != nil && sw.Before().Roster.Version >= n.shift.book.roster {
			continue
		}
		p.passed = n.now()
		b, ok, err := n.book().Meta(metaSwitch(i))
		if err != nil || !ok {
			n.log.Error("read certificate", "rotation", i+1, "err", err)
			return
		}
		c, err := council.DecodeCertificate(b)
		if err != nil {
			n.log.Error("read certificate", "rotation", i+1, "err", err)
			return
		}
		n.sendMessage(to, agenda.CertificateMessage{Certificate: c})
	}
}

// born takes up the birth of the key.
func (n *Node) born(g council.Genesis) {
	n.standing.Genesis = &g
	n.holding = n.standing.Holding()
}
