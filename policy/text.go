package policy

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// CharterText is a charter as it is written, with the catalogue of actions that it is
// read over: both have a part in its hash, by which rosters name it. So it proves
// itself, whoever brings it.
type CharterText struct{ Charter, Actions []byte }

// Hash is the hash of the charter that the text is, whether or not it loads as one.
// Only the catalogue is read for it.
func (t CharterText) Hash() (common.Hash, error) {
	actions, err := t.actions()
	if err != nil {
		return common.Hash{}, err
	}
	return hashOfCharter(t.Charter, actions), nil
}

// Load reads the charter.
func (t CharterText) Load() (*Charter, error) {
	actions, err := t.actions()
	if err != nil {
		return nil, err
	}
	return LoadCharter("charter.yaml", t.Charter, actions)
}

func (t CharterText) actions() (*Catalogue, error) {
	if n := len(t.Charter) + len(t.Actions); n > MaxCharterText {
		return nil, council.WithHint(fmt.Errorf("charter and catalogue of actions have %d bytes; at most %d", n, MaxCharterText), "shorten them: nodes pass them on to each other whole")
	}
	return LoadActions("actions.yaml", t.Actions)
}

func hashOfCharter(data []byte, actions *Catalogue) common.Hash {
	catalogue := actions.Hash()
	return crypto.Keccak256Hash([]byte("millicent/charter/1\x00"), crypto.Keccak256(canonical(data)), catalogue[:])
}
