package chain

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// Fees proposes prices for a deed, with the gas that was approved: the RPC's tip, and
// twice the base fee on top of it, each cut to the deed's ceilings. Where the chain wants
// more than a ceiling (*CeilingError), or the call would revert (*RevertError), there is
// no proposal.
func (c *Client) Fees(ctx context.Context, from common.Address, deed council.Transaction) (council.Fees, error) {
	if deed.Chain != c.cfg.Chain {
		return council.Fees{}, fmt.Errorf("estimate fees: the deed is for chain %d, this is chain %d", deed.Chain, c.cfg.Chain)
	}
	if err := deed.Valid(); err != nil {
		return council.Fees{}, fmt.Errorf("estimate fees: %w", err)
	}
	var fees council.Fees
	err := c.do(ctx, "estimate fees", func(ctx context.Context, e *endpoint) error {
		tips := e.tipLater(ctx) // asked beside the rest: an RPC may be far
		head, err := e.block(ctx, "latest")
		if err != nil {
			return err
		}
		if head.BaseFee == nil {
			return final{fmt.Errorf("its blocks have no base fee (EIP-1559), and the council signs no other transactions")}
		}
		gas, err := e.eth.EstimateGasAtBlockHash(ctx, message(from, deed), head.Hash)
		if err != nil {
			if rev, ok := e.reverted(err); ok {
				return final{council.WithHint(rev, "simulate the proposal again; the chain has changed, or the call was never going to work")}
			}
			return err
		}
		tip := <-tips
		if tip.err != nil {
			return tip.err
		}
		if fees, err = price(gas, head.BaseFee, tip.wei, deed); err != nil {
			return final{err}
		}
		return nil
	})
	if err != nil {
		return council.Fees{}, err
	}
	return fees, nil
}

type tip struct {
	wei *big.Int
	err error
}

// tipLater asks for the tip, and gives the answer when it is there.
func (e *endpoint) tipLater(ctx context.Context) <-chan tip {
	answer := make(chan tip, 1)
	go func() {
		wei, err := e.tip(ctx)
		answer <- tip{wei, err}
	}()
	return answer
}

// tip is what the RPC suggests, in wei per gas.
func (e *endpoint) tip(ctx context.Context) (*big.Int, error) {
	var tip hexutil.Big
	err := e.rpc.CallContext(ctx, &tip, "eth_maxPriorityFeePerGas")
	switch {
	case err == nil:
		return tip.ToInt(), nil
	case e.unreachable(err):
		return nil, err
	}
	return big.NewInt(defaultTip), nil // not every client has the method
}

// price is the rule for fees, free of any RPC.
func price(estimate uint64, base, tip *big.Int, deed council.Transaction) (council.Fees, error) {
	if estimate > deed.MaxGas {
		return council.Fees{}, ceiling("gas", new(big.Int).SetUint64(estimate), new(big.Int).SetUint64(deed.MaxGas))
	}
	if base.Cmp(deed.MaxFeePerGas) > 0 {
		return council.Fees{}, ceiling("fee per gas", base, deed.MaxFeePerGas)
	}
	t := smaller(tip, deed.MaxTipPerGas)
	fee := smaller(new(big.Int).Add(new(big.Int).Lsh(base, 1), t), deed.MaxFeePerGas)
	if fee.Sign() == 0 {
		fee = big.NewInt(1) // an idle dev chain; a price of 0 is no price
	}
	f := council.Fees{Gas: deed.MaxGas, MaxFeePerGas: fee, MaxTipPerGas: smaller(t, fee)}
	return f, f.Within(deed)
}

// Bump gives the fees for a replacement of a transaction that is stuck, the own or that of
// another deed: both prices 12.5 % up, which every client takes for enough, the gas as
// approved. Where a ceiling of the deed leaves less room than that, the price is the
// ceiling, if that is still what go-ethereum asks for (council.Fees.Outbids); if not, it is a
// *CeilingError. A bump within the ceilings needs no new approval.
func Bump(old council.Fees, deed council.Transaction) (council.Fees, error) {
	least := old.Next()
	f := council.Fees{Gas: deed.MaxGas, MaxFeePerGas: smaller(eighth(old.MaxFeePerGas), deed.MaxFeePerGas), MaxTipPerGas: smaller(eighth(old.MaxTipPerGas), deed.MaxTipPerGas)}
	switch {
	case f.MaxFeePerGas.Cmp(least.MaxFeePerGas) < 0:
		return council.Fees{}, fmt.Errorf("bump fees: %w", ceiling("fee per gas", least.MaxFeePerGas, deed.MaxFeePerGas))
	case f.MaxTipPerGas.Cmp(least.MaxTipPerGas) < 0:
		return council.Fees{}, fmt.Errorf("bump fees: %w", ceiling("tip per gas", least.MaxTipPerGas, deed.MaxTipPerGas))
	}
	if err := f.Within(deed); err != nil {
		return council.Fees{}, fmt.Errorf("bump fees: %w", err)
	}
	return f, nil
}

// eighth is v and an eighth of it, rounded up, and at least one more than v.
func eighth(v *big.Int) *big.Int {
	step := new(big.Int).Add(v, big.NewInt(7))
	step.Rsh(step, 3)
	if step.Sign() == 0 {
		step.SetInt64(1)
	}
	return step.Add(step, v)
}

func ceiling(what string, need, limit *big.Int) error {
	return council.WithHint(&CeilingError{What: what, Need: need, Ceiling: limit},
		fmt.Sprintf("wait for the price to fall, or propose again with a higher ceiling for %s", what))
}

func smaller(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		a = b
	}
	return new(big.Int).Set(a)
}
