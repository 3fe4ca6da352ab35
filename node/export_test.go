package node

import (
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
