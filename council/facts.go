package council

import (
	"bytes"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// QueryKind is a sort of question about a chain.
type QueryKind string

// What a policy can ask about a chain at one block.
const (
	QueryCodeHash   QueryKind = "code-hash"  // keccak256 of the code at Address; EIP-1052's empty hash for none
	QueryStorage    QueryKind = "storage"    // the word at Address, Slot
	QueryBalance    QueryKind = "balance"    // wei at Address, as a 32-byte word
	QuerySimulation QueryKind = "simulation" // run the intent from the council's address
)

// Query is one question. It is comparable, so that it can key its answer.
type Query struct {
	Kind    QueryKind      `json:"kind"`
	Address common.Address `json:"address"`
	Slot    common.Hash    `json:"slot"`
}

// Answer is what a member's own RPC said.
type Answer struct {
	Word   common.Hash `json:"word"`
	OK     bool        `json:"ok"`     // simulation: it did not revert
	Gas    uint64      `json:"gas"`    // simulation: gas used
	Detail string      `json:"detail"` // simulation: revert reason, or which method looked
}

// Facts are the answers that hold at one block of one chain, fetched by this
// node for itself. A question without an answer is a missing fact.
type Facts struct {
	Chain     uint64
	Block     uint64
	BlockHash common.Hash
	Time      uint64 // the block's timestamp, unix seconds
	Answers   map[Query]Answer
}

// Hash commits to the facts.
func (f Facts) Hash() common.Hash {
	type row struct {
		Q Query
		A Answer
	}
	rows := make([][]byte, 0, len(f.Answers))
	for q, a := range f.Answers {
		b, err := rlp.EncodeToBytes(row{q, a})
		if err != nil {
			panic("council: encode fact: " + err.Error())
		}
		rows = append(rows, b)
	}
	slices.SortFunc(rows, bytes.Compare)
	return hashRLP("millicent/facts/1", struct {
		Chain, Block uint64
		BlockHash    common.Hash
		Time         uint64
		Rows         [][]byte
	}{f.Chain, f.Block, f.BlockHash, f.Time, rows})
}
