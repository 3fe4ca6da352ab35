package node_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
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
	if m, ok := c.plan.Roster.Member(who); ok && c.turned {
		u.Approval.Sig = testcouncil.Sign(c.t, u.Document, c.walletOf(m))
	}
	if _, err := c.rooms[at].Vote(c.t.Context(), u.Approval); err != nil {
		c.t.Fatal(err)
	}
}

// settled reports whether all nodes are where the rotation ends: the new members
// under the new epoch, the old shares erased.
func (c *cabinet) settled() bool {
	for m, r := range c.rooms {
		_, was := c.before.Member(m)
		_, is := c.plan.Roster.Member(m)
		if !was && !is { // it left, or comes, another time
			continue
		}
		if r.Node == nil {
			return false
		}
		s, err := r.Rotation(c.t.Context())
		if err != nil {
			return false
		}
		want := agenda.StageErased
		if !was {
			want = agenda.StageCommitted
		}
		if s.Stage != want || len(s.Missing) > 0 {
			return false
		}
		v, err := r.Status(c.t.Context())
		if err != nil || v.Council == nil {
			return false
		}
		if is && v.Council.ShareEpoch != c.plan.Roster.Version { // both are counted from one
			return false
		}
	}
	return true
}

// One member leaves and one joins, twice; the address is the same. The one who joins
// second has heard of no rotation. Then come old backups. A leaver whose whole disk is of the
// time before signs nothing and erases its share once more; one with an old keystore
// alone does not start; and one whose journal is two rotations old goes on with the
// share that it has.
func TestRotation(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	c := newCabinet(t)
	const last = council.MemberID("member-05")
	for _, m := range c.size.IDs() {
		c.start(m)
	}
	c.signs("before", "member-02", "member-01", "member-02")
	for _, m := range c.size.IDs() {
		c.stop(m)
	}
	disk, book, keys := c.copied("member-01", ""), c.copied("member-03", "journal.db"), c.copied("member-03", "keys")
	// Rows that nobody has heard of, as of malicious members: in the first locks, and not
	// in the second ones, which could not hold them all.
	c.claims("member-01", 0, 200)
	c.claims("member-03", 1000, 200)
	told := c.notices("member-03")
	// A node that switches takes what its hooks have not told yet with it: so it switches
	// when they have told all of that roster, and of the one before.
	switches := 0
	c.hook("member-03", func(at string) {
		if at != "certificate written" || switches == 2 { // it comes to them once more, with its old journal
			return
		}
		switches++
		late := time.After(minute)
		for n := told(); n["rotation-proposed"] < switches || n["rotation-locking"] < switches || n["rotation-committed"] < switches-1 || n["roster-signed"] < switches-1; n = told() {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-late:
				t.Errorf("before switch %d its hooks have told %v", switches, n)
				return
			}
		}
	})
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.until("the second roster everywhere", c.settled)
	if epochs, err := c.rooms["member-01"].keys.Epochs(); err != nil || len(epochs) > 0 {
		t.Errorf("the leaver still has %v, %v", epochs, err)
	}
	c.sits()

	c.stop("member-01")
	c.restored("member-01", "", disk)
	back := c.start("member-01")
	c.until("the end of the old share", func() bool {
		s, err := back.Rotation(t.Context())
		return err == nil && s.Stage == agenda.StageErased
	})
	if epochs, err := back.keys.Epochs(); err != nil || len(epochs) > 0 {
		t.Errorf("the leaver has its old share again: %v, %v", epochs, err)
	}
	if s, err := back.Status(t.Context()); err != nil || s.Phase == api.Ready {
		t.Errorf("the leaver takes part: %v, %v", s.Phase, err)
	}

	c.stop("member-01") // nobody who still works for the first rotation tells of it

	c.goes(c.plan.Roster, []council.MemberID{"member-02"}, last)
	if err := c.rooms["member-03"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	c.start(last)
	c.until("the third roster everywhere", c.settled)
	c.sits()
	c.held("member-03", 400, 0)
	c.await("member-03", "its hooks", minute, func(*room) bool {
		n := told()
		return n["rotation-proposed"] == 2 && n["rotation-locking"] == 2 && n["rotation-committed"] == 2 && n["roster-signed"] == 2
	})

	c.stop("member-03")
	now := c.copied("member-03", "keys")
	c.restored("member-03", "keys", keys)
	r := c.open("member-03")
	if _, err := node.New(c.config("member-03", r)); err == nil || !strings.Contains(err.Error(), "older than the journal") || !strings.Contains(council.Hint(err), "restore a backup") || !strings.Contains(council.Hint(err), "leaves, and comes back as another") {
		t.Errorf("starts with the keystore of an epoch that is over: %v", err)
	}
	c.closes(r)
	c.restored("member-03", "keys", now)
	c.restored("member-03", "journal.db", book)
	c.start("member-03")
	c.until("an old journal to catch up", func() bool {
		r := c.rooms["member-03"]
		if r.Node == nil {
			return false
		}
		s, err := r.Status(t.Context())
		return err == nil && s.Phase == api.Ready && s.Council != nil && s.Council.ShareEpoch == 3
	})
	c.stop(joiner) // so the one of the old journal and the one who came last have to sign
	c.signs("after", last, "member-03", last)
	c.pass(2 * agenda.BeatEvery)
	for _, m := range []council.MemberID{"member-03", last} {
		r := c.rooms[m]
		if err := r.Beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, err := r.Status(t.Context())
		i := slices.IndexFunc(s.Heartbeats, func(h api.Heartbeat) bool { return h.Member == m })
		if err != nil || i < 0 || s.Heartbeats[i].ShareEpoch != c.genesis.ShareEpoch+2 || s.Heartbeats[i].Share != "sound" {
			t.Errorf("%s is proven alive by %+v (%v)", m, s.Heartbeats, err)
		}
	}
}

