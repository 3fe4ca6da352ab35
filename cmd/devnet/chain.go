package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"

	"github.com/millicent-one/signer/internal/devchain"
)

// anvilKeyHex is the first account of anvil's published test phrase. Like the
// key of geth --dev it protects nothing.
const anvilKeyHex = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

// ground is the chain that the council acts on.
type ground struct {
	name          string // for people
	url           string
	rpc           string // what the daemons ask; "": url
	id            uint64
	confirmations uint64 // for signer.yaml; 0: the chain's own finality
	client        *ethclient.Client
	bank          *ecdsa.PrivateKey // who pays, and stands in for governance
	mine          func() error      // makes a block at once, where that is possible
	close         func()
	over          <-chan struct{} // closed when a child that serves the chain ends; nil for none
}

// openGround starts the chain that kind names, or connects to it: devchain,
// geth, anvil, or a URL. Programs are looked for beside this one, then on the
// PATH. Their logs go to dir.
func openGround(ctx context.Context, kind, dir string) (*ground, error) {
	g := &ground{close: func() {}}
	var err error
	switch {
	case kind == "" || kind == "devchain":
		err = g.inside()
	case kind == "geth":
		err = g.geth(dir)
	case kind == "anvil":
		err = g.anvil(dir)
	case strings.HasPrefix(kind, "http://") || strings.HasPrefix(kind, "https://"):
		g.name, g.url, g.confirmations = "the chain at "+host(kind), kind, finalBlocks
	default:
		err = fmt.Errorf("chain %q: want devchain, geth, anvil or a URL", kind)
	}
	if err == nil {
		err = g.connect(ctx)
	}
	if err != nil {
		g.close()
		return nil, fmt.Errorf("open chain: %w", err)
	}
	return g, nil
}

// host is what can be printed of a URL; the rest may be secret.
func host(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "an unreadable URL"
	}
	return u.Host
}

// inside is go-ethereum's own chain in this process.
func (g *ground) inside() error {
	c, err := devchain.Start(devchain.Config{Period: time.Second, Finality: finalBlocks})
	if err != nil {
		return err
	}
	g.name, g.url = "go-ethereum in this process", c.URL()
	g.mine = func() error { _, err := c.Commit(); return err }
	g.close = func() { _ = c.Close() } // at the end of all; nobody to tell
	return nil
}

// geth is a real one in its developer mode. Its finality would take epochs of
// 32 blocks, so the daemons count blocks instead.
func (g *ground) geth(dir string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	auth, err := freePort()
	if err != nil {
		return err
	}
	g.name, g.confirmations = "geth --dev", finalBlocks
	return g.child(dir, "geth", port, "--dev", "--dev.period", "1", "--http", "--http.addr", "127.0.0.1", "--http.port", strconv.Itoa(port),
		"--http.api", "eth,net,web3,debug", "--authrpc.port", strconv.Itoa(auth), "--port", "0", "--nodiscover", "--ipcdisable",
		"--datadir", filepath.Join(dir, "geth"), "--rpc.txfeecap", "0")
}

func (g *ground) anvil(dir string) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	g.name, g.confirmations = "anvil", finalBlocks
	return g.child(dir, "anvil", port, "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--block-time", "1", "--chain-id", "424243")
}

// child starts a chain as a program.
func (g *ground) child(dir, name string, port int, args ...string) error {
	path, err := program(name)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	p, err := startProcess(cmd)
	if err != nil {
		return err
	}
	g.url = fmt.Sprintf("http://127.0.0.1:%d", port)
	g.over = p.over
	g.close = func() { _ = p.stop() } // one that is deaf is killed
	return nil
}

// program finds an executable beside this one, or on the PATH.
func program(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		if beside := filepath.Join(filepath.Dir(self), name); executable(beside) {
			return beside, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("no program %s beside this one or on the PATH: %w", name, err)
	}
	return filepath.Abs(path)
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// connect waits until the chain answers, and finds an account that can pay.
func (g *ground) connect(ctx context.Context) error {
	c, err := ethclient.DialContext(ctx, g.url)
	if err != nil {
		return err
	}
	g.client = c
	end := g.close
	g.close = func() { c.Close(); end() }
	ctx, cancel := context.WithTimeoutCause(ctx, chainTime, fmt.Errorf("%s does not answer", g.name))
	defer cancel()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		id, err := c.ChainID(ctx)
		if err == nil {
			g.id = id.Uint64()
			break
		}
		select {
		case <-look.C:
		case <-g.over:
			return fmt.Errorf("%s ended: see its log", g.name)
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		}
	}
	for _, hex := range []string{devchain.FaucetKeyHex, anvilKeyHex} {
		key, err := crypto.HexToECDSA(hex)
		if err != nil {
			return err
		}
		have, err := c.BalanceAt(ctx, crypto.PubkeyToAddress(key.PublicKey), nil)
		if err != nil {
			return err
		}
		if have.Cmp(ether(2*councilGas)) >= 0 {
			g.bank = key
			return nil
		}
	}
	return fmt.Errorf("%s has no money in the published accounts of geth --dev and anvil: it is no dev chain", g.name)
}

// blocks waits until n more blocks have been made.
func (g *ground) blocks(ctx context.Context, n uint64) error {
	from, err := g.client.BlockNumber(ctx)
	if err != nil {
		return fmt.Errorf("ask for the head: %w", err)
	}
	look := time.NewTicker(headEvery)
	defer look.Stop()
	for now := from; now < from+n; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for a block: %w", context.Cause(ctx))
		}
		if now, err = g.client.BlockNumber(ctx); err != nil {
			return fmt.Errorf("ask for the head: %w", err)
		}
	}
	return nil
}

// fetch is a transaction with its receipt. The daemons know of its block: a chain that
// calls it pending, does not know it or can't say for a moment is about to say the same.
func (g *ground) fetch(ctx context.Context, hash common.Hash) (*types.Transaction, *types.Receipt, error) {
	look := time.NewTicker(headEvery)
	defer look.Stop()
	var last error
	for {
		tx, pending, err := g.client.TransactionByHash(ctx, hash)
		if err == nil && pending {
			err = errors.New("it is pending")
		}
		if err == nil {
			var r *types.Receipt
			if r, err = g.client.TransactionReceipt(ctx, hash); err == nil {
				return tx, r, nil
			}
		}
		if last == nil || ctx.Err() == nil { // what the end of time makes of a question says nothing
			last = err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("fetch transaction %s: %w: %w", hash.Hex(), last, context.Cause(ctx))
		}
	}
}

// transactions lists every transaction of the chain, in order.
func (g *ground) transactions(ctx context.Context) ([]*types.Transaction, error) {
	head, err := g.client.BlockNumber(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask for the head: %w", err)
	}
	var out []*types.Transaction
	for n := uint64(1); n <= head; n++ {
		b, err := g.client.BlockByNumber(ctx, new(big.Int).SetUint64(n))
		if err != nil {
			return nil, fmt.Errorf("read block %d: %w", n, err)
		}
		out = append(out, b.Transactions()...)
	}
	return out, nil
}

func ether(n int64) *big.Int { return new(big.Int).Mul(big.NewInt(n), big.NewInt(1e18)) }
