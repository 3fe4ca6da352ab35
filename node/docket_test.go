package node_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/evidence"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// equivocates makes records of core-2 that convict, with payloads of a size, brought
// by core-2 itself to a node.
func (h *house) equivocates(to council.MemberID, by *p2p.Node, records, size int) {
	h.t.Helper()
	const liar = council.MemberID("core-2")
	hash, err := h.council.Roster.Hash()
	if err != nil {
		h.t.Fatal(err)
	}
	for i := range records {
		var frames [2]p2p.Frame
		for k := range frames {
			payload := make([]byte, size)
			payload[0] = byte(k)
			frames[k], err = p2p.SignFrame(h.council.NodeKeys[liar], hash, p2p.Frame{From: liar, Channel: p2p.Session, Session: council.SessionID{byte(i)}, Type: uint8(tss.SignRound5), Payload: payload})
			if err != nil {
				h.t.Fatal(err)
			}
		}
		r, err := evidence.Equivocated(hash, frames[0], frames[1]).Sign(h.council.NodeKeys[liar], liar, 1_800_000_000)
		if err != nil {
			h.t.Fatal(err)
		}
		b, err := evidence.Encode(r)
		if err != nil {
			h.t.Fatal(err)
		}
		h.tell(by, to, p2p.Frame{To: to, Channel: p2p.Sync, Type: syncEvidence, Payload: b})
	}
}

// holds waits until a node has so many records.
func (h *house) holds(m council.MemberID, n int) {
	h.t.Helper()
	h.await(m, fmt.Sprintf("%d records of evidence", n), minute, func(r *room) bool {
		all, err := r.Evidence(h.t.Context())
		if err != nil {
			h.t.Fatal(err)
		}
		return len(all) == n && !slices.ContainsFunc(all, func(e api.Evidence) bool { return !e.Proven })
	})
}

// Who was away when evidence was filed has all of it soon after it is back, from
// whoever has it, in pages where it is much.
func TestEvidenceForThoseWhoWereAway(t *testing.T) {
	h := newHouse(t, false)
	h.start("core-1")
	const records = 6
	h.equivocates("core-1", h.puppet("core-2"), records, 250_000)
	h.holds("core-1", records)
	h.start("core-3")
	h.holds("core-3", records)
	h.stop("core-1")
	h.start("core-4")
	h.holds("core-4", records)
	h.convicts(h.has("core-4", "core-2", "equivocation"), "core-2")
}

// A member that says again and again that it lacks evidence is given each record once
// on its connection; and a list that no honest node has is refused.
func TestEvidenceIsGivenOnce(t *testing.T) {
	h := newHouse(t, false)
	h.start("core-1")
	h.equivocates("core-1", h.puppet("core-2"), 3, 100)
	h.holds("core-1", 3)
	if _, err := h.rooms["core-1"].Status(t.Context()); err != nil { // and it has told those who are there
		t.Fatal(err)
	}
	beggar := h.puppet("core-4")
	ask := func(d node.Docket) {
		t.Helper()
		b, err := rlp.EncodeToBytes(d)
		if err != nil {
			t.Fatal(err)
		}
		h.tell(beggar, "core-1", p2p.Frame{To: "core-1", Channel: p2p.Sync, Type: 6, Payload: b})
	}
	h.hear(beggar, "core-1", 6) // its own greeting: the connection has begun for it, too
	const asked = 5
	for range asked {
		ask(node.Docket{})
	}
	given, answers := 0, 0
	for answers < asked {
		f := <-beggar.Frames()
		switch {
		case f.Channel != p2p.Sync:
		case f.Type == syncEvidence:
			given++
		case f.Type == 6:
			answers++
			var d node.Docket
			if err := rlp.DecodeBytes(f.Payload, &d); err != nil || len(d.Held) != 3 {
				t.Errorf("answers with %d records, %v", len(d.Held), err)
			}
		}
	}
	if given != 3 {
		t.Errorf("was given %d records; there are 3", given)
	}
	before, err := h.rooms["core-1"].Burden(t.Context(), "core-4")
	if err != nil {
		t.Fatal(err)
	}
	var endless node.Docket
	for i := range journal.MaxExhibits*council.MaxMembers + 1 {
		endless.Held = append(endless.Held, journal.Holding{Culprit: "core-2", Subject: common.Hash{byte(i), byte(i >> 8)}})
	}
	ask(endless)
	h.await("core-1", "the refusal", minute, func(r *room) bool {
		now, err := r.Burden(t.Context(), "core-4")
		return err == nil && now.Bad == before.Bad+1
	})
}
