package council

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// Fees are the gas limit and prices of one signed transaction.
type Fees struct {
	Gas          uint64   `json:"gas"`
	MaxFeePerGas *big.Int `json:"maxFeePerGas"` // wei
	MaxTipPerGas *big.Int `json:"maxTipPerGas"` // wei
}

// Within reports whether the fees are what the members approved: the gas as it is, since
// with less of it the call may do something else than what they were shown (EIP-150 leaves
// an inner call a part of what there is); the prices up to their ceilings.
func (f Fees) Within(t Transaction) error {
	switch {
	case f.MaxFeePerGas == nil || f.MaxTipPerGas == nil || f.MaxFeePerGas.Sign() <= 0 || f.MaxTipPerGas.Sign() < 0:
		return fmt.Errorf("fees: a price is missing or negative")
	case f.Gas != t.MaxGas:
		return fmt.Errorf("fees: gas %d is not the approved %d", f.Gas, t.MaxGas)
	case f.MaxFeePerGas.Cmp(t.MaxFeePerGas) > 0:
		return fmt.Errorf("fees: %s wei per gas is above the approved ceiling of %s", f.MaxFeePerGas, t.MaxFeePerGas)
	case f.MaxTipPerGas.Cmp(t.MaxTipPerGas) > 0:
		return fmt.Errorf("fees: a tip of %s wei per gas is above the approved ceiling of %s", f.MaxTipPerGas, t.MaxTipPerGas)
	case f.MaxTipPerGas.Cmp(f.MaxFeePerGas) > 0:
		return fmt.Errorf("fees: tip %s is above fee %s", f.MaxTipPerGas, f.MaxFeePerGas)
	}
	return nil
}

// Outbids reports whether a pool takes a transaction with these fees in the place of one
// with the others.
func (f Fees) Outbids(old Fees) bool {
	least := old.Next()
	return f.MaxFeePerGas.Cmp(least.MaxFeePerGas) >= 0 && f.MaxTipPerGas.Cmp(least.MaxTipPerGas) >= 0
}

// Next are the lowest prices at which a pool takes a transaction in the place of one with
// these: both a tenth higher (go-ethereum's txpool.pricebump), and higher also where a tenth
// is nothing.
func (f Fees) Next() Fees {
	tenth := func(v *big.Int) *big.Int {
		up := new(big.Int).Add(v, big.NewInt(9))
		up.Quo(up, big.NewInt(10))
		if up.Sign() <= 0 {
			up.SetInt64(1)
		}
		return up.Add(up, v)
	}
	return Fees{Gas: f.Gas, MaxFeePerGas: tenth(f.MaxFeePerGas), MaxTipPerGas: tenth(f.MaxTipPerGas)}
}

// Highest are these fees with the higher of both prices each.
func (f Fees) Highest(g Fees) Fees {
	if g.MaxFeePerGas.Cmp(f.MaxFeePerGas) > 0 {
		f.MaxFeePerGas = g.MaxFeePerGas
	}
	if g.MaxTipPerGas.Cmp(f.MaxTipPerGas) > 0 {
		f.MaxTipPerGas = g.MaxTipPerGas
	}
	return f
}

// Ceilings are the highest fees that the members approved.
func (t Transaction) Ceilings() Fees {
	return Fees{Gas: t.MaxGas, MaxFeePerGas: t.MaxFeePerGas, MaxTipPerGas: t.MaxTipPerGas}
}

// FeesOf are those of an EIP-1559 transaction.
func FeesOf(tx *types.Transaction) Fees {
	return Fees{Gas: tx.Gas(), MaxFeePerGas: tx.GasFeeCap(), MaxTipPerGas: tx.GasTipCap()}
}

// none reports whether there are no fees at all.
func (f Fees) none() bool {
	zero := func(v *big.Int) bool { return v == nil || v.Sign() == 0 }
	return f.Gas == 0 && zero(f.MaxFeePerGas) && zero(f.MaxTipPerGas)
}

// Cost is the most wei that the gas can cost.
func (f Fees) Cost() *big.Int {
	return new(big.Int).Mul(new(big.Int).SetUint64(f.Gas), f.MaxFeePerGas)
}

// Envelope is the transaction that goes on chain: the approved deed, its nonce
// and its fees. There is no access list, no blob and no authorization list, and
// no way to add one.
type Envelope struct {
	Deed  Transaction
	Nonce uint64
	Fees  Fees
}

// Unsigned is the EIP-1559 transaction to be signed.
func (e Envelope) Unsigned() *types.Transaction {
	to := e.Deed.To
	return types.NewTx(&types.DynamicFeeTx{
		ChainID:   new(big.Int).SetUint64(e.Deed.Chain),
		Nonce:     e.Nonce,
		GasTipCap: e.Fees.MaxTipPerGas,
		GasFeeCap: e.Fees.MaxFeePerGas,
		Gas:       e.Fees.Gas,
		To:        &to,
		Value:     e.Deed.Value,
		Data:      e.Deed.Data,
	})
}

// Digest is what the council's key signs (EIP-1559 signing hash).
func (e Envelope) Digest() common.Hash {
	return types.NewLondonSigner(new(big.Int).SetUint64(e.Deed.Chain)).Hash(e.Unsigned())
}

// Signed puts a signature (65 bytes r || s || v, v in {0, 1}) on the
// transaction and checks that it recovers to key.
func (e Envelope) Signed(sig []byte, key common.Address) (*types.Transaction, error) {
	s := types.NewLondonSigner(new(big.Int).SetUint64(e.Deed.Chain))
	tx, err := e.Unsigned().WithSignature(s, sig)
	if err != nil {
		return nil, fmt.Errorf("attach signature: %w", err)
	}
	from, err := types.Sender(s, tx)
	if err != nil {
		return nil, fmt.Errorf("check signature: %w", err)
	}
	if from != key {
		return nil, fmt.Errorf("signature recovers to %s, not to the council's %s", from.Hex(), key.Hex())
	}
	return tx, nil
}
