package agenda

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

func setKey(set []council.MemberID) string {
	var b strings.Builder
	for _, m := range set {
		b.WriteString(string(m))
		b.WriteByte(0)
	}
	return b.String()
}

// leaderOf spreads the sets over their members.
func leaderOf(set []council.MemberID) council.MemberID {
	h := crypto.Keccak256([]byte("millicent/arm-leader/1\x00"), []byte(setKey(set)))
	return set[binary.BigEndian.Uint64(h)%uint64(len(set))]
}

// combine lists all choices of k members, in order.
func combine(of []council.MemberID, k int, each func([]council.MemberID)) {
	var pick func(from int, have []council.MemberID)
	pick = func(from int, have []council.MemberID) {
		if len(have) == k {
			each(slices.Clone(have))
			return
		}
		for i := from; i <= len(of)-(k-len(have)); i++ {
			pick(i+1, append(have, of[i]))
		}
	}
	pick(0, nil)
}

// choose is n over k, or more than MaxSets.
func choose(n, k int) int {
	c := 1
	for i := 1; i <= k; i++ {
		if c = c * (n - k + i) / i; c > MaxSets {
			return c
		}
	}
	return c
}
