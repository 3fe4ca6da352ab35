package devchain

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/eth/tracers"
	_ "github.com/ethereum/go-ethereum/eth/tracers/native" // prestateTracer and callTracer
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rpc"
)

// Config says what chain to start. The zero value is a chain that mines only on
// Commit.
type Config struct {
	ChainID  uint64             // 0: DefaultChainID
	Period   time.Duration      // time between blocks, whole seconds; 0: only on Commit
	Finality uint64             // a block is final when this many stand on it; 0: the simulated beacon's epochs of 32
	Alloc    types.GenesisAlloc // accounts in the first block, beside the faucet and the system contracts
	Port     int                // TCP port on 127.0.0.1; 0: any free one
}

// Chain is a running chain.
type Chain struct {
	id       uint64
	finality uint64
	node     *node.Node
	eth      *eth.Ethereum
	url      string

	mu     sync.Mutex // one block at a time
	beacon *catalyst.SimulatedBeacon
	closed bool
	holds  int // the chain makes no blocks by itself while there are any

	stop chan struct{}
	done chan struct{}
}

// Start assembles and starts a chain, which then has one empty block on its
// genesis. Close ends it.
func Start(c Config) (*Chain, error) {
	if c.ChainID == 0 {
		c.ChainID = DefaultChainID
	}
	if c.Period != 0 && (c.Period < MinPeriod || c.Period%time.Second != 0) {
		return nil, fmt.Errorf("start dev chain: a period of %v; want whole seconds", c.Period)
	}
	stack, err := node.New(&node.Config{
		Name:             "devchain",
		HTTPHost:         "127.0.0.1",
		HTTPPort:         c.Port,
		HTTPModules:      []string{"eth", "net", "web3", "debug", "txpool"},
		HTTPVirtualHosts: []string{"localhost"},
		HTTPTimeouts:     rpc.DefaultHTTPTimeouts,
		P2P:              p2p.Config{NoDiscovery: true, NoDial: true},
	})
	if err != nil {
		return nil, fmt.Errorf("start dev chain: %w", err)
	}
	ch := &Chain{id: c.ChainID, finality: c.Finality, node: stack, stop: make(chan struct{}), done: make(chan struct{})}
	if err := ch.assemble(c); err != nil {
		return nil, errors.Join(fmt.Errorf("start dev chain: %w", err), stack.Close())
	}
	go ch.mine(c.Period)
	return ch, nil
}

// assemble puts the pieces of a full node together, by hand, since none of the
// ready-made assemblies lets the chain id be chosen and has the tracers.
func (c *Chain) assemble(cfg Config) error {
	backend, err := eth.New(c.node, ethConfig(cfg))
	if err != nil {
		return err
	}
	fs := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	c.node.RegisterAPIs([]rpc.API{{Namespace: "eth", Service: filters.NewFilterAPI(fs)}})
	c.node.RegisterAPIs(tracers.APIs(backend.APIBackend))
	if err := c.node.Start(); err != nil {
		return err
	}
	c.eth, c.url = backend, c.node.HTTPEndpoint()
	// Period 0: the beacon has no clock of its own; mine below is its only driver
	// and shares a lock with Commit and Reorg.
	if c.beacon, err = catalyst.NewSimulatedBeacon(0, FaucetAddress(), backend); err != nil {
		return err
	}
	// The pool takes transactions only once the node thinks it is in sync.
	backend.SetSynced()
	return c.first()
}

// first seals block 1. On a chain that has only its genesis, go-ethereum's
// index of transactions never gets ready, and every question for an unknown
// transaction is an error instead of a "no".
func (c *Chain) first() error {
	if _, err := c.seal(); err != nil {
		return err
	}
	t := time.NewTicker(time.Millisecond) // the index tells nobody when it is done
	defer t.Stop()
	for range indexTries {
		if c.eth.BlockChain().TxIndexDone() {
			return nil
		}
		<-t.C
	}
	return errors.New("the index of transactions did not get ready")
}

func ethConfig(c Config) *ethconfig.Config {
	rules := *params.AllDevChainProtocolChanges
	rules.ChainID = new(big.Int).SetUint64(c.ChainID)
	alloc := core.SystemContractAllocs()
	alloc[FaucetAddress()] = types.Account{Balance: faucetWei()}
	maps.Copy(alloc, c.Alloc)

	cfg := ethconfig.Defaults
	cfg.Genesis = &core.Genesis{
		Config:     &rules,
		Timestamp:  uint64(time.Now().Unix()), // a head from 1970 would look like a stuck RPC
		GasLimit:   gasLimit,
		BaseFee:    big.NewInt(params.InitialBaseFee),
		Difficulty: new(big.Int),
		Alloc:      alloc,
	}
	cfg.NetworkId = c.ChainID
	cfg.SyncMode = ethconfig.FullSync
	cfg.Miner.GasCeil = gasLimit
	cfg.TrieCleanCache, cfg.TrieDirtyCache, cfg.SnapshotCache, cfg.DatabaseCache = cacheMiB, cacheMiB, cacheMiB, cacheMiB
	cfg.TxPool.Journal = ""
	cfg.RPCTxFeeCap = 0 // a restrictive action may come with a very high ceiling
	// A machine that stands still for seconds must not cost a block its transactions, nor
	// eth_call and eth_simulateV1 their answer.
	cfg.Miner.Recommit, cfg.RPCEVMTimeout = blockTime, 0
	return &cfg
}

