package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// State is how far a transaction has come.
type State uint8

// The states, in the order they are reached.
const (
	Unknown State = iota // no RPC has heard of it
	Pending              // in a pool
	Mined                // in a block that may still go away
	Final                // in a finalized block
)

func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Pending:
		return "pending"
	case Mined:
		return "mined"
	case Final:
		return "final"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Sighting is what became of a transaction so far. All but Tx and State is set
// from Mined on.
type Sighting struct {
	Tx        common.Hash
	State     State
	Block     uint64
	BlockHash common.Hash
	Reverted  bool // it is in the block, paid its gas, and did nothing
	GasUsed   uint64
}

// Look asks what became of a transaction. One RPC that has it mined is enough;
// where none has, the others are asked too, since pools differ.
func (c *Client) Look(ctx context.Context, tx common.Hash) (Sighting, error) {
	best, answered := Sighting{Tx: tx}, false
	var faults []Fault
	for _, e := range c.ranked() {
		var s Sighting
		err := c.try(ctx, e, func(ctx context.Context, e *endpoint) (err error) {
			s, err = e.look(ctx, tx)
			if err != nil || s.State != Mined {
				return err
			}
			head, err := e.block(ctx, "latest")
			if err != nil {
				return err
			}
			final, err := c.finalized(ctx, e, head)
			if err == nil && s.Block <= final {
				s.State = Final
			}
			return err
		})
		if ctx.Err() != nil {
			return best, fmt.Errorf("look for %s: %w", tx.Hex(), ctx.Err())
		}
		if err != nil {
			faults = append(faults, Fault{e.host, err})
			continue
		}
		answered = true
		if s.State > best.State {
			best = s
		}
		if best.State >= Mined {
			c.use(e)
			break
		}
	}
	if !answered {
		return best, c.unreachable("look for "+tx.Hex(), faults)
	}
	return best, nil
}

// look asks one RPC. It never says Final.
func (e *endpoint) look(ctx context.Context, tx common.Hash) (Sighting, error) {
	s, missing, err := e.receipt(ctx, tx)
	if err != nil || s.State == Mined {
		return s, err
	}
	var t *struct {
		Hash  common.Hash  `json:"hash"`
		Block *common.Hash `json:"blockHash"`
	}
	if err := e.rpc.CallContext(ctx, &t, "eth_getTransactionByHash", tx); err != nil {
		return s, err
	}
	switch {
	case t == nil:
		return s, missing
	case t.Hash != tx:
		return s, errors.New("it answered with another transaction")
	case t.Block == nil:
		s.State = Pending
		return s, nil
	}
	// In a block after all: it was mined between the two questions, or the
	// receipts lag behind. Calling that pending would make a displacement of it.
	s, missing, err = e.receipt(ctx, tx)
	if err == nil && s.State != Mined {
		err = missing
		if err == nil {
			err = &serverError{text: "the transaction is in a block but has no receipt yet"}
		}
	}
	return s, err
}

// receipt gives a sighting that is Mined, or else Unknown together with what
// the RPC said instead of a receipt: go-ethereum answers with an error as long
// as its index is not complete, when the pool can be asked all the same.
func (e *endpoint) receipt(ctx context.Context, tx common.Hash) (s Sighting, missing, err error) {
	s.Tx = tx
	var r *struct {
		Tx        common.Hash     `json:"transactionHash"`
		BlockHash *common.Hash    `json:"blockHash"`
		Block     *hexutil.Uint64 `json:"blockNumber"`
		Status    *hexutil.Uint64 `json:"status"`
		GasUsed   hexutil.Uint64  `json:"gasUsed"`
	}
	missing = e.rpc.CallContext(ctx, &r, "eth_getTransactionReceipt", tx)
	switch {
	case missing != nil && e.unreachable(missing):
		return s, nil, missing
	case missing != nil || r == nil || r.BlockHash == nil:
		return s, missing, nil
	case r.Tx != tx || r.Block == nil || r.Status == nil:
		return s, nil, errors.New("its receipt is of another transaction, or lacks block or status")
	}
	s.State, s.Block, s.BlockHash = Mined, uint64(*r.Block), *r.BlockHash
	s.Reverted, s.GasUsed = uint64(*r.Status) != types.ReceiptStatusSuccessful, uint64(r.GasUsed)
	return s, nil, nil
}