// claims puts made-up rows into the ledger of a member whose node is stopped.
func (c *cabinet) claims(m council.MemberID, from, n uint64) {
	c.t.Helper()
	r := c.open(m)
	var in council.Inheritance
	for nonce := from; nonce < from+n; nonce++ {
		in.Rows = append(in.Rows, council.HeldRow{OpenRow: council.OpenRow{
			Place: council.Place{Chain: 77, Nonce: nonce}, Proposal: council.ProposalID{1, byte(nonce), byte(nonce >> 8)}, State: council.OpenRevealed}})
	}
	if err := errors.Join(r.book.Inherit(c.genesis.Key, in), r.book.Close(), r.keys.Close()); err != nil {
		c.t.Fatal(err)
	}
}

// held holds how many rows each rotation has carried over, and that the ledger has all
// of them.
func (c *cabinet) held(m council.MemberID, want ...int) {
	c.t.Helper()
	r := c.rooms[m]
	s, err := node.Stand(r.book, c.first, c.profile)
	if err != nil || len(s.Switches) != len(want) {
		c.t.Fatalf("%d rotations, %v", len(s.Switches), err)
	}
	for i, sw := range s.Switches {
		rows := sw.Inherited().Rows
		if len(rows) != want[i] {
			c.t.Errorf("rotation %d carries %d rows; want %d", i+1, len(rows), want[i])
		}
		for _, x := range rows {
			if row, ok, err := r.book.RowByProposal(x.Proposal); err != nil || !ok || row.State != journal.Revealed || row.Nonce != x.Place.Nonce {
				c.t.Fatalf("%s of rotation %d: %+v, %v", x.Place, i+1, row, err)
			}
		}
	}
}

// notices has a member's node tell a web address all that is to be told of rosters, and
// counts it.
func (c *cabinet) notices(m council.MemberID) (count func() map[string]int) {
	var mu sync.Mutex
	heard := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var n node.Notice
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			c.t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		heard[n.Event]++
	}))
	c.t.Cleanup(srv.Close)
	c.change[m] = func(cfg *node.Config) {
		cfg.Hooks = []node.Hook{{On: configs.HookEvents, Webhook: srv.URL}}
	}
	return func() map[string]int {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(heard)
	}
}

