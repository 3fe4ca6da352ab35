package chain

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"pgregory.net/rapid"

	"github.com/millicent-one/signer/contracts"
	"github.com/millicent-one/signer/council"
)

func TestFees(t *testing.T) {
	w := newWorld(t)
	s := w.suite()
	deed := w.deed(s.Protocol, contracts.Protocol().Calldata("pause"))
	f := w.fees(deed)
	if err := f.Within(deed); err != nil {
		t.Error(err)
	}
	base := w.Head().BaseFee
	if want := new(big.Int).Add(new(big.Int).Lsh(base, 1), f.MaxTipPerGas); f.MaxFeePerGas.Cmp(want) != 0 {
		t.Errorf("fee %v; want twice %v and the tip %v", f.MaxFeePerGas, base, f.MaxTipPerGas)
	}
	// The gas is enough, with room.
	tx := w.sign(deed, 0, f)
	w.broadcast(w.client, tx)
	w.mine(1)
	sight, err := w.client.Look(t.Context(), tx.Hash())
	if err != nil || sight.State != Mined || sight.Reverted {
		t.Fatalf("%+v, %v", sight, err)
	}
	if f.Gas < sight.GasUsed*5/4 {
		t.Errorf("gas limit %d for %d used", f.Gas, sight.GasUsed)
	}
	// Now it is paused, and the same call reverts.
	var rev *RevertError
	if _, err := w.client.Fees(t.Context(), councilAddr, deed); !errors.As(err, &rev) || rev.Reason != "EnforcedPause()" || council.Hint(err) == "" {
		t.Errorf("%v", err)
	}
	deed.MaxGas = 21_000
	deed.Data = contracts.Protocol().Calldata("unpause")
	var ce *CeilingError
	if _, err := w.client.Fees(t.Context(), councilAddr, deed); !errors.As(err, &ce) || ce.What != "gas" || !strings.Contains(err.Error(), "21000") {
		t.Errorf("%v", err)
	}
}

