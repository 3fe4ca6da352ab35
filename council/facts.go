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

	// Does Account have the role in Slot, at the contract at Address? The word
	// is 1 for yes. AccessControl has roles of 32 bytes, an AccessManager
	// (OpenZeppelin) has numbers of 64 bits.
	QueryRole        QueryKind = "role"         // hasRole(bytes32,address)
	QueryManagerRole QueryKind = "manager-role" // hasRole(uint64,address)

	QueryBeacon QueryKind = "beacon" // implementation() of the beacon at Address, as a word
)

// The slots of a proxy (ERC-1967): keccak256 of "eip1967.proxy.implementation",
// "….admin" and "….beacon", less one.
var (
	ImplementationSlot = common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
	AdminSlot          = common.HexToHash("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103")
	BeaconSlot         = common.HexToHash("0xa3f0ad74e5423aebfd80d3ef4346578335a9a72aeaee59ff6cb3582b35133d50")
)

// Query is one question. It is comparable, so that it can key its answer.
type Query struct {
	Kind    QueryKind      `json:"kind"`
	Address common.Address `json:"address"`
	Slot    common.Hash    `json:"slot"`
	Account common.Address `json:"account,omitzero" rlp:"optional"` // of a role; zero: the council's own
}

// Answer is what a member's own RPC said.
type Answer struct {
	Word   common.Hash `json:"word"`
	OK     bool        `json:"ok"`     // simulation: it did not revert; role, beacon: the contract answered
	Gas    uint64      `json:"gas"`    // simulation: gas used
	Detail string      `json:"detail"` // revert reason, or which method looked

	// Of a simulation, as far as Sight goes. Both are in one order: accounts by
	// address, movements as they happen.
	Sight    Sight           `json:"sight,omitempty" rlp:"optional"`
	Accounts []AccountChange `json:"accounts,omitempty" rlp:"optional"`
	Moves    []Movement      `json:"moves,omitempty" rlp:"optional"`
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
