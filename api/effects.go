package api

import (
	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
)

// Effects is what a transaction would do, as this node's own RPC simulates it.
type Effects struct {
	OK      bool               `json:"ok"`     // it does not revert
	Sight   council.Sight      `json:"sight"`  // how much was seen: none, outcome, moves, state
	Method  string             `json:"method"` // which methods looked, or why it reverts
	Gas     uint64             `json:"gas,omitempty"`
	Block   uint64             `json:"block"`
	Changes []Change           `json:"changes"`
	Moves   []Move             `json:"moves"`
	Unmet   []council.Expected `json:"unmet,omitempty"`  // expected by the proposal, and not among the changes
	Hidden  int                `json:"hidden,omitempty"` // changes and movements beyond those listed
}

// Change is one word of storage, a balance, a nonce or the code of an account
// that becomes another.
type Change struct {
	Account  common.Address `json:"account"`
	Label    string         `json:"label,omitempty"` // the charter's name for it
	What     string         `json:"what"`            // storage, balance, nonce, code
	Slot     *common.Hash   `json:"slot,omitempty"`
	SlotName string         `json:"slotName,omitempty"`
	Before   string         `json:"before"`
	After    string         `json:"after"`
	Expected bool           `json:"expected"` // by the proposal, or by the nature of a transaction
	Text     string         `json:"text"`     // all of it, in one line
}

// Move is value or a token that goes from one address to another.
type Move struct {
	Asset   council.Asset   `json:"asset"` // ether, erc-20, erc-721, erc-1155
	Token   *common.Address `json:"token,omitempty"`
	From    common.Address  `json:"from"`
	To      common.Address  `json:"to"`
	ID      string          `json:"id,omitempty"`     // of the token, in decimal
	Amount  *Wei            `json:"amount,omitempty"` // in the smallest unit; nil: not known
	Watched bool            `json:"watched"`          // it leaves an address that the charter watches, or may leave it
	Grant   bool            `json:"grant,omitempty"`  // nothing has moved: From lets To move it
	Text    string          `json:"text"`
}
