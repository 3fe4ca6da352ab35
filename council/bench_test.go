package council_test

import (
	"testing"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

// BenchmarkVerifyQuorum counts four approvals, which each node does between the
// last approval and the signature.
func BenchmarkVerifyQuorum(b *testing.B) {
	c := testcouncil.New(b)
	ballot := council.Ballot{Council: councilID, Roster: c.Roster, Intent: deed(), Sentence: "pause the bridge"}
	var all []council.Approval
	for _, m := range testcouncil.IDs()[:4] {
		all = append(all, c.Approve(b, ballot, m, 1, 1_900_000_000))
	}
	for b.Loop() {
		if _, err := council.VerifyQuorum(ballot, all, 1_800_000_000); err != nil {
			b.Fatal(err)
		}
	}
}
