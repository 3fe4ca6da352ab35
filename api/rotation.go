package api

import (
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/council"
)

// Rotation says where a rotation of the council's shares stands at a node.
type Rotation struct {
	Stage   string  `json:"stage"`  // proposed, gathering, ready, running, staged, testing, locking, committed, erased, aborted, timed out, stopped (at this node, whose disk has failed); empty: there is none
	Roster  uint64  `json:"roster"` // version of the roster that it leads to
	Text    string  `json:"text"`   // one line: where this node stands
	Missing []Need  `json:"missing"`
	Commit  *Commit `json:"commit,omitempty"` // once it is committed
}

// Need is a member that a rotation waits for, and what is to be done there.
type Need struct {
	Member council.MemberID `json:"member"`
	Do     string           `json:"do"`
}

// Commit is what a certificate has committed.
type Commit struct {
	Ceremony   common.Hash        `json:"ceremony"`
	Transcript common.Hash        `json:"transcript"` // of the resharing
	ShareEpoch uint64             `json:"shareEpoch"`
	Locked     []council.MemberID `json:"locked"`             // old members whose locks commit it
	LastFour   bool               `json:"lastFour,omitempty"` // as few as sign together
}

// RefuseRequest has the node that is asked refuse a succession, for good.
type RefuseRequest struct {
	Reason string `json:"reason"`           // for all members to read
	Roster string `json:"roster,omitempty"` // which: the beginning of its roster's hash; may be left out where there is but one
}

// Check refuses what says nothing, or too much.
func (r RefuseRequest) Check() error {
	if err := (FreezeRequest{r.Reason}).Check(); err != nil || r.Roster == "" {
		return err
	}
	return checkPrefix(r.Roster, MinRefused, "roster hash", "'signer term show FILE' shows that of a succession")
}

// SuccessionRequest brings a succession to a node, and the text of its charter, where
// that is another one.
type SuccessionRequest struct {
	Succession hexutil.Bytes `json:"succession"` // canonical RLP of council.Succession
	CharterText
}

// CharterText is a charter file and the catalogue of actions that it is read over. The
// empty one is none: the node has it already, or needs none.
type CharterText struct {
	Charter string `json:"charter,omitempty"`
	Actions string `json:"actions,omitempty"`
}

// NewSuccessionRequest is the JSON form of s.
func NewSuccessionRequest(s council.Succession, t CharterText) (SuccessionRequest, error) {
	b, err := rlp.EncodeToBytes(s)
	if err != nil {
		return SuccessionRequest{}, fmt.Errorf("encode succession: %w", err)
	}
	return SuccessionRequest{b, t}, nil
}

// Read is the value that was sent. Who agrees to it is not checked.
func (r SuccessionRequest) Read() (council.Succession, error) {
	var s council.Succession
	if err := rlp.DecodeBytes(r.Succession, &s); err != nil {
		return s, Fail(Invalid, council.WithHint(fmt.Errorf("read succession: %w", err), "'signer term begin FILE' sends one as it has to be"))
	}
	return s, nil
}
