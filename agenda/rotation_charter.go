package agenda

import (
	"fmt"
	"slices"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// CharterKnown reports that this node has the text of a charter that a succession may
// bring, and what the charter in force asks for before that takes its place: a charter
// is no secret, but a hash shows nobody what it allows. Said again, the last one holds.
type CharterKnown struct {
	Charter   common.Hash // of the text
	Approvals int         // by members whose mandate lasts until the change; the threshold is asked for in any case
	Delay     uint64      // seconds, from when this node has both the text and word of the succession
	Since     uint64      // unix seconds: when it first had the text of this charter, which was proposed then; it stays
}

func (CharterKnown) event() {}

// heard is a succession that this node has taken up.
type heard struct {
	council.Succession
	roster   common.Hash      // the hash of its roster
	seen     uint64           // when it first heard of it, in unix seconds
	approved int              // members whose approval counts; looked at where the charter changes
	next     council.Rotation // of one that moves no share: no try before this one is open
}

func (h heard) still() bool { return h.next.Key != (common.Address{}) }

// recharters reports whether a succession brings another charter.
func (r *Rotation) recharters(s council.Succession) bool {
	return s.Roster.Charter != r.Holding.Roster.Charter
}

// short says why a succession is not taken up although the threshold approves of it:
// the charter in force wants more for the charter that it brings. More may come.
func (r *Rotation) short(digest common.Hash) string {
	h := r.agreed[digest]
	return r.wants(h.Succession, h.approved)
}

func (r *Rotation) wants(s council.Succession, approved int) string {
	k, known := r.charters[s.Roster.Charter]
	if !known || !r.recharters(s) || approved >= k.Approvals {
		return ""
	}
	return fmt.Sprintf("%d members approve of another charter, and the one in force asks for %d: bring the succession again with more approvals", approved, k.Approvals)
}

// opens is when this node may work for a succession at the earliest: on its day; if it
// moves no share, not before all have had the time to hear of it, and of another one
// that was agreed on at once; and if it brings another charter, not before its members
// had the time to read that, from when its text was here. Who holds no share of before
// guards nothing by waiting, and would, where it starts late, have all the others wait.
func (r *Rotation) opens(digest common.Hash) time.Time {
	if r.old {
		return r.opensToAll(digest)
	}
	return unixTime(r.agreed[digest].Effective)
}

// opensToAll is the same as for who holds a share of before: with the time to read the
// charter, whoever this node is.
func (r *Rotation) opensToAll(digest common.Hash) time.Time {
	h := r.agreed[digest]
	day := h.Effective
	if h.still() {
		day = max(day, min(h.seen, 1<<60)+settling)
	}
	if r.recharters(h.Succession) {
		k := r.charters[h.Roster.Charter]
		day = max(day, min(max(h.seen, k.Since), 1<<60)+min(k.Delay, 1<<60))
	}
	return unixTime(day)
}

// strange says that this node does not know the charter which a succession brings,
// and what is to be done; or "". Who joins works by that charter from its first day.
func (r *Rotation) strange(s council.Succession) (why, do string) {
	old, receives := r.roles(s)
	_, known := r.charters[s.Roster.Charter]
	switch {
	case receives && !old && r.Charter != s.Roster.Charter && !known:
		return fmt.Sprintf("has the charter %s, and the roster that it is to join has %s", r.Charter.Hex(), s.Roster.Charter.Hex()),
			"get the council's charter file from another member, and start this node with it"
	case old && !known && r.recharters(s):
		return fmt.Sprintf("does not have the text of the charter %s, which the next roster brings", s.Roster.Charter.Hex()),
			"give this node the file of that charter, or connect it with a node that has it"
	}
	return "", ""
}

// approvedBy counts whose approval of a succession counts.
func (r *Rotation) approvedBy(s council.Succession) int {
	g, err := s.Agreement(r.Holding.Roster)
	if err != nil {
		return 0
	}
	return len(g.Approved)
}

// outdoes reports whether a copy of a succession that brings another charter shows more
// approvals than the one that this node has taken up: the charter in force may want them.
func (r *Rotation) outdoes(digest common.Hash, s council.Succession) bool {
	was := r.agreed[digest]
	return r.recharters(s) && len(s.Approvals) > was.approved && s.Verify(r.Holding.Roster, r.Profile) == nil && r.approvedBy(s) > was.approved
}

// knowsCharter takes up what was said of a charter.
func (r *Rotation) knowsCharter(k CharterKnown) {
	if was, ok := r.charters[k.Charter]; ok && was == k {
		return
	}
	r.charters[k.Charter] = k
	if slices.ContainsFunc(r.Successions(), func(s council.Succession) bool { return s.Roster.Charter == k.Charter }) {
		r.soon()
	}
}
