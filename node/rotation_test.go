package node_test

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
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

// settled reports whether all nodes are where the rotation ends: the new members
// under the new epoch, the old shares erased.
func (c *cabinet) settled() bool {
	for m, r := range c.rooms {
		if r.Node == nil {
			return false
		}
		s, err := r.Rotation(c.t.Context())
		if err != nil {
			return false
		}
		want := agenda.StageErased
		if m == joiner {
			want = agenda.StageCommitted
		}
		if s.Stage != want || len(s.Missing) > 0 {
			return false
		}
		v, err := r.Status(c.t.Context())
		if err != nil || v.Council == nil {
			return false
		}
		if _, in := c.plan.Roster.Member(m); in && v.Council.ShareEpoch != 2 {
			return false
		}
	}
	return true
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
	c.until("the new roster everywhere", c.settled)
	if epochs, err := c.rooms["member-01"].keys.Epochs(); err != nil || len(epochs) > 0 {
		t.Errorf("the leaver still has %v, %v", epochs, err)
	}
	c.stop("member-02") // so the joiner has to sign
	after := c.speak("after", joiner, "member-03", joiner)
	if who := recovered(t, accounts.TextHash([]byte("after")), after.Signature); who != c.genesis.Key {
		t.Fatalf("signed by %s", who)
	}
	c.pass(2 * agenda.BeatEvery)
	for _, m := range []council.MemberID{"member-03", joiner} {
		r := c.rooms[m]
		if err := r.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := r.Status(t.Context())
		i := slices.IndexFunc(s.Heartbeats, func(h api.Heartbeat) bool { return h.Member == m })
		if err != nil || i < 0 || s.Heartbeats[i].ShareEpoch != c.genesis.ShareEpoch+1 || s.Heartbeats[i].Share != "sound" {
			t.Errorf("%s is proven alive by %+v (%v)", m, s.Heartbeats, err)
		}
	}
}

// dying has a node die at each of these steps, once, in this order.
func (c *cabinet) dying(m council.MemberID, steps ...string) {
	c.change[m] = func(cfg *node.Config) {
		cfg.Between(func(at string) {
			if len(steps) > 0 && steps[0] == at {
				steps = steps[1:]
				runtime.Goexit()
			}
		})
	}
}

// Every node dies between the steps in which it locks, switches and erases, and
// goes on from its disk. Nobody has to be asked again.
func TestRotationOfDyingNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	c.dying("member-01", "barred", "lock written", "certificate written", "old share erased")
	c.dying("member-02", "lock written", "certificate written", "new share staged", "new share current")
	c.dying("member-03", "barred", "certificate written", "new share current", "old share erased")
	c.dying(joiner, "certificate written", "new share staged", "new share current")
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	if err := c.rooms["member-03"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the new roster everywhere", c.settled)
	c.stop("member-02")
	after := c.speak("after", joiner, "member-03", joiner)
	if who := recovered(t, accounts.TextHash([]byte("after")), after.Signature); who != c.genesis.Key {
		t.Fatalf("signed by %s", who)
	}
}

