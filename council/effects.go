package council

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/ethereum/go-ethereum/common"
)

// Sight says how much of a simulation the RPC let this node see. What lies
// beyond it may have happened all the same.
type Sight string

// From the least to the most.
const (
	SightNone    Sight = "none"    // not even the outcome: the answer was beyond its bounds or contradicts itself
	SightOutcome Sight = "outcome" // whether it reverts, and nothing of what it changes (eth_call)
	SightMoves   Sight = "moves"   // also the movements of value and tokens (eth_simulateV1)
	SightState   Sight = "state"   // also every change of the state (debug_traceCall)
)

// Moves reports whether movements are among what was seen.
func (s Sight) Moves() bool { return s == SightMoves || s == SightState }

// State reports whether the changes of the state are.
func (s Sight) State() bool { return s == SightState }

// Asset is the sort of what moves.
type Asset string

// The assets that leave a trace which everybody reads alike.
const (
	Ether   Asset = "ether"
	ERC20   Asset = "erc-20"
	ERC721  Asset = "erc-721"
	ERC1155 Asset = "erc-1155"
)

// Movement is value or a token that goes from one address to another, or may go from now
// on, by the word of whoever it is granted to. Amounts are never 0: nothing is no movement.
type Movement struct {
	Asset  Asset          `json:"asset"`
	Token  common.Address `json:"token"` // the contract that says so; zero for ether
	From   common.Address `json:"from"`
	To     common.Address `json:"to"`
	ID     common.Hash    `json:"id"`                             // of an ERC-721 or ERC-1155 token
	Amount *big.Int       `json:"amount"`                         // wei, or the token's smallest unit; nil: the log could not be read, or a grant is of all
	Grant  bool           `json:"grant,omitempty" rlp:"optional"` // nothing has moved: From lets To move it
}

// AccountChange is what one account becomes. Fields that stay are equal.
type AccountChange struct {
	Address       common.Address `json:"address"`
	BalanceBefore *big.Int       `json:"balanceBefore"` // wei
	BalanceAfter  *big.Int       `json:"balanceAfter"`  // wei
	NonceBefore   uint64         `json:"nonceBefore"`
	NonceAfter    uint64         `json:"nonceAfter"`
	CodeBefore    common.Hash    `json:"codeBefore"` // keccak256 of the code; zero for none
	CodeAfter     common.Hash    `json:"codeAfter"`
	Slots         []SlotChange   `json:"slots"` // by slot
}

// SlotChange is a storage word that changes.
type SlotChange struct {
	Slot   common.Hash `json:"slot"`
	Before common.Hash `json:"before"`
	After  common.Hash `json:"after"`
}

// Expected is a storage word that a proposal says it will leave behind. The
// members sign it with the rest of the intent.
type Expected struct {
	Account common.Address `json:"account"`
	Slot    common.Hash    `json:"slot"`
	Value   common.Hash    `json:"value"`
}

// String is account:slot=value, as ParseExpected reads it.
func (e Expected) String() string {
	return e.Account.Hex() + ":" + e.Slot.Hex() + "=" + e.Value.Hex()
}

// ParseExpected reads account:slot=value, all three in hex; slot and value may
// leave out leading zeros.
func ParseExpected(s string) (e Expected, err error) {
	const hint = "write 0xADDRESS:0xSLOT=0xVALUE"
	account, rest, ok := strings.Cut(s, ":")
	slot, value, ok2 := strings.Cut(rest, "=")
	if !ok || !ok2 || !strings.HasPrefix(account, "0x") || !common.IsHexAddress(account) {
		return e, WithHint(errors.New("an expected change is not account, slot and value"), hint)
	}
	e.Account = common.HexToAddress(account)
	if e.Slot, err = shortWord(slot); err == nil {
		e.Value, err = shortWord(value)
	}
	return e, WithHint(err, hint)
}

func shortWord(s string) (h common.Hash, err error) {
	digits, ok := strings.CutPrefix(s, "0x")
	if !ok || digits == "" || len(digits) > 64 {
		return h, errors.New("a word is not 0x and 1 to 64 hex digits")
	}
	b, err := hex.DecodeString(strings.Repeat("0", len(digits)%2) + digits)
	if err != nil {
		return h, errors.New("a word is not hex")
	}
	return common.BytesToHash(b), nil
}

// ByPlace orders expected changes by account and slot.
func (e Expected) ByPlace(o Expected) int {
	if c := e.Account.Cmp(o.Account); c != 0 {
		return c
	}
	return e.Slot.Cmp(o.Slot)
}

// validExpect wants one order, so that the same deed has one id, and nil for
// none, so that an intent has one encoding.
func validExpect(list []Expected) error {
	switch {
	case list == nil:
		return nil
	case len(list) == 0:
		return errors.New("transaction: an empty list of expected changes")
	case len(list) > MaxExpected:
		return fmt.Errorf("transaction: %d expected changes; at most %d", len(list), MaxExpected)
	}
	for i := range list[1:] {
		if list[i].ByPlace(list[i+1]) >= 0 {
			return WithHint(errors.New("transaction: expected changes are not sorted by account and slot, or one stands twice"), "list every slot once, in order")
		}
	}
	return nil
}

// SortExpected is a copy in the order that a transaction wants.
func SortExpected(list []Expected) []Expected {
	if len(list) == 0 {
		return nil
	}
	out := slices.Clone(list)
	slices.SortFunc(out, Expected.ByPlace)
	return out
}
