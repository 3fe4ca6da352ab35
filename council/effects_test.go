package council_test

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// A transaction without expected changes has the bytes that it always had, and
// one with them has one encoding and one order.
func TestExpectedChanges(t *testing.T) {
	plain, err := council.EncodeIntent(deed())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := council.EncodeIntent(expecting())
	if err != nil {
		t.Fatal(err)
	}
	back, err := council.DecodeIntent(raw)
	if err != nil || !reflect.DeepEqual(back, council.Intent(expecting())) {
		t.Fatalf("%+v, %v", back, err)
	}
	if back, err := council.DecodeIntent(plain); err != nil || back.(council.Transaction).Expect != nil {
		t.Errorf("%+v, %v", back, err)
	}
	for name, change := range map[string]func(*council.Transaction){
		"an empty list": func(d *council.Transaction) { d.Expect = []council.Expected{} },
		"out of order":  func(d *council.Transaction) { d.Expect[0], d.Expect[1] = d.Expect[1], d.Expect[0] },
		"twice":         func(d *council.Transaction) { d.Expect[1].Slot = d.Expect[0].Slot },
		"too many":      func(d *council.Transaction) { d.Expect = make([]council.Expected, council.MaxExpected+1) },
	} {
		d := expecting()
		change(&d)
		raw, err := council.EncodeIntent(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := council.DecodeIntent(raw); err == nil {
			t.Errorf("%s: taken", name)
		}
		d.Expect = council.SortExpected(d.Expect)
		if err := d.Valid(); (name == "an empty list" || name == "out of order") != (err == nil) {
			t.Errorf("%s, sorted: %v", name, err)
		}
	}
}

// The wallet shows the list, and signs it.
func TestApprovalShowsExpectedChanges(t *testing.T) {
	c, b := ballot(t)
	b.Intent = expecting()
	ap := c.Approve(t, b, "core-1", 1, 1_900_000_000)
	if _, err := b.Verify(ap, 1_800_000_000); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(ap.Document(councilID, b.Intent))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"Expected[]"`, `"slot":"0x0000000000000000000000000000000000000000000000000000000000000001"`} {
		if !bytes.Contains(raw, []byte(want)) {
			t.Errorf("%s is not in the document: %s", want, raw)
		}
	}
	other := expecting()
	other.Expect[1].Value[31]++
	b.Intent = other
	if _, err := b.Verify(ap, 1_800_000_000); err == nil {
		t.Error("an approval holds for other changes")
	}
}

func TestParseExpected(t *testing.T) {
	for _, e := range expecting().Expect {
		if back, err := council.ParseExpected(e.String()); err != nil || back != e {
			t.Errorf("%s: %s, %v", e, back, err)
		}
	}
	short, err := council.ParseExpected("0x00000000000000000000000000000000000000c0:0x1=0x02")
	if err != nil || short != expecting().Expect[0] {
		t.Errorf("%s, %v", short, err)
	}
	for _, bad := range []string{"", "0xc0:0x1=0x2", "0x00000000000000000000000000000000000000c0", "0x00000000000000000000000000000000000000c0:0x1",
		"0x00000000000000000000000000000000000000c0:1=0x2", "0x00000000000000000000000000000000000000c0:0x=0x2",
		"0x00000000000000000000000000000000000000c0:0xg=0x2", "0x00000000000000000000000000000000000000c0:0x1=0x" + strings.Repeat("0", 65)} {
		if e, err := council.ParseExpected(bad); err == nil || council.Hint(err) == "" {
			t.Errorf("%q: %s, %v", bad, e, err)
		}
	}
}

// The hash of facts covers all that a simulation showed, and facts without one
// hash as they did before there was any.
func TestFactsCommitToEffects(t *testing.T) {
	q := council.Query{Kind: council.QuerySimulation}
	full := func() council.Answer {
		return council.Answer{OK: true, Gas: 1, Detail: "debug_traceCall", Sight: council.SightState,
			Accounts: []council.AccountChange{{Address: common.Address{1}, BalanceBefore: big.NewInt(1), BalanceAfter: big.NewInt(2), NonceAfter: 1,
				Slots: []council.SlotChange{{Slot: common.Hash{1}, After: common.Hash{2}}}}},
			Moves: []council.Movement{{Asset: council.ERC20, Token: common.Address{2}, From: common.Address{3}, To: common.Address{4}, Amount: big.NewInt(5)}}}
	}
	hash := func(q council.Query, a council.Answer) common.Hash {
		return council.Facts{Chain: 1, Block: 2, Answers: map[council.Query]council.Answer{q: a}}.Hash()
	}
	base := hash(q, full())
	for name, change := range map[string]func(*council.Answer){
		"sight":   func(a *council.Answer) { a.Sight = council.SightMoves },
		"address": func(a *council.Answer) { a.Accounts[0].Address[0]++ },
		"balance": func(a *council.Answer) { a.Accounts[0].BalanceAfter = big.NewInt(3) },
		"nonce":   func(a *council.Answer) { a.Accounts[0].NonceAfter++ },
		"code":    func(a *council.Answer) { a.Accounts[0].CodeAfter[0]++ },
		"before":  func(a *council.Answer) { a.Accounts[0].Slots[0].Before[0]++ },
		"after":   func(a *council.Answer) { a.Accounts[0].Slots[0].After[0]++ },
		"asset":   func(a *council.Answer) { a.Moves[0].Asset = council.ERC721 },
		"from":    func(a *council.Answer) { a.Moves[0].From[0]++ },
		"amount":  func(a *council.Answer) { a.Moves[0].Amount = nil },
		"move":    func(a *council.Answer) { a.Moves = nil },
	} {
		a := full()
		change(&a)
		if hash(q, a) == base {
			t.Errorf("%s is not in the hash", name)
		}
	}
	holder := q
	holder.Account[0]++
	if hash(holder, full()) == base {
		t.Error("the account of a query is not in the hash")
	}
	type oldQuery struct {
		Kind    council.QueryKind
		Address common.Address
		Slot    common.Hash
	}
	type oldAnswer struct {
		Word   common.Hash
		OK     bool
		Gas    uint64
		Detail string
	}
	x, err := rlp.EncodeToBytes([]any{council.Query{Kind: "storage", Slot: common.Hash{1}}, council.Answer{OK: true, Detail: "d"}})
	if err != nil {
		t.Fatal(err)
	}
	y, err := rlp.EncodeToBytes([]any{oldQuery{Kind: "storage", Slot: common.Hash{1}}, oldAnswer{OK: true, Detail: "d"}})
	if err != nil || !bytes.Equal(x, y) {
		t.Errorf("%x became %x (%v)", y, x, err)
	}
}
