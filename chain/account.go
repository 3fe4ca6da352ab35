package chain

import (
	"context"
	"math"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// Nonces are the next nonces of an account, by how firmly its past ones are
// used. Latest is the one to sign; Finalized tells which can't come back.
type Nonces struct {
	Head      Head
	Latest    uint64 // after the head block
	Pending   uint64 // with what this RPC's pool holds; other pools may hold more
	Finalized uint64 // after the newest final block
}

// Nonce asks for an account's nonces, all at one RPC.
func (c *Client) Nonce(ctx context.Context, addr common.Address) (Nonces, error) {
	var n Nonces
	err := c.do(ctx, "ask for nonces", func(ctx context.Context, e *endpoint) (err error) {
		n, err = c.nonces(ctx, e, addr)
		if err == nil {
			n.Pending, err = e.eth.PendingNonceAt(ctx, addr)
		}
		return err
	})
	return n, err
}

func (c *Client) nonces(ctx context.Context, e *endpoint, addr common.Address) (n Nonces, err error) {
	if n.Head, err = e.block(ctx, "latest"); err != nil {
		return n, err
	}
	if n.Latest, err = e.eth.NonceAtHash(ctx, addr, n.Head.Hash); err != nil {
		return n, err
	}
	final, err := c.finalized(ctx, e, n.Head)
	if err != nil {
		return n, err
	}
	n.Finalized, err = e.eth.NonceAt(ctx, addr, new(big.Int).SetUint64(final))
	return n, err
}

// Balance is an account's wei at the head.
func (c *Client) Balance(ctx context.Context, addr common.Address) (*big.Int, error) {
	var wei *big.Int
	err := c.do(ctx, "ask for a balance", func(ctx context.Context, e *endpoint) (err error) {
		wei, err = e.eth.BalanceAt(ctx, addr, nil)
		return err
	})
	return wei, err
}

// GasMoney is how many transactions a balance pays for when each takes all of
// gas at fee wei per gas: the ceilings, since an emergency does not wait for
// better prices.
func GasMoney(balance *big.Int, gas uint64, fee *big.Int) int {
	cost := new(big.Int).Mul(new(big.Int).SetUint64(gas), fee)
	if balance == nil || balance.Sign() <= 0 {
		return 0
	}
	if cost.Sign() <= 0 {
		return math.MaxInt
	}
	n := new(big.Int).Div(balance, cost)
	if !n.IsInt64() || n.Int64() > math.MaxInt {
		return math.MaxInt
	}
	return int(n.Int64())
}
