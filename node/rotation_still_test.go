package node_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
)

// turns has the council go from a roster to one with the same members, changed by f.
func (c *cabinet) turns(old council.Roster, f func(*council.Roster)) {
	c.t.Helper()
	c.turned = false
	c.before, c.plan = old, c.succession(old, nil, nil, func(r *council.Roster) {
		r.Members = slices.Clone(r.Members)
		f(r)
	})
}

// works reports whether these nodes work under the plan's roster, with shares of an
// epoch that are on their disks.
func (c *cabinet) works(epoch uint64, who ...council.MemberID) func() bool {
	want, err := c.plan.Roster.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	return func() bool {
		for _, m := range who {
			r := c.rooms[m]
			if r.Node == nil {
				return false
			}
			s, err := r.Status(c.t.Context())
			if err != nil || s.Phase != api.Ready || s.Roster.Hash != want || s.Charter != c.plan.Roster.Charter || s.Council.ShareEpoch != epoch {
				return false
			}
		}
		return true
	}
}

// keeps holds that each of these nodes has the share of one epoch, and no other.
func (c *cabinet) keeps(epoch uint64, who ...council.MemberID) {
	c.t.Helper()
	for _, m := range who {
		all, err := c.rooms[m].keys.Epochs()
		if err != nil || len(all) != 1 || all[0].Epoch != epoch {
			c.t.Errorf("%s has the shares %v, %v", m, all, err)
		}
	}
}

// Another charter takes over while two of seven are away, and one that is there dies
// between its steps. Nobody's share goes. What was approved before counts no more. Who
// was away follows, and so does one whose journal is of the time before. Then a member
// gets a new wallet, and another one a shorter term, under the shares of before: the new
// wallet approves, and the old one does not.
func TestStillRotations(t *testing.T) {
	if testing.Short() {
		t.Skip("a real council that signs")
	}
	c := cabinetOf(t, testcouncil.Size{Threshold: 4, Members: 7}, council.Millicent)
	c.opens()
	all := c.size.IDs()
	away := []council.MemberID{"community-1", "core-1"}
	var here []council.MemberID
	for _, m := range all {
		if !slices.Contains(away, m) {
			here = append(here, m)
		}
	}
	c.dying("core-4", "lock written", "certificate written")
	for _, m := range all {
		c.start(m)
	}
	for _, m := range all {
		c.ready(m)
	}
	for _, m := range away {
		c.stop(m)
	}
	disk := c.copied("core-1", "journal.db")

	next := c.smallCharter("# another one\n")
	c.turns(c.first, func(r *council.Roster) { r.Charter = next.Hash() })
	for _, m := range here {
		k := agenda.CharterKnown{Charter: next.Hash(), Approvals: 4}
		if m == "core-2" {
			k.Approvals = 8
		}
		if err := c.rooms[m].KnowCharter(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	p, err := c.rooms["core-3"].Propose(t.Context(), api.ProposeRequest{Statement: "before", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []council.MemberID{"core-2", "core-3", "core-4"} {
		c.vote("core-3", m, p.ID)
	}
	if err := c.rooms["core-2"].Succeed(t.Context(), c.plan); err == nil || !strings.Contains(err.Error(), "asks for 8") {
		t.Fatalf("with too few approvals: %v", err)
	}
	if err := c.rooms["core-2"].KnowCharter(t.Context(), agenda.CharterKnown{Charter: next.Hash(), Approvals: 7}); err != nil {
		t.Fatal(err)
	}
	if err := c.rooms["core-2"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the new charter where nodes run", c.works(1, here...))
	c.turned = true
	c.keeps(1, here...)
	if x := c.rooms["core-3"].proposal(t, p.ID); x.Have != 0 {
		t.Errorf("%d approvals given to the roster before count", x.Have)
	}
	c.signs("under the new charter", "core-3", "community-2", "community-3", "core-2", "core-3")
	for _, m := range away {
		c.start(m)
	}
	c.until("those who were away to follow", c.works(1, all...))
	c.sits()
	c.stop("core-1")
	c.restored("core-1", "journal.db", disk)
	c.start("core-1")
	c.until("an old journal to catch up", c.works(1, all...))

	old := c.plan.Roster
	c.turns(old, func(r *council.Roster) {
		for i := range r.Members {
			switch m := &r.Members[i]; m.ID {
			case "core-1":
				m.Approver = crypto.PubkeyToAddress(testcouncil.Wallet(t, renewed("core-1")).PublicKey)
			case "core-2":
				m.Term.End -= 3600
			}
		}
	})
	if err := c.rooms["core-1"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the third roster", c.works(1, all...))
	c.keeps(1, all...)
	p, err = c.rooms["core-1"].Propose(t.Context(), api.ProposeRequest{Statement: "by a new wallet", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := c.rooms["core-1"].Ballot(t.Context(), api.BallotRequest{Proposal: p.ID.Hex(), Decision: council.Approve, Member: "core-1"})
	if err != nil {
		t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(t, u.Document, testcouncil.Wallet(t, "core-1"))
	if _, err := c.rooms["core-1"].Vote(t.Context(), u.Approval); err == nil {
		t.Error("the old wallet approves")
	}
	c.turned = true
	for _, m := range []council.MemberID{"community-1", "core-1", "core-2", "core-4"} {
		c.vote("core-1", m, p.ID)
	}
	c.await("core-1", "the signature", minute, inState(t, p.ID, api.Signed))
}

// The same three get new shares. Those of before, put back, are refused; the address is
// the same, and signs.
func TestRefreshedShares(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	all := c.size.IDs()
	keys := map[council.MemberID]string{}
	for _, m := range all {
		c.start(m)
		c.stop(m)
		keys[m] = c.copied(m, "keys")
	}
	for _, m := range all {
		c.start(m)
	}
	c.turns(c.first, func(*council.Roster) {})
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the new shares", c.works(2, all...))
	c.until("the end of the old ones", c.settled)
	c.keeps(2, all...)
	c.stop("member-01")
	now := c.copied("member-01", "keys")
	c.restored("member-01", "keys", keys["member-01"])
	r := c.open("member-01")
	if _, err := node.New(c.config("member-01", r)); err == nil || !strings.Contains(err.Error(), "older than the journal") {
		t.Errorf("starts with its old share: %v", err)
	}
	c.closes(r)
	c.restored("member-01", "keys", now)
	c.start("member-01")
	c.until("the member with its new share", c.works(2, all...))
	c.stop("member-02")
	c.signs("after", "member-01", "member-01", "member-03")
}
