package node_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// proposed has a member's feed propose a statement whose id begins like another's, if that
// is given. It may be over already.
func (h *house) proposed(at, by council.MemberID, text, prefix string, until uint64) (id council.ProposalID) {
	h.t.Helper()
	in := council.Statement{Text: text, ValidUntil: until, Reason: "a test"}
	for i := uint64(1); id == (council.ProposalID{}) || !strings.HasPrefix(id.Hex(), prefix); i++ {
		binary.BigEndian.PutUint64(in.Salt[:], i)
		var err error
		if id, err = council.Propose(h.genesis.ID(), in); err != nil {
			h.t.Fatal(err)
		}
	}
	intent, err := council.EncodeIntent(in)
	if err != nil {
		h.t.Fatal(err)
	}
	h.says(at, by, council.WordProposed, council.Proposed{Council: h.genesis.ID(), Intent: intent})
	return id
}

// says has a node read the first word of a member's feed.
func (h *house) says(at, by council.MemberID, word council.Word, body any) {
	h.t.Helper()
	b, err := council.EncodeBody(body)
	if err != nil {
		h.t.Fatal(err)
	}
	var e journal.Entry
	if err := rlp.DecodeBytes(h.entry(by, word, b).Payload, &e); err != nil {
		h.t.Fatal(err)
	}
	if err := h.rooms[at].Merge(h.t.Context(), by, e); err != nil {
		h.t.Fatal(err)
	}
}

// Whoever makes a proposal whose id begins like another's keeps nobody from naming that one.
func TestIDsThatBeginAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	const m = council.MemberID("core-1")
	h.start(m)
	h.start("community-1")
	h.ready(m)
	now := uint64(h.now().Unix())
	first := h.proposed(m, "core-2", "we are well", "", now+3600)
	prefix := first.Hex()[:6]
	over := h.proposed(m, "core-3", "we were well", prefix, now-3600)
	h.await(m, "the end of one", minute, inState(t, over, api.Expired))
	if p, err := h.rooms[m].Proposal(t.Context(), prefix); err != nil || p.ID != first {
		t.Errorf("beside one that is over: %s, %v", p.ID.Hex(), err)
	}
	other := h.proposed(m, "core-4", "we are very well", prefix, now+3600)
	_, err := h.rooms[m].Proposal(t.Context(), prefix)
	_, err2 := h.rooms[m].Propose(t.Context(), api.ProposeRequest{Playbook: "pause", Target: "protocol", Reason: "a test", Replaces: prefix})
	for _, err := range []error{err, err2} {
		if !errors.Is(err, api.Ambiguous) {
			t.Fatal(err)
		}
		for _, s := range []string{first.Hex(), other.Hex(), "core-2", "core-4", "very well"} {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q does not say %s", err, s)
			}
		}
		if strings.Contains(err.Error(), over.Hex()) {
			t.Errorf("%q names one that is over", err)
		}
	}
}

// A proposal that is refused says so in this node's words. The list of all that there have
// been leaves out what others said at length.
func TestRefusedProposalIsListedBriefly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	const m = council.MemberID("core-1")
	h.start(m)
	h.start("core-2")
	h.ready(m)
	p, err := h.rooms[m].Propose(t.Context(), api.ProposeRequest{Statement: strings.Repeat("long ", 300), Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []council.MemberID{"community-1", "community-2", "core-3"} {
		h.says(m, by, council.WordJudged, council.Judged{Proposal: p.ID, Rule: "their-rule", Reason: "their words"})
	}
	h.await(m, "its refusal", minute, func(r *room) bool { v := r.proposal(t, p.ID); return v.State == api.Refused && len(v.Verdicts) == 5 })
	one := h.rooms[m].proposal(t, p.ID)
	if strings.Contains(one.Detail, "their") || one.Detail == "" {
		t.Errorf("it says %q", one.Detail)
	}
	long := 0
	for _, v := range one.Verdicts {
		if v.Reason != "" {
			long++
		}
	}
	all, err := h.rooms[m].Proposals(t.Context())
	if err != nil || len(all) != 1 || long != 5 {
		t.Fatalf("%d are listed, %d verdicts have a reason, %v", len(all), long, err)
	}
	for _, v := range all[0].Verdicts {
		if v.Reason != "" || v.Rule == "" || v.Allow {
			t.Errorf("in the list: %+v", v)
		}
	}
	if all[0].Call != nil || all[0].Effects != nil {
		t.Error("its call or effects are listed")
	}
}
