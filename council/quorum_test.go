package council_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/testcouncil"
)

const now, later = 1_800_000_000, 1_900_000_000

func TestFourOfSevenMakeAQuorum(t *testing.T) {
	c, b := ballot(t)
	var words []council.Approval
	for i, m := range []council.MemberID{"core-3", "community-2", "core-1"} {
		words = append(words, c.Approve(t, b, m, uint64(i+1), later))
	}
	var short *council.ShortOfQuorum
	if _, err := council.VerifyQuorum(b, words, now); !errors.As(err, &short) || short.Have != 3 || short.Want != 4 || len(short.Missing) != 4 {
		t.Fatalf("three approvals: %v", err)
	}
	words = append(words, c.Approve(t, b, "core-4", 1, now+60))
	q, err := council.VerifyQuorum(b, words, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := q.Members(); len(got) != 4 || got[0] != "community-2" || got[3] != "core-4" {
		t.Errorf("members %v", got)
	}
	if q.Expires() != now+60 || !q.Proven() || q.Roster() != words[0].Roster || q.Proposal() != words[0].Proposal {
		t.Errorf("quorum %+v", q)
	}
	if (council.Quorum{}).Proven() {
		t.Error("the zero quorum proves something")
	}
}

func TestWhatDoesNotCount(t *testing.T) {
	c, b := ballot(t)
	three := func() []council.Approval {
		return []council.Approval{c.Approve(t, b, "core-1", 1, later), c.Approve(t, b, "core-2", 1, later), c.Approve(t, b, "core-3", 1, later)}
	}
	other := b
	other.Council = common.HexToHash("0xbad")
	otherRoster := b
	otherRoster.Roster.Members = append([]council.Member(nil), b.Roster.Members...)
	otherRoster.Roster.Members[0].Term.End--
	otherText := b
	otherText.Sentence = "do nothing at all"
	otherDeed := b
	d := deed()
	d.Value = big.NewInt(1)
	otherDeed.Intent = d
	bad := c.Approve(t, b, "core-4", 1, later)
	bad.Sig[10] ^= 1
	high := c.Approve(t, b, "core-4", 1, later)
	s := new(big.Int).SetBytes(high.Sig[32:64])
	n, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	new(big.Int).Sub(n, s).FillBytes(high.Sig[32:64])
	high.Sig[64] ^= 1
	ended := b
	ended.Roster.Members = append([]council.Member(nil), b.Roster.Members...)
	for i := range ended.Roster.Members {
		if ended.Roster.Members[i].ID == "core-4" {
			ended.Roster.Members[i].Term.End = now
		}
	}
	for name, x := range map[string]struct {
		word council.Approval
		is   error
		says string
	}{
		"non-member":      {c.Approve(t, b, "stranger", 1, later), council.ErrNotMember, "recovers to"},
		"other council":   {c.Approve(t, other, "core-4", 1, later), nil, "is for proposal"},
		"other roster":    {c.Approve(t, otherRoster, "core-4", 1, later), council.ErrOtherRoster, "in force is"},
		"other sentence":  {c.Approve(t, otherText, "core-4", 1, later), council.ErrSentence, "do nothing"},
		"other deed":      {c.Approve(t, otherDeed, "core-4", 1, later), nil, "is for proposal"},
		"bad signature":   {bad, nil, "approval"},
		"high-s twin":     {high, nil, "high-s"},
		"expired":         {c.Approve(t, b, "core-4", 1, now), council.ErrExpired, "core-4"},
		"rejection":       {c.Reject(t, b, "core-4", 1, later), nil, "3 of 4"},
		"twice by core-1": {c.Approve(t, b, "core-1", 2, later), nil, "3 of 4"},
	} {
		_, err := council.VerifyQuorum(b, append(three(), x.word), now)
		if err == nil {
			t.Errorf("%s makes a quorum", name)
			continue
		}
		if !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %q does not say %q", name, err, x.says)
		}
		if _, verr := b.Verify(x.word, now); x.is != nil && !errors.Is(verr, x.is) {
			t.Errorf("%s: %v is not %v", name, verr, x.is)
		}
	}
	four := append(three(), c.Approve(t, b, "core-4", 1, later))
	if _, err := council.VerifyQuorum(b, four, 2_000_000_000); err == nil || council.Hint(err) == "" {
		t.Errorf("an expired proposal: %v", err)
	}
	q := ended
	var words []council.Approval
	for _, m := range []council.MemberID{"core-1", "core-2", "core-3", "core-4"} {
		words = append(words, c.Approve(t, q, m, 1, later))
	}
	if _, err := council.VerifyQuorum(q, words, now); err == nil || !strings.Contains(err.Error(), "term") {
		t.Errorf("a member whose term has ended counts: %v", err)
	}
}

