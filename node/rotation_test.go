package node_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/accounts"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// stage waits until a node says that the rotation is at a stage.
func (c *cabinet) stage(m council.MemberID, want agenda.RotationStage) {
	c.t.Helper()
	c.await(m, string(want), 5*minute, func(r *room) bool {
		s, err := r.Rotation(c.t.Context())
		return err == nil && s.Stage == want
	})
}

// speak has two members say a text through their nodes, and gives its signature.
func (c *cabinet) speak(text string, at council.MemberID, who ...council.MemberID) api.Proposal {
	c.t.Helper()
	c.ready(at)
	p, err := c.rooms[at].Propose(c.t.Context(), api.ProposeRequest{Statement: text, Reason: "a test"})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range who {
		c.vote(at, m, p.ID)
	}
	c.await(at, "the signature", minute, inState(c.t, p.ID, api.Signed))
	return c.rooms[at].proposal(c.t, p.ID)
}

func (c *cabinet) vote(at, who council.MemberID, id council.ProposalID) {
	c.t.Helper()
	u, err := c.rooms[at].Ballot(c.t.Context(), api.BallotRequest{Proposal: id.Hex(), Decision: council.Approve, Member: who})
	if err != nil {
		c.t.Fatal(err)
	}
	u.Approval.Sig = testcouncil.Sign(c.t, u.Document, testcouncil.Wallet(c.t, who))
	if _, err := c.rooms[at].Vote(c.t.Context(), u.Approval); err != nil {
		c.t.Fatal(err)
	}
}

// One member leaves and one joins. The address is the same before and after, the
// leaver's share is gone, and the joiner signs with another.
func TestRotation(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	before := c.speak("before", "member-02", "member-01", "member-02")
	if who := recovered(t, accounts.TextHash([]byte("before")), before.Signature); who != c.genesis.Key {
		t.Fatalf("signed by %s", who)
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.plan.Roster.IDs() {
		c.switched(m)
	}
	c.stage("member-01", agenda.StageErased)
	if epochs, err := c.rooms["member-01"].keys.Epochs(); err != nil || len(epochs) > 0 {
		t.Errorf("the leaver still has %v, %v", epochs, err)
	}
	c.stop("member-02") // so the joiner has to sign
	after := c.speak("after", joiner, "member-03", joiner)
	if who := recovered(t, accounts.TextHash([]byte("after")), after.Signature); who != c.genesis.Key {
		t.Fatalf("signed by %s", who)
	}
}
