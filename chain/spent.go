package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/millicent-one/signer/council"
)

// Spent finds the transaction with which an account has used a nonce, by looking
// for the block after which the account's nonce is higher: at most MaxLookBack
// blocks back, and no farther than the RPC keeps states. The transaction proves
// itself by its signature; an RPC can hide it, and not make one up. The sighting is
// that of its block.
func (c *Client) Spent(ctx context.Context, from common.Address, nonce uint64) (*types.Transaction, Sighting, error) {
	var tx *types.Transaction
	var s Sighting
	err := c.do(ctx, fmt.Sprintf("look for the transaction at nonce %d", nonce), func(ctx context.Context, e *endpoint) (err error) {
		if tx, err = e.spent(ctx, c.cfg.Chain, from, nonce); err != nil {
			return err
		}
		if s, err = e.look(ctx, tx.Hash()); err == nil && s.State != Mined {
			err = errors.New("it has the transaction in a block, and no receipt of it")
		}
		return err
	})
	if err != nil {
		return nil, Sighting{}, err
	}
	return tx, s, nil
}

// Answered reports whether the error of a question is an RPC's answer that it can't say, as
// where it keeps no state of that time, and not the lack of one: an RPC that is away, at its
// limit, or behind may say more another time.
func Answered(err error) bool {
	var un *UnreachableError
	if !errors.As(err, &un) {
		return err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	}
	return slices.ContainsFunc(un.Faults, func(f Fault) bool {
		var se *serverError
		return errors.As(f.Err, &se) && se.code != codeLimited
	})
}

func (e *endpoint) spent(ctx context.Context, chain uint64, from common.Address, nonce uint64) (*types.Transaction, error) {
	head, err := e.block(ctx, "latest")
	if err != nil {
		return nil, err
	}
	used := func(block uint64) (bool, error) {
		n, err := e.eth.NonceAt(ctx, from, new(big.Int).SetUint64(block))
		return n > nonce, err
	}
	switch ok, err := used(head.Number); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, errors.New("the nonce is not used at its head")
	}
	// Between low, where the nonce was free, and high, where it was used.
	low, high, step := head.Number, head.Number, uint64(1)
	for {
		if low == 0 || head.Number-low >= MaxLookBack {
			return nil, final{council.WithHint(fmt.Errorf("the nonce was used more than %d blocks ago", MaxLookBack), "look for it with a block explorer")}
		}
		low -= min(step, low)
		ok, err := used(low)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		high, step = low, 2*step
	}
	for high-low > 1 {
		mid := low + (high-low)/2
		ok, err := used(mid)
		if err != nil {
			return nil, err
		}
		if ok {
			high = mid
		} else {
			low = mid
		}
	}
	return e.sentIn(ctx, chain, high, from, nonce)
}

// sentIn finds an account's transaction in a block. Only that one is decoded: a
// block may hold transactions of types that are not known here.
func (e *endpoint) sentIn(ctx context.Context, chain, block uint64, from common.Address, nonce uint64) (*types.Transaction, error) {
	var b *struct {
		Transactions []struct {
			Hash  common.Hash    `json:"hash"`
			From  common.Address `json:"from"`
			Nonce hexutil.Uint64 `json:"nonce"`
		} `json:"transactions"`
	}
	if err := e.rpc.CallContext(ctx, &b, "eth_getBlockByNumber", hexutil.Uint64(block), true); err != nil {
		return nil, err
	}
	if b == nil {
		return nil, errNoBlock
	}
	for _, t := range b.Transactions {
		if t.From != from || uint64(t.Nonce) != nonce {
			continue
		}
		tx, _, err := e.eth.TransactionByHash(ctx, t.Hash)
		if err != nil {
			return nil, err
		}
		who, err := types.Sender(types.LatestSignerForChainID(new(big.Int).SetUint64(chain)), tx)
		if err != nil || who != from || tx.Nonce() != nonce {
			return nil, errors.New("it answered with a transaction that the account has not signed")
		}
		return tx, nil
	}
	return nil, fmt.Errorf("its block %d does not have the transaction that used the nonce", block)
}
