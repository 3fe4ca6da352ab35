package council_test

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Every word has one body, and comes back as it was said.
func TestBodiesSurviveTheirEncoding(t *testing.T) {
	for word, body := range map[council.Word]any{
		council.WordBackedUp: council.BackedUp{Epoch: 3, Key: common.Address{1}, File: common.Hash{2}},
		council.WordKeyMade: council.KeyMade{Genesis: council.Genesis{Roster: common.Hash{1}, ShareEpoch: 1, Key: common.Address{2},
			Transcript: common.Hash{3}, Sigs: []council.NodeSignature{{Member: "core-1", Sig: []byte{4}}}}},
		council.WordComplete:     council.Complete{Proposal: council.ProposalID{1}, Since: 2, Approvals: []council.Standing{{Member: "core-1", Sequence: 3}}},
		council.WordRosterSigned: council.RosterSigned{Proclamation: council.Proclamation{Version: 2, Roster: common.Hash{5}, Epoch: 3, Signature: []byte{4}}},
	} {
		b, err := council.EncodeBody(body)
		if err != nil {
			t.Fatal(err)
		}
		got, err := council.DecodeBody(word, b)
		if err != nil || !reflect.DeepEqual(got, body) {
			t.Errorf("%s came back as %+v (%v)", word, got, err)
		}
		for name, bad := range map[string][]byte{"cut short": b[:len(b)-1], "trailing bytes": append(bytes.Clone(b), 0x80), "nothing": nil} {
			if _, err := council.DecodeBody(word, bad); err == nil || !strings.Contains(err.Error(), string(word)) {
				t.Errorf("%s, %s: %v", word, name, err)
			}
		}
	}
	more, err := rlp.EncodeToBytes([]any{uint64(3), common.Address{1}, common.Hash{2}, uint64(4)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := council.DecodeBody(council.WordBackedUp, more); err == nil {
		t.Error("a body with one field more is taken")
	}
	if _, err := council.DecodeBody("backed-down", nil); err == nil {
		t.Error("an unknown word is taken")
	}
}

// A body that says more than an honest node ever does is none: what all nodes keep of it, for
// each proposal and before they know whether it makes sense, is bounded by that.
func TestBodiesAreBounded(t *testing.T) {
	long := strings.Repeat("x", council.MaxReason+1)
	many := slices.Repeat([]council.MemberID{"core-1"}, council.MaxMembers+1)
	standing := slices.Repeat([]council.Standing{{Member: "core-1", Sequence: 1}}, council.MaxMembers+1)
	approve := func(a council.Approval) council.Voted {
		a.Decision = council.Approve
		return council.Voted{Approval: a}
	}
	for i, c := range []struct {
		word council.Word
		body any
	}{
		{council.WordJudged, council.Judged{Rule: long[:council.MaxRule+1]}},
		{council.WordJudged, council.Judged{Reason: long}},
		{council.WordJudged, council.Judged{Sentence: long}},
		{council.WordApproved, approve(council.Approval{Action: long})},
		{council.WordApproved, approve(council.Approval{Reason: long})},
		{council.WordApproved, approve(council.Approval{Sig: make([]byte, 66)})},
		{council.WordRejected, council.Voted{Approval: council.Approval{Decision: council.Choice(long)}}},
		{council.WordComplete, council.Complete{Approvals: standing}},
		{council.WordComplete, council.Complete{Approvals: []council.Standing{{}}}},
		{council.WordComplete, council.Complete{Approvals: []council.Standing{{Member: council.MemberID(long)}}}},
		{council.WordBegun, council.Begun{Coordinator: "core-1", Signers: many}},
		{council.WordBegun, council.Begun{Coordinator: council.MemberID(long)}},
		{council.WordAttemptFailed, council.AttemptFailed{Suspects: many}},
		{council.WordAttemptFailed, council.AttemptFailed{Suspects: []council.MemberID{council.MemberID(long)}}},
		{council.WordAttemptFailed, council.AttemptFailed{Reason: long}},
		{council.WordSigned, council.Signed{Tx: make([]byte, council.MaxTx+1)}},
		{council.WordSigned, council.Signed{Signature: make([]byte, 66)}},
		{council.WordSigned, council.Signed{Signers: many}},
		{council.WordFrozen, council.Frozen{Reason: long}},
		{council.WordThawed, council.Thawed{Reason: long}},
	} {
		b, err := council.EncodeBody(c.body)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := council.DecodeBody(c.word, b); err == nil {
			t.Errorf("%d: a %s with too much in it is taken", i, c.word)
		} else if len(err.Error()) > 300 {
			t.Errorf("%d: the error says %d bytes", i, len(err.Error()))
		}
	}
	for w, body := range map[council.Word]any{
		council.WordJudged:        council.Judged{Rule: long[:council.MaxRule], Reason: long[1:], Sentence: long[1:]},
		council.WordApproved:      approve(council.Approval{Action: long[1:], Reason: long[1:], Sig: make([]byte, 65)}),
		council.WordComplete:      council.Complete{Approvals: standing[1:]},
		council.WordBegun:         council.Begun{Coordinator: "core-1", Signers: many[1:]},
		council.WordAttemptFailed: council.AttemptFailed{Suspects: many[1:], Reason: long[1:]},
		council.WordSigned:        council.Signed{Tx: make([]byte, council.MaxTx), Signature: make([]byte, 65), Signers: many[1:]},
		council.WordFrozen:        council.Frozen{Reason: long[1:]},
	} {
		b, err := council.EncodeBody(body)
		if err == nil {
			_, err = council.DecodeBody(w, b)
		}
		if err != nil {
			t.Errorf("%s at its bounds: %v", w, err)
		}
	}
}

// bodies is one body of each word.
func bodies() map[council.Word]any {
	out := map[council.Word]any{
		council.WordProposed: council.Proposed{Council: common.Hash{1}, Intent: []byte{1, 2}}, council.WordJudged: council.Judged{Allow: true, Rule: "charter/pause"},
		council.WordApproved: council.Voted{Approval: council.Approval{Decision: council.Approve}}, council.WordRejected: council.Voted{Approval: council.Approval{Decision: council.Reject, Reason: "no"}},
		council.WordComplete: council.Complete{Since: 1, Approvals: []council.Standing{{Member: "core-1", Sequence: 2}}},
		council.WordBegun:    council.Begun{Coordinator: "core-1", Signers: []council.MemberID{"core-1"}}, council.WordAttemptFailed: council.AttemptFailed{Suspects: []council.MemberID{"core-2"}},
		council.WordSigned: council.Signed{Tx: []byte{3}}, council.WordRosterSigned: council.RosterSigned{},
		council.WordKeyMade:  council.KeyMade{Genesis: council.Genesis{ShareEpoch: 1, Sigs: []council.NodeSignature{{Member: "core-1", Sig: []byte{4}}}}},
		council.WordBackedUp: council.BackedUp{Epoch: 1, File: common.Hash{5}},
		council.WordFrozen:   council.Frozen{Reason: "laptop stolen"}, council.WordThawed: council.Thawed{Reason: "found it"},
	}
	for _, w := range []council.Word{council.WordBroadcast, council.WordMined, council.WordReverted, council.WordReorged, council.WordFinal, council.WordDisplaced, council.WordExpired} {
		out[w] = council.Sighted{GasUsed: 6}
	}
	return out
}

// FuzzDecodeBody: what another member wrote into its feed is refused, or is the
// one encoding of what it says.
func FuzzDecodeBody(f *testing.F) {
	all := bodies()
	words := slices.Sorted(maps.Keys(all))
	for i, w := range words {
		b, err := council.EncodeBody(all[w])
		if err != nil {
			f.Fatal(err)
		}
		if _, err := council.DecodeBody(w, b); err != nil {
			f.Fatalf("%s does not come back: %v", w, err)
		}
		f.Add(uint8(i), b)
	}
	f.Fuzz(func(t *testing.T, word uint8, b []byte) {
		body, err := council.DecodeBody(words[int(word)%len(words)], b)
		if err != nil {
			return
		}
		if again, err := council.EncodeBody(body); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%T has two encodings (%v)", body, err)
		}
	})
}
