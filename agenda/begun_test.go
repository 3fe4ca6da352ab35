package agenda_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Members that say again and again that they have joined attempts hold nobody up,
// whether they name themselves alone, each other, or as many as it takes.
func TestWordsOfAttemptsHoldNobodyUp(t *testing.T) {
	liars := []council.MemberID{"core-3", "core-4"}
	for _, c := range []struct {
		name    string
		every   time.Duration
		signers func(council.MemberID) []council.MemberID
	}{
		{"alone, often", 100 * time.Millisecond, func(m council.MemberID) []council.MemberID { return []council.MemberID{m} }},
		{"alone, at their leisure", 10 * time.Second, func(m council.MemberID) []council.MemberID { return []council.MemberID{m} }},
		{"each other", 10 * time.Second, func(council.MemberID) []council.MemberID { return liars }},
		{"four, often", 100 * time.Millisecond, func(council.MemberID) []council.MemberID { return append(slices.Clone(everyone[:2]), liars...) }},
		{"four, at their leisure", 2 * time.Second, func(council.MemberID) []council.MemberID { return append(slices.Clone(everyone[:2]), liars...) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 505)
			id := w.propose("core-1", "pause", "protocol")
			w.run(5*time.Second, w.known(id))
			words := uint64(0)
			var lie func()
			lie = func() {
				words++
				for _, m := range liars { // the second one joins what the first one speaks of
					var begin common.Hash
					binary.BigEndian.PutUint64(begin[:], words)
					signers := c.signers(m)
					w.append(w.nodes[m], council.WordBegun, council.Begun{
						Proposal: id, Chain: chainID, Attempt: 7, Begin: begin, Coordinator: signers[len(signers)-1], Signers: signers,
					})
				}
				w.after(c.every, lie)
			}
			lie()
			w.run(6*time.Minute, func() bool { return false })
			w.approvedBy(everyone[:4], id)
			if !w.run(time.Minute, w.minedBy(id)) {
				w.fail(id)
			}
		})
	}
}
