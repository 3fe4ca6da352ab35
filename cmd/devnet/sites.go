package main

import (
	"context"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/contracts"
)

// sites are the contracts that the council is there for. They are older than
// the council: governance (here the account that pays) has deployed them, the
// charter names them, and once there is a council key governance appoints it.
type sites struct {
	protocol, bridge, timelock, treasury common.Address
	deployer                             *contracts.Deployer
}

// timelockDelay is what the timelock lets everybody look at an upgrade for.
const timelockDelay = 48 * 3600 // seconds

func deploySites(ctx context.Context, g *ground) (*sites, error) {
	d := &contracts.Deployer{Client: g.client, Key: g.bank, Mine: g.mine}
	s := &sites{deployer: d}
	gov := d.From()
	code, err := d.Deploy(ctx, contracts.Protocol())
	if err != nil {
		return nil, err
	}
	// Nobody may pause yet: the roles are the admin's until the council exists.
	for _, to := range []*common.Address{&s.protocol, &s.bridge} {
		if *to, err = d.Deploy(ctx, contracts.Proxy(), code, contracts.Protocol().Calldata("initialize", gov, gov, gov)); err != nil {
			return nil, err
		}
	}
	if s.timelock, err = d.Deploy(ctx, contracts.Timelock(), big.NewInt(timelockDelay), []common.Address{}, []common.Address{{}}, gov); err != nil {
		return nil, err
	}
	supply := new(big.Int).Mul(big.NewInt(contracts.TreasurySupply), big.NewInt(1e18))
	if s.treasury, err = d.Deploy(ctx, contracts.Treasury(), gov, supply); err != nil {
		return nil, err
	}
	return s, nil
}

// appoint gives the council its roles and its gas money. The treasury's tokens
// come by mistake: a council that holds them must still refuse to move them.
func (s *sites) appoint(ctx context.Context, council common.Address) error {
	tokens := new(big.Int).Mul(big.NewInt(treasuryAsked*10), big.NewInt(1e18))
	all := []call{{to: council, value: ether(councilGas)}}
	for _, r := range s.roles() {
		all = append(all, call{to: r.at, data: r.of.Calldata("grantRole", r.role, council)})
	}
	for _, c := range append(all,
		call{to: s.protocol, data: contracts.Protocol().Calldata("grantRole", contracts.UpgraderRole, s.timelock)},
		call{to: s.treasury, data: contracts.Treasury().Calldata("transfer", council, tokens)},
	) {
		if _, err := s.deployer.Send(ctx, c.to, c.value, c.data); err != nil {
			return fmt.Errorf("appoint the council: %w", err)
		}
	}
	return nil
}

// role is what a council is appointed for at a contract.
type role struct {
	of   *contracts.Artifact
	name string // of the contract, in the charter
	at   common.Address
	role common.Hash
}

func (s *sites) roles() []role {
	proposer, canceller := crypto.Keccak256Hash([]byte("PROPOSER_ROLE")), crypto.Keccak256Hash([]byte("CANCELLER_ROLE"))
	return []role{
		{contracts.Protocol(), "protocol", s.protocol, contracts.PauserRole},
		{contracts.Protocol(), "protocol", s.protocol, contracts.UpgraderRole},
		{contracts.Protocol(), "bridge", s.bridge, contracts.PauserRole},
		{contracts.Timelock(), "timelock", s.timelock, proposer},
		{contracts.Timelock(), "timelock", s.timelock, canceller},
	}
}

// dismiss takes from an address what appoint has given it, but for its money.
func (s *sites) dismiss(ctx context.Context, council common.Address) error {
	for _, r := range s.roles() {
		if _, err := s.deployer.Send(ctx, r.at, nil, r.of.Calldata("revokeRole", r.role, council)); err != nil {
			return fmt.Errorf("dismiss the council: %w", err)
		}
	}
	return nil
}

type call struct {
	to    common.Address
	value *big.Int
	data  []byte
}

// read asks a contract.
func (g *ground) read(ctx context.Context, a *contracts.Artifact, to common.Address, method string, args ...any) (any, error) {
	b, err := g.client.CallContract(ctx, ethereum.CallMsg{To: &to, Data: a.Calldata(method, args...)}, nil)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", method, err)
	}
	out, err := a.ABI.Unpack(method, b)
	if err != nil || len(out) == 0 {
		return nil, fmt.Errorf("read the answer of %s: %w", method, err)
	}
	return out[0], nil
}

// paused asks a protocol whether it stands still.
func (g *ground) paused(ctx context.Context, at common.Address) (bool, error) {
	v, err := g.read(ctx, contracts.Protocol(), at, "paused")
	p, _ := v.(bool)
	return p, err
}

// sender is who signed a transaction, by plain go-ethereum code.
func sender(tx *types.Transaction) (common.Address, error) {
	return types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
}
