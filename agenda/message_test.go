package agenda_test

import (
	"bytes"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// messages is one of each kind.
func messages() []agenda.Message {
	set := []council.MemberID{"community-1", "core-1", "core-2", "core-3"}
	return []agenda.Message{
		agenda.BeginMessage{Begin: council.Begin{Epoch: 1, Chain: 1, Nonce: 2, Attempt: 3, Coordinator: "core-1", Slot: council.SessionID{4}, Signers: set}},
		agenda.Refusal{Begin: common.Hash{1}, Chain: 1, Rule: "nonce", Reason: "another"},
		agenda.Ready{Random: common.Hash{2}, Prepared: true},
		agenda.ConfirmMessage{Ceremony: common.Hash{3}, Genesis: council.Genesis{ShareEpoch: 1}},
		agenda.Proof{Signers: set, Signature: []byte{1}},
		agenda.Cold{Chain: 1, Begin: common.Hash{5}},
		agenda.ArmCall{Signers: set, Call: common.Hash{6}, Have: []council.SessionID{{7}}},
		agenda.ArmAnswer{Signers: set, Call: common.Hash{6}, Random: common.Hash{8}},
		agenda.ArmBegin{Signers: set, Randoms: []common.Hash{{9}, {10}, {11}, {12}}},
		agenda.Stock{Ready: []byte{255}},
		agenda.Herald{Succession: council.Succession{Roster: council.Roster{Version: 2, Threshold: 4}, Effective: 5}},
		agenda.RotationReady{Succession: common.Hash{12}, Old: true, Random: common.Hash{13}},
		agenda.RotationBegin{Rotation: council.Rotation{FromEpoch: 1, ToEpoch: 2, Dealers: set}, Parts: []common.Hash{{14}}},
		agenda.RotationFailed{Ceremony: common.Hash{15}, Suspects: set, Reason: "silent"},
		agenda.Dossier{
			Rotation: council.Rotation{Dealers: set}, Acks: []agenda.AckWord{{Transcript: common.Hash{16}, Signature: council.NodeSignature{Member: "core-1", Sig: []byte{1}}}},
			Tests:    []council.TestSignature{{Signers: set, Signature: []byte{2}}},
			Locks:    []council.Lock{{Member: "core-1", Roster: common.Hash{20}, Epoch: 1, LastFour: true, Rows: []council.OpenRow{{Place: council.Place{Chain: 1, Nonce: 2}, State: council.OpenRevealed}}}},
			Refusals: []council.Refusal{{Member: "core-2", Subject: common.Hash{17}, Reason: "another"}},
		},
		agenda.CertificateMessage{Certificate: council.Certificate{Transcript: common.Hash{18}}},
		agenda.AbortMessage{Abort: council.AbortCertificate{Subject: common.Hash{19}, Forks: []council.Fork{{First: council.Lock{Member: "core-1", Epoch: 1}}}}},
		agenda.ErasureMessage{Erasure: council.Erasure{Member: "core-1", Epoch: 1}},
		agenda.ProclaimReady{Roster: common.Hash{21}, Random: common.Hash{22}},
		agenda.ProclaimBegin{Roster: common.Hash{21}, Signers: set, Parts: []common.Hash{{23}}},
	}
}

func TestMessagesSurviveTheWire(t *testing.T) {
	seen := map[uint8]bool{}
	for _, m := range messages() {
		tag, b, err := agenda.EncodeMessage(m)
		if err != nil || seen[tag] {
			t.Fatalf("%T: tag %d, %v", m, tag, err)
		}
		seen[tag] = true
		back, err := agenda.DecodeMessage(tag, b)
		if err != nil {
			t.Fatalf("%T: %v", m, err)
		}
		if _, again, err := agenda.EncodeMessage(back); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%T: other bytes after a round trip (%v)", m, err)
		}
		if _, err := agenda.DecodeMessage(tag, append(b, 0)); err == nil {
			t.Errorf("%T: trailing bytes are taken", m)
		}
	}
}

// FuzzDecodeMessage: whatever a member sends is refused, or is the one encoding
// of a message, and an agenda bears it from anyone.
func FuzzDecodeMessage(f *testing.F) {
	for _, m := range messages() {
		tag, b, err := agenda.EncodeMessage(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tag, b)
	}
	f.Fuzz(func(t *testing.T, tag uint8, b []byte) {
		m, err := agenda.DecodeMessage(tag, b)
		if err != nil {
			return
		}
		if got, again, err := agenda.EncodeMessage(m); err != nil || got != tag || !bytes.Equal(again, b) {
			t.Fatalf("%T has two encodings (%v)", m, err)
		}
		w := newWarmWorld(t, 1, 1)
		for _, from := range everyone[1:] {
			w.step(everyone[0], agenda.Said{From: from, Message: m})
		}
	})
}