func TestLastWordWins(t *testing.T) {
	c, b := ballot(t)
	words := []council.Approval{
		c.Approve(t, b, "core-1", 1, later), c.Approve(t, b, "core-2", 1, later), c.Approve(t, b, "core-3", 1, later),
		c.Approve(t, b, "core-4", 1, later), c.Reject(t, b, "core-4", 2, later),
	}
	if _, err := council.VerifyQuorum(b, words, now); err == nil {
		t.Fatal("a withdrawn approval counts")
	}
	words = append(words, c.Approve(t, b, "core-4", 3, later))
	if _, err := council.VerifyQuorum(b, words, now); err != nil {
		t.Fatalf("approved again: %v", err)
	}
	tie := append(words[:3:3], c.Reject(t, b, "core-4", 1, later), c.Approve(t, b, "core-4", 1, later))
	if _, err := council.VerifyQuorum(b, tie, now); err == nil {
		t.Fatal("of two words with one sequence the approval won")
	}
}

func TestEnvelopeIsThePlainTransaction(t *testing.T) {
	e := council.Envelope{Deed: deed(), Nonce: 9, Fees: council.Fees{Gas: 90_000, MaxFeePerGas: big.NewInt(50e9), MaxTipPerGas: big.NewInt(1e9)}}
	w := testcouncil.Wallet(t, "core-1")
	digest := e.Digest()
	sig := signRaw(t, digest, w)
	tx, err := e.Signed(sig, addressOf(w))
	if err != nil {
		t.Fatal(err)
	}
	if tx.Nonce() != 9 || *tx.To() != deed().To || tx.Value().Sign() != 0 || string(tx.Data()) != string(deed().Data) || len(tx.AccessList()) != 0 {
		t.Errorf("transaction %v", tx)
	}
	if _, err := e.Signed(sig, common.HexToAddress("0x01")); err == nil {
		t.Error("a signature of another key was taken")
	}
	for name, f := range map[string]council.Fees{
		"gas above":     {Gas: 200_001, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: big.NewInt(1)},
		"fee above":     {Gas: 200_000, MaxFeePerGas: big.NewInt(200e9 + 1), MaxTipPerGas: big.NewInt(1)},
		"tip above":     {Gas: 200_000, MaxFeePerGas: big.NewInt(100e9), MaxTipPerGas: big.NewInt(3e9 + 1)},
		"tip above fee": {Gas: 200_000, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: big.NewInt(2)},
		"no fee":        {Gas: 200_000, MaxFeePerGas: big.NewInt(0), MaxTipPerGas: big.NewInt(0)},
		"missing":       {Gas: 200_000},
		"gas below":     {Gas: 199_999, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: big.NewInt(1)},
	} {
		if err := f.Within(deed()); err == nil {
			t.Errorf("%s: within", name)
		}
	}
	if err := (council.Fees{Gas: 200_000, MaxFeePerGas: big.NewInt(200e9), MaxTipPerGas: big.NewInt(3e9)}).Within(deed()); err != nil {
		t.Error(err)
	}
}

// A pool takes a replacement when both prices are a tenth higher.
func TestOutbids(t *testing.T) {
	old := council.Fees{MaxFeePerGas: big.NewInt(100), MaxTipPerGas: big.NewInt(10)}
	for f, want := range map[[2]int64]bool{{110, 11}: true, {109, 11}: false, {110, 10}: false, {200, 20}: true, {100, 10}: false} {
		if got := (council.Fees{MaxFeePerGas: big.NewInt(f[0]), MaxTipPerGas: big.NewInt(f[1])}).Outbids(old); got != want {
			t.Errorf("%v: %t", f, got)
		}
	}
	// Both are higher, also where a tenth is nothing: go-ethereum takes no equal ones.
	free, small := council.Fees{MaxFeePerGas: big.NewInt(1), MaxTipPerGas: new(big.Int)}, council.Fees{MaxFeePerGas: big.NewInt(2), MaxTipPerGas: new(big.Int)}
	if paid := (council.Fees{MaxFeePerGas: big.NewInt(2), MaxTipPerGas: big.NewInt(1)}); free.Outbids(free) || small.Outbids(free) || !paid.Outbids(free) {
		t.Error("one wei")
	}
	if next := old.Next(); !next.Outbids(old) || next.MaxFeePerGas.Cmp(big.NewInt(110)) != 0 || next.MaxTipPerGas.Cmp(big.NewInt(11)) != 0 {
		t.Errorf("the lowest that outbid it: %v", next)
	}
}
