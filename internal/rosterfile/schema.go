package rosterfile

import (
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/millicent-one/signer/council"
)

// member is council.Member as it stands in a file.
type member struct {
	ID       string  `json:"id" yaml:"id" strict:"required"`
	Seat     string  `json:"seat" yaml:"seat" strict:"required"`
	Peer     string  `json:"peer" yaml:"peer" strict:"required"`
	Approver account `json:"approver" yaml:"approver" strict:"required"`
	Term     term    `json:"term" yaml:"term" strict:"required"`
}

type term struct {
	Start moment `json:"start" yaml:"start" strict:"required"`
	End   moment `json:"end" yaml:"end" strict:"required"`
}

func fromMember(m council.Member) member {
	return member{string(m.ID), string(m.Seat), m.Peer, account(m.Approver), term{moment(m.Term.Start), moment(m.Term.End)}}
}

func (m member) member() council.Member {
	return council.Member{ID: council.MemberID(m.ID), Seat: council.Seat(m.Seat), Peer: m.Peer, Approver: common.Address(m.Approver),
		Term: council.Term{Start: uint64(m.Term.Start), End: uint64(m.Term.End)}}
}

// card is council.Card as it stands in a file.
type card struct {
	Member      member `json:"member" yaml:"member" strict:"required"`
	Addresses   blob   `json:"addresses" yaml:"addresses" strict:"required"`
	NodeSig     blob   `json:"nodeSig" yaml:"nodeSig" strict:"required"`
	ApproverSig blob   `json:"approverSig,omitempty" yaml:"approverSig"` // absent until the wallet has signed
}

// signed is council.SignedRoster as it stands in a file.
type signed struct {
	Roster     roster      `json:"roster" yaml:"roster" strict:"required"`
	Signatures []signature `json:"signatures" yaml:"signatures"`
	Addresses  []address   `json:"addresses" yaml:"addresses" strict:"required"`
}

// succession is council.Succession as it stands in a file.
type succession struct {
	Roster    roster      `json:"roster" yaml:"roster" strict:"required"`
	Effective moment      `json:"effective" yaml:"effective" strict:"required"`
	Approvals []signature `json:"approvals" yaml:"approvals"`
	Accepts   []signature `json:"accepts" yaml:"accepts"`
	Addresses []address   `json:"addresses" yaml:"addresses" strict:"required"`
}

// proclamation is council.Proclamation as it stands in a file.
type proclamation struct {
	Council   common.Hash    `yaml:"council" strict:"required"`
	Key       common.Address `yaml:"key" strict:"required"`
	Version   uint64         `yaml:"version" strict:"required"`
	Roster    common.Hash    `yaml:"roster" strict:"required"`
	Epoch     uint64         `yaml:"shareEpoch" strict:"required"`
	Signature hexutil.Bytes  `yaml:"signature" strict:"required"`
}

type roster struct {
	Version   uint64   `json:"version" yaml:"version" strict:"required"`
	Threshold int      `json:"threshold" yaml:"threshold" strict:"required"`
	Members   []member `json:"members" yaml:"members" strict:"required"`
	Charter   word     `json:"charter" yaml:"charter" strict:"required"`
	Prev      word     `json:"prev" yaml:"prev" strict:"required"`
}

type signature struct {
	Member string `json:"member" yaml:"member" strict:"required"`
	Sig    blob   `json:"sig" yaml:"sig" strict:"required"`
}

type address struct {
	Member string `json:"member" yaml:"member" strict:"required"`
	Record blob   `json:"record" yaml:"record" strict:"required"` // signed peer record
}