// sits holds that each new member works under the new roster alone: it shows it, calls
// its roll, and files evidence about it.
func (c *cabinet) sits() {
	c.t.Helper()
	want, err := c.plan.Roster.Hash()
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range c.plan.Roster.IDs() {
		r := c.rooms[m]
		s, err := r.Status(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		if s.Roster.Hash != want || !slices.Equal(s.Roster.Members, c.plan.Roster.IDs()) {
			c.t.Errorf("%s shows roster %d of %v", m, s.Roster.Version, s.Roster.Members)
		}
		c.await(m, "the council's word that this roster holds its key", 3*minute, func(r *room) bool {
			s, err := r.Status(c.t.Context())
			if err != nil || s.Roster.Proclaimed == nil {
				return false
			}
			p := *s.Roster.Proclaimed
			if err := errors.Join(p.Verify(), p.Covers(c.plan.Roster)); err != nil || p.Key != c.genesis.Key || p.Council != c.genesis.ID() || s.Roster.Unsigned != "" {
				c.t.Fatalf("%s has %+v, %v", m, p, err)
			}
			return true
		})
		if at, err := r.CourtRoster(c.t.Context()); err != nil || at != want {
			c.t.Errorf("%s files evidence about roster %s, %v", m, at.Hex(), err)
		}
		c.await(m, "the roll of the new roster", minute, func(r *room) bool {
			var roll []council.MemberID
			s, err := r.Status(c.t.Context())
			for _, h := range s.Heartbeats {
				roll = append(roll, h.Member)
			}
			return err == nil && slices.Equal(roll, c.plan.Roster.IDs())
		})
	}
}

// dying has a node die at each of these steps, once, in this order. The test fails if it
// does not come to one.
func (c *cabinet) dying(m council.MemberID, steps ...string) {
	var mu sync.Mutex
	at := func(step string) bool {
		mu.Lock()
		defer mu.Unlock()
		is := len(steps) > 0 && steps[0] == step
		if is {
			steps = steps[1:]
		}
		return is
	}
	c.hook(m, func(step string) {
		if at(step) {
			runtime.Goexit()
		}
	})
	c.t.Cleanup(func() {
		mu.Lock()
		defer mu.Unlock()
		if len(steps) > 0 {
			c.t.Errorf("%s never came to %q, and did not die there", m, steps)
		}
	})
}

// full has nothing fit on the disk of a node's keystore from a step on, until its
// operator makes room.
func (c *cabinet) full(m council.MemberID, step string) (room func()) {
	keys := c.path(m, "keys")
	var once sync.Once
	c.hook(m, func(at string) {
		if at == step {
			once.Do(func() {
				if err := os.Rename(keys, keys+".away"); err != nil {
					c.t.Error(err)
				}
			})
		}
	})
	return func() {
		if err := os.Rename(keys+".away", keys); err != nil {
			c.t.Fatal(err)
		}
	}
}

// meets has members wait for each other when they come to a step for the first time.
func (c *cabinet) meets(step string, ms ...council.MemberID) {
	var missing atomic.Int64
	missing.Store(int64(len(ms)))
	there := make(chan struct{})
	for _, m := range ms {
		come := sync.OnceFunc(func() {
			if missing.Add(-1) == 0 {
				close(there)
			}
		})
		c.hook(m, func(at string) {
			if at != step {
				return
			}
			come()
			select {
			case <-there:
			case <-c.t.Context().Done():
			}
		})
	}
}

// A frozen node keeps the rotation from beginning, also when it is started anew. Then
// the joiner dies between its share and its Ack, another one before its share is on the
// disk, and the disk of the third is full: that costs a try. In the next one every node dies
// between the steps in which it locks, switches and erases, and goes on from its disk, and one
// disk is full at the switch. Nobody has to be asked again.
func TestRotationOfDyingNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	c := newCabinet(t)
	told := c.notices("member-02")
	c.meets("share made", "member-02", "member-03", joiner) // so the same try fails for all of them
	restage, reswitch := c.full("member-02", "share made"), c.full("member-03", "certificate written")
	c.dying("member-01", "barred", "lock written", "certificate written", "old share erased")
	c.dying("member-02", "lock written", "certificate written", "new share staged", "new share current")
	c.dying("member-03", "share made", "barred", "new share current", "old share erased")
	c.dying(joiner, "share staged", "certificate written", "new share staged", "new share current")
	for _, m := range append(c.size.IDs(), joiner) {
		c.start(m)
	}
	const frozen = council.MemberID("member-03")
	c.ready(frozen)
	if _, err := c.rooms[frozen].Freeze(t.Context(), api.FreezeRequest{Reason: "laptop stolen"}); err != nil {
		t.Fatal(err)
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for _, m := range []council.MemberID{"member-02", frozen} {
			c.await(m, "only the frozen node to be missing", minute, func(r *room) bool {
				s, err := r.Rotation(t.Context())
				return err == nil && s.Stage == agenda.StageGathering && len(s.Missing) == 1 && s.Missing[0].Member == frozen
			})
		}
		c.stop(frozen)
		c.start(frozen)
		c.await(frozen, "what it has missed", minute, func(*room) bool { return c.told(frozen, "caught-up", "") })
	}
	if s, err := c.rooms[frozen].Rotation(t.Context()); err != nil || !strings.Contains(s.String(), "laptop stolen") || !strings.Contains(s.String(), "signer key thaw") {
		t.Errorf("it says %s, %v", s, err)
	}
	if _, err := c.rooms[frozen].Thaw(t.Context(), api.FreezeRequest{Reason: "found it"}); err != nil {
		t.Fatal(err)
	}
	c.until("a full disk at the staging", func() bool { return c.told("member-02", "rotation-failed", "stage the share") })
	c.until("the hook of who could not stage it", func() bool { return told()["rotation-failed"] > 0 })
	restage()
	c.until("a full disk at the switch", func() bool { return c.told("member-03", "rotation", "make the new share current") })
	if s, err := c.rooms["member-03"].Status(t.Context()); err != nil || s.Phase == api.Ready {
		t.Errorf("it signs with its old share: %v, %v", s.Phase, err)
	}
	reswitch()
	c.until("the new roster everywhere", c.settled)
	c.sits()
	for _, m := range append(c.size.IDs(), joiner) { // who died between a share and its record, too
		left, err := filepath.Glob(filepath.Join(c.path(m, "keys"), "*staged-*"))
		if err != nil || len(left) > 0 {
			t.Errorf("the keystore of %s still has %v, %v", m, left, err)
		}
	}
	c.stop("member-02")
	c.signs("after", joiner, "member-03", joiner)
}

