package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
)

// heartbeats are what a node knows of a member.
func heartbeatOf(t *testing.T, r *room, m council.MemberID) (api.Heartbeat, bool) {
	s, err := r.Status(t.Context())
	if err != nil {
		return api.Heartbeat{}, false
	}
	i := slices.IndexFunc(s.Heartbeats, func(h api.Heartbeat) bool { return h.Member == m })
	if i < 0 {
		return api.Heartbeat{}, false
	}
	return s.Heartbeats[i], true
}

// When a member was last proven alive is known to all, also to one that was never
// connected to it, and to one that is started anew.
func TestHeartbeatsReachAll(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-2")
	has := func(who council.MemberID) func(*room) bool {
		return func(r *room) bool { _, ok := heartbeatOf(t, r, who); return ok }
	}
	h.await("core-1", "the heartbeat of core-2", minute, has("core-2"))
	h.stop("core-2")
	h.start("core-3")
	h.await("core-3", "the heartbeat of a member that is away", minute, has("core-2"))
	got, _ := heartbeatOf(t, h.rooms["core-3"], "core-2")
	beat, err := council.DecodeHeartbeat(got.Record)
	if err == nil {
		err = beat.Verify(h.council.Roster)
	}
	if err != nil || got.Share != "sound" || got.ShareEpoch != 1 || got.Version != "test" || beat.Council != h.genesis.ID() {
		t.Fatalf("%+v, %+v, %v", got, beat, err)
	}

	h.stop("core-1")
	if err := h.rooms["core-3"].Beat(t.Context()); err != nil { // comes of itself every few seconds
		t.Fatal(err)
	}
	h.stop("core-3")
	h.start("core-3") // alone
	if again, ok := heartbeatOf(t, h.rooms["core-3"], "core-2"); !ok || !again.At.Equal(got.At) {
		t.Errorf("after a start anew: %+v, %v", again, ok)
	}
	h.pass(25 * time.Hour)
	s, err := h.rooms["core-3"].Status(t.Context())
	if err != nil || !slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "core-2 was last proven alive") }) {
		t.Errorf("warnings %q, %v", s.Warnings, err)
	}
}

// A share that the disk has lost shows while its node still has it in memory.
func TestHeartbeatTellsOfALostShare(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	shares, err := filepath.Glob(h.path("core-1", "keys/share-*.json"))
	if err != nil || len(shares) != 1 {
		t.Fatal(shares, err)
	}
	if err := os.Remove(shares[0]); err != nil {
		t.Fatal(err)
	}
	h.start("core-2")
	h.await("core-1", "the other node", minute, func(r *room) bool { _, ok := heartbeatOf(t, r, "core-2"); return ok })
	h.pass(time.Hour)
	if err := h.rooms["core-1"].Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.await("core-2", "the word of it", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "the share of core-1 is damaged on its disk") })
	})
}

// A heartbeat that is false, or dated ahead, is kept by nobody, whoever brings it.
func TestHeartbeatsThatAreRefused(t *testing.T) {
	h := newHouse(t, false)
	h.start("core-1")
	traitor, err := h.net.Join("core-2", h.council.NodeKeys["core-2"])
	if err != nil {
		t.Fatal(err)
	}
	defer traitor.Close()
	go func() {
		for range traitor.Frames() {
		}
	}()
	h.await("core-1", "the connection", minute, func(r *room) bool {
		s, err := r.Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Peers, func(p api.Peer) bool { return p.Member == "core-2" && p.Online })
	})
	roster, err := h.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	beat := func(m council.MemberID, after time.Duration, key council.MemberID) council.Heartbeat {
		b, err := council.Heartbeat{Member: m, Roster: roster, Time: uint64(h.now().Add(after).Unix()), Share: council.ShareNone, Version: "false"}.Sign(h.council.NodeKeys[key])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	send := func(all ...council.Heartbeat) {
		b, err := rlp.EncodeToBytes(node.Beats{All: all})
		if err == nil {
			err = traitor.Send(t.Context(), "core-1", p2p.Frame{Channel: p2p.Record, Type: 3, Payload: b})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	send(beat("core-3", 0, "core-2"))                                                                         // forged
	send(beat("core-2", time.Hour, "core-2"))                                                                 // ahead
	send(beat("core-2", time.Hour, "core-2"))                                                                 // and named once
	send(slices.Repeat([]council.Heartbeat{beat("core-2", -time.Minute, "core-2")}, council.MaxMembers+1)...) // too many
	good := beat("core-2", -time.Minute, "core-2")
	send(good)
	h.await("core-1", "the good one", minute, func(r *room) bool {
		got, ok := heartbeatOf(t, r, "core-2")
		return ok && got.At.Unix() == int64(good.Time)
	})
	if got, ok := heartbeatOf(t, h.rooms["core-1"], "core-3"); ok {
		t.Errorf("keeps %+v", got)
	}
	if b, err := h.rooms["core-1"].Burden(t.Context(), "core-2"); err != nil || b.Bad != 4 {
		t.Errorf("refused %d frames, %v", b.Bad, err)
	}
	if n := len(h.spoken("core-1", "clock")); n != 1 {
		t.Errorf("named the clock %d times", n)
	}
}

// However many heartbeats a member brings, and whatever they say, a node writes none
// of them down as it comes, and tells of one in a minute.
func TestHeartbeatsCostNoDisk(t *testing.T) {
	h := newHouse(t, false)
	const from = council.MemberID("core-2")
	r := h.start("core-1")
	roster, err := h.council.Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	g := testcouncil.Address(t)
	began := h.now().Add(-time.Hour)
	beat := func(m council.MemberID, after time.Duration, share council.ShareHealth) council.Heartbeat {
		b, err := council.Heartbeat{Member: m, Roster: roster, Council: common.BytesToHash(g[:]), Epoch: 1, Time: uint64(began.Add(after).Unix()), Share: share}.Sign(h.council.NodeKeys[m])
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for i := range 150 {
		share := council.ShareSound
		if i/30%2 == 1 {
			share = council.ShareDamaged
		}
		switch wrote, err := r.TakeBeats(t.Context(), from, beat(from, time.Duration(i)*time.Second, share)); {
		case err != nil:
			t.Fatal(err)
		case wrote:
			t.Fatalf("heartbeat %d was written down as it came", i)
		}
	}
	if alive, share := len(h.spoken("core-1", "alive")), len(h.spoken("core-1", "share")); alive != 1 || share > 2 {
		t.Errorf("told %d times that it is alive, and %d times of its share", alive, share)
	}
	if err := r.Beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.stop("core-1")
	h.start("core-1")
	if got, ok := heartbeatOf(t, h.rooms["core-1"], from); !ok || got.At.Unix() != began.Add(2*time.Minute).Unix() {
		t.Errorf("after a start anew: %+v, %v", got, ok)
	}
	r = h.rooms["core-1"]
	if _, err := r.TakeBeats(t.Context(), from, beat(from, time.Hour, council.ShareSound), beat(from, 50*time.Minute, council.ShareSound)); err == nil || !strings.Contains(err.Error(), "two heartbeats of one member") {
		t.Errorf("two of one member: %v", err)
	}
	var many []council.Heartbeat
	for i := range len(h.council.Roster.Members) + 1 {
		many = append(many, beat(from, time.Duration(i)*time.Minute, council.ShareSound))
	}
	if _, err := r.TakeBeats(t.Context(), from, many...); err == nil || !strings.Contains(err.Error(), "8 heartbeats at once; at most 7") {
		t.Errorf("more than there are members: %v", err)
	}
}