// A rotation that as many refuse as sign together is over for all, and the council
// signs on under its old shares; so it does after all have been started anew.
func TestRefusedRotation(t *testing.T) {
	c := newCabinet(t)
	for _, m := range c.size.IDs() {
		c.start(m)
	}
	if err := c.rooms["member-01"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.size.IDs() {
		c.stage(m, agenda.StageGathering)
	}
	for _, m := range c.size.IDs()[:2] {
		if err := c.rooms[m].RefuseRotation(t.Context(), "a test"); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range c.size.IDs() {
		c.stage(m, agenda.StageAborted)
	}
	for _, m := range c.size.IDs() {
		c.stop(m)
	}
	for _, m := range c.size.IDs() {
		c.start(m)
		c.stage(m, agenda.StageAborted)
	}
	p := c.speak("after", "member-02", "member-01", "member-02")
	if who := recovered(t, accounts.TextHash([]byte("after")), p.Signature); who != c.genesis.Key {
		t.Fatalf("signed by %s", who)
	}
}

// What is approved when two of three have locked is signed by nobody, before the
// certificate and after it: those who have locked sign nothing, also when they are
// started anew, and the approvals were given to another roster.
func TestNothingIsSignedAfterTheLock(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinet(t)
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	c.change["member-03"] = func(cfg *node.Config) {
		cfg.Between(func(at string) {
			if at == "barred" {
				<-release
			}
		})
	}
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	for _, m := range c.size.IDs() {
		c.ready(m)
	}
	p, err := c.rooms["member-01"].Propose(t.Context(), api.ProposeRequest{Statement: "late", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	c.await("member-02", "the proposal", minute, func(r *room) bool { return r.proposal(t, p.ID).ID == p.ID })
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	locked := func(m council.MemberID) {
		c.await(m, "its lock", 5*minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && strings.Contains(s.Detail, "has locked")
		})
	}
	locked("member-01")
	locked("member-02")
	c.vote("member-01", "member-01", p.ID)
	c.vote("member-02", "member-02", p.ID)
	c.await("member-01", "both approvals", minute, func(r *room) bool { return r.proposal(t, p.ID).Have == 2 })
	c.stop("member-01")
	c.start("member-01")
	locked("member-01")
	for _, m := range []council.MemberID{"member-01", "member-02"} {
		if x := c.rooms[m].proposal(t, p.ID); len(x.Attempts) > 0 || x.Done() {
			t.Errorf("%s, which has locked, works for it: %s %+v", m, x.State, x.Attempts)
		}
	}
	letGo()
	c.until("the new roster everywhere", c.settled)
	c.await(joiner, "the proposal", minute, func(r *room) bool { return r.proposal(t, p.ID).ID == p.ID })
	if x := c.rooms[joiner].proposal(t, p.ID); x.Have != 0 || x.Done() {
		t.Errorf("approvals of another roster count: %d, %s", x.Have, x.State)
	}
	for _, m := range []council.MemberID{"member-02", "member-03"} { // those who stay approve again
		c.await(m, "the proposal", minute, func(r *room) bool { return r.proposal(t, p.ID).ID == p.ID })
		c.ready(m)
		c.vote(m, m, p.ID)
	}
	c.await("member-03", "the signature", minute, inState(t, p.ID, api.Signed))
	if who := recovered(t, accounts.TextHash([]byte("late")), c.rooms["member-03"].proposal(t, p.ID).Signature); who != c.genesis.Key {
		t.Errorf("signed by %s", who)
	}
}

// A member that has locked for two tries is convicted by the node that is shown
// both, for everyone to check.
func TestForkedLocksAreFiled(t *testing.T) {
	c := newCabinet(t)
	c.start("member-02")
	liar := c.puppet("member-01")
	say := func(m agenda.Message) {
		tag, b, err := agenda.EncodeMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		c.tell(liar, "member-02", p2p.Frame{To: "member-02", Channel: p2p.Record, Type: recordMessage + tag, Payload: b})
	}
	say(agenda.Herald{Succession: c.plan})
	for i := range byte(2) {
		r, err := council.Rotate(c.genesis.Holding(c.first), c.plan, []council.MemberID{"member-01", "member-02"}, common.Hash{i + 1})
		if err != nil {
			t.Fatal(err)
		}
		l, err := r.Lock("member-01", common.Hash{i + 1}).Sign(testcouncil.NodeKey("member-01"))
		if err != nil {
			t.Fatal(err)
		}
		say(agenda.Dossier{Rotation: r, Locks: []council.Lock{l}})
	}
	c.await("member-02", "the two Locks in its list", minute, func(r *room) bool {
		all, err := r.Evidence(t.Context())
		return err == nil && len(all) == 1 && all[0].Culprit == "member-01" && all[0].Kind == "forked-lock" && all[0].Proven
	})
}
