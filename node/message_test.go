package node_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/signer/core/apitypes"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
	"github.com/millicent-one/signer/node"
	"github.com/millicent-one/signer/p2p"
	"github.com/millicent-one/signer/tss"
)

// record is an EIP-712 document that the test charter allows.
func (h *house) record(number int) string {
	return fmt.Sprintf(`{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
"IncidentRecord":[{"name":"id","type":"uint256"},{"name":"summary","type":"string"}]},"primaryType":"IncidentRecord",
"domain":{"name":"Incident Registry","version":"1","chainId":%d,"verifyingContract":"%s"},"message":{"id":%d,"summary":"the bridge was paused"}}`, h.chain.ID(), h.suite.Protocol.Hex(), number)
}

// recovered is who signed, by go-ethereum alone.
func recovered(t *testing.T, digest []byte, sig []byte) common.Address {
	t.Helper()
	if len(sig) != 65 || sig[64] != 27 && sig[64] != 28 {
		t.Fatalf("signature %x", sig)
	}
	s := slices.Clone(sig)
	s[64] -= 27
	pub, err := crypto.SigToPub(digest, s)
	if err != nil {
		t.Fatal(err)
	}
	return crypto.PubkeyToAddress(*pub)
}

// The council signs a statement and a document beside each other, and anybody's
// Ethereum library finds its address in both. A node that dies and comes back
// has them, and can't be brought to sign the same again.
func TestCouncilSpeaks(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	h.ready("core-1")
	r := h.rooms["core-1"]
	const text = "The bridge is paused.\nFunds are safe — 安全."
	preview, err := r.Propose(t.Context(), api.ProposeRequest{Statement: text, Reason: "a test", Preview: true})
	if err != nil || len(preview.Verdicts) != 1 || !preview.Verdicts[0].Allow || !preview.Verdicts[0].At.Equal(preview.Proposed) || !strings.Contains(preview.Sentence, "The bridge is paused.") {
		t.Fatalf("preview %+v, %v", preview, err)
	}
	said, err := r.Propose(t.Context(), api.ProposeRequest{Statement: text, Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := r.Propose(t.Context(), api.ProposeRequest{TypedData: h.record(7), Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []council.ProposalID{said.ID, signed.ID} {
		for _, m := range []council.MemberID{"core-1", "core-2", "community-1", "community-2"} {
			h.approve(m, m, id)
		}
	}
	for _, m := range h.council.Roster.IDs() {
		h.await(m, "both signatures", minute, func(r *room) bool {
			return r.proposal(t, said.ID).State == api.Signed && r.proposal(t, signed.ID).State == api.Signed
		})
	}
	p := h.rooms["core-4"].proposal(t, said.ID)
	if who := recovered(t, accounts.TextHash([]byte(text)), p.Signature); who != h.genesis.Key {
		t.Errorf("the statement is signed by %s", who)
	}
	if !p.Done() || p.Nonce != nil || p.TxHash != nil || p.Detail != "" {
		t.Errorf("%+v", p)
	}
	p = h.rooms["core-4"].proposal(t, signed.ID)
	var doc apitypes.TypedData
	if err := json.Unmarshal([]byte(h.record(7)), &doc); err != nil {
		t.Fatal(err)
	}
	digest, _, err := apitypes.TypedDataAndHash(doc)
	if err != nil {
		t.Fatal(err)
	}
	if who := recovered(t, digest, p.Signature); who != h.genesis.Key || common.BytesToHash(digest) != *p.Digest {
		t.Errorf("the document is signed by %s, with digest %s", who, p.Digest)
	}

	// The same again is refused, and says where the signature is.
	_, err = r.Propose(t.Context(), api.ProposeRequest{Statement: text, Reason: "again"})
	if err == nil || !strings.Contains(err.Error(), said.Short) {
		t.Errorf("proposed again: %v", err)
	}

	made := slices.IndexFunc(p.Attempts, func(a api.Attempt) bool { return a.State == "signed" })
	if made < 0 {
		t.Fatalf("no attempt brought the signature: %+v", p.Attempts)
	}
	victim := p.Attempts[made].Signers[0].Member
	h.stop(victim)
	h.start(victim)
	h.await(victim, "what it signed", minute, func(r *room) bool { return len(r.proposal(t, signed.ID).Signature) == 65 })
	h.stop(victim)
	book, err := journal.Open(h.path(victim, "journal.db"), journal.Options{Self: victim, Key: h.council.NodeKeys[victim], Roster: h.council.Roster})
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	row, ok, err := book.MessageByProposal(signed.ID)
	if err != nil || !ok || row.State != journal.Revealed || row.Digest != *p.Digest {
		t.Errorf("the ledger says %+v, %v, %v", row, ok, err)
	}
	if rows, err := book.Rows(); err != nil || len(rows) > 0 {
		t.Errorf("messages have taken nonces: %+v, %v", rows, err)
	}
}

// A signer dies while a statement is signed; the others sign the same text
// without it, and it has the signature when it is back.
func TestSignerOfAStatementDies(t *testing.T) {
	h := newHouse(t, true)
	h.startAll()
	h.ready("core-1")
	p, err := h.rooms["core-1"].Propose(t.Context(), api.ProposeRequest{Statement: "all is well", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		h.approve(m, m, p.ID)
	}
	h.await("community-1", "an attempt", minute, func(r *room) bool { return len(r.proposal(t, p.ID).Attempts) > 0 })
	first := h.rooms["community-1"].proposal(t, p.ID).Attempts[0]
	victim := first.Signers[1].Member
	h.stop(victim)
	watcher := council.MemberID("community-1")
	if victim == watcher {
		watcher = "community-2"
	}
	h.await(watcher, "the signature", minute, inState(t, p.ID, api.Signed))
	got := h.rooms[watcher].proposal(t, p.ID)
	if who := recovered(t, accounts.TextHash([]byte("all is well")), got.Signature); who != h.genesis.Key {
		t.Errorf("signed by %s", who)
	}
	h.start(victim)
	h.await(victim, "what it missed", minute, inState(t, p.ID, api.Signed))
}

// A part of a signature leaves only after the ledger has said so: a node whose
// row is gone when the time comes ends the session instead.
func TestNothingLeavesUnlessRevealed(t *testing.T) {
	h := newHouse(t, true)
	four := h.council.Roster.IDs()[:4]
	victim := four[2]
	digest := common.BytesToHash(accounts.TextHash([]byte("all is well")))
	var id council.ProposalID
	var book *journal.Journal
	var lost sync.Once
	for _, m := range four {
		if m != victim {
			h.start(m)
			continue
		}
		book = h.start(m, lying(func(_ council.MemberID, f *p2p.Frame) {
			if f.Channel != p2p.Session || tss.Round(f.Type) != tss.SignRound5 { // in the middle of the session
				return
			}
			lost.Do(func() {
				row, ok, err := book.MessageByProposal(id)
				if err != nil || !ok || row.State != journal.Reserved || row.Digest != digest {
					t.Errorf("in the middle of the session the ledger says %+v, %v, %v", row, ok, err)
				}
				if err := book.FreeMessage(digest, id); err != nil {
					t.Error(err)
				}
			})
		})).book
	}
	h.ready(four[0])
	p, err := h.rooms[four[0]].Propose(t.Context(), api.ProposeRequest{Statement: "all is well", Reason: "a test"})
	if err != nil {
		t.Fatal(err)
	}
	id = p.ID
	for _, m := range four {
		h.approve(m, m, p.ID)
	}
	h.await(four[0], "the next attempt's signature", minute, inState(t, p.ID, api.Signed))
	got := h.rooms[four[0]].proposal(t, p.ID)
	if tries(got) < 2 || got.Attempts[0].State != "failed" {
		t.Errorf("attempts %+v", got.Attempts)
	}
	if who := recovered(t, digest[:], got.Signature); who != h.genesis.Key {
		t.Errorf("signed by %s", who)
	}
}

// Five statements have at most four coordinators between them: one begins two
// first attempts, and that convicts nobody.
func TestManyMessagesConvictNobody(t *testing.T) {
	h := newHouse(t, true)
	four := h.council.Roster.IDs()[:4]
	for _, m := range four {
		// Four sessions at once at four nodes keep a busy machine for more than half a
		// minute.
		h.start(m, func(c *node.Config) { c.Timing.Deadline, c.Timing.Silence = 5*time.Minute, 30*time.Second })
	}
	h.ready(four[0])
	var ids []council.ProposalID
	for i := range 5 {
		p, err := h.rooms[four[0]].Propose(t.Context(), api.ProposeRequest{Statement: fmt.Sprintf("statement %d", i), Reason: "a test"})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, p.ID)
	}
	for _, id := range ids {
		for _, m := range four {
			h.approve(m, m, id)
		}
	}
	for _, m := range four {
		h.await(m, "all signatures", 6*minute, func(r *room) bool {
			return !slices.ContainsFunc(ids, func(id council.ProposalID) bool { return r.proposal(t, id).State != api.Signed })
		})
		all, err := h.rooms[m].Evidence(t.Context())
		if err != nil || len(all) > 0 {
			t.Errorf("%s holds evidence %+v (%v)", m, all, err)
		}
	}
}

func TestMessagesThatNobodyProposes(t *testing.T) {
	h := newHouse(t, true)
	h.start("core-1")
	h.start("core-2")
	h.ready("core-1")
	for name, r := range map[string]api.ProposeRequest{
		"nothing":         {},
		"two kinds":       {Statement: "x", Playbook: "pause", Target: "protocol"},
		"gas":             {Statement: "x", MaxGas: 50_000},
		"a replacement":   {Statement: "x", Replaces: council.ProposalID{1}.Hex()},
		"an escape":       {Statement: "x\x1b[2K"},
		"no document":     {TypedData: "{}"},
		"a null":          {TypedData: strings.Replace(h.record(1), `"the bridge was paused"`, `null`, 1)},
		"two years of it": {Statement: "x", Seconds: 2 * 366 * 24 * 3600},
	} {
		if _, err := h.rooms["core-1"].Propose(t.Context(), r); err == nil {
			t.Errorf("%s: proposed", name)
		}
	}
}
