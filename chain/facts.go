package chain

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// Facts answers a policy's queries about an intent, all at one block hash of
// one RPC (EIP-1898): the head at the time of asking. From is the council's
// address.
//
// A simulation is eth_call with the intent's gas ceiling, value and data, at
// fees of zero; a revert is an answer (OK false, the reason in Detail), and so
// is an address that could not pay the value. Its Gas is what eth_estimateGas
// says at the same block, 0 if it says nothing. What moves and what changes comes
// from debug_traceCall or, as far as it goes, from eth_simulateV1; Sight says how
// far that was. An answer that is beyond its bounds, or contradicts eth_call, is
// one with OK false and SightNone: it must not count for less than it hides. An
// intent that is no transaction has nothing to simulate, and the answer is
// missing.
func (c *Client) Facts(ctx context.Context, from common.Address, in council.Intent, qs []council.Query) (council.Facts, error) {
	if len(qs) > MaxQueries {
		return council.Facts{}, fmt.Errorf("ask for facts: %d queries; at most %d", len(qs), MaxQueries)
	}
	tx, isTx := in.(council.Transaction)
	if isTx && tx.Chain != c.cfg.Chain {
		return council.Facts{}, fmt.Errorf("ask for facts: the intent is for chain %d, this is chain %d", tx.Chain, c.cfg.Chain)
	}
	var facts council.Facts
	err := c.do(ctx, "ask for facts", func(ctx context.Context, e *endpoint) error {
		head, err := e.block(ctx, "latest")
		if err != nil {
			return err
		}
		facts = council.Facts{Chain: c.cfg.Chain, Block: head.Number, BlockHash: head.Hash, Time: head.Time,
			Answers: make(map[council.Query]council.Answer, len(qs))}
		var mu sync.Mutex
		return each(ctx, qs, func(ctx context.Context, q council.Query) error {
			if q.Kind == council.QuerySimulation && !isTx {
				return nil
			}
			a, err := e.answer(ctx, head.Hash, from, tx, q)
			if err != nil {
				return err
			}
			mu.Lock()
			facts.Answers[q] = a
			mu.Unlock()
			return nil
		})
	})
	if err != nil {
		return council.Facts{}, err
	}
	return facts, nil
}

// each runs f for all queries, a few at a time, and gives the first error; it
// returns when all have returned.
func each(ctx context.Context, qs []council.Query, f func(context.Context, council.Query) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	room := make(chan struct{}, maxParallel)
	for _, q := range qs {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			if ctx.Err() != nil {
				return
			}
			if err := f(ctx, q); err != nil {
				cancel(err) // the first one counts
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (e *endpoint) answer(ctx context.Context, block common.Hash, from common.Address, tx council.Transaction, q council.Query) (council.Answer, error) {
	switch q.Kind {
	case council.QueryCodeHash:
		code, err := e.eth.CodeAtHash(ctx, q.Address, block)
		return council.Answer{Word: crypto.Keccak256Hash(code), OK: err == nil, Detail: "eth_getCode"}, err
	case council.QueryStorage:
		b, err := e.eth.StorageAtHash(ctx, q.Address, q.Slot, block)
		if err == nil && len(b) > 32 {
			err = fmt.Errorf("its storage word has %d bytes", len(b))
		}
		return council.Answer{Word: common.BytesToHash(b), OK: err == nil, Detail: "eth_getStorageAt"}, err
	case council.QueryBalance:
		wei, err := e.eth.BalanceAtHash(ctx, q.Address, block)
		if err == nil && wei.BitLen() > 256 {
			err = errors.New("its balance is above 2^256")
		}
		if err != nil {
			return council.Answer{}, err
		}
		return council.Answer{Word: common.BigToHash(wei), OK: true, Detail: "eth_getBalance"}, nil
	case council.QueryRole, council.QueryManagerRole, council.QueryBeacon:
		return e.view(ctx, block, from, q)
	case council.QuerySimulation:
		return e.simulate(ctx, block, from, tx)
	}
	return council.Answer{}, final{fmt.Errorf("unknown query %q", string(q.Kind))}
}
