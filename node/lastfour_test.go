package node_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// Three of seven are gone for good, and their seats go to others. The four that are left
// deal, test and lock, and then nothing is signed. The words of three of them commit
// nothing, also when one of them is started anew; each node names who has given it, and
// where it is still to be given. With the fourth word four Locks commit, each node says on
// what that rests, and the seven sign, three of them new.
func TestLastFourOfSeven(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing of seven")
	}
	gone := []council.MemberID{"community-2", "core-3", "core-4"}
	c := cabinetOf(t, testcouncil.Size{Threshold: 4, Members: 7}, council.Millicent, "community-4", "core-5", "core-6")
	c.opens()
	c.goes(c.first, gone, c.heirs...)
	c.sets = sets(t, 7)
	four := slices.DeleteFunc(c.size.IDs(), func(m council.MemberID) bool { return slices.Contains(gone, m) })
	last, seven := four[3], c.plan.Roster.IDs()
	for _, m := range seven {
		c.start(m)
	}
	c.spares(1, "community-4") // those of who is gone
	c.spares(5, "core-5", "core-6")
	c.ready(last)
	p, err := c.rooms[last].Propose(t.Context(), api.ProposeRequest{Statement: "late", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.rooms[last].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	locking := func(text string) {
		for _, m := range seven {
			c.await(m, text, 10*minute, func(r *room) bool {
				s, err := r.Rotation(t.Context())
				return err == nil && s.Stage == agenda.StageLocking && strings.HasPrefix(s.Text, "4 of 5 locks") && strings.Contains(s.Text, text)
			})
		}
	}
	locking("'--last-four' on all 4 that have locked commits, and says what it assumes")
	for _, m := range four {
		c.vote(last, m, p.ID)
	}
	for _, m := range four[:3] {
		if v, err := c.rooms[m].CommitWithFour(t.Context()); err != nil || v.Commit != nil {
			t.Fatalf("%s: %+v, %v", m, v, err)
		}
	}
	said := "given on " + council.Names(four[:3])
	locking(said)
	c.stop(four[0])
	c.start(four[0])
	locking(said)
	for _, m := range seven {
		s, err := c.rooms[m].Status(t.Context())
		if err != nil || s.Council == nil || s.Council.ShareEpoch != 1 || s.Rotation.Commit != nil || slices.Contains(four, m) && s.Phase == api.Ready ||
			!slices.ContainsFunc(s.Rotation.Missing, func(n api.Need) bool {
				return n.Member == last && strings.Contains(n.Do, "'signer term commit --last-four'")
			}) {
			t.Errorf("with the words of three %s says %s, %s, %+v, %v", m, s.Phase, s.Detail, s.Rotation, err)
		}
	}
	if x := c.rooms[last].proposal(t, p.ID); x.Have != 4 || len(x.Attempts) > 0 || x.Done() {
		t.Errorf("who has locked signs: %d approvals, %s, %+v", x.Have, x.State, x.Attempts)
	}

	if err := c.rooms[last].LastFour(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.until("the seven under the next roster", c.works(2, seven...))
	for _, m := range seven {
		const assumes = "that is safe only if none of them is malicious"
		s, err := c.rooms[m].Status(t.Context())
		if err != nil || s.Council.Address != c.genesis.Key || s.Rotation == nil || s.Rotation.Commit == nil || !s.Rotation.Commit.LastFour ||
			!slices.Equal(s.Rotation.Commit.Locked, four) || !strings.Contains(s.Rotation.Text, assumes) || !c.told(m, "rotation-committed", assumes) {
			t.Errorf("%s does not say by whose Locks it was committed, and what that assumes: %+v, %v", m, s.Rotation, err)
		}
	}
	for _, m := range four {
		c.stage(m, agenda.StageErased)
	}
	c.keeps(2, seven...)
	if x := c.rooms[last].proposal(t, p.ID); x.Have != 0 || x.Done() {
		t.Errorf("approvals of another roster count: %d, %s", x.Have, x.State)
	}
	c.signs("after", "core-6", "community-4", "core-1", "core-5", "core-6")
}
