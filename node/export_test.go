package node

import (
	"context"

	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/journal"
)

// SaveGenesis writes the birth record where a node looks for it.
func SaveGenesis(j *journal.Journal, g council.Genesis) error {
	b, err := rlp.EncodeToBytes(g)
	if err != nil {
		return err
	}
	return j.PutMeta(metaGenesis, b)
}

// Sessions counts the engine sessions that the node has in its table.
func (n *Node) Sessions(ctx context.Context) (count int, err error) {
	err = n.call(ctx, func() error { count = len(n.runners); return nil })
	return count, err
}
