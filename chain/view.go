package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// views are the questions that a contract answers itself.
var views = map[council.QueryKind]string{
	council.QueryRole:        "hasRole(bytes32,address)",
	council.QueryManagerRole: "hasRole(uint64,address)",
	council.QueryBeacon:      "implementation()",
}

// view asks a contract. One that reverts, or returns no word, has answered with
// OK false.
func (e *endpoint) view(ctx context.Context, block common.Hash, from common.Address, q council.Query) (council.Answer, error) {
	data := crypto.Keccak256([]byte(views[q.Kind]))[:4]
	if q.Kind != council.QueryBeacon {
		account := q.Account
		if account == (common.Address{}) {
			account = from
		}
		data = append(append(data, q.Slot[:]...), common.LeftPadBytes(account[:], 32)...)
	}
	to := q.Address
	out, err := e.eth.CallContractAtHash(ctx, ethereum.CallMsg{From: from, To: &to, Data: data, Gas: viewGas}, block)
	if err != nil {
		rev, ok := e.reverted(err)
		if !ok {
			return council.Answer{}, err
		}
		return council.Answer{Detail: "eth_call: " + rev.Reason}, nil
	}
	if len(out) < 32 {
		return council.Answer{Detail: fmt.Sprintf("eth_call: %s returned %d bytes", views[q.Kind], len(out))}, nil
	}
	return council.Answer{Word: common.BytesToHash(out[:32]), OK: true, Detail: "eth_call"}, nil
}

// Rehearse tries a transaction at the head, by eth_call alone, and says whether
// it would revert.
func (c *Client) Rehearse(ctx context.Context, from common.Address, deed council.Transaction) (a council.Answer, err error) {
	if deed.Chain != c.cfg.Chain {
		return a, fmt.Errorf("rehearse: the transaction is for chain %d, this is chain %d", deed.Chain, c.cfg.Chain)
	}
	err = c.do(ctx, "rehearse", func(ctx context.Context, e *endpoint) error {
		head, err := e.block(ctx, "latest")
		if err != nil {
			return err
		}
		a, err = e.outcome(ctx, head.Hash, bound(from, deed))
		return err
	})
	return a, err
}