// A rotation that as many refuse as sign together is over for all, and the council
// signs on under its old shares; so it does after all have been started anew. People are
// told of it once.
func TestRefusedRotation(t *testing.T) {
	c := newCabinet(t)
	told := c.notices("member-03") // which refuses nothing
	for _, m := range c.size.IDs() {
		c.start(m)
	}
	if err := c.rooms["member-01"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.size.IDs() {
		c.stage(m, agenda.StageGathering)
	}
	for roster, kind := range map[string]error{"0x1234567": api.Invalid, "0x0000000000000000": api.NotFound} {
		if _, err := c.rooms["member-01"].AbortRotation(t.Context(), api.RefuseRequest{Reason: "a test", Roster: roster}); !errors.Is(err, kind) || council.Hint(err) == "" {
			t.Errorf("of roster %s: %v (%s)", roster, err, council.Hint(err))
		}
	}
	named, err := c.plan.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.rooms["member-01"].AbortRotation(t.Context(), api.RefuseRequest{Reason: "a test", Roster: named.Hex()[:10]}); err != nil {
		t.Fatal(err)
	}
	if err := c.rooms["member-01"].RefuseRotation(t.Context(), "a test"); !errors.Is(err, api.Conflict) || !strings.Contains(err.Error(), "refused it already") {
		t.Errorf("again: %v", err)
	}
	if err := c.rooms["member-02"].RefuseRotation(t.Context(), "a test"); err != nil {
		t.Fatal(err)
	}
	for _, m := range c.size.IDs() {
		c.stage(m, agenda.StageAborted)
		if all := c.spoken(m, "rotation-aborted"); len(all) != 1 || all[0].Text != "2 members refuse" {
			t.Errorf("%s tells %+v", m, all)
		}
	}
	c.await("member-03", "its hook", minute, func(*room) bool { return told()["rotation-aborted"] == 1 })
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
	if n := told()["rotation-aborted"]; n != 1 {
		t.Errorf("its hook hears of one abort %d times", n)
	}
}

// What is approved when two of three have locked is signed by nobody, before the
// certificate and after it: those who have locked sign nothing, also when they are
// started anew, and the approvals were given to another roster. What two have signed
// before, though nobody has the signature, is in their Locks: the next council gives
// its nonce to nothing else, and signs it again at the same one. So each of two
// transactions happens once.
func TestNothingIsSignedAfterTheLock(t *testing.T) {
	if testing.Short() {
		t.Skip("a real resharing")
	}
	c := newCabinetOnChain(t)
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	t.Cleanup(letGo)
	held := make(chan struct{}, 1) // member-01, which is to leave, comes to its lock last
	c.hook("member-01", func(at string) {
		if at == "barred" {
			select {
			case held <- struct{}{}:
			default:
			}
			<-release
		}
	})
	c.denies("member-03", "pause") // so member-01 and 02 sign
	// What would complete a signature of member-01 gets lost.
	last := func(f p2p.Frame) bool { return tss.Round(f.Type) == tss.SignRound9 }
	c.net.Add(p2p.Fault{From: "member-01", Channel: p2p.Session, Drop: 1, Match: last})
	c.net.Add(p2p.Fault{To: "member-01", Channel: p2p.Session, Drop: 1, Match: last})
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
	for _, m := range []council.MemberID{"member-02", "member-03"} {
		c.await(m, "the proposal", minute, func(r *room) bool { return r.proposal(t, p.ID).ID == p.ID })
	}
	one := c.propose("member-01", "pause")
	for _, m := range []council.MemberID{"member-01", "member-02"} {
		c.approve(m, m, one)
	}
	first := func(state journal.State) func(r *room) bool {
		return func(r *room) bool {
			row, ok, err := r.book.RowByProposal(one)
			return err == nil && ok && row.State == state && row.Nonce == 0
		}
	}
	for _, m := range []council.MemberID{"member-01", "member-02"} {
		c.await(m, "its part of a signature", minute, first(journal.Revealed))
	}
	if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
		t.Fatal(err)
	}
	locked := func(m council.MemberID) {
		c.await(m, "its lock", 5*minute, func(r *room) bool {
			s, err := r.Status(t.Context())
			return err == nil && strings.Contains(s.Detail, "has locked")
		})
	}
	locked("member-03")
	locked("member-02")
	select {
	case <-held:
	case <-time.After(minute):
		t.Fatal("member-01 does not come to its lock")
	}
	c.vote("member-03", "member-01", p.ID)
	c.vote("member-02", "member-02", p.ID)
	c.await("member-03", "both approvals", minute, func(r *room) bool { return r.proposal(t, p.ID).Have == 2 })
	c.stop("member-03")
	c.start("member-03")
	locked("member-03")
	for _, m := range []council.MemberID{"member-03", "member-02"} {
		if x := c.rooms[m].proposal(t, p.ID); len(x.Attempts) > 0 || x.Done() {
			t.Errorf("%s, which has locked, works for it: %s %+v", m, x.State, x.Attempts)
		}
	}
	// Backups are those of the shares in force until the certificate, and not beyond it.
	backup := api.BackupNote{Member: "member-02", Key: c.genesis.Key, ShareEpoch: c.genesis.ShareEpoch, SHA256: common.Hash{1}}
	if v, err := c.rooms["member-02"].NoteBackup(t.Context(), backup); err != nil || len(v.Made) != 1 || v.Made[0].SHA256 != backup.SHA256 {
		t.Errorf("a backup of the shares in force, at who has locked: %+v, %v", v, err)
	}
	letGo()
	c.until("the new roster everywhere", c.settled)
	if s, err := c.rooms["member-02"].Status(t.Context()); err != nil || s.Backups == nil || len(s.Backups.Made) > 0 || !slices.Contains(s.Backups.Waiting, backup.Member) {
		t.Errorf("a backup of the shares before still counts: %+v, %v", s.Backups, err)
	}
	if v, err := c.rooms["member-02"].NoteBackup(t.Context(), backup); !errors.Is(err, api.Conflict) || !strings.Contains(err.Error(), "share epoch 1; the council's is "+c.genesis.Key.Hex()+", epoch 2") || council.Hint(err) == "" {
		t.Errorf("a backup of the shares before is noted: %+v, %v", v, err)
	}
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
	// And the transaction.
	c.net.Calm()
	if !first(journal.Revealed)(c.rooms[joiner]) {
		t.Fatal("the joiner has not taken over what was revealed")
	}
	undo := c.unpaused() // in the first one's block: the second one is not to revert, whenever its price is asked for
	two := c.propose("member-02", "pause")
	both := []council.MemberID{"member-02", joiner}
	for _, m := range both {
		c.approve(m, m, two)
	}
	for _, m := range both {
		c.await(m, "the second one to wait", minute, func(r *room) bool { p := r.proposal(t, two); return p.Have == 2 && p.State == api.Approved })
	}
	goOn := c.chain.Hold()
	t.Cleanup(goOn)
	for _, m := range both {
		c.approve(m, m, one)
	}
	for _, m := range both {
		c.pooled(m, one)
	}
	if err := c.eth.SendTransaction(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	if _, err := c.chain.Commit(); err != nil {
		t.Fatal(err)
	}
	if r, err := c.eth.TransactionReceipt(t.Context(), undo.Hash()); err != nil || r.Status != types.ReceiptStatusSuccessful || len(c.sent()) != 1 || c.paused() {
		t.Fatalf("governance has undone nothing: %+v, %v", r, err)
	}
	goOn()
	for _, m := range both {
		c.await(m, "both on the chain", minute, func(r *room) bool {
			row, ok, err := r.book.RowByProposal(two)
			return first(journal.Consumed)(r) && err == nil && ok && row.State == journal.Consumed && row.Nonce == 1
		})
	}
	if n, err := c.eth.NonceAt(t.Context(), c.genesis.Key, nil); err != nil || n != 2 || !c.paused() {
		t.Errorf("%d transactions have happened, %v", n, err)
	}
}

// heldAtTheBar has a member come to its lock after all others.
func (c *cabinet) heldAtTheBar(m council.MemberID) (letGo func()) {
	release := make(chan struct{})
	letGo = sync.OnceFunc(func() { close(release) })
	c.t.Cleanup(letGo)
	c.hook(m, func(at string) {
		if at == "barred" {
			<-release
		}
	})
	return letGo
}

// locks waits until a node knows of so many Locks, and of no more.
func (c *cabinet) locks(m council.MemberID, n int) {
	c.t.Helper()
	text := fmt.Sprintf("%d of %d locks", n, c.before.LockQuorum())
	c.await(m, text, 5*minute, func(r *room) bool {
		s, err := r.Rotation(c.t.Context())
		return err == nil && s.Stage == agenda.StageLocking && strings.Contains(s.Text, text)
	})
}

// A journal that is lost, or restored from before the Lock, in the middle of a rotation:
// the node hears of its Lock from the others before it does anything with its share, signs
// nothing, refuses nothing, and writes the Lock down again. With an old journal it goes on
// from there; without one it has lost its part in the try.
func TestOldJournalInTheMiddleOfARotation(t *testing.T) {
	if testing.Short() {
		t.Skip("real resharings")
	}
	const m = council.MemberID("member-03")
	for _, how := range []string{"old", "lost"} {
		t.Run(how, func(t *testing.T) {
			c := newCabinet(t)
			letGo := c.heldAtTheBar("member-01") // which is to leave
			var old []byte
			c.hook(m, func(at string) {
				if at == "barred" && old == nil {
					var err error
					if old, err = os.ReadFile(c.path(m, "journal.db")); err != nil {
						t.Error(err)
					}
				}
			})
			for _, m := range append(c.size.IDs(), joiner) {
				c.start(m)
			}
			for _, m := range c.size.IDs() {
				c.ready(m)
			}
			if err := c.rooms["member-02"].Succeed(t.Context(), c.plan); err != nil {
				t.Fatal(err)
			}
			for _, m := range []council.MemberID{"member-02", m} {
				c.locks(m, 2)
			}
			c.stop(m)
			if err := os.Remove(c.path(m, "journal.db")); err != nil {
				t.Fatal(err)
			}
			if how == "old" {
				if err := os.WriteFile(c.path(m, "journal.db"), old, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // and it does not forget it once more
				r := c.start(m)
				c.await(m, "its Lock", minute, func(r *room) bool {
					ok, err := r.Locked(t.Context())
					return err == nil && ok
				})
				if s, err := r.Status(t.Context()); err != nil || s.Phase == api.Ready {
					t.Fatalf("it signs: %s, %s, %v", s.Phase, s.Detail, err)
				}
				if err := r.RefuseRotation(t.Context(), "a test"); err == nil || !strings.Contains(err.Error(), "this node has locked") {
					t.Fatalf("it refuses: %v", err)
				}
				if s, err := r.Rotation(t.Context()); err != nil || !strings.Contains(s.Text, "catching up") {
					t.Errorf("it says %s, %v", s, err)
				}
				c.await(m, "the reason", minute, func(*room) bool {
					return c.told(m, "watching", "a Lock of this node's") || c.told(m, "watching", "empty journal")
				})
				c.stop(m)
			}
			letGo()
			c.start(m)
			if how == "lost" {
				c.until("the others to go on", func() bool {
					s, err := c.rooms["member-02"].Rotation(t.Context())
					return err == nil && s.Stage == agenda.StageErased
				})
				return
			}
			c.until("the new roster everywhere", c.settled)
			c.ready(m) // it catches up with two others under the next roster, too
			c.stop("member-02")
			c.signs("after", joiner, m, joiner)
		})
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
