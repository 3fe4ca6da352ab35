package testcouncil

import (
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

func TestCouncilDecides(t *testing.T) {
	c := New(t)
	ballot := council.Ballot{
		Council: common.Hash{1},
		Roster:  c.Roster,
		Intent: council.Transaction{
			Chain: 1, To: common.Address{2}, Value: new(big.Int), MaxGas: 100_000,
			MaxFeePerGas: big.NewInt(2), MaxTipPerGas: big.NewInt(1), ValidUntil: 2_000_000_000, Reason: "a test",
		},
		Sentence: "pause the bridge",
	}
	const now = 1_800_000_000
	var approvals []council.Approval
	for _, who := range IDs()[:4] {
		approvals = append(approvals, c.Approve(t, ballot, who, 1, now+60))
	}
	if _, err := council.VerifyQuorum(ballot, approvals, now); err != nil {
		t.Fatal(err)
	}
	approvals = append(approvals, c.Reject(t, ballot, IDs()[0], 2, now+60))
	if _, err := council.VerifyQuorum(ballot, approvals, now); err == nil {
		t.Fatal("a withdrawn approval still counts")
	}
	m, err := ballot.Verify(c.Approve(t, ballot, "core-4", 1, now+60), now)
	if err != nil || m.ID != "core-4" {
		t.Fatalf("approval of core-4 is %s's: %v", m.ID, err)
	}
	if _, err := ballot.Verify(c.Approve(t, ballot, "stranger", 1, now+60), now); err == nil {
		t.Fatal("a stranger's approval counts")
	}
}

func TestCouncilIsTheSameEachTime(t *testing.T) {
	a, err := New(t).Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(t).Roster.Hash()
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Fatal("two calls give two rosters")
	}
}