func TestPrice(t *testing.T) {
	deed := council.Transaction{MaxGas: 100_000, MaxFeePerGas: gwei(100), MaxTipPerGas: gwei(2)}
	for name, c := range map[string]struct {
		gas       uint64
		base, tip *big.Int
		want      council.Fees
		over      string
	}{
		"as approved":     {40_000, gwei(10), gwei(1), council.Fees{Gas: 100_000, MaxFeePerGas: gwei(21), MaxTipPerGas: gwei(1)}, ""},
		"gas at ceiling":  {100_000, gwei(10), gwei(1), council.Fees{Gas: 100_000, MaxFeePerGas: gwei(21), MaxTipPerGas: gwei(1)}, ""},
		"gas above":       {100_001, gwei(10), gwei(1), council.Fees{}, "gas: 100001 needed, the approved ceiling is 100000"},
		"tip cut":         {40_000, gwei(10), gwei(9), council.Fees{Gas: 100_000, MaxFeePerGas: gwei(22), MaxTipPerGas: gwei(2)}, ""},
		"fee cut":         {40_000, gwei(60), gwei(1), council.Fees{Gas: 100_000, MaxFeePerGas: gwei(100), MaxTipPerGas: gwei(1)}, ""},
		"base above":      {40_000, gwei(101), gwei(1), council.Fees{}, "fee per gas: 101000000000 needed, the approved ceiling is 100000000000"},
		"nothing is free": {21_000, new(big.Int), new(big.Int), council.Fees{Gas: 100_000, MaxFeePerGas: big.NewInt(1), MaxTipPerGas: new(big.Int)}, ""},
	} {
		f, err := price(c.gas, c.base, c.tip, deed)
		if c.over != "" {
			if err == nil || err.Error() != c.over {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || f.Gas != c.want.Gas || f.MaxFeePerGas.Cmp(c.want.MaxFeePerGas) != 0 || f.MaxTipPerGas.Cmp(c.want.MaxTipPerGas) != 0 {
			t.Errorf("%s: %+v, %v; want %+v", name, f, err, c.want)
		}
	}
}

// A bump raises both prices by an eighth or to their ceilings, so that a pool takes it, or
// says which ceiling is in the way and what it would have to be. What is bumped may be
// another deed's, with other ceilings.
func TestBump(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		deed := council.Transaction{MaxGas: 100_000,
			MaxFeePerGas: big.NewInt(rapid.Int64Range(1, 1e12).Draw(t, "max fee"))}
		deed.MaxTipPerGas = big.NewInt(rapid.Int64Range(0, deed.MaxFeePerGas.Int64()).Draw(t, "max tip"))
		old := council.Fees{Gas: 50_000, MaxFeePerGas: big.NewInt(rapid.Int64Range(1, 2e12).Draw(t, "fee"))}
		old.MaxTipPerGas = big.NewInt(rapid.Int64Range(0, old.MaxFeePerGas.Int64()).Draw(t, "tip"))
		f, err := Bump(old, deed)
		var ce *CeilingError
		if err != nil {
			if !errors.As(err, &ce) || ce.Need.Cmp(ce.Ceiling) <= 0 || deed.Ceilings().Outbids(old) {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := f.Within(deed); err != nil || !f.Outbids(old) {
			t.Fatal(f, err)
		}
		for _, p := range [][3]*big.Int{{old.MaxFeePerGas, f.MaxFeePerGas, deed.MaxFeePerGas}, {old.MaxTipPerGas, f.MaxTipPerGas, deed.MaxTipPerGas}} {
			eight, nine := new(big.Int).Mul(p[1], big.NewInt(8)), new(big.Int).Mul(p[0], big.NewInt(9))
			if eight.Cmp(nine) < 0 && p[1].Cmp(p[2]) != 0 {
				t.Fatalf("%v to %v is no eighth, and the ceiling is %v", p[0], p[1], p[2])
			}
		}
	})
}

// A price that has come near its ceiling does not hold up the other one.
func TestBumpToACeiling(t *testing.T) {
	deed := council.Transaction{MaxGas: 100_000, MaxFeePerGas: big.NewInt(1000), MaxTipPerGas: big.NewInt(111)}
	for name, c := range map[string]struct {
		fee, tip         int64
		wantFee, wantTip int64 // 0: none
		need             string
	}{
		"with room":                       {400, 40, 450, 45, ""},
		"the tip to its ceiling":          {400, 100, 450, 111, ""},
		"the fee to its ceiling":          {900, 40, 1000, 45, ""},
		"a tenth above the tip's ceiling": {400, 101, 0, 0, "tip per gas: 112 needed, the approved ceiling is 111"},
		"a tenth above the fee's ceiling": {950, 40, 0, 0, "fee per gas: 1045 needed, the approved ceiling is 1000"},
		"of another deed, far above":      {9000, 40, 0, 0, "fee per gas: 9900 needed, the approved ceiling is 1000"},
		"no tip":                          {400, 0, 450, 1, ""},
	} {
		f, err := Bump(council.Fees{Gas: 21_000, MaxFeePerGas: big.NewInt(c.fee), MaxTipPerGas: big.NewInt(c.tip)}, deed)
		if c.need != "" {
			if err == nil || !strings.Contains(err.Error(), c.need) || council.Hint(err) == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || f.Gas != deed.MaxGas || f.MaxFeePerGas.Int64() != c.wantFee || f.MaxTipPerGas.Int64() != c.wantTip {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
}

func TestBumpReplacesInThePool(t *testing.T) {
	w := newWorld(t)
	deed := w.deed(common.HexToAddress("0xfe01"), nil)
	fees := w.fees(deed)
	old := w.sign(deed, 0, fees)
	w.broadcast(w.client, old)
	same := fees
	same.MaxFeePerGas = new(big.Int).Add(fees.MaxFeePerGas, common.Big1)
	if err := w.client.Broadcast(t.Context(), w.sign(deed, 0, same)); !errors.Is(err, ErrUnderpriced) || council.Hint(err) == "" {
		t.Errorf("a bump of 1 wei: %v", err)
	}
	more, err := Bump(fees, deed)
	if err != nil {
		t.Fatal(err)
	}
	tx := w.sign(deed, 0, more)
	w.broadcast(w.client, tx)
	w.mine(1)
	if s, err := w.client.Look(t.Context(), tx.Hash()); err != nil || s.State != Mined {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := w.client.Look(t.Context(), old.Hash()); err != nil || s.State != Unknown {
		t.Errorf("the old one: %+v, %v", s, err)
	}
	// The pool learns of the block a moment later; until then the fees are too low.
	if err := w.client.Broadcast(t.Context(), old); !errors.Is(err, ErrNonceUsed) && !errors.Is(err, ErrUnderpriced) || council.Hint(err) == "" {
		t.Errorf("the old one again: %v", err)
	}
}

// What outbids by our rule a real pool takes, and what is less, but for rounding, it does not.
func TestPoolTakesTheNextPrices(t *testing.T) {
	w := newWorld(t)
	deed := w.deed(common.HexToAddress("0xfe02"), nil)
	fees := w.fees(deed)
	fees.MaxTipPerGas = big.NewInt(1) // of which a tenth is nothing
	for range 3 {
		w.broadcast(w.client, w.sign(deed, 0, fees))
		least := fees.Next()
		for name, f := range map[string]council.Fees{
			"fee": {Gas: fees.Gas, MaxFeePerGas: new(big.Int).Sub(least.MaxFeePerGas, common.Big2), MaxTipPerGas: least.MaxTipPerGas},
			"tip": {Gas: fees.Gas, MaxFeePerGas: least.MaxFeePerGas, MaxTipPerGas: new(big.Int).Sub(least.MaxTipPerGas, common.Big1)},
		} {
			if err := w.client.Broadcast(t.Context(), w.sign(deed, 0, f)); !errors.Is(err, ErrUnderpriced) || f.Outbids(fees) {
				t.Errorf("a lower %s: %v", name, err)
			}
		}
		fees = least
	}
	w.broadcast(w.client, w.sign(deed, 0, fees))
}
