package contracts

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
)

// Deployer sends transactions of one plain key, one after the other. It is for
// dev chains: it takes the node's word for fees and does not follow reorgs.
type Deployer struct {
	Client *ethclient.Client
	Key    *ecdsa.PrivateKey
	// Mine, if set, is called after each transaction was sent: a chain without a
	// clock makes its block there.
	Mine func() error
}

// From is the deployer's address.
func (d *Deployer) From() common.Address { return crypto.PubkeyToAddress(d.Key.PublicKey) }

// Deploy creates a contract and waits until it is there.
func (d *Deployer) Deploy(ctx context.Context, a *Artifact, args ...any) (common.Address, error) {
	code, err := a.Creation(args...)
	if err != nil {
		return common.Address{}, err
	}
	r, err := d.send(ctx, nil, nil, code)
	if err != nil {
		return common.Address{}, fmt.Errorf("deploy %s: %w", a.Name, err)
	}
	return r.ContractAddress, nil
}

// Send sends a transaction and waits for its receipt; a revert is an error.
// Value is in wei, nil for none.
func (d *Deployer) Send(ctx context.Context, to common.Address, value *big.Int, data []byte) (*types.Receipt, error) {
	return d.send(ctx, &to, value, data)
}

func (d *Deployer) send(ctx context.Context, to *common.Address, value *big.Int, data []byte) (*types.Receipt, error) {
	id, err := d.Client.ChainID(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for chain id: %w", err)
	}
	nonce, err := d.Client.PendingNonceAt(ctx, d.From())
	if err != nil {
		return nil, fmt.Errorf("ask for nonce: %w", err)
	}
	head, err := d.Client.HeaderByNumber(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for head: %w", err)
	}
	tip := big.NewInt(1e9)
	fee := new(big.Int).Add(new(big.Int).Lsh(head.BaseFee, 1), tip)
	tx, err := types.SignNewTx(d.Key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, Gas: deployGas, GasFeeCap: fee, GasTipCap: tip, To: to, Value: value, Data: data,
	})
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := d.Client.SendTransaction(ctx, tx); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if d.Mine != nil {
		if err := d.Mine(); err != nil {
			return nil, err
		}
	}
	r, err := d.receipt(ctx, tx.Hash())
	if err != nil {
		return nil, err
	}
	if r.Status != types.ReceiptStatusSuccessful {
		return r, fmt.Errorf("transaction %s reverted", tx.Hash().Hex())
	}
	return r, nil
}

// receipt waits for one. That the index of transactions is not done is no end of it: a
// young geth says so for moments. If time ends first, that is told.
func (d *Deployer) receipt(ctx context.Context, tx common.Hash) (*types.Receipt, error) {
	t := time.NewTicker(receiptPoll)
	defer t.Stop()
	var last error
	for {
		r, err := d.Client.TransactionReceipt(ctx, tx)
		switch {
		case err == nil:
			return r, nil
		case errors.Is(err, ethereum.NotFound):
		case strings.Contains(err.Error(), indexing):
			last = err
		case ctx.Err() != nil: // what came of the question says no more
		default:
			return nil, fmt.Errorf("ask for receipt: %w", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			err := fmt.Errorf("wait for %s: %w", tx.Hex(), ctx.Err())
			if last != nil {
				err = fmt.Errorf("%w; it last answered: %w", err, last)
			}
			return nil, err
		}
	}
}

// indexing is what geth answers while it can't tell whether there is such a transaction.
const indexing = "indexing is in progress"

// Suite is the set that the demo and the tests act on.
type Suite struct {
	Protocol   common.Address // the proxy; speak the ABI of Protocol to it
	Version1   common.Address // implementation behind the proxy
	Version2   common.Address // implementation to upgrade to
	Timelock   common.Address
	Treasury   common.Address
	Governance common.Address // admin of Protocol
}

// DeploySuite deploys all contracts. The council may pause, unpause and upgrade
// the protocol and cancel in the timelock, and owns the treasury token; the
// deployer stands in for governance.
func DeploySuite(ctx context.Context, d *Deployer, council common.Address) (Suite, error) {
	s := Suite{Governance: d.From()}
	var err error
	put := func(dst *common.Address, a *Artifact, args ...any) {
		if err == nil {
			*dst, err = d.Deploy(ctx, a, args...)
		}
	}
	put(&s.Version1, Protocol())
	put(&s.Version2, ProtocolV2())
	put(&s.Protocol, Proxy(), s.Version1, Protocol().Calldata("initialize", council, council, s.Governance))
	put(&s.Timelock, Timelock(), big.NewInt(timelockSecs),
		[]common.Address{council, s.Governance}, []common.Address{{}}, common.Address{})
	put(&s.Treasury, Treasury(), council, new(big.Int).Mul(big.NewInt(TreasurySupply), big.NewInt(1e18)))
	return s, err
}