// Hold keeps the chain from making blocks by itself until release is called.
// Commit still makes one.
func (c *Chain) Hold() (release func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.holds--
	})
}

// tick is a block of the chain's own.
func (c *Chain) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.holds == 0 {
		_, _ = c.seal() // a missed block is the next tick's; there is nobody to tell
	}
}

// mine seals a block each period until Close.
func (c *Chain) mine(period time.Duration) {
	defer close(c.done)
	if period == 0 {
		return
	}
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-t.C:
			c.tick()
		}
	}
}

// ID is the chain id.
func (c *Chain) ID() uint64 { return c.id }

// URL is the HTTP RPC.
func (c *Chain) URL() string { return c.url }

// Faucet is the key of the prefunded account.
func (c *Chain) Faucet() *ecdsa.PrivateKey { return FaucetKey() }

// Head is the newest block's header.
func (c *Chain) Head() *types.Header { return c.eth.BlockChain().CurrentBlock() }

// Commit seals one block with what the pool holds and returns its hash.
func (c *Chain) Commit() (common.Hash, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seal()
}

func (c *Chain) seal() (common.Hash, error) {
	if c.closed {
		return common.Hash{}, errors.New("seal block: the dev chain is closed")
	}
	before := c.Head().Hash()
	after := c.beacon.Commit()
	if after == before {
		return common.Hash{}, errors.New("seal block: the simulated beacon made none")
	}
	c.finalize()
	return after, nil
}

// finalize moves the finalized tag to a fixed depth, if one was asked for: the
// simulated beacon's own epochs would let a demo wait for half a minute.
func (c *Chain) finalize() {
	if c.finality == 0 {
		return
	}
	bc := c.eth.BlockChain()
	var n uint64
	if head := c.Head().Number.Uint64(); head > c.finality {
		n = head - c.finality
	}
	if h := bc.GetHeaderByNumber(n); h != nil {
		bc.SetFinalized(h)
	}
}

// Reorg takes the newest depth blocks back, forgets their transactions and
// everything else in the pool, and seals depth+1 blocks in their place.
func (c *Chain) Reorg(depth uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := c.Head().Number.Uint64()
	if depth == 0 || depth > head || depth > maxReorg {
		return fmt.Errorf("reorg %d blocks of a chain of %d: want 1 to %d", depth, head, min(head, maxReorg))
	}
	if c.closed {
		return errors.New("reorg: the dev chain is closed")
	}
	c.beacon.Rollback() // Fork wants an empty pool
	if err := c.beacon.Fork(c.eth.BlockChain().GetCanonicalHash(head - depth)); err != nil {
		return fmt.Errorf("reorg: %w", err)
	}
	if err := c.eth.TxPool().Sync(); err != nil { // it has put the old branch's transactions back
		return fmt.Errorf("reorg: %w", err)
	}
	c.beacon.Rollback()
	for range depth + 1 {
		if _, err := c.seal(); err != nil {
			return fmt.Errorf("reorg: %w", err)
		}
	}
	return nil
}

// Drop forgets every transaction that waits in the pool.
func (c *Chain) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beacon.Rollback()
}

// Wait returns once the chain has at least n blocks, or ctx ends. It waits for
// the chain's own head events.
func (c *Chain) Wait(ctx context.Context, n uint64) error {
	heads := make(chan core.ChainHeadEvent, 16)
	sub := c.eth.BlockChain().SubscribeChainHeadEvent(heads)
	defer sub.Unsubscribe()
	for c.Head().Number.Uint64() < n {
		select {
		case <-heads:
		case <-sub.Err(): // closed with the node
			return fmt.Errorf("wait for block %d: the dev chain is closed", n)
		case <-ctx.Done():
			return fmt.Errorf("wait for block %d: %w", n, ctx.Err())
		}
	}
	return nil
}

// Close stops mining and the node. It can be called twice.
func (c *Chain) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	close(c.stop)
	<-c.done
	return errors.Join(c.beacon.Stop(), c.node.Close())
}
